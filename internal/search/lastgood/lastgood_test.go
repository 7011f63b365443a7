package lastgood_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/bleve"
	"github.com/netflixathome/cinema/internal/search/lastgood"
)

var errAway = errors.New("nobody answers")

// flaky is an index that can be away.
type flaky struct {
	search.Reader
	away bool
}

func (f *flaky) Search(ctx context.Context, q search.Query) (*search.Results, error) {
	if f.away {
		return nil, errAway
	}
	return f.Reader.Search(ctx, q)
}

func (f *flaky) TitlesByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	if f.away {
		return nil, errAway
	}
	return f.Reader.TitlesByID(ctx, ids)
}

func (f *flaky) SeriesByEpisode(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	if f.away {
		return nil, errAway
	}
	return f.Reader.SeriesByEpisode(ctx, ids)
}

func (f *flaky) PeopleByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Person, error) {
	if f.away {
		return nil, errAway
	}
	return f.Reader.PeopleByID(ctx, ids)
}

func (f *flaky) Genres(ctx context.Context) ([]search.GenreCount, error) {
	if f.away {
		return nil, errAway
	}
	return f.Reader.Genres(ctx)
}

func TestAnswersWhileTheIndexIsAwayAlsoAfterAColdStart(t *testing.T) {
	under, err := bleve.Open(filepath.Join(t.TempDir(), "index"), bleve.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = under.Close() })
	film := &search.Title{ID: uuid.Must(uuid.NewV7()), Kind: "film", OriginalName: "Metropolis", Version: 3}
	episode := uuid.Must(uuid.NewV7())
	series := &search.Title{ID: uuid.Must(uuid.NewV7()), Kind: "series", OriginalName: "Les Vampires", Seasons: []search.Season{{Episodes: []search.Episode{{ID: episode}}}}}
	person := &search.Person{ID: uuid.Must(uuid.NewV7()), Name: "Fritz Lang"}
	genre := &search.Genre{ID: uuid.Must(uuid.NewV7()), Slug: "drama"}
	require.NoError(t, under.Apply(t.Context(), search.Batch{PutTitles: []*search.Title{film, series}, PutPeople: []*search.Person{person}, PutGenres: []*search.Genre{genre}}))

	index := &flaky{Reader: under}
	file := filepath.Join(t.TempDir(), "catalogue.json")
	open := func() *lastgood.Index {
		x, err := lastgood.New(lastgood.Options{Index: index, File: file, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return x
	}
	front := search.Query{First: 10, Sort: search.SortAdded, Facets: true}
	ask := func(x *lastgood.Index) []any {
		t.Helper()
		list, err := x.Search(t.Context(), front)
		require.NoError(t, err)
		titles, err := x.TitlesByID(t.Context(), []uuid.UUID{film.ID})
		require.NoError(t, err)
		people, err := x.PeopleByID(t.Context(), []uuid.UUID{person.ID})
		require.NoError(t, err)
		of, err := x.SeriesByEpisode(t.Context(), []uuid.UUID{episode})
		require.NoError(t, err)
		genres, err := x.Genres(t.Context())
		require.NoError(t, err)
		require.Len(t, list.Hits, 2)
		return []any{list.Hits[0].Title.ID, list.Hits[1].Title.ID, list.Hits[0].Cursor, list.Total, titles[film.ID].Version, people[person.ID].Name, of[episode].OriginalName, genres[0].Genre.Slug}
	}
	first := open()
	index.away = true
	_, err = first.Genres(t.Context())
	require.ErrorIs(t, err, errAway)
	require.Zero(t, first.Away(), "an index that never answered has left nothing old to be shown")
	index.away = false
	began := time.Now()
	want := ask(first)
	require.Zero(t, first.Away())
	answered := time.Now()
	index.away = true
	require.Equal(t, want, ask(first))
	since := first.Away()
	require.False(t, since.Before(began) || since.After(answered), "since it last answered, not since that was noticed")
	_, err = first.Search(t.Context(), search.Query{Text: "metropolis", First: 10})
	require.ErrorIs(t, err, errAway, "words are looked for in the index alone")
	_, err = first.TitlesByID(t.Context(), []uuid.UUID{film.ID, uuid.New()})
	require.ErrorIs(t, err, errAway, "nobody knows whether there is another")

	ended, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, first.Run(ended))
	cold := open()
	require.Equal(t, want, ask(cold), "a program that starts while the index is away")
	require.True(t, cold.Away().Equal(since), "it knows since when from the file")

	index.away = false
	require.NoError(t, under.Apply(t.Context(), search.Batch{DeleteTitles: []uuid.UUID{film.ID}}))
	found, err := cold.TitlesByID(t.Context(), []uuid.UUID{film.ID})
	require.NoError(t, err)
	require.Empty(t, found)
	require.Zero(t, cold.Away(), "it is back")
	left, leave := context.WithCancel(t.Context())
	leave()
	index.away = true
	_, err = cold.TitlesByID(left, []uuid.UUID{film.ID})
	require.Error(t, err)
	require.Zero(t, cold.Away(), "who leaves says nothing of the index")
	_, err = cold.Search(t.Context(), search.Query{Text: "metropolis", First: 10})
	require.ErrorIs(t, err, errAway)
	require.NotZero(t, cold.Away(), "a search says so too")
	_, err = cold.TitlesByID(t.Context(), []uuid.UUID{film.ID})
	require.ErrorIs(t, err, errAway, "what has left the catalogue is not shown again")

	require.NoError(t, os.WriteFile(file, []byte(`{"Version":1,`), 0o600))
	_, err = open().Search(t.Context(), front)
	require.ErrorIs(t, err, errAway, "a file that cannot be read is as good as none")
}
