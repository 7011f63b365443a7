package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/realtest"
)

var quiet = slog.New(slog.DiscardHandler)

// number is a setting of the run.
func number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

var (
	repeats = number("BENCH_REPEATS", 5)
	titles  = number("BENCH_TITLES", 100_000)
)

func TestMain(m *testing.M) {
	if os.Getenv("CINEMA_BENCH") == "" {
		fmt.Println("bench: set CINEMA_BENCH=1 (make bench-real does)")
		os.Exit(0)
	}
	host, _ := os.Hostname()
	fmt.Printf("machine %s: %s, %d cores, load %s, %s\n", host, processor(), runtime.NumCPU(), load(), time.Now().UTC().Format(time.RFC3339))
	code := m.Run()
	fmt.Printf("load at the end: %s\n", load())
	os.Exit(code)
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown CPU"
}

// load tells how many processes want the cores: figures of a machine that does
// other things too are to be read with it.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// report prints a figure of several runs.
func report(name, goal string, values []float64, unit string) {
	slices.Sort(values)
	fmt.Printf("%-58s %-12s [min %.3g  median %.3g  max %.3g %s, %d runs]\n", name, goal,
		values[0], values[len(values)/2], values[len(values)-1], unit, len(values))
}

// quantile is in milliseconds.
func quantile(took []time.Duration, q float64) float64 {
	slices.Sort(took)
	return float64(took[min(len(took)-1, int(q*float64(len(took))))].Microseconds()) / 1000
}

// elasticCPU is the processor time that Elasticsearch has used.
func elasticCPU(t *testing.T) time.Duration {
	t.Helper()
	var stats struct {
		Nodes map[string]struct {
			Process struct {
				CPU struct {
					Total int64 `json:"total_in_millis"`
				} `json:"cpu"`
			} `json:"process"`
		} `json:"nodes"`
	}
	require.NoError(t, json.Unmarshal(elasticCall(t, http.MethodGet, "/_nodes/stats/process", ""), &stats))
	var sum time.Duration
	for _, n := range stats.Nodes {
		sum += time.Duration(n.Process.CPU.Total) * time.Millisecond
	}
	return sum
}

// elasticCall speaks to Elasticsearch past the adapter.
func elasticCall(t *testing.T, method, path, body string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, realtest.Address(t, realtest.Elasticsearch)+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-ndjson")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Less(t, res.StatusCode, 300, "%.300s", answer)
	return answer
}
