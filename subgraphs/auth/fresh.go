package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
)

// FreshFor is how long after a sign-in dangerous acts are let pass.
const FreshFor = 10 * time.Minute

var errStale = fault.New(fault.Forbidden, "Confirm that it is you to go on.").WithReason("REAUTHENTICATION_REQUIRED")

// RequireFresh refuses whoever has not proved within FreshFor to be the owner
// of the account: what cannot be undone is not for one who finds a browser
// open. Any mutation can begin with it; ConfirmSignIn makes a session fresh.
func (s *Accounts) RequireFresh(c *authn.Claims) error {
	if c == nil {
		return authn.ErrUnauthenticated
	}
	if s.now().Sub(c.SignedInAt) > FreshFor {
		return errStale
	}
	return nil
}

// BeginPasskeyConfirmation asks for a passkey of the account of the claims.
func (s *Accounts) BeginPasskeyConfirmation(ctx context.Context, c *authn.Claims) (*PasskeyChallenge, error) {
	return s.beginPasskeyOf(ctx, c.UserID, forPasskeyConfirm, protocol.VerificationRequired)
}

var errOneProof = fault.New(fault.Invalid, "Give one of them.").At("input")

// Confirmation is what shows again who is there: the password or a passkey, or
// what a first step led to, by its ticket: a code or a recovery code.
type Confirmation struct {
	Password, Ticket *string
	Proof
}

func (c Confirmation) whole() bool {
	switch {
	case c.Password != nil:
		return c.Ticket == nil && c.none()
	case c.Ticket != nil:
		return c.one() && c.Passkey == nil // which needs no first step
	default:
		return c.one() && c.Passkey != nil
	}
}

// ConfirmSignIn makes the session of the claims fresh by one of the account's
// passkeys, or by its password; where the account has a second factor the
// password leads to a ticket, and the ticket with a code to a fresh session.
func (s *Accounts) ConfirmSignIn(ctx context.Context, c *authn.Claims, in Confirmation, from Client) (*SignedInSession, *SecondFactor, error) {
	if !in.whole() {
		return nil, nil, errOneProof
	}
	var err error
	switch {
	case in.Password != nil:
		u, hash, err := s.provePassword(ctx, c, *in.Password, from)
		if err != nil {
			return nil, nil, err
		}
		return s.confirmedBy(ctx, c, u, hash, &ticket{})
	case in.Ticket != nil:
		err = s.proveSecond(ctx, c, *in.Ticket, in.Proof, from)
	default:
		err = s.provePasskey(ctx, c, *in.Passkey, from)
	}
	if err != nil {
		return nil, nil, err
	}
	fresh, err := s.confirmed(ctx, c)
	return fresh, nil, err
}

// confirmedBy goes on after a first step that the ticket tells of: alone it is
// enough only where the account has no second factor. Else whoever has found a
// browser open, and learnt the password, could take the factor away.
func (s *Accounts) confirmedBy(ctx context.Context, c *authn.Claims, u *User, hash string, t *ticket) (*SignedInSession, *SecondFactor, error) {
	f, err := s.store.Factors(ctx, u.ID.UUID)
	if err != nil {
		return nil, nil, fmt.Errorf("auth: confirm: %w", err)
	}
	if !f.any() {
		fresh, err := s.confirmed(ctx, c)
		return fresh, nil, err
	}
	due := s.owned(f)
	t.User, t.Password = u.ID.UUID, passwordDigest(hash)
	due.Ticket, err = s.issue(forConfirmation, ticketLife, t)
	return nil, due, err
}

// proveSecond checks the second step of a confirmation.
func (s *Accounts) proveSecond(ctx context.Context, c *authn.Claims, text string, proof Proof, from Client) error {
	t, err := s.accept(forConfirmation, text)
	if err != nil {
		return err
	}
	u, hash, err := s.ownAccount(ctx, c)
	if err != nil {
		return err
	}
	f, err := s.store.Factors(ctx, c.UserID)
	if err != nil {
		return fmt.Errorf("auth: confirm: %w", err)
	}
	if t.User != c.UserID || !t.of(hash) || !f.still(t) {
		return errTicket
	}
	use, method, err := s.prove(ctx, &u, f, proof)
	if err == nil {
		use.Spend = append(use.Spend, t.spent())
		err = s.use(ctx, use, errCode.At("input"))
	}
	if fault.KindOf(err) == fault.Invalid {
		in := t.way(method)
		wrong := s.attemptBy(u.ID.UUID, in.method, SignInWrongFactor, from)
		wrong.Provider = in.provider
		s.history.attempt(wrong)
	}
	return err
}

