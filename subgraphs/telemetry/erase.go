package telemetry

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// GoneProfile is a profile that its owner deleted.
type GoneProfile struct {
	ID uuid.UUID
	At time.Time
}

const (
	// eraseEvery is how often deleted profiles are asked for, since the bus may
	// lose the news.
	eraseEvery = time.Minute
	// eraseAgain is how far back they are asked for each time: what was written
	// with a token of the profile, or by a transaction begun before, goes too.
	eraseAgain = 10 * time.Minute
)

// Erase deletes what is kept of profiles that were deleted, now and whenever
// news of one comes, until ctx ends. Statistics keep what was watched under the
// profile's number, which nobody's name belongs to any more.
func (s *Subgraph) Erase(ctx context.Context) error {
	var news <-chan []byte
	tick := time.NewTicker(eraseEvery)
	defer tick.Stop()
	for {
		if news == nil {
			c, err := s.Bus.Subscribe(ctx, s.GoneTopic)
			if err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "bus: cannot listen; deleted profiles are asked for each minute", "error", err)
			}
			if err == nil {
				news = c
			}
		}
		if err := s.eraseOnce(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "what is kept of deleted profiles could not be erased; tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case _, ok := <-news:
			if !ok {
				news = nil
				select { // do not spin while the bus is away
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		}
	}
}

func (s *Subgraph) eraseOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	at, err := s.Store.LastErased(ctx)
	if err != nil {
		return err
	}
	if !at.IsZero() {
		at = at.Add(-eraseAgain)
	}
	id := uuid.Nil
	for {
		gone, err := s.Gone(ctx, at, id)
		if err != nil || len(gone) == 0 {
			return err
		}
		if err := s.Store.Erase(ctx, gone); err != nil {
			return err
		}
		last := gone[len(gone)-1]
		at, id = last.At, last.ID
	}
}
