package telemetry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/bus"
	"github.com/netflixathome/cinema/internal/cache"
	"github.com/netflixathome/cinema/internal/eventlog"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// Session is a viewing session as it is kept.
type Session struct {
	ID         uuid.UUID
	UserID     uuid.UUID
	ProfileID  uuid.UUID
	Playable   gid.ID
	Title      gid.ID
	Device     events.Device
	Locale     string
	StartedAt  time.Time
	LastSeenAt time.Time // by the server's clock
	PositionMs int
	DurationMs int
	Playing    bool
	// ClockOffset is the server's clock minus the client's.
	ClockOffset time.Duration
	EndedAt     *time.Time
	EndReason   string
	// Demo marks the session of a synthetic viewer.
	Demo bool
}

// Mark is what a profile thinks of a title.
type Mark struct {
	Listed bool
	Rating *int
}

// Store keeps what each profile has seen. See subgraphs/telemetry/postgres.
type Store interface {
	OpenSession(ctx context.Context, s Session, connection uuid.UUID) (Session, error)
	Left(ctx context.Context, id, connection uuid.UUID) (Session, bool, error)
	Sessions(ctx context.Context, ids []uuid.UUID) ([]Session, error)
	Watching(ctx context.Context, after time.Time, limit int) ([]Session, error)
	WatchStates(ctx context.Context, profile uuid.UUID, playables []uuid.UUID) (map[uuid.UUID]*WatchState, error)
	Unfinished(ctx context.Context, profile uuid.UUID, limit int) ([]*ContinueWatching, error)
	Forget(ctx context.Context, profile uuid.UUID, playable gid.ID, at time.Time) error
	SetListed(ctx context.Context, profile uuid.UUID, title gid.ID, on bool) error
	SetRating(ctx context.Context, profile uuid.UUID, title gid.ID, rating *int) error
	List(ctx context.Context, profile uuid.UUID, limit int) ([]gid.ID, error)
	Marks(ctx context.Context, profile uuid.UUID, titles []uuid.UUID) (map[uuid.UUID]Mark, error)
	// Erase deletes all of profiles that are gone, and LastErased is when the
	// last of them was deleted.
	Erase(ctx context.Context, gone []GoneProfile) error
	LastErased(ctx context.Context) (time.Time, error)
	// ClaimGone hands out up to limit erased profiles of deleted accounts whose
	// events are due to be made nobody's, to nobody else before until. EndPass
	// notes that it was done, and when it is due again: nil for never.
	ClaimGone(ctx context.Context, now, until time.Time, limit int) ([]GoneProfile, error)
	EndPass(ctx context.Context, profiles []uuid.UUID, next []*time.Time) error
}

// Stats are the statistics. See subgraphs/telemetry/clickhouse. An error that
// is no fault means that they are not to be had at the moment.
type Stats interface {
	ActivityByDay(ctx context.Context, from, to time.Time, demo bool) ([]*ActivityDay, error)
	TopTitles(ctx context.Context, from, to time.Time, first int, demo bool) ([]*TopTitle, error)
	PlaybackQuality(ctx context.Context, from, to time.Time, demo bool) (*PlaybackQuality, error)
	SearchTerms(ctx context.Context, from, to time.Time, withoutResults bool, first int, demo bool) ([]*SearchTerm, error)
}

// Log takes events; Append returns when they are safe.
type Log interface {
	Append(ctx context.Context, list []eventlog.Message) error
}

