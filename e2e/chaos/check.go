package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// stores are asked past the cinema what they hold.
type stores struct {
	postgres   string
	clickhouse []string // HTTP of each shard
}

func openStores() (stores, error) {
	s := stores{postgres: os.Getenv("CINEMA_TEST_POSTGRES_URL")}
	if list := os.Getenv("CINEMA_TEST_CLICKHOUSE_HTTP"); list != "" {
		s.clickhouse = strings.Split(list, ",")
	}
	if s.postgres == "" || len(s.clickhouse) == 0 {
		return s, errors.New("there are no servers: run scripts/chaos")
	}
	return s, nil
}

// lines runs a query on one shard of ClickHouse.
func lines(ctx context.Context, shard, query string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	at := shard + "/?" + url.Values{"user": {"tests"}, "database": {"system"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(query+" FORMAT TSV"))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var list []string
	for text := bufio.NewScanner(res.Body); text.Scan(); {
		list = append(list, text.Text())
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("clickhouse: %s: %.300v", res.Status, list)
	}
	return list, nil
}

// events counts each event over the tables of all shards that hold events,
// whatever they are called there: a row of a shard is a row.
func (s stores) events(ctx context.Context) (map[string]int, error) {
	count := map[string]int{}
	for _, shard := range s.clickhouse {
		tables, err := lines(ctx, shard, `SELECT name FROM tables WHERE database = 'cinema' AND engine LIKE '%MergeTree' AND name LIKE 'activity_event%'`)
		if err != nil {
			return nil, err
		}
		for _, table := range tables {
			ids, err := lines(ctx, shard, "SELECT toString(id) FROM cinema."+table+" FINAL WHERE name = 'heartbeat' AND NOT demo")
			if err != nil {
				return nil, err
			}
			for _, id := range ids {
				count[id]++
			}
		}
	}
	return count, nil
}

// rows collects a query's rows from one of the databases.
func rows[T any](ctx context.Context, s stores, database, query string, scan pgx.RowToFunc[T]) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	at, err := url.Parse(s.postgres)
	if err != nil {
		return nil, errors.New("the address of Postgres cannot be read")
	}
	at.Path = "/" + database
	conn, err := pgx.Connect(ctx, at.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	found, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, scan)
}

type position struct {
	Profile, Film uuid.UUID
	At            int
}

type kept struct {
	ID      uuid.UUID
	Name    string
	Version int
	Year    int
}

// check compares what clients were told with what is there; the counts go to
// the phases. Its error says that it could not be found out.
func (r *record) check(ctx context.Context, s stores, c *client) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	count, err := s.events(ctx)
	if err != nil {
		return err
	}
	for id, n := range r.events {
		switch p := r.phases[n]; count[id] {
		case 1:
		case 0:
			p.Lost++
		default:
			p.Doubled++
		}
	}
	positions, err := rows(ctx, s, "telemetry", "SELECT profile_id, playable_id, position_ms FROM watch_state WHERE NOT demo", pgx.RowToStructByPos[position])
	if err != nil {
		return err
	}
	at := map[[2]string]int{}
	for _, p := range positions {
		at[[2]string{typeID("profile", p.Profile), typeID("film", p.Film)}] = p.At
	}
	for key, p := range r.positions {
		if got, ok := at[key]; p.acked > 0 && (!ok || got < p.acked || p.acked == p.sent && got != p.acked) {
			r.phases[p.phase].Wrong++
			r.phases[p.phase].Refusals[fmt.Sprintf("POSITION %v: is %d, acknowledged %d, sent %d", key, got, p.acked, p.sent)]++
		}
	}
	return errors.Join(r.checkTitles(ctx, s, c), r.checkAccounts(ctx, c.front))
}

func (r *record) checkTitles(ctx context.Context, s stores, c *client) error {
	list, err := rows(ctx, s, "catalog", "SELECT id, original_name, version, coalesce(year, 0) FROM title", pgx.RowToStructByPos[kept])
	if err != nil {
		return err
	}
	titles, names := map[string]kept{}, map[string]int{}
	for _, t := range list {
		titles[typeID("film", t.ID)] = t
		names[t.Name]++
	}
	for name, n := range r.names {
		if names[name] > 1 {
			r.phases[n].Doubled++
			r.phases[n].Refusals["DOUBLED title "+name]++
		}
	}
	for id, want := range r.titles {
		p := r.phases[want.phase]
		row, ok := titles[id]
		if !ok {
			p.Lost++
			continue
		}
		if row.Version != want.version || row.Year != want.year {
			p.Wrong++
			p.Refusals[fmt.Sprintf("TITLE %s: version %d of %d in Postgres, acknowledged %d of %d", id, row.Version, row.Year, want.version, want.year)]++
		}
		var out struct {
			Title *struct{ Version, Year int }
		}
		if err := c.ask(ctx, &out, `query($id: ID!) { title(id: $id) { version year } }`, map[string]any{"id": id}); err != nil {
			return fmt.Errorf("the title %s: %w", id, err)
		}
		if out.Title == nil || out.Title.Version != row.Version || out.Title.Year != row.Year {
			p.Wrong++
			p.Refusals[fmt.Sprintf("TITLE %s: %+v in the index, version %d in Postgres", id, out.Title, row.Version)]++
		}
	}
	return nil
}

func (r *record) checkAccounts(ctx context.Context, front string) error {
	n := 5000
	for login, phase := range r.accounts {
		n++
		if _, err := newClient(front, login, n).signIn(ctx); err != nil {
			if codeOf(err) != "UNAUTHENTICATED" && codeOf(err) != "INVALID" {
				return fmt.Errorf("sign in as %s: %w", login, err)
			}
			r.phases[phase].Lost++
			r.phases[phase].Refusals["ACCOUNT "+login+" is gone"]++
		}
	}
	return nil
}

// typeID is an identifier as clients see it: the UUID in Crockford's base32.
func typeID(kind string, id uuid.UUID) string {
	const theirs, ours = "0123456789abcdefghijklmnopqrstuv", "0123456789abcdefghjkmnpqrstvwxyz"
	text := new(big.Int).SetBytes(id[:]).Text(32)
	return kind + "_" + strings.Map(func(r rune) rune { return rune(ours[strings.IndexRune(theirs, r)]) }, strings.Repeat("0", 26-len(text))+text)
}

func sessionID(id string) string { return typeID("viewing", uuid.MustParse(id)) }
