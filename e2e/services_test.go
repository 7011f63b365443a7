package e2e

import (
	"errors"
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
// network.
func TestSeparateServices(t *testing.T) {
	auth := cinema.Start(t, cinema.Options{Env: []string{"CINEMA_TARGET=auth"}})
	authURL := "CINEMA_AUTH_URL=" + auth.URL
	films := cinema.Start(t, cinema.Options{Demo: true, Env: []string{"CINEMA_TARGET=catalog,admin,etl", authURL}})
	watching := cinema.Start(t, cinema.Options{Env: []string{"CINEMA_TARGET=telemetry,collectors", authURL}})
	router := cinema.Start(t, cinema.Options{Env: []string{
		"CINEMA_TARGET=router", authURL, "CINEMA_CATALOG_URL=" + films.URL + "/catalog",
		"CINEMA_ADMIN_URL=" + films.URL + "/admin", "CINEMA_TELEMETRY_URL=" + watching.URL}})

	viewer := router.Client()
	viewer.SignUp(t, "newcomer", password)
	film := playable(t, viewer)
	require.NotEmpty(t, search(t, viewer, "nosferatoo").Titles.Edges)
	status, master := viewer.Get(t, film.Playback.URL)
	require.Equal(t, 200, status, string(master))
	require.Greater(t, len(firstSegment(t, viewer, film.Playback.URL, string(master))), 1000)

	at := film.Playback.DurationMs / 3
	watch(t, router, viewer, film, at)
	cinema.Eventually(t, 15*time.Second, func() error {
		if got := openWatch(t, router, viewer, film).ResumePositionMs; got != at {
			return errors.New("does not resume yet")
		}
		return nil
	})
	denied := viewer.Do(t, `{ titleRecords { totalCount } }`, nil)
	require.Equal(t, "FORBIDDEN", denied.Code())
	admin := router.Client()
	admin.SignIn(t, "admin", auth.AdminPassword)
	var out struct{ TitleRecords struct{ TotalCount int } }
	admin.Must(t, &out, `{ titleRecords { totalCount } }`, nil)
	require.Equal(t, 62, out.TitleRecords.TotalCount)
}
