package events

import (
	"cmp"
	"slices"
	"time"
)

// Slack is how far a player's position may run ahead of the clock between two
// events before it counts as a jump that was not reported.
const Slack = 2 * time.Second

// Watched is the time, in milliseconds, that lies between two successive
// positioned events of a viewing session and was watched.
//
// What proves that something was watched is the film going on while time
// passed: the lesser of the two counts, with the speed of playing taken out.
// So a pause counts nothing (the film stood still), a reported jump counts what
// was seen up to it (a seek ends at the place it left), a jump that was not
// reported counts nothing, and a film seen twice counts twice. A gap of more
// than three heartbeats ends the interval: nobody knows what happened in it.
func Watched(prev, cur *Event) int64 {
	gap := cur.At.Sub(prev.At)
	if gap <= 0 || gap > cur.MaxGap() {
		return 0
	}
	end := cur.PositionMs
	if cur.Name == Seeked {
		end = cur.FromMs
	}
	film := int64(end - prev.PositionMs)
	rate := max(prev.Rate, cur.Rate)
	if rate == 0 {
		rate = 1
	}
	ms := gap.Milliseconds()
	if film <= 0 || float64(film) > float64(ms)*rate+float64(Slack.Milliseconds()) {
		return 0
	}
	return min(ms, int64(float64(film)/rate))
}

// WatchedByDay adds up what was watched in the events of one viewing session,
// by the day (UTC) of the event that ends each interval. It is the meaning of
// the rollups' watched time, which ClickHouse works out by the same rule.
func WatchedByDay(session []Event) map[time.Time]int64 {
	list := make([]*Event, 0, len(session))
	for i := range session {
		if session[i].Name.HasPosition() {
			list = append(list, &session[i])
		}
	}
	slices.SortStableFunc(list, func(a, b *Event) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	out := map[time.Time]int64{}
	for i := 1; i < len(list); i++ {
		if ms := Watched(list[i-1], list[i]); ms > 0 {
			out[list[i].At.UTC().Truncate(24*time.Hour)] += ms
		}
	}
	return out
}
