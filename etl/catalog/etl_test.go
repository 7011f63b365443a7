package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/etl/catalog"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/bleve"
	"github.com/netflixathome/cinema/subgraphs/admin"
	"github.com/netflixathome/cinema/subgraphs/admin/postgres/migrations"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
)

// index is a search.Writer in memory. It outlives an ETL as a real one does.
type index struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced by every change
	titles   map[uuid.UUID]*search.Title
	people   map[uuid.UUID]*search.Person
	genres   map[uuid.UUID]*search.Genre
	position string
	rebuilds int
	batches  int

	// applyHook and positionHook may fail a call, as a kill would.
	applyHook    func(search.Batch) error
	positionHook func(string) error
}

func newIndex() *index {
	return &index{changed: make(chan struct{}), titles: map[uuid.UUID]*search.Title{}, people: map[uuid.UUID]*search.Person{}, genres: map[uuid.UUID]*search.Genre{}}
}

func (x *index) apply(b search.Batch) {
	for _, d := range b.PutTitles {
		x.titles[d.ID] = d
	}
	for _, d := range b.PutPeople {
		x.people[d.ID] = d
	}
	for _, d := range b.PutGenres {
		x.genres[d.ID] = d
	}
	for _, id := range b.DeleteTitles {
		delete(x.titles, id)
	}
	for _, id := range b.DeletePeople {
		delete(x.people, id)
	}
	for _, id := range b.DeleteGenres {
		delete(x.genres, id)
	}
}

func (x *index) touch() { close(x.changed); x.changed = make(chan struct{}) }

func (x *index) Apply(_ context.Context, b search.Batch) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.applyHook != nil {
		if err := x.applyHook(b); err != nil {
			return err
		}
	}
	x.apply(b)
	x.batches++
	x.touch()
	return nil
}

func (x *index) Position(context.Context) (string, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.position, nil
}

func (x *index) SetPosition(_ context.Context, p string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.positionHook != nil {
		if err := x.positionHook(p); err != nil {
			return err
		}
	}
	x.position = p
	x.touch()
	return nil
}

type rebuild struct {
	*index
	of *index
}

func (x *index) Rebuild(context.Context) (search.Rebuild, error) {
	next := newIndex()
	x.mu.Lock()
	next.applyHook = x.applyHook
	x.mu.Unlock()
	return rebuild{next, x}, nil
}

func (r rebuild) Swap(_ context.Context, p string) error {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.of.titles, r.of.people, r.of.genres, r.of.position = r.titles, r.people, r.genres, p
	r.of.rebuilds++
	r.of.touch()
	return nil
}

func (r rebuild) Discard(context.Context) error { return nil }

// await waits until ok, which is called under the lock, holds.
func (x *index) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		x.mu.Lock()
		done, changed := ok(), x.changed
		x.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// jobs is a media queue that is never asked for anything here.
type jobs struct{}

func (jobs) Enqueue(context.Context, pgx.Tx, admin.JobSpec) error { return errors.New("unexpected") }
func (jobs) Cancel(context.Context, uuid.UUID) error              { return errors.New("unexpected") }
func (jobs) Retry(context.Context, uuid.UUID) error               { return errors.New("unexpected") }
func (jobs) Forget(context.Context, uuid.UUID) error              { return nil }

type house struct {
	pool    *pgxpool.Pool
	records *records.Service
	index   *index
	writer  search.Writer // index, if nil
	slot    string
	log     *slog.Logger
}

// mediaTables is the read contract of the media ETL: what this package reads.
const mediaTables = `
CREATE TABLE media_asset (asset_id uuid PRIMARY KEY, origin_id uuid NOT NULL, playable_id uuid NOT NULL, duration_ms bigint NOT NULL,
	master_key text NOT NULL, sprite_vtt_key text NOT NULL DEFAULT '', subtitles jsonb NOT NULL DEFAULT '[]', ready boolean NOT NULL,
	complete boolean NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), retired_at timestamptz);
CREATE TABLE rendition (asset_id uuid, name text, width int NOT NULL, height int NOT NULL, bitrate int NOT NULL, PRIMARY KEY (asset_id, name))`

