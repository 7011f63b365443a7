package router

import (
	"sync"
)

// ending is why the router ends a stream.
type ending int

const (
	endShutdown ending = iota
	endSession
)

// stream is an open WebSocket connection or SSE response.
type stream interface {
	// end begins to close the stream and does not wait.
	end(why ending)
}

// streams knows the open streams: it bounds them, ends those of a session, and
// ends all at shutdown.
type streams struct {
	most, perClient int

	mu      sync.Mutex
	closed  bool
	all     map[stream]string // the session, empty for none
	clients map[string]int
}

func newStreams(most, perClient int) *streams {
	return &streams{most: most, perClient: perClient, all: map[stream]string{}, clients: map[string]int{}}
}

// add registers a stream of the client; false when there are too many or the
// router shuts down.
func (s *streams) add(st stream, session, client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.all) >= s.most || s.clients[client] >= s.perClient {
		return false
	}
	s.all[st] = session
	s.clients[client]++
	return true
}

// identify notes the session of a stream once it is known.
func (s *streams) identify(st stream, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[st]; ok {
		s.all[st] = session
	}
}

func (s *streams) remove(st stream, client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[st]; !ok {
		return
	}
	delete(s.all, st)
	if s.clients[client]--; s.clients[client] <= 0 {
		delete(s.clients, client)
	}
}

func (s *streams) closeAll(why ending) {
	s.mu.Lock()
	s.closed = true
	open := make([]stream, 0, len(s.all))
	for st := range s.all {
		open = append(open, st)
	}
	s.mu.Unlock()
	for _, st := range open {
		st.end(why)
	}
}

func (s *streams) closeSession(session string, why ending) {
	if session == "" {
		return
	}
	s.mu.Lock()
	var open []stream
	for st, of := range s.all {
		if of == session {
			open = append(open, st)
		}
	}
	s.mu.Unlock()
	for _, st := range open {
		st.end(why)
	}
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}
