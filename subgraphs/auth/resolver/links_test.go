package resolver_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/mail"
	"github.com/netflixathome/cinema/internal/mail/smtp"
	"github.com/netflixathome/cinema/internal/mail/smtptest"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/resolver"
)

const (
	forgot       = `mutation($login: String!, $locale: Locale) { requestPasswordReset(input: {login: $login, locale: $locale}) { taken } }`
	check        = `mutation($token: String!) { checkPasswordLink(input: {token: $token}) { login } }`
	reset        = `mutation($token: String!, $password: String!) { resetPassword(input: {token: $token, password: $password}) { login } }`
	makeLink     = `mutation($id: ID!) { makePasswordLink(input: {userId: $id}) { url } }`
	change       = `mutation($email: String!) { changeEmail(input: {email: $email}) { sentTo } }`
	confirmEmail = `mutation($token: String!) { confirmEmail(input: {token: $token}) { email } }`
	undo         = `mutation($token: String!) { undoEmail(input: {token: $token}) { email resetToken } }`
	setEmail     = `mutation($id: ID!, $email: String) { setEmail(input: {userId: $id, email: $email}) { user { login email } } }`
	invite       = `mutation($roles: [RoleName!]!, $email: String, $days: Int, $note: String) { createInvitation(input: {roles: $roles, email: $email, days: $days, note: $note}) { url sent invitation { id roles email note by { login } } } }`
	invited      = `mutation($token: String!) { checkInvitation(input: {token: $token}) { email } }`
	accept       = `mutation($token: String!, $login: String, $password: String!) { s: acceptInvitation(input: {token: $token, login: $login, password: $password}) ` + session + ` }`
	withdraw     = `mutation($id: ID!) { withdrawInvitation(input: {id: $id}) { withdrawnId } }`

	ended = "INVALID LINK_ENDED input.token"
)

// mailed is a world that can write letters, and the server that gets them.
func mailed(t *testing.T, change ...func(*auth.Deps)) (*world, *smtptest.Server) {
	t.Helper()
	server := smtptest.Start(t, &smtptest.Server{TLS: "none"})
	sender, err := smtp.New(smtp.Config{Addr: server.Addr(), From: "cinema@example.org", TLS: smtp.Plain})
	require.NoError(t, err)
	log := &logged{}
	queue, err := mail.NewQueue(sender, slog.New(slog.NewTextHandler(log, nil)), func(what string, _ mail.Result, _ time.Duration) {
		require.Contains(t, auth.LetterKinds(), what)
	})
	require.NoError(t, err)
	w := newWorld(t, append([]func(*auth.Deps){atHome, func(d *auth.Deps) { d.Post = queue }}, change...)...)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = queue.Run(ctx) })
	running.Go(func() { _ = w.accounts.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		require.Empty(t, log.String(), "a letter is lost")
	})
	return w, server
}

var link = regexp.MustCompile(`https://cinema\.example(/[a-z-]+)#([A-Za-z0-9_-]{43})`)

// secretOf is what stands in the link of a letter, which leads to the page.
func secretOf(t *testing.T, l smtptest.Letter, to, page string) string {
	t.Helper()
	require.Equal(t, to, l.To)
	found := link.FindAllStringSubmatch(l.Text, -1)
	require.Len(t, found, 1, l.Text)
	require.Equal(t, page, found[0][1])
	for _, in := range link.FindAllStringSubmatch(l.HTML, -1) {
		require.Equal(t, found[0], in)
	}
	require.NotContains(t, strings.ReplaceAll(l.HTML, "https://cinema.example/", ""), "http", "nothing else is fetched or linked: no tracking")
	return found[0][2]
}

func token(secret string) map[string]any { return map[string]any{"token": secret} }

func withPassword(secret, password string) map[string]any {
	return map[string]any{"token": secret, "password": password}
}

func (v *viewer) forgot(login string) {
	v.w.t.Helper()
	require.JSONEq(v.w.t, `{"requestPasswordReset":{"taken":true}}`, v.must(forgot, map[string]any{"login": login}))
}

