package uploads_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
	"github.com/netflixathome/cinema/subgraphs/admin/admintest"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
	"github.com/netflixathome/cinema/subgraphs/admin/uploads"
)

// looks refuses files that start with "bad" and fails on those of outage.
type looks struct{ outage atomic.Bool }

func (l *looks) look(path string) error {
	if l.outage.Load() {
		return errors.New("no tools at the moment")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(b, []byte("bad")) {
		return fault.New(fault.Invalid, "This is not what it says.").WithReason("NOT_A_PICTURE")
	}
	return nil
}

func (l *looks) Store(_ context.Context, path string, _ admin.AssetKind, prefix string) (admin.Image, error) {
	return admin.Image{Prefix: prefix, Widths: []int{200, 400}, Colour: "#000000"}, l.look(path)
}

func (l *looks) Inspect(_ context.Context, path string) error { return l.look(path) }

type desk struct {
	*admintest.House
	up      *uploads.Uploads
	looks   *looks
	objects *admintest.Objects
	dir     string
	url     string
	free    int64
	film    gid.ID
	refused atomic.Bool // who sends was signed out
	stop    func()
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{House: admintest.New(t), looks: &looks{}, objects: &admintest.Objects{}, dir: t.TempDir(), free: 1 << 50}
	film, err := d.Records.CreateTitle(t.Context(), admin.CreateTitleInput{Kind: admin.KindFilm, OriginalName: "A film"})
	ok(t, err)
	d.film = film.ID
	d.open(t)
	return d
}

// open starts the program anew on the same folder and tables.
func (d *desk) open(t *testing.T) {
	t.Helper()
	var err error
	d.up, err = uploads.New(uploads.Deps{Records: d.Records, Pictures: d.looks, Films: d.looks, Objects: d.objects, Dir: d.dir, Log: d.Log,
		Now: d.Clock.Now, Free: func() (int64, error) { return d.free, nil },
		Refuses: func(c *authn.Claims) bool { return d.refused.Load() && c.UserID == admintest.Admin.UserID }})
	ok(t, err)
	server := httptest.NewServer(d.up.Handler(admintest.Tokens{}))
	d.url = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.up.Run(ctx) }()
	d.stop = sync.OnceFunc(func() { server.Close(); cancel(); <-done })
	t.Cleanup(d.stop)
}

func (d *desk) begin(t *testing.T, kind admin.AssetKind, size int) *admin.Asset {
	t.Helper()
	a, err := d.up.Open(authn.With(t.Context(), admintest.Admin), admin.OpenUploadInput{Kind: kind, OwnerID: d.film, Filename: "x.bin", Size: int64(size)})
	ok(t, err)
	return a
}

