package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/search"
)

// Name is that of the slot and of the publication, where Deps names no other.
const Name = "cinema_etl"

const (
	// window is how long changes are collected before they are applied: a
	// save of a form is several, and the index likes batches. While others are
	// being applied they are collected too, however long that takes.
	window = 50 * time.Millisecond
	// windowSize applies them sooner.
	windowSize = 500
	// maxPending is how many wait at the most; further ones stay in the log.
	maxPending = 10_000
	// chunk bounds the documents that are made and applied at once, and fillers
	// is how many chunks of a new index are indexed at once.
	chunk   = 500
	fillers = 4
	// statusEvery is how often Postgres hears from us; it gives up on one who
	// is silent for wal_sender_timeout (60 s).
	statusEvery = 5 * time.Second
	// idleEvery is how often the position moves on over what is none of ours
	// (other tables, other databases), so that Postgres need not keep it.
	idleEvery = 10 * time.Second
	// The pause after a failure grows from the first to the second, or half as
	// much again.
	pauseMin, pauseMax = 100 * time.Millisecond, 4 * time.Second
	// standBy is how often one who stands by looks whether the other is gone.
	standBy = time.Second
	// callTimeout bounds a call to the index or to Postgres.
	callTimeout = 5 * time.Minute
)

// Deps of New. Slot and Publication have a default, the rest is required.
type Deps struct {
	// Pool of the database "catalog", migrated; its user may replicate.
	Pool  *pgxpool.Pool
	Index search.Writer
	Log   *slog.Logger
	// Slot and Publication; Name if empty. Slots are named in the whole
	// server: two programs on one server want two names.
	Slot, Publication string
}

// ETL carries changes; make it with New.
type ETL struct {
	pool        *pgxpool.Pool
	index       search.Writer
	log         *slog.Logger
	slot        string
	publication string

	mu     sync.Mutex
	status Status
}

// State is what the ETL is doing.
type State string

// The states.
const (
	Starting   State = "starting"
	Rebuilding State = "rebuilding"
	Following  State = "following"
	StandingBy State = "standing by" // another instance follows
	Failing    State = "failing"     // will be tried again
)

// Status is for health checks and metrics.
type Status struct {
	State State
	// Position is the place in the log up to which the index is durable.
	Position string
	// Titles, People and Genres count documents written or deleted since the start.
	Titles, People, Genres int64
	// Rebuilds counts rebuilt indexes since the start.
	Rebuilds int64
	// Skipped are the records that could not be indexed, the last hundred.
	Skipped []string
	// Behind is when the oldest change was committed that is not yet
	// searchable; zero when all are.
	Behind time.Time
	// Fresh is when all that the log had brought was last searchable; zero
	// before, and where another instance follows.
	Fresh time.Time
	// LastError is why it is Failing.
	LastError string
}

// New refuses missing dependencies and starts nothing.
func New(d Deps) (*ETL, error) {
	if d.Pool == nil || d.Index == nil || d.Log == nil {
		return nil, errors.New("etl/catalog: Pool, Index and Log are required")
	}
	e := &ETL{pool: d.Pool, index: d.Index, log: d.Log, slot: d.Slot, publication: d.Publication, status: Status{State: Starting}}
	if e.slot == "" {
		e.slot = Name
	}
	if e.publication == "" {
		e.publication = Name
	}
	for _, n := range []string{e.slot, e.publication} {
		if strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || len(n) > 63 {
			return nil, fmt.Errorf("etl/catalog: %q is no name for a slot or publication", n)
		}
	}
	return e, nil
}

// Status is a copy of how things stand.
func (e *ETL) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.status
	s.Skipped = slices.Clone(s.Skipped)
	return s
}

// Lag is how long the oldest change has been waiting that was received and is
// not yet searchable; 0 when there is none. While Status says Failing or
// Starting there may be changes that were not received yet.
func (e *ETL) Lag() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.status.Behind.IsZero() {
		return 0
	}
	return max(0, time.Since(e.status.Behind))
}

func (e *ETL) set(f func(*Status)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(&e.status)
}

