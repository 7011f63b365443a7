// Package clickhouse runs the real ClickHouse server as a supervised child,
// for a home that has none.
//
// The server comes out of chDB's shared library by way of a launcher, see
// engines/clickhouse/launcher. It speaks the native protocol and HTTP on
// loopback. Compared with a cluster it lacks replication, ON CLUSTER, Keeper
// and a Prometheus port; tables, dialect, views, TTL and backups are the same.
//
// # Users
//
// "cinema" is the program's own, with a generated password. "default" exists
// because the launcher's in-process session is that user, without a password,
// and this server does not reload its users. It may do nothing but start the
// listeners and count, and its quota is exactly the launcher's statements:
// whoever else comes as "default" over loopback finds it used up. What quotas
// exempt is a SELECT without a table, which shows nothing and is held to one
// thread and little memory.
//
// # Files
//
//	<Dir>/data      what the server stores
//	<Dir>/backups   where BACKUP … TO File('name') may write
//	<Dir>/password  of the user "cinema", mode 0600
//	<Dir>/config.xml, <Dir>/users.xml  written anew at every start
//
// # Power cuts
//
// The server is told to fsync each insert, so an acknowledged row survives a
// power cut too, not only a kill. With batches of thousands of rows that
// costs little.
package clickhouse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sys/cpu"

	"github.com/netflixathome/cinema/engines/child"
	"github.com/netflixathome/cinema/engines/loopback"
	"github.com/netflixathome/cinema/internal/fault"
)

// Reasons of the *fault.Error values for what a person can put right, or has
// to live without.
const (
	// ReasonUnsupported: this machine cannot run the server. The program can
	// go on without analytics.
	ReasonUnsupported = "CLICKHOUSE_UNSUPPORTED"
	// ReasonMissing: the library or the launcher is not there.
	ReasonMissing = "CLICKHOUSE_MISSING"
	// ReasonPort: a port that was asked for is taken.
	ReasonPort = "CLICKHOUSE_PORT_TAKEN"
)

const (
	// User and Database are what the program uses; "default" of either kind
	// is special to the server.
	User     = "cinema"
	Database = "cinema"

	// LauncherName is the launcher's file, beside the program's own.
	LauncherName = "clickhouse-launcher"

	// defaultMemory bounds what the server allocates, in bytes. It rests at a
	// tenth of that; the room is for merges and for a dashboard's queries.
	defaultMemory = 512 << 20
)

// Options says where the server lives.
type Options struct {
	// Dir is the engine's own folder; it is made when it is missing.
	Dir string
	// Launcher is the launcher's binary. Empty: the file LauncherName beside
	// the running program.
	Launcher string
	// Library is libchdb.so. Empty: the one in EnginesDir.
	Library string
	// EnginesDir is the folder whose node_modules may hold the library.
	EnginesDir string
	// TCPPort and HTTPPort on 127.0.0.1; 0 chooses a free one.
	TCPPort, HTTPPort int
	// MaxMemory bounds what the server allocates, in bytes; 0 for 512 MiB.
	MaxMemory int64
	// Disposable gives up durability against power cuts, though not against
	// kills, for speed. Only for tests.
	Disposable bool
	Log        *slog.Logger
}

// Address is how to reach the server.
type Address struct {
	Native   string // host:port of the native protocol, for clickhouse-go
	HTTP     string // base address of the HTTP interface
	User     string
	Password string
	Database string
}

// Server is the supervised server.
type Server struct {
	opt   Options
	child *child.Child

	mu       sync.Mutex
	launcher string
	library  string
	address  Address
	tcp      int
	http     int
	password string
}

