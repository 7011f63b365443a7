package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// How a viewing session ends.
//
// The watch subscription opens it. When the subscription ends for whatever
// reason, and the player has not said PLAY_ENDED and does not come back with
// the same sessionUuid within the grace, this instance records PLAY_ENDED with
// reason "closed". When this instance itself is killed nobody notices the
// subscription's end; then heartbeats stop, and the watch collector's sweeper
// records the end with reason "silence". Both make the event's id of the same
// two things, so they record one fact. A subscription that still stands when
// its session ends is told why.

// TopicViewing is the bus topic that tells of changed viewing sessions; a
// message is a ViewingChange in JSON.
const TopicViewing = "viewing.changed"

// ViewingChange says that viewing sessions have changed.
type ViewingChange struct {
	// Ended are sessions that ended for Reason.
	Ended  []uuid.UUID    `json:"ended,omitempty"`
	Reason WatchEndReason `json:"reason,omitempty"`
}

// WatchEndReason is why the server ended a viewing session.
type WatchEndReason string

// The reasons.
const (
	EndSilence   WatchEndReason = "SILENCE"
	EndSignedOut WatchEndReason = "SIGNED_OUT"
	EndRestart   WatchEndReason = "RESTART"
)

// MarshalGQL implements graphql.Marshaler.
func (r WatchEndReason) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(r))) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (r *WatchEndReason) UnmarshalGQL(v any) error {
	s, _ := v.(string)
	switch *r = WatchEndReason(s); *r {
	case EndSilence, EndSignedOut, EndRestart:
		return nil
	}
	return fmt.Errorf("%v is no WatchEndReason", v)
}

// WatchUpdate is news of a viewing session.
type WatchUpdate struct {
	SessionID        gid.ID
	ServerTime       time.Time
	ResumePositionMs int
	Ended            *WatchEndReason
}

// EndEvent is the PLAY_ENDED event that the server records for a session that
// ended at the moment at without one.
func EndEvent(s Session, at, now time.Time, reason string) events.Event {
	at = at.UTC().Truncate(time.Millisecond)
	e := events.Event{
		ID: events.EndID(s.ID, s.LastSeenAt), Version: events.Version, Name: events.PlayEnded,
		At: at, ClientAt: at, ReceivedAt: now.UTC().Truncate(time.Millisecond),
		SessionID: s.ID, UserID: s.UserID, ProfileID: s.ProfileID, Playable: s.Playable, Title: s.Title,
		Device: s.Device, Locale: s.Locale, PositionMs: s.PositionMs, DurationMs: s.DurationMs, Reason: reason, Demo: s.Demo,
	}
	return e
}

const (
	// liveFor is how long after its last sign of life a session is shown.
	liveFor = time.Minute
	// maxShown bounds the list of who is watching.
	maxShown = 200
	// checkEvery is how often open sessions are looked up, since the bus may
	// lose a message.
	checkEvery = 15 * time.Second
	// showEvery is the least time between two messages of watchingNowChanged.
	showEvery = time.Second
	// maxWatchers bounds the open watch subscriptions of an instance.
	maxWatchers = 20_000
)

// hub knows the subscriptions of this instance.
type hub struct {
	mu       sync.Mutex
	watchers map[uuid.UUID]map[*watcher]struct{} // by viewing session
	open     int
	viewers  map[chan []*ViewingSession]struct{}
	dirty    bool
	shown    []*ViewingSession
	shownAt  time.Time
	stopping chan struct{}
	stopped  bool
	parting  bool // who is here, or still comes, is sent to another instance
	closing  sync.WaitGroup
}

// watcher is an open watch subscription.
type watcher struct {
	seat uuid.UUID // the signed-in device with this profile
	end  chan WatchEndReason
}

// tell ends a subscription; the first reason counts.
func (w *watcher) tell(reason WatchEndReason) {
	select {
	case w.end <- reason:
	default:
	}
}

