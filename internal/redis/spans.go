package redis

import (
	"context"
	"errors"
	"strings"

	goredis "github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/tracing"
)

// spans tells of each command within a trace: its name, never its arguments.
type spans struct{}

func (spans) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (spans) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if !tracing.On(ctx) {
			return next(ctx, cmd)
		}
		name := strings.ToUpper(cmd.Name())
		ctx, span := start(ctx, name)
		span.SetAttributes(tracing.Operation.String(name))
		return end(span, next(ctx, cmd))
	}
}

func (spans) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		if !tracing.On(ctx) {
			return next(ctx, cmds)
		}
		ctx, span := start(ctx, "PIPELINE")
		span.SetAttributes(tracing.BatchSize.Int(len(cmds)))
		return end(span, next(ctx, cmds))
	}
}

func start(ctx context.Context, name string) (context.Context, trace.Span) {
	ctx, span := tracing.Start(ctx, name, trace.SpanKindClient)
	span.SetAttributes(tracing.System.String("redis"))
	return ctx, span
}

// end passes the error on; an answer of "nothing there" is none.
func end(span trace.Span, err error) error {
	if errors.Is(err, goredis.Nil) {
		span.End()
		return err
	}
	tracing.End(span, err)
	return err
}
