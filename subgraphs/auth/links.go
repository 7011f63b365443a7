package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/mail"
)

// A link lets whoever holds it do one thing without signing in: set a password,
// confirm an address, take one back, accept an invitation. Its secret is 32
// random bytes, of which only a hash is kept. It stands in the fragment of the
// address, which browsers send to nobody: no log and no Referer has it. See
// docs/adr/0117.

// LinkPurpose is what a link is good for.
type LinkPurpose string

// The purposes of links.
const (
	LinkPassword LinkPurpose = "PASSWORD"
	LinkEmail    LinkPurpose = "EMAIL"
	LinkUndo     LinkPurpose = "UNDO"
	// linkInvitation is kept as an Invitation.
	linkInvitation LinkPurpose = "INVITATION"
)

const (
	linkLife = 30 * time.Minute
	// undoLife is how long an address that was left can be taken back.
	undoLife  = 7 * 24 * time.Hour
	secretLen = 32
)

// paths are the pages of the web app that links lead to.
var paths = map[LinkPurpose]string{
	LinkPassword: "/reset", LinkEmail: "/confirm-email", LinkUndo: "/undo-email", linkInvitation: "/invitation",
}

// Link is a link as it is kept.
type Link struct {
	Hash    []byte
	Purpose LinkPurpose
	UserID  uuid.UUID
	// Email is the address that the account gets, or gets back.
	Email             string
	MadeAt, ExpiresAt time.Time
}

// LinkStore keeps links and invitations.
type LinkStore interface {
	// Reachable finds an account by its login or its address.
	Reachable(ctx context.Context, login string) (User, error)
	// Link finds one that has not ended.
	Link(ctx context.Context, hash []byte, now time.Time) (Link, error)
	// PutLink is LinkAdministration's.
	PutLink(ctx context.Context, l Link) error
	// PruneLinks and PruneInvitations delete up to limit that have ended by a
	// moment and say how many.
	PruneLinks(ctx context.Context, by time.Time, limit int) (int, error)
	PruneInvitations(ctx context.Context, by time.Time, limit int) (int, error)
	// Invitations are those that are open, the newest first; Invitation is one.
	Invitations(ctx context.Context, now time.Time) ([]Invitation, error)
	Invitation(ctx context.Context, hash []byte, now time.Time) (Invitation, error)
}

// LinkAdministration is what links and invitations do, as a part of an
// Administration.
type LinkAdministration interface {
	// TakeLink takes away one that has not ended; ErrNotFound if there is none.
	TakeLink(ctx context.Context, hash []byte, now time.Time) (Link, error)
	// PutLink keeps a link in the place of the account's other of its purpose;
	// of LinkUndo there may be several.
	PutLink(ctx context.Context, l Link) error
	// DropLinks ends the account's links of the purposes that were made since a
	// moment.
	DropLinks(ctx context.Context, user uuid.UUID, since time.Time, purposes ...LinkPurpose) error
	// SetAddress writes login and e-mail; ErrLoginTaken if another account has
	// one of them, or may have it back.
	SetAddress(ctx context.Context, user uuid.UUID, login string, email *string) error
	// CreateAccount is Store's.
	CreateAccount(ctx context.Context, u User, passwordHash string, first Profile) error

	PutInvitation(ctx context.Context, in Invitation) error
	// TakeInvitation takes away one that is open; WithdrawInvitation any.
	TakeInvitation(ctx context.Context, hash []byte, now time.Time) (Invitation, error)
	WithdrawInvitation(ctx context.Context, id uuid.UUID) (Invitation, error)
	OpenInvitations(ctx context.Context, now time.Time) (int, error)
}

// Post takes letters to be sent soon; it never waits. An error says that it has
// no room.
type Post interface {
	Post(l mail.Letter) error
}

// links is what Accounts needs for them.
type links struct {
	post   Post // nil where no letter can be sent
	signUp SignUpMode
	base   string // of the addresses in links
	resets chan resetRequest
}

