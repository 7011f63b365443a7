package cinema

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// Pair is two routers, each with an auth service of its own, and the other
// services once: whoever acts at the one and looks at the other sees what is
// told between instances. They share a Redis and a database of accounts.
type Pair struct {
	Routers, Auths [2]*Instance
	Redis          *Redis
	// Accounts is the address of the database of accounts.
	Accounts string
}

// StartPair starts them until the test ends, the first router on a port of the
// caller's choice. Each process gets the settings besides its own.
func StartPair(t testing.TB, redis *Redis, port string, settings ...string) *Pair {
	t.Helper()
	p := &Pair{Redis: redis}
	settings = slices.Concat(settings, secrets, []string{"CINEMA_REDIS_URL=" + p.Redis.URL, "CINEMA_TRUSTED_PROXIES=127.0.0.1"})
	start := func(o Options, targets string, own ...string) *Instance {
		o.Env = slices.Concat(settings, []string{"CINEMA_TARGET=" + targets}, own)
		return Start(t, o)
	}
	p.Auths[0] = start(Options{}, "auth")
	p.Accounts = embeddedPostgres(t, p.Auths[0].Dir, "auth")
	p.Auths[1] = start(Options{}, "auth", "CINEMA_POSTGRES_AUTH_URL="+p.Accounts)
	films := start(Options{Demo: true}, "catalog,admin,etl", "CINEMA_AUTH_URL="+p.Auths[0].URL)
	watching := start(Options{}, "telemetry,collectors", "CINEMA_AUTH_URL="+p.Auths[1].URL, "CINEMA_CATALOG_URL="+films.URL+"/catalog")
	for n := range p.Routers {
		p.Routers[n] = start(Options{Port: port}, "router", "CINEMA_AUTH_URL="+p.Auths[n].URL,
			"CINEMA_CATALOG_URL="+films.URL+"/catalog", "CINEMA_ADMIN_URL="+films.URL+"/admin", "CINEMA_TELEMETRY_URL="+watching.URL)
		p.Routers[n].AdminPassword = p.Auths[0].AdminPassword
		port = ""
	}
	// At once, for each takes its leave of proxies for some seconds; the one that
	// has brought the database along comes after them.
	t.Cleanup(func() {
		var all sync.WaitGroup
		for _, i := range []*Instance{p.Routers[0], p.Routers[1], watching, films, p.Auths[1]} {
			all.Go(func() { i.Stop(t) })
		}
		all.Wait()
	})
	return p
}

// embeddedPostgres is the address of a database of the Postgres that a program
// has brought along, which listens on a socket in its data folder.
func embeddedPostgres(t testing.TB, dir, database string) string {
	t.Helper()
	dir = filepath.Join(dir, "postgres")
	password, err := os.ReadFile(filepath.Join(dir, "password"))
	if err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(dir, "run")
	if !exists(filepath.Join(run, ".s.PGSQL.5432")) {
		t.Fatalf("no socket of Postgres in %s: set TMPDIR to a shorter path", run)
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword("cinema", string(password)), Path: "/" + database,
		RawQuery: url.Values{"host": {run}, "sslmode": {"disable"}}.Encode()}
	return u.String()
}

// Redis is a redis-server of the test's own, which keeps everything in memory.
type Redis struct {
	URL  string
	addr string
	args []string
	cmd  *exec.Cmd
}

// StartRedis runs redis-server until the test ends. Only make test-real sees to
// one; elsewhere the test is skipped.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	if os.Getenv(allServers) == "" {
		t.Skip("make test-real runs it, with a real Redis")
	}
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	r := &Redis{addr: net.JoinHostPort("127.0.0.1", port)}
	r.URL = "redis://" + r.addr
	r.args = []string{path, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--logfile", "log"}
	t.Cleanup(r.Kill)
	r.Start(t)
	return r
}

// Start starts it, also after a Kill, empty, and waits until it can be reached.
func (r *Redis) Start(t testing.TB) {
	t.Helper()
	r.cmd = exec.Command(r.args[0], r.args[1:]...) //nolint:noctx // ended by Kill
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, func() error {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", r.addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Kill ends it at once, as a lost machine would.
func (r *Redis) Kill() {
	if r.cmd != nil && r.cmd.ProcessState == nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait() // it says that it was killed
	}
}
