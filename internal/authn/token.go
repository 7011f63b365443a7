package authn

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
)

const (
	// AccessTTL is how long an access token is good.
	AccessTTL = 5 * time.Minute
	// Leeway is how far the clocks of two machines may differ.
	Leeway = 5 * time.Second

	// tokenType keeps other tokens signed by the same key from passing as
	// access tokens (RFC 8725 §3.11, RFC 9068 §2.1).
	tokenType = "at+jwt"
	algorithm = "EdDSA"
	// maxToken bounds the work done on what a stranger sends.
	maxToken = 4096

	// refetchInterval is the least time between two looks at the key set for
	// the sake of an unknown kid, which anyone may make up.
	refetchInterval = 5 * time.Second
	// keysFresh is after how long the key set is fetched again in the
	// background; keysStale is how long it is trusted when that fails.
	keysFresh    = 5 * time.Minute
	keysStale    = time.Hour
	fetchTimeout = 5 * time.Second
	maxJWKS      = 64 << 10

	// keptTokens bounds the verified tokens that a verifier remembers.
	keptTokens = 10_000
)

// SigningKey is a key pair with its time.
type SigningKey struct {
	ID      string
	Private ed25519.PrivateKey
	// ActiveFrom is when it begins to sign. It is published earlier, so that
	// every verifier knows it by then.
	ActiveFrom time.Time
}

