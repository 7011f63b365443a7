package catalog_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	osexec "os/exec"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/etl/catalog"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/internal/search/bleve"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

const childEnv = "CINEMA_TEST_ETL_CHILD" // DSN

// TestChild is no test: it is the program that TestKilledForReal kills.
func TestChild(t *testing.T) {
	dsn := os.Getenv(childEnv)
	if dsn == "" {
		t.Skip("runs as the child of TestKilledForReal only")
	}
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	pool, err := pg.Open(ctx, dsn, 4)
	ok(t, err)
	x, err := bleve.Open(os.Getenv("CINEMA_TEST_ETL_DIR"), bleve.Options{Logger: log})
	ok(t, err)
	e, err := catalog.New(catalog.Deps{Pool: pool, Index: x, Log: log, Slot: os.Getenv("CINEMA_TEST_ETL_SLOT")})
	ok(t, err)
	ok(t, e.Run(ctx)) // until the kill
}

// Records change all the time while the process that carries them is killed
// again and again; in the end the index says what the tables say.
func TestKilledForReal(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills six processes")
	}
	h := newHouse(t, false)
	ctx := t.Context()
	dir := t.TempDir()
	var films []*admin.TitleRecord
	for i := range 20 {
		films = append(films, h.film(t, fmt.Sprint("film ", i), true))
	}
	n := 0
	change := func() {
		n++
		f := films[n%len(films)]
		var err error
		switch n % 7 {
		case 0:
			_, err = h.records.PublishTitles(ctx, []gid.ID{f.ID}, false)
		case 3:
			_, err = h.records.PublishTitles(ctx, []gid.ID{f.ID}, true)
		case 5:
			films = append(films, h.film(t, fmt.Sprint("new ", n), true))
		default:
			_, err = h.records.UpdateTitle(ctx, admin.UpdateTitleInput{ID: f.ID, OriginalName: set(ptr(fmt.Sprint("save ", n)))})
		}
		ok(t, err)
	}
	var confirmed, last string
	for round := range 6 {
		cmd := osexec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childEnv+"="+h.pool.Config().ConnString(), "CINEMA_TEST_ETL_DIR="+dir, "CINEMA_TEST_ETL_SLOT="+h.slot)
		ok(t, cmd.Start())
		// It must get somewhere before it is killed, each time at another point
		// of its work, and the changes never rest.
		deadline := time.Now().Add(30 * time.Second)
		for confirmed == last && time.Now().Before(deadline) {
			change()
			ok(t, h.pool.QueryRow(ctx, `SELECT coalesce((SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1), '')`, h.slot).Scan(&confirmed))
		}
		last = confirmed
		for range 5 * round {
			change()
		}
		ok(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
	}
	x, err := bleve.Open(dir, bleve.Options{Logger: h.log})
	ok(t, err)
	defer x.Close()
	e, err := catalog.New(catalog.Deps{Pool: h.pool, Index: x, Log: h.log, Slot: h.slot})
	ok(t, err)
	run, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = e.Run(run) }()
	defer func() { cancel(); <-done }()

	want := map[uuid.UUID]int64{}
	rows, err := h.pool.Query(ctx, `SELECT id, version FROM title WHERE status = 'published'`)
	ok(t, err)
	for rows.Next() {
		var id uuid.UUID
		var version int64
		ok(t, rows.Scan(&id, &version))
		want[id] = version
	}
	ok(t, rows.Err())
	ids := make([]uuid.UUID, len(films))
	for i, f := range films {
		ids[i] = f.ID.UUID
	}
	var wrong string
	for deadline := time.Now().Add(30 * time.Second); ; {
		got, err := x.TitlesByID(ctx, ids)
		ok(t, err)
		wrong = ""
		for _, id := range ids {
			switch d := got[id]; {
			case want[id] == 0 && d != nil:
				wrong = fmt.Sprintf("%s is hidden and in the index", id)
			case want[id] != 0 && (d == nil || d.Version != want[id]):
				wrong = fmt.Sprintf("%s: want version %d, got %v", id, want[id], d)
			}
		}
		if wrong == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %d changes: %s", n, wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("%d changes, six kills, %d titles, %d rebuilds after the last", n, len(want), e.Status().Rebuilds)
}
