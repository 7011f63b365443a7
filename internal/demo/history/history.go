// Package history makes up a month of viewing for the demo cinema: what some
// hundred synthetic viewers opened, watched, gave up, searched and rated.
//
// The generator is pure. From one seed and one last day it makes the same
// events with the same ids every time, so that sending it again after a kill
// counts nothing twice. Its events are marked demo and go through the event log
// like everyone's; the collectors' RemoveDemo forgets them.
//
// What it imitates: popularity after Zipf; evenings and weekends; people who
// come often and people who come seldom; series watched several episodes in a
// row; films given up early more often than late; start-up times and stalls
// with a long tail; searches that find nothing.
//
// Its players beat once a minute where a real one beats every ten seconds,
// which keeps a month to about a hundred thousand events. Each event of a
// session says so (EveryMs), and the rule for watched time allows three beats,
// so the time watched comes out the same.
package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
)

// Title is what can be watched: a film is its own only playable, a series has
// its episodes in order.
type Title struct {
	ID        gid.ID
	Name      string // what people search for
	Playables []Playable
}

// Playable is a film or an episode.
type Playable struct {
	ID       gid.ID
	Duration time.Duration
}

// Config of a history.
type Config struct {
	Titles []Title
	// Until ends the history; it is cut down to the full hour. The same Until
	// gives the same events.
	Until time.Time
	// Days and Viewers; 0 means 30 and 200.
	Days    int
	Viewers int
	Seed    uint64
}

// Validate reports every fault of the configuration.
func (c Config) Validate() error {
	var errs []error
	if len(c.Titles) == 0 {
		errs = append(errs, errors.New("history: no titles"))
	}
	for _, t := range c.Titles {
		if !t.ID.Is(gid.Film, gid.Series) || len(t.Playables) == 0 {
			errs = append(errs, fmt.Errorf("history: title %s is no film or series with something to play", t.ID))
		}
		for _, p := range t.Playables {
			if !p.ID.Is(gid.Film, gid.Episode) || p.Duration < time.Second || p.Duration.Milliseconds() > events.MaxMs {
				errs = append(errs, fmt.Errorf("history: playable %s of %s cannot be played", p.ID, t.ID))
			}
		}
	}
	if c.Until.IsZero() || c.Days < 0 || c.Days > 34 || c.Viewers < 0 || c.Viewers > 100_000 {
		errs = append(errs, errors.New("history: Until is required, Days at most 34, Viewers at most 100,000"))
	}
	return errors.Join(errs...)
}

// beat is the cadence of the synthetic players' heartbeats, quickBeat that of
// clips of less than five minutes.
const (
	beat      = time.Minute
	quickBeat = 10 * time.Second
	batchSize = 2_000
)

type viewer struct {
	user, profile uuid.UUID
	device        events.Device
	locale        string
	joined        time.Time
	eager         float64 // how often they come, about 1
	next          map[int]int
	rated         map[int]bool
}

type generator struct {
	cfg     Config
	r       *rand.Rand
	start   time.Time
	viewers []*viewer
	rank    []int     // titles, the most popular first
	weight  []float64 // cumulative, by rank
	out     []events.Event
}

// Generate yields the events in the order of time, in batches.
func Generate(cfg Config) iter.Seq[[]events.Event] {
	return func(yield func([]events.Event) bool) {
		cfg.Days, cfg.Viewers = cmp.Or(cfg.Days, 30), cmp.Or(cfg.Viewers, 200)
		cfg.Until = cfg.Until.UTC().Truncate(time.Hour)
		g := &generator{cfg: cfg, r: rand.New(rand.NewPCG(cfg.Seed, 0x5eed))}
		g.start = cfg.Until.Truncate(24*time.Hour).AddDate(0, 0, 1-cfg.Days)
		g.popularity()
		g.people()
		for d := range cfg.Days {
			day := g.start.AddDate(0, 0, d)
			for _, v := range g.viewers {
				g.live(v, day)
			}
			// What goes on after midnight waits for the next day's events.
			slices.SortStableFunc(g.out, func(a, b events.Event) int { return a.At.Compare(b.At) })
			border := day.AddDate(0, 0, 1)
			if border.After(cfg.Until) {
				border = cfg.Until
			}
			n, _ := slices.BinarySearchFunc(g.out, border, func(e events.Event, t time.Time) int { return e.At.Compare(t) })
			for from := 0; from < n; from += batchSize {
				if !yield(g.out[from:min(from+batchSize, n)]) {
					return
				}
			}
			g.out = slices.Clone(g.out[n:])
		}
	}
}

