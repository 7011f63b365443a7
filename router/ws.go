package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	gqlast "github.com/vektah/gqlparser/v2/ast"

	"github.com/netflixathome/cinema/internal/tracing"
)

const subprotocol = "graphql-transport-ws"

// Close codes of graphql-transport-ws; 4403 is also how an ended token or
// session shows.
const (
	closeBadMessage   = websocket.StatusCode(4400)
	closeUnauthorized = websocket.StatusCode(4401)
	closeForbidden    = websocket.StatusCode(4403)
	closeSubprotocol  = websocket.StatusCode(4406)
	closeInitTimeout  = websocket.StatusCode(4408)
	closeDuplicate    = websocket.StatusCode(4409)
	closeTooManyInits = websocket.StatusCode(4429)
)

// outgoing bounds the messages that wait for a slow client; when it is full,
// the subscriptions wait, and through them the subgraphs.
const outgoing = 64

func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// socket is one WebSocket connection.
type socket struct {
	rt      *Router
	conn    *websocket.Conn
	header  http.Header
	address string
	ctx     context.Context //nolint:containedctx // a connection is its own lifetime
	cancel  context.CancelFunc
	out     chan []byte
	// closing is closed when the router ends the connection.
	closing chan struct{}

	mu     sync.Mutex
	caller caller
	expiry *time.Timer
	ops    map[string]context.CancelFunc
	acked  bool
	closed bool
	code   websocket.StatusCode
	reason string
	subs   sync.WaitGroup
}

type wsMessage struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

func (rt *Router) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	var origins []string
	for _, o := range rt.options.Origins {
		if _, host, ok := strings.Cut(o, "://"); ok {
			origins = append(origins, host)
		}
	}
	// Accept refuses a page of another origin: a browser sends cookies with a
	// WebSocket, and no preflight.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol}, OriginPatterns: origins, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		rt.log.DebugContext(r.Context(), "no WebSocket", "error", err)
		return
	}
	if conn.Subprotocol() != subprotocol {
		_ = conn.Close(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	// The request's context ends with the connection's hijacking in some
	// servers; the socket has a life of its own.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	s := &socket{
		rt: rt, conn: conn, header: r.Header.Clone(), address: addressOf(r, rt.options.TrustedProxies),
		ctx: ctx, cancel: cancel, out: make(chan []byte, outgoing), closing: make(chan struct{}), ops: map[string]context.CancelFunc{},
	}
	s.caller.address = s.address
	s.serve()
}

func (s *socket) serve() {
	client := "addr:" + s.address
	if !s.rt.streams.add(s, Principal{}, client) {
		_ = s.conn.Close(websocket.StatusTryAgainLater, "Too many connections")
		s.cancel()
		return
	}
	defer s.rt.streams.remove(s, client)
	if !s.rt.begin() {
		_ = s.conn.Close(websocket.StatusGoingAway, "Shutting down")
		s.cancel()
		return
	}
	defer s.rt.working.Done()
	s.rt.metrics.ConnectionsChanged(1)
	defer s.rt.metrics.ConnectionsChanged(-1)
	s.conn.SetReadLimit(s.rt.limits.MessageBytes)

	var side sync.WaitGroup
	side.Go(s.writeLoop)
	side.Go(s.pingLoop)
	init := time.AfterFunc(s.rt.limits.InitTimeout, func() {
		s.mu.Lock()
		acked := s.acked
		s.mu.Unlock()
		if !acked {
			s.close(closeInitTimeout, "Connection initialisation timeout")
		}
	})
	s.readLoop()
	init.Stop()
	s.mu.Lock()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	closed := s.closed
	s.mu.Unlock()
	if closed {
		<-s.ctx.Done() // the writer says goodbye first, and does not take long
	}
	s.cancel()
	s.subs.Wait()
	side.Wait()
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
}

// close ends the connection once what is queued was sent; the first reason
// counts. It does not wait.
func (s *socket) close(code websocket.StatusCode, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed, s.code, s.reason = true, code, reason
	for _, stop := range s.ops {
		stop()
	}
	close(s.closing)
}

// end implements stream.
func (s *socket) end(why ending) {
	if why == endSession {
		s.close(closeForbidden, "Session ended")
		return
	}
	s.close(websocket.StatusGoingAway, "Restarting")
}

func (s *socket) enqueue(m wsMessage) {
	b, err := json.Marshal(m)
	if err != nil {
		return
	}
	select {
	case s.out <- b:
	case <-s.ctx.Done():
	}
}

