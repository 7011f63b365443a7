package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const (
	// visiblePosters is how many a page shows before it is scrolled.
	visiblePosters = 12
	// renewBefore is how long before its end a token is renewed.
	renewBefore = time.Minute
	// calmFirst and calmLast bound how long a viewer waits after a failure.
	calmFirst = time.Second
	calmLast  = 15 * time.Second
)

// viewer is one who uses the cinema.
type viewer struct {
	*browser
	o         *Options
	ops       operations
	d         dice
	admin     *administrator // who lets it sign up; nil for an account like any other
	login     string
	password  string
	locale    string
	known     bool // the account is there
	waiting   []map[string]any
	device    map[string]any
	signedOut bool
}

// run goes on until ctx ends.
func (v *viewer) run(ctx context.Context) {
	calm := calmFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := v.visit(ctx)
		switch {
		case err == nil:
			calm = calmFirst
			v.pause(ctx, v.d.about(v.o.Model.Away))
		case ctx.Err() == nil:
			if time.Since(began) > calmLast {
				calm = calmFirst
			}
			sleep(ctx, time.Duration(float64(calm)*(0.5+v.d.Float64())))
			calm = min(2*calm, calmLast)
		}
	}
}

// pause waits as long as a viewer would, at the speed of the run.
func (v *viewer) pause(ctx context.Context, d time.Duration) {
	sleep(ctx, time.Duration(float64(d)/v.o.Speed))
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// card is a title as lists show it.
type card struct {
	ID     string
	Poster *struct{ W400 string }
}

// visit is one sitting, from opening the page to leaving it.
func (v *viewer) visit(ctx context.Context) error {
	if err := v.loadPage(ctx); err != nil {
		return err
	}
	if err := v.arrive(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		from, titles, err := v.browse(ctx)
		if err != nil {
			return err
		}
		v.pause(ctx, v.d.about(v.o.Model.Think))
		if len(titles) == 0 {
			return nil
		}
		watched, err := v.open(ctx, titles[v.d.IntN(len(titles))].ID, from)
		if err != nil {
			return err
		}
		if watched && !v.d.happens(v.o.Model.Stay) {
			return nil
		}
	}
	return ctx.Err()
}

// arrive signs up the first time, later it goes on with the session that the
// browser remembers, or signs in.
func (v *viewer) arrive(ctx context.Context) error {
	if !v.known {
		return v.signUp(ctx)
	}
	if !v.signedOut && v.refresh(ctx) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return v.signIn(ctx)
}

type session struct {
	AccessToken string
	ExpiresAt   time.Time
}

func (v *viewer) take(s session) {
	v.token, v.until, v.known, v.signedOut = s.AccessToken, s.ExpiresAt, true, false
}

func (v *viewer) signUp(ctx context.Context) error {
	input := map[string]any{"login": v.login, "password": v.password, "locale": v.locale}
	if v.admin != nil {
		token, err := v.admin.leave(ctx)
		if err != nil {
			return err
		}
		v.token, input["demo"] = token, true
	}
	var out struct{ SignUp session }
	err := v.ask(ctx, SignUp, v.ops.named("SignUp", map[string]any{"input": input}), &out)
	v.token = ""
	if err != nil {
		var f *failure
		if errors.As(err, &f) && f.code == "CONFLICT LOGIN_TAKEN" {
			v.known, v.signedOut = true, true // an answer was lost: the account is there
		}
		return err
	}
	v.take(out.SignUp)
	return nil
}

func (v *viewer) signIn(ctx context.Context) error {
	v.token = ""
	var out struct{ SignIn session }
	if err := v.ask(ctx, SignIn, v.ops.named("SignIn", map[string]any{"input": map[string]any{"login": v.login, "password": v.password}}), &out); err != nil {
		return err
	}
	if out.SignIn.AccessToken == "" {
		return fmt.Errorf("%s has a second factor, which a program cannot show: use an account without one", v.login)
	}
	v.take(out.SignIn)
	return nil
}

func (v *viewer) refresh(ctx context.Context) error {
	var out struct{ RefreshSession session }
	if err := v.ask(ctx, Refresh, v.ops.named("RefreshSession", nil), &out); err != nil {
		v.signedOut = true
		return err
	}
	v.take(out.RefreshSession)
	return nil
}

// renew keeps the token good.
func (v *viewer) renew(ctx context.Context) (renewed bool, err error) {
	if time.Until(v.until) > renewBefore {
		return false, nil
	}
	return true, v.refresh(ctx)
}

// query asks one of the web app's operations in the viewer's language.
func (v *viewer) query(ctx context.Context, k Kind, name string, variables map[string]any, out any) error {
	if _, err := v.renew(ctx); err != nil {
		return err
	}
	variables["locale"] = v.locale
	return v.ask(ctx, k, v.ops.named(name, variables), out)
}

type list struct {
	Edges []struct{ Node card }
}

func (l list) cards() (out []card) {
	for _, e := range l.Edges {
		out = append(out, e.Node)
	}
	return out
}

// browse looks at the home page, scrolls, and may search; it returns titles to
// choose from.
func (v *viewer) browse(ctx context.Context) (from string, titles []card, err error) {
	var home struct {
		Featured *card
		Added    list
		Popular  []*card
		MyList   []*card
		Genres   []struct{ ID string }
	}
	if err := v.query(ctx, Home, "Home", map[string]any{}, &home); err != nil {
		return "", nil, err
	}
	for _, row := range [][]*card{home.MyList, home.Popular, {home.Featured}} {
		for _, c := range row {
			if c != nil {
				titles = append(titles, *c)
			}
		}
	}
	titles = append(titles, home.Added.cards()...)
	v.note("PAGE_VIEWED", map[string]any{"page": "/"})
	if err := errors.Join(v.pictures(ctx, titles), v.flush(ctx)); err != nil {
		return "", nil, err
	}
	if v.d.happens(v.o.Model.Search) {
		found, err := v.search(ctx)
		if err != nil || len(found) > 0 {
			return "search", found, err
		}
	}
	for range min(v.o.Model.GenreRows, len(home.Genres)) {
		v.pause(ctx, v.d.about(v.o.Model.Think/4))
		var row struct{ Titles list }
		if err := v.query(ctx, GenreRow, "GenreRow", map[string]any{"genre": home.Genres[v.d.IntN(len(home.Genres))].ID}, &row); err != nil {
			return "", nil, err
		}
		if err := v.pictures(ctx, row.Titles.cards()); err != nil {
			return "", nil, err
		}
		titles = append(titles, row.Titles.cards()...)
	}
	return "row", titles, nil
}

func (v *viewer) search(ctx context.Context) (found []card, err error) {
	for _, q := range typed(v.d.query(v.o.Model.Typo)) {
		v.pause(ctx, v.d.about(v.o.Model.Think/8))
		began := time.Now()
		var out struct {
			Titles struct {
				list
				TotalCount int
			}
		}
		if err := v.query(ctx, Search, "SearchFirst", map[string]any{"query": q, "first": 24, "withPeople": true}, &out); err != nil {
			return nil, err
		}
		found = out.Titles.cards()
		v.note("SEARCHED", map[string]any{"query": q, "results": out.Titles.TotalCount, "elapsedMs": time.Since(began).Milliseconds()})
	}
	return found, errors.Join(v.pictures(ctx, found), v.flush(ctx))
}

// pictures fetches the posters that a page shows at first, but for those that
// are in the browser's cache.
func (v *viewer) pictures(ctx context.Context, titles []card) error {
	for _, c := range titles[:min(len(titles), visiblePosters)] {
		if c.Poster == nil {
			continue
		}
		if err := v.fetchOnce(ctx, Picture, c.Poster.W400); err != nil {
			return err
		}
	}
	return nil
}

// open shows a title's page, and may play it.
func (v *viewer) open(ctx context.Context, id, from string) (watched bool, err error) {
	type media struct{ DurationMs int }
	var page struct {
		Title *struct {
			Typename string `json:"__typename"`
			Poster   *struct{ W400 string }
			Playback *media
			Similar  []struct{ Title card }
			Seasons  []struct {
				Episodes []struct {
					ID       string
					Playback *media
				}
			}
		}
	}
	if err := v.query(ctx, TitlePage, "TitlePage", map[string]any{"id": id}, &page); err != nil {
		return false, err
	}
	if page.Title == nil {
		return false, nil // it was unpublished meanwhile
	}
	v.note("TITLE_OPENED", map[string]any{"titleId": id, "from": from})
	var similar []card
	for _, s := range page.Title.Similar {
		similar = append(similar, s.Title)
	}
	if err := errors.Join(v.pictures(ctx, similar), v.flush(ctx)); err != nil {
		return false, err
	}
	v.pause(ctx, v.d.about(v.o.Model.Think))
	var playable []string
	if page.Title.Playback != nil {
		playable = append(playable, id)
	}
	for _, s := range page.Title.Seasons {
		for _, e := range s.Episodes {
			if e.Playback != nil {
				playable = append(playable, e.ID)
			}
		}
	}
	if len(playable) == 0 || !v.d.happens(v.o.Model.Play) {
		return false, nil
	}
	return true, v.watch(ctx, playable[v.d.IntN(len(playable))], id)
}

// note is a fact that goes out with the next flush.
func (v *viewer) note(name string, fields map[string]any) {
	e := map[string]any{"id": uuid.Must(uuid.NewV7()).String(), "name": name, "at": time.Now().UTC().Format("2006-01-02T15:04:05.000Z")}
	for k, x := range fields {
		e[k] = x
	}
	v.waiting = append(v.waiting, e)
}

// mostWaiting bounds the facts that wait while the server does not take them.
const mostWaiting = 400

// flush sends what was noted; what could not be sent goes with the next.
func (v *viewer) flush(ctx context.Context) error {
	if len(v.waiting) == 0 {
		return nil
	}
	v.waiting = v.waiting[max(0, len(v.waiting)-mostWaiting):]
	var out struct {
		RecordEvents struct {
			Accepted int
			Rejected []struct{ Code string }
		}
	}
	input := map[string]any{"device": v.device, "locale": v.locale, "events": v.waiting}
	if err := v.ask(ctx, Events, v.ops.named("RecordEvents", map[string]any{"input": input}), &out); err != nil {
		return err
	}
	v.waiting = nil
	v.rec.sent(out.RecordEvents.Accepted)
	for _, r := range out.RecordEvents.Rejected {
		v.rec.refused(r.Code)
	}
	return nil
}

const (
	// beatEvery is how often a player says where it is.
	beatEvery = 10 * time.Second
	// stepEvery is how often a player looks whether to fetch.
	stepEvery = time.Second
)

// watch plays a film or episode.
func (v *viewer) watch(ctx context.Context, playable, title string) error {
	began := time.Now()
	var page struct {
		Playable *struct {
			Playback *struct {
				URL        string
				DurationMs int
			}
		}
	}
	if err := v.query(ctx, WatchPage, "WatchPage", map[string]any{"id": playable}, &page); err != nil {
		return err
	}
	if page.Playable == nil || page.Playable.Playback == nil {
		return nil // it was unpublished meanwhile
	}
	source := page.Playable.Playback
	p := &play{viewer: v, playable: playable, title: title, length: time.Duration(source.DurationMs) * time.Millisecond}
	if p.length <= 0 {
		return &failure{"film without length"}
	}
	// As in the web app, the film and the viewing session open side by side.
	g, side := errgroup.WithContext(ctx)
	g.Go(func() error {
		f, err := v.openFilm(side, source.URL, v.d)
		if err != nil {
			return err
		}
		p.use(f)
		if err := p.first(side); err != nil {
			return err
		}
		v.rec.done(FirstSegment, time.Since(began), 0, "")
		return nil
	})
	var link *watchLink
	g.Go(func() (err error) {
		link, err = v.openWatch(side, ctx, playable, title, source.DurationMs)
		return err
	})
	if err := g.Wait(); err != nil {
		if link != nil {
			link.close()
		}
		return err
	}
	defer link.close()
	p.link = link
	p.note("PLAY_STARTED", map[string]any{"positionMs": 0, "firstFrameMs": time.Since(began).Milliseconds()})
	v.rec.plays(1)
	defer v.rec.plays(-1)
	err := p.run(ctx, v.d.about(v.o.Model.Watch))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.note("PLAY_ENDED", map[string]any{"reason": "closed", "positionMs": p.position().Milliseconds(), "watchedMs": p.now.Milliseconds()})
	return errors.Join(err, v.flush(ctx))
}

// play is a film being watched.
type play struct {
	*viewer
	link            *watchLink
	playable, title string
	length          time.Duration
	tracks          []*loader
	now             time.Duration // how long the picture has moved
	from, at        time.Duration // the place in the film as of the moment at
}

func (p *play) use(f *film) {
	p.tracks = []*loader{{track: f.video}}
	if f.audio != nil {
		p.tracks = append(p.tracks, &loader{track: f.audio})
	}
}

// position is the place in the film; a short one begins again at its end.
func (p *play) position() time.Duration { return (p.from + p.now - p.at) % p.length }

func (p *play) note(name string, fields map[string]any) {
	fields["sessionId"], fields["playableId"], fields["titleId"] = p.link.session, p.playable, p.title
	p.viewer.note(name, fields)
}

// first fetches what the first picture needs.
func (p *play) first(ctx context.Context) error {
	for _, l := range p.tracks {
		if l.init != "" {
			if _, err := p.fetch(ctx, Segment, l.init, 0); err != nil {
				return err
			}
		}
		s := l.segments[0]
		if _, err := p.fetch(ctx, Segment, s.address, 0); err != nil {
			return err
		}
		l.loaded, l.next = s.length, 1%len(l.segments)
	}
	return nil
}

// run plays for so long, fetching ahead.
func (p *play) run(ctx context.Context, during time.Duration) error {
	last, beat := time.Now(), time.Duration(0)
	perStep := stepEvery.Minutes()
	for p.now < during && ctx.Err() == nil {
		stalled := time.Now()
		if err := p.fetchAhead(ctx); err != nil {
			return err
		}
		moved := time.Duration(float64(time.Since(last)) * p.o.Speed)
		last = time.Now()
		if store := p.store(); moved > store {
			// The picture stood still until the pieces were there.
			p.note("STALLED", map[string]any{"stalledMs": min(time.Since(stalled), moved-store).Milliseconds()})
			moved = store
		}
		p.now += moved
		p.rec.played(moved)
		switch {
		case p.d.happens(p.o.Model.Pause * perStep):
			p.note("PAUSED", map[string]any{"positionMs": p.position().Milliseconds()})
			p.pause(ctx, p.d.about(p.o.Model.Think))
			last = time.Now()
		case p.d.happens(p.o.Model.Seek * perStep):
			p.seek(time.Duration(p.d.Int64N(int64(p.length))))
		}
		if p.now-beat >= beatEvery {
			beat = p.now
			p.note("HEARTBEAT", map[string]any{"positionMs": p.position().Milliseconds(), "playing": true, "rate": 1, "bufferedMs": p.store().Milliseconds()})
			if err := p.keep(ctx); err != nil {
				return err
			}
		}
		p.pause(ctx, stepEvery)
	}
	return ctx.Err()
}

// fetchAhead fills the store of each track.
func (p *play) fetchAhead(ctx context.Context) error {
	for _, l := range p.tracks {
		if err := l.fill(ctx, p.browser, p.now); err != nil {
			return err
		}
	}
	return nil
}

// store is how much of the film is there ahead.
func (p *play) store() time.Duration {
	least := p.tracks[0].loaded
	for _, l := range p.tracks[1:] {
		least = min(least, l.loaded)
	}
	return max(least-p.now, 0)
}

func (p *play) seek(to time.Duration) {
	p.note("SEEKED", map[string]any{"fromMs": p.position().Milliseconds(), "positionMs": to.Milliseconds()})
	p.from, p.at = to, p.now
	for _, l := range p.tracks {
		l.seek(to, p.now)
	}
}

// keep sends what was noted and keeps token, subscription and session alive.
func (p *play) keep(ctx context.Context) error {
	renewed, err := p.renew(ctx)
	if err == nil && renewed {
		err = p.link.show(ctx, p.token)
	}
	if err == nil {
		err = p.link.ended()
	}
	return errors.Join(err, p.flush(ctx))
}

// operations are the web app's persisted operations: name to hash.
type operations map[string]string

// named is the request that the web app sends for an operation.
func (o operations) named(name string, variables map[string]any) map[string]any {
	return map[string]any{
		"operationName": name, "variables": variables,
		"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": o[name]}},
	}
}

func (o operations) must(names ...string) error {
	for _, name := range names {
		if o[name] == "" {
			return fmt.Errorf("the web app has no operation %s", name)
		}
	}
	return nil
}
