package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/limit"
)

// SignedInSession is what a sign-in leads to.
type SignedInSession struct {
	AccessToken  string
	ExpiresAt    time.Time
	RefreshToken string
	// RefreshUntil is when the refresh token ends unless it is used.
	RefreshUntil time.Time
	// Mark is for the browser to keep, of a sign-in alone; see mark.
	Mark    string
	User    *User
	Profile *Profile
}

var (
	errCredentials = fault.New(fault.Unauthenticated, "Login or password is wrong.").WithReason("WRONG_CREDENTIALS")
	errBlocked     = fault.New(fault.Forbidden, "This account is blocked. Ask an administrator.").WithReason("ACCOUNT_BLOCKED")
	errNoSession   = authn.ErrUnauthenticated.WithReason("NO_SESSION")
	errReplayed    = fault.New(fault.Unauthenticated, "This sign-in was used from two places and has been ended to be safe. Sign in again.").WithReason("SESSION_REPLAYED")
	errTaken       = fault.New(fault.Conflict, "This login is taken.").At("input.login").WithReason("LOGIN_TAKEN")
)

// SignUp makes an account with a first profile and signs it in.
func (s *Accounts) SignUp(ctx context.Context, login, password, name string, locale *string, from Client) (*SignedInSession, error) {
	if err := s.maySignUp(false); err != nil {
		return nil, err
	}
	if err := s.spend(ctx, spending{"signup:address:" + addressKey(from.Address), s.limits.SignUpAddress}); err != nil {
		return nil, err
	}
	return s.signUp(ctx, login, password, name, locale, false, from)
}

// SignUpDemo is SignUp for a synthetic viewer. Its caller must have made sure
// that whoever asks may write users: what such a viewer does can be left out of
// the statistics, and how many are made is not limited.
func (s *Accounts) SignUpDemo(ctx context.Context, login, password, name string, locale *string, from Client) (*SignedInSession, error) {
	return s.signUp(ctx, login, password, name, locale, true, from)
}

func (s *Accounts) signUp(ctx context.Context, login, password, name string, locale *string, demo bool, from Client) (*SignedInSession, error) {
	u, p, err := s.newAccount(login, name, locale, []RoleName{RoleViewer})
	if err != nil {
		return nil, err
	}
	u.Demo = demo
	// Hashed before the login is looked at: a taken one takes the same time.
	hash, err := s.newHash(ctx, password, u.Login)
	if err != nil {
		return nil, err
	}
	if err := s.store.CreateAccount(ctx, u, hash, p); errors.Is(err, ErrLoginTaken) {
		return nil, errTaken
	} else if err != nil {
		return nil, fmt.Errorf("auth: sign up: %w", err)
	}
	return s.enterNew(ctx, u, hash, p, from)
}

// enterNew opens the first session of an account that was just made.
func (s *Accounts) enterNew(ctx context.Context, u User, hash string, p Profile, from Client) (*SignedInSession, error) {
	// With what its role may do at this moment.
	made, err := s.store.Users(ctx, []uuid.UUID{u.ID.UUID})
	if err != nil {
		return nil, fmt.Errorf("auth: sign up: %w", err)
	}
	if len(made) == 0 {
		return nil, errCredentials // deleted at the same moment
	}
	return s.open(ctx, &made[0], hash, &p, from, SignInBySignUp, uuid.Nil)
}

// newAccount builds a checked account and its first profile.
func (s *Accounts) newAccount(login, name string, locale *string, roles []RoleName) (User, Profile, error) {
	normal, err := NormalizeLogin(login)
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) {
			err = f.At("input.login")
		}
		return User{}, Profile{}, err
	}
	if strings.TrimSpace(name) == "" {
		name, _, _ = strings.Cut(strings.TrimSpace(login), "@")
		if r := []rune(name); len(r) > maxName {
			name = string(r[:maxName])
		}
	}
	if name, err = cleanName(name, "input.name"); err != nil {
		return User{}, Profile{}, err
	}
	user, err := s.newID()
	if err != nil {
		return User{}, Profile{}, err
	}
	profile, err := s.newID()
	if err != nil {
		return User{}, Profile{}, err
	}
	now := s.now()
	return User{ID: gid.Of(gid.User, user), Login: normal, Name: name, Roles: roles, CreatedAt: now},
		Profile{
			ID: gid.Of(gid.Profile, profile), UserID: user, Name: name,
			Colour: palette[int(profile[15])%len(palette)], Avatar: AvatarLetter, Language: locale, CreatedAt: now,
		}, nil
}

