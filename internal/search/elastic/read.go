package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	searchapi "github.com/elastic/go-elasticsearch/v8/typedapi/core/search"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
)

// The bounds of what is asked at once.
const (
	maxIDs    = 1000   // documents by identifier in one request
	maxGenres = 10_000 // genres that are listed and counted
	maxValues = 1000   // values of other facets
)

// search asks the index in use. A shard that does not answer fails the whole.
func (x *Index) search(ctx context.Context, r *searchapi.Request) (*searchapi.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	res, err := searchapi.New(x.reading).Index(x.alias).AllowPartialSearchResults(false).Request(r).Do(ctx)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return res, nil
}

// none asks for no document.
func none() *searchapi.Request { return sized(0) }

func sized(n int) *searchapi.Request { return &searchapi.Request{Size: &n, TrackTotalHits: false} }

// document reads what a hit carries.
func document[T any](source json.RawMessage) (*T, error) {
	var v struct {
		Doc *T `json:"doc"`
	}
	if err := json.Unmarshal(source, &v); err != nil {
		return nil, fmt.Errorf("search: read a document: %w", err)
	}
	if v.Doc == nil {
		return nil, fmt.Errorf("search: a document of the index is empty")
	}
	return v.Doc, nil
}

// page is a part of a list.
type page[T any] struct {
	docs   []*T
	places []rank.Place
	total  int
	more   bool
}

// list reads a page of the request's documents, in the order, and their total
// if it asks for it.
func list[T any](ctx context.Context, x *Index, r *searchapi.Request, o *order, first int, after string, id func(*T) uuid.UUID) (*page[T], error) {
	from, err := rank.ParseCursor(after, o.name)
	if err != nil {
		return nil, err
	}
	size := rank.Size(first)
	one := size + 1 // tells whether more follow
	r.Size, r.Sort = &one, o.sort
	if from != nil {
		r.SearchAfter = o.after(from)
	}
	res, err := x.search(ctx, r)
	if err != nil {
		if from != nil && isRefusal(err, http.StatusBadRequest) {
			return nil, search.ErrBadCursor // numbers that no list of ours holds
		}
		return nil, err
	}
	p := &page[T]{}
	if res.Hits.Total != nil {
		p.total = int(res.Hits.Total.Value)
	}
	hits := res.Hits.Hits
	if p.more = len(hits) > size; p.more {
		hits = hits[:size]
	}
	for _, h := range hits {
		d, err := document[T](h.Source_)
		if err != nil {
			return nil, err
		}
		at, err := o.place(id(d), h.Sort)
		if err != nil {
			return nil, err
		}
		p.docs, p.places = append(p.docs, d), append(p.places, at)
	}
	return p, nil
}