func (d *desk) send(t *testing.T, method, token string, a *admin.Asset, offset int, data string) (int, http.Header, string) {
	t.Helper()
	url := d.up.URL(a)
	if url == "" {
		url = uploads.Base + a.ID.String()
	}
	req, err := http.NewRequestWithContext(t.Context(), method, d.url+url, strings.NewReader(data))
	ok(t, err)
	req.Header.Set("Tus-Resumable", "1.0.0")
	req.Header.Set("Upload-Offset", strconv.Itoa(offset))
	req.Header.Set("Content-Type", "application/offset+octet-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	ok(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ok(t, err)
	return res.StatusCode, res.Header, string(b)
}

func (d *desk) asset(t *testing.T, a *admin.Asset) *admin.Asset {
	t.Helper()
	got, err := d.Records.Asset(t.Context(), a.ID)
	ok(t, err)
	return got
}

func (d *desk) files(t *testing.T) []string {
	t.Helper()
	list, err := os.ReadDir(d.dir)
	ok(t, err)
	var out []string
	for _, f := range list {
		out = append(out, f.Name())
	}
	return out
}

func (d *desk) title(t *testing.T) *admin.TitleRecord {
	t.Helper()
	r, err := d.Records.Title(t.Context(), d.film)
	ok(t, err)
	return r
}

func TestAPictureInTwoParts(t *testing.T) {
	d := newDesk(t)
	a := d.begin(t, admin.Poster, 10)
	if code, h, _ := d.send(t, http.MethodPatch, "admin", a, 0, "good "); code != 204 || h.Get("Upload-Offset") != "5" {
		t.Fatalf("first part: %d %v", code, h)
	}
	if n := d.up.Received(d.asset(t, a)); n != 5 {
		t.Errorf("received %d", n)
	}
	if code, h, _ := d.send(t, http.MethodHead, "admin", a, 0, ""); code != 200 || h.Get("Upload-Offset") != "5" || h.Get("Upload-Length") != "10" {
		t.Errorf("head: %d %v", code, h)
	}
	if code, _, _ := d.send(t, http.MethodPatch, "admin", a, 3, "d pic"); code != 409 {
		t.Errorf("wrong offset: %d", code)
	}
	if code, _, body := d.send(t, http.MethodPatch, "admin", a, 5, "image"); code != 204 {
		t.Fatalf("second part: %d %s", code, body)
	}
	got := d.asset(t, a)
	sum := sha256.Sum256([]byte("good image"))
	if got.State != admin.Ready || got.Sha256 == nil || *got.Sha256 != hex.EncodeToString(sum[:]) {
		t.Errorf("asset: %+v", got)
	}
	if r := d.title(t); r.Poster == nil || r.Poster.Prefix != "posters/"+a.ID.UUID.String() || r.Version != 2 {
		t.Errorf("title: %+v", r)
	}
	if f := d.files(t); len(f) != 0 {
		t.Errorf("left: %v", f)
	}
	// The answer may have been lost: the client asks again.
	if code, h, _ := d.send(t, http.MethodHead, "admin", a, 0, ""); code != 200 || h.Get("Upload-Offset") != "10" {
		t.Errorf("head after the end: %d %v", code, h)
	}
	if code, _, _ := d.send(t, http.MethodPatch, "admin", a, 10, ""); code != 204 {
		t.Errorf("an empty part after the end: %d", code)
	}
	// A new one takes its place.
	b := d.begin(t, admin.Poster, 4)
	d.send(t, http.MethodPatch, "admin", b, 0, "next")
	if r := d.title(t); r.Poster.Prefix != "posters/"+b.ID.UUID.String() {
		t.Errorf("title: %+v", r.Poster)
	}
	if _, err := d.Records.Asset(t.Context(), a.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the replaced picture's row: %v", err)
	}
	d.objects.Put("posters/"+a.ID.UUID.String()+"/200.jpg", nil)
	d.Clock.Move(25 * time.Hour)
	if n, err := d.Records.Collect(t.Context(), d.objects); n != 1 || err != nil || len(d.objects.Keys()) != 0 {
		t.Errorf("collected %d, %v; left %v", n, err, d.objects.Keys())
	}
}

func TestWhoMaySend(t *testing.T) {
	d := newDesk(t)
	a := d.begin(t, admin.Poster, 10)
	for _, c := range []struct {
		method, token string
		want          int
	}{
		{http.MethodPatch, "", 401}, {http.MethodPatch, "forged", 401}, {http.MethodPatch, "viewer", 403}, {http.MethodPatch, "other", 403},
		{http.MethodHead, "", 401}, {http.MethodHead, "other", 403},
		{http.MethodGet, "admin", 405}, {http.MethodPost, "admin", 405}, {http.MethodDelete, "admin", 405}, {http.MethodPut, "admin", 405},
		{http.MethodOptions, "", 204},
	} {
		if code, _, body := d.send(t, c.method, c.token, a, 0, ""); code != c.want {
			t.Errorf("%s as %q: %d %s, want %d", c.method, c.token, code, body, c.want)
		}
	}
	for _, path := range []string{"", "x", "../../etc/passwd", gid.New(gid.Asset).String(), gid.New(gid.Film).String()} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, d.url+uploads.Base+path, nil)
		ok(t, err)
		req.Header.Set("Authorization", "Bearer admin")
		res, err := http.DefaultClient.Do(req)
		ok(t, err)
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %d", path, res.StatusCode)
		}
	}
	// A method in a header is none.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+d.up.URL(a), strings.NewReader("good image"))
	ok(t, err)
	req.Header.Set("Authorization", "Bearer admin")
	req.Header.Set("X-HTTP-Method-Override", "PATCH")
	res, err := http.DefaultClient.Do(req)
	ok(t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("override: %d", res.StatusCode)
	}
}

