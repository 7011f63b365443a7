package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
)

const (
	// activityGroup is the consumer group that writes ClickHouse.
	activityGroup = "collector-activity"
	// maxRows and maxWait end a batch: large enough for ClickHouse, soon
	// enough that an event can be queried within a second.
	maxRows = 20_000
	maxWait = 500 * time.Millisecond
	// parallel batches are handled at once: one is read while ClickHouse takes
	// another, and their order is of no account, see insert.
	parallel = 2
)

// Log is the event log as the collectors use it.
type Log interface {
	Append(ctx context.Context, list []eventlog.Message) error
	Consume(ctx context.Context, r eventlog.Reader) error
}

// Activity copies the event log into ClickHouse.
type Activity struct {
	// Done is told of each batch, maybe by two at once; nil for nobody. Set it
	// before Run.
	Done func(Batch)

	db     *ch.DB
	log    Log
	slog   *slog.Logger
	roller *Roller
}

// NewActivity makes the collector; all arguments are required.
func NewActivity(db *ch.DB, log Log, logger *slog.Logger) (*Activity, error) {
	if db == nil || log == nil || logger == nil {
		return nil, errors.New("collectors: Activity needs ClickHouse, the event log and a logger")
	}
	roller, err := NewRoller(db, logger)
	if err != nil {
		return nil, err
	}
	return &Activity{db: db, log: log, slog: logger, roller: roller}, nil
}

// Run brings ClickHouse's tables up to date, however long it takes to answer,
// and then collects and rolls up until ctx ends. Meanwhile events wait in the log.
// Tables of a newer program are refused.
func (a *Activity) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	usable := make(chan error, 1)
	wg.Go(func() { a.migrate(ctx, usable) })
	select {
	case <-ctx.Done():
		return nil
	case err := <-usable:
		if err != nil {
			return err
		}
	}
	wg.Go(func() { a.roller.Run(ctx) })
	return a.log.Consume(ctx, eventlog.Reader{
		Group: activityGroup, Topics: events.Topics(), MaxRecords: maxRows, MaxWait: maxWait, Parallel: parallel, Handle: a.Handle,
	})
}

