// Package s3 keeps objects in a bucket of MinIO or any other S3.
//
//	<bucket>/<prefix><key>      the bytes, with their content type
//	<bucket>/<prefix>.probe/…   what New writes, reads and deletes again
//
// A Put is all or nothing because S3 shows an object only when its one request,
// or the completion of its parts, has succeeded. What a killed process leaves
// of its parts is invisible, and is thrown away at New after a week.
//
// The bucket, or its folder Config.Prefix, belongs to the cinema alone: what
// lies there under names that package blob does not know is not listed.
//
// # Time
//
// What is not a stream ends within callTimeout. A stream may take as long as
// it needs, but a connection on which nothing moves for stallTimeout is given
// up. A failed request is tried again up to maxTries times, with a growing and
// random pause; a read that breaks off goes on where it was.
package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/netflixathome/cinema/internal/await"
	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/tracing"
)

const (
	// callTimeout bounds a request that moves no object, its tries included,
	// and the wait for the first byte of one that does.
	callTimeout = 30 * time.Second
	// stallTimeout is how long a connection may stand still.
	stallTimeout = time.Minute
	// startTimeout bounds New.
	startTimeout = 45 * time.Second
	// maxTries is how often a request is sent before it has failed.
	maxTries = 4
	// linkTTL is how long a redirect leads to the object.
	linkTTL = 5 * time.Minute
	// abandonedAfter is the age at which the parts of an upload that was never
	// finished are thrown away: older than any upload that still runs.
	abandonedAfter = 7 * 24 * time.Hour
)

// Config says where the bucket is. The variables are how app names the fields;
// errors speak of them.
type Config struct {
	// Endpoint is how this process reaches the store: http(s)://host[:port].
	// CINEMA_S3_URL.
	Endpoint string
	// PublicURL is how browsers reach the same store. If given, Serve sends
	// them there; if empty, it streams. CINEMA_S3_PUBLIC_URL.
	PublicURL string
	// Region may be empty: the store is asked. CINEMA_S3_REGION.
	Region string
	// Bucket is made if it is missing. CINEMA_S3_BUCKET.
	Bucket string
	// AccessKey and SecretKey may read, write, delete and list in the bucket.
	// CINEMA_S3_ACCESS_KEY, CINEMA_S3_SECRET_KEY.
	AccessKey, SecretKey string
	// Prefix is a folder of the bucket to stay in, such as "cinema"; optional.
	Prefix string
}

// Validate names every fault at once. It asks nobody.
func (c Config) Validate() error {
	faults := c.Faults()
	var errs []error
	for _, variable := range slices.Sorted(maps.Keys(faults)) {
		errs = append(errs, fmt.Errorf("%s: %s", variable, faults[variable]))
	}
	return errors.Join(errs...)
}

// Faults says by variable what is wrong with its value.
func (c Config) Faults() map[string]string {
	faults := map[string]string{}
	// What was given is not repeated: it may hold a password.
	if _, ok := origin(c.Endpoint); !ok {
		faults["CINEMA_S3_URL"] = "want http(s)://host:port without a path, a user or a password"
	}
	if _, ok := origin(c.PublicURL); c.PublicURL != "" && !ok {
		faults["CINEMA_S3_PUBLIC_URL"] = "want http(s)://host:port without a path, a user or a password, as browsers reach the store; empty: the cinema sends the bytes itself"
	}
	if s3utils.CheckValidBucketNameStrict(c.Bucket) != nil {
		faults["CINEMA_S3_BUCKET"] = fmt.Sprintf("%q: want a bucket's name: 3 to 63 of a-z 0-9 . -", c.Bucket)
	}
	if c.AccessKey == "" {
		faults["CINEMA_S3_ACCESS_KEY"] = "want the access key of the store"
	}
	if c.SecretKey == "" {
		faults["CINEMA_S3_SECRET_KEY"] = "want the secret that belongs to CINEMA_S3_ACCESS_KEY"
	}
	if p := strings.Trim(c.Prefix, "/"); p != "" && blob.CheckKey(p) != nil {
		faults["CINEMA_S3_PREFIX"] = fmt.Sprintf("%q: want a folder such as cinema", c.Prefix)
	}
	return faults
}

func origin(raw string) (*url.URL, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, false
	}
	return u, true
}

// Store implements blob.Store, blob.Server and blob.Importer. It is no
// blob.Linker: there is no local file to link to.
type Store struct {
	core      *minio.Core
	public    *minio.Client // signs addresses for browsers; nil: Serve streams
	transport *http.Transport
	bucket    string
	prefix    string // empty, or ends with a slash
	log       *slog.Logger
}

var (
	_ blob.Store    = (*Store)(nil)
	_ blob.Server   = (*Store)(nil)
	_ blob.Importer = (*Store)(nil)
)

