package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	busmemory "github.com/netflixathome/cinema/internal/bus/memory"
	"github.com/netflixathome/cinema/internal/cache"
	cachememory "github.com/netflixathome/cinema/internal/cache/memory"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// shelf is a Store that knows one profile's titles; what is not asked of it
// panics.
type shelf struct {
	Store
	ids    []gid.ID
	listed []gid.ID
	gone   []GoneProfile
	erased chan []GoneProfile
	due    []GoneProfile
	next   []*time.Time
}

func (s *shelf) List(context.Context, uuid.UUID, int) ([]gid.ID, error) { return s.ids, nil }
func (s *shelf) Unfinished(context.Context, uuid.UUID, int) (list []*ContinueWatching, err error) {
	for _, id := range s.ids {
		list = append(list, &ContinueWatching{Playable: PlayableOf(id), Title: TitleOf(id), WatchState: &WatchState{}})
	}
	return list, nil
}

func (s *shelf) SetListed(_ context.Context, _ uuid.UUID, id gid.ID, _ bool) error {
	s.listed = append(s.listed, id)
	return nil
}

func (s *shelf) LastErased(context.Context) (time.Time, error) {
	if n := len(s.gone); n > 0 {
		return s.gone[n-1].At, nil
	}
	return time.Time{}, nil
}

func (s *shelf) Erase(_ context.Context, gone []GoneProfile) error {
	s.gone = append(s.gone, gone...)
	s.erased <- gone
	return nil
}

func (s *shelf) ClaimGone(context.Context, time.Time, time.Time, int) ([]GoneProfile, error) {
	return s.due, nil
}

func (s *shelf) EndPass(_ context.Context, _ []uuid.UUID, next []*time.Time) error {
	s.next = next
	return nil
}

type nowhere struct{}

func (nowhere) Append(context.Context, []eventlog.Message) error { return nil }

func newService(t *testing.T, s *shelf, change func(*Options)) *Subgraph {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	kept, err := cachememory.New(1 << 10)
	require.NoError(t, err)
	c, err := cache.New(kept, quiet)
	require.NoError(t, err)
	o := Options{Store: s, Log: nowhere{}, Bus: busmemory.New(), Cache: c, Logger: quiet}
	change(&o)
	sub, err := New(o)
	require.NoError(t, err)
	return sub
}

// A profile with an age limit is told of nothing that the catalogue hides from
// it; for others the catalogue is not asked.
func TestAgeLimit(t *testing.T) {
	open, hidden := gid.New(gid.Film), gid.New(gid.Series)
	s := &shelf{ids: []gid.ID{hidden, open}}
	asked, away := 0, false
	sub := newService(t, s, func(o *Options) {
		o.Visible = func(_ context.Context, bearer string, ids []gid.ID) (map[gid.ID]bool, error) {
			require.Equal(t, "the child's token", bearer)
			asked++
			if away {
				return nil, errors.New("away")
			}
			out := map[gid.ID]bool{}
			for _, id := range ids {
				out[id] = id == open
			}
			return out, nil
		}
	})
	sub.popular.list, sub.popular.until = []Title{TitleOf(hidden), TitleOf(open)}, time.Now().Add(time.Hour)
	six := 6
	child := WithBearer(authn.With(t.Context(), &authn.Claims{ProfileID: uuid.New(), Child: true, AgeLimit: &six}), "the child's token")
	grown := authn.With(t.Context(), &authn.Claims{ProfileID: uuid.New()})

	type counts struct{ list, begun, popular int }
	count := func(ctx context.Context) counts {
		list, err := sub.MyList(ctx, nil)
		require.NoError(t, err)
		begun, err := sub.ContinueWatching(ctx, nil)
		require.NoError(t, err)
		popular, err := sub.Popular(ctx, nil)
		require.NoError(t, err)
		return counts{len(list), len(begun), len(popular)}
	}
	require.Equal(t, counts{2, 2, 2}, count(grown))
	require.Zero(t, asked)
	require.Equal(t, counts{1, 1, 1}, count(child))
	require.Equal(t, 3, asked)
	require.Equal(t, counts{2, 2, 2}, count(grown), "what one does not see is not taken from the others")

	film := gid.New(gid.Film)
	for name, try := range map[string]func(id gid.ID) error{
		"listed":    func(id gid.ID) error { _, err := sub.SetListed(child, id, true); return err },
		"rated":     func(id gid.ID) error { _, err := sub.SetRating(child, id, nil); return err },
		"forgotten": func(gid.ID) error { _, err := sub.ForgetProgress(child, film); return err },
		"watched": func(gid.ID) error {
			_, err := sub.Watch(child, WatchInput{SessionUUID: uuid.Must(uuid.NewV7()), PlayableID: film, TitleID: film, DurationMs: 1000,
				Device: &DeviceInput{Kind: "tv"}})
			return err
		},
	} {
		require.Equal(t, fault.NotFound, fault.KindOf(try(hidden)), name)
	}
	_, err := sub.SetListed(child, open, true)
	require.NoError(t, err)
	require.Equal(t, []gid.ID{open}, s.listed)

	away = true
	_, err = sub.MyList(child, nil)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	_, err = sub.SetListed(child, open, true)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	popular, err := sub.Popular(child, nil)
	require.NoError(t, err)
	require.Empty(t, popular, "closed, not open")
	sub.Visible = nil
	_, err = sub.MyList(child, nil)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
}

