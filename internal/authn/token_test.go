package authn_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/bus/memory"
	"github.com/netflixathome/cinema/internal/fault"
)

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

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

func newKey(t testing.TB, id string, from time.Time) authn.SigningKey {
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return authn.SigningKey{ID: id, Private: private, ActiveFrom: from}
}

func revocations(t testing.TB, now func() time.Time) *authn.Revocations {
	r, err := authn.NewRevocations(memory.New(), func(context.Context) ([]authn.Revocation, error) { return nil, nil }, now, silent)
	require.NoError(t, err)
	run(t, r)
	require.Eventually(t, func() bool { return !r.Unsure() }, 5*time.Second, time.Millisecond)
	return r
}

// run lets a set of revocations listen until the test ends.
func run(t testing.TB, r *authn.Revocations) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

type world struct {
	clock    *clock
	key      authn.SigningKey
	signer   *authn.Signer
	revoked  *authn.Revocations
	verifier *authn.TokenVerifier
	fetches  atomic.Int32
	fail     atomic.Bool
}

func newWorld(t testing.TB) *world {
	w := &world{clock: &clock{t: time.Unix(1_800_000_000, 0)}}
	var err error
	w.signer, err = authn.NewSigner(w.clock.now)
	require.NoError(t, err)
	w.key = newKey(t, "k1", w.clock.now())
	require.NoError(t, w.signer.SetKeys([]authn.SigningKey{w.key}))
	w.revoked = revocations(t, w.clock.now)
	w.verifier, err = authn.NewVerifier(func(ctx context.Context) ([]byte, error) {
		w.fetches.Add(1)
		if w.fail.Load() {
			return nil, errors.New("down")
		}
		return w.signer.JWKS(ctx)
	}, w.revoked, w.clock.now)
	require.NoError(t, err)
	return w
}

func claims() *authn.Claims {
	six := 6
	return &authn.Claims{
		UserID: uuid.New(), ProfileID: uuid.New(), SessionID: uuid.New(), SeatID: uuid.New(), Child: true, AgeLimit: &six, Demo: true,
		Scopes: map[string]bool{"title:read": true, "stats:read": true, "not": false},
	}
}

func TestRoundTrip(t *testing.T) {
	w := newWorld(t)
	in := claims()
	token, err := w.signer.Sign(in)
	require.NoError(t, err)
	out, err := w.verifier.Verify(t.Context(), token)
	require.NoError(t, err)
	delete(in.Scopes, "not")
	require.Equal(t, in, out)
	require.Equal(t, w.clock.now().Add(authn.AccessTTL).UTC(), out.ExpiresAt)

	head, body := part(t, token, 0), part(t, token, 1)
	require.Equal(t, map[string]any{"alg": "EdDSA", "kid": "k1", "typ": "at+jwt"}, head)
	for _, name := range []string{"iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti", "pid", "scopes", "child", "seat", "age"} {
		require.Contains(t, body, name)
	}
}

