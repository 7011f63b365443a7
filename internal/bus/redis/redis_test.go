package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/bus"
	"github.com/netflixathome/cinema/internal/bus/bustest"
	"github.com/netflixathome/cinema/internal/bus/redis"
	"github.com/netflixathome/cinema/internal/redis/redistest"
)

const patience = 20 * time.Second

func open(t *testing.T, client goredis.UniversalClient, prefix string) *redis.Bus {
	t.Helper()
	b, err := redis.New(client, prefix, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return b.Idle() && !running() }, patience, time.Millisecond, "something is left behind")
	})
	return b
}

// running reports whether any goroutine of a bus is.
func running() bool {
	var stacks bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&stacks, 2)
	return strings.Contains(stacks.String(), "bus/redis.(*Bus)")
}

func take(t *testing.T, c <-chan []byte) string {
	t.Helper()
	select {
	case m, ok := <-c:
		require.True(t, ok, "the channel was closed")
		return string(m)
	case <-time.After(patience):
		require.FailNow(t, "no message came")
		return ""
	}
}

func TestBus(t *testing.T) {
	client := redistest.Shared(t)
	bustest.Run(t, func(t *testing.T) bus.Bus { return open(t, client, redistest.Prefix(t, client)) })
}

func TestBusOnCluster(t *testing.T) {
	client := redistest.Open(t, redistest.StartCluster(t).URL())
	bustest.Run(t, func(t *testing.T) bus.Bus { return open(t, client, redistest.Prefix(t, client)) })
}

func TestInstancesHearEachOther(t *testing.T) {
	client, other := redistest.Shared(t), redistest.Shared(t)
	prefix := redistest.Prefix(t, client)
	one, two := open(t, client, prefix), open(t, other, prefix)
	stranger := open(t, other, redistest.Prefix(t, other))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := one.Subscribe(ctx, "t")
	require.NoError(t, err)
	require.NoError(t, stranger.Publish(ctx, "t", []byte("not for us")))
	require.NoError(t, two.Publish(ctx, "t", []byte("1")))
	require.Equal(t, "1", take(t, c))
}

func TestExactlyTheOldestAreLost(t *testing.T) {
	client := redistest.Shared(t)
	b := open(t, client, redistest.Prefix(t, client))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	slow, err := b.Subscribe(ctx, "t")
	require.NoError(t, err)
	quick, err := b.Subscribe(ctx, "t")
	require.NoError(t, err)
	for i := range bus.Backlog + 10 {
		require.NoError(t, b.Publish(ctx, "t", []byte(strconv.Itoa(i))))
		require.Equal(t, strconv.Itoa(i), take(t, quick))
	}
	// The last may be with the quick one a moment before it is with the slow.
	require.NoError(t, b.Publish(ctx, "t", []byte("end")))
	require.Equal(t, "end", take(t, quick))
	require.NoError(t, b.Publish(ctx, "other", nil))
	last := ""
	for first := true; last != "end"; first = false {
		last = take(t, slow)
		if first {
			require.Contains(t, []string{"10", "11"}, last)
		}
	}
}

// A hundred topics and their listeners cost one connection, and none when
// nobody listens.
func TestOneConnection(t *testing.T) {
	server := redistest.Start(t)
	client := redistest.Open(t, server.URL())
	b := open(t, client, "p:")
	ctx, cancel := context.WithCancel(t.Context())
	var all []<-chan []byte
	for i := range 200 {
		c, err := b.Subscribe(ctx, strconv.Itoa(i%100))
		require.NoError(t, err)
		all = append(all, c)
	}
	subscribers := func() int {
		list, err := client.Do(t.Context(), "CLIENT", "LIST", "TYPE", "pubsub").Text()
		require.NoError(t, err)
		return strings.Count(list, "\n")
	}
	require.Equal(t, 1, subscribers())
	for i := range 100 {
		require.NoError(t, b.Publish(ctx, strconv.Itoa(i), []byte("x")))
	}
	for _, c := range all {
		require.Equal(t, "x", take(t, c))
	}
	cancel()
	require.Eventually(t, func() bool { return subscribers() == 0 }, patience, time.Millisecond)
}

// The server forgets a topic when its last listener has left, while others
// stay; a listener that comes back at once is confirmed anew.
func TestTopicsAreGivenUp(t *testing.T) {
	client := redistest.Shared(t)
	prefix := redistest.Prefix(t, client)
	b := open(t, client, prefix)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := b.Subscribe(ctx, "stays")
	require.NoError(t, err)
	for i := range 200 {
		own, leave := context.WithCancel(ctx)
		c, err := b.Subscribe(own, "goes")
		require.NoError(t, err)
		require.NoError(t, b.Publish(ctx, "goes", []byte(strconv.Itoa(i))))
		require.Equal(t, strconv.Itoa(i), take(t, c))
		leave()
	}
	require.Eventually(t, func() bool {
		channels, err := client.PubSubChannels(ctx, prefix+"*").Result()
		return err == nil && len(channels) == 1 && channels[0] == prefix+"bus:stays"
	}, patience, time.Millisecond)
}

