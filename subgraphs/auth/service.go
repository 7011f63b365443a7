package auth

import (
	"context"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/bus"
	"github.com/netflixathome/cinema/internal/limit"
)

// Store keeps the rows. Its methods take and give what the service thinks in;
// each is one statement or one transaction. What is not found is an error that
// is ErrNotFound.
type Store interface {
	FactorStore
	IdentityStore
	APIKeyStore
	LinkStore

	// CreateAccount adds an account with its first profile. It returns
	// ErrLoginTaken if the login has an account already.
	CreateAccount(ctx context.Context, u User, passwordHash string, first Profile) error
	// CreateFirstAdmin is CreateAccount unless there is an admin; false then.
	CreateFirstAdmin(ctx context.Context, u User, passwordHash string, first Profile) (bool, error)
	// Password finds an account by its normalised login or address, with the hash of its
	// password, which is empty when it has none.
	Password(ctx context.Context, login string) (User, string, error)
	// SetPassword replaces the hash; if old is not empty, only while it still
	// is the hash.
	SetPassword(ctx context.Context, user uuid.UUID, old, hash string) error
	// Users finds accounts; those that are not there are left out.
	Users(ctx context.Context, ids []uuid.UUID) ([]User, error)
	// ListUsers returns up to limit accounts of a filter after a place, and how
	// many match in all.
	ListUsers(ctx context.Context, f UserFilter, after *Place, limit int) ([]User, int, error)
	// Administer runs do in a transaction, beside which no other runs.
	Administer(ctx context.Context, do func(ctx context.Context, a Administration) error) error
	// Roles are all roles, the built-in ones first.
	Roles(ctx context.Context) ([]Role, error)
	// RoleHolders counts the holders of each role that has any.
	RoleHolders(ctx context.Context) (map[RoleName]int, error)
	// RightsSince returns the changes of rights since a moment.
	RightsSince(ctx context.Context, since time.Time) ([]RightsChange, error)
	// PruneRights deletes up to limit changes of rights from before a moment, but
	// the last, and says how many.
	PruneRights(ctx context.Context, before time.Time, limit int) (int, error)
	// Audit returns up to limit entries of the audit log after a place, newest
	// first.
	Audit(ctx context.Context, f AuditMatch, after *Place, limit int) ([]AuditEntry, error)

	// Profiles finds profiles; those that are not there are left out.
	Profiles(ctx context.Context, ids []uuid.UUID) ([]Profile, error)
	// ProfilesOf returns the profiles of the accounts, oldest first.
	ProfilesOf(ctx context.Context, users []uuid.UUID) ([]Profile, error)
	// ChangeProfiles locks an account's profiles, oldest first, lets change
	// judge them, and does what it returns. left are the seats of sessions that
	// had to be left by it.
	ChangeProfiles(ctx context.Context, user uuid.UUID, at time.Time, change func(all []Profile) (ProfileChange, error)) (left []uuid.UUID, err error)
	// TryPIN locks the attempts at a profile's PIN and at all of its account,
	// lets count judge and count this one, keeps what it left, and returns the
	// hash of the PIN, empty for none. An error of count is returned and
	// nothing kept. ErrNotFound where the account has no such profile.
	TryPIN(ctx context.Context, user, profile uuid.UUID, count func(of, all *PINTries) error) (hash string, err error)
	// PINProved forgets the attempts at a profile's PIN.
	PINProved(ctx context.Context, user, profile uuid.UUID) error
	// SetPIN replaces the hash of a profile's PIN, empty for none, and forgets
	// the attempts at it. ErrNotFound where the account has no such profile.
	SetPIN(ctx context.Context, user, profile uuid.UUID, hash string) error
	// GoneProfiles returns up to limit profiles that were deleted after a place,
	// oldest first, and PruneGone forgets those of before a moment.
	GoneProfiles(ctx context.Context, after Place, limit int) ([]GoneProfile, error)
	PruneGone(ctx context.Context, before time.Time, limit int) (int, error)

	// CreateSession adds a session and the sign-in that opened it unless its
	// account is blocked, gone, or has another password hash by now: ErrNotFound
	// then. It holds against a change that comes at that moment.
	CreateSession(ctx context.Context, s SessionRow, passwordHash string, in SignIn) error
	// LiveSessions returns the sessions of accounts that can be gone on with,
	// the last used first.
	LiveSessions(ctx context.Context, users []uuid.UUID, now time.Time) ([]SessionRow, error)
	// ChangeSession locks a session, lets change judge and alter it, and
	// writes what it left, also which seat was left if it is another. An error
	// of change is returned, nothing written.
	ChangeSession(ctx context.Context, id uuid.UUID, change func(s *SessionRow, u *User) error) error
	// EndSessions ends the live sessions of an account but the one to keep (Nil:
	// none) and returns their seats.
	EndSessions(ctx context.Context, user, keep uuid.UUID, reason string, at time.Time) ([]uuid.UUID, error)
	// EndedSince returns the seats that were left since a moment, with their
	// session's end or for another.
	EndedSince(ctx context.Context, since time.Time) ([]EndedSession, error)
	// PruneSessions deletes up to limit sessions that ended or expired before
	// a moment and says how many.
	PruneSessions(ctx context.Context, before time.Time, limit int) (int, error)

	// RecordSignIns adds attempts; those on accounts that are gone are left out.
	RecordSignIns(ctx context.Context, all []SignIn) error
	// SignIns returns up to limit sign-ins of an account after a place, newest
	// first.
	SignIns(ctx context.Context, user uuid.UUID, after *Place, limit int) ([]SignIn, error)
	// PruneSignIns deletes up to limit sign-ins from before a moment and says
	// how many.
	PruneSignIns(ctx context.Context, before time.Time, limit int) (int, error)

	// SigningKeys returns the sealed keys, oldest first.
	SigningKeys(ctx context.Context) ([]SealedKey, error)
	// ReplaceSigningKeys, under a lock, hands all keys to change, adds the one
	// it returns, if any, and deletes those it names.
	ReplaceSigningKeys(ctx context.Context, change func(all []SealedKey) (add *SealedKey, remove []string, err error)) error
}

