package resolver_test

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/postgres"
	"github.com/netflixathome/cinema/subgraphs/auth/resolver"
)

const (
	factors     = `{ totp recoveryCodes required passkeys { id name usedAt synced here } }`
	due         = `{ accessToken secondFactor { ticket setUp totp passkey recoveryCode } }`
	password    = `mutation($login: String!, $password: String!) { s: signIn(input: {login: $login, password: $password}) ` + due + ` }`
	finish      = `mutation($i: FinishSignInInput!) { s: finishSignIn(input: $i) ` + session + ` }`
	ask         = `mutation($i: BeginPasskeySignInInput!) { c: beginPasskeySignIn(input: $i) { challenge options } }`
	withPasskey = `mutation($i: PasskeyAnswerInput!) { s: signInWithPasskey(input: $i) ` + session + ` }`
	beginTotp   = `mutation($i: SetUpInput!) { b: beginTotp(input: $i) { setUp key url qrCode } }`
	addTotp     = `mutation($i: AddTotpInput!) { f: addTotp(input: $i) { recoveryCodes factors ` + factors + ` user { login } session { accessToken } } }`
	beginKey    = `mutation($i: SetUpInput!) { c: beginPasskey(input: $i) { challenge options } }`
	addKey      = `mutation($i: AddPasskeyInput!) { f: addPasskey(input: $i) { recoveryCodes factors ` + factors + ` session { accessToken } } }`
	myFactors   = `{ me { factors ` + factors + ` } }`
	confirm     = `mutation($i: ConfirmSignInInput!) { s: confirmSignIn(input: $i) ` + session + ` }`
	confirmTo   = `mutation($i: ConfirmSignInInput!) { s: confirmSignIn(input: $i) ` + due + ` }`
	fresh       = `FORBIDDEN REAUTHENTICATION_REQUIRED`
)

func atHome(d *auth.Deps) { d.PublicURL = "https://cinema.example" }

func input(kv ...any) map[string]any {
	in := map[string]any{}
	for i := 0; i < len(kv); i += 2 {
		in[kv[i].(string)] = kv[i+1]
	}
	return map[string]any{"i": in}
}

// app is an authenticator app on the world's clock.
type app struct {
	w   *world
	key string
}

func (a app) code() string { return a.at(0) }

func (a app) at(d time.Duration) string {
	code, err := totp.GenerateCode(a.key, a.w.clock.now().Add(d))
	require.NoError(a.w.t, err)
	return code
}

// setUp gives the account that is signed in an app.
func (v *viewer) setUp(ticket ...any) (app, []string) {
	v.w.t.Helper()
	a := v.ask(beginTotp, input(ticket...))
	key := strings.ReplaceAll(v.get(a, "b", "key").(string), " ", "")
	application := app{v.w, key}
	a = v.ask(addTotp, input(append([]any{"setUp", v.get(a, "b", "setUp"), "code", application.code()}, ticket...)...))
	var codes []string
	for _, c := range v.get(a, "f", "recoveryCodes").([]any) {
		codes = append(codes, c.(string))
	}
	if s, ok := v.get(a, "f", "session").(map[string]any); ok {
		v.token = s["accessToken"].(string)
	}
	return application, codes
}

// addPasskey gives the account that is signed in a passkey.
func (v *viewer) addPasskey() *authenticator {
	v.w.t.Helper()
	d := newAuthenticator(v.w.t)
	a := v.ask(beginKey, input())
	v.get(v.ask(addKey, input("answer", map[string]any{
		"challenge": v.get(a, "c", "challenge"), "credential": d.create(v.get(a, "c", "options").(string)),
	}, "name", "My phone")), "f")
	return d
}

// ticket shows the password and returns the ticket of the second step.
func (v *viewer) ticket(login string) string {
	v.w.t.Helper()
	token := v.token
	v.token = ""
	a := v.ask(password, creds(login, good))
	v.token = token
	require.Nil(v.w.t, v.get(a, "s", "accessToken"))
	require.Empty(v.w.t, v.cookie)
	return v.get(a, "s", "secondFactor", "ticket").(string)
}

// ticketElsewhere is the ticket of a sign-in on another device.
func (v *viewer) ticketElsewhere(login string) string {
	v.w.t.Helper()
	return v.w.viewer().ticket(login)
}

// lastAttempt is how the newest attempt to sign in to the account ended.
func (v *viewer) lastAttempt() string {
	v.w.t.Helper()
	running, stop := context.WithCancel(v.w.t.Context())
	stop()
	require.NoError(v.w.t, v.w.accounts.Run(running), "what waits is written on the way out")
	return v.get(v.ask(`{ me { signIns(first: 1) { edges { node { outcome } } } } }`, nil), "me", "signIns", "edges").([]any)[0].(map[string]any)["node"].(map[string]any)["outcome"].(string)
}

func (w *world) signedUp(login string) *viewer {
	w.t.Helper()
	v := w.viewer()
	require.Empty(w.t, v.enter(signUp, creds(login, good)).Errors)
	return v
}

