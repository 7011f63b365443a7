package records

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

const titleColumns = `t.id, t.kind, t.status, t.version, t.original_name, t.original_language,
	t.year, t.end_year, t.duration_ms, t.age_rating, t.countries, t.poster, t.still, t.demo, t.created_at, t.updated_at,
	coalesce((SELECT jsonb_agg(jsonb_build_object('locale', x.locale, 'name', x.name, 'tagline', x.tagline,
		'description', x.description) ORDER BY x.locale) FROM title_translation x WHERE x.title_id = t.id), '[]')`

func scanTitle(row pgx.CollectableRow) (*admin.TitleRecord, error) {
	var t admin.TitleRecord
	var id uuid.UUID
	var kind, status string
	err := row.Scan(&id, &kind, &status, &t.Version, &t.OriginalName, &t.OriginalLanguage,
		&t.Year, &t.EndYear, &t.DurationMs, &t.AgeRating, &t.Countries, &t.Poster, &t.Still, &t.Demo, &t.CreatedAt, &t.UpdatedAt,
		&t.Translations)
	if err != nil {
		return nil, err
	}
	t.Kind = admin.TitleKind(strings.ToUpper(kind))
	t.Status = admin.TitleStatus(strings.ToUpper(status))
	t.ID = t.Kind.ID(id)
	return &t, nil
}

