package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/etl/catalog"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/internal/realtest"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/elastic"
	"github.com/netflixathome/cinema/internal/search/searchtest"
	"github.com/netflixathome/cinema/subgraphs/admin/postgres/migrations"
)

// records is a database with the titles in it.
func records(t *testing.T, list []*search.Title) *pgxpool.Pool {
	t.Helper()
	ctx := t.Context()
	pool, err := pg.Open(ctx, enginestest.Postgres(t), 16)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, pg.Migrate(ctx, pool, migrations.FS, migrations.Table))
	put := func(table string, columns []string, rows [][]any) {
		t.Helper()
		_, err := pool.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
		require.NoError(t, err, table)
	}
	var titles, words, genres, inGenre, people, credits [][]any
	known := map[uuid.UUID]bool{}
	for _, d := range list {
		titles = append(titles, []any{d.ID, d.Kind, "published", d.OriginalName, d.OriginalLanguage, d.Year, *d.AgeRating, d.Countries, d.AddedAt})
		for locale, name := range d.Name {
			words = append(words, []any{d.ID, locale, name, d.Description[locale]})
		}
		filed := map[uuid.UUID]bool{}
		for i, g := range d.GenreIDs {
			if !known[g] {
				known[g] = true
				genres = append(genres, []any{g, fmt.Sprintf("genre-%d", len(genres))})
			}
			if !filed[g] {
				filed[g] = true
				inGenre = append(inGenre, []any{d.ID, g, i})
			}
		}
		for i, c := range d.Credits {
			if !known[c.PersonID] {
				known[c.PersonID] = true
				people = append(people, []any{c.PersonID, c.Name})
			}
			credits = append(credits, []any{d.ID, i, c.PersonID, c.Kind})
		}
	}
	put("title", []string{"id", "kind", "status", "original_name", "original_language", "year", "age_rating", "countries", "published_at"}, titles)
	put("title_translation", []string{"title_id", "locale", "name", "description"}, words)
	put("genre", []string{"id", "slug"}, genres)
	put("title_genre", []string{"title_id", "genre_id", "position"}, inGenre)
	put("person", []string{"id", "name"}, people)
	put("credit", []string{"title_id", "position", "person_id", "kind"}, credits)
	_, err = pool.Exec(ctx, "ANALYZE")
	require.NoError(t, err)
	return pool
}

// follow runs the ETL and returns when it has filled the index.
func follow(t *testing.T, pool *pgxpool.Pool, x search.Writer) (took time.Duration, stop func()) {
	t.Helper()
	name := enginestest.Name("bench")
	e, err := catalog.New(catalog.Deps{Pool: pool, Index: x, Log: quiet, Slot: name, Publication: name})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- e.Run(ctx) }()
	require.Eventually(t, func() bool { return e.Status().State == catalog.Following }, 30*time.Minute, 20*time.Millisecond, "%v", e.Status())
	took = time.Since(began)
	return took, func() {
		cancel()
		assert.NoError(t, <-done)
		// Postgres takes a moment to see that nobody follows any more.
		require.Eventually(t, func() bool {
			_, err := pool.Exec(t.Context(), "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", name)
			return err == nil
		}, 30*time.Second, 50*time.Millisecond)
	}
}

// recorder is a way to Elasticsearch that keeps what is put into the index.
type recorder struct {
	url    string
	mu     sync.Mutex
	bodies [][]byte
}

