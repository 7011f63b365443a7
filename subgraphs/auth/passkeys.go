package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// MaxPasskeys is the most an account can have.
const MaxPasskeys = 20

// maxCredential bounds what an authenticator may answer, before it is read.
const maxCredential = 16 << 10

// PasskeySupport says whether the cinema's address can have passkeys.
type PasskeySupport struct {
	Available bool
	// Address is the only one at which they work.
	Address string
	// Reason is why it cannot have them, for the operator; empty if it can.
	Reason string
}

// newPasskeys makes the rules for the address. Browsers bind a passkey to a
// domain, and offer them on secure pages alone (WebAuthn, §5.1 and §13.4.9).
func newPasskeys(address string) (*webauthn.WebAuthn, PasskeySupport, error) {
	out := PasskeySupport{Address: strings.TrimSuffix(address, "/")}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		out.Reason = "the address is not known: set CINEMA_PUBLIC_URL"
		return nil, out, nil
	}
	host := strings.ToLower(u.Hostname())
	switch local := host == "localhost" || strings.HasSuffix(host, ".localhost"); {
	case net.ParseIP(host) != nil:
		out.Reason = "they need a name, and " + out.Address + " is a bare address: set CINEMA_PUBLIC_URL to https://… with a name"
	case u.Scheme != "https" && !local:
		out.Reason = "they need https, and " + out.Address + " is without it: set CINEMA_PUBLIC_URL to https://…"
	}
	if out.Reason != "" {
		return nil, out, nil
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: totpIssuer, RPOrigins: []string{u.Scheme + "://" + strings.ToLower(u.Host)},
		AttestationPreference: protocol.PreferNoAttestation,
		// Some password managers answer more than they were asked.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Timeout: challengeLife, TimeoutUVD: challengeLife},
			Registration: webauthn.TimeoutConfig{Timeout: challengeLife, TimeoutUVD: challengeLife},
		},
	})
	if err != nil {
		out.Reason = fmt.Sprintf("%s cannot have them: %v", out.Address, err)
		return nil, out, nil
	}
	out.Available = true
	return w, out, nil
}

// Passkeys says whether the configured address can have passkeys.
func (s *Accounts) Passkeys() PasskeySupport { return s.proofs.support }

var (
	errNoPasskeys   = fault.New(fault.Conflict, "The cinema's address cannot have passkeys: they need https and a name.").WithReason("PASSKEYS_UNAVAILABLE")
	errPasskey      = fault.New(fault.Unauthenticated, "This passkey does not open the account. Try again, or sign in another way.").WithReason("WRONG_PASSKEY")
	errCopied       = fault.New(fault.Forbidden, "There may be a copy of this passkey: its counter went back. Sign in another way and delete it.").WithReason("PASSKEY_COPIED")
	errPasskeyKnown = fault.New(fault.Conflict, "This passkey is there already.").WithReason("PASSKEY_KNOWN")
	errNoPasskey    = fault.New(fault.NotFound, "There is no such passkey; it may have been deleted.").At("input.id")
	errManyPasskeys = fault.New(fault.Conflict, "An account has at most %d passkeys.", MaxPasskeys).WithReason("TOO_MANY")
)

// PasskeyChallenge is what a browser is asked: options in JSON, of
// PublicKeyCredential.parseCreationOptionsFromJSON or
// parseRequestOptionsFromJSON, and the ticket to answer with.
type PasskeyChallenge struct{ Challenge, Options string }

// PasskeyAnswer is what it answers: the ticket and the credential in JSON.
type PasskeyAnswer struct{ Challenge, Credential string }

// passkeyUser is an account as the library sees it.
type passkeyUser struct {
	user        *User
	credentials []webauthn.Credential
}

func (u *passkeyUser) WebAuthnID() []byte                         { return u.user.ID.UUID[:] }
func (u *passkeyUser) WebAuthnName() string                       { return u.user.Login }
func (u *passkeyUser) WebAuthnDisplayName() string                { return u.user.Name }
func (u *passkeyUser) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

// holder is an account with the passkeys that work at the present address.
func (s *Accounts) holder(u *User, f *StoredFactors) *passkeyUser {
	h := &passkeyUser{user: u}
	for _, p := range f.Passkeys {
		if s.works(p) {
			h.credentials = append(h.credentials, p.credential())
		}
	}
	return h
}

func (s *Accounts) works(p StoredPasskey) bool {
	return s.proofs.passkeys != nil && p.RPID == s.proofs.passkeys.Config.RPID
}

func (p *StoredPasskey) flags() webauthn.CredentialFlags {
	return webauthn.NewCredentialFlags(protocol.AuthenticatorFlags(p.Flags))
}

