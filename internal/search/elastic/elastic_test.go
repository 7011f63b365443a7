package elastic_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/realtest"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/elastic"
	"github.com/netflixathome/cinema/internal/search/searchtest"
)

// prefix names a test's indexes, which are removed behind it.
func prefix(tb testing.TB) string {
	tb.Helper()
	address := realtest.Address(tb, realtest.Elasticsearch)
	name := "test-" + strings.ReplaceAll(uuid.NewString(), "-", "")
	tb.Cleanup(func() {
		for _, index := range indexes(tb, address, name) {
			call(tb, http.MethodDelete, address+"/"+index, "")
		}
	})
	return name
}

// call speaks to Elasticsearch past the adapter.
func call(tb testing.TB, method, url, body string) string {
	tb.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	require.NoError(tb, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(tb, err)
	defer res.Body.Close()
	return read(tb, res)
}

// indexes lists the indexes whose names begin with the prefix.
func indexes(tb testing.TB, address, prefix string) []string {
	tb.Helper()
	return strings.Fields(call(tb, http.MethodGet, address+"/_cat/indices/"+prefix+"*?h=index&s=index", ""))
}

func open(tb testing.TB, name string) *elastic.Index {
	tb.Helper()
	x, err := elastic.New(tb.Context(), elastic.Config{URLs: []string{realtest.Address(tb, realtest.Elasticsearch)}, Index: name}, slog.New(slog.DiscardHandler))
	require.NoError(tb, err)
	return x
}

func TestConformance(t *testing.T) {
	realtest.Address(t, realtest.Elasticsearch)
	var mu sync.Mutex
	names := map[string]string{}
	searchtest.Run(t, func(t *testing.T) (searchtest.Index, func()) {
		mu.Lock()
		defer mu.Unlock()
		if names[t.Name()] == "" {
			names[t.Name()] = prefix(t)
		}
		x := open(t, names[t.Name()])
		return x, func() { assert.NoError(t, x.Close()) }
	})
}

// Programs that start at once make one index.
func TestOpenAtOnce(t *testing.T) {
	name := prefix(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { assert.NoError(t, open(t, name).Close()) })
	}
	all.Wait()
	assert.Len(t, indexes(t, realtest.Address(t, realtest.Elasticsearch), name), 1)
}

// An index of another version of the program is served and asks to be filled
// again.
func TestForeignMapping(t *testing.T) {
	address, name := realtest.Address(t, realtest.Elasticsearch), prefix(t)
	x := open(t, name)
	require.NoError(t, x.Apply(t.Context(), searchtest.Demo(t)))
	require.NoError(t, x.SetPosition(t.Context(), "7"))
	call(t, http.MethodPut, address+"/"+name+"/_mapping", `{"_meta":{"mapping":"of another time","alias":"`+name+`"}}`)
	p, err := x.Position(t.Context())
	require.NoError(t, err)
	assert.Empty(t, p)
	r, err := x.Search(t.Context(), search.Query{Text: "metropolis", First: 1})
	require.NoError(t, err)
	assert.Equal(t, 1, r.Total)

	fresh, err := x.Rebuild(t.Context())
	require.NoError(t, err)
	require.NoError(t, fresh.Apply(t.Context(), searchtest.Demo(t)))
	require.NoError(t, fresh.Swap(t.Context(), "8"))
	p, err = x.Position(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "8", p)
	assert.Len(t, indexes(t, address, name), 1, "the old one is removed")
}

// What keeps the index from following the catalogue is said at the start, with
// the variable and without secrets; it is served all the same.
func TestStartSaysWhatIsWrongWithTheIndex(t *testing.T) {
	address, name := realtest.Address(t, realtest.Elasticsearch), prefix(t)
	x := open(t, name)
	require.NoError(t, x.Apply(t.Context(), searchtest.Demo(t)))
	require.NoError(t, x.Close())
	said := func() string {
		var log strings.Builder
		u, err := url.Parse(address)
		require.NoError(t, err)
		u.User = url.UserPassword("cinema", "s3cret")
		x, err := elastic.New(t.Context(), elastic.Config{URLs: []string{u.String()}, Index: name}, slog.New(slog.NewTextHandler(&log, nil)))
		require.NoError(t, err)
		defer func() { assert.NoError(t, x.Close()) }()
		r, err := x.Search(t.Context(), search.Query{Text: "metropolis", First: 1})
		require.NoError(t, err)
		assert.Equal(t, 1, r.Total)
		assert.NotContains(t, log.String(), "s3cret")
		return log.String()
	}
	assert.Empty(t, said())
	call(t, http.MethodPut, address+"/"+name+"/_settings", `{"index.blocks.write":true}`)
	got := said()
	assert.Contains(t, got, "CINEMA_ELASTICSEARCH_URL")
	assert.Contains(t, got, "index.blocks.write")
	call(t, http.MethodPut, address+"/"+name+"/_settings", `{"index.blocks.write":null}`)
	call(t, http.MethodPut, address+"/"+name+"/_mapping", `{"_meta":{"mapping":"of another time","alias":"`+name+`"}}`)
	got = said()
	assert.Contains(t, got, "CINEMA_ELASTICSEARCH_URL")
	assert.Contains(t, got, "of another time")
}

