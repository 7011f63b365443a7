package resolver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/resolver"
)

const (
	createKey = `mutation($name: String!, $scopes: [String!]!, $until: DateTime!) { k: createApiKey(input: {name: $name, scopes: $scopes, expiresAt: $until}) { key apiKey { id name hint scopes expiresAt usedAt } } }`
	revokeKey = `mutation($id: ID!) { revokeApiKey(input: {id: $id}) { revokedId user { apiKeys { keys { id } } } } }`
	readKeys  = `{ me { apiKeys { most grantable keys { id name hint scopes usedAt } } } }`
)

// program comes with an API key, by a router of its own.
type program struct {
	*viewer
	key  string
	id   string
	keys *authn.APIKeys
}

// makeKey has the viewer make a key for a month.
func (v *viewer) makeKey(scopes ...string) *program {
	v.w.t.Helper()
	a := v.ask(createKey, v.w.keyInput("nightly job", scopes...))
	made, _ := v.get(a, "k", "apiKey").(map[string]any)
	return v.w.program(v.get(a, "k", "key").(string), made["id"].(string))
}

func (w *world) keyInput(name string, scopes ...string) map[string]any {
	return map[string]any{"name": name, "scopes": append([]string{}, scopes...), "until": w.clock.now().Add(30 * 24 * time.Hour).UTC().Format(time.RFC3339)}
}

func (w *world) program(key, id string) *program {
	w.t.Helper()
	verifier, err := authn.NewVerifier(w.accounts.Signer().JWKS, w.revoked, w.clock.now)
	require.NoError(w.t, err)
	keys, err := authn.NewAPIKeys(func(ctx context.Context, key, address string) (string, error) {
		return w.accounts.ExchangeAPIKey(ctx, key, auth.Client{Address: address})
	}, verifier, w.clock.now)
	require.NoError(w.t, err)
	return &program{viewer: w.viewer(), key: key, id: id, keys: keys}
}

// ask asks as the router would: with the token that the key stands for.
func (p *program) ask(query string, variables map[string]any) *answer {
	p.w.t.Helper()
	var err error
	if p.token, err = p.keys.Exchange(p.w.t.Context(), p.key, p.address); err != nil {
		return &answer{Errors: []struct {
			Message    string
			Path       []any
			Extensions map[string]any
		}{{Extensions: map[string]any{"code": fault.KindOf(err).Code()}}}}
	}
	return p.viewer.ask(query, variables)
}

// ends waits until the key is refused.
func (p *program) ends() {
	p.w.t.Helper()
	require.Eventually(p.w.t, func() bool { return p.ask(me, nil).code() == "UNAUTHENTICATED" }, time.Second, time.Millisecond)
}

func TestAPIKey(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	p := admin.makeKey("user:read", "stats:read")
	require.True(t, authn.IsAPIKey(p.key))
	require.JSONEq(t, `{"me":{"apiKeys":{"most":20,"grantable":["audit:read","stats:read","title:read","title:write","upload:write","user:read","user:write"],
		"keys":[{"id":"`+p.id+`","name":"nightly job","hint":"`+p.key[:11]+`","scopes":["stats:read","user:read"],"usedAt":null}]}}}`, admin.must(readKeys, nil))
	require.Empty(t, p.ask(`{ me { login } users { totalCount } }`, nil).Errors)
	require.Equal(t, "FORBIDDEN", p.ask(`{ audit { edges { node { action } } } }`, nil).code(), "the account may, the key may not")

	// At rest there is a hash and nothing that can be shown.
	var row string
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT to_jsonb(k)::text FROM api_key k`).Scan(&row))
	require.NotContains(t, row, p.key[11:])

	// The last use, to a minute.
	used := func() string {
		a := admin.ask(readKeys, nil)
		return admin.get(a, "me", "apiKeys", "keys").([]any)[0].(map[string]any)["usedAt"].(string)
	}
	first := used()
	w.clock.add(40 * time.Second)
	require.Empty(t, p.ask(me, nil).Errors)
	require.Equal(t, first, used())
	w.clock.add(40 * time.Second)
	require.Empty(t, p.ask(me, nil).Errors)
	require.NotEqual(t, first, used())

	require.JSONEq(t, `{"revokeApiKey":{"revokedId":"`+p.id+`","user":{"apiKeys":{"keys":[]}}}}`, admin.must(revokeKey, map[string]any{"id": p.id}))
	p.ends()
	require.Equal(t, "NOT_FOUND input.id", admin.ask(revokeKey, map[string]any{"id": p.id}).code())

	log := admin.must(readAudit, map[string]any{"f": map[string]any{"action": "key."}, "first": 10})
	require.Contains(t, log, `"action":"key.create"`)
	require.Contains(t, log, `"action":"key.revoke"`)
	require.Contains(t, log, `\"scopes\": [\"stats:read\", \"user:read\"]`)
	for _, secret := range []string{p.key, p.key[11:], "nightly job"} {
		require.NotContains(t, log, secret)
		require.NotContains(t, w.log.String(), secret)
	}
}