func (s *Subgraph) validateWatch(in *WatchInput, now time.Time) (time.Duration, error) {
	made := events.TimeOf(in.SessionUUID)
	if made.IsZero() {
		return 0, fault.New(fault.Invalid, "sessionUuid must be a UUIDv7.").At("input.sessionUuid")
	}
	offset := now.Sub(made)
	if offset.Abs() > events.MaxOffset {
		return 0, fault.New(fault.Invalid, "The clock of this device is wrong by more than a month. Set it right, then watch.").At("input.sessionUuid").WithReason("CLOCK_WRONG")
	}
	if !in.PlayableID.Is(gid.Film, gid.Episode) {
		return 0, fault.New(fault.Invalid, "This is neither a film nor an episode.").At("input.playableId")
	}
	if err := wantTitle(in.TitleID, "input.titleId"); err != nil {
		return 0, err
	}
	if in.PlayableID.Kind == gid.Film && in.TitleID != in.PlayableID || in.PlayableID.Kind == gid.Episode && in.TitleID.Kind != gid.Series {
		return 0, fault.New(fault.Invalid, "The title is the film itself, or the episode's series.").At("input.titleId")
	}
	if in.DurationMs < 1 || in.DurationMs > events.MaxMs {
		return 0, fault.New(fault.Invalid, "durationMs must be from 1 to %d.", events.MaxMs).At("input.durationMs")
	}
	if err := events.ValidateDevice(events.Device(*in.Device)); err != nil {
		return 0, fault.New(fault.Invalid, "%s", messageOf(err)).At("input.device")
	}
	return offset, nil
}

// Watch opens a viewing session that lives until ctx ends.
func (s *Subgraph) Watch(ctx context.Context, in WatchInput) (<-chan *WatchUpdate, error) {
	claims, err := authn.Require(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	offset, err := s.validateWatch(&in, now)
	if err != nil {
		return nil, err
	}
	if err := s.wantSeen(ctx, "input.playableId", in.PlayableID, in.TitleID); err != nil {
		return nil, err
	}
	connection := uuid.New()
	want := Session{
		ID: in.SessionUUID, UserID: claims.UserID, ProfileID: claims.ProfileID, Playable: in.PlayableID, Title: in.TitleID,
		Device: events.Device(*in.Device), StartedAt: now, DurationMs: in.DurationMs, ClockOffset: offset, Demo: claims.Demo,
	}
	if in.Locale != nil {
		want.Locale = *in.Locale
	}
	w := &watcher{seat: claims.Seat(), end: make(chan WatchEndReason, 1)}
	if err := s.hub.add(in.SessionUUID, w); err != nil {
		return nil, err
	}
	session, err := s.Store.OpenSession(ctx, want, connection)
	if err == nil {
		var states map[uuid.UUID]*WatchState
		if states, err = s.Store.WatchStates(ctx, claims.ProfileID, []uuid.UUID{in.PlayableID.UUID}); err == nil {
			s.owners.Set(session.ID, owner{session.ProfileID, session.ClockOffset})
			s.changed(ctx, ViewingChange{})
			resume := 0
			if st := states[in.PlayableID.UUID]; st != nil {
				resume = st.PositionMs
			}
			out := make(chan *WatchUpdate, 2)
			out <- &WatchUpdate{SessionID: gid.Of(gid.ViewingSession, session.ID), ServerTime: s.now(), ResumePositionMs: resume}
			go s.attend(ctx, session.ID, connection, w, out)
			return out, nil
		}
	}
	s.hub.remove(in.SessionUUID, w)
	s.hub.closing.Done()
	return nil, err
}

// attend waits for the end of a subscription. Run waits for it.
func (s *Subgraph) attend(ctx context.Context, id, connection uuid.UUID, w *watcher, out chan<- *WatchUpdate) {
	defer s.hub.closing.Done()
	defer close(out)
	reason := "closed"
	select {
	case <-ctx.Done():
		s.hub.remove(id, w)
		select {
		case <-time.After(s.Grace):
		case <-s.hub.stopping:
			// The player comes back to another instance, or falls silent.
			return
		}
	case why := <-w.end:
		s.hub.remove(id, w)
		// There is room: one message at most was sent before.
		out <- &WatchUpdate{SessionID: gid.Of(gid.ViewingSession, id), ServerTime: s.now(), Ended: &why}
		if why != EndSignedOut {
			return
		}
		reason = "signed_out"
	}
	s.recordEnd(context.WithoutCancel(ctx), id, connection, reason)
}

// recordEnd records the end of a session that nobody else has ended or taken over.
func (s *Subgraph) recordEnd(ctx context.Context, id, connection uuid.UUID, reason string) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	session, left, err := s.Store.Left(ctx, id, connection)
	if err == nil && left {
		now := s.now()
		e := EndEvent(session, now, now, reason)
		err = s.record(ctx, &e)
	}
	if err != nil {
		s.Logger.WarnContext(ctx, "the end of a viewing session was not recorded; silence will end it", "session", id, "error", err)
	}
}

