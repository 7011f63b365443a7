package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// Invitation lets one person make an account with certain roles.
type Invitation struct {
	ID    gid.ID
	Roles []RoleName
	// Email is the login of the account that it makes; nil leaves it to whoever
	// is invited.
	Email *string
	// Note is for administrators.
	Note                 string
	MadeBy               uuid.UUID
	CreatedAt, ExpiresAt time.Time
	Hash                 []byte
}

const (
	// MaxInvitations is how many may be open.
	MaxInvitations = 200
	maxInviteDays  = 30
	maxNote        = 200
)

var (
	errNoInvitation = fault.New(fault.NotFound, "There is no such invitation; it may have been accepted.").At("input.id")
	errInvitedEmail = fault.New(fault.Invalid, "This invitation is for another address.").At("input.login").WithReason("INVITED_EMAIL")
	errManyInvited  = fault.New(fault.Conflict, "%d invitations are open. Withdraw some first.", MaxInvitations).WithReason("INVITATIONS_FULL")
)

// NewInvitation is what an invitation is made of.
type NewInvitation struct {
	Roles  []RoleName
	Email  *string
	Note   string
	Days   int
	Locale *string // of the letter
}

func (n *NewInvitation) clean() (err error) {
	n.Roles = slices.Clone(n.Roles)
	slices.Sort(n.Roles)
	n.Roles = slices.Compact(n.Roles)
	if len(n.Roles) == 0 || len(n.Roles) > MaxRolesOfUser {
		return fault.New(fault.Invalid, "An account has 1 to %d roles.", MaxRolesOfUser).At("input.roles")
	}
	if n.Email != nil {
		normal, err := normalizeEmail(*n.Email, "input.email")
		if err != nil {
			return err
		}
		n.Email = &normal
	}
	if n.Days < 1 || n.Days > maxInviteDays {
		return fault.New(fault.Invalid, "An invitation is good for 1 to %d days.", maxInviteDays).At("input.days")
	}
	n.Note, err = cleanText(n.Note, "input.note", 0, maxNote)
	return err
}

// Invite makes an invitation. Its link is returned this once, and sent to the
// address where there is one and letters can be sent.
func (s *Accounts) Invite(ctx context.Context, by Actor, n NewInvitation) (in *Invitation, href string, sent bool, err error) {
	if err := s.maySignUp(true); err != nil {
		return nil, "", false, err
	}
	if err := n.clean(); err != nil {
		return nil, "", false, err
	}
	id, err := s.newID()
	if err != nil {
		return nil, "", false, err
	}
	secret, hash, err := s.newSecret(linkInvitation)
	if err != nil {
		return nil, "", false, err
	}
	now := s.now()
	in = &Invitation{
		ID: gid.Of(gid.Invitation, id), Roles: n.Roles, Email: n.Email, Note: n.Note, MadeBy: by.Claims.UserID,
		CreatedAt: now, ExpiresAt: now.AddDate(0, 0, n.Days), Hash: hash,
	}
	err = s.administer(ctx, by, UserWrite, func(ctx context.Context, c *change) error {
		if err := c.setRoles(ctx, &User{}, in.Roles); err != nil {
			return err
		}
		if open, err := c.OpenInvitations(ctx, now); err != nil || open >= MaxInvitations {
			return cmp.Or(err, error(errManyInvited))
		}
		if err := c.PutInvitation(ctx, *in); err != nil {
			return err
		}
		return c.note(ctx, ActionInvite, in.ID.String(), nil, in.facts())
	})
	if err != nil {
		return nil, "", false, fmt.Errorf("auth: invite: %w", err)
	}
	href = s.href(linkInvitation, secret)
	if in.Email != nil && s.links.post != nil {
		language := ""
		if n.Locale != nil {
			language = *n.Locale
		}
		s.post(ctx, invitationLetter(language, *in.Email, href, n.Days))
		sent = true
	}
	return in, href, sent, nil
}

func (in *Invitation) facts() map[string]any {
	return map[string]any{"roles": in.Roles, "forAddress": in.Email != nil, "expiresAt": in.ExpiresAt}
}

