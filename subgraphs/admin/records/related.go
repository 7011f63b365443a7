package records

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

// grouped collects rows whose first column says whose they are.
func grouped[T any](ctx context.Context, q querier, what, sql string, owners []uuid.UUID, scan func(pgx.CollectableRow) (uuid.UUID, T, error), args ...any) (map[uuid.UUID][]T, error) {
	rows, err := q.Query(ctx, sql, append([]any{owners}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer rows.Close()
	out := make(map[uuid.UUID][]T, len(owners))
	for rows.Next() {
		owner, v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		out[owner] = append(out[owner], v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return out, nil
}

// withFirst scans one more column at the start.
type withFirst struct {
	pgx.CollectableRow
	first any
}

func (w withFirst) Scan(dest ...any) error {
	return w.CollectableRow.Scan(append([]any{w.first}, dest...)...)
}

// GenresOf are the genres of each title, in order.
func (s *Service) GenresOf(ctx context.Context, titles []uuid.UUID) (map[uuid.UUID][]*admin.GenreRecord, error) {
	return grouped(ctx, s.pool, "genres", `SELECT tg.title_id, `+genreColumns+` FROM title_genre tg JOIN genre g ON g.id = tg.genre_id
		WHERE tg.title_id = ANY($1) ORDER BY tg.title_id, tg.position`, titles,
		func(row pgx.CollectableRow) (owner uuid.UUID, g *admin.GenreRecord, err error) {
			g, err = scanGenre(withFirst{row, &owner})
			return owner, g, err
		})
}

// CreditsOf are the credits of each title, in order, with their people.
func (s *Service) CreditsOf(ctx context.Context, titles []uuid.UUID) (map[uuid.UUID][]*admin.CreditRecord, error) {
	return grouped(ctx, s.pool, "credits", `SELECT c.title_id, c.kind,
			coalesce((SELECT jsonb_agg(jsonb_build_object('locale', k, 'name', v) ORDER BY k) FROM jsonb_each_text(c.characters) AS x (k, v)), '[]'), `+
		personColumns+` FROM credit c JOIN person p ON p.id = c.person_id
		WHERE c.title_id = ANY($1) ORDER BY c.title_id, c.position`, titles,
		func(row pgx.CollectableRow) (owner uuid.UUID, c *admin.CreditRecord, err error) {
			c = &admin.CreditRecord{}
			var kind string
			c.Person, err = scanPerson(withFirst{withFirst{withFirst{row, &owner}, &kind}, &c.Characters})
			c.Kind = admin.CreditKind(strings.ToUpper(kind))
			return owner, c, err
		})
}

// SeasonsOf are the seasons of each series with their episodes, in order.
func (s *Service) SeasonsOf(ctx context.Context, titles []uuid.UUID) (map[uuid.UUID][]*admin.SeasonRecord, error) {
	type row struct {
		season uuid.UUID
		ep     *admin.EpisodeRecord
	}
	rows, err := grouped(ctx, s.pool, "seasons", `SELECT n.title_id, n.id, `+episodeColumns+` FROM season n JOIN episode e ON e.season_id = n.id
		WHERE n.title_id = ANY($1) ORDER BY n.title_id, n.number, e.number`, titles,
		func(r pgx.CollectableRow) (owner uuid.UUID, v row, err error) {
			v.ep, err = scanEpisode(withFirst{withFirst{r, &owner}, &v.season})
			return owner, v, err
		})
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID][]*admin.SeasonRecord, len(rows))
	for title, list := range rows {
		var last *admin.SeasonRecord
		for _, r := range list {
			if last == nil || last.ID.UUID != r.season {
				last = &admin.SeasonRecord{ID: gid.Of(gid.Season, r.season), Number: r.ep.SeasonNumber}
				out[title] = append(out[title], last)
			}
			last.Episodes = append(last.Episodes, r.ep)
		}
	}
	return out, nil
}

// AssetsOf are the uploads for each title and its episodes, the newest first.
func (s *Service) AssetsOf(ctx context.Context, titles []uuid.UUID) (map[uuid.UUID][]*admin.Asset, error) {
	return grouped(ctx, s.pool, "assets", `SELECT a.title_id, `+assetColumns+` FROM asset a JOIN title t ON t.id = a.title_id
		WHERE a.title_id = ANY($1) ORDER BY a.title_id, a.id DESC`, titles,
		func(row pgx.CollectableRow) (owner uuid.UUID, a *admin.Asset, err error) {
			a, err = scanAsset(withFirst{row, &owner})
			return owner, a, err
		})
}

// MaxChanges bounds TitleRecord.changes.
const MaxChanges = 100

// ChangesOf are the newest changes of each title, at most MaxChanges.
func (s *Service) ChangesOf(ctx context.Context, titles []uuid.UUID) (map[uuid.UUID][]*admin.RecordChange, error) {
	return grouped(ctx, s.pool, "changes", `SELECT o.id, c.at, c.user_id, c.fields, c.version FROM unnest($1::uuid[]) AS o (id)
		CROSS JOIN LATERAL (SELECT * FROM title_change WHERE title_id = o.id ORDER BY version DESC LIMIT $2) c ORDER BY o.id, c.version DESC`, titles,
		func(row pgx.CollectableRow) (owner uuid.UUID, c *admin.RecordChange, err error) {
			c = &admin.RecordChange{}
			return owner, c, row.Scan(&owner, &c.At, &c.UserID, &c.Fields, &c.Version)
		}, MaxChanges)
}

// TitleCounts says in how many titles that are not deleted each person had a
// part, or how many carry each genre.
func (s *Service) TitleCounts(ctx context.Context, kind gid.Kind, of []uuid.UUID) (map[uuid.UUID]int, error) {
	link, column := "credit", "person_id"
	if kind == gid.Genre {
		link, column = "title_genre", "genre_id"
	}
	rows, err := s.pool.Query(ctx, `SELECT l.`+column+`, count(DISTINCT l.title_id) FROM `+link+` l JOIN title t ON t.id = l.title_id AND t.status <> 'deleted'
		WHERE l.`+column+` = ANY($1) GROUP BY 1`, of)
	if err != nil {
		return nil, fmt.Errorf("count titles: %w", err)
	}
	out := make(map[uuid.UUID]int, len(of))
	var id uuid.UUID
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error { out[id] = n; return nil })
	return out, err
}