// payload is the claims set of an access token.
type payload struct {
	Subject   uuid.UUID        `json:"sub"`
	Session   uuid.UUID        `json:"sid"`
	Profile   uuid.UUID        `json:"pid"`
	Issuer    string           `json:"iss"`
	Audience  jwt.ClaimStrings `json:"aud"`
	IssuedAt  *jwt.NumericDate `json:"iat"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	Expires   *jwt.NumericDate `json:"exp"`
	ID        string           `json:"jti"`
	Scopes    []string         `json:"scopes"`
	Seat      uuid.UUID        `json:"seat,omitzero"`
	Child     bool             `json:"child"`
	AgeLimit  *int             `json:"age,omitempty"`
	Demo      bool             `json:"demo,omitempty"`
	Roles     []string         `json:"roles,omitempty"`
	Rights    int64            `json:"rights,omitempty"`
	AuthTime  *jwt.NumericDate `json:"auth_time,omitempty"`
	APIKey    bool             `json:"api_key,omitempty"`
}

// These make payload a jwt.Claims.
func (p *payload) GetExpirationTime() (*jwt.NumericDate, error) { return p.Expires, nil }
func (p *payload) GetIssuedAt() (*jwt.NumericDate, error)       { return p.IssuedAt, nil }
func (p *payload) GetNotBefore() (*jwt.NumericDate, error)      { return p.NotBefore, nil }
func (p *payload) GetIssuer() (string, error)                   { return p.Issuer, nil }
func (p *payload) GetSubject() (string, error)                  { return p.Subject.String(), nil }
func (p *payload) GetAudience() (jwt.ClaimStrings, error)       { return p.Audience, nil }

// Signer makes access tokens. Its keys can be replaced while it works.
type Signer struct {
	now  func() time.Time
	mu   sync.RWMutex
	keys []SigningKey // oldest ActiveFrom first
	jwks []byte
}

// NewSigner makes a signer without keys: SetKeys gives them.
func NewSigner(now func() time.Time) (*Signer, error) {
	if now == nil {
		return nil, errors.New("authn: a signer needs a clock")
	}
	return &Signer{now: now}, nil
}

// SetKeys replaces all keys. At least one must be active already.
func (s *Signer) SetKeys(keys []SigningKey) error {
	keys = append([]SigningKey{}, keys...)
	sort.Slice(keys, func(i, j int) bool { return keys[i].ActiveFrom.Before(keys[j].ActiveFrom) })
	set := jwkSet{Keys: []jwk{}}
	seen := map[string]bool{}
	for _, k := range keys {
		if k.ID == "" || seen[k.ID] || len(k.Private) != ed25519.PrivateKeySize {
			return fmt.Errorf("authn: signing key %q is doubled, has no id or is no Ed25519 key", k.ID)
		}
		seen[k.ID] = true
		set.Keys = append(set.Keys, jwk{
			Kty: "OKP", Crv: "Ed25519", Alg: algorithm, Use: "sig", Kid: k.ID,
			X: base64.RawURLEncoding.EncodeToString(k.Private.Public().(ed25519.PublicKey)),
		})
	}
	if len(keys) == 0 || keys[0].ActiveFrom.After(s.now()) {
		return errors.New("authn: no signing key is active")
	}
	text, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("authn: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.jwks = keys, text
	return nil
}

// Sign makes an access token with the claims and sets their ExpiresAt, which is
// left where it is earlier.
func (s *Signer) Sign(c *Claims) (string, error) {
	now := s.now()
	s.mu.RLock()
	var key *SigningKey
	for i := range s.keys {
		if !s.keys[i].ActiveFrom.After(now) {
			key = &s.keys[i]
		}
	}
	s.mu.RUnlock()
	if key == nil {
		return "", errors.New("authn: no signing key is active")
	}
	scopes := make([]string, 0, len(c.Scopes))
	for scope, has := range c.Scopes {
		if has {
			scopes = append(scopes, scope)
		}
	}
	sort.Strings(scopes)
	// Whole seconds, as the token holds them.
	now = now.Truncate(time.Second)
	if end := now.Add(AccessTTL).UTC(); c.ExpiresAt.IsZero() || c.ExpiresAt.After(end) {
		c.ExpiresAt = end
	}
	var proved *jwt.NumericDate
	if !c.SignedInAt.IsZero() {
		proved = jwt.NewNumericDate(c.SignedInAt)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &payload{
		Subject: c.UserID, Session: c.SessionID, Profile: c.ProfileID,
		Issuer: Issuer, Audience: jwt.ClaimStrings{Audience},
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expires: jwt.NewNumericDate(c.ExpiresAt),
		ID: uuid.NewString(), Scopes: scopes, Seat: c.SeatID, Child: c.Child, AgeLimit: c.AgeLimit, Demo: c.Demo,
		Roles: c.Roles, Rights: c.Rights, AuthTime: proved, APIKey: c.APIKey,
	})
	t.Header["kid"] = key.ID
	t.Header["typ"] = tokenType
	token, err := t.SignedString(key.Private)
	if err != nil {
		return "", fmt.Errorf("authn: sign: %w", err)
	}
	return token, nil
}

// JWKS returns the public keys as a JSON Web Key Set (RFC 7517, RFC 8037). It
// has the form of a Verifier's fetch, for when both are in one process.
func (s *Signer) JWKS(context.Context) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.jwks == nil {
		return nil, errors.New("authn: the signer has no keys yet")
	}
	return s.jwks, nil
}

// ServeHTTP answers with the JWKS.
func (s *Signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := s.JWKS(r.Context())
	if err != nil {
		http.Error(w, "no keys yet", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=60")
	_, _ = w.Write(text)
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Kid string `json:"kid"`
	X   string `json:"x"`
}

func parseJWKS(text []byte) (map[string]ed25519.PublicKey, error) {
	var set jwkSet
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("authn: key set: %w", err)
	}
	keys := map[string]ed25519.PublicKey{}
	for _, k := range set.Keys {
		// Keys of other kinds may stand beside ours (RFC 7517 §5).
		if k.Kty != "OKP" || k.Crv != "Ed25519" || k.Kid == "" {
			continue
		}
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("authn: key set: key %q is no Ed25519 key", k.Kid)
		}
		keys[k.Kid] = x
	}
	if len(keys) == 0 {
		return nil, errors.New("authn: key set: no Ed25519 key in it")
	}
	return keys, nil
}

// FetchHTTP returns a Verifier's fetch that gets the key set from url.
func FetchHTTP(client *http.Client, url string) func(ctx context.Context) ([]byte, error) {
	return get(client, url, maxJWKS)
}

func get(client *http.Client, url string, most int64) func(ctx context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, fmt.Errorf("authn: %w", err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("authn: %w", err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("authn: %s answered %s", url, resp.Status)
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, most))
		if err != nil {
			return nil, fmt.Errorf("authn: %s: %w", url, err)
		}
		return text, nil
	}
}

// TokenVerifier is the Verifier over a published key set.
type TokenVerifier struct {
	fetch   func(ctx context.Context) ([]byte, error)
	revoked *Revocations
	now     func() time.Time
	parser  *jwt.Parser

	keys atomic.Pointer[keySet]
	mu   sync.Mutex
	// running is closed when the fetch under way has ended; nil without one.
	running chan struct{}
	tried   time.Time
}

// keySet is the published keys, and the tokens that were verified with them: a
// new set starts with none, so that a key withdrawn takes its tokens along.
type keySet struct {
	byID     map[string]ed25519.PublicKey
	fetched  time.Time
	verified verified
}

// verified remembers the claims of tokens whose signature and form were found
// good, by the token's hash. One operation shows its token to the router and
// to each subgraph, a busy viewer shows the same one for five minutes, and a
// check costs 50 µs. What can change while a token lives, its end and its
// session's revocation, is asked each time. Only good tokens get in, so that
// nobody without one can push others out.
type verified struct {
	mu sync.RWMutex
	// Two generations stand in for the order of use: when the young one is
	// full it becomes the old one, and what is still used moves over.
	young, old map[[sha256.Size]byte]good
}

// good is a token's claims, and from when to before when it may be used.
type good struct {
	claims      Claims
	from, until time.Time
}

func (v *verified) get(token [sha256.Size]byte) (good, bool) {
	v.mu.RLock()
	g, ok := v.young[token]
	isOld := false
	if !ok {
		g, isOld = v.old[token]
	}
	v.mu.RUnlock()
	if isOld {
		v.put(token, g)
	}
	return g, ok || isOld
}

func (v *verified) put(token [sha256.Size]byte, g good) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.young == nil || len(v.young) >= keptTokens/2 {
		v.young, v.old = map[[sha256.Size]byte]good{}, v.young
	}
	v.young[token] = g
}

var _ Verifier = (*TokenVerifier)(nil)

// NewVerifier makes a verifier that gets the key set by fetch, when it first
// needs it, and asks revoked about each session.
func NewVerifier(fetch func(ctx context.Context) ([]byte, error), revoked *Revocations, now func() time.Time) (*TokenVerifier, error) {
	if fetch == nil || revoked == nil || now == nil {
		return nil, errors.New("authn: a verifier needs the key set, the revocations and a clock")
	}
	return &TokenVerifier{fetch: fetch, revoked: revoked, now: now, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{algorithm}),
		jwt.WithIssuer(Issuer), jwt.WithAudience(Audience),
		jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway), jwt.WithTimeFunc(now), jwt.WithStrictDecoding(),
	)}, nil
}

var errKeysUnavailable = fault.New(fault.Unavailable, "Sign-in cannot be checked at the moment. Try again shortly.")

// Verify implements Verifier.
func (v *TokenVerifier) Verify(ctx context.Context, token string) (*Claims, error) {
	if len(token) == 0 || len(token) > maxToken {
		return nil, ErrUnauthenticated
	}
	hash := sha256.Sum256([]byte(token))
	if set := v.current(ctx); set != nil {
		if g, ok := set.verified.get(hash); ok {
			now := v.now()
			if now.Before(g.from) || !now.Before(g.until) || v.revoked.Refuses(&g.claims) {
				return nil, ErrUnauthenticated
			}
			return v.sure(&g.claims), nil
		}
	}
	var p payload
	var unavailable error
	var by *keySet
	parsed, err := v.parser.ParseWithClaims(token, &p, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		typ, _ := t.Header["typ"].(string)
		if kid == "" || typ != tokenType || t.Header["crit"] != nil {
			return nil, ErrUnauthenticated
		}
		key, set, err := v.key(ctx, kid)
		by = set
		if err != nil && !errors.Is(err, ErrUnauthenticated) {
			unavailable = err
		}
		return key, err
	})
	if unavailable != nil {
		return nil, errKeysUnavailable.Because(unavailable)
	}
	if err != nil || !parsed.Valid || hasDoubledNames(token) {
		return nil, ErrUnauthenticated
	}
	if p.Subject == uuid.Nil || p.Session == uuid.Nil || p.ID == "" || p.IssuedAt == nil || len(p.Audience) != 1 {
		return nil, ErrUnauthenticated
	}
	if p.Child && p.AgeLimit == nil {
		// Signed by an instance of before there were limits.
		limit := ChildAge
		p.AgeLimit = &limit
	}
	scopes := make(map[string]bool, len(p.Scopes))
	for _, scope := range p.Scopes {
		scopes[scope] = true
	}
	g := good{
		claims: Claims{
			UserID: p.Subject, ProfileID: p.Profile, SessionID: p.Session, SeatID: p.Seat,
			Scopes: scopes, Child: p.Child, AgeLimit: p.AgeLimit, Demo: p.Demo, ExpiresAt: p.Expires.UTC(),
			Roles: p.Roles, Rights: p.Rights, APIKey: p.APIKey,
		},
		from: p.NotBefore.Add(-Leeway), until: p.Expires.Add(Leeway),
	}
	if p.AuthTime != nil {
		g.claims.SignedInAt = p.AuthTime.UTC()
	}
	if p.IssuedAt.After(p.NotBefore.Time) {
		g.from = p.IssuedAt.Add(-Leeway)
	}
	if v.revoked.Refuses(&g.claims) {
		return nil, ErrUnauthenticated
	}
	by.verified.put(hash, g)
	return v.sure(&g.claims), nil
}

// sure takes the permissions out of claims that may have been revoked without
// our knowing: who watches goes on, who administers waits.
func (v *TokenVerifier) sure(c *Claims) *Claims {
	if len(c.Scopes) == 0 || !v.revoked.Unsure() {
		return c
	}
	without := *c
	without.Scopes, without.Unsure = map[string]bool{}, true
	return &without
}

// current is the key set at hand while it may be trusted, else nil. One that
// is no longer fresh is fetched again in the background.
func (v *TokenVerifier) current(ctx context.Context) *keySet {
	set := v.keys.Load()
	if set == nil {
		return nil
	}
	age := v.now().Sub(set.fetched)
	if age >= keysStale {
		return nil
	}
	if age > keysFresh {
		v.refetch(ctx)
	}
	return set
}

// key finds the public key and the set that it is of, the one at hand if it can.
func (v *TokenVerifier) key(ctx context.Context, kid string) (ed25519.PublicKey, *keySet, error) {
	if set := v.current(ctx); set != nil {
		if key, ok := set.byID[kid]; ok {
			return key, set, nil
		}
	}
	if done := v.refetch(ctx); done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
	set := v.keys.Load()
	if set == nil || v.now().Sub(set.fetched) >= keysStale {
		return nil, nil, errors.New("authn: the key set cannot be had")
	}
	if key, ok := set.byID[kid]; ok {
		return key, set, nil
	}
	return nil, nil, ErrUnauthenticated
}

// refetch begins a fetch, or joins the one under way, and returns a channel
// that closes when it has ended; nil when the last try is too recent. Before
// the first success it tries again sooner, or a start would be slow.
func (v *TokenVerifier) refetch(ctx context.Context) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running != nil {
		return v.running
	}
	interval := refetchInterval
	if v.keys.Load() == nil {
		interval /= 20
	}
	now := v.now()
	if !v.tried.IsZero() && now.Sub(v.tried) < interval {
		return nil
	}
	v.tried = now
	done := make(chan struct{})
	v.running = done
	// The first to ask may leave; the others still wait for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	go func() {
		defer cancel()
		text, err := v.fetch(ctx)
		if err == nil {
			if byID, err := parseJWKS(text); err == nil {
				v.keys.Store(&keySet{byID: byID, fetched: v.now()})
			}
		}
		v.mu.Lock()
		v.running = nil
		v.mu.Unlock()
		close(done)
	}()
	return done
}

// hasDoubledNames reports whether the header or the claims name one member
// twice: readers differ on which of them counts.
func hasDoubledNames(token string) bool {
	for range 2 {
		i := bytes.IndexByte([]byte(token), '.')
		if i < 0 {
			return true
		}
		text, err := base64.RawURLEncoding.DecodeString(token[:i])
		if err != nil || doubled(text) {
			return true
		}
		token = token[i+1:]
	}
	return false
}

// doubled scans the members of one JSON object that encoding/json has accepted.
func doubled(text []byte) bool {
	var names [32]string
	n, depth := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(text) {
				return true
			}
			next := end + 1
			for next < len(text) && (text[next] == ' ' || text[next] == '\t' || text[next] == '\n' || text[next] == '\r') {
				next++
			}
			if depth == 1 && next < len(text) && text[next] == ':' {
				var name string
				// Unescaped, or two spellings of one name would pass.
				if json.Unmarshal(text[i:end+1], &name) != nil || n == len(names) {
					return true
				}
				for _, other := range names[:n] {
					// encoding/json matches names without regard to case.
					if len(other) == len(name) && bytes.EqualFold([]byte(other), []byte(name)) {
						return true
					}
				}
				names[n] = name
				n++
			}
			i = end
		}
	}
	return false
}