// Search implements search.Reader.
func (x *Index) Search(ctx context.Context, q search.Query) (*search.Results, error) {
	asked := strings.TrimSpace(q.Text) != ""
	words := rank.NewQuery(q.Text)
	o := titleOrder(rank.Order(q.Sort, asked), q.Locale)
	f := newFilter(q.Filter)
	query := &types.BoolQuery{Filter: f.everything()}
	var counted []types.Query // what is found, whatever the facets
	switch {
	case asked && len(words.Terms) == 0: // marks only: nothing is found
		counted = []types.Query{{MatchNone: &types.MatchNoneQuery{}}}
		query.Filter = counted
	case asked:
		near, err := x.near(ctx, words, rank.TitleSources())
		if err != nil {
			return nil, err
		}
		counted = []types.Query{matches(words, rank.TitleSources(), near)}
		if o.score {
			query.Must = []types.Query{ask(words, rank.TitleSources(), near)}
		} else {
			query.Filter = append(query.Filter, counted...)
		}
	}
	// What is counted, and what a suggestion nearly always asks, is asked at the
	// same time.
	var beside errgroup.Group
	suggest := asked && q.After == "" && len(words.Terms) > 0
	d := &dictionary{x: x, filter: f}
	if suggest {
		beside.Go(func() (err error) {
			d.known, err = x.known(ctx, rank.SuggestTerms(q.Text, words))
			return err
		})
	}
	out := &search.Results{}
	aside := q.Facets || !asked
	if aside {
		beside.Go(func() (err error) {
			out.Facets, out.Total, err = x.counts(ctx, f, counted, q.Facets)
			return err
		})
	}
	// Without a total Elasticsearch can pass over what would come after the page.
	r := &searchapi.Request{Query: &types.Query{Bool: query}, TrackTotalHits: !aside}
	p, err := list[search.Title](ctx, x, r, o, q.First, q.After, titleID)
	if other := beside.Wait(); err == nil {
		err = other
	}
	if err != nil {
		return nil, err
	}
	if !aside {
		out.Total = p.total
	}
	out.HasNext, out.Hits = p.more, make([]search.Hit, 0, len(p.docs))
	for i, t := range p.docs {
		h := search.Hit{Title: t, Cursor: p.places[i].Cursor()}
		if asked {
			h.Highlight = words.Highlights(t.Name)
		}
		out.Hits = append(out.Hits, h)
	}
	if suggest {
		if out.Suggestion, err = rank.Suggest(ctx, d, q.Text, words, out.Total); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// counts counts the titles that are found and, if asked for, those of each value
// of a facet as if that facet had no filter. It asks for no document, so
// Elasticsearch keeps the answer until the index changes, and nothing is scored.
func (x *Index) counts(ctx context.Context, f *filter, found []types.Query, facets bool) (search.Facets, int, error) {
	r := none()
	r.TrackTotalHits = true
	filters := f.everything()
	if facets {
		filters = f.rest
		if len(f.facets) > 0 {
			narrow := f.but("")
			r.PostFilter = &narrow
		}
		r.Aggregations = map[string]types.Aggregations{}
		for name := range facetFields {
			r.Aggregations[name] = count(f, name)
		}
	}
	query := all(slices.Concat(found, filters)...)
	r.Query = &query
	res, err := x.search(ctx, r)
	if err != nil {
		return search.Facets{}, 0, err
	}
	if res.Hits.Total == nil {
		return search.Facets{}, 0, errors.New("search: Elasticsearch does not tell how many there are")
	}
	total := int(res.Hits.Total.Value)
	if !facets {
		return search.Facets{}, total, nil
	}
	counts, err := readFacets(res.Aggregations)
	return counts, total, err
}

// aggValues names what is counted within a facet's filter.
const aggValues = "values"

func count(f *filter, facet string) types.Aggregations {
	size := maxValues
	if facet == facetGenres {
		size = maxGenres
	}
	v := values(facetFields[facet], size)
	if !f.narrows(facet) {
		return v
	}
	q := f.but(facet)
	return types.Aggregations{Filter: &q, Aggregations: map[string]types.Aggregations{aggValues: v}}
}

func values(field string, size int) types.Aggregations {
	return types.Aggregations{Terms: &types.TermsAggregation{Field: &field, Size: &size}}
}

// counted reads how often each value was found.
func counted(a types.Aggregate, each func(value string, n int) error) error {
	switch t := a.(type) {
	case *types.StringTermsAggregate:
		buckets, ok := t.Buckets.([]types.StringTermsBucket)
		if !ok {
			return fmt.Errorf("search: Elasticsearch answers a count of %T", t.Buckets)
		}
		for _, b := range buckets {
			value, ok := b.Key.(string)
			if !ok {
				return fmt.Errorf("search: Elasticsearch counts %v", b.Key)
			}
			if err := each(value, int(b.DocCount)); err != nil {
				return err
			}
		}
		return nil
	case *types.UnmappedTermsAggregate: // an index of another version
		return nil
	}
	return fmt.Errorf("search: Elasticsearch answers a count of %T", a)
}

func readFacets(counts map[string]types.Aggregate) (search.Facets, error) {
	f := search.Facets{Genres: map[uuid.UUID]int{}, Kinds: map[string]int{}, Decades: map[int]int{}, Languages: map[string]int{}}
	for facet, each := range map[string]func(string, int) error{
		facetGenres: func(v string, n int) error {
			id, err := uuid.Parse(v)
			f.Genres[id] = n
			return err
		},
		facetKinds: func(v string, n int) error { f.Kinds[v] = n; return nil },
		facetDecades: func(v string, n int) error {
			decade, err := strconv.Atoi(v)
			f.Decades[decade] = n
			return err
		},
		facetLanguages: func(v string, n int) error { f.Languages[v] = n; return nil },
	} {
		values := counts[facet]
		if within, ok := values.(*types.FilterAggregate); ok {
			values = within.Aggregations[aggValues]
		}
		if err := counted(values, each); err != nil {
			return f, err
		}
	}
	return f, nil
}

// SearchPeople implements search.Reader.
func (x *Index) SearchPeople(ctx context.Context, text string, first int, after string, limit *int) (*search.PeopleResults, error) {
	query := &types.BoolQuery{Filter: []types.Query{term("type", typePerson)}}
	if limit != nil {
		rated := 0 // unrated is -1
		query.Filter = append(query.Filter, between("age", &rated, limit))
	}
	o := newOrder(rank.OrderPeople)
	if strings.TrimSpace(text) != "" {
		o = newOrder(rank.OrderPeopleFound).byScore()
		if words := rank.NewQuery(text); len(words.Terms) > 0 {
			near, err := x.near(ctx, words, rank.PersonSources())
			if err != nil {
				return nil, err
			}
			query.Must = []types.Query{ask(words, rank.PersonSources(), near)}
		} else {
			query.Must = []types.Query{{MatchNone: &types.MatchNoneQuery{}}}
		}
	}
	r := &searchapi.Request{Query: &types.Query{Bool: query}, TrackTotalHits: true}
	p, err := list[search.Person](ctx, x, r, o.byKey("key").byID(), first, after, personID)
	if err != nil {
		return nil, err
	}
	out := &search.PeopleResults{People: p.docs, Total: p.total, HasNext: p.more}
	for i := range p.places {
		out.Cursors = append(out.Cursors, p.places[i].Cursor())
	}
	return out, nil
}

func titleID(t *search.Title) uuid.UUID   { return t.ID }
func personID(p *search.Person) uuid.UUID { return p.ID }

// byID reads documents of one type.
func byID[T any](ctx context.Context, x *Index, kind string, ids []uuid.UUID, id func(*T) uuid.UUID) (map[uuid.UUID]*T, error) {
	out := make(map[uuid.UUID]*T, len(ids))
	for some := range slices.Chunk(idsOf(kind, ids), maxIDs) {
		r := sized(len(some))
		r.Query = &types.Query{Ids: &types.IdsQuery{Values: some}}
		res, err := x.search(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, h := range res.Hits.Hits {
			d, err := document[T](h.Source_)
			if err != nil {
				return nil, err
			}
			out[id(d)] = d
		}
	}
	return out, ctx.Err()
}

// TitlesByID implements search.Reader.
func (x *Index) TitlesByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	return byID(ctx, x, typeTitle, ids, titleID)
}

// PeopleByID implements search.Reader.
func (x *Index) PeopleByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Person, error) {
	return byID(ctx, x, typePerson, ids, personID)
}

// GenresByID implements search.Reader.
func (x *Index) GenresByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Genre, error) {
	return byID(ctx, x, typeGenre, ids, func(g *search.Genre) uuid.UUID { return g.ID })
}

