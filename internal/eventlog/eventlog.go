// Package eventlog writes to and reads from Kafka, or whatever speaks its
// protocol: at home that is kfake inside the program, reached the same way.
//
// Writing is at least once with the broker's own duplicates ruled out
// (idempotent producer, acks of all in-sync replicas): Append returns nil only
// when every message is acknowledged. Many requests share one producer, which
// makes one batch of what arrives while the batch before it is under way, so
// that batches grow with the load and nobody waits for a timer.
//
// Reading is at least once: offsets are committed after the handler took the
// records, so the handler must bear to see a record again.
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
	"golang.org/x/sync/semaphore"

	"github.com/netflixathome/cinema/internal/await"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/tracing"
)

// Config of a Log.
type Config struct {
	// Brokers are host:port addresses; at least one.
	Brokers []string
	// ClientID names the program in the broker's logs.
	ClientID string
	// Topics are created at Open where they are missing.
	Topics []string
	// Partitions of a topic, when it is created and at the least; 0 means 6.
	Partitions int32
	// Replication of a created topic; 0 leaves the broker's default, which is
	// 1 at home. On a cluster it is to be 3, with min.insync.replicas at 2.
	Replication int16
	// RetentionMs and RetentionBytes (a partition) of a created topic; 0 leaves
	// the broker's default.
	RetentionMs    int64
	RetentionBytes int64
	// Tracer makes the spans of what is read; nil: none.
	Tracer trace.TracerProvider
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("kafka: at least one broker address is required"))
	}
	if c.Partitions < 0 || c.Replication < 0 || c.RetentionMs < 0 || c.RetentionBytes < 0 {
		errs = append(errs, errors.New("kafka: partitions, replication and retention must not be negative"))
	}
	return errors.Join(errs...)
}

// Message is what is to be written.
type Message struct {
	Topic string
	// Key decides the partition: the order of what shares a key is kept.
	Key   []byte
	Value []byte
}

const (
	// maxPending bounds the messages that wait for their acknowledgement, over
	// all callers; further ones wait in Append.
	maxPending = 50_000
	// maxMessageBytes is the largest batch that a broker takes by default.
	maxMessageBytes = 1 << 20
	// openTimeout bounds Open, metadataTimeout the part of it that sarama
	// repeats by itself.
	openTimeout, metadataTimeout = 15 * time.Second, 5 * time.Second
)

// version of the protocol: Kafka 3.6 and later. Sarama's own default is older
// than idempotence deserves.
var version = sarama.V3_6_0_0

// Log is a connection to Kafka. Its methods may be used from many goroutines.
type Log struct {
	cfg      Config
	log      *slog.Logger
	client   sarama.Client
	producer sarama.AsyncProducer

	members sync.Map // of *member, those that read now

	spare  sync.Pool // of *sarama.ProducerMessage
	room   *semaphore.Weighted
	mu     sync.RWMutex // held for reading while messages are handed over
	closed bool
	done   chan struct{} // closed when the producer has answered for everything
}

func (c Config) sarama() *sarama.Config {
	s := sarama.NewConfig()
	s.Version = version
	s.ClientID = c.ClientID
	if s.ClientID == "" {
		s.ClientID = "cinema"
	}
	s.Net.DialTimeout = 5 * time.Second
	s.Net.ReadTimeout = 30 * time.Second
	s.Net.WriteTimeout = 30 * time.Second
	s.Metadata.Retry.Max = 10
	s.Metadata.Retry.Backoff = 250 * time.Millisecond
	s.Metadata.RefreshFrequency = time.Minute
	s.Metadata.AllowAutoTopicCreation = false

	s.Producer.Idempotent = true
	s.Producer.RequiredAcks = sarama.WaitForAll
	s.Net.MaxOpenRequests = 1 // idempotence's order demands it; it also makes batches of what waits
	s.Producer.MaxMessageBytes = maxMessageBytes
	s.Producer.Flush.MaxMessages = 10_000
	s.Producer.Timeout = 10 * time.Second
	s.Producer.Retry.Max = 20
	s.Producer.Retry.BackoffFunc = func(retries, _ int) time.Duration {
		return min(100*time.Millisecond<<min(retries, 5), 2*time.Second)
	}
	s.Producer.Return.Successes = true
	s.Producer.Return.Errors = true
	s.Producer.Compression = sarama.CompressionLZ4
	s.ChannelBufferSize = 1024

	s.Consumer.Offsets.AutoCommit.Enable = false
	s.Consumer.Offsets.Initial = sarama.OffsetOldest
	s.Consumer.Return.Errors = true
	s.Consumer.MaxWaitTime = 250 * time.Millisecond
	s.Consumer.Fetch.Default = 1 << 20
	s.Consumer.Fetch.Max = 8 << 20
	// The least that Kafka takes by itself (group.min.session.timeout.ms): until
	// then nobody reads the partitions of a member that was killed.
	s.Consumer.Group.Session.Timeout = 6 * time.Second
	s.Consumer.Group.Heartbeat.Interval = 1500 * time.Millisecond
	s.Consumer.Group.Rebalance.Timeout = 30 * time.Second
	s.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	return s
}

