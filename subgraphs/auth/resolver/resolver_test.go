package resolver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/bus"
	busmemory "github.com/netflixathome/cinema/internal/bus/memory"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/limit"
	limitmemory "github.com/netflixathome/cinema/internal/limit/memory"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/postgres"
	"github.com/netflixathome/cinema/subgraphs/auth/resolver"
)

// recorder keeps what was recorded.
type recorder struct {
	mu     sync.Mutex
	events []auth.Event
}

func (r *recorder) Record(_ context.Context, e auth.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// counting counts the reads that a list could multiply.
type counting struct {
	auth.Store
	reads atomic.Int32
}

func (c *counting) Users(ctx context.Context, ids []uuid.UUID) ([]auth.User, error) {
	c.reads.Add(1)
	return c.Store.Users(ctx, ids)
}

func (c *counting) Profiles(ctx context.Context, ids []uuid.UUID) ([]auth.Profile, error) {
	c.reads.Add(1)
	return c.Store.Profiles(ctx, ids)
}

func (c *counting) ProfilesOf(ctx context.Context, ids []uuid.UUID) ([]auth.Profile, error) {
	c.reads.Add(1)
	return c.Store.ProfilesOf(ctx, ids)
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is the subgraph on a database of its own.
type world struct {
	t        *testing.T
	clock    *clock
	pool     *pgxpool.Pool
	store    *counting
	bus      bus.Bus
	accounts *auth.Accounts
	deps     auth.Deps
	revoked  *authn.Revocations
	activity *recorder
	handler  http.Handler
	log      *logged
}

var secret = bytes.Repeat([]byte("s"), 32)

// cheap is argon2id of 64 KiB: what these tests are about is around hashes, and under
// the race detector one of the real cost takes a tenth of a second.
func cheap(password, salt []byte, _, _ uint32, threads uint8, length uint32) []byte {
	return argon2.IDKey(password, salt, 1, 64, threads, length)
}

func newWorld(t *testing.T, change ...func(*auth.Deps)) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, clock: &clock{t: time.Now()}, bus: busmemory.New(), activity: &recorder{}, log: &logged{}}
	var err error
	w.pool, err = pg.Open(ctx, enginestest.PostgresWith(t, "auth", postgres.Migrate), 10)
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
	store, err := postgres.New(w.pool)
	require.NoError(t, err)
	w.store = &counting{Store: store}
	limiter, err := limitmemory.New(10_000, w.clock.now)
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(w.log, nil))
	deps := auth.Deps{
		Store: w.store, Bus: w.bus, Limiter: limiter, Activity: w.activity, Logger: log, Secret: secret, Now: w.clock.now,
		Argon2: cheap,
	}
	for _, f := range change {
		f(&deps)
	}
	w.deps = deps
	w.accounts, err = auth.New(deps)
	require.NoError(t, err)
	require.NoError(t, w.accounts.Init(ctx))
	w.revoked, err = authn.NewRevocations(w.bus, w.accounts.Revocations, w.clock.now, log)
	require.NoError(t, err)
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = w.revoked.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	require.Eventually(t, func() bool { return !w.revoked.Unsure() }, 10*time.Second, time.Millisecond)
	w.serve(resolver.Options{})
	return w
}

// serve puts a handler before the accounts, in place of the one that was there.
func (w *world) serve(o resolver.Options) {
	w.t.Helper()
	var err error
	o.Accounts, o.Logger = w.accounts, slog.New(slog.NewTextHandler(w.log, nil))
	o.Verifier, err = authn.NewVerifier(w.accounts.Signer().JWKS, w.revoked, w.clock.now)
	require.NoError(w.t, err)
	w.handler, err = resolver.Handler(o)
	require.NoError(w.t, err)
}

// logged is the log, read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *logged) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// viewer is a browser: it keeps the cookie and the access token.
type viewer struct {
	w       *world
	token   string
	cookie  string
	mark    string // of an earlier sign-in
	asked   string // the cookie of a provider's answer
	address string
	header  map[string]string // instead of the usual ones, if not nil
	last    *httptest.ResponseRecorder
}

func (w *world) viewer() *viewer { return &viewer{w: w, address: "203.0.113.7"} }

type answer struct {
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
}

func (a *answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	code, _ := a.Errors[0].Extensions["code"].(string)
	if reason, ok := a.Errors[0].Extensions["reason"].(string); ok {
		code += " " + reason
	}
	if field, ok := a.Errors[0].Extensions["field"].(string); ok {
		code += " " + field
	}
	return code
}

func (v *viewer) ask(query string, variables map[string]any) *answer {
	v.w.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	require.NoError(v.w.t, err)
	r := httptest.NewRequest("POST", "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "test browser")
	r.Header.Set(resolver.ClientHeader, "web")
	r.Header.Set(resolver.AddressHeader, v.address)
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	if v.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "cinema_refresh", Value: v.cookie})
	}
	if v.mark != "" {
		r.AddCookie(&http.Cookie{Name: "cinema_known", Value: v.mark})
	}
	if v.asked != "" {
		r.AddCookie(&http.Cookie{Name: resolver.ProviderCookieName(false), Value: v.asked})
	}
	for k, h := range v.header {
		r.Header.Set(k, h)
	}
	rec := httptest.NewRecorder()
	v.w.handler.ServeHTTP(rec, r)
	v.last = rec
	seen := map[string]bool{}
	for _, c := range rec.Result().Cookies() {
		require.False(v.w.t, seen[c.Name], "browsers differ on two of one name")
		seen[c.Name] = true
		switch c.Name {
		case resolver.ProviderCookieName(false):
			v.asked = c.Value
		case "cinema_known":
			v.mark = c.Value
		default:
			v.cookie = c.Value
		}
	}
	var a answer
	require.NoError(v.w.t, json.Unmarshal(rec.Body.Bytes(), &a), rec.Body.String())
	return &a
}

