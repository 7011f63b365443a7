package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// control lets the command break what it runs on. It answers on a socket that
// CINEMA_TEST_CONTROL names, in HTTP:
//
//	POST /kill?name=kafka-1&signal=KILL   ends a process, and answers when it is gone
//	POST /start?name=kafka-1              starts it again, and answers when it does
//	POST /fill?name=minio                 fills the small disk below it (see -small)
//	POST /free?name=minio                 makes room again
//
// Names are those of the logs. Calls are carried out one after the other.
type control struct {
	site   *site
	mu     sync.Mutex
	server *http.Server
	path   string
}

const controlTimeout = 2 * time.Minute

var signals = map[string]syscall.Signal{"KILL": syscall.SIGKILL, "QUIT": syscall.SIGQUIT, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT}

func (c *control) start() error {
	c.path = filepath.Join(c.site.dir, "control")
	l, err := net.Listen("unix", c.path) //nolint:noctx // binding waits for nothing
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	handle := func(what string, do func(ctx context.Context, r *http.Request, p *process) error) {
		mux.HandleFunc("POST /"+what, func(w http.ResponseWriter, r *http.Request) {
			c.mu.Lock()
			defer c.mu.Unlock()
			ctx, cancel := context.WithTimeout(r.Context(), controlTimeout)
			defer cancel()
			name := r.FormValue("name")
			p := c.site.launched[name]
			err := fmt.Errorf("there is no process %q", name)
			if p != nil {
				err = do(ctx, r, p)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
	}
	handle("kill", func(ctx context.Context, r *http.Request, p *process) error {
		s, ok := signals[r.FormValue("signal")]
		if !ok {
			return errors.New("signal is one of KILL, QUIT, TERM, INT")
		}
		return p.kill(ctx, s)
	})
	handle("start", func(ctx context.Context, _ *http.Request, p *process) error { return p.again(ctx) })
	handle("fill", func(ctx context.Context, _ *http.Request, p *process) error { return c.site.fill(p.name) })
	handle("free", func(ctx context.Context, _ *http.Request, p *process) error { return c.site.free(p.name) })
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = c.server.Serve(l) }()
	return nil
}

func (c *control) stop() { _ = c.server.Close() }

func (c *control) env() string { return "CINEMA_TEST_CONTROL=" + c.path }
