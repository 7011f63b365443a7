package auth

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"image/png"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
)

// Codes after RFC 6238 in the one form that every authenticator app knows:
// SHA-1, six digits, 30 seconds. One step to either side is let pass, for
// clocks that differ.
const (
	totpIssuer    = "NetflixAtHome"
	totpPeriod    = 30
	totpSkew      = 1
	totpSecretLen = 20
	qrSide        = 528 // pixels, more than are shown, so that it stays sharp
)

var base32Plain = base32.StdEncoding.WithPadding(base32.NoPadding)

// TotpSetUp is what an authenticator app must be told.
type TotpSetUp struct {
	// SetUp is the ticket that the first code is sent with.
	SetUp string
	// Key is the secret in base32, in groups of four.
	Key string
	// URL is the otpauth address that holds it, QRCode its picture as a data URL.
	URL, QRCode string
}

// BeginTotp makes a new secret. Nothing is kept of it until AddTotp.
func (s *Accounts) BeginTotp(ctx context.Context, c *authn.Claims, first *string) (*TotpSetUp, error) {
	u, _, _, err := s.setter(ctx, c, first)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, totpSecretLen)
	if _, err := io.ReadFull(s.random, secret); err != nil {
		return nil, fmt.Errorf("auth: randomness: %w", err)
	}
	out := &TotpSetUp{}
	if out.SetUp, err = s.issue(forTOTP, ticketLife, &ticket{User: u.ID.UUID, TOTP: secret}); err != nil {
		return nil, err
	}
	text := base32Plain.EncodeToString(secret)
	var groups []string
	for i := 0; i < len(text); i += 4 {
		groups = append(groups, text[i:min(i+4, len(text))])
	}
	out.Key = strings.Join(groups, " ")
	// The form of the codes is every app's default: unsaid, it makes the picture
	// coarser and so easier to scan.
	out.URL = fmt.Sprintf("otpauth://totp/%s:%s?secret=%s&issuer=%s", totpIssuer, url.PathEscape(u.Login), text, totpIssuer)
	if out.QRCode, err = qrCode(out.URL); err != nil {
		return nil, err
	}
	return out, nil
}

func qrCode(address string) (string, error) {
	key, err := otp.NewKeyFromURL(address)
	if err != nil {
		return "", fmt.Errorf("auth: totp: %w", err)
	}
	picture, err := key.Image(qrSide, qrSide)
	if err != nil {
		return "", fmt.Errorf("auth: totp: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return "", fmt.Errorf("auth: totp: %w", err)
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

var errCode = fault.New(fault.Invalid, "The code is wrong, or was used already. Wait for the next one.").WithReason("WRONG_CODE")

// AddTotp sets an authenticator app up once it has shown a right code.
func (s *Accounts) AddTotp(ctx context.Context, c *authn.Claims, first *string, setUp, code string, from Client) (*FactorsChanged, error) {
	u, hash, ticket, err := s.setter(ctx, c, first)
	if err != nil {
		return nil, err
	}
	t, err := s.accept(forTOTP, setUp)
	if err != nil {
		return nil, err
	}
	if t.User != u.ID.UUID {
		return nil, errTicket
	}
	step, ok := matchingStep(t.TOTP, code, s.now(), 0)
	if !ok {
		return nil, errCode.At("input.code")
	}
	sealed, err := s.seal(s.proofs.totp, t.TOTP, t.User[:])
	if err != nil {
		return nil, err
	}
	return s.add(ctx, &u, hash, ticket, from, func(f *StoredFactors) (FactorChange, error) {
		if f.TOTP != nil {
			return FactorChange{}, errTOTPThere
		}
		return FactorChange{
			Spend: []Spent{t.spent()}, SetTOTP: &StoredTOTP{Sealed: sealed, LastStep: step, CreatedAt: s.now()},
		}, nil
	})
}

// DeleteTotp takes the authenticator app away.
func (s *Accounts) DeleteTotp(ctx context.Context, c *authn.Claims) (*FactorsChanged, error) {
	return s.drop(ctx, c, func(f *StoredFactors) (FactorChange, error) {
		if f.TOTP == nil {
			return FactorChange{}, errNoTOTP
		}
		return FactorChange{DropTOTP: true}, nil
	})
}

// totpSecret opens the secret of an account.
func (s *Accounts) totpSecret(account uuid.UUID, t *StoredTOTP) ([]byte, error) {
	secret, err := unsealed(s.proofs.totp, t.Sealed, account[:])
	if err != nil {
		return nil, fmt.Errorf("auth: the authenticator key of account %s was sealed under another secret: give the secret back that this database was made with", account)
	}
	return secret, nil
}

// typedDigits undoes how people group a code.
var typedDigits = strings.NewReplacer(" ", "", "\u00a0", "", "-", "")

// matchingStep finds the time step whose code this is, after the last one that
// was used.
func matchingStep(secret []byte, code string, now time.Time, last int64) (int64, bool) {
	if len(code) > maxCode {
		return 0, false
	}
	if code = typedDigits.Replace(code); len(code) != 6 {
		return 0, false
	}
	key := base32Plain.EncodeToString(secret)
	present := now.Unix() / totpPeriod
	for step := max(present-totpSkew, last+1); step <= present+totpSkew; step++ {
		ok, err := hotp.ValidateCustom(code, uint64(step), key, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && ok {
			return step, true
		}
	}
	return 0, false
}