// New checks the options; it starts nothing and looks at nothing.
func New(opt Options) (*Server, error) {
	if opt.Dir == "" {
		return nil, errors.New("clickhouse: no folder")
	}
	if opt.Log == nil {
		return nil, errors.New("clickhouse: no logger")
	}
	dir, err := filepath.Abs(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("clickhouse: %w", err)
	}
	opt.Dir = dir
	if opt.MaxMemory == 0 {
		opt.MaxMemory = defaultMemory
	}
	s := &Server{opt: opt}
	s.child, err = child.New(child.Options{
		Name:         "clickhouse",
		Command:      s.command,
		Ready:        s.probe,
		Level:        level,
		StopSignal:   syscall.SIGTERM,
		DeathSignal:  syscall.SIGKILL,
		StartTimeout: 2 * time.Minute, // grows with the number of parts to load
		StopTimeout:  10 * time.Second,
		// Bridges the moments in which a former server still holds its lock.
		FirstAttempts: 6,
		Log:           opt.Log,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Supported reports, as a *fault.Error with ReasonUnsupported, that this
// machine cannot run the server.
func Supported() error {
	refuse := func(why string) error {
		return fault.New(fault.Unavailable,
			"viewing statistics are off: the embedded ClickHouse %s; everything else works, and statistics can be kept on a ClickHouse server elsewhere", why).WithReason(ReasonUnsupported)
	}
	switch {
	case runtime.GOOS != "linux":
		return refuse("runs on Linux only")
	case runtime.GOARCH != "amd64":
		return refuse("is not published for " + runtime.GOARCH)
	case !cpu.X86.HasAVX2:
		return refuse("needs a processor with AVX2, and this one has none")
	}
	if _, err := os.Stat("/lib64/ld-linux-x86-64.so.2"); err != nil {
		return refuse("needs glibc, which this system does not use")
	}
	return nil
}

// Run prepares the folder, starts the server and keeps it running until ctx
// ends; then it stops the server. An error means that the server could not be
// started at all.
func (s *Server) Run(ctx context.Context) error {
	if err := s.prepare(); err != nil {
		return err
	}
	return s.child.Run(ctx)
}

// Ready is closed once the server answered for the first time and the
// database exists.
func (s *Server) Ready() <-chan struct{} { return s.child.Ready() }

// State is a snapshot for health pages.
func (s *Server) State() child.State { return s.child.State() }

// Address is valid once Ready is closed, and stays the same over restarts.
func (s *Server) Address() Address {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.address
}

// Check asks the server for a sign of life.
func (s *Server) Check(ctx context.Context) error {
	return s.do(ctx, "SELECT 1")
}

func (s *Server) prepare() error {
	if err := Supported(); err != nil {
		return err
	}
	launcher, library, err := s.find()
	if err != nil {
		return err
	}
	for _, dir := range []string{s.opt.Dir, filepath.Join(s.opt.Dir, "data"), filepath.Join(s.opt.Dir, "backups")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("clickhouse: %w", err)
		}
	}
	password, err := loadPassword(filepath.Join(s.opt.Dir, "password"))
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.launcher, s.library, s.password = launcher, library, password
	s.mu.Unlock()
	return nil
}

func (s *Server) find() (launcher, library string, err error) {
	launcher = s.opt.Launcher
	if launcher == "" {
		self, err := os.Executable()
		if err != nil {
			return "", "", fmt.Errorf("clickhouse: %w", err)
		}
		launcher = filepath.Join(filepath.Dir(self), LauncherName)
	}
	if launcher, err = filepath.Abs(launcher); err != nil {
		return "", "", fmt.Errorf("clickhouse: %w", err)
	}
	if _, err := os.Stat(launcher); err != nil {
		return "", "", fault.New(fault.Unavailable,
			"the ClickHouse launcher %s is missing: build the program with make build, which puts it there", launcher).WithReason(ReasonMissing)
	}
	library = s.opt.Library
	if library == "" && s.opt.EnginesDir == "" {
		return "", "", fault.New(fault.Unavailable,
			"the ClickHouse library libchdb.so is missing: run: cd engines && npm ci").WithReason(ReasonMissing)
	}
	if library == "" {
		library = filepath.Join(s.opt.EnginesDir, "node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so")
	}
	if library, err = filepath.Abs(library); err != nil {
		return "", "", fmt.Errorf("clickhouse: %w", err)
	}
	if _, err := os.Stat(library); err != nil {
		return "", "", fault.New(fault.Unavailable,
			"the ClickHouse library %s is missing: run: cd engines && npm ci", library).WithReason(ReasonMissing)
	}
	return launcher, library, nil
}

// loadPassword reads the password, and makes one where there is none: the
// server keeps no copy, users.xml is written from it at every start.
func loadPassword(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return string(b), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("clickhouse: %w", err)
	}
	password := rand.Text()
	if err := writeFile(path, password); err != nil {
		return "", err
	}
	return password, nil
}

// writeFile replaces a private file, whole or not at all.
func writeFile(path, content string) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	return nil
}

