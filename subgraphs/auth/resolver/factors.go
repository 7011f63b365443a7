package resolver

import (
	"context"

	graph "github.com/netflixathome/cinema/graph/auth"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// answerOf is a browser's answer as the service takes it; nil for none.
func answerOf(in *graph.PasskeyAnswerInput) *auth.PasskeyAnswer {
	if in == nil {
		return nil
	}
	return &auth.PasskeyAnswer{Challenge: in.Challenge, Credential: in.Credential}
}

// changed hands out the factors after a change, and the session that a ticket
// opened.
func changed(ctx context.Context, c *auth.FactorsChanged, err error) (*graph.FactorsPayload, error) {
	if err != nil {
		return nil, retryAfter(ctx, err)
	}
	out := &graph.FactorsPayload{Factors: c.Factors, User: c.User, RecoveryCodes: c.RecoveryCodes}
	if c.Session != nil {
		out.Session, err = payload(ctx, c.Session, nil)
	}
	return out, err
}