// must asks, wants no error and returns the data as JSON.
func (v *viewer) must(query string, variables map[string]any) string {
	v.w.t.Helper()
	a := v.ask(query, variables)
	require.Empty(v.w.t, a.Errors, "%v", a.Errors)
	text, err := json.Marshal(a.Data)
	require.NoError(v.w.t, err)
	return string(text)
}

const (
	session = `{ accessToken expiresAt user { id login name roles permissions blocked createdAt profiles { id name } } profile { id name colour locale child } }`
	signUp  = `mutation($login: String!, $password: String!, $name: String) { s: signUp(input: {login: $login, password: $password, name: $name}) ` + session + ` }`
	signIn  = `mutation($login: String!, $password: String!) { s: signIn(input: {login: $login, password: $password}) ` + session + ` }`
	refresh = `mutation { s: refreshSession ` + session + ` }`
	signOut = `mutation { signOut { signedOut } }`
	me      = `{ me { id login } }`
	good    = "violet tractor 41"
)

// enter signs in by the mutation and takes the token.
func (v *viewer) enter(mutation string, variables map[string]any) *answer {
	v.w.t.Helper()
	// Whoever asks for a token sends none: an old one would be refused first.
	token := v.token
	if !strings.Contains(mutation, "switchProfile") && !strings.Contains(mutation, "confirmSignIn") {
		v.token = ""
	}
	a := v.ask(mutation, variables)
	v.token = token
	if s, ok := a.Data["s"].(map[string]any); ok {
		v.token = s["accessToken"].(string)
	}
	return a
}

func creds(login, password string) map[string]any {
	return map[string]any{"login": login, "password": password}
}

func (v *viewer) get(a *answer, path ...string) any {
	v.w.t.Helper()
	require.Empty(v.w.t, a.Errors, "%v", a.Errors)
	var x any = a.Data
	for _, p := range path {
		x = x.(map[string]any)[p]
	}
	return x
}

// admin returns one signed in as the first administrator.
func (w *world) admin() *viewer {
	w.t.Helper()
	login, password, created, err := w.accounts.EnsureAdmin(w.t.Context())
	require.NoError(w.t, err)
	require.True(w.t, created)
	v := w.viewer()
	require.Empty(w.t, v.enter(signIn, creds(login, password)).Errors)
	return v
}

func TestStory(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	a := v.enter(signUp, map[string]any{"login": " Ann ", "password": good, "name": "Анна"})
	require.Equal(t, "ann", v.get(a, "s", "user", "login"))
	require.Equal(t, "Анна", v.get(a, "s", "user", "name"))
	require.Equal(t, []any{"VIEWER"}, v.get(a, "s", "user", "roles"))
	require.Equal(t, []any{}, v.get(a, "s", "user", "permissions"))
	require.Equal(t, "Анна", v.get(a, "s", "profile", "name"))
	require.Equal(t, false, v.get(a, "s", "profile", "child"))
	require.Nil(t, v.get(a, "s", "profile", "locale"))
	require.Len(t, v.get(a, "s", "user", "profiles"), 1)
	cookie := v.last.Header().Get("Set-Cookie")
	for _, part := range []string{"cinema_refresh=", "Path=/;", "Max-Age=", "HttpOnly", "SameSite=Strict"} {
		require.Contains(t, cookie, part)
	}
	require.NotContains(t, v.last.Body.String(), v.cookie, "the refresh token is in the cookie only")

	v.must(me, nil)
	// Another device.
	tv := w.viewer()
	require.Empty(t, tv.enter(signIn, creds("ANN", good)).Errors)
	tv.must(me, nil)
	// A reload of the page.
	before := v.cookie
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.NotEqual(t, before, v.cookie)
	v.must(me, nil)

	require.JSONEq(t, `{"signOut":{"signedOut":true}}`, v.must(signOut, nil))
	require.Empty(t, v.cookie)
	require.Eventually(t, func() bool { return v.refused() }, time.Second, time.Millisecond, "the access token ends too")
	tv.must(me, nil)

	require.Len(t, w.activity.events, 2)
	require.Equal(t, "signed_up", w.activity.events[0].Name)
	require.Equal(t, "signed_in", w.activity.events[1].Name)
	require.Equal(t, "test browser", w.activity.events[1].UserAgent)
	for _, s := range []string{good, before, v.token} {
		require.NotContains(t, w.log.String(), s)
	}
}

// refused reports whether the viewer's access token is refused at the door.
func (v *viewer) refused() bool {
	return v.ask(me, nil).code() == "UNAUTHENTICATED" && v.last.Code == 401
}

// patient is for tests that count reads: a busy machine must not close a
// loader's window early.
var patient = resolver.Options{LoadWait: 300 * time.Millisecond}

func TestSecureCookie(t *testing.T) {
	w := newWorld(t)
	w.serve(resolver.Options{Secure: true})
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	cookie := v.last.Header().Get("Set-Cookie")
	require.True(t, strings.HasPrefix(cookie, "__Host-cinema_refresh="), cookie)
	for _, part := range []string{"; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict"} {
		require.Contains(t, cookie, part)
	}
	require.NotContains(t, cookie, "Domain")
}

// drawn counts the bytes of randomness that were asked for: each hash begins
// with a salt.
type drawn struct{ n atomic.Int64 }

func (d *drawn) Read(b []byte) (int, error) {
	d.n.Add(int64(len(b)))
	return rand.Read(b)
}