// Open connects and creates the topics that are missing. It tries that once; an
// error that waiting does not mend is marked so (package await).
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, await.Never(err)
	}
	if log == nil {
		return nil, errors.New("eventlog: a logger is required")
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = 6
	}
	if cfg.Replication == 0 {
		cfg.Replication = -1 // the protocol's word for the broker's default
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := prepare(ctx, cfg); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	client, err := sarama.NewClient(cfg.Brokers, cfg.sarama())
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", refused(err))
	}
	producer, err := sarama.NewAsyncProducerFromClient(client)
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	l := &Log{
		cfg: cfg, log: log, client: client, producer: producer,
		room: semaphore.NewWeighted(maxPending), done: make(chan struct{}),
	}
	go l.answer()
	return l, nil
}

// prepare sees that there is a cluster with the topics, by a client of its own:
// sarama's waiting knows no context, and this one's is short.
func prepare(ctx context.Context, cfg Config) error {
	done := make(chan error, 1)
	go func() { // it ends by its own timers when ctx ended first
		s := cfg.sarama()
		s.Metadata.Retry.Max, s.Metadata.Timeout = 1, metadataTimeout
		s.Net.ReadTimeout, s.Net.WriteTimeout = metadataTimeout, metadataTimeout
		s.Admin.Retry.Max, s.Admin.Timeout = 1, metadataTimeout
		admin, err := sarama.NewClusterAdmin(cfg.Brokers, s)
		if err == nil {
			err = createTopics(admin, cfg)
			_ = admin.Close()
		}
		done <- err
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-done:
		return refused(err)
	}
}

// refused marks what waiting does not mend, and says what to do about it. All
// that a cluster says while it is coming up is none of that: no controller yet,
// fewer brokers than replicas, no leader.
func refused(err error) error {
	switch {
	case errors.Is(err, sarama.ErrUnsupportedVersion):
		return await.Never(fmt.Errorf("the brokers are too old: want Kafka %s or newer: %w", version, err))
	case errors.Is(err, sarama.ErrTopicAuthorizationFailed), errors.Is(err, sarama.ErrClusterAuthorizationFailed):
		return await.Never(fmt.Errorf("the brokers do not allow it: make the topics, or grant the right to describe, create, read and write them: %w", err))
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return await.Never(fmt.Errorf("the brokers ask for a user, and the program gives none: open a listener without one to it alone: %w", err))
	case errors.Is(err, sarama.ErrPolicyViolation), errors.Is(err, sarama.ErrInvalidPartitions), errors.Is(err, sarama.ErrInvalidConfig):
		return await.Never(fmt.Errorf("the brokers' rules do not allow the topic: make it by hand as they want it: %w", err))
	}
	return err
}

func createTopics(admin sarama.ClusterAdmin, cfg Config) error {
	if len(cfg.Topics) == 0 {
		return nil
	}
	there, err := admin.DescribeTopics(cfg.Topics)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	have := map[string]int{}
	for _, t := range there {
		if t.Err == sarama.ErrNoError {
			have[t.Name] = len(t.Partitions)
		}
	}
	detail := &sarama.TopicDetail{NumPartitions: cfg.Partitions, ReplicationFactor: cfg.Replication, ConfigEntries: map[string]*string{}}
	set := func(name string, v int64) {
		if v > 0 {
			s := fmt.Sprint(v)
			detail.ConfigEntries[name] = &s
		}
	}
	set("retention.ms", cfg.RetentionMs)
	set("retention.bytes", cfg.RetentionBytes)
	for _, topic := range cfg.Topics {
		if n, ok := have[topic]; ok {
			if n < int(cfg.Partitions) {
				return await.Never(fmt.Errorf("topic %[1]s has %[2]d partitions, want %[3]d or more, so that as many collectors can share it: kafka-topics.sh --alter --topic %[1]s --partitions %[3]d", topic, n, cfg.Partitions))
			}
			continue
		}
		if err := admin.CreateTopic(topic, detail, false); err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", topic, err)
		}
	}
	return nil
}

