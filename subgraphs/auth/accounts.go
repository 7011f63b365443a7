package auth

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
)

// AdminLogin is the login of the account that the first start makes.
const AdminLogin = "admin"

// MaxPage is the most accounts on one page.
const MaxPage = 100

// Page is a page of accounts.
type Page struct {
	Users                []User
	HasNext, HasPrevious bool
	Total                int
}

// Cursor is a user's place in the list; opaque to clients.
func (u *User) Cursor() string { return cursor(u.CreatedAt, u.ID.UUID) }

// Cursor is a sign-in's place in the list; opaque to clients.
func (in *SignIn) Cursor() string { return cursor(in.At, in.ID) }

func cursor(at time.Time, id uuid.UUID) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(raw, id[:]...))
}

func parseCursor(cursor string) (*Place, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) != 24 {
		return nil, fault.New(fault.Invalid, "The cursor is none of this list.").At("after")
	}
	p := &Place{At: time.UnixMicro(int64(binary.BigEndian.Uint64(raw))).UTC()}
	if y := p.At.Year(); y < 1970 || y > 9999 {
		return nil, fault.New(fault.Invalid, "The cursor is none of this list.").At("after")
	}
	copy(p.ID[:], raw[8:])
	return p, nil
}

// UserSort is the order of a list of accounts.
type UserSort string

// The orders of lists of accounts.
const (
	UsersNewest   UserSort = "NEWEST"
	UsersLastSeen UserSort = "LAST_SEEN"
)

// UserFilter says which accounts, and in what order; its zero value is all,
// newest first.
type UserFilter struct {
	Query   string // a part of the login or name
	Role    *RoleName
	Blocked *bool
	Sort    UserSort
}

// CursorBy is a user's place in a list of that order; opaque to clients.
func (u *User) CursorBy(sort UserSort) string {
	if sort == UsersLastSeen && u.LastSeenAt != nil {
		return cursor(*u.LastSeenAt, u.ID.UUID)
	}
	return u.Cursor()
}

// ListUsers returns a page of the accounts of a filter.
func (s *Accounts) ListUsers(ctx context.Context, f UserFilter, after *string, first int) (*Page, error) {
	if first < 1 || first > MaxPage {
		return nil, fault.New(fault.Invalid, "Ask for 1 to %d accounts at once.", MaxPage).At("first")
	}
	f.Query = strings.ToLower(strings.TrimSpace(f.Query))
	if len(f.Query) > 256 || !utf8.ValidString(f.Query) || strings.ContainsRune(f.Query, 0) {
		return nil, fault.New(fault.Invalid, "The text to look for is too long, or no text.").At("query")
	}
	var place *Place
	if after != nil {
		var err error
		if place, err = parseCursor(*after); err != nil {
			return nil, err
		}
	}
	users, total, err := s.store.ListUsers(ctx, f, place, first+1)
	if err != nil {
		return nil, fmt.Errorf("auth: list users: %w", err)
	}
	page := &Page{Users: users, Total: total, HasPrevious: place != nil}
	if len(users) > first {
		page.Users, page.HasNext = users[:first], true
	}
	return page, nil
}

// Users finds accounts by id; those that are not there are left out.
func (s *Accounts) Users(ctx context.Context, ids []uuid.UUID) ([]User, error) {
	return s.store.Users(ctx, ids)
}

// Profiles finds profiles by id; those that are not there are left out.
func (s *Accounts) Profiles(ctx context.Context, ids []uuid.UUID) ([]Profile, error) {
	return s.store.Profiles(ctx, ids)
}

// ProfilesOf returns the profiles of accounts, oldest first.
func (s *Accounts) ProfilesOf(ctx context.Context, users []uuid.UUID) ([]Profile, error) {
	return s.store.ProfilesOf(ctx, users)
}

// EnsureAdmin makes the first administrator, with a generated password, unless
// there is one. The password is kept nowhere: whoever calls must show it.
func (s *Accounts) EnsureAdmin(ctx context.Context) (login, password string, created bool, err error) {
	password, hash, err := s.generate(ctx)
	if err != nil {
		return "", "", false, err
	}
	u, p, err := s.newAccount(AdminLogin, "", nil, []RoleName{RoleAdmin})
	if err != nil {
		return "", "", false, err
	}
	created, err = s.store.CreateFirstAdmin(ctx, u, hash, p)
	if err != nil {
		return "", "", false, fmt.Errorf("auth: first administrator: %w", err)
	}
	if !created {
		return "", "", false, nil
	}
	return u.Login, password, true, nil
}