// A request that sends for long ends with its sender's session; what it has sent
// until then is not lost.
func TestARunningUploadEndsWithItsSession(t *testing.T) {
	d := newDesk(t)
	a := d.begin(t, admin.Poster, 1000)
	body, bytes := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, d.url+d.up.URL(a), body)
	ok(t, err)
	for name, value := range map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream", "Authorization": "Bearer admin",
	} {
		req.Header.Set(name, value)
	}
	sent := make(chan *http.Response, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
		}
		sent <- res
	}()
	_, err = bytes.Write([]byte("12345678"))
	ok(t, err)
	await(t, func() bool { return d.received(t, a) == 8 })
	d.refused.Store(true)
	_, err = bytes.Write([]byte("9abc"))
	ok(t, err)
	res := <-sent
	defer res.Body.Close()
	_ = bytes.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Fatal(res.Status)
	}
	if n := d.received(t, a); n != 8 {
		t.Fatalf("%d bytes were taken", n)
	}
	d.refused.Store(false)
	if status, h, _ := d.send(t, http.MethodHead, "admin", a, 0, ""); status != 200 || h.Get("Upload-Offset") != "8" {
		t.Fatal(status, h)
	}
}

// received is how many bytes of an upload are on the disk.
func (d *desk) received(t *testing.T, a *admin.Asset) (n int64) {
	t.Helper()
	for _, name := range d.files(t) {
		if info, err := os.Stat(filepath.Join(d.dir, name)); err == nil && !strings.HasSuffix(name, ".info") && strings.Contains(name, a.ID.String()) {
			n = info.Size()
		}
	}
	return n
}

func TestARefusedFileLeavesNothing(t *testing.T) {
	for _, kind := range []admin.AssetKind{admin.Still, admin.Source} {
		d := newDesk(t)
		a := d.begin(t, kind, 7)
		code, _, body := d.send(t, http.MethodPatch, "admin", a, 0, "bad one")
		if code != 422 || !strings.Contains(body, "This is not what it says.") || !strings.Contains(body, `"reason":"NOT_A_PICTURE"`) {
			t.Errorf("%s: %d %s", kind, code, body)
		}
		got := d.asset(t, a)
		if got.State != admin.Refused || got.Refusal == nil || *got.Refusal != "This is not what it says." {
			t.Errorf("%s: %+v", kind, got)
		}
		if len(d.files(t)) != 0 || len(d.objects.Keys()) != 0 || d.title(t).Version != 1 || len(d.Jobs.Specs()) != 0 {
			t.Errorf("%s: files %v, objects %v", kind, d.files(t), d.objects.Keys())
		}
		if code, _, body := d.send(t, http.MethodPatch, "admin", a, 0, "bad one"); code != 422 || !strings.Contains(body, "This is not what it says.") {
			t.Errorf("%s, again: %d %s", kind, code, body)
		}
	}
}

func TestASourceIsHandedOn(t *testing.T) {
	d := newDesk(t)
	a := d.begin(t, admin.Source, 6)
	if code, _, body := d.send(t, http.MethodPatch, "admin", a, 0, "a film"); code != 204 {
		t.Fatalf("%d %s", code, body)
	}
	key := records.SourceKey(a.ID.UUID)
	specs := d.Jobs.Specs()
	if len(specs) != 1 || specs[0] != (admin.JobSpec{AssetID: a.ID.UUID, Playable: d.film, SourceKey: key}) {
		t.Errorf("%+v", specs)
	}
	if k := d.objects.Keys(); len(k) != 1 || k[0] != key || len(d.files(t)) != 0 || d.asset(t, a).State != admin.Ready {
		t.Errorf("objects %v, files %v", k, d.files(t))
	}
	m, err := d.Records.MediaOf(t.Context(), []uuid.UUID{d.film.UUID})
	ok(t, err)
	if s := m[d.film.UUID]; s == nil || s.Job == nil || s.Job.State != admin.JobQueued {
		t.Errorf("media: %+v", s)
	}
}

