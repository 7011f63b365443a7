package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// command runs the program's command on a data folder and returns what it said.
func command(t testing.TB, env []string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, cinema.Binary(t), args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// backupManifest is what of a manifest the tests look at.
type backupManifest struct {
	ID     string
	Moment time.Time
	Counts struct {
		Rows                                      map[string]int64
		Events, Tail, Objects, Blobs, CopiedBlobs int64
		Bytes, CopiedBytes                        int64
	}
	Blobs map[string]struct{ Size int64 }
}

var backupLine = regexp.MustCompile(`(?m)^backup (\S+) in .*$`)

// takeBackup makes a backup in a folder and reads its manifest.
func takeBackup(t testing.TB, env []string, dir string) backupManifest {
	t.Helper()
	out, err := command(t, env, "backup", dir)
	require.NoError(t, err, out)
	line := backupLine.FindStringSubmatch(out)
	require.NotNil(t, line, out)
	t.Log(line[0])
	b, err := os.ReadFile(filepath.Join(dir, "objects", "backups", line[1]+".json"))
	require.NoError(t, err)
	var m backupManifest
	require.NoError(t, json.Unmarshal(b, &m))
	return m
}

// written are the files of a folder's blobs and when they were written.
func written(t testing.TB, dir string) map[string]time.Time {
	t.Helper()
	found := map[string]time.Time{}
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "objects", "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			found[path] = info.ModTime()
		}
		return err
	}))
	return found
}

// acknowledged is what people were told is safe, and when they were told.
type acknowledged struct {
	mu     sync.Mutex
	titles map[string]ack // by id
	events []time.Time
	places []place // in the order of watching
	sent   int     // events, acknowledged or not
}

type ack struct {
	name string
	at   time.Time
}

type place struct {
	positionMs int
	at         time.Time
}

// busyHouse writes until the returned function is called: an admin makes titles,
// a viewer watches. It returns when each has been acknowledged a few times.
func busyHouse(t testing.TB, i *cinema.Instance, admin, viewer *cinema.Client, film title) (*acknowledged, func()) {
	t.Helper()
	a := &acknowledged{titles: map[string]ack{}}
	session, leave := startWatch(t, i, viewer, film)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	write := func(one func(n int) bool) {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if !one(n) {
					return
				}
			}
		})
	}
	write(func(n int) bool {
		name := fmt.Sprintf("Written Meanwhile %d", n)
		var made struct {
			CreateTitle struct{ Record struct{ ID string } }
		}
		res := admin.Do(t, `mutation($i: CreateTitleInput!) { createTitle(input: $i) { record { id } } }`, map[string]any{"i": map[string]any{
			"kind": "FILM", "originalName": name, "publish": true}})
		if len(res.Errors) > 0 || json.Unmarshal(res.Data, &made) != nil {
			t.Errorf("a title was not saved: %+v", res.Errors)
			return false
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.titles[made.CreateTitle.Record.ID] = ack{name, time.Now()}
		return true
	})
	write(func(n int) bool {
		at := 1000 + n
		e := map[string]any{"id": newID(), "name": "HEARTBEAT", "at": time.Now().UTC().Format(time.RFC3339Nano), "sessionId": session.SessionID,
			"playableId": film.ID, "titleId": film.ID, "durationMs": 5_400_000, "positionMs": at, "playing": true, "rate": 1.0}
		if n == 0 {
			e["name"], e["firstFrameMs"] = "PLAY_STARTED", 300
			delete(e, "playing")
			delete(e, "rate")
		}
		a.mu.Lock()
		a.sent++
		a.mu.Unlock()
		res := viewer.Do(t, recordEvents, map[string]any{"i": map[string]any{"device": device, "locale": "en", "events": []any{e}}})
		var out struct{ RecordEvents struct{ Accepted int } }
		if len(res.Errors) > 0 || json.Unmarshal(res.Data, &out) != nil || out.RecordEvents.Accepted != 1 {
			t.Errorf("an event was not taken: %s %+v", res.Data, res.Errors)
			return false
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.events = append(a.events, time.Now())
		a.places = append(a.places, place{at, time.Now()})
		return true
	})
	cinema.Eventually(t, 20*time.Second, func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.titles) < 3 || len(a.events) < 10 {
			return fmt.Errorf("%d titles, %d events", len(a.titles), len(a.events))
		}
		return nil
	})
	return a, func() {
		close(stop)
		writers.Wait()
		leave()
	}
}

