package resolver_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	graph "github.com/netflixathome/cinema/graph/auth"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

const (
	addProfile = `mutation($i: CreateProfileInput!) { createProfile(input: $i) { profile { id avatar child ageLimit hasPin } } }`
	setProfile = `mutation($i: UpdateProfileInput!) { updateProfile(input: $i) { profile { id avatar child ageLimit hasPin } } }`
	setPIN     = `mutation($id: ID!, $pin: String, $password: String!) { setPin(input: {profileId: $id, pin: $pin, password: $password}) { profile { id hasPin } } }`
	swapPIN    = `mutation($id: ID!, $pin: String) { s: switchProfile(input: {profileId: $id, pin: $pin}) ` + session + ` }`
	remove     = `mutation($id: ID!) { deleteProfile(input: {id: $id}) { deletedId } }`
)

// claimsOf reads a token without asking whether it is good.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	require.NoError(t, err)
	var c map[string]any
	require.NoError(t, json.Unmarshal(text, &c))
	return c
}

func (v *viewer) swap(id, pin string) *answer {
	v.w.t.Helper()
	in := map[string]any{"id": id}
	if pin != "" {
		in["pin"] = pin
	}
	return v.enter(swapPIN, in)
}

// family is an account with a parent's profile, which is the oldest, and a child's.
func family(t *testing.T) (w *world, v *viewer, parent, kid string) {
	t.Helper()
	w = newWorld(t)
	v = w.viewer()
	a := v.enter(signUp, creds("ann", good))
	parent = v.get(a, "s", "profile", "id").(string)
	a = v.ask(addProfile, map[string]any{"i": map[string]any{"name": "Kid", "child": true, "ageLimit": 6, "avatar": "FOX"}})
	kid = v.get(a, "createProfile", "profile", "id").(string)
	return w, v, parent, kid
}

func TestAgeLimitOfAProfile(t *testing.T) {
	_, v, parent, kid := family(t)
	for _, c := range []struct {
		name, mutation string
		input          map[string]any
		want           string // the profile, or the code
	}{
		{"adult", addProfile, map[string]any{"name": "B"}, `LETTER false <nil> false`},
		{"child", addProfile, map[string]any{"name": "C", "child": true}, `LETTER true 12 false`},
		{"of 0", addProfile, map[string]any{"name": "D", "child": true, "ageLimit": 0, "avatar": "OWL"}, `OWL true 0 false`},
		{"no such limit", addProfile, map[string]any{"name": "E", "child": true, "ageLimit": 7}, "INVALID input.ageLimit"},
		{"below", addProfile, map[string]any{"name": "E", "child": true, "ageLimit": -1}, "INVALID input.ageLimit"},
		{"of an adult", addProfile, map[string]any{"name": "E", "ageLimit": 6}, "INVALID input.ageLimit"},
		{"no such picture", addProfile, map[string]any{"name": "E", "avatar": "<svg>"}, "INVALID"},
		{"stays", setProfile, map[string]any{"id": kid, "name": "Kit"}, `FOX true 6 false`},
		{"raised", setProfile, map[string]any{"id": kid, "ageLimit": 16, "avatar": "CAT"}, `CAT true 16 false`},
		{"grown up", setProfile, map[string]any{"id": kid, "child": false}, `CAT false <nil> false`},
		{"has none then", setProfile, map[string]any{"id": kid, "ageLimit": 18}, "INVALID input.ageLimit"},
		{"and again a child", setProfile, map[string]any{"id": kid, "child": true, "ageLimit": 18}, `CAT true 18 false`},
		{"odd", setProfile, map[string]any{"id": kid, "ageLimit": 13}, "INVALID input.ageLimit"},
		{"the parent", setProfile, map[string]any{"id": parent, "ageLimit": 6}, "INVALID input.ageLimit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := v.ask(c.mutation, map[string]any{"i": c.input})
			if code := a.code(); code != "" {
				require.Contains(t, code, c.want)
				require.True(t, strings.HasPrefix(c.want, "INVALID"), code)
				return
			}
			p := v.get(a, strings.TrimSuffix(strings.Fields(c.mutation[strings.Index(c.mutation, "{")+1:])[0], "(input:"), "profile").(map[string]any)
			require.Equal(t, c.want, fmt.Sprint(p["avatar"], " ", p["child"], " ", p["ageLimit"], " ", p["hasPin"]))
		})
	}
}

