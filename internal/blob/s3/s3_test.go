package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/blob/blobtest"
	"github.com/netflixathome/cinema/internal/blob/s3"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/realtest"
)

func random() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// config is the real server with a folder of its own, which is emptied at the
// end of the test.
func config(t testing.TB) s3.Config {
	t.Helper()
	u, err := url.Parse(realtest.Address(t, realtest.S3))
	if err != nil || u.User == nil {
		t.Fatalf("%s: want http://key:secret@host:port/bucket", realtest.S3)
	}
	secret, _ := u.User.Password()
	c := s3.Config{
		Endpoint: u.Scheme + "://" + u.Host, Bucket: strings.Trim(u.Path, "/"),
		AccessKey: u.User.Username(), SecretKey: secret, Prefix: "test-" + random(),
	}
	t.Cleanup(func() { empty(t, c) })
	return c
}

// direct is the server without the adapter.
func direct(t testing.TB, c s3.Config) *minio.Core {
	t.Helper()
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	m, err := minio.NewCore(u.Host, &minio.Options{Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""), Secure: u.Scheme == "https"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func empty(t testing.TB, c s3.Config) {
	m, ctx := direct(t, c), context.Background()
	for e := range m.RemoveObjects(ctx, c.Bucket, m.Client.ListObjects(ctx, c.Bucket, minio.ListObjectsOptions{Prefix: c.Prefix, Recursive: true}), minio.RemoveObjectsOptions{}) {
		t.Errorf("cleaning up: %v", e.Err)
	}
}

func open(t testing.TB, c s3.Config) *s3.Store {
	t.Helper()
	s, err := s3.New(context.Background(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, config(t)) })
}

func TestConformanceByRedirect(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		c := config(t)
		c.PublicURL = c.Endpoint
		return open(t, c)
	})
}

// TestABucketOfItsOwn has the bucket made, by several at once as when services
// start together, and uses it whole.
func TestABucketOfItsOwn(t *testing.T) {
	c := config(t)
	c.Bucket, c.Prefix = "test-"+random(), ""
	t.Cleanup(func() {
		empty(t, c)
		if err := direct(t, c).RemoveBucket(context.Background(), c.Bucket); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if s, err := s3.New(context.Background(), c, slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			} else {
				_ = s.Close()
			}
		})
	}
	wg.Wait()
	s, ctx := open(t, c), context.Background()
	if _, err := s.Put(ctx, "a/b.txt", strings.NewReader("x"), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for i, err := range s.List(ctx, "") {
		if err != nil || i.Key != "a/b.txt" || i.Size != 1 || i.ContentType != "text/plain; charset=utf-8" {
			t.Errorf("%+v %v", i, err)
		}
	}
}

// gate is a server before the real one, which counts and can refuse.
type gate struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string                 // method of each request
	deny func(*http.Request) bool // nil: none
}