func TestSecondFactorStory(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	a := v.ask(beginTotp, input())
	for _, part := range []string{"otpauth://totp/NetflixAtHome:ann?", "issuer=NetflixAtHome"} {
		require.Contains(t, v.get(a, "b", "url"), part)
	}
	require.True(t, strings.HasPrefix(v.get(a, "b", "qrCode").(string), "data:image/png;base64,"))
	require.JSONEq(t, `{"me":{"factors":{"totp":null,"recoveryCodes":0,"required":false,"passkeys":[]}}}`, v.must(myFactors, nil), "nothing before the first code")

	app, codes := v.setUp()
	require.Len(t, codes, 10)
	require.Len(t, v.get(v.ask(myFactors, nil), "me", "factors", "passkeys"), 0)
	require.EqualValues(t, 10, v.get(v.ask(myFactors, nil), "me", "factors", "recoveryCodes"))

	phone := w.viewer()
	a = phone.ask(password, creds("ann", good))
	require.Equal(t, map[string]any{"setUp": false, "totp": true, "passkey": false, "recoveryCode": true, "ticket": phone.get(a, "s", "secondFactor", "ticket")},
		phone.get(a, "s", "secondFactor"))
	require.Equal(t, "UNAUTHENTICATED", phone.ask(me, nil).code(), "a ticket is no session")
	ticket := phone.get(a, "s", "secondFactor", "ticket").(string)
	phone.header = map[string]string{"Authorization": "Bearer " + ticket}
	require.Equal(t, "UNAUTHENTICATED", phone.ask(me, nil).code(), "nor a token")
	phone.header = nil
	w.clock.add(31 * time.Second)
	require.Empty(t, phone.enter(finish, input("ticket", ticket, "code", app.code()[:3]+" "+app.code()[3:])).Errors)
	require.JSONEq(t, `{"me":{"id":"`+phone.get(phone.ask(me, nil), "me", "id").(string)+`","login":"ann"}}`, phone.must(me, nil))
	require.NotEmpty(t, phone.cookie)

	tv := w.viewer()
	require.Empty(t, tv.enter(finish, input("ticket", tv.ticket("ann"), "recoveryCode", strings.ToUpper(strings.ReplaceAll(codes[3], "-", " ")))).Errors)
	require.EqualValues(t, 9, v.get(v.ask(myFactors, nil), "me", "factors", "recoveryCodes"))

	// New codes end the old ones, and without a factor there are none.
	renewed := v.get(v.ask(`mutation { f: makeRecoveryCodes { recoveryCodes } }`, nil), "f", "recoveryCodes").([]any)
	require.Len(t, renewed, 10)
	other := w.viewer()
	require.Equal(t, "INVALID WRONG_RECOVERY_CODE input.recoveryCode", other.ask(finish, input("ticket", other.ticket("ann"), "recoveryCode", codes[0])).code())
	require.EqualValues(t, 0, v.get(v.ask(`mutation { f: deleteTotp { factors { recoveryCodes } } }`, nil), "f", "factors", "recoveryCodes"))
	require.NotNil(t, w.viewer().get(w.viewer().ask(password, creds("ann", good)), "s", "accessToken"), "the password alone again")
	require.Equal(t, "CONFLICT NO_FACTOR", v.ask(`mutation { makeRecoveryCodes { recoveryCodes } }`, nil).code())

	for _, s := range append(codes, ticket, app.key, good) {
		require.NotContains(t, w.log.String(), s)
	}
}

func TestCodeIsGoodOnce(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	app, _ := v.setUp()
	wrong := "INVALID WRONG_CODE input.code"
	try := func(code string) string {
		v := w.viewer()
		return v.ask(finish, input("ticket", v.ticket("ann"), "code", code)).code()
	}
	first := app.code()
	require.Equal(t, wrong, try(first), "the code that set it up")
	w.clock.add(30 * time.Second)
	require.Equal(t, wrong, try(first), "still within the skew, and used")
	later := app.at(30 * time.Second)
	require.Empty(t, try(later), "a clock that is ahead")
	require.Equal(t, wrong, try(later), "twice")
	require.Equal(t, wrong, try(app.code()), "of a step before the last one used")
	w.clock.add(90 * time.Second)
	require.Equal(t, wrong, try(app.at(-60*time.Second)), "two steps old")
	require.Equal(t, wrong, try(app.at(60*time.Second)), "two steps ahead")
	require.Empty(t, try(app.at(-30*time.Second)), "a clock that is behind")
}

