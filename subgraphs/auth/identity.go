package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// Provider vouches for people who have an account there. Its methods wait for
// it no longer than some seconds, and fail with an error that is
// ErrProviderAway, ErrProviderRefused or ErrProviderStale.
type Provider interface {
	// Way is the provider's address at which it asks its user.
	Way(ctx context.Context, ask ProviderAsk) (string, error)
	// Who says for whom the provider vouches by what it answered. All that the
	// answer was asked with must fit it.
	Who(ctx context.Context, answer ProviderAnswer) (*Vouched, error)
}

// What a Provider says.
var (
	// ErrProviderAway: it cannot be reached, or is out of order.
	ErrProviderAway = errors.New("auth: the provider is away")
	// ErrProviderRefused: what it answered does not prove who is there.
	ErrProviderRefused = errors.New("auth: the provider's answer proves nothing")
	// ErrProviderStale: it should have asked its user anew and did not.
	ErrProviderStale = errors.New("auth: the provider did not ask again")
)

// SignInProvider is a provider as it is configured.
type SignInProvider struct {
	// ID is of small letters and figures; it is in addresses and in the history.
	ID string
	// Name is shown to people.
	Name string
	// Issuer is what the identities of this provider are kept under.
	Issuer   string
	Provider Provider
}

// ProviderAsk is what a sign-in with a provider is begun with.
type ProviderAsk struct {
	State, Nonce, Verifier string
	// Again wants the provider to ask its user anew, signed in there or not.
	Again bool
}

// ProviderAnswer is what the provider sent the viewer back with, and what was asked.
type ProviderAnswer struct {
	Code string
	// Iss is the issuer that the answer names (RFC 9207); empty where it names none.
	Iss             string
	Nonce, Verifier string
	Again           bool
}

// Vouched is who the provider says is there.
type Vouched struct {
	Subject string
	// Email may be empty. Only a verified one is its user's.
	Email         string
	EmailVerified bool
	Name          string
}

// ProviderAim is what a provider is asked for.
type ProviderAim string

// The aims.
const (
	AimSignIn  ProviderAim = "SIGN_IN"
	AimLink    ProviderAim = "LINK"
	AimConfirm ProviderAim = "CONFIRM"
)

