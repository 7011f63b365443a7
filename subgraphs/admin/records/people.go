package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

const personColumns = `p.id, p.version, p.name, p.updated_at,
	coalesce((SELECT jsonb_agg(jsonb_build_object('locale', x.locale, 'name', x.name) ORDER BY x.locale)
		FROM person_translation x WHERE x.person_id = p.id), '[]')`

func scanPerson(row pgx.CollectableRow) (*admin.PersonRecord, error) {
	var p admin.PersonRecord
	var id uuid.UUID
	err := row.Scan(&id, &p.Version, &p.Name, &p.UpdatedAt, &p.Translations)
	p.ID = gid.Of(gid.Person, id)
	return &p, err
}

const genreColumns = `g.id, g.version, g.slug, g.updated_at,
	coalesce((SELECT jsonb_agg(jsonb_build_object('locale', x.locale, 'name', x.name) ORDER BY x.locale)
		FROM genre_translation x WHERE x.genre_id = g.id), '[]')`

func scanGenre(row pgx.CollectableRow) (*admin.GenreRecord, error) {
	var g admin.GenreRecord
	var id uuid.UUID
	err := row.Scan(&id, &g.Version, &g.Slug, &g.UpdatedAt, &g.Translations)
	g.ID = gid.Of(gid.Genre, id)
	return &g, err
}

func personByID(ctx context.Context, q querier, id gid.ID) (*admin.PersonRecord, error) {
	rows, err := q.Query(ctx, `SELECT `+personColumns+` FROM person p WHERE p.id = $1`, id.UUID)
	if err != nil {
		return nil, fmt.Errorf("read person: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, scanPerson)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, notFound("person").At("input.id")
	}
	return p, err
}

func genreByID(ctx context.Context, q querier, id gid.ID) (*admin.GenreRecord, error) {
	rows, err := q.Query(ctx, `SELECT `+genreColumns+` FROM genre g WHERE g.id = $1`, id.UUID)
	if err != nil {
		return nil, fmt.Errorf("read genre: %w", err)
	}
	g, err := pgx.CollectExactlyOneRow(rows, scanGenre)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, notFound("genre").At("input.id")
	}
	return g, err
}

// Person finds one record; nil if there is none.
func (s *Service) Person(ctx context.Context, id gid.ID) (*admin.PersonRecord, error) {
	if !id.Is(gid.Person) {
		return nil, nil // the schema's answer for "none"
	}
	p, err := personByID(ctx, s.pool, id)
	if fault.KindOf(err) == fault.NotFound {
		return nil, nil // likewise
	}
	return p, err
}

// ListPeople is a page of people by name.
func (s *Service) ListPeople(ctx context.Context, query *string, first *int, after *string) (*Page[*admin.PersonRecord], error) {
	n, err := admin.CheckPage(first, 50)
	if err != nil {
		return nil, err
	}
	q, err := admin.CheckQuery(query)
	if err != nil {
		return nil, err
	}
	at, err := readCursor(after, "person")
	if err != nil {
		return nil, err
	}
	condition, args := "true", []any(nil)
	if q != "" {
		args = append(args, like(q))
		condition = "(p.name ILIKE $1 OR EXISTS (SELECT FROM person_translation x WHERE x.person_id = p.id AND x.name ILIKE $1))"
	}
	page := &Page[*admin.PersonRecord]{}
	if err := s.pool.QueryRow(ctx, `SELECT count(*) FROM person p WHERE `+condition, args...).Scan(&page.Total); err != nil {
		return nil, fmt.Errorf("count people: %w", err)
	}
	if at != nil {
		args = append(args, at.Key, at.ID)
		condition += " AND (lower(p.name), p.id) > ($" + strconv.Itoa(len(args)-1) + "::text, $" + strconv.Itoa(len(args)) + ")"
	}
	args = append(args, n+1)
	rows, err := s.pool.Query(ctx, `SELECT `+personColumns+`, lower(p.name) FROM person p WHERE `+condition+
		` ORDER BY lower(p.name), p.id LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*admin.PersonRecord, error) {
		var k string
		p, err := scanPerson(withLast{row, &k})
		if err == nil {
			page.Cursors = append(page.Cursors, cursor{"person", k, p.ID.UUID}.String())
		}
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	return cut(page, list, n), nil
}

// ListGenres are all genres by slug.
func (s *Service) ListGenres(ctx context.Context) ([]*admin.GenreRecord, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+genreColumns+` FROM genre g ORDER BY g.slug`)
	if err != nil {
		return nil, fmt.Errorf("list genres: %w", err)
	}
	return pgx.CollectRows(rows, scanGenre)
}

// putNames replaces all names of a person or a genre.
func putNames(ctx context.Context, tx pgx.Tx, table string, id uuid.UUID, in []*admin.NameTranslationInput) error {
	if _, err := tx.Exec(ctx, `DELETE FROM `+table+`_translation WHERE `+table+`_id = $1`, id); err != nil {
		return fmt.Errorf("write names: %w", err)
	}
	locales, words := make([]string, len(in)), make([]string, len(in))
	for i, t := range in {
		locales[i], words[i] = t.Locale, t.Name
	}
	_, err := tx.Exec(ctx, `INSERT INTO `+table+`_translation (`+table+`_id, locale, name) SELECT $1, * FROM unnest($2::text[], $3::text[])`,
		id, locales, words)
	if err != nil {
		return fmt.Errorf("write names: %w", err)
	}
	return nil
}

func sameNames(have []*admin.NameTranslation, want []*admin.NameTranslationInput) bool {
	if len(have) != len(want) {
		return false
	}
	by := names(want)
	return !slices.ContainsFunc(have, func(h *admin.NameTranslation) bool {
		w, ok := by[h.Locale]
		return !ok || w != h.Name
	})
}

// CreatePerson makes a person.
func (s *Service) CreatePerson(ctx context.Context, in admin.CreatePersonInput) (*admin.PersonRecord, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	id := gid.New(gid.Person)
	var out *admin.PersonRecord
	err := s.tx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO person (id, name, created_at, updated_at) VALUES ($1, $2, $3, $3)`, id.UUID, in.Name, s.now().UTC())
		if err != nil {
			return fmt.Errorf("create person: %w", err)
		}
		if err := putNames(ctx, tx, "person", id.UUID, in.Translations); err != nil {
			return err
		}
		out, err = personByID(ctx, tx, id)
		return err
	})
	return out, err
}