// command prepares one start of the server.
func (s *Server) command(context.Context) (child.Command, error) {
	if err := s.choosePorts(); err != nil {
		return child.Command{}, err
	}
	config := filepath.Join(s.opt.Dir, "config.xml")
	if err := writeFile(config, s.configXML()); err != nil {
		return child.Command{}, err
	}
	if err := writeFile(filepath.Join(s.opt.Dir, "users.xml"), s.usersXML()); err != nil {
		return child.Command{}, err
	}
	return child.Command{
		Path: s.launcher,
		Args: []string{
			"-library", s.library,
			"-config", config,
			"-path", filepath.Join(s.opt.Dir, "data"),
			"-tcp-port", strconv.Itoa(s.tcp),
			"-http-port", strconv.Itoa(s.http),
		},
		Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + s.opt.Dir},
		Dir: s.opt.Dir,
	}, nil
}

// choosePorts picks the ports anew until the server was ready once. After
// that its address is known to others and stays.
func (s *Server) choosePorts() error {
	select {
	case <-s.child.Ready():
		return nil
	default:
	}
	free, err := loopback.Ports(2)
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	for i, want := range []int{s.opt.TCPPort, s.opt.HTTPPort} {
		if want == 0 {
			continue
		}
		free[i] = want
		if err := loopback.Taken("ClickHouse", want); err != nil {
			return fault.New(fault.Unavailable, "%v", err).WithReason(ReasonPort)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tcp, s.http = free[0], free[1]
	s.address = Address{
		Native:   loopback.Addr(s.tcp),
		HTTP:     "http://" + loopback.Addr(s.http),
		User:     User,
		Password: s.password,
		Database: Database,
	}
	return nil
}

// probe succeeds when the server answers on the native port and the database
// is there.
func (s *Server) probe(ctx context.Context) error {
	return s.do(ctx, "CREATE DATABASE IF NOT EXISTS "+Database)
}

// do runs one statement over a connection of its own, outside any database,
// for the program's may not exist yet.
func (s *Server) do(ctx context.Context, statement string) error {
	a := s.Address()
	conn, err := ch.Open(&ch.Options{
		Addr:         []string{a.Native},
		Auth:         ch.Auth{Username: a.User, Password: a.Password, Database: "system"},
		DialTimeout:  2 * time.Second,
		ReadTimeout:  10 * time.Second,
		MaxOpenConns: 1,
	})
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	return nil
}

// level tells the server's own troubles from a client's: a line that carries
// a query's id, "{…}", is about a query, and its failure is the client's to
// report; so is what the handler of a connection answered.
func level(line string) slog.Level {
	switch {
	case strings.Contains(line, "<Fatal>"):
		return slog.LevelError
	case strings.HasPrefix(line, LauncherName+":"):
		return slog.LevelWarn
	case strings.Contains(line, "> TCPHandler: "): // answered to the client, before its query had an id
		return slog.LevelDebug
	case strings.Contains(line, "Pool: Temporarily pause scheduling"): // the small pools take turns
		return slog.LevelDebug
	case strings.Contains(line, "] {} <Error>"), strings.Contains(line, "] {} <Warning>"):
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
