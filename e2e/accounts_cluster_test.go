package e2e

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
	"github.com/netflixathome/cinema/e2e/provider"
)

const (
	whoAmI      = `{ me { login } }`
	signOut     = `mutation { signOut { signedOut } }`
	goOn        = `mutation { refreshSession { accessToken } }`
	endAll      = `mutation($id: ID) { endSessions(input: {userId: $id}) { ended } }`
	newPassword = `mutation($old: String, $new: String!) { changePassword(input: {password: $old, newPassword: $new}) { ended } }`
	block       = `mutation($id: ID!, $b: Boolean!) { updateUser(input: {id: $id, blocked: $b}) { user { id } } }`
	linkFor     = `mutation($id: ID!) { makePasswordLink(input: {userId: $id}) { url } }`
	tryPassword = `mutation($login: String!, $p: String!) { signIn(input: {login: $login, password: $p}) { accessToken secondFactor { ticket } } }`
	secondStep  = `mutation($i: FinishSignInInput!) { finishSignIn(input: $i) { accessToken } }`
	nextWord    = "orange balloon 1977"
)

// TestAccountsOnTwoOfEach attacks accounts from two sides: what is done by one
// router and its auth service must be so at the other, too, and what is good
// once must be good once for both.
func TestAccountsOnTwoOfEach(t *testing.T) {
	redis := cinema.StartRedis(t)
	ports := freePorts(t, 2)
	public := issuerAt(ports[0])
	startProvider(t, ports[1], public+"/signin/with/home")
	box, mail := newMailbox(t)
	w := &twofold{box: box, public: public, Pair: cinema.StartPair(t, redis, strconv.Itoa(ports[0]),
		"CINEMA_PUBLIC_URL="+public, "CINEMA_SMTP_ADDR="+mail, "CINEMA_SMTP_TLS=none", "CINEMA_SMTP_FROM=cinema@example.org",
		"CINEMA_OIDC=home", "CINEMA_OIDC_HOME_NAME=Home", "CINEMA_OIDC_HOME_ISSUER="+issuerAt(ports[1]),
		"CINEMA_OIDC_HOME_CLIENT_ID=cinema", "CINEMA_OIDC_HOME_CLIENT_SECRET="+provider.Secret)}
	w.admin = w.browser(0)
	w.admin.SignIn(t, "admin", w.Routers[0].AdminPassword)
	playable(t, w.admin) // there is a film from here on

	for _, attack := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"who is signed out is out at both", w.signedOut},
		{"a device that goes on as another profile leaves the one before at both", w.switched},
		{"other rights count at both", w.rights},
		{"a program's key ends at both", w.keys},
		{"attempts are counted together", w.counted},
		{"two tabs that refresh at both get the same", w.refreshed},
		{"a session that is opened while the password changes is none", w.overtaken},
		{"links are good once", w.links},
		{"codes and tickets are good once", w.codes},
		{"a provider's answer is good once", w.answers},
		{"of two admins who end each other one stays", w.admins},
		{"a new signing key is known to both", w.rotated},
		{"without Redis", w.withoutRedis},
	} {
		renew(t, w.admin) // a token lasts five minutes
		t.Run(attack.name, attack.run)
	}
}

// twofold is two of each, with an administrator and a mailbox.
type twofold struct {
	*cinema.Pair
	admin  *cinema.Client
	box    mailbox
	public string
	made   int
}

// browser is a new one at a router, with an address that nobody else has.
func (w *twofold) browser(router int) *cinema.Client {
	w.made++
	c := w.Routers[router].Client()
	c.Header = map[string]string{"X-Forwarded-For": fmt.Sprintf("198.51.%d.%d", w.made/250, 1+w.made%250)}
	return c
}

// at is the same browser at a router.
func (w *twofold) at(router int, c *cinema.Client) *cinema.Client {
	d := *c
	d.URL = w.Routers[router].URL
	return &d
}

// viewer signs one up.
func (w *twofold) viewer(t *testing.T, login string) (*cinema.Client, string) {
	t.Helper()
	c := w.browser(0)
	return c, c.SignUp(t, login, password).User.ID
}

// thief is whoever comes with the cookies of a browser as they are now.
func (w *twofold) thief(t *testing.T, router int, of *cinema.Client) *cinema.Client {
	t.Helper()
	at, err := url.Parse(of.URL)
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	jar.SetCookies(at, of.HTTP.Jar.Cookies(at))
	c := w.browser(router)
	c.HTTP.Jar = jar
	return c
}

