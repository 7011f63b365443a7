// Package resolver answers the admin subgraph's fields. It binds the schema to
// records and uploads and decides nothing itself.
package resolver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	graph "github.com/netflixathome/cinema/graph/admin"
	"github.com/netflixathome/cinema/internal/bus"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
	"github.com/netflixathome/cinema/subgraphs/admin/uploads"
)

// Deps of New; all are required.
type Deps struct {
	Records *records.Service
	Uploads *uploads.Uploads
	Demo    admin.Demo
	Signer  admin.URLSigner
	Bus     bus.Bus
	Log     *slog.Logger
	// Loaded is told of each batch of a dataloader; may be nil.
	Loaded func(ctx context.Context, loader string, keys int)
}

// Resolver is the root of the subgraph's resolvers.
type Resolver struct {
	// LoadWait is how long a loader collects keys before it asks the store;
	// New sets a millisecond.
	LoadWait time.Duration

	records *records.Service
	uploads *uploads.Uploads
	demo    admin.Demo
	signer  admin.URLSigner
	bus     bus.Bus
	log     *slog.Logger
	loaded  func(ctx context.Context, loader string, keys int)
}

var _ graph.ResolverRoot = (*Resolver)(nil)

// New refuses missing dependencies. Its Prepare must be given to gqlserver.
func New(d Deps) (*Resolver, error) {
	if d.Records == nil || d.Uploads == nil || d.Demo == nil || d.Signer == nil || d.Bus == nil || d.Log == nil {
		return nil, errors.New("admin/resolver: Records, Uploads, Demo, Signer, Bus and Log are required")
	}
	if d.Loaded == nil {
		d.Loaded = func(context.Context, string, int) {}
	}
	return &Resolver{LoadWait: loadWait, loaded: d.Loaded, records: d.Records, uploads: d.Uploads, demo: d.Demo, signer: d.Signer, bus: d.Bus, log: d.Log}, nil
}

// Prepare gives a request its loaders; it is gqlserver.Options.Prepare.
func (r *Resolver) Prepare(ctx context.Context, _ *http.Request, _ http.ResponseWriter) context.Context {
	return context.WithValue(ctx, loadersKey{}, newLoaders(r))
}

// pictureURL signs the stored width that is the smallest to fill the wanted
// one, or the largest there is.
func (r *Resolver) pictureURL(image *admin.Image, width *int, otherwise int) *string {
	if image == nil || len(image.Widths) == 0 {
		return nil
	}
	want := otherwise
	if width != nil && *width > 0 {
		want = *width
	}
	best := image.Widths[0]
	for _, w := range image.Widths {
		if w >= want && (best < want || w < best) || w < want && best < want && w > best {
			best = w
		}
	}
	url := r.signer.SignStable(image.Prefix + "/" + strconv.Itoa(best) + ".jpg")
	if url == "" {
		return nil
	}
	return &url
}

func pageInfo[T any](p *records.Page[T], after *string) *graph.PageInfo {
	info := &graph.PageInfo{HasNextPage: p.HasNext, HasPreviousPage: after != nil && *after != ""}
	if n := len(p.Cursors); n > 0 {
		info.StartCursor, info.EndCursor = &p.Cursors[0], &p.Cursors[n-1]
	}
	return info
}

func plain(ids []*gid.ID) []gid.ID {
	out := make([]gid.ID, len(ids))
	for i, id := range ids {
		out[i] = *id
	}
	return out
}
