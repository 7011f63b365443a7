package demo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// State is where the demo cinema stands.
type State string

// The states.
const (
	Absent   State = "absent"
	Seeding  State = "seeding"
	Ready    State = "ready"
	Removing State = "removing"
	Failed   State = "failed"
)

// Status is the state with its progress.
type Status struct {
	State   State
	Step    string  // what is being done; empty when nothing is
	Percent float64 // 0 to 100
	Titles  int
}

// Picture is a stored image.
type Picture struct {
	Prefix      string // objects are Prefix/<width>.jpg
	Widths      []int
	Placeholder string
	Colour      string
}

// Record is a title as the catalogue takes it.
type Record struct {
	Title
	ID         uuid.UUID
	Poster     *Picture
	EpisodeIDs [][]uuid.UUID // by season, by episode
	AddedAt    time.Time
}

// Playable is a film or episode that gets a clip.
type Playable struct {
	ID       uuid.UUID
	TitleID  uuid.UUID
	Episode  bool
	Name     string // shown in the clip
	Subtitle string // shown below it
	Seed     string
}

// Titles is where the demo's titles are kept.
type Titles interface {
	// Import adds all of it, marked as demo, or nothing.
	Import(ctx context.Context, records []Record, c *Catalogue) error
	SetStill(ctx context.Context, title uuid.UUID, p Picture) error
	Count(ctx context.Context) (int, error)
	Delete(ctx context.Context) error
}

// Media is where clips become films.
type Media interface {
	// Make draws a clip and queues it; a playable that has media or a job
	// already is passed over.
	Make(ctx context.Context, p Playable) error
	// Ready reports whether the clip has a rendition that plays.
	Ready(ctx context.Context, id uuid.UUID) (bool, error)
	// Share lets those of to that have no media play from's clip.
	Share(ctx context.Context, from Playable, to []Playable) error
	// Pending is how many clips are queued or in work.
	Pending(ctx context.Context) (int, error)
	// Playable reports whether viewers can play the film.
	Playable(ctx context.Context, id uuid.UUID) (bool, error)
	Delete(ctx context.Context) error
}

// Pictures draws and stores a title's pictures.
type Pictures interface {
	Poster(ctx context.Context, t *Title, prefix string) (Picture, error)
	Still(ctx context.Context, t *Title, prefix string) (Picture, error)
	Delete(ctx context.Context) error
}

// Viewers are the synthetic viewers and their viewing.
type Viewers interface {
	// Send makes the viewers and sends what they did in the 30 days before
	// until by the way of real events. It can be repeated: the same viewers
	// do the same, under the same ids, so nothing is counted twice.
	Send(ctx context.Context, titles []Watchable, until time.Time, progress func(share float64)) error
	Delete(ctx context.Context) error
}

// Watchable is a title as the synthetic viewers see it.
type Watchable struct {
	ID        uuid.UUID
	Series    bool
	Name      string
	Genres    []string
	Playables []WatchablePlayable
}

// WatchablePlayable is a film itself or an episode.
type WatchablePlayable struct {
	ID       uuid.UUID
	Duration time.Duration
}

// Deps of NewSeeder; all are required.
type Deps struct {
	Titles   Titles
	Media    Media
	Pictures Pictures
	Viewers  Viewers
	// Indexed reports how many titles viewers can find.
	Indexed func(ctx context.Context) (int, error)
	// Dir keeps the state over restarts.
	Dir string
	Now func() time.Time
	Log *slog.Logger
}

// memory is what lasts in Dir.
type memory struct {
	State State     `json:"state"`
	Since time.Time `json:"since"` // the viewing ends here
	// What is complete; each step can be repeated until it is.
	Imported, Stills, Clips, Viewing bool
}

// Seeder makes the demo cinema and removes it.
type Seeder struct {
	Deps
	catalogue *Catalogue
	wake      chan struct{}

	mu     sync.Mutex
	memory memory
	failed error
	steps  map[string]float64 // 0 to 1 by step
	cancel context.CancelFunc // of the work in progress
	idle   chan struct{}      // closed while no work is in progress
}

// Shares of the whole, for the per cent.
var shares = map[string]float64{"titles": .1, "stills": .1, "clips": .5, "viewing": .3}