// before is what was acknowledged before a moment.
func (a *acknowledged) before(moment time.Time) (titles map[string]string, events, positionMs int) {
	titles = map[string]string{}
	for id, t := range a.titles {
		if t.at.Before(moment) {
			titles[id] = t.name
		}
	}
	for _, at := range a.events {
		if at.Before(moment) {
			events++
		}
	}
	for _, p := range a.places {
		if p.at.Before(moment) {
			positionMs = p.positionMs
		}
	}
	return titles, events, positionMs
}

// today is what the dashboard says of real viewers today.
func today(t testing.TB, admin *cinema.Client) (events, views int) {
	t.Helper()
	var out struct {
		ActivityByDay []struct{ Events, Views int }
	}
	admin.Must(t, &out, `query($d: Date!) { activityByDay(from: $d, to: $d, demo: false) { events views } }`,
		map[string]any{"d": time.Now().UTC().Format(time.DateOnly)})
	if len(out.ActivityByDay) == 1 {
		return out.ActivityByDay[0].Events, out.ActivityByDay[0].Views
	}
	return 0, 0
}

// hasAll looks that an instance has what was acknowledged before the moment, and
// counts no event twice.
func hasAll(t testing.TB, i *cinema.Instance, admin, viewer *cinema.Client, film title, a *acknowledged, moment time.Time) {
	t.Helper()
	titles, events, positionMs := a.before(moment)
	require.NotEmpty(t, titles)
	require.NotZero(t, events)
	for id, name := range titles {
		var out struct {
			TitleRecord *struct{ OriginalName string }
		}
		admin.Must(t, &out, `query($id: ID!) { titleRecord(id: $id) { originalName } }`, map[string]any{"id": id})
		require.NotNil(t, out.TitleRecord, name)
		require.Equal(t, name, out.TitleRecord.OriginalName)
	}
	cinema.Eventually(t, 30*time.Second, func() error {
		if at := openWatch(t, i, viewer, film).ResumePositionMs; at < positionMs {
			return fmt.Errorf("resumes at %d, and %d was acknowledged", at, positionMs)
		}
		return nil
	})
	cinema.Eventually(t, 45*time.Second, func() error {
		// The account's own events (two sign-ups or sign-ins at least) come on top.
		got, views := today(t, admin)
		if got < events || views != 1 {
			return fmt.Errorf("%d events in %d views, and %d were acknowledged", got, views, events)
		}
		return nil
	})
	cinema.Eventually(t, 30*time.Second, func() error { // the index is made again
		for id, name := range titles {
			out := search(t, viewer, `"`+name+`"`)
			for _, e := range out.Titles.Edges {
				if e.Node.ID == id {
					return nil
				}
			}
			return fmt.Errorf("%s is not found", name)
		}
		return nil
	})
	t.Logf("%d titles, %d events, position %d ms: all there", len(titles), events, positionMs)
}

// poster is a picture that is like no other.
func poster(t testing.TB, shade uint8) []byte {
	t.Helper()
	p := image.NewRGBA(image.Rect(0, 0, 400, 600))
	for x := range 400 {
		for y := range 600 {
			p.Set(x, y, color.RGBA{uint8(x), uint8(y), shade, 255})
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, p))
	return b.Bytes()
}

// hang makes a film with a poster and returns it with the poster's address.
func hang(t testing.TB, admin *cinema.Client, name string, shade uint8) (title, string) {
	t.Helper()
	var made struct {
		CreateTitle struct{ Record struct{ ID string } }
	}
	admin.Must(t, &made, `mutation($i: CreateTitleInput!) { createTitle(input: $i) { record { id } } }`, map[string]any{"i": map[string]any{
		"kind": "FILM", "originalName": name, "publish": true}})
	upload(t, admin, made.CreateTitle.Record.ID, "POSTER", "poster.png", poster(t, shade))
	var url string
	cinema.Eventually(t, 20*time.Second, func() error {
		var out struct{ TitleRecord struct{ PosterURL string } }
		admin.Must(t, &out, `query($id: ID!) { titleRecord(id: $id) { posterUrl } }`, map[string]any{"id": made.CreateTitle.Record.ID})
		if url = out.TitleRecord.PosterURL; url == "" {
			return errors.New("no poster yet")
		}
		return nil
	})
	return title{ID: made.CreateTitle.Record.ID, Playback: &playback{DurationMs: 5_400_000}}, url
}