func TestOneCodeAtOnce(t *testing.T) {
	w := newWorld(t, atHome, func(d *auth.Deps) {
		d.Limits = auth.DefaultLimits()
		d.Limits.Code.Burst, d.Limits.SignInPair.Burst = 1000, 1000
	})
	v := w.signedUp("ann")
	app, codes := v.setUp()
	w.clock.add(time.Minute)
	for name, proof := range map[string][]any{"code": {"code", app.code()}, "recovery code": {"recoveryCode", codes[0]}} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			in := 0
			for range 8 {
				v := w.viewer()
				ticket := v.ticket("ann")
				wg.Go(func() {
					a := v.ask(finish, input(append([]any{"ticket", ticket}, proof...)...))
					mu.Lock()
					defer mu.Unlock()
					if len(a.Errors) == 0 {
						in++
					}
				})
			}
			wg.Wait()
			require.Equal(t, 1, in)
		})
	}
	t.Run("ticket", func(t *testing.T) {
		v := w.viewer()
		ticket := v.ticket("ann")
		var wg sync.WaitGroup
		var mu sync.Mutex
		in := 0
		for i := range 8 {
			wg.Go(func() {
				a := w.viewer().ask(finish, input("ticket", ticket, "recoveryCode", codes[1+i]))
				mu.Lock()
				defer mu.Unlock()
				if len(a.Errors) == 0 {
					in++
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, in)
		require.Equal(t, 8, w.recoveryLeft("ann"), "those that came second are not lost")
	})
}

func (w *world) recoveryLeft(login string) int {
	return w.count(`SELECT count(*) FROM recovery_code r JOIN account a ON a.id = r.account_id WHERE a.login = $1`, login)
}

func (w *world) count(sql string, args ...any) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.pool.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

func TestTickets(t *testing.T) {
	w := newWorld(t, atHome)
	ann, bob := w.signedUp("ann"), w.signedUp("bob")
	app, codes := ann.setUp()
	bobs, bobsCodes := bob.setUp()
	w.clock.add(time.Minute)
	ended := "UNAUTHENTICATED TICKET_ENDED"
	v := w.viewer()
	ticket := v.ticket("ann")
	for name, c := range map[string]struct {
		want string
		kv   []any
	}{
		"another's code":          {"INVALID WRONG_CODE input.code", []any{"ticket", ticket, "code", bobs.code()}},
		"another's recovery code": {"INVALID WRONG_RECOVERY_CODE input.recoveryCode", []any{"ticket", ticket, "recoveryCode", bobsCodes[0]}},
		"made up":                 {ended, []any{"ticket", raw64(make([]byte, 200)), "code", app.code()}},
		"no base64":               {ended, []any{"ticket", "!", "code", app.code()}},
		"empty":                   {ended, []any{"ticket", "", "code", app.code()}},
		"1 MB":                    {ended, []any{"ticket", strings.Repeat("A", 1<<20), "code", app.code()}},
		"changed":                 {ended, []any{"ticket", flipped(t, ticket), "code", app.code()}},
		"1 MB code":               {"INVALID WRONG_CODE input.code", []any{"ticket", ticket, "code", strings.Repeat("1", 1<<20)}},
		"letters":                 {"INVALID WRONG_CODE input.code", []any{"ticket", ticket, "code", "abcdef"}},
		"nothing":                 {"INVALID input", []any{"ticket", ticket}},
		"two proofs":              {"INVALID input", []any{"ticket", ticket, "code", app.code(), "recoveryCode", codes[0]}},
		"for setting up":          {ended, []any{"ticket", v.get(ann.ask(beginTotp, input()), "b", "setUp"), "code", app.code()}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, w.viewer().ask(finish, input(c.kv...)).code())
		})
	}
	require.Equal(t, ended, w.viewer().ask(beginTotp, input("ticket", ticket)).code(), "it sets nothing up")
	require.Empty(t, v.enter(finish, input("ticket", ticket, "code", app.code())).Errors)
	require.NotEmpty(t, w.viewer().ask(finish, input("ticket", ticket, "recoveryCode", codes[0])).Errors, "used")
	require.Equal(t, 10, w.recoveryLeft("ann"))

	late := w.viewer().ticket("ann")
	w.clock.add(10*time.Minute + time.Second)
	require.Equal(t, ended, w.viewer().ask(finish, input("ticket", late, "code", app.code())).code(), "too late")

	before := w.viewer().ticket("ann")
	require.Empty(t, ann.enter(refresh, nil).Errors)
	require.Equal(t, fresh, ann.ask(`mutation { changePassword(input: {password: "`+good+`", newPassword: "plumbago kettle 9"}) { ended } }`, nil).code())
	require.Empty(t, ann.enter(confirm, input("ticket", ann.first(), "recoveryCode", codes[1])).Errors)
	ann.must(`mutation { changePassword(input: {password: "`+good+`", newPassword: "plumbago kettle 9"}) { ended } }`, nil)
	require.Equal(t, ended, w.viewer().ask(finish, input("ticket", before, "code", app.code())).code(), "of a password that is no more")
}

// flipped is a ticket with one bit changed.
func flipped(t *testing.T, ticket string) string {
	raw, err := base64.RawURLEncoding.DecodeString(ticket)
	require.NoError(t, err)
	raw[len(raw)/2] ^= 1
	return raw64(raw)
}

func TestGuessingCodes(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	app, codes := v.setUp()
	w.clock.add(time.Minute)
	// A stranger who knows the login and nothing else.
	for range 12 {
		s := w.viewer()
		s.address = "198.51.100.1"
		_ = s.ask(signIn, creds("ann", "wrong password"))
		require.NotEmpty(t, s.ask(finish, input("ticket", "x", "code", "000000")).Errors)
	}
	// One who knows the password guesses ten codes, from any number of places.
	thief := w.viewer()
	thief.address = "198.51.100.2"
	ticket := thief.ticket("ann")
	guess := app.at(time.Hour) // wrong now
	for i := range 11 {
		a := w.viewer().ask(finish, input("ticket", ticket, "code", guess))
		if i < 10 {
			require.Equal(t, "INVALID WRONG_CODE input.code", a.code())
		} else {
			require.Equal(t, "RATE_LIMITED", a.code())
		}
	}
	require.Equal(t, "RATE_LIMITED", w.viewer().ask(finish, input("ticket", ticket, "code", app.code())).code(), "a right one too")
	owner := w.viewer()
	require.Empty(t, owner.enter(finish, input("ticket", owner.ticket("ann"), "recoveryCode", codes[0])).Errors, "another factor is open")
	for range 11 {
		thief.ask(finish, input("ticket", ticket, "recoveryCode", "0000-0000-0000-0000"))
	}
	require.Equal(t, "RATE_LIMITED", thief.ask(finish, input("ticket", ticket, "recoveryCode", codes[1])).code())
	require.NotEmpty(t, thief.last.Header().Get("Retry-After"))
}