func part(t *testing.T, token string, i int) map[string]any {
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(text, &m))
	return m
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// Whatever is wrong, the answer is one and tells nothing.
func TestBadTokens(t *testing.T) {
	w := newWorld(t)
	good, err := w.signer.Sign(claims())
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	head := part(t, good, 0)
	body := part(t, good, 1)
	now := w.clock.now().Unix()

	raw := func(head, body string) string {
		signed := b64(head) + "." + b64(body)
		return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(w.key.Private, []byte(signed)))
	}
	with := func(base map[string]any, changes map[string]any) string {
		m := map[string]any{}
		for k, v := range base {
			m[k] = v
		}
		for k, v := range changes {
			if v == nil {
				delete(m, k)
			} else {
				m[k] = v
			}
		}
		text, err := json.Marshal(m)
		require.NoError(t, err)
		return string(text)
	}
	forged := func(h, b map[string]any) string { return raw(with(head, h), with(body, b)) }
	_, err = w.verifier.Verify(t.Context(), forged(nil, nil))
	require.NoError(t, err, "the forge makes good tokens when nothing is changed")

	public := w.key.Private.Public().(ed25519.PublicKey)
	hs := func() string {
		signed := b64(`{"alg":"HS256","kid":"k1","typ":"at+jwt"}`) + "." + parts[1]
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	stranger := newKey(t, "k1", w.clock.now())
	strangerSigner, err := authn.NewSigner(w.clock.now)
	require.NoError(t, err)
	require.NoError(t, strangerSigner.SetKeys([]authn.SigningKey{stranger}))
	strangers, err := strangerSigner.Sign(claims())
	require.NoError(t, err)
	someClaims := with(body, nil)

	for name, token := range map[string]string{
		"empty":                "",
		"no dots":              "token",
		"two parts":            parts[0] + "." + parts[1],
		"four parts":           good + ".x",
		"not base64":           "!." + parts[1] + "." + parts[2],
		"padded base64":        parts[0] + "=." + parts[1] + "." + parts[2],
		"not JSON":             raw("x", "y"),
		"1 MB":                 good + strings.Repeat("a", 1<<20),
		"NUL":                  good + "\x00",
		"unsigned":             parts[0] + "." + parts[1] + ".",
		"alg none":             b64(`{"alg":"none","kid":"k1","typ":"at+jwt"}`) + "." + parts[1] + ".",
		"alg none, signed":     forged(map[string]any{"alg": "none"}, nil),
		"alg in another case":  forged(map[string]any{"alg": "eddsa"}, nil),
		"HMAC by public key":   hs(),
		"changed body":         parts[0] + "." + b64(with(body, map[string]any{"scopes": []string{"user:write"}})) + "." + parts[2],
		"changed signature":    good[:len(good)-8] + "AAAAAAAA",
		"another's key":        strangers,
		"unknown kid":          forged(map[string]any{"kid": "k2"}, nil),
		"no kid":               forged(map[string]any{"kid": nil}, nil),
		"kid is a number":      forged(map[string]any{"kid": 1}, nil),
		"another type":         forged(map[string]any{"typ": "JWT"}, nil),
		"no type":              forged(map[string]any{"typ": nil}, nil),
		"critical extension":   forged(map[string]any{"crit": []string{"b64"}, "b64": false}, nil),
		"wrong issuer":         forged(nil, map[string]any{"iss": "other"}),
		"no issuer":            forged(nil, map[string]any{"iss": nil}),
		"wrong audience":       forged(nil, map[string]any{"aud": []string{"other"}}),
		"two audiences":        forged(nil, map[string]any{"aud": []string{"cinema", "other"}}),
		"no audience":          forged(nil, map[string]any{"aud": nil}),
		"expired":              forged(nil, map[string]any{"exp": now - 60}),
		"no expiry":            forged(nil, map[string]any{"exp": nil}),
		"expiry is text":       forged(nil, map[string]any{"exp": "never"}),
		"not before later":     forged(nil, map[string]any{"nbf": now + 60}),
		"no not before":        forged(nil, map[string]any{"nbf": nil}),
		"issued in the future": forged(nil, map[string]any{"iat": now + 60}),
		"no issued at":         forged(nil, map[string]any{"iat": nil}),
		"no subject":           forged(nil, map[string]any{"sub": nil}),
		"subject is no uuid":   forged(nil, map[string]any{"sub": "admin"}),
		"no session":           forged(nil, map[string]any{"sid": nil}),
		"no token id":          forged(nil, map[string]any{"jti": nil}),
		"doubled claim":        raw(with(head, nil), `{"sub":"`+uuid.NewString()+`",`+someClaims[1:]),
		"doubled, escaped":     raw(with(head, nil), `{"su\u0062":"`+uuid.NewString()+`",`+someClaims[1:]),
		"doubled, other case":  raw(with(head, nil), `{"SUB":"`+uuid.NewString()+`",`+someClaims[1:]),
		"doubled header":       raw(`{"alg":"none",`+with(head, nil)[1:], someClaims),
		"claims are a list":    raw(with(head, nil), `[]`),
		"claims are null":      raw(with(head, nil), `null`),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := w.verifier.Verify(t.Context(), token)
			require.Nil(t, got)
			require.Same(t, authn.ErrUnauthenticated, err)
		})
	}
}