// Keys outlive a change of the password unless its owner says otherwise.
func TestKeysAndANewPassword(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ann, bob := w.signedUp("ann"), w.signedUp("bob")
	p, other, bobs := ann.makeKey(), ann.makeKey(), bob.makeKey()
	change := `mutation($i: ChangePasswordInput!) { changePassword(input: $i) { ended } }`
	require.Empty(t, ann.ask(change, input("password", good, "newPassword", better)).Errors)
	require.Equal(t, "INVALID WRONG_PASSWORD input.password", ann.ask(change, input("password", "wrong wrong", "newPassword", good, "revokeApiKeys", true)).code())
	require.Empty(t, p.ask(me, nil).Errors)
	require.JSONEq(t, `{"changePassword":{"ended":0}}`, ann.must(change, input("password", better, "newPassword", good, "revokeApiKeys", true)))
	p.ends()
	other.ends()
	ann.must(me, nil)
	require.Empty(t, bobs.ask(me, nil).Errors)
	require.Zero(t, w.count(`SELECT count(*) FROM api_key k JOIN account a ON a.id = k.account_id WHERE login = 'ann'`))
	log := admin.must(readAudit, map[string]any{"f": map[string]any{"action": "key.revoke"}, "first": 10})
	for _, k := range []*program{p, other} {
		require.Contains(t, log, k.id)
	}
	require.NotContains(t, log, bobs.id)
}

// A reset by a link ends them unless its owner says otherwise.
func TestKeysAndAReset(t *testing.T) {
	w, server := mailed(t)
	admin := w.admin()
	ann := w.signedUp("ann@example.org")
	kept := ann.makeKey()
	link := func() string {
		w.clock.add(31 * time.Minute)
		w.viewer().forgot("ann@example.org")
		return secretOf(t, server.Next(), "ann@example.org", "/reset")
	}
	do := `mutation($i: ResetPasswordInput!) { resetPassword(input: $i) { login } }`
	keys := `mutation($token: String!) { checkPasswordLink(input: {token: $token}) { apiKeys } }`

	secret := link()
	require.JSONEq(t, `{"checkPasswordLink":{"apiKeys":1}}`, w.viewer().must(keys, token(secret)))
	require.Empty(t, w.viewer().ask(do, input("token", secret, "password", better, "revokeApiKeys", false)).Errors)
	require.Empty(t, kept.ask(me, nil).Errors)
	require.Contains(t, server.Next().Text, "password of your account was changed")

	secret = link()
	require.Equal(t, "INVALID PASSWORD_SHORT input.password", w.viewer().ask(do, input("token", secret, "password", "x")).code())
	require.Empty(t, kept.ask(me, nil).Errors)
	require.Empty(t, w.viewer().ask(do, input("token", secret, "password", good)).Errors)
	kept.ends()
	server.Next() // what was changed
	require.Empty(t, admin.enter(refresh, nil).Errors)
	log := admin.must(`{ audit(first: 10, filter: {action: "key.revoke"}) { edges { node { action actor { login } before } } } }`, nil)
	require.Contains(t, log, kept.id)
	require.Contains(t, log, `"login":"ann@example.org"`, "not the operator")
	require.JSONEq(t, `{"checkPasswordLink":{"apiKeys":0}}`, w.viewer().must(keys, token(link())))
}

