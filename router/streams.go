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

// streams knows the open streams: it bounds them, ends those of one caller, and
// ends all at shutdown.
type streams struct {
	most, perClient int

	mu      sync.Mutex
	closed  bool
	all     map[stream]Principal // the zero one for nobody, or not yet known
	clients map[string]int
}

func newStreams(most, perClient int) *streams {
	return &streams{most: most, perClient: perClient, all: map[stream]Principal{}, clients: map[string]int{}}
}

// add registers a stream of the client; false when there are too many or the
// router shuts down.
func (s *streams) add(st stream, of Principal, client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.all) >= s.most || s.clients[client] >= s.perClient {
		return false
	}
	s.all[st] = of
	s.clients[client]++
	return true
}

// identify notes whose a stream is once it is known.
func (s *streams) identify(st stream, of Principal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.all[st]; ok {
		s.all[st] = of
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

// closeOf ends the streams of those whom match names.
func (s *streams) closeOf(match func(Principal) bool, why ending) {
	s.mu.Lock()
	var open []stream
	for st, of := range s.all {
		if of.Subject != "" && match(of) {
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