// Run carries changes until ctx ends. It returns only then, with nil: a
// failure is logged and retried from the last durable position.
func (e *ETL) Run(ctx context.Context) error {
	pause := pauseMin
	for {
		began := time.Now()
		err := e.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > 10*time.Second { // what was wrong before is over
			pause = pauseMin
		}
		wait := pause
		pause = min(2*pause, pauseMax)
		var pe *pgconn.PgError
		if errors.Is(err, errStandBy) || errors.As(err, &pe) && pe.Code == "55006" { // the slot is in use
			e.set(func(s *Status) { s.State, s.LastError = StandingBy, "" })
			e.log.DebugContext(ctx, "another instance follows the catalogue's log; standing by")
			wait, pause = standBy, pauseMin
		} else {
			e.set(func(s *Status) { s.State, s.LastError = Failing, err.Error() })
			e.log.ErrorContext(ctx, "the catalogue is not being carried into the index; it will be tried again", "error", err, "pause", wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait + rand.N(wait/2)):
		}
	}
}

// position is a place in the log of one server.
type position struct {
	documents int    // documentVersion
	system    string // the server's identifier, which a restored copy lacks
	database  string
	lsn       pglogrepl.LSN
}

func (p position) String() string {
	return fmt.Sprintf("%d %s %s %s", p.documents, p.system, p.lsn, p.database)
}

func parsePosition(s string) (position, bool) {
	var p position
	var lsn string
	if _, err := fmt.Sscanf(s, "%d %s %s %s", &p.documents, &p.system, &lsn, &p.database); err != nil {
		return p, false
	}
	var err error
	p.lsn, err = pglogrepl.ParseLSN(lsn)
	return p, err == nil
}

// session is one connection's life.
func (e *ETL) session(ctx context.Context) error {
	cfg := e.pool.Config().ConnConfig.Config.Copy()
	cfg.RuntimeParams["replication"] = "database"
	cfg.RuntimeParams["application_name"] = e.slot
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	streaming := false
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		leave(bye, conn, streaming)
	}()
	if err := alone(ctx, conn, e.slot); err != nil {
		return err
	}
	system, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return fmt.Errorf("identify system: %w", err)
	}
	withMedia, err := e.publish(ctx)
	if err != nil {
		return err
	}
	here := position{documents: documentVersion, system: system.SystemID, database: system.DBName}
	at, reason, err := e.where(ctx, here, system.XLogPos)
	if err != nil {
		return err
	}
	if reason != "" {
		e.log.InfoContext(ctx, "the index is rebuilt", "reason", reason)
		if at, err = e.rebuild(ctx, conn, here, withMedia); err != nil {
			return fmt.Errorf("rebuild: %w", err)
		}
	}
	err = pglogrepl.StartReplication(ctx, conn, e.slot, at.lsn, pglogrepl.StartReplicationOptions{
		Mode:       pglogrepl.LogicalReplication,
		PluginArgs: []string{"proto_version '1'", "publication_names '" + e.publication + "'"},
	})
	if err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	streaming = true
	e.set(func(s *Status) { s.State, s.LastError, s.Position = Following, "", at.lsn.String() })
	f := &follower{e: e, conn: conn, media: withMedia, durable: at, seen: at.lsn, pending: newChanges(), decoder: decoder{map[uint32]*pglogrepl.RelationMessage{}}}
	return f.run(ctx)
}

var errStandBy = errors.New("another instance follows the catalogue's log")

// alone takes a lock that the connection holds to its end. The slot alone keeps
// two instances apart only while one streams: on a new index both would rebuild,
// and each remove the other's slot and half-filled index.
func alone(ctx context.Context, conn *pgconn.PgConn, slot string) error {
	answers, err := conn.Exec(ctx, `SELECT pg_try_advisory_lock(hashtext('etl/catalog'), hashtext('`+slot+`'))`).ReadAll()
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if len(answers) != 1 || len(answers[0].Rows) != 1 || string(answers[0].Rows[0][0]) != "t" {
		return errStandBy
	}
	return nil
}

// leave ends the stream in due form, so that the server has the slot free
// sooner and logs no lost client. Whatever was not confirmed comes again.
func leave(ctx context.Context, conn *pgconn.PgConn, streaming bool) {
	if streaming && !conn.IsClosed() {
		conn.Frontend().Send(&pgproto3.CopyDone{})
		if conn.Frontend().Flush() == nil {
			for {
				m, err := conn.ReceiveMessage(ctx)
				if _, ready := m.(*pgproto3.ReadyForQuery); ready || err != nil {
					break
				}
			}
		}
	}
	_ = conn.Close(ctx)
}

