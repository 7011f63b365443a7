// Package blob is the port to the object store: films, renditions, posters.
//
// An object is immutable bytes under a key. A key is a slash path of a small,
// safe alphabet (see CheckKey), so that it is at once a file's path, an S3 key
// and a URL path without quoting. A Put is all or nothing: a reader sees the
// old object or the new one, never a part.
//
// No key may be the folder of another ("a" and "a/b"): a file store cannot
// hold both, and nothing here needs it.
//
// What an adapter can do beyond Store it says by further small interfaces:
// Server (send the object over HTTP the cheapest way), Linker and Importer
// (trade whole files with the local disk without copying them). Fetch and
// PutFile use these where present and copy where not.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/netflixathome/cinema/internal/fault"
)

// Info describes an object.
type Info struct {
	Key         string
	Size        int64 // bytes
	ContentType string
	ModTime     time.Time
	ETag        string // strong and quoted, as HTTP wants it
}

// PutOptions describes what is put.
type PutOptions struct {
	// ContentType is kept with the object; empty means TypeOf(key).
	ContentType string
	// Size is the number of bytes the reader must hold; a Put of any other
	// number fails and stores nothing. Zero or less means not known.
	Size int64
}

// Object is an open object: seek for ranges, close when done.
type Object interface {
	io.ReadSeekCloser
	Info() Info
}

// Store keeps objects. Expected failures are *fault.Error: NotFound for a
// missing key, Invalid for a bad key or a wrong size, Unavailable with reason
// DISK_FULL when there is no room.
type Store interface {
	Put(ctx context.Context, key string, r io.Reader, o PutOptions) (Info, error)
	Open(ctx context.Context, key string) (Object, error)
	Stat(ctx context.Context, key string) (Info, error)
	// Delete removes the object; a missing one is no error.
	Delete(ctx context.Context, key string) error
	// DeletePrefix removes every object whose key starts with prefix, which
	// must be a folder: it ends with a slash.
	DeletePrefix(ctx context.Context, prefix string) error
	// List yields every object whose key starts with prefix (empty, or a
	// folder that ends with a slash), in the order of keys. Where a listing
	// does not tell the content type it is the one that the key stands for.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
}

// Server is a Store that answers HTTP for an object by itself: with sendfile,
// or by redirecting to a presigned URL. The caller has authorised the request
// and set the cache headers; Serve sets type, length, ETag and handles ranges
// and conditions; if it redirects, the other place does. What holds relative
// addresses (playlists, WebVTT) it never redirects: a player resolves them
// against the address that answered at last. An error means that nothing was
// written yet.
type Server interface {
	Serve(w http.ResponseWriter, r *http.Request, key string) error
}

// Linker is a Store that can put an object at a local path without copying.
// The file must be treated as read-only: it may be the stored one.
type Linker interface {
	Link(ctx context.Context, key, path string) error
}

// Importer is a Store that can take over a local file without copying it.
// After success the file at path is gone or a copy of its own.
type Importer interface {
	Import(ctx context.Context, key, path string, o PutOptions) (Info, error)
}

// Reasons of this package's faults.
const (
	ReasonBadKey    = "BAD_KEY"
	ReasonDiskFull  = "DISK_FULL"
	ReasonWrongSize = "WRONG_SIZE"
)

const maxKey = 512

// CheckKey accepts slash paths whose elements are made of A-Z a-z 0-9 and
// . _ - +, do not start with a dot and are 1 to 200 bytes long.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return badKey()
	}
	for el := range strings.SplitSeq(key, "/") {
		if el == "" || len(el) > 200 || el[0] == '.' {
			return badKey()
		}
		for i := range len(el) {
			c := el[i]
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
				c == '.' || c == '_' || c == '-' || c == '+' {
				continue
			}
			return badKey()
		}
	}
	return nil
}

// CheckPrefix accepts a key followed by one slash.
func CheckPrefix(prefix string) error {
	k, ok := strings.CutSuffix(prefix, "/")
	if !ok {
		return badKey()
	}
	return CheckKey(k)
}

// The key itself is left out of the message: it may hold anything.
func badKey() error {
	return fault.New(fault.Invalid, "The name of a stored object is not allowed.").WithReason(ReasonBadKey)
}

// Missing is the fault for a key that names nothing.
func Missing(key string) error {
	return fault.New(fault.NotFound, "The file %s does not exist.", path.Base(key))
}

var types = map[string]string{
	".m3u8": "application/vnd.apple.mpegurl",
	".m4s":  "video/iso.segment",
	".mp4":  "video/mp4",
	".m4v":  "video/mp4",
	".m4a":  "audio/mp4",
	".mkv":  "video/x-matroska",
	".webm": "video/webm",
	".ts":   "video/mp2t",
	".vtt":  "text/vtt; charset=utf-8",
	".srt":  "application/x-subrip",
	".jpg":  "image/jpeg",
	".jpeg": "image/jpeg",
	".png":  "image/png",
	".webp": "image/webp",
	".json": "application/json",
	".txt":  "text/plain; charset=utf-8",
}

// TypeOf is the content type that a key's extension stands for. The table is
// closed on purpose: nothing a browser would run (HTML, SVG, scripts) is in it.
func TypeOf(key string) string {
	if t, ok := types[strings.ToLower(path.Ext(key))]; ok {
		return t
	}
	return "application/octet-stream"
}

// Fetch puts the object at a local path that does not exist yet, by a link
// where the store can, else by a copy. The file must not be written to.
func Fetch(ctx context.Context, s Store, key, dst string) error {
	if l, ok := s.(Linker); ok {
		err := l.Link(ctx, key, dst)
		if err == nil || fault.KindOf(err) == fault.NotFound || fault.KindOf(err) == fault.Invalid {
			return err
		}
		// Another file system, or one without links: copy.
	}
	o, err := s.Open(ctx, key)
	if err != nil {
		return err
	}
	defer o.Close()
	f, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("fetch %s: %w", key, err)
	}
	_, err = io.Copy(f, &ctxReader{ctx, o})
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(dst)
		return fmt.Errorf("fetch %s: %w", key, err)
	}
	return nil
}

// PutFile stores the local regular file at path under key and takes the file
// over: after success it is gone. A symbolic link is refused.
func PutFile(ctx context.Context, s Store, key, path string, o PutOptions) (Info, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return Info{}, fmt.Errorf("put %s: %w", key, err)
	}
	if !st.Mode().IsRegular() {
		return Info{}, fmt.Errorf("put %s: not a regular file", key)
	}
	if im, ok := s.(Importer); ok {
		return im.Import(ctx, key, path, o)
	}
	f, err := os.Open(path)
	if err != nil {
		return Info{}, fmt.Errorf("put %s: %w", key, err)
	}
	defer f.Close()
	if o.Size <= 0 {
		o.Size = st.Size()
	}
	info, err := s.Put(ctx, key, f, o)
	if err != nil {
		return Info{}, err
	}
	return info, os.Remove(path)
}

// ctxReader ends a copy when its context does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Bound makes r fail when ctx ends; for adapters that copy.
func Bound(ctx context.Context, r io.Reader) io.Reader { return &ctxReader{ctx, r} }