func TestSignUpBadInput(t *testing.T) {
	random := &drawn{}
	w := newWorld(t, func(d *auth.Deps) {
		d.Random = random
		d.Limits = auth.DefaultLimits()
		d.Limits.SignUpAddress.Burst = 1000
	})
	require.Empty(t, w.viewer().enter(signUp, creds("taken", good)).Errors)
	long := strings.Repeat("x", 65)
	for _, c := range []struct{ name, login, password, want string }{
		{"taken", "taken", good, "CONFLICT LOGIN_TAKEN input.login"},
		{"taken in another case", "TAKEN", good, "CONFLICT LOGIN_TAKEN input.login"},
		{"taken in full-width letters", "ｔａｋｅｎ", good, "CONFLICT LOGIN_TAKEN input.login"},
		{"empty login", "", good, "INVALID LOGIN_INVALID input.login"},
		{"two characters", "ab", good, "INVALID LOGIN_INVALID input.login"},
		{"65 characters", long, good, "INVALID LOGIN_INVALID input.login"},
		{"1 MB login", strings.Repeat("x", 1<<20), good, "INVALID LOGIN_INVALID input.login"},
		{"a space inside", "an n", good, "INVALID LOGIN_INVALID input.login"},
		{"NUL", "an\x00n", good, "INVALID LOGIN_INVALID input.login"},
		{"control character", "an\x1bn", good, "INVALID LOGIN_INVALID input.login"},
		{"right-to-left override", "ann\u202egpj", good, "INVALID LOGIN_INVALID input.login"},
		{"zero-width space", "ta\u200bken", good, "INVALID LOGIN_INVALID input.login"},
		{"Cyrillic letters among Latin", "tаken", good, "INVALID LOGIN_INVALID input.login"},
		{"no address", "ann@", good, "INVALID LOGIN_INVALID input.login"},
		{"address with a name", "ann <a@b.example>", good, "INVALID LOGIN_INVALID input.login"},
		{"seven characters", "ann", "a1b2c3d", "INVALID PASSWORD_SHORT input.password"},
		{"empty password", "ann", "", "INVALID PASSWORD_SHORT input.password"},
		{"1025 bytes", "ann", strings.Repeat("ab1", 342), "INVALID PASSWORD_LONG input.password"},
		{"1 MB password", "ann", strings.Repeat("x", 1<<20), "INVALID PASSWORD_LONG input.password"},
		{"common", "ann", "Password1!", "INVALID PASSWORD_COMMON input.password"},
		{"common in Russian", "ann", "Пароль123", "INVALID PASSWORD_COMMON input.password"},
		{"the login", "annabelle", "AnnaBelle", "INVALID PASSWORD_IS_LOGIN input.password"},
		{"the address's name", "annabelle@b.example", "annabelle", "INVALID PASSWORD_IS_LOGIN input.password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := w.viewer()
			before := random.n.Load()
			require.Equal(t, c.want, v.enter(signUp, creds(c.login, c.password)).code())
			if strings.HasPrefix(c.want, "INVALID") {
				// Two identifiers may have been made, of 16 bytes as a salt is.
				require.LessOrEqual(t, random.n.Load()-before, int64(32), "it is refused before anything is hashed")
			}
			require.Empty(t, v.cookie)
		})
	}
	v := w.viewer()
	require.Equal(t, "INVALID input.name", v.enter(signUp, map[string]any{"login": "ann", "password": good, "name": "a\u202eb"}).code())
	require.Equal(t, "INVALID input.name", v.enter(signUp, map[string]any{"login": "ann", "password": good, "name": strings.Repeat("x", 41)}).code())
	for _, login := range []string{"Ann.Lee@Home.Example", "аня", "x_y-z", strings.Repeat("x", 64)} {
		require.Empty(t, w.viewer().enter(signUp, creds(login, good)).Errors, login)
	}
}

func TestPasswordsAreWhole(t *testing.T) {
	w := newWorld(t)
	base := strings.Repeat("long words ", 8) // beyond 72 bytes
	require.Empty(t, w.viewer().enter(signUp, creds("ann", base+"A")).Errors)
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", w.viewer().enter(signIn, creds("ann", base+"B")).code())
	require.Empty(t, w.viewer().enter(signIn, creds("ann", base+"A")).Errors)
	// One password, typed composed and decomposed.
	require.Empty(t, w.viewer().enter(signUp, creds("bob", "caf\u00e9 tractor")).Errors)
	require.Empty(t, w.viewer().enter(signIn, creds("bob", "cafe\u0301 tractor")).Errors)
}

func TestSignInTellsNothing(t *testing.T) {
	w := newWorld(t)
	require.Empty(t, w.viewer().enter(signUp, creds("ann", good)).Errors)
	texts := map[string]bool{}
	for _, c := range []map[string]any{
		creds("ann", "wrong password"), creds("nobody", "wrong password"), creds("", ""), creds("a\x00b", good),
		creds("ann", ""), creds("ann", strings.Repeat("x", 1<<20)), creds("ann", good+" "), creds("' OR 1=1 --", "x"),
	} {
		v := w.viewer()
		require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", v.enter(signIn, c).code())
		require.Empty(t, v.cookie)
		texts[v.last.Body.String()] = true
	}
	require.Len(t, texts, 1, "one answer for all")
}

func TestSignInLimits(t *testing.T) {
	w := newWorld(t)
	require.Empty(t, w.viewer().enter(signUp, creds("ann", good)).Errors)
	// Aliases in one document count each.
	var b strings.Builder
	b.WriteString("mutation {")
	for i := range 15 {
		fmt.Fprintf(&b, ` a%d: signIn(input: {login: "ann", password: "wrong %d"}) { accessToken }`, i, i)
	}
	b.WriteString("}")
	v := w.viewer()
	a := v.ask(strings.ReplaceAll(b.String(), "mutation", "mutation M"), nil)
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", a.code())

	a = v.enter(signIn, creds("ann", good))
	require.Equal(t, "RATE_LIMITED", a.code())
	require.Contains(t, a.Errors[0].Message, "Try again in")
	require.NotEmpty(t, v.last.Header().Get("Retry-After"))
	require.Equal(t, "RATE_LIMITED", v.enter(signIn, creds("ANN", good)).code(), "the same account")

	owner := w.viewer()
	owner.address = "198.51.100.1"
	require.Empty(t, owner.enter(signIn, creds("ann", good)).Errors, "a stranger does not shut the owner out")
	w.clock.add(time.Minute)
	require.Empty(t, v.enter(signIn, creds("ann", good)).Errors)
}

