package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// watchLink is an open watch subscription over a WebSocket of its own
// (graphql-transport-ws), as the web app holds one.
type watchLink struct {
	session string // the viewing session's identifier
	conn    *websocket.Conn
	done    chan struct{} // closed when nobody reads any more

	mu  sync.Mutex
	why error // set once the server ended it
}

type socketMessage struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// closeTimeout bounds the farewell.
const closeTimeout = 2 * time.Second

// openWatch opens a viewing session. Opening ends with opening, the link with
// ctx or close.
func (v *viewer) openWatch(opening, ctx context.Context, playable, title string, durationMs int) (link *watchLink, err error) {
	began := time.Now()
	defer func() { v.record(opening, WatchOpen, began, 0, err) }()
	opening, cancel := context.WithTimeout(opening, requestTimeout)
	defer cancel()
	address, err := v.net.resolve("/graphql")
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	v.header(header)
	conn, res, err := websocket.Dial(opening, "ws"+strings.TrimPrefix(address, "http"), &websocket.DialOptions{ //nolint:bodyclose // Dial says that its caller never needs to
		HTTPClient: &http.Client{Transport: v.net.sockets}, HTTPHeader: header, Subprotocols: []string{"graphql-transport-ws"},
	})
	if err != nil {
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			return nil, &failure{fmt.Sprintf("HTTP %d", res.StatusCode)}
		}
		return nil, fmt.Errorf("watch: %w", err)
	}
	l := &watchLink{conn: conn, done: make(chan struct{})}
	defer func() {
		if err != nil {
			_ = conn.CloseNow()
		}
	}()
	input := map[string]any{
		"sessionUuid": uuid.Must(uuid.NewV7()).String(), "playableId": playable, "titleId": title, "durationMs": durationMs,
		"device": v.device, "locale": v.locale,
	}
	operation, err := json.Marshal(v.ops.named("WatchSession", map[string]any{"input": input}))
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if err := l.send(opening, "connection_init", "", authorization(v.token)); err != nil {
		return nil, err
	}
	if err := l.send(opening, "subscribe", "1", operation); err != nil {
		return nil, err
	}
	for l.session == "" {
		if err := l.read(opening); err != nil {
			return nil, err
		}
		if err := l.ended(); err != nil {
			return nil, err
		}
	}
	go func() {
		defer close(l.done)
		for l.ended() == nil {
			if err := l.read(ctx); err != nil {
				l.end(err)
				return
			}
		}
	}()
	return l, nil
}

func authorization(token string) json.RawMessage {
	b, err := json.Marshal(map[string]string{"authorization": "Bearer " + token})
	if err != nil {
		panic(err) // a map of strings is JSON
	}
	return b
}

func (l *watchLink) send(ctx context.Context, kind, id string, payload json.RawMessage) error {
	b, err := json.Marshal(socketMessage{ID: id, Type: kind, Payload: payload})
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	if err := l.conn.Write(ctx, websocket.MessageText, b); err != nil {
		return socketError(err)
	}
	return nil
}

// socketError names the code with which the server closed.
func socketError(err error) error {
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		return &failure{fmt.Sprintf("closed %d", closed.Code)}
	}
	return fmt.Errorf("watch: %w", err)
}

// read takes one message.
func (l *watchLink) read(ctx context.Context) error {
	_, data, err := l.conn.Read(ctx)
	if err != nil {
		return socketError(err)
	}
	var m socketMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return &failure{"bad message"}
	}
	switch m.Type {
	case "next":
		var news struct {
			Data struct {
				Watch *struct {
					SessionID string
					Ended     *string
				}
			}
			Errors []struct{ Extensions struct{ Code string } }
		}
		if err := json.Unmarshal(m.Payload, &news); err != nil || len(news.Errors) > 0 || news.Data.Watch == nil {
			l.end(&failure{"refused"})
			return nil
		}
		if news.Data.Watch.Ended != nil {
			l.end(&failure{"ended " + *news.Data.Watch.Ended})
			return nil
		}
		l.session = news.Data.Watch.SessionID
	case "error":
		code := "error"
		var errs []struct{ Extensions struct{ Code string } }
		if json.Unmarshal(m.Payload, &errs) == nil && len(errs) > 0 {
			code = errs[0].Extensions.Code
		}
		l.end(&failure{code})
	case "complete":
		l.end(&failure{"completed"})
	}
	return nil
}

func (l *watchLink) end(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = why
	}
}

// ended is why the server ended the subscription; nil while it stands.
func (l *watchLink) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// show gives the server a newer token.
func (l *watchLink) show(ctx context.Context, token string) error {
	return l.send(ctx, "ping", "", authorization(token))
}

// close says goodbye as a closing player does and waits for the reader's end.
func (l *watchLink) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if l.send(ctx, "complete", "1", nil) == nil {
		_ = l.conn.Close(websocket.StatusNormalClosure, "")
	}
	_ = l.conn.CloseNow()
	<-l.done
}