// MarshalGQL implements graphql.Marshaler.
func (a ProviderAim) MarshalGQL(w io.Writer) { marshal(w, a) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (a *ProviderAim) UnmarshalGQL(v any) error {
	return unmarshal(a, v, "ProviderAim", AimSignIn, AimLink, AimConfirm)
}

// StoredIdentity is an identity as it is kept.
type StoredIdentity struct {
	ID              uuid.UUID
	Issuer, Subject string
	Label           string
	CreatedAt       time.Time
	UsedAt          *time.Time
}

// Identity is an account with a provider, as its owner sees it.
type Identity struct {
	ID gid.ID
	// Provider is the name of the provider: its address where it is configured
	// no more.
	Provider string
	// Label is the e-mail address or name there; may be empty.
	Label     string
	CreatedAt time.Time
	UsedAt    *time.Time
	// ProviderID is nil where the provider is configured no more.
	ProviderID *string
}

// IdentityStore keeps identities beside what FactorStore does with them.
type IdentityStore interface {
	// IdentityAccount finds the account of an identity.
	IdentityAccount(ctx context.Context, issuer, subject string) (account uuid.UUID, id StoredIdentity, err error)
	// CreateWithIdentity is CreateAccount without a password and with an
	// identity. It returns ErrIdentityKnown when that is there already.
	CreateWithIdentity(ctx context.Context, u User, first Profile, id StoredIdentity) error
}

// ErrIdentityKnown is what a store says of an identity that is there.
var ErrIdentityKnown = errors.New("auth: the identity belongs to an account already")

// asked is the part of a ticket that is for a provider's answer.
type asked struct {
	Provider        string      `json:"provider"`
	Aim             ProviderAim `json:"aim"`
	State           string      `json:"state"`
	Nonce, Verifier string
	To              string `json:"to"`
}

// ProviderWay is where a viewer is sent, with the ticket for the browser to
// bring back with the answer.
type ProviderWay struct {
	URL    string
	Ticket string
	Until  time.Time
}

// ProviderReturn is what a browser comes back with.
type ProviderReturn struct {
	// Ticket is the one that was begun with in this browser.
	Ticket                     string
	Provider, State, Code, Iss string
	// Locale is of the first profile, where an account is made.
	Locale *string
}

// ProviderDone is what came of it.
type ProviderDone struct {
	Aim ProviderAim
	// To is where the viewer wanted to go: a path of the cinema.
	To string
	// Session is of a sign-in and a confirmation, unless SecondFactor is due.
	Session      *SignedInSession
	SecondFactor *SecondFactor
	// Factors are the account's after a link.
	Factors *Factors
}

const (
	maxIdentities = 10
	// maxAnswer bounds each part of a provider's answer, in bytes.
	maxAnswer  = 4 << 10
	maxSubject = 255 // OpenID Connect Core §2
	maxLabel   = 254
)

var (
	errNoProvider    = fault.New(fault.NotFound, "There is no such way to sign in here.").At("input.provider").WithReason("NO_PROVIDER")
	errNotBegun      = fault.New(fault.Invalid, "This took too long, was used already, or was not begun in this browser. Begin again.").WithReason("TICKET_ENDED")
	errAnswerLong    = fault.New(fault.Invalid, "The answer is too long.").At("input")
	errEmailKnown    = fault.New(fault.Conflict, "An account with this e-mail address is there already. Sign in to it, then link the two on its page.").WithReason("EMAIL_HAS_ACCOUNT")
	errIdentityKnown = fault.New(fault.Conflict, "Another account of the cinema is linked to this one already.").WithReason("IDENTITY_KNOWN")
	errNotLinked     = fault.New(fault.Invalid, "This is not an account that yours is linked to.").WithReason("IDENTITY_OTHER")
	errManyLinked    = fault.New(fault.Conflict, "%d linked accounts are the most. Unlink one first.", maxIdentities).WithReason("TOO_MANY")
	errNoIdentity    = fault.New(fault.NotFound, "There is no such linked account.").At("input.id")
)

// newProviders checks that each can be told from the others.
func newProviders(all []SignInProvider) ([]SignInProvider, error) {
	seen := map[string]bool{}
	for _, p := range all {
		switch {
		case p.ID == "" || p.Name == "" || p.Issuer == "" || p.Provider == nil:
			return nil, fmt.Errorf("auth: the provider %q lacks a name, an issuer or what speaks to it", p.ID)
		case seen[p.ID] || seen[p.Issuer]:
			return nil, fmt.Errorf("auth: the provider %q is there twice, or shares its issuer", p.ID)
		}
		seen[p.ID], seen[p.Issuer] = true, true
	}
	return slices.Clone(all), nil
}

// Providers are those that one can sign in with, as configured.
func (s *Accounts) Providers() []SignInProvider { return s.providers }

func (s *Accounts) provider(id string) *SignInProvider {
	for i := range s.providers {
		if s.providers[i].ID == id {
			return &s.providers[i]
		}
	}
	return nil
}

func (s *Accounts) issuedBy(issuer string) *SignInProvider {
	for i := range s.providers {
		if s.providers[i].Issuer == issuer {
			return &s.providers[i]
		}
	}
	return nil
}

// shownIdentities are the identities as their owner sees them.
func (s *Accounts) shownIdentities(all []StoredIdentity) []Identity {
	out := make([]Identity, len(all))
	for i, id := range all {
		out[i] = Identity{
			ID: gid.Of(gid.Identity, id.ID), Provider: id.Issuer, Label: id.Label, CreatedAt: id.CreatedAt, UsedAt: id.UsedAt,
		}
		if p := s.issuedBy(id.Issuer); p != nil {
			out[i].Provider, out[i].ProviderID = p.Name, &p.ID
		}
	}
	return out
}

// opens reports whether any of the identities is a way in: one of a provider
// that is configured no more is none.
func (s *Accounts) opens(all []StoredIdentity) bool {
	return slices.ContainsFunc(all, func(id StoredIdentity) bool { return s.issuedBy(id.Issuer) != nil })
}

func (f *StoredFactors) hasIdentity(id uuid.UUID) bool {
	return slices.ContainsFunc(f.Identities, func(i StoredIdentity) bool { return i.ID == id })
}

// still reports whether the first step that a ticket came of would do yet: an
// identity that was unlinked meanwhile opens nothing.
func (f *StoredFactors) still(t *ticket) bool {
	return t.Identity == uuid.Nil || f.hasIdentity(t.Identity)
}

// BeginProvider sends a viewer to a provider: to sign in, to link the account
// of the claims, or to confirm that its owner is there.
func (s *Accounts) BeginProvider(ctx context.Context, c *authn.Claims, id string, aim ProviderAim, to string, from Client) (*ProviderWay, error) {
	if err := s.spend(ctx, spending{"challenge:address:" + addressKey(from.Address), s.limits.ChallengeAddress}); err != nil {
		return nil, err
	}
	p := s.provider(id)
	if p == nil {
		return nil, errNoProvider
	}
	t := &ticket{Asked: &asked{Provider: id, Aim: aim, To: ownPath(to)}}
	if aim != AimSignIn {
		if err := s.mayAim(c, aim); err != nil {
			return nil, err
		}
		t.User = c.UserID
	}
	for _, secret := range []*string{&t.Asked.State, &t.Asked.Nonce, &t.Asked.Verifier} {
		raw := make([]byte, 32)
		if _, err := io.ReadFull(s.random, raw); err != nil {
			return nil, fmt.Errorf("auth: randomness: %w", err)
		}
		*secret = base64.RawURLEncoding.EncodeToString(raw)
	}
	// The page that the answer comes back to is told by its first word.
	t.Asked.State = strings.ToLower(string(aim)) + "." + t.Asked.State
	url, err := p.Provider.Way(ctx, ProviderAsk{
		State: t.Asked.State, Nonce: t.Asked.Nonce, Verifier: t.Asked.Verifier, Again: aim == AimConfirm,
	})
	if err != nil {
		return nil, s.providerFault(ctx, p, err)
	}
	text, err := s.issue(forProvider, ticketLife, t)
	if err != nil {
		return nil, err
	}
	return &ProviderWay{URL: url, Ticket: text, Until: t.Until}, nil
}

// mayAim says whether whoever is signed in may link or confirm.
func (s *Accounts) mayAim(c *authn.Claims, aim ProviderAim) error {
	switch {
	case c == nil:
		return authn.ErrUnauthenticated
	case c.Child:
		return errChild
	case aim == AimLink:
		return s.RequireFresh(c)
	}
	return nil
}

// FinishProvider takes what a browser came back with from a provider. The
// ticket is of the browser that began, and good for one answer, whatever comes
// of it.
func (s *Accounts) FinishProvider(ctx context.Context, c *authn.Claims, in ProviderReturn, from Client) (*ProviderDone, error) {
	if err := s.spend(ctx, spending{"signin:address:" + addressKey(from.Address), s.limits.SignInAddress}); err != nil {
		return nil, err
	}
	if max(len(in.State), len(in.Code), len(in.Iss), len(in.Provider)) > maxAnswer {
		return nil, errAnswerLong
	}
	t, err := s.accept(forProvider, in.Ticket)
	if err != nil || t.Asked == nil || t.Asked.Provider != in.Provider ||
		subtle.ConstantTimeCompare([]byte(t.Asked.State), []byte(in.State)) != 1 {
		return nil, errNotBegun
	}
	p := s.provider(in.Provider)
	if p == nil {
		return nil, errNoProvider
	}
	if t.Asked.Aim != AimSignIn {
		if err := s.mayAim(c, t.Asked.Aim); err != nil {
			return nil, err
		}
		if c.UserID != t.User {
			return nil, errNotBegun
		}
	}
	// Before the code is exchanged: of two at once one goes on.
	if err := s.use(ctx, FactorUse{Spend: []Spent{t.spent()}}, errNotBegun); err != nil {
		return nil, err
	}
	who, err := p.Provider.Who(ctx, ProviderAnswer{
		Code: in.Code, Iss: in.Iss, Nonce: t.Asked.Nonce, Verifier: t.Asked.Verifier, Again: t.Asked.Aim == AimConfirm,
	})
	if err == nil && (who.Subject == "" || len(who.Subject) > maxSubject || cut(who.Subject, maxSubject) != who.Subject) {
		err = fmt.Errorf("%w: the subject is none", ErrProviderRefused)
	}
	if err != nil {
		return nil, s.providerFault(ctx, p, err)
	}
	done := &ProviderDone{Aim: t.Asked.Aim, To: t.Asked.To}
	switch t.Asked.Aim {
	case AimLink:
		done.Factors, err = s.link(ctx, c, p, who)
	case AimConfirm:
		done.Session, done.SecondFactor, err = s.confirmBy(ctx, c, p, who)
	default:
		done.Session, done.SecondFactor, err = s.signInWith(ctx, p, who, in.Locale, from)
	}
	return done, err
}

// providerFault is what a viewer is told of a provider that did not help.
func (s *Accounts) providerFault(ctx context.Context, p *SignInProvider, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.log.WarnContext(ctx, "auth: a sign-in with a provider failed", "provider", p.ID, "error", err)
	switch {
	case errors.Is(err, ErrProviderRefused):
		return fault.New(fault.Invalid, "The answer of %s does not prove who you are. Begin again.", p.Name).WithReason("PROVIDER_REFUSED")
	case errors.Is(err, ErrProviderStale):
		return fault.New(fault.Invalid, "%s did not ask you again who you are. Confirm in another way, or sign out and in again.", p.Name).WithReason("PROVIDER_STALE")
	case errors.Is(err, ErrProviderAway):
		return fault.New(fault.Unavailable, "%s cannot be reached at the moment. Try again shortly, or sign in another way.", p.Name).WithReason("PROVIDER_AWAY")
	}
	return fmt.Errorf("auth: provider %s: %w", p.ID, err)
}

// signInWith opens a session for whom a provider vouches, or says which second
// factor is due.
func (s *Accounts) signInWith(ctx context.Context, p *SignInProvider, who *Vouched, locale *string, from Client) (*SignedInSession, *SecondFactor, error) {
	account, id, err := s.store.IdentityAccount(ctx, p.Issuer, who.Subject)
	if errors.Is(err, ErrNotFound) {
		in, err := s.stranger(ctx, p, who, locale, from)
		if !errors.Is(err, ErrIdentityKnown) {
			return in, nil, err
		}
		// Its other tab was quicker.
		account, id, err = s.store.IdentityAccount(ctx, p.Issuer, who.Subject)
		if err != nil {
			return nil, nil, fmt.Errorf("auth: sign in with: %w", err)
		}
	} else if err != nil {
		return nil, nil, fmt.Errorf("auth: sign in with: %w", err)
	}
	u, hash, err := s.store.Account(ctx, account)
	if errors.Is(err, ErrNotFound) {
		return nil, nil, errNotBegun // deleted at the same moment
	} else if err != nil {
		return nil, nil, fmt.Errorf("auth: sign in with: %w", err)
	}
	if u.Blocked {
		in := s.attemptBy(account, SignInByProvider, SignInBlocked, from)
		in.Provider = p.ID
		s.history.attempt(in)
		return nil, nil, errBlocked
	}
	// Unlinked since it was found, it opens nothing.
	if err := s.use(ctx, FactorUse{Account: account, At: s.now(), Identity: id.ID}, errNotBegun); err != nil {
		return nil, nil, err
	}
	if due, is, err := s.secondFactorOf(ctx, &u, hash, from, &ticket{Provider: p.ID, Identity: id.ID}); err != nil || is {
		return nil, due, err
	}
	in, err := s.enterBy(ctx, &u, hash, from, way{method: SignInByProvider, provider: p.ID})
	return in, nil, err
}

// stranger is for someone whom nobody here knows yet: the one place where a
// provider's word makes an account, and so where it may be refused.
//
// An e-mail address never leads into an account that is there: not one that is
// not verified, since anyone can write it, and not one that is, since the
// provider would then own every account here. Only who has signed in to the
// account links it.
func (s *Accounts) stranger(ctx context.Context, p *SignInProvider, who *Vouched, locale *string, from Client) (*SignedInSession, error) {
	if err := s.maySignUp(false); err != nil {
		return nil, err
	}
	if err := s.spend(ctx, spending{"signup:address:" + addressKey(from.Address), s.limits.SignUpAddress}); err != nil {
		return nil, err
	}
	email, err := NormalizeLogin(who.Email)
	if err != nil || !strings.Contains(email, "@") {
		email = ""
	}
	if email != "" {
		switch _, err := s.store.Reachable(ctx, email); {
		case err == nil:
			return nil, errEmailKnown
		case !errors.Is(err, ErrNotFound):
			return nil, fmt.Errorf("auth: sign up with: %w", err)
		}
	}
	login := email
	if login == "" || !who.EmailVerified {
		if login, err = s.madeUpLogin(p); err != nil {
			return nil, err
		}
	}
	u, first, err := s.newAccount(login, nameOf(p, who), locale, []RoleName{RoleViewer})
	if err != nil {
		return nil, err
	}
	id, err := s.newIdentity(p, who)
	if err != nil {
		return nil, err
	}
	at := s.now()
	id.UsedAt = &at
	switch err := s.store.CreateWithIdentity(ctx, u, first, id); {
	case errors.Is(err, ErrLoginTaken):
		return nil, errEmailKnown
	case errors.Is(err, ErrIdentityKnown):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("auth: sign up with: %w", err)
	}
	made, hash, err := s.store.Account(ctx, u.ID.UUID)
	if err != nil {
		return nil, fmt.Errorf("auth: sign up with: %w", err)
	}
	return s.openBy(ctx, &made, hash, &first, from, way{method: SignInBySignUp, provider: p.ID})
}

// madeUpLogin is of an account whose provider vouches for no e-mail address.
func (s *Accounts) madeUpLogin(p *SignInProvider) (string, error) {
	raw := make([]byte, 8)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return "", fmt.Errorf("auth: randomness: %w", err)
	}
	for i, c := range raw {
		raw[i] = readable[c&31]
	}
	return p.ID + "-" + string(raw), nil
}