// What a rebuild left behind whose program ended goes with the next one, and
// nothing else goes, however it is named.
func TestRebuildTidies(t *testing.T) {
	address, name := realtest.Address(t, realtest.Elasticsearch), prefix(t)
	x := open(t, name)
	defer func() { assert.NoError(t, x.Close()) }()
	_, err := x.Rebuild(t.Context())
	require.NoError(t, err)
	others := []string{name + "-logs", name + "-" + strings.Repeat("0", 32), name + "-staging-first"}
	for _, o := range others {
		call(t, http.MethodPut, address+"/"+o, "")
	}
	require.Len(t, indexes(t, address, name), 5)

	again := open(t, name)
	defer func() { assert.NoError(t, again.Close()) }()
	r, err := again.Rebuild(t.Context())
	require.NoError(t, err)
	have := indexes(t, address, name)
	assert.Len(t, have, 5, "the unfinished one made room for the new one")
	assert.Subset(t, have, others)
	require.NoError(t, r.Discard(t.Context()))
	assert.Len(t, indexes(t, address, name), 4)
}

// A writer whose index was removed makes no wrong one in its place, and is led
// to a rebuild; readers are told that search is not available.
func TestIndexRemoved(t *testing.T) {
	address, name := realtest.Address(t, realtest.Elasticsearch), prefix(t)
	x := open(t, name)
	defer func() { assert.NoError(t, x.Close()) }()
	b := searchtest.Demo(t)
	require.NoError(t, x.Apply(t.Context(), b))
	require.NoError(t, x.SetPosition(t.Context(), "1"))
	r, err := x.Rebuild(t.Context())
	require.NoError(t, err)
	for _, index := range indexes(t, address, name) {
		call(t, http.MethodDelete, address+"/"+index, "")
	}
	_, err = x.Search(t.Context(), search.Query{First: 1})
	assertUnavailable(t, err)
	assertUnavailable(t, x.Apply(t.Context(), b))
	assertUnavailable(t, x.SetPosition(t.Context(), "2"))
	assertUnavailable(t, r.Apply(t.Context(), b))
	require.NoError(t, r.Discard(t.Context()))
	assert.Empty(t, indexes(t, address, name))
	p, err := x.Position(t.Context())
	require.NoError(t, err)
	assert.Empty(t, p)

	r, err = x.Rebuild(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Apply(t.Context(), b))
	require.NoError(t, r.Swap(t.Context(), "3"))
	found, err := x.Search(t.Context(), search.Query{First: 1})
	require.NoError(t, err)
	assert.Equal(t, len(b.PutTitles), found.Total)
}

// A page goes on in an index that was built anew since.
func TestCursorSurvivesRebuild(t *testing.T) {
	x := open(t, prefix(t))
	defer func() { assert.NoError(t, x.Close()) }()
	b := searchtest.Demo(t)
	require.NoError(t, x.Apply(t.Context(), b))
	for _, q := range []search.Query{{First: 9}, {First: 9, Sort: search.SortName, Locale: "de"}, {First: 9, Sort: search.SortYearAsc}, {First: 3, Text: "the"}} {
		whole := q
		whole.First = 100
		want, err := x.Search(t.Context(), whole)
		require.NoError(t, err)
		first, err := x.Search(t.Context(), q)
		require.NoError(t, err)
		r, err := x.Rebuild(t.Context())
		require.NoError(t, err)
		require.NoError(t, r.Apply(t.Context(), b))
		require.NoError(t, r.Swap(t.Context(), "1"))
		q.After = first.Hits[q.First-1].Cursor
		q.First = 100
		rest, err := x.Search(t.Context(), q)
		require.NoError(t, err)
		var ids, wanted []uuid.UUID
		for _, h := range append(first.Hits, rest.Hits...) {
			ids = append(ids, h.Title.ID)
		}
		for _, h := range want.Hits {
			wanted = append(wanted, h.Title.ID)
		}
		assert.Equal(t, wanted, ids, "%+v", q)
	}
}

