package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// Administration is a transaction of which one runs at a time, so that what a
// change was judged by is still true when it is written: that there is another
// admin, what whoever asks may do, who holds a role.
type Administration interface {
	LinkAdministration

	// User locks an account; ErrNotFound if there is none.
	User(ctx context.Context, id uuid.UUID) (User, error)
	// OtherAdmin reports whether another account is an admin that can sign in.
	OtherAdmin(ctx context.Context, than uuid.UUID) (bool, error)
	// SetUser writes roles and block.
	SetUser(ctx context.Context, u User) error
	// DeleteUser deletes an account with all that is its own.
	DeleteUser(ctx context.Context, id uuid.UUID) error
	// EndSessions ends the live sessions of an account but the one to keep (Nil:
	// none) and returns their seats; only one of them if one is not Nil.
	EndSessions(ctx context.Context, user, keep, one uuid.UUID, reason string, at time.Time) ([]uuid.UUID, error)
	// DeleteDemo deletes the demo accounts whose login begins with the prefix. It
	// returns how many there were, and the seats that tokens may name yet.
	DeleteDemo(ctx context.Context, prefix string, at time.Time) (int, []uuid.UUID, error)
	// SetPassword replaces the hash.
	SetPassword(ctx context.Context, user uuid.UUID, hash string) error
	// ReplacePassword is SetPassword where the old hash is still that, else ErrNotFound.
	ReplacePassword(ctx context.Context, user uuid.UUID, old, hash string) error
	// DropFactors deletes all that an account proves itself with but its password.
	DropFactors(ctx context.Context, user uuid.UUID) error
	APIKeyAdministration

	// Roles are all roles.
	Roles(ctx context.Context) ([]Role, error)
	// PutRole adds or replaces a role.
	PutRole(ctx context.Context, r Role) error
	// DeleteRole deletes a role that nobody holds.
	DeleteRole(ctx context.Context, name RoleName) error
	// Holders counts the accounts that hold a role.
	Holders(ctx context.Context, name RoleName) (int, error)
	// MoveHolders gives all holders of a role another in its place.
	MoveHolders(ctx context.Context, from, to RoleName) (int, error)

	// RightsChanged writes down that the rights of an account, or of a role's
	// holders, are others, and returns the new state of all rights.
	RightsChanged(ctx context.Context, c RightsChange) (int64, error)
	// Note adds to the audit log.
	Note(ctx context.Context, e AuditEntry) error
}

// RightsChange is a change of what an account (or, where it is Nil, the
// holders of a role) may do.
type RightsChange struct {
	Number int64
	UserID uuid.UUID
	Role   RoleName
	Lost   bool // something may no longer be done
	At     time.Time
}

func (c RightsChange) revocation() authn.Revocation {
	return authn.Revocation{
		Rights: c.Number, UserID: c.UserID, Role: string(c.Role), Lost: c.Lost, Until: c.At.Add(authn.RevocationTTL),
	}
}

// Actor is who administers, and from where. Without claims it is the operator,
// at the machine itself, who may do everything.
type Actor struct {
	Claims *authn.Claims
	From   Client
}

// change is an Administration with what it is done by, and what must be told
// when it is written.
type change struct {
	Administration
	s     *Accounts
	actor Actor
	// may is what whoever asks may do at this moment: with this token and by the
	// roles of the account, whichever is less.
	may   []string
	told  []authn.Revocation
	ended []uuid.UUID
}

// administer runs do if whoever asks has the permission at that moment (none is
// wanted for what is one's own), and then tells everyone what ended.
func (s *Accounts) administer(ctx context.Context, by Actor, permission string, do func(context.Context, *change) error) error {
	c := &change{s: s, actor: by, may: Permissions()}
	err := s.store.Administer(ctx, func(ctx context.Context, a Administration) error {
		c.Administration = a
		if by.Claims != nil {
			u, err := a.User(ctx, by.Claims.UserID)
			if errors.Is(err, ErrNotFound) || err == nil && u.Blocked {
				return authn.ErrUnauthenticated
			} else if err != nil {
				return err
			}
			c.may = slices.DeleteFunc(u.Permissions(), func(p string) bool { return !by.Claims.Has(p) })
			if permission != "" && !slices.Contains(c.may, permission) {
				return errMayNot
			}
		}
		return do(ctx, c)
	})
	if err != nil {
		return err
	}
	s.announce(ctx, c.ended...)
	s.announceRights(ctx, c.told...)
	return nil
}