// Options of New.
type Options struct {
	Store Store // required
	Log   Log   // required
	// Stats may be nil where there is no ClickHouse.
	Stats Stats
	Bus   bus.Bus // required
	// Cache is shared by the instances of the service; required.
	Cache  *cache.Cache
	Logger *slog.Logger // required
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Grace is how long a session whose subscription ended waits for a
	// reconnect before its end is recorded; 0 means 5 s.
	Grace time.Duration
	// Visible tells which of the titles and playables the bearer's profile may
	// see. It is asked only for profiles with an age limit, which are told of
	// none if it is nil.
	Visible func(ctx context.Context, bearer string, ids []gid.ID) (map[gid.ID]bool, error)
	// Gone lists profiles that were deleted after a place, oldest first; Erase
	// needs it. GoneTopic is the bus topic that tells of one.
	Gone      func(ctx context.Context, after time.Time, id uuid.UUID) ([]GoneProfile, error)
	GoneTopic string
	// Anonymise gives events of profiles and accounts that are gone the
	// identifiers that the maps name; nil where there are no statistics.
	Anonymise func(ctx context.Context, profiles, accounts map[uuid.UUID]uuid.UUID) error
	// Recorded is told of the events that a client sent and that are in the
	// log, and of those that were refused; may be nil.
	Recorded func(ctx context.Context, facts []Fact, rejected []*RejectedEvent)
}

// Fact is what an operator's figures want of a recorded event.
type Fact struct {
	Name       events.Name
	Device     string        // its kind
	FirstFrame time.Duration // of PlayStarted
	Stalled    time.Duration // of Stalled
	Played     time.Duration // of Heartbeat: its cadence, or 0 while paused
}

func factOf(e *events.Event) Fact {
	f := Fact{
		Name: e.Name, Device: e.Device.Kind,
		FirstFrame: time.Duration(e.FirstFrameMs) * time.Millisecond, Stalled: time.Duration(e.StalledMs) * time.Millisecond,
	}
	if e.Playing {
		f.Played = cmp.Or(time.Duration(e.EveryMs)*time.Millisecond, events.DefaultEvery)
	}
	return f
}

// Subgraph answers the fields. (gqlgen would bind a type named Service to the
// federation's own _Service.)
type Subgraph struct {
	Options
	owners  *otter.Cache[uuid.UUID, owner]
	popular popular
	hub     hub
}

// owner is what recordEvents must know of a viewing session.
type owner struct {
	profile uuid.UUID
	offset  time.Duration
}

// ErrForeignSession is what one is told who names another's viewing session.
var ErrForeignSession = fault.New(fault.Conflict, "This viewing session belongs to someone else or to another film. Open a new one.").WithReason("SESSION_TAKEN").At("input.sessionUuid")

var (
	errNoStats = fault.New(fault.Unavailable, "Statistics are not available at the moment. Watching and recording go on; try again later.")
	errNoLog   = fault.New(fault.Unavailable, "Activity cannot be recorded at the moment. Send the same events again shortly.")
)