func TestBackupAndRestore(t *testing.T) {
	first := cinema.Start(t, cinema.Options{})
	viewer := first.Client()
	viewer.SignUp(t, "newcomer", password)
	admin, adminPassword := first.Admin(t), first.AdminPassword
	film, posterURL := hang(t, admin, "With A Poster", 7)
	status, picture := viewer.Get(t, posterURL)
	require.Equal(t, 200, status)

	dir := filepath.Join(t.TempDir(), "backups")
	env := []string{"CINEMA_DATA_DIR=" + first.Dir}
	house, quiet := busyHouse(t, first, admin, viewer, film)
	earlier := takeBackup(t, env, dir)
	files := written(t, dir)
	require.Len(t, files, len(earlier.Blobs))
	hang(t, admin, "With Another Poster", 99)
	m := takeBackup(t, env, dir)
	quiet()

	t.Run("the second copies only what is new", func(t *testing.T) {
		now := written(t, dir)
		for path, at := range files {
			require.Equal(t, at, now[path], "%s was written again", path)
		}
		require.EqualValues(t, len(now)-len(files), m.Counts.CopiedBlobs)
		require.Greater(t, m.Counts.Objects, earlier.Counts.Objects, "the poster")
		require.Less(t, m.Counts.CopiedBlobs, m.Counts.Blobs)
		out, err := command(t, env, "backup", "-verify", dir)
		require.NoError(t, err, out)
		require.Contains(t, out, m.ID)
	})
	t.Run("a data folder in use is refused", func(t *testing.T) {
		out, err := command(t, env, "restore", dir)
		require.Error(t, err)
		require.Contains(t, out, "empty data folder")
		require.Contains(t, out, "postgres")
		require.FileExists(t, filepath.Join(first.Dir, "postgres", "password"))
	})
	t.Run("a damaged backup is refused", func(t *testing.T) {
		var victim string
		for name := range m.Blobs {
			victim = filepath.Join(dir, "objects", "blobs", name[:2], name)
			break
		}
		whole, err := os.ReadFile(victim)
		require.NoError(t, err)
		spoilt := bytes.Clone(whole)
		spoilt[len(spoilt)/2] ^= 1
		require.NoError(t, os.WriteFile(victim, spoilt, 0o600))
		empty := filepath.Join(t.TempDir(), "data")
		for _, args := range [][]string{{"restore", dir}, {"backup", "-verify", dir}} {
			out, err := command(t, []string{"CINEMA_DATA_DIR=" + empty}, args...)
			require.Error(t, err)
			require.Contains(t, out, "damaged")
			require.NoDirExists(t, empty, "nothing is begun")
		}
		require.NoError(t, os.WriteFile(victim, whole, 0o600))
	})

	first.Kill()
	require.NoError(t, os.RemoveAll(first.Dir))
	out, err := command(t, env, "restore", dir)
	require.NoError(t, err, out)
	t.Log(strings.TrimSpace(out))

	// On the same address, so that cookies and links are the old ones.
	scheduled := filepath.Join(t.TempDir(), "scheduled")
	second := cinema.Start(t, cinema.Options{Dir: first.Dir, Env: []string{"CINEMA_BACKUP_TO=" + scheduled, "CINEMA_BACKUP_KEY=" + password}, Port: first.URL[strings.LastIndex(first.URL, ":")+1:]})
	require.Empty(t, second.AdminPassword, "it is no first start")
	t.Run("sessions and links live on", func(t *testing.T) {
		var me struct{ Me struct{ Login string } }
		viewer.Must(t, &me, `{ me { login } }`, nil)
		require.Equal(t, "newcomer", me.Me.Login)
		status, got := viewer.Get(t, posterURL)
		require.Equal(t, 200, status)
		require.True(t, bytes.Equal(picture, got), "the poster is another")
	})
	admin = second.Client()
	admin.SignIn(t, "admin", adminPassword)
	hasAll(t, second, admin, viewer, film, house, m.Moment)
	t.Run("a backup is made by itself, and told of", func(t *testing.T) {
		ops := second.Client()
		ops.URL = second.OpsURL
		cinema.Eventually(t, 30*time.Second, func() error {
			_, metrics := ops.Get(t, "/metrics")
			if !regexp.MustCompile(`(?m)^cinema_backup_last_success_timestamp_seconds [1-9]`).Match(metrics) {
				return errors.New("no good backup yet")
			}
			return nil
		})
		_, ready := ops.Get(t, "/readyz")
		require.Contains(t, string(ready), `{"name":"backup","ok":true}`)
		key := []string{"CINEMA_DATA_DIR=" + t.TempDir(), "CINEMA_BACKUP_KEY=" + password}
		out, err := command(t, key, "backup", "-verify", scheduled)
		require.NoError(t, err, out)
		out, err = command(t, key[:1], "restore", scheduled)
		require.Error(t, err)
		require.Contains(t, out, "encrypted")
	})
	got, _ := today(t, admin)
	require.LessOrEqual(t, got, house.sent+accountEvents, "an event counts twice")
}

