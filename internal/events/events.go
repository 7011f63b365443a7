// Package events holds what the program records about viewing: the envelope of
// an activity event, the closed list of its names, which fields go with which
// name, and the rules an event must meet.
//
// It is pure: no I/O, no clock. Whoever receives an event from outside fills in
// what the server knows (user, profile, time of arrival), calls Normalise and
// then Validate; whoever reads one from the log calls Decode and Validate.
package events

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/gid"
)

// Version is the version of the envelope that this program writes. A reader
// refuses a newer one: it goes to the dead letters and can be replayed later.
const Version = 1

// Name says what happened.
type Name string

// The names. They are part of stored data and never change.
const (
	SignedUp         Name = "signed_up"
	SignedIn         Name = "signed_in"
	PageViewed       Name = "page_viewed"
	TitleOpened      Name = "title_opened"
	Listed           Name = "listed"
	Rated            Name = "rated"
	PlayStarted      Name = "play_started"
	Heartbeat        Name = "heartbeat"
	Paused           Name = "paused"
	Seeked           Name = "seeked"
	Stalled          Name = "stalled"
	RenditionChanged Name = "rendition_changed"
	SubtitleChanged  Name = "subtitle_changed"
	PlayEnded        Name = "play_ended"
	PlayFailed       Name = "play_failed"
	Searched         Name = "searched"
	ResultOpened     Name = "result_opened"
)

// Names lists all of them.
func Names() []Name {
	return []Name{
		SignedUp, SignedIn, PageViewed, TitleOpened, Listed, Rated,
		PlayStarted, Heartbeat, Paused, Seeked, Stalled, RenditionChanged, SubtitleChanged, PlayEnded, PlayFailed,
		Searched, ResultOpened,
	}
}

// Group is what names are grouped by into topics.
type Group uint8

// The groups.
const (
	GroupUser Group = iota + 1
	GroupPlayback
	GroupSearch
)

// Topics of the event log, by group and version of the envelope.
const (
	TopicUser     = "activity.user.v1"
	TopicPlayback = "activity.playback.v1"
	TopicSearch   = "activity.search.v1"
	// TopicDead takes what cannot be stored, with the reason; see DeadLetter.
	TopicDead = "activity.dead.v1"
)

// Topics lists those that carry events.
func Topics() []string { return []string{TopicUser, TopicPlayback, TopicSearch} }

// field is a payload field that goes with a name.
type field uint32

const (
	fPlayable field = 1 << iota // session, playable and title: required
	fTitle                      // title: required
	fPosition
	fFrom
	fFirstFrame
	fStalled
	fWatched
	fBuffered
	fPlaying
	fRate
	fRendition
	fSubtitle
	fReason
	fCode
	fPage
	fOrigin
	fOn
	fRating
	fQuery
	fFilters
	fResults
	fElapsed
	fRank
	fTitleOptional
)

type kind struct {
	group  Group
	fields field
}

func kindOf(n Name) (kind, bool) {
	switch n {
	case Heartbeat:
		return kind{GroupPlayback, fPlayable | fPosition | fPlaying | fRate | fRendition | fBuffered}, true
	case PlayStarted:
		return kind{GroupPlayback, fPlayable | fPosition | fFirstFrame | fRate | fRendition}, true
	case Paused:
		return kind{GroupPlayback, fPlayable | fPosition}, true
	case Seeked:
		return kind{GroupPlayback, fPlayable | fPosition | fFrom}, true
	case Stalled:
		return kind{GroupPlayback, fPlayable | fStalled}, true
	case RenditionChanged:
		return kind{GroupPlayback, fPlayable | fRendition}, true
	case SubtitleChanged:
		return kind{GroupPlayback, fPlayable | fSubtitle}, true
	case PlayEnded:
		return kind{GroupPlayback, fPlayable | fPosition | fReason | fWatched}, true
	case PlayFailed:
		return kind{GroupPlayback, fPlayable | fCode}, true
	case SignedUp, SignedIn:
		return kind{GroupUser, 0}, true
	case PageViewed:
		return kind{GroupUser, fPage}, true
	case TitleOpened:
		return kind{GroupUser, fTitle | fOrigin}, true
	case Listed:
		return kind{GroupUser, fTitle | fOn}, true
	case Rated:
		return kind{GroupUser, fTitle | fRating}, true
	case Searched:
		return kind{GroupSearch, fQuery | fFilters | fResults | fElapsed}, true
	case ResultOpened:
		return kind{GroupSearch, fQuery | fRank | fTitleOptional}, true
	}
	return kind{}, false
}

// GroupOf is the group of a name; 0 for a name that is not on the list.
func GroupOf(n Name) Group {
	k, _ := kindOf(n)
	return k.group
}

// Topic is where events of the name go; empty for a name that is not on the list.
func (n Name) Topic() string {
	switch GroupOf(n) {
	case GroupUser:
		return TopicUser
	case GroupPlayback:
		return TopicPlayback
	case GroupSearch:
		return TopicSearch
	}
	return ""
}

// HasPosition reports whether events of the name say where in the film they
// happened; only they bound watched intervals.
func (n Name) HasPosition() bool {
	k, _ := kindOf(n)
	return k.fields&fPosition != 0
}

// Device is what someone watches on.
type Device struct {
	Kind    string
	System  string
	Browser string
}

// DefaultEvery is the cadence of heartbeats where the event names none.
const DefaultEvery = 10 * time.Second

