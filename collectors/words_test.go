package collectors_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/collectors"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
)

// Each row comes back with its own words, be they none, few, as many as one
// byte can number, or more.
func TestWordsComeBack(t *testing.T) {
	for _, different := range []int{1, 255, 256, 700} {
		t.Run(fmt.Sprint(different), func(t *testing.T) {
			t.Parallel()
			db := analytics(t)
			a, err := collectors.NewActivity(db, &deadLog{}, quiet)
			require.NoError(t, err)
			w := newWorld(uint64(different))
			want := map[uuid.UUID][3]string{}
			var batch []eventlog.Record
			for i := range 2 * different {
				e := w.base(events.SignedIn, time.Now(), 0)
				e.Device.Browser = fmt.Sprintf("Browser %d", i%different)
				switch i % 3 {
				case 0:
					e.Device.System = "Система"
				case 1:
					e.Device.System = ""
				}
				want[e.ID] = [3]string{e.Device.System, e.Device.Browser, string(events.SignedIn)}
				batch = append(batch, eventlog.Record{Topic: events.TopicUser, Offset: int64(i), Value: e.AppendJSON(nil)})
			}
			require.NoError(t, a.Handle(t.Context(), batch))
			var rows []struct {
				ID      uuid.UUID `ch:"id"`
				System  string    `ch:"device_system"`
				Browser string    `ch:"device_browser"`
				Name    string    `ch:"name"`
			}
			require.NoError(t, db.Select(t.Context(), &rows, "SELECT id, device_system, device_browser, name FROM activity_event FINAL"))
			got := map[uuid.UUID][3]string{}
			for _, r := range rows {
				got[r.ID] = [3]string{r.System, r.Browser, r.Name}
			}
			require.Equal(t, want, got)
		})
	}
}
