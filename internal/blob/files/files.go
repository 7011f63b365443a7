// Package files keeps objects as plain files in one folder.
//
// A Put writes a temporary file beside the objects, flushes it to the disk and
// renames it into place, so a crash leaves the old object or the new one.
// The folder is opened as an os.Root: no key and no symbolic link inside it
// leads out.
//
//	<dir>/objects/<key>   the bytes
//	<dir>/types/<key>     the content type, where the key's extension does not say it
//	<dir>/tmp/            what is being written; emptied of the stale at New
package files

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

// Store implements blob.Store, blob.Server, blob.Linker and blob.Importer.
type Store struct {
	root *os.Root
	dir  string
	// tree orders what makes folders (read side) against what removes them
	// (write side). It is held for renames only, never while bytes move.
	// Several processes may share the folder; rename's retry is for them.
	tree sync.RWMutex
}

var (
	_ blob.Store    = (*Store)(nil)
	_ blob.Server   = (*Store)(nil)
	_ blob.Linker   = (*Store)(nil)
	_ blob.Importer = (*Store)(nil)
)

// staleAfter is how old an abandoned temporary file must be before New removes
// it: older than any upload that could still be running in another process.
const staleAfter = 24 * time.Hour

// New opens the store in dir, which it makes when missing. Close it.
func New(dir string) (*Store, error) {
	if dir == "" {
		return nil, errors.New("files: no folder given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	for _, d := range []string{"objects", "types", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("files: %w", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	s := &Store{root: root, dir: dir}
	entries, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("files: %w", err)
	}
	for _, e := range entries {
		if st, err := e.Info(); err == nil && time.Since(st.ModTime()) > staleAfter {
			_ = root.RemoveAll("tmp/" + e.Name())
		}
	}
	return s, nil
}

// Close releases the folder; objects already open stay readable.
func (s *Store) Close() error { return s.root.Close() }

// Put implements blob.Store.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	tmp := tempName()
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return blob.Info{}, fail("put", key, err)
	}
	n, err := io.Copy(f, blob.Bound(ctx, r))
	if err == nil && o.Size > 0 && n != o.Size {
		err = fault.New(fault.Invalid, "%d bytes were announced and %d came.", o.Size, n).WithReason(blob.ReasonWrongSize)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = s.root.Remove(tmp)
		return blob.Info{}, fail("put", key, err)
	}
	return s.place(tmp, key, o.ContentType)
}

// Import implements blob.Importer: by a rename on the same file system, else
// by a copy.
func (s *Store) Import(ctx context.Context, key, local string, o blob.PutOptions) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	f, err := os.OpenFile(local, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return blob.Info{}, fail("import", key, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return blob.Info{}, fail("import", key, err)
	}
	if !st.Mode().IsRegular() {
		return blob.Info{}, fmt.Errorf("import %s: not a regular file", key)
	}
	if o.Size > 0 && st.Size() != o.Size {
		return blob.Info{}, fault.New(fault.Invalid, "%d bytes were announced and %d came.", o.Size, st.Size()).WithReason(blob.ReasonWrongSize)
	}
	if err := f.Sync(); err != nil {
		return blob.Info{}, fail("import", key, err)
	}
	tmp := tempName()
	if err := os.Rename(local, filepath.Join(s.dir, filepath.FromSlash(tmp))); err == nil {
		// What a tool wrote may be closed to the server that reads it.
		_ = s.root.Chmod(tmp, 0o644)
		return s.place(tmp, key, o.ContentType)
	} else if !errors.Is(err, syscall.EXDEV) {
		return blob.Info{}, fail("import", key, err)
	}
	o.Size = st.Size()
	info, err := s.Put(ctx, key, f, o)
	if err != nil {
		return blob.Info{}, err
	}
	return info, os.Remove(local)
}

// place moves a finished temporary file to its key.
func (s *Store) place(tmp, key, contentType string) (blob.Info, error) {
	s.tree.RLock()
	defer s.tree.RUnlock()
	if err := s.placeIn(tmp, key, "objects/"+key, contentType); err != nil {
		_ = s.root.Remove(tmp)
		return blob.Info{}, fail("put", key, err)
	}
	return s.stat(key)
}

