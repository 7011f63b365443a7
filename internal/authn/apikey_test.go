package authn_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
)

// The form is a promise to whoever scans for it.
func TestTheFormOfAnAPIKey(t *testing.T) {
	key, hint, err := authn.NewAPIKey(bytes.NewReader(make([]byte, 32)))
	require.NoError(t, err)
	require.Equal(t, "cinema_"+strings.Repeat("0", 43)+"3VejJx", key)
	require.Equal(t, "cinema_0000", hint)
	most, _, err := authn.NewAPIKey(bytes.NewReader(bytes.Repeat([]byte{255}, 32)))
	require.NoError(t, err)
	require.True(t, authn.IsAPIKey(most))

	form := regexp.MustCompile(`^cinema_[0-9A-Za-z]{49}$`)
	for range 200 {
		key, _, err := authn.NewAPIKey(rand.Reader)
		require.NoError(t, err)
		require.Regexp(t, form, key)
		require.True(t, authn.IsAPIKey(key))
		for i := range key { // mistyped anywhere
			wrong := []byte(key)
			wrong[i]++
			require.False(t, authn.IsAPIKey(string(wrong)), "%s, not %s", wrong, key)
		}
	}
	for _, no := range []string{"", "cinema_", key[:len(key)-1], key + "0", " " + key, strings.ToUpper(key), "cinema_" + strings.Repeat("é", 25)} {
		require.False(t, authn.IsAPIKey(no), no)
	}
	_, _, err = authn.NewAPIKey(bytes.NewReader(make([]byte, 31)))
	require.Error(t, err)
}

// tokens is a verifier that knows the tokens it was given.
type tokens struct {
	mu   sync.Mutex
	good map[string]*authn.Claims
}

func (v *tokens) Verify(_ context.Context, token string) (*authn.Claims, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if c := v.good[token]; c != nil {
		return c, nil
	}
	return nil, authn.ErrUnauthenticated
}

func (v *tokens) set(good map[string]*authn.Claims) { v.mu.Lock(); defer v.mu.Unlock(); v.good = good }

func TestAKeyIsExchangedOnceInAWhile(t *testing.T) {
	clock := struct {
		sync.Mutex
		t time.Time
	}{t: time.Now()}
	now := func() time.Time { clock.Lock(); defer clock.Unlock(); return clock.t }
	pass := func(d time.Duration) { clock.Lock(); defer clock.Unlock(); clock.t = clock.t.Add(d) }
	key, _, err := authn.NewAPIKey(rand.Reader)
	require.NoError(t, err)

	verifier := &tokens{}
	var asked atomic.Int32
	var answer atomic.Value // a string, or what Exchange fails with
	keys, err := authn.NewAPIKeys(func(_ context.Context, k, address string) (string, error) {
		asked.Add(1)
		require.Equal(t, "203.0.113.9", address)
		require.Equal(t, key, k)
		if err, ok := answer.Load().(error); ok {
			return "", err
		}
		return answer.Load().(string), nil
	}, verifier, now)
	require.NoError(t, err)
	exchange := func(bearer string) (string, error) { return keys.Exchange(t.Context(), bearer, "203.0.113.9") }

	token, err := exchange("eyJ.an.access-token")
	require.NoError(t, err)
	require.Equal(t, "eyJ.an.access-token", token, "an access token is left as it is")
	_, err = exchange(key[:len(key)-1] + "!")
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	require.Zero(t, asked.Load(), "what cannot be a key is asked of nobody")

	verifier.set(map[string]*authn.Claims{"one": {ExpiresAt: now().Add(time.Hour)}})
	answer.Store("one")
	for range 3 {
		token, err = exchange(key)
		require.NoError(t, err)
		require.Equal(t, "one", token)
	}
	require.EqualValues(t, 1, asked.Load())
	pass(31 * time.Second)
	_, err = exchange(key)
	require.NoError(t, err)
	require.EqualValues(t, 2, asked.Load(), "it is judged again")

	// Rights changed: the old token is refused, and the key has another.
	verifier.set(map[string]*authn.Claims{"two": {ExpiresAt: now().Add(10 * time.Second)}})
	answer = atomic.Value{}
	answer.Store("two")
	token, err = exchange(key)
	require.NoError(t, err)
	require.Equal(t, "two", token)
	require.EqualValues(t, 3, asked.Load())

	// A token that ends with its key is not used beyond.
	pass(10 * time.Second)
	answer = atomic.Value{}
	answer.Store(authn.ErrUnauthenticated)
	for range 3 {
		_, err = exchange(key)
		require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	}
	require.EqualValues(t, 4, asked.Load(), "one that was refused is not asked for at once")
	pass(6 * time.Second)
	_, err = exchange(key)
	require.Equal(t, fault.Unauthenticated, fault.KindOf(err))
	require.EqualValues(t, 5, asked.Load())

	// That the auth service is away is not remembered.
	pass(6 * time.Second)
	answer = atomic.Value{}
	answer.Store(fault.New(fault.Unavailable, "away"))
	for i := range 2 {
		_, err = exchange(key)
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
		require.EqualValues(t, 6+i, asked.Load())
	}
}

// Many requests with one key ask once, and the first may leave.
func TestRequestsWithOneKeyShareTheQuestion(t *testing.T) {
	key, _, err := authn.NewAPIKey(rand.Reader)
	require.NoError(t, err)
	arrived, answer := make(chan struct{}), make(chan struct{})
	keys, err := authn.NewAPIKeys(func(context.Context, string, string) (string, error) {
		close(arrived) // a second question would panic
		<-answer
		return "one", nil
	}, &tokens{good: map[string]*authn.Claims{"one": {ExpiresAt: time.Now().Add(time.Hour)}}}, time.Now)
	require.NoError(t, err)
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { _, err := keys.Exchange(leaving, key, ""); left <- err }()
	<-arrived
	got := make(chan string, 20)
	for range cap(got) {
		go func() { token, _ := keys.Exchange(t.Context(), key, ""); got <- token }()
	}
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	close(answer)
	for range cap(got) {
		require.Equal(t, "one", <-got)
	}
}

func TestAKeyIsExchangedOverHTTP(t *testing.T) {
	key, _, err := authn.NewAPIKey(rand.Reader)
	require.NoError(t, err)
	status, body := http.StatusOK, `{"accessToken":"one"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+key || r.Header.Get("X-Forwarded-For") != "203.0.113.9" || r.URL.RawQuery != "" {
			status = http.StatusTeapot
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer s.Close()
	ask := authn.ExchangeHTTP(s.Client(), s.URL+"/api-key")
	token, err := ask(t.Context(), key, "203.0.113.9")
	require.NoError(t, err)
	require.Equal(t, "one", token)
	for code, want := range map[int]fault.Kind{401: fault.Unauthenticated, 429: fault.RateLimited, 503: fault.Unavailable, 500: fault.Unavailable, 404: fault.Unavailable} {
		status = code
		_, err = ask(t.Context(), key, "203.0.113.9")
		require.Equal(t, want, fault.KindOf(err), code)
	}
	status, body = http.StatusOK, `no JSON`
	_, err = ask(t.Context(), key, "203.0.113.9")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.NotContains(t, err.Error(), key)
	var f *fault.Error
	require.True(t, errors.As(err, &f))
}
