package auth

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/limit"
)

// SecondFactor is what a right password leads to when it is not enough.
type SecondFactor struct {
	// Ticket is for FinishSignIn; with SetUp it is for setting up the first
	// factor, which an administrator must have.
	Ticket string
	SetUp  bool
	// What the account can show.
	Totp, Passkey, RecoveryCode bool
}

// secondFactor says whether something is due after a right password, and what.
func (s *Accounts) secondFactor(ctx context.Context, u *User, hash string, from Client) (due *SecondFactor, is bool, err error) {
	return s.secondFactorOf(ctx, u, hash, from, &ticket{})
}

// secondFactorOf is secondFactor after a first step that the ticket tells of.
func (s *Accounts) secondFactorOf(ctx context.Context, u *User, hash string, from Client, t *ticket) (due *SecondFactor, is bool, err error) {
	f, err := s.store.Factors(ctx, u.ID.UUID)
	if err != nil {
		return nil, false, fmt.Errorf("auth: sign in: %w", err)
	}
	p := forSecondFactor
	due = &SecondFactor{}
	switch {
	case f.any():
		due = s.owned(f)
	case s.mustHave(u.IsAdmin()):
		due.SetUp, p = true, forFirstSetUp
	default:
		return nil, false, nil
	}
	t.User, t.Password = u.ID.UUID, passwordDigest(hash)
	if due.Ticket, err = s.issue(p, ticketLife, t); err != nil {
		return nil, false, err
	}
	// Its owner learns that someone knows the password, even if nothing
	// follows; the sign-in that does takes this entry's place.
	first := t.way(SignInByPassword)
	in := s.attemptBy(u.ID.UUID, first.method, SignInSecondFactorDue, from)
	in.ID, in.Provider = t.ID, first.provider
	s.history.attempt(in)
	return due, true, nil
}

// owned says which second factors an account can show.
func (s *Accounts) owned(f *StoredFactors) *SecondFactor {
	return &SecondFactor{
		Totp: f.TOTP != nil, RecoveryCode: len(f.Recovery) > 0, Passkey: slices.ContainsFunc(f.Passkeys, s.works),
	}
}

// Proof is what the second step shows: one of them.
type Proof struct {
	Code, RecoveryCode *string
	Passkey            *PasskeyAnswer
}

func (p Proof) given() (n int) {
	for _, there := range []bool{p.Code != nil, p.RecoveryCode != nil, p.Passkey != nil} {
		if there {
			n++
		}
	}
	return n
}

func (p Proof) one() bool  { return p.given() == 1 }
func (p Proof) none() bool { return p.given() == 0 }

// FinishSignIn opens a session for whoever showed the password, by the ticket,
// and now a second factor.
func (s *Accounts) FinishSignIn(ctx context.Context, text string, proof Proof, from Client) (*SignedInSession, error) {
	if !proof.one() {
		return nil, errOneProof
	}
	t, err := s.accept(forSecondFactor, text)
	if err != nil {
		return nil, s.spendOr(ctx, err, spending{"signin:address:" + addressKey(from.Address), s.limits.SignInAddress})
	}
	u, hash, err := s.store.Account(ctx, t.User)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("auth: second factor: %w", err)
	}
	if err != nil || !t.of(hash) {
		return nil, errTicket
	}
	if u.Blocked {
		return nil, errBlocked
	}
	f, err := s.store.Factors(ctx, t.User)
	if err != nil {
		return nil, fmt.Errorf("auth: second factor: %w", err)
	}
	if !f.still(t) {
		return nil, errTicket
	}
	use, method, err := s.prove(ctx, &u, f, proof)
	in := t.way(method)
	if err == nil {
		use.Spend = append(use.Spend, t.spent())
		err = s.use(ctx, use, nil)
	}
	if errors.Is(err, ErrSpent) {
		// The code or the ticket: whoever comes second is not told which.
		err = errCode.At("input")
	}
	if err != nil {
		if k := fault.KindOf(err); k == fault.Invalid || k == fault.Forbidden {
			wrong := s.attemptBy(u.ID.UUID, in.method, SignInWrongFactor, from)
			wrong.Provider = in.provider
			s.history.attempt(wrong)
		}
		return nil, err
	}
	return s.enterBy(ctx, &u, hash, from, in)
}