// Deleted profiles are asked for page by page, and again when news of one comes.
func TestErasing(t *testing.T) {
	s := &shelf{erased: make(chan []GoneProfile, 10)}
	began := time.Now().Add(-time.Hour).UTC()
	pages := [][]GoneProfile{{{ID: uuid.New(), At: began}, {ID: uuid.New(), At: began.Add(time.Second)}}, {{ID: uuid.New(), At: began.Add(2 * time.Second)}}}
	later := GoneProfile{ID: uuid.New(), At: began.Add(time.Minute)}
	deleted := make(chan struct{})
	sub := newService(t, s, func(o *Options) {
		o.GoneTopic = "gone"
		o.Gone = func(_ context.Context, after time.Time, id uuid.UUID) ([]GoneProfile, error) {
			all := append(append([]GoneProfile{}, pages[0]...), pages[1]...)
			select {
			case <-deleted:
				all = append(all, later)
			default:
			}
			for i, g := range all {
				if g.At.After(after) {
					return all[i:min(i+2, len(all))], nil
				}
			}
			return nil, nil
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sub.Erase(ctx) }()
	require.Equal(t, pages[0], <-s.erased)
	require.Equal(t, pages[1], <-s.erased)
	close(deleted)
	require.NoError(t, sub.Bus.Publish(ctx, "gone", []byte("{}")))
	// The last minutes are asked for again.
	require.Equal(t, pages[0], <-s.erased)
	require.Equal(t, []GoneProfile{pages[1][0], later}, <-s.erased)
	cancel()
	require.NoError(t, <-done)
}

// The events of a deleted account are made nobody's three times, for what was
// on its way; a pass that fails is not counted.
func TestAnonymising(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	s := &shelf{}
	var profiles, accounts map[uuid.UUID]uuid.UUID
	away := errors.New("away")
	sub := newService(t, s, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Anonymise = func(_ context.Context, p, a map[uuid.UUID]uuid.UUID) error {
			profiles, accounts = p, a
			return away
		}
	})
	require.NoError(t, sub.AnonymiseDue(t.Context()))
	require.Nil(t, profiles, "nothing is due")
	user := uuid.New()
	for passes := range 3 {
		s.due = append(s.due, GoneProfile{ID: uuid.New(), At: now, AccountID: user, Passes: passes})
	}
	require.ErrorIs(t, sub.AnonymiseDue(t.Context()), away)
	require.Nil(t, s.next)
	away = nil
	require.NoError(t, sub.AnonymiseDue(t.Context()))
	require.Len(t, profiles, 3)
	require.Len(t, accounts, 1)
	for _, g := range s.due {
		require.NotEqual(t, uuid.Nil, profiles[g.ID])
		require.NotEqual(t, g.ID, profiles[g.ID])
	}
	require.NotEqual(t, user, accounts[user])
	soon, late := now.Add(10*time.Minute), now.Add(24*time.Hour)
	require.Equal(t, []*time.Time{&soon, &late, nil}, s.next)
}
