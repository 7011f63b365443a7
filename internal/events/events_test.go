package events_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func idAt(t time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	for i := range 6 {
		id[i] = byte(t.UnixMilli() >> (40 - 8*i))
	}
	return id
}

func beat() events.Event {
	film := gid.New(gid.Film)
	return events.Event{
		ID: idAt(noon), Version: events.Version, Name: events.Heartbeat, At: noon, ClientAt: noon, ReceivedAt: noon.Add(time.Second),
		SessionID: idAt(noon), UserID: idAt(noon), ProfileID: idAt(noon), Playable: film, Title: film,
		Device: events.Device{Kind: "tv", System: "Android TV", Browser: "Chromium 156"}, Locale: "ru",
		PositionMs: 61_000, DurationMs: 5_400_000, Playing: true, Rate: 1.25, Rendition: "720p", BufferedMs: 12_000,
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*events.Event)
		code   string
	}{
		"good":                  {func(*events.Event) {}, ""},
		"unknown name":          {func(e *events.Event) { e.Name = "exploded" }, "UNKNOWN_NAME"},
		"no version":            {func(e *events.Event) { e.Version = 0 }, "UNKNOWN_VERSION"},
		"newer version":         {func(e *events.Event) { e.Version = events.Version + 1 }, "UNKNOWN_VERSION"},
		"random id":             {func(e *events.Event) { e.ID = uuid.New() }, "ID_NOT_V7"},
		"no id":                 {func(e *events.Event) { e.ID = uuid.Nil }, "ID_NOT_V7"},
		"id of another day":     {func(e *events.Event) { e.ID = idAt(noon.AddDate(0, 0, -2)) }, "ID_TIME"},
		"future":                {func(e *events.Event) { e.At = e.ReceivedAt.Add(6 * time.Minute) }, "IN_FUTURE"},
		"nearly future":         {func(e *events.Event) { e.At = e.ReceivedAt.Add(4 * time.Minute) }, ""},
		"a month late":          {func(e *events.Event) { e.ReceivedAt = noon.AddDate(0, 0, 30) }, ""},
		"too late":              {func(e *events.Event) { e.ReceivedAt = noon.AddDate(0, 0, 40) }, "TOO_OLD"},
		"clock years off":       {func(e *events.Event) { e.ClientAt = noon.AddDate(-2, 0, 0) }, "CLOCK_WRONG"},
		"no time":               {func(e *events.Event) { e.ReceivedAt = time.Time{} }, "NO_TIME"},
		"nobody":                {func(e *events.Event) { e.ProfileID = uuid.Nil }, "NOBODY"},
		"no session":            {func(e *events.Event) { e.SessionID = uuid.Nil }, "NO_SESSION"},
		"session not v7":        {func(e *events.Event) { e.SessionID = uuid.New() }, "NO_SESSION"},
		"playable is a series":  {func(e *events.Event) { e.Playable = gid.New(gid.Series) }, "NO_PLAYABLE"},
		"title is a person":     {func(e *events.Event) { e.Title = gid.New(gid.Person) }, "NO_TITLE"},
		"no title":              {func(e *events.Event) { e.Title = gid.ID{} }, "NO_TITLE"},
		"fridge":                {func(e *events.Event) { e.Device.Kind = "fridge" }, "DEVICE"},
		"long system":           {func(e *events.Event) { e.Device.System = strings.Repeat("x", 65) }, "TOO_LONG"},
		"64 letters, not bytes": {func(e *events.Event) { e.Device.System = strings.Repeat("ж", 64) }, ""},
		"control character":     {func(e *events.Event) { e.Rendition = "a\x00b" }, "CONTROL_CHARACTER"},
		"bad utf-8":             {func(e *events.Event) { e.Rendition = "a\xff" }, "TOO_LONG"},
		"negative place":        {func(e *events.Event) { e.PositionMs = -1 }, "OUT_OF_RANGE"},
		"place of days":         {func(e *events.Event) { e.PositionMs = events.MaxMs + 1 }, "OUT_OF_RANGE"},
		"rate":                  {func(e *events.Event) { e.Rate = 17 }, "OUT_OF_RANGE"},
		"empty search":          {func(e *events.Event) { e.Name = events.Searched; e.Normalise() }, "EMPTY"},
		"sign-in needs nothing": {func(e *events.Event) { e.Name = events.SignedIn; e.Normalise() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := beat()
			c.change(&e)
			err := e.Validate()
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			bad, ok := events.AsInvalid(err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.code, bad.Code)
			require.NotEmpty(t, bad.Message)
		})
	}
}