// New makes the service; it starts nothing. Run must run for subscriptions to
// hear of anything.
func New(o Options) (*Subgraph, error) {
	if o.Store == nil || o.Log == nil || o.Bus == nil || o.Cache == nil || o.Logger == nil {
		return nil, errors.New("telemetry: Store, Log, Bus, Cache and Logger are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Grace = cmp.Or(o.Grace, 5*time.Second)
	owners, err := otter.New(&otter.Options[uuid.UUID, owner]{
		MaximumSize: 50_000, ExpiryCalculator: otter.ExpiryWriting[uuid.UUID, owner](time.Minute),
	})
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	s := &Subgraph{Options: o, owners: owners}
	s.hub.watchers = map[uuid.UUID]map[*watcher]struct{}{}
	s.hub.viewers = map[chan []*ViewingSession]struct{}{}
	s.hub.stopping = make(chan struct{})
	return s, nil
}

func (s *Subgraph) now() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }

// maxEvents is how many events a call may bring, maxEncoded the room that they
// usually need in the log.
const (
	maxEvents  = 500
	maxEncoded = 640
)

// RecordEvents writes events to the log.
func (s *Subgraph) RecordEvents(ctx context.Context, in RecordEventsInput) (*RecordEventsPayload, error) {
	claims, err := authn.Require(ctx)
	if err != nil {
		return nil, err
	}
	if len(in.Events) == 0 || len(in.Events) > maxEvents {
		return nil, fault.New(fault.Invalid, "A call carries 1 to %d events.", maxEvents).At("input.events")
	}
	device := events.Device(*in.Device)
	if err := events.ValidateDevice(device); err != nil {
		return nil, fault.New(fault.Invalid, "%s", messageOf(err)).At("input.device")
	}
	owners, err := s.ownersOf(ctx, claims.ProfileID, in.Events)
	if err != nil {
		return nil, err
	}
	received := s.now()
	ahead := aheadBy(in.Events, received)
	out := &RecordEventsPayload{Rejected: []*RejectedEvent{}}
	list := make([]eventlog.Message, 0, len(in.Events))
	facts := make([]Fact, 0, len(in.Events))
	buffer := make([]byte, 0, len(in.Events)*maxEncoded)
	keys := make([]byte, 0, len(in.Events)*16)
	for i, item := range in.Events {
		if item == nil {
			continue // the schema rules it out
		}
		e := item.event()
		e.UserID, e.ProfileID, e.Device, e.ReceivedAt, e.Demo = claims.UserID, claims.ProfileID, device, received, claims.Demo
		if in.Locale != nil {
			e.Locale = *in.Locale
		}
		e.Normalise()
		offset := -ahead
		own, known := owners[e.SessionID]
		if known && own.offset != 0 {
			offset = own.offset
		}
		e.Correct(offset)
		if err := s.refuse(item, &e, own, known, claims.ProfileID); err != nil {
			out.Rejected = append(out.Rejected, &RejectedEvent{Index: i, Code: err.Code, Message: err.Message})
			continue
		}
		facts = append(facts, factOf(&e))
		from := len(buffer)
		buffer = e.AppendJSON(buffer)
		key := e.Key()
		keys = append(keys, key[:]...)
		list = append(list, eventlog.Message{Topic: e.Name.Topic(), Key: keys[len(keys)-16 : len(keys) : len(keys)], Value: buffer[from:len(buffer):len(buffer)]})
	}
	if err := s.append(ctx, list); err != nil {
		return nil, err
	}
	if s.Recorded != nil {
		s.Recorded(ctx, facts, out.Rejected)
	}
	out.Accepted = len(list)
	return out, nil
}

// refuse says why an event of a client cannot be taken.
func (s *Subgraph) refuse(item *ActivityEventInput, e *events.Event, own owner, known bool, profile uuid.UUID) *events.Invalid {
	if e.Name == events.Listed || e.Name == events.Rated {
		return &events.Invalid{Code: "SERVER_RECORDS_IT", Message: "The server records this itself when the list or the rating is set."}
	}
	if e.SessionID != uuid.Nil && item.SessionID.Kind != gid.ViewingSession {
		return &events.Invalid{Code: "NO_SESSION", Message: "sessionId must name a viewing session."}
	}
	if known && own.profile != profile {
		return &events.Invalid{Code: "FOREIGN_SESSION", Message: "The viewing session belongs to someone else."}
	}
	if err := e.Validate(); err != nil {
		if bad, ok := events.AsInvalid(err); ok {
			return bad
		}
		return &events.Invalid{Code: "INVALID", Message: err.Error()}
	}
	return nil
}

// aheadBy is by how much the client's clock is ahead, as far as the events
// show: nothing that happened can lie in the future.
func aheadBy(list []*ActivityEventInput, received time.Time) time.Duration {
	var newest time.Time
	for _, item := range list {
		if item != nil && item.At.After(newest) {
			newest = item.At
		}
	}
	return max(0, newest.Sub(received))
}

// ownersOf finds whose the sessions of the events are, in one query for those
// that are not in the cache. A session that nobody opened is missing in the
// answer: its events are the caller's own.
func (s *Subgraph) ownersOf(ctx context.Context, profile uuid.UUID, list []*ActivityEventInput) (map[uuid.UUID]owner, error) {
	out := map[uuid.UUID]owner{}
	var ask []uuid.UUID
	var last uuid.UUID
	for _, item := range list {
		if item == nil || item.SessionID.UUID == uuid.Nil || item.SessionID.UUID == last {
			continue
		}
		last = item.SessionID.UUID
		if _, done := out[last]; done {
			continue
		}
		if o, ok := s.owners.GetIfPresent(last); ok {
			out[last] = o
			continue
		}
		out[last] = owner{profile: profile}
		ask = append(ask, last)
	}
	if len(ask) == 0 {
		return out, nil
	}
	sessions, err := s.Store.Sessions(ctx, ask)
	if err != nil {
		return nil, errNoLog.Because(err)
	}
	for _, found := range sessions {
		o := owner{found.ProfileID, found.ClockOffset}
		out[found.ID] = o
		s.owners.Set(found.ID, o)
	}
	for _, id := range ask {
		if o := out[id]; o.profile == profile {
			s.owners.SetIfAbsent(id, o)
		}
	}
	return out, nil
}

func (s *Subgraph) append(ctx context.Context, list []eventlog.Message) error {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := s.Log.Append(ctx, list); err != nil {
		return errNoLog.Because(err)
	}
	return nil
}

func messageOf(err error) string {
	if bad, ok := events.AsInvalid(err); ok {
		return bad.Message
	}
	return err.Error()
}

// own records a fact that the server knows by itself.
func (s *Subgraph) own(ctx context.Context, claims *authn.Claims, name events.Name, fill func(*events.Event)) error {
	now := s.now()
	e := events.Event{
		ID: uuid.Must(uuid.NewV7()), Name: name, At: now, ClientAt: now, ReceivedAt: now,
		UserID: claims.UserID, ProfileID: claims.ProfileID, Device: events.Device{Kind: "desktop"}, Demo: claims.Demo,
	}
	fill(&e)
	e.Normalise()
	return s.record(ctx, &e)
}

func (s *Subgraph) record(ctx context.Context, e *events.Event) error {
	if err := e.Validate(); err != nil {
		return fmt.Errorf("own event %s: %w", e.Name, err)
	}
	key := e.Key()
	return s.append(ctx, []eventlog.Message{{Topic: e.Name.Topic(), Key: key[:], Value: e.AppendJSON(nil)}})
}

func wantTitle(id gid.ID, field string) error {
	if !id.Is(gid.Film, gid.Series) {
		return fault.New(fault.Invalid, "This is no title.").At(field)
	}
	return nil
}

// SetListed puts a title on the caller's list or takes it off.
func (s *Subgraph) SetListed(ctx context.Context, id gid.ID, on bool) (Title, error) {
	claims, err := authn.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := wantTitle(id, "input.titleId"); err != nil {
		return nil, err
	}
	if err := s.wantSeen(ctx, "input.titleId", id); err != nil {
		return nil, err
	}
	if err := s.Store.SetListed(ctx, claims.ProfileID, id, on); err != nil {
		return nil, err
	}
	s.note(ctx, s.own(ctx, claims, events.Listed, func(e *events.Event) { e.Title, e.On = id, on }))
	return TitleOf(id), nil
}

// SetRating rates a title for the caller.
func (s *Subgraph) SetRating(ctx context.Context, id gid.ID, rating *int) (Title, error) {
	claims, err := authn.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := wantTitle(id, "input.titleId"); err != nil {
		return nil, err
	}
	if rating != nil && (*rating < 1 || *rating > 10) {
		return nil, fault.New(fault.Invalid, "A rating is from 1 to 10.").At("input.rating")
	}
	if err := s.wantSeen(ctx, "input.titleId", id); err != nil {
		return nil, err
	}
	if err := s.Store.SetRating(ctx, claims.ProfileID, id, rating); err != nil {
		return nil, err
	}
	s.note(ctx, s.own(ctx, claims, events.Rated, func(e *events.Event) {
		e.Title = id
		if rating != nil {
			e.Rating = *rating
		}
	}))
	return TitleOf(id), nil
}

// note logs that a change is not in the statistics: the change itself stands.
func (s *Subgraph) note(ctx context.Context, err error) {
	if err != nil {
		s.Logger.WarnContext(ctx, "a change was made but not recorded as activity", "error", err)
	}
}

// ForgetProgress forgets where the caller stands in a playable.
func (s *Subgraph) ForgetProgress(ctx context.Context, id gid.ID) (Playable, error) {
	claims, err := authn.Require(ctx)
	if err != nil {
		return nil, err
	}
	if !id.Is(gid.Film, gid.Episode) {
		return nil, fault.New(fault.Invalid, "This is neither a film nor an episode.").At("input.playableId")
	}
	if err := s.wantSeen(ctx, "input.playableId", id); err != nil {
		return nil, err
	}
	if err := s.Store.Forget(ctx, claims.ProfileID, id, s.now()); err != nil {
		return nil, err
	}
	return PlayableOf(id), nil
}

func count(first *int, otherwise, most int) (int, error) {
	n := otherwise
	if first != nil {
		n = *first
	}
	if n < 0 || n > most {
		return 0, fault.New(fault.Invalid, "first must be from 0 to %d.", most).At("first")
	}
	return n, nil
}

// ContinueWatching is what the caller began and did not finish.
func (s *Subgraph) ContinueWatching(ctx context.Context, first *int) ([]*ContinueWatching, error) {
	claims, err := authn.Require(ctx)
	if err != nil {
		return nil, err
	}
	n, err := count(first, 20, 50)
	if err != nil {
		return nil, err
	}
	list, err := s.Store.Unfinished(ctx, claims.ProfileID, n)
	if err != nil {
		return nil, err
	}
	ids := make([]gid.ID, len(list))
	for i, w := range list {
		ids[i] = idOf(w.Title)
	}
	sees, err := s.sees(ctx, ids...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(w *ContinueWatching) bool { return !sees(idOf(w.Title)) }), nil
}

// MyList is the caller's list.
func (s *Subgraph) MyList(ctx context.Context, first *int) ([]Title, error) {
	claims, err := authn.Require(ctx)
	if err != nil {
		return nil, err
	}
	n, err := count(first, 100, 200)
	if err != nil {
		return nil, err
	}
	ids, err := s.Store.List(ctx, claims.ProfileID, n)
	if err != nil {
		return nil, err
	}
	out := make([]Title, len(ids))
	for i, id := range ids {
		out[i] = TitleOf(id)
	}
	return s.titlesSeen(ctx, out)
}

// maxDays bounds a period of statistics.
const maxDays = 400

func period(from, to time.Time) error {
	days := int(to.Sub(from).Hours()/24) + 1
	if to.Before(from) || days > maxDays || from.Year() < 2000 || to.Year() > 2200 {
		return fault.New(fault.Invalid, "A period is 1 to %d days, and from is not after to.", maxDays).At("from")
	}
	return nil
}

func stats[T any](ctx context.Context, s *Subgraph, from, to time.Time, ask func(Stats) (T, error)) (T, error) {
	var none T
	if err := period(from, to); err != nil {
		return none, err
	}
	if s.Stats == nil {
		return none, errNoStats
	}
	out, err := ask(s.Stats)
	if err != nil {
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		return none, errNoStats.Because(err)
	}
	return out, nil
}

func withDemo(demo *bool) bool { return demo == nil || *demo }

// ActivityByDay is the activity of each day from from to to.
func (s *Subgraph) ActivityByDay(ctx context.Context, from, to time.Time, demo *bool) ([]*ActivityDay, error) {
	found, err := stats(ctx, s, from, to, func(st Stats) ([]*ActivityDay, error) { return st.ActivityByDay(ctx, from, to, withDemo(demo)) })
	if err != nil {
		return nil, err
	}
	byDay := map[string]*ActivityDay{}
	for _, d := range found {
		byDay[d.Day.Format(time.DateOnly)] = d
	}
	var out []*ActivityDay
	for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
		d := byDay[day.Format(time.DateOnly)]
		if d == nil {
			d = &ActivityDay{Day: day}
		}
		out = append(out, d)
	}
	return out, nil
}