func (p *StoredPasskey) synced() bool { return p.flags().BackupState }

func (p *StoredPasskey) credential() webauthn.Credential {
	c := webauthn.Credential{
		ID: p.CredentialID, PublicKey: p.PublicKey, Flags: p.flags(),
		Authenticator: webauthn.Authenticator{AAGUID: p.AAGUID, SignCount: p.SignCount},
	}
	for _, t := range p.Transports {
		c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
	}
	return c
}

// challenge hands a ceremony out.
func (s *Accounts) challenge(p purpose, t *ticket, options any) (*PasskeyChallenge, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("auth: passkey: %w", err)
	}
	sealed, err := s.issue(p, challengeLife, t)
	return &PasskeyChallenge{Challenge: sealed, Options: string(text)}, err
}

// BeginPasskey asks a browser to make a passkey: one that can be found without
// a login and verifies its owner, since it may stand alone.
func (s *Accounts) BeginPasskey(ctx context.Context, c *authn.Claims, first *string) (*PasskeyChallenge, error) {
	if s.proofs.passkeys == nil {
		return nil, errNoPasskeys
	}
	u, _, _, err := s.setter(ctx, c, first)
	if err != nil {
		return nil, err
	}
	f, err := s.store.Factors(ctx, u.ID.UUID)
	if err != nil {
		return nil, fmt.Errorf("auth: passkey: %w", err)
	}
	if len(f.Passkeys) >= MaxPasskeys {
		return nil, errManyPasskeys
	}
	h := s.holder(&u, f)
	options, ceremony, err := s.proofs.passkeys.BeginRegistration(h,
		webauthn.WithExclusions(webauthn.Credentials(h.credentials).CredentialDescriptors()),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		}))
	if err != nil {
		return nil, fmt.Errorf("auth: passkey: %w", err)
	}
	return s.challenge(forNewPasskey, &ticket{User: u.ID.UUID, Ceremony: ceremony}, options.Response)
}

// AddPasskey keeps the passkey that a browser has made. An empty name is made
// of the browser's.
func (s *Accounts) AddPasskey(ctx context.Context, c *authn.Claims, first *string, answer PasskeyAnswer, name string, from Client) (*FactorsChanged, error) {
	if s.proofs.passkeys == nil {
		return nil, errNoPasskeys
	}
	u, hash, ticket, err := s.setter(ctx, c, first)
	if err != nil {
		return nil, err
	}
	if name, err = passkeyName(name, from); err != nil {
		return nil, err
	}
	t, err := s.accept(forNewPasskey, answer.Challenge)
	if err != nil {
		return nil, err
	}
	if t.User != u.ID.UUID {
		return nil, errTicket
	}
	made, err := s.madePasskey(&u, t, answer.Credential)
	if err != nil {
		return nil, err
	}
	p := &StoredPasskey{
		CredentialID: made.ID, PublicKey: made.PublicKey, AAGUID: made.Authenticator.AAGUID, Flags: byte(made.Flags.ProtocolValue()),
		SignCount: made.Authenticator.SignCount, RPID: s.proofs.passkeys.Config.RPID, Name: name, CreatedAt: s.now(), Transports: []string{},
	}
	for _, tr := range made.Transport[:min(len(made.Transport), 8)] {
		p.Transports = append(p.Transports, cut(string(tr), 32))
	}
	if p.ID, err = s.newID(); err != nil {
		return nil, err
	}
	return s.add(ctx, &u, hash, ticket, from, func(f *StoredFactors) (FactorChange, error) {
		if len(f.Passkeys) >= MaxPasskeys {
			return FactorChange{}, errManyPasskeys
		}
		return FactorChange{Spend: []Spent{t.spent()}, AddPasskey: p}, nil
	})
}

var errNotMade = fault.New(fault.Invalid, "The browser's answer is no passkey of this cinema. Try again.").At("input.credential").WithReason("PASSKEY_REFUSED")

func (s *Accounts) madePasskey(u *User, t *ticket, credential string) (*webauthn.Credential, error) {
	if len(credential) > maxCredential {
		return nil, errNotMade
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(credential))
	if err != nil {
		return nil, errNotMade.Because(err)
	}
	made, err := s.proofs.passkeys.CreateCredential(&passkeyUser{user: u}, *t.Ceremony, parsed)
	if err != nil {
		return nil, errNotMade.Because(err)
	}
	return made, nil
}

