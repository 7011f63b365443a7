package collectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/bus"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// WatchStore keeps where profiles stand. See subgraphs/telemetry/postgres.
type WatchStore interface {
	// Apply takes playback events, in any order and as often as they come, and
	// reports whether a viewing session changed.
	Apply(ctx context.Context, list []events.Event) (changed bool, err error)
	// Silent returns open sessions without a sign of life since before.
	Silent(ctx context.Context, before time.Time, limit int) ([]telemetry.Session, error)
}

const (
	watchGroup = "collector-watch"
	// silentAfter is how long a session may be without a sign of life: four
	// heartbeats and a little.
	silentAfter = 45 * time.Second
	sweepEvery  = 5 * time.Second
	sweepLimit  = 500
	// watchWait ends a batch: watch state is read by people who just paused.
	watchWait = 200 * time.Millisecond
	watchRows = 5_000
)

// Watch keeps watch state and viewing sessions, and ends those that fell silent.
type Watch struct {
	// Done is told of each batch; nil for nobody. Set it before Run.
	Done func(Batch)

	store WatchStore
	log   Log
	bus   bus.Bus
	slog  *slog.Logger
	now   func() time.Time
	// caughtUp is set while all that is in the log has been applied: only then
	// is silence the viewer's.
	caughtUp atomic.Bool
}

// NewWatch makes the collector; now may be nil for time.Now, the rest is required.
func NewWatch(store WatchStore, log Log, b bus.Bus, logger *slog.Logger, now func() time.Time) (*Watch, error) {
	if store == nil || log == nil || b == nil || logger == nil {
		return nil, errors.New("collectors: Watch needs a store, the event log, the bus and a logger")
	}
	if now == nil {
		now = time.Now
	}
	return &Watch{store: store, log: log, bus: b, slog: logger, now: now}, nil
}

// Run collects and sweeps until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	sweeping := make(chan struct{})
	go func() {
		defer close(sweeping)
		// Players that were cut off by a restart get the time to come back.
		timer := time.NewTimer(silentAfter)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			if w.caughtUp.Load() {
				if _, err := w.Sweep(ctx); err != nil && ctx.Err() == nil {
					w.slog.WarnContext(ctx, "silent viewing sessions could not be ended; tried again", "error", err)
				}
			}
			timer.Reset(sweepEvery)
		}
	}()
	err := w.log.Consume(ctx, eventlog.Reader{
		Group: watchGroup, Topics: []string{events.TopicPlayback}, MaxRecords: watchRows, MaxWait: watchWait,
		Handle: w.Handle, CaughtUp: w.caughtUp.Store,
	})
	<-sweeping
	return err
}

// Handle applies a batch. It may be called again with the same records. What
// cannot be read is left to Activity, which reads the same topic and keeps the
// dead letters.
func (w *Watch) Handle(ctx context.Context, batch []eventlog.Record) error {
	return observed("watch", w.Done, w.handle)(ctx, batch)
}

func (w *Watch) handle(ctx context.Context, batch []eventlog.Record, _ *Batch) error {
	list := make([]events.Event, 0, len(batch))
	for i := range batch {
		if e, err := read(batch[i].Value); err == nil {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return nil
	}
	changed, err := w.store.Apply(ctx, list)
	if err != nil {
		return err
	}
	if !changed {
		return nil
	}
	var silent []uuid.UUID
	for i := range list {
		if list[i].Name == events.PlayEnded && list[i].Reason == telemetry.ReasonSilence {
			silent = append(silent, list[i].SessionID)
		}
	}
	for first := true; first || len(silent) > 0; first = false {
		n := min(len(silent), 1000) // a message of the bus has 64 KiB
		c := telemetry.ViewingChange{Ended: silent[:n]}
		if n > 0 {
			c.Reason = telemetry.EndSilence
		}
		silent = silent[n:]
		b, err := json.Marshal(c)
		if err == nil {
			err = w.bus.Publish(ctx, telemetry.TopicViewing, b)
		}
		if err != nil { // a hint only
			w.slog.DebugContext(ctx, "bus", "topic", telemetry.TopicViewing, "error", err)
		}
	}
	return nil
}

// Sweep records the end of sessions that have been silent for 45 s and returns
// how many there were. The end goes through the log like every other fact; a
// second sweep before it has been applied writes it again with the same id.
func (w *Watch) Sweep(ctx context.Context) (int, error) {
	now := w.now()
	list, err := w.store.Silent(ctx, now.Add(-silentAfter), sweepLimit)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	messages := make([]eventlog.Message, 0, len(list))
	for _, s := range list {
		// A house that was closed for months still ends what was open then.
		at := s.LastSeenAt
		if oldest := now.Add(-events.MaxAge + events.MaxIDSkew); at.Before(oldest) {
			at, s.LastSeenAt = oldest, oldest.Truncate(time.Hour)
		}
		e := telemetry.EndEvent(s, at, now, telemetry.ReasonSilence)
		if err := e.Validate(); err != nil {
			return 0, fmt.Errorf("end of session %s: %w", s.ID, err)
		}
		messages = append(messages, eventlog.Message{Topic: e.Name.Topic(), Key: s.ID[:], Value: e.AppendJSON(nil)})
	}
	if err := w.log.Append(ctx, messages); err != nil {
		return 0, fmt.Errorf("end silent sessions: %w", err)
	}
	return len(list), nil
}