// TopTitles are the most viewed titles of a period.
func (s *Subgraph) TopTitles(ctx context.Context, from, to time.Time, first *int, demo *bool) ([]*TopTitle, error) {
	n, err := count(first, 10, 100)
	if err != nil {
		return nil, err
	}
	return stats(ctx, s, from, to, func(st Stats) ([]*TopTitle, error) { return st.TopTitles(ctx, from, to, n, withDemo(demo)) })
}

// PlaybackQuality is how well films played in a period.
func (s *Subgraph) PlaybackQuality(ctx context.Context, from, to time.Time, demo *bool) (*PlaybackQuality, error) {
	return stats(ctx, s, from, to, func(st Stats) (*PlaybackQuality, error) { return st.PlaybackQuality(ctx, from, to, withDemo(demo)) })
}

// SearchTerms is what was searched in a period.
func (s *Subgraph) SearchTerms(ctx context.Context, from, to time.Time, withoutResults *bool, first *int, demo *bool) ([]*SearchTerm, error) {
	n, err := count(first, 20, 100)
	if err != nil {
		return nil, err
	}
	return stats(ctx, s, from, to, func(st Stats) ([]*SearchTerm, error) {
		return st.SearchTerms(ctx, from, to, withoutResults != nil && *withoutResults, n, withDemo(demo))
	})
}

