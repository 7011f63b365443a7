package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// driven is a run of cinema load.
type driven struct {
	Ended    string
	Requests int64
	Failed   int64
	Errors   map[string]int64
	Watching float64
	Left     string
	Kinds    []struct {
		Kind  string
		Count int64
	}
	EventsSent int64
}

func (d driven) count(kind string) int64 {
	for _, k := range d.Kinds {
		if k.Kind == kind {
			return k.Count
		}
	}
	return 0
}

// loadOf is the command cinema load against an instance, as its administrator.
func loadOf(ctx context.Context, t *testing.T, i *cinema.Instance, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, cinema.Binary(t), append([]string{"load", "-url", i.URL, "-json"}, args...)...)
	cmd.Env = append(os.Environ(), "CINEMA_LOAD_ADMIN_PASSWORD="+i.AdminPassword)
	return cmd
}

var watchingLine = regexp.MustCompile(`watching (\d+) `)

// untilWatching reads lines of progress until somebody watches.
func untilWatching(r io.Reader) <-chan string {
	seen := make(chan string, 1)
	go func() {
		var all bytes.Buffer
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			all.Write(buf[:n])
			for _, m := range watchingLine.FindAllStringSubmatch(all.String(), -1) {
				if k, _ := strconv.Atoi(m[1]); k > 0 {
					select {
					case seen <- "":
					default:
					}
				}
			}
			if err != nil {
				select {
				case seen <- all.String():
				default:
				}
				return
			}
		}
	}()
	return seen
}

// Synthetic viewers sign up, browse, search, watch and leave; the statistics
// can leave them out, nobody else can make one, and none stays behind.
func TestLoad(t *testing.T) {
	i := cinema.Start(t, cinema.Options{Demo: true})
	admin := administrator(t, i)
	cinema.Eventually(t, 5*time.Minute, func() error {
		var out struct{ Titles struct{ TotalCount int } }
		admin().Must(t, &out, `{ titles(filter: {playable: true, kinds: [FILM]}, first: 1) { totalCount } }`, nil)
		if out.Titles.TotalCount == 0 {
			return errors.New("no film plays yet")
		}
		return nil
	})

	cmd := loadOf(t.Context(), t, i, "-viewers", "4", "-ramp", "1s", "-for", "10m", "-speed", "20", "-seed", "3", "-keep")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watching := untilWatching(stderr)
	select {
	case all := <-watching:
		if all != "" {
			t.Fatalf("it ended before anybody watched:\n%s", all)
		}
	case <-time.After(5 * time.Minute):
		t.Error("nobody watches")
	}
	// While they are there, an administrator sees what they are.
	var there struct {
		Users struct {
			Edges []struct{ Node struct{ Login string } }
		}
	}
	admin().Must(t, &there, `{ users(query: "load-") { edges { node { login } } } }`, nil)
	if len(there.Users.Edges) == 0 {
		t.Error("no account of the run")
	}
	_ = cmd.Process.Signal(os.Interrupt)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("after ^C: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end after ^C")
	}
	var got driven
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("the report: %v\n%s", err, stdout.Bytes())
	}
	if got.Ended != "interrupted" {
		t.Errorf("%+v", got)
	}
	for what := range got.Errors {
		if what != "sign_up UNAVAILABLE BUSY" { // passwords are checked few at a time
			t.Errorf("%s: %+v", what, got)
		}
	}
	for _, kind := range []string{"page", "sign_up", "home", "title", "watch_page", "watch_open", "playlist", "segment", "events", "first_segment"} {
		if got.count(kind) == 0 {
			t.Errorf("no %s in %+v", kind, got.Kinds)
		}
	}
	if !strings.Contains(got.Left, "-remove") {
		t.Errorf("it does not say how to remove what it left: %q", got.Left)
	}

	// What they did counts only where synthetic viewers are asked for.
	today := time.Now().UTC().Format(time.DateOnly)
	events := func(demo bool) (n int64) {
		var out struct{ ActivityByDay []struct{ Events int64 } }
		admin().Must(t, &out, `query($d: Date!, $demo: Boolean!) { activityByDay(from: $d, to: $d, demo: $demo) { events } }`, map[string]any{"d": today, "demo": demo})
		for _, d := range out.ActivityByDay {
			n += d.Events
		}
		return n
	}
	cinema.Eventually(t, 2*time.Minute, func() error {
		if n := events(true); n < got.EventsSent {
			return fmt.Errorf("%d of %d events counted", n, got.EventsSent)
		}
		return nil
	})
	var quality struct{ TopTitles []struct{ Views int } }
	admin().Must(t, &quality, `query($d: Date!) { topTitles(from: $d, to: $d, demo: false) { views } }`, map[string]any{"d": today})
	if len(quality.TopTitles) > 0 {
		t.Errorf("synthetic views count as real: %+v", quality)
	}

	// Nobody makes himself a synthetic viewer.
	for name, c := range map[string]*cinema.Client{"nobody": i.Client(), "a viewer": viewerOf(t, i)} {
		a := c.Do(t, `mutation($i: SignUpInput!) { signUp(input: $i) { accessToken } }`,
			map[string]any{"i": map[string]any{"login": "hidden", "password": "correct horse battery", "demo": true}})
		if a.Code() != "FORBIDDEN" {
			t.Errorf("%s: %+v", name, a)
		}
	}

	out, err := loadOf(t.Context(), t, i, "-remove").CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprint(len(there.Users.Edges))) {
		t.Errorf("%v\n%s", err, out)
	}
	admin().Must(t, &there, `{ users(query: "load-") { edges { node { login } } } }`, nil)
	if len(there.Users.Edges) > 0 {
		t.Errorf("they are still there: %+v", there)
	}
}

// administrator signs in, and again before the token ends.
func administrator(t *testing.T, i *cinema.Instance) func() *cinema.Client {
	t.Helper()
	c, since := i.Admin(t), time.Now()
	return func() *cinema.Client {
		if time.Since(since) > 4*time.Minute {
			c, since = i.Admin(t), time.Now()
		}
		return c
	}
}

func viewerOf(t *testing.T, i *cinema.Instance) *cinema.Client {
	t.Helper()
	c := i.Client()
	c.SignUp(t, "someone", "correct horse battery")
	return c
}

// A server that is killed in the middle does not take the report with it.
func TestLoadOutlivesTheServer(t *testing.T) {
	i := cinema.Start(t, cinema.Options{})
	cmd := loadOf(t.Context(), t, i, "-viewers", "2", "-ramp", "0s", "-for", "10m", "-speed", "50")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	admin := administrator(t, i)
	cinema.Eventually(t, 2*time.Minute, func() error {
		var out struct{ Users struct{ TotalCount int } }
		admin().Must(t, &out, `{ users(query: "load-") { totalCount } }`, nil)
		if out.Users.TotalCount == 0 {
			return errors.New("nobody came yet")
		}
		return nil
	})
	i.Kill()
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 0 { // ended by a signal
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var got driven
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("the report: %v\n%s", err, stdout.Bytes())
	}
	if got.Ended != "the server went away" || got.Failed == 0 || got.Left == "" {
		t.Errorf("%+v", got)
	}
}
