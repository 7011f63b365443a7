package eventlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// Span is a stretch of a partition: the records from From up to, and without, To.
type Span struct {
	Topic     string
	Partition int32
	From, To  int64
}

// readPatience is how long Read waits for a record that must be there.
const readPatience = 30 * time.Second

// Unread returns what the groups have not committed yet, by the topics that they
// read: of a topic with several groups what the slowest has not, of a topic with
// none all that the log still holds. The commits are asked for before the ends of
// the log, so whatever is acknowledged before the call is in a span or was
// handled by every group.
func (l *Log) Unread(ctx context.Context, groups map[string][]string) ([]Span, error) {
	partitions, err := l.partitions(groups)
	if err != nil {
		return nil, err
	}
	admin, err := sarama.NewClusterAdminFromClient(l.client) // shares the client: not closed here
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	committed := map[place]int64{}
	for _, group := range readers(groups) {
		asked := map[string][]int32{}
		for topic, list := range groups {
			if slices.Contains(list, group) {
				asked[topic] = partitions[topic]
			}
		}
		res, err := admin.ListConsumerGroupOffsets(group, asked)
		if err == nil && res.Err != sarama.ErrNoError {
			err = res.Err
		}
		if errors.Is(err, sarama.ErrGroupIDNotFound) { // it has never read
			res, err = &sarama.OffsetFetchResponse{}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("kafka: positions of %s: %w", group, err)
		}
		for topic, list := range asked {
			for _, p := range list {
				at := int64(-1) // nothing yet
				if b := res.GetBlock(topic, p); b != nil && b.Err == sarama.ErrNoError {
					at = b.Offset
				}
				if before, ok := committed[place{topic, p}]; !ok || at < before {
					committed[place{topic, p}] = at
				}
			}
		}
	}
	var spans []Span
	for topic, list := range partitions {
		for _, p := range list {
			s, err := l.held(topic, p)
			if err != nil {
				return nil, err
			}
			if at, ok := committed[place{topic, p}]; ok {
				s.From = max(s.From, at)
			}
			if s.From < s.To {
				spans = append(spans, s)
			}
		}
	}
	slices.SortFunc(spans, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return spans, ctx.Err()
}

// Held is how many records the log has of the topics.
func (l *Log) Held(ctx context.Context, topics map[string][]string) (int64, error) {
	partitions, err := l.partitions(topics)
	if err != nil {
		return 0, err
	}
	var n int64
	for topic, list := range partitions {
		for _, p := range list {
			s, err := l.held(topic, p)
			if err != nil {
				return 0, err
			}
			n += s.To - s.From
		}
	}
	return n, ctx.Err()
}

func (l *Log) partitions(groups map[string][]string) (map[string][]int32, error) {
	out := map[string][]int32{}
	for topic := range groups {
		list, err := l.client.Partitions(topic)
		if err != nil {
			return nil, fmt.Errorf("kafka: topic %s: %w", topic, err)
		}
		out[topic] = list
	}
	return out, nil
}

func (l *Log) held(topic string, p int32) (Span, error) {
	oldest, err := l.client.GetOffset(topic, p, sarama.OffsetOldest)
	if err != nil {
		return Span{}, fmt.Errorf("kafka: the beginning of %s/%d: %w", topic, p, err)
	}
	newest, err := l.client.GetOffset(topic, p, sarama.OffsetNewest)
	if err != nil {
		return Span{}, fmt.Errorf("kafka: the end of %s/%d: %w", topic, p, err)
	}
	return Span{Topic: topic, Partition: p, From: oldest, To: newest}, nil
}

func readers(groups map[string][]string) []string {
	var out []string
	for _, list := range groups {
		out = append(out, list...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Read gives the records of a span to handle, in order, as a member of no group.
func (l *Log) Read(ctx context.Context, s Span, handle func(Record) error) error {
	consumer, err := sarama.NewConsumerFromClient(l.client)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer consumer.Close()
	part, err := consumer.ConsumePartition(s.Topic, s.Partition, s.From)
	if err != nil {
		return fmt.Errorf("kafka: read %s/%d from %d: %w", s.Topic, s.Partition, s.From, err)
	}
	defer part.Close()
	patience := time.NewTimer(readPatience)
	defer patience.Stop()
	for {
		select {
		case m := <-part.Messages():
			if m.Offset >= s.To {
				return nil
			}
			if err := handle(Record{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value}); err != nil {
				return err
			}
			if m.Offset == s.To-1 {
				return nil
			}
			patience.Reset(readPatience)
		case err := <-part.Errors():
			return fmt.Errorf("kafka: read %s/%d: %w", s.Topic, s.Partition, err)
		case <-patience.C:
			return fmt.Errorf("kafka: read %s/%d: no record for %v, and %d should be there", s.Topic, s.Partition, readPatience, s.To-1)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
