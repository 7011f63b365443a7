// Package redis passes messages between all instances through a Redis server's
// publish and subscribe.
//
// A Bus keeps one connection, however many topics and listeners it has, and
// only while somebody listens:
//
//   - keep holds it. When it breaks, keep waits a little, longer each time,
//     and makes a new one, on which every topic is asked for again. What was
//     published meanwhile is lost, as a bus may.
//   - serve is the life of one connection. It alone sends on it, so that the
//     order of "subscribe" and "unsubscribe" is that of its decisions. A topic
//     is given up only after the server has confirmed it: a confirmation that
//     comes therefore always belongs to the last time it was asked for.
//   - read takes what comes and hands it out without waiting for anybody.
//
// A server that hangs breaks no connection, so serve asks for an answer when
// nothing has come for a while.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/netflixathome/cinema/internal/bus"
)

const (
	// confirmWait is how long Subscribe waits for the server's word, with
	// whatever reconnecting it takes.
	confirmWait = 5 * time.Second
	// writeWait bounds one sending, with connecting if need be.
	writeWait = 3 * time.Second
	// healthEvery is after how long a silence serve asks for an answer; after
	// as long again without one the connection is given up.
	healthEvery = 2 * time.Second
	// The wait before a new connection doubles from the one to the other.
	minBackoff = 100 * time.Millisecond
	maxBackoff = 5 * time.Second
)

var errSilent = errors.New("the server has gone silent")

// Bus is a bus.Bus on Redis.
type Bus struct {
	client goredis.UniversalClient
	prefix string
	log    *slog.Logger
	health time.Duration

	mu     sync.Mutex
	topics map[string]*topic
	// wake tells the running keep that topics have changed; nil when none runs.
	wake chan struct{}
	// current is the connection whose word counts; nil between two.
	current *connection
	lost    error // why the last one broke
}

type topic struct {
	listeners map[*bus.Listener]struct{}
	asked     bool          // "subscribe" was sent on the current connection
	confirmed bool          // and the server has said yes
	breaks    uint64        // how often messages may have been lost
	ready     chan struct{} // closed when confirmed
}

// connection is one subscription at the server. It may be taken over by no
// other, so what comes late from an old one is recognised.
type connection struct {
	heard     atomic.Bool // something has come since last asked
	confirmed atomic.Bool // it has served at least one topic
}

var _ bus.Bus = (*Bus)(nil)

// New makes a bus nobody listens to yet, whose channels begin with prefix. The
// channels of one server are the same in all its numbered databases.
func New(client goredis.UniversalClient, prefix string, log *slog.Logger) (*Bus, error) {
	if client == nil || prefix == "" || log == nil {
		return nil, errors.New("bus/redis: Client, prefix and Logger are required")
	}
	return &Bus{client: client, prefix: prefix + "bus:", log: log, health: healthEvery, topics: map[string]*topic{}}, nil
}

// Publish implements bus.Bus.
func (b *Bus) Publish(ctx context.Context, topic string, payload []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(payload) > bus.MaxPayload {
		return bus.ErrTooLarge
	}
	// On a cluster all messages of a topic take the way over one node, as if
	// the channel were a key: over any node, as the library's own Publish goes,
	// they would overtake each other.
	cmd := goredis.NewIntCmd(ctx, "publish", b.prefix+topic, payload)
	cmd.SetFirstKeyPos(1)
	if err := b.client.Process(ctx, cmd); err != nil {
		return fmt.Errorf("bus/redis: publish: %w", err)
	}
	return nil
}

// Subscribe implements bus.Bus. It returns when the server has confirmed: what
// is published after that, by any instance, reaches the channel. It fails when
// the server has not within a few seconds.
func (b *Bus) Subscribe(ctx context.Context, topic string) (<-chan []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	channel := b.prefix + topic
	l := bus.NewListener()
	ready := b.join(channel, l)
	timer := time.NewTimer(confirmWait)
	defer timer.Stop()
	select {
	case <-ready:
		context.AfterFunc(ctx, func() { _ = b.leave(channel, l) })
		return l.C, nil
	case <-ctx.Done():
		_ = b.leave(channel, l)
		return nil, ctx.Err()
	case <-timer.C:
		return nil, fmt.Errorf("bus/redis: no subscription within %s: %w", confirmWait, b.leave(channel, l))
	}
}

// Passing implements bus.Bus. A server that has gone silent is found out after
// twice healthEvery.
func (b *Bus) Passing(topic string) (breaks uint64, passing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[b.prefix+topic]
	if t == nil {
		return 0, false
	}
	return t.breaks, t.confirmed && len(t.listeners) > 0
}

// join adds a listener; the channel it returns is closed when the server has
// confirmed the topic.
func (b *Bus) join(channel string, l *bus.Listener) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[channel]
	if t == nil {
		t = &topic{listeners: map[*bus.Listener]struct{}{}, ready: make(chan struct{})}
		b.topics[channel] = t
	}
	t.listeners[l] = struct{}{}
	if b.wake == nil {
		b.wake = make(chan struct{}, 1)
		go b.keep(b.wake)
	} else if !t.asked {
		b.signal()
	}
	return t.ready
}

// leave takes a listener away and returns what last went wrong. A topic that
// loses its last listener stays until serve gives it up.
func (b *Bus) leave(channel string, l *bus.Listener) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[channel]
	delete(t.listeners, l)
	close(l.C)
	if len(t.listeners) == 0 {
		b.signal()
	}
	return b.lost
}

