package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// GoneProfile is a profile that was deleted, by itself or with its account.
type GoneProfile struct {
	ID uuid.UUID `json:"id"`
	At time.Time `json:"at"`
	// AccountID is of one that went with its account; Nil where that stays.
	AccountID uuid.UUID `json:"account"`
	// Passes is how often its events were made nobody's.
	Passes int `json:"-"`
}

const (
	// eraseEvery is how often deleted profiles are asked for, since the bus may
	// lose the news.
	eraseEvery = time.Minute
	// eraseAgain is how far back they are asked for each time: what was written
	// with a token of the profile, or by a transaction begun before, goes too.
	eraseAgain = 10 * time.Minute
	// claimFor bounds a pass over the events of deleted accounts, which no other
	// instance does meanwhile.
	claimFor   = 10 * time.Minute
	claimBatch = 500
)

// passPauses are from one pass over the events of a deleted account to the next:
// one finds what was in the event log during the one before.
var passPauses = []time.Duration{10 * time.Minute, 24 * time.Hour}

// Erase deletes what is kept of profiles that were deleted, now and whenever
// news of one comes, until ctx ends. Where the account stays, its statistics keep
// what was watched under the profile's number, which no name belongs to any more;
// where it went too, its events become nobody's.
func (s *Subgraph) Erase(ctx context.Context) error {
	var anonymising sync.WaitGroup
	defer anonymising.Wait()
	erased := make(chan struct{}, 1)
	if s.Anonymise != nil {
		anonymising.Go(func() { s.anonymise(ctx, erased) })
	}
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
		case erased <- struct{}{}:
		default:
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

// anonymise makes the events of deleted accounts nobody's until ctx ends. It
// waits for the statistics, and erasing does not wait for it.
func (s *Subgraph) anonymise(ctx context.Context, erased <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-erased:
		}
		if err := s.AnonymiseDue(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "events of deleted accounts still say whose they were; tried again", "error", err)
		}
	}
}

// AnonymiseDue makes the events of deleted accounts nobody's that are due at this
// moment. It goes on where a kill left it, when the claim is over.
func (s *Subgraph) AnonymiseDue(ctx context.Context) error {
	for {
		due, err := s.Store.ClaimGone(ctx, s.now(), s.now().Add(claimFor), claimBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := s.anonymisePass(ctx, due); err != nil {
			return err
		}
		if len(due) < claimBatch {
			return nil
		}
	}
}

// anonymisePass gives each profile and account an identifier that is kept
// nowhere, and says when it is done again.
func (s *Subgraph) anonymisePass(ctx context.Context, due []GoneProfile) error {
	ctx, cancel := context.WithTimeout(ctx, claimFor)
	defer cancel()
	profiles, accounts := map[uuid.UUID]uuid.UUID{}, map[uuid.UUID]uuid.UUID{}
	for _, g := range due {
		profiles[g.ID], accounts[g.AccountID] = uuid.New(), uuid.New()
	}
	if err := s.Anonymise(ctx, profiles, accounts); err != nil {
		return fmt.Errorf("events of %d deleted accounts: %w", len(accounts), err)
	}
	ids, next := make([]uuid.UUID, len(due)), make([]*time.Time, len(due))
	for i, g := range due {
		ids[i] = g.ID
		if g.Passes < len(passPauses) {
			at := s.now().Add(passPauses[g.Passes])
			next[i] = &at
		}
	}
	return s.Store.EndPass(ctx, ids, next)
}
