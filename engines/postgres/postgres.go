// Package postgres runs a real Postgres server as a supervised child, for a
// home that has none.
//
// The server listens on a unix socket only, in a folder of its own, and asks
// for a generated password. Its settings suit logical replication and a small
// machine; durability is never traded away.
//
// # Running as root
//
// Postgres refuses to run as root, and an unprivileged account usually cannot
// reach a data folder below /root or in another private place. On Linux the
// folders are therefore handed over as open descriptors: the server is told
// "/proc/self/fd/3", which the kernel resolves without walking the parents.
// Nothing outside the engine's own folder changes its owner or its mode. The
// server's binaries cannot be handed over like that, because Postgres looks
// up its own real path to find its libraries; where the account cannot reach
// them they are copied to a place it can (see reachable).
//
// # Files
//
//	<Dir>/data      the cluster; appears complete, by a rename
//	<Dir>/password  of the superuser "cinema", mode 0600
//	<Dir>/run       the socket, unless that path would be too long
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/engines/child"
	"github.com/netflixathome/cinema/internal/fault"
)

// Reasons of the *fault.Error values that Run returns for what a person can
// put right.
const (
	ReasonMissing = "POSTGRES_MISSING"       // no usable binaries
	ReasonVersion = "POSTGRES_OTHER_VERSION" // data of another major version
	ReasonOwner   = "POSTGRES_OWNER"         // data of another user
)

const (
	superuser = "cinema"
	// initTimeout bounds initdb, which takes about a second.
	initTimeout = 2 * time.Minute
	// maxSocketPath is the smallest limit of the systems we run on, without
	// the final NUL: 104 bytes on macOS, 108 on Linux.
	maxSocketPath = 103
	socketName    = ".s.PGSQL.5432"
)

// Options says where the server lives and what it must hold.
type Options struct {
	// Dir is the engine's own folder; it is made when it is missing.
	Dir string
	// BinDir, when set, is the folder with initdb and postgres to use, and no
	// other is looked at.
	BinDir string
	// EnginesDir is the folder whose node_modules may hold the binaries; may
	// be empty.
	EnginesDir string
	// Databases are created when they are missing.
	Databases []string
	// Disposable gives up durability against power cuts, though not against
	// kills, for speed. Only for tests.
	Disposable bool
	Log        *slog.Logger
}

// Server is the supervised server.
type Server struct {
	opt   Options
	child *child.Child

	// Set by prepare, before the child starts; read through DSN afterwards.
	mu       sync.Mutex
	bin      binaries
	user     *child.User
	password string
	sockets  string
}

