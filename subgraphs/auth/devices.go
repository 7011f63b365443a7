package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/mileusna/useragent"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// Session is a signed-in device as its owner sees it.
type Session struct {
	ID                           gid.ID
	Current                      bool // it is the one that asks
	Client                       Client
	CreatedAt, UsedAt, ExpiresAt time.Time
}

// SignIn is a sign-in, or an attempt at one, on an account that exists.
type SignIn struct {
	ID        uuid.UUID
	UserID    uuid.UUID
	SessionID uuid.UUID // Nil when it opened none
	At        time.Time
	Method    SignInMethod
	Provider  string // whose word it was: its id, to its owner its name; empty without one
	Outcome   SignInOutcome
	Client    Client
}

// MaxSignIns is the most sign-ins on one page.
const MaxSignIns = 100

var errNoSuchSession = fault.New(fault.NotFound, "There is no such session; it may have ended.").At("input.id")

// SessionsOf lists the live sessions of accounts, the last used first; the
// claims say which of them asks.
func (s *Accounts) SessionsOf(ctx context.Context, users []uuid.UUID, claims *authn.Claims) (map[uuid.UUID][]*Session, error) {
	rows, err := s.store.LiveSessions(ctx, users, s.now())
	if err != nil {
		return nil, fmt.Errorf("auth: sessions: %w", err)
	}
	by := map[uuid.UUID][]*Session{}
	for _, r := range rows {
		by[r.UserID] = append(by[r.UserID], &Session{
			ID: gid.Of(gid.Session, r.ID), Current: claims != nil && claims.SessionID == r.ID,
			Client:    Client{Address: r.Address, UserAgent: r.UserAgent},
			CreatedAt: r.CreatedAt, UsedAt: r.UsedAt, ExpiresAt: r.ExpiresAt,
		})
	}
	return by, nil
}

// SignIns lists sign-ins and attempts of an account, newest first; more says
// that older ones follow.
func (s *Accounts) SignIns(ctx context.Context, user uuid.UUID, after *string, first int) (page []SignIn, more bool, err error) {
	if first < 1 || first > MaxSignIns {
		return nil, false, fault.New(fault.Invalid, "Ask for 1 to %d sign-ins at once.", MaxSignIns).At("first")
	}
	var place *Place
	if after != nil {
		if place, err = parseCursor(*after); err != nil {
			return nil, false, err
		}
	}
	page, err = s.store.SignIns(ctx, user, place, first+1)
	if err != nil {
		return nil, false, fmt.Errorf("auth: sign-ins: %w", err)
	}
	for i := range page {
		if p := s.provider(page[i].Provider); p != nil {
			page[i].Provider = p.Name
		}
	}
	if len(page) > first {
		return page[:first], true, nil
	}
	return page, false, nil
}

// PasswordChange is a new password for the account that is signed in.
type PasswordChange struct {
	// Present is empty of an account that has none.
	Present, Next string
	// RevokeAPIKeys ends the account's keys too.
	RevokeAPIKeys bool
}

// ChangePassword gives the account of the claims a new password, or its first,
// and ends its sessions but the one that asks. It says how many ended.
func (s *Accounts) ChangePassword(ctx context.Context, claims *authn.Claims, in PasswordChange, from Client) (ended int, err error) {
	if err := s.RequireFresh(claims); err != nil {
		return 0, err
	}
	u, hash, err := s.proveOwner(ctx, claims, in.Present, from)
	if err != nil {
		return 0, err
	}
	password, err := normalizePassword(in.Present)
	if err != nil {
		return 0, errWrongPassword
	}
	next, err := normalizePassword(in.Next)
	if err != nil {
		return 0, moved(err, "input.newPassword")
	}
	if err := checkNewPassword(next, u.Login); err != nil {
		return 0, moved(err, "input.newPassword")
	}
	if next == password {
		return 0, fault.New(fault.Invalid, "This is the present password.").At("input.newPassword").WithReason("PASSWORD_SAME")
	}
	fresh, err := s.hasher.hash(ctx, next)
	if err != nil {
		return 0, err
	}
	err = s.administer(ctx, Actor{Claims: claims, From: from}, "", func(ctx context.Context, c *change) error {
		switch err := c.ReplacePassword(ctx, u.ID.UUID, hash, fresh); {
		case errors.Is(err, ErrNotFound):
			return errWrongPassword // it was changed at the same moment
		case err != nil:
			return err
		}
		if ended, err = c.end(ctx, u.ID.UUID, claims.SessionID, uuid.Nil, EndPassword); err != nil || !in.RevokeAPIKeys {
			return err
		}
		return c.dropAPIKeys(ctx, u.ID.UUID)
	})
	if err != nil {
		return 0, fmt.Errorf("auth: change password: %w", err)
	}
	return ended, nil
}