func TestNormaliseKeepsOnlyWhatGoesWithTheName(t *testing.T) {
	e := beat()
	e.Query, e.Rating, e.FromMs = "x", 4, 9
	e.Normalise()
	want := e
	want.Query, want.Rating, want.FromMs = "", 0, 0
	require.Equal(t, want, e)
	e.Name = events.SignedIn
	e.Normalise()
	require.Zero(t, e.SessionID)
	require.Zero(t, e.Playable)
	require.Zero(t, e.PositionMs)
	require.Equal(t, events.TopicUser, e.Name.Topic())
	require.Equal(t, e.ProfileID, e.Key())
	b := beat()
	require.Equal(t, b.SessionID, b.Key())
}

func TestCorrect(t *testing.T) {
	for name, c := range map[string]struct{ client, offset, want time.Duration }{
		"right":         {-time.Second, 0, -time.Second},
		"small error":   {-30 * time.Second, 90 * time.Second, -30 * time.Second},
		"a bit ahead":   {time.Minute, 0, 0},
		"hours behind":  {-3 * time.Hour, 3*time.Hour - time.Second, -time.Second},
		"hours ahead":   {3 * time.Hour, -3*time.Hour - time.Second, -time.Second},
		"late, not off": {-48 * time.Hour, 0, -48 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			e := events.Event{ClientAt: noon.Add(c.client), ReceivedAt: noon}
			e.Correct(c.offset)
			require.Equal(t, noon.Add(c.want), e.At)
			require.Equal(t, noon.Add(c.client), e.ClientAt, "the original is kept")
		})
	}
}

func TestJSONThereAndBack(t *testing.T) {
	search := beat()
	search.Name, search.Query, search.Filters, search.Results = events.Searched, "Носферату \"1922\" \\ <b>", `{"genre":"ужасы"}`, 3
	search.Normalise()
	for _, e := range []events.Event{beat(), search} {
		text := e.AppendJSON(nil)
		require.True(t, json.Valid(text), "%s", text)
		got, err := events.Decode(text)
		require.NoError(t, err)
		require.Equal(t, e, got)
		// White space and another order are as good.
		var m map[string]any
		require.NoError(t, json.Unmarshal(text, &m))
		other, err := json.MarshalIndent(m, " ", "\t")
		require.NoError(t, err)
		got, err = events.Decode(other)
		require.NoError(t, err)
		require.Equal(t, e, got)
	}
	for _, bad := range []string{"", "{", "[]", `{"version":"1"}`, `{"id":"x"}`, `{} {}`, `{"at":"yesterday"}`, `{"at":"2026-02-31T00:00:00.000Z"}`, strings.Repeat(" ", events.MaxSize+1)} {
		_, err := events.Decode([]byte(bad))
		_, ok := events.AsInvalid(err)
		require.True(t, ok, "%.40q: %v", bad, err)
	}
}

func TestEndIDIsTheSameFactAndValid(t *testing.T) {
	session := idAt(noon)
	a, b := events.EndID(session, noon), events.EndID(session, noon)
	require.Equal(t, a, b)
	require.Equal(t, noon, events.TimeOf(a))
	require.NotEqual(t, a, events.EndID(session, noon.Add(time.Millisecond)))
	require.NotEqual(t, a, events.EndID(idAt(noon), noon))
}

