// Package inprocess lets an HTTP client call an http.Handler of the same
// program with no network in between.
//
// It is what makes one program of all services: the router speaks HTTP to a
// subgraph either way, and only the round tripper differs. A response body is
// streamed as the handler writes it, so a subscription over Server-Sent Events
// works as it does over a socket; the handler's context ends when the client's
// does or when the client closes the body.
package inprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// hostSuffix ends the host names that the round tripper answers for.
const hostSuffix = ".subgraph"

// Transport is an http.RoundTripper that maps the host "<name>.subgraph" to a
// handler. It is safe for concurrent use.
type Transport struct {
	handlers map[string]http.Handler
	log      *slog.Logger
	next     http.RoundTripper
}

// New makes a Transport for the handlers by subgraph name. Requests to any
// other host go to next; with a nil next they fail.
func New(handlers map[string]http.Handler, log *slog.Logger, next http.RoundTripper) (*Transport, error) {
	if log == nil {
		return nil, errors.New("inprocess: a logger is required")
	}
	t := &Transport{handlers: make(map[string]http.Handler, len(handlers)), log: log, next: next}
	for name, h := range handlers {
		if name == "" || h == nil {
			return nil, fmt.Errorf("inprocess: the subgraph %q has no name or no handler", name)
		}
		t.handlers[name+hostSuffix] = h
	}
	return t, nil
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	h, ok := t.handlers[req.URL.Host]
	if !ok {
		if t.next != nil {
			return t.next.RoundTrip(req)
		}
		closeBody(req)
		return nil, fmt.Errorf("inprocess: no handler for the host %q", req.URL.Host)
	}
	if err := req.Context().Err(); err != nil {
		closeBody(req)
		return nil, err
	}

	// The handler gets a request of its own: a server may change what it is
	// given, and the caller's request must stay as it was.
	ctx, cancel := context.WithCancel(req.Context())
	in := req.Clone(ctx)
	in.RequestURI = req.URL.RequestURI()
	in.Host = req.URL.Host
	in.RemoteAddr = "127.0.0.1:0"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Body == nil {
		in.Body = http.NoBody
	}

	pr, pw := io.Pipe()
	w := &responseWriter{header: http.Header{}, body: pw, ready: make(chan struct{})}
	// A client that is gone must not leave the handler stuck in a write.
	stop := context.AfterFunc(ctx, func() { pw.CloseWithError(context.Cause(ctx)) })
	go t.serve(h, w, in, pw, func() { stop(); cancel() })

	select {
	case <-w.ready:
	case <-req.Context().Done(): // not ctx: a handler that wrote nothing ends it with its answer
		_ = pr.CloseWithError(req.Context().Err())
		return nil, req.Context().Err()
	}
	length, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 {
		length = -1
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.sent,
		Body:          &body{PipeReader: pr, cancel: cancel},
		ContentLength: length,
		Request:       req,
	}, nil
}

// serve runs the handler to its end. A panic becomes a 500 if nothing was sent
// yet, and a broken body if something was.
func (t *Transport) serve(h http.Handler, w *responseWriter, req *http.Request, pw *io.PipeWriter, done func()) {
	defer done()
	defer closeBody(req)
	defer func() {
		v := recover()
		if v == nil {
			w.WriteHeader(http.StatusOK)
			_ = pw.Close()
			return
		}
		if v != http.ErrAbortHandler { //nolint:errorlint // net/http compares the panic value the same way
			t.log.Error("a subgraph's handler panicked", "host", req.Host, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
		if w.WriteHeader(http.StatusInternalServerError) {
			_ = pw.Close()
			return
		}
		_ = pw.CloseWithError(io.ErrUnexpectedEOF)
	}()
	h.ServeHTTP(handlerSide{w}, req)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// body ends the handler's context when the client closes it early.
type body struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *body) Close() error {
	err := b.PipeReader.Close()
	b.cancel()
	return err
}

// responseWriter hands the status and header over at the first write or flush
// and then streams: there is no buffer, so a flush has nothing left to do.
type responseWriter struct {
	header http.Header
	body   *io.PipeWriter
	ready  chan struct{}

	mu     sync.Mutex
	status int
	sent   http.Header
}

// WriteHeader sends status and header; it reports whether it was the first to.
func (w *responseWriter) WriteHeader(status int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status != 0 {
		return false
	}
	if status >= 100 && status < 200 {
		return false // informational: the client of this transport has no use for it
	}
	w.status = status
	// What a handler changes afterwards must not be seen by the client.
	w.sent = w.header.Clone()
	close(w.ready)
	return true
}

// handlerSide is the http.ResponseWriter that the handler sees.
type handlerSide struct{ w *responseWriter }

func (d handlerSide) Header() http.Header    { return d.w.header }
func (d handlerSide) WriteHeader(status int) { d.w.WriteHeader(status) }
func (d handlerSide) Flush()                 { d.w.WriteHeader(http.StatusOK) }
func (d handlerSide) FlushError() error      { d.w.WriteHeader(http.StatusOK); return nil }

func (d handlerSide) Write(p []byte) (int, error) {
	d.w.WriteHeader(http.StatusOK)
	if len(p) == 0 {
		return 0, nil
	}
	return d.w.body.Write(p)
}

func (d handlerSide) WriteString(s string) (int, error) {
	d.w.WriteHeader(http.StatusOK)
	return io.WriteString(d.w.body, s)
}

// Host is the host name under which the Transport answers for a subgraph.
func Host(name string) string { return strings.TrimSuffix(name, hostSuffix) + hostSuffix }
