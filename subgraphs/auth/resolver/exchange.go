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

func (e *exchange) setRefresh(token string, until time.Time) {
	e.cookie(token, until, int(math.Max(1, time.Until(until).Seconds())))
}

func (e *exchange) clearRefresh() { e.cookie("", time.Unix(0, 0), -1) }

func (e *exchange) cookie(value string, until time.Time, maxAge int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set = &http.Cookie{
		Name: CookieName(e.secure), Value: value, Path: "/", Expires: until.UTC(), MaxAge: maxAge,
		HttpOnly: true, Secure: e.secure, SameSite: http.SameSiteStrictMode,
	}
	// The last word counts: browsers differ on two of one name.
	h := e.w.Header()
	others := h.Values("Set-Cookie")
	h.Del("Set-Cookie")
	for _, o := range others {
		if !strings.HasPrefix(o, e.set.Name+"=") {
			h.Add("Set-Cookie", o)
		}
	}
	h.Add("Set-Cookie", e.set.String())
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

// retryAfter adds the header of that name for a fault of kind RateLimited.
func retryAfter(ctx context.Context, err error) error {
	var t *auth.Throttled
	if e := exchangeOf(ctx); e != nil && errors.As(err, &t) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(t.RetryAfter.Seconds()))))
	}
	return err
}

func revocations(a *auth.Accounts, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := a.Revocations(r.Context())
		if err != nil {
			log.ErrorContext(r.Context(), "auth: revocations", "error", err)
			http.Error(w, "not at the moment", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(list)
	})
}

// erasures answers with those after the number that is asked for.
func erasures(a *auth.Accounts, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
		if err != nil {
			http.Error(w, "want after=NUMBER", http.StatusBadRequest)
			return
		}
		list, err := a.Erasures(r.Context(), after)
		if err != nil {
			log.ErrorContext(r.Context(), "auth: erasures", "error", err)
			http.Error(w, "not at the moment", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(list)
	})
}