// signal is called under the lock.
func (b *Bus) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// keep holds a connection until nobody listens.
func (b *Bus) keep(wake <-chan struct{}) {
	backoff := minBackoff
	level := slog.LevelWarn
	for {
		served, err := b.serve(wake)
		if err == nil {
			return
		}
		if served {
			backoff, level = minBackoff, slog.LevelWarn
		}
		// Half of it by chance, lest all instances come back at once.
		wait := backoff/2 + rand.N(backoff/2)
		backoff = min(2*backoff, maxBackoff)
		b.log.Log(context.Background(), level, "bus/redis: not connected, messages are lost", "error", err, "retry_in", wait)
		level = slog.LevelDebug // one warning for each time it breaks
		if !b.pause(wake, wait) {
			return
		}
	}
}

// pause waits; it is false when meanwhile nobody listens any more.
func (b *Bus) pause(wake <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-wake:
			if _, _, done := b.plan(nil); done {
				return false
			}
		}
	}
}

// serve is one connection from its making until it breaks, or until nobody
// listens, which is no error. It says whether the server ever confirmed.
func (b *Bus) serve(wake <-chan struct{}) (served bool, err error) {
	// The connection belongs to no caller: it ends with the last of them.
	ctx, cancel := context.WithCancel(context.Background())
	c := &connection{}
	b.mu.Lock()
	b.current = c
	b.mu.Unlock()
	sub := b.client.Subscribe(ctx) // no topic yet, so nothing is sent
	broken := make(chan error, 1)
	var reader sync.WaitGroup
	defer func() {
		b.forget(c, err)
		cancel() // before Close, which waits for a dialling that is under way
		_ = sub.Close()
		reader.Wait()
		served = c.confirmed.Load()
	}()
	// Not a ticker: after a pause of the whole process two of its ticks would
	// come at once, and leave the server no time to answer between them.
	check := time.NewTimer(b.health)
	defer check.Stop()
	reading, asked := false, false
	for {
		join, give, done := b.plan(c)
		if done {
			return served, nil
		}
		if err := send(ctx, give, sub.Unsubscribe); err != nil {
			return served, err
		}
		if err := send(ctx, join, sub.Subscribe); err != nil {
			return served, err
		}
		if !reading {
			reading = true
			reader.Go(func() { broken <- b.read(ctx, c, sub) })
		}
		select {
		case err := <-broken:
			return served, err
		case <-wake:
		case <-check.C:
			switch {
			case c.heard.Swap(false):
				asked = false
			case asked:
				return served, errSilent
			default:
				asked = true
				if err := send(ctx, []string{"alive"}, sub.Ping); err != nil {
					return served, err
				}
			}
			check.Reset(b.health)
		}
	}
}

// send calls f with args, if there are any.
func send(ctx context.Context, args []string, f func(ctx context.Context, args ...string) error) error {
	if len(args) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	return f(ctx, args...)
}

// plan compares what is listened to with what was asked for, and marks as done
// what serve is about to do. Without any listener the keeper is dismissed: done
// is true then, and the next listener starts another. A nil connection only
// asks for that.
func (b *Bus) plan(c *connection) (join, give []string, done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	done = true
	for _, t := range b.topics {
		if len(t.listeners) > 0 {
			done = false
			break
		}
	}
	if done {
		clear(b.topics)
		b.wake, b.current = nil, nil
		return nil, nil, true
	}
	if c == nil {
		return nil, nil, false
	}
	for channel, t := range b.topics {
		switch {
		case len(t.listeners) > 0:
			if !t.asked {
				t.asked = true
				join = append(join, channel)
			}
		case !t.asked:
			delete(b.topics, channel)
		case t.confirmed:
			delete(b.topics, channel)
			give = append(give, channel)
		}
	}
	return join, give, false
}

// forget is called when a connection has broken: everything has to be asked
// for again on the next.
func (b *Bus) forget(c *connection, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != c {
		return // the keeper is dismissed
	}
	b.current, b.lost = nil, why
	for _, t := range b.topics {
		if t.confirmed {
			t.ready = make(chan struct{})
			t.breaks++
		}
		t.asked, t.confirmed = false, false
	}
}

// read takes what comes until the connection breaks. It has no time limit: one
// that struck in the middle of a message would leave the rest to be taken for
// the next.
func (b *Bus) read(ctx context.Context, c *connection, sub *goredis.PubSub) error {
	for {
		// On an error the library tries once, at once, to reconnect; serve
		// closes that again and starts anew, so that there is one way only.
		message, err := sub.Receive(ctx)
		if err != nil {
			return err
		}
		c.heard.Store(true)
		switch m := message.(type) {
		case *goredis.Subscription:
			if m.Kind == "subscribe" {
				b.confirm(c, m.Channel)
			}
		case *goredis.Message:
			b.deliver(c, m.Channel, m.Payload)
		}
	}
}

func (b *Bus) confirm(c *connection, channel string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[channel]
	if b.current != c || t == nil || !t.asked || t.confirmed {
		return
	}
	t.confirmed = true
	close(t.ready)
	if len(t.listeners) == 0 {
		b.signal() // it could not be given up before
	}
	if c.confirmed.CompareAndSwap(false, true) && b.lost != nil {
		b.lost = nil
		b.log.Info("bus/redis: connected again")
	}
}

func (b *Bus) deliver(c *connection, channel, payload string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != c {
		return
	}
	if t := b.topics[channel]; t != nil {
		for l := range t.listeners {
			if l.Put([]byte(payload)) {
				t.breaks++
			}
		}
	}
}