func TestSecondFactorHistory(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	app, codes := v.setUp()
	w.clock.add(time.Minute)
	a, b := w.viewer(), w.viewer()
	first := a.ticket("ann")
	w.clock.add(time.Second)
	b.ticket("ann") // nothing follows
	w.clock.add(time.Second)
	a.ask(finish, input("ticket", first, "code", "abcdef"))
	w.clock.add(time.Second)
	require.Empty(t, a.enter(finish, input("ticket", first, "code", app.code())).Errors)
	w.clock.add(time.Second)
	require.Empty(t, b.enter(finish, input("ticket", w.viewer().ticket("ann"), "recoveryCode", codes[0])).Errors)
	running, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.accounts.Run(running) }()
	require.Eventually(t, func() bool { return w.count(`SELECT count(*) FROM sign_in`) == 5 }, 10*time.Second, 10*time.Millisecond)
	stop()
	require.NoError(t, <-done)
	require.JSONEq(t, `{"me":{"signIns":{"edges":[
		{"node":{"method":"PASSWORD_AND_RECOVERY_CODE","outcome":"SUCCEEDED"}},
		{"node":{"method":"PASSWORD_AND_CODE","outcome":"SUCCEEDED"}},
		{"node":{"method":"PASSWORD_AND_CODE","outcome":"WRONG_FACTOR"}},
		{"node":{"method":"PASSWORD","outcome":"SECOND_FACTOR_DUE"}},
		{"node":{"method":"SIGN_UP","outcome":"SUCCEEDED"}}]}}}`,
		v.must(`{ me { signIns { edges { node { method outcome } } } } }`, nil))
}

func TestPasskeyStory(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	a := v.ask(beginKey, input())
	d := newAuthenticator(t)
	answer := map[string]any{"challenge": v.get(a, "c", "challenge"), "credential": d.create(v.get(a, "c", "options").(string))}
	a = v.ask(addKey, input("answer", answer))
	require.Len(t, v.get(a, "f", "recoveryCodes"), 10)
	require.Equal(t, "test browser", v.get(a, "f", "factors", "passkeys").([]any)[0].(map[string]any)["name"], "the browser's name")
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", v.ask(addKey, input("answer", answer)).code(), "a challenge is good once")

	// Alone.
	tv := w.viewer()
	a = tv.ask(ask, input())
	in := input("challenge", tv.get(a, "c", "challenge"), "credential", d.get(tv.get(a, "c", "options").(string)))
	require.Equal(t, "ann", tv.get(tv.enter(withPasskey, in), "s", "user", "login"))
	require.NotEmpty(t, tv.cookie)
	tv.must(me, nil)
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", w.viewer().ask(withPasskey, in).code(), "replayed")

	// As the second factor, where that someone is there is enough.
	d.flags = present
	tv = w.viewer()
	ticket := tv.ticket("ann")
	a = tv.ask(ask, input("ticket", ticket))
	second := map[string]any{"challenge": tv.get(a, "c", "challenge"), "credential": d.get(tv.get(a, "c", "options").(string))}
	require.Empty(t, tv.enter(finish, input("ticket", ticket, "passkey", second)).Errors)
	require.NotEmpty(t, w.viewer().ask(finish, input("ticket", w.viewer().ticket("ann"), "passkey", second)).Errors, "replayed")

	// Alone it is not.
	tv = w.viewer()
	a = tv.ask(ask, input())
	require.Equal(t, "UNAUTHENTICATED WRONG_PASSKEY", tv.ask(withPasskey, input("challenge", tv.get(a, "c", "challenge"), "credential", d.get(tv.get(a, "c", "options").(string)))).code())

	keys := v.get(v.ask(myFactors, nil), "me", "factors", "passkeys").([]any)
	require.NotNil(t, keys[0].(map[string]any)["usedAt"])
	id := keys[0].(map[string]any)["id"]
	v.must(`mutation($i: RenamePasskeyInput!) { renamePasskey(input: $i) { factors { passkeys { name } } } }`, input("id", id, "name", " Phone "))
	other := w.signedUp("bob")
	del := `mutation($i: DeletePasskeyInput!) { f: deletePasskey(input: $i) { factors ` + factors + ` } }`
	require.Equal(t, "NOT_FOUND input.id", other.ask(del, input("id", id)).code(), "another's")
	require.Equal(t, "NOT_FOUND input.id", v.ask(del, input("id", gid.New(gid.Passkey).String())).code())
	v.must(del, input("id", id))
	a = w.viewer().ask(password, creds("ann", good))
	require.NotNil(t, v.get(a, "s", "accessToken"))
}

