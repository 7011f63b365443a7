package inprocess_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/router/inprocess"
)

func transport(t *testing.T, h http.HandlerFunc) *inprocess.Transport {
	t.Helper()
	tr, err := inprocess.New(map[string]http.Handler{"catalog": h}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	return tr
}

func post(t *testing.T, ctx context.Context, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://catalog.subgraph/graphql?x=1", strings.NewReader(body))
	require.NoError(t, err)
	return r
}

func TestRoundTrip(t *testing.T) {
	tr := transport(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		r.Header.Set("X-Changed", "by the handler")
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "no")
		_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.Path, r.RequestURI, b)
	})
	req := post(t, t.Context(), "hello")
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "POST /graphql /graphql?x=1 hello", string(b))
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	require.Equal(t, "yes", resp.Header.Get("X-Answer"))
	require.Empty(t, resp.Header.Get("X-Late"))
	require.Empty(t, req.Header.Get("X-Changed"), "the caller's request stays as it was")
}

func TestNothingWritten(t *testing.T) {
	resp, err := transport(t, func(http.ResponseWriter, *http.Request) {}).RoundTrip(post(t, t.Context(), ""))
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Empty(t, b)
	require.Equal(t, 200, resp.StatusCode)
}

func TestStreaming(t *testing.T) {
	more, ended := make(chan string), make(chan error, 1)
	tr := transport(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		for {
			select {
			case s := <-more:
				_, _ = io.WriteString(w, s+"\n")
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				_, err := io.WriteString(w, "too late")
				ended <- err
				return
			}
		}
	})
	resp, err := tr.RoundTrip(post(t, t.Context(), ""))
	require.NoError(t, err, "the header arrives before anything is written")
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		more <- fmt.Sprint(i)
		require.True(t, lines.Scan())
		require.Equal(t, fmt.Sprint(i), lines.Text())
	}
	require.NoError(t, resp.Body.Close())
	select {
	case err := <-ended:
		require.Error(t, err, "nobody reads any more")
	case <-time.After(5 * time.Second):
		t.Fatal("closing the body must end the handler")
	}
}

func TestCancelled(t *testing.T) {
	entered, left := make(chan struct{}), make(chan struct{})
	tr := transport(t, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(left)
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	_, err := tr.RoundTrip(post(t, ctx, ""))
	require.ErrorIs(t, err, context.Canceled)
	select {
	case <-left:
	case <-time.After(5 * time.Second):
		t.Fatal("the handler does not hear of it")
	}
	_, err = tr.RoundTrip(post(t, ctx, ""))
	require.ErrorIs(t, err, context.Canceled)
}

func TestPanic(t *testing.T) {
	resp, err := transport(t, func(http.ResponseWriter, *http.Request) { panic("boom") }).RoundTrip(post(t, t.Context(), ""))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 500, resp.StatusCode)

	resp2, err := transport(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("boom")
	}).RoundTrip(post(t, t.Context(), ""))
	require.NoError(t, err)
	defer resp2.Body.Close()
	b, err := io.ReadAll(resp2.Body)
	require.Equal(t, "half", string(b))
	require.True(t, errors.Is(err, io.ErrUnexpectedEOF), "%v", err)
}

func TestUnknownHost(t *testing.T) {
	tr := transport(t, func(http.ResponseWriter, *http.Request) {})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://other.subgraph/", nil)
	require.NoError(t, err)
	_, err = tr.RoundTrip(r)
	require.ErrorContains(t, err, "other.subgraph")
	_, err = inprocess.New(map[string]http.Handler{"x": nil}, slog.New(slog.DiscardHandler), nil)
	require.Error(t, err)
}
