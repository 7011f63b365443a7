package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/limit"
)

const (
	// MaxAPIKeys is how many keys an account may have, those included that have
	// ended and are still shown.
	MaxAPIKeys = 20
	// MaxAPIKeyAge is the latest that a key may end after it was made.
	MaxAPIKeyAge = 366 * 24 * time.Hour
	// keyUseEvery is how exactly it is known when a key was last used.
	keyUseEvery = time.Minute
)

// apiKeyRate is of exchanges by an address, which each router does once in half a
// minute for a key in use. No key can be guessed; it spares the database.
var apiKeyRate = limit.Rate{Limit: 600, Per: time.Minute, Burst: 300}

// APIKeyStore keeps the keys of programs.
type APIKeyStore interface {
	// APIKeysOf returns the keys of an account, newest first.
	APIKeysOf(ctx context.Context, account uuid.UUID) ([]APIKey, error)
	// APIKey finds a key by its hash, with its account.
	APIKey(ctx context.Context, hash [sha256.Size]byte) (APIKey, User, error)
	// APIKeyUsed notes a use, unless one is noted that is not older than every.
	APIKeyUsed(ctx context.Context, id uuid.UUID, at time.Time, every time.Duration) error
	// PruneAPIKeys deletes up to limit keys that ended before a moment and says
	// how many.
	PruneAPIKeys(ctx context.Context, before time.Time, limit int) (int, error)
}

// APIKeyAdministration is what an Administration does to keys.
type APIKeyAdministration interface {
	// AddAPIKey adds a key to an account that has fewer than most; false else.
	AddAPIKey(ctx context.Context, k APIKey, hash [sha256.Size]byte, most int) (bool, error)
	// APIKeyOwner says whose a key is; ErrNotFound if there is none.
	APIKeyOwner(ctx context.Context, id uuid.UUID) (uuid.UUID, error)
	// DropAPIKey deletes a key and returns its seat, which has been left.
	DropAPIKey(ctx context.Context, id uuid.UUID, at time.Time) (uuid.UUID, error)
	// DropAPIKeysOf deletes all keys of an account and returns them.
	DropAPIKeysOf(ctx context.Context, account uuid.UUID, at time.Time) ([]APIKey, error)
}

// APIKey is a key by which a program acts for an account. The key itself is kept
// by whoever made it, and nowhere else.
type APIKey struct {
	ID gid.ID
	// UserID and ProfileID are whom it acts as.
	UserID, ProfileID uuid.UUID
	// Seat is what its tokens are revoked by; see authn.Claims.Seat.
	Seat uuid.UUID
	// Name is its owner's word for it, Hint how it begins.
	Name, Hint string
	// Scopes are the most that it may, sorted.
	Scopes               []string
	CreatedAt, ExpiresAt time.Time
	// UsedAt is when it was last used, to a minute; nil if never.
	UsedAt *time.Time
}

// APIKeys are the keys of an account as its owner sees them.
type APIKeys struct {
	Keys []APIKey
	// Most is how many there may be.
	Most int
	// Grantable is what a new one can be allowed.
	Grantable []string
}

// NewAPIKey is what a key is made from.
type NewAPIKey struct {
	Name      string
	Scopes    []string
	ExpiresAt time.Time
}

var (
	errNoAPIKey    = fault.New(fault.NotFound, "There is no such key.").At("input.id")
	errManyAPIKeys = fault.New(fault.Conflict, "An account has at most %d keys. Revoke one that is no longer needed.", MaxAPIKeys).WithReason("TOO_MANY_API_KEYS")
	errByAPIKey    = fault.New(fault.Forbidden, "An API key may not do this. Sign in to do it.").WithReason("API_KEY")
	// apiKeyMay are the mutations of this subgraph that a key may do.
	apiKeyMay = map[string]bool{"signUp": true, "deleteDemoUsers": true}
	// apiKeyNotSees are the fields of an account that are its owner's business;
	// where true, also of those who may read accounts.
	apiKeyNotSees = map[string]bool{"sessions": true, "signIns": true, "apiKeys": true, "factors": false}
)