// publish makes the publication hold exactly the tables that are there, and
// reports whether the media ETL's are. What was not published is not in the
// log, so a change of the set gives the slot up, and with it the index.
func (e *ETL) publish(ctx context.Context) (withMedia bool, err error) {
	err = pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('etl/catalog'))`); err != nil {
			return err
		}
		names := make([]string, 0, len(tables))
		for n := range tables {
			names = append(names, n)
		}
		rows, err := tx.Query(ctx, `SELECT n FROM unnest($1::text[]) n WHERE to_regclass(n) IS NOT NULL ORDER BY n`, names)
		if err != nil {
			return err
		}
		want, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		withMedia = slices.Contains(want, "media_asset") && slices.Contains(want, "rendition")
		if missing := len(names) - len(want); missing > 2 || missing > 0 && withMedia {
			return fmt.Errorf("the database lacks tables of the catalogue: run its migrations first")
		}
		if withMedia {
			// A row of media_asset that goes must say whose it was.
			var identity string
			if err := tx.QueryRow(ctx, `SELECT relreplident::text FROM pg_class WHERE oid = 'media_asset'::regclass`).Scan(&identity); err != nil {
				return err
			}
			if identity != "f" {
				if _, err := tx.Exec(ctx, `ALTER TABLE media_asset REPLICA IDENTITY FULL`); err != nil {
					return err
				}
			}
		}
		rows, err = tx.Query(ctx, `SELECT tablename::text FROM pg_publication_tables WHERE pubname = $1 ORDER BY tablename`, e.publication)
		if err != nil {
			return err
		}
		have, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		slices.Sort(want)
		slices.Sort(have)
		if slices.Equal(want, have) {
			return nil
		}
		if err := dropSlot(ctx, tx, e.slot); err != nil {
			return err
		}
		var exists bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1)`, e.publication).Scan(&exists); err != nil {
			return err
		}
		sql := `CREATE PUBLICATION ` + e.publication + ` FOR TABLE `
		if exists {
			sql = `ALTER PUBLICATION ` + e.publication + ` SET TABLE `
		}
		_, err = tx.Exec(ctx, sql+strings.Join(want, ", "))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("publication: %w", err)
	}
	return withMedia, nil
}

