package resolver_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/providers"
	"github.com/netflixathome/cinema/subgraphs/auth/providers/providerstest"
	"github.com/netflixathome/cinema/subgraphs/auth/resolver"
)

const (
	beginProvider  = `mutation($i: BeginProviderInput!) { b: beginProvider(input: $i) { url } }`
	finishProvider = `mutation($i: FinishProviderInput!) { f: finishProvider(input: $i) { aim to
		session ` + session + ` secondFactor { ticket setUp totp } factors { identities { provider label providerId } } } }`
	unlink     = `mutation($i: UnlinkIdentityInput!) { f: unlinkIdentity(input: $i) { factors { identities { id } } } }`
	identities = `{ me { login name factors { password identities { id provider label usedAt providerId } } } }`
	history    = `{ me { signIns { edges { node { method outcome provider } } } } }`
	setAPIN    = `mutation($i: SetPinInput!) { setPin(input: $i) { profile { hasPin } } }`
	newWord    = `mutation($i: ChangePasswordInput!) { changePassword(input: $i) { ended } }`
	begunNot   = "INVALID TICKET_ENDED"
	refusedWho = "INVALID PROVIDER_REFUSED"
)

func configured(op *providerstest.OP, id, name string) auth.SignInProvider {
	return providers.OIDC(providers.Config{
		ID: id, Name: name, Issuer: op.URL, ClientID: providerstest.ClientID, ClientSecret: providerstest.Secret,
		ReturnURL: "https://cinema.example/signin/with/" + id,
	})
}

// withProvider is a world with a provider called Home.
func withProvider(t *testing.T) (*world, *providerstest.OP) {
	t.Helper()
	op := providerstest.New(t)
	return newWorld(t, atHome, func(d *auth.Deps) { d.Providers = []auth.SignInProvider{configured(op, "home", "Home")} }), op
}

// person is what the provider says of one of its users.
func person(sub, email string) jwt.MapClaims {
	return jwt.MapClaims{"sub": sub, "email": email, "email_verified": true, "name": "Ann Smith", "auth_time": time.Now().Unix()}
}

// back begins with the provider and returns what comes back of it.
func (v *viewer) back(op *providerstest.OP, claims jwt.MapClaims, begin ...any) map[string]any {
	v.w.t.Helper()
	a := v.ask(beginProvider, input(append([]any{"provider", "home"}, begin...)...))
	code, state := op.Grant(v.w.t, v.get(a, "b", "url").(string), claims)
	return input("provider", "home", "state", state, "code", code)
}

// with signs in with the provider and takes the token.
func (v *viewer) with(op *providerstest.OP, claims jwt.MapClaims, begin ...any) *answer {
	v.w.t.Helper()
	a := v.ask(finishProvider, v.back(op, claims, begin...))
	if f, ok := a.Data["f"].(map[string]any); ok {
		if s, ok := f["session"].(map[string]any); ok {
			v.token = s["accessToken"].(string)
		}
	}
	return a
}

func changed(in map[string]any, key string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range in["i"].(map[string]any) {
		out[k] = v
	}
	out[key] = value
	return map[string]any{"i": out}
}

