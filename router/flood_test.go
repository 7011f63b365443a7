package router_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/router"
)

const signIn = `mutation { signIn(input: {login: "anna", password: "secret-123"}) { accessToken } }`

func TestStrangersTakeTurnsBehindThoseSignedIn(t *testing.T) {
	h := newHouse(t, func(o *router.Options) { o.Limits.QueueTimeout = 20 * time.Millisecond })
	require.Empty(t, h.ask(t, "", signIn, nil).Errors)
	router.FillStrangers(h.router)
	require.Empty(t, h.ask(t, "viewer", `{ genres { id } }`, nil).Errors)
	a := h.ask(t, "", signIn, nil)
	require.Equal(t, 503, a.status)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	require.Equal(t, "UNAVAILABLE", a.code())
}

// Who is told that too many sign in at once hears it later, and holds no place
// meanwhile; a restart does not wait for it.
func TestABusyAnswerIsHeld(t *testing.T) {
	m := &metrics{}
	h := newHouse(t, func(o *router.Options) {
		o.Metrics = m
		o.Limits.Concurrency = 1
		o.Limits.Hold = time.Hour
	})
	h.auth.root["signIn"] = resolver(func(map[string]any) any {
		return &peerError{"Too many.", map[string]any{"code": "UNAVAILABLE", "reason": "BUSY"}}
	})
	require.Equal(t, "UNAVAILABLE", h.ask(t, "viewer", signIn, nil).code(), "who is signed in is told at once")
	answers := make(chan *answer, 2)
	for range 2 {
		go func() { answers <- h.ask(t, "", signIn, nil) }()
	}
	require.Eventually(t, func() bool { return m.count() == 3 }, 10*time.Second, time.Millisecond, "both have been through")
	require.Empty(t, answers)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, h.router.Shutdown(ctx))
	for range 2 {
		a := receive(t, "the answer", answers)
		require.Equal(t, "BUSY", a.Errors[0].Extensions["reason"], a.body)
	}
}
