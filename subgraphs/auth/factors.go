package auth

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// FactorStore keeps what an account proves itself with beside its password.
type FactorStore interface {
	// Account finds an account with the hash of its password, which is empty
	// when it has none.
	Account(ctx context.Context, id uuid.UUID) (User, string, error)
	// Factors returns what an account has; nothing when it has none.
	Factors(ctx context.Context, account uuid.UUID) (*StoredFactors, error)
	// ChangeFactors locks an account, lets change judge what it has, and does
	// what it returns. It returns ErrSpent when a ticket was used before, and
	// ErrPasskeyKnown when an added passkey is there already.
	ChangeFactors(ctx context.Context, account uuid.UUID, change func(f *StoredFactors) (FactorChange, error)) error
	// UseFactor writes down that a factor and the tickets it came with were
	// used. It returns ErrSpent, and writes nothing, when any of them was.
	UseFactor(ctx context.Context, use FactorUse) error
	// PruneTickets deletes up to limit spent tickets that have ended by a
	// moment and says how many.
	PruneTickets(ctx context.Context, by time.Time, limit int) (int, error)
}

// What a FactorStore says beside ErrNotFound.
var (
	ErrSpent        = errors.New("auth: used already")
	ErrPasskeyKnown = errors.New("auth: the passkey belongs to an account already")
)

// StoredFactors are the factors of an account as they are kept.
type StoredFactors struct {
	// HasPassword is whether the account has one; it is the way in that stands
	// beside the passkeys.
	HasPassword bool
	// IsAdmin is User.IsAdmin.
	IsAdmin  bool
	TOTP     *StoredTOTP
	Passkeys []StoredPasskey // oldest first
	// Identities are its accounts with providers, oldest first.
	Identities []StoredIdentity
	// Recovery are the keyed hashes of the recovery codes that are left.
	Recovery [][]byte
}

// any reports whether there is a second factor. Recovery codes stand in for
// one and are none.
func (f *StoredFactors) any() bool { return f.TOTP != nil || len(f.Passkeys) > 0 }

// StoredTOTP is the shared secret of an authenticator app.
type StoredTOTP struct {
	Sealed    []byte
	LastStep  int64
	CreatedAt time.Time
}

// StoredPasskey is a WebAuthn credential.
type StoredPasskey struct {
	ID                              uuid.UUID
	CredentialID, PublicKey, AAGUID []byte
	Flags                           byte
	SignCount                       uint32
	Transports                      []string
	RPID                            string
	Name                            string
	CreatedAt                       time.Time
	UsedAt                          *time.Time
}

// Spent is a ticket that is used up.
type Spent struct {
	ID    uuid.UUID
	Until time.Time
}

// FactorChange is what ChangeFactors does.
type FactorChange struct {
	Spend         []Spent
	SetTOTP       *StoredTOTP
	DropTOTP      bool
	AddPasskey    *StoredPasskey
	RenamePasskey *StoredPasskey // its ID and Name
	DropPasskey   uuid.UUID
	AddIdentity   *StoredIdentity
	DropIdentity  uuid.UUID
	// Recovery replaces the codes unless it is nil.
	Recovery [][]byte
}

// FactorUse is the use of one factor, with the tickets that it came with.
type FactorUse struct {
	Account uuid.UUID
	At      time.Time
	Spend   []Spent
	// One of these, or none: the step of a code, the hash of a recovery code, a
	// passkey with its new state, an identity.
	Step     *int64
	Recovery []byte
	Passkey  *StoredPasskey
	Identity uuid.UUID
}

// Factors is what an account proves itself with beside its password, as its
// owner sees it.
type Factors struct {
	// Totp is since when there is an authenticator app; nil without one.
	Totp     *time.Time
	Passkeys []Passkey
	// RecoveryCodes is how many are left.
	RecoveryCodes int
	// Required is whether the account must have a second factor.
	Required bool
	// Password is whether there is one.
	Password   bool
	Identities []Identity
}