// prove counts an attempt with a factor, checks it, and says how it is to be
// written down as used. Only who holds a ticket, and so knows the password,
// gets here: a stranger cannot spend the owner's attempts. And each kind of
// factor has its own, so that spent codes leave the others open.
func (s *Accounts) prove(ctx context.Context, u *User, f *StoredFactors, proof Proof) (FactorUse, SignInMethod, error) {
	use := FactorUse{Account: u.ID.UUID, At: s.now()}
	switch {
	case proof.Code != nil:
		err := s.proveCode(ctx, u, f, *proof.Code, &use)
		return use, SignInByPasswordAndCode, err
	case proof.RecoveryCode != nil:
		err := s.proveRecovery(ctx, u, f, *proof.RecoveryCode, &use)
		return use, SignInByPasswordAndRecoveryCode, err
	default:
		err := s.provePasskeySecond(ctx, u, f, *proof.Passkey, &use)
		return use, SignInByPasswordAndPasskey, err
	}
}

func (s *Accounts) proveCode(ctx context.Context, u *User, f *StoredFactors, code string, use *FactorUse) error {
	if err := s.spendFactor(ctx, "code", u.ID.UUID, s.limits.Code); err != nil {
		return err
	}
	if f.TOTP == nil {
		return errCode.At("input.code")
	}
	secret, err := s.totpSecret(u.ID.UUID, f.TOTP)
	if err != nil {
		return err
	}
	step, ok := matchingStep(secret, code, s.now(), f.TOTP.LastStep)
	if !ok {
		return errCode.At("input.code")
	}
	use.Step = &step
	return nil
}

func (s *Accounts) proveRecovery(ctx context.Context, u *User, f *StoredFactors, code string, use *FactorUse) error {
	if err := s.spendFactor(ctx, "recovery", u.ID.UUID, s.limits.Code); err != nil {
		return err
	}
	if len(code) > maxCode {
		return errRecoveryCode
	}
	use.Recovery = s.recoveryHash(u.ID.UUID, code)
	if !slices.ContainsFunc(f.Recovery, func(h []byte) bool { return hmac.Equal(h, use.Recovery) }) {
		return errRecoveryCode
	}
	return nil
}

// maxCode bounds a code as it is typed, in bytes.
const maxCode = 100

var errRecoveryCode = fault.New(fault.Invalid, "This recovery code is wrong, or was used already.").At("input.recoveryCode").WithReason("WRONG_RECOVERY_CODE")

func (s *Accounts) provePasskeySecond(ctx context.Context, u *User, f *StoredFactors, answer PasskeyAnswer, use *FactorUse) error {
	if s.proofs.passkeys == nil {
		return errNoPasskeys
	}
	if err := s.spendFactor(ctx, "passkey", u.ID.UUID, s.limits.Passkey); err != nil {
		return err
	}
	t, err := s.accept(forPasskeySecond, answer.Challenge)
	if err != nil {
		return err
	}
	if t.User != u.ID.UUID {
		return errTicket
	}
	parsed, err := parseAssertion(answer.Credential)
	if err != nil {
		return refusedPasskey(err)
	}
	if use.Passkey, err = s.shownPasskey(u, f, t, parsed); err != nil {
		return refusedPasskey(err)
	}
	use.Spend = append(use.Spend, t.spent())
	return nil
}

// use writes a use down; one that was used before is otherwise, if given.
func (s *Accounts) use(ctx context.Context, use FactorUse, otherwise error) error {
	err := s.store.UseFactor(ctx, use)
	switch {
	case errors.Is(err, ErrSpent) && otherwise != nil:
		return otherwise
	case err != nil && !errors.Is(err, ErrSpent):
		return fmt.Errorf("auth: use a factor: %w", err)
	}
	return err
}

func (s *Accounts) spendFactor(ctx context.Context, kind string, account uuid.UUID, rate limit.Rate) error {
	return s.spend(ctx, spending{"factor:" + kind + ":" + account.String(), rate})
}