// popular keeps the front page's row, which everyone asks for: in this process,
// so that the row outlives the statistics, and below that in the cache, so that
// ClickHouse is asked once for all instances.
type popular struct {
	mu      sync.Mutex
	list    []Title
	until   time.Time
	loading bool
}

const (
	// popularFor is how long the row is kept at each of the two places.
	popularFor  = 30 * time.Second
	popularMost = 50
	// popularKey ends in the version of what is kept under it: a JSON list of ids.
	popularKey = "telemetry:popular:1"
)

// errNothingViewed keeps an empty row out of the cache: a new house fills soon.
var errNothingViewed = errors.New("nothing was viewed yet")

// Popular is the most viewed titles of the last 30 days that the caller's
// profile may see. It never fails: when
// the statistics are away it is what it last was, or empty.
func (s *Subgraph) Popular(ctx context.Context, first *int) ([]Title, error) {
	n, err := count(first, 20, popularMost)
	if err != nil {
		return nil, err
	}
	p := &s.popular
	p.mu.Lock()
	list := p.list
	load := s.Stats != nil && !p.loading && !s.now().Before(p.until)
	if load {
		p.loading = true
	}
	p.mu.Unlock()
	if load {
		// The first caller waits for the first answer; later ones are served
		// what there is while one of them asks anew.
		list = s.loadPopular(ctx)
	}
	if list, err = s.titlesSeen(ctx, list); err != nil {
		s.Logger.WarnContext(ctx, "popular titles are not shown to a profile with an age limit", "error", err)
	}
	return list[:min(n, len(list))], nil
}

