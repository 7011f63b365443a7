package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/gid"
)

// timeLayout is RFC 3339 in UTC with milliseconds.
const timeLayout = "2006-01-02T15:04:05.000Z"

// AppendJSON appends the event as the log carries it. Zero payload fields are
// left out. Writing and reading are done by hand because each event passes here
// several times: read so, it takes a seventh of encoding/json's time
// (BenchmarkDecode, BenchmarkDecodeStandard).
func (e *Event) AppendJSON(b []byte) []byte {
	b = append(b, `{"version":`...)
	b = strconv.AppendInt(b, int64(e.Version), 10)
	b = appendUUID(b, "id", e.ID)
	b = appendText(b, "name", string(e.Name))
	b = appendTime(b, "at", e.At)
	b = appendTime(b, "clientAt", e.ClientAt)
	b = appendTime(b, "receivedAt", e.ReceivedAt)
	b = appendUUID(b, "sessionId", e.SessionID)
	b = appendUUID(b, "userId", e.UserID)
	b = appendUUID(b, "profileId", e.ProfileID)
	if !e.Playable.IsZero() {
		b = appendText(b, "playableId", e.Playable.String())
	}
	if !e.Title.IsZero() {
		b = appendText(b, "titleId", e.Title.String())
	}
	b = append(b, `,"device":{"kind":`...)
	b = appendQuoted(b, e.Device.Kind)
	b = append(b, `,"system":`...)
	b = appendQuoted(b, e.Device.System)
	b = append(b, `,"browser":`...)
	b = appendQuoted(b, e.Device.Browser)
	b = append(b, '}')
	b = appendText(b, "locale", e.Locale)
	b = appendBool(b, "demo", e.Demo)
	b = appendInt(b, "positionMs", e.PositionMs)
	b = appendInt(b, "durationMs", e.DurationMs)
	b = appendInt(b, "fromMs", e.FromMs)
	b = appendInt(b, "firstFrameMs", e.FirstFrameMs)
	b = appendInt(b, "stalledMs", e.StalledMs)
	b = appendInt(b, "watchedMs", e.WatchedMs)
	b = appendInt(b, "bufferedMs", e.BufferedMs)
	b = appendBool(b, "playing", e.Playing)
	if e.Rate != 0 {
		b = append(b, `,"rate":`...)
		b = strconv.AppendFloat(b, e.Rate, 'g', -1, 64)
	}
	b = appendText(b, "rendition", e.Rendition)
	b = appendText(b, "subtitle", e.Subtitle)
	b = appendText(b, "reason", e.Reason)
	b = appendText(b, "code", e.Code)
	b = appendText(b, "page", e.Page)
	b = appendText(b, "from", e.Origin)
	b = appendBool(b, "on", e.On)
	b = appendInt(b, "rating", e.Rating)
	b = appendText(b, "query", e.Query)
	b = appendText(b, "filters", e.Filters)
	b = appendInt(b, "results", e.Results)
	b = appendInt(b, "elapsedMs", e.ElapsedMs)
	b = appendInt(b, "rank", e.Rank)
	b = appendInt(b, "everyMs", e.EveryMs)
	return append(b, '}')
}

func appendName(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

func appendUUID(b []byte, name string, id uuid.UUID) []byte {
	if id == uuid.Nil {
		return b
	}
	b = append(appendName(b, name), '"')
	const digits = "0123456789abcdef"
	for i, x := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[x>>4], digits[x&15])
	}
	return append(b, '"')
}

func appendTime(b []byte, name string, t time.Time) []byte {
	b = append(appendName(b, name), '"')
	b = t.UTC().AppendFormat(b, timeLayout)
	return append(b, '"')
}

func appendInt(b []byte, name string, v int) []byte {
	if v == 0 {
		return b
	}
	return strconv.AppendInt(appendName(b, name), int64(v), 10)
}

func appendBool(b []byte, name string, v bool) []byte {
	if !v {
		return b
	}
	return append(appendName(b, name), "true"...)
}

func appendText(b []byte, name, v string) []byte {
	if v == "" {
		return b
	}
	return appendQuoted(appendName(b, name), v)
}

