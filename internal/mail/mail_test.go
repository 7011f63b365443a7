package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/mail"
)

// server answers each letter with the next of its errors, the last one for ever.
type server struct {
	mu   sync.Mutex
	says []error
	at   []time.Duration
	sent []mail.Letter
	from time.Time
	told []string // results, with the letters' ages
}

func (s *server) Send(_ context.Context, l mail.Letter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Since(s.from))
	err := s.says[min(len(s.at), len(s.says))-1]
	if err == nil {
		s.sent = append(s.sent, l)
	}
	return err
}

func run(t *testing.T, s *server, do func(q *mail.Queue, stop func())) string {
	t.Helper()
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		s.from = time.Now()
		q, err := mail.NewQueue(s, slog.New(slog.NewTextHandler(&log, nil)), func(what string, r mail.Result, age time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, fmt.Sprint(what, " ", r, " ", age))
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- q.Run(ctx) }()
		do(q, func() {
			cancel()
			require.NoError(t, <-done)
		})
	})
	return log.String()
}

var letter = mail.Letter{What: "password_link", To: "ann@example.org", Subject: "s", Text: "https://cinema.example/reset#secret", HTML: "<p>secret</p>"}

func TestALetterIsTriedAgainWithGrowingPauses(t *testing.T) {
	away := errors.New("connection refused")
	s := &server{says: []error{away, away, nil}}
	log := run(t, s, func(q *mail.Queue, stop func()) {
		require.NoError(t, q.Post(letter))
		time.Sleep(time.Minute) // of the bubble's clock
		stop()
	})
	require.Equal(t, []time.Duration{0, 5 * time.Second, 25 * time.Second}, s.at)
	require.Equal(t, []mail.Letter{letter}, s.sent)
	require.Equal(t, []string{"password_link repeated 0s", "password_link repeated 5s", "password_link sent 25s"}, s.told)
	require.NotContains(t, log, "secret")
	require.NotContains(t, log, "ann@")
}

func TestALetterIsGivenUpLoudly(t *testing.T) {
	for name, c := range map[string]struct {
		says  error
		tries int
		end   string
	}{
		"the server stays away":  {errors.New("connection refused"), 5, "password_link lost 7m5s"},
		"it is refused for good": {&mail.Refused{Err: errors.New("550")}, 1, "password_link refused 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{says: []error{c.says}}
			log := run(t, s, func(q *mail.Queue, stop func()) {
				require.NoError(t, q.Post(letter))
				require.Equal(t, 1, q.Waiting())
				time.Sleep(time.Hour)
				require.Zero(t, q.Waiting())
				stop()
			})
			require.Len(t, s.at, c.tries)
			require.Len(t, s.told, c.tries)
			require.Equal(t, c.end, s.told[c.tries-1])
			require.Contains(t, log, "a letter is lost")
			require.Contains(t, log, `what=password_link`)
			require.NotContains(t, log, "secret")
		})
	}
}

func TestAQueueIsBoundedAndEmptiedAtTheEnd(t *testing.T) {
	s := &server{says: []error{errors.New("away")}}
	run(t, s, func(q *mail.Queue, stop func()) {
		require.NoError(t, q.Post(letter))
		synctest.Wait() // it failed once and waits
		n := 1
		for q.Post(letter) == nil {
			n++
			require.Less(t, n, 10_000)
		}
		require.ErrorIs(t, q.Post(letter), mail.ErrFull)
		synctest.Wait() // all have been tried once
		s.mu.Lock()
		told := slices.Clone(s.told)
		s.mu.Unlock()
		require.Contains(t, told, "password_link lost 0s", "one without room")
		require.Equal(t, 500, q.Waiting())
		require.Equal(t, 500, n, "one that waits for its next try takes room too")
		s.mu.Lock()
		s.says = []error{nil} // it is back
		s.mu.Unlock()
		stop()
		require.Len(t, s.sent, n, "at the end all are tried")
		require.Zero(t, q.Waiting())
		require.Equal(t, "password_link sent 0s", s.told[len(s.told)-1])
	})
}