func titlesByID(ctx context.Context, q querier, ids []uuid.UUID) (map[uuid.UUID]*admin.TitleRecord, error) {
	rows, err := q.Query(ctx, `SELECT `+titleColumns+` FROM title t WHERE t.id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read titles: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanTitle)
	if err != nil {
		return nil, fmt.Errorf("read titles: %w", err)
	}
	out := make(map[uuid.UUID]*admin.TitleRecord, len(list))
	for _, t := range list {
		out[t.ID.UUID] = t
	}
	return out, nil
}

// Titles finds records, deleted ones too, by their identifiers; one that is
// missing is nil at its place.
func (s *Service) Titles(ctx context.Context, ids []gid.ID) ([]*admin.TitleRecord, error) {
	found, err := titlesByID(ctx, s.pool, uuids(ids))
	if err != nil {
		return nil, err
	}
	out := make([]*admin.TitleRecord, len(ids))
	for i, id := range ids {
		if t := found[id.UUID]; t != nil && t.ID == id {
			out[i] = t
		}
	}
	return out, nil
}

// Title finds one record; nil if there is none.
func (s *Service) Title(ctx context.Context, id gid.ID) (*admin.TitleRecord, error) {
	if !id.Is(gid.Film, gid.Series) {
		return nil, nil // the schema's answer for "none"
	}
	list, err := s.Titles(ctx, []gid.ID{id})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// ListTitles is a page of records.
func (s *Service) ListTitles(ctx context.Context, query *string, f *admin.TitleRecordFilter, order *admin.TitleRecordSort, first *int, after *string) (*Page[*admin.TitleRecord], error) {
	n, err := admin.CheckPage(first, 50)
	if err != nil {
		return nil, err
	}
	q, err := admin.CheckQuery(query)
	if err != nil {
		return nil, err
	}
	by := admin.SortUpdated
	if order != nil {
		by = *order
	}
	at, err := readCursor(after, "title:"+string(by))
	if err != nil {
		return nil, err
	}
	if f == nil {
		f = &admin.TitleRecordFilter{}
	}

	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	where := []string{"true"}
	if len(f.Statuses) > 0 {
		where = append(where, "t.status = ANY("+arg(lower(f.Statuses))+")")
	} else {
		where = append(where, "t.status <> 'deleted'")
	}
	if len(f.Kinds) > 0 {
		where = append(where, "t.kind = ANY("+arg(lower(f.Kinds))+")")
	}
	if len(f.GenreIds) > 0 {
		where = append(where, "EXISTS (SELECT FROM title_genre g WHERE g.title_id = t.id AND g.genre_id = ANY("+arg(uuids(f.GenreIds))+"))")
	}
	if f.PersonID != nil {
		where = append(where, "EXISTS (SELECT FROM credit c WHERE c.title_id = t.id AND c.person_id = "+arg(f.PersonID.UUID)+")")
	}
	if f.Playable != nil {
		// media_asset is the media ETL's; that it says by playable and ready
		// what can be played is its contract with whoever reads the catalogue.
		ready := `(EXISTS (SELECT FROM media_asset m WHERE m.playable_id = t.id AND m.ready)
			OR EXISTS (SELECT FROM episode e JOIN media_asset m ON m.playable_id = e.id AND m.ready WHERE e.title_id = t.id))`
		if !*f.Playable {
			ready = "NOT " + ready
		}
		where = append(where, ready)
	}
	if q != "" {
		p := arg(like(q))
		where = append(where, "(t.original_name ILIKE "+p+" OR EXISTS (SELECT FROM title_translation x WHERE x.title_id = t.id AND x.name ILIKE "+p+"))")
	}
	condition := strings.Join(where, " AND ")
	var total int
	if err := s.pool.QueryRow(ctx, `SELECT count(*) FROM title t WHERE `+condition, args...).Scan(&total); err != nil {
		return nil, fmt.Errorf("count titles: %w", err)
	}

	var key, direction, typ string
	switch by {
	case admin.SortName:
		key, direction, typ = "lower(t.original_name)", "", "text"
	case admin.SortYear:
		key, direction, typ = "coalesce(t.year, 0)", "DESC", "integer"
	default:
		key, direction, typ = "t.updated_at", "DESC", "timestamptz"
	}
	if at != nil {
		op := ">"
		if direction == "DESC" {
			op = "<"
		}
		if !keyFits(at.Key, typ) {
			return nil, fault.New(fault.Invalid, "This is no place in this list.").At("after")
		}
		condition += " AND (" + key + ", t.id) " + op + " (" + arg(at.Key) + "::text::" + typ + ", " + arg(at.ID) + ")"
	}
	rows, err := s.pool.Query(ctx, `SELECT `+titleColumns+`, (`+key+`)::text FROM title t WHERE `+condition+
		` ORDER BY `+key+` `+direction+`, t.id `+direction+` LIMIT `+arg(n+1), args...)
	if err != nil {
		return nil, fmt.Errorf("list titles: %w", err)
	}
	page := &Page[*admin.TitleRecord]{Total: total}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*admin.TitleRecord, error) {
		var k string
		t, err := scanTitle(withLast{row, &k})
		if err == nil {
			page.Cursors = append(page.Cursors, cursor{"title:" + string(by), k, t.ID.UUID}.String())
		}
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("list titles: %w", err)
	}
	return cut(page, list, n), nil
}

// withLast scans one more column at the end.
type withLast struct {
	pgx.CollectableRow
	last any
}

func (w withLast) Scan(dest ...any) error { return w.CollectableRow.Scan(append(dest, w.last)...) }

func cut[T any](p *Page[T], list []T, n int) *Page[T] {
	if len(list) > n {
		list, p.Cursors, p.HasNext = list[:n], p.Cursors[:n], true
	}
	p.Rows = list
	return p
}

// keyFits says whether Postgres can read the key, so that a forged cursor is
// the client's fault and not ours.
func keyFits(key, typ string) bool {
	switch typ {
	case "integer":
		_, err := strconv.ParseInt(key, 10, 32)
		return err == nil
	case "timestamptz":
		for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00"} {
			if _, err := time.Parse(layout, key); err == nil {
				return true
			}
		}
		return false
	}
	return true
}

func uuids(ids []gid.ID) []uuid.UUID {
	out := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		out[i] = id.UUID
	}
	return out
}

// lockTitle locks a title's row and reads it. A deleted one is refused.
func lockTitle(ctx context.Context, tx pgx.Tx, id gid.ID, version *int) (*admin.TitleRecord, error) {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM title WHERE id = $1 AND kind = $2 FOR UPDATE`, id.UUID, kindOf(id)).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, notFound("title").At("input.id")
	} else if err != nil {
		return nil, fmt.Errorf("lock title: %w", err)
	}
	found, err := titlesByID(ctx, tx, []uuid.UUID{id.UUID})
	if err != nil {
		return nil, err
	}
	t := found[id.UUID]
	if t.Status == admin.Deleted {
		return nil, errDeleted.At("input.id")
	}
	return t, checkVersion(version, t.Version)
}

