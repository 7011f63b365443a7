package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/etl/media"
	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/demo"
	"github.com/netflixathome/cinema/internal/demo/artwork"
	"github.com/netflixathome/cinema/internal/demo/clip"
	"github.com/netflixathome/cinema/internal/demo/history"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/subgraphs/admin"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
)

// wireDemo makes the seeder of the demo cinema, where the admin service runs.
func (a *app) wireDemo() error {
	studio, err := artwork.NewStudio()
	if err != nil {
		return err
	}
	maker, err := clip.NewMaker(studio, a.ffmpeg)
	if err != nil {
		return err
	}
	a.demo, err = demo.NewSeeder(demo.Deps{
		Titles:   demoTitles{a.records},
		Media:    &demoMedia{app: a, maker: maker},
		Pictures: demoPictures{studio, a.blobs},
		Viewers:  demoViewers{a},
		Indexed:  a.indexed,
		Dir:      a.cfg.DataDir,
		Now:      time.Now,
		Log:      a.log.With("part", "demo"),
	})
	if err != nil {
		return err
	}
	a.run("demo", a.demo.Run)
	return nil
}

// indexed is how many titles viewers can find; where the index is not in this
// process, as many as there are.
func (a *app) indexed(ctx context.Context) (int, error) {
	if a.index == nil {
		return a.records.CountDemo(ctx)
	}
	res, err := a.index.Search(ctx, search.Query{First: 1, Sort: search.SortAdded})
	if err != nil {
		return 0, err
	}
	return res.Total, nil
}

// demoStatus is the demo as the admin service shows it.
type demoStatus struct{ seeder *demo.Seeder }

func (d demoStatus) Status(ctx context.Context) (admin.DemoStatus, error) {
	s, err := d.seeder.Status(ctx)
	if err != nil {
		return admin.DemoStatus{}, err
	}
	return admin.DemoStatus{
		State: admin.DemoState(strings.ToUpper(string(s.State))), Step: s.Step, Percent: s.Percent, Titles: s.Titles,
	}, nil
}

func (d demoStatus) Remove(context.Context) error { return d.seeder.StartRemoval() }

// demoTitles keeps the demo's titles in the records of the admin service.
type demoTitles struct{ records *records.Service }

func (d demoTitles) Import(ctx context.Context, list []demo.Record, c *demo.Catalogue) error {
	in := records.Import{Demo: true}
	people := map[string]bool{}
	genres := map[string]bool{}
	for _, r := range list {
		t := records.ImportTitle{
			ID: r.ID, Kind: admin.KindFilm, OriginalName: r.OriginalName, OriginalLanguage: r.OriginalLanguage,
			Translations: []admin.TitleTranslation{
				{Locale: "en", Name: r.Name, Tagline: r.Tagline("en"), Description: r.PlotEn},
				{Locale: "ru", Name: r.NameRu, Tagline: r.Tagline("ru"), Description: r.PlotRu},
			},
			Year: number(r.Year), EndYear: number(r.EndYear), Countries: r.Countries, Genres: r.Genres, AddedAt: r.AddedAt,
		}
		age := r.AgeRating()
		t.AgeRating = &age
		t.DurationMs = number(r.RuntimeMinutes * 60_000)
		if r.Poster != nil {
			t.Poster = &admin.Image{Prefix: r.Poster.Prefix, Widths: r.Poster.Widths, Placeholder: r.Poster.Placeholder, Colour: r.Poster.Colour}
		}
		for _, part := range []struct {
			kind  admin.CreditKind
			names []string
		}{{admin.Director, r.Directors}, {admin.Writer, r.Writers}, {admin.Actor, r.Cast}} {
			for _, name := range part.names {
				t.Credits = append(t.Credits, records.ImportCredit{Person: name, Kind: part.kind})
				if people[name] {
					continue
				}
				people[name] = true
				p := records.ImportPerson{Key: name, Name: name}
				if ru := c.PeopleRu[name]; ru != "" {
					p.Names = map[string]string{"ru": ru}
				}
				in.People = append(in.People, p)
			}
		}
		for _, g := range r.Genres {
			if !genres[g] {
				genres[g] = true
				in.Genres = append(in.Genres, records.ImportGenre{Slug: g, Names: map[string]string{"en": c.GenresEn[g], "ru": c.GenresRu[g]}})
			}
		}
		if len(r.Seasons) > 0 {
			t.Kind, t.DurationMs = admin.KindSeries, nil
		}
		for i, season := range r.Seasons {
			s := records.ImportSeason{Number: season.Number}
			for k, e := range season.Episodes {
				s.Episodes = append(s.Episodes, records.ImportEpisode{
					ID: r.EpisodeIDs[i][k], Number: e.Number, OriginalName: e.OriginalName, DurationMs: number(e.RuntimeMinutes * 60_000),
					Translations: []admin.TitleTranslation{{Locale: "en", Name: e.Name}, {Locale: "ru", Name: e.NameRu}},
				})
			}
			t.Seasons = append(t.Seasons, s)
		}
		in.Titles = append(in.Titles, t)
	}
	_, err := d.records.Import(ctx, in)
	return err
}

