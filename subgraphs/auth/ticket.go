package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
)

// A ticket is what a client carries from one step to the next: sealed under
// the program's secret, so that it can neither be read nor made, and good for
// one purpose, one account, one use and some minutes. Every instance that has
// the secret can open it, and none keeps it: only that it was used is written
// down, until it would have ended. So strangers who ask for challenges fill
// nothing.
type ticket struct {
	ID    uuid.UUID `json:"id"`
	Until time.Time `json:"until"`
	// User is Nil in the challenge of a passkey that may be anyone's.
	User uuid.UUID `json:"user"`
	// Password is a digest of the hash of the password that was shown; the
	// ticket ends with that password.
	Password []byte `json:"password,omitempty"`
	// TOTP is the shared secret that is being set up.
	TOTP []byte `json:"totp,omitempty"`
	// Ceremony is a passkey's challenge.
	Ceremony *webauthn.SessionData `json:"ceremony,omitempty"`
	// Asked is what a provider was asked, and Provider and Identity are the first
	// step where that was one's word.
	Asked    *asked    `json:"asked,omitempty"`
	Provider string    `json:"provider,omitempty"`
	Identity uuid.UUID `json:"identity,omitzero"`
}

// purpose is sealed in with a ticket, so that it cannot serve another.
type purpose string

const (
	forSecondFactor purpose = "second factor"
	// forFirstSetUp lets an administrator who has no second factor set one up.
	forFirstSetUp     purpose = "first set-up"
	forTOTP           purpose = "totp"
	forNewPasskey     purpose = "new passkey"
	forPasskeySignIn  purpose = "passkey sign-in"
	forPasskeySecond  purpose = "passkey as second factor"
	forPasskeyConfirm purpose = "passkey confirmation"
	forProvider       purpose = "provider"
	// forConfirmation is a second step that opens no session: it freshens one.
	forConfirmation purpose = "second factor of a confirmation"
)

const (
	// ticketLife is how long someone has for the second step, or to set one up.
	ticketLife = 10 * time.Minute
	// challengeLife is a passkey's; a page that stays open asks anew.
	challengeLife = 5 * time.Minute
	// maxTicket bounds what is opened: a challenge that names all the passkeys
	// an account can have stays below.
	maxTicket = 32 << 10
)

var errTicket = fault.New(fault.Unauthenticated, "This took too long, or was used already. Begin again.").WithReason("TICKET_ENDED")

// newAEAD derives a key for one use from the program's secret (RFC 5869).
func newAEAD(secret []byte, label string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, label, 32)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	return aead, nil
}

func (s *Accounts) seal(aead cipher.AEAD, text, with []byte) ([]byte, error) {
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(s.random, nonce); err != nil {
		return nil, fmt.Errorf("auth: randomness: %w", err)
	}
	return aead.Seal(nonce, nonce, text, with), nil
}

func unsealed(aead cipher.AEAD, sealed, with []byte) ([]byte, error) {
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, io.ErrUnexpectedEOF
	}
	return aead.Open(nil, sealed[:n], sealed[n:], with)
}

// issue seals a ticket and gives it its id and end.
func (s *Accounts) issue(p purpose, life time.Duration, t *ticket) (string, error) {
	var err error
	if t.ID, err = s.newID(); err != nil {
		return "", err
	}
	t.Until = s.now().Add(life)
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("auth: ticket: %w", err)
	}
	sealed, err := s.seal(s.proofs.tickets, text, []byte(p))
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// accept opens a ticket of the purpose that has not ended. That it was not used
// before is for the store to say, when it is.
func (s *Accounts) accept(p purpose, text string) (*ticket, error) {
	if len(text) > maxTicket {
		return nil, errTicket
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errTicket
	}
	raw, err := unsealed(s.proofs.tickets, sealed, []byte(p))
	if err != nil {
		return nil, errTicket
	}
	var t ticket
	if err := json.Unmarshal(raw, &t); err != nil {
		return nil, errTicket
	}
	if !s.now().Before(t.Until) {
		return nil, errTicket
	}
	return &t, nil
}

func (t *ticket) spent() Spent { return Spent{ID: t.ID, Until: t.Until} }

// passwordDigest is what a ticket holds of a password's hash.
func passwordDigest(hash string) []byte {
	sum := sha256.Sum256([]byte("ticket " + hash))
	return sum[:16]
}

func (t *ticket) of(hash string) bool {
	return subtle.ConstantTimeCompare(t.Password, passwordDigest(hash)) == 1
}