func newLinks(d Deps) (links, error) {
	l := links{post: d.Post, signUp: d.SignUp, base: strings.TrimSuffix(d.PublicURL, "/"), resets: make(chan resetRequest, maxResets)}
	if l.signUp == "" {
		l.signUp = SignUpOpen
	}
	if l.post != nil && l.base == "" {
		return l, errors.New("auth: letters need PublicURL for the links in them")
	}
	return l, l.signUp.check()
}

var (
	errLink   = fault.New(fault.Invalid, "This link has ended, was used already, or was replaced by a newer one.").At("input.token").WithReason("LINK_ENDED")
	errNoMail = fault.New(fault.Conflict, "This cinema sends no e-mail. Ask an administrator.").WithReason("NO_MAIL")
)

// newSecret makes what stands in a link, with the hash that is kept.
func (s *Accounts) newSecret(p LinkPurpose) (secret string, hash []byte, err error) {
	raw := make([]byte, secretLen)
	if _, err := io.ReadFull(s.random, raw); err != nil {
		return "", nil, fmt.Errorf("auth: randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), secretHash(p, raw), nil
}

// secretHash is of the purpose too: a link of another is not found. So much
// randomness needs no slow hash.
func secretHash(p LinkPurpose, raw []byte) []byte {
	sum := sha256.Sum256(append([]byte("link "+string(p)+" "), raw...))
	return sum[:]
}

// followed counts that somebody follows a link, and returns the hash of its
// secret.
func (s *Accounts) followed(ctx context.Context, p LinkPurpose, secret string, from Client) ([]byte, error) {
	if err := s.spend(ctx, spending{"link:address:" + addressKey(from.Address), s.limits.LinkAddress}); err != nil {
		return nil, err
	}
	if len(secret) != base64.RawURLEncoding.EncodedLen(secretLen) {
		return nil, errLink
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil {
		return nil, errLink
	}
	return secretHash(p, raw), nil
}

// newLink makes a link; it is good once it is put.
func (s *Accounts) newLink(p LinkPurpose, user uuid.UUID, email string, life time.Duration) (Link, string, error) {
	secret, hash, err := s.newSecret(p)
	now := s.now()
	return Link{Hash: hash, Purpose: p, UserID: user, Email: email, MadeAt: now, ExpiresAt: now.Add(life)}, secret, err
}

// href is the address that a link is sent as. It comes from the configuration:
// the Host of a request is what a stranger wrote.
func (s *Accounts) href(p LinkPurpose, secret string) string {
	return s.links.base + paths[p] + "#" + secret
}

// byLink runs do in a transaction for whoever holds a link, and then tells
// everyone what ended. A link that is not there is errLink.
func (s *Accounts) byLink(ctx context.Context, from Client, do func(context.Context, *change) error) error {
	c := &change{s: s, actor: Actor{From: from}}
	err := s.store.Administer(ctx, func(ctx context.Context, a Administration) error {
		c.Administration = a
		return do(ctx, c)
	})
	if errors.Is(err, ErrNotFound) {
		return errLink
	} else if err != nil {
		return err
	}
	s.announce(ctx, c.ended...)
	return nil
}

// post sends a letter; one that finds no room is lost, and that is said.
func (s *Accounts) post(ctx context.Context, l mail.Letter) {
	if s.links.post == nil {
		return
	}
	if err := s.links.post.Post(l); err != nil {
		s.log.ErrorContext(ctx, "auth: a letter is lost", "what", l.What, "error", err)
	}
}

// Email resolves the field of this name: where the account is written to.
func (u *User) Email() *string {
	if strings.Contains(u.Login, "@") {
		return &u.Login
	}
	return u.OwnEmail
}

// address is Email, empty without.
func (u *User) address() string {
	if e := u.Email(); e != nil {
		return *e
	}
	return ""
}

// normalizeEmail is NormalizeLogin of an e-mail address.
func normalizeEmail(email, field string) (string, error) {
	normal, err := NormalizeLogin(email)
	if err != nil || !strings.Contains(normal, "@") {
		return "", fault.New(fault.Invalid, "This is no e-mail address.").At(field).WithReason("EMAIL_INVALID")
	}
	return normal, nil
}