// confirmed makes the session of the claims fresh: its owner has shown to be there.
func (s *Accounts) confirmed(ctx context.Context, c *authn.Claims) (*SignedInSession, error) {
	var session SessionRow
	var user User
	now := s.now()
	err := s.store.ChangeSession(ctx, c.SessionID, func(se *SessionRow, u *User) error {
		if !se.Live(now) || u.Blocked {
			return errNoSession
		}
		se.AuthenticatedAt, se.UsedAt = now, now
		session, user = *se, *u
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil, errNoSession
	} else if err != nil {
		return nil, fmt.Errorf("auth: confirm: %w", err)
	}
	p, err := s.profileOf(ctx, &session)
	if err != nil {
		return nil, err
	}
	return s.signedIn(&session, &user, p)
}

var errWrongPassword = fault.New(fault.Invalid, "The present password is wrong.").At("input.password").WithReason("WRONG_PASSWORD")

// ownAccount is the account of the claims, with the hash of its password.
func (s *Accounts) ownAccount(ctx context.Context, c *authn.Claims) (User, string, error) {
	u, hash, err := s.store.Account(ctx, c.UserID)
	if errors.Is(err, ErrNotFound) {
		return User{}, "", authn.ErrUnauthenticated
	} else if err != nil {
		return User{}, "", fmt.Errorf("auth: find the account: %w", err)
	}
	return u, hash, nil
}

// provePassword compares a password with that of the account of the claims,
// and returns the account and the hash. It counts as a sign-in: whoever
// borrowed a session guesses no faster here.
func (s *Accounts) provePassword(ctx context.Context, c *authn.Claims, password string, from Client) (*User, string, error) {
	u, hash, err := s.ownAccount(ctx, c)
	if err != nil {
		return nil, "", err
	}
	if err := s.spendSignIn(ctx, u.Login, c.UserID, from); err != nil {
		return nil, "", err
	}
	if password, err = normalizePassword(password); err != nil {
		return nil, "", errWrongPassword
	}
	ok, _, err := s.hasher.verify(ctx, password, hash)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		s.history.attempt(s.attempt(u.ID.UUID, SignInWrongPassword, from))
		return nil, "", errWrongPassword
	}
	return &u, hash, nil
}

// proveOwner is provePassword where the account has one. Else there is nothing
// to compare with, and the sign-in must be fresh.
func (s *Accounts) proveOwner(ctx context.Context, c *authn.Claims, password string, from Client) (*User, string, error) {
	u, hash, err := s.ownAccount(ctx, c)
	if err != nil {
		return nil, "", err
	}
	if hash == "" && password == "" {
		return &u, "", s.RequireFresh(c)
	}
	return s.provePassword(ctx, c, password, from)
}

func (s *Accounts) provePasskey(ctx context.Context, c *authn.Claims, answer PasskeyAnswer, from Client) error {
	if s.proofs.passkeys == nil {
		return errNoPasskeys
	}
	t, err := s.accept(forPasskeyConfirm, answer.Challenge)
	if err != nil {
		return err
	}
	if t.User != c.UserID {
		return errTicket
	}
	if err := s.spendFactor(ctx, "passkey", c.UserID, s.limits.Passkey); err != nil {
		return err
	}
	parsed, err := parseAssertion(answer.Credential)
	if err != nil {
		return refusedPasskey(err)
	}
	u, _, err := s.store.Account(ctx, c.UserID)
	if err != nil {
		return fmt.Errorf("auth: confirm: %w", err)
	}
	f, err := s.store.Factors(ctx, c.UserID)
	if err != nil {
		return fmt.Errorf("auth: confirm: %w", err)
	}
	shown, err := s.shownPasskey(&u, f, t, parsed)
	if err != nil {
		s.history.attempt(s.attemptBy(u.ID.UUID, SignInByPasskey, SignInWrongFactor, from))
		return refusedPasskey(err)
	}
	return s.use(ctx, FactorUse{Account: c.UserID, At: s.now(), Spend: []Spent{t.spent()}, Passkey: shown}, errTicket)
}

// refusedPasskey is what one who is signed in is told of a wrong passkey: not
// that he is signed out.
func refusedPasskey(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Reason == errPasskey.Reason {
		return errPasskeyHere.Because(f.Cause)
	}
	return err
}

var errPasskeyHere = fault.New(fault.Invalid, "%s", errPasskey.Message).WithReason(errPasskey.Reason)