// race does something eight times at once, half at each router, and returns what
// was answered.
func (w *twofold) race(do func(router, n int) *cinema.Answer) (well, badly []*cinema.Answer) {
	answers := make([]*cinema.Answer, 8)
	var all sync.WaitGroup
	for n := range answers {
		all.Go(func() { answers[n] = do(n%2, n) })
	}
	all.Wait()
	for _, a := range answers {
		if len(a.Errors) == 0 {
			well = append(well, a)
		} else {
			badly = append(badly, a)
		}
	}
	return well, badly
}

// out fails unless a token is refused at both routers at once, and so are
// the cookie, the address of a film, and the streams.
func (w *twofold) out(t *testing.T, c *cinema.Client, film string, streams []<-chan string) {
	t.Helper()
	for n := range w.Routers {
		refused(t, w.at(n, c), whoAmI, "UNAUTHENTICATED")
	}
	w.shut(t, c, film, streams)
	for n := range w.Routers {
		nobody := w.thief(t, n, c)
		require.Equal(t, "UNAUTHENTICATED", nobody.Do(t, goOn, nil).Code())
	}
}

// shut fails unless an address of a film is refused at both routers at once, and
// streams have ended.
func (w *twofold) shut(t *testing.T, c *cinema.Client, film string, streams []<-chan string) {
	t.Helper()
	haveEnded(t, within, streams...)
	for n := range w.Routers {
		cinema.Eventually(t, within, func() error {
			if status, _ := w.at(n, c).Get(t, film); status != http.StatusForbidden {
				return fmt.Errorf("the film's address at router %d: %d", n, status)
			}
			return nil
		})
	}
}

// haveEnded fails unless streams end in time because their session did.
func haveEnded(t *testing.T, in time.Duration, streams ...<-chan string) {
	t.Helper()
	limit := time.After(in)
	for n, ended := range streams {
		select {
		case why := <-ended:
			require.Equal(t, "signed out", why, "stream %d", n)
		case <-limit:
			require.Fail(t, "a stream is still open", "stream %d", n)
		}
	}
}

// watching opens a WebSocket and an SSE stream at each router and gets the address of
// a film there.
func (w *twofold) watching(t *testing.T, c *cinema.Client) (film string, streams []<-chan string) {
	t.Helper()
	f := playable(t, c)
	for n := range w.Routers {
		status, _ := w.at(n, c).Get(t, f.Playback.URL)
		require.Equal(t, 200, status)
		streams = append(streams, overSocket(t, w.at(n, c), f), overEvents(t, w.at(n, c), f))
	}
	return f.Playback.URL, streams
}

func watchInput(f title) map[string]any {
	return map[string]any{"i": map[string]any{
		"sessionUuid": newID(), "playableId": f.ID, "titleId": f.ID, "durationMs": f.Playback.DurationMs, "device": device}}
}

// overSocket watches by WebSocket; the channel says why that ended.
func overSocket(t *testing.T, c *cinema.Client, f title) <-chan string {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(c.URL, "http")+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	require.NoError(t, err)
	var m struct{ Type string }
	say := func(what map[string]any, answer string) {
		require.NoError(t, wsjson.Write(ctx, conn, what))
		require.NoError(t, wsjson.Read(ctx, conn, &m))
		require.Equal(t, answer, m.Type)
	}
	say(map[string]any{"type": "connection_init", "payload": map[string]any{"authorization": "Bearer " + c.Token}}, "connection_ack")
	say(map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": watchSubscription, "variables": watchInput(f)}}, "next")
	return ending(t, func() string {
		for {
			if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) == 4403 {
				return "signed out"
			} else if err != nil {
				return err.Error()
			}
		}
	}, func() { _ = conn.CloseNow(); stop() })
}

const watchToEnd = `subscription($i: WatchInput!) { watch(input: $i) { sessionId ended } }`