func TestPasswordResetStory(t *testing.T) {
	w, server := mailed(t)
	laptop, phone := w.signedUp("ann@example.org"), w.viewer()
	require.Empty(t, phone.enter(signIn, creds("ann@example.org", good)).Errors)

	elsewhere := w.viewer()
	elsewhere.header = map[string]string{"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "Origin": "https://evil.example"}
	elsewhere.forgot(" Ann@Example.org ")
	letter := server.Next()
	require.NotContains(t, letter.Raw, "evil")
	secret := secretOf(t, letter, "ann@example.org", "/reset")
	elsewhere.header = nil
	require.JSONEq(t, `{"checkPasswordLink":{"login":"ann@example.org"}}`, elsewhere.must(check, token(secret)))
	require.Equal(t, "INVALID PASSWORD_SHORT input.password", elsewhere.ask(reset, withPassword(secret, "short")).code())
	require.Equal(t, "INVALID PASSWORD_IS_LOGIN input.password", elsewhere.ask(reset, withPassword(secret, "ann@example.org")).code())
	require.JSONEq(t, `{"resetPassword":{"login":"ann@example.org"}}`, elsewhere.must(reset, withPassword(secret, better)), "what was wrong did not use it up")

	require.Eventually(t, laptop.refused, 5*time.Second, time.Millisecond)
	require.Eventually(t, phone.refused, 5*time.Second, time.Millisecond)
	require.Equal(t, "UNAUTHENTICATED NO_SESSION", phone.enter(refresh, nil).code())
	require.Empty(t, elsewhere.cookie, "it opens nothing")
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", elsewhere.enter(signIn, creds("ann@example.org", good)).code())
	require.Empty(t, elsewhere.enter(signIn, creds("ann@example.org", better)).Errors)
	require.Contains(t, server.Next().Header.Get("Subject"), "password was changed")

	for _, again := range []*answer{elsewhere.ask(reset, withPassword(secret, good)), elsewhere.ask(check, token(secret))} {
		require.Equal(t, ended, again.code())
	}
	require.NotContains(t, w.log.String(), secret)
	require.NotContains(t, w.log.String(), "example.org")
}

// A link is good for its purpose, once, for half an hour, until the next one.
func TestLinksEnd(t *testing.T) {
	w, server := mailed(t)
	ann := w.signedUp("ann@example.org")
	v := w.viewer()

	v.forgot("ann@example.org")
	older := secretOf(t, server.Next(), "ann@example.org", "/reset")
	v.forgot("ann@example.org")
	newer := secretOf(t, server.Next(), "ann@example.org", "/reset")
	require.Equal(t, ended, v.ask(reset, withPassword(older, better)).code())
	v.must(check, token(newer))

	ann.must(change, map[string]any{"email": "ann@example.net"})
	address := secretOf(t, server.Next(), "ann@example.net", "/confirm-email")
	for _, c := range []struct{ mutation, secret string }{
		{confirmEmail, newer}, {undo, newer}, {invited, newer}, {check, address}, {undo, address}, {invited, address},
	} {
		require.Equal(t, ended, v.ask(c.mutation, token(c.secret)).code(), "of another purpose: %s", c.mutation)
	}
	require.Equal(t, ended, v.ask(reset, withPassword(address, better)).code())
	require.Equal(t, ended, v.ask(accept, withPassword(newer, better)).code())

	raw, err := base64.RawURLEncoding.DecodeString(newer)
	require.NoError(t, err)
	raw[0] ^= 1
	for _, guess := range []string{
		"", "x", base64.RawURLEncoding.EncodeToString(raw), newer + "A", newer[:42], newer[:42] + "=", newer + "=", strings.Repeat("A", 43), strings.Repeat("A", 1<<16), "\x00" + newer[1:], hex.EncodeToString(raw),
	} {
		require.Equal(t, ended, v.ask(check, token(guess)).code(), "%.60q", guess)
	}
	v.must(check, token(newer))
	w.clock.add(30*time.Minute + time.Second)
	require.Equal(t, ended, v.ask(check, token(newer)).code())
	require.Equal(t, ended, v.ask(reset, withPassword(newer, better)).code())
	require.Equal(t, ended, v.ask(confirmEmail, token(address)).code())
	require.Empty(t, v.enter(signIn, creds("ann@example.org", good)).Errors, "nothing has changed")
}

// Only hashes are kept: who reads the database can follow no link.
func TestLinksAreNotKept(t *testing.T) {
	w, server := mailed(t)
	admin := w.admin()
	w.signedUp("ann@example.org")
	w.viewer().forgot("ann@example.org")
	secrets := []string{secretOf(t, server.Next(), "ann@example.org", "/reset")}
	url := admin.get(admin.ask(invite, map[string]any{"roles": []string{"VIEWER"}, "days": 3}), "createInvitation", "url").(string)
	secrets = append(secrets, link.FindStringSubmatch(url)[2])
	for _, secret := range secrets {
		raw, err := base64.RawURLEncoding.DecodeString(secret)
		require.NoError(t, err)
		for _, table := range []string{"link", "invitation", "audit", "account", "session", "sign_in"} {
			require.Zero(t, w.count(`SELECT count(*) FROM `+table+` t WHERE t::text LIKE '%'||$1||'%' OR t::text LIKE '%'||$2||'%'`, secret, hex.EncodeToString(raw)), table)
		}
		require.NotContains(t, w.log.String(), secret)
	}
	require.Equal(t, 1, w.count(`SELECT count(*) FROM link`))
}

// Whoever asks learns nothing of whether there is an account.
func TestAskingForALinkTellsNothing(t *testing.T) {
	w, server := mailed(t)
	admin := w.admin()
	_, blocked := w.member(admin, "blocked@example.org")
	admin.must(updateUser, map[string]any{"id": blocked, "blocked": true})
	w.signedUp("plain")
	w.demo("demo@example.org", "D", w.clock.now())
	w.signedUp("ann@example.org")

	answers := map[string][]string{}
	for i, login := range []string{"nobody@example.org", "nobody", "blocked@example.org", "plain", "demo@example.org", "ann@example.org"} {
		v := w.viewer()
		v.address = fmt.Sprintf("198.51.100.%d", i)
		for range 5 { // beyond what one login may ask for
			v.ask(forgot, map[string]any{"login": login})
			answers[login] = append(answers[login], v.last.Body.String()+v.last.Header().Get("Retry-After"))
		}
	}
	require.Contains(t, answers["ann@example.org"][4], "RATE_LIMITED")
	for login, got := range answers {
		require.Equal(t, answers["ann@example.org"], got, login)
	}
	for range 3 {
		secretOf(t, server.Next(), "ann@example.org", "/reset")
	}
	require.Zero(t, server.Came(), "nobody else is written to")
	require.Equal(t, 1, w.count(`SELECT count(*) FROM link`))

	v := w.viewer()
	v.address = "198.51.100.99"
	for i := range 10 {
		v.forgot(fmt.Sprintf("stranger%d@example.org", i))
	}
	require.Equal(t, "RATE_LIMITED", v.ask(forgot, map[string]any{"login": "another@example.org"}).code(), "of one address")
	v.address = "198.51.100.100"
	for _, login := range []string{"a", "ann@example.org\r\nBcc: eve@example.org", "ann@example.org, eve@example.org", strings.Repeat("x", 2000)} {
		require.Equal(t, "INVALID LOGIN_INVALID input.login", v.ask(forgot, map[string]any{"login": login}).code(), "%.40q", login)
	}
}

func TestGuessingLinksIsLimited(t *testing.T) {
	w := newWorld(t, atHome)
	v := w.viewer()
	var codes []string
	for range 70 {
		codes = append(codes, v.ask(check, token(strings.Repeat("A", 43))).code())
	}
	require.Equal(t, ended, codes[0])
	require.Equal(t, "RATE_LIMITED", codes[69])
	require.NotEmpty(t, v.last.Header().Get("Retry-After"))
}

func TestASecondFactorIsStillAskedForAfterAReset(t *testing.T) {
	w, server := mailed(t)
	ann := w.signedUp("ann@example.org")
	ann.setUp()
	v := w.viewer()
	v.forgot("ann@example.org")
	v.must(reset, withPassword(secretOf(t, server.Next(), "ann@example.org", "/reset"), better))
	a := v.ask(signIn2, creds("ann@example.org", better))
	require.Equal(t, true, v.get(a, "signIn", "secondFactor", "totp"))
	require.Nil(t, v.get(a, "signIn", "accessToken"))
	require.Empty(t, v.cookie)
}

const signIn2 = `mutation($login: String!, $password: String!) { signIn(input: {login: $login, password: $password}) { accessToken secondFactor { totp } } }`

// atOnce runs do in many goroutines and returns how many codes were each.
func atOnce(n int, do func(i int) string) map[string]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	codes := map[string]int{}
	for i := range n {
		all.Go(func() {
			code := do(i)
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	all.Wait()
	return codes
}

func TestALinkIsGoodOnceAtOnce(t *testing.T) {
	w, server := mailed(t)
	w.signedUp("ann@example.org")
	w.viewer().forgot("ann@example.org")
	secret := secretOf(t, server.Next(), "ann@example.org", "/reset")
	codes := atOnce(8, func(i int) string { return w.viewer().ask(reset, withPassword(secret, better+fmt.Sprint(i))).code() })
	require.Equal(t, map[string]int{"": 1, ended: 7}, codes)
}

func TestWithoutMail(t *testing.T) {
	w := newWorld(t, atHome)
	admin := w.admin()
	ann, id := w.member(admin, "ann@example.org")
	require.JSONEq(t, `{"waysIn":{"signUp":"OPEN","mail":false}}`, w.viewer().must(`{ waysIn { signUp mail } }`, nil))
	require.Equal(t, "CONFLICT NO_MAIL", w.viewer().ask(forgot, map[string]any{"login": "ann@example.org"}).code())
	require.Equal(t, "CONFLICT NO_MAIL", ann.ask(change, map[string]any{"email": "ann@example.net"}).code())

	require.Equal(t, "FORBIDDEN", ann.ask(makeLink, map[string]any{"id": id}).code())
	a := admin.ask(makeLink, map[string]any{"id": id})
	found := link.FindStringSubmatch(admin.get(a, "makePasswordLink", "url").(string))
	require.Equal(t, "/reset", found[1])
	require.JSONEq(t, `{"resetPassword":{"login":"ann@example.org"}}`, w.viewer().must(reset, withPassword(found[2], better)))
	require.Eventually(t, ann.refused, 5*time.Second, time.Millisecond)

	text := admin.must(readAudit, map[string]any{"f": map[string]any{"action": "user.password_link"}})
	require.Contains(t, text, `"person":{"login":"ann@example.org"}`)
	require.NotContains(t, text, found[2])

	mine := admin.get(admin.ask(`{ me { id } }`, nil), "me", "id")
	require.Equal(t, "CONFLICT YOURSELF", admin.ask(makeLink, map[string]any{"id": mine}).code())
	admin.must(createRole, map[string]any{"name": "HELP_DESK", "permissions": []string{"user:read", "user:write"}})
	helper, _ := w.member(admin, "helper", "HELP_DESK")
	require.Equal(t, "FORBIDDEN ABOVE_YOU", helper.ask(makeLink, map[string]any{"id": mine}).code())
	require.Equal(t, "FORBIDDEN ABOVE_YOU", helper.ask(setEmail, map[string]any{"id": mine, "email": "helper@example.org"}).code())

	require.JSONEq(t, `{"setEmail":{"user":{"login":"ann@example.net","email":"ann@example.net"}}}`, admin.must(setEmail, map[string]any{"id": id, "email": "Ann@example.net"}))
	require.NotContains(t, admin.must(readAudit, map[string]any{"f": map[string]any{"action": "user.email"}}), "example.org", "the log keeps no address")
	require.Equal(t, "INVALID EMAIL_IS_LOGIN input.email", admin.ask(setEmail, map[string]any{"id": id}).code())

	w.clock.add(11 * time.Minute)
	require.Equal(t, "", admin.enter(refresh, nil).code())
	for _, q := range []struct {
		mutation string
		in       map[string]any
	}{{makeLink, map[string]any{"id": id}}, {setEmail, map[string]any{"id": id, "email": "x@example.org"}}, {invite, map[string]any{"roles": []string{"VIEWER"}, "days": 1}}} {
		require.Equal(t, "FORBIDDEN REAUTHENTICATION_REQUIRED", admin.ask(q.mutation, q.in).code())
	}
}

func TestChangeOfAddress(t *testing.T) {
	w, server := mailed(t)
	ann := w.signedUp("ann@example.org")
	require.Equal(t, "INVALID EMAIL_SAME input.email", ann.ask(change, map[string]any{"email": "ANN@example.org"}).code())
	for _, address := range []string{"ann", "", "ann@example.net\r\nBcc: eve@example.org", "ann@example.net,eve@example.org", "<ann@example.net>", "Ann <ann@example.net>", "ann@example.net\x00", "@example.net", "ann@"} {
		require.Equal(t, "INVALID EMAIL_INVALID input.email", ann.ask(change, map[string]any{"email": address}).code(), "%q", address)
	}
	// A link to the old mailbox is on its way.
	v := w.viewer()
	v.forgot("ann@example.org")
	onItsWay := secretOf(t, server.Next(), "ann@example.org", "/reset")

	require.JSONEq(t, `{"changeEmail":{"sentTo":"ann@example.net"}}`, ann.must(change, map[string]any{"email": " Ann@Example.net "}))
	letter := server.Next()
	secret := secretOf(t, letter, "ann@example.net", "/confirm-email")
	require.NotContains(t, letter.Text+letter.HTML, "example.org", "it holds nothing that whoever asked for it wrote")
	require.JSONEq(t, `{"me":{"login":"ann@example.org","email":"ann@example.org"}}`, ann.must(`{ me { login email } }`, nil), "nothing yet")

	other := w.viewer() // another browser, signed in as nobody
	require.JSONEq(t, `{"confirmEmail":{"email":"ann@example.net"}}`, other.must(confirmEmail, token(secret)))
	require.Equal(t, ended, other.ask(confirmEmail, token(secret)).code())
	require.Equal(t, ended, other.ask(check, token(onItsWay)).code(), "a link to the old mailbox ends")
	notice := server.Next()
	require.Contains(t, notice.Text, "ann@example.net")
	back := secretOf(t, notice, "ann@example.org", "/undo-email")
	require.JSONEq(t, `{"me":{"login":"ann@example.net","email":"ann@example.net"}}`, ann.must(`{ me { login email } }`, nil))
	require.Empty(t, w.viewer().enter(signIn, creds("ann@example.net", good)).Errors)
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", w.viewer().enter(signIn, creds("ann@example.org", good)).code())

	// The old address stays free for its owner.
	require.Equal(t, "CONFLICT LOGIN_TAKEN input.login", w.viewer().enter(signUp, creds("ann@example.org", good)).code())
	bob := w.signedUp("bob")
	bob.must(change, map[string]any{"email": "ann@example.org"})
	require.Equal(t, "CONFLICT EMAIL_TAKEN input.token", bob.ask(confirmEmail, token(secretOf(t, server.Next(), "ann@example.org", "/confirm-email"))).code())

	a := other.ask(undo, token(back))
	require.Equal(t, "ann@example.org", other.get(a, "undoEmail", "email"))
	require.Eventually(t, ann.refused, 5*time.Second, time.Millisecond, "whoever changed it is signed out")
	other.must(reset, withPassword(other.get(a, "undoEmail", "resetToken").(string), better))
	require.Empty(t, w.viewer().enter(signIn, creds("ann@example.org", better)).Errors)
	require.Equal(t, ended, other.ask(undo, token(back)).code())
	require.Zero(t, w.count(`SELECT count(*) FROM link WHERE account_id = (SELECT id FROM account WHERE login = 'ann@example.org')`))
}

// Whoever took an account over cannot get rid of its owner by changing the
// address twice.
func TestTheFirstAddressCanBeTakenBack(t *testing.T) {
	w, server := mailed(t)
	thief := w.signedUp("ann@example.org")
	move := func(from, to string) string {
		w.clock.add(time.Second)
		thief.must(change, map[string]any{"email": to})
		thief.must(confirmEmail, token(secretOf(t, server.Next(), to, "/confirm-email")))
		return secretOf(t, server.Next(), from, "/undo-email")
	}
	first := move("ann@example.org", "thief@example.org")
	second := move("thief@example.org", "thief@example.net")
	thief.must(change, map[string]any{"email": "thief@example.com"})
	pending := secretOf(t, server.Next(), "thief@example.com", "/confirm-email")
	thief.forgot("thief@example.net")
	password := secretOf(t, server.Next(), "thief@example.net", "/reset")

	owner := w.viewer()
	require.Equal(t, "ann@example.org", owner.get(owner.ask(undo, token(first)), "undoEmail", "email"))
	require.Equal(t, ended, w.viewer().ask(undo, token(second)).code())
	require.Equal(t, ended, w.viewer().ask(confirmEmail, token(pending)).code())
	require.Equal(t, ended, w.viewer().ask(check, token(password)).code())

	// And the other way round: a later way back leaves the earlier one.
	w, server = mailed(t)
	thief = w.signedUp("ann@example.org")
	first = move("ann@example.org", "thief@example.org")
	second = move("thief@example.org", "thief@example.net")
	w.clock.add(time.Minute)
	w.viewer().must(undo, token(second))
	require.Equal(t, "ann@example.org", owner.get(w.viewer().ask(undo, token(first)), "undoEmail", "email"))

	w, server = mailed(t)
	thief = w.signedUp("ann@example.org")
	first = move("ann@example.org", "thief@example.org")
	w.clock.add(7*24*time.Hour + time.Second)
	require.Equal(t, ended, w.viewer().ask(undo, token(first)).code(), "for a bounded time")
}

func TestAddressOfAPlainLogin(t *testing.T) {
	w, server := mailed(t)
	admin := w.admin()
	bob, id := w.member(admin, "<b>bob</b>")
	require.JSONEq(t, `{"me":{"email":null}}`, bob.must(`{ me { email } }`, nil))
	bob.must(change, map[string]any{"email": "bob@example.org"})
	bob.must(confirmEmail, token(secretOf(t, server.Next(), "bob@example.org", "/confirm-email")))
	require.JSONEq(t, `{"me":{"login":"<b>bob</b>","email":"bob@example.org"}}`, bob.must(`{ me { login email } }`, nil))
	require.Equal(t, "CONFLICT LOGIN_TAKEN input.login", w.viewer().enter(signUp, creds("bob@example.org", good)).code(), "login and address are of one account")

	for _, name := range []string{"<b>bob</b>", "bob@example.org"} {
		w.viewer().forgot(name)
		letter := server.Next()
		secretOf(t, letter, "bob@example.org", "/reset")
		require.Contains(t, letter.Text, "<b>bob</b>")
		require.Contains(t, letter.HTML, html.EscapeString("<b>bob</b>"))
		require.NotContains(t, letter.HTML, "<b>")
	}
	require.JSONEq(t, `{"setEmail":{"user":{"login":"<b>bob</b>","email":null}}}`, admin.must(setEmail, map[string]any{"id": id}))
	require.Equal(t, "bob@example.org", server.Next().To, "the old address is told")
	require.Zero(t, w.count(`SELECT count(*) FROM link`))
}

func TestLettersAreInTheAccountsLanguage(t *testing.T) {
	w, server := mailed(t)
	w.signedUp("ann@example.org")
	for _, c := range []struct{ profile, asked, want string }{{"", "ru", "ru"}, {"en", "ru", "en"}, {"ru-RU", "en", "ru"}, {"", "de", "en"}} {
		_, err := w.pool.Exec(t.Context(), `UPDATE profile SET locale = nullif($1, '')`, c.profile)
		require.NoError(t, err)
		w.viewer().must(forgot, map[string]any{"login": "ann@example.org", "locale": c.asked})
		letter := server.Next()
		require.Equal(t, c.want, letter.Header.Get("Content-Language"))
		require.Equal(t, c.want == "ru", strings.Contains(letter.Text, "пароль"))
		require.Equal(t, c.want == "ru", strings.Contains(letter.HTML, "пароль"))
		w.clock.add(time.Hour)
	}
}

func TestWhoIsDeletedLosesLinks(t *testing.T) {
	w, server := mailed(t)
	admin := w.admin()
	admin.must(createRole, map[string]any{"name": "HELP_DESK", "permissions": []string{"user:read", "user:write"}})
	ann, id := w.member(admin, "ann@example.org", "HELP_DESK")
	w.viewer().forgot("ann@example.org")
	secret := secretOf(t, server.Next(), "ann@example.org", "/reset")
	ann.must(invite, map[string]any{"roles": []string{"VIEWER"}, "days": 1})
	admin.must(deleteUser, map[string]any{"id": id})
	require.Equal(t, ended, w.viewer().ask(check, token(secret)).code())
	require.Zero(t, w.count(`SELECT (SELECT count(*) FROM link) + (SELECT count(*) FROM invitation)`))
}

func TestInvitation(t *testing.T) {
	w, server := mailed(t, func(d *auth.Deps) { d.SignUp = auth.SignUpByInvitation })
	admin := w.admin()
	stranger := w.viewer()
	require.JSONEq(t, `{"waysIn":{"signUp":"INVITATION","mail":true}}`, stranger.must(`{ waysIn { signUp mail } }`, nil))
	require.Equal(t, "FORBIDDEN SIGN_UP_BY_INVITATION", stranger.enter(signUp, creds("eve", good)).code())
	require.Equal(t, "FORBIDDEN", stranger.enter(strings.Replace(signUp, "name: $name", "name: $name, demo: true", 1), creds("eve", good)).code()[:9], "nor as a synthetic viewer")

	a := admin.ask(invite, map[string]any{"roles": []string{"EDITOR", "VIEWER", "EDITOR"}, "email": "Ann@example.org", "days": 7, "note": " for  <i>Ann</i> "})
	url := admin.get(a, "createInvitation", "url").(string)
	require.Equal(t, true, admin.get(a, "createInvitation", "sent"))
	letter := server.Next()
	secret := secretOf(t, letter, "ann@example.org", "/invitation")
	require.Equal(t, "https://cinema.example/invitation#"+secret, url)
	require.NotContains(t, letter.Raw, "<i>")
	require.Contains(t, admin.must(`{ invitations { roles email note by { login } } }`, nil),
		`{"by":{"login":"admin"},"email":"ann@example.org","note":"for \u003ci\u003eAnn\u003c/i\u003e","roles":["EDITOR","VIEWER"]}`)

	require.JSONEq(t, `{"checkInvitation":{"email":"ann@example.org"}}`, stranger.must(invited, token(secret)))
	require.Equal(t, "INVALID INVITED_EMAIL input.login", stranger.enter(accept, map[string]any{"token": secret, "login": "eve@example.org", "password": good}).code())
	require.Equal(t, "INVALID PASSWORD_SHORT input.password", stranger.enter(accept, withPassword(secret, "short")).code())
	a = stranger.enter(accept, withPassword(secret, good))
	require.Equal(t, "ann@example.org", stranger.get(a, "s", "user", "login"))
	require.Equal(t, []any{"EDITOR", "VIEWER"}, stranger.get(a, "s", "user", "roles"))
	require.NotEmpty(t, stranger.cookie)
	require.Equal(t, ended, w.viewer().enter(accept, withPassword(secret, good)).code(), "once")
	require.JSONEq(t, `{"invitations":[]}`, admin.must(`{ invitations { id } }`, nil))

	text := admin.must(readAudit, map[string]any{"f": map[string]any{"action": "invitation."}})
	require.Contains(t, text, `"action":"invitation.create"`)
	require.Contains(t, text, `"action":"invitation.accept","actor":{"login":"ann@example.org"}`)
	require.NotContains(t, text, secret)

	// One that is open to any login, and a login that is taken does not use it up.
	url = admin.get(admin.ask(invite, map[string]any{"roles": []string{"VIEWER"}, "days": 1}), "createInvitation", "url").(string)
	secret = link.FindStringSubmatch(url)[2]
	bob := w.viewer()
	require.Equal(t, "CONFLICT LOGIN_TAKEN input.login", bob.enter(accept, map[string]any{"token": secret, "login": "admin", "password": good}).code())
	require.Empty(t, bob.enter(accept, map[string]any{"token": secret, "login": "bob", "password": good}).Errors)
	require.Zero(t, server.Came())
}

func TestAnInvitationIsGoodOnceAtOnce(t *testing.T) {
	w := newWorld(t, atHome)
	admin := w.admin()
	url := admin.get(admin.ask(invite, map[string]any{"roles": []string{"VIEWER"}, "days": 1}), "createInvitation", "url").(string)
	secret := link.FindStringSubmatch(url)[2]
	var made atomic.Int32
	codes := atOnce(8, func(i int) string {
		v := w.viewer()
		code := v.ask(accept, map[string]any{"token": secret, "login": fmt.Sprintf("guest%d", i), "password": good}).code()
		if code == "" {
			made.Add(1)
		}
		return code
	})
	require.Equal(t, map[string]int{"": 1, ended: 7}, codes)
	require.EqualValues(t, 1, made.Load())
	require.Equal(t, 1, w.count(`SELECT count(*) FROM account WHERE login LIKE 'guest%'`))
}

func TestInvitationsAreRefused(t *testing.T) {
	w := newWorld(t, atHome)
	admin := w.admin()
	admin.must(createRole, map[string]any{"name": "HELP_DESK", "permissions": []string{"user:read", "user:write"}})
	admin.must(createRole, map[string]any{"name": "PRESS", "permissions": []string{}})
	helper, helperID := w.member(admin, "helper", "HELP_DESK")
	guest := w.signedUp("viewer")
	for _, c := range []struct {
		by   *viewer
		in   map[string]any
		want string
	}{
		{guest, map[string]any{"roles": []string{"VIEWER"}, "days": 1}, "FORBIDDEN"},
		{helper, map[string]any{"roles": []string{"ADMIN"}, "days": 1}, "FORBIDDEN BEYOND_YOURS input.roles"},
		{helper, map[string]any{"roles": []string{"EDITOR"}, "days": 1}, "FORBIDDEN BEYOND_YOURS input.roles"},
		{admin, map[string]any{"roles": []string{"NOWHERE"}, "days": 1}, "INVALID input.roles"},
		{admin, map[string]any{"roles": []string{}, "days": 1}, "INVALID input.roles"},
		{admin, map[string]any{"roles": []string{"VIEWER"}, "days": 0}, "INVALID input.days"},
		{admin, map[string]any{"roles": []string{"VIEWER"}, "days": 31}, "INVALID input.days"},
		{admin, map[string]any{"roles": []string{"VIEWER"}, "days": 1, "note": strings.Repeat("x", 201)}, "INVALID input.note"},
		{admin, map[string]any{"roles": []string{"VIEWER"}, "days": 1, "email": "ann@example.org\nBcc: x@example.org"}, "INVALID EMAIL_INVALID input.email"},
	} {
		require.Equal(t, c.want, c.by.ask(invite, c.in).code(), "%v", c.in)
	}
	require.Equal(t, "FORBIDDEN", guest.ask(`{ invitations { id } }`, nil).code())

	open := func(by *viewer, role string) (id, secret string) {
		a := by.ask(invite, map[string]any{"roles": []string{role}, "days": 2})
		return by.get(a, "createInvitation", "invitation", "id").(string), link.FindStringSubmatch(by.get(a, "createInvitation", "url").(string))[2]
	}
	n := 0
	refused := func(secret string) {
		t.Helper()
		n++
		require.Equal(t, ended, w.viewer().enter(accept, map[string]any{"token": secret, "login": fmt.Sprintf("guest%d", n), "password": good}).code())
	}
	id, secret := open(admin, "VIEWER")
	require.Equal(t, "FORBIDDEN", guest.ask(withdraw, map[string]any{"id": id}).code())
	admin.must(withdraw, map[string]any{"id": id})
	require.Equal(t, "NOT_FOUND input.id", admin.ask(withdraw, map[string]any{"id": id}).code())
	require.Equal(t, "NOT_FOUND input.id", admin.ask(withdraw, map[string]any{"id": gid.New(gid.User).String()}).code())
	refused(secret)

	_, secret = open(admin, "PRESS")
	admin.must(deleteRole, map[string]any{"name": "PRESS"})
	refused(secret)

	// What whoever invited may no longer give is not given.
	_, secret = open(helper, "HELP_DESK")
	_, blocked := open(helper, "VIEWER")
	admin.must(updateUser, map[string]any{"id": helperID, "roles": []string{"VIEWER"}})
	refused(secret)
	refused(blocked)
	admin.must(updateUser, map[string]any{"id": helperID, "roles": []string{"HELP_DESK"}, "blocked": true})
	refused(blocked)
	admin.must(updateUser, map[string]any{"id": helperID, "blocked": false})
	require.Empty(t, w.viewer().enter(accept, map[string]any{"token": blocked, "login": "late", "password": good}).Errors, "no refusal used it up")

	_, secret = open(admin, "VIEWER")
	w.clock.add(48*time.Hour + time.Second)
	refused(secret)
}

func TestClosedSignUp(t *testing.T) {
	w := newWorld(t, atHome)
	admin := w.admin()
	url := admin.get(admin.ask(invite, map[string]any{"roles": []string{"VIEWER"}, "days": 1}), "createInvitation", "url").(string)
	deps := w.deps
	deps.SignUp = auth.SignUpClosed
	var err error
	w.accounts, err = auth.New(deps)
	require.NoError(t, err)
	require.NoError(t, w.accounts.Init(t.Context()))
	w.serve(resolver.Options{})
	v := w.viewer()
	require.JSONEq(t, `{"waysIn":{"signUp":"CLOSED","mail":false}}`, v.must(`{ waysIn { signUp mail } }`, nil))
	require.Equal(t, "FORBIDDEN SIGN_UP_CLOSED", v.enter(signUp, creds("eve", good)).code())
	require.Equal(t, "FORBIDDEN SIGN_UP_CLOSED", v.enter(accept, map[string]any{"token": link.FindStringSubmatch(url)[2], "login": "eve", "password": good}).code())
	require.Equal(t, "FORBIDDEN SIGN_UP_CLOSED", admin.ask(invite, map[string]any{"roles": []string{"VIEWER"}, "days": 1}).code())
	require.Equal(t, 1, w.count(`SELECT count(*) FROM account`))

	deps.SignUp = "SOMETIMES"
	_, err = auth.New(deps)
	require.Error(t, err)
}
