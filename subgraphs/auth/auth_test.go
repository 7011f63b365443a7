package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
)

func TestCommonPasswords(t *testing.T) {
	for _, p := range []string{
		"password", "PASSWORD", "Password1", "password123!", "P@ssw0rd", "p@$$w0rd!!", "passpass", "123password", "!!password!!",
		"12345678", "87654321", "1234567890", "0123456789", "abcdefgh", "aaaaaaaa", "11111111", "12121212", "abcabcabc", "123123123",
		"qwertyuiop", "qwerty123", "1q2w3e4r5t", "iloveyou", "i love you", "ILoveYou2", "dragondragon", "monkey123monkey", "letmein!",
		"01011990", "19900101", "31121999", "12311999", "йцукенгш", "Пароль12", "наташа99", "netflix2026", "sunshine7", "superman!!",
		"trustno1", "changeme", "adminadmin", "admin12345", "welcome1", "qwe123qwe", "starwars77", "rangers1", "Bulldogs", "marlboro",
	} {
		require.True(t, isCommon(p), p)
	}
	for _, p := range []string{
		"violet tractor 41", "correct horse battery staple", "k7f2m-9qwx3-0abcd-zz9y8", "plumbago kettle", "морковный закат",
		"xK9#vLq2", "84739205", "99887216", "tangerine waltz", "passionate gardeners", "footballers united in rain",
	} {
		require.False(t, isCommon(p), p)
	}
	require.Greater(t, len(common()), 300)
	require.Greater(t, len(leaked()), 10_000)
	for p := range leaked() {
		require.GreaterOrEqual(t, utf8.RuneCountInString(p), minPassword, p)
		require.True(t, isCommon(strings.ToUpper(p)), p)
	}
}

func TestCommonIsQuick(t *testing.T) {
	began := processor(t)
	for _, p := range []string{strings.Repeat("a", maxPassword), strings.Repeat("ab", maxPassword/2), strings.Repeat("password", maxPassword/8), strings.Repeat("4", maxPassword)} {
		isCommon(p)
	}
	require.Less(t, processor(t)-began, time.Second)
}

// processor is the time for which this process has had one: unlike the clock's
// it stands still while others are at work.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var use syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

func TestNormalizeLogin(t *testing.T) {
	for in, want := range map[string]string{
		" Ann ": "ann", "ＡＮＮ": "ann", "ÉMILE": "émile", "e\u0301mile": "émile", "Ann@Home.Example": "ann@home.example",
		"a.b+c@d.example": "a.b+c@d.example", "аня": "аня", "x-y_z.1": "x-y_z.1",
	} {
		got, err := NormalizeLogin(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		again, err := NormalizeLogin(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	for _, bad := range []string{
		"", "ab", "a b c", "a\tbc", "a\nbc", "a\x00bc", "a\u202ebc", "a\u200dbc", "a\ufeffbc", "\xffabc", "аnn", "αnn",
		strings.Repeat("x", 65), strings.Repeat("x", 250) + "@a.example", "a@", "@b.example", "a@b@c", "a <a@b.example>",
	} {
		_, err := NormalizeLogin(bad)
		require.Error(t, err, "%q", bad)
	}
}

func FuzzNormalizeLogin(f *testing.F) {
	f.Add("Ann@Home.Example")
	f.Add("ＡＮＮ\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		one, err := NormalizeLogin(s)
		if err != nil {
			return
		}
		two, err := NormalizeLogin(one)
		if err != nil || one != two {
			t.Fatalf("%q became %q, then %q (%v)", s, one, two, err)
		}
	})
}

func newTestHasher(t testing.TB) *hasher {
	h, err := newHasher(rand.Reader, argon2.IDKey)
	require.NoError(t, err)
	return h
}

func TestHash(t *testing.T) {
	h, ctx := newTestHasher(t), t.Context()
	phc, err := h.hash(ctx, "secret words")
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, phc)
	other, err := h.hash(ctx, "secret words")
	require.NoError(t, err)
	require.NotEqual(t, phc, other, "salted")
	for password, want := range map[string]bool{"secret words": true, "secret word": false, "": false, "secret words\x00": false} {
		ok, stale, err := h.verify(ctx, password, phc)
		require.NoError(t, err)
		require.Equal(t, want, ok, password)
		require.False(t, stale)
	}
	ok, _, err := h.verify(ctx, "anything", "")
	require.NoError(t, err)
	require.False(t, ok)

	// Weaker parameters of another day still verify and are to be renewed.
	salt := []byte("0123456789abcdef")
	weak := encode(params{memory: 8 << 10, time: 1, threads: 1}, salt, argon2.IDKey([]byte("x"), salt, 1, 8<<10, 1, 32))
	ok, stale, err := h.verify(ctx, "x", weak)
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, stale)

	for _, bad := range []string{"x", "$argon2i$v=19$m=1,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", strings.Replace(phc, "m=19456", "m=99999999", 1), strings.Replace(phc, "v=19", "v=18", 1), phc[:40]} {
		_, _, err := h.verify(ctx, "x", bad)
		require.Error(t, err, bad)
	}
}