// moved is a fault with the path of another field.
func moved(err error, field string) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Field != "" {
		return f.At(field)
	}
	return err
}

// EndSession ends one session of the account of the claims, or of any account
// with user:write, and returns whose it was.
func (s *Accounts) EndSession(ctx context.Context, by Actor, id gid.ID) (user uuid.UUID, ended int, err error) {
	if !id.Is(gid.Session) {
		return uuid.Nil, 0, errNoSuchSession
	}
	now := s.now()
	var seat uuid.UUID
	err = s.store.ChangeSession(ctx, id.UUID, func(se *SessionRow, _ *User) error {
		user = se.UserID
		if user == by.Claims.UserID && se.EndedAt == nil {
			seat = se.Seat
			se.EndedAt, se.EndReason, ended = &now, EndByHand, 1
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) || err == nil && user != by.Claims.UserID && !by.Claims.Has(UserWrite) {
		return uuid.Nil, 0, errNoSuchSession // whether it exists is nobody's business
	} else if err != nil {
		return uuid.Nil, 0, fmt.Errorf("auth: end a session: %w", err)
	}
	if user != by.Claims.UserID {
		if err := s.RequireFresh(by.Claims); err != nil {
			return uuid.Nil, 0, err
		}
		ended, err = s.endSessionsOf(ctx, by, gid.Of(gid.User, user), id.UUID, "input.id")
		return user, ended, err
	}
	if ended > 0 {
		s.announce(ctx, seat)
	}
	return user, ended, nil
}

// EndSessions ends all sessions of an account but the one that asks. Another's
// account needs user:write.
func (s *Accounts) EndSessions(ctx context.Context, by Actor, id gid.ID) (ended int, err error) {
	if id.UUID != by.Claims.UserID {
		if !by.Claims.Has(UserWrite) {
			return 0, errNotYours
		}
		if err := s.RequireFresh(by.Claims); err != nil {
			return 0, err
		}
		return s.endSessionsOf(ctx, by, id, uuid.Nil, "input.userId")
	}
	gone, err := s.store.EndSessions(ctx, id.UUID, by.Claims.SessionID, EndByHand, s.now())
	if err != nil {
		return 0, fmt.Errorf("auth: end sessions: %w", err)
	}
	s.announce(ctx, gone...)
	return len(gone), nil
}

var errNotYours = fault.New(fault.Forbidden, "Your account may not end the sessions of another.").At("input.userId")

// Client is where a request comes from.
type Client struct {
	// Address is the viewer's IP address as the router saw it.
	Address   string
	UserAgent string
	// Mark is the browser's of an earlier sign-in, if it sent one.
	Mark string
}

// Browser resolves the field of this name.
func (c Client) Browser() string { return useragent.Parse(c.UserAgent).Name }

// System resolves the field of this name.
func (c Client) System() string { return useragent.Parse(c.UserAgent).OS }

// Kind resolves the field of this name.
func (c Client) Kind() DeviceKind {
	switch ua := useragent.Parse(c.UserAgent); {
	case ua.Bot:
		return DeviceOther
	case ua.Tablet:
		return DeviceTablet
	case ua.Mobile:
		return DevicePhone
	case ua.Desktop:
		return DeviceDesktop
	default:
		return DeviceOther
	}
}

// Network resolves the field of this name. No list of places is carried
// along, so it says what the address itself tells.
func (c Client) Network() Network {
	a, err := netip.ParseAddr(c.Address)
	if err != nil {
		return NetworkUnknown
	}
	switch a = a.Unmap(); {
	case a.IsLoopback():
		return NetworkThisMachine
	case a.IsPrivate() || a.IsLinkLocalUnicast():
		return NetworkLocal
	default:
		return NetworkInternet
	}
}
