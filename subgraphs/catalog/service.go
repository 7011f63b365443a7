package catalog

import (
	"cmp"
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/search"
)

// MediaURLs signs the addresses under which stored media can be fetched.
type MediaURLs interface {
	// Sign returns the address of the folder prefix, which ends with a slash:
	// the rest of a key is appended to it. It ends after ttl and with the session.
	Sign(prefix, sessionID string, ttl time.Duration) (string, error)
	// URL is Sign for one key.
	URL(key, sessionID string, ttl time.Duration) (string, error)
	// StableURL is the address of a picture, the same for everybody.
	StableURL(key string) (string, error)
}

// Deps of New.
type Deps struct {
	// Index is read for everything; required.
	Index search.Reader
	// Media signs addresses; required.
	Media MediaURLs
	// Logger is required.
	Logger *slog.Logger
	// Generation counts the index's changes, where the index can tell. Where
	// it is nil, answers that are kept may be FreshFor old.
	Generation func() uint64
	// FreshFor is a quarter of a second if zero: a change has a second to be
	// seen in, and most of that is the way into the index.
	FreshFor time.Duration
	// LoadWait is how long a loader collects identifiers; half a millisecond
	// if zero. A test that counts calls gives it longer, for a busy machine.
	LoadWait time.Duration
	// Away is since when the index has not answered, zero while it does; nil
	// where it cannot be away.
	Away func() time.Time
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Loaded is told of each batch of a dataloader; may be nil.
	Loaded func(ctx context.Context, loader string, keys int)
}

// Catalogue answers what is asked of the catalogue.
type Catalogue struct {
	index search.Reader
	media MediaURLs
	now   func() time.Time
	shelf *shelf
	alike *alikes

	loadWait time.Duration
	loaded   func(ctx context.Context, loader string, keys int)
	away     func() time.Time
}

// New makes the service. It starts nothing.
func New(d Deps) (*Catalogue, error) {
	if d.Index == nil || d.Media == nil || d.Logger == nil {
		return nil, errors.New("catalog: Index, Media and Logger are required")
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.FreshFor <= 0 {
		d.FreshFor = 250 * time.Millisecond
	}
	if d.Generation == nil {
		// The index is taken to change all the time, but to stand still for so long.
		d.Generation = func() uint64 { return uint64(d.Now().UnixNano() / int64(d.FreshFor)) }
	}
	if d.Loaded == nil {
		d.Loaded = func(context.Context, string, int) {}
	}
	if d.Away == nil {
		d.Away = func() time.Time { return time.Time{} }
	}
	return &Catalogue{
		away: d.Away, index: d.Index, media: d.Media, now: d.Now, alike: newAlikes(), loadWait: cmp.Or(d.LoadWait, loadWait), loaded: d.Loaded,
		shelf: &shelf{
			generation: d.Generation, now: d.Now, log: d.Logger,
			byKey: map[string]*list.Element{}, order: list.New(),
		},
	}, nil
}

// Away is since when answers are made of what the index last said; zero while
// it answers.
func (s *Catalogue) Away() time.Time { return s.away() }

// Version is the state of what answers are made from: the day, on which the
// featured title and the addresses of pictures depend, and the index.
func (s *Catalogue) Version() [2]uint64 {
	return [2]uint64{uint64(s.day()), s.shelf.generation()}
}

// day counts days in UTC.
func (s *Catalogue) day() int64 { return s.now().UTC().Unix() / int64(24*time.Hour/time.Second) }

// maxFirst is the longest page, as the schema says.
const maxFirst = 100

// unavailable tells a failure of the index from a request that was given up.
func unavailable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, search.ErrBadCursor) {
		return fault.New(fault.Invalid, "This is not a cursor of this list.").At("after")
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fault.New(fault.Unavailable, "The catalogue cannot be read at the moment. Try again shortly.").Because(err)
}

func size(first *int, otherwise int, field string) (int, error) {
	if first == nil {
		return otherwise, nil
	}
	if *first < 1 || *first > maxFirst {
		return 0, fault.New(fault.Invalid, "A page has 1 to %d entries.", maxFirst).At(field)
	}
	return *first, nil
}

