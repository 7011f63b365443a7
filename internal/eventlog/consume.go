package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"go.opentelemetry.io/otel/trace"
)

// Record is what was read.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte
	// Trace is the span that wrote it, if its trace is kept.
	Trace trace.SpanContext
	// At is when it was written, by the writer's clock.
	At time.Time
}

// Reader reads topics as a member of a consumer group.
type Reader struct {
	// Group is the consumer group; its members share the partitions.
	Group string
	// Topics to read.
	Topics []string
	// MaxRecords ends a batch; 0 means 20,000.
	MaxRecords int
	// MaxWait ends a batch that is not full, counted from its first record;
	// 0 means 500 ms.
	MaxWait time.Duration
	// Parallel is how many batches are handled at once; 0 means 1. With more,
	// batches may be handled in another order than they were written in.
	Parallel int
	// Handle takes a batch over all partitions, in order within each. The
	// offsets are committed when it and all batches before it were handled
	// without an error. On an error it is called again with the same batch after
	// a back-off, until ctx ends, which is when the partitions go to another
	// member or Consume ends. The slice is reused.
	Handle func(ctx context.Context, batch []Record) error
	// CaughtUp, if set, is told after each handled batch, and while idle once
	// for each MaxWait, whether everything in the log has been handled.
	CaughtUp func(bool)
}

// Consume reads until ctx ends, and then returns nil. It rejoins by itself
// after whatever the broker does.
func (l *Log) Consume(ctx context.Context, r Reader) error {
	if r.Group == "" || len(r.Topics) == 0 || r.Handle == nil {
		return errors.New("eventlog: Group, Topics and Handle are required")
	}
	if r.MaxRecords == 0 {
		r.MaxRecords = 20_000
	}
	if r.MaxWait == 0 {
		r.MaxWait = 500 * time.Millisecond
	}
	r.Parallel = max(1, r.Parallel)
	log := l.log.With("group", r.Group)
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		started := time.Now()
		err := l.join(ctx, r, log)
		if ctx.Err() != nil {
			break
		}
		log.WarnContext(ctx, "reading the event log was interrupted", "error", err, "retry", wait)
		if time.Since(started) > time.Minute {
			wait = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

func (l *Log) join(ctx context.Context, r Reader, log *slog.Logger) error {
	// A client of its own: the group's long polls must not hold up the producer.
	group, err := sarama.NewConsumerGroup(l.cfg.Brokers, r.Group, l.cfg.sarama())
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for err := range group.Errors() {
			if ctx.Err() == nil {
				log.WarnContext(ctx, "event log", "error", err)
			}
		}
	})
	defer wg.Wait()
	defer group.Close()
	for ctx.Err() == nil {
		m := &member{r: r, log: log, tracer: l.cfg.Tracer, oldest: l.oldest}
		l.members.Store(m, nil)
		err := group.Consume(ctx, r.Topics, m)
		l.members.Delete(m)
		if err != nil {
			return fmt.Errorf("consume: %w", err)
		}
	}
	return nil
}

// oldest is the first offset that a partition still has; -1 when that cannot
// be said now.
func (l *Log) oldest(p place) int64 {
	at, err := l.client.GetOffset(p.topic, p.partition, sarama.OffsetOldest)
	if err != nil {
		return -1
	}
	return at
}

// Lag is how much a group has still to handle of a topic, in the partitions
// that this program reads.
type Lag struct {
	Group, Topic string
	Records      int64
}

// Lag tells it for whatever Consume reads at the moment.
func (l *Log) Lag() []Lag {
	type key struct{ group, topic string }
	sums := map[key]int64{}
	l.members.Range(func(m, _ any) bool {
		m.(*member).addLag(func(group, topic string, n int64) { sums[key{group, topic}] += n }) //nolint:forcetypeassert // only members are stored
		return true
	})
	out := make([]Lag, 0, len(sums))
	for k, n := range sums {
		out = append(out, Lag{k.group, k.topic, n})
	}
	return out
}

func (m *member) addLag(add func(group, topic string, n int64)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, c := range m.claims {
		n := int64(0)
		if next := c.next.Load(); next >= 0 {
			n = max(0, c.claim.HighWaterMarkOffset()-next)
		}
		add(m.r.Group, p.topic, n)
	}
}

// member is one generation of the group: the partitions that this instance
// holds until the next rebalance. Its claims feed one batch.
type member struct {
	r      Reader
	log    *slog.Logger
	tracer trace.TracerProvider
	in     chan *sarama.ConsumerMessage
	wg     sync.WaitGroup
	oldest func(place) int64
	mu     sync.Mutex
	claims map[place]*claimState
}

