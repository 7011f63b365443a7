package router

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"

	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/datasource/graphql_datasource"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/resolve"
)

// upstream subscribes at subgraphs over Server-Sent Events (graphql-sse,
// distinct connections), through the round tripper that fetches use too: in one
// process there is no socket in between. The engine has a client of its own,
// which drops what a subgraph says when it refuses.
type upstream struct {
	base  http.RoundTripper
	names map[string]string // of the subgraphs by host and path
	most  int64
	log   *slog.Logger
}

// Subscribe implements graphql_datasource.GraphQLSubscriptionClient.
func (u *upstream) Subscribe(rc *resolve.Context, o graphql_datasource.GraphQLSubscriptionOptions, updater resolve.SubscriptionUpdater) error {
	ctx := rc.Context()
	body, err := json.Marshal(o.Body)
	if err != nil {
		return fmt.Errorf("subscription request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("subscription request: %w", err)
	}
	req.Header = o.Header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req, span := fetchSpan(req, u.names[req.URL.Host+req.URL.Path])
	resp, err := u.base.RoundTrip(req)
	endFetch(span, resp, err) // what is streamed then belongs to no request
	if err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		defer func() { _ = resp.Body.Close() }()
		return u.refused(resp)
	}
	go u.stream(ctx, resp.Body, updater)
	return nil
}

// refusedError is what a subgraph answered instead of a stream.
type refusedError struct{ errors []subgraphError }

func (e *refusedError) Error() string { return "the subgraph refused the subscription" }

func (u *upstream) refused(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("subscription: status %d: %w", resp.StatusCode, err)
	}
	var answer struct {
		Errors []subgraphError `json:"errors"`
	}
	if json.Unmarshal(b, &answer) == nil && len(answer.Errors) > 0 {
		return &refusedError{answer.Errors}
	}
	return fmt.Errorf("subscription: status %d: %q", resp.StatusCode, shortenTo(string(b), 200))
}

// stream hands events on until the stream or its context ends.
func (u *upstream) stream(ctx context.Context, body io.ReadCloser, updater resolve.SubscriptionUpdater) {
	defer updater.Done()
	defer func() { _ = body.Close() }()
	// A read does not know the context: closing the body ends it.
	stop := context.AfterFunc(ctx, func() { _ = body.Close() })
	defer stop()
	complete := false
	err := readEvents(body, int(u.most), func(event string, data []byte) bool {
		switch event {
		case "next", "":
			if len(data) == 0 {
				return true
			}
			if ex := exchangeFrom(ctx); ex != nil {
				ex.reset(bytes.Clone(data))
				if bytes.Contains(data, []byte(`"errors"`)) {
					ex.mu.Lock()
					first := ex.calls[0]
					ex.failed = true
					ex.mu.Unlock()
					data = markErrors(first, 0, false)
				}
			}
			updater.Update(data)
			return true
		case "complete":
			complete = true
			updater.Complete()
			return false
		default:
			return true // not ours
		}
	})
	if complete || ctx.Err() != nil {
		return
	}
	if err != nil && !errors.Is(err, io.EOF) {
		u.log.WarnContext(ctx, "a subgraph's stream broke", "error", err)
	}
	updater.Error(errorBody([]gqlError{newError(codeUnavailable, msgUnavailable)}))
}

// readEvents reads an event stream; handle returns false to stop. An event of
// more than most bytes ends it.
func readEvents(r io.Reader, most int, handle func(event string, data []byte) bool) error {
	br := bufio.NewReaderSize(r, 16<<10)
	var event string
	var data []byte
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		if len(line)+len(data) > most {
			return fmt.Errorf("an event of more than %d bytes", most)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		text := bytes.TrimRight(line, "\r\n")
		switch {
		case len(text) == 0:
			if event != "" || len(data) > 0 {
				if !handle(event, bytes.TrimSuffix(data, []byte("\n"))) {
					return nil
				}
			}
			event, data = "", nil
		case text[0] == ':':
		default:
			field, value, _ := bytes.Cut(text, []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(field) {
			case "event":
				event = string(value)
			case "data":
				data = append(append(data, value...), '\n')
			}
		}
		line = line[:0]
	}
}