// A kill after the last byte and before the check is done, at each step.
func TestAfterAKill(t *testing.T) {
	for name, c := range map[string]struct{ before, after func(d *desk) }{
		"before the check":         {func(d *desk) { d.stop() }, func(*desk) {}},
		"while the tools are away": {func(d *desk) { d.looks.outage.Store(true) }, func(d *desk) { d.looks.outage.Store(false) }},
		"before the row is ready":  {func(d *desk) { d.Jobs.SetFail(errors.New("killed")) }, func(d *desk) { d.Jobs.SetFail(nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			a := d.begin(t, admin.Source, 6)
			if code, h, _ := d.send(t, http.MethodPatch, "admin", a, 0, "a f"); code != 204 || h.Get("Upload-Offset") != "3" {
				t.Fatalf("%d %v", code, h)
			}
			// The program is gone, and the next one knows how far it was.
			d.stop()
			d.open(t)
			if code, h, _ := d.send(t, http.MethodHead, "admin", a, 0, ""); code != 200 || h.Get("Upload-Offset") != "3" {
				t.Fatalf("%d %v", code, h)
			}
			c.before(d)
			if name == "before the check" {
				// The last byte was written, and nothing came after it.
				f, err := os.OpenFile(d.dir+"/"+a.ID.String(), os.O_APPEND|os.O_WRONLY, 0)
				ok(t, err)
				_, err = f.WriteString("ilm")
				ok(t, errors.Join(err, f.Close()))
			} else if code, _, body := d.send(t, http.MethodPatch, "admin", a, 3, "ilm"); code != 500 || strings.Contains(body, "killed") {
				t.Fatalf("%d %s", code, body)
			}
			d.stop()
			c.after(d)
			d.open(t) // its first sweep takes it up
			await(t, func() bool { return d.asset(t, a).State == admin.Ready })
			await(t, func() bool { return len(d.files(t)) == 0 })
			if len(d.Jobs.Specs()) != 1 || len(d.objects.Keys()) != 1 {
				t.Errorf("jobs %v, objects %v", d.Jobs.Specs(), d.objects.Keys())
			}
		})
	}
}

func TestCancelledAndExpired(t *testing.T) {
	d := newDesk(t)
	ctx := authn.With(t.Context(), admintest.Admin)
	a := d.begin(t, admin.Source, 10)
	d.send(t, http.MethodPatch, "admin", a, 0, "half")
	got, err := d.up.Cancel(ctx, a.ID)
	ok(t, err)
	if got.State != admin.Cancelled || len(d.files(t)) != 0 {
		t.Errorf("%+v, files %v", got, d.files(t))
	}
	if code, _, _ := d.send(t, http.MethodPatch, "admin", a, 4, "more"); code != 410 {
		t.Errorf("after the end: %d", code)
	}
	done := d.begin(t, admin.Poster, 4)
	d.send(t, http.MethodPatch, "admin", done, 0, "good")
	if _, err := d.up.Cancel(ctx, done.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("cancel of a ready one: %v", err)
	}
	old := d.begin(t, admin.Source, 10)
	d.Clock.Move(uploads.Expiry + time.Hour)
	young := d.begin(t, admin.Source, 10)
	ok(t, d.up.Sweep(ctx))
	if o, y := d.asset(t, old), d.asset(t, young); o.State != admin.Cancelled || y.State != admin.Uploading {
		t.Errorf("old %s, young %s", o.State, y.State)
	}
	if f := d.files(t); len(f) != 2 {
		t.Errorf("files: %v", f)
	}
}

func TestBounds(t *testing.T) {
	d := newDesk(t)
	ctx := authn.With(t.Context(), admintest.Admin)
	open := func(size int64) error {
		_, err := d.up.Open(ctx, admin.OpenUploadInput{Kind: admin.Source, OwnerID: d.film, Filename: "a.mp4", Size: size})
		return err
	}
	d.free = uploads.Reserve + 100
	ok(t, open(60))
	err := open(60) // what the first has still to send counts
	var fe *fault.Error
	if !errors.As(err, &fe) || fe.Reason != "DISK_FULL" || fe.Kind != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if len(d.files(t)) != 2 {
		t.Errorf("a refused upload left files: %v", d.files(t))
	}
	d.free = 1 << 50
	for range records.MaxOpenUploadsUser - 1 {
		ok(t, open(1))
	}
	if err := open(1); fault.KindOf(err) != fault.RateLimited {
		t.Errorf("%v", err)
	}
	a := d.asset(t, firstOpen(t, d))
	if code, _, _ := d.send(t, http.MethodPatch, "admin", a, 0, strings.Repeat("x", 61)); code != 413 {
		t.Errorf("more bytes than announced: %d", code)
	}
}

func firstOpen(t *testing.T, d *desk) *admin.Asset {
	t.Helper()
	list, err := d.Records.OpenAssets(t.Context())
	ok(t, err)
	return list[0]
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func await(t testing.TB, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatal("not in time")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// The disk's own words stay in the log.
func TestAFailingDiskIsToldWithoutDetail(t *testing.T) {
	d := newDesk(t)
	a := d.begin(t, admin.Source, 10)
	path := d.dir + "/" + a.ID.String()
	ok(t, os.WriteFile(path+".info", []byte("{"), 0o600))
	code, _, body := d.send(t, http.MethodPatch, "admin", a, 0, "x")
	if code != 500 || strings.Contains(body, "JSON") || strings.Contains(body, d.dir) || !strings.Contains(body, `"code":"INTERNAL"`) {
		t.Errorf("%d %s", code, body)
	}
}
