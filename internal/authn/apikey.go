package authn

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/netflixathome/cinema/internal/fault"
)

// An API key is cinema_, 32 random bytes, and a checksum of both, all in
// letters and figures, so that a double click takes it whole. By prefix and
// checksum a scanner of sources and logs knows one that leaked from any other
// text (GitHub's tokens are built likewise), and one that was mistyped or made
// up costs nobody a question. A scanner's rule: cinema_[0-9A-Za-z]{49}.
const (
	APIKeyPrefix = "cinema_"
	apiKeyBytes  = 32
	apiKeyBody   = 43 // 62^43 > 2^256
	apiKeyCheck  = 6  // 62^6 > 2^32
	apiKeyLen    = len(APIKeyPrefix) + apiKeyBody + apiKeyCheck
	// apiKeyHint is how much of a key is kept for its owner to know it by.
	apiKeyHint = len(APIKeyPrefix) + 4
)

// NewAPIKey makes a key, and the beginning of it by which its owner knows it.
func NewAPIKey(random io.Reader) (key, hint string, err error) {
	raw := make([]byte, apiKeyBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", "", fmt.Errorf("authn: randomness: %w", err)
	}
	key = APIKeyPrefix + base62(new(big.Int).SetBytes(raw), apiKeyBody)
	key += apiKeyChecksum(key)
	return key, key[:apiKeyHint], nil
}

// IsAPIKey reports whether a bearer has the form of an API key; whether there is
// such a key, the auth service knows.
func IsAPIKey(bearer string) bool {
	if len(bearer) != apiKeyLen || !strings.HasPrefix(bearer, APIKeyPrefix) {
		return false
	}
	body := bearer[:apiKeyLen-apiKeyCheck]
	return bearer[len(body):] == apiKeyChecksum(body)
}

// HashAPIKey is what is kept of a key. One round of SHA-256 is enough: 32 random
// bytes are not found by trying, however quick a try is, and a slow hash would
// cost each use what it costs to guess a password.
func HashAPIKey(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }

func apiKeyChecksum(text string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(text)))), apiKeyCheck)
}

func base62(n *big.Int, width int) string {
	text := n.Text(62)
	return strings.Repeat("0", width-len(text)) + text
}

const (
	// keyTokenKept is how long an access token stands for its key before the
	// auth service is asked again. What ends it earlier, the revocations tell.
	keyTokenKept = 30 * time.Second
	// keyRefused is how long a key that was refused is not asked for again.
	keyRefused = 5 * time.Second
	// mostKeys bounds what is remembered.
	mostKeys = 10_000
)

// APIKeys exchanges API keys for the access tokens that they stand for, so that
// beyond the router there is one kind of credential, which everybody verifies.
type APIKeys struct {
	ask      func(ctx context.Context, key, address string) (token string, err error)
	verifier Verifier
	now      func() time.Time

	asking singleflight.Group
	mu     sync.Mutex
	kept   map[[sha256.Size]byte]keptKey
}

// keptKey is what the auth service said of a key, for as long as it counts.
type keptKey struct {
	token string // empty: refused
	until time.Time
}

// NewAPIKeys makes the exchange. ask gets a key's token from the auth service, for
// one at an address; a fault of kind Unauthenticated says that there is no such key.
func NewAPIKeys(ask func(ctx context.Context, key, address string) (string, error), verifier Verifier, now func() time.Time) (*APIKeys, error) {
	if ask == nil || verifier == nil || now == nil {
		return nil, errors.New("authn: API keys need the auth service, a verifier and a clock")
	}
	return &APIKeys{ask: ask, verifier: verifier, now: now, kept: map[[sha256.Size]byte]keptKey{}}, nil
}

// Exchange returns the access token that a bearer stands for: a key's, and of
// anything else itself.
func (k *APIKeys) Exchange(ctx context.Context, bearer, address string) (string, error) {
	if !strings.HasPrefix(bearer, APIKeyPrefix) {
		return bearer, nil
	}
	if !IsAPIKey(bearer) {
		return "", ErrUnauthenticated
	}
	hash := HashAPIKey(bearer)
	if token, ok, err := k.known(ctx, hash); ok || err != nil {
		return token, err
	}
	// Many requests with one key ask once. Whoever was first may leave.
	asked := k.asking.DoChan(string(hash[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		// One that looked before the question and got here after its answer.
		if token, ok, err := k.known(ctx, hash); ok || err != nil {
			return token, err
		}
		token, err := k.ask(ctx, bearer, address)
		switch {
		case err == nil:
			k.keep(hash, keptKey{token: token, until: k.now().Add(keyTokenKept)})
		case fault.KindOf(err) == fault.Unauthenticated:
			k.keep(hash, keptKey{until: k.now().Add(keyRefused)})
		}
		return token, err
	})
	select {
	case r := <-asked:
		token, _ := r.Val.(string)
		return token, r.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// known is what is remembered of a key, unless its token is no longer good: then
// the account may do less than it did, or the key is gone.
func (k *APIKeys) known(ctx context.Context, hash [sha256.Size]byte) (token string, ok bool, err error) {
	k.mu.Lock()
	kept, ok := k.kept[hash]
	k.mu.Unlock()
	if !ok || !k.now().Before(kept.until) {
		return "", false, nil
	}
	if kept.token == "" {
		return "", false, ErrUnauthenticated
	}
	claims, err := k.verifier.Verify(ctx, kept.token)
	switch {
	case fault.KindOf(err) == fault.Unauthenticated:
		return "", false, nil
	case err != nil:
		return "", false, err
	}
	// The leeway that verifiers give is for clocks, not for keys.
	return kept.token, k.now().Before(claims.ExpiresAt), nil
}

func (k *APIKeys) keep(hash [sha256.Size]byte, what keptKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.kept) >= mostKeys {
		now := k.now()
		for h, old := range k.kept {
			if !now.Before(old.until) {
				delete(k.kept, h)
			}
		}
		if len(k.kept) >= mostKeys { // all of the last seconds: begin anew
			clear(k.kept)
		}
	}
	k.kept[hash] = what
}

// ExchangedKey is the auth service's answer for a key.
type ExchangedKey struct {
	AccessToken string `json:"accessToken"`
}

// AddressHeader carries the address of one who shows a key to the auth service.
const AddressHeader = "X-Forwarded-For"

// ExchangeHTTP returns an ask for NewAPIKeys that sends the key to url. It
// travels in a header, which nobody logs.
func ExchangeHTTP(client *http.Client, url string) func(ctx context.Context, key, address string) (string, error) {
	unavailable := fault.New(fault.Unavailable, "API keys cannot be checked at the moment. Try again shortly.")
	return func(ctx context.Context, key, address string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
		if err != nil {
			return "", unavailable.Because(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set(AddressHeader, address)
		resp, err := client.Do(req)
		if err != nil {
			return "", unavailable.Because(err)
		}
		defer resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
		case http.StatusUnauthorized:
			return "", ErrUnauthenticated
		case http.StatusTooManyRequests:
			return "", ErrTooManyKeys
		default:
			return "", unavailable.Because(fmt.Errorf("authn: %s answered %s", url, resp.Status))
		}
		var out ExchangedKey
		if err := json.NewDecoder(io.LimitReader(resp.Body, 2*maxToken)).Decode(&out); err != nil {
			return "", unavailable.Because(fmt.Errorf("authn: %s: %w", url, err))
		}
		return out.AccessToken, nil
	}
}

// ErrTooManyKeys is what an address is told that shows too many keys.
var ErrTooManyKeys = fault.New(fault.RateLimited, "Too many API keys from your address. Try again in a minute.")
