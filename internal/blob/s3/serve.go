package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/netflixathome/cinema/internal/blob"
)

// object reads through one request as long as it is read in order, and makes a
// further one after a seek. It stays with the version that was opened: if the
// object has been replaced, a further request fails.
type object struct {
	ctx  context.Context // the opener's: io.Reader has no place for one
	s    *Store
	info blob.Info
	pos  int64
	body io.ReadCloser // nil: none open
	at   int64         // where body stands
}

var errTooLong = errors.New("no answer in time")

// Open implements blob.Store. ctx is needed until the object is closed.
func (s *Store) Open(ctx context.Context, key string) (blob.Object, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	o, err := s.open(ctx, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, s.fail(ctx, "open", key, err)
	}
	return o, nil
}

// open asks for what opts name: the whole, or a range, at whose start the
// object then stands.
func (s *Store) open(ctx context.Context, key string, opts minio.GetObjectOptions) (*object, error) {
	body, oi, head, err := s.get(ctx, key, opts)
	if err != nil {
		return nil, err
	}
	start, size, err := extent(oi, head)
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	return &object{ctx: ctx, s: s, info: info(key, size, oi), body: body, at: start}, nil
}

// extent is where an answer starts, and how long the whole object is: by
// "bytes 2-4/10" 2 and 10.
func extent(oi minio.ObjectInfo, head http.Header) (start, size int64, err error) {
	h := head.Get("Content-Range")
	if h == "" {
		if oi.Size < 0 {
			return 0, 0, errors.New("the store does not say how long the object is")
		}
		return 0, oi.Size, nil
	}
	span, total, _ := strings.Cut(strings.TrimPrefix(h, "bytes "), "/")
	from, _, _ := strings.Cut(span, "-")
	if start, err = parseDigits(from); err == nil {
		size, err = parseDigits(total)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("the store's Content-Range %q cannot be read", h)
	}
	return start, size, nil
}

// get sends one GET. The wait for its answer is bounded; its body is not, but
// by ctx.
func (s *Store) get(ctx context.Context, key string, opts minio.GetObjectOptions) (io.ReadCloser, minio.ObjectInfo, http.Header, error) {
	call, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(callTimeout, func() { cancel(errTooLong) })
	body, oi, head, err := s.core.GetObject(call, s.bucket, s.prefix+key, opts)
	if !timer.Stop() && err == nil {
		_ = body.Close()
		err = errTooLong
	}
	if err != nil {
		if cause := context.Cause(call); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, minio.ObjectInfo{}, nil, err
	}
	return &response{body, cancel}, oi, head, nil
}

// response lets go of its context when it is closed.
type response struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (r *response) Close() error {
	err := r.ReadCloser.Close()
	r.cancel(nil)
	return err
}

func (o *object) Info() blob.Info { return o.info }

// Read goes on where it was when a connection breaks; it gives up when three
// in a row bring nothing.
func (o *object) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for failures := 0; ; {
		if o.pos >= o.info.Size {
			return 0, io.EOF
		}
		if o.body == nil || o.at != o.pos {
			if err := o.seekBody(); err != nil {
				return 0, o.s.fail(o.ctx, "read", o.info.Key, err)
			}
		}
		n, err := o.body.Read(p)
		if n > 0 {
			o.pos += int64(n)
			o.at = o.pos
			return n, nil // an error comes again with the next call
		}
		if err == nil {
			continue
		}
		o.drop()
		// The end of a range is no failure, but if nothing follows it is.
		if failures++; failures == 3 || o.ctx.Err() != nil {
			return 0, o.s.fail(o.ctx, "read", o.info.Key, err)
		}
	}
}

func (o *object) seekBody() error {
	o.drop()
	var opts minio.GetObjectOptions
	opts.Set("If-Match", o.info.ETag)
	if o.pos > 0 {
		opts.Set("Range", "bytes="+strconv.FormatInt(o.pos, 10)+"-")
	}
	body, oi, head, err := o.s.get(o.ctx, o.info.Key, opts)
	if err != nil {
		return err
	}
	// A store that knows no ranges would give the object from its start.
	if start, size, err := extent(oi, head); err != nil || start != o.pos || size != o.info.Size {
		_ = body.Close()
		return errors.Join(err, fmt.Errorf("byte %d of %d was asked for and %d of %d came", o.pos, o.info.Size, start, size))
	}
	o.body, o.at = body, o.pos
	return nil
}

func (o *object) drop() {
	if o.body != nil {
		_ = o.body.Close()
		o.body = nil
	}
}

// Seek asks nobody: the next Read does.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.pos
	case io.SeekEnd:
		offset += o.info.Size
	}
	if offset < 0 {
		return 0, errors.New("s3: seek before the start")
	}
	o.pos = offset
	return offset, nil
}