// NewSeeder reads the state; it starts nothing.
func NewSeeder(d Deps) (*Seeder, error) {
	if d.Titles == nil || d.Media == nil || d.Pictures == nil || d.Viewers == nil || d.Indexed == nil || d.Dir == "" || d.Now == nil || d.Log == nil {
		return nil, errors.New("demo: all of Deps are required")
	}
	c, err := Load()
	if err != nil {
		return nil, err
	}
	s := &Seeder{Deps: d, catalogue: c, wake: make(chan struct{}, 1), steps: map[string]float64{}, idle: make(chan struct{})}
	close(s.idle)
	b, err := os.ReadFile(s.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.memory.State = Absent
	case err != nil:
		return nil, fmt.Errorf("demo: %w", err)
	default:
		if err := json.Unmarshal(b, &s.memory); err != nil {
			return nil, fmt.Errorf("demo: %s is damaged: %w", s.path(), err)
		}
	}
	return s, nil
}

func (s *Seeder) path() string { return filepath.Join(s.Dir, "demo.json") }

// remember changes the state and makes it last.
func (s *Seeder) remember(change func(m *memory)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.memory
	change(&next)
	b, err := json.Marshal(next)
	if err != nil {
		return err
	}
	tmp := s.path() + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.Rename(tmp, s.path()); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	s.memory = next
	return nil
}

// recall is the state as it is now.
func (s *Seeder) recall() memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory
}

func (s *Seeder) progress(step string, share float64) {
	s.mu.Lock()
	s.steps[step] = share
	s.mu.Unlock()
}

