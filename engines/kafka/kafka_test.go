package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/netflixathome/cinema/engines/kafka"
	"github.com/netflixathome/cinema/internal/fault"
)

// start runs a log in dir; the returned func stops it in an orderly way.
func start(t testing.TB, opt kafka.Options) (brokers []string, stop func()) {
	t.Helper()
	opt.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := kafka.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-ended:
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s.Brokers(), stop
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.Idempotent = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Net.MaxOpenRequests = 1
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	return c
}

func createTopic(t testing.TB, brokers []string, topic string) {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(brokers, config())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false); err != nil {
		t.Fatal(err)
	}
}

func produce(t testing.TB, brokers []string, topic string, from, to int) {
	t.Helper()
	p, err := sarama.NewSyncProducer(brokers, config())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var batch []*sarama.ProducerMessage
	for i := from; i < to; i++ {
		batch = append(batch, &sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder(fmt.Sprint(i % 7)), Value: sarama.StringEncoder(strconv.Itoa(i)),
		})
	}
	if err := p.SendMessages(batch); err != nil {
		t.Fatal(err)
	}
}

// collector reads until it has want messages, then commits and ends.
type collector struct {
	want int
	got  map[int]int
	done context.CancelFunc
}

func (c *collector) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (c *collector) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (c *collector) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			n, err := strconv.Atoi(string(m.Value))
			if err != nil {
				return err
			}
			lock <- struct{}{}
			c.got[n]++
			full := len(c.got) == c.want
			<-lock
			s.MarkMessage(m, "")
			if full {
				s.Commit()
				c.done()
			}
		case <-s.Context().Done():
			s.Commit()
			return nil
		}
	}
}

var lock = make(chan struct{}, 1)

func consume(t testing.TB, brokers []string, topic string, want int) map[int]int {
	t.Helper()
	g, err := sarama.NewConsumerGroup(brokers, "readers", config())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	full, done := context.WithCancel(ctx)
	defer done()
	c := &collector{want: want, got: map[int]int{}, done: done}
	for full.Err() == nil {
		if err := g.Consume(full, []string{topic}, c); err != nil {
			t.Fatal(err)
		}
	}
	if ctx.Err() != nil {
		t.Fatalf("%d of %d messages within the time", len(c.got), want)
	}
	return c.got
}

func TestRestartKeepsRecordsAndOffsets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kafka")
	brokers, stop := start(t, kafka.Options{Dir: dir})
	createTopic(t, brokers, "events")
	produce(t, brokers, "events", 0, 1000)
	for n, times := range consume(t, brokers, "events", 1000) {
		if times != 1 {
			t.Errorf("message %d came %d times", n, times)
		}
	}
	produce(t, brokers, "events", 1000, 1500)
	stop()

	brokers, _ = start(t, kafka.Options{Dir: dir})
	produce(t, brokers, "events", 1500, 1600)
	got := consume(t, brokers, "events", 600)
	for n := range got {
		if n < 1000 {
			t.Fatalf("message %d was committed before the restart and came again", n)
		}
	}
}

func TestNoTopicByAccident(t *testing.T) {
	brokers, _ := start(t, kafka.Options{Dir: t.TempDir()})
	c := config()
	c.Metadata.Retry.Max = 0
	c.Producer.Retry.Max = 1
	p, err := sarama.NewSyncProducer(brokers, c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: "evnets", Value: sarama.StringEncoder("x")}); err == nil {
		t.Error("a misspelt topic was accepted")
	}
}

// A log that is never cut makes every start slower than the one before.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	brokers, stop := start(t, kafka.Options{Dir: dir, RetentionBytes: 1 << 20})
	createTopic(t, brokers, "events")
	p, err := sarama.NewSyncProducer(brokers, config())
	if err != nil {
		t.Fatal(err)
	}
	value := sarama.ByteEncoder(make([]byte, 256<<10))
	for range 40 {
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: "events", Key: sarama.StringEncoder("k"), Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
	stop()
	_, stop = start(t, kafka.Options{Dir: dir, RetentionBytes: 1 << 20})
	stop() // a start drops what is too much

	var size int64
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		size += fi.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size > 3<<20 {
		t.Errorf("10 MiB were written, 1 MiB a partition is to stay, and the folder holds %d bytes", size)
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := kafka.New(kafka.Options{Dir: t.TempDir(), Port: l.Addr().(*net.TCPAddr).Port, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var f *fault.Error
	if err := s.Run(t.Context()); !errors.As(err, &f) || f.Reason != kafka.ReasonPort {
		t.Errorf("got %v", err)
	}
}