func TestSignInWithAProvider(t *testing.T) {
	w, op := withProvider(t)
	v := w.viewer()
	require.JSONEq(t, `{"signInProviders":[{"id":"home","name":"Home"}]}`, v.must(`{ signInProviders { id name } }`, nil))
	in := v.back(op, person("1", "Ann@Example.org"), "to", "/title/x?y=z")
	cookie := v.last.Header().Get("Set-Cookie")
	for _, part := range []string{"cinema_provider=", "Path=/;", "Max-Age=", "HttpOnly", "SameSite=Strict"} {
		require.Contains(t, cookie, part)
	}
	ticket := v.asked
	a := v.ask(finishProvider, changed(in, "locale", "ru"))
	require.Equal(t, "/title/x?y=z", v.get(a, "f", "to"))
	require.Equal(t, "ann@example.org", v.get(a, "f", "session", "user", "login"))
	require.Equal(t, []any{"VIEWER"}, v.get(a, "f", "session", "user", "roles"))
	require.Equal(t, "ru", v.get(a, "f", "session", "profile", "locale"))
	v.token = v.get(a, "f", "session", "accessToken").(string)
	require.NotEmpty(t, v.cookie)
	require.Empty(t, v.asked, "the cookie is taken back")
	require.Empty(t, v.enter(refresh, nil).Errors)

	a = v.ask(identities, nil)
	require.Equal(t, false, v.get(a, "me", "factors", "password"))
	require.Equal(t, "Ann Smith", v.get(a, "me", "name"))
	one := v.get(a, "me", "factors", "identities").([]any)[0].(map[string]any)
	require.Equal(t, "Home", one["provider"])
	require.Equal(t, "Ann@Example.org", one["label"])
	require.Equal(t, "home", one["providerId"])

	// The same person again, whatever the address is by now.
	tv := w.viewer()
	require.Equal(t, "ann@example.org", tv.get(tv.with(op, person("1", "other@example.org"), "to", "https://evil.example/"), "f", "session", "user", "login"))
	require.Equal(t, "/", tv.get(tv.with(op, person("1", "x@example.org"), "to", "//evil.example"), "f", "to"), "nobody is sent elsewhere")
	require.Equal(t, 1, w.count(`SELECT count(*) FROM account`))
	require.Equal(t, 3, w.count(`SELECT count(*) FROM session`))
	text := v.must(history, nil)
	require.Contains(t, text, `{"method":"SIGN_UP","outcome":"SUCCEEDED","provider":"Home"}`)
	require.Contains(t, text, `{"method":"PROVIDER","outcome":"SUCCEEDED","provider":"Home"}`)
	require.Equal(t, "signed_up", w.activity.events[0].Name)
	require.Equal(t, "signed_in", w.activity.events[1].Name)

	for _, s := range []string{ticket, "provider-access-token", providerstest.Secret, v.token, in["i"].(map[string]any)["code"].(string)} {
		require.NotContains(t, w.log.String(), s)
	}
	require.Equal(t, "NOT_FOUND NO_PROVIDER input.provider", v.ask(beginProvider, input("provider", "google")).code())
	v.header = map[string]string{resolver.ClientHeader: ""}
	require.Equal(t, "FORBIDDEN CLIENT_HEADER_MISSING", v.ask(beginProvider, input("provider", "home")).code())
	require.Equal(t, "FORBIDDEN CLIENT_HEADER_MISSING", v.ask(finishProvider, in).code())
}

func TestProviderCookieIsOfThisHostAlone(t *testing.T) {
	w, _ := withProvider(t)
	w.serve(resolver.Options{Secure: true})
	v := w.viewer()
	v.ask(beginProvider, input("provider", "home"))
	cookie := v.last.Header().Get("Set-Cookie")
	require.True(t, strings.HasPrefix(cookie, "__Host-cinema_provider="), cookie)
	require.Contains(t, cookie, "Secure")
	require.NotContains(t, cookie, "Domain")
}

