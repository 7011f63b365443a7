package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/limit"
)

// KnownFor is how long a browser that signed in to an account stays known to
// it; each sign-in begins it anew.
const KnownFor = 365 * 24 * time.Hour

// A mark says that a browser has signed in to an account before. It opens
// nothing: attempts with it are counted by themselves, so that strangers who
// spend those of a login, from however many addresses, do not shut its owner
// out (OWASP, device cookies). One that was stolen guesses no faster.
const (
	markBody = 16 + 16 + 8 // account, number of the browser, end in Unix seconds
	markLen  = markBody + sha256.Size
)

// mark makes the mark of a browser for an account.
func (s *Accounts) mark(account uuid.UUID) (string, error) {
	b := make([]byte, markBody, markLen)
	copy(b, account[:])
	if _, err := io.ReadFull(s.random, b[16:32]); err != nil {
		return "", fmt.Errorf("auth: randomness: %w", err)
	}
	binary.BigEndian.PutUint64(b[32:], uint64(s.now().Add(KnownFor).Unix())) //nolint:gosec // after 1970
	return base64.RawURLEncoding.EncodeToString(s.markSum(b)), nil
}

// markSum appends the sum to a mark's body.
func (s *Accounts) markSum(body []byte) []byte {
	mac := hmac.New(sha256.New, s.proofs.mark)
	mac.Write(body)
	return mac.Sum(body)
}

// marked reads a mark: whose account the browser is known to, and its number
// there, as a key to count by.
func (s *Accounts) marked(text string) (account uuid.UUID, key string, ok bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(markLen) {
		return uuid.Nil, "", false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || !hmac.Equal(b, s.markSum(append([]byte{}, b[:markBody]...))) {
		return uuid.Nil, "", false
	}
	if until := binary.BigEndian.Uint64(b[32:markBody]); uint64(s.now().Unix()) >= until { //nolint:gosec // after 1970
		return uuid.Nil, "", false
	}
	return uuid.UUID(b[:16]), shortHash(string(b[:32])), true
}

// spendSignIn counts an attempt to prove the password of a login, which is that
// of account, if there is one.
func (s *Accounts) spendSignIn(ctx context.Context, login string, account uuid.UUID, from Client) error {
	if of, key, ok := s.marked(from.Mark); ok && of == account {
		return s.spend(ctx, growing("signin:known:"+key, s.limits.SignInPair)...)
	}
	name, address := shortHash(login), addressKey(from.Address)
	keys := []spending{{"signin:address:" + address, s.limits.SignInAddress}}
	keys = append(keys, growing("signin:pair:"+name+":"+address, s.limits.SignInPair)...)
	return s.spend(ctx, append(keys, growing("signin:login:"+name, s.limits.SignInLogin)...)...)
}

// growing makes the wait between attempts grow with their number. Ten at once and
// ten a minute, say, are four times ten in an hour and twelve times ten in a day:
// one in 6 s at first, then one in 90 s, then one in 12 minutes.
func growing(key string, rate limit.Rate) []spending {
	return []spending{
		{key, rate},
		{key + ":hour", limit.Rate{Limit: 4 * rate.Burst, Per: time.Hour, Burst: 4 * rate.Burst}},
		{key + ":day", limit.Rate{Limit: 12 * rate.Burst, Per: 24 * time.Hour, Burst: 12 * rate.Burst}},
	}
}