// SignIn opens a session for whoever knows the password, or says which second
// factor is due: one of the two is nil.
func (s *Accounts) SignIn(ctx context.Context, login, password string, from Client) (*SignedInSession, *SecondFactor, error) {
	if len(password) > maxPassword || len(login) > 4*maxEmail {
		// No account has such a one, and no work is done on it.
		return nil, nil, s.spendOr(ctx, errCredentials, spending{"signin:address:" + addressKey(from.Address), s.limits.SignInAddress})
	}
	if s.hasher.full() {
		return nil, nil, errBusy
	}
	normal, loginErr := NormalizeLogin(login)
	if loginErr != nil {
		normal = login
	}
	// Whose browser says that it is known is looked up first: then it counts by
	// itself. Others are counted before any work.
	_, _, marked := s.marked(from.Mark)
	if !marked {
		if err := s.spendSignIn(ctx, normal, uuid.Nil, from); err != nil {
			return nil, nil, err
		}
	}
	var u User
	var hash string
	if loginErr == nil {
		var err error
		u, hash, err = s.store.Password(ctx, normal)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, nil, fmt.Errorf("auth: sign in: %w", err)
		}
	}
	if marked {
		if err := s.spendSignIn(ctx, normal, u.ID.UUID, from); err != nil {
			return nil, nil, err
		}
	}
	password, err := normalizePassword(password)
	if err != nil {
		return nil, nil, errCredentials
	}
	ok, stale, err := s.hasher.verify(ctx, password, hash)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		if !u.ID.IsZero() {
			s.history.attempt(s.attempt(u.ID.UUID, SignInWrongPassword, from))
		}
		return nil, nil, errCredentials
	}
	if u.Blocked {
		// Only said to one who knows the password.
		s.history.attempt(s.attempt(u.ID.UUID, SignInBlocked, from))
		return nil, nil, errBlocked
	}
	if stale {
		hash = s.rehash(ctx, &u, hash, password)
	}
	if due, is, err := s.secondFactor(ctx, &u, hash, from); err != nil || is {
		return nil, due, err
	}
	in, err := s.enter(ctx, &u, hash, from, SignInByPassword, uuid.Nil)
	return in, nil, err
}

// rehash hashes a password that is known to be right with today's parameters
// and returns the hash that the account has then.
func (s *Accounts) rehash(ctx context.Context, u *User, hash, password string) string {
	fresh, err := s.hasher.hash(ctx, password)
	if err == nil {
		if err = s.store.SetPassword(ctx, u.ID.UUID, hash, fresh); err == nil {
			return fresh
		}
	}
	if !errors.Is(err, ErrNotFound) {
		s.log.WarnContext(ctx, "auth: the password was not hashed anew", "error", err)
	}
	return hash
}

// open begins a session of an account while hash is that of its password.
// attempt is the entry in the history that it completes; Nil for one of its own.
func (s *Accounts) open(ctx context.Context, u *User, hash string, p *Profile, from Client, method SignInMethod, attempt uuid.UUID) (*SignedInSession, error) {
	return s.openBy(ctx, u, hash, p, from, way{method: method, attempt: attempt})
}

func (s *Accounts) openBy(ctx context.Context, u *User, hash string, p *Profile, from Client, by way) (*SignedInSession, error) {
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	now := s.now()
	session := SessionRow{
		ID: id, UserID: u.ID.UUID, ProfileID: p.ID.UUID, Seat: id,
		CreatedAt: now, AuthenticatedAt: now, UsedAt: now, RotatedAt: now, ExpiresAt: expiry(now, now),
		UserAgent: cut(from.UserAgent, 512), Address: cut(from.Address, 64),
		Seed: make([]byte, seedLen), Generation: 1,
	}
	if _, err := io.ReadFull(s.random, session.Seed); err != nil {
		return nil, fmt.Errorf("auth: randomness: %w", err)
	}
	session.TokenHash = tokenHash(refreshToken(s.refreshKey, &session, session.Generation))
	if by.attempt == uuid.Nil {
		by.attempt = id
	}
	in := SignIn{
		ID: by.attempt, UserID: session.UserID, SessionID: id, At: now, Method: by.method, Provider: by.provider, Outcome: SignInSucceeded,
		Client: Client{Address: session.Address, UserAgent: session.UserAgent},
	}
	if err := s.store.CreateSession(ctx, session, hash, in); errors.Is(err, ErrNotFound) {
		// Blocked, or given another password, since it was compared.
		return nil, errCredentials
	} else if err != nil {
		return nil, fmt.Errorf("auth: open a session: %w", err)
	}
	event := SignedIn
	if by.method == SignInBySignUp {
		event = SignedUp
	}
	e := Event{
		Name: event, At: now, UserID: session.UserID, ProfileID: session.ProfileID, SessionID: id,
		UserAgent: session.UserAgent, Demo: u.Demo,
	}
	if p.Language != nil {
		e.Locale = *p.Language
	}
	s.activity.Record(ctx, e)
	out, err := s.signedIn(&session, u, p)
	if err == nil {
		out.Mark, err = s.mark(u.ID.UUID)
	}
	return out, err
}

