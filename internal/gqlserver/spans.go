package gqlserver

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/tracing"
)

// Traced begins a span for each operation that a subgraph's handler is asked.
func Traced(provider trace.TracerProvider, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/graphql" {
			next.ServeHTTP(w, r)
			return
		}
		ctx, span := tracing.Accept(r.Context(), provider, r.Header, "GraphQL Operation")
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// spans is the extension that completes a request's span when its operation
// is known. The span of a subscription ends with the first message, see
// router: what comes later belongs to no request.
type spans struct{}

var _ interface {
	graphql.HandlerExtension
	graphql.ResponseInterceptor
} = spans{}

// ExtensionName implements graphql.HandlerExtension.
func (spans) ExtensionName() string { return "Spans" }

// Validate implements graphql.HandlerExtension.
func (spans) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptResponse implements graphql.ResponseInterceptor.
func (spans) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	res := next(ctx)
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return res
	}
	if oc := graphql.GetOperationContext(ctx); oc != nil && oc.Operation != nil {
		kind := oc.Operation.Operation
		span.SetName(string(kind))
		span.SetAttributes(tracing.OperationType.String(string(kind)))
		if kind == ast.Subscription {
			defer span.End()
		}
	}
	if res == nil || ctx.Err() != nil {
		return res
	}
	for _, e := range res.Errors {
		if code, _ := e.Extensions["code"].(string); tracing.Failing(code) {
			tracing.Fail(span, code)
			break
		}
	}
	return res
}