// New opens the bucket, which it makes if it is missing and may be made, and
// tries that it can be written, read, listed and deleted in. An error names the
// variable at fault and holds no secret; one that waiting does not mend is
// marked so (package await). Close it.
func New(ctx context.Context, c Config, log *slog.Logger) (*Store, error) {
	if log == nil {
		return nil, errors.New("s3: no log")
	}
	if err := c.Validate(); err != nil {
		return nil, await.Never(err)
	}
	s := &Store{transport: newTransport(), bucket: c.Bucket, log: log}
	if p := strings.Trim(c.Prefix, "/"); p != "" {
		s.prefix = p + "/"
	}
	client, err := c.client(c.Endpoint, c.Region, s.transport)
	if err != nil {
		return nil, fmt.Errorf("CINEMA_S3_URL: %w", err)
	}
	s.core = &minio.Core{Client: client}
	bounded, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := s.check(bounded, c); err != nil {
		s.transport.CloseIdleConnections()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	if err := s.sweep(bounded); err != nil {
		log.WarnContext(ctx, "unfinished uploads to the object store could not be looked for; a lifecycle rule of the bucket can remove them", "error", err)
	}
	if c.PublicURL != "" {
		// To sign needs the region and asks nobody.
		region := c.Region
		if region == "" {
			if region, err = s.core.GetBucketLocation(bounded, c.Bucket); err != nil || region == "" {
				region = "us-east-1"
			}
		}
		if s.public, err = c.client(c.PublicURL, region, s.transport); err != nil {
			s.transport.CloseIdleConnections()
			return nil, fmt.Errorf("CINEMA_S3_PUBLIC_URL: %w", err)
		}
	}
	return s, nil
}

// Close gives up idle connections; objects already open stay readable.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

func (c Config) client(address, region string, t http.RoundTripper) (*minio.Client, error) {
	u, ok := origin(address)
	if !ok {
		return nil, errors.New("want http(s)://host:port")
	}
	return minio.New(u.Host, &minio.Options{
		Creds:      credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure:     u.Scheme == "https",
		Transport:  tracing.Client{Base: t, Name: "s3"},
		Region:     region,
		MaxRetries: maxTries,
	})
}

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return movingConn{c}, nil
		},
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: stallTimeout,
		// Less than stallTimeout: an idle connection is one that stands still.
		IdleConnTimeout:     stallTimeout / 2,
		MaxIdleConnsPerHost: 64,   // the store is one host
		DisableCompression:  true, // the bytes as they are, ranges included
	}
}

// movingConn fails when nothing has moved in either direction for
// stallTimeout. Both deadlines move with every call: while a long body is
// sent, a reader already waits for the answer.
type movingConn struct{ net.Conn }

func (c movingConn) Read(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c movingConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// check is what New asks of the bucket.
func (s *Store) check(ctx context.Context, c Config) error {
	// A listing, not HEAD: only an answer with a body says what is wrong.
	var err error
	for o := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix, Recursive: true, MaxKeys: 1}) {
		err = o.Err
		break
	}
	if err == nil {
		err = ctx.Err() // which may end the listing without a word
	}
	if code(err) == "NoSuchBucket" {
		err = s.core.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{Region: c.Region})
		switch code(err) {
		case "BucketAlreadyOwnedByYou": // by another process that starts now
			err = nil
		case "AccessDenied":
			return await.Never(fmt.Errorf("CINEMA_S3_BUCKET: the store at %s has no bucket %q and CINEMA_S3_ACCESS_KEY may not make it; make the bucket, or name one that is there: %w", c.Endpoint, s.bucket, err))
		case "BucketAlreadyExists":
			return await.Never(fmt.Errorf("CINEMA_S3_BUCKET: %q at %s belongs to somebody else; take another name: %w", s.bucket, c.Endpoint, err))
		}
		if err == nil {
			s.log.InfoContext(ctx, "made the bucket of the object store", "bucket", s.bucket)
		}
	}
	if err != nil {
		return c.explain("be listed", err)
	}
	return s.probe(ctx, c)
}