func newHouse(t testing.TB, withMedia bool) *house {
	t.Helper()
	ctx := t.Context()
	pool, err := pg.Open(ctx, enginestest.PostgresWith(t, "catalog", func(ctx context.Context, pool *pgxpool.Pool) error {
		return pg.Migrate(ctx, pool, migrations.FS, migrations.Table)
	}), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if withMedia {
		if _, err := pool.Exec(ctx, mediaTables); err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("ETL_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	svc, err := records.New(records.Deps{Pool: pool, Jobs: jobs{}, Log: log, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	slot := "etl_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	return &house{pool: pool, records: svc, index: newIndex(), slot: slot, log: log}
}

// start runs an ETL; stop ends it and waits.
func (h *house) start(t testing.TB) (e *catalog.ETL, stop func()) {
	t.Helper()
	writer := h.writer
	if writer == nil {
		writer = h.index
	}
	e, err := catalog.New(catalog.Deps{Pool: h.pool, Index: writer, Log: h.log, Slot: h.slot})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = e.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return e, stop
}

func (h *house) film(t testing.TB, name string, publish bool, in ...func(*admin.CreateTitleInput)) *admin.TitleRecord {
	t.Helper()
	input := admin.CreateTitleInput{Kind: admin.KindFilm, OriginalName: name, Publish: &publish}
	for _, f := range in {
		f(&input)
	}
	r, err := h.records.CreateTitle(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryChangeReachesTheIndex(t *testing.T) {
	h := newHouse(t, true)
	ctx := t.Context()
	x := h.index
	person, err := h.records.CreatePerson(ctx, admin.CreatePersonInput{Name: "Georges Méliès", Translations: []*admin.NameTranslationInput{{Locale: "ru", Name: "Жорж Мельес"}}})
	ok(t, err)
	genre, err := h.records.CreateGenre(ctx, admin.CreateGenreInput{Slug: "sci-fi", Translations: []*admin.NameTranslationInput{{Locale: "en", Name: "Science fiction"}}})
	ok(t, err)
	before := h.film(t, "Before", true, func(in *admin.CreateTitleInput) {
		in.GenreIds = []gid.ID{genre.ID}
		in.Credits = []*admin.CreditInput{{PersonID: person.ID, Kind: admin.Director}}
	})
	draft := h.film(t, "Draft", false)
	h.start(t)
	x.await(t, "the snapshot", func() bool { return x.titles[before.ID.UUID] != nil && x.genres[genre.ID.UUID] != nil })
	x.mu.Lock()
	if x.titles[draft.ID.UUID] != nil {
		t.Error("a draft is in the index")
	}
	if p := x.people[person.ID.UUID]; p == nil || p.Names["ru"] != "Жорж Мельес" {
		t.Errorf("person: %+v", p)
	}
	x.mu.Unlock()
	title := func(id gid.ID) *search.Title {
		if d := x.titles[id.UUID]; d != nil {
			return d
		}
		return &search.Title{}
	}

	_, err = h.records.PublishTitles(ctx, []gid.ID{draft.ID}, true)
	ok(t, err)
	x.await(t, "a published draft", func() bool { return title(draft.ID).OriginalName == "Draft" })

	_, err = h.records.UpdatePerson(ctx, admin.UpdatePersonInput{ID: person.ID, Translations: set([]*admin.NameTranslationInput{{Locale: "ru", Name: "Ж. Мельес"}})})
	ok(t, err)
	x.await(t, "a person's new name in their titles", func() bool {
		c := title(before.ID).Credits
		return len(c) == 1 && c[0].Names["ru"] == "Ж. Мельес" && x.people[person.ID.UUID].Names["ru"] == "Ж. Мельес"
	})
	_, err = h.records.UpdateGenre(ctx, admin.UpdateGenreInput{ID: genre.ID, Translations: set([]*admin.NameTranslationInput{{Locale: "en", Name: "SF"}})})
	ok(t, err)
	x.await(t, "a genre's new name in its titles", func() bool {
		n := title(before.ID).GenreNames
		return len(n) == 1 && n[0]["en"] == "SF" && x.genres[genre.ID.UUID].Names["en"] == "SF"
	})

	// A person is rated as the lowest of their published titles.
	rated := func(age int) func() bool {
		return func() bool {
			p := x.people[person.ID.UUID]
			return p != nil && (p.AgeRating == nil && age < 0 || p.AgeRating != nil && *p.AgeRating == age)
		}
	}
	x.await(t, "a person of unrated titles", rated(-1))
	eighteen, six := 18, 6
	_, err = h.records.UpdateTitle(ctx, admin.UpdateTitleInput{ID: before.ID, AgeRating: set(&eighteen)})
	ok(t, err)
	x.await(t, "a person of a rated title", rated(18))
	second := h.film(t, "Second", true, func(in *admin.CreateTitleInput) {
		in.AgeRating = &six
		in.Credits = []*admin.CreditInput{{PersonID: person.ID, Kind: admin.Director}}
	})
	x.await(t, "a person of a title for children too", rated(6))
	_, err = h.records.PublishTitles(ctx, []gid.ID{second.ID}, false)
	ok(t, err)
	x.await(t, "one without it again", rated(18))
	_, err = h.records.UpdateTitle(ctx, admin.UpdateTitleInput{ID: before.ID, AgeRating: set[*int](nil)})
	ok(t, err)
	x.await(t, "one of a title that is rated no more", rated(-1))

	// Media: made, grown, replaced, gone.
	asset, origin := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	exec(t, h, `INSERT INTO media_asset (asset_id, origin_id, playable_id, duration_ms, master_key, ready, complete, subtitles)
		VALUES ($1, $2, $3, 60000, 'renditions/x/master.m3u8', true, false, '[{"key": "renditions/x/s0/subtitles.vtt", "label": "Русские", "language": "ru"}]')`, asset, origin, before.ID.UUID)
	x.await(t, "media", func() bool {
		m := title(before.ID).Media
		return m != nil && m.Prefix == "renditions/x/" && len(m.Subtitles) == 1 && m.Subtitles[0].Language == "ru"
	})
	exec(t, h, `INSERT INTO rendition VALUES ($1, '480p', 854, 480, 1000), ($1, '720p', 1280, 720, 2000)`, origin)
	x.await(t, "renditions, the best first", func() bool {
		m := title(before.ID).Media
		return m != nil && len(m.Renditions) == 2 && m.Renditions[0].Name == "720p" && m.Renditions[0].Bitrate == 2000
	})
	exec(t, h, `DELETE FROM media_asset`)
	x.await(t, "no media", func() bool { return title(before.ID).Media == nil && title(before.ID).OriginalName != "" })

	// A person who is in no published title is not in the index.
	_, err = h.records.PublishTitles(ctx, []gid.ID{before.ID}, false)
	ok(t, err)
	x.await(t, "a hidden title", func() bool { return x.titles[before.ID.UUID] == nil && x.people[person.ID.UUID] == nil })
	_, err = h.records.PublishTitles(ctx, []gid.ID{before.ID}, true)
	ok(t, err)
	x.await(t, "a title shown again", func() bool { return x.titles[before.ID.UUID] != nil && x.people[person.ID.UUID] != nil })
	_, err = h.records.UpdateTitle(ctx, admin.UpdateTitleInput{ID: before.ID, Credits: set([]*admin.CreditInput{})})
	ok(t, err)
	x.await(t, "a credit taken away", func() bool { return len(title(before.ID).Credits) == 0 && x.people[person.ID.UUID] == nil })

	_, err = h.records.DeleteGenre(ctx, genre.ID)
	ok(t, err)
	x.await(t, "a deleted genre", func() bool { return x.genres[genre.ID.UUID] == nil && len(title(before.ID).GenreIDs) == 0 })

	// A series with its episodes, one of which goes again.
	yes := true
	series, err := h.records.CreateTitle(ctx, admin.CreateTitleInput{Kind: admin.KindSeries, OriginalName: "Les Vampires", Publish: &yes})
	ok(t, err)
	one, _, err := h.records.CreateEpisode(ctx, admin.CreateEpisodeInput{SeriesID: series.ID, SeasonNumber: 1, Number: 1, OriginalName: "La Tête coupée",
		Translations: []*admin.TitleTranslationInput{{Locale: "ru", Name: "Отрубленная голова"}}})
	ok(t, err)
	_, _, err = h.records.CreateEpisode(ctx, admin.CreateEpisodeInput{SeriesID: series.ID, SeasonNumber: 2, Number: 1, OriginalName: "La Bague qui tue"})
	ok(t, err)
	x.await(t, "episodes", func() bool {
		s := title(series.ID).Seasons
		return len(s) == 2 && s[0].Episodes[0].Name["ru"] == "Отрубленная голова" && s[1].Number == 2
	})
	exec(t, h, `INSERT INTO media_asset (asset_id, origin_id, playable_id, duration_ms, master_key, ready, complete) VALUES ($1, $1, $2, 5, 'a/m', true, true)`, asset, one.ID.UUID)
	x.await(t, "an episode's media", func() bool {
		s := title(series.ID).Seasons
		return len(s) > 0 && s[0].Episodes[0].Media != nil
	})
	exec(t, h, `DELETE FROM episode_translation`)
	x.await(t, "an episode without words", func() bool { return len(title(series.ID).Seasons[0].Episodes[0].Name) == 0 })
	_, err = h.records.DeleteEpisode(ctx, one.ID)
	ok(t, err)
	x.await(t, "an episode and its season gone", func() bool {
		s := title(series.ID).Seasons
		return len(s) == 1 && s[0].Number == 2
	})

	_, err = h.records.DeleteTitles(ctx, []gid.ID{series.ID, before.ID})
	ok(t, err)
	x.await(t, "deleted titles", func() bool { return x.titles[series.ID.UUID] == nil && x.titles[before.ID.UUID] == nil })
	_, err = h.records.RestoreTitles(ctx, []gid.ID{series.ID})
	ok(t, err)
	x.await(t, "a restored title", func() bool { return len(title(series.ID).Seasons) == 1 })
	if x.rebuilds != 1 {
		t.Errorf("%d rebuilds, want the first only", x.rebuilds)
	}
}

// A kill may fall between any two steps. Each case makes one step fail for a
// while, as the kill would, changes records meanwhile, and starts a new ETL.
func TestNothingIsMissedUnderAKill(t *testing.T) {
	killed := errors.New("killed")
	for name, arrange := range map[string]func(x *index){
		"before the index is written":    func(x *index) { x.applyHook = func(search.Batch) error { return killed } },
		"between write and confirmation": func(x *index) { x.positionHook = func(string) error { return killed } },
		"after one confirmation of three": func(x *index) {
			n := 0
			x.positionHook = func(string) error {
				n++
				if n > 1 {
					return killed
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, false)
			x := h.index
			_, stop := h.start(t)
			first := h.film(t, "first", true)
			x.await(t, "the first film", func() bool { return x.titles[first.ID.UUID] != nil })

			reached := make(chan struct{}, 100)
			x.mu.Lock()
			arrange(x)
			for _, hook := range []*func(search.Batch) error{&x.applyHook} {
				if inner := *hook; inner != nil {
					*hook = func(b search.Batch) error { reached <- struct{}{}; return inner(b) }
				}
			}
			if inner := x.positionHook; inner != nil {
				x.positionHook = func(p string) error {
					err := inner(p)
					if err != nil {
						reached <- struct{}{}
					}
					return err
				}
			}
			x.mu.Unlock()
			_, err := h.records.DeleteTitles(t.Context(), []gid.ID{first.ID})
			ok(t, err)
			// How changes fall into batches is the ETL's affair: they go on
			// until the step is reached.
			var films []*admin.TitleRecord
			for there := false; !there || len(films) < 5; {
				if len(films) == 100 {
					t.Fatal("the step was not reached")
				}
				films = append(films, h.film(t, fmt.Sprint("film ", len(films)), true))
				select {
				case <-reached:
					there = true
				case <-time.After(200 * time.Millisecond):
				}
			}
			stop()
			films = append(films, h.film(t, "while nobody looked", true))
			x.mu.Lock()
			x.applyHook, x.positionHook = nil, nil
			x.mu.Unlock()
			e, _ := h.start(t)
			x.await(t, "all films", func() bool {
				for _, f := range films {
					if x.titles[f.ID.UUID] == nil {
						return false
					}
				}
				return x.titles[first.ID.UUID] == nil
			})
			if x.rebuilds != 1 || e.Status().Rebuilds != 0 {
				t.Errorf("%d rebuilds: the log was not used", x.rebuilds)
			}
		})
	}
}

// While the index is slow the log is read on, so that all that came meanwhile
// is carried at once, and Postgres hears from a reader that is alive.
func TestTheLogIsReadWhileTheIndexIsWritten(t *testing.T) {
	h := newHouse(t, false)
	x := h.index
	h.start(t)
	film := h.film(t, "film", true)
	exec(t, h, `INSERT INTO title_translation (title_id, locale, name) SELECT id, 'en', 'film' FROM title`)
	x.await(t, "the film", func() bool { return x.titles[film.ID.UUID] != nil && x.titles[film.ID.UUID].Name["en"] == "film" })

	writes, held, goOn := 0, make(chan struct{}), make(chan struct{})
	x.mu.Lock()
	x.applyHook = func(search.Batch) error {
		if writes++; writes == 1 {
			close(held)
			<-goOn
		}
		return nil
	}
	x.mu.Unlock()
	release := sync.OnceFunc(func() { close(goOn) })
	defer release() // or the ETL could not be stopped
	exec(t, h, `UPDATE title_translation SET name = 'held'`)
	<-held
	// More than fits into what lies between the server and a reader that does not read.
	const changes = 20
	exec(t, h, `ALTER TABLE title_translation DROP CONSTRAINT title_translation_description_check`)
	for i := range changes {
		exec(t, h, fmt.Sprintf(`UPDATE title_translation SET name = 'name %d', description = repeat('%02d', 500000)`, i, i))
	}
	await(t, func() bool {
		var sent bool
		ok(t, h.pool.QueryRow(t.Context(), `SELECT coalesce((SELECT r.sent_lsn >= pg_current_wal_lsn() FROM pg_stat_replication r
			JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE s.slot_name = $1), false)`, h.slot).Scan(&sent))
		return sent
	})
	release()
	last := fmt.Sprint("name ", changes-1)
	x.await(t, "the last change", func() bool { return x.titles[film.ID.UUID].Name["en"] == last })
	x.mu.Lock()
	defer x.mu.Unlock()
	if writes > 4 {
		t.Errorf("%d changes of one film came in %d writes", changes, writes-1)
	}
}

func TestRebuilds(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, h *house){
		"lost slot": func(t *testing.T, h *house) { dropSlot(t, h) },
		"empty index": func(_ *testing.T, h *house) {
			h.index.titles, h.index.position = map[uuid.UUID]*search.Title{}, ""
		},
		"an older program's index": func(_ *testing.T, h *house) { h.index.position = "0" + h.index.position[1:] },
		"another server's index":   func(_ *testing.T, h *house) { h.index.position = "1 123 0/1 x" },
		// As a kill leaves it in the middle of a rebuild: a new slot, the old index.
		"slot ahead of the index": func(t *testing.T, h *house) {
			dropSlot(t, h)
			h.film(t, "in between", true)
			exec(t, h, `SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, h.slot)
		},
		"new tables": func(t *testing.T, h *house) { exec(t, h, mediaTables) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, false)
			x := h.index
			_, stop := h.start(t)
			first := h.film(t, "first", true)
			x.await(t, "the first film", func() bool { return x.titles[first.ID.UUID] != nil })
			stop()
			harm(t, h)
			second := h.film(t, "second", true)
			e, _ := h.start(t)
			x.await(t, "both films", func() bool {
				return x.titles[first.ID.UUID] != nil && x.titles[second.ID.UUID] != nil && x.rebuilds == 2
			})
			var n int
			ok(t, h.pool.QueryRow(t.Context(), `SELECT count(*) FROM title WHERE status = 'published'`).Scan(&n))
			x.await(t, "as many as there are", func() bool { return len(x.titles) == n })
			third := h.film(t, "third", true)
			x.await(t, "the log goes on", func() bool { return x.titles[third.ID.UUID] != nil })
			if got := e.Status().Rebuilds; got != 1 {
				t.Errorf("%d rebuilds", got)
			}
		})
	}
}

func TestTruncationRebuilds(t *testing.T) {
	h := newHouse(t, false)
	x := h.index
	h.start(t)
	first := h.film(t, "first", true)
	x.await(t, "the first film", func() bool { return x.titles[first.ID.UUID] != nil })
	exec(t, h, `TRUNCATE title CASCADE`)
	x.await(t, "an empty index", func() bool { return len(x.titles) == 0 && x.rebuilds == 2 })
}

func TestABadRecordStopsNoOther(t *testing.T) {
	h := newHouse(t, false)
	x := h.index
	x.applyHook = func(b search.Batch) error {
		for _, d := range b.PutTitles {
			if d.OriginalName == "refused" {
				return fault.New(fault.Invalid, "not with this name")
			}
		}
		return nil
	}
	e, _ := h.start(t)
	good := h.film(t, "good", true)
	x.await(t, "the first", func() bool { return x.titles[good.ID.UUID] != nil })
	refused := h.film(t, "refused", true)
	unreadable := h.film(t, "unreadable", true)
	exec(t, h, `UPDATE title SET poster = '{"prefix": 5}' WHERE id = $1`, unreadable.ID.UUID)
	after := h.film(t, "after", true)
	x.await(t, "the one behind", func() bool { return x.titles[after.ID.UUID] != nil })
	// A batch that is refused is tried record by record, so one of them may
	// come after the film behind.
	await(t, func() bool {
		got := slices.Compact(slices.Sorted(slices.Values(e.Status().Skipped)))
		return slices.Equal(got, slices.Sorted(slices.Values([]string{"title " + refused.ID.UUID.String(), "title " + unreadable.ID.UUID.String()})))
	})
	_, err := h.records.UpdateTitle(t.Context(), admin.UpdateTitleInput{ID: refused.ID, OriginalName: set(ptr("accepted"))})
	ok(t, err)
	x.await(t, "its next change", func() bool { return x.titles[refused.ID.UUID] != nil })
}

func TestASecondInstanceStandsBy(t *testing.T) {
	h := newHouse(t, false)
	x := h.index
	first, stop := h.start(t)
	x.await(t, "the first instance", func() bool { return x.rebuilds == 1 })
	await(t, func() bool { return first.Status().State == catalog.Following })
	second, _ := h.start(t)
	await(t, func() bool { return second.Status().State == catalog.StandingBy })
	await(t, func() bool { return !first.Status().Fresh.IsZero() })
	if !second.Status().Fresh.IsZero() {
		t.Error("the one that stands by says that it brought the index up to date")
	}
	stop()
	f := h.film(t, "taken over", true)
	x.await(t, "a change by the second instance", func() bool { return x.titles[f.ID.UUID] != nil })
	if x.rebuilds != 1 {
		t.Error("the second instance rebuilt the index")
	}
}

// On a new index there is no slot yet to keep a second instance away.
func TestASecondInstanceStandsByWhileTheFirstRebuilds(t *testing.T) {
	h := newHouse(t, false)
	x := h.index
	h.film(t, "there", true)
	entered, release := make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(entered) })
	x.applyHook = func(search.Batch) error { enter(); <-release; return nil }
	goOn := sync.OnceFunc(func() { close(release) })
	t.Cleanup(goOn)
	first, _ := h.start(t)
	<-entered
	second, _ := h.start(t)
	await(t, func() bool { return second.Status().State == catalog.StandingBy })
	goOn()
	await(t, func() bool { return first.Status().State == catalog.Following })
	x.await(t, "one rebuild", func() bool { return x.rebuilds == 1 })
}

// Writes elsewhere in the server must not pile up because the catalogue is quiet.
func TestAnIdleSlotMovesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the 10 s after which an idle position moves on")
	}
	t.Parallel()
	h := newHouse(t, false)
	x := h.index
	h.start(t)
	x.await(t, "the snapshot", func() bool { return x.rebuilds == 1 })
	exec(t, h, `CREATE TABLE elsewhere AS SELECT generate_series(1, 10000) AS n`)
	var end string
	ok(t, h.pool.QueryRow(t.Context(), `SELECT pg_current_wal_lsn()::text`).Scan(&end))
	await(t, func() bool {
		var past bool
		ok(t, h.pool.QueryRow(t.Context(), `SELECT confirmed_flush_lsn >= $2::pg_lsn FROM pg_replication_slots WHERE slot_name = $1`, h.slot, end).Scan(&past))
		return past
	})
}

// both writes the real index first, then the one that a test can wait on.
type both struct {
	search.Writer
	index *index
}

func (b both) Apply(ctx context.Context, batch search.Batch) error {
	if err := b.Writer.Apply(ctx, batch); err != nil {
		return err
	}
	return b.index.Apply(ctx, batch)
}

type bothRebuilt struct {
	search.Rebuild
	memory search.Rebuild
}

func (b both) Rebuild(ctx context.Context) (search.Rebuild, error) {
	r, err := b.Writer.Rebuild(ctx)
	if err != nil {
		return nil, err
	}
	m, err := b.index.Rebuild(ctx)
	return bothRebuilt{r, m}, err
}

func (b bothRebuilt) Apply(ctx context.Context, batch search.Batch) error {
	if err := b.Rebuild.Apply(ctx, batch); err != nil {
		return err
	}
	return b.memory.Apply(ctx, batch)
}

func (b bothRebuilt) Swap(ctx context.Context, p string) error {
	if err := b.Rebuild.Swap(ctx, p); err != nil {
		return err
	}
	return b.memory.Swap(ctx, p)
}

func (h *house) withBleve(t testing.TB, dir string) *bleve.Index {
	t.Helper()
	x, err := bleve.Open(dir, bleve.Options{Logger: h.log})
	ok(t, err)
	h.writer = both{x, h.index}
	return x
}

// The story of an admin: a title is corrected and found under its new name, in
// spite of a typo; also after a restart of everything.
func TestTheRealIndex(t *testing.T) {
	h := newHouse(t, false)
	dir := t.TempDir()
	real := h.withBleve(t, dir)
	_, stop := h.start(t)
	film := h.film(t, "Nosferatu", true)
	find := func(text string) int {
		r, err := real.Search(t.Context(), search.Query{Text: text, First: 10})
		ok(t, err)
		return r.Total
	}
	h.index.await(t, "the film", func() bool { return h.index.titles[film.ID.UUID] != nil })
	if find("nosferatu") != 1 || find("metropolis") != 0 {
		t.Fatal("the film is not found")
	}
	_, err := h.records.UpdateTitle(t.Context(), admin.UpdateTitleInput{ID: film.ID, OriginalName: set(ptr("Metropolis"))})
	ok(t, err)
	h.index.await(t, "the correction", func() bool { return h.index.titles[film.ID.UUID].Version == 2 })
	if find("metropoliz") != 1 || find("nosferatu") != 0 {
		t.Error("the correction is not found")
	}
	stop()
	ok(t, real.Close())
	second := h.film(t, "Caligari", true)
	real = h.withBleve(t, dir)
	defer real.Close()
	e, _ := h.start(t)
	h.index.await(t, "a film made meanwhile", func() bool { return h.index.titles[second.ID.UUID] != nil })
	if find("caligarri") != 1 || find("metropolis") != 1 || e.Status().Rebuilds != 0 {
		t.Errorf("after the restart: %d, %d, %d rebuilds", find("caligarri"), find("metropolis"), e.Status().Rebuilds)
	}
}

// BenchmarkChangeToSearchable saves 50 titles a second, of 60 with a cast of
// six each, and says how long each save took until the index had it.
func BenchmarkChangeToSearchable(b *testing.B) {
	for name, real := range map[string]bool{"memory": false, "bleve": true} {
		b.Run(name, func(b *testing.B) { benchmark(b, real) })
	}
}

func benchmark(b *testing.B, real bool) {
	h := newHouse(b, true)
	if real {
		x := h.withBleve(b, b.TempDir())
		defer x.Close()
	}
	// As the embedded server runs, not as the disposable one of tests, whose
	// log reaches its readers only every 200 ms.
	var database string
	ok(b, h.pool.QueryRow(b.Context(), `SELECT current_database()`).Scan(&database))
	_, err := h.pool.Exec(b.Context(), `ALTER DATABASE `+database+` SET synchronous_commit = on`)
	ok(b, err)
	h.pool.Reset()
	x := h.index
	_, stop := h.start(b)
	defer stop()
	var cast []*admin.CreditInput
	for i := range 6 {
		p, err := h.records.CreatePerson(b.Context(), admin.CreatePersonInput{Name: fmt.Sprint("Person ", i)})
		ok(b, err)
		cast = append(cast, &admin.CreditInput{PersonID: p.ID, Kind: admin.Actor})
	}
	var films []*admin.TitleRecord
	for i := range 60 {
		films = append(films, h.film(b, fmt.Sprint("film ", i), true, func(in *admin.CreateTitleInput) {
			in.Credits = cast
			in.Translations = []*admin.TitleTranslationInput{{Locale: "en", Name: "A film", Description: ptr(strings.Repeat("words of it ", 30))}, {Locale: "ru", Name: "Фильм"}}
		}))
	}
	x.await(b, "the films", func() bool { return len(x.titles) == len(films) })
	tick := time.NewTicker(time.Second / 50)
	defer tick.Stop()
	type save struct {
		id      uuid.UUID
		version int64
	}
	saved := map[save]time.Time{}
	var took []time.Duration
	look := func() {
		for s, at := range saved {
			if d := x.titles[s.id]; d != nil && d.Version >= s.version {
				took = append(took, time.Since(at))
				delete(saved, s)
			}
		}
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			x.mu.Lock()
			look()
			changed := x.changed
			x.mu.Unlock()
			select {
			case <-changed:
			case <-done:
				return
			}
		}
	}()
	b.ResetTimer()
	for i := range b.N {
		<-tick.C
		at := time.Now()
		r, err := h.records.UpdateTitle(b.Context(), admin.UpdateTitleInput{ID: films[i%len(films)].ID, OriginalName: set(ptr(fmt.Sprint("save ", i)))})
		ok(b, err)
		x.mu.Lock()
		saved[save{r.ID.UUID, int64(r.Version)}] = at
		x.mu.Unlock()
	}
	b.StopTimer()
	x.await(b, "the last save", func() bool { look(); return len(took) >= b.N })
	close(done)
	<-stopped
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	if _, err := catalog.New(catalog.Deps{}); err == nil {
		t.Error("no dependencies, no error")
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t testing.TB, h *house, sql string, args ...any) {
	t.Helper()
	_, err := h.pool.Exec(t.Context(), sql, args...)
	ok(t, err)
}

// dropSlot waits until the server has noticed that its reader is gone.
func dropSlot(t testing.TB, h *house) {
	t.Helper()
	await(t, func() bool {
		_, err := h.pool.Exec(t.Context(), `SELECT pg_drop_replication_slot($1)`, h.slot)
		return err == nil
	})
}

func await(t testing.TB, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatal("not in time")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func ptr[T any](v T) *T { return &v }

func set[T any](v T) graphql.Omittable[T] { return graphql.OmittableOf(v) }
