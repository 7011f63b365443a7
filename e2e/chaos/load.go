package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/uuid"
)

// pace is the time between two looks at a page.
const pace = 400 * time.Millisecond

// film is something to watch.
type film struct {
	ID       string
	Playback struct{ URL string }
}

// load is the people.
type load struct {
	front string
	rec   *record
	films []film
	wg    sync.WaitGroup
	// settle makes the people stop beginning anything new, and finish what they
	// have in hand.
	settle chan struct{}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

var device = map[string]any{"kind": "desktop", "system": "Linux", "browser": "chaos"}

// again tries f until it succeeds or ctx ends, ever more slowly, as the web app
// does with what must not be lost.
func again(ctx context.Context, f func() error) error {
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func (l *load) every(ctx context.Context, d time.Duration, f func()) {
	l.wg.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-l.settle:
				return
			case <-tick.C:
				f()
			}
		}
	})
}

// viewer watches films and looks around.
func (l *load) viewer(ctx context.Context, n int, random *rand.Rand) error {
	c := newClient(l.front, fmt.Sprintf("viewer-%d", n), 100+n)
	s, err := c.signUp(ctx)
	if err != nil {
		return err
	}
	l.rec.accountAcked(c.login)
	w := &watching{load: l, c: c, profile: s.Profile.ID}
	w.choose(l.films[random.IntN(len(l.films))])
	l.wg.Go(func() { w.subscribed(ctx) })
	l.wg.Go(func() { w.send(ctx) })
	beats := 0
	l.every(ctx, 200*time.Millisecond, func() {
		if beats++; beats%150 == 0 { // another film each half minute
			w.choose(l.films[random.IntN(len(l.films))])
		}
		w.beat()
	})
	pages := []struct {
		name string
		look func(ctx context.Context) error
	}{{"home", func(ctx context.Context) error { return home(ctx, c) }}, {"film", func(ctx context.Context) error { return page(ctx, c, w.film().ID) }},
		{"playback", func(ctx context.Context) error { return segment(ctx, c, w.film()) }}}
	for _, p := range pages {
		l.every(ctx, pace, func() {
			c.fresh(ctx)
			began := time.Now()
			if err := p.look(ctx); err != nil {
				if ctx.Err() == nil {
					l.rec.refused(p.name, err)
				}
				return
			}
			l.rec.seen(c.login, p.name, began)
		})
	}
	return nil
}

// home asks what the home page of the web app asks.
func home(ctx context.Context, c *client) error {
	return c.ask(ctx, nil, `{ featured { id name } continueWatching(first: 20) { playable { id } }
		added: titles(sort: ADDED, first: 20) { edges { node { id name } } } popular(first: 20) { id name } myList(first: 20) { id } genres { id slug name titleCount } }`, nil)
}

func page(ctx context.Context, c *client, id string) error {
	var out struct{ Title *struct{ ID string } }
	err := c.ask(ctx, &out, `query($id: ID!) { title(id: $id) { id name listed ... on Film { playback { url } watchState { positionMs } } } }`, map[string]any{"id": id})
	if err == nil && out.Title == nil {
		return errors.New("the film is gone")
	}
	return err
}

// segment fetches a film's first segment from its playlists, as a player does.
func segment(ctx context.Context, c *client, f film) error {
	at := f.Playback.URL
	for range 2 {
		text, err := c.get(ctx, at)
		if err != nil {
			return err
		}
		next := ""
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				next = line
				break
			}
		}
		if next == "" {
			return fmt.Errorf("an empty playlist: %.80q", text)
		}
		if next[0] != '/' {
			next = at[:strings.LastIndex(at, "/")+1] + next
		}
		at = next
	}
	_, err := c.get(ctx, at)
	return err
}

// watching is one player.
type watching struct {
	load    *load
	c       *client
	profile string

	mu       sync.Mutex
	playing  film
	session  string // made by the player
	id       string // as the cinema calls it; empty until it said so
	position int
	waiting  []beat // for the cinema's acknowledgement
	resumed  int
	change   context.CancelFunc // ends the subscription of the film before
}

type beat struct {
	id, film string
	at       time.Time
	position int
	session  string // the player's
}

func (w *watching) film() film { w.mu.Lock(); defer w.mu.Unlock(); return w.playing }

func (w *watching) choose(f film) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.playing, w.session, w.id = f, newID(), ""
	if w.change != nil {
		w.change()
	}
}

// mostWaiting is what the web app keeps.
const mostWaiting = 1000

