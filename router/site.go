package router

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/netflixathome/cinema/internal/tracing"
	"github.com/netflixathome/cinema/router/playground"
)

// newHandler puts the public paths together. /media/ and /uploads/ go to their
// handlers with nothing around the response: a wrapper that hides io.ReaderFrom
// from a handler costs sendfile.
func (rt *Router) newHandler() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/graphql", rt.serveGraphQL)
	files := rt.options.Playground
	if files == nil {
		files = playground.Files()
	}
	play, err := newSite(files, "/playground", policy(nil, true), "The playground is not built. Type:\n\n  "+playground.Build+"\n\nand build the program again.\n")
	if err != nil {
		return nil, fmt.Errorf("router: playground: %w", err)
	}
	mux.Handle("/playground/", play)
	mux.HandleFunc("/playground", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/playground/", http.StatusPermanentRedirect)
	})
	mux.Handle("/media/", rt.options.Tracing.Keyed("/media/", orNotFound(rt.options.Media)))
	mux.Handle("/uploads/", rt.options.Tracing.Keyed("/uploads/", rt.exchanged(orNotFound(rt.options.Uploads))))
	app, err := newSite(rt.options.Site, "", policy(rt.options.MediaOrigins, false), "The web app is not built. Type:\n\n  npm ci --prefix web && npm run build --prefix web\n\nand build the program again.\nThe API answers at /graphql and its playground at /playground.\n")
	if err != nil {
		return nil, fmt.Errorf("router: web app: %w", err)
	}
	mux.Handle("/", app)
	return mux, nil
}

func orNotFound(h http.Handler) http.Handler {
	if h == nil {
		return http.NotFoundHandler()
	}
	return h
}

// Proxy makes a handler for Options.Media or Options.Uploads that passes
// requests on to a service elsewhere. Bodies are streamed both ways.
func Proxy(target *url.URL) (http.Handler, error) {
	if target == nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, errors.New("router: the address to pass requests on to must be an http or https URL")
	}
	return &httputil.ReverseProxy{
		FlushInterval: 200 * time.Millisecond,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // signed addresses hold the public host
			r.SetXForwarded()
			tracing.Inject(r.In.Context(), r.Out.Header)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, msgUnavailable, http.StatusBadGateway)
		},
	}, nil
}

// policy is the Content-Security-Policy of a site: nothing from elsewhere, no
// inline script. Inline styles are let in because component libraries position
// their pop-overs with them.
func policy(media []string, tool bool) string {
	from := strings.Join(append([]string{""}, media...), " ")
	p := []string{
		"default-src 'self'",
		"script-src 'self'",
		"style-src 'self' 'unsafe-inline'",
		"img-src 'self' data: blob:" + from,
		"font-src 'self' data:",
		"media-src 'self' blob:" + from,
		"connect-src 'self'" + from,
		"worker-src 'self' blob:",
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}
	if tool {
		p[5] = "media-src 'none'"
	}
	return strings.Join(p, "; ")
}

// hashed recognises the names that a bundler gives to files whose content never
// changes under that name.
var hashed = regexp.MustCompile(`[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$`)

// asset is one file of a site with its compressed forms.
type asset struct {
	kind   string
	tag    string
	always bool              // never changes
	forms  map[string]string // encoding to the file's name; "" is the file itself
}

// site serves the files of a single-page app. Unknown paths that a browser
// opens as a page get index.html: the app's own router knows them.
type site struct {
	files    fs.FS
	prefix   string
	security http.Header
	assets   map[string]asset
	missing  string
}

func newSite(files fs.FS, prefix, csp, missing string) (*site, error) {
	s := &site{files: files, prefix: prefix, missing: missing, assets: map[string]asset{}, security: http.Header{
		"Content-Security-Policy":    {csp},
		"X-Content-Type-Options":     {"nosniff"},
		"Referrer-Policy":            {"same-origin"},
		"X-Frame-Options":            {"DENY"},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		"Permissions-Policy":         {"camera=(), microphone=(), geolocation=(), payment=(), usb=()"},
	}}
	if files == nil {
		return s, nil
	}
	names := map[string]bool{}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && !strings.HasPrefix(path.Base(name), ".") {
			names[name] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name := range names {
		if base := strings.TrimSuffix(strings.TrimSuffix(name, ".br"), ".gz"); base != name && names[base] {
			continue
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		a := asset{
			kind:   contentType(name, b),
			tag:    hex.EncodeToString(sum[:8]),
			always: strings.Contains("/"+name, "/assets/") && hashed.MatchString(name),
			forms:  map[string]string{"": name},
		}
		for enc, ext := range map[string]string{"br": ".br", "gzip": ".gz"} {
			if names[name+ext] {
				a.forms[enc] = name + ext
			}
		}
		s.assets[name] = a
	}
	return s, nil
}

func contentType(name string, b []byte) string {
	switch path.Ext(name) { // the machine's own table may say otherwise
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".wasm":
		return "application/wasm"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return http.DetectContentType(b)
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, v := range s.security {
		h[name] = v
	}
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET is served here.", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+strings.TrimPrefix(r.URL.Path, s.prefix)), "/")
	a, ok := s.assets[name]
	if !ok {
		if name != "" && !wantsPage(r) {
			http.NotFound(w, r)
			return
		}
		name = "index.html"
		if a, ok = s.assets[name]; !ok {
			h.Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, s.missing)
			return
		}
	}
	s.serve(w, r, a)
}

// wantsPage reports whether the request opens a page, rather than one of its
// parts: a missing script must not come back as HTML.
func wantsPage(r *http.Request) bool {
	return path.Ext(r.URL.Path) == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

func (s *site) serve(w http.ResponseWriter, r *http.Request, a asset) {
	h := w.Header()
	form, encoding := a.forms[""], ""
	if len(a.forms) > 1 {
		h.Set("Vary", "Accept-Encoding")
		for _, enc := range []string{"br", "gzip"} {
			if name, ok := a.forms[enc]; ok && accepts(r.Header.Get("Accept-Encoding"), enc) {
				form, encoding = name, enc
				break
			}
		}
	}
	h.Set("Content-Type", a.kind)
	tag := a.tag
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
		tag += "-" + encoding
	}
	h.Set("ETag", `"`+tag+`"`)
	if a.always {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	f, err := s.files.Open(form)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = f.Close() }()
	content, ok := f.(io.ReadSeeker)
	if !ok {
		b, err := io.ReadAll(f)
		if err != nil {
			http.Error(w, msgBroken, http.StatusInternalServerError)
			return
		}
		content = bytes.NewReader(b)
	}
	if encoding != "" {
		h.Del("Accept-Ranges")
	}
	http.ServeContent(w, r, "", time.Time{}, content)
}

// accepts reads Accept-Encoding; an encoding with q=0 is refused.
func accepts(header, encoding string) bool {
	for _, part := range strings.Split(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
