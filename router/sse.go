package router

import (
	"context"
	"net/http"
	"sync"
	"time"

	gqlast "github.com/vektah/gqlparser/v2/ast"
)

// eventStream is one response of Server-Sent Events: one operation in the
// distinct connections mode of graphql-sse.
type eventStream struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	cancel  context.CancelFunc

	mu     sync.Mutex
	closed bool
}

// serveEvents answers with a stream. Its errors are for the log.
func (rt *Router) serveEvents(w http.ResponseWriter, r *http.Request, req *request, p *ready) []gqlError {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &eventStream{w: w, rc: http.NewResponseController(w), timeout: rt.limits.WriteTimeout, cancel: cancel}
	var of Principal
	if req.caller.principal != nil {
		of = *req.caller.principal
	}
	if !rt.streams.add(s, of, req.caller.key()) {
		e := refuse(http.StatusServiceUnavailable, codeUnavailable, msgBusy)
		e.retryAfter = time.Second
		writeRefusal(w, mediaJSON, e)
		return e.errors
	}
	defer rt.streams.remove(s, req.caller.key())
	defer s.shut()
	if req.caller.principal != nil {
		if _, rejected := rt.verify(ctx, req.caller.bearer); rejected != nil {
			writeRefusal(w, mediaJSON, rejected)
			return rejected.errors
		}
	}
	if !rt.begin() {
		e := refuse(http.StatusServiceUnavailable, codeUnavailable, msgShutdown)
		writeRefusal(w, mediaJSON, e)
		return e.errors
	}
	defer rt.working.Done()

	if p.kind != gqlast.Subscription {
		res, rejected := rt.execute(ctx, req, p)
		if rejected != nil {
			rt.logCause(ctx, rejected)
			writeRefusal(w, mediaJSON, rejected)
			return rejected.errors
		}
		for _, c := range res.cookies {
			w.Header().Add("Set-Cookie", c)
		}
		s.open()
		_ = s.next(res.body)
		s.complete()
		return res.errors
	}
	s.open()
	stopped := make(chan struct{})
	defer func() { <-stopped }()
	defer cancel()
	go func() {
		defer close(stopped)
		s.keep(ctx, rt.limits.KeepAlive, of.ExpiresAt, func() (time.Time, bool) { return rt.renew(ctx, s, req.caller) })
	}()
	return rt.subscribe(ctx, req, p, s)
}

// open sends the header at once: the client must know that it is subscribed.
func (s *eventStream) open() {
	h := s.w.Header()
	h.Set("Content-Type", mediaEvents+"; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx must not hold events back
	s.w.WriteHeader(http.StatusOK)
	_ = s.send(":\n\n")
}

// renew looks again at the API key by which a stream is open: until when it is
// good now, false when it is not or when it was opened by an access token.
func (rt *Router) renew(ctx context.Context, s *eventStream, who *caller) (time.Time, bool) {
	if who.shown == who.bearer {
		return time.Time{}, false
	}
	p, _, rejected := rt.identify(ctx, who.shown, who.address)
	if rejected != nil || p.Subject != who.principal.Subject {
		return time.Time{}, false
	}
	rt.streams.identify(s, *p)
	return p.ExpiresAt, true
}

// keep sends comments so that nothing in between gives the connection up, and
// ends the stream with the access token, unless that can be renewed.
func (s *eventStream) keep(ctx context.Context, every time.Duration, expires time.Time, renew func() (time.Time, bool)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var expired <-chan time.Time
	var timer *time.Timer
	if !expires.IsZero() {
		timer = time.NewTimer(time.Until(expires))
		defer timer.Stop()
		expired = timer.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-expired:
			if until, ok := renew(); ok {
				timer.Reset(time.Until(until))
				continue
			}
			s.fail([]gqlError{newError(codeUnauthenticated, msgSignIn)})
			s.cancel()
			return
		case <-tick.C:
			if s.send(":\n\n") != nil {
				s.cancel()
				return
			}
		}
	}
}

func (s *eventStream) send(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return http.ErrHandlerTimeout
	}
	return s.write(text)
}

// write needs the lock.
func (s *eventStream) write(text string) error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(s.timeout))
	if _, err := s.w.Write([]byte(text)); err != nil {
		s.closed = true
		return err
	}
	return s.rc.Flush()
}

func (s *eventStream) next(response []byte) error {
	return s.send("event: next\ndata: " + string(response) + "\n\n")
}

func (s *eventStream) fail(errs []gqlError) {
	_ = s.next(errorBody(errs))
	s.complete()
}

func (s *eventStream) complete() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = s.write("event: complete\ndata:\n\n")
		s.closed = true
	}
}

// shut makes sure that nobody writes once the handler has returned.
func (s *eventStream) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = s.rc.SetWriteDeadline(time.Time{})
}

// end implements stream.
func (s *eventStream) end(why ending) {
	go func() { // a slow client must not hold up the others
		if why == endSession {
			s.fail([]gqlError{newError(codeUnauthenticated, msgSignIn)})
		} else {
			s.shut()
		}
		s.cancel()
	}()
}
