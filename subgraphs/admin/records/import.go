package records

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/subgraphs/admin"
)

// ImportGenre is a genre to import; it is found again by its slug.
type ImportGenre struct {
	Slug  string
	Names map[string]string // by locale
}

// ImportPerson is a person to import; Key is the caller's name for them.
type ImportPerson struct {
	Key   string
	Name  string
	Names map[string]string
}

// ImportCredit is a part in a title; Person is an ImportPerson.Key.
type ImportCredit struct {
	Person     string
	Kind       admin.CreditKind
	Characters map[string]string
}

// ImportEpisode is an episode of a season. ID is chosen by the caller, so
// that media can be made for it; zero lets the import choose.
type ImportEpisode struct {
	ID           uuid.UUID
	Number       int
	OriginalName string
	Translations []admin.TitleTranslation
	DurationMs   *int
}

// ImportSeason is a season of a series.
type ImportSeason struct {
	Number   int
	Episodes []ImportEpisode
}

// ImportTitle is a title to import, published at AddedAt. ID is chosen by the
// caller; zero lets the import choose.
type ImportTitle struct {
	ID               uuid.UUID
	Kind             admin.TitleKind
	OriginalName     string
	OriginalLanguage string // empty if unknown
	Translations     []admin.TitleTranslation
	Year, EndYear    *int
	DurationMs       *int
	AgeRating        *int
	Countries        []string
	Genres           []string // slugs
	Credits          []ImportCredit
	Poster, Still    *admin.Image
	Seasons          []ImportSeason
	AddedAt          time.Time
}

// Import is a set of records that come in together.
type Import struct {
	Genres []ImportGenre
	People []ImportPerson
	Titles []ImportTitle
	// Demo marks all that is made, for DeleteDemo. Genres that are there
	// already are used and left as they are.
	Demo bool
}

// Imported says what identifiers the records got, in the order given.
type Imported struct {
	Titles   []uuid.UUID
	Episodes [][]uuid.UUID // of Titles[i], by season, then by number as given
	People   map[string]uuid.UUID
	Genres   map[string]uuid.UUID
}

