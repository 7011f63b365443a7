package auth

import (
	"slices"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
)

// ageLimits are those that a child's profile may have.
var ageLimits = []int{0, 6, 12, 16, 18}

var (
	errAgeLimit = fault.New(fault.Invalid, "An age limit is 0, 6, 12, 16 or 18.").At("input.ageLimit")
	errNoLimit  = fault.New(fault.Invalid, "Only a child's profile has an age limit.").At("input.ageLimit")
	errChild    = fault.New(fault.Forbidden, "A child's profile may not do this. Go on as another profile.").WithReason("CHILD_PROFILE")
	errHasPIN   = fault.New(fault.Conflict, "This profile has a PIN. Take it away first, with the account's password.").At("input.id").WithReason("PIN_SET")
	childMay    = map[string]bool{
		"signIn": true, "finishSignIn": true, "beginPasskeySignIn": true, "signInWithPasskey": true, "signUp": true,
		"refreshSession": true, "signOut": true, "switchProfile": true,
		"beginProvider": true, "finishProvider": true,
		// By a link that its holder got, on whatever device it is followed.
		"requestPasswordReset": true, "checkPasswordLink": true, "resetPassword": true, "confirmEmail": true, "undoEmail": true,
		"checkInvitation": true, "acceptInvitation": true,
	}
	childNotSees = map[string]bool{"sessions": true, "signIns": true, "factors": true, "apiKeys": true}
)

// limitOf is the age limit of a profile: of a child's always one.
func limitOf(child bool, limit *int) *int {
	if !child {
		return nil
	}
	if limit == nil {
		usual := authn.ChildAge
		return &usual
	}
	return limit
}

func checkLimit(child bool, limit *int) error {
	switch {
	case limit == nil:
		return nil
	case !child:
		return errNoLimit
	case !slices.Contains(ageLimits, *limit):
		return errAgeLimit
	}
	return nil
}

// asChild is the account as a child's profile sees it: what its roles open is
// closed there.
func (u *User) asChild() *User {
	c := *u
	c.Roles, c.Allowed, c.OwnEmail = []RoleName{RoleViewer}, nil, nil
	return &c
}

// SeenBy is the account as the claims may see it.
func (u *User) SeenBy(c *authn.Claims) *User {
	if u == nil || c == nil || !c.Child {
		return u
	}
	return u.asChild()
}

// Allow refuses a child's profile all that manages: every mutation but those
// that let in, out and on to another profile, and who signed in from where; and an
// API key what is of sessions and accounts. It is asked for each field that has a
// resolver.
func Allow(c *authn.Claims, object, field string) error {
	if c != nil && c.APIKey {
		if err := allowAPIKey(c, object, field); err != nil {
			return err
		}
	}
	if c == nil || !c.Child {
		return nil
	}
	if object == "Mutation" && !childMay[field] || object == "User" && childNotSees[field] {
		return errChild
	}
	return nil
}
