package auth

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
)

// Permissions, as they stand in a token and in the schema's @requiresScopes. A
// new one goes on the list of Permissions, whence the admin has it, and into
// the words of web/src/features/admin/permissions.ts.
const (
	TitleRead   = "title:read"
	TitleWrite  = "title:write"
	UploadWrite = "upload:write"
	StatsRead   = "stats:read"
	UserRead    = "user:read"
	UserWrite   = "user:write"
	RoleWrite   = "role:write"
	AuditRead   = "audit:read"
)

// Permissions are all that there are, sorted.
func Permissions() []string {
	return []string{AuditRead, RoleWrite, StatsRead, TitleRead, TitleWrite, UploadWrite, UserRead, UserWrite}
}

// known are the permissions of a list that this program has, sorted, each once:
// one that a later program put into the store means nothing here.
func known(list []string) []string {
	out := []string{}
	for _, p := range Permissions() {
		if slices.Contains(list, p) {
			out = append(out, p)
		}
	}
	return out
}

// lacking are those of a list that another list does not have.
func lacking(list, has []string) []string {
	var out []string
	for _, p := range list {
		if !slices.Contains(has, p) {
			out = append(out, p)
		}
	}
	return out
}

// RoleName names a role. It never changes: accounts and tokens hold it.
type RoleName string

// The roles that are always there.
const (
	RoleViewer  RoleName = "VIEWER"
	RoleEditor  RoleName = "EDITOR"
	RoleAnalyst RoleName = "ANALYST"
	RoleAdmin   RoleName = "ADMIN"
)

