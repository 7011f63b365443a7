package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// A refresh token is the session's id, its generation g and a MAC of both,
// under a key that is made of the program's secret and a random seed of the
// session. So
//
//   - it cannot be made from the database alone, nor from the secret alone;
//   - an old one is told from a made-up one for as long as the session is
//     kept, with no list of those that were used;
//   - the successor of a token can be made again, and needs not be kept.
//
// Using the token of the present generation moves the session to the next one.
// Using an older one means that two hold the session, one of whom stole it:
// the session ends. The exception is the one before the present, within grace
// of its use: two tabs that refresh at the same moment, or an answer that was
// lost on the way, get the same successor.
const (
	grace = 10 * time.Second
	// idle is how long a session lives without use; longest, in all.
	idle    = 30 * 24 * time.Hour
	longest = 180 * 24 * time.Hour

	seedLen  = 32
	macLen   = sha256.Size
	tokenLen = 16 + 4 + macLen
)

// refreshToken makes the token of the session's generation g.
func refreshToken(secret []byte, s *SessionRow, g int32) string {
	raw := make([]byte, 0, tokenLen)
	raw = append(raw, s.ID[:]...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(g))
	raw = append(raw, tokenMAC(secret, s.Seed, raw)...)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func tokenMAC(secret, seed, text []byte) []byte {
	key := hmac.New(sha256.New, secret)
	key.Write(seed)
	mac := hmac.New(sha256.New, key.Sum(nil))
	mac.Write(text)
	return mac.Sum(nil)
}

// tokenHash is what is kept of the present token.
func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// parsedToken is a refresh token whose MAC is still to be checked.
type parsedToken struct {
	text       string
	session    uuid.UUID
	generation int32
	mac        []byte
}

func parseRefreshToken(token string) (parsedToken, bool) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenLen) {
		return parsedToken{}, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return parsedToken{}, false
	}
	p := parsedToken{text: token, generation: int32(binary.BigEndian.Uint32(raw[16:20])), mac: raw[20:]}
	copy(p.session[:], raw[:16])
	return p, true
}

// genuine reports whether the token was made by this program for the session.
func (p parsedToken) genuine(secret []byte, s *SessionRow) bool {
	var text [20]byte
	copy(text[:16], s.ID[:])
	binary.BigEndian.PutUint32(text[16:], uint32(p.generation))
	return p.session == s.ID && hmac.Equal(p.mac, tokenMAC(secret, s.Seed, text[:]))
}

// verdict is what the use of a refresh token leads to.
type verdict int

const (
	refused  verdict = iota // not a token of a live session
	rotated                 // the session has moved on to the next generation
	repeated                // the same successor again
	replayed                // the session was ended
)

// rotate judges the use of a token at now and changes the session accordingly.
func rotate(secret []byte, s *SessionRow, p parsedToken, now time.Time) verdict {
	if !s.Live(now) || !p.genuine(secret, s) {
		return refused
	}
	switch {
	case p.generation == s.Generation && subtle.ConstantTimeCompare(tokenHash(p.text), s.TokenHash) == 1:
		s.Generation++
		s.TokenHash = tokenHash(refreshToken(secret, s, s.Generation))
		s.RotatedAt, s.UsedAt = now, now
		s.ExpiresAt = expiry(s.CreatedAt, now)
		return rotated
	case p.generation == s.Generation-1 && now.Sub(s.RotatedAt) <= grace:
		return repeated
	default:
		s.EndedAt, s.EndReason = &now, EndReplayed
		return replayed
	}
}

// expiry is when a session used now ends if it is not used again.
func expiry(created, now time.Time) time.Time {
	end := now.Add(idle)
	if last := created.Add(longest); last.Before(end) {
		return last
	}
	return end
}