// Place is where a page of a list begins, newest first: after this one.
type Place struct {
	At time.Time
	ID uuid.UUID
}

// ProfileChange is what ChangeProfiles does.
type ProfileChange struct {
	Add    *Profile
	Update *Profile
	Delete uuid.UUID
	// Unseat is a profile whose sessions must get new tokens: what they say of
	// it is no longer so.
	Unseat uuid.UUID
}

// EndedSession is a seat that was left at a moment.
type EndedSession struct {
	ID uuid.UUID
	At time.Time
}

// SealedKey is a signing key as it is kept: encrypted under the secret.
type SealedKey struct {
	ID         string
	Sealed     []byte
	ActiveFrom time.Time
}

// What a Store says.
var (
	ErrNotFound   = errors.New("auth: not found")
	ErrLoginTaken = errors.New("auth: the login has an account")
)

// Event is what the auth subgraph tells about an account for the statistics.
type Event struct {
	Name      string // SignedUp or SignedIn
	At        time.Time
	UserID    uuid.UUID
	ProfileID uuid.UUID
	SessionID uuid.UUID
	UserAgent string
	Locale    string // of the profile; empty when it has none
	Demo      bool   // a synthetic viewer
}

// Names of events.
const (
	SignedUp = "signed_up"
	SignedIn = "signed_in"
)

// Recorder takes events. It must not block and must not fail a sign-in.
type Recorder interface {
	Record(ctx context.Context, e Event)
}

// Limits of attempts; see DefaultLimits.
type Limits struct {
	// SignInPair is by login and address, or by login and a browser that has
	// signed in to it before, which is counted by nothing else. SignInAddress is
	// by address, SignInLogin by login wherever the attempts come from. The first
	// and the last make the wait grow with the number of attempts; see growing.
	SignInPair, SignInAddress, SignInLogin limit.Rate
	// SignUpAddress is by address.
	SignUpAddress limit.Rate
	// RefreshAddress is by address.
	RefreshAddress limit.Rate
	// Code is by account and kind of code (of an app, recovery), Passkey by
	// account; both for those alone who have shown the password or are signed in.
	Code, Passkey limit.Rate
	// ChallengeAddress is by address.
	ChallengeAddress limit.Rate

	// ResetAddress is how often one address asks for links by mail, ResetLogin how
	// often one is asked for with a login, known or not, and ResetAccount how many
	// an account is sent. LinkAddress is how many links one address follows.
	ResetAddress, ResetLogin, ResetAccount, LinkAddress limit.Rate
	// EmailAccount is how often an account changes its address, EmailTo how often
	// one address is asked whether it is meant.
	EmailAccount, EmailTo limit.Rate
}