var roleName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,31}$`)

// MarshalGQL implements graphql.Marshaler.
func (r RoleName) MarshalGQL(w io.Writer) { marshal(w, r) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (r *RoleName) UnmarshalGQL(v any) error {
	s, ok := v.(string)
	if !ok || !roleName.MatchString(s) {
		return fmt.Errorf("a role's name has 2 to 32 capital letters, figures and _, and begins with a letter")
	}
	*r = RoleName(s)
	return nil
}

const (
	// MaxRoles is how many roles there may be.
	MaxRoles = 100
	// MaxRolesOfUser keeps an access token, which names them, small.
	MaxRolesOfUser = 8
	maxRoleTitle   = 40
	maxRoleText    = 200
)

// Role is a set of permissions.
type Role struct {
	Name RoleName
	// Title and Description are for people. Those of a built-in role are English;
	// the web app has words of its own for them.
	Title, Description   string
	Allowed              []string
	BuiltIn              bool
	CreatedAt, UpdatedAt time.Time
}

// Permissions are what its holders may do, sorted.
func (r *Role) Permissions() []string {
	if r.Name == RoleAdmin {
		return Permissions()
	}
	return known(r.Allowed)
}

// Fixed reports whether its permissions cannot be changed.
func (r *Role) Fixed() bool { return r.Name == RoleAdmin }

// Permission is a permission with what it means.
type Permission struct{ Name, Description string }

// PermissionList describes all permissions.
func PermissionList() []Permission {
	means := map[string]string{
		AuditRead:   "Reads what administrators did.",
		RoleWrite:   "Makes, changes and deletes roles.",
		StatsRead:   "Sees the statistics and who is watching.",
		TitleRead:   "Sees the records of titles, people, genres and media jobs.",
		TitleWrite:  "Changes titles, people and genres.",
		UploadWrite: "Uploads films and pictures.",
		UserRead:    "Sees accounts, their devices and sign-ins.",
		UserWrite:   "Changes roles of accounts, blocks, signs out and deletes them.",
	}
	var out []Permission
	for _, p := range Permissions() {
		out = append(out, Permission{Name: p, Description: means[p]})
	}
	return out
}

// Roles lists the roles, the built-in ones first.
func (s *Accounts) Roles(ctx context.Context) ([]Role, error) {
	list, err := s.store.Roles(ctx)
	if err != nil {
		return nil, fmt.Errorf("auth: roles: %w", err)
	}
	return list, nil
}

// RoleHolders says how many accounts hold each role that somebody holds.
func (s *Accounts) RoleHolders(ctx context.Context) (map[RoleName]int, error) {
	by, err := s.store.RoleHolders(ctx)
	if err != nil {
		return nil, fmt.Errorf("auth: holders of roles: %w", err)
	}
	return by, nil
}

// RoleUpdate changes what is not nil.
type RoleUpdate struct {
	Title, Description *string
	Permissions        []string
}

var (
	errNoRole      = fault.New(fault.NotFound, "There is no such role.").At("input.name")
	errRoleTaken   = fault.New(fault.Conflict, "There is a role of this name.").At("input.name").WithReason("ROLE_TAKEN")
	errRoleFixed   = fault.New(fault.Conflict, "The role ADMIN always has every permission and cannot be changed.").WithReason("ROLE_FIXED")
	errRoleBuiltIn = fault.New(fault.Conflict, "A role that is built in keeps its name and cannot be deleted.").WithReason("ROLE_BUILT_IN")
)

// cleanText makes a text of one line for people out of an input.
func cleanText(text, field string, least, most int) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	if n := utf8.RuneCountInString(text); n < least || n > most || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", fault.New(fault.Invalid, "Write %d to %d characters.", least, most).At(field)
	}
	return text, nil
}

// apply checks an update and puts it into the role. may is what whoever asks
// may do himself: nobody hands out more, nor takes hold of a role that has more.
func (r *Role) apply(u RoleUpdate, may []string) (err error) {
	if u.Title != nil {
		if r.Title, err = cleanText(*u.Title, "input.title", 1, maxRoleTitle); err != nil {
			return err
		}
	}
	if u.Description != nil {
		if r.Description, err = cleanText(*u.Description, "input.description", 0, maxRoleText); err != nil {
			return err
		}
	}
	if err := within(r.Permissions(), may, ""); err != nil {
		return err
	}
	if u.Permissions != nil {
		if strange := lacking(u.Permissions, Permissions()); len(strange) > 0 {
			return fault.New(fault.Invalid, "There is no permission %q.", strange[0]).At("input.permissions")
		}
		if err := within(u.Permissions, may, "input.permissions"); err != nil {
			return err
		}
		r.Allowed = known(u.Permissions)
	}
	return nil
}

// within refuses permissions that whoever asks does not have.
func within(list, may []string, field string) error {
	if more := lacking(list, may); len(more) > 0 {
		return fault.New(fault.Forbidden, "You do not have this permission yourself: %s.", strings.Join(more, ", ")).At(field).WithReason("BEYOND_YOURS")
	}
	return nil
}

// CreateRole adds a role.
func (s *Accounts) CreateRole(ctx context.Context, by Actor, name RoleName, u RoleUpdate) (*Role, error) {
	now := s.now()
	r := Role{Name: name, CreatedAt: now, UpdatedAt: now}
	if u.Title == nil {
		title := string(name)
		u.Title = &title
	}
	err := s.administer(ctx, by, RoleWrite, func(ctx context.Context, c *change) error {
		if err := r.apply(u, c.may); err != nil {
			return err
		}
		all, err := c.Roles(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(o Role) bool { return o.Name == name }) {
			return errRoleTaken
		}
		if len(all) >= MaxRoles {
			return fault.New(fault.Conflict, "There can be %d roles at most. Delete one first.", MaxRoles)
		}
		if err := c.PutRole(ctx, r); err != nil {
			return err
		}
		return c.note(ctx, ActionRoleCreate, string(name), nil, roleFacts(&r))
	})
	if err != nil {
		return nil, fmt.Errorf("auth: create role: %w", err)
	}
	return &r, nil
}

// UpdateRole changes a role; what its holders may do changes at once.
func (s *Accounts) UpdateRole(ctx context.Context, by Actor, name RoleName, u RoleUpdate) (*Role, error) {
	var r Role
	err := s.administer(ctx, by, RoleWrite, func(ctx context.Context, c *change) error {
		was, err := c.role(ctx, name)
		if err != nil {
			return err
		}
		if was.Fixed() {
			return errRoleFixed
		}
		if was.BuiltIn && (u.Title != nil || u.Description != nil) {
			return errRoleBuiltIn
		}
		r = was
		if err := r.apply(u, c.may); err != nil {
			return err
		}
		before, after := was.Permissions(), r.Permissions()
		if slices.Equal(before, after) && was.Title == r.Title && was.Description == r.Description {
			return nil
		}
		r.UpdatedAt = s.now()
		if err := c.PutRole(ctx, r); err != nil {
			return err
		}
		if !slices.Equal(before, after) {
			if err := c.rights(ctx, uuid.Nil, name, len(lacking(before, after)) > 0); err != nil {
				return err
			}
		}
		return c.note(ctx, ActionRoleUpdate, string(name), roleFacts(&was), roleFacts(&r))
	})
	if err != nil {
		return nil, fmt.Errorf("auth: update role: %w", err)
	}
	return &r, nil
}

// DeleteRole deletes a role. Its holders get moveTo in its place; without one
// it must have none.
func (s *Accounts) DeleteRole(ctx context.Context, by Actor, name RoleName, moveTo *RoleName) (moved int, err error) {
	err = s.administer(ctx, by, RoleWrite, func(ctx context.Context, c *change) error {
		r, err := c.role(ctx, name)
		if err != nil {
			return err
		}
		if r.BuiltIn {
			return errRoleBuiltIn
		}
		if err := within(r.Permissions(), c.may, ""); err != nil {
			return err
		}
		if moveTo != nil {
			if *moveTo == name {
				return fault.New(fault.Invalid, "Choose another role for its holders.").At("input.moveTo")
			}
			next, err := c.role(ctx, *moveTo)
			if err != nil {
				return fault.New(fault.NotFound, "There is no such role.").At("input.moveTo")
			}
			if err := within(next.Permissions(), c.may, "input.moveTo"); err != nil {
				return err
			}
			if moved, err = c.MoveHolders(ctx, name, *moveTo); err != nil {
				return err
			}
		} else if held, err := c.Holders(ctx, name); err != nil || held > 0 {
			if err != nil {
				return err
			}
			return fault.New(fault.Conflict, "%d accounts hold this role. Say which role they get instead.", held).At("input.moveTo").WithReason("ROLE_IN_USE")
		}
		if err := c.DeleteRole(ctx, name); err != nil {
			return err
		}
		if moved > 0 {
			if err := c.rights(ctx, uuid.Nil, name, true); err != nil {
				return err
			}
		}
		after := map[string]any{"moved": moved}
		if moveTo != nil {
			after["moveTo"] = *moveTo
		}
		return c.note(ctx, ActionRoleDelete, string(name), roleFacts(&r), after)
	})
	if err != nil {
		return 0, fmt.Errorf("auth: delete role: %w", err)
	}
	return moved, nil
}

func roleFacts(r *Role) map[string]any {
	return map[string]any{"title": r.Title, "description": r.Description, "permissions": r.Permissions()}
}
