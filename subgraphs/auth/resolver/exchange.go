package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// CookieName is the refresh token's cookie. The prefix makes browsers refuse
// it from another host and from an insecure page (RFC 6265bis §4.1.3.2).
func CookieName(secure bool) string {
	if secure {
		return "__Host-cinema_refresh"
	}
	return "cinema_refresh"
}

// markName is the cookie of a browser that has signed in before.
func markName(secure bool) string {
	if secure {
		return "__Host-cinema_known"
	}
	return "cinema_known"
}

type exchangeKey struct{}

// exchange is the request and the response that a resolver runs in.
type exchange struct {
	r      *http.Request
	w      http.ResponseWriter
	secure bool

	mu sync.Mutex
	// set is what this request has made of the cookie; nil when nothing. A
	// document may act on it twice.
	set *http.Cookie
}

func exchangeOf(ctx context.Context) *exchange {
	e, _ := ctx.Value(exchangeKey{}).(*exchange)
	return e
}

// refreshToken is the one that the request brought, or that it got meanwhile.
func (e *exchange) refreshToken() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set != nil {
		return e.set.Value
	}
	if c, err := e.r.Cookie(CookieName(e.secure)); err == nil {
		return c.Value
	}
	return ""
}

// mark is what the browser brought of an earlier sign-in.
func (e *exchange) mark() string {
	if c, err := e.r.Cookie(markName(e.secure)); err == nil {
		return c.Value
	}
	return ""
}

func (e *exchange) setMark(mark string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.write(markName(e.secure), mark, time.Now().Add(auth.KnownFor), int(auth.KnownFor.Seconds()))
}

func (e *exchange) setRefresh(token string, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set = e.write(CookieName(e.secure), token, until, int(math.Max(1, time.Until(until).Seconds())))
}

func (e *exchange) clearRefresh() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set = e.write(CookieName(e.secure), "", time.Unix(0, 0), -1)
}

// write sends a cookie that only this host's own pages bring back; it is called
// under the lock.
func (e *exchange) write(name, value string, until time.Time, maxAge int) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", Expires: until.UTC(), MaxAge: maxAge,
		HttpOnly: true, Secure: e.secure, SameSite: http.SameSiteStrictMode,
	}
	// The last word counts: browsers differ on two of one name.
	h := e.w.Header()
	others := h.Values("Set-Cookie")
	h.Del("Set-Cookie")
	for _, o := range others {
		if !strings.HasPrefix(o, name+"=") {
			h.Add("Set-Cookie", o)
		}
	}
	h.Add("Set-Cookie", c.String())
	return c
}

var errClientHeader = fault.New(fault.Forbidden, "The %s header is missing.", ClientHeader).WithReason("CLIENT_HEADER_MISSING")

// byCookie returns the exchange of a request that acts by cookie alone.
func byCookie(ctx context.Context) (*exchange, error) {
	e := exchangeOf(ctx)
	if e == nil || e.r.Header.Get(ClientHeader) == "" {
		return nil, errClientHeader
	}
	return e, nil
}

// retryAfter adds the header of that name for a fault that says when to come back.
func retryAfter(ctx context.Context, err error) error {
	var f *fault.Error
	if e := exchangeOf(ctx); e != nil && errors.As(err, &f) && f.RetryAfter > 0 {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	return err
}

// gone answers with the profiles that were deleted after the place in ?at=&id=.
func gone(a *auth.Accounts, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("at"))
		id, idErr := uuid.Parse(r.URL.Query().Get("id"))
		if err != nil || idErr != nil {
			http.Error(w, "want ?at=TIME&id=UUID", http.StatusBadRequest)
			return
		}
		list, err := a.GoneProfiles(r.Context(), at, id)
		answer(w, r, log, "auth: deleted profiles", list, err)
	})
}

func revocations(a *auth.Accounts, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := a.Revocations(r.Context())
		answer(w, r, log, "auth: revocations", list, err)
	})
}

// answer is a list for the other services, or says that there is none now.
func answer(w http.ResponseWriter, r *http.Request, log *slog.Logger, what string, list any, err error) {
	if err != nil {
		log.ErrorContext(r.Context(), what, "error", err)
		http.Error(w, "not at the moment", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(list)
}
