package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

// What an account does arrives as an event that the collectors take: one that
// they refuse would end among the dead letters.
func TestAccountActivityIsValid(t *testing.T) {
	for agent, kind := range map[string]string{
		"":     "desktop",
		"curl": "desktop",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36":                 "desktop",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148":     "phone",
		"Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 Chrome/150.0 Mobile Safari/537.36": "phone",
		"Mozilla/5.0 (Linux; Android 16; SM-X910) AppleWebKit/537.36 Chrome/150.0 Safari/537.36":        "tablet",
		"Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537.36":                                   "tv",
	} {
		written := make(chan eventlog.Message, 2)
		a := &activity{
			log: slog.New(slog.DiscardHandler), now: time.Now, queue: make(chan events.Event, 10), dropped: func() {},
			append: func(_ context.Context, list []eventlog.Message) error {
				for _, m := range list {
					written <- m
				}
				return nil
			},
		}
		for _, name := range []string{auth.SignedUp, auth.SignedIn} {
			a.Record(t.Context(), auth.Event{
				Name: name, At: time.Now(), UserID: uuid.New(), ProfileID: uuid.New(), SessionID: uuid.New(), UserAgent: agent,
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, a.Run(ctx))
		for range 2 {
			e, err := events.Decode((<-written).Value)
			require.NoError(t, err)
			require.NoError(t, e.Validate())
			require.Equal(t, kind, e.Device.Kind, agent)
		}
	}
}