func TestWatched(t *testing.T) {
	type step struct {
		name     events.Name
		after    time.Duration
		position int
		from     int
		rate     float64
	}
	const s = time.Second
	for name, c := range map[string]struct {
		every int
		steps []step
		want  int64
	}{
		"plays":                {steps: []step{{events.PlayStarted, 0, 0, 0, 1}, {events.Heartbeat, 10 * s, 10_000, 0, 1}, {events.PlayEnded, 4 * s, 14_000, 0, 0}}, want: 14_000},
		"pause":                {steps: []step{{events.PlayStarted, 0, 0, 0, 1}, {events.Paused, 5 * s, 5_000, 0, 0}, {events.Heartbeat, 10 * s, 5_000, 0, 1}, {events.Heartbeat, 10 * s, 9_000, 0, 1}}, want: 9_000},
		"seek":                 {steps: []step{{events.PlayStarted, 0, 0, 0, 1}, {events.Seeked, 5 * s, 900_000, 5_000, 0}, {events.Heartbeat, 5 * s, 905_000, 0, 1}}, want: 10_000},
		"jump not reported":    {steps: []step{{events.PlayStarted, 0, 0, 0, 1}, {events.Heartbeat, 10 * s, 500_000, 0, 1}, {events.Heartbeat, 10 * s, 510_000, 0, 1}}, want: 10_000},
		"back and seen twice":  {steps: []step{{events.PlayStarted, 0, 0, 0, 1}, {events.Heartbeat, 10 * s, 10_000, 0, 1}, {events.Seeked, 0, 0, 10_000, 0}, {events.Heartbeat, 10 * s, 10_000, 0, 1}}, want: 20_000},
		"gap":                  {steps: []step{{events.PlayStarted, 0, 0, 0, 1}, {events.Heartbeat, 31 * s, 31_000, 0, 1}}, want: 0},
		"twice as fast":        {steps: []step{{events.PlayStarted, 0, 0, 0, 2}, {events.Heartbeat, 10 * s, 20_000, 0, 2}}, want: 10_000},
		"starved":              {steps: []step{{events.PlayStarted, 0, 0, 0, 1}, {events.Stalled, 3 * s, 0, 0, 0}, {events.Heartbeat, 7 * s, 4_000, 0, 1}}, want: 4_000},
		"slow beat of a month": {every: 60_000, steps: []step{{events.PlayStarted, 0, 0, 0, 1}, {events.Heartbeat, 60 * s, 60_000, 0, 1}}, want: 60_000},
	} {
		t.Run(name, func(t *testing.T) {
			var list []events.Event
			at := noon
			for _, st := range c.steps {
				at = at.Add(st.after)
				e := beat()
				e.ID, e.Name, e.At, e.PositionMs, e.FromMs, e.Rate, e.EveryMs = idAt(at), st.name, at, st.position, st.from, st.rate, c.every
				list = append(list, e)
			}
			// The order of arrival does not matter.
			for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
				list[i], list[j] = list[j], list[i]
			}
			if c.steps[len(c.steps)-1].after == 0 || name == "back and seen twice" {
				for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
					list[i], list[j] = list[j], list[i]
				}
			}
			require.Equal(t, c.want, events.WatchedByDay(list)[noon.Truncate(24*time.Hour)])
		})
	}
}

// FuzzDecode holds the quick reader to what encoding/json says, and both to
// never failing otherwise than by *Invalid.
func FuzzDecode(f *testing.F) {
	e := beat()
	f.Add(e.AppendJSON(nil))
	f.Add([]byte(`{"version":1,"version":2}`))
	f.Add([]byte(`{"rate":1.5.,"positionMs":01}`))
	f.Add([]byte(`{"device":{"kind":"tv","system":"","browser":""}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := events.Decode(b)
		if err != nil {
			if _, ok := events.AsInvalid(err); !ok {
				t.Fatalf("%v", err)
			}
			return
		}
		// A space before the text sends it the slow way.
		slow, err := events.Decode(append([]byte{' '}, b...))
		if len(b) < events.MaxSize && (err != nil || slow != got) {
			t.Fatalf("quick %+v, slow %+v, %v", got, slow, err)
		}
		if got.Validate() == nil {
			again, err := events.Decode(got.AppendJSON(nil))
			if err != nil || again.ID != got.ID {
				t.Fatalf("%v", err)
			}
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	e := beat()
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecode(b *testing.B) {
	e := beat()
	buf := e.AppendJSON(nil)
	for b.Loop() {
		if _, err := events.Decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeStandard(b *testing.B) {
	e := beat()
	buf := append([]byte{' '}, e.AppendJSON(nil)...)
	for b.Loop() {
		if _, err := events.Decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}