// TestProviderAttacks is each way in which an answer can be another's. None
// opens a session or makes an account.
func TestProviderAttacks(t *testing.T) {
	w, op := withProvider(t)
	ann := person("1", "ann@example.org")
	finish := func(v *viewer, in map[string]any) string { w.t.Helper(); return v.ask(finishProvider, in).code() }
	for _, attack := range []struct {
		name, want string
		try        func(v *viewer) string
	}{
		{"another state", begunNot, func(v *viewer) string { return finish(v, changed(v.back(op, ann), "state", "sign_in.x")) }},
		{"no state", begunNot, func(v *viewer) string { return finish(v, changed(v.back(op, ann), "state", "")) }},
		{"the callback in another browser", begunNot, func(v *viewer) string { return finish(w.viewer(), v.back(op, ann)) }},
		{"the callback in a browser that began another", begunNot, func(v *viewer) string {
			other := w.viewer()
			other.back(op, ann)
			return finish(other, v.back(op, ann))
		}},
		{"a ticket of another kind as the cookie", begunNot, func(v *viewer) string {
			in := v.back(op, ann)
			v.asked = v.get(v.ask(`mutation { c: beginPasskeySignIn(input: {}) { challenge } }`, nil), "c", "challenge").(string)
			return finish(v, in)
		}},
		{"another provider's address", begunNot, func(v *viewer) string { return finish(v, changed(v.back(op, ann), "provider", "other")) }},
		{"another issuer's answer", refusedWho, func(v *viewer) string { return finish(v, changed(v.back(op, ann), "iss", "https://evil.example")) }},
		{"too late", begunNot, func(v *viewer) string {
			in := v.back(op, ann)
			w.clock.add(10 * time.Minute)
			return finish(v, in)
		}},
		{"a code that was injected", refusedWho, func(v *viewer) string {
			code := w.viewer().back(op, ann)["i"].(map[string]any)["code"]
			return finish(v, changed(v.back(op, ann), "code", code))
		}},
		{"a made-up code", refusedWho, func(v *viewer) string { return finish(v, changed(v.back(op, ann), "code", "x")) }},
		{"too long", "INVALID input", func(v *viewer) string { return finish(v, changed(v.back(op, ann), "code", strings.Repeat("x", 5000))) }},
		{"another nonce", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["nonce"] = "x" })},
		{"no nonce", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { delete(c, "nonce") })},
		{"made for another", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["aud"] = "another" })},
		{"made for two, and not said by whom", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["aud"] = []string{"cinema", "another"} })},
		{"made by another client", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["azp"] = "another" })},
		{"of another issuer", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["iss"] = "https://evil.example" })},
		{"expired", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() })},
		{"with another's access token", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" })},
		{"of nobody", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["sub"] = "" })},
		{"of a long name", refusedWho, twisted(op, ann, func(c jwt.MapClaims) { c["sub"] = strings.Repeat("1", 256) })},
		{"signed by another key", refusedWho, func(v *viewer) string {
			op.SignWithAnother(t, true)
			defer op.SignWithAnother(t, false)
			return finish(v, v.back(op, ann))
		}},
		{"not signed", refusedWho, func(v *viewer) string {
			op.Unsigned(true)
			defer op.Unsigned(false)
			return finish(v, v.back(op, ann))
		}},
		{"a provider that is away", "UNAVAILABLE PROVIDER_AWAY", func(v *viewer) string {
			in := v.back(op, ann)
			op.Away(http.StatusServiceUnavailable)
			defer op.Away(0)
			return finish(v, in)
		}},
	} {
		t.Run(attack.name, func(t *testing.T) {
			w.clock.add(time.Minute) // its attempts are its own
			v := w.viewer()
			require.Equal(t, attack.want, attack.try(v))
			require.Zero(t, w.count(`SELECT count(*) FROM session`))
			require.Zero(t, w.count(`SELECT count(*) FROM account`))
			require.Empty(t, v.cookie)
		})
	}

	// What came of an answer is not to be had twice, nor after it failed.
	v := w.viewer()
	in := v.back(op, ann)
	ticket := v.asked
	require.Empty(t, v.ask(finishProvider, in).Errors)
	v.asked = ticket
	require.Equal(t, begunNot, finish(v, in), "a replayed state")
	in = v.back(op, ann)
	ticket = v.asked
	require.Equal(t, refusedWho, finish(v, changed(in, "code", "x")))
	v.asked = ticket
	require.Equal(t, begunNot, finish(v, in), "a second try of one state")
	require.Equal(t, 1, w.count(`SELECT count(*) FROM session`))
}

