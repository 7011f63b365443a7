package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/netflixathome/cinema/e2e/port"
)

// redis is one server that keeps everything in memory.
type redis struct {
	site   *site
	server *process
	addr   string
	shown  int
}

func (*redis) Name() string { return "redis" }

func (r *redis) Start(ctx context.Context) error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	r.addr = port.Address(ports[0])
	if r.shown, err = r.site.shown(ctx, "redis", ports[0]); err != nil {
		return err
	}
	dir, err := r.site.folder(nil, "redis")
	if err != nil {
		return err
	}
	r.server, err = r.site.launch(program{
		name: "redis", path: "redis-server", dir: dir,
		args: []string{"--bind", "127.0.0.1", "--port", strconv.Itoa(ports[0]), "--save", "", "--appendonly", "no"},
		stop: syscall.SIGTERM, death: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	return r.server.await(ctx, func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", r.addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		if deadline, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(deadline)
		}
		if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
			return err
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && answer != "+PONG\r\n" {
			err = fmt.Errorf("answers %q", answer)
		}
		return err
	})
}

func (r *redis) Stop() { r.server.end(5 * time.Second) }

func (r *redis) Env() []string {
	return []string{"CINEMA_TEST_REDIS_URL=redis://" + port.Address(r.shown) + "/0"}
}
