package history_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/demo/history"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
)

func config() history.Config {
	cfg := history.Config{Until: time.Date(2026, 5, 31, 18, 20, 0, 0, time.UTC), Seed: 1}
	for i := range 60 {
		id := gid.New(gid.Film)
		cfg.Titles = append(cfg.Titles, history.Title{ID: id, Name: "Nosferatu", Playables: []history.Playable{{ID: id, Duration: time.Duration(15+2*i) * time.Minute}}})
	}
	series := history.Title{ID: gid.New(gid.Series), Name: "Dom"}
	for range 8 {
		series.Playables = append(series.Playables, history.Playable{ID: gid.New(gid.Episode), Duration: 25 * time.Minute})
	}
	cfg.Titles = append(cfg.Titles, series)
	return cfg
}

func TestAMonthIsPlausibleAndTheSameEachTime(t *testing.T) {
	cfg := config()
	var ids []uuid.UUID
	var last time.Time
	count := map[events.Name]int{}
	byTitle := map[gid.ID]int{}
	sessions := map[uuid.UUID][]events.Event{}
	watchedSaid := int64(0)
	profiles := map[uuid.UUID]bool{}
	for batch := range history.Generate(cfg) {
		for i := range batch {
			e := batch[i]
			require.NoError(t, e.Validate())
			require.True(t, e.Demo)
			require.False(t, e.At.Before(last), "in the order of time")
			require.True(t, e.At.Before(cfg.Until))
			last = e.At
			ids = append(ids, e.ID)
			count[e.Name]++
			profiles[e.ProfileID] = true
			if e.Name == events.PlayStarted {
				byTitle[e.Title]++
			}
			if e.SessionID != uuid.Nil {
				sessions[e.SessionID] = append(sessions[e.SessionID], e)
			}
			watchedSaid += int64(e.WatchedMs)
		}
	}
	t.Log(len(ids), "events", count, "profiles", len(profiles))
	require.Greater(t, len(ids), 50_000)
	require.Less(t, len(ids), 140_000)
	require.Greater(t, len(profiles), 150)
	for _, name := range []events.Name{events.SignedUp, events.SignedIn, events.PageViewed, events.TitleOpened, events.Listed, events.Rated, events.PlayStarted, events.Heartbeat, events.Paused, events.Seeked, events.Stalled, events.RenditionChanged, events.PlayEnded, events.PlayFailed, events.Searched, events.ResultOpened} {
		require.NotZero(t, count[name], name)
	}
	most := 0
	for _, n := range byTitle {
		most = max(most, n)
	}
	require.Greater(t, most, 3*count[events.PlayStarted]/len(cfg.Titles), "some are far more popular than others")

	// The minute's beat loses no watched time: it is what the players say, but
	// for what went on when the history ended.
	var watched int64
	for _, s := range sessions {
		for _, ms := range events.WatchedByDay(s) {
			watched += ms
		}
	}
	require.InEpsilon(t, watchedSaid, watched, 0.02)

	i := 0
	for batch := range history.Generate(cfg) {
		for _, e := range batch {
			require.Equal(t, ids[i], e.ID)
			i++
		}
	}
}

func TestSendTellsItsProgress(t *testing.T) {
	cfg := config()
	cfg.Days, cfg.Viewers = 3, 10
	sent, at := 0, 0.0
	n, err := history.Send(t.Context(), cfg, func(_ context.Context, list []eventlog.Message) error {
		sent += len(list)
		return nil
	}, func(p float64) { require.GreaterOrEqual(t, p, at); at = p })
	require.NoError(t, err)
	require.Equal(t, sent, n)
	require.Equal(t, 1.0, at)
	_, err = history.Send(t.Context(), history.Config{}, nil, nil)
	require.ErrorContains(t, err, "no titles")
}