// accountEvents is how many events the accounts of a test may write themselves:
// signing up and in, and the end of the viewing sessions that it opened.
const accountEvents = 12

// The same on the servers of a cluster, where each store has an address and the
// command is a process of its own that reaches them.
func TestBackupOfACluster(t *testing.T) {
	before, bucket := cinema.Stores(t, "before")
	first := cinema.Start(t, cinema.Options{Env: before})
	viewer := first.Client()
	viewer.SignUp(t, "newcomer", password)
	admin, adminPassword := first.Admin(t), first.AdminPassword
	film, posterURL := hang(t, admin, "With A Poster", 7)
	_, picture := viewer.Get(t, posterURL)

	target := "s3://" + bucket + "-backups/nightly"
	env := append(before, "CINEMA_DATA_DIR="+t.TempDir(), "CINEMA_BACKUP_KEY="+password)
	house, quiet := busyHouse(t, first, admin, viewer, film)
	out, err := command(t, env, "backup", target)
	require.NoError(t, err, out)
	files := cinema.Bucket(t, bucket+"-backups", "nightly/blobs/")
	require.NotEmpty(t, files)
	moment := time.Now() // the program takes a later one
	out, err = command(t, env, "backup", target)
	require.NoError(t, err, out)
	t.Log(backupLine.FindString(out))
	quiet()
	now := cinema.Bucket(t, bucket+"-backups", "nightly/blobs/")
	for key, at := range files {
		require.Equal(t, at, now[key], "%s was written again", key)
	}
	out, err = command(t, env, "backup", "-verify", target)
	require.NoError(t, err, out)
	first.Kill()

	after, _ := cinema.Stores(t, "after")
	env = append(after, "CINEMA_DATA_DIR="+t.TempDir(), "CINEMA_BACKUP_KEY="+password)
	out, err = command(t, append(env, "CINEMA_AUTH_SECRET="+strings.Repeat("ab", 32)), "restore", target)
	require.Error(t, err)
	require.Contains(t, out, "CINEMA_AUTH_SECRET holds another secret")
	out, err = command(t, env, "restore", target)
	require.NoError(t, err, out)
	t.Log(strings.TrimSpace(out))
	out, err = command(t, env, "restore", target)
	require.Error(t, err)
	require.Contains(t, out, "the database auth has account")

	second := cinema.Start(t, cinema.Options{Env: after, Port: first.URL[strings.LastIndex(first.URL, ":")+1:]})
	status, got := viewer.Get(t, posterURL)
	require.Equal(t, 200, status)
	require.True(t, bytes.Equal(picture, got), "the poster is another")
	admin = second.Client()
	admin.SignIn(t, "admin", adminPassword)
	hasAll(t, second, admin, viewer, film, house, moment)
	events, _ := today(t, admin)
	require.LessOrEqual(t, events, house.sent+accountEvents, "an event counts twice")
}
