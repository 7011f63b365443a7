package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// EndEmail is why a session ended: the account's address was taken back.
const EndEmail = "email"

var (
	errEmailTaken   = fault.New(fault.Conflict, "Another account has this address.").At("input.email").WithReason("EMAIL_TAKEN")
	errEmailSame    = fault.New(fault.Invalid, "This is the present address.").At("input.email").WithReason("EMAIL_SAME")
	errEmailIsLogin = fault.New(fault.Invalid, "The address is the login of this account: give it another instead.").At("input.email").WithReason("EMAIL_IS_LOGIN")
)

// ChangeEmail sends a link to a new address of the account of the claims; the
// address counts when the link is followed. Whether another account has it is
// said then, to whoever reads what is sent there.
func (s *Accounts) ChangeEmail(ctx context.Context, claims *authn.Claims, email string, locale *string) (sentTo string, until time.Time, err error) {
	if err := s.RequireFresh(claims); err != nil {
		return "", until, err
	}
	if s.links.post == nil {
		return "", until, errNoMail
	}
	normal, err := normalizeEmail(email, "input.email")
	if err != nil {
		return "", until, err
	}
	u, _, err := s.store.Account(ctx, claims.UserID)
	if errors.Is(err, ErrNotFound) {
		return "", until, authn.ErrUnauthenticated
	} else if err != nil {
		return "", until, fmt.Errorf("auth: change e-mail: %w", err)
	}
	if normal == u.address() {
		return "", until, errEmailSame
	}
	if err := s.spend(ctx,
		spending{"email:account:" + u.ID.UUID.String(), s.limits.EmailAccount},
		spending{"email:to:" + shortHash(normal), s.limits.EmailTo},
	); err != nil {
		return "", until, err
	}
	l, secret, err := s.newLink(LinkEmail, u.ID.UUID, normal, linkLife)
	if err != nil {
		return "", until, err
	}
	otherwise := ""
	if locale != nil {
		otherwise = *locale
	}
	language, err := s.languageOf(ctx, u.ID.UUID, otherwise)
	if err != nil {
		return "", until, fmt.Errorf("auth: change e-mail: %w", err)
	}
	if err := s.store.PutLink(ctx, l); err != nil {
		return "", until, fmt.Errorf("auth: change e-mail: %w", err)
	}
	if err := s.links.post.Post(emailLetter(language, normal, s.href(LinkEmail, secret))); err != nil {
		return "", until, errBusy.Because(err)
	}
	return normal, l.ExpiresAt, nil
}

// setAddress gives an account an address: it is the login where that is one.
func (c *change) setAddress(ctx context.Context, u *User, email string) error {
	if strings.Contains(u.Login, "@") {
		u.Login = email
	} else {
		u.OwnEmail = &email
	}
	err := c.SetAddress(ctx, u.ID.UUID, u.Login, u.OwnEmail)
	if errors.Is(err, ErrLoginTaken) {
		return errEmailTaken
	}
	return err
}

// ConfirmEmail gives a link's account the address that the link was sent to,
// and tells the one before, with a way back.
func (s *Accounts) ConfirmEmail(ctx context.Context, secret string, from Client) (*User, error) {
	hash, err := s.followed(ctx, LinkEmail, secret, from)
	if err != nil {
		return nil, err
	}
	var u User
	var was, undo string
	err = s.byLink(ctx, from, func(ctx context.Context, c *change) error {
		l, err := c.TakeLink(ctx, hash, s.now())
		if err != nil {
			return err
		}
		if u, err = c.User(ctx, l.UserID); err != nil {
			return err
		}
		was = u.address()
		if err := c.setAddress(ctx, &u, l.Email); err != nil {
			return err
		}
		// A link on its way to the old address.
		if err := c.DropLinks(ctx, l.UserID, time.Time{}, LinkPassword); err != nil || was == "" {
			return err
		}
		var back Link
		if back, undo, err = s.newLink(LinkUndo, l.UserID, was, undoLife); err != nil {
			return err
		}
		return c.PutLink(ctx, back)
	})
	if err != nil {
		return nil, moved(err, "input.token")
	}
	if was != "" {
		s.tellAt(ctx, &u, was, func(language string, to string) letter {
			return emailChangedLetter(language, to, u.address(), s.href(LinkUndo, undo))
		})
	}
	return &u, nil
}

// UndoEmail gives a link's account the address back that the link was sent to.
// Whoever changed it is signed out, and what they may have asked for since ends.
// They may know the password: the secret of a link for a new one comes back.
func (s *Accounts) UndoEmail(ctx context.Context, secret string, from Client) (u *User, reset string, err error) {
	hash, err := s.followed(ctx, LinkUndo, secret, from)
	if err != nil {
		return nil, "", err
	}
	u = &User{}
	err = s.byLink(ctx, from, func(ctx context.Context, c *change) error {
		l, err := c.TakeLink(ctx, hash, s.now())
		if err != nil {
			return err
		}
		if *u, err = c.User(ctx, l.UserID); err != nil {
			return err
		}
		// Ways back to addresses that came after this one.
		if err := c.DropLinks(ctx, l.UserID, l.MadeAt, LinkUndo); err != nil {
			return err
		}
		if err := c.DropLinks(ctx, l.UserID, time.Time{}, LinkPassword, LinkEmail); err != nil {
			return err
		}
		if err := c.setAddress(ctx, u, l.Email); err != nil {
			return err
		}
		var next Link
		if next, reset, err = s.newLink(LinkPassword, l.UserID, "", linkLife); err != nil {
			return err
		}
		if err := c.PutLink(ctx, next); err != nil {
			return err
		}
		_, err = c.end(ctx, l.UserID, uuid.Nil, uuid.Nil, EndEmail)
		return err
	})
	if err != nil {
		return nil, "", moved(err, "input.token")
	}
	return u, reset, nil
}

// SetEmail gives another's account an address, or takes it away where email is
// nil. It counts at once, on the administrator's word; the old address is told.
func (s *Accounts) SetEmail(ctx context.Context, by Actor, id gid.ID, email *string) (*User, error) {
	normal := ""
	if email != nil {
		var err error
		if normal, err = normalizeEmail(*email, "input.email"); err != nil {
			return nil, err
		}
	}
	var u User
	was := ""
	err := s.administer(ctx, by, UserWrite, func(ctx context.Context, c *change) (err error) {
		if u, err = c.user(ctx, id); err != nil {
			return err
		}
		if u.Demo {
			return errDemoAccount
		}
		if was = u.address(); was == normal {
			return nil
		}
		switch {
		case normal != "":
			err = c.setAddress(ctx, &u, normal)
		case u.OwnEmail == nil:
			return errEmailIsLogin
		default:
			u.OwnEmail = nil
			err = c.SetAddress(ctx, u.ID.UUID, u.Login, nil)
		}
		if err != nil {
			return err
		}
		// All that was sent to the old address, or was asked for from there.
		if err := c.DropLinks(ctx, u.ID.UUID, time.Time{}, LinkPassword, LinkEmail, LinkUndo); err != nil {
			return err
		}
		return c.noteUser(ctx, ActionUserEmail, u, map[string]any{"email": was != ""}, map[string]any{"email": normal != ""})
	})
	if err != nil {
		return nil, fmt.Errorf("auth: set e-mail: %w", err)
	}
	if was != "" && was != normal {
		s.tellAt(ctx, &u, was, emailSetLetter)
	}
	return &u, nil
}