// Passkey is a passkey as its owner sees it.
type Passkey struct {
	ID        gid.ID
	Name      string
	CreatedAt time.Time
	UsedAt    *time.Time
	// Synced is whether it is kept on more than one device.
	Synced bool
	// Here is whether it works at the cinema's present address.
	Here bool
}

// FactorsChanged is what a change of the factors leads to.
type FactorsChanged struct {
	Factors *Factors
	User    *User
	// RecoveryCodes are shown once; nil when none were made.
	RecoveryCodes []string
	// Session is opened when a ticket let its holder in to set up a factor.
	Session *SignedInSession
}

// proofs is what the second step needs: keys of its own, and the rules of
// passkeys at the configured address.
type proofs struct {
	tickets, totp cipher.AEAD
	recovery      []byte
	mark          []byte             // of browsers that have signed in before
	passkeys      *webauthn.WebAuthn // nil where the address cannot have them
	support       PasskeySupport
}

func newProofs(d Deps) (p proofs, err error) {
	if p.tickets, err = newAEAD(d.Secret, "cinema auth ticket v1"); err != nil {
		return p, err
	}
	if p.totp, err = newAEAD(d.Secret, "cinema auth totp v1"); err != nil {
		return p, err
	}
	if p.recovery, err = hkdf.Key(sha256.New, d.Secret, nil, "cinema auth recovery code v1", 32); err != nil {
		return p, fmt.Errorf("auth: %w", err)
	}
	if p.mark, err = hkdf.Key(sha256.New, d.Secret, nil, "cinema auth known browser v1", 32); err != nil {
		return p, fmt.Errorf("auth: %w", err)
	}
	p.passkeys, p.support, err = newPasskeys(d.PublicURL)
	return p, err
}

// FactorsOf returns what an account has.
func (s *Accounts) FactorsOf(ctx context.Context, account uuid.UUID) (*Factors, error) {
	f, err := s.store.Factors(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("auth: factors: %w", err)
	}
	return s.shown(f), nil
}

func (s *Accounts) shown(f *StoredFactors) *Factors {
	out := &Factors{
		Passkeys: []Passkey{}, RecoveryCodes: len(f.Recovery), Required: s.mustHave(f.IsAdmin),
		Password: f.HasPassword, Identities: s.shownIdentities(f.Identities),
	}
	if f.TOTP != nil {
		out.Totp = &f.TOTP.CreatedAt
	}
	for _, p := range f.Passkeys {
		out.Passkeys = append(out.Passkeys, Passkey{
			ID: gid.Of(gid.Passkey, p.ID), Name: p.Name, CreatedAt: p.CreatedAt, UsedAt: p.UsedAt,
			Synced: p.synced(), Here: s.works(p),
		})
	}
	return out
}

// mustHave reports whether an account must have a second factor.
func (s *Accounts) mustHave(admin bool) bool { return s.adminFactor && admin }

// Recovery codes have 120 bits of chance: above 112 a quick hash is good enough
// for what is kept (OWASP ASVS 5.0.0, 6.5.2).
const (
	recoveryCodes = 10
	recoveryLen   = 24 // letters, of 5 bits each
)

// newRecovery makes recovery codes and what is kept of them.
func (s *Accounts) newRecovery(account uuid.UUID) (codes []string, hashes [][]byte, err error) {
	for range recoveryCodes {
		raw := make([]byte, recoveryLen)
		if _, err := io.ReadFull(s.random, raw); err != nil {
			return nil, nil, fmt.Errorf("auth: randomness: %w", err)
		}
		var b strings.Builder
		for i, c := range raw {
			if i > 0 && i%4 == 0 {
				b.WriteByte('-')
			}
			b.WriteByte(readable[c&31])
		}
		codes = append(codes, b.String())
		hashes = append(hashes, s.recoveryHash(account, b.String()))
	}
	return codes, hashes, nil
}