func twisted(op *providerstest.OP, who jwt.MapClaims, twist func(jwt.MapClaims)) func(*viewer) string {
	return func(v *viewer) string {
		op.Twist(twist)
		defer op.Twist(nil)
		return v.ask(finishProvider, v.back(op, who)).code()
	}
}

func TestOneAnswerAtOnce(t *testing.T) {
	w, op := withProvider(t)
	v := w.viewer()
	in := v.back(op, person("1", "ann@example.org"))
	var group sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for range 6 {
		group.Go(func() {
			one := &viewer{w: w, address: v.address, asked: v.asked}
			code := one.ask(finishProvider, in).code()
			mu.Lock()
			defer mu.Unlock()
			got[code]++
		})
	}
	group.Wait()
	require.Equal(t, map[string]int{"": 1, begunNot: 5}, got)

	// Two browsers of one stranger make one account.
	tabs := []*viewer{w.viewer(), w.viewer(), w.viewer()}
	ins := make([]map[string]any, len(tabs))
	for i, tab := range tabs {
		ins[i] = tab.back(op, person("2", "bob@example.org"))
	}
	for i, tab := range tabs {
		group.Go(func() {
			code := tab.ask(finishProvider, ins[i]).code()
			mu.Lock()
			defer mu.Unlock()
			got["bob "+code]++
		})
	}
	group.Wait()
	require.Equal(t, 1, w.count(`SELECT count(*) FROM account WHERE login = 'bob@example.org'`))
	require.Equal(t, 1, w.count(`SELECT count(*) FROM identity WHERE subject = '2'`))
	require.Positive(t, got["bob "])
}

func TestAnAddressOpensNothing(t *testing.T) {
	w, op := withProvider(t)
	w.signedUp("ann@example.org")
	taken := "CONFLICT EMAIL_HAS_ACCOUNT"
	unverified := person("9", "ann@example.org")
	unverified["email_verified"] = false
	for _, claims := range []jwt.MapClaims{person("1", "ann@example.org"), person("2", "ANN@Example.ORG"), unverified} {
		v := w.viewer()
		require.Equal(t, taken, v.ask(finishProvider, v.back(op, claims)).code())
		require.Empty(t, v.cookie)
	}
	require.Zero(t, w.count(`SELECT count(*) FROM identity`))
	require.Equal(t, 1, w.count(`SELECT count(*) FROM session`))

	// One that is not verified becomes nobody's login.
	stranger := person("3", "boss@example.org")
	stranger["email_verified"] = false
	for i, claims := range []jwt.MapClaims{stranger, {"sub": "4", "name": strings.Repeat("Ы", 90)}, {"sub": "5", "email": "no address", "email_verified": true, "name": "\u202e"}} {
		op.UserInfo(map[string]any{"sub": claims["sub"]})
		v := w.viewer()
		a := v.with(op, claims)
		require.Regexp(t, `^home-[0-9a-z]{8}$`, v.get(a, "f", "session", "user", "login"), "%d", i)
		require.NotEmpty(t, v.get(a, "f", "session", "user", "name"))
	}
	w.signedUp("boss@example.org")
}