// writeLoop is the only one that writes. It ends the connection's context.
func (s *socket) writeLoop() {
	defer s.cancel()
	for {
		select {
		case <-s.ctx.Done():
			return
		case b := <-s.out:
			if !s.write(b) {
				return
			}
		case <-s.closing:
			for {
				select {
				case b := <-s.out:
					if !s.write(b) {
						return
					}
				default:
					s.mu.Lock()
					code, reason := s.code, s.reason
					s.mu.Unlock()
					_ = s.conn.Close(code, reason)
					return
				}
			}
		}
	}
}

func (s *socket) write(b []byte) bool {
	ctx, cancel := context.WithTimeout(s.ctx, s.rt.limits.WriteTimeout)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, b); err != nil {
		_ = s.conn.CloseNow()
		return false
	}
	return true
}

// pingLoop notices a client that is gone without a word, so that its viewing
// session ends.
func (s *socket) pingLoop() {
	tick := time.NewTicker(s.rt.limits.KeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			ctx, cancel := context.WithTimeout(s.ctx, s.rt.limits.WriteTimeout)
			err := s.conn.Ping(ctx)
			cancel()
			if err != nil {
				s.cancel()
				_ = s.conn.CloseNow()
				return
			}
		}
	}
}

func (s *socket) readLoop() {
	for {
		kind, data, err := s.conn.Read(s.ctx)
		if err != nil {
			var ce websocket.CloseError
			if !errors.As(err, &ce) && s.ctx.Err() == nil && strings.Contains(err.Error(), "read limited") {
				s.close(websocket.StatusMessageTooBig, "Message too big")
			}
			return
		}
		var m wsMessage
		if kind != websocket.MessageText || json.Unmarshal(data, &m) != nil {
			s.close(closeBadMessage, "Invalid message")
			return
		}
		if !s.handle(m) {
			return
		}
	}
}

// handle takes one message; false ends the connection.
func (s *socket) handle(m wsMessage) bool {
	switch m.Type {
	case "connection_init":
		return s.init(m)
	case "ping":
		return s.ping(m)
	case "pong":
		return true
	case "subscribe":
		return s.subscribe(m)
	case "complete":
		s.mu.Lock()
		stop := s.ops[m.ID]
		delete(s.ops, m.ID)
		s.mu.Unlock()
		if stop != nil {
			stop()
		}
		return true
	default:
		s.close(closeBadMessage, "Invalid message type")
		return false
	}
}

func (s *socket) init(m wsMessage) bool {
	s.mu.Lock()
	again := s.acked
	s.acked = true
	s.mu.Unlock()
	if again {
		s.close(closeTooManyInits, "Too many initialisation requests")
		return false
	}
	if token := tokenOf(m.Payload); token != "" {
		if !s.signIn(token, false) {
			return false
		}
	}
	s.enqueue(wsMessage{Type: "connection_ack"})
	return true
}

func (s *socket) ping(m wsMessage) bool {
	if token := tokenOf(m.Payload); token != "" {
		s.mu.Lock()
		acked := s.acked
		s.mu.Unlock()
		if !acked {
			s.close(closeUnauthorized, "Unauthorized")
			return false
		}
		if !s.signIn(token, true) {
			return false
		}
	}
	s.enqueue(wsMessage{Type: "pong"})
	return true
}

// tokenOf reads {"authorization": "Bearer …"}; the scheme may be left out.
func tokenOf(payload json.RawMessage) string {
	var p map[string]any
	if json.Unmarshal(payload, &p) != nil {
		return ""
	}
	for name, v := range p {
		if strings.EqualFold(name, "authorization") {
			text, _ := v.(string)
			if token := bearerOf(text); token != "" {
				return token
			}
			return strings.TrimSpace(text)
		}
	}
	return ""
}

// signIn takes a token, the first or a renewed one.
func (s *socket) signIn(token string, renew bool) bool {
	ctx, cancel := context.WithTimeout(s.ctx, s.rt.limits.RequestTimeout)
	defer cancel()
	shown := token
	p, token, rejected := s.rt.identify(ctx, shown, s.address)
	if rejected != nil {
		return s.turnAway(rejected, closeUnauthorized, "Unauthorized")
	}
	s.mu.Lock()
	if renew && s.caller.principal != nil && s.caller.principal.Subject != p.Subject {
		s.mu.Unlock()
		s.close(closeForbidden, "Another user's token")
		return false
	}
	s.caller.principal, s.caller.bearer, s.caller.shown = p, token, shown
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
	if !p.ExpiresAt.IsZero() && !s.closed && s.ctx.Err() == nil {
		s.expiry = time.AfterFunc(time.Until(p.ExpiresAt), func() { s.expire(shown, token) })
	}
	s.mu.Unlock()
	s.rt.streams.identify(s, *p)
	if _, rejected := s.rt.verify(ctx, token); rejected != nil {
		return s.turnAway(rejected, closeForbidden, "Session ended")
	}
	return true
}

