package bleve

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/searchtest"
)

// An index of another version of the program is served as it is, and asks to
// be filled again.
func TestForeignMapping(t *testing.T) {
	dir := t.TempDir()
	x, err := Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, x.Apply(t.Context(), searchtest.Demo(t)))
	require.NoError(t, x.SetPosition(t.Context(), "7"))
	require.NoError(t, x.store.index.SetInternal(keyMapping, []byte("of another time")))
	require.NoError(t, x.Close())

	x, err = Open(dir, Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { assert.NoError(t, x.Close()) }()
	p, err := x.Position(t.Context())
	require.NoError(t, err)
	assert.Empty(t, p)
	r, err := x.Search(t.Context(), search.Query{Text: "metropolis", First: 1})
	require.NoError(t, err)
	assert.Equal(t, 1, r.Total)

	fresh, err := x.Rebuild(t.Context())
	require.NoError(t, err)
	require.NoError(t, fresh.Apply(t.Context(), searchtest.Demo(t)))
	before := x.Generation()
	require.NoError(t, fresh.Swap(t.Context(), "8"))
	assert.NotEqual(t, before, x.Generation())
	p, err = x.Position(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "8", p)
}
