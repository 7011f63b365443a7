package backup

import (
	"context"

	"github.com/netflixathome/cinema/internal/blob"
)

// OpenCheaply is Open with a passphrase that costs next to nothing in a new
// target. One of the real cost takes ten seconds under the race detector.
func OpenCheaply(ctx context.Context, store blob.Store, name, key string, create bool) (*Target, error) {
	return open(ctx, store, name, key, create, 8)
}
