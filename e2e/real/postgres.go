package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/e2e/port"
)

// postgres is the system's server on TCP, with an empty database for each
// service. It refuses to run as root.
type postgres struct {
	site     *site
	server   *process
	addr     string
	shown    int
	password string
}

const postgresUser = "cinema"

func (*postgres) Name() string { return "postgres" }

func (p *postgres) Start(ctx context.Context) error {
	bin, err := postgresPrograms()
	if err != nil {
		return err
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	p.addr, p.password = port.Address(ports[0]), rand.Text()
	if p.shown, err = p.site.shown(ctx, "postgres", ports[0]); err != nil {
		return err
	}
	as := p.site.unprivileged
	dir, err := p.site.folder(as, "postgres")
	if err != nil {
		return err
	}
	data, passwordFile := filepath.Join(dir, "data"), filepath.Join(dir, "password")
	if err := errors.Join(os.WriteFile(passwordFile, []byte(p.password), 0o600), as.own(passwordFile)); err != nil {
		return err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", postgresUser, "--pwfile", passwordFile,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	initdb.Env, initdb.Dir = p.site.environment(), dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: as.credential()}
	if err := output(ctx, initdb); err != nil {
		return err
	}
	args := []string{"-D", data}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(ports[0]), "unix_socket_directories=",
		"wal_level=logical", "max_wal_senders=20", "max_replication_slots=20", "max_connections=200",
		"fsync=off", // the data goes with the server
	} {
		args = append(args, "-c", setting)
	}
	p.server, err = p.site.launch(program{
		name: "postgres", path: filepath.Join(bin, "postgres"), args: args, dir: dir, as: as,
		// Sessions are cut off; and at our own death the backends go along,
		// which SIGKILL would leave behind.
		stop: syscall.SIGINT, death: syscall.SIGQUIT,
	})
	if err != nil {
		return err
	}
	return p.server.await(ctx, p.createDatabases)
}

// createDatabases can be repeated.
func (p *postgres) createDatabases(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url(p.addr))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, name := range []string{"auth", "catalog", "telemetry"} {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there); err != nil {
			return err
		}
		if !there {
			if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *postgres) Stop() { p.server.end(20 * time.Second) }

func (p *postgres) Env() []string {
	return []string{"CINEMA_TEST_POSTGRES_URL=" + p.url(port.Address(p.shown))}
}

func (p *postgres) url(addr string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/postgres", postgresUser, p.password, addr)
}

// postgresPrograms is the folder of the newest version of the system's that
// the program can use. Debian's packages keep it off the PATH.
func postgresPrograms() (string, error) {
	const oldest = 15
	best, dir := oldest-1, ""
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, path := range found {
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))); err == nil && v > best {
			best, dir = v, filepath.Dir(path)
		}
	}
	if dir == "" {
		return "", fmt.Errorf("no Postgres %d or newer in /usr/lib/postgresql", oldest)
	}
	return dir, nil
}
