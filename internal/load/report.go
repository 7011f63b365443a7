package load

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is what a request was for.
type Kind string

// The kinds. FirstSegment is not a request but a wait: from the moment a viewer
// asks to play until the first piece of film is there.
const (
	Page         Kind = "page"          // the web app itself
	Picture      Kind = "picture"       // posters
	SignUp       Kind = "sign_up"       //
	SignIn       Kind = "sign_in"       //
	Refresh      Kind = "refresh"       // another access token
	Home         Kind = "home"          // the home page's operation
	GenreRow     Kind = "genre_row"     // one more row of it
	Search       Kind = "search"        //
	TitlePage    Kind = "title"         //
	WatchPage    Kind = "watch_page"    // addresses of the film
	WatchOpen    Kind = "watch_open"    // WebSocket and subscription to its first message
	Playlist     Kind = "playlist"      //
	Segment      Kind = "segment"       //
	Events       Kind = "events"        // recordEvents
	FirstSegment Kind = "first_segment" //
)

// Report is what came of a run. Milliseconds are whole requests, the reading of
// the answer included.
type Report struct {
	URL     string    `json:"url"`
	Seed    uint64    `json:"seed"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// Ended says why: "time", "interrupted" or "the server went away".
	Ended   string  `json:"ended"`
	Viewers int     `json:"viewers"`
	Speed   float64 `json:"speed"`
	// Watching is how many played on average.
	Watching float64      `json:"watching"`
	Kinds    []KindReport `json:"kinds"`
	// Errors are counted by kind and code.
	Errors      map[string]int64 `json:"errors"`
	Requests    int64            `json:"requests"`
	Failed      int64            `json:"failed"`
	Bytes       int64            `json:"bytes"`
	FilmSeconds float64          `json:"filmSeconds"`
	EventsSent  int64            `json:"eventsSent"`
	// Left says what the run left behind, and how to remove it.
	Left string `json:"left,omitempty"`
}

// KindReport is what came of the requests of a kind.
type KindReport struct {
	Kind   Kind    `json:"kind"`
	Count  int64   `json:"count"`
	Failed int64   `json:"failed"`
	Rate   float64 `json:"perSecond"`
	Bytes  int64   `json:"bytes"`
	P50    float64 `json:"p50Ms"`
	P95    float64 `json:"p95Ms"`
	P99    float64 `json:"p99Ms"`
	Max    float64 `json:"maxMs"`
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d viewers at %s for %.1f s (seed %d, speed %g); ended by: %s\n", r.Viewers, r.URL, r.Seconds, r.Seed, r.Speed, r.Ended)
	fmt.Fprintf(&b, "%d requests (%.1f/s), %d failed, %.1f MB (%.2f MB/s); %.1f watching on average, %.0f s of film, %d events\n\n",
		r.Requests, perSecond(r.Requests, r.Seconds), r.Failed, float64(r.Bytes)/1e6, float64(r.Bytes)/1e6/max(r.Seconds, 1e-9), r.Watching, r.FilmSeconds, r.EventsSent)
	fmt.Fprintf(&b, "%-14s %9s %8s %9s %11s %9s %9s %9s %9s\n", "", "count", "failed", "per s", "bytes each", "p50 ms", "p95 ms", "p99 ms", "max ms")
	for _, k := range r.Kinds {
		fmt.Fprintf(&b, "%-14s %9d %8d %9.2f %11d %9.1f %9.1f %9.1f %9.1f\n",
			k.Kind, k.Count, k.Failed, k.Rate, k.Bytes/max(k.Count, 1), k.P50, k.P95, k.P99, k.Max)
	}
	if len(r.Errors) > 0 {
		b.WriteString("\nerrors\n")
		for _, name := range slices.Sorted(keys(r.Errors)) {
			fmt.Fprintf(&b, "  %-40s %d\n", name, r.Errors[name])
		}
	}
	if r.Left != "" {
		fmt.Fprintf(&b, "\n%s\n", r.Left)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func perSecond(n int64, seconds float64) float64 { return float64(n) / max(seconds, 1e-9) }

// recorder counts what happens; safe for concurrent use.
type recorder struct {
	mu       sync.Mutex
	began    time.Time
	kinds    map[Kind]*figures
	errors   map[string]int64
	film     time.Duration
	events   int64
	playing  int
	watched  time.Duration // viewers × time, up to since
	since    time.Time
	lastGood time.Time
	all      figures // of requests, for the line of progress
}

type figures struct {
	count, failed, bytes int64
	took                 histogram
}

func newRecorder(now time.Time) *recorder {
	return &recorder{began: now, since: now, lastGood: now, kinds: map[Kind]*figures{}, errors: map[string]int64{}}
}

// done counts one request; code is empty if it went well.
func (r *recorder) done(k Kind, took time.Duration, bytes int64, code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.kinds[k]
	if f == nil {
		f = &figures{}
		r.kinds[k] = f
	}
	for _, f := range []*figures{f, &r.all} {
		if f == &r.all && k == FirstSegment {
			continue
		}
		f.count++
		f.bytes += bytes
		if code != "" {
			f.failed++
		} else {
			f.took.add(took)
		}
	}
	if code != "" {
		r.errors[string(k)+" "+code]++
	} else {
		r.lastGood = time.Now()
	}
}

// plays counts who watches.
func (r *recorder) plays(delta int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.watched += time.Duration(r.playing) * now.Sub(r.since)
	r.since = now
	r.playing += delta
}

func (r *recorder) played(film time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.film += film
}

func (r *recorder) sent(events int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events += int64(events)
}

// refused counts an event that the server would not take.
func (r *recorder) refused(code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors["event "+code]++
}

// silence is how long nothing has gone well.
func (r *recorder) silence(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return now.Sub(r.lastGood)
}

// progress is one line about the run so far.
func (r *recorder) progress(viewers, of int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	took := time.Since(r.began)
	return fmt.Sprintf("%5.0f s  viewers %d/%d, watching %d  %.1f req/s  p95 %.0f ms  failed %d  %.1f MB",
		took.Seconds(), viewers, of, r.playing, perSecond(r.all.count, took.Seconds()), r.all.took.quantile(0.95), r.all.failed, float64(r.all.bytes)/1e6)
}

func (r *recorder) report(now time.Time) *Report {
	r.plays(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	seconds := now.Sub(r.began).Seconds()
	out := &Report{
		Began: r.began.UTC(), Seconds: seconds, Errors: map[string]int64{}, Requests: r.all.count, Failed: r.all.failed, Bytes: r.all.bytes,
		FilmSeconds: r.film.Seconds(), EventsSent: r.events, Watching: r.watched.Seconds() / max(seconds, 1e-9),
	}
	for name, n := range r.errors {
		out.Errors[name] = n
	}
	for kind, f := range r.kinds {
		out.Kinds = append(out.Kinds, KindReport{
			Kind: kind, Count: f.count, Failed: f.failed, Bytes: f.bytes, Rate: perSecond(f.count, seconds),
			P50: f.took.quantile(0.5), P95: f.took.quantile(0.95), P99: f.took.quantile(0.99), Max: ms(f.took.max),
		})
	}
	slices.SortFunc(out.Kinds, func(a, b KindReport) int { return cmp.Compare(a.Kind, b.Kind) })
	return out
}

// histogram counts durations in buckets that grow by two percent, so that a
// quantile is right to two percent however many there are.
type histogram struct {
	buckets [buckets]uint32
	count   int64
	max     time.Duration
}

const (
	buckets = 1100 // from a microsecond to half an hour
	growth  = 1.02
)

func (h *histogram) add(d time.Duration) {
	i := 0
	if us := float64(d.Microseconds()); us > 1 {
		i = min(int(math.Log(us)/math.Log(growth)), buckets-1)
	}
	h.buckets[i]++
	h.count++
	h.max = max(h.max, d)
}

// quantile is in milliseconds; zero of none. It is the value of which the
// share q of all is not above.
func (h *histogram) quantile(q float64) float64 {
	if h.count == 0 {
		return 0
	}
	want := max(int64(math.Ceil(q*float64(h.count))), 1)
	var seen int64
	for i, n := range h.buckets {
		if seen += int64(n); seen >= want && i < buckets-1 {
			return min(math.Pow(growth, float64(i+1))/1000, ms(h.max))
		}
	}
	return ms(h.max)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