type place struct {
	topic     string
	partition int32
}

type claimState struct {
	claim sarama.ConsumerGroupClaim
	next  atomic.Int64 // the offset after the last one handled; negative when not known
}

func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.in = make(chan *sarama.ConsumerMessage, 1024)
	m.mu.Lock()
	m.claims = map[place]*claimState{}
	m.mu.Unlock()
	m.wg.Go(func() { m.gather(s) })
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.wg.Wait()
	return nil
}

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	state := &claimState{claim: c}
	at := place{c.Topic(), c.Partition()}
	next := c.InitialOffset()
	if next < 0 { // the group has none yet: it begins with the oldest
		next = m.oldest(at)
	}
	state.next.Store(next)
	m.mu.Lock()
	m.claims[at] = state
	m.mu.Unlock()
	for {
		select {
		case msg, ok := <-c.Messages():
			if !ok {
				return nil
			}
			select {
			case m.in <- msg:
			case <-s.Context().Done():
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

// batch is what was gathered, with its turn: its offsets are committed once
// before is closed, and then it closes done.
type batch struct {
	records []Record
	before  <-chan struct{}
	done    chan struct{}
}

// gather makes batches for work, and goes on while it works: what comes
// meanwhile is the next batch, the larger the longer the last ones took.
func (m *member) gather(s sarama.ConsumerGroupSession) {
	ctx := s.Context()
	next, free := make(chan batch), make(chan []Record, m.r.Parallel+1)
	for range m.r.Parallel { // one is gathered while the others are worked on
		free <- nil
		m.wg.Go(func() { m.work(s, next, free) })
	}
	var records []Record
	before, done := make(chan struct{}), make(chan struct{})
	close(before)
	timer, due := time.NewTimer(m.r.MaxWait), false
	defer timer.Stop()
	for {
		in, out := m.in, next
		if len(records) >= m.r.MaxRecords {
			in = nil
		} else if !due {
			out = nil
		}
		select {
		case <-ctx.Done():
			return // what was not handled is not committed and comes again
		case msg := <-in:
			if len(records) == 0 {
				timer.Reset(m.r.MaxWait)
				due = false
			}
			records = append(records, Record{Topic: msg.Topic, Partition: msg.Partition, Offset: msg.Offset, Key: msg.Key, Value: msg.Value, Trace: traceOf(msg.Headers), At: msg.Timestamp})
		case <-timer.C:
			due = true
		case out <- batch{records, before, done}: // none, if nothing came for a whole MaxWait
			records = <-free
			before, done = done, make(chan struct{})
			timer.Reset(m.r.MaxWait)
			due = false
		}
	}
}

// work handles one batch after the other and commits each in its turn.
func (m *member) work(s sarama.ConsumerGroupSession, next <-chan batch, free chan<- []Record) {
	ctx := s.Context()
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-next:
			if len(b.records) > 0 && !m.handle(ctx, b.records) {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-b.before:
			}
			if len(b.records) > 0 {
				m.commit(s, b.records)
			}
			m.tell(len(b.records) == 0)
			close(b.done)
			clear(b.records)
			free <- b.records[:0]
		}
	}
}

// handle calls the handler until it succeeds; false when the generation ended.
func (m *member) handle(ctx context.Context, records []Record) bool {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := m.attempt(ctx, records)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		m.log.WarnContext(ctx, "a batch could not be handled; it is tried again", "records", len(records), "retry", wait, "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

func (m *member) commit(s sarama.ConsumerGroupSession, records []Record) {
	last := map[place]int64{}
	for i := range records {
		p := place{records[i].Topic, records[i].Partition}
		last[p] = max(last[p], records[i].Offset+1)
	}
	m.mu.Lock()
	for p, next := range last {
		s.MarkOffset(p.topic, p.partition, next, "")
		m.claims[p].next.Store(next)
	}
	m.mu.Unlock()
	s.Commit()
}

// tell reports whether everything is handled: nothing has come for a whole
// MaxWait, or all that is known to be in the log has been committed.
func (m *member) tell(idle bool) {
	if m.r.CaughtUp == nil {
		return
	}
	up := true
	if !idle {
		m.mu.Lock()
		for _, c := range m.claims {
			// A negative offset stands for "the oldest": nothing was read yet.
			if next := c.next.Load(); next >= 0 && next < c.claim.HighWaterMarkOffset() {
				up = false
			}
		}
		m.mu.Unlock()
	}
	m.r.CaughtUp(up)
}
