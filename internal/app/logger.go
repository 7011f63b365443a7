package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// newLogger makes the one logger from which all others come. Whoever logs, two
// things happen here: a line that belongs to a trace says so, and what looks
// like a secret or like something of a person's own is masked. The second is a
// net below people who know better than to log such a thing.
func newLogger(c LogConfig, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked by Load
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: maskAttr}
	if c.Format == "json" {
		return slog.New(inTrace{slog.NewJSONHandler(w, o)})
	}
	return slog.New(inTrace{slog.NewTextHandler(w, o)})
}

// inTrace adds trace_id and span_id to the lines that are logged within a trace.
type inTrace struct{ slog.Handler }

func (h inTrace) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h inTrace) WithAttrs(attrs []slog.Attr) slog.Handler {
	return inTrace{h.Handler.WithAttrs(attrs)}
}
func (h inTrace) WithGroup(name string) slog.Handler { return inTrace{h.Handler.WithGroup(name)} }

const masked = "***"

// private are the names whose values are nobody's business.
var private = regexp.MustCompile(`(?i)password|passwd|secret|token|authorization|cookie|api_?key|trace_?key|signing|e-?mail|^login$`)

// telling are the shapes of what must not be read, wherever it stands.
var telling = []struct {
	shape *regexp.Regexp
	by    string
}{
	{regexp.MustCompile(`://[^\s/@]*:[^\s/@]+@`), "://" + masked + "@"},                               // the user and password of an address
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`), "$1 " + masked},             // an Authorization header
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`), masked},               // an access token
	{regexp.MustCompile(`\bcinema_[0-9A-Za-z]{20,}`), masked},                                         // an API key
	{regexp.MustCompile(`/media/[A-Za-z0-9_-]{20,}/`), "/media/" + masked + "/"},                      // a signed address
	{regexp.MustCompile(`(?i)([?&](?:x-amz-[a-z-]+|sig|signature|token)=)[^&\s"]+`), "$1" + masked},   // another's
	{regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}`), masked}, // a person's address
}

// maskAttr implements slog.HandlerOptions.ReplaceAttr.
func maskAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case nil, *slog.Source, slog.Level:
			return a
		case error:
			a.Value = slog.StringValue(v.Error())
		default:
			a.Value = slog.StringValue(fmt.Sprintf("%+v", v))
		}
	default:
		return a // numbers and times
	}
	if private.MatchString(a.Key) {
		a.Value = slog.StringValue(masked)
		return a
	}
	text := a.Value.String()
	if strings.ContainsAny(text, "@/ ._") { // the others are words
		for _, t := range telling {
			text = t.shape.ReplaceAllString(text, t.by)
		}
		a.Value = slog.StringValue(text)
	}
	return a
}
