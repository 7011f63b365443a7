package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// What a client was told must still be there after kill -9 of the program.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	first := cinema.Start(t, cinema.Options{Demo: true})
	viewer := first.Client()
	viewer.SignUp(t, "newcomer", password)
	film := playable(t, viewer)
	admin := first.Admin(t)
	adminPassword := first.AdminPassword

	var made struct {
		CreateTitle struct{ Record struct{ ID string } }
	}
	admin.Must(t, &made, `mutation($i: CreateTitleInput!) { createTitle(input: $i) { record { id } } }`, map[string]any{"i": map[string]any{
		"kind": "FILM", "originalName": "Acknowledged Qwertz", "publish": true}})
	watch(t, first, viewer, film, film.Playback.DurationMs/2)
	first.Kill()

	second := cinema.Start(t, cinema.Options{Dir: first.Dir, Demo: true})
	require.Less(t, second.Ready, 30*time.Second)
	back := second.Client()
	back.SignIn(t, "newcomer", password)
	cinema.Eventually(t, 15*time.Second, func() error {
		out := search(t, back, "qwertz")
		if len(out.Titles.Edges) != 1 || out.Titles.Edges[0].Node.ID != made.CreateTitle.Record.ID {
			return fmt.Errorf("the saved title is not found: %+v", out)
		}
		return nil
	})
	cinema.Eventually(t, 15*time.Second, func() error {
		if at := openWatch(t, second, back, film).ResumePositionMs; at != film.Playback.DurationMs/2 {
			return fmt.Errorf("resumes at %d, want %d", at, film.Playback.DurationMs/2)
		}
		return nil
	})
	adm := second.Client()
	adm.SignIn(t, "admin", adminPassword)
	today := time.Now().UTC().Format(time.DateOnly)
	cinema.Eventually(t, 30*time.Second, func() error {
		var out struct {
			TopTitles []struct {
				Views int
				Title struct{ ID string }
			}
		}
		adm.Must(t, &out, `query($d: Date!) { topTitles(from: $d, to: $d, demo: false) { views title { id } } }`, map[string]any{"d": today})
		if len(out.TopTitles) != 1 || out.TopTitles[0].Title.ID != film.ID || out.TopTitles[0].Views != 1 {
			return fmt.Errorf("%+v", out.TopTitles)
		}
		return nil
	})
}

func TestWrongConfigurationNamesEveryFault(t *testing.T) {
	i, err := cinema.Try(t, cinema.Options{Env: []string{"CINEMA_LOG_LEVEL=loud", "CINEMA_KAFKA_BROKERS=nowhere", "CINEMA_TARGET=cook"}})
	require.Error(t, err)
	require.Equal(t, 2, i.ExitCode())
	for _, want := range []string{"CINEMA_LOG_LEVEL", "CINEMA_KAFKA_BROKERS", "CINEMA_TARGET"} {
		require.Contains(t, i.Log(), want)
	}
}

func TestStartRefusals(t *testing.T) {
	t.Run("the port is taken", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		i, err := cinema.Try(t, cinema.Options{Args: []string{"-listen", l.Addr().String()}})
		require.Error(t, err)
		require.NotZero(t, i.ExitCode())
		require.Contains(t, i.Log(), l.Addr().String())
		require.Contains(t, i.Log(), "in use")
	})
	t.Run("the data folder is of a newer version", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "version"), []byte("999\n"), 0o644))
		i, err := cinema.Try(t, cinema.Options{Dir: dir})
		require.Error(t, err)
		require.Contains(t, i.Log(), "newer")
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			require.Contains(t, []string{"version", "lock"}, e.Name(), "nothing is half-written")
		}
	})
	t.Run("a restore into the data folder did not end", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "restoring"), nil, 0o600))
		i, err := cinema.Try(t, cinema.Options{Dir: dir})
		require.Error(t, err)
		require.Contains(t, i.Log(), "run cinema restore again")
		require.NoFileExists(t, filepath.Join(dir, "lock"), "nothing is begun")
	})
	t.Run("the data folder is in use", func(t *testing.T) {
		first := cinema.Start(t, cinema.Options{})
		i, err := cinema.Try(t, cinema.Options{Dir: first.Dir})
		require.Error(t, err)
		require.Contains(t, i.Log(), fmt.Sprint(first.Pid()))
	})
}

func TestBadGraphQL(t *testing.T) {
	i := cinema.Start(t, cinema.Options{})
	c := i.Client()
	post := func(contentType, accept, body string) (int, string) {
		res := c.Request(t, "POST", "/graphql", strings.NewReader(body), map[string]string{"Content-Type": contentType, "Accept": accept})
		defer res.Body.Close()
		b := make([]byte, 1<<20)
		n, _ := res.Body.Read(b)
		return res.StatusCode, string(b[:n])
	}
	const js, gr = "application/json", "application/graphql-response+json"
	deep := `{"query":"{ me ` + strings.Repeat("{ profiles ", 200) + strings.Repeat("}", 200) + ` }"}`
	aliases := `{"query":"{` + strings.Repeat(" a: __typename", 5000) + `}"}`
	for name, tc := range map[string]struct {
		contentType, accept, body string
		status                    int
	}{
		"malformed JSON":       {js, gr, `{"query":`, 400},
		"no query":             {js, gr, `{}`, 400},
		"malformed document":   {js, gr, `{"query":"{ me "}`, 400},
		"unknown field":        {js, gr, `{"query":"{ nothing }"}`, 400},
		"unknown field, json":  {js, js, `{"query":"{ nothing }"}`, 200},
		"a form":               {"application/x-www-form-urlencoded", gr, `query={__typename}`, 415},
		"too deep":             {js, gr, deep, 400},
		"too many aliases":     {js, gr, aliases, 400},
		"too large":            {js, gr, `{"query":"{ __typename }","variables":{"x":"` + strings.Repeat("x", 20<<20) + `"}}`, 413},
		"nothing it can write": {js, "image/png", `{"query":"{ __typename }"}`, 406},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			status, body := post(tc.contentType, tc.accept, tc.body)
			require.Equal(t, tc.status, status, body)
			require.Contains(t, body, `"errors"`)
			t.Logf("%d in %v: %.200s", status, time.Since(began), body)
		})
	}
	res := c.Request(t, "GET", "/graphql?query="+`mutation{signOut{signedOut}}`, nil, nil)
	defer res.Body.Close()
	require.Equal(t, 405, res.StatusCode, "no mutation by GET")
	anonymous := c.Do(t, `{ titles { totalCount } }`, nil)
	require.Equal(t, "UNAUTHENTICATED", anonymous.Code())
}
