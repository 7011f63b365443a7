package router

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	gqlast "github.com/vektah/gqlparser/v2/ast"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/resolve"

	"github.com/netflixathome/cinema/internal/fault"
)

// caller is who sent a request, and from where.
type caller struct {
	// principal is nil for nobody in particular.
	principal *Principal
	// bearer is the verified access token.
	bearer string
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

// identify verifies a token once; without one the caller is nobody.
func (rt *Router) identify(ctx context.Context, bearer string) (*Principal, *requestError) {
	if bearer == "" {
		return nil, nil //nolint:nilnil // nobody is a valid caller
	}
	if len(bearer) > 8<<10 {
		return nil, errUnauthenticated()
	}
	p, err := rt.options.Authenticate(ctx, bearer)
	if err != nil {
		if fault.KindOf(err) == fault.Unavailable || ctx.Err() != nil {
			return nil, refuse(http.StatusServiceUnavailable, codeUnavailable, "Sign-in cannot be checked at the moment. Try again shortly.")
		}
		return nil, errUnauthenticated()
	}
	if rt.options.Revoked != nil && p.SessionID != "" && rt.options.Revoked(p.SessionID) {
		return nil, errUnauthenticated()
	}
	return &p, nil
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