const maxQuery = 200

func text(query *string) (string, error) {
	if query == nil {
		return "", nil
	}
	if utf8.RuneCountInString(*query) > maxQuery {
		return "", fault.New(fault.Invalid, "A query has at most %d characters.", maxQuery).At("query")
	}
	return strings.TrimSpace(*query), nil
}

func of[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Page is what a list of titles is asked for.
type Page struct {
	Query  *string
	Filter *TitleFilter
	Sort   *TitleSort
	First  *int
	After  *string
	Locale string
	Facets bool
}

// Titles is a page of titles.
func (r *Request) Titles(ctx context.Context, p Page) (*TitleConnection, error) {
	first, err := size(p.First, 24, "first")
	if err != nil {
		return nil, err
	}
	q := search.Query{First: first, After: of(p.After), Locale: p.Locale, Facets: p.Facets, Sort: search.Sort(strings.ToLower(string(of(p.Sort))))}
	if q.Text, err = text(p.Query); err != nil {
		return nil, err
	}
	if q.Filter, err = r.filter(p.Filter); err != nil {
		return nil, err
	}
	res, err := r.search(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &TitleConnection{
		Edges: make([]*TitleEdge, len(res.Hits)), TotalCount: res.Total, Suggestion: known(res.Suggestion),
		PageInfo: &PageInfo{HasNextPage: res.HasNext, HasPreviousPage: q.After != ""},
	}
	for i, h := range res.Hits {
		out.Edges[i] = &TitleEdge{Cursor: h.Cursor, Node: r.titleOf(h.Title), asked: q.Text != "", marked: h.Highlight}
		r.docs.Prime(ctx, h.Title.ID, h.Title)
	}
	if n := len(out.Edges); n > 0 {
		out.PageInfo.StartCursor, out.PageInfo.EndCursor = &out.Edges[0].Cursor, &out.Edges[n-1].Cursor
	}
	if p.Facets {
		if out.Facets, err = r.facets(ctx, res.Facets); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// search asks the index, or the shelf for a first page without a query.
func (r *Request) search(ctx context.Context, q search.Query) (*search.Results, error) {
	s := r.service
	if q.Text != "" || q.After != "" {
		res, err := s.index.Search(ctx, q)
		return res, unavailable(err)
	}
	key, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	res, err := shelved(ctx, s.shelf, "titles "+string(key), func(ctx context.Context) (*search.Results, error) { return s.index.Search(ctx, q) })
	return res, unavailable(err)
}

// filter translates a filter and adds what this profile may not see.
func (r *Request) filter(f *TitleFilter) (out search.Filter, err error) {
	if f == nil {
		f = &TitleFilter{}
	}
	for name, n := range map[string]int{
		"genreIds": len(f.GenreIDs), "personIds": len(f.PersonIDs), "countries": len(f.Countries), "languages": len(f.Languages), "kinds": len(f.Kinds),
	} {
		if n > maxFirst {
			return out, fault.New(fault.Invalid, "At most %d values.", maxFirst).At("filter." + name)
		}
	}
	for _, k := range f.Kinds {
		out.Kinds = append(out.Kinds, strings.ToLower(string(k)))
	}
	if out.GenreIDs, err = uuids(f.GenreIDs, gid.Genre, "filter.genreIds"); err != nil {
		return out, err
	}
	if out.PersonIDs, err = uuids(f.PersonIDs, gid.Person, "filter.personIds"); err != nil {
		return out, err
	}
	out.YearFrom, out.YearTo = of(f.YearFrom), of(f.YearTo)
	out.AgeRatingMax, out.Countries, out.Languages, out.Playable = f.AgeRatingMax, f.Countries, f.Languages, f.Playable
	if r.limit != nil {
		limit := *r.limit
		if out.AgeRatingMax != nil {
			limit = min(limit, *out.AgeRatingMax)
		}
		out.AgeRatingMax, out.RatedOnly = &limit, true
	}
	return out, nil
}

func uuids(ids []gid.ID, kind gid.Kind, field string) ([]uuid.UUID, error) {
	var out []uuid.UUID
	for _, id := range ids {
		if !id.Is(kind) {
			return nil, fault.New(fault.Invalid, "%s is not the identifier of a %s.", id, kind).At(field)
		}
		out = append(out, id.UUID)
	}
	return out, nil
}

func (r *Request) facets(ctx context.Context, f search.Facets) (*TitleFacets, error) {
	out := &TitleFacets{Genres: []*GenreFacet{}, Kinds: []*KindFacet{}, Decades: []*DecadeFacet{}, Languages: []*LanguageFacet{}}
	ids := make([]uuid.UUID, 0, len(f.Genres))
	for id := range f.Genres {
		ids = append(ids, id)
	}
	genres, err := r.genresByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, g := range genres {
		if g != nil {
			out.Genres = append(out.Genres, &GenreFacet{g, f.Genres[g.doc.ID]})
		}
	}
	slices.SortFunc(out.Genres, func(a, b *GenreFacet) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Genre.doc.Slug, b.Genre.doc.Slug))
	})
	for _, k := range []string{search.KindFilm, search.KindSeries} {
		if n := f.Kinds[k]; n > 0 {
			out.Kinds = append(out.Kinds, &KindFacet{TitleKind(strings.ToUpper(k)), n})
		}
	}
	for from, n := range f.Decades {
		out.Decades = append(out.Decades, &DecadeFacet{from, n})
	}
	slices.SortFunc(out.Decades, func(a, b *DecadeFacet) int { return b.From - a.From })
	for l, n := range f.Languages {
		out.Languages = append(out.Languages, &LanguageFacet{l, n})
	}
	slices.SortFunc(out.Languages, func(a, b *LanguageFacet) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Language, b.Language))
	})
	return out, nil
}

