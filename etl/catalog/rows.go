package catalog

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/search"
)

// reader reads rows in one snapshot.
type reader struct {
	tx    pgx.Tx
	media bool // the media ETL's tables are there
}

func (r reader) each(ctx context.Context, what, sql string, args []any, into []any, f func() error) error {
	rows, err := r.tx.Query(ctx, sql, args...)
	if err == nil {
		_, err = pgx.ForEachRow(rows, into, f)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

func (r reader) ids(ctx context.Context, what, sql string, args ...any) ([]uuid.UUID, error) {
	rows, err := r.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return out, nil
}

const namesOf = `(SELECT jsonb_object_agg(x.locale, x.name) FROM %[1]s_translation x WHERE x.%[1]s_id = %[2]s.id)`

var (
	genreColumns  = `g.id, g.version, g.slug, ` + fmt.Sprintf(namesOf, "genre", "g")
	personColumns = `p.id, p.version, p.name, ` + fmt.Sprintf(namesOf, "person", "p")
)

// titles reads the published ones of ids, in a fixed number of queries.
func (r reader) titles(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*titleRows, error) {
	out := make(map[uuid.UUID]*titleRows, len(ids))
	var t titleRows
	err := r.each(ctx, "titles", `SELECT id, kind, version, original_name, original_language, year, end_year, duration_ms, age_rating,
			countries, poster, still, published_at FROM title WHERE id = ANY($1) AND status = 'published'`, []any{ids},
		[]any{&t.ID, &t.Kind, &t.Version, &t.OriginalName, &t.OriginalLanguage, &t.Year, &t.EndYear, &t.DurationMs, &t.AgeRating,
			&t.Countries, &t.Poster, &t.Still, &t.PublishedAt}, func() error {
			c := t
			c.Media = map[uuid.UUID]*mediaRow{}
			out[t.ID] = &c
			t = titleRows{}
			return nil
		})
	if err != nil || len(out) == 0 {
		return out, err
	}
	found := make([]uuid.UUID, 0, len(out))
	for id := range out {
		found = append(found, id)
	}
	var owner uuid.UUID
	var w wordsRow
	if err := r.each(ctx, "words", `SELECT title_id, locale, name, tagline, description FROM title_translation WHERE title_id = ANY($1)`, []any{found},
		[]any{&owner, &w.Locale, &w.Name, &w.Tagline, &w.Description}, func() error {
			out[owner].Words = append(out[owner].Words, w)
			return nil
		}); err != nil {
		return nil, err
	}
	var g genreRow
	if err := r.each(ctx, "genres", `SELECT l.title_id, `+genreColumns+` FROM title_genre l JOIN genre g ON g.id = l.genre_id
			WHERE l.title_id = ANY($1) ORDER BY l.title_id, l.position`, []any{found},
		[]any{&owner, &g.ID, &g.Version, &g.Slug, &g.Names}, func() error {
			out[owner].Genres = append(out[owner].Genres, g)
			g = genreRow{}
			return nil
		}); err != nil {
		return nil, err
	}
	var c creditRow
	if err := r.each(ctx, "credits", `SELECT c.title_id, c.kind, c.characters, p.id, p.name, `+fmt.Sprintf(namesOf, "person", "p")+`
			FROM credit c JOIN person p ON p.id = c.person_id WHERE c.title_id = ANY($1) ORDER BY c.title_id, c.position`, []any{found},
		[]any{&owner, &c.Kind, &c.Characters, &c.PersonID, &c.Name, &c.Names}, func() error {
			out[owner].Credits = append(out[owner].Credits, c)
			c = creditRow{}
			return nil
		}); err != nil {
		return nil, err
	}
	if err := r.episodes(ctx, found, out); err != nil {
		return nil, err
	}
	return out, r.addMedia(ctx, found, out)
}

func (r reader) episodes(ctx context.Context, found []uuid.UUID, out map[uuid.UUID]*titleRows) error {
	var owner, season uuid.UUID
	var number int
	var e episodeRow
	byID := map[uuid.UUID][2]int{}
	titleOf := map[uuid.UUID]uuid.UUID{}
	if err := r.each(ctx, "episodes", `SELECT n.title_id, n.id, n.number, e.id, e.number, e.original_name, e.duration_ms
			FROM season n JOIN episode e ON e.season_id = n.id WHERE n.title_id = ANY($1) ORDER BY n.title_id, n.number, e.number`, []any{found},
		[]any{&owner, &season, &number, &e.ID, &e.Number, &e.OriginalName, &e.DurationMs}, func() error {
			t := out[owner]
			if n := len(t.Seasons); n == 0 || t.Seasons[n-1].ID != season {
				t.Seasons = append(t.Seasons, seasonRow{ID: season, Number: number})
			}
			s := &t.Seasons[len(t.Seasons)-1]
			s.Episodes = append(s.Episodes, e)
			byID[e.ID] = [2]int{len(t.Seasons) - 1, len(s.Episodes) - 1}
			titleOf[e.ID] = owner
			e = episodeRow{}
			return nil
		}); err != nil || len(byID) == 0 {
		return err
	}
	var w wordsRow
	var id uuid.UUID
	return r.each(ctx, "episodes' words", `SELECT x.episode_id, x.locale, x.name, x.description FROM episode_translation x
			JOIN episode e ON e.id = x.episode_id WHERE e.title_id = ANY($1)`, []any{found},
		[]any{&id, &w.Locale, &w.Name, &w.Description}, func() error {
			at := byID[id]
			ep := &out[titleOf[id]].Seasons[at[0]].Episodes[at[1]]
			ep.Words = append(ep.Words, w)
			return nil
		})
}

// addMedia adds what can be played: of each film and episode its newest asset
// that is ready and not retired.
func (r reader) addMedia(ctx context.Context, found []uuid.UUID, out map[uuid.UUID]*titleRows) error {
	if !r.media {
		return nil
	}
	var title, playable uuid.UUID
	var m mediaRow
	return r.each(ctx, "media", `WITH playable AS (
			SELECT id AS title_id, id FROM title WHERE id = ANY($1) AND kind = 'film'
			UNION ALL SELECT title_id, id FROM episode WHERE title_id = ANY($1))
		SELECT p.title_id, p.id, m.asset_id, m.duration_ms, m.master_key, m.sprite_vtt_key, m.complete, m.subtitles,
			coalesce((SELECT jsonb_agg(jsonb_build_object('name', r.name, 'height', r.height, 'bitrate', r.bitrate)
				ORDER BY r.height * r.width DESC, r.bitrate DESC) FROM rendition r WHERE r.asset_id = m.origin_id), '[]')
		FROM playable p CROSS JOIN LATERAL (SELECT * FROM media_asset a WHERE a.playable_id = p.id AND a.ready AND a.retired_at IS NULL
			ORDER BY a.created_at DESC, a.asset_id DESC LIMIT 1) m`, []any{found},
		[]any{&title, &playable, &m.AssetID, &m.DurationMs, &m.MasterKey, &m.ThumbnailsKey, &m.Complete, &m.Subtitles, &m.Renditions}, func() error {
			c := m
			out[title].Media[playable] = &c
			m = mediaRow{}
			return nil
		})
}

// people reads those of ids that have a part in a published title.
func (r reader) people(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*personRow, error) {
	out := make(map[uuid.UUID]*personRow, len(ids))
	var p personRow
	err := r.each(ctx, "people", `SELECT `+personColumns+`, shown.age_rating FROM person p CROSS JOIN LATERAL (
				SELECT count(*) AS titles, min(t.age_rating) AS age_rating FROM credit c JOIN title t ON t.id = c.title_id AND t.status = 'published'
				WHERE c.person_id = p.id) shown
			WHERE p.id = ANY($1) AND shown.titles > 0`, []any{ids},
		[]any{&p.ID, &p.Version, &p.Name, &p.Names, &p.AgeRating}, func() error {
			c := p
			out[p.ID] = &c
			p = personRow{}
			return nil
		})
	return out, err
}

func (r reader) genres(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*genreRow, error) {
	out := make(map[uuid.UUID]*genreRow, len(ids))
	var g genreRow
	err := r.each(ctx, "genres", `SELECT `+genreColumns+` FROM genre g WHERE g.id = ANY($1)`, []any{ids},
		[]any{&g.ID, &g.Version, &g.Slug, &g.Names}, func() error {
			c := g
			out[g.ID] = &c
			g = genreRow{}
			return nil
		})
	return out, err
}

// batch makes the changes of the index that bring the given documents up to
// date. refused hears of records of which no document can be made.
func (r reader) batch(ctx context.Context, titles, people, genres []uuid.UUID, refused func(kind string, id uuid.UUID, err error)) (search.Batch, error) {
	var b search.Batch
	if len(titles) > 0 {
		rows, err := r.titles(ctx, titles)
		if err != nil {
			return b, err
		}
		b.PutTitles, b.DeleteTitles = documents("title", titles, rows, titleDocument, refused)
	}
	if len(people) > 0 {
		rows, err := r.people(ctx, people)
		if err != nil {
			return b, err
		}
		b.PutPeople, b.DeletePeople = documents("person", people, rows, personDocument, refused)
	}
	if len(genres) > 0 {
		rows, err := r.genres(ctx, genres)
		if err != nil {
			return b, err
		}
		b.PutGenres, b.DeleteGenres = documents("genre", genres, rows, genreDocument, refused)
	}
	return b, nil
}

func documents[R, D any](kind string, ids []uuid.UUID, rows map[uuid.UUID]*R, make func(*R) (*D, error), refused func(string, uuid.UUID, error)) (puts []*D, deletes []uuid.UUID) {
	for _, id := range ids {
		row, ok := rows[id]
		if !ok {
			deletes = append(deletes, id)
			continue
		}
		d, err := make(row)
		if err != nil {
			refused(kind, id, err)
			continue
		}
		puts = append(puts, d)
	}
	return puts, deletes
}