// front makes c speak to the real server through a gate.
func front(t *testing.T, c *s3.Config) *gate {
	t.Helper()
	target, err := url.Parse(c.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{}
	proxy := &httputil.ReverseProxy{
		// The Host header is signed: it stays as the client sent it.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.seen = append(g.seen, r.Method)
		deny := g.deny
		g.mu.Unlock()
		if deny != nil && deny(r) {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	c.Endpoint = g.URL
	return g
}

func (g *gate) denies(deny func(*http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deny = deny
}

func (g *gate) requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.seen
	g.seen = nil
	return out
}

func TestOneRequestAnswersOne(t *testing.T) {
	c := config(t)
	g := front(t, &c)
	s := open(t, c)
	i, err := s.Put(context.Background(), "v/seg.m4s", strings.NewReader("0123456789"), blob.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.requests(); !slices.Contains(got, http.MethodPut) {
		t.Fatalf("the gate saw %v", got)
	}
	for _, test := range []struct {
		method string
		header map[string]string
		code   int
		want   []string
	}{
		{http.MethodGet, nil, 200, []string{"GET"}},
		{http.MethodGet, map[string]string{"Range": "bytes=2-4"}, 206, []string{"GET"}},
		{http.MethodGet, map[string]string{"Range": "bytes=-4"}, 206, []string{"GET"}},
		{http.MethodGet, map[string]string{"If-None-Match": i.ETag}, 304, []string{"GET"}},
		{http.MethodGet, map[string]string{"If-None-Match": `"other"`, "If-Modified-Since": i.ModTime.Format(http.TimeFormat)}, 200, []string{"GET"}},
		{http.MethodHead, nil, 200, []string{"HEAD"}},
		{http.MethodGet, map[string]string{"If-Modified-Since": i.ModTime.Format(http.TimeFormat)}, 304, []string{"HEAD"}},
		{http.MethodGet, map[string]string{"If-Range": i.ETag, "Range": "bytes=2-4"}, 206, []string{"HEAD", "GET"}},
		{http.MethodGet, map[string]string{"Range": "bytes=10-"}, 416, []string{"GET", "HEAD"}},
		{http.MethodGet, map[string]string{"Range": "bytes=0-1,4-5"}, 206, []string{"HEAD", "GET", "GET"}},
	} {
		r, w := httptest.NewRequest(test.method, "/x", nil), httptest.NewRecorder()
		for k, v := range test.header {
			r.Header.Set(k, v)
		}
		if err := s.Serve(w, r, i.Key); err != nil || w.Code != test.code {
			t.Errorf("%s %v: %d %v", test.method, test.header, w.Code, err)
		}
		if got := g.requests(); !slices.Equal(got, test.want) {
			t.Errorf("%s %v was answered by %v, want %v", test.method, test.header, got, test.want)
		}
	}
}

func TestRedirect(t *testing.T) {
	c := config(t)
	c.PublicURL = "https://media.example:8443"
	g := front(t, &c)
	s := open(t, c)
	for _, key := range []string{"v/seg.m4s", "v/poster.jpg"} {
		g.requests()
		r, w := httptest.NewRequest(http.MethodGet, "/x", nil), httptest.NewRecorder()
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if err := s.Serve(w, r, key); err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != http.StatusFound || u.Host != "media.example:8443" || u.Scheme != "https" || u.Path != "/"+c.Bucket+"/"+c.Prefix+"/"+key {
			t.Errorf("%s: %d to %s", key, w.Code, u)
		}
		if q := u.Query(); q.Get("X-Amz-Expires") != "300" || q.Get("X-Amz-Signature") == "" || q.Get("response-cache-control") != "private, max-age=31536000, immutable" {
			t.Errorf("%s: %v", key, q)
		}
		if strings.Contains(u.String(), c.SecretKey) {
			t.Error("the secret is in the address")
		}
		if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || w.Body.Len() != 0 {
			t.Errorf("%s: %v %q", key, h, w.Body)
		}
		if got := g.requests(); len(got) != 0 {
			t.Errorf("to sign took requests: %v", got)
		}
	}
}

func TestManyObjects(t *testing.T) {
	s, ctx := open(t, config(t)), context.Background()
	const n = 1100 // more than a page of a listing, and than a batch of deletions
	want := make([]string, n)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				key := fmt.Sprintf("many/%04d", i)
				want[i] = key
				if _, err := s.Put(ctx, key, strings.NewReader("x"), blob.PutOptions{}); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
	if _, err := s.Put(ctx, "manyfold", strings.NewReader("x"), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	got := []string{}
	for i, err := range s.List(ctx, "many/") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, i.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d listed, want %d", len(got), n)
	}
	cancelled, cancel := context.WithCancel(ctx)
	defer cancel()
	n0 := 0
	var last error
	for _, err := range s.List(cancelled, "many/") {
		cancel()
		n0++
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("a listing that was cancelled ended after %d with %v", n0, last)
	}
	if err := s.DeletePrefix(cancelled, "many/"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := s.DeletePrefix(ctx, "many/"); err != nil {
		t.Fatal(err)
	}
	got = got[:0]
	for i, err := range s.List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, i.Key)
	}
	if !slices.Equal(got, []string{"manyfold"}) {
		t.Errorf("left: %v", got)
	}
}

func TestForeignNamesAreNotListed(t *testing.T) {
	c := config(t)
	s, m, ctx := open(t, c), direct(t, c), context.Background()
	for _, name := range []string{"/ok.txt", "/.hidden", "/with space", "/folder/"} {
		if _, err := m.Client.PutObject(ctx, c.Bucket, c.Prefix+name, strings.NewReader(""), 0, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for i, err := range s.List(ctx, "") {
		if err != nil || i.Key != "ok.txt" {
			t.Errorf("%+v %v", i, err)
		}
	}
}

// wire passes bytes between the adapter and the real server and can be cut.
type wire struct {
	listener net.Listener
	target   string
	up, down atomic.Int64 // bytes that may still pass; below zero: cut
	dead     atomic.Bool  // once cut it stays so, as a killed server does
	stay     bool
	cuts     atomic.Int64
}

const noLimit = 1 << 40

func newWire(t *testing.T, c *s3.Config) *wire {
	t.Helper()
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: u.Host}
	w.up.Store(noLimit)
	w.down.Store(noLimit)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(in)
		}
	}()
	c.Endpoint = "http://" + l.Addr().String()
	return w
}

func (w *wire) pass(in net.Conn) {
	defer in.Close()
	if w.dead.Load() {
		return
	}
	out, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer out.Close()
	done := make(chan struct{}, 2)
	half := func(dst, src net.Conn, left *atomic.Int64) {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 32<<10)
		for {
			n, err := src.Read(buf)
			if err != nil {
				return
			}
			if w.dead.Load() {
				return
			}
			if left.Add(-int64(n)) < 0 {
				w.cuts.Add(1)
				left.Store(noLimit)
				w.dead.Store(w.stay)
				return
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go half(out, in, &w.up)
	go half(in, out, &w.down)
	<-done
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>9)
	}
	return b
}

func TestServerKilledInTheMiddleOfAPut(t *testing.T) {
	for name, put := range map[string]func(s *s3.Store, body []byte, local string) error{
		"whole": func(s *s3.Store, body []byte, _ string) error {
			_, err := s.Put(context.Background(), "k", bytes.NewReader(body[:10<<20]), blob.PutOptions{Size: 10 << 20})
			return err
		},
		"parts": func(s *s3.Store, body []byte, _ string) error {
			_, err := s.Put(context.Background(), "k", bytes.NewReader(body), blob.PutOptions{Size: int64(len(body))})
			return err
		},
		"file": func(s *s3.Store, _ []byte, local string) error {
			_, err := blob.PutFile(context.Background(), s, "k", local, blob.PutOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := config(t)
			c := store
			w := newWire(t, &c)
			w.stay = true
			s := open(t, c)
			body, local := pattern(40<<20), filepath.Join(t.TempDir(), "film")
			if err := os.WriteFile(local, body, 0o600); err != nil {
				t.Fatal(err)
			}
			w.up.Store(6 << 20)
			if name != "whole" {
				w.up.Store(25 << 20)
			}
			err := put(s, body, local)
			if fault.KindOf(err) != fault.Unavailable || w.cuts.Load() == 0 {
				t.Errorf("%d cuts: %v", w.cuts.Load(), err)
			}
			if _, err := os.Stat(local); err != nil {
				t.Errorf("the local file: %v", err)
			}
			m := direct(t, store)
			for o := range m.Client.ListObjects(context.Background(), store.Bucket, minio.ListObjectsOptions{Prefix: store.Prefix, Recursive: true}) {
				t.Errorf("stored: %+v", o)
			}
			// What no server was there to be told of, as a lifecycle would.
			if err := m.RemoveIncompleteUpload(context.Background(), store.Bucket, store.Prefix+"/k"); err != nil {
				t.Errorf("cleaning up: %v", err)
			}
		})
	}
}

func TestAFailedPutLeavesNoParts(t *testing.T) {
	c := config(t)
	s, m := open(t, c), direct(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	for name, test := range map[string]struct {
		ctx  context.Context
		tail io.Reader
	}{
		"cancelled": {ctx, readerFunc(func([]byte) (int, error) { cancel(); return 0, nil })},
		"broken":    {context.Background(), readerFunc(func([]byte) (int, error) { return 0, errors.New("broken") })},
	} {
		if _, err := s.Put(test.ctx, "k", io.MultiReader(bytes.NewReader(pattern(20<<20)), test.tail), blob.PutOptions{}); err == nil {
			t.Errorf("%s: no error", name)
		}
		// MinIO lists the uploads of a whole name only.
		left, err := m.ListMultipartUploads(context.Background(), c.Bucket, c.Prefix+"/k", "", "", "", 10)
		if err != nil || len(left.Uploads) != 0 {
			t.Errorf("%s: left %+v %v", name, left.Uploads, err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestABrokenReadGoesOn(t *testing.T) {
	c := config(t)
	w := newWire(t, &c)
	s, ctx := open(t, c), context.Background()
	body := pattern(9 << 20)
	if _, err := s.Put(ctx, "k", bytes.NewReader(body), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	w.down.Store(3 << 20)
	o, err := s.Open(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	got, err := io.ReadAll(o)
	if err != nil || !bytes.Equal(got, body) || w.cuts.Load() != 1 {
		t.Errorf("after %d cuts: %d bytes, %v", w.cuts.Load(), len(got), err)
	}

	// A browser that is served notices nothing either.
	w.down.Store(2 << 20)
	r, rec := httptest.NewRequest(http.MethodGet, "/x", nil), httptest.NewRecorder()
	if err := s.Serve(rec, r, "k"); err != nil || !bytes.Equal(rec.Body.Bytes(), body) || w.cuts.Load() != 2 {
		t.Errorf("served after %d cuts: %d bytes, %v", w.cuts.Load(), rec.Body.Len(), err)
	}

	w.stay = true
	w.down.Store(2 << 20)
	dst := filepath.Join(t.TempDir(), "dst")
	if err := blob.Fetch(ctx, s, "k", dst); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a store that is gone: %v", err)
	}
	if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a file was left: %v", err)
	}
	for name, err := range map[string]error{
		"open":   second(s.Open(ctx, "k")),
		"stat":   second(s.Stat(ctx, "k")),
		"put":    second(s.Put(ctx, "k", strings.NewReader("x"), blob.PutOptions{})),
		"delete": s.Delete(ctx, "k"),
		"prefix": s.DeletePrefix(ctx, "k/"),
		"serve":  s.Serve(httptest.NewRecorder(), r, "k"),
	} {
		if fault.KindOf(err) != fault.Unavailable || strings.Contains(err.Error(), c.SecretKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestReplacedWhileRead(t *testing.T) {
	s, ctx := open(t, config(t)), context.Background()
	if _, err := s.Put(ctx, "k", bytes.NewReader(pattern(1000)), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if _, err := o.Seek(500, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(ctx, "k", strings.NewReader(strings.Repeat("x", 1000)), blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(o); fault.KindOf(err) != fault.Unavailable || len(b) != 0 {
		t.Errorf("two versions were mixed: %q %v", b, err)
	}
}

func TestWhatIsWrongAtStartIsSaid(t *testing.T) {
	bucket := func(r *http.Request) bool { return strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0 }
	for name, test := range map[string]struct {
		change func(t *testing.T, c *s3.Config)
		want   []string
	}{
		"wrong key":    {func(_ *testing.T, c *s3.Config) { c.AccessKey = "nobody-" + random() }, []string{"CINEMA_S3_ACCESS_KEY"}},
		"wrong secret": {func(_ *testing.T, c *s3.Config) { c.SecretKey = "wrong-" + random() }, []string{"CINEMA_S3_SECRET_KEY"}},
		"unreachable":  {func(_ *testing.T, c *s3.Config) { c.Endpoint = "http://127.0.0.1:1" }, []string{"CINEMA_S3_URL", "http://127.0.0.1:1"}},
		"not S3": {func(t *testing.T, c *s3.Config) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hello") }))
			t.Cleanup(srv.Close)
			c.Endpoint = srv.URL
		}, []string{"CINEMA_S3_URL", "S3"}},
		"TLS at a plain port": {func(_ *testing.T, c *s3.Config) { c.Endpoint = strings.Replace(c.Endpoint, "http:", "https:", 1) }, []string{"CINEMA_S3_URL", "https:"}},
		"bucket missing and not to be made": {func(t *testing.T, c *s3.Config) {
			c.Bucket = "test-" + random()
			front(t, c).denies(func(r *http.Request) bool { return r.Method == http.MethodPut && bucket(r) })
		}, []string{"CINEMA_S3_BUCKET", "make"}},
		"not to be listed": {func(t *testing.T, c *s3.Config) {
			front(t, c).denies(func(r *http.Request) bool { return r.Method == http.MethodGet && bucket(r) })
		}, []string{"CINEMA_S3_ACCESS_KEY", "list"}},
		"read only": {func(t *testing.T, c *s3.Config) {
			front(t, c).denies(func(r *http.Request) bool { return r.Method == http.MethodPut && !bucket(r) })
		}, []string{"CINEMA_S3_ACCESS_KEY", "written"}},
		"write only": {func(t *testing.T, c *s3.Config) {
			front(t, c).denies(func(r *http.Request) bool { return r.Method == http.MethodGet && !bucket(r) })
		}, []string{"CINEMA_S3_ACCESS_KEY", "read"}},
		"not to be deleted": {func(t *testing.T, c *s3.Config) {
			front(t, c).denies(func(r *http.Request) bool { return r.Method == http.MethodDelete })
		}, []string{"CINEMA_S3_ACCESS_KEY", "deleted"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(t)
			test.change(t, &c)
			var log strings.Builder
			s, err := s3.New(context.Background(), c, slog.New(slog.NewTextHandler(&log, nil)))
			if err == nil {
				_ = s.Close()
				t.Fatal("it started")
			}
			t.Log(err)
			for _, w := range test.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in: %v", w, err)
				}
			}
			if all := err.Error() + log.String(); strings.Contains(all, c.SecretKey) {
				t.Errorf("the secret was told: %s", all)
			}
		})
	}
}

func TestNothingIsLeftByTheProbe(t *testing.T) {
	c := config(t)
	open(t, c)
	for o := range direct(t, c).Client.ListObjects(context.Background(), c.Bucket, minio.ListObjectsOptions{Prefix: c.Prefix, Recursive: true}) {
		t.Errorf("left: %s", o.Key)
	}
}

func TestStartIsGivenUpWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	asked := make(chan struct{}, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-hang
	}))
	defer srv.Close()
	defer close(hang)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	_, err := s3.New(ctx, s3.Config{Endpoint: srv.URL, Bucket: "cinema", AccessKey: "key", SecretKey: "secret"}, slog.New(slog.DiscardHandler))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	good := s3.Config{Endpoint: "http://minio:9000", PublicURL: "https://media.example", Bucket: "cinema", AccessKey: "key", SecretKey: "hush", Prefix: "a/b/"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(c *s3.Config) string{
		func(c *s3.Config) string { c.Endpoint = ""; return "CINEMA_S3_URL" },
		func(c *s3.Config) string { c.Endpoint = "minio:9000"; return "CINEMA_S3_URL" },
		func(c *s3.Config) string { c.Endpoint = "http://minio:9000/cinema"; return "CINEMA_S3_URL" },
		func(c *s3.Config) string { c.Endpoint = "http://key:hush@minio:9000"; return "CINEMA_S3_URL" },
		func(c *s3.Config) string { c.Endpoint = "http://key:hush@mi nio"; return "CINEMA_S3_URL" },
		func(c *s3.Config) string {
			c.PublicURL = "https://key:hush@media.example"
			return "CINEMA_S3_PUBLIC_URL"
		},
		func(c *s3.Config) string { c.PublicURL = "https://media.example/films"; return "CINEMA_S3_PUBLIC_URL" },
		func(c *s3.Config) string { c.Bucket = ""; return "CINEMA_S3_BUCKET" },
		func(c *s3.Config) string { c.Bucket = "Cinema_1"; return "CINEMA_S3_BUCKET" },
		func(c *s3.Config) string { c.AccessKey = ""; return "CINEMA_S3_ACCESS_KEY" },
		func(c *s3.Config) string { c.SecretKey = ""; return "CINEMA_S3_SECRET_KEY" },
		func(c *s3.Config) string { c.Prefix = "../x"; return "CINEMA_S3_PREFIX" },
	} {
		c := good
		want := change(&c)
		err := c.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), want+": ") || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "\n") {
			t.Errorf("want %s, not more: %v", want, err)
		}
		if _, nerr := s3.New(context.Background(), c, slog.New(slog.DiscardHandler)); nerr == nil || nerr.Error() != err.Error() {
			t.Errorf("New: %v", nerr)
		}
	}
	if err := (s3.Config{}).Validate(); err == nil || strings.Count(err.Error(), "CINEMA_S3_") < 4 {
		t.Errorf("not every fault at once: %v", err)
	}
}

// BenchmarkServe streams a 64 MB object over loopback from the store; to be
// read beside BenchmarkDirect, which has the bytes from the store alone.
func BenchmarkServe(b *testing.B)  { benchmark(b, false) }
func BenchmarkDirect(b *testing.B) { benchmark(b, true) }

func benchmark(b *testing.B, redirect bool) {
	c := config(b)
	if redirect {
		c.PublicURL = c.Endpoint
	}
	s := open(b, c)
	const size = 64 << 20
	if _, err := s.Put(context.Background(), "film.mp4", bytes.NewReader(pattern(size)), blob.PutOptions{Size: size}); err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = s.Serve(w, r, "film.mp4") }))
	defer srv.Close()
	b.SetBytes(size)
	for b.Loop() {
		res, err := http.Get(srv.URL)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err != nil || n != size {
			b.Fatal(n, err)
		}
	}
}
