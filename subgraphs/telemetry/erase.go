package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Erasure names a profile whose traces must go, and its account where all of
// that went. The auth service makes the list.
type Erasure struct {
	Number    int64     `json:"number"`
	AccountID uuid.UUID `json:"account"`
	ProfileID uuid.UUID `json:"profile"`
	At        time.Time `json:"at"`
	// Passes is how often it was done.
	Passes int `db:"passes" json:"-"`
	// DueAt is when it is done again; nil for never.
	DueAt *time.Time `db:"-" json:"-"`
}

// EraseStore keeps which erasures there are and how far they have come.
type EraseStore interface {
	// ErasedUpTo is the highest number of an erasure from before a moment.
	ErasedUpTo(ctx context.Context, before time.Time) (int64, error)
	// NoteErasures writes down those that are new: nothing of theirs gets in
	// from then on.
	NoteErasures(ctx context.Context, list []Erasure) error
	// DueErasures returns up to limit that are to be done at a moment.
	DueErasures(ctx context.Context, now time.Time, limit int) ([]Erasure, error)
	// Erase deletes what profiles watched, listed and rated.
	Erase(ctx context.Context, profiles []uuid.UUID) error
	// EndPass writes down passes and when they are due again.
	EndPass(ctx context.Context, list []Erasure) error
}

// EventEraser makes events nobody's: each profile and account of the maps gets
// another identifier, which leads to no one.
type EventEraser interface {
	Anonymise(ctx context.Context, profiles, accounts map[uuid.UUID]uuid.UUID) error
}

const (
	eraseEvery = 10 * time.Second
	eraseBatch = 500
	// eraseOverlap is what of the list is read again: its numbers may appear out
	// of order, by as long as a transaction lasts.
	eraseOverlap = time.Hour
)

// erasePauses are from one pass to the next. What was in the event log or in a
// transaction during a pass is found by a later one.
var erasePauses = []time.Duration{10 * time.Minute, 24 * time.Hour}

// Eraser forgets people whose accounts or profiles were deleted.
type Eraser struct {
	load   func(ctx context.Context, after int64) ([]Erasure, error)
	store  EraseStore
	events EventEraser
	log    *slog.Logger
	now    func() time.Time
}

// NewEraser makes one. load gives the auth service's list, oldest first, after a
// number; events may be nil where there are no statistics, now for time.Now.
func NewEraser(load func(ctx context.Context, after int64) ([]Erasure, error), store EraseStore, events EventEraser, log *slog.Logger, now func() time.Time) (*Eraser, error) {
	if load == nil || store == nil || log == nil {
		return nil, errors.New("telemetry: an eraser needs the list, a store and a logger")
	}
	if now == nil {
		now = time.Now
	}
	return &Eraser{load: load, store: store, events: events, log: log, now: now}, nil
}

// Run erases until ctx ends.
func (e *Eraser) Run(ctx context.Context) error {
	ticker := time.NewTicker(eraseEvery)
	defer ticker.Stop()
	for {
		if err := e.Once(ctx); err != nil && ctx.Err() == nil {
			e.log.WarnContext(ctx, "people who were deleted are not all erased; tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Once takes in what is new and does what is due. It can be repeated, and goes
// on where a kill left it.
func (e *Eraser) Once(ctx context.Context) error {
	if err := e.takeIn(ctx); err != nil {
		return err
	}
	for {
		due, err := e.store.DueErasures(ctx, e.now(), eraseBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := e.pass(ctx, due); err != nil {
			return err
		}
		if len(due) < eraseBatch {
			return nil
		}
	}
}

func (e *Eraser) takeIn(ctx context.Context) error {
	after, err := e.store.ErasedUpTo(ctx, e.now().Add(-eraseOverlap))
	if err != nil {
		return err
	}
	for {
		list, err := e.load(ctx, after)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := e.store.NoteErasures(ctx, list); err != nil {
			return err
		}
		after = list[len(list)-1].Number
	}
}

func (e *Eraser) pass(ctx context.Context, due []Erasure) error {
	ids := make([]uuid.UUID, len(due))
	profiles, accounts := map[uuid.UUID]uuid.UUID{}, map[uuid.UUID]uuid.UUID{}
	for i, d := range due {
		ids[i] = d.ProfileID
		profiles[d.ProfileID] = uuid.New()
		if d.AccountID != uuid.Nil {
			accounts[d.AccountID] = uuid.New()
		}
	}
	if err := e.store.Erase(ctx, ids); err != nil {
		return err
	}
	now := e.now()
	if e.events != nil {
		if err := e.events.Anonymise(ctx, profiles, accounts); err != nil {
			return err
		}
	}
	for i := range due {
		d := &due[i]
		switch next := now.Add(erasePauses[len(erasePauses)-1]); {
		case e.events == nil:
			d.DueAt = &next // the events wait in the log, and it for them
		case d.Passes < len(erasePauses):
			next = now.Add(erasePauses[d.Passes])
			d.Passes++
			d.DueAt = &next
		default:
			d.Passes++
		}
	}
	return e.store.EndPass(ctx, due)
}

// maxErasures bounds the list of one answer, in bytes.
const maxErasures = 1 << 20

// LoadErasuresHTTP returns a load for NewEraser that asks the auth service at
// base.
func LoadErasuresHTTP(client *http.Client, base string) func(ctx context.Context, after int64) ([]Erasure, error) {
	return func(ctx context.Context, after int64) ([]Erasure, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/erasures.json?after="+strconv.FormatInt(after, 10), nil)
		if err != nil {
			return nil, fmt.Errorf("telemetry: erasures: %w", err)
		}
		res, err := client.Do(r)
		if err != nil {
			return nil, fmt.Errorf("telemetry: erasures: %w", err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("telemetry: erasures: the auth service answers %s", res.Status)
		}
		var list []Erasure
		if err := json.NewDecoder(io.LimitReader(res.Body, maxErasures)).Decode(&list); err != nil {
			return nil, fmt.Errorf("telemetry: erasures: %w", err)
		}
		return list, nil
	}
}