var (
	errMayNot    = fault.New(fault.Forbidden, "Your account may not do this.")
	errNoUser    = fault.New(fault.NotFound, "There is no such account.").At("input.id")
	errLastAdmin = fault.New(fault.Conflict, "The last administrator keeps the role and can be neither blocked nor deleted.").WithReason("LAST_ADMIN")
	errSelf      = fault.New(fault.Conflict, "Ask another administrator to do this to your own account.").WithReason("YOURSELF")
	errAboveYou  = fault.New(fault.Forbidden, "This account may do more than yours.").WithReason("ABOVE_YOU")
)

// role finds a role.
func (c *change) role(ctx context.Context, name RoleName) (Role, error) {
	all, err := c.Roles(ctx)
	if err != nil {
		return Role{}, err
	}
	for _, r := range all {
		if r.Name == name {
			return r, nil
		}
	}
	return Role{}, errNoRole
}

// user finds the account to be changed. One that may do more than whoever asks
// is out of reach, or a helper could block the administrators.
func (c *change) user(ctx context.Context, id gid.ID) (User, error) {
	if !id.Is(gid.User) {
		return User{}, errNoUser
	}
	u, err := c.User(ctx, id.UUID)
	if errors.Is(err, ErrNotFound) {
		return User{}, errNoUser
	} else if err != nil {
		return User{}, err
	}
	if !c.self(u.ID) && len(lacking(u.Permissions(), c.may)) > 0 {
		return User{}, errAboveYou
	}
	return u, nil
}

func (c *change) self(id gid.ID) bool {
	return c.actor.Claims != nil && c.actor.Claims.UserID == id.UUID
}

// keepAdmin refuses what would leave nobody to administer.
func (c *change) keepAdmin(ctx context.Context, u User) error {
	other, err := c.OtherAdmin(ctx, u.ID.UUID)
	if err == nil && !other {
		return errLastAdmin
	}
	return err
}

// rights writes down that rights changed.
func (c *change) rights(ctx context.Context, user uuid.UUID, role RoleName, lost bool) error {
	r := RightsChange{UserID: user, Role: role, Lost: lost, At: c.s.now()}
	var err error
	if r.Number, err = c.RightsChanged(ctx, r); err != nil {
		return err
	}
	c.told = append(c.told, r.revocation())
	return nil
}

func (c *change) end(ctx context.Context, user, keep, one uuid.UUID, reason string) (int, error) {
	ended, err := c.EndSessions(ctx, user, keep, one, reason, c.s.now())
	c.ended = append(c.ended, ended...)
	return len(ended), err
}

// note adds to the audit log what was there before and is there now. It must
// hold no secret and no person's name: only what the change is about.
func (c *change) note(ctx context.Context, action AuditAction, target string, before, after map[string]any) error {
	id, err := c.s.newID()
	if err != nil {
		return err
	}
	e := AuditEntry{
		ID: gid.Of(gid.Audit, id), At: c.s.now(), Action: string(action), Target: target,
		Client: Client{Address: cut(c.actor.From.Address, 64), UserAgent: cut(c.actor.From.UserAgent, 512)},
	}
	if c.actor.Claims != nil {
		e.ActorID = c.actor.Claims.UserID
	}
	for facts, to := range map[*map[string]any]**string{&before: &e.Before, &after: &e.After} {
		if *facts == nil {
			continue
		}
		text, err := json.Marshal(*facts)
		if err != nil {
			return fmt.Errorf("auth: audit: %w", err)
		}
		line := string(text)
		*to = &line
	}
	return c.Note(ctx, e)
}

func (c *change) noteUser(ctx context.Context, action AuditAction, u User, before, after map[string]any) error {
	return c.note(ctx, action, u.ID.String(), before, after)
}

// UpdateUser replaces roles (unless nil) and block (unless nil). Other roles
// count at once and sign nobody out; a block ends the account's sessions.
func (s *Accounts) UpdateUser(ctx context.Context, by Actor, id gid.ID, roles []RoleName, blocked *bool) (*User, error) {
	if roles != nil {
		roles = slices.Clone(roles)
		slices.Sort(roles)
		roles = slices.Compact(roles)
		if len(roles) == 0 || len(roles) > MaxRolesOfUser {
			return nil, fault.New(fault.Invalid, "An account has 1 to %d roles.", MaxRolesOfUser).At("input.roles")
		}
	}
	var out User
	err := s.administer(ctx, by, UserWrite, func(ctx context.Context, c *change) error {
		u, err := c.user(ctx, id)
		if err != nil {
			return err
		}
		was := u
		if roles != nil && !slices.Equal(roles, u.Roles) {
			if err := c.setRoles(ctx, &u, roles); err != nil {
				return err
			}
		}
		if blocked != nil {
			u.Blocked = *blocked
		}
		if was.IsAdmin() && !u.IsAdmin() {
			if err := c.keepAdmin(ctx, u); err != nil {
				return err
			}
		}
		if u.Blocked && !was.Blocked && c.self(u.ID) {
			return errSelf
		}
		out = u
		return c.saveUser(ctx, was, u)
	})
	if err != nil {
		return nil, fmt.Errorf("auth: update user: %w", err)
	}
	return &out, nil
}