// turnAway closes the connection of one whose token is not good, or cannot be
// checked; it returns false.
func (s *socket) turnAway(rejected *requestError, code websocket.StatusCode, reason string) bool {
	if rejected.status == http.StatusServiceUnavailable || rejected.status == http.StatusTooManyRequests {
		code, reason = websocket.StatusTryAgainLater, "Sign-in cannot be checked"
	}
	s.close(code, reason)
	return false
}

// expire ends the connection with its access token, unless that came of an API
// key which is still good: a program has nobody who would sign it in again.
func (s *socket) expire(shown, token string) {
	if shown == token {
		s.close(closeForbidden, "Access token expired")
		return
	}
	s.signIn(shown, true)
}

func (s *socket) subscribe(m wsMessage) bool {
	s.mu.Lock()
	acked := s.acked
	_, duplicate := s.ops[m.ID]
	full := len(s.ops) >= s.rt.limits.SubscriptionsPerConnection
	who := s.caller
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return false
	case !acked:
		s.close(closeUnauthorized, "Unauthorized")
		return false
	case m.ID == "" || len(m.ID) > 128 || !isObject(m.Payload):
		s.close(closeBadMessage, "Invalid message")
		return false
	case duplicate:
		s.close(closeDuplicate, fmt.Sprintf("Subscriber for %s already exists", shortenTo(m.ID, 64)))
		return false
	case full:
		s.refuse(m.ID, []gqlError{newError(codeLimitExceeded, fmt.Sprintf("More than %d operations on one connection.", s.rt.limits.SubscriptionsPerConnection))})
		return true
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		cancel()
		return false
	}
	s.ops[m.ID] = cancel
	s.mu.Unlock()
	s.subs.Go(func() {
		defer cancel()
		s.run(ctx, m, &who)
	})
	return true
}

// run executes one operation of the connection.
func (s *socket) run(ctx context.Context, m wsMessage, who *caller) {
	start := time.Now()
	// Cookies stay out: a WebSocket cannot set one, and a refresh token that is
	// rotated and not handed back would sign the user out.
	req := &request{transport: "ws", header: s.header, mutations: true, caller: who}
	k := &socketSink{s: s, id: m.ID, ctx: ctx}
	var p *ready
	rejected := parseParams(m.Payload, req)
	if req.traceparent == "" {
		req.traceparent = s.header.Get(tracing.Header)
	}
	ctx, span := s.rt.options.Tracing.Enter(ctx, unnamed, req.traceparent, s.header.Get(tracing.KeyHeader))
	defer span.End()
	defer func() {
		if v := recover(); v != nil {
			s.rt.log.ErrorContext(ctx, "an operation panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			tracing.Fail(span, codeInternal)
			k.fail([]gqlError{newError(codeInternal, msgBroken)})
		}
	}()
	if rejected == nil {
		rejected = s.rt.judge(ctx, who)
	}
	if rejected == nil {
		p, rejected = s.rt.prepare(ctx, req)
	}
	if rejected == nil && p.kind != gqlast.Subscription {
		var res result
		if res, rejected = s.rt.execute(ctx, req, p); rejected == nil {
			_ = k.next(res.body)
			k.complete()
			s.rt.done(ctx, req, p, start, res.errors)
			return
		}
	}
	if rejected != nil {
		s.rt.logCause(ctx, rejected)
		k.fail(rejected.errors)
		s.rt.done(ctx, req, p, start, rejected.errors)
		return
	}
	s.rt.done(ctx, req, p, start, s.rt.subscribe(ctx, req, p, k))
}

func (s *socket) refuse(id string, errs []gqlError) {
	b, err := json.Marshal(errs)
	if err != nil {
		return
	}
	s.enqueue(wsMessage{ID: id, Type: "error", Payload: b})
}

// socketSink sends the messages of one operation. After the client's complete
// nothing more is sent for its id.
type socketSink struct {
	s   *socket
	id  string
	ctx context.Context //nolint:containedctx // the operation's
}

func (k *socketSink) next(response []byte) error {
	if k.ctx.Err() != nil {
		return k.ctx.Err()
	}
	k.s.enqueue(wsMessage{ID: k.id, Type: "next", Payload: response})
	return nil
}

// release forgets the id, so that the client may use it again; false when the
// operation was ended by the client or the connection.
func (k *socketSink) release() bool {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.ctx.Err() != nil {
		return false
	}
	_, ok := k.s.ops[k.id]
	delete(k.s.ops, k.id)
	return ok
}

func (k *socketSink) fail(errs []gqlError) {
	if k.release() {
		k.s.refuse(k.id, errs)
	}
}

func (k *socketSink) complete() {
	if k.release() {
		k.s.enqueue(wsMessage{ID: k.id, Type: "complete"})
	}
}