// Status says where the demo stands.
func (s *Seeder) Status(ctx context.Context) (Status, error) {
	n, err := s.Titles.Count(ctx)
	if err != nil {
		return Status{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{State: s.memory.State, Titles: n}
	switch {
	case s.memory.State == Ready:
		out.Percent = 100
	case s.failed != nil:
		out.State, out.Step = Failed, "see the log"
	case s.memory.State == Seeding:
		done := map[string]bool{"titles": s.memory.Imported, "stills": s.memory.Stills, "clips": s.memory.Clips, "viewing": s.memory.Viewing}
		for _, step := range []string{"titles", "stills", "clips", "viewing"} {
			if done[step] {
				out.Percent += 100 * shares[step]
				continue
			}
			out.Percent += 100 * shares[step] * s.steps[step]
			if out.Step == "" {
				out.Step = step
			}
		}
	case s.memory.State == Removing:
		out.Step = "removing"
	}
	return out, nil
}

// Open makes the demo's first part when fresh is set: its titles are found
// and one film plays when it returns, at most 30 s later. The rest follows in
// Run. A demo that was interrupted goes on.
func (s *Seeder) Open(ctx context.Context, fresh bool) error {
	if fresh && s.recall().State == Absent {
		if err := s.remember(func(m *memory) { *m = memory{State: Seeding, Since: s.Now().UTC().Truncate(time.Hour)} }); err != nil {
			return err
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	if m := s.recall(); m.State != Seeding || m.Imported {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	first := s.playables()[0]
	return until(ctx, 50*time.Millisecond, func() (bool, error) {
		if n, err := s.Indexed(ctx); err != nil || n < len(s.catalogue.Titles) {
			return false, nil //nolint:nilerr // the index may not be there yet; ctx bounds the wait
		}
		return s.Media.Playable(ctx, first.ID)
	})
}

// Run works on the demo until ctx ends: what Open began, and removals.
func (s *Seeder) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		}
		wait := time.Second
		for ctx.Err() == nil {
			err := s.work(ctx)
			if errors.Is(err, context.Canceled) && ctx.Err() == nil {
				continue // a removal took the place of the seeding
			}
			s.mu.Lock()
			s.failed = err
			s.mu.Unlock()
			if err == nil || ctx.Err() != nil {
				break
			}
			s.Log.Error("the demo cinema could not be completed; it is tried again", "error", err, "after", wait)
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			wait = min(2*wait, time.Minute)
		}
	}
}

// work takes the state one step on: seeding to ready, removing to absent.
func (s *Seeder) work(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := make(chan struct{})
	s.mu.Lock()
	s.cancel, s.idle = cancel, idle
	state := s.memory.State
	s.mu.Unlock()
	defer close(idle)
	switch state {
	case Seeding:
		return s.seed(ctx)
	case Removing:
		return s.remove(ctx)
	}
	return nil
}

func (s *Seeder) seed(ctx context.Context) error {
	playables := s.playables()
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	imported := make(chan struct{})
	group.Go(func() error { // titles, stills, viewing
		if !s.recall().Imported {
			if err := s.importTitles(ctx); err != nil {
				return err
			}
			s.Log.Info("the demo's titles are in the catalogue", "titles", len(s.catalogue.Titles), "ms", time.Since(began).Milliseconds())
		}
		close(imported)
		if !s.recall().Stills {
			if err := s.stills(ctx); err != nil {
				return err
			}
		}
		if !s.recall().Viewing {
			if err := s.Viewers.Send(ctx, s.watchables(), s.recall().Since, func(share float64) {
				s.progress("viewing", share)
			}); err != nil {
				return fmt.Errorf("viewing: %w", err)
			}
			return s.remember(func(m *memory) { m.Viewing = true })
		}
		return nil
	})
	if !s.recall().Clips {
		group.Go(func() error { return s.clips(ctx, playables, imported) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.Log.Info("the demo cinema is complete", "seconds", int(time.Since(began).Seconds()))
	return s.remember(func(m *memory) { m.State = Ready })
}

// importTitles draws the posters and adds the titles at once.
func (s *Seeder) importTitles(ctx context.Context) error {
	records := make([]Record, len(s.catalogue.Titles))
	var mu sync.Mutex
	drawn := 0
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range s.catalogue.Titles {
		group.Go(func() error {
			t := &s.catalogue.Titles[i]
			p, err := s.Pictures.Poster(ctx2, t, "pictures/demo/"+t.Slug+"/poster")
			if err != nil {
				return fmt.Errorf("poster of %s: %w", t.Slug, err)
			}
			r := Record{Title: *t, ID: s.titleID(t), Poster: &p, AddedAt: s.recall().Since.Add(-time.Duration(i) * 11 * time.Hour)}
			for _, season := range t.Seasons {
				var ids []uuid.UUID
				for _, e := range season.Episodes {
					ids = append(ids, id(fmt.Sprintf("%s/%d/%d", t.Slug, season.Number, e.Number)))
				}
				r.EpisodeIDs = append(r.EpisodeIDs, ids)
			}
			records[i] = r
			mu.Lock()
			drawn++
			n := drawn
			mu.Unlock()
			s.progress("titles", .9*float64(n)/float64(len(records)))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if n, err := s.Titles.Count(ctx); err != nil {
		return err
	} else if n == 0 { // else the last attempt ended between the import and its note
		if err := s.Titles.Import(ctx, records, s.catalogue); err != nil {
			return fmt.Errorf("import: %w", err)
		}
	}
	return s.remember(func(m *memory) { m.Imported = true })
}

func (s *Seeder) stills(ctx context.Context) error {
	for i := range s.catalogue.Titles {
		t := &s.catalogue.Titles[i]
		p, err := s.Pictures.Still(ctx, t, "pictures/demo/"+t.Slug+"/still")
		if err != nil {
			return fmt.Errorf("still of %s: %w", t.Slug, err)
		}
		if err := s.Titles.SetStill(ctx, s.titleID(t), p); err != nil {
			return fmt.Errorf("still of %s: %w", t.Slug, err)
		}
		s.progress("stills", float64(i+1)/float64(len(s.catalogue.Titles)))
	}
	return s.remember(func(m *memory) { m.Stills = true })
}

// ownClips is how many films get a clip of their own. The others share one
// that says what it is: making 71 would keep two cores busy for a quarter of
// an hour.
const ownClips = 5

// shared is the clip of everything without one of its own; it is no title.
func shared() Playable {
	return Playable{ID: id("shared clip"), Name: "Demo reel", Subtitle: "NetflixAtHome", Seed: "netflixathome-demo-reel"}
}

// clips makes the first clip while posters are still being drawn, then the
// shared one, then the others', and waits until all are watchable.
func (s *Seeder) clips(ctx context.Context, playables []Playable, imported <-chan struct{}) error {
	own, rest := playables[:min(ownClips, len(playables))], playables[min(ownClips, len(playables)):]
	done := 0
	make := func(p Playable) error {
		if err := s.Media.Make(ctx, p); err != nil {
			return fmt.Errorf("clip of %s: %w", p.Seed, err)
		}
		done++
		s.progress("clips", .5*float64(done)/float64(len(own)+1))
		return nil
	}
	if err := make(own[0]); err != nil {
		return err
	}
	select {
	case <-imported:
	case <-ctx.Done():
		return ctx.Err()
	}
	reel := shared()
	if err := make(reel); err != nil {
		return err
	}
	for _, p := range own[1:] {
		if err := make(p); err != nil {
			return err
		}
	}
	if err := until(ctx, 200*time.Millisecond, func() (bool, error) { return s.Media.Ready(ctx, reel.ID) }); err != nil {
		return err
	}
	if err := s.Media.Share(ctx, reel, rest); err != nil {
		return fmt.Errorf("share the demo reel: %w", err)
	}
	err := until(ctx, 500*time.Millisecond, func() (bool, error) {
		n, err := s.Media.Pending(ctx)
		if err == nil {
			s.progress("clips", 1-.5*float64(n)/float64(len(own)+1))
		}
		return n == 0, err
	})
	if err != nil {
		return err
	}
	return s.remember(func(m *memory) { m.Clips = true })
}

// Remove removes the demo and returns when it is gone.
func (s *Seeder) Remove(ctx context.Context) error {
	if err := s.StartRemoval(); err != nil {
		return err
	}
	return until(ctx, 100*time.Millisecond, func() (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.failed != nil && s.memory.State == Removing {
			return false, fmt.Errorf("the demo could not be removed; it is tried again: %w", s.failed)
		}
		return s.memory.State == Absent, nil
	})
}

// StartRemoval begins the removal, which Run completes.
func (s *Seeder) StartRemoval() error {
	s.mu.Lock()
	state, cancel := s.memory.State, s.cancel
	s.mu.Unlock()
	if state == Absent || state == Removing {
		return nil
	}
	if err := s.remember(func(m *memory) { m.State = Removing }); err != nil {
		return err
	}
	if cancel != nil {
		cancel() // of the seeding, which must not go on beside
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *Seeder) remove(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"media", s.Media.Delete}, {"titles", s.Titles.Delete}, {"pictures", s.Pictures.Delete}, {"viewers", s.Viewers.Delete},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return s.remember(func(m *memory) { *m = memory{State: Absent} })
}

// playables are all films and episodes, films first.
func (s *Seeder) playables() []Playable {
	var films, episodes []Playable
	for i := range s.catalogue.Titles {
		t := &s.catalogue.Titles[i]
		if len(t.Seasons) == 0 {
			sub := fmt.Sprint(t.Year)
			if len(t.Directors) > 0 {
				sub = t.Directors[0] + ", " + sub
			}
			films = append(films, Playable{ID: s.titleID(t), TitleID: s.titleID(t), Name: t.Name, Subtitle: sub, Seed: t.Slug})
			continue
		}
		for _, season := range t.Seasons {
			for _, e := range season.Episodes {
				seed := fmt.Sprintf("%s/%d/%d", t.Slug, season.Number, e.Number)
				episodes = append(episodes, Playable{ID: id(seed), TitleID: s.titleID(t), Episode: true,
					Name: e.Name, Subtitle: fmt.Sprintf("%s, %d", t.Name, e.Number), Seed: seed})
			}
		}
	}
	return append(films, episodes...)
}

func (s *Seeder) watchables() []Watchable {
	var out []Watchable
	for i := range s.catalogue.Titles {
		t := &s.catalogue.Titles[i]
		w := Watchable{ID: s.titleID(t), Name: t.Name, Genres: t.Genres, Series: len(t.Seasons) > 0}
		if !w.Series {
			w.Playables = []WatchablePlayable{{ID: w.ID, Duration: time.Duration(t.RuntimeMinutes) * time.Minute}}
		}
		for _, season := range t.Seasons {
			for _, e := range season.Episodes {
				w.Playables = append(w.Playables, WatchablePlayable{
					ID: id(fmt.Sprintf("%s/%d/%d", t.Slug, season.Number, e.Number)), Duration: time.Duration(e.RuntimeMinutes) * time.Minute})
			}
		}
		out = append(out, w)
	}
	return out
}

func (s *Seeder) titleID(t *Title) uuid.UUID { return id(t.Slug) }

// id is a UUIDv7 that is always the same for a seed, so that every step can
// be repeated and links to the demo's titles work on every machine. Its time
// is that of the data: 1 January 2026.
func id(seed string) uuid.UUID {
	sum := sha256.Sum256([]byte("netflixathome demo " + seed))
	u := uuid.UUID(sum[:16])
	copy(u[:6], []byte{0x01, 0x9b, 0x76, 0xda, 0x00, 0x00})
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// until polls f until it is done, fails, or ctx ends.
func until(ctx context.Context, every time.Duration, f func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		done, err := f()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
