package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/netflixathome/cinema/internal/ch"
)

// pageRows is how many events are asked for at once: some ten megabytes.
const pageRows = 20_000

// eventsDump is what was put away of the log: the raw events, each once. The
// rollups are made from them.
type eventsDump struct {
	Version int64     `json:"version"` // of the tables
	Columns []string  `json:"columns"`
	Days    []dayDump `json:"days"`
}

type dayDump struct {
	Day         string   `json:"day"` // inside the ids
	Rows        uint64   `json:"rows"`
	Fingerprint uint64   `json:"fingerprint"`
	Parts       []string `json:"parts"` // of lines of JSON, an array each
}

func (e *eventsDump) rows() int64 {
	if e == nil {
		return 0
	}
	var n uint64
	for _, d := range e.Days {
		n += d.Rows
	}
	return int64(n)
}

// saveEvents saves day by day. A day that is as it was in the earlier backup,
// by its number of rows and a checksum made in the server, is not read.
func saveEvents(ctx context.Context, db *ch.DB, t *Target, before *Content) (*eventsDump, error) {
	e := &eventsDump{}
	var there uint64
	if err := db.Row(ctx, []any{&there}, `SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'activity_event'`); err != nil {
		return nil, err
	}
	if there == 0 {
		return e, nil // no collector has run yet
	}
	if err := db.Row(ctx, []any{&e.Version}, `SELECT max(version_id) FROM merge(currentDatabase(), '^goose_analytics(_local)?$') WHERE is_applied = 1`); err != nil {
		return nil, err
	}
	var columns []struct {
		Name string `ch:"name"`
	}
	if err := db.Select(ctx, &columns, `SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'activity_event'
		AND default_kind NOT IN ('MATERIALIZED', 'ALIAS', 'EPHEMERAL') ORDER BY position`); err != nil {
		return nil, err
	}
	for _, c := range columns {
		e.Columns = append(e.Columns, c.Name)
	}
	var days []struct {
		Day time.Time `ch:"id_day"`
	}
	if err := db.Select(ctx, &days, `SELECT DISTINCT id_day FROM activity_event ORDER BY id_day`); err != nil {
		return nil, err
	}
	old := map[string]dayDump{}
	if before.Events != nil && strings.Join(before.Events.Columns, " ") == strings.Join(e.Columns, " ") {
		for _, d := range before.Events.Days {
			old[d.Day] = d
		}
	}
	for _, day := range days {
		d := dayDump{Day: day.Day.Format(time.DateOnly)}
		if err := db.Row(ctx, []any{&d.Rows, &d.Fingerprint}, `SELECT count(), groupBitXor(cityHash64(`+strings.Join(e.Columns, ", ")+`))
			FROM activity_event FINAL WHERE id_day = toDate(@day)`, ch.Named("day", d.Day)); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Day, err)
		}
		if o, ok := old[d.Day]; ok && o.Rows == d.Rows && o.Fingerprint == d.Fingerprint && t.reuse(o.Parts) {
			e.Days = append(e.Days, o)
			continue
		}
		if err := saveDay(ctx, db, t, e.Columns, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Day, err)
		}
		if d.Rows > 0 {
			e.Days = append(e.Days, d)
		}
	}
	return e, nil
}

// saveDay reads the events in the order of their key, page by page. What comes
// meanwhile may be among them or not: all before the moment is there already.
func saveDay(ctx context.Context, db *ch.DB, t *Target, columns []string, d *dayDump) error {
	p := newParts(ctx, t)
	d.Rows = 0
	last, more := "00000000-0000-0000-0000-000000000000", true
	for more {
		var page []struct {
			Line string `ch:"line"`
			ID   string `ch:"event"`
		}
		err := db.Select(ctx, &page, `SELECT formatRowNoNewline('JSONCompactEachRow', `+strings.Join(columns, ", ")+`) AS line, toString(id) AS event
			FROM activity_event FINAL WHERE id_day = toDate(@day) AND id > toUUID(@last) ORDER BY id LIMIT @page`,
			ch.Named("day", d.Day), ch.Named("last", last), ch.Named("page", pageRows))
		if err != nil {
			return err
		}
		for i := range page {
			if _, err := io.WriteString(p, page[i].Line+"\n"); err != nil {
				return err
			}
			last = page[i].ID
		}
		d.Rows += uint64(len(page))
		more = len(page) == pageRows
	}
	var err error
	d.Parts, err = p.Close()
	return err
}

// heldEvents says in words what events there are already; empty if none.
func heldEvents(ctx context.Context, db *ch.DB) (string, error) {
	var n uint64
	if err := db.Row(ctx, []any{&n}, `SELECT count() FROM activity_event FINAL`); err != nil || n == 0 {
		return "", err
	}
	return fmt.Sprintf("ClickHouse has %d events", n), nil
}

// restoreEvents puts the events back and marks their days, so that the
// collector makes the rollups anew.
func restoreEvents(ctx context.Context, db *ch.DB, e *eventsDump, t *Target) error {
	insert := "INSERT INTO activity_event (" + strings.Join(e.Columns, ", ") + ")"
	for _, d := range e.Days {
		if err := restoreDay(ctx, db, insert, d, t); err != nil {
			return fmt.Errorf("%s: %w", d.Day, err)
		}
	}
	if len(e.Days) == 0 {
		return nil
	}
	return db.Exec(ctx, `INSERT INTO dirty_day (day, token, sign) SELECT day, generateUUIDv7(), 1 FROM (SELECT DISTINCT day FROM activity_event)`)
}

func restoreDay(ctx context.Context, db *ch.DB, insert string, d dayDump, t *Target) error {
	r := newJoined(ctx, t, d.Parts)
	defer r.Close()
	lines := json.NewDecoder(r)
	rows := uint64(0)
	for more := true; more; {
		page := make([][]json.RawMessage, 0, pageRows)
		for len(page) < pageRows {
			var line []json.RawMessage
			err := lines.Decode(&line)
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			if err != nil {
				return damaged(err)
			}
			page = append(page, line)
		}
		if len(page) == 0 {
			break
		}
		rows += uint64(len(page))
		if err := db.Insert(ctx, insert, func(b driver.Batch) error { return appendLines(b, page) }); err != nil {
			return err
		}
	}
	if rows != d.Rows {
		return fmt.Errorf("%d events came, the backup has %d: it is damaged", rows, d.Rows)
	}
	return nil
}

func appendLines(b driver.Batch, page [][]json.RawMessage) error {
	columns := b.Columns()
	row := make([]any, len(columns))
	for _, line := range page {
		if len(line) != len(columns) {
			return damaged(fmt.Errorf("an event has %d columns, not %d", len(line), len(columns)))
		}
		for i, c := range columns {
			v, err := value(c, line[i])
			if err != nil {
				return damaged(fmt.Errorf("column %s: %w", c.Name(), err))
			}
			row[i] = v
		}
		if err := b.Append(row...); err != nil {
			return err
		}
	}
	return nil
}

// value is what the column takes: numbers as its own type; what JSON has no type
// for (ids, days, times) as text, which the column reads.
func value(c column.Interface, raw json.RawMessage) (any, error) {
	kind := c.ScanType()
	if kind != nil {
		switch kind.Kind() {
		case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
			if len(raw) > 1 && raw[0] == '"' { // 64-bit numbers may come quoted
				raw = raw[1 : len(raw)-1]
			}
			v := reflect.New(kind)
			err := json.Unmarshal(raw, v.Interface())
			return v.Elem().Interface(), err
		}
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}