func (h *hub) add(id uuid.UUID, w *watcher) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.open >= maxWatchers {
		return fault.New(fault.Unavailable, "No further viewing session can be opened here at the moment. Try again shortly.")
	}
	if h.watchers[id] == nil {
		h.watchers[id] = map[*watcher]struct{}{}
	}
	h.watchers[id][w] = struct{}{}
	h.open++
	h.closing.Add(1)
	if h.parting {
		w.tell(EndRestart)
	}
	return nil
}

func (h *hub) remove(id uuid.UUID, w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.watchers[id][w]; !ok {
		return
	}
	delete(h.watchers[id], w)
	if len(h.watchers[id]) == 0 {
		delete(h.watchers, id)
	}
	h.open--
}

// changed tells all instances; it is a hint, so a failure is only logged.
func (s *Subgraph) changed(ctx context.Context, c ViewingChange) {
	b, err := json.Marshal(c)
	if err == nil {
		err = s.Bus.Publish(ctx, TopicViewing, b)
	}
	if err != nil {
		s.Logger.DebugContext(ctx, "bus", "topic", TopicViewing, "error", err)
	}
}

// Run listens for what happens to viewing sessions until ctx ends; then it
// tells open subscriptions to reconnect and waits for them, at most 5 s.
func (s *Subgraph) Run(ctx context.Context) error {
	listen := func(topic string) <-chan []byte {
		c, err := s.Bus.Subscribe(ctx, topic)
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "bus: cannot listen; viewing sessions are looked up instead", "topic", topic, "error", err)
		}
		return c // nil blocks for ever
	}
	viewing, revoked := listen(TopicViewing), listen(authn.TopicRevoked)
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	show := time.NewTicker(showEvery)
	defer show.Stop()
	for {
		select {
		case <-ctx.Done():
			s.stop()
			return nil
		case b, ok := <-viewing:
			if !ok {
				viewing = nil // asked for again below
				continue
			}
			var c ViewingChange
			if err := json.Unmarshal(b, &c); err != nil {
				s.Logger.WarnContext(ctx, "bus: unreadable message", "topic", TopicViewing, "error", err)
				continue
			}
			s.hub.note(c)
		case b, ok := <-revoked:
			if !ok {
				revoked = nil
				continue
			}
			var r authn.Revocation
			if err := json.Unmarshal(b, &r); err != nil {
				s.Logger.WarnContext(ctx, "bus: unreadable message", "topic", authn.TopicRevoked, "error", err)
				continue
			}
			if r.Rights == 0 { // else the session goes on, and the film with it
				s.hub.signOut(r.SessionID)
			}
		case <-check.C:
			if viewing == nil {
				viewing = listen(TopicViewing)
			}
			if revoked == nil {
				revoked = listen(authn.TopicRevoked)
			}
			s.checkOpen(ctx)
		case <-show.C:
			s.show(ctx)
		}
	}
}

// Part tells open watch subscriptions to come again, which then reach another
// instance, and from now on those that are opened here too: the service leaves
// soon, but who comes is still answered. Their sessions stay open.
func (s *Subgraph) Part() {
	h := &s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parting = true
	for _, list := range h.watchers {
		for w := range list {
			w.tell(EndRestart)
		}
	}
}

