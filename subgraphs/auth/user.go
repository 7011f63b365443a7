package auth

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// User is one who signs in: an account.
type User struct {
	ID gid.ID
	// Login is normalised (see NormalizeLogin) and belongs to one account.
	Login string
	// OwnEmail is the address of an account whose login is none; see Email.
	OwnEmail  *string
	Name      string
	Roles     []RoleName
	Blocked   bool
	CreatedAt time.Time
	// LastSeenAt is when it was last signed in or went on, to a quarter of an
	// hour; nil when it never was since that is written down.
	LastSeenAt *time.Time
	// Allowed is what the roles add up to in the store, and Rights the state of
	// all rights at which that was read; see roles.go.
	Allowed []string
	Rights  int64
	// Demo marks a synthetic viewer: of the demo cinema, where nobody can sign in
	// to it, or one that was signed up as such. It never changes.
	Demo bool
}

// IsEntity marks an entity of the federation.
func (User) IsEntity() {}

// Permissions are what the roles add up to, sorted, each once.
func (u *User) Permissions() []string {
	if slices.Contains(u.Roles, RoleAdmin) {
		return Permissions()
	}
	return known(u.Allowed)
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
	Language *string
	Avatar   Avatar
	IsChild  bool
	// Limit is of a child's profile only, and always there.
	Limit     *int
	PINSet    bool
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

// AgeLimit resolves the field of this name.
func (p *Profile) AgeLimit() (*int, error) {
	if p.NameOnly {
		return nil, errNameOnly
	}
	return p.Limit, nil
}

// HasPin resolves the field of this name.
func (p *Profile) HasPin() (bool, error) {
	if p.NameOnly {
		return false, errNameOnly
	}
	return p.PINSet, nil
}

// SessionRow is one signed-in device as it is kept.
type SessionRow struct {
	ID        uuid.UUID
	UserID    uuid.UUID
	ProfileID uuid.UUID // Nil after its profile was deleted
	// Seat is another one for each profile it goes on with; see authn.Claims.
	Seat      uuid.UUID
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
	EndDeleted  = "deleted"
)