// What is not on this list is closed to a child's profile, whatever is added.
func TestWhatIsOpenToAChild(t *testing.T) {
	var open []string
	for _, f := range graph.NewExecutableSchema(graph.Config{}).Schema().Mutation.Fields {
		if auth.Allow(&authn.Claims{Child: true}, "Mutation", f.Name) == nil {
			open = append(open, f.Name)
		}
	}
	require.ElementsMatch(t, []string{
		"signIn", "finishSignIn", "beginPasskeySignIn", "signInWithPasskey", "signUp", "refreshSession", "signOut", "switchProfile",
		"beginProvider", "finishProvider",
		"requestPasswordReset", "checkPasswordLink", "resetPassword", "confirmEmail", "undoEmail", "checkInvitation", "acceptInvitation",
	}, open)
}

// In a child's profile the account is closed, whoever it belongs to.
func TestAChildManagesNothing(t *testing.T) {
	w, v, parent, kid := family(t)
	_, err := w.pool.Exec(t.Context(), `UPDATE account SET roles = '{ADMIN}' WHERE login = 'ann'`)
	require.NoError(t, err)
	a := v.swap(kid, "")
	require.Equal(t, []any{"VIEWER"}, v.get(a, "s", "user", "roles"))
	require.Empty(t, v.get(a, "s", "user", "permissions"))
	claims := claimsOf(t, v.token)
	require.Equal(t, true, claims["child"])
	require.EqualValues(t, 6, claims["age"])
	require.Empty(t, claims["scopes"])
	id := v.get(a, "s", "user", "id").(string)
	for _, q := range []string{
		`mutation { createProfile(input: {name: "x"}) { profile { id } } }`,
		`mutation { updateProfile(input: {id: "` + kid + `", child: false}) { profile { id } } }`,
		`mutation { x: updateProfile(input: {id: "` + kid + `", ageLimit: 18}) { profile { id } } }`,
		`mutation { deleteProfile(input: {id: "` + parent + `"}) { deletedId } }`,
		`mutation { setPin(input: {profileId: "` + parent + `", pin: "1234", password: "` + good + `"}) { profile { id } } }`,
		`mutation { changePassword(input: {password: "` + good + `", newPassword: "orange balloon 1977"}) { ended } }`,
		`mutation { endSessions(input: {}) { ended } }`,
		`mutation { endSession(input: {id: "` + id + `"}) { ended } }`,
		`mutation { updateUser(input: {id: "` + id + `", blocked: true}) { user { id } } }`,
		`mutation { deleteDemoUsers(input: {loginPrefix: "abc"}) { count } }`,
		`mutation { deleteUser(input: {id: "` + id + `"}) { deletedId } }`,
		`mutation { createRole(input: {name: "MINE", permissions: []}) { role { name } } }`,
		`mutation { updateRole(input: {name: VIEWER, permissions: ["user:write"]}) { role { name } } }`,
		`mutation { deleteRole(input: {name: EDITOR}) { moved } }`,
		`{ audit { edges { cursor } } }`, `{ roles { name } }`,
		`mutation { confirmSignIn(input: {password: "` + good + `"}) { expiresAt } }`,
		`mutation { beginTotp(input: {}) { key } }`,
		`mutation { makeRecoveryCodes { recoveryCodes } }`,
		`mutation { changeEmail(input: {email: "kid@example.org"}) { sentTo } }`,
		`mutation { setEmail(input: {userId: "` + id + `", email: "kid@example.org"}) { user { id } } }`,
		`mutation { makePasswordLink(input: {userId: "` + id + `"}) { url } }`,
		`mutation { createInvitation(input: {roles: [ADMIN]}) { url } }`,
		`{ invitations { id } }`,
		`{ me { factors { recoveryCodes } } }`,
		`{ me { sessions { id } } }`, `{ me { signIns { edges { cursor } } } }`,
		`{ _entities(representations: [{__typename: "User", id: "` + id + `"}]) { ... on User { sessions { id } } } }`,
		`{ users { totalCount } }`,
	} {
		require.True(t, strings.HasPrefix(v.ask(q, nil).code(), "FORBIDDEN"), q)
	}
	require.JSONEq(t, `{"me":{"profiles":[{"hasPin":false},{"hasPin":false}]}}`, v.must(`{ me { profiles { hasPin } } }`, nil), "it may choose another profile")
	a = v.swap(parent, "")
	require.Equal(t, []any{"ADMIN"}, v.get(a, "s", "user", "roles"))
	v.must(`{ users { totalCount } }`, nil)
}