// BeginPasskeySignIn asks for a passkey: of anyone, or with the ticket of a
// first step of its account.
func (s *Accounts) BeginPasskeySignIn(ctx context.Context, text *string, from Client) (*PasskeyChallenge, error) {
	if err := s.spend(ctx, spending{"challenge:address:" + addressKey(from.Address), s.limits.ChallengeAddress}); err != nil {
		return nil, err
	}
	if text == nil {
		return s.beginAnyPasskey()
	}
	t, err := s.accept(forSecondFactor, *text)
	if err != nil {
		return nil, err
	}
	// Who is there has shown the password; that someone is, is enough here.
	return s.beginPasskeyOf(ctx, t.User, forPasskeySecond, protocol.VerificationPreferred)
}

// SignInWithPasskey opens a session for whoever shows a passkey that verified
// its owner: two factors in one.
func (s *Accounts) SignInWithPasskey(ctx context.Context, answer PasskeyAnswer, from Client) (*SignedInSession, error) {
	if s.proofs.passkeys == nil {
		return nil, errNoPasskeys
	}
	if err := s.spend(ctx, spending{"signin:address:" + addressKey(from.Address), s.limits.SignInAddress}); err != nil {
		return nil, err
	}
	t, err := s.accept(forPasskeySignIn, answer.Challenge)
	if err != nil {
		return nil, err
	}
	parsed, err := parseAssertion(answer.Credential)
	if err != nil {
		return nil, err
	}
	if err := s.spend(ctx, spending{"signin:passkey:" + shortHash(string(parsed.RawID)), s.limits.SignInLogin}); err != nil {
		return nil, err
	}
	var u User
	var hash string
	var f *StoredFactors
	var broken error
	find := func(_, handle []byte) (webauthn.User, error) {
		id, err := uuid.FromBytes(handle)
		if err != nil {
			return nil, err
		}
		if u, hash, err = s.store.Account(ctx, id); err == nil {
			f, err = s.store.Factors(ctx, id)
		}
		if err != nil {
			if !errors.Is(err, ErrNotFound) {
				broken = err
			}
			return nil, err
		}
		return s.holder(&u, f), nil
	}
	_, used, err := s.proofs.passkeys.ValidatePasskeyLogin(find, *t.Ceremony, parsed)
	if broken != nil {
		return nil, fmt.Errorf("auth: passkey: %w", broken)
	}
	var shown *StoredPasskey
	if err != nil {
		err = errPasskey.Because(err)
	} else {
		shown, err = s.usedPasskey(f, used)
	}
	if err != nil {
		if f != nil && len(f.Passkeys) > 0 && f.knows(parsed.RawID) {
			s.history.attempt(s.attemptBy(u.ID.UUID, SignInByPasskey, SignInWrongFactor, from))
		}
		return nil, err
	}
	if u.Blocked {
		s.history.attempt(s.attemptBy(u.ID.UUID, SignInByPasskey, SignInBlocked, from))
		return nil, errBlocked
	}
	use := FactorUse{Account: u.ID.UUID, At: s.now(), Spend: []Spent{t.spent()}, Passkey: shown}
	if err := s.use(ctx, use, errTicket); err != nil {
		return nil, err
	}
	return s.enter(ctx, &u, hash, from, SignInByPasskey, uuid.Nil)
}

func (f *StoredFactors) knows(credential []byte) bool {
	return slices.ContainsFunc(f.Passkeys, func(p StoredPasskey) bool { return string(p.CredentialID) == string(credential) })
}

// enter opens a session as the profile that a sign-in lands with. attempt is the entry
// in the history that it completes; Nil for one of its own.
func (s *Accounts) enter(ctx context.Context, u *User, hash string, from Client, method SignInMethod, attempt uuid.UUID) (*SignedInSession, error) {
	return s.enterBy(ctx, u, hash, from, way{method: method, attempt: attempt})
}

func (s *Accounts) enterBy(ctx context.Context, u *User, hash string, from Client, by way) (*SignedInSession, error) {
	profiles, err := s.store.ProfilesOf(ctx, []uuid.UUID{u.ID.UUID})
	if err != nil {
		return nil, fmt.Errorf("auth: sign in: %w", err)
	}
	if len(profiles) == 0 {
		return nil, fmt.Errorf("auth: sign in: account %s has no profile", u.ID)
	}
	return s.openBy(ctx, u, hash, landing(profiles), from, by)
}