func (s *Subgraph) loadPopular(ctx context.Context) []Title {
	// The caller may go away; the answer is for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	var ids []gid.ID
	kept, err := s.Cache.GetOrLoad(ctx, popularKey, popularFor, func(ctx context.Context) ([]byte, error) {
		today := s.now().Truncate(24 * time.Hour)
		top, err := s.Stats.TopTitles(ctx, today.AddDate(0, 0, -29), today, popularMost, true)
		if err != nil {
			return nil, err
		}
		if len(top) == 0 {
			return nil, errNothingViewed
		}
		ids := make([]gid.ID, len(top))
		for i, t := range top {
			ids[i] = idOf(t.Title)
		}
		return json.Marshal(ids)
	})
	if err == nil {
		err = json.Unmarshal(kept, &ids)
	}
	p := &s.popular
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loading = false
	p.until = s.now().Add(popularFor)
	switch {
	case errors.Is(err, errNothingViewed):
		p.until = s.now().Add(popularFor / 6)
	case err != nil:
		p.until = s.now().Add(popularFor / 3)
		s.Logger.WarnContext(ctx, "popular titles could not be read; the last known are shown", "error", err)
		return p.list
	}
	list := make([]Title, len(ids))
	for i, id := range ids {
		list[i] = TitleOf(id)
	}
	p.list = list
	return list
}