// nameOf is the name that the provider has for its user, as far as it can be
// one here.
func nameOf(p *SignInProvider, who *Vouched) string {
	name := cut(who.Name, 8*maxName)
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	if name, err := cleanName(name, ""); err == nil {
		return name
	}
	if local, _, ok := strings.Cut(who.Email, "@"); ok && utf8.RuneCountInString(local) <= maxName {
		if name, err := cleanName(local, ""); err == nil {
			return name
		}
	}
	return p.Name
}

func (s *Accounts) newIdentity(p *SignInProvider, who *Vouched) (StoredIdentity, error) {
	id, err := s.newID()
	if err != nil {
		return StoredIdentity{}, err
	}
	label := who.Email
	if label == "" {
		label = who.Name
	}
	return StoredIdentity{ID: id, Issuer: p.Issuer, Subject: who.Subject, Label: cut(label, maxLabel), CreatedAt: s.now()}, nil
}

// link adds an identity to the account of the claims.
func (s *Accounts) link(ctx context.Context, c *authn.Claims, p *SignInProvider, who *Vouched) (*Factors, error) {
	id, err := s.newIdentity(p, who)
	if err != nil {
		return nil, err
	}
	out := &FactorsChanged{}
	err = s.changeFactors(ctx, c.UserID, out, func(f *StoredFactors) (FactorChange, error) {
		for _, there := range f.Identities {
			if there.Issuer == id.Issuer && there.Subject == id.Subject {
				return FactorChange{}, nil // it is linked already
			}
		}
		if len(f.Identities) >= maxIdentities {
			return FactorChange{}, errManyLinked
		}
		return FactorChange{AddIdentity: &id}, nil
	})
	if errors.Is(err, ErrIdentityKnown) {
		return nil, errIdentityKnown
	}
	return out.Factors, err
}

