package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/tracing"
)

// The limits of a request. A viewer waits for a search: it is tried again only
// after a failure that came at once (a node that is gone, an index that was
// swapped away under it), never after it has taken its whole time. The ETL can
// wait, and tries whole batches again by itself.
const (
	dialTimeout = 3 * time.Second

	readTimeout  = 10 * time.Second
	readAttempts = 4
	readPause    = 50 * time.Millisecond // before the second attempt; doubles

	writeTimeout  = 60 * time.Second
	writeAttempts = 6
	writePause    = 200 * time.Millisecond
)

// transport performs requests with a time limit for each attempt, and tries
// again what may succeed then. All that is sent may be sent twice: documents
// are put by their identifier and whole.
type transport struct {
	inner    elastictransport.Interface
	attempts int
	timeout  time.Duration
	pause    time.Duration
	again    func(status int) bool
	patient  bool // tries again after a time-out too
}

// again tells which answers are worth another attempt.
func again(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// againRead adds what a search answers whose index was swapped away under it.
func againRead(status int) bool {
	return again(status) || status == http.StatusNotFound || status == http.StatusInternalServerError
}

// refusal is an answer that is no success.
type refusal struct {
	status       int
	kind, reason string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("Elasticsearch answers %d %s: %s", r.status, r.kind, r.reason)
}

func newRefusal(status int, body []byte) *refusal {
	r := &refusal{status: status, kind: http.StatusText(status)}
	var said struct {
		Error json.RawMessage `json:"error"`
	}
	var cause struct {
		Type      string `json:"type"`
		Reason    string `json:"reason"`
		RootCause []struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"root_cause"`
	}
	switch {
	case json.Unmarshal(body, &said) != nil:
		r.reason = string(body[:min(len(body), 200)]) // a proxy's page
	case json.Unmarshal(said.Error, &cause) == nil && cause.Type != "":
		r.kind, r.reason = cause.Type, cause.Reason
		if len(cause.RootCause) > 0 && cause.RootCause[0].Type != cause.Type {
			r.reason += ": " + cause.RootCause[0].Type + ": " + cause.RootCause[0].Reason
		}
	default:
		r.reason = string(said.Error)
	}
	return r
}

// isRefusal reports whether err is an answer with one of the statuses.
func isRefusal(err error, statuses ...int) bool {
	var r *refusal
	return errors.As(err, &r) && slices.Contains(statuses, r.status)
}

// unavailable is what a caller is told when it is not their fault.
func unavailable(cause error) error {
	return fault.New(fault.Unavailable, "Search is not available at the moment. Try again shortly.").Because(cause)
}

// Perform implements elastictransport.Interface. Its response is a success and
// in memory as a whole; its error is the context's, a *fault.Error, or a
// *refusal that trying again would not help.
func (t *transport) Perform(req *http.Request) (res *http.Response, err error) {
	if tracing.On(req.Context()) {
		span := startSpan(req)
		defer func() { tracing.End(span, err) }()
	}
	ctx := req.Context()
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
	}
	pause := t.pause
	for attempt := 1; ; attempt++ {
		res, err := t.once(req, body)
		if err == nil {
			return res, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var r *refusal
		refused := errors.As(err, &r)
		worth := refused && t.again(r.status) || !refused && (t.patient || !errors.Is(err, context.DeadlineExceeded))
		if !worth || attempt == t.attempts {
			if refused && !worth && !isRefusal(err, http.StatusUnauthorized, http.StatusForbidden) {
				return nil, err
			}
			return nil, unavailable(err)
		}
		if err := wait(ctx, pause); err != nil {
			return nil, err
		}
		pause *= 2
	}
}

// startSpan begins the span of a request with all its attempts. In its path,
// such as /cinema/_search, the part with a low line says what is asked, and
// the one before it of what.
func startSpan(req *http.Request) trace.Span {
	operation, index := req.Method, ""
	for part := range strings.SplitSeq(strings.Trim(req.URL.Path, "/"), "/") {
		if name, ok := strings.CutPrefix(part, "_"); ok {
			operation = name
			break // what follows may be a document's id
		}
		index = part
	}
	_, span := tracing.Start(req.Context(), strings.TrimSpace(operation+" "+index), trace.SpanKindClient)
	span.SetAttributes(tracing.System.String("elasticsearch"), tracing.Operation.String(operation),
		tracing.Collection.String(index), tracing.Method.String(req.Method))
	return span
}

// wait pauses for d, a little more or less, so that many do not come back at once.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (t *transport) once(req *http.Request, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	defer cancel()
	r := req.Clone(ctx)
	if body != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	res, err := t.inner.Perform(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, newRefusal(res.StatusCode, answer)
	}
	res.Body = io.NopCloser(bytes.NewReader(answer))
	return res, nil
}