// setRoles gives an account roles, none of which may do what whoever asks may
// not; those that it has already it may keep.
func (c *change) setRoles(ctx context.Context, u *User, roles []RoleName) error {
	all, err := c.Roles(ctx)
	if err != nil {
		return err
	}
	by := map[RoleName]*Role{}
	for i := range all {
		by[all[i].Name] = &all[i]
	}
	var allowed []string
	for _, name := range roles {
		r := by[name]
		if r == nil {
			return fault.New(fault.Invalid, "There is no role %q.", name).At("input.roles")
		}
		if !slices.Contains(u.Roles, name) {
			if err := within(r.Permissions(), c.may, "input.roles"); err != nil {
				return err
			}
		}
		allowed = append(allowed, r.Permissions()...)
	}
	u.Roles, u.Allowed = roles, allowed
	return nil
}

func (c *change) saveUser(ctx context.Context, was, u User) error {
	rolesChanged, blockChanged := !slices.Equal(was.Roles, u.Roles), was.Blocked != u.Blocked
	if !rolesChanged && !blockChanged {
		return nil
	}
	if err := c.SetUser(ctx, u); err != nil {
		return err
	}
	if rolesChanged {
		if err := c.rights(ctx, u.ID.UUID, "", len(lacking(was.Permissions(), u.Permissions())) > 0); err != nil {
			return err
		}
		if err := c.noteUser(ctx, ActionUserRoles, u, map[string]any{"roles": was.Roles}, map[string]any{"roles": u.Roles}); err != nil {
			return err
		}
	}
	if !blockChanged {
		return nil
	}
	action := ActionUserUnblock
	if u.Blocked {
		action = ActionUserBlock
		if _, err := c.end(ctx, u.ID.UUID, uuid.Nil, uuid.Nil, EndBlocked); err != nil {
			return err
		}
		// The tokens of API keys are of no session.
		if err := c.rights(ctx, u.ID.UUID, "", true); err != nil {
			return err
		}
	}
	return c.noteUser(ctx, action, u, map[string]any{"blocked": was.Blocked}, map[string]any{"blocked": u.Blocked})
}

// DeleteUser deletes an account with its profiles, sessions and history. What
// it watched is erased by those who keep it, when they hear of its profiles.
func (s *Accounts) DeleteUser(ctx context.Context, by Actor, id gid.ID) error {
	err := s.administer(ctx, by, UserWrite, func(ctx context.Context, c *change) error {
		u, err := c.user(ctx, id)
		if err != nil {
			return err
		}
		if u.IsAdmin() {
			if err := c.keepAdmin(ctx, u); err != nil {
				return err
			}
		}
		if c.self(u.ID) {
			return errSelf
		}
		if _, err := c.end(ctx, id.UUID, uuid.Nil, uuid.Nil, EndDeleted); err != nil {
			return err
		}
		// Also what was signed without a session that is still there.
		if err := c.rights(ctx, id.UUID, "", true); err != nil {
			return err
		}
		if err := c.DeleteUser(ctx, id.UUID); err != nil {
			return err
		}
		return c.noteUser(ctx, ActionUserDelete, u, map[string]any{"roles": u.Roles, "blocked": u.Blocked, "createdAt": u.CreatedAt}, nil)
	})
	if err != nil {
		return fmt.Errorf("auth: delete user: %w", err)
	}
	s.tellGone(ctx)
	return nil
}

// endSessionsOf ends sessions of another's account: one, or all if it is Nil.
func (s *Accounts) endSessionsOf(ctx context.Context, by Actor, user gid.ID, one uuid.UUID, field string) (ended int, err error) {
	err = s.administer(ctx, by, UserWrite, func(ctx context.Context, c *change) error {
		u, err := c.user(ctx, user)
		if errors.Is(err, error(errNoUser)) {
			return errNoUser.At(field)
		} else if err != nil {
			return err
		}
		if ended, err = c.end(ctx, u.ID.UUID, uuid.Nil, one, EndByHand); err != nil || ended == 0 {
			return err
		}
		return c.noteUser(ctx, ActionUserSignOut, u, nil, map[string]any{"sessions": ended})
	})
	if err != nil {
		return 0, fmt.Errorf("auth: end sessions: %w", err)
	}
	return ended, nil
}

// announceRights tells everyone that rights have changed; see announce.
func (s *Accounts) announceRights(ctx context.Context, list ...authn.Revocation) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := authn.Announce(ctx, s.bus, list...); err != nil {
		s.log.ErrorContext(ctx, "auth: a change of rights was not announced at once", "error", err)
	}
}