// overEvents watches by SSE.
func overEvents(t *testing.T, c *cinema.Client, f title) <-chan string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": watchToEnd, "variables": watchInput(f)})
	require.NoError(t, err)
	res := c.Request(t, http.MethodPost, "/graphql", strings.NewReader(string(body)), map[string]string{"Accept": "text/event-stream", "Content-Type": "application/json"})
	lines := bufio.NewScanner(res.Body)
	until := func(word string) string {
		for lines.Scan() {
			// The service that is asked may say so before the router does.
			line := strings.NewReplacer("UNAUTHENTICATED", "signed out", "SIGNED_OUT", "signed out").Replace(lines.Text())
			if strings.Contains(line, word) {
				return word
			}
		}
		return fmt.Sprintf("not %s: %v", word, lines.Err())
	}
	require.Equal(t, "sessionId", until("sessionId"))
	return ending(t, func() string { return until("signed out") }, func() { _ = res.Body.Close() })
}

// ending waits for the end of a stream beside the test, and closes it with the test.
func ending(t *testing.T, wait func() string, shut func()) <-chan string {
	ended := make(chan string, 1)
	var reader sync.WaitGroup
	reader.Go(func() { ended <- wait() })
	t.Cleanup(func() { shut(); reader.Wait() })
	return ended
}

// signedOut ends sessions in each way there is, in turns at either side.
func (w *twofold) signedOut(t *testing.T) {
	byCommand := func(args ...string) func(*testing.T, *cinema.Client, string, string, int) {
		return func(t *testing.T, _ *cinema.Client, login, _ string, side int) {
			out, err := command(t, []string{"CINEMA_DATA_DIR=" + w.Auths[side].Dir}, append(args, login)...)
			require.NoError(t, err, out)
		}
	}
	other := func(t *testing.T, login string, side int) *cinema.Client {
		c := w.browser(side)
		c.SignIn(t, login, password)
		return c
	}
	for n, way := range []struct {
		name string
		end  func(t *testing.T, c *cinema.Client, login, id string, side int)
	}{
		{"out", func(t *testing.T, c *cinema.Client, _, _ string, side int) {
			w.at(side, c).Must(t, nil, signOut, nil)
		}},
		{"by its cookie", func(t *testing.T, c *cinema.Client, _, _ string, side int) {
			w.thief(t, side, c).Must(t, nil, signOut, nil)
		}},
		{"everywhere", func(t *testing.T, _ *cinema.Client, login, _ string, side int) {
			other(t, login, side).Must(t, nil, endAll, nil)
		}},
		{"password", func(t *testing.T, _ *cinema.Client, login, _ string, side int) {
			other(t, login, side).Must(t, nil, newPassword, map[string]any{"old": password, "new": nextWord})
		}},
		{"by-admin", func(t *testing.T, _ *cinema.Client, _, id string, side int) {
			w.at(side, w.admin).Must(t, nil, endAll, map[string]any{"id": id})
		}},
		{"blocked", func(t *testing.T, _ *cinema.Client, _, id string, side int) {
			w.at(side, w.admin).Must(t, nil, block, map[string]any{"id": id, "b": true})
		}},
		{"deleted", func(t *testing.T, _ *cinema.Client, _, id string, side int) {
			w.at(side, w.admin).Must(t, nil, dropUser, map[string]any{"id": id})
		}},
		{"link", func(t *testing.T, _ *cinema.Client, _, id string, side int) {
			w.browser(side).Must(t, nil, resetByLink, map[string]any{"t": w.link(t, id), "p": nextWord})
		}},
		{"reset-password", byCommand("admin", "reset-password")},
		{"reset-second-factor", byCommand("admin", "reset-second-factor")},
		{"replayed", func(t *testing.T, c *cinema.Client, _, _ string, side int) {
			thief := w.thief(t, side, c)
			renew(t, w.at(1-side, c))
			renew(t, w.at(1-side, c))
			require.Equal(t, "UNAUTHENTICATED SESSION_REPLAYED", reason(thief.Do(t, goOn, nil)))
		}},
	} {
		for side := range w.Routers {
			if n%2 != side && way.name != "out" {
				continue
			}
			t.Run(fmt.Sprint(way.name, " at ", side), func(t *testing.T) {
				login := fmt.Sprint("ends-", n, "-", side)
				c, id := w.viewer(t, login)
				film, streams := w.watching(t, c)
				way.end(t, c, login, id, side)
				w.out(t, c, film, streams)
			})
		}
	}
}

