package router_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/router"
)

func gzipped(t *testing.T, s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestSite(t *testing.T) {
	var readerFrom bool
	media := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, readerFrom = w.(io.ReaderFrom)
		_, _ = io.WriteString(w, "media "+r.URL.Path)
	})
	h := newHouse(t, func(o *router.Options) {
		o.Site = fstest.MapFS{
			"index.html":                {Data: []byte("<!doctype html><title>app</title>")},
			"assets/app-AbCd1234.js":    {Data: []byte("let a = 1")},
			"assets/app-AbCd1234.js.br": {Data: []byte("brotli")},
			"assets/app-AbCd1234.js.gz": {Data: gzipped(t, "let a = 1")},
			"favicon.svg":               {Data: []byte("<svg/>")},
			".secret":                   {Data: []byte("x")},
		}
		o.Playground = fstest.MapFS{}
		o.Media, o.Uploads = media, media
		o.MediaOrigins = []string{"https://s3.example"}
	})
	get := func(path string, header ...string) *answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept", "text/html,*/*")
		r.Header.Set("Accept-Encoding", "identity")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return h.send(t, r)
	}
	for _, path := range []string{"/", "/index.html", "/film/film_1", "/admin/titles?page=2"} {
		a := get(path)
		require.Equal(t, 200, a.status, path)
		require.Contains(t, a.body, "<title>app")
		require.Equal(t, "no-cache", a.header.Get("Cache-Control"))
		require.NotEmpty(t, a.header.Get("Etag"))
		csp := a.header.Get("Content-Security-Policy")
		require.Contains(t, csp, "script-src 'self';")
		require.Contains(t, csp, "media-src 'self' blob: https://s3.example")
		require.Contains(t, csp, "frame-ancestors 'none'")
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	}
	a := get("/assets/app-AbCd1234.js")
	require.Equal(t, "let a = 1", a.body)
	require.Equal(t, "public, max-age=31536000, immutable", a.header.Get("Cache-Control"))
	require.Equal(t, "text/javascript; charset=utf-8", a.header.Get("Content-Type"))
	require.Equal(t, "Accept-Encoding", a.header.Get("Vary"))
	tag := a.header.Get("Etag")
	require.Equal(t, 304, get("/assets/app-AbCd1234.js", "If-None-Match", tag).status)
	a = get("/assets/app-AbCd1234.js", "Accept-Encoding", "gzip, br")
	require.Equal(t, "br", a.header.Get("Content-Encoding"))
	require.Equal(t, "brotli", a.body)
	require.Equal(t, "text/javascript; charset=utf-8", a.header.Get("Content-Type"))
	require.NotEqual(t, tag, a.header.Get("Etag"))
	a = get("/assets/app-AbCd1234.js", "Accept-Encoding", "gzip, br;q=0")
	require.Equal(t, "gzip", a.header.Get("Content-Encoding"))
	require.Equal(t, "image/svg+xml", get("/favicon.svg").header.Get("Content-Type"))

	require.Equal(t, 404, get("/assets/gone-12345678.js").status, "a missing script is no page")
	require.Equal(t, 404, get("/film/film_1", "Accept", "application/json").status)
	require.NotContains(t, get("/.secret").body, "x\n")
	require.Contains(t, get("/%2e%2e/%2e%2e/etc/passwd").body, "<title>app", "a path cannot leave the site")

	require.Equal(t, "media /media/a/b.m4s", get("/media/a/b.m4s").body)
	require.True(t, readerFrom, "a wrapper that hides io.ReaderFrom costs sendfile")
	require.Equal(t, "media /uploads/1", get("/uploads/1").body)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.server.URL+"/", nil)
	require.NoError(t, err)
	require.Equal(t, 405, h.send(t, r).status)

	a = get("/playground/")
	require.Equal(t, 404, a.status)
	require.Contains(t, a.body, "npm run build --prefix router/playground", "it says what to type")
	require.Equal(t, 308, get("/playground").status)

	bare := newHouse(t, func(o *router.Options) { o.Playground = fstest.MapFS{"index.html": {Data: []byte("play")}} })
	resp, err := http.Get(bare.server.URL + "/")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 404, resp.StatusCode)
	resp2, err := http.Get(bare.server.URL + "/playground/")
	require.NoError(t, err)
	defer resp2.Body.Close()
	b, _ := io.ReadAll(resp2.Body)
	require.Equal(t, "play", string(b))
}

func TestProxy(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.Host+" "+r.URL.Path+" "+string(b))
	}))
	defer up.Close()
	target, err := url.Parse(up.URL)
	require.NoError(t, err)
	p, err := router.Proxy(target)
	require.NoError(t, err)
	h := newHouse(t, func(o *router.Options) { o.Uploads = p })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, h.server.URL+"/uploads/1", strings.NewReader("bytes"))
	require.NoError(t, err)
	require.Equal(t, "PATCH "+strings.TrimPrefix(h.server.URL, "http://")+" /uploads/1 bytes", h.send(t, r).body)
	up.Close()
	r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+"/uploads/1", nil)
	require.NoError(t, err)
	a := h.send(t, r)
	require.Equal(t, 502, a.status)
	require.NotContains(t, a.body, "127.0.0.1")
	_, err = router.Proxy(&url.URL{})
	require.Error(t, err)
}