func TestLinkAndUnlink(t *testing.T) {
	w, op := withProvider(t)
	v := w.signedUp("ann")
	require.Equal(t, fresh, func() string {
		w.clock.add(11 * time.Minute)
		require.Empty(t, v.enter(refresh, nil).Errors)
		return v.ask(beginProvider, input("provider", "home", "aim", "LINK")).code()
	}())
	require.Equal(t, "UNAUTHENTICATED", w.viewer().ask(beginProvider, input("provider", "home", "aim", "LINK")).code())
	require.Empty(t, v.enter(confirm, input("password", good)).Errors)

	// Begun by one, it is finished by no other, nor signed out, nor when stale.
	in := v.back(op, person("1", "ann@example.org"), "aim", "LINK", "to", "/account")
	require.True(t, strings.HasPrefix(in["i"].(map[string]any)["state"].(string), "link."))
	bob := w.signedUp("bob")
	bob.asked = v.asked
	require.Equal(t, begunNot, bob.ask(finishProvider, in).code())
	token := v.token
	v.token = ""
	require.Equal(t, "UNAUTHENTICATED", v.ask(finishProvider, in).code())
	v.token = token
	a := v.ask(finishProvider, in)
	require.Equal(t, "LINK", v.get(a, "f", "aim"))
	require.Equal(t, "/account", v.get(a, "f", "to"))
	require.Nil(t, v.get(a, "f", "session"))
	require.Equal(t, []any{map[string]any{"provider": "Home", "label": "ann@example.org", "providerId": "home"}}, v.get(a, "f", "factors", "identities"))
	v.get(v.ask(finishProvider, v.back(op, person("1", "ann@example.org"), "aim", "LINK")), "f")
	require.Equal(t, 1, w.count(`SELECT count(*) FROM identity`), "linked already")

	phone := w.viewer()
	require.Equal(t, "ann", phone.get(phone.with(op, person("1", "ann@example.org")), "f", "session", "user", "login"))
	require.Equal(t, "CONFLICT IDENTITY_KNOWN", bob.ask(finishProvider, bob.back(op, person("1", "x@example.org"), "aim", "LINK")).code())

	id := v.get(v.ask(identities, nil), "me", "factors", "identities").([]any)[0].(map[string]any)["id"]
	require.Equal(t, "NOT_FOUND input.id", bob.ask(unlink, input("id", id)).code(), "another's")
	w.clock.add(11 * time.Minute)
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.Equal(t, fresh, v.ask(unlink, input("id", id)).code())
	require.Empty(t, v.enter(confirm, input("password", good)).Errors)
	require.Equal(t, []any{}, v.get(v.ask(unlink, input("id", id)), "f", "factors", "identities"))
	other := w.viewer()
	require.NotEqual(t, "ann", other.get(other.with(op, person("1", "ann@example.org")), "f", "session", "user", "login"), "a stranger again")
}

