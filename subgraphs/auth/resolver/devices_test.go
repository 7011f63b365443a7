package resolver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/subgraphs/auth"
)

const (
	devices     = `{ me { id sessions { id current usedAt client { kind browser system address network } } } }`
	endOne      = `mutation($id: ID!) { endSession(input: {id: $id}) { ended user { login } } }`
	endAll      = `mutation($user: ID) { endSessions(input: {userId: $user}) { ended user { login } } }`
	newPassword = `mutation($old: String!, $new: String!) { changePassword(input: {password: $old, newPassword: $new}) { ended user { login } } }`
	better      = "orange balloon 1977"
)

type device struct {
	ID      string
	Current bool
	Client  struct{ Kind, Browser, System, Address, Network string }
}

func (v *viewer) devices() (user string, all []device) {
	v.w.t.Helper()
	var out struct {
		Me struct {
			ID       string
			Sessions []device
		}
	}
	require.NoError(v.w.t, json.Unmarshal([]byte(v.must(devices, nil)), &out))
	return out.Me.ID, out.Me.Sessions
}

// household is one account on three devices.
func household(t *testing.T) (w *world, laptop, phone, tv *viewer) {
	w = newWorld(t)
	laptop, phone, tv = w.viewer(), w.viewer(), w.viewer()
	laptop.header = map[string]string{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
	phone.header = map[string]string{"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"}
	phone.address = "192.168.1.20"
	require.Empty(t, laptop.enter(signUp, creds("ann", good)).Errors)
	for _, v := range []*viewer{phone, tv} {
		w.clock.add(time.Second)
		require.Empty(t, v.enter(signIn, creds("ann", good)).Errors)
	}
	return w, laptop, phone, tv
}

func (v *viewer) refusedSoon() {
	v.w.t.Helper()
	require.Eventually(v.w.t, v.refused, time.Second, time.Millisecond)
	require.Equal(v.w.t, "UNAUTHENTICATED NO_SESSION", v.enter(refresh, nil).code(), "and its cookie is of no use")
}

func TestDevicesAreListedAndEnded(t *testing.T) {
	w, laptop, phone, tv := household(t)
	_, all := laptop.devices()
	require.Len(t, all, 3)
	require.Equal(t, []bool{false, false, true}, []bool{all[0].Current, all[1].Current, all[2].Current}, "the last used first")
	require.Equal(t, "DESKTOP Firefox Linux INTERNET", fmt.Sprint(all[2].Client.Kind, " ", all[2].Client.Browser, " ", all[2].Client.System, " ", all[2].Client.Network))
	require.Equal(t, "PHONE Safari iOS LOCAL 192.168.1.20", fmt.Sprint(all[1].Client.Kind, " ", all[1].Client.Browser, " ", all[1].Client.System, " ", all[1].Client.Network, " ", all[1].Client.Address))

	stranger := w.viewer()
	require.Empty(t, stranger.enter(signUp, creds("bob", good)).Errors)
	for _, id := range []string{all[1].ID, "session_00000000000000000000000000", stranger.w.anyUserID(stranger)} {
		require.Equal(t, "NOT_FOUND input.id", stranger.ask(endOne, map[string]any{"id": id}).code(), "another's session is as good as none")
	}
	phone.must(me, nil)

	require.JSONEq(t, `{"endSession":{"ended":1,"user":{"login":"ann"}}}`, laptop.must(endOne, map[string]any{"id": all[1].ID}))
	phone.refusedSoon()
	require.JSONEq(t, `{"endSession":{"ended":0,"user":{"login":"ann"}}}`, laptop.must(endOne, map[string]any{"id": all[1].ID}), "twice is once")
	tv.must(me, nil)
	require.JSONEq(t, `{"endSessions":{"ended":1,"user":{"login":"ann"}}}`, laptop.must(endAll, nil))
	tv.refusedSoon()
	_, all = laptop.devices()
	require.Len(t, all, 1)
	require.True(t, all[0].Current)
}

func (w *world) anyUserID(v *viewer) string { id, _ := v.devices(); return id }

func TestAnAdminEndsWhatOthersMayNot(t *testing.T) {
	w, laptop, phone, tv := household(t)
	ann, _ := laptop.devices()
	bob := w.viewer()
	require.Empty(t, bob.enter(signUp, creds("bob", good)).Errors)
	require.Equal(t, "FORBIDDEN input.userId", bob.ask(endAll, map[string]any{"user": ann}).code())
	admin := w.admin()
	require.Equal(t, "NOT_FOUND input.userId", admin.ask(endAll, map[string]any{"user": "user_00000000000000000000000001"}).code())
	require.JSONEq(t, `{"endSessions":{"ended":3,"user":{"login":"ann"}}}`, admin.must(endAll, map[string]any{"user": ann}))
	for _, v := range []*viewer{laptop, phone, tv} {
		v.refusedSoon()
	}
	admin.must(me, nil)
	require.Contains(t, admin.must(`{ users(query: "ann") { edges { node { sessions { id } signIns { edges { node { outcome } } } } } } }`, nil), `"sessions":[]`)
}

func TestChangePassword(t *testing.T) {
	w, laptop, phone, tv := household(t)
	change := func(v *viewer, old, next string) *answer {
		return v.ask(newPassword, map[string]any{"old": old, "new": next})
	}
	require.Equal(t, "INVALID WRONG_PASSWORD input.password", change(laptop, "not "+good, better).code())
	require.Equal(t, "INVALID PASSWORD_SHORT input.newPassword", change(laptop, good, "short").code())
	require.Equal(t, "INVALID PASSWORD_COMMON input.newPassword", change(laptop, good, "Password1!").code())
	require.Equal(t, "INVALID PASSWORD_SAME input.newPassword", change(laptop, good, good).code())
	phone.must(me, nil)

	require.JSONEq(t, `{"changePassword":{"ended":2,"user":{"login":"ann"}}}`, laptop.must(newPassword, map[string]any{"old": good, "new": better}))
	phone.refusedSoon()
	tv.refusedSoon()
	laptop.must(me, nil)
	require.Empty(t, laptop.enter(refresh, nil).Errors, "this session goes on")
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", tv.enter(signIn, creds("ann", good)).code())
	require.Empty(t, tv.enter(signIn, creds("ann", better)).Errors)
	for _, s := range []string{good, better} {
		require.NotContains(t, w.log.String(), s)
	}
}

// A borrowed session must not be a way around the limit of guesses.
func TestGuessingThePresentPasswordIsLimited(t *testing.T) {
	_, laptop, _, _ := household(t)
	code := ""
	for range 12 {
		code = laptop.ask(newPassword, map[string]any{"old": "guess guess", "new": better}).code()
	}
	require.Equal(t, "RATE_LIMITED", code)
	require.NotEmpty(t, laptop.last.Header().Get("Retry-After"))
}

// A sign-in with the old password that is under way when the password changes
// must not leave a session behind.
func TestASignInWithTheOldPasswordOpensNothing(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	u, hash, err := w.store.Password(t.Context(), "ann")
	require.NoError(t, err)
	require.Empty(t, v.ask(newPassword, map[string]any{"old": good, "new": better}).Errors)
	late := auth.SessionRow{ID: u.ID.UUID, UserID: u.ID.UUID, Seed: []byte{}, TokenHash: []byte{}}
	err = w.store.CreateSession(t.Context(), late, hash, auth.SignIn{ID: u.ID.UUID, Method: auth.SignInByPassword, Outcome: auth.SignInSucceeded})
	require.ErrorIs(t, err, auth.ErrNotFound)
}

func TestSignInHistory(t *testing.T) {
	w, laptop, _, _ := household(t)
	running, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.accounts.Run(running) }()

	thief := w.viewer()
	thief.address = "198.51.100.9"
	w.clock.add(time.Second)
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", thief.enter(signIn, creds("ann", "guess guess")).code())
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", thief.enter(signIn, creds("nobody", "guess guess")).code())
	stop()
	require.NoError(t, <-done, "what waits is written on the way out")

	page := func(first int, after any) (outcomes []string, cursor string, more bool) {
		var out struct {
			Me struct {
				SignIns struct {
					PageInfo struct {
						HasNextPage bool
						EndCursor   string
					}
					Edges []struct {
						Node struct {
							Outcome, Method string
							Client          struct{ Address string }
						}
					}
				}
			}
		}
		text := laptop.must(`query($n: Int!, $a: String) { me { signIns(first: $n, after: $a) { pageInfo { hasNextPage endCursor } edges { node { at outcome method client { address } } } } } }`,
			map[string]any{"n": first, "a": after})
		require.NoError(t, json.Unmarshal([]byte(text), &out))
		for _, e := range out.Me.SignIns.Edges {
			outcomes = append(outcomes, e.Node.Method+" "+e.Node.Outcome+" "+e.Node.Client.Address)
		}
		return outcomes, out.Me.SignIns.PageInfo.EndCursor, out.Me.SignIns.PageInfo.HasNextPage
	}
	first, cursor, more := page(2, nil)
	require.Equal(t, []string{"PASSWORD WRONG_PASSWORD 198.51.100.9", "PASSWORD SUCCEEDED 203.0.113.7"}, first)
	require.True(t, more)
	rest, _, more := page(2, cursor)
	require.Equal(t, []string{"PASSWORD SUCCEEDED 192.168.1.20", "SIGN_UP SUCCEEDED 203.0.113.7"}, rest)
	require.False(t, more)
	require.Equal(t, "INVALID first", laptop.ask(`{ me { signIns(first: 1000) { edges { cursor } } } }`, nil).code())
	require.Equal(t, "INVALID after", laptop.ask(`{ me { signIns(after: "x") { edges { cursor } } } }`, nil).code())
}
