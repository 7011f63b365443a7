package bleve

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
	"github.com/netflixathome/cinema/internal/tracing"
)

// candidate is a document and its place in the list that is asked for.
type candidate[T any] struct {
	doc   T
	place rank.Place
}

// page keeps the first of a list as candidates come in any order.
type page[T any] struct {
	limit int // one more than the page holds, to tell whether more follow
	after *rank.Place
	list  []candidate[T]
}

func (p *page[T]) offer(doc T, at rank.Place) {
	if p.after != nil && at.Compare(p.after) <= 0 {
		return
	}
	if len(p.list) == p.limit && at.Compare(&p.list[len(p.list)-1].place) >= 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(p.list, &at, func(c candidate[T], want *rank.Place) int { return c.place.Compare(want) })
	if len(p.list) < p.limit {
		p.list = append(p.list, candidate[T]{})
	}
	copy(p.list[i+1:], p.list[i:])
	p.list[i] = candidate[T]{doc, at}
}

// end cuts the page to its size and tells whether more follow.
func (p *page[T]) end() (hits []candidate[T], more bool) {
	if len(p.list) == p.limit {
		return p.list[:p.limit-1], true
	}
	return p.list, false
}

// placeOf is where a title stands; every number is turned so that less is earlier.
func placeOf(r *row, sort search.Sort, locale string, score float32) rank.Place {
	p := rank.Place{Order: string(sort), ID: r.id}
	switch sort {
	case search.SortYearDesc:
		p.Number = -float64(r.year)
	case search.SortYearAsc:
		p.Number = float64(r.year)
		if r.year == 0 {
			p.Number = rank.UnknownYear // unknown years come last
		}
	case search.SortName:
		p.Key = []byte(rank.KeyFor(r.keys, locale))
	case search.SortRelevance:
		p.Number = -float64(score)
	default:
		p.Number = -float64(r.added)
	}
	return p
}

func startSpan(ctx context.Context, name string) (context.Context, trace.Span) {
	ctx, span := tracing.Start(ctx, name, trace.SpanKindInternal)
	if span.IsRecording() {
		span.SetAttributes(tracing.System.String("bleve"), tracing.Operation.String("search"))
	}
	return ctx, span
}

// Search implements search.Reader.
func (x *Index) Search(ctx context.Context, q search.Query) (*search.Results, error) {
	ctx, span := startSpan(ctx, "search titles")
	res, err := read(ctx, x, func(s *store) (*search.Results, error) { return s.search(ctx, q) })
	tracing.End(span, err)
	return res, err
}

