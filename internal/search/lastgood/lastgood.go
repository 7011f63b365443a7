// Package lastgood answers for an index that is away with what it last said.
//
// It stands between the catalogue and an index elsewhere. What passes by is
// remembered, a bounded number of each kind, and written to a file now and
// then, so that a program which starts while the index is away still shows its
// front page, its films, and lets them be played. Searches by words and pages
// further on are not remembered: they fail while the index does.
package lastgood

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"github.com/netflixathome/cinema/internal/search"
)

// What is remembered. A title is some kilobytes, so the file stays below some
// ten megabytes.
const (
	mostTitles = 2_000
	mostPeople = 2_000
	mostLists  = 128
)

// saveEvery is how often the file is written where something has changed.
const saveEvery = time.Minute

// Options of New.
type Options struct {
	Index search.Reader // required
	// File is where it is kept; its folder must be there. Required.
	File   string
	Logger *slog.Logger // required
	// SaveEvery is a minute if zero.
	SaveEvery time.Duration
}

// Index is a search.Reader over another.
type Index struct {
	search.Reader
	file  string
	log   *slog.Logger
	every time.Duration

	titles  *otter.Cache[uuid.UUID, *search.Title]
	people  *otter.Cache[uuid.UUID, *search.Person]
	series  *otter.Cache[uuid.UUID, uuid.UUID] // by episode
	lists   *otter.Cache[string, list]
	genres  atomic.Pointer[[]search.GenreCount]
	changed atomic.Bool

	heard atomic.Int64 // when the index last answered, in Unix nanoseconds; 0 if it never has
	lost  atomic.Bool  // whether it failed since
}

var _ search.Reader = (*Index)(nil)

// list is a first page without a query, its titles by identifier.
type list struct {
	Titles  []uuid.UUID
	Cursors []string
	Total   int
	HasNext bool
	Facets  search.Facets
}

// New remembers what the file holds. One that cannot be read is as good as none.
func New(o Options) (*Index, error) {
	if o.Index == nil || o.File == "" || o.Logger == nil {
		return nil, errors.New("lastgood: Index, File and Logger are required")
	}
	if o.SaveEvery == 0 {
		o.SaveEvery = saveEvery
	}
	x := &Index{Reader: o.Index, file: o.File, log: o.Logger, every: o.SaveEvery}
	var errs [4]error
	x.titles, errs[0] = otter.New(&otter.Options[uuid.UUID, *search.Title]{MaximumSize: mostTitles})
	x.people, errs[1] = otter.New(&otter.Options[uuid.UUID, *search.Person]{MaximumSize: mostPeople})
	x.series, errs[2] = otter.New(&otter.Options[uuid.UUID, uuid.UUID]{MaximumSize: 10 * mostTitles})
	x.lists, errs[3] = otter.New(&otter.Options[string, list]{MaximumSize: mostLists})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("lastgood: %w", err)
	}
	if err := x.load(); err != nil && !errors.Is(err, os.ErrNotExist) {
		x.log.Warn("what the search index last said cannot be read; it is forgotten", "file", x.file, "error", err)
	}
	return x, nil
}

// Away is since when the index has not answered: when it last did. It is zero
// while the index answers, and when it never has, for then nothing old is shown.
func (x *Index) Away() time.Time {
	heard := x.heard.Load()
	if !x.lost.Load() || heard == 0 {
		return time.Time{}
	}
	return time.Unix(0, heard)
}

// here notes that the index answers.
func (x *Index) here() {
	x.heard.Store(time.Now().UnixNano())
	x.lost.Store(false)
}

// away reports whether a failure is the index's, notes it and says so.
func (x *Index) away(ctx context.Context, err error) bool {
	if err == nil || errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, search.ErrBadCursor) {
		return false
	}
	x.lost.Store(true)
	x.log.WarnContext(ctx, "the search index fails; what it last said is served where it is known", "error", err)
	return true
}

func keyOf(q search.Query) (string, bool) {
	if q.Text != "" || q.After != "" {
		return "", false
	}
	b, err := json.Marshal(q)
	return string(b), err == nil
}

// Search implements search.Reader.
func (x *Index) Search(ctx context.Context, q search.Query) (*search.Results, error) {
	res, err := x.Reader.Search(ctx, q)
	key, lasting := keyOf(q)
	if err == nil {
		x.here()
		for _, h := range res.Hits {
			x.keep(h.Title)
		}
		if lasting {
			l := list{Total: res.Total, HasNext: res.HasNext, Facets: res.Facets}
			for _, h := range res.Hits {
				l.Titles, l.Cursors = append(l.Titles, h.Title.ID), append(l.Cursors, h.Cursor)
			}
			x.lists.Set(key, l)
		}
		return res, nil
	}
	if !x.away(ctx, err) || !lasting {
		return nil, err
	}
	l, ok := x.lists.GetIfPresent(key)
	if !ok {
		return nil, err
	}
	out := &search.Results{Total: l.Total, HasNext: l.HasNext, Facets: l.Facets}
	for i, id := range l.Titles {
		if t, ok := x.titles.GetIfPresent(id); ok {
			out.Hits = append(out.Hits, search.Hit{Title: t, Cursor: l.Cursors[i]})
		}
	}
	return out, nil
}

