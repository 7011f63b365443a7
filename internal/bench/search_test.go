package bench

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/realtest"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/bleve"
	"github.com/netflixathome/cinema/internal/search/elastic"
	"github.com/netflixathome/cinema/internal/search/searchtest"
)

// openElastic opens an index of its own, removed with the test.
func openElastic(t *testing.T, urls ...string) (x *elastic.Index, name string) {
	t.Helper()
	if len(urls) == 0 {
		urls = []string{realtest.Address(t, realtest.Elasticsearch)}
	}
	name = "bench-" + strings.ReplaceAll(uuid.NewString(), "-", "")
	x, err := elastic.New(t.Context(), elastic.Config{URLs: urls, Index: name}, quiet)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, x.Close())
		// By their names: Elasticsearch deletes nothing by a pattern.
		for index := range strings.FieldsSeq(string(elasticCall(t, http.MethodGet, "/_cat/indices/"+name+"*?h=index", ""))) {
			elasticCall(t, http.MethodDelete, "/"+index, "")
		}
	})
	return x, name
}

// fill puts the titles into a new index, as a rebuild does.
func fill(t *testing.T, x search.Writer, list []*search.Title) {
	t.Helper()
	r, err := x.Rebuild(t.Context())
	require.NoError(t, err)
	for some := range slices.Chunk(list, 1000) {
		require.NoError(t, r.Apply(t.Context(), search.Batch{PutTitles: some}))
	}
	require.NoError(t, r.Swap(t.Context(), "1"))
}

// mistake types one letter of a word wrong: another, missing, twice, swapped.
func mistake(dice *rand.Rand, s string) string {
	r := []rune(s)
	at := 1 + dice.IntN(len(r)-2)
	switch dice.IntN(4) {
	case 0:
		return string(slices.Delete(r, at, at+1))
	case 1:
		return string(slices.Insert(r, at, r[at]))
	case 2:
		r[at], r[at+1] = r[at+1], r[at]
	default:
		r[at] = r[len(r)-1]
	}
	return string(r)
}

// asked are the ways in which titles are searched for, each with queries of
// many sorts, so that no cache answers them.
func asked(list []*search.Title, n int) []struct {
	name, goal string
	queries    []search.Query
} {
	dice := rand.New(rand.NewPCG(19, 25))
	var typo, exact, prefix, nothing, all []search.Query
	for range n {
		t := list[dice.IntN(len(list))]
		name := t.Name[[]string{"en", "ru"}[dice.IntN(2)]]
		q := search.Query{First: 24, Facets: true}
		one := func(text string) search.Query { q.Text = text; return q }
		first, last, _ := strings.Cut(name, " ")
		typo = append(typo, one(mistake(dice, first)+" "+mistake(dice, last)))
		exact = append(exact, one(name))
		letters := []rune(name)
		prefix = append(prefix, one(string(letters[:min(len(letters), 3+dice.IntN(4))])))
		nothing = append(nothing, one("zz"+mistake(dice, first)+"xxyyww"))
		all = append(all, one(""))
	}
	return []struct {
		name, goal string
		queries    []search.Query
	}{
		{"a mistake in each of two words, facets", "(≤ 45 ms)", typo}, {"two words as written, facets", "(≤ 45 ms)", exact},
		{"as it is typed, facets", "(≤ 45 ms)", prefix}, {"nothing found, facets", "(≤ 45 ms)", nothing}, {"front page, facets", "(≤ 45 ms)", all},
	}
}

// TestSearch measures both adapters at the size of a large cinema; the one of
// the home shape, which is not made for it, with a tenth of the queries.
func TestSearch(t *testing.T) {
	list := searchtest.Many(titles)
	x, name := openElastic(t)
	fill(t, x, list)
	settle(t, name)
	home, err := bleve.Open(t.TempDir(), bleve.Options{Logger: quiet})
	require.NoError(t, err)
	defer func() { assert.NoError(t, home.Close()) }()
	fill(t, home, list)
	const warm = 2 // runs before, for the JVM's compilers and the file cache
	for _, adapter := range []struct {
		name string
		search.Reader
		each int
	}{{"Elasticsearch", x, number("BENCH_EACH", 200)}, {"bleve", home, number("BENCH_EACH", 200) / 10}} {
		each := adapter.each
		for _, a := range asked(list, each*(repeats+warm)) {
			var p50, p99, cpu []float64
			for run := range repeats + warm {
				before := elasticCPU(t)
				var took []time.Duration
				for _, q := range a.queries[run*each : (run+1)*each] {
					began := time.Now()
					_, err := adapter.Search(t.Context(), q)
					require.NoError(t, err)
					took = append(took, time.Since(began))
				}
				if run < warm {
					continue
				}
				p50, p99 = append(p50, quantile(took, 0.5)), append(p99, quantile(took, 0.99))
				cpu = append(cpu, float64((elasticCPU(t)-before).Milliseconds())/float64(each))
			}
			report(adapter.name+", "+a.name+", p50", "", p50, "ms")
			report(adapter.name+", "+a.name+", p99", a.goal, p99, "ms")
			if adapter.Reader == search.Reader(x) {
				report(adapter.name+", "+a.name+", its CPU", "", cpu, "ms/search")
			}
		}
	}
}

// settle waits until Elasticsearch has merged what was put into it.
func settle(t *testing.T, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		answer := elasticCall(t, http.MethodGet, "/"+name+"*/_stats/merge?filter_path=_all.total.merges.current", "")
		return strings.Contains(string(answer), `"current":0`)
	}, 2*time.Minute, 500*time.Millisecond)
}