func TestTimeAndLeeway(t *testing.T) {
	w := newWorld(t)
	token, err := w.signer.Sign(claims())
	require.NoError(t, err)
	for _, step := range []struct {
		after time.Duration
		ok    bool
	}{
		{-authn.Leeway, true}, {-authn.Leeway - time.Second, false},
		{authn.AccessTTL, true}, {authn.AccessTTL + authn.Leeway + time.Second, false},
	} {
		start := w.clock.now()
		w.clock.add(step.after)
		_, err := w.verifier.Verify(t.Context(), token)
		require.Equal(t, step.ok, err == nil, "%s", step.after)
		w.clock.add(start.Sub(w.clock.now()))
	}
}

func TestRotation(t *testing.T) {
	w := newWorld(t)
	old, err := w.signer.Sign(claims())
	require.NoError(t, err)
	_, err = w.verifier.Verify(t.Context(), old)
	require.NoError(t, err)

	next := newKey(t, "k2", w.clock.now().Add(time.Minute))
	require.NoError(t, w.signer.SetKeys([]authn.SigningKey{next, w.key}))
	still, err := w.signer.Sign(claims())
	require.NoError(t, err)
	require.Equal(t, "k1", part(t, still, 0)["kid"], "published before it signs")
	w.clock.add(time.Minute)
	fresh, err := w.signer.Sign(claims())
	require.NoError(t, err)
	require.Equal(t, "k2", part(t, fresh, 0)["kid"])
	for _, token := range []string{old, still, fresh} {
		_, err = w.verifier.Verify(t.Context(), token)
		require.NoError(t, err, "nobody is signed out")
	}
	require.EqualValues(t, 2, w.fetches.Load())
}

func TestUnknownKidsDoNotHammerTheKeyServer(t *testing.T) {
	w := newWorld(t)
	good, err := w.signer.Sign(claims())
	require.NoError(t, err)
	parts := strings.SplitN(good, ".", 2)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 10 {
				bad := b64(`{"alg":"EdDSA","typ":"at+jwt","kid":"`+uuid.NewString()+`"}`) + "." + parts[1]
				if _, err := w.verifier.Verify(context.Background(), bad); !errors.Is(err, authn.ErrUnauthenticated) {
					t.Errorf("got %v", err)
				}
				if _, err := w.verifier.Verify(context.Background(), good); err != nil {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, w.fetches.Load(), int32(1))
}

func TestKeyServerDown(t *testing.T) {
	w := newWorld(t)
	token, err := w.signer.Sign(claims())
	require.NoError(t, err)
	w.fail.Store(true)
	_, err = w.verifier.Verify(t.Context(), token)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "not known is not wrong")
	var refused *fault.Error
	require.ErrorAs(t, err, &refused)
	require.NotContains(t, refused.Message, "down")
	w.fail.Store(false)
	w.clock.add(time.Second)
	_, err = w.verifier.Verify(t.Context(), token)
	require.NoError(t, err)

	w.fail.Store(true)
	w.clock.add(30 * time.Minute)
	token, err = w.signer.Sign(claims())
	require.NoError(t, err)
	_, err = w.verifier.Verify(t.Context(), token)
	require.NoError(t, err, "the keys at hand are trusted for an hour")
	require.Eventually(t, func() bool { return w.fetches.Load() == 3 }, 5*time.Second, time.Millisecond, "and asked for meanwhile")
	w.clock.add(time.Hour)
	token, err = w.signer.Sign(claims())
	require.NoError(t, err)
	_, err = w.verifier.Verify(t.Context(), token)
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
}

func TestJWKSOverHTTP(t *testing.T) {
	w := newWorld(t)
	srv := httptest.NewServer(w.signer)
	defer srv.Close()
	v, err := authn.NewVerifier(authn.FetchHTTP(srv.Client(), srv.URL), w.revoked, w.clock.now)
	require.NoError(t, err)
	token, err := w.signer.Sign(claims())
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)

	resp, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NotContains(t, string(text), `"d"`)
	require.NotContains(t, string(text), base64.RawURLEncoding.EncodeToString(w.key.Private.Seed()))
}

func TestSignerRefusesBadKeys(t *testing.T) {
	w := newWorld(t)
	later := newKey(t, "k2", w.clock.now().Add(time.Hour))
	for _, keys := range [][]authn.SigningKey{nil, {later}, {w.key, w.key}, {{ID: "x", ActiveFrom: w.clock.now()}}} {
		require.Error(t, w.signer.SetKeys(keys))
	}
	_, err := w.signer.Sign(claims())
	require.NoError(t, err, "the keys it had still work")
}