func (o *object) Close() error {
	o.drop()
	return nil
}

// Serve implements blob.Server. With a public address it redirects a GET to a
// presigned one, and the browser has the bytes from the store; the headers of
// the answer are the store's then, but for Cache-Control, which is passed on.
// Without one, and for what names its neighbours, it streams.
func (s *Store) Serve(w http.ResponseWriter, r *http.Request, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if s.public != nil && r.Method == http.MethodGet && !leads(key) {
		return s.redirect(w, r, key)
	}
	return s.stream(w, r, key)
}

// leads reports whether an object holds relative addresses. A player resolves
// them against the address that answered at last: after a redirect that is the
// store's, which none of them is signed for.
func leads(key string) bool {
	switch strings.ToLower(path.Ext(key)) {
	case ".m3u8", ".vtt":
		return true
	}
	return false
}

func (s *Store) redirect(w http.ResponseWriter, r *http.Request, key string) error {
	h, q := w.Header(), url.Values{}
	if cc := h.Get("Cache-Control"); cc != "" {
		q.Set("response-cache-control", cc)
	}
	u, err := s.public.Presign(r.Context(), http.MethodGet, s.bucket, s.prefix+key, linkTTL, q)
	if err != nil {
		return s.fail(r.Context(), "sign", key, err)
	}
	// A kept redirect would outlive what it leads to.
	h.Set("Cache-Control", "no-store")
	h.Set("Location", u.String())
	w.WriteHeader(http.StatusFound)
	return nil
}

// stream hands the range and the condition on to the store, so that one
// request is answered by one request. What S3 does not understand as HTTP does
// (lists, dates, If-Range, several ranges, an unsatisfiable one) costs a HEAD
// before. http.ServeContent words the answer in every case.
func (s *Store) stream(w http.ResponseWriter, r *http.Request, key string) error {
	ctx := r.Context()
	var o *object
	if opts, tag, ok := forwarded(r); ok {
		var err error
		o, err = s.open(ctx, key, opts)
		var e minio.ErrorResponse
		switch {
		case err == nil:
		case errors.As(err, &e) && e.StatusCode == http.StatusNotModified:
			w.Header().Set("ETag", tag)
			w.WriteHeader(http.StatusNotModified)
			return nil
		case errors.As(err, &e) && e.StatusCode == http.StatusRequestedRangeNotSatisfiable:
			o = nil
		default:
			return s.fail(ctx, "open", key, err)
		}
	}
	if o == nil {
		i, err := s.Stat(ctx, key)
		if err != nil {
			return err
		}
		o = &object{ctx: ctx, s: s, info: i}
	}
	defer o.Close()
	w.Header().Set("Content-Type", o.info.ContentType)
	w.Header().Set("ETag", o.info.ETag)
	http.ServeContent(w, r, "", o.info.ModTime, o)
	return nil
}

// forwarded is a GET as S3 understands it: at most one range and one strong
// ETag in If-None-Match, which is returned.
func forwarded(r *http.Request) (opts minio.GetObjectOptions, tag string, ok bool) {
	h := r.Header
	if r.Method != http.MethodGet || h.Get("If-Match") != "" || h.Get("If-Unmodified-Since") != "" || h.Get("If-Range") != "" ||
		len(h.Values("Range")) > 1 || len(h.Values("If-None-Match")) > 1 {
		return opts, "", false
	}
	if tag = h.Get("If-None-Match"); tag != "" {
		// If-Modified-Since means nothing beside it.
		if len(tag) < 3 || tag[0] != '"' || strings.IndexByte(tag[1:], '"') != len(tag)-2 {
			return opts, "", false
		}
		opts.Set("If-None-Match", tag)
	} else if h.Get("If-Modified-Since") != "" {
		return opts, "", false
	}
	if rng := h.Get("Range"); rng != "" {
		if !oneRange(rng) {
			return opts, "", false
		}
		opts.Set("Range", rng)
	}
	return opts, tag, true
}

// oneRange accepts bytes=2-4, bytes=2- and bytes=-3.
func oneRange(h string) bool {
	span, ok := strings.CutPrefix(h, "bytes=")
	from, to, dash := strings.Cut(span, "-")
	if !ok || !dash || from == "" && to == "" {
		return false
	}
	a, b := int64(0), int64(1<<62)
	var err1, err2 error
	if from != "" {
		a, err1 = parseDigits(from)
	}
	if to != "" {
		b, err2 = parseDigits(to)
	}
	if from == "" && b == 0 {
		return false
	}
	return err1 == nil && err2 == nil && a <= b
}

func parseDigits(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 62) // no sign
	return int64(n), err
}
