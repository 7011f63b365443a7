package ch

import (
	"context"
	"regexp"
	"strings"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/netflixathome/cinema/internal/tracing"
)

var table = regexp.MustCompile(`(?i)\b(?:INSERT\s+INTO|FROM|ALTER\s+TABLE)\s+([A-Za-z_][A-Za-z0-9_.]*)`)

func describe(query string) (operation, collection string) {
	if words := strings.Fields(query); len(words) > 0 {
		operation = strings.ToUpper(words[0])
	}
	if m := table.FindStringSubmatch(query); m != nil {
		collection = m[1]
	}
	return operation, collection
}

// span begins the span of a statement: what it does and to which table.
func (db *DB) span(ctx context.Context, query string) (context.Context, trace.Span) {
	if !tracing.On(ctx) {
		return ctx, noop.Span{}
	}
	operation, collection := describe(query)
	ctx, span := tracing.Start(ctx, strings.TrimSpace(operation+" "+collection), trace.SpanKindClient)
	span.SetAttributes(tracing.System.String("clickhouse"), tracing.Namespace.String(db.cfg.Database),
		tracing.Operation.String(operation), tracing.Collection.String(collection), tracing.ServerAddress.String(strings.Join(db.cfg.Addrs, ",")))
	return ctx, span
}
