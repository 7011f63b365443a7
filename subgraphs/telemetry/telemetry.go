// Package telemetry is the telemetry subgraph: what is recorded while people
// watch, what each profile has seen, and the statistics drawn from it.
//
// Writing goes to the event log and is answered when the events are safe
// there; the collectors carry them on to ClickHouse and Postgres. Watch state,
// lists and ratings are read from Postgres, statistics from ClickHouse: while
// that is away the statistics say so, and everything else goes on.
//
// A viewing session lives as long as its watch subscription and a little
// longer: see watch.go.
package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/scalar"
)

// Title is what is in the catalogue: *Film or *Series.
type Title interface{ IsTitle() }

// Playable is what can be played: *Film or *Episode.
type Playable interface{ IsPlayable() }

// Film is a film as far as watching it goes.
type Film struct{ ID gid.ID }

// Series is a series as far as watching it goes.
type Series struct{ ID gid.ID }

// Episode is an episode as far as watching it goes.
type Episode struct{ ID gid.ID }

// The kinds' marks.
func (Film) IsTitle()       {}
func (Film) IsPlayable()    {}
func (Film) IsEntity()      {}
func (Series) IsTitle()     {}
func (Series) IsEntity()    {}
func (Episode) IsPlayable() {}
func (Episode) IsEntity()   {}

// TitleOf makes the title that an id names.
func TitleOf(id gid.ID) Title {
	if id.Kind == gid.Series {
		return &Series{ID: id}
	}
	return &Film{ID: id}
}

// idOf is the id that TitleOf made the title of.
func idOf(t Title) gid.ID {
	switch t := t.(type) {
	case *Film:
		return t.ID
	case *Series:
		return t.ID
	}
	return gid.ID{}
}

// PlayableOf makes the film or episode that an id names.
func PlayableOf(id gid.ID) Playable {
	if id.Kind == gid.Episode {
		return &Episode{ID: id}
	}
	return &Film{ID: id}
}

// Profile is who is watching.
type Profile struct{ ID gid.ID }

// IsEntity marks an entity.
func (Profile) IsEntity() {}

// WatchState is where a profile stands in a film or episode.
type WatchState struct {
	PositionMs int
	DurationMs int
	Finished   bool
	LastSeenAt time.Time
}

// ContinueWatching is a film or episode that was begun.
type ContinueWatching struct {
	Playable   Playable
	Title      Title
	WatchState *WatchState
}

// Device is what someone watches on.
type Device struct {
	Kind    string
	System  string
	Browser string
}

// ViewingSession is one sitting of one profile with one playable.
type ViewingSession struct {
	ID         gid.ID
	Profile    *Profile
	Playable   Playable
	Title      Title
	StartedAt  time.Time
	PositionMs int
	Playing    bool
	Device     *Device
}

// ActivityDay is the activity of a day.
type ActivityDay struct {
	Day                  time.Time
	Events               int64
	ActiveProfiles       int
	Views                int
	PlayablesViewed      int
	MeanViewsPerPlayable float64
	WatchedMs            int64
	SignUps              int
}

// TopTitle is a title among the most viewed.
type TopTitle struct {
	Title     Title
	Views     int
	Viewers   int
	WatchedMs int64
}

// PlaybackQuality is how well films played.
type PlaybackQuality struct {
	Plays           int
	FirstFrameP50Ms *int
	FirstFrameP95Ms *int
	RebufferRatio   float64
	Failures        int
}

// SearchTerm is what was searched.
type SearchTerm struct {
	Query       string
	Count       int
	MeanResults float64
}

// RejectedEvent is an event that cannot be taken.
type RejectedEvent struct {
	Index   int
	Code    string
	Message string
}

// RecordEventsPayload is what became of the events.
type RecordEventsPayload struct {
	Accepted int
	Rejected []*RejectedEvent
}

// DeviceInput is what someone watches on.
type DeviceInput struct {
	Kind    string
	System  string
	Browser string
}

// WatchInput opens a viewing session.
type WatchInput struct {
	SessionUUID uuid.UUID
	PlayableID  gid.ID
	TitleID     gid.ID
	DurationMs  int
	Device      *DeviceInput
	Locale      *string
}

// RecordEventsInput is events of one device.
type RecordEventsInput struct {
	Device *DeviceInput
	Locale *string
	Events []*ActivityEventInput
}

// ActivityEventName is what happened, as the API spells it.
type ActivityEventName events.Name

// MarshalGQL implements graphql.Marshaler.
func (n ActivityEventName) MarshalGQL(w io.Writer) {
	_, _ = io.WriteString(w, strconv.Quote(strings.ToUpper(string(n))))
}

// UnmarshalGQL implements graphql.Unmarshaler.
func (n *ActivityEventName) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	*n = ActivityEventName(strings.ToLower(s))
	if strings.ToUpper(s) != s || events.GroupOf(events.Name(*n)) == 0 {
		return errors.New("not a name of an event")
	}
	return nil
}