func (s *store) search(ctx context.Context, q search.Query) (*search.Results, error) {
	words := rank.NewQuery(q.Text)
	asked := strings.TrimSpace(q.Text) != ""
	q.Sort = rank.Order(q.Sort, asked)
	after, err := rank.ParseCursor(q.After, string(q.Sort))
	if err != nil {
		return nil, err
	}
	var matches []match
	if asked {
		if matches, err = s.match(ctx, words, rank.TitleSources()); err != nil {
			return nil, err
		}
	}
	first := rank.Size(q.First)
	f := newFilter(q.Filter)
	hits := &page[*row]{limit: first + 1, after: after}
	var facets *counter
	if q.Facets {
		facets = newCounter()
	}
	out := &search.Results{}
	consider := func(r *row, score float32) {
		missed := f.misses(r)
		if facets != nil {
			facets.add(r, missed)
		}
		if missed == 0 {
			out.Total++
			hits.offer(r, placeOf(r, q.Sort, q.Locale, score))
		}
	}
	if asked {
		for _, m := range matches {
			if r := s.titles[m.id]; r != nil {
				consider(r, m.score+words.NameBonus(r.names))
			}
		}
	} else {
		for i, r := range s.rows {
			if i%4096 == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			consider(r, 0)
		}
	}
	list, more := hits.end()
	out.HasNext = more
	out.Hits = make([]search.Hit, 0, len(list))
	for _, c := range list {
		t, err := s.title(c.doc.id)
		if err != nil {
			return nil, err
		}
		h := search.Hit{Title: t, Cursor: c.place.Cursor()}
		if asked {
			h.Highlight = words.Highlights(t.Name)
		}
		out.Hits = append(out.Hits, h)
	}
	if facets != nil {
		out.Facets = facets.Facets
	}
	if asked && q.After == "" {
		if out.Suggestion, err = rank.Suggest(ctx, dictionary{s, f}, q.Text, words, out.Total); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// dictionary implements rank.Dictionary for titles that pass the filter.
type dictionary struct {
	s *store
	f *filter
}

func (d dictionary) Knows(ctx context.Context, terms []rank.Term) ([]bool, error) {
	out := make([]bool, len(terms))
	for i, t := range terms {
		for _, l := range t.Lookups(rank.TitleSources()) {
			if !l.Spelled() {
				continue
			}
			r, err := d.s.reader.TermFieldReader(ctx, []byte(l.Term), l.Field, false, false, false)
			if err != nil {
				return nil, err
			}
			n := r.Count()
			if err := r.Close(); err != nil {
				return nil, err
			}
			if n > 0 {
				out[i] = true
				break
			}
		}
	}
	return out, nil
}

func (d dictionary) Nearest(_ context.Context, term string) (string, error) {
	best := rank.NewSpeller(term)
	if best.Limit == 0 {
		return "", nil
	}
	for _, source := range rank.SpellingSources() {
		dict, err := d.s.reader.FieldDict(source)
		if err != nil {
			return "", err
		}
		for {
			e, err := dict.Next()
			if err != nil {
				return "", err
			}
			if e == nil {
				break
			}
			best.Offer(rank.NewWord(e.Term, e.Count))
		}
		if err := dict.Close(); err != nil {
			return "", err
		}
	}
	return best.Best, nil
}

func (d dictionary) Count(ctx context.Context, q *rank.Query) (n int, err error) {
	matches, err := d.s.match(ctx, q, rank.TitleSources())
	if err != nil {
		return 0, err
	}
	for _, m := range matches {
		if r := d.s.titles[m.id]; r != nil && d.f.misses(r) == 0 {
			n++
		}
	}
	return n, nil
}

// SearchPeople implements search.Reader.
func (x *Index) SearchPeople(ctx context.Context, text string, first int, after string, limit *int) (*search.PeopleResults, error) {
	ctx, span := startSpan(ctx, "search people")
	res, err := read(ctx, x, func(s *store) (*search.PeopleResults, error) { return s.searchPeople(ctx, text, first, after, limit) })
	tracing.End(span, err)
	return res, err
}

func (s *store) searchPeople(ctx context.Context, text string, first int, after string, limit *int) (*search.PeopleResults, error) {
	asked := strings.TrimSpace(text) != ""
	order := rank.OrderPeople
	if asked {
		order = rank.OrderPeopleFound
	}
	from, err := rank.ParseCursor(after, order)
	if err != nil {
		return nil, err
	}
	hits := &page[*person]{limit: rank.Size(first) + 1, after: from}
	out := &search.PeopleResults{}
	if asked {
		q := rank.NewQuery(text)
		matches, err := s.match(ctx, q, rank.PersonSources())
		if err != nil {
			return nil, err
		}
		for _, m := range matches {
			if p := s.people[m.id]; p != nil && p.within(limit) {
				out.Total++
				score := m.score + q.NameBonus(p.names)
				hits.offer(p, rank.Place{Order: order, Number: -float64(score), Key: []byte(p.key), ID: p.doc.ID})
			}
		}
	} else {
		for _, p := range s.people {
			if p.within(limit) {
				out.Total++
				hits.offer(p, rank.Place{Order: order, Key: []byte(p.key), ID: p.doc.ID})
			}
		}
	}
	list, more := hits.end()
	out.HasNext = more
	for _, c := range list {
		out.People = append(out.People, c.doc.doc)
		out.Cursors = append(out.Cursors, c.place.Cursor())
	}
	return out, nil
}