// number is a pointer to n, nil for 0.
func number(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func (d demoTitles) SetStill(ctx context.Context, title uuid.UUID, p demo.Picture) error {
	return d.records.SetStill(ctx, title, admin.Image{Prefix: p.Prefix, Widths: p.Widths, Placeholder: p.Placeholder, Colour: p.Colour})
}

func (d demoTitles) Count(ctx context.Context) (int, error) { return d.records.CountDemo(ctx) }
func (d demoTitles) Delete(ctx context.Context) error       { return d.records.DeleteDemo(ctx) }

// demoPictures draws posters and stills into the object store.
type demoPictures struct {
	studio *artwork.Studio
	store  blob.Store
}

func spec(t *demo.Title) artwork.Spec {
	s := artwork.Spec{ID: t.Slug, Title: t.Name, Year: t.Year, Genres: t.Genres}
	if len(t.Directors) > 0 {
		s.Director = t.Directors[0]
	}
	return s
}

func (d demoPictures) Poster(ctx context.Context, t *demo.Title, prefix string) (demo.Picture, error) {
	b, err := d.studio.Poster(spec(t))
	return d.put(ctx, b, err, media.Poster, prefix)
}

func (d demoPictures) Still(ctx context.Context, t *demo.Title, prefix string) (demo.Picture, error) {
	b, err := d.studio.Still(spec(t))
	return d.put(ctx, b, err, media.Still, prefix)
}

func (d demoPictures) put(ctx context.Context, jpeg []byte, err error, kind media.PictureKind, prefix string) (demo.Picture, error) {
	if err != nil {
		return demo.Picture{}, err
	}
	picture, err := media.InspectImage(ctx, bytes.NewReader(jpeg), kind)
	if err != nil {
		return demo.Picture{}, err
	}
	image, err := storePicture(ctx, d.store, picture, prefix)
	return demo.Picture{Prefix: image.Prefix, Widths: image.Widths, Placeholder: image.Placeholder, Colour: image.Colour}, err
}

func (d demoPictures) Delete(ctx context.Context) error {
	return d.store.DeletePrefix(ctx, "pictures/demo/")
}

// demoMedia makes clips and sends them through the media ETL like uploads.
type demoMedia struct {
	app   *app
	maker *clip.Maker
}

const demoSources = "sources/demo/"

func (d *demoMedia) Make(ctx context.Context, p demo.Playable) error {
	have, err := d.app.library.MediaOf(ctx, []uuid.UUID{p.ID})
	if err != nil {
		return err
	}
	jobs, _, err := d.app.queue.List(ctx, media.Filter{PlayableID: p.ID}, media.Page{First: 1})
	if err != nil {
		return err
	}
	if _, there := have[p.ID]; there || len(jobs) > 0 {
		return nil
	}
	dir, err := os.MkdirTemp(filepath.Join(d.app.cfg.DataDir, "work"), "clip-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "clip.mp4")
	err = d.maker.Make(ctx, clip.Spec{
		Spec:     artwork.Spec{ID: p.Seed, Title: p.Name, Director: p.Subtitle},
		Duration: demoClip,
	}, file)
	if err != nil {
		return err
	}
	asset := p.ID // one asset a playable, so that a repeated step finds it
	key := demoSources + asset.String() + ".mp4"
	if _, err := blob.PutFile(ctx, d.app.blobs, key, file, blob.PutOptions{}); err != nil {
		return err
	}
	return pg.Tx(ctx, d.app.catalogPool, func(tx pgx.Tx) error {
		_, err := d.app.queue.Enqueue(ctx, tx, media.JobSpec{
			AssetID: asset, PlayableID: p.ID, PlayableKind: string(kindOf(p)), SourceKey: key, Priority: -1, Demo: true,
		})
		return err
	})
}

// demoClip is how long a demo film is.
const demoClip = 24 * time.Second

func (d *demoMedia) Pending(ctx context.Context) (int, error) {
	yes := true
	jobs, _, err := d.app.queue.List(ctx, media.Filter{States: []media.State{media.Queued, media.Probing, media.Encoding}, Demo: &yes}, media.Page{First: 200})
	return len(jobs), err
}

func (d *demoMedia) Ready(ctx context.Context, id uuid.UUID) (bool, error) {
	have, err := d.app.library.MediaOf(ctx, []uuid.UUID{id})
	return have[id].Ready, err
}

func (d *demoMedia) Share(ctx context.Context, from demo.Playable, to []demo.Playable) error {
	ids := make([]uuid.UUID, len(to))
	for i, p := range to {
		ids[i] = p.ID
	}
	have, err := d.app.library.MediaOf(ctx, ids)
	if err != nil {
		return err
	}
	for _, p := range to {
		if _, there := have[p.ID]; there {
			continue
		}
		if _, err := d.app.library.Share(ctx, from.ID, p.ID, string(kindOf(p))); err != nil {
			return err
		}
	}
	return nil
}

func kindOf(p demo.Playable) gid.Kind {
	if p.Episode {
		return gid.Episode
	}
	return gid.Film
}

func (d *demoMedia) Playable(ctx context.Context, id uuid.UUID) (bool, error) {
	if d.app.index != nil { // what viewers see
		titles, err := d.app.index.TitlesByID(ctx, []uuid.UUID{id})
		if err != nil {
			return false, err
		}
		return titles[id] != nil && titles[id].Media != nil, nil
	}
	return d.Ready(ctx, id)
}

func (d *demoMedia) Delete(ctx context.Context) error {
	if _, err := d.app.library.RemoveDemo(ctx); err != nil {
		return err
	}
	return d.app.blobs.DeletePrefix(ctx, demoSources)
}

// demoViewers are synthetic profiles whose viewing goes the way of real
// viewers' events. They have no accounts: nobody can sign in as one.
type demoViewers struct{ app *app }

func (d demoViewers) Send(ctx context.Context, titles []demo.Watchable, until time.Time, progress func(share float64)) error {
	c := history.Config{Until: until, Seed: 1}
	for _, t := range titles {
		kind, part := gid.Film, gid.Film
		if t.Series {
			kind, part = gid.Series, gid.Episode
		}
		title := history.Title{ID: gid.Of(kind, t.ID), Name: t.Name}
		for _, p := range t.Playables {
			title.Playables = append(title.Playables, history.Playable{ID: gid.Of(part, p.ID), Duration: p.Duration})
		}
		c.Titles = append(c.Titles, title)
	}
	_, err := history.Send(ctx, c, d.app.events.Append, progress)
	return err
}

func (d demoViewers) Delete(ctx context.Context) error {
	if d.app.watching != nil {
		if err := d.app.watching.RemoveDemo(ctx); err != nil {
			return err
		}
	}
	if d.app.clickhouse == nil {
		return nil
	}
	roller, err := collectors.NewRoller(d.app.clickhouse, d.app.log.With("part", "demo"))
	if err != nil {
		return err
	}
	return roller.RemoveDemo(ctx)
}
