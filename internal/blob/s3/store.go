package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

const (
	// minPart is how much is put by one request, and held in memory for one
	// Put; S3 takes parts of 5 MB to 5 GB.
	minPart = 16 << 20
	// maxParts is how many parts S3 takes. A Put of unknown size ends at
	// maxParts × minPart, 156 GB; Import and an announced size go on to 5 TB.
	maxParts = 10_000
	// partsAtOnce is how many parts of a local file are on their way.
	partsAtOnce = 4
	// deleteBatch is how many objects S3 deletes by one request.
	deleteBatch = 1000
)

// Put implements blob.Store. What fits into one part is read first and sent
// then, so that it can be sent again; what does not goes part by part.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	part := partSize(o.Size)
	src := &counted{r: blob.Bound(ctx, r), key: key, want: o.Size, limit: part * maxParts}
	if o.Size > minPart {
		return s.put(ctx, key, src, -1, part, o)
	}
	var head bytes.Buffer
	if o.Size > 0 {
		head.Grow(int(o.Size) + bytes.MinRead)
	}
	n, err := io.CopyN(&head, src, minPart+1)
	switch {
	case err == nil:
		return s.put(ctx, key, io.MultiReader(&head, src), -1, part, o)
	case !src.ended:
		return blob.Info{}, s.fail(ctx, "put", key, err)
	}
	return s.put(ctx, key, bytes.NewReader(head.Bytes()), n, part, o)
}

// Import implements blob.Importer: parts of the file go side by side, and the
// file is removed when the object is there.
func (s *Store) Import(ctx context.Context, key, local string, o blob.PutOptions) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	f, err := os.OpenFile(local, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return blob.Info{}, fmt.Errorf("s3: import %s: %w", key, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return blob.Info{}, fmt.Errorf("s3: import %s: %w", key, err)
	}
	if !st.Mode().IsRegular() {
		return blob.Info{}, fmt.Errorf("s3: import %s: not a regular file", key)
	}
	if o.Size > 0 && st.Size() != o.Size {
		return blob.Info{}, wrongSize(o.Size, st.Size())
	}
	size := st.Size()
	// A section, which has no Close: minio-go would close the file.
	info, err := s.put(ctx, key, io.NewSectionReader(f, 0, size), size, partSize(size), o)
	if err != nil {
		return blob.Info{}, err
	}
	return info, os.Remove(local)
}

// put sends body by one request, or part by part if it is long or of unknown
// size (below zero). minio-go aborts an upload of parts that fails, also when
// ctx has ended.
func (s *Store) put(ctx context.Context, key string, body io.Reader, size, part int64, o blob.PutOptions) (blob.Info, error) {
	if o.ContentType == "" {
		o.ContentType = blob.TypeOf(key)
	}
	up, err := s.core.Client.PutObject(ctx, s.bucket, s.prefix+key, body, size, minio.PutObjectOptions{
		ContentType: o.ContentType, PartSize: uint64(part), NumThreads: partsAtOnce,
	})
	if err != nil {
		return blob.Info{}, s.fail(ctx, "put", key, err)
	}
	return s.stored(ctx, blob.Info{Key: key, Size: up.Size, ContentType: o.ContentType, ETag: quoted(up.ETag)})
}

// partSize keeps parts few enough.
func partSize(size int64) int64 {
	const mb = 1 << 20
	return max(minPart, (size/maxParts+mb)/mb*mb)
}

// counted is a stream that fails, instead of ending, when it is not as long as
// was announced. Its failures are never those by which a reader says that it
// has ended: minio-go would complete the object.
type counted struct {
	r     io.Reader
	key   string
	want  int64 // zero or less: not known
	limit int64
	n     int64
	ended bool // as announced
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	switch {
	case c.want > 0 && (c.n > c.want || err == io.EOF && c.n < c.want):
		return 0, wrongSize(c.want, c.n)
	case c.n > c.limit:
		return 0, fault.New(fault.Invalid, "A file whose size is not announced may have %d GB at most.", c.limit>>30).WithReason(blob.ReasonWrongSize)
	case err != nil && err != io.EOF: // bare: a wrapped one is a stream that broke off
		return 0, unread{fmt.Errorf("s3: put %s: %w", c.key, err)}
	}
	c.ended = err == io.EOF
	return n, err
}