// New checks the options; it starts nothing.
func New(opt Options) (*Server, error) {
	if opt.Dir == "" {
		return nil, errors.New("postgres: no folder")
	}
	if opt.Log == nil {
		return nil, errors.New("postgres: no logger")
	}
	for _, db := range opt.Databases {
		if db == "" || strings.ContainsAny(db, "\x00\"") {
			return nil, fmt.Errorf("postgres: bad database name %q", db)
		}
	}
	dir, err := filepath.Abs(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	opt.Dir = dir
	s := &Server{opt: opt}
	s.child, err = child.New(child.Options{
		Name:    "postgres",
		Command: s.command,
		Ready:   s.probe,
		Level:   level,
		// Fast shutdown: sessions are cut off, a checkpoint is written.
		StopSignal: syscall.SIGINT,
		// Immediate shutdown: unlike SIGKILL it lets the postmaster take its
		// backends with it, so that the next start finds nobody at work.
		DeathSignal:  syscall.SIGQUIT,
		StartTimeout: 2 * time.Minute, // recovery after a crash reads up to max_wal_size
		StopTimeout:  20 * time.Second,
		// Bridges the moments in which a former server is still ending.
		FirstAttempts: 6,
		Log:           opt.Log,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Run prepares the folder, starts the server and keeps it running until ctx
// ends; then it stops the server in an orderly way. An error means that the
// server could not be started at all.
func (s *Server) Run(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return s.child.Run(ctx)
}

// Ready is closed once the server answered for the first time and every
// database exists.
func (s *Server) Ready() <-chan struct{} { return s.child.Ready() }

// State is a snapshot for health pages.
func (s *Server) State() child.State { return s.child.State() }

// Check asks the server for a sign of life.
func (s *Server) Check(ctx context.Context) error {
	conn, err := s.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

// DSN is the address of a database for pgx, with the password in it. It is
// valid once Ready is closed, and stays the same over restarts.
func (s *Server) DSN(database string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {s.sockets}, "sslmode": {"disable"}}.Encode(),
	}
	return u.String()
}

func (s *Server) data() string { return filepath.Join(s.opt.Dir, "data") }

// prepare brings the folder to the point where the server can be started.
// Every step can be repeated, and none leaves a half-made cluster behind.
func (s *Server) prepare(ctx context.Context) error {
	user, err := child.Unprivileged("postgres", "nobody")
	if err != nil {
		return fault.New(fault.Unavailable, "Postgres cannot run: %v", err).WithReason(ReasonOwner)
	}
	if err := os.MkdirAll(s.opt.Dir, 0o700); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	made, err := madeBy(s.data())
	if err != nil {
		return err
	}
	bin, err := find(ctx, s.opt, made)
	if err != nil {
		return err
	}
	if bin, err = bin.prepare(s.opt.Dir, user); err != nil {
		return err
	}
	password, err := s.loadPassword(made != 0)
	if err != nil {
		return err
	}
	sockets, err := socketFolder(s.opt.Dir, user)
	if err != nil {
		return err
	}

	s.mu.Lock()
	s.bin, s.user, s.password, s.sockets = bin, user, password, sockets
	s.mu.Unlock()

	if made == 0 {
		if err := s.initdb(ctx); err != nil {
			return err
		}
	}
	return s.own()
}

// madeBy is the major version that made the cluster in dir, 0 when there is
// none.
func madeBy(dir string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(dir); err == nil {
			return 0, fault.New(fault.Unavailable,
				"%s exists but holds no Postgres data: move it away, then start again", dir).WithReason(ReasonVersion)
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("postgres: %w", err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("postgres: %s/PG_VERSION: %w", dir, err)
	}
	return v, nil
}

// loadPassword reads the superuser's password, and makes one for a new cluster.
func (s *Server) loadPassword(exists bool) (string, error) {
	path := filepath.Join(s.opt.Dir, "password")
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return string(b), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("postgres: %w", err)
	}
	if exists {
		return "", fault.New(fault.Unavailable,
			"%s is missing, and with it the password of the data beside it: restore that file from the backup of the data folder", path)
	}
	password := rand.Text()
	if err := os.WriteFile(path, []byte(password), 0o600); err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	return password, nil
}

// initdb makes the cluster in a folder beside its place and moves it there
// when it is complete and on disk.
func (s *Server) initdb(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	s.removeInterrupted(ctx)
	tmp, err := os.MkdirTemp(s.opt.Dir, "new-")
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	data, pwfile := filepath.Join(tmp, "data"), filepath.Join(tmp, "password")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := os.WriteFile(pwfile, []byte(s.password), 0o600); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := chown(s.user, tmp, data, pwfile); err != nil {
		return err
	}

	h := handover{user: s.user}
	defer h.close()
	base, err := h.folder(tmp)
	if err != nil {
		return err
	}
	args := []string{
		"-D", filepath.Join(base, "data"), "--pwfile", filepath.Join(base, "password"),
		"-U", superuser, "--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums", "--no-instructions",
	}
	if s.bin.major >= 17 {
		// Upper and lower case of every alphabet, the same on every system,
		// and no dependence on the system's locales.
		args = append(args, "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
	} else {
		args = append(args, "--locale=C.UTF-8")
	}
	if s.opt.Disposable {
		args = append(args, "--no-sync")
	}
	began := time.Now()
	out, err := child.Output(ctx, child.Command{
		Path: filepath.Join(s.bin.dir, "initdb"), Args: args, Env: env(), Dir: "/", Files: h.files, User: s.user,
	})
	if err != nil {
		return fmt.Errorf("postgres: initdb: %w: %s", err, lastLines(out, 3))
	}
	if err := os.Rename(data, s.data()); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := syncDir(s.opt.Dir); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	s.opt.Log.Info("made a new Postgres cluster", "version", s.bin.version, "folder", s.data(), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// removeInterrupted removes what interrupted starts left. The helper of an
// initdb that was killed may still be writing for a moment. What cannot be
// removed is only in the way of the disk's room, not of this start.
func (s *Server) removeInterrupted(ctx context.Context) {
	leftovers, _ := filepath.Glob(filepath.Join(s.opt.Dir, "new-*"))
	for _, dir := range leftovers {
		var last error
		if gone, _ := poll(ctx, orphanPatience, func() bool { last = os.RemoveAll(dir); return last == nil }); !gone {
			s.opt.Log.Warn("what an interrupted start left cannot be removed", "folder", dir, "error", last)
		}
	}
}

// own makes the cluster belong to the account that will run it.
func (s *Server) own() error {
	fi, err := os.Stat(s.data())
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	owner := fi.Sys().(*syscall.Stat_t).Uid
	if s.user == nil {
		if me := uint32(os.Geteuid()); owner != me {
			return fault.New(fault.Unavailable,
				"%s belongs to the user with number %d, and the program runs as %d: start it as root or as that user, or run: chown -R %d %s",
				s.data(), owner, me, me, s.opt.Dir).WithReason(ReasonOwner)
		}
		return nil
	}
	if owner == s.user.UID {
		return nil
	}
	return filepath.WalkDir(s.data(), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(s.user.UID), int(s.user.GID))
	})
}

// command prepares one start of the server.
func (s *Server) command(ctx context.Context) (child.Command, error) {
	if err := s.clearStale(ctx); err != nil {
		return child.Command{}, err
	}
	h := handover{user: s.user}
	data, err := h.folder(s.data())
	if err != nil {
		return child.Command{}, err
	}
	sockets, err := h.folder(s.sockets)
	if err != nil {
		h.close()
		return child.Command{}, err
	}
	args := []string{"-D", data}
	for _, kv := range s.settings(sockets) {
		args = append(args, "-c", kv)
	}
	return child.Command{
		Path: filepath.Join(s.bin.dir, "postgres"), Args: args, Env: env(), Dir: "/", Files: h.files, User: s.user,
	}, nil
}

// settings are given on the command line, where they win over
// postgresql.conf: an engine behaves the same whatever its folder went
// through.
func (s *Server) settings(sockets string) []string {
	set := []string{
		"listen_addresses=",
		"unix_socket_directories=" + sockets,
		"unix_socket_permissions=0700",
		"port=5432",
		"max_connections=80",
		"password_encryption=scram-sha-256",

		// The search index follows the catalogue by logical replication. A
		// follower that stays away may hold back this much log, then loses
		// its place and starts over, before the disk fills up.
		"wal_level=logical",
		"max_wal_senders=8",
		"max_replication_slots=8",
		"max_slot_wal_keep_size=1GB",
		"wal_sender_timeout=30s",

		// A small machine that does other things too.
		"shared_buffers=32MB",
		"work_mem=4MB",
		"maintenance_work_mem=32MB",
		"effective_cache_size=256MB",
		"min_wal_size=64MB",
		"max_wal_size=256MB",
		"max_worker_processes=4",
		"max_parallel_workers=2",
		"max_parallel_workers_per_gather=0",
		"autovacuum_max_workers=2",
		"huge_pages=off",
		"jit=off",

		"timezone=UTC",
		"log_timezone=UTC",
		"lc_messages=C",
		"logging_collector=off",
		"log_destination=stderr",
		"log_line_prefix=%b: ",
		"log_checkpoints=off",
		// Statements carry what users typed; they do not belong in a log.
		"log_min_error_statement=panic",
	}
	if s.bin.major >= 18 {
		set = append(set, "io_method=sync") // no resident I/O workers
	}
	durable := "on"
	if s.opt.Disposable {
		durable = "off"
	}
	set = append(set, "fsync="+durable, "full_page_writes="+durable, "synchronous_commit=on")
	return set
}

// probe succeeds when the server accepts connections and every database is
// there.
func (s *Server) probe(ctx context.Context) error {
	conn, err := s.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database")
	if err != nil {
		return err
	}
	have, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	exists := make(map[string]bool, len(have))
	for _, name := range have {
		exists[name] = true
	}
	for _, name := range s.opt.Databases {
		if exists[name] {
			continue
		}
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
	}
	return nil
}

func (s *Server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return pgx.Connect(ctx, s.DSN(database))
}

// level tells the server's own troubles from a client's: an error in a
// session is the client's to report.
func level(line string) slog.Level {
	for _, word := range []string{" FATAL: ", " PANIC: ", " ERROR: ", " WARNING: "} {
		if !strings.Contains(line, word) {
			continue
		}
		if word != " PANIC: " && (strings.HasPrefix(line, "client backend:") ||
			strings.HasPrefix(line, "not initialized:") || //nolint:misspell // so Postgres spells it
			strings.Contains(line, "the database system is") ||
			strings.Contains(line, "due to administrator command")) {
			return slog.LevelDebug
		}
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

func env() []string {
	return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=/"}
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func lastLines(out []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

func chown(u *child.User, paths ...string) error {
	if u == nil {
		return nil
	}
	for _, p := range paths {
		if err := os.Lchown(p, int(u.UID), int(u.GID)); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	return nil
}
