package router

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	gqlast "github.com/vektah/gqlparser/v2/ast"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/resolve"

	"github.com/netflixathome/cinema/internal/fault"
)

// caller is who sent a request, and from where.
type caller struct {
	// principal is nil for nobody in particular.
	principal *Principal
	// bearer is the verified access token, shown what the client showed: an API
	// key, or the same.
	bearer, shown string
	// address is the client's, seen through trusted proxies.
	address string
}

// key is what the caller's rates and connections are counted by.
func (c *caller) key() string {
	if c.principal != nil {
		return "user:" + c.principal.Subject
	}
	return "addr:" + c.address
}

// bearerOf takes the token out of a value of the Authorization header. Any
// other scheme is not ours (a proxy in front may use Basic) and is not passed on.
func bearerOf(value string) string {
	scheme, token, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// identify verifies a bearer once; without one the caller is nobody. token is the
// access token that it stands for, and is shown to the subgraphs.
func (rt *Router) identify(ctx context.Context, bearer, address string) (p *Principal, token string, rejected *requestError) {
	if bearer == "" {
		return nil, "", nil
	}
	if len(bearer) > 8<<10 {
		return nil, "", errUnauthenticated()
	}
	token = bearer
	var err error
	if rt.options.Exchange != nil {
		if token, err = rt.options.Exchange(ctx, bearer, address); err != nil {
			return nil, "", notIdentified(ctx, err)
		}
	}
	if p, rejected = rt.verify(ctx, token); rejected != nil {
		return nil, "", rejected
	}
	return p, token, nil
}

// verify looks whose an access token is. A stream is looked at again once those who
// end streams see it: its session may have ended since it was let in.
func (rt *Router) verify(ctx context.Context, token string) (*Principal, *requestError) {
	who, err := rt.options.Authenticate(ctx, token)
	if err != nil {
		return nil, notIdentified(ctx, err)
	}
	if rt.options.Revoked != nil && who.SessionID != "" && rt.options.Revoked(who.SessionID) {
		return nil, errUnauthenticated()
	}
	return &who, nil
}

// judge looks again at the API key by which a caller has a connection: what it may
// can change while that is open, and no client renews it.
func (rt *Router) judge(ctx context.Context, who *caller) *requestError {
	if who.shown == who.bearer {
		return nil
	}
	p, token, rejected := rt.identify(ctx, who.shown, who.address)
	if rejected == nil {
		who.principal, who.bearer = p, token
	}
	return rejected
}

func notIdentified(ctx context.Context, err error) *requestError {
	switch kind := fault.KindOf(err); {
	case kind == fault.Unavailable || ctx.Err() != nil:
		return refuse(http.StatusServiceUnavailable, codeUnavailable, "Sign-in cannot be checked at the moment. Try again shortly.")
	case kind == fault.RateLimited:
		e := refuse(http.StatusTooManyRequests, codeRateLimited, "Too many API keys from your address. Try again in a minute.")
		e.retryAfter = time.Minute
		return e
	default:
		return errUnauthenticated()
	}
}

// exchanged puts the access token that an API key stands for in the key's place,
// before a handler that takes access tokens.
func (rt *Router) exchanged(next http.Handler) http.Handler {
	if rt.options.Exchange == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if bearer := bearerOf(r.Header.Get("Authorization")); bearer != "" {
			token, err := rt.options.Exchange(r.Context(), bearer, addressOf(r, rt.options.TrustedProxies))
			if err != nil {
				e := notIdentified(r.Context(), err)
				e.always = true
				writeRefusal(w, mediaJSON, e)
				return
			}
			if token != bearer {
				r = r.Clone(r.Context())
				r.Header.Set("Authorization", "Bearer "+token)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// addressOf finds the client's address: the connection's, or the last hop of
// X-Forwarded-For that is not a trusted proxy.
func addressOf(r *http.Request, trusted []netip.Prefix) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	isTrusted := func(s string) bool {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return false
		}
		for _, p := range trusted {
			if p.Contains(a.Unmap()) {
				return true
			}
		}
		return false
	}
	if len(trusted) == 0 || !isTrusted(host) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		host = hop
		if !isTrusted(hop) {
			break
		}
	}
	return host
}

// verdict is a code of this package, or empty where the field may be read.
func (s *supergraph) verdict(at coordinate, p *Principal) string {
	r, ruled := s.rules[at]
	switch {
	case !ruled:
		return ""
	case r.closed:
		return codeForbidden
	case p == nil:
		return codeUnauthenticated
	case len(r.anyOf) == 0:
		return ""
	}
next:
	for _, all := range r.anyOf {
		for _, scope := range all {
			if !p.Scopes[scope] {
				continue next
			}
		}
		return ""
	}
	if p.Unsure {
		return codeUnavailable
	}
	return codeForbidden
}

func messageOf(code string) string {
	switch code {
	case codeUnauthenticated:
		return msgSignIn
	case codeUnavailable:
		return msgUnsure
	}
	return msgForbidden
}

// authorizer answers the engine, which asks for all fields with a rule at once
// and before any fetch.
type authorizer struct {
	denied map[coordinate]string
}

// authorize decides all fields of an operation. A mutation or subscription
// with a root field that may not be used is refused as a whole, so that half of
// it does not happen.
func (rt *Router) authorize(p *prepared, principal *Principal) (*authorizer, []gqlError) {
	a := &authorizer{}
	for _, at := range p.needs {
		code := rt.graph.verdict(at, principal)
		if code == codeUnauthenticated && p.publicRoot {
			// signIn hands out the account it has just let in: its subgraph has
			// decided, and the caller cannot have a token yet.
			continue
		}
		if code != "" {
			if a.denied == nil {
				a.denied = map[coordinate]string{}
			}
			a.denied[at] = code
		}
	}
	if len(a.denied) == 0 || p.kind == gqlast.Query {
		return a, nil
	}
	var errs []gqlError
	for _, r := range p.roots {
		if code, ok := a.denied[coordinate{rt.graph.rootNames[p.kind], r.field}]; ok {
			e := newError(code, messageOf(code))
			e.Path = []any{r.name}
			if r.at.Line > 0 {
				e.Locations = []location{r.at}
			}
			errs = append(errs, e)
		}
	}
	return a, errs
}

// AuthorizeFields implements resolve.BatchAuthorizer. The reason is the code;
// the rewriting of errors reads it back.
func (a *authorizer) AuthorizeFields(_ *resolve.Context, at []resolve.GraphCoordinate) ([]resolve.AuthorizationDecision, error) {
	out := make([]resolve.AuthorizationDecision, len(at))
	for i, c := range at {
		code, denied := a.denied[coordinate{c.TypeName, c.FieldName}]
		out[i] = resolve.AuthorizationDecision{Allowed: !denied, Reason: code}
	}
	return out, nil
}