// recoveryHash is what is kept of a recovery code: neither the database nor the
// secret alone tells whether a guess is right.
func (s *Accounts) recoveryHash(account uuid.UUID, code string) []byte {
	code = typedCode.Replace(strings.ToLower(code))
	mac := hmac.New(sha256.New, s.proofs.recovery)
	mac.Write(account[:])
	mac.Write([]byte(code))
	return mac.Sum(nil)
}

// typedCode undoes what people make of a code: spaces, and letters that the
// alphabet leaves out because they look like figures.
var typedCode = strings.NewReplacer("-", "", " ", "", "\u00a0", "", "i", "1", "l", "1", "o", "0")

var (
	errLastFactor = fault.New(fault.Conflict, "An administrator must have a second factor here. Add another one first.").WithReason("LAST_FACTOR")
	errLastWayIn  = fault.New(fault.Conflict, "This is the only way to sign in to the account. Add another one first.").WithReason("LAST_WAY_IN")
	errTOTPThere  = fault.New(fault.Conflict, "The account has an authenticator app already. Remove it first.").WithReason("TOTP_THERE")
	errNoTOTP     = fault.New(fault.NotFound, "The account has no authenticator app.")
	errNoFactor   = fault.New(fault.Conflict, "Set up an authenticator app or a passkey first.").WithReason("NO_FACTOR")
)

// setter says whose factors are set up: those of the claims, whose sign-in is
// fresh, or of the ticket that let an administrator in for it.
func (s *Accounts) setter(ctx context.Context, c *authn.Claims, text *string) (u User, hash string, first *ticket, err error) {
	var id uuid.UUID
	if text != nil {
		if first, err = s.accept(forFirstSetUp, *text); err != nil {
			return u, "", nil, err
		}
		id = first.User
	} else {
		if err := s.RequireFresh(c); err != nil {
			return u, "", nil, err
		}
		id = c.UserID
	}
	u, hash, err = s.store.Account(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return u, "", nil, authn.ErrUnauthenticated
	case err != nil:
		return u, "", nil, fmt.Errorf("auth: factors: %w", err)
	case first != nil && (u.Blocked || !first.of(hash)):
		return u, "", nil, errTicket
	}
	return u, hash, first, nil
}

// add sets up a factor under the lock of the account: change judges what is
// there and says what comes. The first factor brings recovery codes. A ticket
// for a first set-up is of no use any more once there is a factor, or whoever
// knows the password could put one beside it.
func (s *Accounts) add(ctx context.Context, u *User, hash string, first *ticket, from Client, change func(f *StoredFactors) (FactorChange, error)) (*FactorsChanged, error) {
	out := &FactorsChanged{User: u}
	err := s.changeFactors(ctx, u.ID.UUID, out, func(f *StoredFactors) (FactorChange, error) {
		if first != nil && (f.any() || !f.still(first)) {
			return FactorChange{}, errTicket
		}
		c, err := change(f)
		if err != nil {
			return c, err
		}
		if first != nil {
			c.Spend = append(c.Spend, first.spent())
		}
		if !f.any() {
			out.RecoveryCodes, c.Recovery, err = s.newRecovery(u.ID.UUID)
		}
		return c, err
	})
	if err != nil || first == nil {
		return out, err
	}
	out.Session, err = s.enterBy(ctx, u, hash, from, first.way(SignInByPasswordAndSetUp))
	return out, err
}

// changeFactors does a change and puts what there is then into out.
func (s *Accounts) changeFactors(ctx context.Context, account uuid.UUID, out *FactorsChanged, change func(f *StoredFactors) (FactorChange, error)) error {
	err := s.store.ChangeFactors(ctx, account, change)
	switch {
	case errors.Is(err, ErrSpent):
		return errTicket
	case errors.Is(err, ErrPasskeyKnown):
		return errPasskeyKnown
	case errors.Is(err, ErrIdentityKnown):
		return errIdentityKnown
	case errors.Is(err, ErrNotFound):
		return authn.ErrUnauthenticated
	case err != nil:
		return fmt.Errorf("auth: factors: %w", err)
	}
	out.Factors, err = s.FactorsOf(ctx, account)
	return err
}

