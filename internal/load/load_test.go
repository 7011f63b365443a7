package load

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// house is a server that answers as the test says, and tells of each request.
func house(t *testing.T, answer http.HandlerFunc) (*httptest.Server, <-chan string) {
	t.Helper()
	came := make(chan string, 10_000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r)
		select {
		case came <- r.URL.Path:
		default:
		}
	}))
	t.Cleanup(s.Close)
	return s, came
}

func options(address string) Options {
	return Options{URL: address, Viewers: 3, For: time.Hour, Speed: 100, Seed: 1, Unmarked: true, Model: Evening}
}

func TestGoesNowhereElse(t *testing.T) {
	for address, want := range map[string]string{
		"http://192.0.2.1":            "not this machine",
		"https://cinema.example":      "not this machine",
		"http://127.0.0.1.example":    "not this machine",
		"http://[2001:db8::1]:80":     "not this machine",
		"http://0x7f.1":               "not this machine",
		"http://me:secret@127.0.0.1":  "not an address such as",
		"127.0.0.1:8080":              "not an address such as",
		"ftp://127.0.0.1":             "not an address such as",
		"":                            "not an address such as",
		"http://localhost.:8080/path": "not this machine",
	} {
		_, err := Run(t.Context(), options(address), io.Discard)
		require.ErrorContains(t, err, want, address)
		_, err = Remove(t.Context(), options(address))
		require.ErrorContains(t, err, want, address)
	}
	for _, address := range []string{"http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://127.8.9.10:1"} {
		_, err := newNetwork(address, false, 1)
		require.NoError(t, err, address)
	}
}

// A name that leads away, or a server that sends one away, is caught where the
// connection is opened.
func TestIsNotLedAway(t *testing.T) {
	s, _ := house(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://192.0.2.1/film", http.StatusFound)
	})
	n, err := newNetwork(s.URL, false, 1)
	require.NoError(t, err)
	b := newBrowser(n, newRecorder(time.Now()), "")
	_, err = b.fetch(t.Context(), Segment, "/media/x", 0)
	require.ErrorIs(t, err, errNotHere)
	_, err = b.fetch(t.Context(), Segment, "http://192.0.2.1/", 0)
	require.ErrorIs(t, err, errNotHere)
	require.Equal(t, map[string]int64{"segment elsewhere": 2}, b.rec.report(time.Now()).Errors)
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := Run(t.Context(), Options{URL: "http://127.0.0.1:1", Viewers: -1, Ramp: 1, Connections: -1}, io.Discard)
	for _, flag := range []string{"-viewers", "-for", "-ramp", "-speed", "-connections", "-unmarked"} {
		require.ErrorContains(t, err, flag)
	}
}

func TestErrorsAreCounted(t *testing.T) {
	s, came := house(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			_, _ = io.WriteString(w, `<script src="/assets/app.js"></script>`)
		case "/assets/app.js":
			http.NotFound(w, r)
		}
	})
	o := options(s.URL)
	o.Viewers = 1
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for path := range came {
			if path == "/assets/app.js" {
				stop()
				return
			}
		}
	}()
	// The answer to the last request is on its way when the run ends: it may be
	// counted or not. The page before it is.
	report, err := Run(ctx, o, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "interrupted", report.Ended)
	require.GreaterOrEqual(t, report.Requests, int64(1))

	b := newBrowser(mustNetwork(t, s.URL), newRecorder(time.Now()), "")
	require.Error(t, b.loadPage(t.Context()))
	got := b.rec.report(time.Now())
	require.Equal(t, map[string]int64{"page HTTP 404": 1}, got.Errors)
	require.EqualValues(t, 2, got.Requests)
	require.EqualValues(t, 1, got.Failed)
	require.Len(t, got.Kinds, 1)
	require.Equal(t, Page, got.Kinds[0].Kind)
}

func mustNetwork(t *testing.T, address string) *network {
	t.Helper()
	n, err := newNetwork(address, false, 4)
	require.NoError(t, err)
	t.Cleanup(n.close)
	return n
}

func TestCodes(t *testing.T) {
	answer := ""
	s, _ := house(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
	b := newBrowser(mustNetwork(t, s.URL), newRecorder(time.Now()), "")
	for text, want := range map[string]string{
		`{"data":{"x":1}}`:    "",
		`{"data":{"x":"no"}}`: "home unexpected answer",
		`<html>`:              "home HTTP 200",
		`{"data":null,"errors":[{"message":"m","extensions":{"code":"CONFLICT","reason":"LOGIN_TAKEN"}}]}`: "home CONFLICT LOGIN_TAKEN",
	} {
		answer = text
		before := b.rec.report(time.Now()).Errors[want]
		var out struct{ X int }
		err := b.ask(t.Context(), Home, map[string]any{"query": "{ x }"}, &out)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.Error(t, err)
		require.Equal(t, before+1, b.rec.report(time.Now()).Errors[want], text)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	b = newBrowser(mustNetwork(t, gone.URL), newRecorder(time.Now()), "")
	_, err := b.fetch(t.Context(), Page, "/", 0)
	require.Error(t, err)
	require.Equal(t, map[string]int64{"page refused": 1}, b.rec.report(time.Now()).Errors)
}

// A run that is interrupted ends though the server says nothing, and still
// tells what there was.
func TestInterrupted(t *testing.T) {
	hang := make(chan struct{})
	begun := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(hang)
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-begun; stop() }()
	report, err := Run(ctx, options(s.URL), io.Discard)
	require.NoError(t, err)
	require.Equal(t, "interrupted", report.Ended)
	require.Zero(t, report.Failed, "what was cut short is no failure")
	var text strings.Builder
	require.NoError(t, report.Text(&text))
	require.Contains(t, text.String(), "interrupted")
}

// When the server dies in the middle, the run notices, ends by itself and
// reports.
func TestServerGoesAway(t *testing.T) {
	var n atomic.Int64
	var s *httptest.Server
	died := make(chan struct{})
	s, _ = house(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>")
		if n.Add(1) == 2 {
			go func() { s.CloseClientConnections(); _ = s.Listener.Close(); close(died) }()
		}
	})
	o := options(s.URL)
	o.GiveUp = 300 * time.Millisecond
	report, err := Run(t.Context(), o, io.Discard)
	<-died
	require.ErrorContains(t, err, "given up")
	require.Equal(t, "the server went away", report.Ended)
	require.NotZero(t, report.Failed)
	require.NotEmpty(t, report.Left)
}

