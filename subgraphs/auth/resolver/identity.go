package resolver

import (
	"context"
	"math"
	"time"

	graph "github.com/netflixathome/cinema/graph/auth"
	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// ProviderCookieName is the cookie that binds a provider's answer to the browser
// that asked for it. See CookieName for the prefix. The answer comes to a page of
// this host, and the page hands it on, so that the strictest of cookies is there.
func ProviderCookieName(secure bool) string {
	if secure {
		return "__Host-cinema_provider"
	}
	return "cinema_provider"
}

func (r *Resolver) beginProvider(ctx context.Context, in graph.BeginProviderInput) (*auth.ProviderWay, error) {
	e, err := byCookie(ctx)
	if err != nil {
		return nil, err
	}
	aim := auth.AimSignIn
	if given := value(in.Aim); given != nil {
		aim = *given
	}
	way, err := r.accounts.BeginProvider(ctx, authn.From(ctx), in.Provider, aim, deref(value(in.To)), client(ctx))
	if err != nil {
		return nil, retryAfter(ctx, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.write(ProviderCookieName(e.secure), way.Ticket, way.Until, int(math.Max(1, time.Until(way.Until).Seconds())))
	return way, nil
}

func (r *Resolver) finishProvider(ctx context.Context, in graph.FinishProviderInput) (*graph.ProviderPayload, error) {
	e, err := byCookie(ctx)
	if err != nil {
		return nil, err
	}
	back := auth.ProviderReturn{
		Provider: in.Provider, State: in.State, Code: in.Code, Iss: deref(value(in.Iss)), Locale: value(in.Locale),
	}
	if c, err := e.r.Cookie(ProviderCookieName(e.secure)); err == nil {
		back.Ticket = c.Value
	}
	done, err := r.accounts.FinishProvider(ctx, authn.From(ctx), back, client(ctx))
	if err != nil {
		return nil, retryAfter(ctx, err)
	}
	e.mu.Lock()
	e.write(ProviderCookieName(e.secure), "", time.Unix(0, 0), -1)
	e.mu.Unlock()
	out := &graph.ProviderPayload{Aim: done.Aim, To: done.To, SecondFactor: done.SecondFactor, Factors: done.Factors}
	switch {
	case done.Session == nil:
	case done.Aim == auth.AimConfirm:
		// The refresh token goes on as it is.
		s := done.Session
		out.Session = &graph.SessionPayload{AccessToken: s.AccessToken, ExpiresAt: s.ExpiresAt, User: s.User, Profile: s.Profile}
	default:
		out.Session, err = payload(ctx, done.Session, nil)
	}
	return out, err
}