// hears publishes until the message is there: the time of reconnecting is not
// known, and what is published before it is lost.
func hears(t *testing.T, b *redis.Bus, topic string, c <-chan []byte) {
	t.Helper()
	message := fmt.Sprint(topic, time.Now())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		select {
		case got, ok := <-c:
			require.True(t, ok, "the channel was closed")
			if string(got) == message {
				return
			}
		case <-tick.C:
			_ = b.Publish(t.Context(), topic, []byte(message)) // the server may be away still
		case <-end:
			require.FailNow(t, "no message came")
		}
	}
}

func TestServerLostAndBack(t *testing.T) {
	server := redistest.Start(t)
	b := open(t, redistest.Open(t, server.URL()), "p:")
	b.SetHealth(100 * time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	topics := map[string]<-chan []byte{}
	for _, topic := range []string{"a", "b", "c"} {
		c, err := b.Subscribe(ctx, topic)
		require.NoError(t, err)
		topics[topic] = c
	}
	for name, lose := range map[string]func(){"killed": server.Kill, "hangs": server.Hang} {
		t.Run(name, func(t *testing.T) {
			before, passing := b.Passing("a")
			require.True(t, passing)
			lose()
			began := time.Now()
			require.Error(t, b.Publish(ctx, "a", []byte("x")))
			brief, stop := context.WithTimeout(ctx, 200*time.Millisecond)
			defer stop()
			_, err := b.Subscribe(brief, "new")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, time.Since(began), 5*time.Second)
			// One who leaves meanwhile is gone, one who comes is served later.
			own, leave := context.WithCancel(ctx)
			came := make(chan (<-chan []byte), 1)
			go func() {
				c, err := b.Subscribe(own, "came")
				if err != nil {
					t.Error(err)
				}
				came <- c
			}()
			server.Restart()
			for topic, c := range topics {
				hears(t, b, topic, c)
			}
			hears(t, b, "came", <-came)
			after, passing := b.Passing("a")
			require.True(t, passing)
			require.Greater(t, after, before)
			leave()
		})
	}
}

// Whoever leaves while the server is away leaves nothing behind; open checks.
func TestLeavingWhileTheServerIsAway(t *testing.T) {
	server := redistest.Start(t)
	b := open(t, redistest.Open(t, server.URL()), "p:")
	ctx, cancel := context.WithCancel(t.Context())
	c, err := b.Subscribe(ctx, "a")
	require.NoError(t, err)
	server.Kill()
	require.Eventually(t, func() bool { return b.Publish(ctx, "a", nil) != nil }, patience, time.Millisecond)
	cancel()
	for range c {
	}
}

// A quiet topic on a sound server is not reconnected.
func TestSilenceIsNoFault(t *testing.T) {
	server := redistest.Start(t)
	client := redistest.Open(t, server.URL())
	b := open(t, client, "p:")
	b.SetHealth(100 * time.Millisecond) // enough for an answer on a busy machine
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := b.Subscribe(ctx, "a")
	require.NoError(t, err)
	// The server counts how often it was asked.
	require.Eventually(t, func() bool {
		stats, err := client.Info(ctx, "commandstats").Result()
		require.NoError(t, err)
		_, ping, _ := strings.Cut(stats, "cmdstat_ping:calls=")
		calls, _, _ := strings.Cut(ping, ",")
		n, _ := strconv.Atoi(calls)
		return n > 3
	}, patience, 10*time.Millisecond)
	stats, err := client.Info(ctx, "commandstats").Result()
	require.NoError(t, err)
	require.Contains(t, stats, "cmdstat_subscribe:calls=1,")
	require.NoError(t, b.Publish(ctx, "a", []byte("x")))
	require.Equal(t, "x", take(t, c))
	breaks, passing := b.Passing("a")
	require.Zero(t, breaks)
	require.True(t, passing)
}

// A server that refuses the channel is an error that says so.
func TestRefused(t *testing.T) {
	server := redistest.Start(t, "--user", "default", "on", "nopass", "~*", "+@all", "resetchannels", "&other:*")
	b := open(t, redistest.Open(t, server.URL()), "p:")
	_, err := b.Subscribe(t.Context(), "a")
	require.ErrorContains(t, err, "NOPERM")
	require.ErrorContains(t, b.Publish(t.Context(), "a", nil), "NOPERM")
}

func TestNewRefuses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	client := redistest.Shared(t)
	for _, f := range []func() (*redis.Bus, error){
		func() (*redis.Bus, error) { return redis.New(nil, "p:", log) },
		func() (*redis.Bus, error) { return redis.New(client, "", log) },
		func() (*redis.Bus, error) { return redis.New(client, "p:", nil) },
	} {
		_, err := f()
		require.Error(t, err)
	}
}
