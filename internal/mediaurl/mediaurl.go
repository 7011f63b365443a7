// Package mediaurl signs the addresses of stored media and serves them.
//
// An address is /media/<token>/<key>. The token covers a key prefix, not one
// key, so that the relative addresses inside an HLS playlist or a WebVTT file
// lead to further files under the same token. It names an expiry and the
// signed-in session it was made for; it is not a secret of its own but an
// HMAC-SHA256 over these, so that no store is asked per segment.
//
// Layout of a token, base64url without padding:
//
//	1  version (1)
//	1  flags: bit 0 stable, that is for everybody and for browser caches
//	1  elements: how many path elements of the key are the prefix
//	8  expiry, Unix seconds, big endian
//	n  session id
//	16 HMAC-SHA256 over all of the above and the prefix, cut to 128 bits
package mediaurl

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

// Base is where Handler is mounted.
const Base = "/media/"

// Codes that a refused request carries, in the header CodeHeader and in the
// JSON body: a player asks for fresh addresses on the first and gives up on
// the second.
const (
	CodeExpired   = "EXPIRED_LINK"
	CodeForbidden = "FORBIDDEN"
	CodeNotFound  = "NOT_FOUND"
	CodeHeader    = "X-Error-Code"
)

const (
	version     = 1
	flagStable  = 1
	macLen      = 16
	headLen     = 11
	maxSession  = 64
	maxToken    = 256
	stableDays  = 7
	minKeyBytes = 32
)

// Signer makes and checks tokens. It is safe for concurrent use.
type Signer struct {
	macs sync.Pool // of hash.Hash, keyed: to key one anew costs as much as to use it
	now  func() time.Time
}

// NewSigner takes a secret of 32 bytes or more, the same in every process that
// signs or serves, and a clock.
func NewSigner(key []byte, now func() time.Time) (*Signer, error) {
	if len(key) < minKeyBytes {
		return nil, errors.New("mediaurl: the signing key is shorter than 32 bytes")
	}
	if now == nil {
		return nil, errors.New("mediaurl: no clock")
	}
	key = append([]byte(nil), key...)
	return &Signer{now: now, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}, nil
}

// Sign returns the address of the folder prefix (which ends with a slash),
// such as "/media/<token>/renditions/<id>/": append the rest of a key to it.
// It holds for ttl and ends early when the session is revoked.
func (s *Signer) Sign(prefix, sessionID string, ttl time.Duration) (string, error) {
	if sessionID == "" || len(sessionID) > maxSession {
		return "", errors.New("mediaurl: a session id has 1 to 64 bytes")
	}
	return s.sign(prefix, sessionID, 0, s.now().Add(ttl))
}

// SignStable returns an address of the folder prefix that is the same for
// everybody all day (UTC), so that browser caches work; it holds for at least
// six days. It is for posters and stills, which every signed-in user may see,
// and opens nothing but pictures.
func (s *Signer) SignStable(prefix string) (string, error) {
	day := s.now().UTC().Truncate(24 * time.Hour)
	return s.sign(prefix, "", flagStable, day.AddDate(0, 0, stableDays))
}

// URL is Sign for one key: the token covers the folder that holds it.
func (s *Signer) URL(key, sessionID string, ttl time.Duration) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	dir, name := path.Split(key)
	base, err := s.Sign(dir, sessionID, ttl)
	return base + name, err
}

// StableURL is SignStable for one key: the token covers its folder.
func (s *Signer) StableURL(key string) (string, error) {
	if err := blob.CheckKey(key); err != nil {
		return "", err
	}
	dir, name := path.Split(key)
	base, err := s.SignStable(dir)
	return base + name, err
}

func (s *Signer) sign(prefix, session string, flags byte, expires time.Time) (string, error) {
	if err := blob.CheckPrefix(prefix); err != nil {
		return "", err
	}
	n := strings.Count(prefix, "/")
	if n > 255 {
		return "", errors.New("mediaurl: the prefix is too deep")
	}
	b := make([]byte, headLen, headLen+len(session)+macLen)
	b[0], b[1], b[2] = version, flags, byte(n)
	binary.BigEndian.PutUint64(b[3:], uint64(expires.Unix()))
	b = append(b, session...)
	b = append(b, s.mac(b, prefix)...)
	return Base + base64.RawURLEncoding.EncodeToString(b) + "/" + prefix, nil
}

func (s *Signer) mac(head []byte, prefix string) []byte {
	m := s.macs.Get().(hash.Hash) //nolint:forcetypeassert // the pool makes no other
	defer s.macs.Put(m)
	m.Reset()
	m.Write(head)
	m.Write([]byte(prefix))
	return m.Sum(make([]byte, 0, sha256.Size))[:macLen]
}

// Grant is what a good token says.
type Grant struct {
	Key       string // the stored object asked for
	SessionID string // empty when Stable
	Stable    bool
	Expires   time.Time
}

