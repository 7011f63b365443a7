package files_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/blob/blobtest"
	"github.com/netflixathome/cinema/internal/blob/files"
	"github.com/netflixathome/cinema/internal/fault"
)

func open(t *testing.T, dir string) *files.Store {
	t.Helper()
	s, err := files.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir()) })
}

func TestNothingIsLeftInTmp(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	boom := errors.New("boom")
	_, err := s.Put(context.Background(), "a", io.MultiReader(strings.NewReader("x"), errReader{boom}), blob.PutOptions{})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if es, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(es) != 0 {
		t.Errorf("left: %v", es)
	}
}

func TestStaleTemporariesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	for name, age := range map[string]time.Duration{"old": 48 * time.Hour, "new": time.Minute} {
		p := filepath.Join(dir, "tmp", name)
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(p, then, then); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "tmp", "old")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the stale one is still there")
	}
	if _, err := os.Stat(filepath.Join(dir, "tmp", "new")); err != nil {
		t.Error("one in use was removed")
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestDiskFullIsSaidPlainly(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := s.Put(context.Background(), "a", errReader{&os.PathError{Op: "write", Err: syscall.ENOSPC}}, blob.PutOptions{})
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.Reason != blob.ReasonDiskFull {
		t.Errorf("%v", err)
	}
}

func TestSymlinkLeadsNowhere(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(dir, "objects", "leak")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(context.Background(), "leak"); err == nil {
		t.Error("a symbolic link out of the store was followed")
	}
}

// BenchmarkServe sends a 64 MB object over loopback: the bytes go by sendfile.
func BenchmarkServe(b *testing.B) {
	s, err := files.New(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const size = 64 << 20
	if _, err := s.Put(context.Background(), "film.mp4", io.LimitReader(zeros{}, size), blob.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = s.Serve(w, r, "film.mp4") })}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	b.SetBytes(size)
	for b.Loop() {
		res, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