// link is what stands in a link to a new password of an account.
func (w *twofold) link(t *testing.T, id string) string {
	t.Helper()
	var out struct{ MakePasswordLink struct{ URL string } }
	w.admin.Must(t, &out, linkFor, map[string]any{"id": id})
	_, secret, found := strings.Cut(out.MakePasswordLink.URL, "#")
	require.True(t, found)
	return secret
}

func (w *twofold) switched(t *testing.T) {
	c, _ := w.viewer(t, "household")
	var made struct {
		CreateProfile struct{ Profile struct{ ID string } }
	}
	c.Must(t, &made, `mutation { createProfile(input: {name: "Kid", child: true}) { profile { id } } }`, nil)
	film, streams := w.watching(t, c)
	before := *c
	c = w.at(1, c)
	require.Empty(t, swap(t, c, made.CreateProfile.Profile.ID, "").Code())
	for n := range w.Routers {
		w.at(n, c).Must(t, nil, whoAmI, nil)
		refused(t, w.at(n, &before), whoAmI, "UNAUTHENTICATED")
	}
	w.shut(t, &before, film, streams)
}

// rights are given and taken at either side: a token from before is refused at
// the other, and the next one says what may be done now.
func (w *twofold) rights(t *testing.T) {
	w.admin.Must(t, nil, makeRole, map[string]any{"name": "HELPER", "p": []string{}})
	c, id := w.viewer(t, "helper")
	for n, change := range []struct {
		document string
		in       map[string]any
		then     string
	}{
		{giveRoles, map[string]any{"id": id, "roles": []string{"HELPER"}}, "FORBIDDEN"},
		{changeRole, map[string]any{"name": "HELPER", "p": []string{"user:read"}}, ""},
		{changeRole, map[string]any{"name": "HELPER", "p": []string{}}, "FORBIDDEN"},
		{giveRoles, map[string]any{"id": id, "roles": []string{"ANALYST"}}, "FORBIDDEN"},
		{giveRoles, map[string]any{"id": id, "roles": []string{"ADMIN"}}, ""},
		{giveRoles, map[string]any{"id": id, "roles": []string{"VIEWER"}}, "FORBIDDEN"},
	} {
		w.at(n%2, w.admin).Must(t, nil, change.document, change.in)
		for n := range w.Routers {
			refused(t, w.at(n, c), countUsers, "UNAUTHENTICATED")
		}
		next := w.at((n+1)%2, c)
		renew(t, next)
		c = next
		for n := range w.Routers {
			require.Equal(t, change.then, w.at(n, c).Do(t, countUsers, nil).Code(), "%v at router %d", change.in, n)
		}
	}
}

// keys are used at both routers, which keep what they stand for.
func (w *twofold) keys(t *testing.T) {
	owner, id := w.viewer(t, "owner-of-keys")
	both := func(c *cinema.Client) {
		for n := range w.Routers {
			w.at(n, c).Must(t, nil, whoAmI, nil)
		}
	}
	for side := range w.Routers {
		c, key := program(t, w.Routers[side], owner)
		both(c)
		film, streams := w.watching(t, c)
		w.at(side, owner).Must(t, nil, dropKey, map[string]any{"id": key})
		for n := range w.Routers {
			refused(t, w.at(n, c), whoAmI, "UNAUTHENTICATED")
		}
		w.shut(t, c, film, streams)
	}

	short := w.browser(1)
	var out struct {
		CreateAPIKey struct{ Key string }
	}
	ends := time.Now().Add(2 * time.Second).Truncate(time.Second).Add(time.Second)
	owner.Must(t, &out, makeKey, map[string]any{"i": map[string]any{"name": "short", "scopes": []string{}, "expiresAt": ends.UTC().Format(time.RFC3339)}})
	short.Token = out.CreateAPIKey.Key
	both(short)
	for n := range w.Routers {
		cinema.Eventually(t, time.Until(ends)+within, func() error {
			if code := w.at(n, short).Do(t, whoAmI, nil).Code(); code != "UNAUTHENTICATED" {
				return fmt.Errorf("a key that has ended: %q", code)
			}
			return nil
		})
	}

	w.admin.Must(t, nil, giveRoles, map[string]any{"id": id, "roles": []string{"ADMIN"}})
	renew(t, owner)
	c, _ := program(t, w.Routers[1], owner, "user:read")
	for n := range w.Routers {
		w.at(n, c).Must(t, nil, countUsers, nil)
	}
	for n, change := range []struct {
		document string
		in       map[string]any
		code     string
	}{
		{giveRoles, map[string]any{"id": id, "roles": []string{"VIEWER"}}, "FORBIDDEN"},
		{block, map[string]any{"id": id, "b": true}, "UNAUTHENTICATED"},
	} {
		w.at(n, w.admin).Must(t, nil, change.document, change.in)
		for n := range w.Routers {
			refused(t, w.at(n, c), countUsers, change.code)
		}
	}
}

