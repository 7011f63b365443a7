package bleve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	index "github.com/blevesearch/bleve_index_api"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search/rank"
)

// How an answer is scored: see package rank. What is here adds up the weights
// of its lookups.

// maxFuzzy is how many dictionary words a mistaken word may stand for.
const maxFuzzy = 50

// match is a document that answers a query.
type match struct {
	id    uuid.UUID
	score float32
}

// scorer is the scratch paper of one query; it is used again to spare the heap.
type scorer struct {
	term  []float32 // by document number: the best of the word at hand
	total []float32
	hits  []uint8
	found []uint64 // numbers with a total
	now   []uint64 // numbers with a term
}

func (c *scorer) grow(n uint64) {
	if n < uint64(len(c.total)) {
		return
	}
	size := n + n/2 + 1024
	c.term = append(c.term, make([]float32, size-uint64(len(c.term)))...)
	c.total = append(c.total, make([]float32, size-uint64(len(c.total)))...)
	c.hits = append(c.hits, make([]uint8, size-uint64(len(c.hits)))...)
}

func (c *scorer) reset() {
	for _, n := range c.found {
		c.total[n], c.hits[n] = 0, 0
	}
	c.found = c.found[:0]
}

func (c *scorer) add(n uint64, weight float32) {
	c.grow(n)
	if c.term[n] == 0 {
		c.now = append(c.now, n)
	}
	c.term[n] = max(c.term[n], weight)
}

func (c *scorer) endTerm(optional bool) {
	for _, n := range c.now {
		if c.total[n] == 0 {
			c.found = append(c.found, n)
		}
		c.total[n] += c.term[n]
		if !optional {
			c.hits[n]++
		}
		c.term[n] = 0
	}
	c.now = c.now[:0]
}

// match finds the documents that answer the query and their score from words.
func (s *store) match(ctx context.Context, q *rank.Query, sources []string) ([]match, error) {
	if len(q.Terms) == 0 {
		return nil, nil
	}
	c := s.scratch.Get().(*scorer)
	defer s.scratch.Put(c)
	defer c.reset()
	for _, t := range q.Terms {
		for _, l := range t.Lookups(sources) {
			err := ctx.Err()
			if err == nil {
				err = s.postings(ctx, c, l)
			}
			if err != nil {
				c.endTerm(true)
				return nil, err
			}
		}
		c.endTerm(t.Optional)
	}
	ids, err := s.identify()
	if err != nil {
		return nil, err
	}
	slices.Sort(c.found) // columns are read fastest in order
	out := make([]match, 0, len(c.found))
	var buf index.IndexInternalID
	for _, n := range c.found {
		if int(c.hits[n]) < q.Required {
			continue
		}
		if buf == nil {
			buf = make(index.IndexInternalID, 8)
		}
		id, err := ids.of(n, buf)
		if err != nil {
			return nil, err
		}
		out = append(out, match{id, c.total[n]})
	}
	return out, nil
}

// postings adds the documents that a lookup finds; those of mistaken words the
// nearest first.
func (s *store) postings(ctx context.Context, c *scorer, l rank.Lookup) error {
	if l.Edits == 0 {
		return s.list(ctx, c, l.Field, l.Term, l.Weight(0))
	}
	found, err := s.nearWords(l)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := s.list(ctx, c, l.Field, f.term, l.Weight(f.distance)); err != nil {
			return err
		}
	}
	return nil
}

type nearWord struct {
	term     string
	distance int
}

func (s *store) nearWords(l rank.Lookup) ([]nearWord, error) {
	r, ok := s.reader.(index.IndexReaderFuzzy)
	if !ok {
		return nil, fmt.Errorf("search: the index forgives no mistakes")
	}
	dict, err := r.FieldDictFuzzy(l.Field, l.Term, l.Edits, "")
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	var out []nearWord
	for {
		e, err := dict.Next()
		if err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		if e == nil {
			break
		}
		if d := l.Distance(e.Term); d > 0 {
			out = append(out, nearWord{e.Term, d})
		}
	}
	if err := dict.Close(); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	slices.SortFunc(out, func(a, b nearWord) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.term, b.term)
	})
	return out[:min(len(out), maxFuzzy)], nil
}

func (s *store) list(ctx context.Context, c *scorer, field, term string, weight float32) error {
	r, err := s.reader.TermFieldReader(ctx, []byte(term), field, false, false, false)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	var doc index.TermFieldDoc
	for {
		d, err := r.Next(doc.Reset())
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		if d == nil {
			break
		}
		c.add(d.ID.Value(), weight)
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}
