package auth

import (
	"fmt"
	"io"

	"github.com/netflixathome/cinema/internal/fault"
)

// SignUpMode says who may make an account.
type SignUpMode string

// Who may make an account: everyone, who was invited, nobody.
const (
	SignUpOpen         SignUpMode = "OPEN"
	SignUpByInvitation SignUpMode = "INVITATION"
	SignUpClosed       SignUpMode = "CLOSED"
)

var (
	errByInvitation = fault.New(fault.Forbidden, "New accounts are by invitation here. Ask an administrator for one.").WithReason("SIGN_UP_BY_INVITATION")
	errSignUpClosed = fault.New(fault.Forbidden, "This cinema takes no new accounts.").WithReason("SIGN_UP_CLOSED")
)

// maySignUp is asked by whatever makes an account for a person, whichever way
// the person came: invited says that an administrator invited them. Accounts
// that the operator or an administrator makes do not ask.
func (s *Accounts) maySignUp(invited bool) error {
	switch {
	case s.links.signUp == SignUpOpen, s.links.signUp == SignUpByInvitation && invited:
		return nil
	case s.links.signUp == SignUpByInvitation:
		return errByInvitation
	default:
		return errSignUpClosed
	}
}

// WaysIn is what a stranger is told before signing in.
type WaysIn struct {
	SignUp SignUpMode
	// Mail is whether the cinema can write to people.
	Mail bool
}

// WaysIn tells it.
func (s *Accounts) WaysIn() WaysIn { return WaysIn{SignUp: s.links.signUp, Mail: s.links.post != nil} }

// MarshalGQL implements graphql.Marshaler.
func (m SignUpMode) MarshalGQL(w io.Writer) { marshal(w, m) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (m *SignUpMode) UnmarshalGQL(v any) error {
	return unmarshal(m, v, "SignUpMode", SignUpOpen, SignUpByInvitation, SignUpClosed)
}

func (m SignUpMode) check() error {
	var known SignUpMode
	if err := known.UnmarshalGQL(string(m)); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	return nil
}