func TestAdministratorMustSignIn(t *testing.T) {
	s, _ := house(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "SignUp") {
			t.Error("nobody signs up without leave")
		}
		_, _ = io.WriteString(w, `{"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED","reason":"WRONG_CREDENTIALS"}}]}`)
	})
	o := options(s.URL)
	o.Unmarked, o.AdminLogin, o.AdminPassword = false, "admin", "the wrong password"
	report, err := Run(t.Context(), o, io.Discard)
	require.Nil(t, report)
	require.ErrorContains(t, err, "WRONG_CREDENTIALS")
	require.NotContains(t, err.Error(), "the wrong password")
}

func TestHistogram(t *testing.T) {
	var h histogram
	require.Zero(t, h.quantile(0.5))
	for i := range 10_000 {
		h.add(time.Duration(i+1) * time.Millisecond / 10)
	}
	for q, want := range map[float64]float64{0.5: 500, 0.95: 950, 0.99: 990, 1: 1000} {
		require.InEpsilon(t, want, h.quantile(q), 0.021)
	}
	h = histogram{}
	h.add(0)
	h.add(100 * time.Hour)
	require.InDelta(t, 0, h.quantile(0.5), 0.01)
	require.Equal(t, ms(100*time.Hour), h.quantile(1))
}

func TestReportAsJSON(t *testing.T) {
	rec := newRecorder(time.Now().Add(-10 * time.Second))
	rec.done(Home, 20*time.Millisecond, 1000, "")
	rec.done(Home, time.Second, 0, "UNAVAILABLE")
	rec.done(FirstSegment, time.Second, 0, "")
	r := rec.report(rec.began.Add(10 * time.Second))
	require.EqualValues(t, 2, r.Requests, "a wait is no request")
	text, err := json.Marshal(r)
	require.NoError(t, err)
	for _, part := range []string{`"kind":"home"`, `"count":2`, `"failed":1`, `"perSecond":0.2`, `"home UNAVAILABLE":1`} {
		require.Contains(t, string(text), part)
	}
}

func TestDiceAreSeeded(t *testing.T) {
	draw := func(seed, viewer uint64) (out []string) {
		d := newDice(seed, viewer)
		for range 50 {
			out = append(out, d.query(0.5), d.about(time.Minute).String())
		}
		return out
	}
	require.Equal(t, draw(1, 2), draw(1, 2))
	require.NotEqual(t, draw(1, 2), draw(1, 3))
	require.NotEqual(t, draw(1, 2), draw(2, 2))
	require.Equal(t, []string{"nosfe", "nosferatoo"}, typed("nosferatoo"))
	require.Equal(t, []string{"кит"}, typed("кит"))
}

func TestPlaylists(t *testing.T) {
	variants, audio := readMaster("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"audio/1/index.m3u8\"\n" +
		"#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",URI=\"subs.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\n720p/index.m3u8\n\n#EXT-X-STREAM-INF:BANDWIDTH=2\n360p/index.m3u8\n")
	require.Equal(t, []string{"720p/index.m3u8", "360p/index.m3u8"}, variants)
	require.Equal(t, "audio/1/index.m3u8", audio)
	at, err := url.Parse("http://127.0.0.1/media/t/k/720p/index.m3u8")
	require.NoError(t, err)
	tr, err := readTrack("#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.0,\nseg_00000.m4s\n#EXTINF:2.5,\nseg_00001.m4s\n#EXT-X-ENDLIST\n", at)
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1/media/t/k/720p/init.mp4", tr.init)
	require.Equal(t, 6500*time.Millisecond, tr.length())
	require.Equal(t, "http://127.0.0.1/media/t/k/720p/seg_00001.m4s", tr.segments[1].address)
	for _, bad := range []string{"", "#EXTM3U\n", "#EXTINF:x,\na\n", "#EXTINF:-1,\na\n", "#EXTINF:0,\na\n"} {
		_, err := readTrack(bad, at)
		require.Error(t, err, bad)
	}
	l := loader{track: tr}
	l.seek(5*time.Second, time.Minute)
	require.Equal(t, 1, l.next)
	require.Equal(t, time.Minute, l.loaded)
	l.seek(time.Hour, 0)
	require.Equal(t, 1, l.next, "never behind the end")
}