type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// dropSlot is refused while another instance uses the slot.
func dropSlot(ctx context.Context, q execer, slot string) error {
	_, err := q.Exec(ctx, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1`, slot)
	if err != nil {
		return fmt.Errorf("drop slot: %w", err)
	}
	return nil
}

// where says from where the log goes on, or why the index must be rebuilt.
func (e *ETL) where(ctx context.Context, here position, end pglogrepl.LSN) (at position, rebuild string, err error) {
	text, err := e.index.Position(ctx)
	if err != nil {
		return at, "", fmt.Errorf("position of the index: %w", err)
	}
	var database, status string
	var confirmed *string
	err = e.pool.QueryRow(ctx, `SELECT coalesce(database, ''), coalesce(wal_status, 'lost'), confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1`, e.slot).
		Scan(&database, &status, &confirmed)
	noSlot := errors.Is(err, pgx.ErrNoRows)
	if err != nil && !noSlot {
		return at, "", fmt.Errorf("read slot: %w", err)
	}
	if !noSlot && database != here.database {
		return at, "", fmt.Errorf("the slot %s belongs to the database %q: two programs share a server and need different slots", e.slot, database)
	}
	at, ok := parsePosition(text)
	switch {
	case text == "":
		return at, "the index is new", nil
	case !ok || at.documents != here.documents:
		return at, "the index was made by another version", nil
	case at.system != here.system || at.database != here.database:
		return at, "the index was made from another database", nil
	case noSlot:
		return at, "there is no replication slot", nil
	case status == "lost" || confirmed == nil:
		return at, "the replication slot is lost", nil
	case at.lsn > end:
		return at, "the database went back in time", nil
	}
	lsn, err := pglogrepl.ParseLSN(*confirmed)
	if err != nil {
		return at, "", fmt.Errorf("read slot: %w", err)
	}
	if lsn > at.lsn {
		return at, "the replication slot is ahead of the index", nil
	}
	return at, "", nil
}

// rebuild fills a new index from the snapshot that a new slot exports.
func (e *ETL) rebuild(ctx context.Context, conn *pgconn.PgConn, here position, withMedia bool) (position, error) {
	e.set(func(s *Status) { s.State = Rebuilding })
	if err := dropSlot(ctx, e.pool, e.slot); err != nil {
		return here, err
	}
	slot, err := pglogrepl.CreateReplicationSlot(ctx, conn, e.slot, "pgoutput", pglogrepl.CreateReplicationSlotOptions{
		Mode: pglogrepl.LogicalReplication, SnapshotAction: "EXPORT_SNAPSHOT",
	})
	if err != nil {
		return here, fmt.Errorf("create slot: %w", err)
	}
	if here.lsn, err = pglogrepl.ParseLSN(slot.ConsistentPoint); err != nil {
		return here, fmt.Errorf("create slot: %w", err)
	}
	began := time.Now()
	next, err := e.index.Rebuild(ctx)
	if err != nil {
		return here, err
	}
	n, err := e.fill(ctx, next, slot.SnapshotName, withMedia)
	if err == nil {
		err = next.Swap(ctx, here.String())
	}
	if err != nil {
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return here, errors.Join(err, next.Discard(tidy))
	}
	e.set(func(s *Status) { s.Rebuilds, s.Behind = s.Rebuilds+1, time.Time{} })
	e.log.InfoContext(ctx, "the index is rebuilt and in use", "documents", n, "took", time.Since(began))
	return here, nil
}

// fill carries the snapshot into a new index and counts the documents. While
// some are being indexed the next ones are read.
func (e *ETL) fill(ctx context.Context, next search.Rebuild, snapshot string, withMedia bool) (n int, err error) {
	work, ctx := errgroup.WithContext(ctx)
	batches := make(chan search.Batch)
	for range fillers {
		work.Go(func() error {
			for b := range batches {
				if err := e.apply(ctx, next, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	work.Go(func() error {
		defer close(batches)
		// The snapshot lives until the replication connection does something else.
		return pgx.BeginTxFunc(ctx, e.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SET TRANSACTION SNAPSHOT '`+strings.ReplaceAll(snapshot, "'", "")+`'`); err != nil {
				return err
			}
			r := reader{tx, withMedia}
			for _, table := range []string{"genre", "person", "title"} {
				last := uuid.Nil
				for {
					ids, err := r.ids(ctx, table, `SELECT id FROM `+table+` WHERE id > $1 ORDER BY id LIMIT $2`, last, chunk)
					if err != nil {
						return err
					}
					if len(ids) == 0 {
						break
					}
					last = ids[len(ids)-1]
					var of [3][]uuid.UUID
					of[map[string]int{"title": 0, "person": 1, "genre": 2}[table]] = ids
					b, err := r.batch(ctx, of[0], of[1], of[2], e.skip)
					if err != nil {
						return err
					}
					// A new index holds nothing that could be deleted.
					b.DeleteTitles, b.DeletePeople, b.DeleteGenres = nil, nil, nil
					n += len(b.PutTitles) + len(b.PutPeople) + len(b.PutGenres)
					select {
					case batches <- b:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			}
			return nil
		})
	})
	err = work.Wait()
	return n, err
}

// skip notes a record that cannot be indexed, loudly.
func (e *ETL) skip(kind string, id uuid.UUID, err error) {
	e.log.Error("A RECORD IS LEFT OUT OF THE INDEX: viewers do not see its last change", "kind", kind, "id", id, "error", err)
	e.set(func(s *Status) {
		s.Skipped = append(s.Skipped, kind+" "+id.String())
		if n := len(s.Skipped); n > 100 {
			s.Skipped = slices.Delete(s.Skipped, 0, n-100)
		}
	})
}

type applier interface {
	Apply(ctx context.Context, b search.Batch) error
}