func TestPasskeyAttacks(t *testing.T) {
	w := newWorld(t, atHome)
	ann, bob := w.signedUp("ann"), w.signedUp("bob")
	d, bobs := ann.addPasskey(), bob.addPasskey()
	begin := func(kv ...any) (challenge, options string) {
		v := w.viewer()
		a := v.ask(ask, input(kv...))
		return v.get(a, "c", "challenge").(string), v.get(a, "c", "options").(string)
	}
	wrong := "UNAUTHENTICATED WRONG_PASSKEY"
	alone := func(challenge, credential string) string {
		return w.viewer().ask(withPasskey, input("challenge", challenge, "credential", credential)).code()
	}
	changed := func(change func(d *authenticator)) string {
		c, o := begin()
		other := *d
		change(&other)
		return alone(c, other.get(o))
	}
	require.Equal(t, wrong, changed(func(d *authenticator) { d.origin = "https://cinema.example.evil.test" }), "another page")
	require.Equal(t, wrong, changed(func(d *authenticator) { d.origin = "http://cinema.example" }), "an insecure page")
	require.Equal(t, wrong, changed(func(d *authenticator) { d.rpID = "example" }), "another domain")
	require.Equal(t, wrong, changed(func(d *authenticator) { d.key = newAuthenticator(t).key }), "another key")
	require.Equal(t, wrong, changed(func(d *authenticator) { d.user = bobs.user }), "in another's name")
	require.Equal(t, wrong, changed(func(d *authenticator) { d.user = nil }), "in nobody's name")
	require.Equal(t, wrong, changed(func(d *authenticator) { d.flags = verified }), "nobody there")
	require.Equal(t, wrong, changed(func(d *authenticator) { d.id = []byte("nobody has this") }), "unknown")
	require.Equal(t, wrong, alone(first(begin()), "{"), "no JSON")
	require.Equal(t, wrong, alone(first(begin()), strings.Repeat("x", 1<<20)), "1 MB")

	c, o := begin()
	c2, _ := begin()
	require.Equal(t, wrong, alone(c2, d.get(o)), "the answer to another challenge")
	ended := "UNAUTHENTICATED TICKET_ENDED"
	w.clock.add(5*time.Minute + time.Second)
	require.Empty(t, ann.enter(refresh, nil).Errors)
	require.Equal(t, ended, alone(c, d.get(o)), "too late")
	require.Equal(t, ended, alone("", d.get(o)))
	ticket := w.viewer().ticket("ann")
	c, o = begin("ticket", ticket)
	require.Equal(t, ended, alone(c, d.get(o)), "a challenge of the second step")
	bobsTicket := w.viewer().ticket("bob")
	require.Equal(t, ended, w.viewer().ask(finish, input("ticket", bobsTicket, "passkey", map[string]any{"challenge": c, "credential": d.get(o)})).code(), "with another's ticket")
	_, o = begin("ticket", bobsTicket)
	require.Equal(t, "INVALID WRONG_PASSKEY", w.viewer().ask(finish, input("ticket", ticket, "passkey", map[string]any{"challenge": first(begin("ticket", ticket)), "credential": bobs.get(o)})).code(), "another's passkey")
	require.Equal(t, ended, ann.ask(confirm, input("passkey", map[string]any{"challenge": first(begin()), "credential": d.get(o)})).code())

	// One that is there already belongs to its account.
	for _, v := range []*viewer{ann, bob} {
		require.Empty(t, v.enter(refresh, nil).Errors)
	}
	a := bob.ask(beginKey, input())
	stolen := *d
	require.Equal(t, "CONFLICT PASSKEY_KNOWN", bob.ask(addKey, input("answer", map[string]any{
		"challenge": bob.get(a, "c", "challenge"), "credential": stolen.create(bob.get(a, "c", "options").(string))})).code())
	a = ann.ask(beginKey, input())
	require.Equal(t, ended, bob.ask(addKey, input("answer", map[string]any{
		"challenge": ann.get(a, "c", "challenge"), "credential": newAuthenticator(t).create(ann.get(a, "c", "options").(string))})).code(), "another's challenge")
	unverified := newAuthenticator(t)
	unverified.flags = present
	require.Equal(t, "INVALID PASSKEY_REFUSED input.credential", ann.ask(addKey, input("answer", map[string]any{
		"challenge": ann.get(a, "c", "challenge"), "credential": unverified.create(ann.get(a, "c", "options").(string))})).code(), "one that does not verify")
}

func first(a, _ string) string { return a }

func TestPasskeyCounter(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	d := v.addPasskey()
	enter := func(count uint32) string {
		d.count = count
		v := w.viewer()
		a := v.ask(ask, input())
		return v.ask(withPasskey, input("challenge", v.get(a, "c", "challenge"), "credential", d.get(v.get(a, "c", "options").(string)))).code()
	}
	copied := "FORBIDDEN PASSKEY_COPIED"
	for i, c := range []struct {
		count uint32
		want  string
	}{{0, ""}, {0, ""}, {5, ""}, {6, ""}, {6, copied}, {3, copied}, {0, copied}, {7, ""}} {
		require.Equal(t, c.want, enter(c.count), "step %d", i)
	}
}