// A login that nobody has costs what a wrong password costs: one hash more, of
// the same size, is waited for and made.
func TestUnknownLoginTakesAsLong(t *testing.T) {
	h, ctx := newTestHasher(t), t.Context()
	phc, err := h.hash(ctx, "secret words")
	require.NoError(t, err)
	cost, salt, sum, err := decode(phc)
	require.NoError(t, err)
	dummyCost, dummySalt, dummySum, err := decode(h.dummy)
	require.NoError(t, err)
	require.Equal(t, cost, dummyCost)
	require.Len(t, dummySalt, len(salt))
	require.Len(t, dummySum, len(sum))

	for range atOnce() {
		require.NoError(t, h.enter(ctx))
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for name, kept := range map[string]string{"known": phc, "unknown": ""} {
		_, _, err := h.verify(gone, "another", kept)
		require.ErrorIs(t, err, context.Canceled, "%s: without a turn nothing is said", name)
	}
}

func TestHashesAtOnceAreBounded(t *testing.T) {
	h := newTestHasher(t)
	// All turns are taken; the queue fills; the next is sent away at once.
	for range atOnce() {
		require.NoError(t, h.enter(t.Context()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	results := make(chan error, maxWaiting)
	for range maxWaiting {
		wg.Go(func() {
			err := h.enter(ctx)
			if err == nil {
				h.leave()
			}
			results <- err
		})
	}
	require.Eventually(t, func() bool { return h.waiting.Load() == maxWaiting }, 5*time.Second, time.Millisecond)
	require.ErrorIs(t, h.enter(t.Context()), errBusy)
	require.True(t, h.full())
	h.leave()
	require.NoError(t, <-results, "one moves up")
	require.Eventually(t, func() bool { return !h.full() }, 5*time.Second, time.Millisecond)
	cancel()
	wg.Wait()
	require.Zero(t, h.waiting.Load())
	for range atOnce() - 1 {
		h.leave()
	}
	require.Empty(t, h.turns)
}

func TestMadePasswords(t *testing.T) {
	p, err := makePassword(rand.Reader)
	require.NoError(t, err)
	require.Len(t, p, 23)
	require.NoError(t, checkNewPassword(p, "admin"))
	_, err = makePassword(bytes.NewReader(nil))
	require.Error(t, err)
}

var testSecret = bytes.Repeat([]byte("s"), 32)

func newTestSession(now time.Time) *SessionRow {
	s := &SessionRow{ID: uuid.New(), CreatedAt: now, RotatedAt: now, ExpiresAt: expiry(now, now), Seed: bytes.Repeat([]byte("x"), seedLen), Generation: 1}
	s.TokenHash = tokenHash(refreshToken(testSecret, s, 1))
	return s
}

func TestRotate(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	use := func(s *SessionRow, generation int32, at time.Time) verdict {
		p, ok := parseRefreshToken(refreshToken(testSecret, s, generation))
		require.True(t, ok)
		return rotate(testSecret, s, p, at)
	}
	t.Run("each works once", func(t *testing.T) {
		s, at := newTestSession(start), start
		for g := int32(1); g < 100; g++ {
			at = at.Add(5 * time.Minute)
			require.Equal(t, rotated, use(s, g, at))
			require.Equal(t, g+1, s.Generation)
		}
	})
	for name, c := range map[string]struct {
		generation int32
		after      time.Duration
		want       verdict
	}{
		"the last one at once":    {2, 0, repeated},
		"the last one in grace":   {2, grace, repeated},
		"the last one past grace": {2, grace + 1, replayed},
		"an older one in grace":   {1, 0, replayed},
		"one that is yet to come": {4, 0, replayed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestSession(start)
			require.Equal(t, rotated, use(s, 1, start))
			require.Equal(t, rotated, use(s, 2, start))
			require.Equal(t, c.want, use(s, c.generation, start.Add(c.after)))
			require.Equal(t, c.want == replayed, s.EndedAt != nil)
			if c.want == replayed {
				require.Equal(t, refused, use(s, 3, start), "nothing goes on after that")
			} else {
				require.Equal(t, rotated, use(s, 3, start))
			}
		})
	}
	t.Run("what is not genuine changes nothing", func(t *testing.T) {
		s := newTestSession(start)
		for name, token := range map[string]string{
			"another secret": refreshToken(bytes.Repeat([]byte("y"), 32), s, 1),
			"another seed":   refreshToken(testSecret, &SessionRow{ID: s.ID, Seed: bytes.Repeat([]byte("y"), seedLen)}, 1),
			"another id":     refreshToken(testSecret, &SessionRow{ID: uuid.New(), Seed: s.Seed}, 1),
		} {
			p, ok := parseRefreshToken(token)
			require.True(t, ok)
			require.Equal(t, refused, rotate(testSecret, s, p, start), name)
			require.Nil(t, s.EndedAt)
		}
	})
	t.Run("it ends unused and it ends at last", func(t *testing.T) {
		s := newTestSession(start)
		require.Equal(t, refused, use(s, 1, start.Add(idle)))
		at, g := start, int32(1)
		for at.Before(start.Add(longest - time.Hour)) {
			require.Equal(t, rotated, use(s, g, at))
			at, g = at.Add(20*24*time.Hour), g+1
		}
		require.Equal(t, start.Add(longest), s.ExpiresAt)
		require.Equal(t, refused, use(s, g, start.Add(longest)))
	})
}

func TestParseRefreshToken(t *testing.T) {
	good := refreshToken(testSecret, newTestSession(time.Now()), 1)
	require.Len(t, good, 70)
	for _, bad := range []string{"", "x", good[:69], good + "A", good[:69] + "!", strings.Repeat("\x00", 70)} {
		_, ok := parseRefreshToken(bad)
		require.False(t, ok, "%q", bad)
	}
}

func TestAddressKey(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7", "2001:db8::1": "2001:db8::/64",
		"2001:db8:0:0:ffff::1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64", "": "unknown", "nonsense": "unknown",
		strings.Repeat("1", 1<<16): "unknown",
	} {
		require.Equal(t, want, addressKey(in))
	}
}

func TestNewNamesAllThatIsMissing(t *testing.T) {
	_, err := New(Deps{})
	for _, name := range []string{"Store", "Bus", "Limiter", "Activity", "Logger", "Secret"} {
		require.ErrorContains(t, err, name)
	}
}

func TestCut(t *testing.T) {
	require.Equal(t, "ab", cut("a\x00b", 512))
	require.Equal(t, "я", cut("яя", 3))
	require.Equal(t, "ab", cut("a\xffb", 10))
}

func TestCursor(t *testing.T) {
	u := &User{CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)}
	u.ID.UUID = uuid.New()
	p, err := parseCursor(u.Cursor())
	require.NoError(t, err)
	require.Equal(t, &Place{At: u.CreatedAt, ID: u.ID.UUID}, p)
	for _, bad := range []string{"", "x", strings.Repeat("A", 31), strings.Repeat("_", 32), strings.Repeat("A", 1000)} {
		_, err := parseCursor(bad)
		require.Error(t, err)
	}
}

// SignIn's password part beside argon2id alone.
func BenchmarkVerifyPassword(b *testing.B) {
	h := newTestHasher(b)
	phc, err := h.hash(b.Context(), "secret words")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if ok, _, err := h.verify(b.Context(), "secret words", phc); !ok || err != nil {
				b.Fatal(errors.Join(err, errors.New("not verified")))
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		salt := make([]byte, saltLen)
		for b.Loop() {
			argon2.IDKey([]byte("secret words"), salt, current.time, current.memory, current.threads, hashLen)
		}
	})
}