func TestRevocations(t *testing.T) {
	c := &clock{t: time.Unix(1_800_000_000, 0)}
	b := memory.New()
	missed := uuid.New()
	var asked atomic.Int32
	r, err := authn.NewRevocations(b, func(context.Context) ([]authn.Revocation, error) {
		asked.Add(1)
		return []authn.Revocation{{SessionID: missed, Until: c.now().Add(time.Minute)}}, nil
	}, c.now, silent)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	require.Eventually(t, func() bool { return r.Revoked(missed) }, 5*time.Second, time.Millisecond)

	told := uuid.New()
	require.False(t, r.Revoked(told))
	require.NoError(t, b.Publish(ctx, authn.TopicRevoked, []byte("{broken")))
	require.NoError(t, authn.Publish(ctx, b, c.now().Add(authn.RevocationTTL), told, uuid.New()))
	require.Eventually(t, func() bool { return r.Revoked(told) }, 5*time.Second, time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}

// A film's address is good for longer than a token: the seat that it was signed
// for stays left after the last token has ended.
func TestRevocationsOutliveTokens(t *testing.T) {
	c := &clock{t: time.Unix(1_800_000_000, 0)}
	left := uuid.New()
	var asked atomic.Int32
	r, err := authn.NewRevocations(memory.New(), func(context.Context) ([]authn.Revocation, error) {
		asked.Add(1)
		return nil, nil
	}, c.now, silent)
	require.NoError(t, err)
	for _, pass := range []struct {
		after time.Duration
		left  bool
	}{{0, true}, {authn.RevocationTTL, true}, {10 * time.Hour, true}, {3 * time.Hour, false}} {
		if pass.after == 0 {
			r.Add(authn.Revocation{SessionID: left, Until: c.now().Add(authn.RevocationTTL)})
		}
		c.add(pass.after)
		before := asked.Load()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }() // it looks through what it keeps when it starts
		require.Eventually(t, func() bool { return asked.Load() > before }, 5*time.Second, time.Millisecond)
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, pass.left, r.Revoked(left), "%s later", pass.after)
	}
}

// Tokens from before a change of rights are refused, those after it are not,
// whatever other changes come between and in what order they are told.
func TestRightsThatChanged(t *testing.T) {
	c := &clock{t: time.Unix(1_800_000_000, 0)}
	r, err := authn.NewRevocations(memory.New(), func(context.Context) ([]authn.Revocation, error) { return nil, nil }, c.now, silent)
	require.NoError(t, err)
	ann, bob := uuid.New(), uuid.New()
	token := func(user uuid.UUID, rights int64, roles ...string) *authn.Claims {
		return &authn.Claims{UserID: user, SessionID: uuid.New(), Rights: rights, Roles: roles}
	}
	until := c.now().Add(authn.RevocationTTL)
	r.Add(authn.Revocation{Rights: 7, Role: "EDITOR", Until: until})
	r.Add(authn.Revocation{Rights: 9, UserID: ann, Until: until})
	r.Add(authn.Revocation{Rights: 3, UserID: ann, Until: until.Add(time.Hour)}) // late, and older
	for name, c := range map[string]struct {
		claims  *authn.Claims
		refused bool
	}{
		"of the role, from before":       {token(bob, 6, "VIEWER", "EDITOR"), true},
		"of the role, of that moment":    {token(bob, 7, "EDITOR"), false},
		"of another role":                {token(bob, 6, "VIEWER"), false},
		"of the account, from before":    {token(ann, 8), true},
		"of the account, of that moment": {token(ann, 9), false},
		"of no rights, as it was before": {token(ann, 0), true},
		"of the account and the role":    {token(ann, 8, "EDITOR"), true},
	} {
		require.Equal(t, c.refused, r.Refuses(c.claims), name)
	}
	require.False(t, r.Revoked(uuid.Nil), "no session ended")
	r.Add(authn.Revocation{SessionID: uuid.New(), Rights: 1, UserID: bob, Until: c.now()})
	require.False(t, r.Refuses(token(bob, 0)), "what is over is not taken in")
}