// DefaultLimits let a household behind one address sign in and stop a guesser.
// The one by login is wide, since it takes many addresses to spend it, and shuts
// its owner out of browsers alone that never were signed in. Three codes of a
// million are right at a time: at 20 an hour, one who has the password finds
// one of an app in a day with a chance of 0.15 %.
func DefaultLimits() Limits {
	return Limits{
		SignInPair:     limit.Rate{Limit: 10, Per: time.Minute, Burst: 10},
		SignInAddress:  limit.Rate{Limit: 60, Per: time.Minute, Burst: 60},
		SignInLogin:    limit.Rate{Limit: 100, Per: time.Minute, Burst: 100},
		SignUpAddress:  limit.Rate{Limit: 60, Per: time.Hour, Burst: 30},
		RefreshAddress: limit.Rate{Limit: 600, Per: time.Minute, Burst: 300},

		Code:             limit.Rate{Limit: 20, Per: time.Hour, Burst: 10},
		Passkey:          limit.Rate{Limit: 60, Per: time.Hour, Burst: 30},
		ChallengeAddress: limit.Rate{Limit: 120, Per: time.Minute, Burst: 120},

		ResetAddress: limit.Rate{Limit: 20, Per: time.Hour, Burst: 10},
		ResetLogin:   limit.Rate{Limit: 6, Per: time.Hour, Burst: 3},
		ResetAccount: limit.Rate{Limit: 6, Per: time.Hour, Burst: 3},
		LinkAddress:  limit.Rate{Limit: 120, Per: time.Hour, Burst: 60},
		EmailAccount: limit.Rate{Limit: 6, Per: time.Hour, Burst: 6},
		EmailTo:      limit.Rate{Limit: 6, Per: time.Hour, Burst: 3},
	}
}

// Deps of New. All are required but those that say otherwise.
type Deps struct {
	Store    Store
	Bus      bus.Bus
	Limiter  limit.Limiter
	Activity Recorder
	Logger   *slog.Logger
	// Secret is 32 bytes or more that never change: refresh tokens and the
	// signing keys at rest hang on it. Losing it signs everyone out.
	Secret []byte
	// PublicURL is how browsers reach the program: passkeys are bound to it.
	// Without it, or with one that cannot have them, there are none.
	PublicURL string
	// AdminFactor requires a second factor of administrators.
	AdminFactor bool
	// Providers are those that one can sign in with; may be empty.
	Providers []SignInProvider
	// Post takes letters; nil where none can be sent: what needs one is refused.
	Post Post
	// SignUp says who may make an account; SignUpOpen if empty.
	SignUp SignUpMode
	// Limits; DefaultLimits if zero.
	Limits Limits
	// KeepSignIns is how long sign-ins and ended sessions are kept for their
	// owner to see; 90 days if zero.
	KeepSignIns time.Duration
	// KeyAge is after how long a signing key gets a successor; 30 days if zero.
	KeyAge time.Duration
	// Argon2 computes hashes; argon2.IDKey if nil.
	Argon2 KeyFunc
	// Now and Random; the system's if nil.
	Now    func() time.Time
	Random io.Reader
}

// Accounts is the auth subgraph's rules. Init must have returned before it
// serves; Run keeps it tidy.
type Accounts struct {
	store    Store
	bus      bus.Bus
	limiter  limit.Limiter
	activity Recorder
	log      *slog.Logger
	limits   Limits
	keep     time.Duration
	keyAge   time.Duration
	now      func() time.Time
	random   io.Reader

	history    *history
	signer     *authn.Signer
	hasher     *hasher
	refreshKey []byte
	keySeal    cipher.AEAD

	proofs      proofs
	adminFactor bool
	providers   []SignInProvider
	links       links
}