// apply writes a batch; where the index refuses a document of it, all others.
func (e *ETL) apply(ctx context.Context, to applier, b search.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := to.Apply(ctx, b)
	if err == nil || fault.KindOf(err) != fault.Invalid {
		return err
	}
	one := func(kind string, id uuid.UUID, b search.Batch) error {
		err := to.Apply(ctx, b)
		if fault.KindOf(err) == fault.Invalid && err != nil {
			e.skip(kind, id, err)
			return nil
		}
		return err
	}
	for _, d := range b.PutTitles {
		if err := one("title", d.ID, search.Batch{PutTitles: []*search.Title{d}}); err != nil {
			return err
		}
	}
	for _, d := range b.PutPeople {
		if err := one("person", d.ID, search.Batch{PutPeople: []*search.Person{d}}); err != nil {
			return err
		}
	}
	for _, d := range b.PutGenres {
		if err := one("genre", d.ID, search.Batch{PutGenres: []*search.Genre{d}}); err != nil {
			return err
		}
	}
	return to.Apply(ctx, search.Batch{DeleteTitles: b.DeleteTitles, DeletePeople: b.DeletePeople, DeleteGenres: b.DeleteGenres})
}

// follower reads the log on one connection. What has come is applied beside
// the reading, by one flush at a time, so that the next one finds all that came
// meanwhile: the later the index is, the larger the batches, and the fewer.
type follower struct {
	e     *ETL
	conn  *pgconn.PgConn
	media bool
	decoder

	durable  position      // applied, and noted in the index
	seen     pglogrepl.LSN // every transaction that ended before it was received whole
	inTx     bool
	current  *changes // of the transaction that is being received
	pending  *changes // of complete transactions
	flushing *flush   // nil while nothing is being applied
	dueAt    time.Time
	told     time.Time // when Postgres heard of durable
	moved    time.Time // when durable moved on
}

// flush is changes on their way into the index.
type flush struct {
	changes *changes
	from    position // durable before
	to      position // and when the changes are applied

	stop chan struct{}                      // closed when no further chunk is wanted
	done chan struct{}                      // closed at the end; err is read behind it
	wake atomic.Pointer[context.CancelFunc] // called then
	err  error
}

var errTruncated = errors.New("a table was truncated: the index is rebuilt")

func (f *follower) run(ctx context.Context) error {
	defer f.halt()
	f.moved = time.Now()
	if err := f.tell(ctx); err != nil {
		return err
	}
	for {
		if err := f.receive(ctx); err != nil {
			return err
		}
		if err := f.finish(ctx); err != nil {
			return err
		}
		now := time.Now()
		if f.flushing == nil {
			idle := f.pending.empty() && !f.inTx
			if idle {
				f.e.set(func(s *Status) { s.Fresh = now })
			}
			due := !f.pending.empty() && (!now.Before(f.dueAt) || f.pending.size() >= windowSize)
			if due || idle && f.seen > f.durable.lsn && now.Sub(f.moved) >= idleEvery {
				f.flush(ctx)
			}
		}
		if now.Sub(f.told) >= statusEvery {
			if err := f.tell(ctx); err != nil {
				return err
			}
		}
	}
}

// receive takes the next message, or none if something is due or done before.
func (f *follower) receive(ctx context.Context) error {
	until := f.told.Add(statusEvery)
	if f.flushing == nil && !f.pending.empty() && f.dueAt.Before(until) {
		until = f.dueAt
	}
	wait, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if f.flushing != nil {
		f.flushing.wake.Store(&cancel)
		if f.flushing.over() {
			return nil
		}
		if f.pending.size() >= maxPending {
			<-wait.Done()
			return ctx.Err()
		}
	}
	raw, err := f.conn.ReceiveMessage(wait)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if pgconn.Timeout(err) || errors.Is(err, context.Canceled) {
			return nil
		}
		return fmt.Errorf("read the log: %w", err)
	}
	switch m := raw.(type) {
	case *pgproto3.ErrorResponse:
		return fmt.Errorf("read the log: %w", pgconn.ErrorResponseToPgError(m))
	case *pgproto3.CopyData:
		return f.message(ctx, m.Data)
	case *pgproto3.CopyDone:
		return errors.New("read the log: the server ended it")
	}
	return nil
}

