// Package providerstest is a provider of OpenID Connect for tests that need one
// which does wrong: it can be told to lie in each of the ways that a relying
// party has to notice. The end-to-end tests use a real one.
package providerstest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// The client that it knows.
const (
	ClientID = "cinema"
	Secret   = "provider-secret"
)

// OP is a provider.
type OP struct {
	URL string

	mu  sync.Mutex
	key *rsa.PrivateKey
	// signer signs in place of key, which is the one that is published.
	signer   *rsa.PrivateKey
	method   jwt.SigningMethod
	twist    func(c jwt.MapClaims)
	away     int
	named    bool
	userInfo map[string]any
	codes    map[string]granted
	asked    int
}

type granted struct {
	params url.Values
	claims jwt.MapClaims
}

// New starts a provider.
func New(t *testing.T) *OP {
	t.Helper()
	p := &OP{key: newKey(t), method: jwt.SigningMethodRS256, codes: map[string]granted{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		answer(w, http.StatusOK, p.userInfo)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		away := p.away
		p.mu.Unlock()
		if away != 0 {
			http.Error(w, "away", away)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func (p *OP) set(f func()) { p.mu.Lock(); defer p.mu.Unlock(); f() }

// Twist changes the claims of each ID token from now on; nil changes none.
func (p *OP) Twist(f func(c jwt.MapClaims)) { p.set(func() { p.twist = f }) }

// Away answers all with the status; 0 ends it.
func (p *OP) Away(status int) { p.set(func() { p.away = status }) }

// NamesItself says that answers carry the issuer.
func (p *OP) NamesItself() { p.set(func() { p.named = true }) }

// UserInfo is what the call of that name answers.
func (p *OP) UserInfo(m map[string]any) { p.set(func() { p.userInfo = m }) }

// SignWithAnother signs with a key that is not the published one; false ends it.
func (p *OP) SignWithAnother(t *testing.T, on bool) {
	key := newKey(t)
	if !on {
		key = nil
	}
	p.set(func() { p.signer = key })
}

// Unsigned issues ID tokens of the algorithm none; false ends it.
func (p *OP) Unsigned(on bool) {
	p.set(func() {
		p.method = jwt.SigningMethodRS256
		if on {
			p.method = jwt.SigningMethodNone
		}
	})
}

// Asked is how often it was asked about itself.
func (p *OP) Asked() int { p.mu.Lock(); defer p.mu.Unlock(); return p.asked }

// Grant does what the provider does after its user has said yes at the address:
// it returns the code and the state that come back with the viewer.
func (p *OP) Grant(t *testing.T, address string, claims jwt.MapClaims) (code, state string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	params := u.Query()
	require.Equal(t, ClientID, params.Get("client_id"))
	require.Equal(t, "code", params.Get("response_type"))
	require.Equal(t, "S256", params.Get("code_challenge_method"))
	require.NotEmpty(t, params.Get("code_challenge"))
	code = rand.Text()
	p.set(func() { p.codes[code] = granted{params, claims} })
	return code, params.Get("state")
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (p *OP) discovery(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	answer(w, http.StatusOK, map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"userinfo_endpoint": p.URL + "/userinfo", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "authorization_response_iss_parameter_supported": p.named,
	})
}

func (p *OP) keys(w http.ResponseWriter, _ *http.Request) {
	b64 := base64.RawURLEncoding.EncodeToString
	answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "n": b64(p.key.N.Bytes()), "e": b64(big.NewInt(int64(p.key.E)).Bytes()),
	}}})
}

func (p *OP) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	refuse := func(code string) { answer(w, http.StatusBadRequest, map[string]any{"error": code}) }
	if id, secret, ok := r.BasicAuth(); !ok || id != ClientID || secret != Secret {
		refuse("invalid_client")
		return
	}
	g, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || g.params.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || g.params.Get("redirect_uri") != r.PostFormValue("redirect_uri") {
		refuse("invalid_grant")
		return
	}
	now := time.Now()
	claims := jwt.MapClaims{"iss": p.URL, "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": g.params.Get("nonce")}
	for k, v := range g.claims {
		claims[k] = v
	}
	if p.twist != nil {
		p.twist(claims)
	}
	token := jwt.NewWithClaims(p.method, claims)
	token.Header["kid"] = "k"
	var key any = p.key
	if p.signer != nil {
		key = p.signer
	}
	if p.method == jwt.SigningMethodNone {
		key = jwt.UnsafeAllowNoneSignatureType
	}
	signed, err := token.SignedString(key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": "provider-access-token", "token_type": "Bearer", "expires_in": 300, "id_token": signed})
}
