package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A proxy keeps connections and sends on one of them without asking. None of
// its requests may meet a closed door while it is told to go.
func TestLeavingFailsNoRequest(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, leave := context.WithCancel(t.Context())
	closed, done := make(chan struct{}), make(chan error, 1)
	slow, entered := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-slow
		}
		_, _ = io.WriteString(w, "answered")
	})
	go func() {
		done <- serve(ctx, l, h, leaving{notice: 10 * time.Millisecond, idle: time.Minute, drain: time.Minute, closed: func() { close(closed) }})
	}()
	connect := func() net.Conn {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		return c
	}
	ask := func(c net.Conn, path string) { _, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path) }
	answer := func(c net.Conn) *http.Response {
		t.Helper()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "answered", string(body))
		return res
	}
	kept, working, unused := connect(), connect(), connect()
	ask(kept, "/")
	require.False(t, answer(kept).Close)
	ask(unused, "/")
	answer(unused)
	ask(working, "/slow")
	<-entered

	leave()
	<-closed
	var d net.Dialer
	_, err = d.DialContext(t.Context(), "tcp", l.Addr().String())
	require.Error(t, err, "nobody new comes in")
	ask(kept, "/")
	require.True(t, answer(kept).Close, "the next request goes elsewhere")
	close(slow)
	answer(working) // its header was begun before
	ask(working, "/")
	require.True(t, answer(working).Close)
	require.Empty(t, done, "the proxy still has a connection")
	require.NoError(t, unused.Close())
	require.NoError(t, <-done)
}

// Who has connected and sent a request before the door was closed is answered,
// though nobody had let them in yet.
func TestShutLosesNobodyAtTheDoor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only there")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var waiting []net.Conn
	for range 3 {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		waiting = append(waiting, c)
	}
	late := shut(l)
	require.Len(t, late, 3)
	var d net.Dialer
	_, err = d.DialContext(t.Context(), "tcp", l.Addr().String())
	require.Error(t, err, "nobody new comes in")
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })}
	require.ErrorIs(t, s.Serve(&queue{late, l.Addr()}), net.ErrClosed)
	for _, c := range waiting {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusTeapot, res.StatusCode)
		require.NoError(t, c.Close())
	}
	require.NoError(t, s.Shutdown(t.Context()))
}