func (f *follower) message(ctx context.Context, data []byte) error {
	if len(data) == 0 {
		return errors.New("read the log: an empty message")
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		k, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if !f.inTx {
			f.seen = max(f.seen, k.ServerWALEnd)
		}
		if k.ReplyRequested {
			return f.tell(ctx)
		}
	case pglogrepl.XLogDataByteID:
		x, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		m, err := pglogrepl.Parse(x.WALData)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		switch m := m.(type) {
		case *pglogrepl.BeginMessage:
			f.inTx, f.current = true, newChanges()
		case *pglogrepl.CommitMessage:
			if f.current.all {
				// The position is given up, so the next session rebuilds.
				f.halt()
				if err := f.e.index.SetPosition(ctx, "truncated"); err != nil {
					return err
				}
				return errTruncated
			}
			if !f.current.empty() {
				if f.pending.empty() {
					f.dueAt = time.Now().Add(window)
				}
				f.pending.merge(f.current, m.CommitTime)
				f.e.set(func(s *Status) {
					if s.Behind.IsZero() {
						s.Behind = m.CommitTime
					}
				})
			}
			f.inTx, f.current = false, nil
			f.seen = max(f.seen, m.TransactionEndLSN)
		default:
			if f.current == nil {
				f.current = newChanges() // a relation may be described before a transaction
			}
			return f.add(f.current, m)
		}
	}
	return nil
}

// flush begins to bring the index up to date with the pending changes, which
// may be none, and to note in it that all that was seen is applied.
func (f *follower) flush(ctx context.Context) {
	w := &flush{changes: f.pending, from: f.durable, to: f.durable, stop: make(chan struct{}), done: make(chan struct{})}
	w.to.lsn = max(f.seen, f.durable.lsn)
	f.pending, f.flushing = newChanges(), w
	go func() {
		w.err = f.carry(ctx, w)
		close(w.done)
		if wake := w.wake.Load(); wake != nil {
			(*wake)()
		}
	}()
}

func (w *flush) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// halt has the flush leave out what it has not begun, and waits for its end:
// what an index was asked for and still does must not come behind what the next
// session asks for.
func (f *follower) halt() {
	if f.flushing != nil {
		close(f.flushing.stop)
		<-f.flushing.done
		f.flushing = nil
	}
}

// finish tells Postgres of a flush that has ended.
func (f *follower) finish(ctx context.Context) error {
	w := f.flushing
	if w == nil || !w.over() {
		return nil
	}
	f.flushing = nil
	if w.err != nil {
		return w.err
	}
	f.durable, f.moved = w.to, time.Now()
	f.e.set(func(s *Status) { s.Position, s.Behind = w.to.lsn.String(), f.pending.oldest })
	return f.tell(ctx)
}

var errHalted = errors.New("the session ends")

// carry runs beside the rest of the follower, of which it uses what stays.
func (f *follower) carry(ctx context.Context, w *flush) error {
	var titles, people, genres []uuid.UUID
	if !w.changes.empty() {
		if err := f.read(ctx, func(r reader) (err error) {
			titles, people, genres, err = r.affected(ctx, w.changes)
			return err
		}); err != nil {
			return err
		}
	}
	nt, np, ng := len(titles), len(people), len(genres)
	for len(titles)+len(people)+len(genres) > 0 {
		select {
		case <-w.stop:
			return errHalted
		default:
		}
		var b search.Batch
		t, p, g := take(&titles), take(&people), take(&genres)
		if err := f.read(ctx, func(r reader) (err error) {
			b, err = r.batch(ctx, t, p, g, f.e.skip)
			return err
		}); err != nil {
			return err
		}
		if err := f.e.apply(ctx, f.e.index, b); err != nil {
			return fmt.Errorf("apply: %w", err)
		}
	}
	// Only now, and only then does Postgres hear that it may forget them.
	if w.to.lsn > w.from.lsn {
		if err := f.e.index.SetPosition(ctx, w.to.String()); err != nil {
			return fmt.Errorf("set position: %w", err)
		}
	}
	f.e.set(func(s *Status) {
		s.Titles += int64(nt)
		s.People += int64(np)
		s.Genres += int64(ng)
	})
	return nil
}

func take(ids *[]uuid.UUID) []uuid.UUID {
	n := min(chunk, len(*ids))
	out := (*ids)[:n]
	*ids = (*ids)[n:]
	return out
}

func (f *follower) read(ctx context.Context, g func(reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return pgx.BeginTxFunc(ctx, f.e.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return g(reader{tx, f.media})
	})
}

// tell sends Postgres the durable position.
func (f *follower) tell(ctx context.Context) error {
	err := pglogrepl.SendStandbyStatusUpdate(ctx, f.conn, pglogrepl.StandbyStatusUpdate{
		WALWritePosition: f.durable.lsn, WALFlushPosition: f.durable.lsn, WALApplyPosition: f.durable.lsn,
	})
	if err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	f.told = time.Now()
	return nil
}