func (s *Accounts) generate(ctx context.Context) (password, hash string, err error) {
	if password, err = makePassword(s.random); err != nil {
		return "", "", err
	}
	hash, err = s.hasher.hash(ctx, password)
	return password, hash, err
}

// EnsureUser makes an account with these roles unless the login has one; it
// then changes nothing.
func (s *Accounts) EnsureUser(ctx context.Context, login, password, name string, roles []RoleName) (u *User, created bool, err error) {
	user, p, err := s.newAccount(login, name, nil, roles)
	if err != nil {
		return nil, false, err
	}
	if found, _, err := s.store.Password(ctx, user.Login); err == nil {
		return &found, false, nil
	} else if !errors.Is(err, ErrNotFound) {
		return nil, false, fmt.Errorf("auth: ensure user: %w", err)
	}
	hash, err := s.newHash(ctx, password, user.Login)
	if err != nil {
		return nil, false, err
	}
	switch err := s.store.CreateAccount(ctx, user, hash, p); {
	case errors.Is(err, ErrLoginTaken):
		found, _, err := s.store.Password(ctx, user.Login)
		if err != nil {
			return nil, false, fmt.Errorf("auth: ensure user: %w", err)
		}
		return &found, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("auth: ensure user: %w", err)
	}
	return &user, true, nil
}

// ResetPassword gives an account a new generated password, unblocks nothing,
// and ends its sessions.
func (s *Accounts) ResetPassword(ctx context.Context, login string) (password string, err error) {
	normal, err := NormalizeLogin(login)
	if err != nil {
		return "", err
	}
	u, _, err := s.store.Password(ctx, normal)
	if errors.Is(err, ErrNotFound) {
		return "", fault.New(fault.NotFound, "There is no account with the login %q.", normal)
	} else if err != nil {
		return "", fmt.Errorf("auth: reset password: %w", err)
	}
	if u.Demo {
		return "", fault.New(fault.Conflict, "%q is an account of the demo cinema; nobody can sign in to it.", normal)
	}
	password, hash, err := s.generate(ctx)
	if err != nil {
		return "", err
	}
	err = s.administer(ctx, Actor{}, UserWrite, func(ctx context.Context, c *change) error {
		if err := c.SetPassword(ctx, u.ID.UUID, hash); err != nil {
			return err
		}
		if _, err := c.end(ctx, u.ID.UUID, uuid.Nil, uuid.Nil, EndPassword); err != nil {
			return err
		}
		return c.noteUser(ctx, ActionUserPassword, u, nil, nil)
	})
	if err != nil {
		return "", fmt.Errorf("auth: reset password: %w", err)
	}
	return password, nil
}

// minDemoPrefix keeps a slip from deleting more than was meant.
const minDemoPrefix = 3

var errDemoPrefix = fault.New(fault.Invalid, "A prefix has at least %d characters.", minDemoPrefix).At("input.loginPrefix")

// DeleteDemoUsers deletes the accounts marked as demo whose login begins with
// the prefix, with their profiles and sessions, and says how many there were.
// What they hold tokens of ends at once. Others are never touched.
func (s *Accounts) DeleteDemoUsers(ctx context.Context, by Actor, prefix string) (n int, err error) {
	if utf8.RuneCountInString(prefix) < minDemoPrefix {
		return 0, errDemoPrefix
	}
	err = s.administer(ctx, by, UserWrite, func(ctx context.Context, c *change) error {
		if n, c.ended, err = c.DeleteDemo(ctx, strings.ToLower(prefix), s.now()); err != nil || n == 0 {
			return err
		}
		return c.note(ctx, ActionDemoUsersGone, "demo", map[string]any{"loginPrefix": prefix, "accounts": n}, nil)
	})
	if err != nil {
		return 0, fmt.Errorf("auth: delete demo users: %w", err)
	}
	if n > 0 {
		s.tellGone(ctx)
	}
	return n, nil
}
