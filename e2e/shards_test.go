package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// shard is the address, in HTTP, of one of the servers that hold the events.
type shard string

func shards(t *testing.T) (list []shard) {
	t.Helper()
	for _, address := range strings.Split(os.Getenv("CINEMA_TEST_CLICKHOUSE_HTTP"), ",") {
		list = append(list, shard(address))
	}
	require.Len(t, list, 2)
	return list
}

func (s shard) number(t *testing.T, query string) (n int, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, string(s)+"/?"+url.Values{"user": {"tests"}, "database": {"cinema"}}.Encode(), strings.NewReader(query))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %.300s", res.Status, b)
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// Events that are acknowledged while a shard is killed, away and back are on
// both shards in the end, each counted once.
func TestEventsOnShards(t *testing.T) {
	addresses := os.Getenv("CINEMA_TEST_CLICKHOUSE_ADDR")
	if addresses == "" {
		t.Skip("needs the two shards of make test-real")
	}
	house := cinema.Start(t, cinema.Options{Env: []string{
		"CINEMA_CLICKHOUSE_ADDR=" + addresses, "CINEMA_CLICKHOUSE_CLUSTER=cinema",
		"CINEMA_CLICKHOUSE_PASSWORD=" + os.Getenv("CINEMA_TEST_CLICKHOUSE_PASSWORD"),
	}})
	viewer := house.Client()
	viewer.SignUp(t, "searcher", password)
	admin := house.Admin(t)
	const batches, size = 30, 100
	word := "shards" + strings.ReplaceAll(newID(), "-", "")
	record := func() {
		list := make([]any, size)
		for i := range list {
			list[i] = map[string]any{"id": newID(), "name": "SEARCHED", "at": time.Now().UTC().Format(time.RFC3339Nano), "query": word, "results": 1, "elapsedMs": 5}
		}
		input := map[string]any{"i": map[string]any{"device": map[string]any{"kind": "desktop", "system": "Linux", "browser": "e2e"}, "locale": "en", "events": list}}
		for range 2 { // as a client does that heard no answer
			var out struct{ RecordEvents struct{ Accepted int } }
			viewer.Must(t, &out, recordEvents, input)
			require.Equal(t, size, out.RecordEvents.Accepted)
		}
	}
	today := time.Now().UTC().Format(time.DateOnly)
	counted := func() (int, string) {
		var out struct {
			SearchTerms []struct {
				Query string
				Count int
			}
		}
		a := admin.Do(t, `query($d: Date!, $e: Date!) { searchTerms(from: $d, to: $e, first: 100) { query count } }`, map[string]any{"d": today, "e": time.Now().UTC().Format(time.DateOnly)})
		if a.Code() != "" {
			return 0, a.Code()
		}
		require.NoError(t, json.Unmarshal(a.Data, &out))
		n := 0
		for _, s := range out.SearchTerms {
			if s.Query == word {
				n += s.Count
			}
		}
		return n, ""
	}
	list := shards(t)
	cinema.Eventually(t, 60*time.Second, func() error { // a new house is still making its tables
		if _, code := counted(); code != "" {
			return errors.New(code)
		}
		return nil
	})

	for range batches / 3 {
		record()
	}
	second := url.Values{"name": {"clickhouse-2"}, "signal": {"KILL"}}
	cinema.Control(t, "kill", second)
	away := true
	back := func() {
		if away {
			away = false
			cinema.Control(t, "start", second)
		}
	}
	t.Cleanup(back)
	began := time.Now()
	for range batches / 3 {
		record() // what the viewer does goes on
	}
	t.Logf("%d events acknowledged, each twice, while a shard was away, in %v", size*batches/3, time.Since(began))
	_, code := counted()
	require.Equal(t, "UNAVAILABLE", code, "half of the figures is no answer")
	cinema.Eventually(t, 20*time.Second, func() error { // and who looks after it can see which
		ops := house.Client()
		ops.URL = house.OpsURL
		_, body := ops.Get(t, "/readyz")
		if second := strings.Split(addresses, ",")[1]; !strings.Contains(string(body), second) {
			return errors.New(string(body))
		}
		return nil
	})
	back()
	for range batches / 3 {
		record()
	}
	cinema.Eventually(t, 90*time.Second, func() error {
		if n, code := counted(); n != batches*size {
			return fmt.Errorf("%d of %d counted %s", n, batches*size, code)
		}
		return nil
	})
	sum := 0
	for _, s := range list {
		n, err := s.number(t, "SELECT count() FROM activity_event_local FINAL WHERE query = '"+word+"'")
		require.NoError(t, err)
		require.Greater(t, n, batches*size/3, "each has about half")
		sum += n
	}
	require.Equal(t, batches*size, sum)
	n, _ := counted()
	require.Equal(t, batches*size, n)
}
