package collectors

import "github.com/netflixathome/cinema/internal/events"

// Readers are the consumer groups by the topics whose records they put away;
// nobody puts the dead letters away. A backup asks.
func Readers() map[string][]string {
	out := map[string][]string{events.TopicDead: nil}
	for _, topic := range events.Topics() {
		out[topic] = []string{activityGroup}
	}
	out[events.TopicPlayback] = append(out[events.TopicPlayback], watchGroup)
	return out
}