func TestAnAccountWithoutAPassword(t *testing.T) {
	w, op := withProvider(t)
	v := w.viewer()
	ann := person("1", "ann@example.org")
	profile := v.get(v.with(op, ann), "f", "session", "profile", "id")
	id := v.get(v.ask(identities, nil), "me", "factors", "identities").([]any)[0].(map[string]any)["id"]
	require.Equal(t, "CONFLICT LAST_WAY_IN", v.ask(unlink, input("id", id)).code())
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", w.viewer().ask(signIn, creds("ann@example.org", good)).code())
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", w.viewer().ask(signIn, creds("ann@example.org", "")).code())
	require.Contains(t, `INVALID WRONG_PASSWORD input.password`, v.ask(confirm, input("password", good)).code())

	// A passkey would do; with it the identity can go, and then the passkey is the last.
	v.addPasskey()
	require.Empty(t, v.ask(unlink, input("id", id)).Errors)
	require.Equal(t, "CONFLICT LAST_WAY_IN", v.ask(`mutation($i: DeletePasskeyInput!) { deletePasskey(input: $i) { user { id } } }`,
		input("id", v.get(v.ask(myFactors, nil), "me", "factors", "passkeys").([]any)[0].(map[string]any)["id"])).code())
	require.Empty(t, v.ask(finishProvider, v.back(op, ann, "aim", "LINK")).Errors)
	require.Empty(t, v.ask(`mutation($i: DeletePasskeyInput!) { deletePasskey(input: $i) { user { id } } }`,
		input("id", v.get(v.ask(myFactors, nil), "me", "factors", "passkeys").([]any)[0].(map[string]any)["id"])).Errors)

	// A fresh sign-in stands for the password, and the provider for a fresh sign-in.
	w.clock.add(11 * time.Minute)
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.Equal(t, fresh, v.ask(newWord, input("newPassword", good)).code())
	require.Equal(t, fresh, v.ask(setAPIN, input("profileId", profile, "pin", "1234")).code())
	require.Equal(t, "INVALID IDENTITY_OTHER", v.with(op, person("2", "bob@example.org"), "aim", "CONFIRM").code())
	was := person("1", "ann@example.org")
	was["auth_time"] = time.Now().Add(-time.Hour).Unix()
	require.Equal(t, "INVALID PROVIDER_STALE", v.with(op, was, "aim", "CONFIRM").code())
	a := v.ask(beginProvider, input("provider", "home", "aim", "CONFIRM"))
	require.Contains(t, v.get(a, "b", "url"), "prompt=login")
	require.Contains(t, v.get(a, "b", "url"), "max_age=0")
	cookie := v.cookie
	a = v.with(op, ann, "aim", "CONFIRM", "to", "/account")
	require.Equal(t, "CONFIRM", v.get(a, "f", "aim"))
	require.Equal(t, cookie, v.cookie, "the refresh token goes on")
	require.Empty(t, v.ask(setAPIN, input("profileId", profile, "pin", "1234")).Errors)
	require.Equal(t, "INVALID WRONG_PASSWORD input.password", v.ask(setAPIN, input("profileId", profile, "pin", nil, "password", good)).code())
	require.Equal(t, "INVALID PASSWORD_SHORT input.newPassword", v.ask(newWord, input("newPassword", "x")).code())
	require.Empty(t, v.ask(newWord, input("newPassword", good)).Errors)
	require.Equal(t, true, v.get(v.ask(identities, nil), "me", "factors", "password"))
	require.Equal(t, "INVALID WRONG_PASSWORD input.password", v.ask(newWord, input("newPassword", good+"!")).code(), "from now on it is asked for")
	require.Equal(t, "INVALID WRONG_PASSWORD input.password", v.ask(setAPIN, input("profileId", profile, "pin", nil)).code())
	require.Empty(t, v.ask(unlink, input("id", v.get(v.ask(identities, nil), "me", "factors", "identities").([]any)[0].(map[string]any)["id"])).Errors)
}

func TestSecondFactorAfterAProvider(t *testing.T) {
	w, op := withProvider(t)
	v := w.signedUp("ann")
	ann := person("1", "ann@example.org")
	require.Empty(t, v.ask(finishProvider, v.back(op, ann, "aim", "LINK")).Errors)
	app, _ := v.setUp()
	w.clock.add(31 * time.Second)
	phone := w.viewer()
	a := phone.with(op, ann, "to", "/list")
	require.Nil(t, phone.get(a, "f", "session"))
	require.Equal(t, "/list", phone.get(a, "f", "to"))
	require.Empty(t, phone.cookie)
	ticket := phone.get(a, "f", "secondFactor", "ticket")
	require.Equal(t, "INVALID WRONG_CODE input.code", phone.ask(finish, input("ticket", ticket, "code", "000000")).code())
	require.Empty(t, phone.enter(finish, input("ticket", ticket, "code", app.code())).Errors)
	phone.must(me, nil)
	require.Eventually(t, func() bool {
		return strings.Contains(v.must(history, nil), `{"method":"PROVIDER_AND_CODE","outcome":"SUCCEEDED","provider":"Home"}`)
	}, 5*time.Second, 10*time.Millisecond)

	// Nor does its word alone confirm who is there.
	w.clock.add(11 * time.Minute)
	require.Empty(t, phone.enter(refresh, nil).Errors)
	act := `mutation { makeRecoveryCodes { recoveryCodes } }`
	a = phone.with(op, ann, "aim", "CONFIRM", "to", "/account")
	require.Nil(t, phone.get(a, "f", "session"))
	require.Equal(t, fresh, phone.ask(act, nil).code())
	ticket = phone.get(a, "f", "secondFactor", "ticket")
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", w.viewer().ask(finish, input("ticket", ticket, "code", app.code())).code(), "it opens no session")
	require.Empty(t, phone.enter(confirm, input("ticket", ticket, "code", app.code())).Errors)
	phone.must(act, nil)

	// An identity that is unlinked takes along what it began.
	w.clock.add(31 * time.Second)
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.Empty(t, v.enter(confirm, input("ticket", v.first(), "code", app.code())).Errors)
	late := w.viewer()
	ticket = late.get(late.with(op, ann), "f", "secondFactor", "ticket")
	id := v.get(v.ask(identities, nil), "me", "factors", "identities").([]any)[0].(map[string]any)["id"]
	require.Empty(t, v.ask(unlink, input("id", id)).Errors)
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", late.ask(finish, input("ticket", ticket, "code", app.code())).code())
}

