package router_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/tracing"
	"github.com/netflixathome/cinema/router"
)

// tracedHouse has all its spans recorded.
func tracedHouse(t *testing.T, configure func(*router.Options)) (*house, *tracetest.InMemoryExporter) {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(kept))
	return newHouse(t, func(o *router.Options) {
		o.Tracing = tracing.NewDoor(provider, 0, "the operator's own key")
		if configure != nil {
			configure(o)
		}
	}), kept
}

func named(spans tracetest.SpanStubs, name string) (found tracetest.SpanStubs) {
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

func value(s tracetest.SpanStub, key attribute.Key) any {
	for _, kv := range s.Attributes {
		if kv.Key == key {
			return kv.Value.AsInterface()
		}
	}
	return nil
}

const theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestAnOperationIsASpanAndEachFetchBelowIt(t *testing.T) {
	const text = `query Home { me { login } genres { id } }`
	h, kept := tracedHouse(t, func(o *router.Options) { o.Persisted = map[string]string{sha(text): text} })
	send := func(body map[string]any) *answer {
		kept.Reset()
		r := h.request(t, "viewer", body)
		r.Header.Set("Traceparent", theirs)
		r.Header.Set("Tracestate", "evil=1")
		r.Header.Set(tracing.KeyHeader, "the operator's own key")
		return h.send(t, r)
	}
	a := send(map[string]any{"documentId": "sha256:" + sha(text)})
	require.Empty(t, a.Errors, a.body)
	spans := kept.GetSpans()
	require.Len(t, spans, 3, "%v", spans)
	op := named(spans, "query Home")[0]
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", op.SpanContext.TraceID().String())
	require.Equal(t, "00f067aa0ba902b7", op.Parent.SpanID().String())
	require.Equal(t, trace.SpanKindServer, op.SpanKind)
	require.Equal(t, "Home", value(op, tracing.OperationName))
	require.Equal(t, "query", value(op, tracing.OperationType))
	require.Equal(t, "http", value(op, tracing.Transport))
	require.Equal(t, false, value(op, tracing.PlanCached))
	require.NotEmpty(t, value(op, tracing.UserID))
	require.Equal(t, tracing.Format(op.SpanContext), a.header.Get("Traceresponse"), "who has the key is told the trace")
	for name, p := range map[string]*peer{"auth": h.auth, "catalog": h.catalog} {
		fetch := named(spans, "POST "+name)[0]
		require.Equal(t, op.SpanContext.SpanID(), fetch.Parent.SpanID())
		require.EqualValues(t, 200, value(fetch, tracing.Status))
		got := p.requests[0].Header
		require.Equal(t, tracing.Format(fetch.SpanContext), got.Get("Traceparent"))
		require.Empty(t, got.Get("Tracestate"))
		require.Empty(t, got.Get(tracing.KeyHeader), "the key goes no further")
	}

	send(map[string]any{"documentId": "sha256:" + sha(text)})
	require.Equal(t, true, value(named(kept.GetSpans(), "query Home")[0], tracing.PlanCached))

	// A client's own document has a name of its choice, which names no span.
	send(map[string]any{"query": `query Mine { genres { id } }`})
	require.Equal(t, "Mine", value(named(kept.GetSpans(), "query")[0], tracing.OperationName))
	send(map[string]any{"query": `query {`})
	require.Len(t, kept.GetSpans(), 1)
	require.Equal(t, "GraphQL Operation", kept.GetSpans()[0].Name)
	require.Equal(t, codes.Unset, kept.GetSpans()[0].Status.Code, "a bad document is no failure of ours")
}

func TestAFailureIsMarkedOnItsSpans(t *testing.T) {
	h, kept := tracedHouse(t, nil)
	h.catalog.before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	a := h.ask(t, "viewer", `{ genres { id } }`, nil)
	require.Equal(t, "UNAVAILABLE", a.code())
	require.Empty(t, a.header.Get("Traceresponse"), "a stranger is told nothing")
	spans := kept.GetSpans()
	for _, name := range []string{"query", "POST catalog"} {
		require.Equal(t, codes.Error, named(spans, name)[0].Status.Code, name)
	}
	require.Equal(t, "UNAVAILABLE", value(named(spans, "query")[0], tracing.ErrorType))
}

func TestASubscriptionIsToldOfWhenItIsOpen(t *testing.T) {
	h, kept := tracedHouse(t, nil)
	h.telemetry.stream = func(ctx context.Context, _ string, _ map[string]any, send func(any) error) error {
		_ = send(obj{"sessionId": "vs_1", "resumePositionMs": 0})
		<-ctx.Done()
		return ctx.Err()
	}
	c := h.dial(t)
	c.init("viewer")
	c.send(`{"id":"w","type":"subscribe","payload":{"query":"` + watchQuery + `","extensions":{"traceparent":"` + theirs + `"}}}`)
	require.Equal(t, "next", c.read().Type)
	spans := kept.GetSpans()
	op := named(spans, "subscription")
	require.Len(t, op, 1, "it is still open, and its span has ended: %v", spans)
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", op[0].SpanContext.TraceID().String())
	require.Equal(t, "ws", value(op[0], tracing.Transport))
	require.Equal(t, op[0].SpanContext.SpanID(), named(spans, "POST telemetry")[0].Parent.SpanID())
}

// Parts of films are too many to be told of, but an operator may ask of one.
func TestMediaIsToldOfByKeyAlone(t *testing.T) {
	var got []http.Header
	h, kept := tracedHouse(t, func(o *router.Options) {
		behind := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header) }))
		t.Cleanup(behind.Close)
		target, err := url.Parse(behind.URL)
		require.NoError(t, err)
		o.Media, err = router.Proxy(target)
		require.NoError(t, err)
	})
	for _, key := range []string{"", "a wrong key", "the operator's own key"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+"/media/x", nil)
		require.NoError(t, err)
		r.Header.Set("Traceparent", theirs)
		r.Header.Set(tracing.KeyHeader, key)
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		resp.Body.Close()
	}
	spans := kept.GetSpans()
	require.Len(t, spans, 1)
	require.Equal(t, "GET /media/", spans[0].Name)
	require.Len(t, got, 3)
	for _, header := range got {
		require.Empty(t, header.Get(tracing.KeyHeader), "the key goes no further")
	}
	require.Empty(t, got[0].Get("Traceparent"), "a stranger's word")
	require.Empty(t, got[1].Get("Traceparent"))
	require.Equal(t, tracing.Format(spans[0].SpanContext), got[2].Get("Traceparent"))
}
