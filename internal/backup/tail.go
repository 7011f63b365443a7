package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/netflixathome/cinema/internal/eventlog"
)

// tailDump is what the log has and nobody has put away yet.
type tailDump struct {
	Records int64    `json:"records"`
	Parts   []string `json:"parts"` // of lines of JSON
}

type tailRecord struct {
	Topic string `json:"topic"`
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// appendBatch is how many records are appended at once.
const appendBatch = 5000

func saveTail(ctx context.Context, log *eventlog.Log, spans []eventlog.Span, t *Target) (tailDump, error) {
	var d tailDump
	p := newParts(ctx, t)
	lines := json.NewEncoder(p)
	for _, span := range spans {
		err := log.Read(ctx, span, func(r eventlog.Record) error {
			d.Records++
			return lines.Encode(tailRecord{Topic: r.Topic, Key: r.Key, Value: r.Value})
		})
		if err != nil {
			return d, err
		}
	}
	var err error
	d.Parts, err = p.Close()
	return d, err
}

// heldRecords says in words what the log has already; empty if nothing.
func heldRecords(ctx context.Context, log *eventlog.Log, readers map[string][]string) (string, error) {
	n, err := log.Held(ctx, readers)
	if err != nil || n == 0 {
		return "", err
	}
	return fmt.Sprintf("the event log has %d records", n), nil
}

func restoreTail(ctx context.Context, log *eventlog.Log, d tailDump, t *Target) error {
	r := newJoined(ctx, t, d.Parts)
	defer r.Close()
	lines := json.NewDecoder(r)
	var batch []eventlog.Message
	for n := int64(0); ; n++ {
		var record tailRecord
		err := lines.Decode(&record)
		if errors.Is(err, io.EOF) {
			if n != d.Records {
				return damaged(fmt.Errorf("%d records came of the log's tail, not %d", n, d.Records))
			}
			return log.Append(ctx, batch)
		}
		if err != nil {
			return damaged(err)
		}
		batch = append(batch, eventlog.Message{Topic: record.Topic, Key: record.Key, Value: record.Value})
		if len(batch) == appendBatch {
			if err := log.Append(ctx, batch); err != nil {
				return err
			}
			batch = nil
		}
	}
}