func record(t *testing.T) *recorder {
	t.Helper()
	target, err := url.Parse(realtest.Address(t, realtest.Elasticsearch))
	require.NoError(t, err)
	r := &recorder{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/_bulk") {
			body, err := io.ReadAll(req.Body)
			if !assert.NoError(t, err) {
				return
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
			r.mu.Lock()
			r.bodies = append(r.bodies, body)
			r.mu.Unlock()
		}
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// raw puts the recorded documents into an empty index that is like the other,
// by so many at once and nothing else.
func (r *recorder) raw(t *testing.T, like string, workers int) time.Duration {
	t.Helper()
	var of map[string]struct {
		Mappings json.RawMessage `json:"mappings"`
		Settings struct {
			Index map[string]json.RawMessage `json:"index"`
		} `json:"settings"`
	}
	require.NoError(t, json.Unmarshal(elasticCall(t, http.MethodGet, "/"+like, ""), &of))
	require.Len(t, of, 1)
	name := "bench-raw-" + strings.ReplaceAll(uuid.NewString(), "-", "")
	for _, o := range of {
		for _, own := range []string{"creation_date", "provided_name", "routing", "uuid", "version"} {
			delete(o.Settings.Index, own)
		}
		body, err := json.Marshal(map[string]any{"settings": o.Settings.Index, "mappings": o.Mappings})
		require.NoError(t, err)
		elasticPut(t, "/"+name, string(body))
	}
	defer elasticCall(t, http.MethodDelete, "/"+name, "")
	var work errgroup.Group
	work.SetLimit(workers)
	began := time.Now()
	for _, body := range r.bodies {
		work.Go(func() error {
			res, err := http.Post(realtest.Address(t, realtest.Elasticsearch)+"/"+name+"/_bulk?filter_path=errors", "application/x-ndjson", bytes.NewReader(body))
			if err != nil {
				return err
			}
			defer res.Body.Close()
			answer, err := io.ReadAll(res.Body)
			if err != nil || !strings.Contains(string(answer), `"errors":false`) {
				return fmt.Errorf("bulk: %w %.300s", err, answer)
			}
			return nil
		})
	}
	require.NoError(t, work.Wait())
	elasticCall(t, http.MethodPost, "/"+name+"/_refresh", "")
	return time.Since(began)
}

func elasticPut(t *testing.T, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, realtest.Address(t, realtest.Elasticsearch)+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Less(t, res.StatusCode, 300, "%.500s", answer)
}

// TestBackfill fills an empty index from the records, and then puts the same
// documents into another one, taken from a recording, by as many at once as is
// quickest of 1, 2 and 4.
func TestBackfill(t *testing.T) {
	list := searchtest.Many(titles)
	pool := records(t, list)
	r := record(t)
	recorded, like := openElastic(t, r.url)
	_, stop := follow(t, pool, recorded)
	stop()
	documents := 0
	for _, body := range r.bodies {
		documents += bytes.Count(body, []byte("\n")) / 2
	}
	workers, quickest := 0, time.Duration(0)
	for _, n := range []int{1, 2, 4} {
		if took := r.raw(t, like, n); workers == 0 || took < quickest {
			workers, quickest = n, took
		}
	}
	var ours, bare, share []float64
	for range repeats {
		x, _ := openElastic(t)
		took, stop := follow(t, pool, x)
		stop()
		best := r.raw(t, like, workers)
		ours, bare = append(ours, float64(documents)/took.Seconds()), append(bare, float64(documents)/best.Seconds())
		share = append(share, 100*best.Seconds()/took.Seconds())
	}
	report(fmt.Sprintf("backfill of %d documents from Postgres", documents), "", ours, "documents/s")
	report(fmt.Sprintf("the same documents by raw bulk, %d at once", workers), "", bare, "documents/s")
	report("backfill's share of it", "(≥ 50 %)", share, "%")
}

// TestChanges renames titles at a rate and looks for two of each second, from
// the commit until the index shows it by its new name.
func TestChanges(t *testing.T) {
	const rate, seconds, looked = 200, 20, 2
	pool := records(t, searchtest.Many(min(titles, 20_000)))
	x, _ := openElastic(t)
	_, stop := follow(t, pool, x)
	defer stop()
	var ids []uuid.UUID
	rows, err := pool.Query(t.Context(), "SELECT id FROM title ORDER BY id LIMIT $1", rate*seconds)
	require.NoError(t, err)
	ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	var p50, p95, rates []float64
	for range repeats {
		renamed := make(chan renaming, len(ids))
		shown := make(chan []time.Duration, 1)
		go func() { shown <- watchNames(t, x, renamed) }()
		var work sync.WaitGroup
		tick := time.NewTicker(time.Second / rate)
		began := time.Now()
		for i, id := range ids {
			<-tick.C
			work.Go(func() {
				name := "zq" + strings.ReplaceAll(uuid.NewString(), "-", "")[:14]
				if assert.NoError(t, rename(t.Context(), pool, id, name)) && i%(rate/looked) == 0 {
					renamed <- renaming{id, name, time.Now()}
				}
			})
		}
		tick.Stop()
		rates = append(rates, float64(len(ids))/time.Since(began).Seconds())
		work.Wait()
		close(renamed)
		took := <-shown
		require.Len(t, took, seconds*looked)
		p50, p95 = append(p50, quantile(took, 0.5)/1000), append(p95, quantile(took, 0.95)/1000)
	}
	report(fmt.Sprintf("changes committed, %d/s asked for", rate), "", rates, "changes/s")
	report("change to searchable, p50", "", p50, "s")
	report("change to searchable, p95", "(≤ 1 s)", p95, "s")
}

// renaming is a title's new name and when it was committed.
type renaming struct {
	id   uuid.UUID
	name string
	at   time.Time
}

// watchNames tells how long each title took until searches showed its new name.
// One request at a time asks for all of them by their identifiers: a document is
// seen by all searches at once, and to search for words that are not there yet,
// the dearest search of all, by as many as are waited for, has the index do ever
// more of that the later it is. In the end each is searched for by its name.
func watchNames(t *testing.T, x *elastic.Index, renamed <-chan renaming) (took []time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	awaited, all := map[uuid.UUID]renaming{}, []renaming{}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for renamed != nil || len(awaited) > 0 {
		select {
		case r, ok := <-renamed:
			if !ok {
				renamed = nil
				continue
			}
			awaited[r.id] = r
			all = append(all, r)
		case <-tick.C:
			found, err := x.TitlesByID(ctx, slices.Collect(maps.Keys(awaited)))
			if !assert.NoError(t, err) {
				return took
			}
			for id, title := range found {
				if r := awaited[id]; title.OriginalName == r.name {
					took = append(took, time.Since(r.at))
					delete(awaited, id)
				}
			}
		}
	}
	for _, r := range all {
		found, err := x.Search(ctx, search.Query{Text: r.name, First: 1})
		if assert.NoError(t, err) && assert.NotEmpty(t, found.Hits, r.name) {
			assert.Equal(t, r.id, found.Hits[0].Title.ID)
		}
	}
	return took
}

func rename(ctx context.Context, pool *pgxpool.Pool, id uuid.UUID, name string) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE title SET version = version + 1, original_name = $2 WHERE id = $1", id, name); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE title_translation SET name = $2 WHERE title_id = $1", id, name)
		return err
	})
}