// grantable are those of permissions that are of use to a key: all that role:write
// opens asks for a fresh sign-in.
func grantable(permissions []string) []string {
	return slices.DeleteFunc(slices.Clone(permissions), func(p string) bool { return p == RoleWrite })
}

// allowAPIKey refuses a key all that makes, changes or ends an account, a session
// or what they prove themselves with.
func allowAPIKey(c *authn.Claims, object, field string) error {
	if object == "Mutation" && !apiKeyMay[field] {
		return errByAPIKey
	}
	if readers, ok := apiKeyNotSees[field]; ok && object == "User" && (!readers || !c.Has(UserRead)) {
		return errByAPIKey
	}
	return nil
}

// APIKeysOf returns the keys of an account and what u, whose they are, may give a
// new one.
func (s *Accounts) APIKeysOf(ctx context.Context, u *User) (*APIKeys, error) {
	keys, err := s.store.APIKeysOf(ctx, u.ID.UUID)
	if err != nil {
		return nil, fmt.Errorf("auth: API keys: %w", err)
	}
	return &APIKeys{Keys: keys, Most: MaxAPIKeys, Grantable: grantable(u.Permissions())}, nil
}

// CreateAPIKey makes a key for whoever asks, with the profile that is watching. The
// key is returned this once.
func (s *Accounts) CreateAPIKey(ctx context.Context, by Actor, n NewAPIKey) (made *APIKey, key string, err error) {
	now := s.now().Truncate(time.Second) // as tokens hold it
	name, err := cleanName(n.Name, "input.name")
	if err != nil {
		return nil, "", err
	}
	if n.ExpiresAt = n.ExpiresAt.UTC().Truncate(time.Second); !n.ExpiresAt.After(now) || n.ExpiresAt.Sub(now) > MaxAPIKeyAge {
		return nil, "", fault.New(fault.Invalid, "A key ends within a year, and not before it begins.").At("input.expiresAt")
	}
	scopes := known(n.Scopes)
	if len(n.Scopes) > len(Permissions()) || len(lacking(n.Scopes, grantable(scopes))) > 0 {
		return nil, "", fault.New(fault.Invalid, "A key can be allowed %s.", strings.Join(grantable(Permissions()), ", ")).At("input.scopes")
	}
	id, err := s.newID()
	if err != nil {
		return nil, "", err
	}
	key, hint, err := authn.NewAPIKey(s.random)
	if err != nil {
		return nil, "", err
	}
	k := APIKey{
		ID: gid.Of(gid.APIKey, id), UserID: by.Claims.UserID, ProfileID: by.Claims.ProfileID, Seat: id,
		Name: name, Hint: hint, Scopes: scopes, CreatedAt: now, ExpiresAt: n.ExpiresAt,
	}
	err = s.administer(ctx, by, "", func(ctx context.Context, c *change) error {
		if err := within(scopes, c.may, "input.scopes"); err != nil {
			return err
		}
		if added, err := c.AddAPIKey(ctx, k, authn.HashAPIKey(key), MaxAPIKeys); err != nil || !added {
			if err == nil {
				err = errManyAPIKeys
			}
			return err
		}
		return c.noteAPIKey(ctx, ActionAPIKeyCreate, k.UserID, nil,
			map[string]any{"key": k.ID, "scopes": scopes, "expiresAt": k.ExpiresAt})
	})
	if err != nil {
		return nil, "", fmt.Errorf("auth: make an API key: %w", err)
	}
	return &k, key, nil
}