// Two instances that share the database and the secret, and nothing else.
func TestTwoInstances(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	app, _ := v.setUp()
	d := v.addPasskey()
	store, err := postgres.New(w.pool)
	require.NoError(t, err)
	one := w.handler
	deps := w.deps
	deps.Store = store
	w.accounts, err = auth.New(deps)
	require.NoError(t, err)
	require.NoError(t, w.accounts.Init(t.Context()))
	w.serve(resolver.Options{})
	two := w.handler
	at := func(first bool) *viewer {
		w.handler = two
		if first {
			w.handler = one
		}
		return w.viewer()
	}
	w.clock.add(time.Minute)
	ticket := at(true).ticket("ann")
	code := app.code()
	require.Empty(t, at(false).ask(finish, input("ticket", ticket, "code", code)).Errors)
	require.NotEmpty(t, at(true).ask(finish, input("ticket", at(true).ticket("ann"), "code", code)).Errors, "used at the other")
	a := at(true).ask(ask, input())
	in := input("challenge", v.get(a, "c", "challenge"), "credential", d.get(v.get(a, "c", "options").(string)))
	require.Empty(t, at(false).ask(withPasskey, in).Errors)
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", at(true).ask(withPasskey, in).code())
}

func TestFreshSignIn(t *testing.T) {
	w := newWorld(t, atHome)
	boss, ann := w.admin(), w.signedUp("ann")
	d := ann.addPasskey()
	annID := ann.get(ann.ask(me, nil), "me", "id").(string)
	sessionID := ann.get(ann.ask(`{ me { sessions { id } } }`, nil), "me", "sessions").([]any)[0].(map[string]any)["id"].(string)
	acts := map[string]struct {
		who   *viewer
		query string
	}{
		"roles":             {boss, `mutation { updateUser(input: {id: "` + annID + `", roles: [VIEWER]}) { user { id } } }`},
		"a block":           {boss, `mutation { updateUser(input: {id: "` + annID + `", blocked: true}) { user { id } } }`},
		"a deletion":        {boss, `mutation { deleteUser(input: {id: "` + annID + `"}) { deletedId } }`},
		"a new role":        {boss, `mutation { createRole(input: {name: "HELPER", permissions: []}) { role { name } } }`},
		"a role":            {boss, `mutation { updateRole(input: {name: VIEWER, permissions: ["user:read"]}) { role { name } } }`},
		"no role":           {boss, `mutation { deleteRole(input: {name: HELPER}) { moved } }`},
		"another's session": {boss, `mutation { endSession(input: {id: "` + sessionID + `"}) { ended } }`},
		"another's all":     {boss, `mutation { endSessions(input: {userId: "` + annID + `"}) { ended } }`},
		"password":          {ann, `mutation { changePassword(input: {password: "x", newPassword: "y"}) { ended } }`},
		"app":               {ann, `mutation { beginTotp(input: {}) { key } }`},
		"no app":            {ann, `mutation { deleteTotp { factors { recoveryCodes } } }`},
		"passkey":           {ann, `mutation { beginPasskey(input: {}) { options } }`},
		"no passkey":        {ann, `mutation { deletePasskey(input: {id: "` + gid.New(gid.Passkey).String() + `"}) { factors { recoveryCodes } } }`},
		"recovery codes":    {ann, `mutation { makeRecoveryCodes { recoveryCodes } }`},
	}
	w.clock.add(auth.FreshFor + time.Second)
	for _, v := range []*viewer{boss, ann} {
		require.Empty(t, v.enter(refresh, nil).Errors)
	}
	for name, act := range acts {
		require.Equal(t, fresh, act.who.ask(act.query, nil).code(), name)
	}
	ann.must(`mutation { endSessions(input: {}) { ended } }`, nil)
	require.Equal(t, "INVALID WRONG_PASSWORD input.password", ann.ask(confirm, input("password", "wrong")).code())
	require.Equal(t, "INVALID input", ann.ask(confirm, input()).code())
	require.Equal(t, "UNAUTHENTICATED", w.viewer().ask(confirm, input("password", good)).code())

	a := ann.ask(`mutation { c: beginPasskeyConfirmation { challenge options } }`, nil)
	answer := map[string]any{"challenge": ann.get(a, "c", "challenge"), "credential": d.get(ann.get(a, "c", "options").(string))}
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", boss.ask(confirm, input("passkey", answer)).code(), "another's")
	ann.enter(confirm, input("passkey", answer))
	require.NotEqual(t, fresh, ann.ask(acts["passkey"].query, nil).code())
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", ann.ask(confirm, input("passkey", answer)).code(), "replayed")
	require.Empty(t, ann.enter(refresh, nil).Errors)
	ann.must(acts["passkey"].query, nil)

	// Guessing here is as slow as at the door.
	for range 10 {
		ann.ask(confirm, input("password", "wrong"))
	}
	require.Equal(t, "RATE_LIMITED", ann.ask(confirm, input("password", good)).code())
}

// first shows the password again and returns the ticket of the second step.
func (v *viewer) first() string {
	v.w.t.Helper()
	a := v.ask(confirmTo, input("password", good))
	require.Nil(v.w.t, v.get(a, "s", "accessToken"), "the password alone opens nothing")
	return v.get(a, "s", "secondFactor", "ticket").(string)
}