// ActivityEventInput is an event as the client sends it. It reads itself out of
// the request's map: the generated code, which asks for each of the thirty
// fields in turn and wraps each in an option, took most of recordEvents' time.
type ActivityEventInput struct {
	ID           uuid.UUID
	Name         ActivityEventName
	At           time.Time
	SessionID    gid.ID
	PlayableID   gid.ID
	TitleID      gid.ID
	PositionMs   int
	DurationMs   int
	FromMs       int
	FirstFrameMs int
	StalledMs    int
	WatchedMs    int
	BufferedMs   int
	Playing      bool
	Rate         float64
	Rendition    string
	Subtitle     string
	Reason       string
	Code         string
	Page         string
	From         string
	On           bool
	Rating       int
	Query        string
	Filters      string
	Results      int
	ElapsedMs    int
	Rank         int
}

// MarshalGQL is there because gqlgen asks for both; an input is never written.
func (*ActivityEventInput) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, "null") }

// UnmarshalGQL reads the input object. gqlgen has checked variables against the
// schema before; literals pass here alone, so each value is checked again.
func (in *ActivityEventInput) UnmarshalGQL(v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("ActivityEventInput: want an object, got %T", v)
	}
	for name, v := range m {
		if v == nil {
			continue
		}
		if err := in.set(name, v); err != nil {
			return fmt.Errorf("ActivityEventInput.%s: %w", name, err)
		}
	}
	if in.ID == uuid.Nil || in.Name == "" || in.At.IsZero() {
		return errors.New("ActivityEventInput: id, name and at are required")
	}
	return nil
}

// event is the input as an event, without what the server knows.
func (in *ActivityEventInput) event() events.Event {
	return events.Event{
		ID: in.ID, Name: events.Name(in.Name), ClientAt: in.At.Truncate(time.Millisecond),
		SessionID: in.SessionID.UUID, Playable: in.PlayableID, Title: in.TitleID,
		PositionMs: in.PositionMs, DurationMs: in.DurationMs, FromMs: in.FromMs, FirstFrameMs: in.FirstFrameMs,
		StalledMs: in.StalledMs, WatchedMs: in.WatchedMs, BufferedMs: in.BufferedMs, Playing: in.Playing, Rate: in.Rate,
		Rendition: in.Rendition, Subtitle: in.Subtitle, Reason: in.Reason, Code: in.Code, Page: in.Page, Origin: in.From,
		On: in.On, Rating: in.Rating, Query: in.Query, Filters: in.Filters, Results: in.Results, ElapsedMs: in.ElapsedMs, Rank: in.Rank,
	}
}

func (in *ActivityEventInput) set(name string, v any) (err error) {
	switch name {
	case "id":
		in.ID, err = scalar.UnmarshalUUID(v)
	case "name":
		err = in.Name.UnmarshalGQL(v)
	case "at":
		in.At, err = scalar.UnmarshalDateTime(v)
	case "sessionId":
		err = in.SessionID.UnmarshalGQL(v)
	case "playableId":
		err = in.PlayableID.UnmarshalGQL(v)
	case "titleId":
		err = in.TitleID.UnmarshalGQL(v)
	case "positionMs":
		in.PositionMs, err = integer(v)
	case "durationMs":
		in.DurationMs, err = integer(v)
	case "fromMs":
		in.FromMs, err = integer(v)
	case "firstFrameMs":
		in.FirstFrameMs, err = integer(v)
	case "stalledMs":
		in.StalledMs, err = integer(v)
	case "watchedMs":
		in.WatchedMs, err = integer(v)
	case "bufferedMs":
		in.BufferedMs, err = integer(v)
	case "rating":
		in.Rating, err = integer(v)
	case "results":
		in.Results, err = integer(v)
	case "elapsedMs":
		in.ElapsedMs, err = integer(v)
	case "rank":
		in.Rank, err = integer(v)
	case "playing":
		in.Playing, err = boolean(v)
	case "on":
		in.On, err = boolean(v)
	case "rate":
		in.Rate, err = float(v)
	case "rendition":
		in.Rendition, err = text(v)
	case "subtitle":
		in.Subtitle, err = text(v)
	case "reason":
		in.Reason, err = text(v)
	case "code":
		in.Code, err = text(v)
	case "page":
		in.Page, err = text(v)
	case "from":
		in.From, err = text(v)
	case "query":
		in.Query, err = text(v)
	case "filters":
		in.Filters, err = text(v)
	default:
		err = errors.New("not a field of the input")
	}
	return err
}

func integer(v any) (int, error) {
	var n int64
	switch v := v.(type) {
	case json.Number:
		var err error
		if n, err = strconv.ParseInt(string(v), 10, 64); err != nil {
			return 0, errors.New("want a whole number")
		}
	case int64:
		n = v
	case int:
		n = int64(v)
	default:
		return 0, fmt.Errorf("want a whole number, got %T", v)
	}
	if n < -1<<31 || n > 1<<31-1 {
		return 0, errors.New("a whole number has 32 bits")
	}
	return int(n), nil
}

func float(v any) (float64, error) {
	switch v := v.(type) {
	case json.Number:
		return v.Float64()
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case int:
		return float64(v), nil
	}
	return 0, fmt.Errorf("want a number, got %T", v)
}

func boolean(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("want true or false, got %T", v)
	}
	return b, nil
}

func text(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("want text, got %T", v)
	}
	return s, nil
}