// pending is one call of Append: it ends when all its messages are answered.
type pending struct {
	left atomic.Int64
	fail atomic.Pointer[error]
	done chan struct{}
}

// ErrClosed is what Append says after Close.
var ErrClosed = fault.New(fault.Unavailable, "The server is going down. Try again shortly.")

// Append writes the messages and returns when all of them are safe. If it
// fails, some may be written none the less: send them again with the same
// ids. The messages' bytes must not be changed after the call, even if ctx
// ended it.
func (l *Log) Append(ctx context.Context, list []Message) (err error) {
	ctx, span := startSend(ctx, list)
	defer func() { tracing.End(span, err) }()
	// Larger lists go in parts, so that one caller cannot ask for more room
	// than there is.
	for len(list) > maxPending/4 {
		if err := l.append(ctx, list[:maxPending/4]); err != nil {
			return err
		}
		list = list[maxPending/4:]
	}
	return l.append(ctx, list)
}

func (l *Log) append(ctx context.Context, list []Message) error {
	if len(list) == 0 {
		return ctx.Err()
	}
	if err := l.room.Acquire(ctx, int64(len(list))); err != nil {
		return fmt.Errorf("event log is full: %w", err)
	}
	p := &pending{done: make(chan struct{})}
	p.left.Store(int64(len(list)))
	headers := traceHeaders(ctx)
	l.mu.RLock()
	if l.closed {
		l.mu.RUnlock()
		l.room.Release(int64(len(list)))
		return ErrClosed
	}
	for i := range list {
		m, ok := l.spare.Get().(*sarama.ProducerMessage)
		if !ok {
			m = new(sarama.ProducerMessage)
		}
		m.Topic, m.Key, m.Value, m.Metadata = list[i].Topic, sarama.ByteEncoder(list[i].Key), sarama.ByteEncoder(list[i].Value), p
		m.Headers = headers
		select {
		case l.producer.Input() <- m:
		case <-ctx.Done():
			// With the brokers away the producer takes nothing for as long as it
			// tries what it has. What was handed over is answered none the less.
			l.mu.RUnlock()
			left := int64(len(list) - i)
			l.room.Release(left)
			p.left.Add(-left)
			return fmt.Errorf("event log: %w", ctx.Err())
		}
	}
	l.mu.RUnlock()
	select {
	case <-p.done:
		if err := p.fail.Load(); err != nil {
			return fmt.Errorf("event log: %w", *err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("event log: %w", ctx.Err())
	}
}

// answer takes the producer's answers until it is closed.
func (l *Log) answer() {
	defer close(l.done)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		for m := range l.producer.Successes() {
			l.settle(m, nil)
		}
	}()
	go func() {
		defer wg.Done()
		for e := range l.producer.Errors() {
			l.settle(e.Msg, e.Err)
		}
	}()
	wg.Wait()
}

func (l *Log) settle(m *sarama.ProducerMessage, err error) {
	p := m.Metadata.(*pending)
	if err != nil {
		p.fail.CompareAndSwap(nil, &err)
		// A message that failed may still be held by sarama's retries: it is
		// left to the garbage collector.
	} else {
		*m = sarama.ProducerMessage{}
		l.spare.Put(m)
	}
	l.room.Release(1)
	if p.left.Add(-1) == 0 {
		close(p.done)
	}
}

// Ping asks the broker for an answer.
func (l *Log) Ping(context.Context) error {
	if err := l.client.RefreshMetadata(l.cfg.Topics...); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	return nil
}

// Close refuses further messages, waits until those under way are answered or
// ctx ends, and disconnects.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	// The acknowledgements first: closing with retries pending would hide the
	// broker's error behind "shutting down".
	waitErr := l.room.Acquire(ctx, maxPending)
	l.producer.AsyncClose()
	if waitErr == nil {
		l.room.Release(maxPending) // who still waits for room learns that it is closed
		<-l.done
	} else {
		select {
		case <-l.done:
		case <-time.After(time.Second):
		}
		waitErr = fmt.Errorf("kafka: closed with messages unanswered: %w", waitErr)
	}
	if err := l.client.Close(); err != nil && !errors.Is(err, sarama.ErrClosedClient) {
		return errors.Join(waitErr, fmt.Errorf("kafka: %w", err))
	}
	return waitErr
}