// UpdatePerson changes what is given.
func (s *Service) UpdatePerson(ctx context.Context, in admin.UpdatePersonInput) (*admin.PersonRecord, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if !in.ID.Is(gid.Person) {
		return nil, notFound("person").At("input.id")
	}
	var out *admin.PersonRecord
	err := s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT 1 FROM person WHERE id = $1 FOR UPDATE`, in.ID.UUID); err != nil {
			return fmt.Errorf("update person: %w", err)
		}
		old, err := personByID(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		if err := checkVersion(in.Version, old.Version); err != nil {
			return err
		}
		name := old.Name
		if in.Name.IsSet() {
			name = *in.Name.Value()
		}
		renamed := in.Translations.IsSet() && !sameNames(old.Translations, in.Translations.Value())
		if name == old.Name && !renamed {
			out = old
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE person SET name = $2, version = version + 1, updated_at = $3 WHERE id = $1`, in.ID.UUID, name, s.now().UTC()); err != nil {
			return fmt.Errorf("update person: %w", err)
		}
		if renamed {
			if err := putNames(ctx, tx, "person", in.ID.UUID, in.Translations.Value()); err != nil {
				return err
			}
		}
		out, err = personByID(ctx, tx, in.ID)
		return err
	})
	return out, err
}

// deleteShared removes a person or a genre and says how many titles lost it.
func (s *Service) deleteShared(ctx context.Context, id gid.ID, table, link, column, field string) (int, error) {
	n := 0
	err := s.tx(ctx, func(tx pgx.Tx) error {
		// The row first: no title can take it up from here on.
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM `+table+` WHERE id = $1 FOR UPDATE`, id.UUID).Scan(&one)
		if errors.Is(err, pgx.ErrNoRows) {
			return notFound(table).At("input.id")
		} else if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT id FROM title WHERE id IN (SELECT title_id FROM `+link+` WHERE `+column+` = $1) ORDER BY id FOR UPDATE`, id.UUID)
		if err != nil {
			return err
		}
		titles, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE id = $1`, id.UUID); err != nil {
			return err
		}
		n = len(titles)
		return s.touched(ctx, tx, titles, field)
	})
	if err != nil {
		return 0, fmt.Errorf("delete %s: %w", table, err)
	}
	return n, nil
}

// DeletePerson removes a person with their credits and says how many titles changed.
func (s *Service) DeletePerson(ctx context.Context, id gid.ID) (int, error) {
	if !id.Is(gid.Person) {
		return 0, notFound("person").At("input.id")
	}
	return s.deleteShared(ctx, id, "person", "credit", "person_id", "credits")
}

// DeleteGenre removes a genre; titles lose it.
func (s *Service) DeleteGenre(ctx context.Context, id gid.ID) (int, error) {
	if !id.Is(gid.Genre) {
		return 0, notFound("genre").At("input.id")
	}
	return s.deleteShared(ctx, id, "genre", "title_genre", "genre_id", "genres")
}

// CreateGenre makes a genre.
func (s *Service) CreateGenre(ctx context.Context, in admin.CreateGenreInput) (*admin.GenreRecord, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	id := gid.New(gid.Genre)
	var out *admin.GenreRecord
	err := s.tx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO genre (id, slug, created_at, updated_at) VALUES ($1, $2, $3, $3)`, id.UUID, in.Slug, s.now().UTC())
		if c, ok := pg.IsUnique(err); ok && c == "genre_slug" {
			return fault.New(fault.Conflict, "There is a genre with the slug %s already.", in.Slug).WithReason("SLUG_TAKEN").At("input.slug")
		} else if err != nil {
			return fmt.Errorf("create genre: %w", err)
		}
		if err := putNames(ctx, tx, "genre", id.UUID, in.Translations); err != nil {
			return err
		}
		out, err = genreByID(ctx, tx, id)
		return err
	})
	return out, err
}

// UpdateGenre changes what is given.
func (s *Service) UpdateGenre(ctx context.Context, in admin.UpdateGenreInput) (*admin.GenreRecord, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if !in.ID.Is(gid.Genre) {
		return nil, notFound("genre").At("input.id")
	}
	var out *admin.GenreRecord
	err := s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT 1 FROM genre WHERE id = $1 FOR UPDATE`, in.ID.UUID); err != nil {
			return fmt.Errorf("update genre: %w", err)
		}
		old, err := genreByID(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		if err := checkVersion(in.Version, old.Version); err != nil {
			return err
		}
		if !in.Translations.IsSet() || sameNames(old.Translations, in.Translations.Value()) {
			out = old
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE genre SET version = version + 1, updated_at = $2 WHERE id = $1`, in.ID.UUID, s.now().UTC()); err != nil {
			return fmt.Errorf("update genre: %w", err)
		}
		if err := putNames(ctx, tx, "genre", in.ID.UUID, in.Translations.Value()); err != nil {
			return err
		}
		out, err = genreByID(ctx, tx, in.ID)
		return err
	})
	return out, err
}
