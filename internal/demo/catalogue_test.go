package demo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCatalogueIsWhole(t *testing.T) {
	c, err := Load()
	require.NoError(t, err)
	require.Len(t, c.Titles, 62)
	slugs := map[string]bool{}
	for _, title := range c.Titles {
		require.NotEmpty(t, title.Slug)
		require.False(t, slugs[title.Slug], title.Slug)
		slugs[title.Slug] = true
		for _, s := range []string{title.Name, title.NameRu, title.OriginalName, title.OriginalLanguage, title.PlotEn, title.PlotRu} {
			require.NotEmpty(t, s, title.Slug)
		}
		require.NotEmpty(t, title.Genres, title.Slug)
		for _, g := range title.Genres {
			require.NotEmpty(t, c.GenresEn[g], g)
			require.NotEmpty(t, c.GenresRu[g], g)
		}
		if title.Type == "series" {
			require.NotEmpty(t, title.Seasons, title.Slug)
		} else {
			require.Positive(t, title.RuntimeMinutes, title.Slug)
		}
	}
}
