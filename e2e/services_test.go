package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// Each service starts by itself, as on a cluster.
func TestEachServiceStartsAlone(t *testing.T) {
	for _, target := range []string{"auth", "catalog", "admin", "telemetry", "etl", "collectors"} {
		t.Run(target, func(t *testing.T) {
			i := cinema.Start(t, cinema.Options{Env: []string{"CINEMA_TARGET=" + target, "CINEMA_AUTH_URL=http://127.0.0.1:1"}})
			ops := i.Client()
			ops.URL = i.OpsURL
			cinema.Eventually(t, 10*time.Second, func() error {
				status, body := ops.Get(t, "/readyz")
				if status != 200 {
					return errors.New(string(body))
				}
				return nil
			})
		})
	}
}

// The story's heart with a router and services that reach each other over the
// network; under make test-real with two of each behind nginx, on the servers
// of a cluster.
func TestSeparateServices(t *testing.T) {
	cluster := cinema.StartCluster(t)
	front := cluster.Front

	viewer := front.Client()
	viewer.SignUp(t, "newcomer", password)
	film := playable(t, viewer)
	require.NotEmpty(t, search(t, viewer, "nosferatoo").Titles.Edges)
	status, master := viewer.Get(t, film.Playback.URL)
	require.Equal(t, 200, status, string(master))
	require.Greater(t, len(firstSegment(t, viewer, film.Playback.URL, string(master))), 1000)

	at := film.Playback.DurationMs / 3
	watch(t, front, viewer, film, at)
	resumes := func(t *testing.T, at int) {
		t.Helper()
		// A collector that was lost is missed after the 10 s of its session.
		cinema.Eventually(t, 45*time.Second, func() error {
			if got := openWatch(t, front, viewer, film).ResumePositionMs; got != at {
				return fmt.Errorf("resumes at %d, not yet at %d", got, at)
			}
			return nil
		})
	}
	resumes(t, at)
	denied := viewer.Do(t, `{ titleRecords { totalCount } }`, nil)
	require.Equal(t, "FORBIDDEN", denied.Code())
	admin := front.Admin(t)
	var out struct{ TitleRecords struct{ TotalCount int } }
	admin.Must(t, &out, `{ titleRecords { totalCount } }`, nil)
	require.Equal(t, 62, out.TitleRecords.TotalCount)
	watched := func(t *testing.T, views int) {
		t.Helper()
		today := time.Now().UTC().Format(time.DateOnly)
		cinema.Eventually(t, 45*time.Second, func() error {
			var out struct {
				TopTitles []struct {
					Views int
					Title struct{ ID string }
				}
			}
			admin.Must(t, &out, `query($d: Date!) { topTitles(from: $d, to: $d, demo: false) { views title { id } } }`, map[string]any{"d": today})
			if len(out.TopTitles) != 1 || out.TopTitles[0].Title.ID != film.ID || out.TopTitles[0].Views != views {
				return fmt.Errorf("%+v", out.TopTitles)
			}
			return nil
		})
	}
	watched(t, 1)

	if len(cluster.Doubled()) == 0 {
		return
	}
	t.Run("goes on without one of each", func(t *testing.T) {
		t.Logf("of %v one is killed", cluster.Doubled())
		cluster.LoseOne()
		viewer.SignIn(t, "newcomer", password)
		require.NotEmpty(t, search(t, viewer, "nosferatoo").Titles.Edges)
		watch(t, front, viewer, film, 2*at)
		resumes(t, 2*at)
		watched(t, 2)
	})
}
