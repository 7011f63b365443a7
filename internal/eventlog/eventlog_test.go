package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/await"
	"github.com/netflixathome/cinema/internal/eventlog"
)

func open(tb testing.TB, topics ...string) *eventlog.Log {
	tb.Helper()
	return openAt(tb, enginestest.Kafka(tb, topics...), topics...)
}

func openAt(tb testing.TB, brokers []string, topics ...string) *eventlog.Log {
	tb.Helper()
	l, err := eventlog.Open(tb.Context(), eventlog.Config{Brokers: brokers, Topics: topics}, slog.New(slog.DiscardHandler))
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = l.Close(ctx)
	})
	return l
}

func TestAppendedIsReadInOrderOfItsKey(t *testing.T) {
	l := open(t, "a")
	const keys, each = 20, 200
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			for i := range each / 10 {
				var list []eventlog.Message
				for j := range 10 {
					list = append(list, eventlog.Message{Topic: "a", Key: fmt.Append(nil, k), Value: fmt.Append(nil, i*10+j)})
				}
				if err := l.Append(t.Context(), list); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got := map[string][]string{}
	n := 0
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := l.Consume(ctx, eventlog.Reader{Group: "g", Topics: []string{"a"}, Handle: func(_ context.Context, batch []eventlog.Record) error {
		for _, r := range batch {
			got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
			n++
		}
		if n >= keys*each {
			cancel()
		}
		return nil
	}})
	require.NoError(t, err)
	require.Len(t, got, keys)
	for k, values := range got {
		require.Len(t, values, each, "key %s", k)
		for i, v := range values {
			require.Equal(t, fmt.Sprint(i), v)
		}
	}
}

// What is acknowledged must outlive a broker, so the cluster's own number of
// copies is taken, which is three where there are as many brokers.
func TestTopicsHaveTheClustersCopies(t *testing.T) {
	brokers := enginestest.Kafka(t, "a")
	l := openAt(t, brokers, "a")
	require.NoError(t, l.Append(t.Context(), []eventlog.Message{{Topic: "a", Value: []byte("x")}}))
	client, err := sarama.NewClient(brokers, nil)
	require.NoError(t, err)
	defer client.Close()
	replicas, err := client.Replicas("a", 0)
	require.NoError(t, err)
	require.Len(t, replicas, min(len(brokers), 3))
}

// A topic that too few collectors could share is no reason to try again.
func TestTooFewPartitionsEndTheStart(t *testing.T) {
	brokers := enginestest.Kafka(t, "a")
	with := func(partitions int32) error {
		l, err := eventlog.Open(t.Context(), eventlog.Config{Brokers: brokers, Topics: []string{"a"}, Partitions: partitions}, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return l.Close(ctx)
	}
	require.NoError(t, with(2))
	err := with(3)
	require.True(t, await.IsNever(err), "%v", err)
	require.ErrorContains(t, err, "topic a has 2 partitions, want 3 or more")
	require.ErrorContains(t, err, "kafka-topics.sh --alter --topic a --partitions 3")
}

func TestFailedBatchIsHandledAgainAndOffsetsOnlyAfterwards(t *testing.T) {
	l := open(t, "a")
	require.NoError(t, l.Append(t.Context(), []eventlog.Message{{Topic: "a", Key: []byte("k"), Value: []byte("1")}}))
	// The first reader never succeeds, and commits nothing.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tries := 0
	require.NoError(t, l.Consume(ctx, eventlog.Reader{Group: "g", Topics: []string{"a"}, MaxWait: 10 * time.Millisecond, Handle: func(context.Context, []eventlog.Record) error {
		if tries++; tries == 3 {
			require.Equal(t, []eventlog.Lag{{Group: "g", Topic: "a", Records: 1}}, l.Lag())
			cancel()
		}
		return errors.New("store is away")
	}}))
	require.Equal(t, 3, tries)
	// The second gets the same record, the third nothing.
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	handled := 0
	read := func(caughtUp func(bool)) {
		require.NoError(t, l.Consume(ctx, eventlog.Reader{Group: "g", Topics: []string{"a"}, MaxWait: 10 * time.Millisecond, CaughtUp: caughtUp, Handle: func(_ context.Context, batch []eventlog.Record) error {
			handled += len(batch)
			return nil
		}}))
	}
	read(func(up bool) {
		if up && handled == 1 {
			cancel()
		}
	})
	require.Equal(t, 1, handled)
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	idle := 0
	read(func(up bool) {
		if idle++; idle == 20 {
			require.Equal(t, []eventlog.Lag{{Group: "g", Topic: "a"}}, l.Lag())
			cancel()
		}
	})
	require.Equal(t, 1, handled, "what is committed does not come again")
	require.Empty(t, l.Lag(), "nobody reads")
}

// A batch that was quicker than the one before it is committed after it: what a
// kill leaves of the first must come again.
func TestParallelBatchesAreCommittedInTheirOrder(t *testing.T) {
	l := open(t, "a")
	for i := range 2 {
		require.NoError(t, l.Append(t.Context(), []eventlog.Message{{Topic: "a", Key: []byte("k"), Value: fmt.Append(nil, i)}}))
	}
	for _, c := range []struct {
		name       string
		firstFails bool
	}{{"the first fails", true}, {"both succeed", false}} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		second, first := make(chan struct{}), make(chan struct{})
		secondDone, firstDone := sync.OnceFunc(func() { close(second) }), sync.OnceFunc(func() { close(first) }) // a batch may come again
		require.NoError(t, l.Consume(ctx, eventlog.Reader{
			Group: "g", Topics: []string{"a"}, MaxRecords: 1, MaxWait: 10 * time.Millisecond, Parallel: 2,
			Handle: func(ctx context.Context, batch []eventlog.Record) error {
				if string(batch[0].Value) == "1" {
					secondDone()
					return nil
				}
				select {
				case <-second: // which is handled while this one still is
				case <-ctx.Done():
					return ctx.Err()
				}
				assert.Equal(t, []eventlog.Lag{{Group: "g", Topic: "a", Records: 2}}, l.Lag(), c.name)
				if c.firstFails {
					cancel()
					return errors.New("store is away")
				}
				firstDone()
				return nil
			},
			CaughtUp: func(up bool) {
				select {
				case <-first:
				default:
					return
				}
				if up {
					assert.Equal(t, []eventlog.Lag{{Group: "g", Topic: "a"}}, l.Lag(), c.name)
					cancel()
				}
			},
		}))
		require.ErrorIs(t, ctx.Err(), context.Canceled, "%s: nothing came in time", c.name)
	}
}

func TestAppendFailsPlainly(t *testing.T) {
	l := open(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, l.Append(ctx, []eventlog.Message{{Topic: "a", Value: []byte("x")}}))
	require.NoError(t, l.Close(t.Context()))
	require.ErrorIs(t, l.Append(t.Context(), []eventlog.Message{{Topic: "a", Value: []byte("x")}}), eventlog.ErrClosed)
	_, err := eventlog.Open(t.Context(), eventlog.Config{Partitions: -1}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "at least one broker")
	require.ErrorContains(t, err, "must not be negative")
}

func BenchmarkAppend(b *testing.B) {
	l := open(b, "a")
	value := make([]byte, 450)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		list := make([]eventlog.Message, 100)
		for i := range list {
			list[i] = eventlog.Message{Topic: "a", Key: fmt.Append(nil, i), Value: value}
		}
		for pb.Next() {
			if err := l.Append(b.Context(), list); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "messages/s")
}
