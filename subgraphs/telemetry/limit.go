package telemetry

import (
	"context"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// A profile with an age limit is told of no title that it may not see. What a
// title is rated, the catalogue knows alone, so it is asked, in the caller's
// name; only for such profiles, and without an answer they get none either.

var (
	errNotSeen     = fault.New(fault.NotFound, "There is no such title.")
	errNoCatalogue = fault.New(fault.Unavailable, "What this profile may see cannot be looked up at the moment. Try again shortly.")
)

type bearerKey struct{}

// WithBearer keeps the token of a request, for what is asked in its name.
func WithBearer(ctx context.Context, bearer string) context.Context {
	return context.WithValue(ctx, bearerKey{}, bearer)
}

// sees reports of each of the titles and playables whether the caller's profile
// may see it.
func (s *Subgraph) sees(ctx context.Context, ids ...gid.ID) (func(gid.ID) bool, error) {
	if c := authn.From(ctx); c == nil || c.AgeLimit == nil || len(ids) == 0 {
		return func(gid.ID) bool { return true }, nil
	}
	if s.Visible == nil {
		return nil, errNoCatalogue
	}
	bearer, _ := ctx.Value(bearerKey{}).(string)
	visible, err := s.Visible(ctx, bearer, ids)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, errNoCatalogue.Because(err)
	}
	return func(id gid.ID) bool { return visible[id] }, nil
}

// wantSeen refuses what the caller's profile may not see.
func (s *Subgraph) wantSeen(ctx context.Context, field string, ids ...gid.ID) error {
	sees, err := s.sees(ctx, ids...)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !sees(id) {
			return errNotSeen.At(field)
		}
	}
	return nil
}

// titlesSeen are those of the titles that the caller's profile may see.
func (s *Subgraph) titlesSeen(ctx context.Context, list []Title) ([]Title, error) {
	ids := make([]gid.ID, len(list))
	for i, t := range list {
		ids[i] = idOf(t)
	}
	sees, err := s.sees(ctx, ids...)
	if err != nil {
		return nil, err
	}
	out := make([]Title, 0, len(list))
	for i, t := range list {
		if sees(ids[i]) {
			out = append(out, t)
		}
	}
	return out, nil
}