// New makes the service. It does no work: call Init.
func New(d Deps) (*Accounts, error) {
	var missing []error
	for name, absent := range map[string]bool{
		"Store": d.Store == nil, "Bus": d.Bus == nil, "Limiter": d.Limiter == nil,
		"Activity": d.Activity == nil, "Logger": d.Logger == nil,
	} {
		if absent {
			missing = append(missing, fmt.Errorf("auth: %s is required", name))
		}
	}
	if len(d.Secret) < 32 {
		missing = append(missing, errors.New("auth: Secret must be 32 bytes or more"))
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	if d.Limits == (Limits{}) {
		d.Limits = DefaultLimits()
	}
	if d.KeepSignIns <= 0 {
		d.KeepSignIns = 90 * 24 * time.Hour
	}
	if d.KeyAge <= 0 {
		d.KeyAge = 30 * 24 * time.Hour
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Argon2 == nil {
		d.Argon2 = argon2.IDKey
	}
	if d.Random == nil {
		d.Random = rand.Reader
	}
	s := &Accounts{
		store: d.Store, bus: d.Bus, limiter: d.Limiter, activity: d.Activity, log: d.Logger,
		limits: d.Limits, keep: d.KeepSignIns, keyAge: d.KeyAge, history: newHistory(), now: func() time.Time { return d.Now().UTC().Truncate(time.Microsecond) }, random: d.Random,
	}
	var err error
	// One secret, several uses: each gets a key of its own (RFC 5869).
	if s.refreshKey, err = hkdf.Key(sha256.New, d.Secret, nil, "cinema auth refresh token v1", 32); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	if s.keySeal, err = newAEAD(d.Secret, "cinema auth signing key v1"); err != nil {
		return nil, err
	}
	if s.proofs, err = newProofs(d); err != nil {
		return nil, err
	}
	if s.links, err = newLinks(d); err != nil {
		return nil, err
	}
	s.adminFactor = d.AdminFactor
	if s.providers, err = newProviders(d.Providers); err != nil {
		return nil, err
	}
	if s.hasher, err = newHasher(d.Random, d.Argon2); err != nil {
		return nil, err
	}
	if s.signer, err = authn.NewSigner(s.now); err != nil {
		return nil, err
	}
	return s, nil
}

// Signer gives the public keys: as JWKS for a Verifier in this process and as
// the handler of /.well-known/jwks.json.
func (s *Accounts) Signer() *authn.Signer { return s.signer }

// Init reads the signing keys and makes the first one.
func (s *Accounts) Init(ctx context.Context) error { return s.tendKeys(ctx) }

const (
	keysEvery  = time.Minute
	pruneEvery = time.Hour
	pruneBatch = 1000
)

// Run keeps the keys, the sessions and the history tidy until ctx ends.
func (s *Accounts) Run(ctx context.Context) error {
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() { s.history.run(ctx, s.store, s.log) })
	writing.Go(func() { s.sendResets(ctx) })
	keys, prune := time.NewTicker(keysEvery), time.NewTicker(pruneEvery)
	defer keys.Stop()
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-keys.C:
			if err := s.tendKeys(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "auth: signing keys", "error", err)
			}
		case <-prune.C:
			if err := s.prune(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "auth: prune sessions and sign-ins", "error", err)
			}
		}
	}
}

func (s *Accounts) prune(ctx context.Context) error {
	ended := s.now().Add(-s.keep)
	for _, p := range []struct {
		some   func(context.Context, time.Time, int) (int, error)
		before time.Time
	}{
		{s.store.PruneSessions, ended}, {s.store.PruneSignIns, ended}, {s.store.PruneGone, ended}, {s.store.PruneRights, ended}, {s.store.PruneAPIKeys, ended},
		{s.store.PruneTickets, s.now().Add(-time.Hour)}, // clocks differ
		{s.store.PruneLinks, s.now().Add(-time.Hour)}, {s.store.PruneInvitations, s.now().Add(-time.Hour)},
	} {
		for n := pruneBatch; n == pruneBatch; {
			var err error
			if n, err = p.some(ctx, p.before, pruneBatch); err != nil {
				return err
			}
		}
	}
	return nil
}

// Revocations lists the sessions whose tokens may still be about, and the rights
// that changed while tokens were, for authn.NewRevocations.
func (s *Accounts) Revocations(ctx context.Context) ([]authn.Revocation, error) {
	ended, err := s.store.EndedSince(ctx, s.now().Add(-authn.RevocationTTL))
	if err != nil {
		return nil, err
	}
	rights, err := s.store.RightsSince(ctx, s.now().Add(-authn.RevocationTTL))
	if err != nil {
		return nil, err
	}
	list := make([]authn.Revocation, 0, len(ended)+len(rights))
	for _, e := range ended {
		list = append(list, authn.Revocation{SessionID: e.ID, Until: e.At.Add(authn.RevocationTTL)})
	}
	for _, r := range rights {
		list = append(list, r.revocation())
	}
	return list, nil
}

// announce tells everyone that sessions have ended. It is already written, so
// a failure here is logged: the list of Revocations makes up for it.
func (s *Accounts) announce(ctx context.Context, sessions ...uuid.UUID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := authn.Publish(ctx, s.bus, s.now().Add(authn.RevocationTTL), sessions...); err != nil {
		s.log.ErrorContext(ctx, "auth: revocations were not announced at once", "error", err)
	}
}

func (s *Accounts) newID() (uuid.UUID, error) {
	id, err := uuid.NewV7FromReader(s.random)
	if err != nil {
		return uuid.Nil, fmt.Errorf("auth: randomness: %w", err)
	}
	return id, nil
}