func (s *Subgraph) stop() {
	s.Part()
	h := &s.hub
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	close(h.stopping)
	done := make(chan struct{})
	go func() {
		h.closing.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		s.Logger.Warn("viewing sessions were left open; silence will end them")
	}
}

func (h *hub) note(c ViewingChange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dirty = true
	for _, id := range c.Ended {
		for w := range h.watchers[id] {
			w.tell(c.Reason)
		}
	}
}

func (h *hub) signOut(session uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.watchers {
		for w := range list {
			if w.seat == session {
				w.tell(EndSignedOut)
			}
		}
	}
}

// checkOpen looks whether silence ended sessions that are open here.
func (s *Subgraph) checkOpen(ctx context.Context) {
	s.hub.mu.Lock()
	ids := make([]uuid.UUID, 0, len(s.hub.watchers))
	for id := range s.hub.watchers {
		ids = append(ids, id)
	}
	s.hub.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	sessions, err := s.Store.Sessions(ctx, ids)
	if err != nil {
		s.Logger.WarnContext(ctx, "open viewing sessions could not be looked up", "error", err)
		return
	}
	var silent []uuid.UUID
	for _, found := range sessions {
		if found.EndedAt != nil && found.EndReason == ReasonSilence {
			silent = append(silent, found.ID)
		}
	}
	s.hub.note(ViewingChange{Ended: silent, Reason: EndSilence})
}

// ReasonSilence is the reason of a PLAY_ENDED event that silence caused.
const ReasonSilence = "silence"

// WatchingNow is who is watching what, the newest first.
func (s *Subgraph) WatchingNow(ctx context.Context) ([]*ViewingSession, error) {
	list, err := s.Store.Watching(ctx, s.now().Add(-liveFor), maxShown)
	if err != nil {
		return nil, err
	}
	out := make([]*ViewingSession, len(list))
	for i, v := range list {
		device := Device(v.Device)
		out[i] = &ViewingSession{
			ID: gid.Of(gid.ViewingSession, v.ID), Profile: &Profile{ID: gid.Of(gid.Profile, v.ProfileID)},
			Playable: PlayableOf(v.Playable), Title: TitleOf(v.Title), StartedAt: v.StartedAt,
			PositionMs: v.PositionMs, Playing: v.Playing, Device: &device,
		}
	}
	return out, nil
}

// WatchingNowChanged is WatchingNow at once and on each change until ctx ends,
// at most once a second. Who reads slowly gets the latest.
func (s *Subgraph) WatchingNowChanged(ctx context.Context) (<-chan []*ViewingSession, error) {
	first, err := s.WatchingNow(ctx)
	if err != nil {
		return nil, err
	}
	c := make(chan []*ViewingSession, 1)
	c <- first
	h := &s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || len(h.viewers) >= 1000 {
		return nil, fault.New(fault.Unavailable, "Too many look on at the moment. Try again shortly.")
	}
	h.viewers[c] = struct{}{}
	h.dirty = true
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.viewers, c)
		close(c)
	})
	return c, nil
}

// show sends who is watching to those who look on: one query for all of them.
func (s *Subgraph) show(ctx context.Context) {
	h := &s.hub
	h.mu.Lock()
	// Time alone changes the list too: sessions grow old.
	ask := len(h.viewers) > 0 && (h.dirty || time.Since(h.shownAt) > 10*time.Second)
	h.dirty = h.dirty && !ask
	h.mu.Unlock()
	if !ask {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := s.WatchingNow(ctx)
	if err != nil {
		s.Logger.WarnContext(ctx, "who is watching could not be read", "error", err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shownAt = time.Now()
	if reflect.DeepEqual(list, h.shown) {
		return
	}
	h.shown = list
	for c := range h.viewers {
		select { // the latest replaces what was not read
		case <-c:
		default:
		}
		c <- list
	}
}
