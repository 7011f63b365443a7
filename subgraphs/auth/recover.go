package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// maxResets is how many requests may wait to be looked at.
const maxResets = 200

// resetRequest is that somebody forgot a password.
type resetRequest struct{ login, locale string }

// RequestPasswordReset has a link sent to the account of a login or an address.
// Whether there is one is found out afterwards (see sendResets): neither the
// answer nor its time tells. locale is for an account that has no language.
func (s *Accounts) RequestPasswordReset(ctx context.Context, login string, locale *string, from Client) error {
	if s.links.post == nil {
		return errNoMail
	}
	normal, err := NormalizeLogin(login)
	if err != nil {
		return errLogin.At("input.login")
	}
	if err := s.spend(ctx,
		spending{"reset:address:" + addressKey(from.Address), s.limits.ResetAddress},
		spending{"reset:login:" + shortHash(normal), s.limits.ResetLogin},
	); err != nil {
		return err
	}
	r := resetRequest{login: normal}
	if locale != nil {
		r.locale = *locale
	}
	select {
	case s.links.resets <- r:
		return nil
	default:
		return errBusy
	}
}

// sendResets answers requests until ctx ends.
func (s *Accounts) sendResets(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			if n := len(s.links.resets); n > 0 {
				s.log.WarnContext(ctx, "auth: links for new passwords were not sent before the end", "requests", n)
			}
			return
		case r := <-s.links.resets:
			one, cancel := context.WithTimeout(ctx, 10*time.Second)
			if err := s.sendReset(one, r); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "auth: a link for a new password was not sent", "error", err)
			}
			cancel()
		}
	}
}

func (s *Accounts) sendReset(ctx context.Context, r resetRequest) error {
	u, err := s.store.Reachable(ctx, r.login)
	if errors.Is(err, ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if u.Blocked || u.Demo || u.address() == "" {
		return nil
	}
	// Login and address are two names of one account.
	if err := s.spend(ctx, spending{"reset:account:" + u.ID.UUID.String(), s.limits.ResetAccount}); fault.KindOf(err) == fault.RateLimited {
		return nil
	} else if err != nil {
		return err
	}
	l, secret, err := s.newLink(LinkPassword, u.ID.UUID, "", linkLife)
	if err != nil {
		return err
	}
	language, err := s.languageOf(ctx, u.ID.UUID, r.locale)
	if err != nil {
		return err
	}
	if err := s.store.PutLink(ctx, l); err != nil {
		return err
	}
	s.post(ctx, passwordLetter(language, &u, s.href(LinkPassword, secret)))
	return nil
}

// languageOf is in what language an account is written to.
func (s *Accounts) languageOf(ctx context.Context, user uuid.UUID, otherwise string) (string, error) {
	all, err := s.store.ProfilesOf(ctx, []uuid.UUID{user})
	if err != nil {
		return "", err
	}
	if len(all) > 0 && landing(all).Language != nil {
		return *landing(all).Language, nil
	}
	return otherwise, nil
}

// MakePasswordLink makes a link with which the owner of an account sets a new
// password. It is shown once, to whoever asked for it.
func (s *Accounts) MakePasswordLink(ctx context.Context, by Actor, id gid.ID) (href string, until time.Time, err error) {
	var secret string
	err = s.administer(ctx, by, UserWrite, func(ctx context.Context, c *change) error {
		u, err := c.user(ctx, id)
		if err != nil {
			return err
		}
		if c.self(u.ID) {
			return errSelf // who is signed in shows the present password
		}
		if u.Demo {
			return errDemoAccount
		}
		var l Link
		if l, secret, err = s.newLink(LinkPassword, u.ID.UUID, "", linkLife); err != nil {
			return err
		}
		until = l.ExpiresAt
		if err := c.PutLink(ctx, l); err != nil {
			return err
		}
		return c.noteUser(ctx, ActionUserLink, u, nil, map[string]any{"expiresAt": l.ExpiresAt})
	})
	if err != nil {
		return "", until, fmt.Errorf("auth: password link: %w", err)
	}
	return s.href(LinkPassword, secret), until, nil
}

var errDemoAccount = fault.New(fault.Conflict, "This is a synthetic viewer: nobody signs in to it.").WithReason("DEMO_ACCOUNT")

// CheckPasswordLink says whose password a link sets, and until when.
func (s *Accounts) CheckPasswordLink(ctx context.Context, secret string, from Client) (u *User, until time.Time, err error) {
	hash, err := s.followed(ctx, LinkPassword, secret, from)
	if err != nil {
		return nil, until, err
	}
	l, u, err := s.linkOf(ctx, hash)
	return u, l.ExpiresAt, err
}

// LiveAPIKeys is how many keys of an account have not ended.
func (s *Accounts) LiveAPIKeys(ctx context.Context, account uuid.UUID) (n int, err error) {
	keys, err := s.store.APIKeysOf(ctx, account)
	if err != nil {
		return 0, fmt.Errorf("auth: API keys: %w", err)
	}
	for _, k := range keys {
		if k.ExpiresAt.After(s.now()) {
			n++
		}
	}
	return n, nil
}

// linkOf finds a link and its account.
func (s *Accounts) linkOf(ctx context.Context, hash []byte) (Link, *User, error) {
	l, err := s.store.Link(ctx, hash, s.now())
	if errors.Is(err, ErrNotFound) {
		return l, nil, errLink
	} else if err != nil {
		return l, nil, fmt.Errorf("auth: link: %w", err)
	}
	u, _, err := s.store.Account(ctx, l.UserID)
	if errors.Is(err, ErrNotFound) {
		return l, nil, errLink
	} else if err != nil {
		return l, nil, fmt.Errorf("auth: link: %w", err)
	}
	return l, &u, nil
}

// ResetByLink sets the password of a link's account, which opens nothing: who
// has a second factor is still asked for it. All sessions end, and so do the
// other links that whoever was there may have asked for; with keys also those of
// programs, which whoever was there may have made.
func (s *Accounts) ResetByLink(ctx context.Context, secret, password string, keys bool, from Client) (*User, error) {
	hash, err := s.followed(ctx, LinkPassword, secret, from)
	if err != nil {
		return nil, err
	}
	_, u, err := s.linkOf(ctx, hash)
	if err != nil {
		return nil, err
	}
	// A password that will not do does not use the link up.
	fresh, err := s.newHash(ctx, password, u.Login)
	if err != nil {
		return nil, err
	}
	err = s.byLink(ctx, from, func(ctx context.Context, c *change) error {
		l, err := c.TakeLink(ctx, hash, s.now())
		if err != nil {
			return err
		}
		if *u, err = c.User(ctx, l.UserID); err != nil {
			return err
		}
		if err := c.SetPassword(ctx, l.UserID, fresh); err != nil {
			return err
		}
		if err := c.DropLinks(ctx, l.UserID, time.Time{}, LinkPassword, LinkEmail); err != nil {
			return err
		}
		if _, err = c.end(ctx, l.UserID, uuid.Nil, uuid.Nil, EndPassword); err != nil || !keys {
			return err
		}
		c.actor.Claims = &authn.Claims{UserID: l.UserID} // whoever holds its link
		return c.dropAPIKeys(ctx, l.UserID)
	})
	if err != nil {
		return nil, fmt.Errorf("auth: reset by link: %w", err)
	}
	s.tell(ctx, u, passwordChangedLetter)
	return u, nil
}