// People is a page of people, of those who have a part in a title that this
// profile may see.
func (r *Request) People(ctx context.Context, query *string, first *int, after *string) (*PersonConnection, error) {
	n, err := size(first, 24, "first")
	if err != nil {
		return nil, err
	}
	words, err := text(query)
	if err != nil {
		return nil, err
	}
	res, err := r.service.index.SearchPeople(ctx, words, n, of(after), r.limit)
	if err != nil {
		return nil, unavailable(err)
	}
	out := &PersonConnection{
		Edges: make([]*PersonEdge, len(res.People)), TotalCount: res.Total,
		PageInfo: &PageInfo{HasNextPage: res.HasNext, HasPreviousPage: of(after) != ""},
	}
	for i, p := range res.People {
		out.Edges[i] = &PersonEdge{Cursor: res.Cursors[i], Node: &Person{p}}
	}
	if n := len(out.Edges); n > 0 {
		out.PageInfo.StartCursor, out.PageInfo.EndCursor = &out.Edges[0].Cursor, &out.Edges[n-1].Cursor
	}
	return out, nil
}

// TitlesOf is a page of a person's titles, the newest first.
func (r *Request) TitlesOf(ctx context.Context, p *Person, first *int, after *string, facets bool) (*TitleConnection, error) {
	sort := TitleSort(strings.ToUpper(string(search.SortYearDesc)))
	return r.Titles(ctx, Page{Filter: &TitleFilter{PersonIDs: []gid.ID{p.ID()}}, Sort: &sort, First: first, After: after, Facets: facets})
}