func TestAddressLimit(t *testing.T) {
	w := newWorld(t, func(d *auth.Deps) {
		d.Limits = auth.DefaultLimits()
		d.Limits.SignUpAddress.Burst = 2
		d.Limits.SignInAddress.Burst = 3
	})
	for i, address := range []string{"2001:db8::1", "2001:db8::ffff:2"} {
		v := w.viewer()
		v.address = address
		require.Empty(t, v.enter(signUp, creds(fmt.Sprint("user", i), good)).Errors)
	}
	v := w.viewer()
	v.address = "2001:db8::3"
	require.Equal(t, "RATE_LIMITED", v.enter(signUp, creds("user3", good)).code(), "a /64 is one")
	v.address = "2001:db8:0:1::3, 2001:db8::4"
	require.Equal(t, "RATE_LIMITED", v.enter(signUp, creds("user3", good)).code(), "what a viewer makes up before the last hop does not count")
	v.address = "2001:db8::4, 2001:db8:0:1::3"
	require.Empty(t, v.enter(signUp, creds("user3", good)).Errors)
	for i := range 3 {
		require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", v.enter(signIn, creds(fmt.Sprint("x", i), strings.Repeat("x", i*1000))).code())
	}
	require.Equal(t, "RATE_LIMITED", v.enter(signIn, creds("another", good)).code())
}

func TestRefreshRotates(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	first := v.cookie

	// Two tabs at the same moment get the same successor.
	require.Empty(t, v.enter(refresh, nil).Errors)
	second := v.cookie
	tab := w.viewer()
	tab.cookie = first
	require.Empty(t, tab.enter(refresh, nil).Errors)
	require.Equal(t, second, tab.cookie)
	tab.must(me, nil)

	// Past the grace the old one means theft: nobody goes on.
	w.clock.add(11 * time.Second)
	thief := w.viewer()
	thief.cookie = first
	require.Equal(t, "UNAUTHENTICATED SESSION_REPLAYED", thief.enter(refresh, nil).code())
	require.Empty(t, thief.cookie, "the cookie is cleared")
	require.Equal(t, "UNAUTHENTICATED NO_SESSION", v.enter(refresh, nil).code())
	require.Eventually(t, v.refused, time.Second, time.Millisecond)
	require.Contains(t, w.log.String(), "used again")
}

func TestTwoGenerationsBackIsTheftEvenWithinGrace(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	first := v.cookie
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.Empty(t, v.enter(refresh, nil).Errors)
	v.cookie = first
	require.Equal(t, "UNAUTHENTICATED SESSION_REPLAYED", v.enter(refresh, nil).code())
}

func TestManyTabsAtOnce(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	var wg sync.WaitGroup
	cookies := make([]string, 8)
	for i := range cookies {
		wg.Go(func() {
			s, err := w.accounts.Refresh(context.Background(), v.cookie, auth.Client{Address: "203.0.113.7"})
			if err != nil {
				t.Error(err)
				return
			}
			cookies[i] = s.RefreshToken
		})
	}
	wg.Wait()
	for _, c := range cookies {
		require.Equal(t, cookies[0], c)
	}
}

// lost is a limiter that cannot be reached while it is away.
type lost struct {
	limit.Limiter
	away atomic.Bool
}

func (l *lost) Allow(ctx context.Context, key string, rate limit.Rate, cost int) (limit.Result, error) {
	if l.away.Load() {
		return limit.Result{}, errors.New("nobody there")
	}
	return l.Limiter.Allow(ctx, key, rate, cost)
}

func TestPeopleStaySignedInWhileNothingCanBeCounted(t *testing.T) {
	counts := &lost{}
	w := newWorld(t, func(d *auth.Deps) { counts.Limiter, d.Limiter = d.Limiter, counts })
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	counts.away.Store(true)
	w.clock.add(time.Hour)
	require.Empty(t, v.enter(refresh, nil).Errors)
	v.must(me, nil)
	require.Equal(t, "UNAVAILABLE", strings.TrimSpace(w.viewer().enter(signIn, creds("ann", good)).code()), "guessing would be free")
	require.Equal(t, "UNAVAILABLE", strings.TrimSpace(w.viewer().enter(signUp, creds("bob", good)).code()))
}

func TestRefreshBadInput(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	cookie := v.cookie
	for name, token := range map[string]string{
		"none": "", "nonsense": "abc", "long": strings.Repeat("A", 1<<16), "NULs": strings.Repeat("A", 70),
		"another signature": cookie[:len(cookie)-4] + "AAAA", "another generation": anotherGeneration(t, cookie),
	} {
		t.Run(name, func(t *testing.T) {
			x := w.viewer()
			x.cookie = token
			require.Equal(t, "UNAUTHENTICATED NO_SESSION", x.enter(refresh, nil).code())
		})
	}
	require.Empty(t, v.enter(refresh, nil).Errors, "a made-up token of a session does it no harm")

	x := w.viewer()
	x.cookie, x.header = v.cookie, map[string]string{resolver.ClientHeader: ""}
	require.Equal(t, "FORBIDDEN CLIENT_HEADER_MISSING", x.enter(refresh, nil).code())
	require.Equal(t, "FORBIDDEN CLIENT_HEADER_MISSING", x.ask(signOut, nil).code())

	w.clock.add(31 * 24 * time.Hour)
	require.Equal(t, "UNAUTHENTICATED NO_SESSION", v.enter(refresh, nil).code(), "unused for a month")
	require.JSONEq(t, `{"signOut":{"signedOut":true}}`, w.viewer().must(signOut, nil), "nothing to end is no fault")
}

