package auth

import (
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// Role is a set of permissions.
type Role string

// The roles.
const (
	RoleViewer  Role = "VIEWER"
	RoleEditor  Role = "EDITOR"
	RoleAnalyst Role = "ANALYST"
	RoleAdmin   Role = "ADMIN"
)

// Permissions, as they stand in a token and in the schema's @requiresScopes.
const (
	TitleRead   = "title:read"
	TitleWrite  = "title:write"
	UploadWrite = "upload:write"
	StatsRead   = "stats:read"
	UserRead    = "user:read"
	UserWrite   = "user:write"
)

// permissionsOf is what each role may do.
func permissionsOf(r Role) []string {
	switch r {
	case RoleEditor:
		return []string{TitleRead, TitleWrite, UploadWrite}
	case RoleAnalyst:
		return []string{StatsRead}
	case RoleAdmin:
		return []string{TitleRead, TitleWrite, UploadWrite, StatsRead, UserRead, UserWrite}
	default:
		return nil
	}
}

var roles = []Role{RoleViewer, RoleEditor, RoleAnalyst, RoleAdmin}

// IsValid reports whether r is one of the roles.
func (r Role) IsValid() bool { return slices.Contains(roles, r) }

// MarshalGQL implements graphql.Marshaler.
func (r Role) MarshalGQL(w io.Writer) { marshal(w, r) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (r *Role) UnmarshalGQL(v any) error { return unmarshal(r, v, "Role", roles...) }

// User is one who signs in: an account.
type User struct {
	ID gid.ID
	// Login is normalised (see NormalizeLogin) and belongs to one account.
	Login     string
	Name      string
	Roles     []Role
	Blocked   bool
	CreatedAt time.Time
	// Demo marks a synthetic viewer: of the demo cinema, where nobody can sign in
	// to it, or one that was signed up as such. It never changes.
	Demo bool
}

// IsEntity marks an entity of the federation.
func (User) IsEntity() {}

// Permissions are what the roles add up to, sorted, each once.
func (u *User) Permissions() []string {
	all := []string{}
	for _, r := range u.Roles {
		all = append(all, permissionsOf(r)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// IsAdmin reports whether the account has the role and can use it.
func (u *User) IsAdmin() bool { return !u.Blocked && slices.Contains(u.Roles, RoleAdmin) }

// Profile is who is watching.
type Profile struct {
	ID     gid.ID
	UserID uuid.UUID
	Name   string
	// Colour is #rrggbb in lower case.
	Colour string
	// Language is a BCP 47 tag; nil follows the browser.
	Language  *string
	IsChild   bool
	CreatedAt time.Time
	// NameOnly closes all but name and colour: what an analyst sees of who is
	// watching.
	NameOnly bool
}

// IsEntity marks an entity of the federation.
func (Profile) IsEntity() {}

var errNameOnly = fault.New(fault.Forbidden, "Your account may not see this of another's profile.")

// Locale resolves the field of this name.
func (p *Profile) Locale() (*string, error) {
	if p.NameOnly {
		return nil, errNameOnly
	}
	return p.Language, nil
}

// Child resolves the field of this name.
func (p *Profile) Child() (bool, error) {
	if p.NameOnly {
		return false, errNameOnly
	}
	return p.IsChild, nil
}

// SessionRow is one signed-in device as it is kept.
type SessionRow struct {
	ID        uuid.UUID
	UserID    uuid.UUID
	ProfileID uuid.UUID // Nil after its profile was deleted
	CreatedAt time.Time
	// AuthenticatedAt is when its holder last proved to be the account's owner.
	AuthenticatedAt time.Time
	UsedAt          time.Time
	ExpiresAt       time.Time
	EndedAt         *time.Time
	EndReason       string
	UserAgent       string
	Address         string
	// The refresh token's state; see refresh.go.
	Seed       []byte
	Generation int32
	TokenHash  []byte
	RotatedAt  time.Time
}

// Live reports whether the session can be gone on with.
func (s *SessionRow) Live(now time.Time) bool { return s.EndedAt == nil && now.Before(s.ExpiresAt) }

// Why a session ended.
const (
	EndSignOut  = "sign_out"
	EndReplayed = "replayed"
	EndBlocked  = "blocked"
	EndRoles    = "roles"
	EndPassword = "password"
	EndFactors  = "factors" // the operator took the second factors away
	EndByHand   = "by_hand" // from the list of sessions
)