func (s *Store) placeIn(tmp, key, obj, contentType string) error {
	// The type first: an object must never be seen under the wrong one.
	if contentType != "" && contentType != blob.TypeOf(key) {
		tt := tempName()
		if err := s.root.WriteFile(tt, []byte(contentType), 0o644); err != nil {
			return err
		}
		if err := s.rename(tt, "types/"+key); err != nil {
			_ = s.root.Remove(tt)
			return err
		}
	} else if err := s.root.Remove("types/" + key); err != nil && !missing(err) {
		return err
	}
	if err := s.rename(tmp, obj); err != nil {
		return err
	}
	// The rename itself must survive a power cut.
	d, err := s.root.Open(path.Dir(obj))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// rename makes the target's folder. Another process may remove that folder
// between the two steps, hence the further tries.
func (s *Store) rename(from, to string) error {
	var err error
	for range 3 {
		if err = s.root.MkdirAll(path.Dir(to), 0o755); err != nil {
			return err
		}
		if err = s.root.Rename(from, to); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

type object struct {
	*os.File
	info blob.Info
}

func (o *object) Info() blob.Info { return o.info }

// Open implements blob.Store.
func (s *Store) Open(_ context.Context, key string) (blob.Object, error) {
	return s.open(key)
}

func (s *Store) open(key string) (*object, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	f, err := s.root.Open("objects/" + key)
	if err != nil {
		return nil, fail("open", key, err)
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fail("open", key, err)
	}
	if !st.Mode().IsRegular() {
		_ = f.Close()
		return nil, blob.Missing(key)
	}
	return &object{f, s.info(key, st)}, nil
}

// Stat implements blob.Store.
func (s *Store) Stat(_ context.Context, key string) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	return s.stat(key)
}

func (s *Store) stat(key string) (blob.Info, error) {
	st, err := s.root.Lstat("objects/" + key)
	if err != nil {
		return blob.Info{}, fail("stat", key, err)
	}
	if !st.Mode().IsRegular() {
		return blob.Info{}, blob.Missing(key)
	}
	return s.info(key, st), nil
}

func (s *Store) info(key string, st fs.FileInfo) blob.Info {
	i := blob.Info{Key: key, Size: st.Size(), ModTime: st.ModTime(), ContentType: blob.TypeOf(key)}
	// Objects are replaced by a rename, so the inode changes even when a new
	// object of the same size lands within the clock's tick.
	var ino uint64
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		ino = sys.Ino
	}
	i.ETag = `"` + strconv.FormatInt(st.ModTime().UnixNano(), 36) + "-" + strconv.FormatInt(st.Size(), 36) + "-" + strconv.FormatUint(ino, 36) + `"`
	if i.ContentType == "application/octet-stream" {
		if t, err := s.root.ReadFile("types/" + key); err == nil {
			i.ContentType = string(t)
		}
	} else if t, err := s.root.ReadFile("types/" + key); err == nil && len(t) > 0 {
		i.ContentType = string(t)
	}
	return i
}

// Delete implements blob.Store.
func (s *Store) Delete(_ context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	s.tree.Lock()
	defer s.tree.Unlock()
	st, err := s.root.Lstat("objects/" + key)
	if missing(err) || err == nil && st.IsDir() {
		return nil
	}
	if err := s.root.Remove("objects/" + key); err != nil && !missing(err) {
		return fail("delete", key, err)
	}
	if err := s.root.Remove("types/" + key); err != nil && !missing(err) {
		return fail("delete", key, err)
	}
	s.prune("objects", path.Dir(key))
	s.prune("types", path.Dir(key))
	return nil
}

// DeletePrefix implements blob.Store.
func (s *Store) DeletePrefix(ctx context.Context, prefix string) error {
	if err := blob.CheckPrefix(prefix); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	k := strings.TrimSuffix(prefix, "/")
	for _, top := range []string{"objects", "types"} {
		gone, err := s.unhook(top, k)
		if err != nil {
			return fail("delete", k, err)
		}
		if gone == "" {
			continue
		}
		if err := s.root.RemoveAll(gone); err != nil {
			return fail("delete", k, err)
		}
	}
	return nil
}

// unhook moves a folder out of the tree in one step, so that its objects
// vanish together, and returns where it went: empty when there was none.
func (s *Store) unhook(top, k string) (string, error) {
	s.tree.Lock()
	defer s.tree.Unlock()
	// A file of that very name is not under the prefix.
	if st, err := s.root.Lstat(top + "/" + k); err != nil || !st.IsDir() {
		return "", nil
	}
	gone := tempName()
	if err := s.root.Rename(top+"/"+k, gone); err != nil {
		if missing(err) {
			return "", nil
		}
		return "", err
	}
	s.prune(top, path.Dir(k))
	return gone, nil
}

// prune removes folders that became empty; Remove refuses those that are not.
func (s *Store) prune(top, dir string) {
	for ; dir != "." && dir != "/"; dir = path.Dir(dir) {
		if s.root.Remove(top+"/"+dir) != nil {
			return
		}
	}
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		dir := "objects"
		if prefix != "" {
			if err := blob.CheckPrefix(prefix); err != nil {
				yield(blob.Info{}, err)
				return
			}
			dir += "/" + strings.TrimSuffix(prefix, "/")
		}
		s.walk(ctx, dir, yield)
	}
}