func (x *Index) keep(t *search.Title) {
	if old, ok := x.titles.GetIfPresent(t.ID); ok && old == t {
		return
	}
	x.titles.Set(t.ID, t)
	for _, s := range t.Seasons {
		for _, e := range s.Episodes {
			x.series.Set(e.ID, t.ID)
		}
	}
	x.changed.Store(true)
}

// TitlesByID implements search.Reader. While the index is away it knows those
// that somebody saw, and fails if one of ids is another.
func (x *Index) TitlesByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	found, err := x.Reader.TitlesByID(ctx, ids)
	if err == nil {
		x.here()
		for _, t := range found {
			x.keep(t)
		}
		for _, id := range ids { // gone from the catalogue: never shown again
			if found[id] == nil {
				x.titles.Invalidate(id)
			}
		}
		return found, nil
	}
	if !x.away(ctx, err) {
		return nil, err
	}
	return known(x.titles, ids, err)
}

// SeriesByEpisode implements search.Reader.
func (x *Index) SeriesByEpisode(ctx context.Context, episodes []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	found, err := x.Reader.SeriesByEpisode(ctx, episodes)
	if err == nil {
		x.here()
		for _, t := range found {
			x.keep(t)
		}
		return found, nil
	}
	if !x.away(ctx, err) {
		return nil, err
	}
	out := map[uuid.UUID]*search.Title{}
	for _, e := range episodes {
		id, ok := x.series.GetIfPresent(e)
		if !ok {
			return nil, err
		}
		if out[e], ok = x.titles.GetIfPresent(id); !ok {
			return nil, err
		}
	}
	return out, nil
}

// PeopleByID implements search.Reader.
func (x *Index) PeopleByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Person, error) {
	found, err := x.Reader.PeopleByID(ctx, ids)
	if err == nil {
		x.here()
		for id, p := range found {
			x.people.Set(id, p)
		}
		return found, nil
	}
	if !x.away(ctx, err) {
		return nil, err
	}
	return known(x.people, ids, err)
}

// known are the documents of ids; err if one of them is not.
func known[V any](c *otter.Cache[uuid.UUID, *V], ids []uuid.UUID, err error) (map[uuid.UUID]*V, error) {
	out := make(map[uuid.UUID]*V, len(ids))
	for _, id := range ids {
		v, ok := c.GetIfPresent(id)
		if !ok {
			return nil, err
		}
		out[id] = v
	}
	return out, nil
}

// Genres implements search.Reader.
func (x *Index) Genres(ctx context.Context) ([]search.GenreCount, error) {
	found, err := x.Reader.Genres(ctx)
	if err == nil {
		x.here()
		x.genres.Store(&found)
		return found, nil
	}
	if away, last := x.away(ctx, err), x.genres.Load(); away && last != nil {
		return *last, nil
	}
	return nil, err
}

// file is what is kept, in JSON.
type file struct {
	Version int
	Heard   time.Time // when the index last answered
	Titles  []*search.Title
	People  []*search.Person
	Lists   map[string]list
	Genres  []search.GenreCount
}

const version = 1

func (x *Index) load() error {
	b, err := os.ReadFile(x.file)
	if err != nil {
		return err
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if f.Version != version {
		return nil
	}
	for _, t := range f.Titles {
		x.keep(t)
	}
	for _, p := range f.People {
		x.people.Set(p.ID, p)
	}
	for key, l := range f.Lists {
		if len(l.Titles) == len(l.Cursors) {
			x.lists.Set(key, l)
		}
	}
	if len(f.Genres) > 0 {
		x.genres.Store(&f.Genres)
	}
	if !f.Heard.IsZero() { // a file of the version before does not say
		x.heard.Store(f.Heard.UnixNano())
	}
	x.changed.Store(false)
	return nil
}

// Run writes the file now and then, and when ctx ends.
func (x *Index) Run(ctx context.Context) error {
	tick := time.NewTicker(x.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if x.changed.Swap(false) {
			if err := x.save(); err != nil {
				x.changed.Store(true)
				x.log.WarnContext(ctx, "what the search index last said could not be kept; tried again", "error", err)
			}
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (x *Index) save() error {
	f := file{Version: version, Lists: map[string]list{}}
	if heard := x.heard.Load(); heard != 0 {
		f.Heard = time.Unix(0, heard).UTC()
	}
	for _, t := range x.titles.All() {
		f.Titles = append(f.Titles, t)
	}
	for _, p := range x.people.All() {
		f.People = append(f.People, p)
	}
	for key, l := range x.lists.All() {
		f.Lists[key] = l
	}
	if g := x.genres.Load(); g != nil {
		f.Genres = *g
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(x.file), "."+filepath.Base(x.file)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), x.file)
}
