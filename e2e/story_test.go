// Package e2e plays the stories of a viewer, an admin and an operator against
// the built program, from outside, as a stranger would.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

const password = "correct horse battery"

func newID() string { return uuid.Must(uuid.NewV7()).String() }

var device = map[string]any{"kind": "desktop", "system": "Linux", "browser": "e2e"}

type title struct {
	Typename   string `json:"__typename"`
	ID         string
	Name       string
	Version    int
	DurationMs int
	Playback   *playback
	WatchState *struct {
		PositionMs int
		Finished   bool
	}
}

type playback struct {
	URL           string
	ThumbnailsURL string
	DurationMs    int
	Renditions    []struct{ Name string }
	Subtitles     []struct{ URL, Label string }
}

type titles struct {
	Titles struct {
		TotalCount int
		Suggestion string
		Edges      []struct {
			Node      title
			Highlight string
		}
	}
}

const searchQuery = `query($q: String!) { titles(query: $q, first: 10) { totalCount suggestion edges { highlight(locale: "en") node {
	__typename id version name(locale: "en") } } } }`

func search(t testing.TB, c *cinema.Client, q string) titles {
	t.Helper()
	var out titles
	c.Must(t, &out, searchQuery, map[string]any{"q": q})
	return out
}

// playable waits for a film that can be played; the first is there at once.
func playable(t testing.TB, c *cinema.Client) title {
	t.Helper()
	var found title
	cinema.Eventually(t, 60*time.Second, func() error {
		var out titles
		c.Must(t, &out, `{ titles(filter: {playable: true, kinds: [FILM]}, first: 1) { totalCount edges { node { id name ... on Film { durationMs playback {
			url thumbnailsUrl durationMs renditions { name } subtitles { url label } } } } } } }`, nil)
		if len(out.Titles.Edges) == 0 {
			return errors.New("no playable film yet")
		}
		found = out.Titles.Edges[0].Node
		return nil
	})
	return found
}