// confirmBy makes the session of the claims fresh by one of its identities, as
// the password does.
func (s *Accounts) confirmBy(ctx context.Context, c *authn.Claims, p *SignInProvider, who *Vouched) (*SignedInSession, *SecondFactor, error) {
	account, id, err := s.store.IdentityAccount(ctx, p.Issuer, who.Subject)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && account != c.UserID:
		return nil, nil, errNotLinked
	case err != nil:
		return nil, nil, fmt.Errorf("auth: confirm with: %w", err)
	}
	u, hash, err := s.ownAccount(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	if err := s.use(ctx, FactorUse{Account: account, At: s.now(), Identity: id.ID}, errNotLinked); err != nil {
		return nil, nil, err
	}
	return s.confirmedBy(ctx, c, &u, hash, &ticket{Provider: p.ID, Identity: id.ID})
}

// UnlinkIdentity takes an identity away, unless it is the last way in.
func (s *Accounts) UnlinkIdentity(ctx context.Context, c *authn.Claims, id gid.ID) (*FactorsChanged, error) {
	return s.drop(ctx, c, func(f *StoredFactors) (FactorChange, error) {
		if !id.Is(gid.Identity) || !f.hasIdentity(id.UUID) {
			return FactorChange{}, errNoIdentity
		}
		return FactorChange{DropIdentity: id.UUID}, nil
	})
}