// appendQuoted writes a JSON string; what needs escaping goes the slow way.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			q, err := json.Marshal(s)
			if err != nil { // a string always marshals
				return append(b, '"', '"')
			}
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// wire is the event as encoding/json reads it.
type wire struct {
	Version    int       `json:"version"`
	ID         uuid.UUID `json:"id"`
	Name       Name      `json:"name"`
	At         time.Time `json:"at"`
	ClientAt   time.Time `json:"clientAt"`
	ReceivedAt time.Time `json:"receivedAt"`
	SessionID  uuid.UUID `json:"sessionId"`
	UserID     uuid.UUID `json:"userId"`
	ProfileID  uuid.UUID `json:"profileId"`
	Playable   gid.ID    `json:"playableId"`
	Title      gid.ID    `json:"titleId"`
	Device     struct {
		Kind    string `json:"kind"`
		System  string `json:"system"`
		Browser string `json:"browser"`
	} `json:"device"`
	Locale       string  `json:"locale"`
	Demo         bool    `json:"demo"`
	PositionMs   int     `json:"positionMs"`
	DurationMs   int     `json:"durationMs"`
	FromMs       int     `json:"fromMs"`
	FirstFrameMs int     `json:"firstFrameMs"`
	StalledMs    int     `json:"stalledMs"`
	WatchedMs    int     `json:"watchedMs"`
	BufferedMs   int     `json:"bufferedMs"`
	Playing      bool    `json:"playing"`
	Rate         float64 `json:"rate"`
	Rendition    string  `json:"rendition"`
	Subtitle     string  `json:"subtitle"`
	Reason       string  `json:"reason"`
	Code         string  `json:"code"`
	Page         string  `json:"page"`
	Origin       string  `json:"from"`
	On           bool    `json:"on"`
	Rating       int     `json:"rating"`
	Query        string  `json:"query"`
	Filters      string  `json:"filters"`
	Results      int     `json:"results"`
	ElapsedMs    int     `json:"elapsedMs"`
	Rank         int     `json:"rank"`
	EveryMs      int     `json:"everyMs"`
}

// MaxSize bounds the text of one event.
const MaxSize = 16 << 10

// Decode reads an event out of the log. A failure is an *Invalid: the text
// will not get better by reading it again. It does not Validate.
func Decode(b []byte) (Event, error) {
	var e Event
	if len(b) > MaxSize {
		return e, invalid("TOO_LARGE", "An event has at most %d bytes.", MaxSize)
	}
	d := decoder{b: b}
	if d.event(&e) {
		return e, nil
	}
	// What the quick reader does not take gets a second opinion and a reason.
	var w wire
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&w); err != nil {
		return Event{}, invalid("MALFORMED", "%v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Event{}, invalid("MALFORMED", "more text follows the event")
	}
	return Event{
		ID: w.ID, Version: w.Version, Name: w.Name, At: w.At.UTC(), ClientAt: w.ClientAt.UTC(), ReceivedAt: w.ReceivedAt.UTC(),
		SessionID: w.SessionID, UserID: w.UserID, ProfileID: w.ProfileID, Playable: w.Playable, Title: w.Title,
		Device: Device(w.Device), Locale: w.Locale, Demo: w.Demo,
		PositionMs: w.PositionMs, DurationMs: w.DurationMs, FromMs: w.FromMs, FirstFrameMs: w.FirstFrameMs,
		StalledMs: w.StalledMs, WatchedMs: w.WatchedMs, BufferedMs: w.BufferedMs, Playing: w.Playing, Rate: w.Rate,
		Rendition: w.Rendition, Subtitle: w.Subtitle, Reason: w.Reason, Code: w.Code, Page: w.Page, Origin: w.Origin,
		On: w.On, Rating: w.Rating, Query: w.Query, Filters: w.Filters, Results: w.Results, ElapsedMs: w.ElapsedMs,
		Rank: w.Rank, EveryMs: w.EveryMs,
	}, nil
}

// DeadLetter is what TopicDead carries: what could not be stored, where it
// stood in the log and why. Topic, partition and offset identify it: a replay
// may write it again.
type DeadLetter struct {
	Version   int       `json:"version"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	At        time.Time `json:"at"`
	Key       []byte    `json:"key"`
	Value     []byte    `json:"value"`
}

// Encode is the letter as the log carries it.
func (d DeadLetter) Encode() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("dead letter: %w", err)
	}
	return b, nil
}