// Genres are the genres that have titles this profile may see, the fullest first.
func (r *Request) Genres(ctx context.Context) ([]*Genre, error) {
	list, err := r.genreList(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := r.genreCounts(ctx)
	if err != nil {
		return nil, err
	}
	out := []*Genre{}
	for _, g := range list.all {
		if counts[g.ID] > 0 {
			out = append(out, &Genre{g})
		}
	}
	slices.SortFunc(out, func(a, b *Genre) int {
		return cmp.Or(counts[b.doc.ID]-counts[a.doc.ID], strings.Compare(a.doc.Slug, b.doc.Slug))
	})
	return out, nil
}

// TitleCount is how many titles this profile may see carry the genre.
func (r *Request) TitleCount(ctx context.Context, g *Genre) (int, error) {
	counts, err := r.genreCounts(ctx)
	if err != nil {
		return 0, err
	}
	return counts[g.doc.ID], nil
}

// genreList is every genre with the titles that carry it.
type genreList struct {
	all   []*search.Genre
	byID  map[uuid.UUID]*search.Genre
	count map[uuid.UUID]int
}

// genreList is one answer for all: genres are few, and every page shows some.
func (r *Request) genreList(ctx context.Context) (*genreList, error) {
	s := r.service
	l, err := shelved(ctx, s.shelf, "genres", func(ctx context.Context) (*genreList, error) {
		found, err := s.index.Genres(ctx)
		if err != nil {
			return nil, err
		}
		l := &genreList{byID: map[uuid.UUID]*search.Genre{}, count: map[uuid.UUID]int{}}
		for _, g := range found {
			l.all = append(l.all, g.Genre)
			l.byID[g.Genre.ID], l.count[g.Genre.ID] = g.Genre, g.Count
		}
		return l, nil
	})
	return l, unavailable(err)
}

// genreCounts are the titles of each genre that this profile may see.
func (r *Request) genreCounts(ctx context.Context) (map[uuid.UUID]int, error) {
	if r.limit != nil {
		filter, err := r.filter(nil)
		if err != nil {
			return nil, err
		}
		res, err := r.search(ctx, search.Query{First: 1, Facets: true, Filter: filter})
		if err != nil {
			return nil, err
		}
		return res.Facets.Genres, nil
	}
	l, err := r.genreList(ctx)
	if err != nil {
		return nil, err
	}
	return l.count, nil
}

// Featured is the title of the day: one of the playable titles with a picture,
// in turn, so that it changes each day and is the same for all of a day.
func (r *Request) Featured(ctx context.Context) (Title, error) {
	filter, err := r.filter(nil)
	if err != nil {
		return nil, err
	}
	playable := filter
	yes := true
	playable.Playable = &yes
	for _, f := range []search.Filter{playable, filter} {
		res, err := r.search(ctx, search.Query{First: maxFirst, Sort: search.SortAdded, Filter: f})
		if err != nil {
			return nil, err
		}
		for _, fits := range []func(*search.Title) bool{
			func(t *search.Title) bool { return t.Still != nil },
			func(t *search.Title) bool { return t.Poster != nil },
		} {
			var from []*search.Title
			for _, h := range res.Hits {
				if fits(h.Title) {
					from = append(from, h.Title)
				}
			}
			if len(from) == 0 {
				continue
			}
			slices.SortFunc(from, func(a, b *search.Title) int { return strings.Compare(string(a.ID[:]), string(b.ID[:])) })
			return r.titleOf(from[int(r.service.day()%int64(len(from)))]), nil
		}
		if f.Playable == nil && len(res.Hits) > 0 {
			return r.titleOf(res.Hits[0].Title), nil
		}
	}
	return nil, nil // the schema says null while the catalogue is empty
}

// linksLive is how long addresses of media live, at least; a long film's live
// for its length and a good break.
const (
	linksLive = 6 * time.Hour
	longBreak = 2 * time.Hour
)

// playback is how to play media; nil for none.
func (r *Request) playback(m *search.Media) *Playback {
	if m == nil {
		return nil
	}
	p := &Playback{media: m, in: r, prefix: strings.TrimSuffix(m.Prefix, "/") + "/"}
	p.base = sync.OnceValues(func() (string, error) { return r.sign(r.service.media.Sign, p.prefix, p.ttl()) })
	return p
}

// sign signs an address for the seat of this request: whoever else asks the
// same must be given another.
func (r *Request) sign(how func(key, session string, ttl time.Duration) (string, error), key string, ttl time.Duration) (string, error) {
	r.unshared.Store(true)
	u, err := how(key, r.seat, ttl)
	if err != nil {
		return "", fmt.Errorf("catalog: sign media: %w", err)
	}
	return u, nil
}