func TestWhatCannotBeMade(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	editor, _ := w.member(admin, "edna", "EDITOR")
	require.Equal(t, "FORBIDDEN BEYOND_YOURS input.scopes", editor.ask(createKey, w.keyInput("x", "user:read")).code())
	for _, scopes := range [][]string{{"role:write"}, {"god:mode"}, {"title:read", "*"}} {
		require.Equal(t, "INVALID input.scopes", admin.ask(createKey, w.keyInput("x", scopes...)).code(), scopes)
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 41), "a\u0000b"} {
		require.Equal(t, "INVALID input.name", admin.ask(createKey, w.keyInput(name)).code(), "%q", name)
	}
	for _, after := range []time.Duration{-time.Hour, 0, 367 * 24 * time.Hour} {
		in := w.keyInput("x")
		in["until"] = w.clock.now().Add(after).UTC().Format(time.RFC3339)
		require.Equal(t, "INVALID input.expiresAt", admin.ask(createKey, in).code(), after)
	}
	for range auth.MaxAPIKeys {
		editor.makeKey("title:read")
	}
	require.Equal(t, "CONFLICT TOO_MANY_API_KEYS", editor.ask(createKey, w.keyInput("one more")).code())

	// A child, and one who finds an open browser.
	require.Empty(t, editor.ask(`mutation { createProfile(input: {name: "Kid", child: true}) { profile { id } } }`, nil).Errors)
	a := editor.ask(`{ me { profiles { id child } } }`, nil)
	kid := editor.get(a, "me", "profiles").([]any)[1].(map[string]any)["id"]
	require.Empty(t, editor.enter(`mutation($id: ID!) { s: switchProfile(input: {profileId: $id}) { accessToken } }`, map[string]any{"id": kid}).Errors)
	require.Equal(t, "FORBIDDEN CHILD_PROFILE", editor.ask(createKey, w.keyInput("x")).code())
	w.clock.add(auth.FreshFor + time.Second)
	require.Empty(t, admin.enter(refresh, nil).Errors)
	require.Equal(t, "FORBIDDEN REAUTHENTICATION_REQUIRED", admin.ask(createKey, w.keyInput("x")).code())
	require.Equal(t, "UNAUTHENTICATED", w.viewer().ask(createKey, w.keyInput("x")).code())
}

// A key opens nothing by which it could outlive or outgrow what it was made for.
func TestAKeyIsNoSession(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	p := admin.makeKey("audit:read", "stats:read", "title:read", "title:write", "upload:write", "user:read", "user:write")
	for _, mutation := range []string{
		`createApiKey(input: {name: "x", scopes: [], expiresAt: "2030-01-01T00:00:00Z"}) { key }`, `revokeApiKey(input: {id: "` + p.id + `"}) { revokedId }`,
		`changePassword(input: {password: "x", newPassword: "y"}) { ended }`, `confirmSignIn(input: {password: "x"}) { accessToken }`,
		`refreshSession { accessToken }`, `signOut { signedOut }`, `signIn(input: {login: "a", password: "b"}) { accessToken }`,
		`switchProfile(input: {profileId: "x"}) { accessToken }`, `createProfile(input: {name: "x"}) { profile { id } }`,
		`deleteProfile(input: {id: "x"}) { deletedId }`, `setPin(input: {profileId: "x", password: "y"}) { profile { id } }`,
		`endSession(input: {id: "x"}) { ended }`, `endSessions(input: {}) { ended }`, `beginTotp(input: {}) { key }`, `deleteTotp { user { id } }`,
		`beginPasskey(input: {}) { challenge }`, `beginPasskeyConfirmation { challenge }`, `makeRecoveryCodes { recoveryCodes }`,
		`updateUser(input: {id: "x", blocked: true}) { user { id } }`, `deleteUser(input: {id: "x"}) { deletedId }`,
	} {
		mutation = strings.ReplaceAll(mutation, `"x"}`, `"profile_01h455vb4pex5vsknk084sn02q"}`)
		mutation = strings.ReplaceAll(mutation, `Id: "x"`, `Id: "profile_01h455vb4pex5vsknk084sn02q"`)
		mutation = strings.ReplaceAll(mutation, `{id: "x"`, `{id: "profile_01h455vb4pex5vsknk084sn02q"`)
		require.Equal(t, "FORBIDDEN API_KEY", p.ask("mutation { "+mutation+" }", nil).code(), mutation)
	}
	require.Equal(t, "FORBIDDEN", p.ask(`mutation { createRole(input: {name: "GOD", permissions: []}) { role { name } } }`, nil).code())
	require.Equal(t, "FORBIDDEN API_KEY", p.ask(`{ me { factors { recoveryCodes } } }`, nil).code())
	require.Empty(t, p.ask(`{ me { sessions { id } apiKeys { keys { id } } } }`, nil).Errors, "who may read accounts")
	require.Empty(t, p.ask(`mutation { deleteDemoUsers(input: {loginPrefix: "none"}) { count } }`, nil).Errors)

	viewer, _ := w.member(admin, "vera")
	own := viewer.makeKey()
	require.Empty(t, own.ask(`{ me { login permissions profiles { name } } }`, nil).Errors)
	for _, field := range []string{"sessions { id }", "signIns { edges { cursor } }", "apiKeys { keys { id } }"} {
		require.Equal(t, "FORBIDDEN API_KEY", own.ask(`{ me { `+field+` } }`, nil).code(), field)
	}
}