// counted tries at both sides in turns until both refuse: what was let pass is
// what one alone would have.
func (w *twofold) counted(t *testing.T) {
	w.viewer(t, "guessed")
	parent, _ := w.viewer(t, "pin-parent")
	var me struct {
		Me struct{ Profiles []struct{ ID string } }
	}
	parent.Must(t, &me, `{ me { profiles { id } } }`, nil)
	profile := me.Me.Profiles[0].ID
	parent.Must(t, nil, `mutation($i: SetPinInput!) { setPin(input: $i) { profile { hasPin } } }`,
		map[string]any{"i": map[string]any{"profileId": profile, "pin": "4821", "password": password}})

	coded, _ := w.viewer(t, "coded")
	withApp(t, coded)
	ticket := w.ticket(t, w.browser(0), "coded")
	for _, c := range []struct {
		name string
		most int
		try  func(c *cinema.Client, n int) *cinema.Answer
	}{
		{"passwords by login and address", 10, func(c *cinema.Client, n int) *cinema.Answer {
			return c.Do(t, tryPassword, map[string]any{"login": "guessed", "p": fmt.Sprintf("not the password %d", n)})
		}},
		{"sign-ups by address", 30, func(c *cinema.Client, _ int) *cinema.Answer {
			return c.Do(t, `mutation { signUp(input: {login: "a b", password: "`+password+`"}) { accessToken } }`, nil)
		}},
		{"letters by address", 10, func(c *cinema.Client, n int) *cinema.Answer {
			return c.Do(t, askForLink, map[string]any{"login": fmt.Sprint("login-", n)})
		}},
		{"letters by login", 3, func(c *cinema.Client, n int) *cinema.Answer {
			return w.at(n%2, w.browser(0)).Do(t, askForLink, map[string]any{"login": "one-login"})
		}},
		{"links by address", 60, func(c *cinema.Client, _ int) *cinema.Answer {
			return c.Do(t, `mutation { checkPasswordLink(input: {token: "`+strings.Repeat("A", 43)+`"}) { login } }`, nil)
		}},
		{"PINs", 5, func(c *cinema.Client, n int) *cinema.Answer {
			c.Token = parent.Token
			return c.Do(t, swapProfile, map[string]any{"id": profile, "pin": strconv.Itoa(5000 + n)})
		}},
		{"codes", 10, func(c *cinema.Client, _ int) *cinema.Answer {
			return c.Do(t, secondStep, map[string]any{"i": map[string]any{"ticket": ticket, "code": "00000x"}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stranger := w.browser(0)
			passed, refusals := 0, 0
			for n := 0; refusals < 2; n++ {
				require.Less(t, n, 3*c.most, "it is not counted at all")
				if c.try(w.at(n%2, stranger), n).Code() == "RATE_LIMITED" {
					refusals++
				} else {
					passed, refusals = passed+1, 0
				}
			}
			require.GreaterOrEqual(t, passed, c.most)
			require.Less(t, passed, 2*c.most, "each counts by itself")
		})
	}
}

// withApp sets an authenticator app up, whose code of the present step is used with that,
// and returns its key, the step, and the recovery codes.
func withApp(t *testing.T, c *cinema.Client) (key string, step int64, recovery []string) {
	t.Helper()
	var begun struct{ BeginTotp struct{ SetUp, Key string } }
	c.Must(t, &begun, `mutation { beginTotp(input: {}) { setUp key } }`, nil)
	step = time.Now().Unix() / 30
	var added struct {
		AddTotp struct{ RecoveryCodes []string }
	}
	c.Must(t, &added, `mutation($i: AddTotpInput!) { addTotp(input: $i) { recoveryCodes } }`,
		map[string]any{"i": map[string]any{"setUp": begun.BeginTotp.SetUp, "code": codeOf(t, begun.BeginTotp.Key, step)}})
	return begun.BeginTotp.Key, step, added.AddTotp.RecoveryCodes
}

// codeOf is what an authenticator app shows (RFC 6238).
func codeOf(t *testing.T, key string, step int64) string {
	t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", ""))
	require.NoError(t, err)
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// ticket is what a right password leads to where a second step is due.
func (w *twofold) ticket(t *testing.T, c *cinema.Client, login string) string {
	t.Helper()
	var out struct {
		SignIn struct{ SecondFactor struct{ Ticket string } }
	}
	c.Must(t, &out, tryPassword, map[string]any{"login": login, "p": password})
	require.NotEmpty(t, out.SignIn.SecondFactor.Ticket)
	return out.SignIn.SecondFactor.Ticket
}

// browsers are those of a race.
func (w *twofold) browsers() (all [8]*cinema.Client) {
	for n := range all {
		all[n] = w.browser(n % 2)
	}
	return all
}

func (w *twofold) refreshed(t *testing.T) {
	c, _ := w.viewer(t, "tabs")
	var tabs [8]*cinema.Client
	for n := range tabs {
		tabs[n] = w.thief(t, n%2, c)
	}
	well, _ := w.race(func(_, n int) *cinema.Answer { return tabs[n].Do(t, goOn, nil) })
	require.Len(t, well, len(tabs))
	cookies := func(c *cinema.Client) string {
		at, err := url.Parse(c.URL)
		require.NoError(t, err)
		var all []string
		for _, cookie := range c.HTTP.Jar.Cookies(at) {
			all = append(all, cookie.String())
		}
		return strings.Join(all, "; ")
	}
	for _, tab := range tabs[1:] {
		require.Equal(t, cookies(tabs[0]), cookies(tab))
	}
	require.NotEqual(t, cookies(c), cookies(tabs[0]))
	for n := range w.Routers { // the session goes on
		renew(t, w.at(n, tabs[n]))
	}
}

// overtaken signs in with the old password at both sides while it is changed.
func (w *twofold) overtaken(t *testing.T) {
	c, _ := w.viewer(t, "overtaken")
	all := w.browsers()
	well, _ := w.race(func(side, n int) *cinema.Answer {
		if n == len(all)/2 {
			return w.at(side, c).Do(t, newPassword, map[string]any{"old": password, "new": nextWord})
		}
		return all[n].Do(t, tryPassword, map[string]any{"login": "overtaken", "p": password})
	})
	changed := 0
	for _, a := range well {
		var out struct {
			SignIn         struct{ AccessToken string }
			ChangePassword *struct{ Ended int }
		}
		require.NoError(t, json.Unmarshal(a.Data, &out))
		if out.ChangePassword != nil {
			changed++
			continue
		}
		one := w.browser(0)
		one.Token = out.SignIn.AccessToken
		for side := range w.Routers {
			refused(t, w.at(side, one), whoAmI, "UNAUTHENTICATED")
		}
	}
	require.Equal(t, 1, changed)
	t.Logf("%d sessions were opened meanwhile", len(well)-changed)
	for side := range w.Routers {
		w.at(side, c).Must(t, nil, whoAmI, nil)
		require.Equal(t, "UNAUTHENTICATED", w.browser(side).Do(t, tryPassword, map[string]any{"login": "overtaken", "p": password}).Code())
		w.browser(side).SignIn(t, "overtaken", nextWord)
	}
}

// once has a thing used at both sides at the same time: one use counts, and the
// others are told why not.
func (w *twofold) once(t *testing.T, why string, use func(c *cinema.Client, n int) *cinema.Answer) *cinema.Answer {
	t.Helper()
	all := w.browsers()
	well, badly := w.race(func(_, n int) *cinema.Answer { return use(all[n], n) })
	for _, a := range badly {
		require.Equal(t, why, reason(a))
	}
	require.Len(t, well, 1)
	return well[0]
}

func (w *twofold) links(t *testing.T) {
	const ended = "INVALID LINK_ENDED"
	_, id := w.viewer(t, "links")
	older := w.link(t, id)
	admin := w.admin
	w.admin = w.at(1, admin)
	newer := w.link(t, id)
	w.admin = admin
	for side := range w.Routers {
		require.Equal(t, ended, reason(w.browser(side).Do(t, resetByLink, map[string]any{"t": older, "p": nextWord})))
	}
	w.once(t, ended, func(c *cinema.Client, n int) *cinema.Answer {
		return c.Do(t, resetByLink, map[string]any{"t": newer, "p": fmt.Sprint(nextWord, n)})
	})

	var invited struct{ CreateInvitation struct{ URL string } }
	w.at(1, w.admin).Must(t, &invited, `mutation { createInvitation(input: {roles: [VIEWER]}) { url } }`, nil)
	_, secret, _ := strings.Cut(invited.CreateInvitation.URL, "#")
	w.once(t, ended, func(c *cinema.Client, n int) *cinema.Answer {
		return c.Do(t, `mutation($t: String!, $l: String!, $p: String!) { acceptInvitation(input: {token: $t, login: $l, password: $p}) { accessToken } }`,
			map[string]any{"t": secret, "l": fmt.Sprint("invited-", n), "p": password})
	})

	c, _ := w.viewer(t, "ann@example.com")
	w.at(1, c).Must(t, nil, `mutation { changeEmail(input: {email: "ann@example.net"}) { sentTo } }`, nil)
	secret = w.box.linkAt(t, w.public, "ann@example.net", "/confirm-email")
	w.once(t, ended, func(c *cinema.Client, _ int) *cinema.Answer {
		return c.Do(t, `mutation($t: String!) { confirmEmail(input: {token: $t}) { email } }`, map[string]any{"t": secret})
	})
	secret = w.box.linkAt(t, w.public, "ann@example.com", "/undo-email")
	w.once(t, ended, func(c *cinema.Client, _ int) *cinema.Answer {
		return c.Do(t, `mutation($t: String!) { undoEmail(input: {token: $t}) { email } }`, map[string]any{"t": secret})
	})
	var mailed [2]string
	for side := range w.Routers {
		w.browser(side).Must(t, nil, askForLink, map[string]any{"login": "ann@example.com"})
		mailed[side] = w.box.linkAt(t, w.public, "ann@example.com", "/reset")
	}
	require.Equal(t, ended, reason(w.browser(0).Do(t, resetByLink, map[string]any{"t": mailed[0], "p": nextWord})))
	w.browser(0).Must(t, nil, resetByLink, map[string]any{"t": mailed[1], "p": nextWord})
	<-w.box // the notice
}

func (w *twofold) codes(t *testing.T) {
	owner, _ := w.viewer(t, "codes")
	key, step, recovery := withApp(t, owner)
	tickets := func(login string) (all [8]string) {
		for n := range all {
			all[n] = w.ticket(t, w.browser(n%2), login)
		}
		return all
	}
	finish := func(c *cinema.Client, ticket, what, code string) *cinema.Answer {
		return c.Do(t, secondStep, map[string]any{"i": map[string]any{"ticket": ticket, what: code}})
	}
	for _, used := range []struct{ what, code, why string }{
		{"code", codeOf(t, key, step+1), "INVALID WRONG_CODE"},
		{"recoveryCode", recovery[0], "INVALID WRONG_RECOVERY_CODE"},
	} {
		all := tickets("codes")
		browsers := w.browsers()
		well, badly := w.race(func(_, n int) *cinema.Answer { return finish(browsers[n], all[n], used.what, used.code) })
		require.Len(t, well, 1, used.what)
		for _, a := range badly { // which of the two was used is not told
			require.Contains(t, []string{used.why, "INVALID WRONG_CODE"}, reason(a), used.what)
		}
		require.Equal(t, used.why, reason(finish(w.browser(1), w.ticket(t, w.browser(1), "codes"), used.what, used.code)))
	}

	// One ticket, and as many right codes as there are tries: one sign-in, one code gone.
	owner, _ = w.viewer(t, "tickets")
	_, _, recovery = withApp(t, owner)
	ticket := w.ticket(t, w.browser(0), "tickets")
	w.once(t, "INVALID WRONG_CODE", func(c *cinema.Client, n int) *cinema.Answer {
		return finish(c, ticket, "recoveryCode", recovery[n])
	})
	var left struct {
		Me struct{ Factors struct{ RecoveryCodes int } }
	}
	owner.Must(t, &left, `{ me { factors { recoveryCodes } } }`, nil)
	require.Equal(t, len(recovery)-1, left.Me.Factors.RecoveryCodes)
}

func (w *twofold) answers(t *testing.T) {
	for side := range w.Routers {
		c := w.browser(0) // where the provider sends it back to
		var to way
		w.at(side, c).Must(t, &to, beginWith, map[string]any{"i": map[string]any{"provider": "home"}})
		_, answer := visit(t, c, to.BeginProvider.URL, "ann")
		in := map[string]any{"i": answer}
		require.Equal(t, "INVALID TICKET_ENDED", reason(w.browser(side).Do(t, finishWith, in)), "in another browser")
		var tabs [8]*cinema.Client
		for n := range tabs {
			tabs[n] = w.thief(t, n%2, c)
		}
		w.once(t, "INVALID TICKET_ENDED", func(_ *cinema.Client, n int) *cinema.Answer { return tabs[n].Do(t, finishWith, in) })
	}
}

func (w *twofold) admins(t *testing.T) {
	var both [2]*cinema.Client
	var ids [2]string
	for n := range both {
		both[n], ids[n] = w.viewer(t, fmt.Sprint("admin-", n))
		w.at(n, w.admin).Must(t, nil, giveRoles, map[string]any{"id": ids[n], "roles": []string{"ADMIN"}})
		renew(t, both[n])
	}
	well, _ := w.race(func(side, _ int) *cinema.Answer {
		return w.at(side, both[side]).Do(t, dropUser, map[string]any{"id": ids[1-side]})
	})
	require.Len(t, well, 1)
}

// rotated replaces the signing key from one side. Its ten minutes of notice are
// passed over in the database.
func (w *twofold) rotated(t *testing.T) {
	before, _ := w.viewer(t, "signed")
	rotate := func(side int, says string) string {
		t.Helper()
		out, err := command(t, []string{"CINEMA_DATA_DIR=" + w.Auths[side].Dir}, "keys", "rotate")
		require.NoError(t, err, out)
		require.Contains(t, out, says)
		return out
	}
	made := keyID.FindString(rotate(0, "Nobody is signed out."))
	require.NotEmpty(t, made)
	require.Contains(t, rotate(1, "waits already"), made)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.Accounts)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `UPDATE signing_key SET active_from = now() - interval '1 second' WHERE id = $1`, made)
	require.NoError(t, err)
	rotate(1, "Nobody is signed out.") // and reads them
	after := w.browser(1)
	after.SignIn(t, "signed", password)
	require.NotEqual(t, made, signedBy(t, before.Token))
	require.Equal(t, made, signedBy(t, after.Token))
	for side := range w.Routers {
		w.at(side, before).Must(t, nil, whoAmI, nil)
		w.at(side, after).Must(t, nil, whoAmI, nil)
	}
}

var keyID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// signedBy is the number of the key that signed a token.
func signedBy(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	require.NoError(t, err)
	var h struct{ Kid string }
	require.NoError(t, json.Unmarshal(text, &h))
	return h.Kid
}

// withoutRedis: nobody signs in, whoever is signed in stays, and who is signed out is
// so all the same.
func (w *twofold) withoutRedis(t *testing.T) {
	stays, _ := w.viewer(t, "stays")
	goes, _ := w.viewer(t, "goes")
	film, streams := w.watching(t, goes)
	w.Redis.Kill()
	w.at(1, goes).Must(t, nil, signOut, nil)
	haveEnded(t, 20*time.Second, streams...)
	for side := range w.Routers {
		cinema.Eventually(t, 20*time.Second, func() error {
			one := w.at(side, goes)
			if status, _ := one.Get(t, film); status != http.StatusForbidden {
				return fmt.Errorf("the film's address: %d", status)
			}
			if code := one.Do(t, whoAmI, nil).Code(); code != "UNAUTHENTICATED" {
				return fmt.Errorf("the token: %q", code)
			}
			return nil
		})
		require.Equal(t, "UNAVAILABLE", w.browser(side).Do(t, tryPassword, map[string]any{"login": "stays", "p": password}).Code())
		renew(t, w.at(side, stays))
	}
	w.Redis.Start(t)
	for side := range w.Routers {
		cinema.Eventually(t, 20*time.Second, func() error {
			if a := w.browser(side).Do(t, tryPassword, map[string]any{"login": "stays", "p": password}); a.Code() != "" {
				return errors.New(a.Code())
			}
			return nil
		})
	}
}