func kindOf(id gid.ID) string {
	if id.Is(gid.Series) {
		return "series"
	}
	return "film"
}

// touched raises the version of titles and notes who changed what.
func (s *Service) touched(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, fields ...string) error {
	now := s.now().UTC()
	_, err := tx.Exec(ctx, `WITH up AS (UPDATE title SET version = version + 1, updated_at = $2 WHERE id = ANY($1) RETURNING id, version)
		INSERT INTO title_change (title_id, version, at, user_id, fields) SELECT id, version, $2, $3, $4 FROM up`,
		ids, now, actor(ctx), fields)
	if err != nil {
		return fmt.Errorf("note change: %w", err)
	}
	return nil
}

// CreateTitle makes a title, as a draft unless it is to be published. With the
// identity of one that is there it makes none: the caller did not hear of it.
func (s *Service) CreateTitle(ctx context.Context, in admin.CreateTitleInput) (*admin.TitleRecord, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	now := s.now().UTC()
	id := uuid.Must(uuid.NewV7())
	if in.TitleUUID != nil {
		id = *in.TitleUUID
	}
	status, published := "draft", (*time.Time)(nil)
	if in.Publish != nil && *in.Publish {
		status, published = "published", &now
	}
	if in.Countries == nil {
		in.Countries = []string{}
	}
	var out *admin.TitleRecord
	err := s.tx(ctx, func(tx pgx.Tx) error {
		made, err := tx.Exec(ctx, `INSERT INTO title (id, kind, status, original_name, original_language, year, end_year,
			duration_ms, age_rating, countries, published_at, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) ON CONFLICT (id) DO NOTHING`,
			id, strings.ToLower(string(in.Kind)), status, in.OriginalName, in.OriginalLanguage, in.Year, in.EndYear,
			in.DurationMs, in.AgeRating, in.Countries, published, now)
		if err != nil {
			return fmt.Errorf("create title: %w", err)
		}
		if made.RowsAffected() == 0 {
			found, err := titlesByID(ctx, tx, []uuid.UUID{id})
			if out = found[id]; out == nil || out.Kind != in.Kind || out.OriginalName != in.OriginalName {
				return errors.Join(err, errTitleUUID)
			}
			return err
		}
		if err := putTitleTranslations(ctx, tx, id, in.Translations); err != nil {
			return err
		}
		if err := putGenres(ctx, tx, id, in.GenreIds); err != nil {
			return err
		}
		if err := putCredits(ctx, tx, id, in.Credits); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO title_change (title_id, version, at, user_id, fields) VALUES ($1, 1, $2, $3, '{created}')`,
			id, now, actor(ctx)); err != nil {
			return fmt.Errorf("note change: %w", err)
		}
		found, err := titlesByID(ctx, tx, []uuid.UUID{id})
		out = found[id]
		return err
	})
	return out, err
}

func putTitleTranslations(ctx context.Context, tx pgx.Tx, id uuid.UUID, in []*admin.TitleTranslationInput) error {
	if len(in) == 0 {
		return nil
	}
	locales, names, taglines, descriptions := make([]string, len(in)), make([]string, len(in)), make([]string, len(in)), make([]string, len(in))
	for i, t := range in {
		locales[i], names[i], taglines[i], descriptions[i] = t.Locale, t.Name, deref(t.Tagline), deref(t.Description)
	}
	_, err := tx.Exec(ctx, `INSERT INTO title_translation (title_id, locale, name, tagline, description)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])`, id, locales, names, taglines, descriptions)
	if err != nil {
		return fmt.Errorf("write translations: %w", err)
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// missing finds the first of ids that table does not have, locking the others
// so that they stay until the transaction ends.
func missing(ctx context.Context, tx pgx.Tx, table string, ids []uuid.UUID) (int, error) {
	rows, err := tx.Query(ctx, `SELECT id FROM `+table+` WHERE id = ANY($1) ORDER BY id FOR KEY SHARE`, ids)
	if err != nil {
		return 0, fmt.Errorf("look for %s: %w", table, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, fmt.Errorf("look for %s: %w", table, err)
	}
	have := map[uuid.UUID]bool{}
	for _, id := range found {
		have[id] = true
	}
	return slices.IndexFunc(ids, func(id uuid.UUID) bool { return !have[id] }), nil
}

func putGenres(ctx context.Context, tx pgx.Tx, title uuid.UUID, in []gid.ID) error {
	if len(in) == 0 {
		return nil
	}
	ids := uuids(in)
	i, err := missing(ctx, tx, "genre", ids)
	if err != nil {
		return err
	}
	if i >= 0 {
		return fault.New(fault.Invalid, "There is no such genre; it may have been deleted.").At(fmt.Sprintf("input.genreIds.%d", i))
	}
	_, err = tx.Exec(ctx, `INSERT INTO title_genre (title_id, genre_id, position)
		SELECT $1, g, n - 1 FROM unnest($2::uuid[]) WITH ORDINALITY AS u (g, n)`, title, ids)
	if err != nil {
		return fmt.Errorf("write genres: %w", err)
	}
	return nil
}

func putCredits(ctx context.Context, tx pgx.Tx, title uuid.UUID, in []*admin.CreditInput) error {
	if len(in) == 0 {
		return nil
	}
	people := make([]uuid.UUID, len(in))
	for i, c := range in {
		people[i] = c.PersonID.UUID
	}
	i, err := missing(ctx, tx, "person", people)
	if err != nil {
		return err
	}
	if i >= 0 {
		return fault.New(fault.Invalid, "There is no such person; they may have been deleted.").At(fmt.Sprintf("input.credits.%d.personId", i))
	}
	rows := make([][]any, len(in))
	for i, c := range in {
		rows[i] = []any{title, i, c.PersonID.UUID, strings.ToLower(string(c.Kind)), names(c.Characters)}
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"credit"}, []string{"title_id", "position", "person_id", "kind", "characters"}, pgx.CopyFromRows(rows))
	if err != nil {
		return fmt.Errorf("write credits: %w", err)
	}
	return nil
}

func names(in []*admin.NameTranslationInput) map[string]string {
	out := make(map[string]string, len(in))
	for _, n := range in {
		out[n.Locale] = n.Name
	}
	return out
}

// UpdateTitle changes what is given; a change that changes nothing leaves the
// version alone.
func (s *Service) UpdateTitle(ctx context.Context, in admin.UpdateTitleInput) (*admin.TitleRecord, error) {
	if !in.ID.Is(gid.Film, gid.Series) {
		return nil, notFound("title").At("input.id")
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	var out *admin.TitleRecord
	err := s.tx(ctx, func(tx pgx.Tx) error {
		old, err := lockTitle(ctx, tx, in.ID, in.Version)
		if err != nil {
			return err
		}
		fields, err := changeTitle(ctx, tx, old, &in)
		if err != nil {
			return err
		}
		if len(fields) == 0 {
			out = old
			return nil
		}
		if err := s.touched(ctx, tx, []uuid.UUID{in.ID.UUID}, fields...); err != nil {
			return err
		}
		found, err := titlesByID(ctx, tx, []uuid.UUID{in.ID.UUID})
		out = found[in.ID.UUID]
		return err
	})
	return out, err
}

// changeTitle writes what differs and names it.
func changeTitle(ctx context.Context, tx pgx.Tx, old *admin.TitleRecord, in *admin.UpdateTitleInput) (fields []string, err error) {
	id := old.ID.UUID
	var set []string
	args := []any{id}
	put := func(field, column string, isSet bool, have, want any) {
		if isSet && !reflect.DeepEqual(have, want) {
			args = append(args, want)
			set = append(set, column+" = $"+strconv.Itoa(len(args)))
			fields = append(fields, field)
		}
	}
	if in.OriginalName.IsSet() {
		put("originalName", "original_name", true, old.OriginalName, *in.OriginalName.Value())
	}
	put("originalLanguage", "original_language", in.OriginalLanguage.IsSet(), old.OriginalLanguage, in.OriginalLanguage.Value())
	put("year", "year", in.Year.IsSet(), old.Year, in.Year.Value())
	put("endYear", "end_year", in.EndYear.IsSet(), old.EndYear, in.EndYear.Value())
	put("durationMs", "duration_ms", in.DurationMs.IsSet(), old.DurationMs, in.DurationMs.Value())
	put("ageRating", "age_rating", in.AgeRating.IsSet(), old.AgeRating, in.AgeRating.Value())
	if in.Countries.IsSet() && !slices.Equal(old.Countries, in.Countries.Value()) {
		put("countries", "countries", true, nil, in.Countries.Value())
	}
	pick := func(isSet bool, want, have *int) *int {
		if isSet {
			return want
		}
		return have
	}
	if err := admin.TitleFits(old.Kind, pick(in.Year.IsSet(), in.Year.Value(), old.Year),
		pick(in.EndYear.IsSet(), in.EndYear.Value(), old.EndYear),
		pick(in.DurationMs.IsSet(), in.DurationMs.Value(), old.DurationMs)); err != nil {
		return nil, err
	}
	if len(set) > 0 {
		if _, err := tx.Exec(ctx, `UPDATE title SET `+strings.Join(set, ", ")+` WHERE id = $1`, args...); err != nil {
			return nil, fmt.Errorf("update title: %w", err)
		}
	}
	if in.Translations.IsSet() && !sameTranslations(old.Translations, in.Translations.Value()) {
		fields = append(fields, "translations")
		if _, err := tx.Exec(ctx, `DELETE FROM title_translation WHERE title_id = $1`, id); err != nil {
			return nil, fmt.Errorf("update title: %w", err)
		}
		if err := putTitleTranslations(ctx, tx, id, in.Translations.Value()); err != nil {
			return nil, err
		}
	}
	if in.GenreIds.IsSet() {
		rows, err := tx.Query(ctx, `SELECT genre_id FROM title_genre WHERE title_id = $1 ORDER BY position`, id)
		if err != nil {
			return nil, fmt.Errorf("update title: %w", err)
		}
		have, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return nil, fmt.Errorf("update title: %w", err)
		}
		if !slices.Equal(have, uuids(in.GenreIds.Value())) {
			fields = append(fields, "genres")
			if _, err := tx.Exec(ctx, `DELETE FROM title_genre WHERE title_id = $1`, id); err != nil {
				return nil, fmt.Errorf("update title: %w", err)
			}
			if err := putGenres(ctx, tx, id, in.GenreIds.Value()); err != nil {
				return nil, err
			}
		}
	}
	if in.Credits.IsSet() {
		same, err := sameCredits(ctx, tx, id, in.Credits.Value())
		if err != nil {
			return nil, err
		}
		if !same {
			fields = append(fields, "credits")
			if _, err := tx.Exec(ctx, `DELETE FROM credit WHERE title_id = $1`, id); err != nil {
				return nil, fmt.Errorf("update title: %w", err)
			}
			if err := putCredits(ctx, tx, id, in.Credits.Value()); err != nil {
				return nil, err
			}
		}
	}
	return fields, nil
}

func sameTranslations(have []*admin.TitleTranslation, want []*admin.TitleTranslationInput) bool {
	if len(have) != len(want) {
		return false
	}
	by := map[string]*admin.TitleTranslation{}
	for _, t := range have {
		by[t.Locale] = t
	}
	for _, t := range want {
		h := by[t.Locale]
		if h == nil || h.Name != t.Name || h.Tagline != deref(t.Tagline) || h.Description != deref(t.Description) {
			return false
		}
	}
	return true
}

func sameCredits(ctx context.Context, tx pgx.Tx, id uuid.UUID, want []*admin.CreditInput) (bool, error) {
	rows, err := tx.Query(ctx, `SELECT person_id, kind, characters FROM credit WHERE title_id = $1 ORDER BY position`, id)
	if err != nil {
		return false, fmt.Errorf("read credits: %w", err)
	}
	type credit struct {
		Person     uuid.UUID
		Kind       string
		Characters map[string]string
	}
	have, err := pgx.CollectRows(rows, pgx.RowToStructByPos[credit])
	if err != nil {
		return false, fmt.Errorf("read credits: %w", err)
	}
	return slices.EqualFunc(have, want, func(h credit, w *admin.CreditInput) bool {
		return h.Person == w.PersonID.UUID && h.Kind == strings.ToLower(string(w.Kind)) && reflect.DeepEqual(h.Characters, names(w.Characters))
	}), nil
}

// lockTitles locks titles in the order of their identifiers, so that two bulk
// changes never wait for each other, and refuses an unknown one.
func lockTitles(ctx context.Context, tx pgx.Tx, ids []gid.ID) (map[uuid.UUID]*admin.TitleRecord, error) {
	sorted := uuids(ids)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].String() < sorted[j].String() })
	if _, err := tx.Exec(ctx, `SELECT 1 FROM title WHERE id = ANY($1) ORDER BY id FOR UPDATE`, sorted); err != nil {
		return nil, fmt.Errorf("lock titles: %w", err)
	}
	found, err := titlesByID(ctx, tx, sorted)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if t := found[id.UUID]; t == nil || t.ID != id {
			return nil, notFound("title").At(fmt.Sprintf("input.ids.%d", i))
		}
	}
	return found, nil
}

// changeStatus runs one statement on those of the titles that pick chooses.
func (s *Service) changeStatus(ctx context.Context, ids []gid.ID, pick func(i int, t *admin.TitleRecord) (bool, error), set string) ([]*admin.TitleRecord, error) {
	if err := admin.CheckIDs(ids); err != nil {
		return nil, err
	}
	out := make([]*admin.TitleRecord, len(ids))
	err := s.tx(ctx, func(tx pgx.Tx) error {
		found, err := lockTitles(ctx, tx, ids)
		if err != nil {
			return err
		}
		var change []uuid.UUID
		for i, id := range ids {
			ok, err := pick(i, found[id.UUID])
			if err != nil {
				return err
			}
			if ok {
				change = append(change, id.UUID)
			}
		}
		if len(change) > 0 {
			if _, err := tx.Exec(ctx, `UPDATE title SET `+set+` WHERE id = ANY($1) AND $2::timestamptz IS NOT NULL`, change, s.now().UTC()); err != nil {
				return fmt.Errorf("change status: %w", err)
			}
			if err := s.touched(ctx, tx, change, "status"); err != nil {
				return err
			}
			if found, err = titlesByID(ctx, tx, uuids(ids)); err != nil {
				return err
			}
		}
		for i, id := range ids {
			out[i] = found[id.UUID]
		}
		return nil
	})
	return out, err
}

// DeleteTitles marks titles as deleted; PurgeDeleted removes them for good.
func (s *Service) DeleteTitles(ctx context.Context, ids []gid.ID) ([]*admin.TitleRecord, error) {
	return s.changeStatus(ctx, ids, func(_ int, t *admin.TitleRecord) (bool, error) { return t.Status != admin.Deleted, nil },
		`restore_status = status, status = 'deleted', deleted_at = $2`)
}

// RestoreTitles undoes DeleteTitles.
func (s *Service) RestoreTitles(ctx context.Context, ids []gid.ID) ([]*admin.TitleRecord, error) {
	return s.changeStatus(ctx, ids, func(_ int, t *admin.TitleRecord) (bool, error) { return t.Status == admin.Deleted, nil },
		`status = restore_status, restore_status = NULL, deleted_at = NULL`)
}

// PublishTitles shows titles to viewers or hides them.
func (s *Service) PublishTitles(ctx context.Context, ids []gid.ID, published bool) ([]*admin.TitleRecord, error) {
	want, set := admin.Draft, `status = 'draft'`
	if published {
		want, set = admin.Published, `status = 'published', published_at = coalesce(published_at, $2)`
	}
	return s.changeStatus(ctx, ids, func(i int, t *admin.TitleRecord) (bool, error) {
		if t.Status == admin.Deleted {
			return false, errDeleted.At(fmt.Sprintf("input.ids.%d", i))
		}
		return t.Status != want, nil
	}, set)
}