// ownPages are the first parts of the paths that a viewer may be sent on to.
var ownPages = []string{"", "account", "admin", "list", "person", "profiles", "search", "title", "watch"}

// ownPath is a path of the cinema's pages as it was given, or else the home
// page: whatever stands there, nobody is sent elsewhere.
func ownPath(to string) string {
	if len(to) > 2048 || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsFunc(to, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\\' || r == utf8.RuneError }) {
		return "/"
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || path.Clean(u.Path) != u.Path {
		return "/"
	}
	page, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if !slices.Contains(ownPages, page) {
		return "/"
	}
	return u.String()
}

// way is how someone came in: by which method, through which provider (empty:
// none), and which entry of the history that completes (Nil: one of its own).
type way struct {
	method   SignInMethod
	provider string
	attempt  uuid.UUID
}

// way is that of a second step which followed on the ticket's first.
func (t *ticket) way(second SignInMethod) way {
	if t.Provider != "" {
		second = afterProvider[second]
	}
	return way{method: second, provider: t.Provider, attempt: t.ID}
}

// afterProvider names a second step after a provider as it is named after a password.
var afterProvider = map[SignInMethod]SignInMethod{
	SignInByPassword:                SignInByProvider,
	SignInByPasswordAndCode:         SignInByProviderAndCode,
	SignInByPasswordAndRecoveryCode: SignInByProviderAndRecoveryCode,
	SignInByPasswordAndPasskey:      SignInByProviderAndPasskey,
	SignInByPasswordAndSetUp:        SignInByProviderAndSetUp,
}
