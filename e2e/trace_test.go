package e2e

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// span is what Jaeger knows of one.
type span struct {
	id, parent    string
	service, name string
	start         int64
	tags          map[string]any
}

func (s span) String() string { return s.service + ": " + s.name }

// traces is where the cinema's spans went.
type traces interface {
	// find returns a trace's spans in the order of their start, and all that
	// is known of them as text; none is no error.
	find(t testing.TB, id string) (spans []span, raw string)
}

// receiver returns the address of Jaeger where e2e/real has started one, else
// of a receiver of OTLP that keeps what it is sent.
func receiver(t testing.TB) (address string, kept traces) {
	if address := os.Getenv("CINEMA_TEST_OTLP_URL"); address != "" {
		return address, jaeger{os.Getenv("CINEMA_TEST_JAEGER_URL")}
	}
	s := &sink{byTrace: map[string][]span{}, raw: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL, s
}

// sink takes OTLP over HTTP.
type sink struct {
	mu      sync.Mutex
	byTrace map[string][]span
	raw     map[string]string
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
		http.Error(w, "want spans", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range sent.ResourceSpans {
		service := ""
		for _, kv := range resource.Resource.Attributes {
			if kv.Key == "service.name" {
				service = kv.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, sp := range scope.Spans {
				one := span{id: hex.EncodeToString(sp.SpanId), parent: hex.EncodeToString(sp.ParentSpanId), service: service,
					name: sp.Name, start: int64(sp.StartTimeUnixNano / 1000), tags: map[string]any{}}
				for _, kv := range sp.Attributes {
					one.tags[kv.Key] = kv.Value.GetStringValue()
				}
				if sp.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
					one.tags["error"] = true
				}
				id := hex.EncodeToString(sp.TraceId)
				s.byTrace[id] = append(s.byTrace[id], one)
				s.raw[id] += sp.String() + "\n"
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (s *sink) find(_ testing.TB, id string) ([]span, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return byStart(slices.Clone(s.byTrace[id])), s.raw[id]
}

func byStart(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	return spans
}

// jaeger is asked by its query API.
type jaeger struct{ url string }

func (j jaeger) find(t testing.TB, id string) (spans []span, raw string) {
	t.Helper()
	res, err := http.Get(j.url + "/api/traces/" + id)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if res.StatusCode == http.StatusNotFound {
		return nil, ""
	}
	require.Equal(t, 200, res.StatusCode, string(body))
	var answer struct {
		Data []struct {
			Spans []struct {
				SpanID, OperationName, ProcessID string
				StartTime                        int64
				References                       []struct{ RefType, SpanID string }
				Tags                             []struct {
					Key   string
					Value any
				}
			}
			Processes map[string]struct{ ServiceName string }
		}
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	for _, d := range answer.Data {
		for _, s := range d.Spans {
			one := span{id: s.SpanID, service: d.Processes[s.ProcessID].ServiceName, name: s.OperationName, start: s.StartTime, tags: map[string]any{}}
			for _, r := range s.References {
				if r.RefType == "CHILD_OF" {
					one.parent = r.SpanID
				}
			}
			for _, tag := range s.Tags {
				one.tags[tag.Key] = tag.Value
			}
			spans = append(spans, one)
		}
	}
	return byStart(spans), string(body)
}

// tree shows a trace as its spans hang on each other.
func tree(spans []span) string {
	known := map[string]bool{}
	for _, s := range spans {
		known[s.id] = true
	}
	var b strings.Builder
	var below func(parent string, depth int)
	below = func(parent string, depth int) {
		for _, s := range spans {
			if s.parent == parent || depth == 0 && !known[s.parent] {
				fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", depth), s)
				below(s.id, depth+1)
			}
		}
	}
	below("none", 0)
	return b.String()
}

// chain is the way from a span up to its root.
func chain(spans []span, from span) (names []string) {
	for {
		name := from.String()
		// A batch of one topic is named after it, one of several is not.
		if strings.HasPrefix(name, "cinema-collectors: process") {
			name = "cinema-collectors: process"
		}
		names = append(names, name)
		i := slices.IndexFunc(spans, func(s span) bool { return s.id == from.parent })
		if i < 0 {
			return names
		}
		from = spans[i]
	}
}

func randomHex(t testing.TB, bytes int) string {
	t.Helper()
	b := make([]byte, bytes)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return hex.EncodeToString(b)
}

// What becomes of a viewer's minute in front of a film is one trace, from the
// router to ClickHouse, for an operator who has the key; and nobody else can
// have a trace kept, unless by a failure of ours.
func TestOneTraceFromTheRouterToClickHouse(t *testing.T) {
	address, kept := receiver(t)
	key := "a key that nobody guesses"
	cluster := cinema.StartCluster(t, "CINEMA_OTLP_URL="+address, "CINEMA_TRACE_RATIO=0", "CINEMA_TRACE_KEY="+key,
		"CINEMA_LOG_FORMAT=json", "CINEMA_LOG_LEVEL=debug")
	front := cluster.Front
	viewer := front.Client()
	viewer.SignUp(t, "traced", password) // others have been on these servers
	film := playable(t, viewer)

	// A stranger who wants theirs kept: both routers are asked.
	var strangers []string
	for range 8 {
		id := randomHex(t, 16)
		strangers = append(strangers, id)
		viewer.Header = map[string]string{"Traceparent": "00-" + id + "-" + randomHex(t, 8) + "-01", "X-Cinema-Trace-Key": "a key that nobody knows"}
		require.NotEmpty(t, search(t, viewer, "nosferatoo").Titles.Edges)
	}

	// The operator plays a film.
	id := randomHex(t, 16)
	viewer.Header = map[string]string{"Traceparent": "00-" + id + "-" + randomHex(t, 8) + "-00", "X-Cinema-Trace-Key": key}
	watch(t, front, viewer, film, film.Playback.DurationMs/3)

	var spans []span
	var raw string
	find := func(service, name string) (found []span) {
		for _, s := range spans {
			if s.service == service && s.name == name {
				found = append(found, s)
			}
		}
		return found
	}
	wanted := [][]string{{
		"cinema-collectors: INSERT activity_event",
		"cinema-collectors: process",
		"cinema-telemetry: send activity.playback.v1",
		"cinema-telemetry: mutation",
		"cinema-router: POST telemetry",
		"cinema-router: mutation",
	}, {"cinema-telemetry: subscription", "cinema-router: POST telemetry", "cinema-router: subscription"}}
	// Each process sends its spans when its own batch is due, so a part of the
	// trace may be there long before the rest.
	cinema.Eventually(t, 45*time.Second, func() error {
		spans, raw = kept.find(t, id)
		for _, way := range wanted {
			if !slices.ContainsFunc(spans, func(s span) bool { return slices.Equal(chain(spans, s), way) }) {
				return fmt.Errorf("%d spans, but not %q:\n%s", len(spans), way, tree(spans))
			}
		}
		return nil
	})
	t.Logf("trace %s:\n%s", id, tree(spans))
	require.Equal(t, "ws", find("cinema-router", "subscription")[0].tags["cinema.transport"])
	for _, s := range spans {
		require.NotContains(t, s.tags, "error", s.String())
	}
	for _, private := range []string{key, password, viewer.Token, "newcomer", film.ID} {
		require.NotContains(t, raw, private)
	}

	// A failure of ours is kept, whoever asked.
	viewer.Header = nil
	for targets, list := range cluster.Instances {
		if strings.HasPrefix(targets, "telemetry") {
			for _, i := range list {
				i.Kill()
			}
		}
	}
	failing := randomHex(t, 16)
	viewer.Header = map[string]string{"Traceparent": "00-" + failing + "-" + randomHex(t, 8) + "-00"}
	answer := viewer.Do(t, `query Broken { continueWatching { playable { id } } }`, nil)
	require.Equal(t, "UNAVAILABLE", answer.Code())
	cinema.Eventually(t, 20*time.Second, func() error {
		spans, raw = kept.find(t, failing)
		if asked := len(find("cinema-router", "POST telemetry")); len(find("cinema-router", "query")) != 1 || asked != 2 { // a question is asked once more
			return fmt.Errorf("asked telemetry %d times in the trace that failed:\n%s", asked, tree(spans))
		}
		return nil
	})
	t.Logf("a trace that failed:\n%s", tree(spans))
	require.Equal(t, true, find("cinema-router", "query")[0].tags["error"])
	require.Equal(t, "UNAVAILABLE", find("cinema-router", "query")[0].tags["error.type"])

	for _, stranger := range strangers {
		spans, _ = kept.find(t, stranger)
		require.Empty(t, spans, "a stranger's trace is kept")
	}

	// The logs tell the same story, and no secret.
	var logged strings.Builder
	for _, list := range cluster.Instances {
		for _, i := range list {
			logged.WriteString(i.Log())
		}
	}
	require.Contains(t, logged.String(), `"trace_id":"`+id+`"`)
	require.Contains(t, logged.String(), `"trace_id":"`+failing+`"`)
	for _, private := range []string{key, password, viewer.Token} {
		require.NotContains(t, logged.String(), private)
	}
}