// What is deleted and put in one batch is there, whatever is tried again.
func TestDeleteAndPut(t *testing.T) {
	x := open(t, prefix(t))
	defer func() { assert.NoError(t, x.Close()) }()
	b := searchtest.Demo(t)
	b.DeleteTitles = []uuid.UUID{b.PutTitles[0].ID, b.PutTitles[0].ID}
	b.PutTitles = append(b.PutTitles, b.PutTitles[0])
	require.NoError(t, x.Apply(t.Context(), b))
	r, err := x.Search(t.Context(), search.Query{First: 1})
	require.NoError(t, err)
	assert.Equal(t, len(b.PutTitles)-1, r.Total)
}

// A batch of several requests' size arrives whole.
func TestLargeBatch(t *testing.T) {
	x := open(t, prefix(t))
	defer func() { assert.NoError(t, x.Close()) }()
	require.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: searchtest.Many(5000)}))
	r, err := x.Search(t.Context(), search.Query{First: 1, Facets: true})
	require.NoError(t, err)
	assert.Equal(t, 5000, r.Total)
	assert.Equal(t, 5000, r.Facets.Kinds[search.KindFilm])
}

// BenchmarkSearch measures at the size of a large cinema, beside bleve's.
func BenchmarkSearch(b *testing.B) {
	const n = 100_000
	x := open(b, prefix(b))
	all := searchtest.Many(n)
	began := time.Now()
	r, err := x.Rebuild(b.Context())
	require.NoError(b, err)
	for i := 0; i < n; i += 1000 {
		require.NoError(b, r.Apply(b.Context(), search.Batch{PutTitles: all[i : i+1000]}))
	}
	require.NoError(b, r.Swap(b.Context(), "1"))
	b.Logf("rebuilt %d titles in %v", n, time.Since(began))
	for _, c := range []struct {
		name string
		q    search.Query
	}{
		{"all", search.Query{First: 24, Facets: true}},
		{"all-sorted", search.Query{First: 24, Facets: true, Sort: search.SortName, Locale: "ru"}},
		{"all-sorted-other", search.Query{First: 24, Sort: search.SortName, Locale: "de"}},
		{"exact", search.Query{First: 24, Facets: true, Text: all[17].Name["en"]}},
		{"typo", search.Query{First: 24, Facets: true, Text: "ravisno monta"}},
		{"letter", search.Query{First: 24, Facets: true, Text: "к"}},
		{"prefix", search.Query{First: 24, Facets: true, Text: "mon"}},
		{"nothing", search.Query{First: 24, Facets: true, Text: "zzxxyyww"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Search(b.Context(), c.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, size := range []int{1, 20, 200} {
		b.Run(fmt.Sprintf("apply-%d", size), func(b *testing.B) {
			i := 0
			for b.Loop() {
				if err := x.Apply(b.Context(), search.Batch{PutTitles: all[i%(n-size) : i%(n-size)+size]}); err != nil {
					b.Fatal(err)
				}
				i += size
			}
		})
	}
}

// BenchmarkVisible measures how long a change takes from when it is made until
// a search finds it, at 200 changes a second for ten seconds, in an index of
// 20,000 titles. As the ETL does, one writer applies at once all that has
// come since it last did.
func BenchmarkVisible(b *testing.B) {
	const n, rate, seconds = 20_000, 200, 10
	x := open(b, prefix(b))
	all := searchtest.Many(n)
	for i := 0; i < n; i += 1000 {
		require.NoError(b, x.Apply(b.Context(), search.Batch{PutTitles: all[i : i+1000]}))
	}
	for b.Loop() {
		type change struct {
			title *search.Title
			at    time.Time
		}
		made := make(chan change, rate*seconds)
		go func() {
			defer close(made)
			tick := time.NewTicker(time.Second / rate)
			defer tick.Stop()
			for i := range rate * seconds {
				made <- change{all[i*37%n], <-tick.C}
			}
		}()
		var took []time.Duration
		for first := range made {
			changes := []change{first}
			for len(made) > 0 {
				changes = append(changes, <-made)
			}
			var batch search.Batch
			for _, c := range changes {
				batch.PutTitles = append(batch.PutTitles, c.title)
			}
			require.NoError(b, x.Apply(b.Context(), batch))
			for _, c := range changes {
				took = append(took, time.Since(c.at))
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
		b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "p95-ms")
		b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "max-ms")
	}
}