// Event is one fact. A payload field that does not go with the name, or was
// not given, has its zero value. Places and durations are in milliseconds.
type Event struct {
	// ID is a UUIDv7 made where the fact arose; the same fact always carries
	// the same one.
	ID      uuid.UUID
	Version int
	Name    Name
	// At is when it happened, in UTC and milliseconds, corrected by the offset
	// of the client's clock.
	At time.Time
	// ClientAt is At as the client's clock had it.
	ClientAt time.Time
	// ReceivedAt is when the server took it.
	ReceivedAt time.Time
	// SessionID is the viewing session of a playback event.
	SessionID uuid.UUID
	UserID    uuid.UUID
	ProfileID uuid.UUID
	// Playable is a film or an episode, Title the film or series it belongs to.
	Playable gid.ID
	Title    gid.ID
	Device   Device
	Locale   string
	// Demo marks synthetic viewers.
	Demo bool

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
	Origin       string
	On           bool
	Rating       int
	Query        string
	Filters      string
	Results      int
	ElapsedMs    int
	Rank         int
	// EveryMs is the cadence of the session's heartbeats; 0 means DefaultEvery.
	// Only the demo's history, which beats more slowly, sets it. A gap of more
	// than three beats ends a watched interval.
	EveryMs int
}

// MaxGap is the longest pause between two events of a session that still
// belongs to one watched interval: three heartbeats.
func (e *Event) MaxGap() time.Duration {
	if e.EveryMs > 0 {
		return 3 * time.Duration(e.EveryMs) * time.Millisecond
	}
	return 3 * DefaultEvery
}

// Key orders the log: what shares a key is read in the order it was written.
// Playback goes by viewing session, the rest by profile.
func (e *Event) Key() uuid.UUID {
	if GroupOf(e.Name) == GroupPlayback {
		return e.SessionID
	}
	return e.ProfileID
}

// Bounds of an event.
const (
	// MaxText bounds short text: device, rendition, reason and the like.
	MaxText = 64
	// MaxPage bounds a page's path.
	MaxPage = 300
	// MaxQuery bounds what was searched, MaxFilters the filters.
	MaxQuery   = 200
	MaxFilters = 500
	// MaxMs bounds places and durations: two days of film.
	MaxMs = 48 * 60 * 60 * 1000
	// MaxCount bounds numbers of answers and ranks.
	MaxCount = 1_000_000
	// MaxAge is how late an event may come: a phone back from a month offline.
	MaxAge = 35 * 24 * time.Hour
	// MaxAhead is how far in the future a corrected time may lie.
	MaxAhead = 5 * time.Minute
	// MaxOffset is the largest error of a client's clock that is corrected.
	MaxOffset = 30 * 24 * time.Hour
	// MaxIDSkew is how far the time inside an ID may be from the client's time
	// of the event: an ID is made when the fact arises.
	MaxIDSkew = 24 * time.Hour
	// minOffset is the error of a client's clock that is left alone.
	minOffset = 2 * time.Minute
)

// Invalid is why an event cannot be taken.
type Invalid struct {
	// Code is for programs, in UPPER_SNAKE_CASE.
	Code string
	// Message is for people.
	Message string
}

func (e *Invalid) Error() string { return e.Code + ": " + e.Message }

func invalid(code, format string, args ...any) *Invalid {
	return &Invalid{Code: code, Message: fmt.Sprintf(format, args...)}
}

// AsInvalid finds an *Invalid in err's chain.
func AsInvalid(err error) (*Invalid, bool) {
	var e *Invalid
	ok := errors.As(err, &e)
	return e, ok
}

// Correct sets At from ClientAt and the measured offset of the client's clock
// (server's minus client's). An error of less than two minutes is left alone;
// what then still lies in the future is taken to have happened on arrival.
func (e *Event) Correct(offset time.Duration) {
	e.At = e.ClientAt
	if offset.Abs() >= minOffset {
		e.At = e.ClientAt.Add(offset)
	}
	if e.At.After(e.ReceivedAt) && e.At.Sub(e.ReceivedAt) <= minOffset {
		e.At = e.ReceivedAt
	}
	e.At = e.At.UTC().Truncate(time.Millisecond)
}

// Normalise clears the fields that do not go with the event's name and sets
// the version. It leaves an unknown name to Validate.
func (e *Event) Normalise() {
	e.Version = Version
	k, ok := kindOf(e.Name)
	if !ok {
		return
	}
	has := func(f field) bool { return k.fields&f != 0 }
	if !has(fPlayable) {
		e.SessionID, e.Playable, e.DurationMs, e.EveryMs = uuid.Nil, gid.ID{}, 0, 0
	}
	if !has(fPlayable | fTitle | fTitleOptional) {
		e.Title = gid.ID{}
	}
	clearInt := func(f field, p *int) {
		if !has(f) {
			*p = 0
		}
	}
	clearText := func(f field, p *string) {
		if !has(f) {
			*p = ""
		}
	}
	clearInt(fPosition, &e.PositionMs)
	clearInt(fFrom, &e.FromMs)
	clearInt(fFirstFrame, &e.FirstFrameMs)
	clearInt(fStalled, &e.StalledMs)
	clearInt(fWatched, &e.WatchedMs)
	clearInt(fBuffered, &e.BufferedMs)
	clearInt(fRating, &e.Rating)
	clearInt(fResults, &e.Results)
	clearInt(fElapsed, &e.ElapsedMs)
	clearInt(fRank, &e.Rank)
	clearText(fRendition, &e.Rendition)
	clearText(fSubtitle, &e.Subtitle)
	clearText(fReason, &e.Reason)
	clearText(fCode, &e.Code)
	clearText(fPage, &e.Page)
	clearText(fOrigin, &e.Origin)
	clearText(fQuery, &e.Query)
	clearText(fFilters, &e.Filters)
	if !has(fPlaying) {
		e.Playing = false
	}
	if !has(fOn) {
		e.On = false
	}
	if !has(fRate) {
		e.Rate = 0
	}
}
