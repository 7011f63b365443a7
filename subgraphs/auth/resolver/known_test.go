package resolver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/subgraphs/auth"
)

// Strangers who spend all attempts at a login, from many addresses, do not shut
// its owner out of a browser that was signed in before.
func TestStrangersDoNotShutTheOwnerOut(t *testing.T) {
	w := newWorld(t, func(d *auth.Deps) {
		d.Limits = auth.DefaultLimits()
		d.Limits.SignInLogin.Burst = 20
	})
	owner, other := w.viewer(), w.viewer()
	require.Empty(t, owner.enter(signUp, creds("ann", good)).Errors)
	require.Empty(t, other.enter(signUp, creds("bob", good)).Errors)
	require.NotEmpty(t, owner.mark)
	require.NotContains(t, owner.last.Body.String(), owner.mark)

	from := func(i int, mark string) *viewer {
		v := w.viewer()
		v.address, v.mark = fmt.Sprintf("198.51.100.%d", i), mark
		return v
	}
	for i := range 20 {
		require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", from(i, "").enter(signIn, creds("ann", "wrong password")).code())
	}
	forged := owner.mark[:len(owner.mark)-2] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, owner.mark[len(owner.mark)-2:])
	for name, mark := range map[string]string{
		"none": "", "forged": forged, "another account's": other.mark, "garbage": "%%%", "long": strings.Repeat("A", 1<<12), "short": owner.mark[:40],
	} {
		require.Equal(t, "RATE_LIMITED", from(30, mark).enter(signIn, creds("ann", good)).code(), name)
	}
	require.Empty(t, from(31, owner.mark).enter(signIn, creds("ann", good)).Errors)
	require.Empty(t, from(32, other.mark).enter(signIn, creds("bob", good)).Errors)

	w.clock.add(auth.KnownFor)
	w.clock.add(-time.Minute)
	for i := range 20 {
		require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", from(i, "").enter(signIn, creds("ann", "wrong password")).code())
	}
	require.Empty(t, from(33, owner.mark).enter(signIn, creds("ann", good)).Errors)
	w.clock.add(time.Minute)
	for i := range 20 {
		_ = from(i, "").enter(signIn, creds("ann", "wrong password"))
	}
	require.Equal(t, "RATE_LIMITED", from(34, owner.mark).enter(signIn, creds("ann", good)).code(), "after a year it is known no more")
}

// The wait grows with the number of attempts, also for one who holds the mark of
// the owner's browser.
func TestTheWaitGrows(t *testing.T) {
	w := newWorld(t, func(d *auth.Deps) { d.Limits = auth.DefaultLimits() })
	owner := w.viewer()
	require.Empty(t, owner.enter(signUp, creds("ann", good)).Errors)
	for name, mark := range map[string]string{"a stranger": "", "one with a stolen mark": owner.mark} {
		v := w.viewer()
		v.mark = mark
		var waits []time.Duration
		tried := 0
		for range 400 {
			switch code := v.enter(signIn, creds("ann", "wrong password")).code(); code {
			case "UNAUTHENTICATED WRONG_CREDENTIALS":
				tried++
			case "RATE_LIMITED":
				wait, err := time.ParseDuration(v.last.Header().Get("Retry-After") + "s")
				require.NoError(t, err)
				w.clock.add(wait)
				if n := len(waits); n == 0 || wait > waits[n-1] {
					waits = append(waits, wait)
				}
			default:
				require.Fail(t, code)
			}
		}
		require.GreaterOrEqual(t, len(waits), 3, name)
		require.LessOrEqual(t, waits[0], 6*time.Second, name)
		require.GreaterOrEqual(t, waits[len(waits)-1], 12*time.Minute, name)
		require.Greater(t, tried, 100, name)
		w.clock.add(48 * time.Hour)
	}
}