func TestConfirmationAsksForTheSecondFactor(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	app, codes := v.setUp()
	act := `mutation { makeRecoveryCodes { recoveryCodes } }`
	later := func() {
		w.clock.add(auth.FreshFor + time.Second)
		require.Empty(t, v.enter(refresh, nil).Errors)
		require.Equal(t, fresh, v.ask(act, nil).code())
	}
	const ended = "UNAUTHENTICATED TICKET_ENDED"

	later()
	a := v.ask(confirmTo, input("password", good))
	ticket := v.get(a, "s", "secondFactor", "ticket").(string)
	require.Equal(t, map[string]any{"setUp": false, "totp": true, "passkey": false, "recoveryCode": true, "ticket": ticket}, v.get(a, "s", "secondFactor"))
	require.Equal(t, fresh, v.ask(act, nil).code(), "the password alone is not enough")
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.Equal(t, fresh, v.ask(act, nil).code(), "nor is it after a refresh")

	// The two steps are of one account, and each ticket is of its own kind.
	require.Equal(t, ended, w.viewer().ask(finish, input("ticket", ticket, "code", app.code())).code(), "it opens no session")
	require.Equal(t, ended, v.ask(confirm, input("ticket", v.ticketElsewhere("ann"), "code", app.code())).code(), "a sign-in's freshens none")
	require.Equal(t, ended, w.signedUp("bob").ask(confirm, input("ticket", ticket, "code", app.code())).code(), "another's")
	for name, bad := range map[string]map[string]any{
		"ticket alone": input("ticket", ticket), "code alone": input("code", app.code()), "recovery code alone": input("recoveryCode", codes[0]),
		"password and code": input("password", good, "code", app.code()), "password and ticket": input("password", good, "ticket", ticket),
		"two proofs": input("ticket", ticket, "code", app.code(), "recoveryCode", codes[0]),
	} {
		require.Equal(t, "INVALID input", v.ask(confirm, bad).code(), name)
	}
	require.Equal(t, "INVALID WRONG_CODE input.code", v.ask(confirm, input("ticket", ticket, "code", app.at(20*time.Minute))).code())
	require.Equal(t, "WRONG_FACTOR", v.lastAttempt(), "its owner sees the try")
	require.Equal(t, fresh, v.ask(act, nil).code())

	cookie := v.cookie
	require.Empty(t, v.enter(confirm, input("ticket", ticket, "code", app.code())).Errors)
	require.Equal(t, cookie, v.cookie, "the refresh token goes on")
	codes = nil
	for _, c := range v.get(v.ask(act, nil), "makeRecoveryCodes", "recoveryCodes").([]any) {
		codes = append(codes, c.(string))
	}
	require.Equal(t, "INVALID WRONG_CODE input.code", v.ask(confirm, input("ticket", ticket, "code", app.code())).code(), "a code is good once")
	require.Equal(t, "INVALID WRONG_CODE input", v.ask(confirm, input("ticket", ticket, "recoveryCode", codes[1])).code(), "and so is a ticket")

	// A recovery code does too, once; one that came with a used ticket is not spent.
	later()
	require.Equal(t, "INVALID WRONG_RECOVERY_CODE input.recoveryCode", v.ask(confirm, input("ticket", v.first(), "recoveryCode", "wrong")).code())
	require.Empty(t, v.enter(confirm, input("ticket", v.first(), "recoveryCode", codes[1])).Errors)
	require.Empty(t, v.ask(`mutation { beginTotp(input: {}) { key } }`, nil).Errors)
	later()
	require.Equal(t, "INVALID WRONG_RECOVERY_CODE input.recoveryCode", v.ask(confirm, input("ticket", v.first(), "recoveryCode", codes[1])).code())

	// A ticket ends with its time.
	ticket = v.first()
	w.clock.add(10*time.Minute + time.Second)
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.Equal(t, ended, v.ask(confirm, input("ticket", ticket, "code", app.code())).code())
}

func TestConfirmationWithAPasskeyBesideThePassword(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	d := v.addPasskey()
	w.clock.add(auth.FreshFor + time.Second)
	require.Empty(t, v.enter(refresh, nil).Errors)
	act := `mutation { makeRecoveryCodes { recoveryCodes } }`
	v.first()
	require.Equal(t, fresh, v.ask(act, nil).code(), "the password alone is not enough")
	a := v.ask(`mutation { c: beginPasskeyConfirmation { challenge options } }`, nil)
	v.enter(confirm, input("passkey", map[string]any{"challenge": v.get(a, "c", "challenge"), "credential": d.get(v.get(a, "c", "options").(string))}))
	v.must(act, nil)
}

