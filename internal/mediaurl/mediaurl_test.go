package mediaurl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/blob/files"
	"github.com/netflixathome/cinema/internal/mediaurl"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

var key = bytes.Repeat([]byte("k"), 32)

func setup(t *testing.T, revoked func(string) bool) (*mediaurl.Signer, *clock, http.Handler) {
	t.Helper()
	st, err := files.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	for k, body := range map[string]string{
		"renditions/1/master.m3u8": "#EXTM3U", "renditions/1/720p/seg_00001.m4s": "0123456789",
		"renditions/1/thumbs/thumbs.vtt": "WEBVTT", "renditions/2/master.m3u8": "#EXTM3U", "renditions/10/x.jpg": "jpg",
		"posters/a/400.jpg": "jpg", "upload/raw": "<script>",
	} {
		if _, err := st.Put(context.Background(), k, strings.NewReader(body), blob.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c := &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s, err := mediaurl.NewSigner(key, c.now)
	if err != nil {
		t.Fatal(err)
	}
	h, err := mediaurl.NewHandler(mediaurl.Config{Signer: s, Store: st, Revoked: revoked, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s, c, h
}

func do(h http.Handler, method, url string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = url
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestTokenCoversAPrefix(t *testing.T) {
	s, _, h := setup(t, nil)
	base, err := s.Sign("renditions/1/", "session-1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for rest, want := range map[string]int{
		"master.m3u8": 200, "720p/seg_00001.m4s": 200, "thumbs/thumbs.vtt": 200,
		"none.m4s": 404, "": 403, "../2/master.m3u8": 403, "720p/../../2/master.m3u8": 403, "a\x00b": 403,
	} {
		if res := do(h, "GET", base+rest); res.StatusCode != want {
			t.Errorf("%q: %d, want %d", rest, res.StatusCode, want)
		}
	}
	token := strings.Split(base, "/")[2]
	for _, k := range []string{"renditions/2/master.m3u8", "renditions/10/x.jpg", "posters/a/400.jpg", "renditions", "renditions/1"} {
		if res := do(h, "GET", "/media/"+token+"/"+k); res.StatusCode != 403 {
			t.Errorf("the token opened %s: %d", k, res.StatusCode)
		}
	}
}

func TestRefusals(t *testing.T) {
	revoked := map[string]bool{}
	s, c, h := setup(t, func(id string) bool { return revoked[id] })
	u, err := s.URL("renditions/1/master.m3u8", "session-1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what, url string, status int, code string) {
		t.Helper()
		res := do(h, "GET", url)
		var body struct{ Code, Message string }
		if status >= 400 {
			if err := json.NewDecoder(res.Body).Decode(&body); err != nil || body.Code != code || body.Message == "" {
				t.Errorf("%s: body %+v %v", what, body, err)
			}
		}
		if res.StatusCode != status || res.Header.Get("X-Error-Code") != code {
			t.Errorf("%s: %d %q, want %d %q", what, res.StatusCode, res.Header.Get("X-Error-Code"), status, code)
		}
	}
	check("good", u, 200, "")
	check("no token", "/media/renditions/1/master.m3u8", 403, "FORBIDDEN")
	check("bare", "/media/", 403, "FORBIDDEN")
	check("elsewhere", "/other", 403, "FORBIDDEN")
	parts := strings.Split(u, "/")
	for i := range parts[2] {
		b := []byte(parts[2])
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		if do(h, "GET", "/media/"+string(b)+"/renditions/1/master.m3u8").StatusCode != 403 {
			t.Fatalf("a token changed at %d was accepted", i)
		}
	}
	other, err := mediaurl.NewSigner(bytes.Repeat([]byte("x"), 32), c.now)
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := other.URL("renditions/1/master.m3u8", "session-1", time.Hour)
	check("another key", foreign, 403, "FORBIDDEN")
	revoked["session-1"] = true
	check("revoked", u, 403, "FORBIDDEN")
	revoked["session-1"] = false
	c.t = c.t.Add(time.Hour - time.Second)
	check("nearly expired", u, 200, "")
	c.t = c.t.Add(time.Second)
	check("expired", u, 403, "EXPIRED_LINK")
	if res := do(h, "POST", u); res.StatusCode != 405 || res.Header.Get("Allow") == "" {
		t.Errorf("POST: %d", res.StatusCode)
	}
	for _, p := range []string{"", "a", "../", "a//"} {
		if _, err := s.Sign(p, "s", time.Hour); err == nil {
			t.Errorf("signed %q", p)
		}
	}
	if _, err := s.Sign("a/", "", time.Hour); err == nil {
		t.Error("signed for no session")
	}
	if _, err := mediaurl.NewSigner(key[:31], c.now); err == nil {
		t.Error("took a short key")
	}
}

func TestStableIsTheSameAllDay(t *testing.T) {
	s, c, h := setup(t, func(string) bool { return true })
	a, err := s.StableURL("posters/a/400.jpg")
	if err != nil {
		t.Fatal(err)
	}
	film, err := s.SignStable("renditions/1/")
	if err != nil {
		t.Fatal(err)
	}
	if res := do(h, "GET", film+"master.m3u8"); res.StatusCode != 403 {
		t.Errorf("a stable link opened a film: %d", res.StatusCode)
	}
	c.t = c.t.Add(11 * time.Hour)
	if b, _ := s.StableURL("posters/a/400.jpg"); a != b {
		t.Error("it changed within the day")
	}
	c.t = c.t.Add(2 * time.Hour)
	if b, _ := s.StableURL("posters/a/400.jpg"); a == b {
		t.Error("it did not change with the day")
	}
	c.t = c.t.Add(5 * 24 * time.Hour)
	if res := do(h, "GET", a); res.StatusCode != 200 {
		t.Errorf("after five days: %d", res.StatusCode)
	}
	c.t = c.t.Add(2 * 24 * time.Hour)
	if res := do(h, "GET", a); res.StatusCode != 403 {
		t.Errorf("after seven days: %d", res.StatusCode)
	}
}

func TestHeaders(t *testing.T) {
	s, _, h := setup(t, nil)
	base, _ := s.Sign("renditions/1/", "s", time.Hour)
	up, _ := s.Sign("upload/", "s", time.Hour)
	for _, c := range []struct{ url, ct, cache string }{
		{base + "master.m3u8", "application/vnd.apple.mpegurl", "private, no-cache"},
		{base + "720p/seg_00001.m4s", "video/iso.segment", "private, max-age=31536000, immutable"},
		{base + "thumbs/thumbs.vtt", "text/vtt; charset=utf-8", "private, no-cache"},
		{up + "raw", "application/octet-stream", "private, max-age=31536000, immutable"},
	} {
		hd := do(h, "GET", c.url).Header
		if hd.Get("Content-Type") != c.ct || hd.Get("Cache-Control") != c.cache || hd.Get("X-Content-Type-Options") != "nosniff" ||
			hd.Get("ETag") == "" || hd.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", c.url, hd)
		}
	}
	seg := base + "720p/seg_00001.m4s"
	res := do(h, "GET", seg, "Range", "bytes=2-3")
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 206 || string(b) != "23" {
		t.Errorf("range: %d %q", res.StatusCode, b)
	}
	if res := do(h, "GET", seg, "If-None-Match", res.Header.Get("ETag")); res.StatusCode != 304 {
		t.Errorf("condition: %d", res.StatusCode)
	}
	res = do(h, "HEAD", seg)
	if b, _ := io.ReadAll(res.Body); len(b) != 0 || res.Header.Get("Content-Length") != "10" {
		t.Errorf("HEAD: %q", b)
	}
}

func FuzzVerify(f *testing.F) {
	s, err := mediaurl.NewSigner(key, func() time.Time { return time.Unix(0, 0) })
	if err != nil {
		f.Fatal(err)
	}
	good, _ := s.URL("renditions/1/a.m4s", "s", time.Hour)
	f.Add(good)
	f.Add("/media/AQAB/x")
	f.Fuzz(func(t *testing.T, p string) {
		g, err := s.Verify(p)
		if err == nil && !strings.HasPrefix(g.Key, "renditions/1/") {
			t.Errorf("%q opened %q", p, g.Key)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s, err := mediaurl.NewSigner(key, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	u, _ := s.URL("renditions/0196f000-0000-7000-8000-000000000000/720p/seg_00001.m4s", "0196f000-0000-7000-8000-000000000001", time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Verify(u); err != nil {
			b.Fatal(err)
		}
	}
}