// probe writes, reads and deletes an object whose key no other can have, since
// no element of a key starts with a dot.
func (s *Store) probe(ctx context.Context, c Config) error {
	var b [12]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails since Go 1.24
	name, want := s.prefix+".probe/"+hex.EncodeToString(b[:]), []byte("may be deleted")
	if _, err := s.core.Client.PutObject(ctx, s.bucket, name, bytes.NewReader(want), int64(len(want)), minio.PutObjectOptions{ContentType: "text/plain"}); err != nil {
		return c.explain("be written to", err)
	}
	got, err := func() ([]byte, error) {
		body, _, _, err := s.core.GetObject(ctx, s.bucket, name, minio.GetObjectOptions{})
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return io.ReadAll(io.LimitReader(body, 1<<10))
	}()
	// Deleted in any case; the fault of reading is the more telling one.
	gone := s.core.RemoveObject(ctx, s.bucket, name, minio.RemoveObjectOptions{})
	switch {
	case err != nil:
		return c.explain("be read", err)
	case !bytes.Equal(got, want):
		return await.Never(fmt.Errorf("CINEMA_S3_URL: %s gave back other bytes than were stored; expected an S3 store", c.Endpoint))
	case gone != nil:
		return c.explain("be deleted from", gone)
	}
	_, err = s.core.StatObject(ctx, s.bucket, name, minio.StatObjectOptions{})
	switch code(err) {
	case "NoSuchKey":
		return nil
	case "AccessDenied":
		// S3 hides from who may not list that an object is missing.
		return await.Never(fmt.Errorf("CINEMA_S3_ACCESS_KEY: this key may not list the bucket %q at %s, so that a missing object looks like a forbidden one; expected the right to read, write, delete and list: %w", s.bucket, c.Endpoint, err))
	case "":
		if err == nil {
			return await.Never(fmt.Errorf("CINEMA_S3_BUCKET: an object that was deleted from %q at %s is still there; expected a bucket without object lock", s.bucket, c.Endpoint))
		}
	}
	return c.explain("be read", err)
}

// explain says which variable is at fault when the bucket cannot be used, and
// marks what waiting does not mend.
func (c Config) explain(use string, err error) error {
	var page *xml.SyntaxError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case strings.Contains(fmt.Sprint(err), "server gave HTTP response to HTTPS client"):
		return await.Never(fmt.Errorf("CINEMA_S3_URL: what answers at %s speaks no TLS; want http:// in place of https://: %w", c.Endpoint, err))
	case errors.As(err, &authority), errors.As(err, &host):
		return await.Never(fmt.Errorf("CINEMA_S3_URL: %s shows a certificate that is not trusted: %w", c.Endpoint, err))
	case errors.As(err, &page):
		return await.Never(fmt.Errorf("CINEMA_S3_URL: no S3 store answers at %s but something else; expected http(s)://host:port of MinIO or another S3: %w", c.Endpoint, err))
	}
	switch code(err) {
	case "InvalidAccessKeyId":
		return await.Never(fmt.Errorf("CINEMA_S3_ACCESS_KEY: the store at %s does not know this key; set one that it has: %w", c.Endpoint, err))
	case "SignatureDoesNotMatch":
		return await.Never(fmt.Errorf("CINEMA_S3_SECRET_KEY: it is not the secret of CINEMA_S3_ACCESS_KEY at %s; set the one that belongs to it: %w", c.Endpoint, err))
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		return await.Never(fmt.Errorf("CINEMA_S3_ACCESS_KEY: with this key the bucket %q at %s cannot %s; expected the right to read, write, delete and list: %w", c.Bucket, c.Endpoint, use, err))
	case "AuthorizationHeaderMalformed", "InvalidRegion", "IllegalLocationConstraintException", "PermanentRedirect":
		return await.Never(fmt.Errorf("CINEMA_S3_REGION: %q is not the region of the bucket %q at %s; set it, or leave it empty: %w", c.Region, c.Bucket, c.Endpoint, err))
	case "RequestTimeTooSkewed":
		return fmt.Errorf("CINEMA_S3_URL: the clocks of this machine and of the store at %s differ; set both by NTP: %w", c.Endpoint, err)
	case "InvalidBucketName":
		return await.Never(fmt.Errorf("CINEMA_S3_BUCKET: %q is no name for the store at %s; take another: %w", c.Bucket, c.Endpoint, err))
	case "XMinioStorageFull":
		return fmt.Errorf("CINEMA_S3_URL: the store at %s has no room left: %w", c.Endpoint, err)
	case "":
		return fmt.Errorf("CINEMA_S3_URL: no S3 store answers at %s; expected http(s)://host:port of MinIO or another S3: %w", c.Endpoint, err)
	}
	return fmt.Errorf("CINEMA_S3_BUCKET: the bucket %q at %s cannot %s: %w", c.Bucket, c.Endpoint, use, err)
}

// code is what the store calls its error; empty if err is nil or none of its.
func code(err error) string {
	var e minio.ErrorResponse
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// sweep throws away the parts of uploads that nobody will finish.
func (s *Store) sweep(ctx context.Context) error {
	keyMarker, idMarker := "", ""
	for {
		page, err := s.core.ListMultipartUploads(ctx, s.bucket, s.prefix, keyMarker, idMarker, "", 1000)
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			if time.Since(u.Initiated) < abandonedAfter || blob.CheckKey(strings.TrimPrefix(u.Key, s.prefix)) != nil {
				continue
			}
			if err := s.core.AbortMultipartUpload(ctx, s.bucket, u.Key, u.UploadID); err != nil {
				return err
			}
		}
		if !page.IsTruncated || page.NextKeyMarker == "" {
			return nil
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}
