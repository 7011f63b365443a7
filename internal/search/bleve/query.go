package bleve

import (
	"context"
	"slices"
	"strings"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/words"
)

// candidate is a document and its place in the list that is asked for.
type candidate[T any] struct {
	doc   T
	place place
}

// page keeps the first of a list as candidates come in any order.
type page[T any] struct {
	limit int // one more than the page holds, to tell whether more follow
	after *place
	list  []candidate[T]
}

func (p *page[T]) offer(doc T, at place) {
	if p.after != nil && at.compare(p.after) <= 0 {
		return
	}
	if len(p.list) == p.limit && at.compare(&p.list[len(p.list)-1].place) >= 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(p.list, &at, func(c candidate[T], want *place) int { return c.place.compare(want) })
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

func size(first int) int { return min(max(first, 1), 100) }

// placeOf is where a title stands; every number is turned so that less is earlier.
func placeOf(r *row, sort search.Sort, locale string, score float32) place {
	p := place{Order: string(sort), ID: r.id}
	switch sort {
	case search.SortYearDesc:
		p.Number = -float64(r.year)
	case search.SortYearAsc:
		p.Number = float64(r.year)
		if r.year == 0 {
			p.Number = 1e6 // unknown years come last
		}
	case search.SortName:
		p.Key = []byte(r.sortKey(locale))
	case search.SortRelevance:
		p.Number = -float64(score)
	default:
		p.Number = -float64(r.added)
	}
	return p
}

// Search implements search.Reader.
func (x *Index) Search(ctx context.Context, q search.Query) (*search.Results, error) {
	return read(ctx, x, func(s *store) (*search.Results, error) { return s.search(ctx, q) })
}

func (s *store) search(ctx context.Context, q search.Query) (*search.Results, error) {
	words := newQuery(q.Text)
	asked := strings.TrimSpace(q.Text) != ""
	switch {
	case q.Sort == "":
		q.Sort = search.SortRelevance
	case !slices.Contains([]search.Sort{search.SortRelevance, search.SortAdded, search.SortYearAsc, search.SortYearDesc, search.SortName}, q.Sort):
		q.Sort = search.SortRelevance
	}
	if !asked && q.Sort == search.SortRelevance {
		q.Sort = search.SortAdded
	}
	after, err := parseCursor(q.After, string(q.Sort))
	if err != nil {
		return nil, err
	}
	var matches []match
	if asked {
		if matches, err = s.match(ctx, words, titleSources); err != nil {
			return nil, err
		}
	}
	first := size(q.First)
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
				consider(r, m.score+words.nameBonus(r.names))
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
		h := search.Hit{Title: t, Cursor: c.place.cursor()}
		if asked {
			for locale, name := range t.Name {
				if marked := words.highlight(name); marked != "" {
					if h.Highlight == nil {
						h.Highlight = search.Text{}
					}
					h.Highlight[locale] = marked
				}
			}
		}
		out.Hits = append(out.Hits, h)
	}
	if facets != nil {
		out.Facets = facets.Facets
	}
	if asked && q.After == "" {
		if out.Suggestion, err = s.suggest(ctx, q.Text, words, f, out.Total); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// suggest looks for another spelling that finds more: the other keyboard
// layout, or the dictionary's nearest words for those that are not in it.
func (s *store) suggest(ctx context.Context, text string, q *query, f *filter, found int) (string, error) {
	if len(q.terms) == 0 {
		return "", nil
	}
	known := true
	spelled := strings.Fields(q.plain)
	corrected := slices.Clone(spelled)
	for _, t := range q.terms {
		ok, err := s.knows(ctx, t)
		if err != nil {
			return "", err
		}
		if ok {
			continue
		}
		known = false
		if found > 0 {
			continue
		}
		better, err := s.nearest(t.term)
		if err != nil {
			return "", err
		}
		for i := range corrected {
			if corrected[i] == t.term && better != "" {
				corrected[i] = better
			}
		}
	}
	if known && found > 0 {
		return "", nil
	}
	var best string
	most := found
	for _, other := range []string{words.OtherLayout(text), strings.Join(corrected, " ")} {
		other = strings.TrimSpace(other)
		if other == "" || other == q.plain {
			continue
		}
		alt := newQuery(other)
		n, sure, err := s.count(ctx, alt, f)
		if err != nil {
			return "", err
		}
		if n > most && sure {
			best, most = alt.plain, n
		}
	}
	return best, nil
}

// count tells how many titles answer and whether all words are in the index as
// they are spelled.
func (s *store) count(ctx context.Context, q *query, f *filter) (n int, sure bool, err error) {
	for _, t := range q.terms {
		if sure, err = s.knows(ctx, t); err != nil || !sure {
			return 0, false, err
		}
	}
	matches, err := s.match(ctx, q, titleSources)
	if err != nil {
		return 0, false, err
	}
	for _, m := range matches {
		if r := s.titles[m.id]; r != nil && f.misses(r) == 0 {
			n++
		}
	}
	return n, sure, nil
}

// knows tells whether the word, its stem or, for the last, its beginning is
// in the index.
func (s *store) knows(ctx context.Context, t queryTerm) (bool, error) {
	if t.optional {
		return true, nil
	}
	for _, source := range titleSources {
		for _, w := range waysOf(source) {
			if w.edits > 0 || w.how == asSound || w.last && !t.last {
				continue
			}
			term := t.term
			if w.how == asStem {
				term = t.stem
			}
			r, err := s.reader.TermFieldReader(ctx, []byte(term), w.field, false, false, false)
			if err != nil {
				return false, err
			}
			n := r.Count()
			if err := r.Close(); err != nil {
				return false, err
			}
			if n > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// nearest is the dictionary's word that is most like term: fewer mistakes
// first, then the more frequent. It forgives one mistake more than a search.
func (s *store) nearest(term string) (string, error) {
	var best nearWord
	limit := words.Edits(term) + 1
	if limit == 1 {
		return "", nil
	}
	for _, source := range []string{ofName, ofOriginal, ofPeople, ofGenre} {
		dict, err := s.reader.FieldDict(source)
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
			d := words.Distance(term, e.Term, limit)
			if d > limit {
				continue
			}
			if best.term == "" || d < best.distance || d == best.distance && e.Count > best.count {
				best = nearWord{e.Term, d, e.Count}
			}
		}
		if err := dict.Close(); err != nil {
			return "", err
		}
	}
	return best.term, nil
}

// SearchPeople implements search.Reader.
func (x *Index) SearchPeople(ctx context.Context, text string, first int, after string) (*search.PeopleResults, error) {
	return read(ctx, x, func(s *store) (*search.PeopleResults, error) { return s.searchPeople(ctx, text, first, after) })
}

func (s *store) searchPeople(ctx context.Context, text string, first int, after string) (*search.PeopleResults, error) {
	asked := strings.TrimSpace(text) != ""
	order := orderPeople
	if asked {
		order += string(search.SortRelevance)
	}
	from, err := parseCursor(after, order)
	if err != nil {
		return nil, err
	}
	hits := &page[*person]{limit: size(first) + 1, after: from}
	out := &search.PeopleResults{}
	if asked {
		q := newQuery(text)
		matches, err := s.match(ctx, q, personSources)
		if err != nil {
			return nil, err
		}
		for _, m := range matches {
			if p := s.people[m.id]; p != nil {
				out.Total++
				score := m.score + q.nameBonus(p.names)
				hits.offer(p, place{Order: order, Number: -float64(score), Key: []byte(p.key), ID: p.doc.ID})
			}
		}
	} else {
		out.Total = len(s.people)
		for _, p := range s.people {
			hits.offer(p, place{Order: order, Key: []byte(p.key), ID: p.doc.ID})
		}
	}
	list, more := hits.end()
	out.HasNext = more
	for _, c := range list {
		out.People = append(out.People, c.doc.doc)
		out.Cursors = append(out.Cursors, c.place.cursor())
	}
	return out, nil
}
