package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
)

func TestALineWithinATraceSaysSo(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := newLogger(LogConfig{Level: "info", Format: format}, &out).With("part", "router")
		sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
		log.InfoContext(trace.ContextWithSpanContext(t.Context(), sc), "inside")
		require.Contains(t, out.String(), sc.TraceID().String())
		require.Contains(t, out.String(), sc.SpanID().String())
		out.Reset()
		log.InfoContext(t.Context(), "outside")
		require.NotContains(t, out.String(), "trace_id")
	}
}

// Whatever is logged, by whatever name, what is secret or personal does not
// get past the logger.
func TestSecretsDoNotGetPastTheLogger(t *testing.T) {
	const jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJlMTIzNA"
	secrets := map[string][]any{
		"hunter2":          {"password", "hunter2"},
		"hunter3":          {"error", errors.New("dial postgres://cinema:hunter3@db:5432/auth: refused")},
		"hunter4":          {"error", fmt.Errorf("open: %w", errors.New("redis://:hunter4@redis:6379"))},
		"c2lnbmF0dXJl":     {"value", jwt},
		"c2lnbmF0dXJlMTIz": {"header", []string{"Authorization: Bearer " + jwt}},
		"abcdefgh1234":     {"header", map[string]string{"X": "bearer abcdefgh1234"}},
		"refresh-me":       {"Cookie", "refresh-me"},
		"trace-key-1":      {"trace_key", "trace-key-1"},
		"aGVsbG8gd29ybGQg": {"path", "/media/aGVsbG8gd29ybGQgaGVsbG8/film_1/master.m3u8"},
		"deadbeef01":       {"url", "https://s3/x?X-Amz-Signature=deadbeef01&partNumber=1"},
		"ada":              {"error", errors.New("no account ada@lovelace.example")},
		"ada-the-viewer":   {"login", "ada-the-viewer"},
		"7Kd93jQ0":         {"value", "cinema_00007Kd93jQ0aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789ab"},
	}
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := newLogger(LogConfig{Level: "info", Format: format}, &out)
		for secret, args := range secrets {
			log.Info("something happened", args...)
			log.With(args...).Info("something happened")
			log.Info("something happened", slog.Group("of", args...))
			require.NotContains(t, out.String(), secret, format)
			require.Contains(t, out.String(), masked, "%s: %s", format, secret)
			out.Reset()
			log.Info(fmt.Sprint("in the message: ", args[1]))
			if !strings.Contains("hunter2 refresh-me trace-key-1 ada-the-viewer", secret) { // known by their name alone
				require.NotContains(t, out.String(), secret, format)
			}
			out.Reset()
		}
	}
}

func TestWhatIsNoSecretIsLeftAlone(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(LogConfig{Level: "info", Format: "json"}, &out)
	log.Info("redis: connected", "address", "redis://redis:6379/0", "ms", 12, "user", "user_01h2", "error", errors.New("postgres db:5432/auth: refused"), "part", "etl/media")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "redis: connected", line["msg"])
	require.Equal(t, "redis://redis:6379/0", line["address"])
	require.Equal(t, 12.0, line["ms"])
	require.Equal(t, "user_01h2", line["user"])
	require.Equal(t, "postgres db:5432/auth: refused", line["error"])
	require.Equal(t, "INFO", line["level"])
}
