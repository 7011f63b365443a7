package gqlserver_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gqlserver"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestEachOperationIsASpan(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	h := gqlserver.Traced(sdk.NewTracerProvider(sdk.WithSyncer(kept)), server(t, io.Discard, map[string]func(context.Context) (any, error){
		"Query.open":  func(context.Context) (any, error) { return nil, fault.New(fault.Unavailable, "x") },
		"Query.thing": func(context.Context) (any, error) { return nil, fault.New(fault.NotFound, "x") },
	}))
	for name, c := range map[string]struct {
		path, body, want string
		failed           bool
	}{
		"a query":           {"/graphql", `{"query":"{ fails }"}`, "query", false},
		"what the user did": {"/graphql", `{"query":"{ thing { name } }"}`, "query", false},
		"what we did":       {"/graphql", `{"query":"{ open }"}`, "query", true},
		"no document":       {"/graphql", `{"query":"{"}`, "GraphQL Operation", false},
		"not an operation":  {"/jwks.json", ``, "", false},
		"who may not":       {"/graphql", `{"query":"mutation { change }"}`, "mutation", false},
	} {
		t.Run(name, func(t *testing.T) {
			kept.Reset()
			r := httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Traceparent", parent)
			h.ServeHTTP(httptest.NewRecorder(), r)
			spans := kept.GetSpans()
			if c.want == "" {
				require.Empty(t, spans)
				return
			}
			require.Len(t, spans, 1)
			require.Equal(t, c.want, spans[0].Name)
			require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", spans[0].SpanContext.TraceID().String())
			require.Equal(t, c.failed, spans[0].Status.Code == codes.Error)
		})
	}
}

// A span that is open is shown to nobody, and a subscription is open for long.
func TestASubscriptionsSpanEndsWithItsFirstMessage(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	messages := make(chan string)
	h := gqlserver.Traced(sdk.NewTracerProvider(sdk.WithSyncer(kept)), server(t, io.Discard, map[string]func(context.Context) (any, error){
		"Subscription.watch": func(context.Context) (any, error) { return (<-chan string)(messages), nil },
	}))
	s := httptest.NewServer(h)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/graphql", strings.NewReader(`{"query":"subscription { watch }"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer member")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	for range 2 { // when the second is taken the first has been told
		messages <- "hello"
	}
	require.Len(t, kept.GetSpans(), 1)
	require.Equal(t, "subscription", kept.GetSpans()[0].Name)
}