// SeriesByEpisode implements search.Reader.
func (x *Index) SeriesByEpisode(ctx context.Context, episodeIDs []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	out := make(map[uuid.UUID]*search.Title, len(episodeIDs))
	for some := range slices.Chunk(episodeIDs, maxIDs) {
		asked := make(map[uuid.UUID]bool, len(some))
		for _, id := range some {
			asked[id] = true
		}
		r := sized(len(some)) // an episode is in one series
		query := all(term("type", typeTitle), anyOf("episode_ids", some))
		r.Query = &query
		res, err := x.search(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, h := range res.Hits.Hits {
			t, err := document[search.Title](h.Source_)
			if err != nil {
				return nil, err
			}
			for _, s := range t.Seasons {
				for _, e := range s.Episodes {
					if asked[e.ID] {
						out[e.ID] = t
					}
				}
			}
		}
	}
	return out, ctx.Err()
}

// Genres implements search.Reader.
func (x *Index) Genres(ctx context.Context) ([]search.GenreCount, error) {
	r := sized(maxGenres)
	query := all(term("type", typeGenre))
	r.Query = &query
	r.Aggregations = map[string]types.Aggregations{facetGenres: {
		Global:       &types.GlobalAggregation{},
		Aggregations: map[string]types.Aggregations{aggValues: values("genre_ids", maxGenres)},
	}}
	res, err := x.search(ctx, r)
	if err != nil {
		return nil, err
	}
	aside, ok := res.Aggregations[facetGenres].(*types.GlobalAggregate)
	if !ok {
		return nil, fmt.Errorf("search: Elasticsearch answers %T for the genres", res.Aggregations[facetGenres])
	}
	counts := map[string]int{}
	if err := counted(aside.Aggregations[aggValues], func(id string, n int) error { counts[id] = n; return nil }); err != nil {
		return nil, err
	}
	out := make([]search.GenreCount, 0, len(res.Hits.Hits))
	for _, h := range res.Hits.Hits {
		g, err := document[search.Genre](h.Source_)
		if err != nil {
			return nil, err
		}
		out = append(out, search.GenreCount{Genre: g, Count: counts[g.ID.String()]})
	}
	slices.SortFunc(out, func(a, b search.GenreCount) int { return strings.Compare(a.Genre.Slug, b.Genre.Slug) })
	return out, nil
}