func TestWhoIsBlockedOrGone(t *testing.T) {
	w, op := withProvider(t)
	admin := w.admin()
	v := w.viewer()
	ann := person("1", "ann@example.org")
	id := v.get(v.with(op, ann), "f", "session", "user", "id")
	update := `mutation($i: UpdateUserInput!) { updateUser(input: $i) { user { id } } }`
	require.Empty(t, admin.ask(update, input("id", id, "blocked", true)).Errors)
	require.Equal(t, "FORBIDDEN ACCOUNT_BLOCKED", w.viewer().with(op, ann).code())
	require.Empty(t, admin.ask(`mutation($i: DeleteUserInput!) { deleteUser(input: $i) { deletedId } }`, input("id", id)).Errors)
	require.Zero(t, w.count(`SELECT count(*) FROM identity`), "who is deleted loses them too")
	again := w.viewer()
	require.NotEqual(t, id, again.get(again.with(op, ann), "f", "session", "user", "id"))
}

func TestAChildLinksNothing(t *testing.T) {
	w, op := withProvider(t)
	v := w.signedUp("ann")
	in := v.back(op, person("1", "ann@example.org"), "aim", "LINK")
	child := v.get(v.ask(`mutation { c: createProfile(input: {name: "Kid", child: true}) { profile { id } } }`, nil), "c", "profile", "id")
	v.swap(child.(string), "")
	refused := "FORBIDDEN CHILD_PROFILE"
	require.Equal(t, refused, v.ask(beginProvider, input("provider", "home", "aim", "LINK")).code())
	require.Equal(t, refused, v.ask(beginProvider, input("provider", "home", "aim", "CONFIRM")).code())
	require.Equal(t, refused, v.ask(finishProvider, in).code())
	require.Equal(t, refused, v.ask(unlink, input("id", "identity_01h455vb4pex5vsknk084sn02q")).code())
	require.Zero(t, w.count(`SELECT count(*) FROM identity`))
}

func TestAProviderThatIsConfiguredNoMore(t *testing.T) {
	w, op := withProvider(t)
	v := w.viewer()
	require.Empty(t, v.with(op, person("1", "ann@example.org")).Errors)
	v.addPasskey()
	w.deps.Providers = nil
	var err error
	w.accounts, err = auth.New(w.deps)
	require.NoError(t, err)
	require.NoError(t, w.accounts.Init(t.Context()))
	w.serve(resolver.Options{})
	require.Empty(t, v.enter(refresh, nil).Errors)
	one := v.get(v.ask(identities, nil), "me", "factors", "identities").([]any)[0].(map[string]any)
	require.Equal(t, op.URL, one["provider"])
	require.Nil(t, one["providerId"])
	require.Equal(t, "CONFLICT LAST_WAY_IN", v.ask(`mutation($i: DeletePasskeyInput!) { deletePasskey(input: $i) { user { id } } }`,
		input("id", v.get(v.ask(myFactors, nil), "me", "factors", "passkeys").([]any)[0].(map[string]any)["id"])).code(), "it opens nothing any more")
}
