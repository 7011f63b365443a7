// Package blobtest is the conformance suite of package blob: every adapter
// runs it against a store of its own.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

// Run checks the store that open makes; open is called once per case and must
// return an empty store.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, blob.Store){
		"RoundTrip": roundTrip, "BadKeys": badKeys, "Missing": missing, "Replace": replace,
		"HalfWritten": halfWritten, "WrongSize": wrongSize, "List": list, "DeletePrefix": deletePrefix,
		"Serve": serve, "ServeConditions": serveConditions, "Large": large, "LocalFiles": localFiles, "Concurrent": concurrent, "Cancelled": cancelled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t *testing.T, s blob.Store, key, body string) blob.Info {
	t.Helper()
	i, err := s.Put(context.Background(), key, strings.NewReader(body), blob.PutOptions{Size: int64(len(body))})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return i
}

func get(t *testing.T, s blob.Store, key string) string {
	t.Helper()
	o, err := s.Open(context.Background(), key)
	if err != nil {
		t.Fatalf("open %s: %v", key, err)
	}
	defer o.Close()
	b, err := io.ReadAll(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func roundTrip(t *testing.T, s blob.Store) {
	ctx := context.Background()
	i, err := s.Put(ctx, "renditions/a-1/index.m3u8", strings.NewReader("hello"), blob.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if i.Key != "renditions/a-1/index.m3u8" || i.Size != 5 || i.ContentType != "application/vnd.apple.mpegurl" || i.ModTime.IsZero() {
		t.Errorf("info %+v", i)
	}
	if len(i.ETag) < 3 || i.ETag[0] != '"' || i.ETag[len(i.ETag)-1] != '"' {
		t.Errorf("ETag %q is not strong and quoted", i.ETag)
	}
	o, err := s.Open(ctx, i.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Info() != i {
		t.Errorf("Open says %+v, Put said %+v", o.Info(), i)
	}
	if _, err := o.Seek(3, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(o); string(b) != "lo" {
		t.Errorf("after seek %q", b)
	}
	if st, err := s.Stat(ctx, i.Key); err != nil || st != i {
		t.Errorf("Stat %+v %v", st, err)
	}
	for key, ct := range map[string]string{"x/noext": "image/png", "x/odd.mp4": "video/x-odd"} {
		if i, err := s.Put(ctx, key, strings.NewReader("x"), blob.PutOptions{ContentType: ct}); err != nil || i.ContentType != ct {
			t.Errorf("%s: type %q %v", key, i.ContentType, err)
		}
		if i, err := s.Stat(ctx, key); err != nil || i.ContentType != ct {
			t.Errorf("%s: type %q %v", key, i.ContentType, err)
		}
	}
	if i, _ := s.Put(ctx, "x/noext", strings.NewReader("x"), blob.PutOptions{}); i.ContentType != "application/octet-stream" {
		t.Errorf("a new object kept the old type %q", i.ContentType)
	}
	put(t, s, "empty", "")
	if get(t, s, "empty") != "" {
		t.Error("an empty object is not empty")
	}
}

func badKeys(t *testing.T, s blob.Store) {
	ctx := context.Background()
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.b",
		"a\x00b", "a\\b", "a b", "a%2e", "é", "a:b", "a\nb", strings.Repeat("a", 201), strings.Repeat("a/", 300) + "a",
	} {
		_, err := s.Put(ctx, key, strings.NewReader("x"), blob.PutOptions{})
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("Put %q: %v", key, err)
		}
		if _, err := s.Open(ctx, key); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Open %q: %v", key, err)
		}
		if _, err := s.Stat(ctx, key); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Stat %q: %v", key, err)
		}
		if err := s.Delete(ctx, key); fault.KindOf(err) != fault.Invalid {
			t.Errorf("Delete %q: %v", key, err)
		}
	}
	for _, p := range []string{"", "/", "a", "../", "a/../", "./"} {
		if err := s.DeletePrefix(ctx, p); fault.KindOf(err) != fault.Invalid {
			t.Errorf("DeletePrefix %q: %v", p, err)
		}
	}
	if n := len(keys(t, s, "")); n != 0 {
		t.Errorf("%d objects were stored", n)
	}
}

func missing(t *testing.T, s blob.Store) {
	ctx := context.Background()
	put(t, s, "a/b.txt", "x")
	for _, key := range []string{"no", "a", "a/no", "a/b.txt/c"} {
		if _, err := s.Open(ctx, key); fault.KindOf(err) != fault.NotFound {
			t.Errorf("Open %s: %v", key, err)
		}
		if _, err := s.Stat(ctx, key); fault.KindOf(err) != fault.NotFound {
			t.Errorf("Stat %s: %v", key, err)
		}
		if err := s.Delete(ctx, key); err != nil {
			t.Errorf("Delete %s: %v", key, err)
		}
	}
	if get(t, s, "a/b.txt") != "x" {
		t.Error("a neighbour was touched")
	}
	if err := s.Delete(ctx, "a/b.txt"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(ctx, "a/b.txt"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("still there: %v", err)
	}
}

func replace(t *testing.T, s blob.Store) {
	a := put(t, s, "k.txt", "first")
	o, err := s.Open(context.Background(), "k.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	b := put(t, s, "k.txt", "other")
	if a.ETag == b.ETag {
		t.Error("the ETag did not change")
	}
	if got, _ := io.ReadAll(o); string(got) != "first" {
		t.Errorf("an open object changed under its reader: %q", got)
	}
	if get(t, s, "k.txt") != "other" {
		t.Error("the new bytes are not there")
	}
}

type brokenReader struct{ left int }

var errBroken = errors.New("the line broke")

func (b *brokenReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errBroken
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

func halfWritten(t *testing.T, s blob.Store) {
	put(t, s, "k.txt", "old")
	for _, key := range []string{"k.txt", "new/k.txt"} {
		if _, err := s.Put(context.Background(), key, &brokenReader{1 << 20}, blob.PutOptions{}); !errors.Is(err, errBroken) {
			t.Errorf("Put %s: %v", key, err)
		}
	}
	// The word of a connection that broke off is not that of an end.
	cut := io.MultiReader(strings.NewReader("half"), errReader{io.ErrUnexpectedEOF})
	if _, err := s.Put(context.Background(), "k.txt", cut, blob.PutOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Put of a stream that broke off: %v", err)
	}
	if get(t, s, "k.txt") != "old" {
		t.Error("a failed Put replaced the object")
	}
	if got := keys(t, s, ""); !slices.Equal(got, []string{"k.txt"}) {
		t.Errorf("left behind: %v", got)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// large puts more than an adapter would send, or hold, in one piece.
func large(t *testing.T, s blob.Store) {
	ctx := context.Background()
	body := make([]byte, 18<<20)
	for i := range body {
		body[i] = byte(i ^ i>>11)
	}
	n := int64(len(body))
	check := func(key string, i blob.Info) {
		t.Helper()
		if i.Size != n {
			t.Errorf("%s: %d bytes, want %d", key, i.Size, n)
		}
		if st, err := s.Stat(ctx, key); err != nil || st != i {
			t.Errorf("%s: Stat %+v %v, Put said %+v", key, st, err, i)
		}
		if got := get(t, s, key); got != string(body) {
			t.Errorf("%s: other bytes came back", key)
		}
	}
	for key, size := range map[string]int64{"known": n, "unknown": 0} {
		i, err := s.Put(ctx, key, bytes.NewReader(body), blob.PutOptions{Size: size})
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		check(key, i)
	}
	local := filepath.Join(t.TempDir(), "film")
	if err := os.WriteFile(local, body, 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := blob.PutFile(ctx, s, "file", local, blob.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	check("file", i)

	o, err := s.Open(ctx, "file")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, at := range []int64{17 << 20, 5, 1 << 20, 1<<20 + 100} {
		got := make([]byte, 100)
		if _, err := o.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(o, got); err != nil || !bytes.Equal(got, body[at:at+100]) {
			t.Errorf("other bytes at %d: %v", at, err)
		}
	}

	for _, size := range []int64{n - 1, n + 1} {
		if _, err := s.Put(ctx, "bad", bytes.NewReader(body), blob.PutOptions{Size: size}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("size %d of %d: %v", size, n, err)
		}
	}
	for _, size := range []int64{0, n} {
		cut := io.MultiReader(bytes.NewReader(body[:n-1]), errReader{io.ErrUnexpectedEOF})
		if _, err := s.Put(ctx, "bad", cut, blob.PutOptions{Size: size}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("broken off, size %d: %v", size, err)
		}
	}
	stop, cancel := context.WithCancel(ctx)
	if _, err := s.Put(stop, "bad", io.MultiReader(bytes.NewReader(body), funcReader(cancel)), blob.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if got := keys(t, s, ""); !slices.Equal(got, []string{"file", "known", "unknown"}) {
		t.Errorf("stored: %v", got)
	}
}

// funcReader is one byte that comes with a call.
type funcReader func()

func (f funcReader) Read(p []byte) (int, error) { f(); p[0] = 'x'; return 1, nil }

func wrongSize(t *testing.T, s blob.Store) {
	for _, size := range []int64{4, 6} {
		_, err := s.Put(context.Background(), "k", strings.NewReader("12345"), blob.PutOptions{Size: size})
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("size %d: %v", size, err)
		}
	}
	if got := keys(t, s, ""); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func keys(t *testing.T, s blob.Store, prefix string) []string {
	t.Helper()
	out := []string{}
	for i, err := range s.List(context.Background(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		out = append(out, i.Key)
	}
	return out
}

func list(t *testing.T, s blob.Store) {
	want := []string{"a.b", "a/1", "a/2/x", "a/2.x", "ab/1", "b"}
	for _, k := range want {
		put(t, s, k, k)
	}
	slices.Sort(want)
	if got := keys(t, s, ""); !slices.Equal(got, want) {
		t.Errorf("all: %v", got)
	}
	if got := keys(t, s, "a/"); !slices.Equal(got, []string{"a/1", "a/2.x", "a/2/x"}) {
		t.Errorf("a/: %v", got)
	}
	if got := keys(t, s, "no/"); len(got) != 0 {
		t.Errorf("no/: %v", got)
	}
	for _, err := range s.List(context.Background(), "") {
		if err != nil {
			t.Errorf("list: %v", err)
		}
		break // a caller may stop early
	}
}

func deletePrefix(t *testing.T, s blob.Store) {
	ctx := context.Background()
	for _, k := range []string{"r/1/a", "r/1/b/c", "r/10/a", "r/1.x"} {
		put(t, s, k, k)
	}
	if err := s.DeletePrefix(ctx, "r/1/"); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, s, ""); !slices.Equal(got, []string{"r/1.x", "r/10/a"}) {
		t.Errorf("left: %v", got)
	}
	if err := s.DeletePrefix(ctx, "r/1/"); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := s.DeletePrefix(ctx, "r/10/a/"); err != nil || len(keys(t, s, "")) != 2 {
		t.Errorf("an object is not a folder: %v", err)
	}
}

// answer is what a client has at the end of a request.
type answer struct {
	code       int
	body       string
	header     http.Header
	redirected bool
}

// ask requests an object as the handler of /media/ does, and goes where the
// store redirects to.
func ask(t *testing.T, srv blob.Server, method, key string, h map[string]string) (answer, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/x", nil)
	for k, v := range h {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	w.Header().Set("Cache-Control", cacheControl)
	if err := srv.Serve(w, r, key); err != nil {
		if w.Body.Len() > 0 || w.Code != http.StatusOK {
			t.Errorf("%s %s: an error after an answer was begun: %v", method, key, err)
		}
		return answer{}, err
	}
	if w.Code < 300 || w.Code >= 400 || w.Code == http.StatusNotModified {
		return answer{w.Code, w.Body.String(), w.Header(), false}, nil
	}
	if cc := w.Header().Get("Cache-Control"); cc != "no-store" {
		t.Errorf("%s %s: the redirect may be kept: Cache-Control %q", method, key, cc)
	}
	next, err := http.NewRequestWithContext(t.Context(), method, w.Header().Get("Location"), nil)
	if err != nil {
		t.Fatal(err)
	}
	next.Header = r.Header
	res, err := http.DefaultTransport.RoundTrip(next)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, string(b), res.Header, true}, nil
}

const cacheControl = "private, max-age=60"

func serve(t *testing.T, s blob.Store) {
	srv, ok := s.(blob.Server)
	if !ok {
		t.Skip("the adapter serves nothing by itself")
	}
	i := put(t, s, "v/seg.m4s", "0123456789")
	do := func(method, key string, h map[string]string) answer {
		t.Helper()
		a, err := ask(t, srv, method, key, h)
		if err != nil {
			t.Fatalf("%s %s: %v", method, key, err)
		}
		return a
	}
	a := do(http.MethodGet, i.Key, nil)
	if a.code != http.StatusOK || a.body != "0123456789" || a.header.Get("ETag") != i.ETag || a.header.Get("Content-Type") != "video/iso.segment" {
		t.Errorf("GET %d %s %v", a.code, a.body, a.header)
	}
	if cc := a.header.Get("Cache-Control"); cc != cacheControl {
		t.Errorf("the caller's Cache-Control became %q", cc)
	}
	a = do(http.MethodGet, i.Key, map[string]string{"Range": "bytes=2-4"})
	if a.code != http.StatusPartialContent || a.body != "234" || a.header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("range: %d %s %v", a.code, a.body, a.header)
	}
	if a = do(http.MethodGet, i.Key, map[string]string{"Range": "bytes=20-"}); a.code != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("range past the end: %d", a.code)
	}
	if a = do(http.MethodGet, i.Key, map[string]string{"If-None-Match": i.ETag}); a.code != http.StatusNotModified || a.body != "" {
		t.Errorf("condition: %d", a.code)
	}
	a = do(http.MethodHead, i.Key, nil)
	if a.code != http.StatusOK || a.body != "" || a.header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: %d %q %v", a.code, a.body, a.header)
	}
	if a, err := ask(t, srv, http.MethodGet, "no", nil); fault.KindOf(err) != fault.NotFound && (!a.redirected || a.code != http.StatusNotFound) {
		t.Errorf("missing: %d %v", a.code, err)
	}
	if _, err := ask(t, srv, http.MethodGet, "../no", nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("bad key: %v", err)
	}
	for _, key := range []string{"v/index.m3u8", "v/sprites.vtt"} {
		put(t, s, key, "seg.m4s")
		if a := do(http.MethodGet, key, nil); a.redirected || a.body != "seg.m4s" {
			t.Errorf("%s must come from its own address, against which the addresses in it are resolved: %+v", key, a)
		}
	}
}

// serveConditions holds an adapter that answers by itself to what
// http.ServeContent answers for the same bytes.
func serveConditions(t *testing.T, s blob.Store) {
	srv, ok := s.(blob.Server)
	if !ok {
		t.Skip("the adapter serves nothing by itself")
	}
	for key, body := range map[string]string{"v/index.m3u8": "0123456789", "v/none.m3u8": ""} {
		i := put(t, s, key, body)
		before, after := i.ModTime.Add(-time.Hour).Format(http.TimeFormat), i.ModTime.Add(time.Hour).Format(http.TimeFormat)
		for _, h := range []map[string]string{
			{}, {"Range": "bytes=0-"}, {"Range": "bytes=0-0"}, {"Range": "bytes=3-"}, {"Range": "bytes=-3"}, {"Range": "bytes=-30"},
			{"Range": "bytes=-0"}, {"Range": "bytes=3-99"}, {"Range": "bytes=9-9"}, {"Range": "bytes=10-"}, {"Range": "bytes=5-3"},
			{"Range": "bytes=a-b"}, {"Range": "bytes=+1-2"}, {"Range": "bytes=-"}, {"Range": "words=1-2"}, {"Range": "bytes=0-1,4-5"}, {"Range": "bytes=0-1,40-50"},
			{"Range": "bytes=99999999999999999999-"},
			{"If-None-Match": i.ETag}, {"If-None-Match": `"other"`}, {"If-None-Match": `"a", ` + i.ETag}, {"If-None-Match": "W/" + i.ETag}, {"If-None-Match": "*"}, {"If-None-Match": "junk"},
			{"If-None-Match": i.ETag, "Range": "bytes=1-2"}, {"If-None-Match": `"other"`, "Range": "bytes=1-2"},
			{"If-None-Match": `"other"`, "If-Modified-Since": after}, {"If-None-Match": i.ETag, "If-Modified-Since": before},
			{"If-Modified-Since": before}, {"If-Modified-Since": after}, {"If-Unmodified-Since": before}, {"If-Unmodified-Since": after},
			{"If-Match": i.ETag}, {"If-Match": `"other"`}, {"If-Match": "*"},
			{"If-Range": i.ETag, "Range": "bytes=1-2"}, {"If-Range": `"other"`, "Range": "bytes=1-2"},
		} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				got, err := ask(t, srv, method, key, h)
				if err != nil {
					t.Errorf("%s %v: %v", method, h, err)
					continue
				}
				r, w := httptest.NewRequestWithContext(t.Context(), method, "/x", nil), httptest.NewRecorder()
				for k, v := range h {
					r.Header.Set(k, v)
				}
				w.Header().Set("ETag", i.ETag)
				w.Header().Set("Content-Type", i.ContentType)
				http.ServeContent(w, r, "", i.ModTime, strings.NewReader(body))
				if strings.HasPrefix(w.Header().Get("Content-Type"), "multipart/") { // its boundary is random
					if got.code != w.Code || len(got.body) != w.Body.Len() {
						t.Errorf("%s %v: %d with %d bytes, want %d with %d", method, h, got.code, len(got.body), w.Code, w.Body.Len())
					}
					continue
				}
				if got.code != w.Code || got.body != w.Body.String() {
					t.Errorf("%s %v of %q: %d %q, want %d %q", method, h, body, got.code, got.body, w.Code, w.Body)
				}
				for _, name := range []string{"Content-Length", "Content-Range", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"} {
					if g, want := got.header.Get(name), w.Header().Get(name); g != want {
						t.Errorf("%s %v of %q: %s %q, want %q", method, h, body, name, g, want)
					}
				}
			}
		}
	}
}

func localFiles(t *testing.T, s blob.Store) {
	ctx, dir := context.Background(), t.TempDir()
	src := filepath.Join(dir, "src")
	if err := os.WriteFile(src, []byte("film"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(src, link); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.PutFile(ctx, s, "s/link.mp4", link, blob.PutOptions{}); err == nil {
		t.Error("a symbolic link was stored")
	}
	i, err := blob.PutFile(ctx, s, "s/a.mp4", src, blob.PutOptions{Size: 4})
	if err != nil || i.Size != 4 {
		t.Fatalf("PutFile: %+v %v", i, err)
	}
	if _, err := os.Lstat(src); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the local file is still there: %v", err)
	}
	dst := filepath.Join(dir, "dst")
	if err := blob.Fetch(ctx, s, "s/a.mp4", dst); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(dst); string(b) != "film" {
		t.Errorf("fetched %q", b)
	}
	if err := blob.Fetch(ctx, s, "s/no.mp4", filepath.Join(dir, "no")); fault.KindOf(err) != fault.NotFound {
		t.Errorf("missing: %v", err)
	}
}

func concurrent(t *testing.T, s blob.Store) {
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 20 {
				body := bytes.Repeat([]byte{byte('a' + w)}, 1000+n)
				if _, err := s.Put(context.Background(), "same", bytes.NewReader(body), blob.PutOptions{}); err != nil {
					t.Errorf("put: %v", err)
				}
				key := fmt.Sprintf("dir/%d/x", n%3)
				if _, err := s.Put(context.Background(), key, bytes.NewReader(body), blob.PutOptions{}); err != nil {
					t.Errorf("put %s: %v", key, err)
				}
				if err := s.DeletePrefix(context.Background(), fmt.Sprintf("dir/%d/", (n+1)%3)); err != nil {
					t.Errorf("delete: %v", err)
				}
			}
		})
	}
	wg.Wait()
	b := get(t, s, "same")
	if len(b) < 1000 || strings.Trim(b, b[:1]) != "" {
		t.Error("two writers mixed their bytes")
	}
}

func cancelled(t *testing.T, s blob.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Put(ctx, "k", strings.NewReader("x"), blob.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if got := keys(t, s, ""); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
}