// Import writes all of it in one transaction, or nothing. It trusts its caller
// with the bounds; the tables check them.
func (s *Service) Import(ctx context.Context, in Import) (*Imported, error) {
	out := &Imported{People: map[string]uuid.UUID{}, Genres: map[string]uuid.UUID{}}
	now := s.now().UTC()
	err := s.tx(ctx, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		for _, g := range in.Genres {
			id := uuid.Must(uuid.NewV7())
			if err := tx.QueryRow(ctx, `INSERT INTO genre (id, slug, demo, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
				ON CONFLICT (slug) DO UPDATE SET slug = excluded.slug RETURNING id`, id, g.Slug, in.Demo, now).Scan(&id); err != nil {
				return fmt.Errorf("genre %s: %w", g.Slug, err)
			}
			out.Genres[g.Slug] = id
			for locale, name := range g.Names {
				b.Queue(`INSERT INTO genre_translation (genre_id, locale, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, id, locale, name)
			}
		}
		for _, p := range in.People {
			id := uuid.Must(uuid.NewV7())
			out.People[p.Key] = id
			b.Queue(`INSERT INTO person (id, name, demo, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)`, id, p.Name, in.Demo, now)
			for locale, name := range p.Names {
				b.Queue(`INSERT INTO person_translation (person_id, locale, name) VALUES ($1, $2, $3)`, id, locale, name)
			}
		}
		for _, t := range in.Titles {
			id, episodes, err := queueTitle(b, t, in.Demo, now, out)
			if err != nil {
				return fmt.Errorf("title %q: %w", t.OriginalName, err)
			}
			out.Titles, out.Episodes = append(out.Titles, id), append(out.Episodes, episodes)
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	return out, nil
}

func queueTitle(b *pgx.Batch, t ImportTitle, demo bool, now time.Time, known *Imported) (uuid.UUID, []uuid.UUID, error) {
	id := t.ID
	if id == uuid.Nil {
		id = uuid.Must(uuid.NewV7())
	}
	if t.Countries == nil {
		t.Countries = []string{}
	}
	var language *string
	if t.OriginalLanguage != "" {
		language = &t.OriginalLanguage
	}
	b.Queue(`INSERT INTO title (id, kind, status, original_name, original_language, year, end_year, duration_ms, age_rating, countries,
			poster, still, demo, published_at, created_at, updated_at)
		VALUES ($1, $2, 'published', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)`,
		id, strings.ToLower(string(t.Kind)), t.OriginalName, language, t.Year, t.EndYear, t.DurationMs, t.AgeRating, t.Countries,
		t.Poster, t.Still, demo, t.AddedAt.UTC(), now)
	b.Queue(`INSERT INTO title_change (title_id, version, at, fields) VALUES ($1, 1, $2, '{created}')`, id, now)
	for _, x := range t.Translations {
		b.Queue(`INSERT INTO title_translation (title_id, locale, name, tagline, description) VALUES ($1, $2, $3, $4, $5)`,
			id, x.Locale, x.Name, x.Tagline, x.Description)
	}
	for i, slug := range t.Genres {
		g, ok := known.Genres[slug]
		if !ok {
			return id, nil, fmt.Errorf("no genre %q in the import", slug)
		}
		b.Queue(`INSERT INTO title_genre (title_id, genre_id, position) VALUES ($1, $2, $3)`, id, g, i)
	}
	for i, c := range t.Credits {
		p, ok := known.People[c.Person]
		if !ok {
			return id, nil, fmt.Errorf("no person %q in the import", c.Person)
		}
		characters := c.Characters
		if characters == nil {
			characters = map[string]string{}
		}
		b.Queue(`INSERT INTO credit (title_id, position, person_id, kind, characters) VALUES ($1, $2, $3, $4, $5)`,
			id, i, p, strings.ToLower(string(c.Kind)), characters)
	}
	var episodes []uuid.UUID
	for _, n := range t.Seasons {
		season := uuid.Must(uuid.NewV7())
		b.Queue(`INSERT INTO season (id, title_id, number) VALUES ($1, $2, $3)`, season, id, n.Number)
		for _, e := range n.Episodes {
			ep := e.ID
			if ep == uuid.Nil {
				ep = uuid.Must(uuid.NewV7())
			}
			episodes = append(episodes, ep)
			b.Queue(`INSERT INTO episode (id, season_id, title_id, number, original_name, duration_ms) VALUES ($1, $2, $3, $4, $5, $6)`,
				ep, season, id, e.Number, e.OriginalName, e.DurationMs)
			for _, x := range e.Translations {
				b.Queue(`INSERT INTO episode_translation (episode_id, locale, name, description) VALUES ($1, $2, $3, $4)`, ep, x.Locale, x.Name, x.Description)
			}
		}
	}
	return id, episodes, nil
}

// CountDemo is how many demo titles there are.
func (s *Service) CountDemo(ctx context.Context) (int, error) {
	var n int
	err := s.pool.QueryRow(ctx, `SELECT count(*) FROM title WHERE demo AND status <> 'deleted'`).Scan(&n)
	return n, err
}

// DeleteDemo removes for good every demo title, with its media and uploads,
// and those demo people and genres that no other title uses. It may be called
// again after it was interrupted.
func (s *Service) DeleteDemo(ctx context.Context) error {
	if _, err := s.purge(ctx, `demo`); err != nil {
		return err
	}
	return s.tx(ctx, func(tx pgx.Tx) error {
		// What a title of the user's own has taken up is the user's from now on.
		for _, sql := range []string{
			`DELETE FROM person p WHERE demo AND NOT EXISTS (SELECT FROM credit c WHERE c.person_id = p.id)`,
			`DELETE FROM genre g WHERE demo AND NOT EXISTS (SELECT FROM title_genre x WHERE x.genre_id = g.id)`,
			`UPDATE person SET demo = false WHERE demo`,
			`UPDATE genre SET demo = false WHERE demo`,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("delete demo: %w", err)
			}
		}
		return nil
	})
}

// SetStill gives a title its still, unless it has one by now.
func (s *Service) SetStill(ctx context.Context, title uuid.UUID, image admin.Image) error {
	err := s.tx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE title SET still = $2 WHERE id = $1 AND still IS NULL`, title, image)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return s.touched(ctx, tx, []uuid.UUID{title}, "still")
	})
	if err != nil {
		return fmt.Errorf("set still: %w", err)
	}
	return nil
}