func passkeyName(name string, from Client) (string, error) {
	if strings.TrimSpace(name) == "" {
		parts := slices.DeleteFunc([]string{from.Browser(), from.System()}, func(s string) bool { return s == "" })
		if name = strings.Join(parts, ", "); name == "" || len(name) > maxName {
			name = "Passkey"
		}
	}
	return cleanName(name, "input.name")
}

// RenamePasskey gives a passkey another name.
func (s *Accounts) RenamePasskey(ctx context.Context, c *authn.Claims, id gid.ID, name string) (*FactorsChanged, error) {
	name, err := cleanName(name, "input.name")
	if err != nil {
		return nil, err
	}
	return s.changeOwn(ctx, c, func(f *StoredFactors, _ *FactorsChanged) (FactorChange, error) {
		if !f.hasPasskey(id) {
			return FactorChange{}, errNoPasskey
		}
		return FactorChange{RenamePasskey: &StoredPasskey{ID: id.UUID, Name: name}}, nil
	})
}

// DeletePasskey takes a passkey away, unless it is the last way in.
func (s *Accounts) DeletePasskey(ctx context.Context, c *authn.Claims, id gid.ID) (*FactorsChanged, error) {
	return s.drop(ctx, c, func(f *StoredFactors) (FactorChange, error) {
		if !f.hasPasskey(id) {
			return FactorChange{}, errNoPasskey
		}
		return FactorChange{DropPasskey: id.UUID}, nil
	})
}

func (f *StoredFactors) hasPasskey(id gid.ID) bool {
	return id.Is(gid.Passkey) && slices.ContainsFunc(f.Passkeys, func(p StoredPasskey) bool { return p.ID == id.UUID })
}

// beginPasskeyOf asks for one of an account's passkeys.
func (s *Accounts) beginPasskeyOf(ctx context.Context, account uuid.UUID, p purpose, verify protocol.UserVerificationRequirement) (*PasskeyChallenge, error) {
	if s.proofs.passkeys == nil {
		return nil, errNoPasskeys
	}
	u, _, err := s.store.Account(ctx, account)
	if errors.Is(err, ErrNotFound) {
		return nil, authn.ErrUnauthenticated
	} else if err != nil {
		return nil, fmt.Errorf("auth: passkey: %w", err)
	}
	f, err := s.store.Factors(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("auth: passkey: %w", err)
	}
	h := s.holder(&u, f)
	if len(h.credentials) == 0 {
		return nil, errNoFactor
	}
	options, ceremony, err := s.proofs.passkeys.BeginLogin(h, webauthn.WithUserVerification(verify))
	if err != nil {
		return nil, fmt.Errorf("auth: passkey: %w", err)
	}
	return s.challenge(p, &ticket{User: account, Ceremony: ceremony}, options.Response)
}

// beginAnyPasskey asks for a passkey of whoever it may be.
func (s *Accounts) beginAnyPasskey() (*PasskeyChallenge, error) {
	if s.proofs.passkeys == nil {
		return nil, errNoPasskeys
	}
	options, ceremony, err := s.proofs.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fmt.Errorf("auth: passkey: %w", err)
	}
	return s.challenge(forPasskeySignIn, &ticket{Ceremony: ceremony}, options.Response)
}

func parseAssertion(credential string) (*protocol.ParsedCredentialAssertionData, error) {
	if len(credential) > maxCredential {
		return nil, errPasskey
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(credential))
	if err != nil {
		return nil, errPasskey.Because(err)
	}
	return parsed, nil
}

// shownPasskey checks a passkey that was asked for by beginPasskeyOf and
// returns its new state, to be written by UseFactor.
func (s *Accounts) shownPasskey(u *User, f *StoredFactors, t *ticket, parsed *protocol.ParsedCredentialAssertionData) (*StoredPasskey, error) {
	used, err := s.proofs.passkeys.ValidateLogin(s.holder(u, f), *t.Ceremony, parsed)
	if err != nil {
		return nil, errPasskey.Because(err)
	}
	return s.usedPasskey(f, used)
}

func (s *Accounts) usedPasskey(f *StoredFactors, used *webauthn.Credential) (*StoredPasskey, error) {
	i := slices.IndexFunc(f.Passkeys, func(p StoredPasskey) bool { return bytes.Equal(p.CredentialID, used.ID) })
	if i < 0 {
		return nil, errPasskey
	}
	p := f.Passkeys[i]
	if used.Authenticator.CloneWarning {
		// WebAuthn §7.2 step 22 leaves it to us. A counter that goes back is
		// rare and never an owner's doing: it is refused, and stays as it is.
		return nil, errCopied
	}
	p.SignCount, p.Flags = used.Authenticator.SignCount, byte(used.Flags.ProtocolValue())
	return &p, nil
}
