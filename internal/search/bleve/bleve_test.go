package bleve_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/bleve"
	"github.com/netflixathome/cinema/internal/search/searchtest"
)

func open(tb testing.TB, dir string) *bleve.Index {
	tb.Helper()
	x, err := bleve.Open(dir, bleve.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(tb, err)
	return x
}

func TestConformance(t *testing.T) {
	var mu sync.Mutex
	dirs := map[string]string{}
	searchtest.Run(t, func(t *testing.T) (searchtest.Index, func()) {
		mu.Lock()
		defer mu.Unlock()
		if dirs[t.Name()] == "" {
			dirs[t.Name()] = t.TempDir()
		}
		x := open(t, dirs[t.Name()])
		return x, func() { assert.NoError(t, x.Close()) }
	})
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	defer func() { _ = x.Close() }()
	_, err := bleve.Open(dir, bleve.Options{Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "another process")
	_, err = x.Search(t.Context(), search.Query{First: 1})
	require.NoError(t, err, "the first is not disturbed")
}

func TestClosed(t *testing.T) {
	x := open(t, t.TempDir())
	require.NoError(t, x.Close())
	require.NoError(t, x.Close())
	_, err := x.Search(t.Context(), search.Query{First: 1})
	require.ErrorIs(t, err, bleve.ErrClosed)
	require.ErrorIs(t, x.Apply(t.Context(), search.Batch{}), bleve.ErrClosed)
}

func TestBrokenIndexStartsAnew(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	require.NoError(t, x.Apply(t.Context(), searchtest.Demo(t)))
	require.NoError(t, x.SetPosition(t.Context(), "1"))
	require.NoError(t, x.Close())
	name, err := os.ReadFile(filepath.Join(dir, "CURRENT"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, strings.TrimSpace(string(name)), "index_meta.json"), []byte("{"), 0o600))

	x = open(t, dir)
	defer func() { assert.NoError(t, x.Close()) }()
	p, err := x.Position(t.Context())
	require.NoError(t, err)
	assert.Empty(t, p, "so the ETL fills it again")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "the broken one is gone")
}

// TestKill kills a process that writes and looks for what it had acknowledged.
func TestKill(t *testing.T) {
	if dir := os.Getenv("SEARCH_KILL_DIR"); dir != "" {
		x := open(t, dir)
		for i, d := range searchtest.Many(5_000) {
			require.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{d}}))
			require.NoError(t, x.SetPosition(t.Context(), fmt.Sprint(i)))
			fmt.Println("acknowledged", i)
		}
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "SEARCH_KILL_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	last := -1
	for last < 25 {
		var n int
		if _, err := fmt.Fscanf(out, "acknowledged %d\n", &n); err != nil {
			t.Fatal(err)
		}
		last = n
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()

	x := open(t, dir)
	defer func() { assert.NoError(t, x.Close()) }()
	p, err := x.Position(t.Context())
	require.NoError(t, err)
	var position int
	_, err = fmt.Sscan(p, &position)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, position, last)
	r, err := x.Search(t.Context(), search.Query{First: 1})
	require.NoError(t, err)
	assert.GreaterOrEqual(t, r.Total, position+1, "nothing before the position is missing")
}

// Home measures at the size of a large home.
func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		x := open(b, b.TempDir())
		all := searchtest.Many(n)
		for i := 0; i < n; i += 1000 {
			require.NoError(b, x.Apply(b.Context(), search.Batch{PutTitles: all[i : i+1000]}))
		}
		for name, q := range map[string]search.Query{
			"all":        {First: 24, Facets: true},
			"all-sorted": {First: 24, Facets: true, Sort: search.SortName, Locale: "ru"},
			"exact":      {First: 24, Facets: true, Text: all[17].Name["en"]},
			"typo":       {First: 24, Facets: true, Text: "ravisno monta"},
			"letter":     {First: 24, Facets: true, Text: "к"},
			"prefix":     {First: 24, Facets: true, Text: "mon"},
			"nothing":    {First: 24, Facets: true, Text: "zzxxyyww"},
		} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				for b.Loop() {
					if _, err := x.Search(b.Context(), q); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("%d/apply", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				if err := x.Apply(b.Context(), search.Batch{PutTitles: all[i%n : i%n+1]}); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
		require.NoError(b, x.Close())
	}
}
