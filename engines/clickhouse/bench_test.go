package clickhouse_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// BenchmarkInsert writes events of a plausible shape in batches of 10,000, one
// batch an iteration, durably, and reports what the server holds in memory
// afterwards.
func BenchmarkInsert(b *testing.B) {
	opt := options(b, b.TempDir())
	s, _ := start(b, opt)
	conn := open(b, s.Address())
	ctx := b.Context()
	if err := conn.Exec(ctx, `CREATE TABLE raw (id UUID, name LowCardinality(String), at DateTime64(3, 'UTC'),
		session UUID, profile UUID, title UUID, position UInt32, payload String)
		ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(at) ORDER BY (name, at, id)`); err != nil {
		b.Fatal(err)
	}
	const rows = 10_000
	session, profile, title := uuid.New(), uuid.New(), uuid.New()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO raw")
		if err != nil {
			b.Fatal(err)
		}
		for i := range rows {
			at = at.Add(time.Millisecond)
			if err := batch.Append(uuid.Must(uuid.NewV7()), "heartbeat", at, session, profile, title, uint32(i), `{"playing":true,"rate":1}`); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.State().PID), "status"))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "RssAnon:" || f[0] == "VmRSS:") {
			kb, _ := strconv.Atoi(f[1])
			b.ReportMetric(float64(kb)/1024, strings.TrimSuffix(f[0], ":")+"-MB")
		}
	}
}