// migrate says once when events can be stored, or why they never can, and ends
// when every server is up to date: one that was away is seen to when it is back.
func (a *Activity) migrate(ctx context.Context, usable chan<- error) {
	used := false
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := a.db.Migrate(ctx)
		if ctx.Err() != nil {
			return
		}
		newer, partial := new(ch.NewerError), new(ch.PartialError)
		if !used && errors.As(err, &newer) {
			usable <- err
			return
		}
		if !used && (err == nil || errors.As(err, &partial)) {
			used = true
			usable <- nil
		}
		if err == nil {
			return
		}
		if used {
			a.slog.WarnContext(ctx, "a server of ClickHouse is away; events are counted without it", "error", err, "retry", wait)
		} else {
			a.slog.WarnContext(ctx, "ClickHouse is not ready; events wait in the log", "error", err, "retry", wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// row is an event on its way, with the place it came from.
type row struct {
	event  events.Event
	record *eventlog.Record
}

// Handle stores a batch. When it returns nil every record is in ClickHouse or
// among the dead letters. It may be called again with the same records.
func (a *Activity) Handle(ctx context.Context, batch []eventlog.Record) error {
	return observed("activity", a.Done, a.handle)(ctx, batch)
}

func (a *Activity) handle(ctx context.Context, batch []eventlog.Record, seen *Batch) error {
	rows, why := decode(batch)
	var dead []eventlog.Message
	kept := rows[:0]
	for i := range rows {
		if why[i] == nil {
			kept = append(kept, rows[i])
			continue
		}
		letter, err := deadLetter(rows[i].record, why[i])
		if err != nil {
			return err
		}
		dead = append(dead, letter)
	}
	rows = kept
	refused, err := a.store(ctx, rows)
	if err != nil {
		return err
	}
	dead = append(dead, refused...)
	if len(dead) > 0 {
		a.slog.WarnContext(ctx, "events went to the dead letters", "count", len(dead))
		if err := a.log.Append(ctx, dead); err != nil {
			return fmt.Errorf("dead letters: %w", err)
		}
		seen.Dead = reasons(dead)
	}
	return a.markDirty(ctx, rows)
}

// decode reads a batch on all cores, for meanwhile nothing else of it can be
// done, and half of what a batch costs here is the reading of JSON. Each row has
// the reason why it is none, or nil.
func decode(batch []eventlog.Record) ([]row, []error) {
	rows, why := make([]row, len(batch)), make([]error, len(batch))
	var wg sync.WaitGroup
	each := max(1000, (len(batch)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	for from := 0; from < len(batch); from += each {
		wg.Go(func() {
			for i := from; i < min(from+each, len(batch)); i++ {
				rows[i].record = &batch[i]
				rows[i].event, why[i] = read(batch[i].Value)
			}
		})
	}
	wg.Wait()
	return rows, why
}

// read decodes and checks an event; its error is final.
func read(value []byte) (events.Event, error) {
	e, err := events.Decode(value)
	if err == nil {
		err = e.Validate()
	}
	return e, err
}

func deadLetter(r *eventlog.Record, why error) (eventlog.Message, error) {
	d := events.DeadLetter{
		Version: 1, Reason: "REFUSED", Message: why.Error(), At: time.Now().UTC(),
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value,
	}
	if bad, ok := events.AsInvalid(why); ok {
		d.Reason, d.Message = bad.Code, bad.Message
	}
	if len(d.Value) > 256<<10 { // base64 of it must stay below the broker's limit
		d.Value = d.Value[:256<<10]
	}
	b, err := d.Encode()
	return eventlog.Message{Topic: events.TopicDead, Key: r.Key, Value: b}, err
}

// store inserts the rows. When ClickHouse refuses the data itself, halves of
// the batch are tried until the rows at fault stand alone; those come back as
// dead letters. Copies that a half-done attempt leaves are the same rows again.
func (a *Activity) store(ctx context.Context, rows []row) ([]eventlog.Message, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	err := a.insert(ctx, rows)
	if err == nil || !ch.IsRefused(err) {
		return nil, err
	}
	if len(rows) == 1 {
		letter, err := deadLetter(rows[0].record, err)
		return []eventlog.Message{letter}, err
	}
	left, err := a.store(ctx, rows[:len(rows)/2])
	if err != nil {
		return nil, err
	}
	right, err := a.store(ctx, rows[len(rows)/2:])
	return append(left, right...), err
}

// markDirty notes the days whose rollups are now behind. A kill between the
// insert and this leaves the offsets uncommitted, and the replay marks them.
func (a *Activity) markDirty(ctx context.Context, rows []row) error {
	days := map[time.Time]bool{}
	for i := range rows {
		day := dayOf(rows[i].event.At)
		days[day] = true
		// What is watched over midnight counts where its interval ends: an event
		// that comes late to the end of a day can open one.
		if next := dayOf(rows[i].event.At.Add(maxGap)); next != day {
			days[next] = true
		}
	}
	if len(days) == 0 {
		return nil
	}
	err := a.db.Insert(ctx, "INSERT INTO dirty_day (day, token, sign)", func(b driver.Batch) error {
		for day := range days {
			token, err := uuid.NewV7() // its time is that of the mark, see Roll
			if err != nil {
				return err
			}
			if err := b.Append(day, token, int8(1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mark days: %w", err)
	}
	return nil
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// columns is the order in which insert fills activity_event.
const columns = `INSERT INTO activity_event (
	id, session_id, user_id, profile_id, playable_id, title_id,
	id_day, day, at, client_at, received_at,
	name, playable_kind, title_kind, device_kind, device_system, device_browser, locale,
	rendition, subtitle, reason, code, page, origin, query, filters,
	demo, playing, listed, rate, rating, version, keep,
	position_ms, duration_ms, from_ms, first_frame_ms, stalled_ms, watched_ms, buffered_ms,
	results, elapsed_ms, rank, every_ms)`

// insert sends the rows as one block, column by column, which costs a fraction
// of appending row by row.
func (a *Activity) insert(ctx context.Context, rows []row) error {
	// Copies are told apart when the table is read and merged. To look for them
	// within a block as well took the server 1 to 3 µs a row.
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"optimize_on_insert": 0}))
	err := a.db.Insert(ctx, columns, func(b driver.Batch) error {
		f := filler{b: b, columns: b.Columns(), rows: rows}
		fill(&f, func(e *events.Event) uuid.UUID { return e.ID })
		fill(&f, func(e *events.Event) uuid.UUID { return e.SessionID })
		fill(&f, func(e *events.Event) uuid.UUID { return e.UserID })
		fill(&f, func(e *events.Event) uuid.UUID { return e.ProfileID })
		fill(&f, func(e *events.Event) uuid.UUID { return e.Playable.UUID })
		fill(&f, func(e *events.Event) uuid.UUID { return e.Title.UUID })
		fill(&f, func(e *events.Event) time.Time { return dayOf(events.TimeOf(e.ID)) })
		fill(&f, func(e *events.Event) time.Time { return dayOf(e.At) })
		fill(&f, func(e *events.Event) time.Time { return e.At })
		fill(&f, func(e *events.Event) time.Time { return e.ClientAt })
		fill(&f, func(e *events.Event) time.Time { return e.ReceivedAt })
		words(&f, func(e *events.Event) string { return string(e.Name) })
		words(&f, func(e *events.Event) string { return kindText(e.Playable) })
		words(&f, func(e *events.Event) string { return kindText(e.Title) })
		words(&f, func(e *events.Event) string { return e.Device.Kind })
		words(&f, func(e *events.Event) string { return e.Device.System })
		words(&f, func(e *events.Event) string { return e.Device.Browser })
		words(&f, func(e *events.Event) string { return e.Locale })
		words(&f, func(e *events.Event) string { return e.Rendition })
		words(&f, func(e *events.Event) string { return e.Subtitle })
		words(&f, func(e *events.Event) string { return e.Reason })
		words(&f, func(e *events.Event) string { return e.Code })
		fill(&f, func(e *events.Event) string { return e.Page })
		words(&f, func(e *events.Event) string { return e.Origin })
		fill(&f, func(e *events.Event) string { return e.Query })
		fill(&f, func(e *events.Event) string { return e.Filters })
		fill(&f, func(e *events.Event) bool { return e.Demo })
		fill(&f, func(e *events.Event) bool { return e.Playing })
		fill(&f, func(e *events.Event) bool { return e.On })
		fill(&f, func(e *events.Event) float64 { return e.Rate })
		fill(&f, func(e *events.Event) uint8 { return uint8(e.Rating) })
		fill(&f, func(e *events.Event) uint16 { return uint16(e.Version) })
		fill(&f, func(e *events.Event) uint64 { return uint64(math.MaxInt64 - e.ReceivedAt.UnixMicro()) })
		for _, get := range []func(e *events.Event) int{
			func(e *events.Event) int { return e.PositionMs },
			func(e *events.Event) int { return e.DurationMs },
			func(e *events.Event) int { return e.FromMs },
			func(e *events.Event) int { return e.FirstFrameMs },
			func(e *events.Event) int { return e.StalledMs },
			func(e *events.Event) int { return e.WatchedMs },
			func(e *events.Event) int { return e.BufferedMs },
			func(e *events.Event) int { return e.Results },
			func(e *events.Event) int { return e.ElapsedMs },
			func(e *events.Event) int { return e.Rank },
			func(e *events.Event) int { return e.EveryMs },
		} {
			fill(&f, func(e *events.Event) uint32 { return uint32(get(e)) })
		}
		return f.err
	})
	if err != nil {
		return fmt.Errorf("insert %d events: %w", len(rows), err)
	}
	return nil
}

func kindText(id gid.ID) string { return string(id.Kind) }

// filler appends columns in turn; the first error stays.
type filler struct {
	b       driver.Batch
	columns []column.Interface
	rows    []row
	n       int
	err     error

	// What words uses again for each column.
	numbers []uint32
	buffer  []byte
	source  bytes.Reader
	reader  *proto.Reader
}

func fill[T any](f *filler, get func(*events.Event) T) {
	if f.err != nil {
		return
	}
	column := make([]T, len(f.rows))
	for i := range f.rows {
		column[i] = get(&f.rows[i].event)
	}
	f.err = f.b.Column(f.n).Append(column)
	f.n++
}