// anotherGeneration makes up the token after or before this one.
func anotherGeneration(t *testing.T, token string) string {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	raw[19]++
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestTokensOfAnotherSecretAreRefused(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	other, err := auth.New(auth.Deps{
		Store: w.store, Bus: w.bus, Limiter: must(limitmemory.New(10, time.Now)), Activity: w.activity,
		Logger: slog.New(slog.DiscardHandler), Secret: bytes.Repeat([]byte("x"), 32),
	})
	require.NoError(t, err)
	require.ErrorContains(t, other.Init(t.Context()), "another secret")
	_, err = other.Refresh(t.Context(), v.cookie, auth.Client{})
	require.Error(t, err)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestProfiles(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	a := v.enter(signUp, creds("ann", good))
	firstID := v.get(a, "s", "profile", "id")
	const create = `mutation($n: String!, $c: String, $l: Locale, $k: Boolean) { createProfile(input: {name: $n, colour: $c, locale: $l, child: $k}) { profile { id name colour locale child } user { profiles { name } } } }`
	a = v.ask(create, map[string]any{"n": "  Kid  ", "c": "#AABBCC", "l": "ru", "k": true})
	kid := v.get(a, "createProfile", "profile").(map[string]any)
	require.Equal(t, map[string]any{"id": kid["id"], "name": "Kid", "colour": "#aabbcc", "locale": "ru", "child": true}, kid)
	require.Len(t, v.get(a, "createProfile", "user", "profiles"), 2)

	const update = `mutation($i: UpdateProfileInput!) { updateProfile(input: $i) { profile { name colour locale child } } }`
	require.JSONEq(t, `{"updateProfile":{"profile":{"name":"Kid","colour":"#aabbcc","locale":"ru","child":true}}}`,
		v.must(update, map[string]any{"i": map[string]any{"id": kid["id"]}}), "what is absent stays")
	require.JSONEq(t, `{"updateProfile":{"profile":{"name":"Кид","colour":"#000000","locale":null,"child":true}}}`,
		v.must(update, map[string]any{"i": map[string]any{"id": kid["id"], "name": "Кид", "colour": "#000000", "locale": nil}}))

	for _, c := range []struct {
		input map[string]any
		want  string
	}{
		{map[string]any{"id": kid["id"], "name": ""}, "INVALID input.name"},
		{map[string]any{"id": kid["id"], "name": strings.Repeat("я", 41)}, "INVALID input.name"},
		{map[string]any{"id": kid["id"], "name": "a\x00b"}, "INVALID input.name"},
		{map[string]any{"id": kid["id"], "colour": "red"}, "INVALID input.colour"},
		{map[string]any{"id": kid["id"], "colour": "#12345g"}, "INVALID input.colour"},
		{map[string]any{"id": kid["id"], "locale": "no such language"}, "INVALID input.locale"},
		{map[string]any{"id": "nonsense"}, "INVALID input.id"},
		{map[string]any{"id": gid.New(gid.Profile).String()}, "NOT_FOUND input.id"},
		{map[string]any{"id": gid.New(gid.Film).String()}, "NOT_FOUND input.id"},
	} {
		require.Equal(t, c.want, v.ask(update, map[string]any{"i": c.input}).code(), "%v", c.input)
	}

	// Watching as the child: the token says so and administers nothing.
	const swap = `mutation($id: ID!) { s: switchProfile(input: {profileId: $id}) ` + session + ` }`
	a = v.enter(swap, map[string]any{"id": kid["id"]})
	require.Equal(t, "Кид", v.get(a, "s", "profile", "name"))
	a = v.enter(refresh, nil)
	require.Equal(t, kid["id"], v.get(a, "s", "profile", "id"), "the session remembers")

	const remove = `mutation($id: ID!) { deleteProfile(input: {id: $id}) { deletedId user { profiles { id } } } }`
	require.Equal(t, "FORBIDDEN CHILD_PROFILE", v.ask(remove, map[string]any{"id": firstID}).code())
	parent := w.viewer()
	parent.enter(signIn, creds("ann", good))
	parent.must(remove, map[string]any{"id": kid["id"]})
	a = v.enter(refresh, nil)
	require.Equal(t, firstID, v.get(a, "s", "profile", "id"), "and goes on as the oldest when it is gone")
	require.Equal(t, "CONFLICT LAST_PROFILE", v.ask(remove, map[string]any{"id": firstID}).code())

	for i := range 5 {
		v.must(create, map[string]any{"n": fmt.Sprint("p", i)})
	}
	require.Equal(t, "CONFLICT TOO_MANY_PROFILES", v.ask(create, map[string]any{"n": "7"}).code())
	colours := map[any]bool{}
	for _, p := range v.get(v.ask(`{ me { profiles { colour } } }`, nil), "me", "profiles").([]any) {
		colours[p.(map[string]any)["colour"]] = true
	}
	require.Len(t, colours, 6, "each its own colour")

	stranger := w.viewer()
	require.Empty(t, stranger.enter(signUp, creds("bob", good)).Errors)
	require.Equal(t, "NOT_FOUND input.id", stranger.ask(update, map[string]any{"i": map[string]any{"id": firstID, "name": "x"}}).code())
	require.Equal(t, "NOT_FOUND input.id", stranger.ask(remove, map[string]any{"id": firstID}).code())
	require.Equal(t, "NOT_FOUND input.profileId", stranger.ask(swap, map[string]any{"id": firstID}).code())
}

func TestNobody(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	for _, q := range []string{
		me, `{ users { totalCount } }`, `mutation { createProfile(input: {name: "x"}) { user { id } } }`,
		`mutation { deleteProfile(input: {id: "` + gid.New(gid.Profile).String() + `"}) { deletedId } }`,
		`mutation { updateUser(input: {id: "` + gid.New(gid.User).String() + `"}) { user { id } } }`,
		`{ _entities(representations: [{__typename: "User", id: "` + gid.New(gid.User).String() + `"}]) { ... on User { login } } }`,
	} {
		require.Equal(t, "UNAUTHENTICATED", v.ask(q, nil).code(), q)
	}
}

const updateUser = `mutation($id: ID!, $roles: [RoleName!], $blocked: Boolean) { updateUser(input: {id: $id, roles: $roles, blocked: $blocked}) { user { roles permissions blocked } } }`

func TestAdministration(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	_, _, created, err := w.accounts.EnsureAdmin(t.Context())
	require.NoError(t, err)
	require.False(t, created, "once only")
	adminID := admin.get(admin.ask(me, nil), "me", "id")

	v := w.viewer()
	id := v.get(v.enter(signUp, creds("ann", good)), "s", "user", "id")
	require.Equal(t, "FORBIDDEN", v.ask(`{ users { totalCount } }`, nil).code())
	require.Equal(t, "FORBIDDEN", v.ask(updateUser, map[string]any{"id": id, "roles": []string{"ADMIN"}}).code())

	require.JSONEq(t, `{"updateUser":{"user":{"roles":["ANALYST","EDITOR"],"permissions":["stats:read","title:read","title:write","upload:write"],"blocked":false}}}`,
		admin.must(updateUser, map[string]any{"id": id, "roles": []string{"EDITOR", "ANALYST", "EDITOR"}}))
	require.Eventually(t, v.refused, time.Second, time.Millisecond, "tokens from before say the wrong thing")
	require.Empty(t, v.enter(refresh, nil).Errors, "the session goes on")
	v.must(me, nil)

	admin.must(updateUser, map[string]any{"id": id, "blocked": true})
	require.Eventually(t, v.refused, time.Second, time.Millisecond)
	v.token = ""
	require.Equal(t, "FORBIDDEN ACCOUNT_BLOCKED", v.enter(signIn, creds("ann", good)).code())
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", v.enter(signIn, creds("ann", "wrong one")).code(), "only who knows the password is told")
	admin.must(updateUser, map[string]any{"id": id, "blocked": false})
	require.Empty(t, v.enter(signIn, creds("ann", good)).Errors)

	for _, c := range []struct {
		in   map[string]any
		want string
	}{
		{map[string]any{"id": adminID, "roles": []string{"VIEWER"}}, "CONFLICT LAST_ADMIN"},
		{map[string]any{"id": adminID, "blocked": true}, "CONFLICT LAST_ADMIN"},
		{map[string]any{"id": id, "roles": []string{}}, "INVALID input.roles"},
		{map[string]any{"id": id, "roles": []string{"GOD"}}, "INVALID input.roles"},
		{map[string]any{"id": id, "roles": []string{"nope"}}, "INVALID input.roles[0]"}, // refused by the schema itself,
		{map[string]any{"id": gid.New(gid.User).String()}, "NOT_FOUND input.id"},
		{map[string]any{"id": gid.New(gid.Film).String()}, "NOT_FOUND input.id"},
	} {
		require.Equal(t, c.want, admin.ask(updateUser, c.in).code(), "%v", c.in)
	}
	require.JSONEq(t, `{"updateUser":{"user":{"roles":["ADMIN"],"permissions":["audit:read","role:write","stats:read","title:read","title:write","upload:write","user:read","user:write"],"blocked":false}}}`,
		admin.must(updateUser, map[string]any{"id": adminID}))

	// A child who watches with an administrator's account administers nothing.
	kid := admin.get(admin.ask(`mutation { createProfile(input: {name: "Kid", child: true}) { profile { id } } }`, nil), "createProfile", "profile", "id")
	admin.enter(`mutation { s: switchProfile(input: {profileId: "`+kid.(string)+`"}) `+session+` }`, nil)
	require.Equal(t, "FORBIDDEN", admin.ask(`{ users { totalCount } }`, nil).code())
	require.Equal(t, "FORBIDDEN", admin.ask(updateUser, map[string]any{"id": adminID}).code())
	require.JSONEq(t, `{"me":{"roles":["VIEWER"],"permissions":[]}}`, admin.must(`{ me { roles permissions } }`, nil))
}

func TestTwoAdminsCannotDemoteEachOther(t *testing.T) {
	w := newWorld(t)
	ids := make([]gid.ID, 2)
	for i := range ids {
		u, created, err := w.accounts.EnsureUser(t.Context(), fmt.Sprint("boss", i), good, "", []auth.RoleName{auth.RoleAdmin})
		require.NoError(t, err)
		require.True(t, created)
		ids[i] = u.ID
	}
	var wg sync.WaitGroup
	var refused atomic.Int32
	for i := range ids {
		wg.Go(func() {
			if _, err := w.accounts.UpdateUser(context.Background(), auth.Actor{}, ids[i], []auth.RoleName{auth.RoleViewer}, nil); err != nil {
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, refused.Load())
}

func TestResetPassword(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	password, err := w.accounts.ResetPassword(t.Context(), "Ann")
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-hjkmnp-tv-z]{5}(-[0-9a-hjkmnp-tv-z]{5}){3}$`, password)
	require.Eventually(t, v.refused, time.Second, time.Millisecond)
	v.token = ""
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", v.enter(signIn, creds("ann", good)).code())
	require.Empty(t, v.enter(signIn, creds("ann", password)).Errors)
	_, err = w.accounts.ResetPassword(t.Context(), "nobody")
	require.Error(t, err)
}

// demo makes an account of the demo cinema, which has no password.
func (w *world) demo(login, name string, at time.Time) {
	w.t.Helper()
	_, err := w.pool.Exec(w.t.Context(), `
		WITH made AS (INSERT INTO account (id, login, name, roles, demo, created_at) VALUES (gen_random_uuid(), $1, $2, '{VIEWER}', true, $3) RETURNING id)
		INSERT INTO profile (id, account_id, name, colour, avatar, child, created_at) SELECT gen_random_uuid(), id, 'A', '#aabbcc', 'LETTER', false, $3 FROM made`,
		login, name, at)
	require.NoError(w.t, err)
}

func TestUsersList(t *testing.T) {
	w := newWorld(t)
	w.serve(patient)
	admin := w.admin()
	for i := range 25 {
		w.demo(fmt.Sprintf("demo%02d", i), fmt.Sprintf("Зритель %d%%", i), w.clock.now().Add(-time.Duration(i+1)*time.Hour))
	}

	const list = `query($first: Int, $after: String, $query: String) { users(first: $first, after: $after, query: $query) {
		totalCount pageInfo { hasNextPage hasPreviousPage endCursor } edges { cursor node { login profiles { name child locale } } } } }`
	var logins []string
	var after any
	for pages := 0; ; pages++ {
		require.Less(t, pages, 4)
		w.store.reads.Store(0)
		a := admin.ask(list, map[string]any{"first": 10, "after": after})
		require.EqualValues(t, 1, w.store.reads.Load(), "profiles of all accounts in one read")
		require.EqualValues(t, 26, admin.get(a, "users", "totalCount"))
		for _, e := range admin.get(a, "users", "edges").([]any) {
			node := e.(map[string]any)["node"].(map[string]any)
			logins = append(logins, node["login"].(string))
		}
		if admin.get(a, "users", "pageInfo", "hasNextPage") == false {
			break
		}
		after = admin.get(a, "users", "pageInfo", "endCursor")
	}
	require.Len(t, logins, 26)
	require.Equal(t, "admin", logins[0])
	require.Equal(t, "demo24", logins[25])

	for query, n := range map[string]int{"DEMO0": 10, "зритель 1": 11, "%": 25, "_": 0, `\`: 0, "": 26, "nobody": 0} {
		require.EqualValues(t, n, admin.get(admin.ask(list, map[string]any{"query": query}), "users", "totalCount"), query)
	}
	for _, c := range []map[string]any{{"first": 0}, {"first": -1}, {"first": 101}, {"after": "nonsense"}, {"after": ""}, {"query": "a\x00"}, {"query": strings.Repeat("x", 300)}} {
		require.Equal(t, "INVALID", strings.Fields(admin.ask(list, c).code())[0], "%v", c)
	}

	v := w.viewer()
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", v.enter(signIn, creds("demo00", "")).code())
	_, err := w.accounts.ResetPassword(t.Context(), "demo00")
	require.Error(t, err)
	n, err := w.accounts.DeleteDemoUsers(t.Context(), auth.Actor{}, "demo")
	require.NoError(t, err)
	require.Equal(t, 25, n)
	require.EqualValues(t, 1, admin.get(admin.ask(list, nil), "users", "totalCount"))
}

// A synthetic viewer is made with an administrator's leave alone, is marked in
// its token and in what it is recorded to do, and is the only one that can be
// deleted as such.
func TestSyntheticViewers(t *testing.T) {
	w := newWorld(t)
	w.serve(resolver.Options{})
	admin := w.admin()
	ann := w.viewer()
	require.Empty(t, ann.enter(signUp, creds("load-ann", good)).Errors)
	const demo = `mutation($login: String!, $password: String!) { s: signUp(input: {login: $login, password: $password, demo: true}) { accessToken user { id } } }`
	require.Equal(t, "FORBIDDEN", strings.Fields(w.viewer().ask(demo, creds("load-1", good)).code())[0])
	require.Equal(t, "FORBIDDEN", strings.Fields(ann.ask(demo, creds("load-1", good)).code())[0])

	claims := func(token any) *authn.Claims {
		verifier, err := authn.NewVerifier(w.accounts.Signer().JWKS, w.revoked, w.clock.now)
		require.NoError(t, err)
		c, err := verifier.Verify(t.Context(), token.(string))
		require.NoError(t, err)
		return c
	}
	for i := range 50 { // more than an address may sign up
		a := admin.ask(demo, creds(fmt.Sprintf("load-%d", i), good))
		require.True(t, claims(admin.get(a, "s", "accessToken")).Demo)
	}
	w.activity.mu.Lock()
	require.True(t, w.activity.events[len(w.activity.events)-1].Demo)
	w.activity.mu.Unlock()
	v := w.viewer()
	require.True(t, claims(v.get(v.enter(signIn, creds("load-7", good)), "s", "accessToken")).Demo)
	require.False(t, claims(ann.token).Demo)
	require.False(t, claims(admin.token).Demo)

	const remove = `mutation($p: String!) { deleteDemoUsers(input: {loginPrefix: $p}) { count } }`
	require.Equal(t, "FORBIDDEN", strings.Fields(ann.ask(remove, map[string]any{"p": "load-"}).code())[0])
	require.Equal(t, "INVALID", strings.Fields(admin.ask(remove, map[string]any{"p": "lo"}).code())[0])
	require.EqualValues(t, 0, admin.get(admin.ask(remove, map[string]any{"p": "load_"}), "deleteDemoUsers", "count"))
	key := v.makeKey()
	require.Empty(t, key.ask(me, nil).Errors)
	v.must(me, nil)
	require.EqualValues(t, 50, admin.get(admin.ask(remove, map[string]any{"p": "LOAD-"}), "deleteDemoUsers", "count"))
	v.refusedSoon()
	// The key's token is kept by a router for a while: it is the token that has ended.
	require.Eventually(t, func() bool { return key.viewer.ask(me, nil).code() == "UNAUTHENTICATED" }, time.Second, time.Millisecond)
	ann.must(me, nil)
	require.Empty(t, ann.enter(signIn, creds("load-ann", good)).Errors, "a real account stays, whatever it is called")
}

func TestEntities(t *testing.T) {
	w := newWorld(t)
	w.serve(patient)
	admin := w.admin()
	ann, bob := w.viewer(), w.viewer()
	a := ann.enter(signUp, creds("ann", good))
	annID, annProfile := ann.get(a, "s", "user", "id"), ann.get(a, "s", "profile", "id")
	b := bob.enter(signUp, creds("bob", good))
	bobID, bobProfile := bob.get(b, "s", "user", "id"), bob.get(b, "s", "profile", "id")

	const entities = `query($r: [_Any!]!) { _entities(representations: $r) { ... on User { login } ... on Profile { name colour } } }`
	reps := func(pairs ...any) map[string]any {
		var r []any
		for i := 0; i < len(pairs); i += 2 {
			r = append(r, map[string]any{"__typename": pairs[i], "id": pairs[i+1]})
		}
		return map[string]any{"r": r}
	}
	all := reps("User", annID, "Profile", annProfile, "User", bobID, "Profile", bobProfile,
		"User", gid.New(gid.User).String(), "Profile", gid.New(gid.Profile).String(), "Profile", gid.New(gid.Film).String(), "User", annID)

	w.store.reads.Store(0)
	got := admin.ask(entities, all)
	require.Empty(t, got.Errors)
	list := got.Data["_entities"].([]any)
	require.Len(t, list, 8)
	require.Equal(t, map[string]any{"login": "ann"}, list[0])
	require.Equal(t, "bob", list[3].(map[string]any)["name"])
	require.Nil(t, list[4], "what is not there is null")
	require.Nil(t, list[5])
	require.Nil(t, list[6], "an id of another kind too")
	require.Equal(t, list[0], list[7])
	require.EqualValues(t, 2, w.store.reads.Load(), "one read for each type")

	got = ann.ask(entities, all)
	list = got.Data["_entities"].([]any)
	require.NotNil(t, list[0])
	require.NotNil(t, list[1])
	require.Nil(t, list[2], "another's account")
	require.Nil(t, list[3], "another's profile")
	for _, e := range got.Errors {
		require.Equal(t, "FORBIDDEN", e.Extensions["code"])
		require.Equal(t, "_entities", e.Path[0])
		require.Contains(t, []any{2.0, 3.0, 4.0}, e.Path[1])
	}

	// An analyst sees who is watching by name and colour, no more.
	admin.must(updateUser, map[string]any{"id": bobID, "roles": []string{"ANALYST"}})
	require.Empty(t, bob.enter(refresh, nil).Errors)
	got = bob.ask(entities, reps("Profile", annProfile))
	require.Empty(t, got.Errors)
	require.Equal(t, "ann", got.Data["_entities"].([]any)[0].(map[string]any)["name"])
	require.Equal(t, "FORBIDDEN", bob.ask(`query($r: [_Any!]!) { _entities(representations: $r) { ... on Profile { child } } }`, reps("Profile", annProfile)).code())
	require.Equal(t, "FORBIDDEN", bob.ask(`query($r: [_Any!]!) { _entities(representations: $r) { ... on Profile { locale } } }`, reps("Profile", annProfile)).code())
	require.Equal(t, "FORBIDDEN", bob.ask(entities, reps("User", annID)).code())
	require.Empty(t, bob.ask(`query($r: [_Any!]!) { _entities(representations: $r) { ... on Profile { child locale } } }`, reps("Profile", bobProfile)).Errors)
}

func TestKeysRotateWithoutSigningAnyoneOut(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	old := v.token
	made, err := w.accounts.RotateKey(t.Context())
	require.NoError(t, err)
	require.True(t, made.Made)
	again, err := w.accounts.RotateKey(t.Context())
	require.NoError(t, err)
	require.Equal(t, &auth.Rotation{KeyID: made.KeyID, From: made.From}, again, "twice in a row makes one successor")
	require.Len(t, w.jwks(), 2)
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.Equal(t, head(old), head(v.token), "not before its time")
	w.clock.add(11 * time.Minute)
	require.Empty(t, v.enter(refresh, nil).Errors)
	require.NotEqual(t, head(old), head(v.token))
	v.must(me, nil)
	w.clock.add(2 * time.Hour)
	require.NoError(t, w.accounts.Init(t.Context()))
	require.Len(t, w.jwks(), 1, "the old one is done with")

	// Another instance on the same database signs with the same key.
	second, err := auth.New(auth.Deps{
		Store: w.store, Bus: w.bus, Limiter: must(limitmemory.New(10, time.Now)), Activity: w.activity,
		Logger: slog.New(slog.DiscardHandler), Secret: secret, Now: w.clock.now,
	})
	require.NoError(t, err)
	require.NoError(t, second.Init(t.Context()))
	one, err := second.Signer().JWKS(t.Context())
	require.NoError(t, err)
	two, err := w.accounts.Signer().JWKS(t.Context())
	require.NoError(t, err)
	require.JSONEq(t, string(one), string(two))
}

func head(token string) string { h, _, _ := strings.Cut(token, "."); return h }

func (w *world) jwks() []any {
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	require.Equal(w.t, 200, rec.Code)
	var set struct{ Keys []any }
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &set))
	return set.Keys
}

func TestRevocationsAreListed(t *testing.T) {
	w := newWorld(t)
	v := w.viewer()
	require.Empty(t, v.enter(signUp, creds("ann", good)).Errors)
	v.must(signOut, nil)
	srv := httptest.NewServer(w.handler)
	defer srv.Close()
	// Another service that the bus does not reach.
	r, err := authn.NewRevocations(busmemory.New(), authn.LoadRevocationsHTTP(srv.Client(), srv.URL+"/revocations.json"), w.clock.now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.Run(ctx) }()
	defer func() { cancel(); <-done }()
	require.Len(t, w.activity.events, 1)
	require.Eventually(t, func() bool { return r.Revoked(w.activity.events[0].SessionID) }, 5*time.Second, time.Millisecond)
}

func TestNoMutationWithoutJSON(t *testing.T) {
	w := newWorld(t)
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "/graphql?query=mutation{signOut{signedOut}}", nil),
		httptest.NewRequest("POST", "/graphql", strings.NewReader("query=mutation{signOut{signedOut}}")),
	} {
		if r.Method == "POST" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		r.Header.Set(resolver.ClientHeader, "web")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		require.GreaterOrEqual(t, rec.Code, 400)
		require.NotContains(t, rec.Body.String(), "signedOut\":true")
	}
}