// stored completes what is said of an object that was just put. Only the store
// knows when that was; if it was replaced or deleted since, this clock must do.
func (s *Store) stored(ctx context.Context, put blob.Info) (blob.Info, error) {
	if i, err := s.Stat(ctx, put.Key); err == nil && i.ETag == put.ETag {
		return i, nil
	}
	put.ModTime = time.Now().UTC().Truncate(time.Second)
	return put, nil
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, key string) (blob.Info, error) {
	if err := blob.CheckKey(key); err != nil {
		return blob.Info{}, err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	o, err := s.core.StatObject(call, s.bucket, s.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return blob.Info{}, s.fail(ctx, "stat", key, err)
	}
	return info(key, o.Size, o), nil
}

// info takes the size by itself: that of a part's answer is the part's.
func info(key string, size int64, o minio.ObjectInfo) blob.Info {
	i := blob.Info{Key: key, Size: size, ContentType: o.ContentType, ETag: quoted(o.ETag), ModTime: o.LastModified.UTC().Truncate(time.Second)}
	if i.ContentType == "" {
		i.ContentType = blob.TypeOf(key)
	}
	return i
}

func quoted(etag string) string { return `"` + strings.Trim(etag, `"`) + `"` }

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := s.core.RemoveObject(call, s.bucket, s.prefix+key, minio.RemoveObjectOptions{})
	if err != nil && code(err) != "NoSuchKey" {
		return s.fail(ctx, "delete", key, err)
	}
	return nil
}

// DeletePrefix implements blob.Store, a thousand objects at a time. If it
// fails in between, a part is gone; to call it again does the rest.
func (s *Store) DeletePrefix(ctx context.Context, prefix string) error {
	if err := blob.CheckPrefix(prefix); err != nil {
		return err
	}
	batch := make([]minio.ObjectInfo, 0, deleteBatch)
	for o := range s.objects(ctx, prefix) {
		if o.Err != nil {
			return s.fail(ctx, "delete", prefix, o.Err)
		}
		if batch = append(batch, minio.ObjectInfo{Key: o.Key}); len(batch) < deleteBatch {
			continue
		}
		if err := s.deleteAll(ctx, prefix, batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	if err := ctx.Err(); err != nil { // the listing may have ended early
		return s.fail(ctx, "delete", prefix, err)
	}
	return s.deleteAll(ctx, prefix, batch)
}

func (s *Store) deleteAll(ctx context.Context, prefix string, batch []minio.ObjectInfo) error {
	if len(batch) == 0 {
		return nil
	}
	objects := make(chan minio.ObjectInfo, len(batch))
	for _, o := range batch {
		objects <- o
	}
	close(objects)
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var first error
	for e := range s.core.RemoveObjects(call, s.bucket, objects, minio.RemoveObjectsOptions{}) {
		if first == nil && code(e.Err) != "NoSuchKey" {
			first = e.Err
		}
	}
	if first != nil {
		return s.fail(ctx, "delete", prefix, first)
	}
	return nil
}

// List implements blob.Store, a thousand objects per request. A listing of S3
// does not tell content types: those here are the ones that keys stand for.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if prefix != "" {
			if err := blob.CheckPrefix(prefix); err != nil {
				yield(blob.Info{}, err)
				return
			}
		}
		for o := range s.objects(ctx, prefix) {
			if o.Err != nil {
				yield(blob.Info{}, s.fail(ctx, "list", prefix, o.Err))
				return
			}
			key := strings.TrimPrefix(o.Key, s.prefix)
			if blob.CheckKey(key) != nil {
				continue // nothing that was put here
			}
			o.ContentType = ""
			if !yield(info(key, o.Size, o), nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil { // the listing may have ended early
			yield(blob.Info{}, s.fail(ctx, "list", prefix, err))
		}
	}
}

func (s *Store) objects(ctx context.Context, prefix string) iter.Seq[minio.ObjectInfo] {
	return s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true})
}

func wrongSize(want, got int64) error {
	return fault.New(fault.Invalid, "%d bytes were announced and %d came.", want, got).WithReason(blob.ReasonWrongSize)
}

// unread is a failure of what was to be stored, not of the store.
type unread struct{ error }

func (u unread) Unwrap() error { return u.error }

// fail turns what the store said into what a caller can act on. ctx is the
// caller's: what this package's own bounds end is the store's fault.
func (s *Store) fail(ctx context.Context, op, key string, err error) error {
	var f *fault.Error
	var u unread
	var e minio.ErrorResponse
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &u):
		return u.error
	case ctx.Err() != nil:
		return fmt.Errorf("s3: %s %s: %w", op, key, ctx.Err())
	}
	cause := fmt.Errorf("s3: %s %s: %w", op, key, err)
	if errors.As(err, &e) {
		switch {
		case e.Code == "NoSuchKey":
			return blob.Missing(key)
		case e.Code == "XMinioStorageFull" || e.Code == "XMinioAdminBucketQuotaExceeded" || e.StatusCode == http.StatusInsufficientStorage:
			return fault.New(fault.Unavailable, "The object store is full: free some space and try again.").WithReason(blob.ReasonDiskFull).Because(cause)
		case e.Code == "XMinioParentIsObject" || e.Code == "XMinioObjectExistsAsDirectory":
			return fault.New(fault.Conflict, "The name %s is taken by a folder.", path.Base(key)).WithReason(blob.ReasonBadKey).Because(cause)
		case e.Code == "PreconditionFailed":
			return fault.New(fault.Unavailable, "The file %s was replaced while it was read: read it again.", path.Base(key)).Because(cause)
		}
	}
	return fault.New(fault.Unavailable, "The object store cannot do this now: try again.").Because(cause)
}