// Invitations lists those that are open, the newest first.
func (s *Accounts) Invitations(ctx context.Context) ([]Invitation, error) {
	list, err := s.store.Invitations(ctx, s.now())
	if err != nil {
		return nil, fmt.Errorf("auth: invitations: %w", err)
	}
	return list, nil
}

// WithdrawInvitation ends one.
func (s *Accounts) WithdrawInvitation(ctx context.Context, by Actor, id gid.ID) error {
	if !id.Is(gid.Invitation) {
		return errNoInvitation
	}
	err := s.administer(ctx, by, UserWrite, func(ctx context.Context, c *change) error {
		in, err := c.WithdrawInvitation(ctx, id.UUID)
		if errors.Is(err, ErrNotFound) {
			return errNoInvitation
		} else if err != nil {
			return err
		}
		return c.note(ctx, ActionInviteEnd, in.ID.String(), in.facts(), nil)
	})
	if err != nil {
		return fmt.Errorf("auth: withdraw an invitation: %w", err)
	}
	return nil
}

// CheckInvitation finds the invitation of a link.
func (s *Accounts) CheckInvitation(ctx context.Context, secret string, from Client) (*Invitation, error) {
	if err := s.maySignUp(true); err != nil {
		return nil, err
	}
	hash, err := s.followed(ctx, linkInvitation, secret, from)
	if err != nil {
		return nil, err
	}
	in, err := s.store.Invitation(ctx, hash, s.now())
	if errors.Is(err, ErrNotFound) {
		return nil, errLink
	} else if err != nil {
		return nil, fmt.Errorf("auth: invitation: %w", err)
	}
	return &in, nil
}

// AcceptInvitation makes an account by a link and signs it in. What is wrong
// with the input does not use the invitation up. Its roles are given only if
// whoever invited may still give them.
func (s *Accounts) AcceptInvitation(ctx context.Context, secret, login, password, name string, locale *string, from Client) (*SignedInSession, error) {
	if err := s.spend(ctx, spending{"signup:address:" + addressKey(from.Address), s.limits.SignUpAddress}); err != nil {
		return nil, err
	}
	in, err := s.CheckInvitation(ctx, secret, from)
	if err != nil {
		return nil, err
	}
	if in.Email != nil && login == "" {
		login = *in.Email
	}
	u, p, err := s.newAccount(login, name, locale, in.Roles)
	if err != nil {
		return nil, err
	}
	if in.Email != nil && u.Login != *in.Email {
		return nil, errInvitedEmail
	}
	fresh, err := s.newHash(ctx, password, u.Login)
	if err != nil {
		return nil, err
	}
	err = s.byLink(ctx, from, func(ctx context.Context, c *change) error { return c.accept(ctx, in.Hash, u, fresh, p) })
	if errors.Is(err, ErrLoginTaken) {
		return nil, errTaken
	} else if err != nil {
		return nil, fmt.Errorf("auth: accept an invitation: %w", err)
	}
	return s.enterNew(ctx, u, fresh, p, from)
}

func (c *change) accept(ctx context.Context, hash []byte, u User, password string, first Profile) error {
	in, err := c.TakeInvitation(ctx, hash, c.s.now())
	if err != nil {
		return err
	}
	host, err := c.User(ctx, in.MadeBy)
	if err != nil {
		return err
	}
	c.may = host.Permissions()
	if host.Blocked || !slices.Contains(c.may, UserWrite) {
		return errLink
	}
	if err := c.setRoles(ctx, &User{}, in.Roles); fault.KindOf(err) == fault.Internal && err != nil {
		return err
	} else if err != nil {
		return errLink // a role that is gone, or can do more than its giver by now
	}
	if err := c.CreateAccount(ctx, u, password, first); err != nil {
		return err
	}
	c.actor.Claims = &authn.Claims{UserID: u.ID.UUID}
	return c.noteUser(ctx, ActionInviteAccept, u, in.facts(), map[string]any{"roles": in.Roles, "invitation": in.ID.String()})
}