func TestStory(t *testing.T) {
	i := cinema.Start(t, cinema.Options{Demo: true})
	viewer := i.Client()
	s := viewer.SignUp(t, "newcomer", password)
	require.True(t, strings.HasPrefix(s.User.ID, "user_"))

	film := playable(t, viewer)
	t.Run("finds a film in spite of a typo", func(t *testing.T) {
		out := search(t, viewer, "nosferatoo")
		require.NotEmpty(t, out.Titles.Edges)
		require.Contains(t, out.Titles.Edges[0].Node.Name, "Nosferatu")
		out = search(t, viewer, "броненосец потемкин")
		require.NotEmpty(t, out.Titles.Edges)
		require.Equal(t, "Battleship Potemkin", out.Titles.Edges[0].Node.Name)
	})

	t.Run("watches it", func(t *testing.T) {
		require.NotNil(t, film.Playback)
		status, master := viewer.Get(t, film.Playback.URL)
		require.Equal(t, 200, status, string(master))
		require.Contains(t, string(master), "#EXTM3U")
		segment := firstSegment(t, viewer, film.Playback.URL, string(master))
		require.Greater(t, len(segment), 1000)

		res := viewer.Request(t, "GET", unsigned(film.Playback.URL), nil, nil)
		defer res.Body.Close()
		require.Equal(t, 403, res.StatusCode, "media without a valid token")
	})

	t.Run("comes back and resumes", func(t *testing.T) {
		at := film.Playback.DurationMs / 3
		watch(t, i, viewer, film, at)
		cinema.Eventually(t, 10*time.Second, func() error {
			var out struct {
				ContinueWatching []struct {
					Playable   struct{ ID string }
					WatchState struct{ PositionMs int }
				}
			}
			viewer.Must(t, &out, `{ continueWatching { playable { id } watchState { positionMs } } }`, nil)
			for _, c := range out.ContinueWatching {
				if c.Playable.ID == film.ID && c.WatchState.PositionMs == at {
					return nil
				}
			}
			return fmt.Errorf("not in continue watching at %d: %+v", at, out.ContinueWatching)
		})
		update := openWatch(t, i, viewer, film)
		require.Equal(t, at, update.ResumePositionMs)
	})

	admin := i.Admin(t)
	t.Run("an admin corrects a title and sees it found within a second", func(t *testing.T) {
		hit := search(t, viewer, "metropolis").Titles.Edges[0].Node
		var rec struct {
			TitleRecord struct {
				Version      int
				Translations []map[string]any
			}
		}
		admin.Must(t, &rec, `query($id: ID!) { titleRecord(id: $id) { version translations { locale name tagline description } } }`, map[string]any{"id": hit.ID})
		for _, tr := range rec.TitleRecord.Translations {
			if tr["locale"] == "en" {
				tr["name"] = "Metropolis Zyxwvut"
			}
		}
		began := time.Now()
		var changed struct {
			UpdateTitle struct{ Record struct{ Version int } }
		}
		admin.Must(t, &changed, `mutation($i: UpdateTitleInput!) { updateTitle(input: $i) { record { version } } }`,
			map[string]any{"i": map[string]any{"id": hit.ID, "version": rec.TitleRecord.Version, "translations": rec.TitleRecord.Translations}})
		cinema.Eventually(t, 10*time.Second, func() error {
			out := search(t, viewer, "zyxwvut")
			if len(out.Titles.Edges) == 0 || out.Titles.Edges[0].Node.ID != hit.ID {
				return errors.New("not found yet")
			}
			if v := out.Titles.Edges[0].Node.Version; v != changed.UpdateTitle.Record.Version {
				return fmt.Errorf("version %d, want %d", v, changed.UpdateTitle.Record.Version)
			}
			return nil
		})
		t.Logf("searchable after %v", time.Since(began))
		again := admin.Do(t, `mutation($i: UpdateTitleInput!) { updateTitle(input: $i) { record { version } } }`,
			map[string]any{"i": map[string]any{"id": hit.ID, "version": rec.TitleRecord.Version, "year": 1950}})
		require.Equal(t, "CONFLICT", again.Code())
		denied := viewer.Do(t, `mutation($i: UpdateTitleInput!) { updateTitle(input: $i) { record { version } } }`,
			map[string]any{"i": map[string]any{"id": hit.ID, "year": 1950}})
		require.Equal(t, "FORBIDDEN", denied.Code())
	})

	t.Run("an admin uploads a film and sees it become watchable", func(t *testing.T) {
		var made struct {
			CreateTitle struct{ Record struct{ ID string } }
		}
		admin.Must(t, &made, `mutation($i: CreateTitleInput!) { createTitle(input: $i) { record { id } } }`, map[string]any{"i": map[string]any{
			"kind": "FILM", "originalName": "A Home Film", "publish": true,
			"translations": []any{map[string]any{"locale": "en", "name": "A Home Film"}}}})
		id := made.CreateTitle.Record.ID
		source := homeFilm(t)
		upload(t, admin, id, "SOURCE", "../home film.mp4", source)
		cinema.Eventually(t, 90*time.Second, func() error {
			var out struct{ Playable *title }
			viewer.Must(t, &out, `query($id: ID!) { playable(id: $id) { id ... on Film { playback { url durationMs renditions { name } } } } }`, map[string]any{"id": id})
			if out.Playable == nil || out.Playable.Playback == nil {
				var job json.RawMessage
				admin.Must(t, &job, `query($id: ID!) { titleRecord(id: $id) { media { playable job { state step percent error } } assets { state refusal } } }`, map[string]any{"id": id})
				return fmt.Errorf("not playable yet: %s", job)
			}
			status, body := viewer.Get(t, out.Playable.Playback.URL)
			if status != 200 {
				return fmt.Errorf("%d %s", status, body)
			}
			return nil
		})
	})

	t.Run("what is no film or picture is refused with the reason", func(t *testing.T) {
		hit := search(t, viewer, "nosferatu").Titles.Edges[0].Node
		for name, c := range map[string]struct {
			kind string
			body []byte
		}{
			"text as film":        {"SOURCE", []byte(strings.Repeat("this is not a film\n", 500))},
			"playlist as film":    {"SOURCE", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")},
			"truncated film":      {"SOURCE", homeFilm(t)[:3000]},
			"svg as poster":       {"POSTER", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)},
			"html as poster":      {"POSTER", []byte(`<!doctype html><script>alert(1)</script>`)},
			"half a png as still": {"STILL", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")},
		} {
			t.Run(name, func(t *testing.T) {
				asset := upload(t, admin, hit.ID, c.kind, "x.mp4", c.body)
				cinema.Eventually(t, 20*time.Second, func() error {
					var out struct {
						TitleRecord struct {
							Assets []struct{ ID, State, Refusal string }
						}
					}
					admin.Must(t, &out, `query($id: ID!) { titleRecord(id: $id) { assets { id state refusal } } }`, map[string]any{"id": hit.ID})
					for _, a := range out.TitleRecord.Assets {
						if a.ID == asset && a.State == "REFUSED" && a.Refusal != "" {
							return nil
						}
					}
					return fmt.Errorf("%+v", out.TitleRecord.Assets)
				})
			})
		}
		zero := admin.Do(t, openUpload, map[string]any{"i": map[string]any{"kind": "SOURCE", "ownerId": hit.ID, "filename": "a.mp4", "size": 0}})
		require.Equal(t, "INVALID", zero.Code())
		nul := admin.Do(t, openUpload, map[string]any{"i": map[string]any{"kind": "SOURCE", "ownerId": hit.ID, "filename": "a\x00.mp4", "size": 10}})
		require.Equal(t, "INVALID", nul.Code())
	})

	t.Run("an admin sees who watched what", func(t *testing.T) {
		today := time.Now().UTC().Format(time.DateOnly)
		cinema.Eventually(t, 20*time.Second, func() error {
			var out struct {
				TopTitles []struct {
					Views int
					Title struct{ ID string }
				}
				ActivityByDay []struct{ Events, ActiveProfiles, Views int }
			}
			admin.Must(t, &out, `query($d: Date!) { topTitles(from: $d, to: $d, demo: false, first: 5) { views title { id } }
				activityByDay(from: $d, to: $d, demo: false) { events activeProfiles views } }`, map[string]any{"d": today})
			if len(out.TopTitles) != 1 || out.TopTitles[0].Title.ID != film.ID || out.TopTitles[0].Views != 1 {
				return fmt.Errorf("%+v", out)
			}
			if d := out.ActivityByDay; len(d) != 1 || d[0].Views != 1 {
				return fmt.Errorf("%+v", d)
			}
			return nil
		})
	})

	t.Run("the demo is completed in the background", func(t *testing.T) {
		admin, since := i.Admin(t), time.Now()
		took := cinema.Eventually(t, 10*time.Minute, func() error {
			if time.Since(since) > 4*time.Minute { // a token lasts five
				admin, since = i.Admin(t), time.Now()
			}
			var out struct {
				Demo struct {
					State, Step string
					Percent     float64
				}
			}
			admin.Must(t, &out, `{ demo { state step percent } }`, nil)
			if out.Demo.State != "READY" {
				return fmt.Errorf("%+v", out.Demo)
			}
			return nil
		})
		t.Logf("demo complete %v later", took)
		var out struct {
			ActivityByDay []struct{ Views int }
			Popular       []struct{ ID string }
		}
		now := time.Now().UTC()
		admin.Must(t, &out, `query($a: Date!, $b: Date!) { activityByDay(from: $a, to: $b) { views } popular { id } }`, map[string]any{
			"a": now.AddDate(0, 0, -29).Format(time.DateOnly), "b": now.Format(time.DateOnly)})
		require.Len(t, out.ActivityByDay, 30)
		days := 0
		for _, d := range out.ActivityByDay {
			if d.Views > 0 {
				days++
			}
		}
		require.GreaterOrEqual(t, days, 28)
		require.NotEmpty(t, out.Popular)
	})

	t.Run("one command removes the demo", func(t *testing.T) {
		cmd := exec.Command(cinema.Binary(t), "demo", "remove")
		cmd.Env = append(os.Environ(), "CINEMA_DATA_DIR="+i.Dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		admin := i.Admin(t)
		cinema.Eventually(t, 30*time.Second, func() error {
			var out struct {
				Titles        struct{ TotalCount int }
				ActivityByDay []struct{ Views int }
			}
			now := time.Now().UTC()
			admin.Must(t, &out, `query($a: Date!, $b: Date!) { titles { totalCount } activityByDay(from: $a, to: $b) { views } }`, map[string]any{
				"a": now.AddDate(0, 0, -29).Format(time.DateOnly), "b": now.AddDate(0, 0, -1).Format(time.DateOnly)})
			if out.Titles.TotalCount != 1 {
				return fmt.Errorf("%d titles, want the uploaded one alone", out.Titles.TotalCount)
			}
			for _, d := range out.ActivityByDay {
				if d.Views != 0 {
					return fmt.Errorf("views are left: %+v", out.ActivityByDay)
				}
			}
			return nil
		})
	})
}

// firstSegment follows the master playlist to the first segment of its first
// variant, as a player does.
func firstSegment(t testing.TB, c *cinema.Client, masterURL, master string) []byte {
	t.Helper()
	media := resolve(masterURL, firstEntry(t, master))
	status, playlist := c.Get(t, media)
	require.Equal(t, 200, status)
	require.Contains(t, string(playlist), "#EXT-X-MAP")
	status, segment := c.Get(t, resolve(media, firstEntry(t, string(playlist))))
	require.Equal(t, 200, status)
	return segment
}

func firstEntry(t testing.TB, playlist string) string {
	t.Helper()
	for _, line := range strings.Split(playlist, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	t.Fatalf("an empty playlist:\n%s", playlist)
	return ""
}

func resolve(base, rel string) string {
	if strings.HasPrefix(rel, "/") {
		return rel
	}
	return base[:strings.LastIndex(base, "/")+1] + rel
}

// unsigned replaces the token of a media address.
func unsigned(url string) string {
	parts := strings.SplitN(strings.TrimPrefix(url, "/media/"), "/", 2)
	return "/media/" + strings.Repeat("A", len(parts[0])) + "/" + parts[1]
}

type watchUpdate struct {
	SessionID        string `json:"sessionId"`
	ResumePositionMs int    `json:"resumePositionMs"`
}

// subscription opens a graphql-transport-ws subscription and returns a reader
// of its messages; cancel closes the connection as a dying tab would.
func subscription(t testing.TB, i *cinema.Instance, c *cinema.Client, query string, variables map[string]any) (next func() json.RawMessage, cancel func()) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 60*time.Second)
	header := http.Header{}
	for k, v := range c.Header {
		header.Set(k, v)
	}
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(i.URL, "http")+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: header})
	require.NoError(t, err)
	conn.SetReadLimit(1 << 20)
	require.NoError(t, wsjson.Write(ctx, conn, map[string]any{"type": "connection_init", "payload": map[string]any{"authorization": "Bearer " + c.Token}}))
	var ack struct{ Type string }
	require.NoError(t, wsjson.Read(ctx, conn, &ack))
	require.Equal(t, "connection_ack", ack.Type)
	require.NoError(t, wsjson.Write(ctx, conn, map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": query, "variables": variables}}))
	next = func() json.RawMessage {
		t.Helper()
		for {
			var m struct {
				Type    string
				Payload json.RawMessage
			}
			require.NoError(t, wsjson.Read(ctx, conn, &m))
			switch m.Type {
			case "next":
				var p struct {
					Data   json.RawMessage
					Errors []cinema.Error
				}
				require.NoError(t, json.Unmarshal(m.Payload, &p))
				require.Empty(t, p.Errors)
				return p.Data
			case "ping":
				require.NoError(t, wsjson.Write(ctx, conn, map[string]any{"type": "pong"}))
			default:
				t.Fatalf("%s: %s", m.Type, m.Payload)
			}
		}
	}
	cancel = func() { _ = conn.CloseNow(); stop() }
	t.Cleanup(cancel)
	return next, cancel
}

const watchSubscription = `subscription($i: WatchInput!) { watch(input: $i) { sessionId resumePositionMs serverTime } }`

func openWatch(t testing.TB, i *cinema.Instance, c *cinema.Client, film title) watchUpdate {
	t.Helper()
	u, cancel := startWatch(t, i, c, film)
	cancel()
	return u
}

func startWatch(t testing.TB, i *cinema.Instance, c *cinema.Client, film title) (watchUpdate, func()) {
	t.Helper()
	next, cancel := subscription(t, i, c, watchSubscription, map[string]any{"i": map[string]any{
		"sessionUuid": newID(), "playableId": film.ID, "titleId": film.ID, "durationMs": film.Playback.DurationMs, "device": device}})
	var out struct{ Watch watchUpdate }
	require.NoError(t, json.Unmarshal(next(), &out))
	return out.Watch, cancel
}

const recordEvents = `mutation($i: RecordEventsInput!) { recordEvents(input: $i) { accepted rejected { index code message } } }`

// watch plays a film up to a position, then the tab dies.
func watch(t testing.TB, i *cinema.Instance, c *cinema.Client, film title, positionMs int) {
	t.Helper()
	u, die := startWatch(t, i, c, film)
	defer die()
	now := time.Now().UTC()
	event := func(name string, after time.Duration, extra map[string]any) map[string]any {
		e := map[string]any{"id": newID(), "name": name, "at": now.Add(after).Format(time.RFC3339Nano), "sessionId": u.SessionID,
			"playableId": film.ID, "titleId": film.ID, "durationMs": film.Playback.DurationMs}
		for k, v := range extra {
			e[k] = v
		}
		return e
	}
	events := []any{
		event("PLAY_STARTED", 0, map[string]any{"positionMs": 0, "firstFrameMs": 321}),
		event("HEARTBEAT", time.Millisecond, map[string]any{"positionMs": 1000, "playing": true, "rate": 1.0}),
		event("SEEKED", 2*time.Millisecond, map[string]any{"fromMs": 1000, "positionMs": positionMs}),
		event("HEARTBEAT", 3*time.Millisecond, map[string]any{"positionMs": positionMs, "playing": true, "rate": 1.0}),
	}
	// Sent twice, as a client does that did not hear the answer.
	for range 2 {
		var out struct {
			RecordEvents struct {
				Accepted int
				Rejected []struct{ Code, Message string }
			}
		}
		c.Must(t, &out, recordEvents, map[string]any{"i": map[string]any{"device": device, "locale": "en", "events": events}})
		require.Equal(t, len(events), out.RecordEvents.Accepted, out.RecordEvents.Rejected)
	}
}

const openUpload = `mutation($i: OpenUploadInput!) { openUpload(input: $i) { uploadUrl asset { id } } }`

// upload sends bytes by tus in two parts and returns the asset.
func upload(t testing.TB, c *cinema.Client, owner, kind, name string, body []byte) string {
	t.Helper()
	var out struct {
		OpenUpload struct {
			UploadURL string
			Asset     struct{ ID string }
		}
	}
	c.Must(t, &out, openUpload, map[string]any{"i": map[string]any{"kind": kind, "ownerId": owner, "filename": name, "size": len(body)}})
	half := len(body) / 2
	for _, part := range [][2]int{{0, half}, {half, len(body)}} {
		res := c.Request(t, http.MethodPatch, out.OpenUpload.UploadURL, bytes.NewReader(body[part[0]:part[1]]), map[string]string{
			"Tus-Resumable": "1.0.0", "Upload-Offset": fmt.Sprint(part[0]), "Content-Type": "application/offset+octet-stream"})
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if part[1] < len(body) {
			require.Equal(t, 204, res.StatusCode)
		}
	}
	return out.OpenUpload.Asset.ID
}

// homeFilm is a short film with sound, made once.
func homeFilm(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("cinema-e2e-home-film-%d.mp4", os.Getpid()))
	if b, err := os.ReadFile(path); err == nil {
		return b
	}
	out, err := exec.Command("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=24:duration=8",
		"-f", "lavfi", "-i", "sine=frequency=440:duration=8", "-c:v", "libx264", "-preset", "ultrafast", "-g", "48", "-c:a", "aac", "-shortest", path).CombinedOutput()
	require.NoError(t, err, string(out))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}