func TestPIN(t *testing.T) {
	w, v, parent, kid := family(t)
	for _, c := range []struct{ pin, password, want string }{
		{"123", good, "INVALID PIN_INVALID input.pin"}, {"123456789", good, "INVALID PIN_INVALID input.pin"},
		{"12a4", good, "INVALID PIN_INVALID input.pin"}, {"１２３４", good, "INVALID PIN_INVALID input.pin"},
		{"1234", "not the password", "INVALID WRONG_PASSWORD input.password"},
	} {
		require.Equal(t, c.want, v.ask(setPIN, map[string]any{"id": parent, "pin": c.pin, "password": c.password}).code(), c.pin)
	}
	pin := map[string]any{"id": parent, "pin": "4821", "password": good}
	require.JSONEq(t, `{"setPin":{"profile":{"hasPin":true,"id":"`+parent+`"}}}`, v.must(setPIN, pin))
	var kept string
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT pin_hash FROM profile WHERE pin_hash IS NOT NULL`).Scan(&kept))
	require.True(t, strings.HasPrefix(kept, "$argon2id$"))

	require.Empty(t, v.swap(kid, "").Errors)
	require.Equal(t, "FORBIDDEN PIN_REQUIRED input.pin", v.swap(parent, "").code())
	require.Equal(t, "INVALID PIN_INVALID input.pin", v.swap(parent, "48210000000").code())
	require.Equal(t, "FORBIDDEN WRONG_PIN input.pin", v.swap(parent, "0000").code())
	a := v.swap(parent, "4821")
	require.Equal(t, parent, v.get(a, "s", "profile", "id"))
	require.Equal(t, "FORBIDDEN PIN_REQUIRED input.pin", v.swap(parent, "").code(), "also from itself")
	require.Equal(t, "CONFLICT PIN_SET input.id", v.ask(remove, map[string]any{"id": parent}).code())

	// Who signs in has not said yet who is watching.
	other := w.viewer()
	a = other.enter(signIn, creds("ann", good))
	require.Equal(t, kid, other.get(a, "s", "profile", "id"), "the one without a PIN")

	// Forgotten: the password gives another, or none.
	pin["pin"] = nil
	require.JSONEq(t, `{"setPin":{"profile":{"hasPin":false,"id":"`+parent+`"}}}`, v.must(setPIN, pin))
	require.Empty(t, v.swap(parent, "").Errors)
	require.NotContains(t, w.log.String(), "4821")

	stranger := w.viewer()
	require.Empty(t, stranger.enter(signUp, creds("bob", good)).Errors)
	require.Equal(t, "NOT_FOUND input.profileId", stranger.ask(setPIN, map[string]any{"id": parent, "pin": "1111", "password": good}).code())
	require.Equal(t, "NOT_FOUND input.profileId", stranger.swap(parent, "4821").code())
}

// A PIN has ten thousand values; a guesser gets through a handful of them,
// however the guesses are packed.
func TestGuessingAPIN(t *testing.T) {
	w, v, parent, kid := family(t)
	v.must(setPIN, map[string]any{"id": parent, "pin": "4821", "password": good})
	require.Empty(t, v.swap(kid, "").Errors)

	var document strings.Builder
	document.WriteString("mutation {")
	for i := range 40 {
		fmt.Fprintf(&document, ` g%d: switchProfile(input: {profileId: "%s", pin: "%04d"}) { accessToken }`, i, parent, i)
	}
	document.WriteString("}")
	codes := func(a *answer) (wrong, late int) {
		for _, e := range a.Errors {
			switch e.Extensions["code"] {
			case "FORBIDDEN":
				wrong++
			case "RATE_LIMITED":
				late++
			}
		}
		return wrong, late
	}
	wrong, late := codes(v.ask(document.String(), nil))
	require.Equal(t, 5, wrong)
	require.Equal(t, 35, late)
	seconds, err := strconv.Atoi(v.last.Header().Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 30, seconds, 1)
	require.Equal(t, "RATE_LIMITED input.pin", v.swap(parent, "4821").code(), "nor is the right one looked at")

	// Many connections at once, each time the wait is over: one try each, and
	// the wait doubles up to an hour.
	waits := []int{60, 120, 240, 480, 960, 1920, 3600, 3600}
	for _, want := range waits {
		w.clock.add(time.Duration(seconds) * time.Second)
		v.enter(refresh, nil)
		var tried atomic.Int32
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				one := *v
				if one.ask(swapPIN, map[string]any{"id": parent, "pin": fmt.Sprintf("%04d", i)}).code() == "FORBIDDEN WRONG_PIN input.pin" {
					tried.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, tried.Load())
		v.swap(parent, "1111")
		seconds, err = strconv.Atoi(v.last.Header().Get("Retry-After"))
		require.NoError(t, err)
		require.InDelta(t, want, seconds, 1)
	}
	// The owner is let in after the wait, or by the password at once.
	grown := w.viewer()
	require.Empty(t, grown.enter(signIn, creds("ann", good)).Errors)
	a := grown.ask(`mutation { createProfile(input: {name: "x"}) { profile { id } } }`, nil)
	require.Equal(t, "FORBIDDEN CHILD_PROFILE", a.code(), "the sign-in landed with the child")
	w.clock.add(time.Hour)
	grown.enter(refresh, nil)
	require.Empty(t, grown.swap(parent, "4821").Errors)
	require.Equal(t, "FORBIDDEN WRONG_PIN input.pin", grown.swap(parent, "0000").code(), "and has its tries back")
}

// Who knows the PIN of one profile does not get tries at another's by it.
func TestTriesAreTheAccountsToo(t *testing.T) {
	w, v, parent, _ := family(t)
	id := func(name string) string {
		return v.get(v.ask(addProfile, map[string]any{"i": map[string]any{"name": name}}), "createProfile", "profile", "id").(string)
	}
	mine, other := id("mine"), id("other")
	for who, pin := range map[string]string{parent: "4821", mine: "1111", other: "2222"} {
		v.must(setPIN, map[string]any{"id": who, "pin": pin, "password": good})
	}
	wrong := 0
	for _, at := range []string{parent, parent, parent, parent, parent, mine, other, other, other, other, other, other} {
		pin := "0000"
		if at == mine {
			pin = "1111"
		}
		a := v.swap(at, pin)
		if a.code() == "FORBIDDEN WRONG_PIN input.pin" {
			wrong++
		}
	}
	require.Equal(t, 10, wrong)
	require.Equal(t, "RATE_LIMITED input.pin", v.swap(mine, "1111").code(), "the account waits")
	w.clock.add(31 * time.Second)
	v.enter(refresh, nil)
	require.Empty(t, v.swap(mine, "1111").Errors)
	require.Equal(t, "RATE_LIMITED input.pin", v.swap(parent, "0000").code(), "its tries are still counted")
}

// What was made for one profile does not go on under another.
func TestASessionLeavesItsSeat(t *testing.T) {
	w, v, parent, kid := family(t)
	before := *v
	device, err := uuid.Parse(claimsOf(t, v.token)["sid"].(string))
	require.NoError(t, err)
	require.Empty(t, v.swap(kid, "").Errors)
	gone := func(v *viewer) func() bool {
		return func() bool { return v.ask(me, nil).code() == "UNAUTHENTICATED" }
	}
	require.Eventually(t, gone(&before), 5*time.Second, time.Millisecond, "the parent's token ends with the switch")
	require.True(t, w.revoked.Revoked(device))
	v.must(me, nil)
	seat := claimsOf(t, v.token)["seat"]
	require.NotEqual(t, device.String(), seat)
	require.Equal(t, device.String(), claimsOf(t, v.token)["sid"], "the device is the same")
	require.Empty(t, v.enter(refresh, nil).Errors, "and so is its cookie")
	require.Equal(t, seat, claimsOf(t, v.token)["seat"])

	// A limit that is lowered elsewhere holds at once.
	grown := w.viewer()
	require.Empty(t, grown.enter(signIn, creds("ann", good)).Errors)
	require.Empty(t, grown.swap(parent, "").Errors)
	tv := *v
	grown.must(setProfile, map[string]any{"i": map[string]any{"id": kid, "name": "Kim"}})
	tv.must(me, nil)
	grown.must(setProfile, map[string]any{"i": map[string]any{"id": kid, "ageLimit": 0}})
	require.Eventually(t, gone(&tv), 5*time.Second, time.Millisecond)
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.EqualValues(t, 0, claimsOf(t, v.token)["age"])

	// A profile that is deleted takes its tokens along.
	tv = *v
	grown.must(remove, map[string]any{"id": kid})
	require.Eventually(t, gone(&tv), 5*time.Second, time.Millisecond)
	a := v.enter(refresh, nil)
	require.Equal(t, parent, v.get(a, "s", "profile", "id"))

	// Nothing that the bus lost is lost.
	list, err := w.accounts.Revocations(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(list), 4)
	v.must(signOut, nil)
	require.Eventually(t, gone(v), 5*time.Second, time.Millisecond, "and a sign-out ends the seat it has then")
}

// A session whose profile is gone is not let into one that asks for a PIN.
func TestNowhereToGo(t *testing.T) {
	w, v, parent, kid := family(t)
	v.must(setPIN, map[string]any{"id": parent, "pin": "4821", "password": good})
	tv := w.viewer()
	require.Empty(t, tv.enter(signIn, creds("ann", good)).Errors)
	require.Empty(t, tv.swap(kid, "").Errors)
	v.must(remove, map[string]any{"id": kid})
	require.Equal(t, "UNAUTHENTICATED NO_SESSION", tv.enter(refresh, nil).code())
	a := tv.enter(signIn, creds("ann", good))
	require.Equal(t, parent, tv.get(a, "s", "profile", "id"), "but by the password, which could take the PIN away")
}

func TestGoneProfilesAreListed(t *testing.T) {
	w, v, _, kid := family(t)
	told, err := w.bus.Subscribe(t.Context(), auth.TopicGone)
	require.NoError(t, err)
	v.must(remove, map[string]any{"id": kid})
	<-told
	_, err = w.pool.Exec(t.Context(), `DELETE FROM account WHERE login = 'ann'`)
	require.NoError(t, err)
	list := func(query string) (int, []auth.GoneProfile) {
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/gone-profiles.json"+query, nil))
		var out []auth.GoneProfile
		if rec.Code == http.StatusOK {
			require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &out))
		}
		return rec.Code, out
	}
	_, all := list("?at=1970-01-01T00:00:00Z&id=" + uuid.Nil.String())
	require.Len(t, all, 2, "with the account too")
	require.Equal(t, uuid.Nil, all[0].AccountID, "the account stayed")
	require.NotEqual(t, uuid.Nil, all[1].AccountID)
	_, rest := list("?at=" + all[0].At.UTC().Format(time.RFC3339Nano) + "&id=" + all[0].ID.String())
	require.Equal(t, all[1:], rest)
	for _, bad := range []string{"", "?at=x&id=" + uuid.Nil.String(), "?at=1970-01-01T00:00:00Z"} {
		code, _ := list(bad)
		require.Equal(t, http.StatusBadRequest, code, bad)
	}
}