func TestVerifierAsksRevocations(t *testing.T) {
	w := newWorld(t)
	c := claims()
	token, err := w.signer.Sign(c)
	require.NoError(t, err)
	w.revoked.Add(authn.Revocation{SessionID: c.Seat(), Until: w.clock.now()})
	_, err = w.verifier.Verify(t.Context(), token)
	require.NoError(t, err, "one that is over says nothing")
	w.revoked.Add(authn.Revocation{SessionID: c.Seat(), Until: w.clock.now().Add(authn.RevocationTTL)})
	_, err = w.verifier.Verify(t.Context(), token)
	require.Same(t, authn.ErrUnauthenticated, err)
}

func TestASeatThatWasLeft(t *testing.T) {
	w := newWorld(t)
	before, after := claims(), claims()
	after.SessionID, after.SeatID = before.SessionID, uuid.New()
	first, err := w.signer.Sign(before)
	require.NoError(t, err)
	second, err := w.signer.Sign(after)
	require.NoError(t, err)
	_, err = w.verifier.Verify(t.Context(), first)
	require.NoError(t, err)
	w.revoked.Add(authn.Revocation{SessionID: before.Seat(), Until: w.clock.now().Add(authn.RevocationTTL)})
	_, err = w.verifier.Verify(t.Context(), first)
	require.Same(t, authn.ErrUnauthenticated, err, "also one that was verified before")
	_, err = w.verifier.Verify(t.Context(), second)
	require.NoError(t, err, "the session goes on")

	old := claims()
	old.SeatID, old.AgeLimit = uuid.Nil, nil
	token, err := w.signer.Sign(old)
	require.NoError(t, err)
	read, err := w.verifier.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, old.SessionID, read.Seat())
	require.Equal(t, authn.ChildAge, *read.AgeLimit, "a child's token of before there were limits")
}

// A token that was verified once is remembered, but not beyond its key.
func TestWithdrawnKey(t *testing.T) {
	w := newWorld(t)
	token, err := w.signer.Sign(claims())
	require.NoError(t, err)
	for range 2 {
		_, err = w.verifier.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	w.clock.add(10 * time.Second)
	require.NoError(t, w.signer.SetKeys([]authn.SigningKey{newKey(t, "k2", w.clock.now())}))
	other, err := w.signer.Sign(claims())
	require.NoError(t, err)
	_, err = w.verifier.Verify(t.Context(), other)
	require.NoError(t, err, "an unknown key has the set fetched")
	_, err = w.verifier.Verify(t.Context(), token)
	require.Same(t, authn.ErrUnauthenticated, err)
}

func TestMiddleware(t *testing.T) {
	w := newWorld(t)
	token, err := w.signer.Sign(claims())
	require.NoError(t, err)
	h := authn.Middleware(w.verifier, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if authn.From(r.Context()) == nil {
			rw.WriteHeader(http.StatusNoContent)
		}
	}))
	for header, status := range map[string]int{
		"": 204, "Basic abc": 204, "Bearer": 204, "Bearer ": 204,
		"Bearer " + token: 200, "bearer " + token: 200, "Bearer nonsense": 401,
	} {
		r := httptest.NewRequest("POST", "/graphql", nil)
		r.Header.Set("Authorization", header)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		require.Equal(t, status, rec.Code, header)
		if status == 401 {
			require.JSONEq(t, `{"errors":[{"message":"Sign in to go on.","extensions":{"code":"UNAUTHENTICATED"}}]}`, rec.Body.String())
		}
	}
}

// Bare is what the signature alone costs on this machine, once for each token.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	tokens := make([]string, 64)
	for i := range tokens {
		var err error
		tokens[i], err = w.signer.Sign(claims())
		require.NoError(b, err)
	}
	b.Run("token", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := w.verifier.Verify(b.Context(), tokens[i%len(tokens)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		text := []byte(tokens[0])
		sig := ed25519.Sign(w.key.Private, text)
		public := w.key.Private.Public().(ed25519.PublicKey)
		for b.Loop() {
			if !ed25519.Verify(public, text, sig) {
				b.Fatal()
			}
		}
	})
}
