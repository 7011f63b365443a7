package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// AuditAction is what an administrator did: what it was about, a dot, a verb.
type AuditAction string

// The actions.
const (
	ActionRoleCreate    AuditAction = "role.create"
	ActionRoleUpdate    AuditAction = "role.update"
	ActionRoleDelete    AuditAction = "role.delete"
	ActionUserRoles     AuditAction = "user.roles"
	ActionUserBlock     AuditAction = "user.block"
	ActionUserUnblock   AuditAction = "user.unblock"
	ActionUserSignOut   AuditAction = "user.sign_out"
	ActionUserDelete    AuditAction = "user.delete"
	ActionUserPassword  AuditAction = "user.reset_password"
	ActionUserFactors   AuditAction = "user.reset_second_factor"
	ActionDemoUsersGone AuditAction = "user.delete_demo"
	ActionAPIKeyCreate  AuditAction = "key.create"
	ActionAPIKeyRevoke  AuditAction = "key.revoke"
	ActionUserLink      AuditAction = "user.password_link"
	ActionUserEmail     AuditAction = "user.email"
	ActionInvite        AuditAction = "invitation.create"
	ActionInviteEnd     AuditAction = "invitation.withdraw"
	ActionInviteAccept  AuditAction = "invitation.accept"
)

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	ID gid.ID
	At time.Time
	// ActorID is Nil for the operator, at the machine itself.
	ActorID uuid.UUID
	Action  string
	// Target is the account's identifier or the role's name.
	Target string
	// Before and After are JSON objects of what the change is about.
	Before, After *string
	Client        Client
}

// Cursor is an entry's place in the log; opaque to clients.
func (e *AuditEntry) Cursor() string { return cursor(e.At, e.ID.UUID) }

// AuditMatch says which entries; its zero value is all.
type AuditMatch struct {
	Actor    *uuid.UUID // Nil is the operator
	Action   string     // or all of a kind, such as "user."
	Target   string
	From, To *time.Time // To is not included
}

// AuditQuery is a filter as people write it: accounts by login or identifier.
type AuditQuery struct {
	Actor, Action, Target string
	From, To              *time.Time
}

// MaxAudit is the most entries on one page.
const MaxAudit = 100

var auditAction = regexp.MustCompile(`^[a-z]+\.?[a-z_]*$`)

// Audit lists what administrators did, newest first; more says that older ones
// follow.
func (s *Accounts) Audit(ctx context.Context, q AuditQuery, after *string, first int) (page []AuditEntry, more bool, err error) {
	if first < 1 || first > MaxAudit {
		return nil, false, fault.New(fault.Invalid, "Ask for 1 to %d entries at once.", MaxAudit).At("first")
	}
	var place *Place
	if after != nil {
		if place, err = parseCursor(*after); err != nil {
			return nil, false, err
		}
	}
	f := AuditMatch{From: q.From, To: q.To}
	if q.Action != "" {
		if len(q.Action) > 64 || !auditAction.MatchString(q.Action) {
			return nil, false, fault.New(fault.Invalid, "An action is written as in user.block; user. stands for all of them.").At("filter.action")
		}
		f.Action = q.Action
	}
	if q.Actor != "" {
		id, ok, err := s.account(ctx, q.Actor)
		if err != nil || !ok {
			return nil, false, err
		}
		f.Actor = &id
	}
	if q.Target != "" {
		f.Target = q.Target
		invitation, err := gid.Parse(q.Target)
		if !roleName.MatchString(q.Target) && (err != nil || !invitation.Is(gid.Invitation)) {
			id, ok, err := s.account(ctx, q.Target)
			if err != nil || !ok {
				return nil, false, err
			}
			f.Target = gid.Of(gid.User, id).String()
		}
	}
	page, err = s.store.Audit(ctx, f, place, first+1)
	if err != nil {
		return nil, false, fmt.Errorf("auth: audit: %w", err)
	}
	if len(page) > first {
		return page[:first], true, nil
	}
	return page, false, nil
}

// account finds an account by its identifier, gone or not, or by its login. The
// word "operator" stands for who is at the machine itself.
func (s *Accounts) account(ctx context.Context, text string) (uuid.UUID, bool, error) {
	if id, err := gid.Parse(text); err == nil && id.Is(gid.User) {
		return id.UUID, true, nil
	}
	login, err := NormalizeLogin(text)
	if err != nil {
		return uuid.Nil, false, nil //nolint:nilerr // no account has such a login, so it did nothing
	}
	u, _, err := s.store.Password(ctx, login)
	if errors.Is(err, ErrNotFound) {
		return uuid.Nil, login == Operator, nil
	} else if err != nil {
		return uuid.Nil, false, fmt.Errorf("auth: audit: %w", err)
	}
	return u.ID.UUID, true, nil
}

// Operator stands for who is at the machine itself, in a filter of the log.
const Operator = "operator"
