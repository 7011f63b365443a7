package eventlog_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/eventlog"
)

// What a group has committed is not unread; of two groups the slower one counts;
// a topic that nobody reads is unread as a whole.
func TestUnreadIsWhatTheSlowestGroupHasNotCommitted(t *testing.T) {
	l := open(t, "read", "alone")
	quick, slow := enginestest.Name("quick"), enginestest.Name("slow")
	number := func(topic string, from, to int) {
		var list []eventlog.Message
		for i := from; i < to; i++ {
			list = append(list, eventlog.Message{Topic: topic, Key: fmt.Append(nil, i), Value: fmt.Append(nil, i)})
		}
		require.NoError(t, l.Append(t.Context(), list))
	}
	unread := func(groups map[string][]string) (values []string) {
		spans, err := l.Unread(t.Context(), groups)
		require.NoError(t, err)
		for _, s := range spans {
			require.NoError(t, l.Read(t.Context(), s, func(r eventlog.Record) error {
				require.Equal(t, string(r.Key), string(r.Value))
				values = append(values, string(r.Value))
				return nil
			}))
		}
		slices.Sort(values)
		return values
	}
	number("read", 0, 300)
	number("alone", 900, 905)
	both := map[string][]string{"read": {quick, slow}}
	require.Len(t, unread(both), 300, "no group has ever read")

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n := 0
	require.NoError(t, l.Consume(ctx, eventlog.Reader{Group: quick, Topics: []string{"read"}, Handle: func(_ context.Context, batch []eventlog.Record) error {
		n += len(batch)
		return nil
	}, CaughtUp: func(up bool) {
		if up && n == 300 {
			cancel()
		}
	}}))
	require.Len(t, unread(both), 300, "the slow group has not read")
	number("read", 300, 303)
	require.Equal(t, []string{"300", "301", "302"}, unread(map[string][]string{"read": {quick}}))
	require.Equal(t, []string{"900", "901", "902", "903", "904"}, unread(map[string][]string{"alone": nil}))
	held, err := l.Held(t.Context(), map[string][]string{"read": nil, "alone": nil})
	require.NoError(t, err)
	require.EqualValues(t, 308, held)
}