// RevokeAPIKey ends a key of whoever asks, or of another for whom administers
// accounts. It returns whose it was.
func (s *Accounts) RevokeAPIKey(ctx context.Context, by Actor, id gid.ID) (owner uuid.UUID, err error) {
	if !id.Is(gid.APIKey) {
		return uuid.Nil, errNoAPIKey
	}
	err = s.administer(ctx, by, "", func(ctx context.Context, c *change) error {
		owner, err = c.APIKeyOwner(ctx, id.UUID)
		if errors.Is(err, ErrNotFound) || err == nil && owner != by.Claims.UserID && !slices.Contains(c.may, UserWrite) {
			return errNoAPIKey
		} else if err != nil {
			return err
		}
		// One that may do more than whoever asks is out of reach.
		if _, err := c.user(ctx, gid.Of(gid.User, owner)); err != nil {
			return err
		}
		seat, err := c.DropAPIKey(ctx, id.UUID, s.now())
		if err != nil {
			return err
		}
		c.ended = append(c.ended, seat)
		return c.noteAPIKey(ctx, ActionAPIKeyRevoke, owner, map[string]any{"key": id}, nil)
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("auth: revoke an API key: %w", err)
	}
	return owner, nil
}

// dropAPIKeys ends all keys of an account.
func (c *change) dropAPIKeys(ctx context.Context, account uuid.UUID) error {
	gone, err := c.DropAPIKeysOf(ctx, account, c.s.now())
	if err != nil {
		return err
	}
	for _, k := range gone {
		c.ended = append(c.ended, k.Seat)
		if err := c.noteAPIKey(ctx, ActionAPIKeyRevoke, account, map[string]any{"key": k.ID}, nil); err != nil {
			return err
		}
	}
	return nil
}

// noteAPIKey adds to the audit log; a key's name is its owner's own and stays out.
func (c *change) noteAPIKey(ctx context.Context, action AuditAction, owner uuid.UUID, before, after map[string]any) error {
	return c.note(ctx, action, gid.Of(gid.User, owner).String(), before, after)
}

// ExchangeAPIKey gives the access token that a key stands for at this moment: what
// the key and the account both may.
func (s *Accounts) ExchangeAPIKey(ctx context.Context, key string, from Client) (token string, err error) {
	if !authn.IsAPIKey(key) {
		return "", authn.ErrUnauthenticated
	}
	// While nothing can be counted, programs go on, as people do.
	err = s.spend(ctx, spending{"apikey:address:" + addressKey(from.Address), apiKeyRate})
	if kind := fault.KindOf(err); kind == fault.RateLimited {
		return "", authn.ErrTooManyKeys.Because(err)
	} else if err != nil && kind != fault.Unavailable {
		return "", err
	}
	k, u, err := s.store.APIKey(ctx, authn.HashAPIKey(key))
	if errors.Is(err, ErrNotFound) {
		return "", authn.ErrUnauthenticated
	} else if err != nil {
		return "", fmt.Errorf("auth: API key: %w", err)
	}
	now := s.now()
	if u.Blocked || !k.ExpiresAt.After(now) {
		return "", authn.ErrUnauthenticated
	}
	if s.mustHave(u.IsAdmin()) {
		f, err := s.store.Factors(ctx, k.UserID)
		if err != nil {
			return "", fmt.Errorf("auth: API key: %w", err)
		}
		if !f.any() {
			return "", authn.ErrUnauthenticated
		}
	}
	list, err := s.store.Profiles(ctx, []uuid.UUID{k.ProfileID})
	if err != nil {
		return "", fmt.Errorf("auth: API key: %w", err)
	}
	if len(list) == 0 { // deleted at this moment, and the key with it
		return "", authn.ErrUnauthenticated
	}
	if k.UsedAt == nil || now.Sub(*k.UsedAt) >= keyUseEvery {
		if err := s.store.APIKeyUsed(ctx, k.ID.UUID, now, keyUseEvery); err != nil {
			s.log.WarnContext(ctx, "auth: the use of an API key was not noted", "error", err)
		}
	}
	return s.signer.Sign(s.claimsOfKey(&k, &u, &list[0]))
}

func (s *Accounts) claimsOfKey(k *APIKey, u *User, p *Profile) *authn.Claims {
	c := &authn.Claims{
		UserID: k.UserID, ProfileID: k.ProfileID, SessionID: k.ID.UUID, APIKey: true, Rights: u.Rights, ExpiresAt: k.ExpiresAt,
		Child: p.IsChild, AgeLimit: p.Limit, Demo: u.Demo, Scopes: map[string]bool{},
	}
	if k.Seat != k.ID.UUID {
		c.SeatID = k.Seat
	}
	for _, r := range u.Roles {
		c.Roles = append(c.Roles, string(r))
	}
	if p.IsChild {
		return c // a child manages nothing
	}
	for _, scope := range grantable(u.Permissions()) {
		if slices.Contains(k.Scopes, scope) {
			c.Scopes[scope] = true
		}
	}
	return c
}