// changeOwn is changeFactors for the account of the claims; change may add to what
// its owner is told.
func (s *Accounts) changeOwn(ctx context.Context, c *authn.Claims, change func(f *StoredFactors, out *FactorsChanged) (FactorChange, error)) (*FactorsChanged, error) {
	u, _, err := s.ownAccount(ctx, c)
	if err != nil {
		return nil, err
	}
	out := &FactorsChanged{User: &u}
	return out, s.changeFactors(ctx, c.UserID, out, func(f *StoredFactors) (FactorChange, error) { return change(f, out) })
}

// drop takes factors away from the account of the claims.
func (s *Accounts) drop(ctx context.Context, c *authn.Claims, change func(f *StoredFactors) (FactorChange, error)) (*FactorsChanged, error) {
	if err := s.RequireFresh(c); err != nil {
		return nil, err
	}
	return s.changeOwn(ctx, c, func(f *StoredFactors, _ *FactorsChanged) (FactorChange, error) {
		todo, err := change(f)
		if err != nil {
			return todo, err
		}
		left := *f
		if todo.DropTOTP {
			left.TOTP = nil
		}
		if todo.DropPasskey != uuid.Nil {
			left.Passkeys = slices.DeleteFunc(slices.Clone(f.Passkeys), func(p StoredPasskey) bool { return p.ID == todo.DropPasskey })
		}
		left.Identities = slices.DeleteFunc(slices.Clone(f.Identities), func(i StoredIdentity) bool { return i.ID == todo.DropIdentity })
		switch {
		case !left.HasPassword && len(left.Passkeys) == 0 && !s.opens(left.Identities):
			return todo, errLastWayIn
		case left.any():
		case s.mustHave(f.IsAdmin):
			return todo, errLastFactor
		default:
			todo.Recovery = [][]byte{} // they stand in for what is gone
		}
		return todo, nil
	})
}

// MakeRecoveryCodes makes the recovery codes of an account anew; those before
// are worth nothing then.
func (s *Accounts) MakeRecoveryCodes(ctx context.Context, c *authn.Claims) (*FactorsChanged, error) {
	if err := s.RequireFresh(c); err != nil {
		return nil, err
	}
	return s.changeOwn(ctx, c, func(f *StoredFactors, out *FactorsChanged) (todo FactorChange, err error) {
		if !f.any() {
			return todo, errNoFactor
		}
		out.RecoveryCodes, todo.Recovery, err = s.newRecovery(c.UserID)
		return todo, err
	})
}

// ResetFactors takes all factors but the password from an account and ends its
// sessions: the operator's help for one who has lost them.
func (s *Accounts) ResetFactors(ctx context.Context, login string) error {
	normal, err := NormalizeLogin(login)
	if err != nil {
		return err
	}
	u, hash, err := s.store.Password(ctx, normal)
	if errors.Is(err, ErrNotFound) {
		return fault.New(fault.NotFound, "There is no account with the login %q.", normal)
	} else if err != nil {
		return fmt.Errorf("auth: reset factors: %w", err)
	}
	if hash == "" {
		f, err := s.store.Factors(ctx, u.ID.UUID)
		if err != nil {
			return fmt.Errorf("auth: reset factors: %w", err)
		}
		if !s.opens(f.Identities) {
			return fault.New(fault.Conflict, "%q has no password: without its passkeys nobody could sign in.", normal)
		}
	}
	err = s.administer(ctx, Actor{}, UserWrite, func(ctx context.Context, c *change) error {
		if err := c.DropFactors(ctx, u.ID.UUID); err != nil {
			return err
		}
		if _, err := c.end(ctx, u.ID.UUID, uuid.Nil, uuid.Nil, EndFactors); err != nil {
			return err
		}
		return c.noteUser(ctx, ActionUserFactors, u, nil, nil)
	})
	if err != nil {
		return fmt.Errorf("auth: reset factors: %w", err)
	}
	return nil
}
