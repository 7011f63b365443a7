package authn_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/bus/memory"
)

// breakable is a bus that loses messages while it is away, and says so.
type breakable struct {
	*memory.Bus
	mu     sync.Mutex
	breaks uint64
	away   bool
}

func (b *breakable) set(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if away && !b.away {
		b.breaks++
	}
	b.away = away
}

func (b *breakable) Passing(string) (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.breaks, !b.away
}

func (b *breakable) Publish(ctx context.Context, topic string, payload []byte) error {
	if _, passing := b.Passing(topic); !passing {
		return errors.New("away")
	}
	return b.Bus.Publish(ctx, topic, payload)
}

// While nothing tells who was signed out, nobody administers; whoever watches
// goes on, and everything is as before when one of the two ways is there again.
func TestNobodyAdministersUnsure(t *testing.T) {
	b := &breakable{Bus: memory.New()}
	w := newWorld(t)
	var away atomic.Bool
	var asks atomic.Int32
	ended := uuid.New()
	r, err := authn.NewRevocations(b, func(context.Context) ([]authn.Revocation, error) {
		asks.Add(1)
		if away.Load() {
			return nil, errors.New("the auth service is away")
		}
		return []authn.Revocation{{SessionID: ended, Until: w.clock.now().Add(time.Minute)}}, nil
	}, w.clock.now, silent)
	require.NoError(t, err)
	v, err := authn.NewVerifier(w.signer.JWKS, r, w.clock.now)
	require.NoError(t, err)
	admin := claims()
	require.NotEmpty(t, admin.Scopes)
	ofAdmin, err := w.signer.Sign(admin)
	require.NoError(t, err)
	watching := claims()
	watching.Scopes = nil
	ofViewer, err := w.signer.Sign(watching)
	require.NoError(t, err)
	unsure := func() bool {
		c, err := v.Verify(t.Context(), ofAdmin)
		require.NoError(t, err)
		require.Equal(t, c.Unsure, len(c.Scopes) == 0)
		viewer, err := v.Verify(t.Context(), ofViewer)
		require.NoError(t, err)
		require.False(t, viewer.Unsure)
		return c.Unsure
	}
	require.True(t, unsure(), "nothing is known yet")
	run(t, r)
	patience := 20 * time.Second
	require.Eventually(t, func() bool { return !unsure() }, patience, time.Millisecond)

	b.set(true)
	require.Eventually(t, func() bool { return r.Revoked(ended) }, patience, time.Millisecond, "the list stands in for the bus")
	away.Store(true)
	require.Eventually(t, unsure, patience, 10*time.Millisecond, "neither is there")
	away.Store(false)
	require.Eventually(t, func() bool { return !unsure() }, patience, 10*time.Millisecond, "the list is there again")
	away.Store(true)
	require.Eventually(t, unsure, patience, 10*time.Millisecond)
	b.set(false)
	before := asks.Load()
	require.Eventually(t, func() bool { return asks.Load() >= before+2 }, patience, time.Millisecond)
	require.True(t, unsure(), "what was said while the bus was away is not known")
	away.Store(false)
	require.Eventually(t, func() bool { return !unsure() }, patience, 10*time.Millisecond)

	// The bus alone is enough while it does not break.
	away.Store(true)
	told := uuid.New()
	require.NoError(t, authn.Publish(t.Context(), b, w.clock.now().Add(authn.RevocationTTL), told))
	require.Eventually(t, func() bool { return r.Revoked(told) }, patience, time.Millisecond)
	require.False(t, unsure())
}

// Whoever ends what is open is told of each session once it is refused, also by the
// list alone, and of a change that took something though a later one did not.
func TestWhatEndsIsToldWithoutTheBus(t *testing.T) {
	b := &breakable{Bus: memory.New()}
	w := newWorld(t)
	until := w.clock.now().Add(time.Minute)
	listed, heard, user := uuid.New(), uuid.New(), uuid.New()
	var asks atomic.Int32
	r, err := authn.NewRevocations(b, func(context.Context) ([]authn.Revocation, error) {
		asks.Add(1)
		return []authn.Revocation{{SessionID: listed, Until: until}, {UserID: user, Rights: 5, Lost: true, Until: until}}, nil
	}, w.clock.now, silent)
	require.NoError(t, err)
	r.Add(authn.Revocation{UserID: user, Rights: 6, Until: until})
	sessions, lost := make(chan uuid.UUID, 10), make(chan int64, 10_000)
	r.Tell(func(rev authn.Revocation) {
		if rev.Rights > 0 {
			lost <- rev.Rights
			return
		}
		if !r.Revoked(rev.SessionID) {
			t.Error("it is told before it is refused")
		}
		sessions <- rev.SessionID
	})
	b.set(true)
	run(t, r)
	require.Equal(t, listed, <-sessions)
	require.EqualValues(t, 5, <-lost)
	before := asks.Load()
	require.Eventually(t, func() bool { return asks.Load() > before }, 20*time.Second, time.Millisecond)
	b.set(false)
	require.Eventually(t, func() bool { return authn.Publish(t.Context(), b, until, heard) == nil }, 20*time.Second, time.Millisecond)
	require.Equal(t, heard, <-sessions, "and each once")
}