// signedIn makes the tokens of a session's present state.
func (s *Accounts) signedIn(session *SessionRow, u *User, p *Profile) (*SignedInSession, error) {
	c := &authn.Claims{
		UserID: u.ID.UUID, ProfileID: p.ID.UUID, SessionID: session.ID,
		Child: p.IsChild, AgeLimit: p.Limit, Demo: u.Demo, SignedInAt: session.AuthenticatedAt, Scopes: map[string]bool{}, Rights: u.Rights,
	}
	if session.Seat != session.ID {
		c.SeatID = session.Seat
	}
	if p.IsChild {
		// A child who watches with an administrator's account administers nothing.
		u = u.asChild()
	} else {
		for _, scope := range u.Permissions() {
			c.Scopes[scope] = true
		}
		for _, r := range u.Roles {
			c.Roles = append(c.Roles, string(r))
		}
	}
	token, err := s.signer.Sign(c)
	if err != nil {
		return nil, err
	}
	return &SignedInSession{
		AccessToken: token, ExpiresAt: c.ExpiresAt, User: u, Profile: p,
		RefreshToken: refreshToken(s.refreshKey, session, session.Generation), RefreshUntil: session.ExpiresAt,
	}, nil
}

// Refresh exchanges a refresh token for its successor and an access token.
func (s *Accounts) Refresh(ctx context.Context, token string, from Client) (*SignedInSession, error) {
	err := s.spend(ctx, spending{"refresh:address:" + addressKey(from.Address), s.limits.RefreshAddress})
	// No refresh token can be guessed, the limit only spares the database: while
	// nothing can be counted, people stay signed in.
	if err != nil && fault.KindOf(err) != fault.Unavailable {
		return nil, err
	}
	parsed, ok := parseRefreshToken(token)
	if !ok {
		return nil, errNoSession
	}
	var session SessionRow
	var user User
	var v verdict
	now := s.now()
	err = s.store.ChangeSession(ctx, parsed.session, func(se *SessionRow, u *User) error {
		v = rotate(s.refreshKey, se, parsed, now)
		if v == rotated {
			if from.UserAgent != "" {
				se.UserAgent = cut(from.UserAgent, 512)
			}
			se.Address = cut(from.Address, 64)
		}
		if v == refused || u.Blocked {
			return errNoSession
		}
		session, user = *se, *u
		return nil
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, errNoSession
	case err != nil:
		return nil, fmt.Errorf("auth: refresh: %w", err)
	case v == replayed:
		s.log.WarnContext(ctx, "auth: a refresh token was used again; its session has ended",
			"session", session.ID, "user", user.ID, "generation", parsed.generation, "present", session.Generation)
		s.announce(ctx, session.Seat)
		return nil, errReplayed
	}
	if s.mustHave(user.IsAdmin()) {
		// A session from before it was required.
		f, err := s.store.Factors(ctx, user.ID.UUID)
		if err != nil {
			return nil, fmt.Errorf("auth: refresh: %w", err)
		}
		if !f.any() {
			return nil, errNoSession
		}
	}
	p, err := s.profileOf(ctx, &session)
	if err != nil {
		return nil, err
	}
	return s.signedIn(&session, &user, p)
}

// profileOf finds the session's profile; when it is gone, one that any could go
// on with. If each other has a PIN, the session has nowhere to go.
func (s *Accounts) profileOf(ctx context.Context, session *SessionRow) (*Profile, error) {
	all, err := s.store.ProfilesOf(ctx, []uuid.UUID{session.UserID})
	if err != nil {
		return nil, fmt.Errorf("auth: profiles: %w", err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("auth: account %s has no profile", session.UserID)
	}
	for i := range all {
		if all[i].ID.UUID == session.ProfileID {
			return &all[i], nil
		}
	}
	if p := landing(all); !p.PINSet {
		return p, nil
	}
	return nil, errNoSession
}

// SignOut ends the session of the refresh token and the one of the claims,
// which are the same in a browser; either may be missing.
func (s *Accounts) SignOut(ctx context.Context, token string, claims *authn.Claims) error {
	if claims != nil {
		if err := s.end(ctx, claims.SessionID, EndSignOut, func(*SessionRow) bool { return true }); err != nil {
			return err
		}
	}
	parsed, ok := parseRefreshToken(token)
	if !ok || claims != nil && claims.SessionID == parsed.session {
		return nil
	}
	// Any genuine token will do, an old one too: it ends, it opens nothing.
	return s.end(ctx, parsed.session, EndSignOut, func(se *SessionRow) bool { return parsed.genuine(s.refreshKey, se) })
}

func (s *Accounts) end(ctx context.Context, id uuid.UUID, reason string, may func(*SessionRow) bool) error {
	ended, seat := false, uuid.Nil
	now := s.now()
	err := s.store.ChangeSession(ctx, id, func(se *SessionRow, _ *User) error {
		if se.EndedAt == nil && may(se) {
			se.EndedAt, se.EndReason = &now, reason
			ended, seat = true, se.Seat
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("auth: end a session: %w", err)
	}
	if ended {
		s.announce(ctx, seat)
	}
	return nil
}

// SwitchProfile goes on with a profile of the account, for which its PIN must be
// right if it has one. The refresh token stays as it is; the session leaves its
// seat, so that what was made for the profile before ends.
func (s *Accounts) SwitchProfile(ctx context.Context, claims *authn.Claims, profile gid.ID, pin string) (*SignedInSession, error) {
	found, err := s.store.Profiles(ctx, []uuid.UUID{profile.UUID})
	if err != nil {
		return nil, fmt.Errorf("auth: switch profile: %w", err)
	}
	if !profile.Is(gid.Profile) || len(found) == 0 || found[0].UserID != claims.UserID {
		return nil, errNoProfile.At("input.profileId")
	}
	if found[0].PINSet {
		if err := s.provePIN(ctx, claims.UserID, profile.UUID, pin); err != nil {
			return nil, err
		}
	}
	var session SessionRow
	var user User
	seat, err := s.newID()
	if err != nil {
		return nil, err
	}
	now := s.now()
	var left uuid.UUID
	err = s.store.ChangeSession(ctx, claims.SessionID, func(se *SessionRow, u *User) error {
		if !se.Live(now) || u.Blocked {
			return errNoSession
		}
		left = se.Seat
		se.ProfileID, se.UsedAt, se.Seat = profile.UUID, now, seat
		session, user = *se, *u
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil, errNoSession
	} else if err != nil {
		return nil, fmt.Errorf("auth: switch profile: %w", err)
	}
	s.announce(ctx, left)
	return s.signedIn(&session, &user, &found[0])
}

type spending struct {
	key  string
	rate limit.Rate
}

// spend counts one attempt with each key. An answer that is not known refuses:
// without limits, guessing would be free.
func (s *Accounts) spend(ctx context.Context, keys ...spending) error {
	for _, k := range keys {
		r, err := s.limiter.Allow(ctx, "auth:"+k.key, k.rate, 1)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fault.New(fault.Unavailable, "Sign-in is not possible at the moment. Try again shortly.").Because(err)
		}
		if !r.Allowed {
			seconds := int(math.Ceil(r.RetryAfter.Seconds()))
			return fault.New(fault.RateLimited, "Too many attempts. Try again in %d s.", seconds).WithRetryAfter(r.RetryAfter)
		}
	}
	return nil
}

func (s *Accounts) spendOr(ctx context.Context, otherwise error, keys ...spending) error {
	if err := s.spend(ctx, keys...); err != nil {
		return err
	}
	return otherwise
}

// addressKey is the address by which attempts are counted: all of v4, the /64
// of v6, which one customer has to himself.
func addressKey(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// cut makes text from outside fit to be kept: bounded, valid, without NUL.
func cut(s string, most int) string {
	if len(s) > most {
		s = s[:most]
	}
	s = strings.ReplaceAll(s, "\x00", "")
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return s
}
