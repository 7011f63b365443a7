package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// listen opens an address and says in one sentence why it cannot.
func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program: stop it or choose another address with %s", addr, variable)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s may not be opened by this user: ports below 1024 need root; choose another with %s", addr, variable)
	default:
		return nil, fmt.Errorf("%s cannot be opened: %w (%s)", addr, err, variable)
	}
}

// leaving is how a door closes: who goes on using it is given notice, then
// nobody new comes in, then those inside finish.
type leaving struct {
	// notice is how long everything is still served after ctx ended, while each
	// answer closes its connection: a proxy takes its next request elsewhere.
	notice time.Duration
	// idle is how long connections that a proxy keeps open are left to it after
	// that. Closing them ourselves would cut off the request that is just on
	// its way, and what was sent once may not be sent again.
	idle time.Duration
	// drain bounds what is in work then.
	drain time.Duration
	// closed is called, if set, once nobody new can come in: what stays open for
	// long is told to go.
	closed func()
}

// serve answers on l until ctx ends, then leaves. Answers have no write
// deadline: films and subscriptions are long; their ends are bounded where they
// are made.
func serve(ctx context.Context, l net.Listener, h http.Handler, last leaving) error {
	var open atomic.Int64
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if ctx.Err() != nil {
				w.Header().Set("Connection", "close")
			}
			h.ServeHTTP(w, r)
		}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnState: func(_ net.Conn, now http.ConnState) {
			switch now {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			}
		},
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	if last.notice > 0 {
		<-time.After(last.notice)
	}
	late := shut(l)
	<-done //nolint:errcheck // it was told to stop: how it stopped says nothing
	_ = s.Serve(&queue{late, l.Addr()})
	if last.closed != nil {
		last.closed()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(last.idle); open.Load() > 0 && time.Now().Before(until); {
		<-tick.C
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), last.drain)
	defer cancel()
	if err := s.Shutdown(bounded); err != nil {
		_ = s.Close()
	}
	return nil
}

// queue is a listener whose connections have come already.
type queue struct {
	conns []net.Conn
	addr  net.Addr
}

func (q *queue) Accept() (net.Conn, error) {
	if len(q.conns) == 0 {
		return nil, net.ErrClosed
	}
	c := q.conns[0]
	q.conns = q.conns[1:]
	return c, nil
}

func (q *queue) Close() error   { return nil }
func (q *queue) Addr() net.Addr { return q.addr }

// door is the public handler: it says that the program is starting until the
// real handler is there.
type door struct{ to atomic.Pointer[http.Handler] }

func (d *door) open(h http.Handler) { d.to.Store(&h) }

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := d.to.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(startingPage))
}

const startingPage = `<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<meta name="viewport" content="width=device-width"><title>NetflixAtHome is starting</title>
<style>html{background:#0e0f12;color:#e8e6e3;font:16px/1.5 system-ui,sans-serif;height:100%;display:grid;place-items:center}</style>
<p>The cinema is starting. This page follows by itself.`