// popularity gives each title a rank by chance and Zipf's weight by rank.
func (g *generator) popularity() {
	g.rank = g.r.Perm(len(g.cfg.Titles))
	total := 0.0
	for i := range g.rank {
		total += 1 / math.Pow(float64(i+1), 0.9)
		g.weight = append(g.weight, total)
	}
}

func (g *generator) pick() int {
	x := g.r.Float64() * g.weight[len(g.weight)-1]
	i, _ := slices.BinarySearch(g.weight, x)
	return g.rank[min(i, len(g.rank)-1)]
}

// uuid makes a UUIDv7 of the moment; chance comes from the seed.
func (g *generator) uuid(at time.Time) uuid.UUID {
	var id uuid.UUID
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	a, b := g.r.Uint64(), g.r.Uint64()
	for i := 6; i < 16; i++ {
		id[i] = byte(a)
		a = a>>8 | b<<56
		b >>= 8
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

func (g *generator) people() {
	devices := []events.Device{
		{Kind: "tv", System: "Android TV", Browser: "Chromium 152"},
		{Kind: "desktop", System: "Windows", Browser: "Chromium 156"},
		{Kind: "desktop", System: "macOS", Browser: "Safari 26"},
		{Kind: "desktop", System: "Linux", Browser: "Firefox 151"},
		{Kind: "phone", System: "Android", Browser: "Chromium 156"},
		{Kind: "phone", System: "iOS", Browser: "Safari 26"},
		{Kind: "tablet", System: "iPadOS", Browser: "Safari 26"},
	}
	for range g.cfg.Viewers {
		v := &viewer{device: devices[g.r.IntN(len(devices))], locale: "ru", next: map[int]int{}, rated: map[int]bool{}}
		if g.r.IntN(3) == 0 {
			v.locale = "en"
		}
		// Most were there before; one in five joins in these days.
		v.joined = g.start.Add(-time.Duration(g.r.IntN(90*24)) * time.Hour)
		if g.r.IntN(5) == 0 {
			v.joined = g.start.Add(time.Duration(g.r.Int64N(int64(g.cfg.Days)*24)) * time.Hour)
		}
		v.user, v.profile = g.uuid(v.joined), g.uuid(v.joined)
		v.eager = math.Exp(g.r.NormFloat64() * 0.6)
		if !v.joined.Before(g.start) {
			g.add(v, events.SignedUp, v.joined, nil)
		}
		g.viewers = append(g.viewers, v)
	}
}

func (g *generator) add(v *viewer, name events.Name, at time.Time, fill func(*events.Event)) {
	at = at.Truncate(time.Millisecond)
	e := events.Event{
		ID: g.uuid(at), Name: name, At: at, ClientAt: at,
		ReceivedAt: at.Add(time.Duration(20+g.r.IntN(400)) * time.Millisecond),
		UserID:     v.user, ProfileID: v.profile, Device: v.device, Locale: v.locale, Demo: true,
	}
	if fill != nil {
		fill(&e)
	}
	e.Normalise()
	g.out = append(g.out, e)
}

// live is what a viewer does on a day.
func (g *generator) live(v *viewer, day time.Time) {
	chance := 0.27
	if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday || wd == time.Friday {
		chance = 0.42
	}
	if g.r.Float64() > chance*v.eager {
		return
	}
	// The evening, around nine; at times the afternoon.
	hour := 20.5 + 1.7*g.r.NormFloat64()
	if g.r.IntN(4) == 0 {
		hour = 14 + 2.5*g.r.NormFloat64()
	}
	at := day.Add(time.Duration(min(max(hour, 6), 23.8) * float64(time.Hour)))
	if at.Before(v.joined) {
		return
	}
	if g.r.IntN(4) == 0 {
		g.add(v, events.SignedIn, at, nil)
	}
	g.add(v, events.PageViewed, at.Add(2*time.Second), func(e *events.Event) { e.Page = "/" })
	at = at.Add(g.between(5, 90))
	i := g.pick()
	from := "row"
	if g.r.IntN(3) == 0 {
		at, from = g.search(v, at, i), "search"
	}
	title := g.cfg.Titles[i]
	g.add(v, events.TitleOpened, at, func(e *events.Event) { e.Title, e.Origin = title.ID, from })
	if g.r.IntN(12) == 0 {
		g.add(v, events.Listed, at.Add(3*time.Second), func(e *events.Event) { e.Title, e.On = title.ID, true })
	}
	at = at.Add(g.between(4, 60))
	// One more episode, and one more; of films one, seldom two.
	for n := 0; ; n++ {
		nth := v.next[i]
		if nth >= len(title.Playables) {
			nth = 0
		}
		end, finished := g.watch(v, title, title.Playables[nth], at)
		if !finished {
			return
		}
		v.next[i] = nth + 1
		if !v.rated[i] && g.r.IntN(6) == 0 {
			v.rated[i] = true
			g.add(v, events.Rated, end.Add(8*time.Second), func(e *events.Event) {
				e.Title, e.Rating = title.ID, int(min(max(7.4+1.6*g.r.NormFloat64(), 1), 10))
			})
		}
		if len(title.Playables) == 1 || n >= 3 || g.r.Float64() > 0.62 {
			return
		}
		at = end.Add(g.between(5, 40))
	}
}

func (g *generator) between(a, b int) time.Duration {
	return time.Duration(a*1000+g.r.IntN((b-a)*1000)) * time.Millisecond
}

func (g *generator) search(v *viewer, at time.Time, i int) time.Time {
	nothing := []string{"avatar 7", "сериал про хакеров", "the lord of the rinks", "мультики", "football live", "кухня 9 сезон"}
	if g.r.IntN(5) == 0 {
		q := nothing[g.r.IntN(len(nothing))]
		g.add(v, events.Searched, at, func(e *events.Event) { e.Query, e.ElapsedMs = q, 8+g.r.IntN(40) })
		at = at.Add(g.between(4, 20))
	}
	name := []rune(g.cfg.Titles[i].Name)
	if len(name) == 0 {
		name = []rune("film")
	}
	q := string(name[:min(len(name), 4+g.r.IntN(16))])
	g.add(v, events.Searched, at, func(e *events.Event) {
		e.Query, e.Results, e.ElapsedMs = q, 1+g.r.IntN(7), 6+g.r.IntN(50)
	})
	at = at.Add(g.between(2, 15))
	g.add(v, events.ResultOpened, at, func(e *events.Event) {
		e.Query, e.Rank, e.Title = q, 1+int(math.Abs(g.r.NormFloat64())*1.5), g.cfg.Titles[i].ID
	})
	return at.Add(time.Second)
}

// stops is how much of a film is seen: a third see it to the end, those who
// give up do so early rather than late.
func (g *generator) stops() float64 {
	if g.r.Float64() < 0.45 {
		return 1
	}
	return min(math.Pow(g.r.Float64(), 1.7)+0.01, 0.97)
}

// watch is one sitting. It returns when it ended and whether the end was seen.
func (g *generator) watch(v *viewer, title Title, p Playable, at time.Time) (time.Time, bool) {
	session := g.uuid(at)
	every := beat
	if p.Duration < 5*time.Minute {
		every = quickBeat
	}
	renditions := []string{"1080p", "720p", "480p"}
	rendition := renditions[g.r.IntN(len(renditions))]
	place := time.Duration(0)
	add := func(name events.Name, fill func(*events.Event)) {
		g.add(v, name, at, func(e *events.Event) {
			e.SessionID, e.Playable, e.Title = session, p.ID, title.ID
			e.DurationMs, e.EveryMs, e.PositionMs = int(p.Duration.Milliseconds()), int(every.Milliseconds()), int(place.Milliseconds())
			e.Rate, e.Rendition = 1, rendition
			if fill != nil {
				fill(e)
			}
		})
	}
	if g.r.IntN(120) == 0 {
		add(events.PlayFailed, func(e *events.Event) { e.Code = "MEDIA_NETWORK" })
		return at, false
	}
	end := time.Duration(g.stops() * float64(p.Duration))
	watched := time.Duration(0)
	add(events.PlayStarted, func(e *events.Event) {
		e.FirstFrameMs = int(math.Exp(5.9 + 0.55*g.r.NormFloat64())) // median 365 ms
	})
	for place < end {
		step := min(every, end-place)
		at, place, watched = at.Add(step), place+step, watched+step
		if place >= end {
			break
		}
		add(events.Heartbeat, func(e *events.Event) { e.Playing, e.BufferedMs = true, 12_000+g.r.IntN(20_000) })
		switch x := g.r.IntN(400); {
		case x < 5:
			ms := int(math.Exp(6.8 + 0.8*g.r.NormFloat64()))
			at = at.Add(time.Duration(ms) * time.Millisecond)
			add(events.Stalled, func(e *events.Event) { e.StalledMs = ms })
		case x < 11:
			add(events.Paused, nil)
			at = at.Add(g.between(20, 900))
			add(events.Heartbeat, func(e *events.Event) { e.Playing = true })
		case x < 14:
			from := place
			place = min(place+g.between(60, 300), max(end-time.Second, place))
			at = at.Add(800 * time.Millisecond)
			add(events.Seeked, func(e *events.Event) { e.FromMs = int(from.Milliseconds()) })
		case x < 16:
			rendition = renditions[g.r.IntN(len(renditions))]
			add(events.RenditionChanged, nil)
		}
	}
	finished := end >= p.Duration*95/100
	add(events.PlayEnded, func(e *events.Event) {
		e.WatchedMs, e.Reason = int(watched.Milliseconds()), "viewer"
		if finished {
			e.Reason = "end"
		}
	})
	return at, finished
}

// Send streams the history into the event log, batch by batch, and returns how
// many events there were. progress, which may be nil, is told the share of the
// period that is sent, 0 to 1.
func Send(ctx context.Context, cfg Config, appendTo func(context.Context, []eventlog.Message) error, progress func(float64)) (int, error) {
	if err := cfg.Validate(); err != nil {
		return 0, err
	}
	days := cmp.Or(cfg.Days, 30)
	start := cfg.Until.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	n := 0
	for batch := range Generate(cfg) {
		list := make([]eventlog.Message, len(batch))
		buffer := make([]byte, 0, len(batch)*640)
		for i := range batch {
			if err := batch[i].Validate(); err != nil {
				return n, fmt.Errorf("history: event %s: %w", batch[i].Name, err)
			}
			from := len(buffer)
			buffer = batch[i].AppendJSON(buffer)
			key := batch[i].Key()
			list[i] = eventlog.Message{Topic: batch[i].Name.Topic(), Key: key[:], Value: buffer[from:len(buffer):len(buffer)]}
		}
		if err := appendTo(ctx, list); err != nil {
			return n, fmt.Errorf("history: %w", err)
		}
		n += len(batch)
		if progress != nil {
			progress(min(1, float64(batch[len(batch)-1].At.Sub(start))/float64(cfg.Until.Sub(start))))
		}
	}
	if progress != nil {
		progress(1)
	}
	return n, nil
}