func (w *watching) beat() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) >= mostWaiting {
		return
	}
	w.position += 100
	w.waiting = append(w.waiting, beat{newID(), w.playing.ID, time.Now().UTC(), w.position, w.session})
	w.load.rec.positionSent(w.profile, w.playing.ID, w.position)
}

const watchSubscription = `subscription($i: WatchInput!) { watch(input: $i) { sessionId resumePositionMs ended } }`

// subscribed keeps the viewing session's subscription, whatever happens to it,
// with the session that it was, until all settle.
func (w *watching) subscribed(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	w.load.wg.Go(func() {
		select {
		case <-w.load.settle:
		case <-ctx.Done():
		}
		end()
	})
	for wait := 100 * time.Millisecond; ctx.Err() == nil; {
		w.mu.Lock()
		one, cancel := context.WithCancel(ctx)
		w.change = cancel
		f, session := w.playing, w.session
		w.mu.Unlock()
		began := time.Now()
		err := w.subscription(one, f, session)
		changed := one.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return
		}
		if changed {
			continue
		}
		if err != nil && !errors.Is(err, errSentOn) {
			w.load.rec.refused("watch", err)
		}
		if time.Since(began) > 5*time.Second {
			wait = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 2*time.Second)
	}
}

var errSentOn = errors.New("sent on to another instance")

func (w *watching) subscription(ctx context.Context, f film, session string) error {
	w.c.fresh(ctx)
	url, token := w.c.socket()
	dial, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, _, err := websocket.Dial(dial, url, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}}) //nolint:bodyclose // it is the connection's
	if err != nil {
		return err
	}
	defer conn.CloseNow() //nolint:errcheck // given up
	if err := wsjson.Write(dial, conn, map[string]any{"type": "connection_init", "payload": map[string]any{"authorization": "Bearer " + token}}); err != nil {
		return err
	}
	input := map[string]any{"sessionUuid": session, "playableId": f.ID, "titleId": f.ID, "durationMs": 7_200_000, "device": device}
	for {
		var m struct {
			Type    string
			Payload json.RawMessage
		}
		if err := wsjson.Read(ctx, conn, &m); err != nil {
			if c := websocket.CloseStatus(err); c == websocket.StatusGoingAway || c == 4403 {
				return errSentOn
			}
			return err
		}
		switch m.Type {
		case "connection_ack":
			err = wsjson.Write(ctx, conn, map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": watchSubscription, "variables": map[string]any{"i": input}}})
		case "ping":
			err = wsjson.Write(ctx, conn, map[string]any{"type": "pong"})
		case "next":
			var p struct {
				Data struct {
					Watch *struct {
						SessionID, Ended string
					}
				}
				Errors []struct{ Message string }
			}
			if err := json.Unmarshal(m.Payload, &p); err != nil {
				return err
			}
			switch {
			case p.Data.Watch == nil:
				return fmt.Errorf("watch: %+v", p.Errors)
			case p.Data.Watch.Ended == "RESTART":
				return errSentOn
			case p.Data.Watch.Ended != "":
				w.mu.Lock()
				if w.session == session {
					w.session, w.id = newID(), ""
				}
				w.mu.Unlock()
				return errors.New("the cinema ended the session: " + p.Data.Watch.Ended)
			}
			w.mu.Lock()
			if w.session == session {
				w.id = p.Data.Watch.SessionID
				w.resumed++
			}
			w.mu.Unlock()
		default:
			return fmt.Errorf("%s: %.200s", m.Type, m.Payload)
		}
		if err != nil {
			return err
		}
	}
}

const recordEvents = `mutation($i: RecordEventsInput!) { recordEvents(input: $i) { accepted rejected { index code message } } }`