func TestWhoseAKeyIs(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	admin.must(createRole, map[string]any{"name": "HELP_DESK", "permissions": []string{"user:read", "user:write"}})
	helper, _ := w.member(admin, "hal", "HELP_DESK")
	ann, annID := w.member(admin, "ann")
	bob, _ := w.member(admin, "bob")
	anns, admins := ann.makeKey(), admin.makeKey("audit:read")
	require.Equal(t, "NOT_FOUND input.id", bob.ask(revokeKey, map[string]any{"id": anns.id}).code(), "another's is as one that is not there")
	require.Equal(t, "NOT_FOUND input.id", bob.ask(revokeKey, map[string]any{"id": annID}).code())
	require.Equal(t, "FORBIDDEN ABOVE_YOU", helper.ask(revokeKey, map[string]any{"id": admins.id}).code())
	require.Empty(t, anns.ask(me, nil).Errors)
	require.Contains(t, helper.must(`query($id: ID!) { user(id: $id) { apiKeys { keys { id name } } } }`, map[string]any{"id": annID}), anns.id)
	helper.must(revokeKey, map[string]any{"id": anns.id})
	anns.ends()
}

// A key is judged at each use by what its account may then.
func TestAKeyMayNoMoreThanItsAccount(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	_, id := w.member(admin, "edna")
	ed := w.viewer()
	setRoles := func(roles ...string) { admin.must(updateUser, map[string]any{"id": id, "roles": roles}) }
	setRoles("ADMIN")
	require.Empty(t, ed.enter(signIn, creds("edna", good)).Errors)
	p := ed.makeKey("user:read")
	scopes := `{ users { totalCount } }`
	require.Empty(t, p.ask(scopes, nil).Errors)
	setRoles("VIEWER")
	require.Eventually(t, func() bool { return p.ask(scopes, nil).code() == "FORBIDDEN" }, time.Second, time.Millisecond, "the role is lost")
	require.Empty(t, p.ask(me, nil).Errors, "the key is not")
	setRoles("ADMIN")
	require.Eventually(t, func() bool { return p.ask(scopes, nil).code() == "" }, time.Second, time.Millisecond)
	require.Equal(t, "FORBIDDEN", p.ask(`{ audit { edges { cursor } } }`, nil).code(), "no more than it was made for")

	block := `mutation($id: ID!, $blocked: Boolean!) { updateUser(input: {id: $id, blocked: $blocked}) { user { id } } }`
	admin.must(block, map[string]any{"id": id, "blocked": true})
	p.ends()
	admin.must(block, map[string]any{"id": id, "blocked": false})
	w.clock.add(6 * time.Second) // refused keys are not asked for at once
	require.Empty(t, p.ask(me, nil).Errors)

	admin.must(deleteUser, map[string]any{"id": id})
	p.ends()
}

