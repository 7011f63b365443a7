// Package authn says who asks: it carries the verified claims of an access
// token from the boundary, where they are read once, to whoever must decide.
package authn

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
)

// Issuer and audience of every access token, checked at every door.
const (
	Issuer   = "cinema"
	Audience = "cinema"
)

// Claims are what a verified access token says.
type Claims struct {
	UserID    uuid.UUID
	ProfileID uuid.UUID
	SessionID uuid.UUID
	// SeatID is the session's stay with this profile; Nil while it is the
	// session's first, which has its number. See Seat.
	SeatID uuid.UUID
	// Scopes are permission names such as title:write. All requests with one
	// token share the map: it is only read.
	Scopes map[string]bool
	// Child is set for a child's profile: it watches, and manages nothing.
	Child bool
	// AgeLimit is the largest rating in years that the profile sees, and it
	// sees none without a rating; nil is no limit.
	AgeLimit *int
	// Demo is set for a synthetic viewer: what it does is marked, and the
	// statistics can leave it out.
	Demo bool
	// SignedInAt is when whoever holds the session last proved to be its owner;
	// zero in a token of an older program, which is long ago.
	SignedInAt time.Time
	ExpiresAt  time.Time
	// APIKey is set for a program that came with an API key, whose number is
	// then the session's. It has signed in at no time.
	APIKey bool
	// Roles are those of the account, and Rights is the state of all rights at
	// which the scopes were read: what a Revocation of rights is compared with.
	Roles  []string
	Rights int64
	// Unsure is set where permissions were taken out of Scopes because it is not
	// known at the moment who was signed out; see Revocations.Unsure.
	Unsure bool
}

// Has reports whether the claims hold the permission. Nil claims hold none.
func (c *Claims) Has(scope string) bool { return c != nil && c.Scopes[scope] }

// Seat is what a revocation names and media addresses are signed for: a
// session's stay with one profile as it was then. It changes with the profile,
// so that nothing made for one goes on under another.
func (c *Claims) Seat() uuid.UUID {
	if c.SeatID != uuid.Nil {
		return c.SeatID
	}
	return c.SessionID
}

// ChildAge is the limit of a child's profile for which none was chosen.
const ChildAge = 12

// Verifier checks an access token. Every failure is a fault of kind
// Unauthenticated that tells no detail; an unreachable key store is Unavailable.
type Verifier interface {
	Verify(ctx context.Context, token string) (*Claims, error)
}

type contextKey struct{}

// With returns a context that carries the claims.
func With(ctx context.Context, c *Claims) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// From returns the claims, or nil where nobody is signed in.
func From(ctx context.Context) *Claims {
	c, _ := ctx.Value(contextKey{}).(*Claims)
	return c
}

// Require returns the claims or a fault of kind Unauthenticated.
func Require(ctx context.Context) (*Claims, error) {
	if c := From(ctx); c != nil {
		return c, nil
	}
	return nil, ErrUnauthenticated
}

// ErrUnsure is what is told to one whose token has permissions that cannot be
// relied on now.
var ErrUnsure = fault.New(fault.Unavailable, "Administration is closed for the moment: it is not known who was signed out. Try again shortly.")

// ErrUnauthenticated is what everyone is told whose token is missing or wrong.
var ErrUnauthenticated = fault.New(fault.Unauthenticated, "Sign in to go on.")

// Bearer takes the token out of an Authorization header; empty when there is none.
func Bearer(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Middleware verifies the bearer token of each request. Without a token the
// request goes on as nobody's; with a wrong one it ends here with 401.
func Middleware(v Verifier, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := Bearer(r)
		if token == "" {
			next.ServeHTTP(w, r)
			return
		}
		claims, err := v.Verify(r.Context(), token)
		if err != nil {
			WriteError(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(With(r.Context(), claims)))
	})
}

// WriteError answers with a GraphQL error document for err.
func WriteError(w http.ResponseWriter, err error) {
	kind := fault.KindOf(err)
	status, message := http.StatusUnauthorized, ErrUnauthenticated.Message
	switch kind {
	case fault.Unauthenticated:
	case fault.Unavailable:
		status, message = http.StatusServiceUnavailable, "Sign-in cannot be checked at the moment. Try again shortly."
	default:
		status, message, kind = http.StatusInternalServerError, "Something broke on our side.", fault.Internal
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{
		"message": message, "extensions": map[string]any{"code": kind.Code()},
	}}})
}
