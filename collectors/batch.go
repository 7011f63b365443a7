package collectors

import (
	"context"
	"encoding/json"
	"time"

	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
)

// Batch is what is known of a batch of records that was handled.
type Batch struct {
	Collector string // activity or watch
	Records   int
	Oldest    time.Time // when the oldest record was written; zero when none says
	Took      time.Duration
	Dead      map[string]int // dead letters by reason
	Err       error          // it will be handled again
}

// observed is handle, which tells done of each batch.
func observed(collector string, done func(Batch), handle func(context.Context, []eventlog.Record, *Batch) error) func(context.Context, []eventlog.Record) error {
	return func(ctx context.Context, records []eventlog.Record) error {
		b := Batch{Collector: collector, Records: len(records)}
		for i := range records {
			if at := records[i].At; !at.IsZero() && (b.Oldest.IsZero() || at.Before(b.Oldest)) {
				b.Oldest = at
			}
		}
		began := time.Now()
		b.Err = handle(ctx, records, &b)
		b.Took = time.Since(began)
		if done != nil {
			done(b)
		}
		return b.Err
	}
}

// reasons counts dead letters by why they are dead.
func reasons(letters []eventlog.Message) map[string]int {
	out := map[string]int{}
	for _, m := range letters {
		var d events.DeadLetter
		if json.Unmarshal(m.Value, &d) == nil {
			out[d.Reason]++
		}
	}
	return out
}