// walk yields in key order: "a.x" sorts before "a/b", as '.' is less than '/'.
func (s *Store) walk(ctx context.Context, dir string, yield func(blob.Info, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield(blob.Info{}, err)
		return false
	}
	entries, err := fs.ReadDir(s.root.FS(), dir)
	if missing(err) || errors.Is(err, syscall.ENOTDIR) {
		return true
	}
	if err != nil {
		yield(blob.Info{}, fail("list", dir, err))
		return false
	}
	sortEntries(entries)
	for _, e := range entries {
		p := dir + "/" + e.Name()
		switch {
		case e.IsDir():
			if !s.walk(ctx, p, yield) {
				return false
			}
		case e.Type().IsRegular():
			st, err := e.Info()
			if missing(err) {
				continue // deleted meanwhile
			}
			if err != nil {
				yield(blob.Info{}, fail("list", dir, err))
				return false
			}
			if !yield(s.info(strings.TrimPrefix(p, "objects/"), st), nil) {
				return false
			}
		}
	}
	return true
}

// Serve implements blob.Server. The ResponseWriter gets the bare *os.File by
// way of http.ServeContent, so the kernel sends the bytes; a middleware that
// hides io.ReaderFrom doubles the CPU per byte.
func (s *Store) Serve(w http.ResponseWriter, r *http.Request, key string) error {
	o, err := s.open(key)
	if err != nil {
		return err
	}
	defer o.Close()
	h := w.Header()
	h.Set("Content-Type", o.info.ContentType)
	h.Set("ETag", o.info.ETag)
	http.ServeContent(w, r, "", o.info.ModTime, o.File)
	return nil
}

// Link implements blob.Linker by a hard link.
func (s *Store) Link(_ context.Context, key, dst string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if _, err := s.stat(key); err != nil {
		return err
	}
	if err := os.Link(filepath.Join(s.dir, "objects", filepath.FromSlash(key)), dst); err != nil {
		return fail("link", key, err)
	}
	return nil
}

func tempName() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails since Go 1.24
	return "tmp/" + hex.EncodeToString(b[:])
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// fail turns what the operating system said into what a caller can act on.
func fail(op, key string, err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return f
	case missing(err):
		return blob.Missing(key)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.Unavailable, "The disk is full: free some space and try again.").WithReason(blob.ReasonDiskFull).Because(err)
	case errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist) && op == "put":
		return fault.New(fault.Conflict, "The name %s is taken by a folder.", path.Base(key)).WithReason(blob.ReasonBadKey).Because(err)
	}
	return fmt.Errorf("files: %s %s: %w", op, key, err)
}