// send brings beats to the cinema in batches, again with the same ids until
// they are acknowledged.
func (w *watching) send(ctx context.Context) {
	for wait := 250 * time.Millisecond; ctx.Err() == nil; {
		w.mu.Lock()
		batch := w.waiting[:min(100, len(w.waiting))]
		w.mu.Unlock()
		if len(batch) == 0 {
			select {
			case <-w.load.settle:
				return
			case <-ctx.Done():
				return
			case <-time.After(300 * time.Millisecond):
			}
			continue
		}
		w.c.fresh(ctx)
		if err := w.record(ctx, batch); err != nil {
			if ctx.Err() == nil {
				w.load.rec.refused("events", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			wait = min(2*wait, 2*time.Second)
			continue
		}
		wait = 250 * time.Millisecond
		ids := make([]string, len(batch))
		for i, b := range batch {
			ids[i] = b.id
			w.load.rec.positionAcked(w.profile, b.film, b.position)
		}
		w.load.rec.eventsAcked(ids)
		w.mu.Lock()
		w.waiting = append([]beat(nil), w.waiting[len(batch):]...)
		w.mu.Unlock()
		w.load.rec.seen(w.c.login, "events", time.Now())
	}
}

func (w *watching) record(ctx context.Context, batch []beat) error {
	events := make([]any, len(batch))
	for i, b := range batch {
		// The session of a UUID is known before the cinema has said so.
		events[i] = map[string]any{"id": b.id, "name": "HEARTBEAT", "at": b.at.Format(time.RFC3339Nano), "sessionId": sessionID(b.session),
			"playableId": b.film, "titleId": b.film, "durationMs": 7_200_000, "positionMs": b.position, "playing": true, "rate": 1.0}
	}
	var out struct {
		RecordEvents struct {
			Accepted int
			Rejected []struct{ Code, Message string }
		}
	}
	if err := w.c.ask(ctx, &out, recordEvents, map[string]any{"i": map[string]any{"device": device, "locale": "en", "events": events}}); err != nil {
		return err
	}
	if out.RecordEvents.Accepted != len(batch) {
		return fmt.Errorf("rejected: %+v", out.RecordEvents.Rejected)
	}
	return nil
}

// newcomers make an account every second or so.
func (l *load) newcomers(ctx context.Context) {
	n := 0
	l.every(ctx, 1500*time.Millisecond, func() {
		n++
		c := newClient(l.front, fmt.Sprintf("newcomer-%d", n), 1000+n)
		unsure := false
		_ = again(ctx, func() error {
			_, err := c.signUp(ctx)
			if unsure && codeOf(err) == "CONFLICT" { // it was made, and the answer lost
				_, err = c.signIn(ctx)
			}
			if err != nil {
				unsure = true
				if ctx.Err() == nil {
					l.rec.refused("sign-up", err)
				}
				return err
			}
			l.rec.accountAcked(c.login)
			return nil
		})
	})
}

// admin makes titles and corrects them.
func (l *load) admin(ctx context.Context, c *client, random *rand.Rand) {
	type title struct {
		id      string
		version int
	}
	var titles []title
	n := 0
	l.every(ctx, 300*time.Millisecond, func() {
		c.fresh(ctx)
		n++
		year := 1900 + n%190
		if len(titles) < 5 || n%5 == 0 && len(titles) < 60 {
			name, id := fmt.Sprintf("Chaos %d", n), newID()
			_ = again(ctx, func() error {
				made, err := create(ctx, c, id, name, year)
				if err != nil {
					if ctx.Err() == nil {
						l.rec.refused("create", err)
					}
					return err
				}
				titles = append(titles, title{made.ID, made.Version})
				l.rec.titleAcked(made.ID, name, made.Version, year)
				return nil
			})
			return
		}
		t := &titles[random.IntN(len(titles))]
		_ = again(ctx, func() error {
			version, err := update(ctx, c, t.id, t.version, year)
			if codeOf(err) == "CONFLICT" {
				// The save before this try was answered to nobody, but done?
				var out struct{ TitleRecord struct{ Version, Year int } }
				if err = c.ask(ctx, &out, `query($id: ID!) { titleRecord(id: $id) { version year } }`, map[string]any{"id": t.id}); err == nil {
					if version = out.TitleRecord.Version; out.TitleRecord.Year != year || version != t.version+1 {
						t.version = version
						err = fmt.Errorf("a conflict with nobody: version %d of %d", version, out.TitleRecord.Year)
					}
				}
			}
			if err != nil {
				if ctx.Err() == nil {
					l.rec.refused("save", err)
				}
				return err
			}
			t.version = version
			l.rec.titleAcked(t.id, "", version, year)
			return nil
		})
	})
}

type titleRecord struct {
	ID      string
	Version int
}

func update(ctx context.Context, c *client, id string, version, year int) (int, error) {
	var out struct {
		UpdateTitle struct{ Record titleRecord }
	}
	err := c.ask(ctx, &out, `mutation($i: UpdateTitleInput!) { updateTitle(input: $i) { record { id version } } }`,
		map[string]any{"i": map[string]any{"id": id, "version": version, "year": year}})
	return out.UpdateTitle.Record.Version, err
}

func create(ctx context.Context, c *client, id, name string, year int) (titleRecord, error) {
	var out struct {
		CreateTitle struct{ Record titleRecord }
	}
	err := c.ask(ctx, &out, `mutation($i: CreateTitleInput!) { createTitle(input: $i) { record { id version } } }`,
		map[string]any{"i": map[string]any{"titleUuid": id, "kind": "FILM", "originalName": name, "year": year, "publish": true}})
	return out.CreateTitle.Record, err
}
