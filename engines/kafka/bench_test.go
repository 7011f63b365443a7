package kafka_test

import (
	"fmt"
	"testing"

	"github.com/IBM/sarama"

	"github.com/netflixathome/cinema/engines/kafka"
)

// fill writes n events of 400 bytes with an idempotent producer.
func fill(b *testing.B, brokers []string, topic string, n int) {
	b.Helper()
	c := config()
	c.Producer.Flush.MaxMessages = 1000
	p, err := sarama.NewAsyncProducer(brokers, c)
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		value := sarama.ByteEncoder(make([]byte, 400))
		for i := range n {
			p.Input() <- &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprint(i % 101)), Value: value}
		}
		p.AsyncClose()
	}()
	acknowledged := 0
	for p.Successes() != nil {
		select {
		case _, ok := <-p.Successes():
			if !ok {
				if acknowledged != n {
					b.Fatalf("%d of %d were acknowledged", acknowledged, n)
				}
				return
			}
			acknowledged++
		case err, ok := <-p.Errors():
			if ok {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkProduce writes 100,000 events an iteration.
func BenchmarkProduce(b *testing.B) {
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("sync=%v", sync), func(b *testing.B) {
			brokers, _ := start(b, kafka.Options{Dir: b.TempDir(), Sync: sync})
			createTopic(b, brokers, "events")
			for b.Loop() {
				fill(b, brokers, "events", 100_000)
			}
			b.ReportMetric(float64(b.N)*100_000/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkOpen opens a log of about 120 MB, which is what retention leaves
// of a topic with two partitions.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	brokers, stop := start(b, kafka.Options{Dir: dir})
	createTopic(b, brokers, "events")
	fill(b, brokers, "events", 300_000)
	stop()
	for b.Loop() {
		_, stop := start(b, kafka.Options{Dir: dir})
		b.StopTimer()
		stop()
		b.StartTimer()
	}
}