// Verify checks the path of a request, Base included. The error is a
// *fault.Error of kind Forbidden whose reason is CodeExpired or CodeForbidden.
func (s *Signer) Verify(urlPath string) (Grant, error) {
	rest, ok := strings.CutPrefix(urlPath, Base)
	token, key, found := strings.Cut(rest, "/")
	if !ok || !found || len(token) > maxToken || blob.CheckKey(key) != nil {
		return Grant{}, forbidden()
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < headLen+macLen || b[0] != version {
		return Grant{}, forbidden()
	}
	head, mac := b[:len(b)-macLen], b[len(b)-macLen:]
	prefix, ok := cut(key, int(b[2]))
	if !ok || !hmac.Equal(mac, s.mac(head, prefix)) {
		return Grant{}, forbidden()
	}
	g := Grant{
		Key:       key,
		SessionID: string(head[headLen:]),
		Stable:    b[1]&flagStable != 0,
		Expires:   time.Unix(int64(binary.BigEndian.Uint64(b[3:])), 0).UTC(),
	}
	// A stable token lies in many caches and names nobody: it opens pictures,
	// also when a film lies in the same folder.
	if g.Stable && !strings.HasPrefix(blob.TypeOf(key), "image/") {
		return Grant{}, forbidden()
	}
	if !s.now().Before(g.Expires) {
		return Grant{}, fault.New(fault.Forbidden, "This link has expired: ask for a new one.").WithReason(CodeExpired)
	}
	return g, nil
}

// cut is the first n elements of key with the slash that ends them.
func cut(key string, n int) (string, bool) {
	if n == 0 {
		return "", false
	}
	for i := range len(key) {
		if key[i] == '/' {
			if n--; n == 0 {
				return key[:i+1], true
			}
		}
	}
	return "", false
}

func forbidden() error {
	return fault.New(fault.Forbidden, "This link is not valid.").WithReason(CodeForbidden)
}

// Config is what Handler needs.
type Config struct {
	Signer *Signer
	Store  blob.Store
	// Revoked says whether a session has been signed out; nil means never. It
	// is asked for every request, so it must answer from memory.
	Revoked func(sessionID string) bool
	Log     *slog.Logger
}

type handler struct{ Config }

// NewHandler serves GET and HEAD of Base. Mount it without a middleware that
// hides io.ReaderFrom: a file store sends with sendfile.
func NewHandler(c Config) (http.Handler, error) {
	if c.Signer == nil || c.Store == nil || c.Log == nil {
		return nil, errors.New("mediaurl: the handler needs a signer, a store and a log")
	}
	if c.Revoked == nil {
		c.Revoked = func(string) bool { return false }
	}
	return &handler{c}, nil
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	// Stored bytes come from outside: a browser must never run or guess them,
	// and no other site may embed them. There are no CORS headers on purpose.
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Only GET and HEAD are served here.")
		return
	}
	g, err := h.Signer.Verify(r.URL.Path)
	if err == nil && !g.Stable && h.Revoked(g.SessionID) {
		err = fault.New(fault.Forbidden, "The session of this link has ended: sign in again.").WithReason(CodeForbidden)
	}
	var f *fault.Error
	if errors.As(err, &f) {
		refuse(w, http.StatusForbidden, f.Reason, f.Message)
		return
	}
	head.Set("Cache-Control", cacheControl(g))
	if srv, ok := h.Store.(blob.Server); ok {
		err = srv.Serve(w, r, g.Key)
	} else {
		err = serve(w, r, h.Store, g.Key)
	}
	switch {
	case err == nil:
	case fault.KindOf(err) == fault.NotFound:
		refuse(w, http.StatusNotFound, CodeNotFound, "There is no such file.")
	case r.Context().Err() != nil:
		// The viewer has gone; nobody reads an answer.
	default:
		h.Log.ErrorContext(r.Context(), "serving media failed", "key", g.Key, "error", err)
		refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "The file cannot be read now: try again.")
	}
}

// serve is for stores that do not serve by themselves.
func serve(w http.ResponseWriter, r *http.Request, s blob.Store, key string) error {
	o, err := s.Open(r.Context(), key)
	if err != nil {
		return err
	}
	defer o.Close()
	i := o.Info()
	w.Header().Set("Content-Type", i.ContentType)
	w.Header().Set("ETag", i.ETag)
	http.ServeContent(w, r, "", i.ModTime, o)
	return nil
}

// cacheControl: keys name immutable bytes, but for playlists and the WebVTT
// beside them, which are rewritten as renditions become ready: those are
// revalidated by their ETag.
func cacheControl(g Grant) string {
	switch strings.ToLower(path.Ext(g.Key)) {
	case ".m3u8", ".vtt":
		return "private, no-cache"
	}
	return "private, max-age=31536000, immutable"
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	h := w.Header()
	h.Set(CodeHeader, code)
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": message})
}