func TestAKeyIsBoundToItsProfile(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	p := admin.makeKey("user:read")
	first := p.profileOf(t)
	require.Empty(t, p.ask(`{ users { totalCount } }`, nil).Errors)

	// Its profile becomes a child's, and then is one no more.
	admin.must(`mutation { createProfile(input: {name: "Other"}) { profile { id } } }`, nil)
	setChild := func(child bool) {
		admin.must(`mutation($id: ID!, $child: Boolean!) { updateProfile(input: {id: $id, child: $child}) { profile { id } } }`, map[string]any{"id": first, "child": child})
		// The administrator's session has another seat too, and is a child's perhaps.
		require.Eventually(t, admin.refused, time.Second, time.Millisecond)
		require.Empty(t, admin.enter(refresh, nil).Errors)
	}
	setChild(true)
	require.Eventually(t, func() bool { return p.ask(`{ users { totalCount } }`, nil).code() == "FORBIDDEN" }, time.Second, time.Millisecond)
	a := admin.ask(`{ me { profiles { id name } } }`, nil)
	other := admin.get(a, "me", "profiles").([]any)[1].(map[string]any)["id"]
	require.Empty(t, admin.enter(`mutation($id: ID!) { s: switchProfile(input: {profileId: $id}) { accessToken } }`, map[string]any{"id": other}).Errors)
	admin.must(`mutation($id: ID!) { deleteProfile(input: {id: $id}) { deletedId } }`, map[string]any{"id": first})
	p.ends()
	require.JSONEq(t, `{"me":{"apiKeys":{"keys":[]}}}`, admin.must(`{ me { apiKeys { keys { id } } } }`, nil), "it went with its profile")
}

// profileOf is the profile in the key's token.
func (p *program) profileOf(t *testing.T) string {
	t.Helper()
	a := p.ask(`{ me { profiles { id } } }`, nil)
	return p.get(a, "me", "profiles").([]any)[0].(map[string]any)["id"].(string)
}

func TestAKeyEnds(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	in := w.keyInput("short")
	until := w.clock.now().Add(time.Minute)
	in["until"] = until.UTC().Format(time.RFC3339)
	a := admin.ask(createKey, in)
	p := w.program(admin.get(a, "k", "key").(string), "")
	require.Empty(t, p.ask(me, nil).Errors)
	w.clock.add(time.Minute)
	require.Equal(t, "UNAUTHENTICATED", p.ask(me, nil).code(), "no leeway beyond the moment it ends")
	n, err := w.store.PruneAPIKeys(t.Context(), w.clock.now().Add(-time.Hour), 10)
	require.NoError(t, err)
	require.Zero(t, n, "shown for a while yet")
	n, err = w.store.PruneAPIKeys(t.Context(), w.clock.now().Add(time.Second), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// An administrator who must have a second factor and has none may do nothing, by
// key or otherwise.
func TestAKeyOfAnAdministratorWithoutASecondFactor(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	p := admin.makeKey("user:read")
	require.Empty(t, p.ask(me, nil).Errors)
	w.deps.AdminFactor = true
	strict, err := auth.New(w.deps)
	require.NoError(t, err)
	require.NoError(t, strict.Init(t.Context()))
	_, err = strict.ExchangeAPIKey(t.Context(), p.key, auth.Client{})
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
}

// What the router asks over HTTP, where the auth service is elsewhere.
func TestExchangeOverHTTP(t *testing.T) {
	w := newWorld(t)
	p := w.admin().makeKey("user:read")
	ask := func(method, bearer string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/api-key", http.NoBody)
		r.Header.Set(resolver.AddressHeader, "203.0.113.80")
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		return rec
	}
	rec := ask("POST", p.key)
	require.Equal(t, 200, rec.Code)
	require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	var got authn.ExchangedKey
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &got))
	v := w.viewer()
	v.token = got.AccessToken
	v.must(`{ users { totalCount } }`, nil)

	unknown, _, err := authn.NewAPIKey(strings.NewReader(strings.Repeat("k", 32)))
	require.NoError(t, err)
	mistyped := p.key[:20] + "x" + p.key[21:]
	if mistyped == p.key {
		mistyped = p.key[:20] + "y" + p.key[21:]
	}
	for _, bearer := range []string{"", unknown, mistyped, p.key + "0", got.AccessToken, "cinema_" + strings.Repeat("0", 5000)} {
		require.Equal(t, 401, ask("POST", bearer).Code)
	}
	require.Equal(t, 405, ask("GET", p.key).Code)
	// Shown to the subgraph itself it is no token.
	v.token = p.key
	require.True(t, v.refused())

	codes := map[int]int{}
	for range 400 {
		codes[ask("POST", unknown).Code]++
	}
	require.Positive(t, codes[429], codes)
	require.Equal(t, 429, ask("POST", p.key).Code, "the address has to wait")
	require.NotContains(t, w.log.String(), p.key)
}