func TestAdministratorMustHaveAFactor(t *testing.T) {
	w := newWorld(t, atHome)
	login, generated, _, err := w.accounts.EnsureAdmin(t.Context())
	require.NoError(t, err)
	old := w.viewer()
	require.Empty(t, old.enter(signIn, creds(login, generated)).Errors)

	deps := w.deps
	deps.AdminFactor = true
	w.accounts, err = auth.New(deps)
	require.NoError(t, err)
	require.NoError(t, w.accounts.Init(t.Context()))
	w.serve(resolver.Options{})
	require.Equal(t, "UNAUTHENTICATED NO_SESSION", old.ask(refresh, nil).code(), "a session from before")

	boss, thief := w.viewer(), w.viewer()
	ticketOf := func(v *viewer) string {
		a := v.ask(password, creds(login, generated))
		require.Nil(t, v.get(a, "s", "accessToken"))
		require.Equal(t, true, v.get(a, "s", "secondFactor", "setUp"))
		return v.get(a, "s", "secondFactor", "ticket").(string)
	}
	ticket, early := ticketOf(boss), ticketOf(thief)
	require.Equal(t, "UNAUTHENTICATED", boss.ask(me, nil).code())
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", boss.ask(finish, input("ticket", ticket, "code", "000000")).code())
	ready := thief.ask(beginTotp, input("ticket", early))
	boss.setUp("ticket", ticket)
	require.NotEmpty(t, boss.cookie)
	boss.must(`{ users { totalCount } }`, nil)
	require.Equal(t, true, boss.get(boss.ask(myFactors, nil), "me", "factors", "required"))

	// Whoever has the password and a ticket from before cannot put a factor beside.
	key := app{w, strings.ReplaceAll(thief.get(ready, "b", "key").(string), " ", "")}
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", thief.ask(addTotp, input("ticket", early, "setUp", thief.get(ready, "b", "setUp"), "code", key.code())).code())
	a := thief.ask(beginKey, input("ticket", early))
	d := newAuthenticator(t)
	require.Equal(t, "UNAUTHENTICATED TICKET_ENDED", thief.ask(addKey, input("ticket", early, "answer", map[string]any{
		"challenge": thief.get(a, "c", "challenge"), "credential": d.create(thief.get(a, "c", "options").(string))})).code())

	require.Equal(t, "CONFLICT LAST_FACTOR", boss.ask(`mutation { deleteTotp { factors { recoveryCodes } } }`, nil).code())
	require.Empty(t, boss.enter(refresh, nil).Errors)
	require.NoError(t, w.accounts.ResetFactors(t.Context(), login))
	require.Eventually(t, boss.refused, 5*time.Second, time.Millisecond)
	ticketOf(w.viewer())
	viewerOnly := w.signedUp("ann")
	require.Equal(t, false, viewerOnly.get(viewerOnly.ask(myFactors, nil), "me", "factors", "required"))
}

func TestLastWayIn(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.signedUp("ann")
	v.addPasskey()
	_, err := w.pool.Exec(t.Context(), `UPDATE account SET password_hash = NULL WHERE login = 'ann'`)
	require.NoError(t, err)
	key := v.get(v.ask(myFactors, nil), "me", "factors", "passkeys").([]any)[0].(map[string]any)["id"]
	del := `mutation($i: DeletePasskeyInput!) { deletePasskey(input: $i) { factors { recoveryCodes } } }`
	require.Equal(t, "CONFLICT LAST_WAY_IN", v.ask(del, input("id", key)).code())
	v.addPasskey()
	v.must(del, input("id", key))
}

func TestFactorsArePrivate(t *testing.T) {
	w := newWorld(t, atHome)
	boss, ann := w.admin(), w.signedUp("ann")
	ann.setUp()
	a := boss.ask(`{ users { edges { node { login factors { recoveryCodes } } } } }`, nil)
	for _, e := range boss.get(a, "users", "edges").([]any) {
		n := e.(map[string]any)["node"].(map[string]any)
		require.Equal(t, n["login"] == "admin", n["factors"] != nil, n)
	}
	var sealed []byte
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT sealed FROM totp`).Scan(&sealed))
	require.Len(t, sealed, 12+20+16, "nonce, secret, tag")
}

func TestPasskeyAddresses(t *testing.T) {
	w := newWorld(t)
	for address, can := range map[string]bool{
		"https://cinema.example": true, "https://cinema.example:8443": true, "http://localhost:8080": true, "http://tv.localhost": true,
		"https://cinema": false, "http://cinema.example": false, "http://192.168.1.5:8080": false, "https://192.168.1.5": false,
		"https://[::1]:8080": false, "http://127.0.0.1:8080": false, "": false,
	} {
		deps := w.deps
		deps.PublicURL = address
		accounts, err := auth.New(deps)
		require.NoError(t, err)
		require.Equal(t, can, accounts.Passkeys().Available, address)
		require.Equal(t, can, accounts.Passkeys().Reason == "", address)
	}
	v := w.signedUp("ann")
	require.JSONEq(t, `{"passkeySupport":{"available":false,"address":""}}`, w.viewer().must(`{ passkeySupport { available address } }`, nil))
	require.Equal(t, "CONFLICT PASSKEYS_UNAVAILABLE", v.ask(beginKey, input()).code())
	require.Equal(t, "CONFLICT PASSKEYS_UNAVAILABLE", w.viewer().ask(ask, input()).code())
	v.setUp()
}

func TestTokenSaysWhen(t *testing.T) {
	w := newWorld(t)
	v := w.signedUp("ann")
	verifier, err := authn.NewVerifier(w.accounts.Signer().JWKS, w.revoked, w.clock.now)
	require.NoError(t, err)
	c, err := verifier.Verify(t.Context(), v.token)
	require.NoError(t, err)
	require.WithinDuration(t, w.clock.now(), c.SignedInAt, time.Second)
	w.clock.add(time.Hour)
	require.Empty(t, v.enter(refresh, nil).Errors)
	c, err = verifier.Verify(t.Context(), v.token)
	require.NoError(t, err)
	require.WithinDuration(t, w.clock.now().Add(-time.Hour), c.SignedInAt, time.Second, "a refresh is no sign-in")
}
