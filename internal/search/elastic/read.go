package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	searchapi "github.com/elastic/go-elasticsearch/v8/typedapi/core/search"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
)

// The bounds of what is asked at once.
const (
	maxIDs    = 1000   // documents by identifier in one request
	maxGenres = 10_000 // genres that are listed and counted
	maxValues = 1000   // values of other facets
	// maxNearby is how many words of each source are looked at for a
	// suggestion, the most frequent first; Elasticsearch counts up to 65,536
	// in one answer.
	maxNearby = 15_000
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
	counts map[string]types.Aggregate
}

// list reads a page of the request's documents, in the order.
func list[T any](ctx context.Context, x *Index, r *searchapi.Request, o *order, first int, after string, id func(*T) uuid.UUID) (*page[T], error) {
	from, err := rank.ParseCursor(after, o.name)
	if err != nil {
		return nil, err
	}
	size := rank.Size(first)
	one := size + 1 // tells whether more follow
	r.Size, r.Sort, r.TrackTotalHits = &one, o.sort, true
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
	p := &page[T]{counts: res.Aggregations}
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
	r := &searchapi.Request{Aggregations: map[string]types.Aggregations{}}
	query := &types.BoolQuery{}
	switch {
	case asked && len(words.Terms) == 0: // marks only: nothing is found
		query.Filter = []types.Query{{MatchNone: &types.MatchNoneQuery{}}}
	case asked && o.score:
		query.Must = []types.Query{ask(words, rank.TitleSources())}
	case asked:
		query.Filter = []types.Query{ask(words, rank.TitleSources())}
	}
	if q.Facets {
		query.Filter = append(query.Filter, f.rest...)
		if len(f.facets) > 0 {
			narrow := f.but("")
			r.PostFilter = &narrow
		}
		for name := range facetFields {
			r.Aggregations[name] = count(f, name)
		}
	} else {
		query.Filter = append(query.Filter, f.everything()...)
	}
	r.Query = &types.Query{Bool: query}
	suggest := asked && q.After == "" && len(words.Terms) > 0
	if suggest {
		r.Aggregations[aggKnown] = knows(words.Terms)
	}
	p, err := list[search.Title](ctx, x, r, o, q.First, q.After, titleID)
	if err != nil {
		return nil, err
	}
	out := &search.Results{Total: p.total, HasNext: p.more, Hits: make([]search.Hit, 0, len(p.docs))}
	for i, t := range p.docs {
		h := search.Hit{Title: t, Cursor: p.places[i].Cursor()}
		if asked {
			h.Highlight = words.Highlights(t.Name)
		}
		out.Hits = append(out.Hits, h)
	}
	if q.Facets {
		if out.Facets, err = readFacets(p.counts); err != nil {
			return nil, err
		}
	}
	if suggest {
		d := &dictionary{x: x, filter: f}
		if d.known, err = readKnown(p.counts, words.Terms); err != nil {
			return nil, err
		}
		if out.Suggestion, err = rank.Suggest(ctx, d, q.Text, words, p.total); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// aggValues names what is counted within a facet's filter.
const aggValues = "values"

func count(f *filter, facet string) types.Aggregations {
	q, size := f.but(facet), maxValues
	if facet == facetGenres {
		size = maxGenres
	}
	return types.Aggregations{Filter: &q, Aggregations: map[string]types.Aggregations{aggValues: values(facetFields[facet], size)}}
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
		within, ok := counts[facet].(*types.FilterAggregate)
		if !ok {
			return f, fmt.Errorf("search: Elasticsearch answers %T for the %s", counts[facet], facet)
		}
		if err := counted(within.Aggregations[aggValues], each); err != nil {
			return f, err
		}
	}
	return f, nil
}

// aggKnown names the counts of known words, aside from the query.
const aggKnown = "known"

// knows counts the titles that hold each word as it is spelled.
func knows(terms []rank.Term) types.Aggregations {
	out := types.Aggregations{Global: &types.GlobalAggregation{}, Aggregations: map[string]types.Aggregations{}}
	for i, t := range terms {
		if t.Optional {
			continue
		}
		var has []types.Query
		for _, l := range t.Lookups(rank.TitleSources()) {
			if l.Spelled() {
				has = append(has, term(field(l.Field), l.Term))
			}
		}
		q := either(has...)
		out.Aggregations[strconv.Itoa(i)] = types.Aggregations{Filter: &q}
	}
	return out
}

// readKnown tells it for the words that are not optional.
func readKnown(counts map[string]types.Aggregate, terms []rank.Term) ([]bool, error) {
	var out []bool
	for i, t := range terms {
		if t.Optional {
			continue
		}
		aside, ok := counts[aggKnown].(*types.GlobalAggregate)
		if !ok {
			return nil, fmt.Errorf("search: Elasticsearch answers %T for known words", counts[aggKnown])
		}
		n, ok := aside.Aggregations[strconv.Itoa(i)].(*types.FilterAggregate)
		if !ok {
			return nil, fmt.Errorf("search: Elasticsearch does not tell whether a word is known")
		}
		out = append(out, n.DocCount > 0)
	}
	return out, nil
}

// dictionary implements rank.Dictionary for titles that pass the filter.
type dictionary struct {
	x      *Index
	filter *filter
	known  []bool // the answer to the first Knows, which came with the hits
}

func (d *dictionary) Knows(ctx context.Context, terms []rank.Term) ([]bool, error) {
	if known := d.known; known != nil {
		d.known = nil
		return known, nil
	}
	r := none()
	r.Aggregations = map[string]types.Aggregations{aggKnown: knows(terms)}
	res, err := d.x.search(ctx, r)
	if err != nil {
		return nil, err
	}
	return readKnown(res.Aggregations, terms)
}

// Nearest reads the words of about the same length and chooses among them:
// Elasticsearch's own suggester forgives no more than two mistakes, and would
// choose differently.
func (d *dictionary) Nearest(ctx context.Context, word string) (string, error) {
	best := rank.NewSpeller(word)
	if best.Limit == 0 {
		return "", nil
	}
	n := len([]rune(word))
	like := fmt.Sprintf(".{%d,%d}", max(n-best.Limit, 1), n+best.Limit)
	r := none()
	r.Aggregations = map[string]types.Aggregations{}
	for _, source := range rank.SpellingSources() {
		a := values(source, maxNearby)
		a.Terms.Include = like
		r.Aggregations[source] = a
	}
	// The answer is long, and the typed client is slow with long ones.
	answer, err := searchapi.New(d.x.reading).Index(d.x.alias).AllowPartialSearchResults(false).
		FilterPath("aggregations.*.buckets").Request(r).Perform(ctx)
	if err != nil {
		return "", fmt.Errorf("search: %w", err)
	}
	defer answer.Body.Close()
	var words struct {
		Aggregations map[string]struct {
			Buckets []struct {
				Key   string `json:"key"`
				Count uint64 `json:"doc_count"`
			} `json:"buckets"`
		} `json:"aggregations"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&words); err != nil {
		return "", fmt.Errorf("search: read the dictionary: %w", err)
	}
	// Each source's words come by frequency, equally frequent ones by letters.
	for _, source := range rank.SpellingSources() {
		for _, w := range words.Aggregations[source].Buckets {
			best.Offer(w.Key, w.Count)
		}
	}
	return best.Best, nil
}

func (d *dictionary) Count(ctx context.Context, q *rank.Query) (int, error) {
	r := none()
	found := all(append(d.filter.everything(), ask(q, rank.TitleSources()))...)
	r.Query, r.TrackTotalHits = &found, true
	res, err := d.x.search(ctx, r)
	if err != nil {
		return 0, err
	}
	if res.Hits.Total == nil {
		return 0, fmt.Errorf("search: Elasticsearch does not tell how many there are")
	}
	return int(res.Hits.Total.Value), nil
}

// SearchPeople implements search.Reader.
func (x *Index) SearchPeople(ctx context.Context, text string, first int, after string) (*search.PeopleResults, error) {
	query := &types.BoolQuery{Filter: []types.Query{term("type", typePerson)}}
	o := newOrder(rank.OrderPeople)
	if strings.TrimSpace(text) != "" {
		o = newOrder(rank.OrderPeopleFound).byScore()
		if words := rank.NewQuery(text); len(words.Terms) > 0 {
			query.Must = []types.Query{ask(words, rank.PersonSources())}
		} else {
			query.Must = []types.Query{{MatchNone: &types.MatchNoneQuery{}}}
		}
	}
	r := &searchapi.Request{Query: &types.Query{Bool: query}}
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
