package events

import (
	"math"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/gid"
)

// TimeOf is the moment inside a UUIDv7; the zero time for any other UUID.
func TimeOf(id uuid.UUID) time.Time {
	if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
		return time.Time{}
	}
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// Validate reports why the event cannot be taken, as an *Invalid, or nil. Its
// times are judged against ReceivedAt, so that the answer is the same however
// much later it is asked.
func (e *Event) Validate() error {
	k, ok := kindOf(e.Name)
	if !ok {
		return invalid("UNKNOWN_NAME", "There is no event of this name.")
	}
	if e.Version < 1 || e.Version > Version {
		return invalid("UNKNOWN_VERSION", "Version %d of the event is not known here.", e.Version)
	}
	if err := e.validateTimes(); err != nil {
		return err
	}
	if e.UserID == uuid.Nil || e.ProfileID == uuid.Nil {
		return invalid("NOBODY", "It says not who did it.")
	}
	if err := e.validateSubjects(k.fields); err != nil {
		return err
	}
	if err := e.validateDevice(); err != nil {
		return err
	}
	return e.validatePayload(k.fields)
}

func (e *Event) validateTimes() error {
	made := TimeOf(e.ID)
	if made.IsZero() {
		return invalid("ID_NOT_V7", "id must be a UUIDv7.")
	}
	if e.ReceivedAt.IsZero() || e.At.IsZero() || e.ClientAt.IsZero() {
		return invalid("NO_TIME", "A time is missing.")
	}
	if e.At.Sub(e.ClientAt).Abs() > MaxOffset {
		return invalid("CLOCK_WRONG", "The device's clock is wrong by more than %d days.", int(MaxOffset.Hours()/24))
	}
	if made.Sub(e.ClientAt).Abs() > MaxIDSkew {
		return invalid("ID_TIME", "The time inside id is more than a day away from at.")
	}
	if e.At.After(e.ReceivedAt.Add(MaxAhead)) {
		return invalid("IN_FUTURE", "at lies in the future.")
	}
	if e.At.Before(e.ReceivedAt.Add(-MaxAge)) {
		return invalid("TOO_OLD", "at is more than %d days ago.", int(MaxAge.Hours()/24))
	}
	return nil
}

func (e *Event) validateSubjects(f field) error {
	if f&fPlayable != 0 {
		if TimeOf(e.SessionID).IsZero() {
			return invalid("NO_SESSION", "sessionId of the viewing session is required.")
		}
		if !e.Playable.Is(gid.Film, gid.Episode) {
			return invalid("NO_PLAYABLE", "playableId must be a film or an episode.")
		}
	}
	if f&(fPlayable|fTitle) != 0 && !e.Title.Is(gid.Film, gid.Series) {
		return invalid("NO_TITLE", "titleId must be a film or a series.")
	}
	if !e.Title.IsZero() && !e.Title.Is(gid.Film, gid.Series) {
		return invalid("NO_TITLE", "titleId must be a film or a series.")
	}
	return nil
}

// ValidateDevice checks a device as it goes into events.
func ValidateDevice(d Device) error { return (&Event{Device: d}).validateDevice() }

func (e *Event) validateDevice() error {
	switch e.Device.Kind {
	case "desktop", "phone", "tablet", "tv":
	default:
		return invalid("DEVICE", "device.kind must be desktop, phone, tablet or tv.")
	}
	if err := text("device.system", e.Device.System, MaxText); err != nil {
		return err
	}
	if err := text("device.browser", e.Device.Browser, MaxText); err != nil {
		return err
	}
	return text("locale", e.Locale, 35)
}

func (e *Event) validatePayload(f field) error {
	for _, c := range [...]struct {
		name string
		v    int
		max  int
	}{
		{"positionMs", e.PositionMs, MaxMs}, {"durationMs", e.DurationMs, MaxMs}, {"fromMs", e.FromMs, MaxMs},
		{"firstFrameMs", e.FirstFrameMs, MaxMs}, {"stalledMs", e.StalledMs, MaxMs}, {"watchedMs", e.WatchedMs, MaxMs},
		{"bufferedMs", e.BufferedMs, MaxMs}, {"elapsedMs", e.ElapsedMs, MaxMs}, {"everyMs", e.EveryMs, 60_000},
		{"results", e.Results, MaxCount}, {"rank", e.Rank, MaxCount}, {"rating", e.Rating, 10},
	} {
		if c.v < 0 || c.v > c.max {
			return invalid("OUT_OF_RANGE", "%s must be from 0 to %d.", c.name, c.max)
		}
	}
	if math.IsNaN(e.Rate) || e.Rate < 0 || e.Rate > 16 {
		return invalid("OUT_OF_RANGE", "rate must be from 0 to 16.")
	}
	for _, c := range [...]struct {
		name string
		v    string
		max  int
	}{
		{"rendition", e.Rendition, MaxText}, {"subtitle", e.Subtitle, MaxText}, {"reason", e.Reason, MaxText},
		{"code", e.Code, MaxText}, {"from", e.Origin, MaxText}, {"page", e.Page, MaxPage},
		{"query", e.Query, MaxQuery}, {"filters", e.Filters, MaxFilters},
	} {
		if err := text(c.name, c.v, c.max); err != nil {
			return err
		}
	}
	if f&fQuery != 0 && e.Query == "" && e.Filters == "" && e.Name == Searched {
		return invalid("EMPTY", "query and filters are both empty.")
	}
	return nil
}

// text checks a string that was written by someone else: at most max
// characters of valid UTF-8 without control characters.
func text(name, s string, max int) error {
	if len(s) == 0 {
		return nil
	}
	if len(s) > 4*max || !utf8.ValidString(s) || utf8.RuneCountInString(s) > max {
		return invalid("TOO_LONG", "%s must be at most %d characters.", name, max)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return invalid("CONTROL_CHARACTER", "%s holds a control character.", name)
		}
	}
	return nil
}
