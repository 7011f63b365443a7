package bleve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	index "github.com/blevesearch/bleve_index_api"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search/words"
)

// How an answer is scored.
//
// Each word of the query finds documents in several ways: as it stands, by its
// stem, as the beginning of a word (the last word only, which may still be
// being typed), with typing mistakes, by its sound. Of all the ways in which
// one word finds one document the best counts; the words add up. What is in
// the name beats the original name, then people, genre, description; an exact
// word beats a beginning, which beats a mistake. A name that is the query, or
// begins with it, is lifted above its longer namesakes.
//
// Weights are fixed numbers instead of frequencies (TF-IDF, BM25), on purpose:
// in names of three words frequencies say little, and a score that depends on
// the title and the query alone does not move when others change.
//
// Every word must be found; of four or more, one in four may be missing. Words
// such as "the" or "и" are wanted but not required, unless there are no others.

// way is one way for a word to find documents.
type way struct {
	field  string
	how    string
	weight float32
	// edits is the most mistakes to forgive; 0: exactly.
	edits int
	// last is for the last word of the query only.
	last bool
}

const (
	weightWord   = 1.0
	weightStem   = 0.85
	weightPrefix = 0.7
	weightSound  = 0.45
	weightFuzzy  = 0.4 // with one mistake; half with two
)

// maxTerms bounds the work a query can ask for.
const (
	maxQuery  = 200 // characters
	maxTerms  = 12
	maxFuzzy  = 50 // dictionary words a mistaken word may stand for
	optionalW = 3  // what a found word such as "the" adds
)

var (
	titleSources  = []string{ofName, ofOriginal, ofPeople, ofGenre, ofDescription}
	personSources = []string{ofPerson}
)

func sourceWeight(source string) float32 {
	switch source {
	case ofName, ofPerson:
		return 100
	case ofOriginal:
		return 80
	case ofPeople:
		return 50
	case ofGenre:
		return 30
	}
	return 10
}

func waysOf(source string) []way {
	w := sourceWeight(source)
	all := []way{
		{source + asWord, asWord, w * weightWord, 0, false},
		{source + asStem, asStem, w * weightStem, 0, false},
		{source + asPrefix, asPrefix, w * weightPrefix, 0, true},
		{source + asSound, asSound, w * weightSound, 0, false},
		{source + asWord, asWord, w * weightFuzzy, 2, false},
	}
	keep := func(hows ...string) []way {
		return slices.DeleteFunc(all, func(x way) bool { return !slices.Contains(hows, x.how) })
	}
	switch source {
	case ofPeople, ofPerson:
		return keep(asWord, asPrefix, asSound)
	case ofGenre:
		return keep(asWord, asStem, asPrefix)
	case ofDescription:
		return keep(asStem)
	}
	return all
}

// query is a query's words made ready.
type query struct {
	terms    []queryTerm
	required int
	plain    string
}

type queryTerm struct {
	term, stem, sound string
	optional, last    bool
}

func newQuery(text string) *query {
	if utf8.RuneCountInString(text) > maxQuery {
		text = string([]rune(text)[:maxQuery])
	}
	q := &query{}
	seen := map[string]bool{}
	for _, t := range words.Tokens(text) {
		if t.Joined {
			continue
		}
		if len(q.plain) > 0 {
			q.plain += " "
		}
		q.plain += t.Term
		if !seen[t.Term] && len(q.terms) < maxTerms {
			seen[t.Term] = true
			q.terms = append(q.terms, queryTerm{term: t.Term, stem: words.Stem(t.Term), sound: words.Sound(t.Term), optional: words.Stop(t.Term)})
		}
	}
	if n := len(q.terms); n > 0 {
		q.terms[n-1].last = true
	}
	for i := range q.terms {
		if !q.terms[i].optional {
			q.required++
		}
	}
	if q.required == 0 {
		for i := range q.terms {
			q.terms[i].optional = false
		}
		q.required = len(q.terms)
	}
	if q.required > 3 {
		q.required -= q.required / 4
	}
	return q
}

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
		if optional {
			c.total[n] += c.term[n] * optionalW / 100
		} else {
			c.total[n] += c.term[n]
			c.hits[n]++
		}
		c.term[n] = 0
	}
	c.now = c.now[:0]
}

// match finds the documents that answer the query and their score from words.
func (s *store) match(ctx context.Context, q *query, sources []string) ([]match, error) {
	if len(q.terms) == 0 {
		return nil, nil
	}
	c := s.scratch.Get().(*scorer)
	defer s.scratch.Put(c)
	defer c.reset()
	for _, t := range q.terms {
		for _, source := range sources {
			if t.optional && source == ofDescription {
				continue
			}
			for _, w := range waysOf(source) {
				if w.last && !t.last || t.optional && (w.edits > 0 || w.how == asSound) {
					continue
				}
				if err := ctx.Err(); err != nil {
					c.endTerm(true)
					return nil, err
				}
				if err := s.postings(ctx, c, t, w); err != nil {
					c.endTerm(true)
					return nil, err
				}
			}
		}
		c.endTerm(t.optional)
	}
	ids, err := s.identify()
	if err != nil {
		return nil, err
	}
	slices.Sort(c.found) // columns are read fastest in order
	out := make([]match, 0, len(c.found))
	var buf index.IndexInternalID
	for _, n := range c.found {
		if int(c.hits[n]) < q.required {
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

func (s *store) postings(ctx context.Context, c *scorer, t queryTerm, w way) error {
	if w.edits > 0 {
		return s.fuzzy(ctx, c, t, w)
	}
	switch w.how {
	case asStem:
		return s.list(ctx, c, w.field, t.stem, w.weight)
	case asSound:
		// One letter more or less is no other sound; short ones are too alike.
		if utf8.RuneCountInString(t.sound) >= 5 {
			if err := s.near(ctx, c, w.field, t.sound, 1, func(int) float32 { return w.weight * 0.6 }); err != nil {
				return err
			}
		}
		return s.list(ctx, c, w.field, t.sound, w.weight)
	case asPrefix:
		if utf8.RuneCountInString(t.term) > prefixLength {
			return nil
		}
		// The beginning of a word with a mistake in it, when it is long enough.
		if utf8.RuneCountInString(t.term) >= 5 && words.Edits(t.term) > 0 {
			if err := s.near(ctx, c, w.field, t.term, 1, func(int) float32 { return w.weight * weightFuzzy }); err != nil {
				return err
			}
		}
		return s.list(ctx, c, w.field, t.term, w.weight)
	}
	return s.list(ctx, c, w.field, t.term, w.weight)
}

func (s *store) fuzzy(ctx context.Context, c *scorer, t queryTerm, w way) error {
	edits := words.Edits(t.term)
	if edits == 0 {
		return nil
	}
	return s.near(ctx, c, w.field, t.term, edits, func(d int) float32 { return w.weight / float32(max(d, 1)) })
}

// near adds the documents of dictionary words at most edits away, the nearest
// first.
func (s *store) near(ctx context.Context, c *scorer, field, term string, edits int, weight func(int) float32) error {
	found, err := s.nearWords(field, term, edits)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := s.list(ctx, c, field, f.term, weight(f.distance)); err != nil {
			return err
		}
	}
	return nil
}

type nearWord struct {
	term     string
	distance int
	count    uint64
}

func (s *store) nearWords(field, term string, edits int) ([]nearWord, error) {
	r, ok := s.reader.(index.IndexReaderFuzzy)
	if !ok {
		return nil, fmt.Errorf("search: the index forgives no mistakes")
	}
	dict, err := r.FieldDictFuzzy(field, term, edits, "")
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
		if d := words.Distance(term, e.Term, edits); d > 0 && d <= edits {
			out = append(out, nearWord{e.Term, d, e.Count})
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
	if term == "" {
		return nil
	}
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

// nameBonus lifts names that are the query, or begin with it, and the shorter
// of two names with the same words.
func (q *query) nameBonus(names []string) float32 {
	if len(q.plain) < 2 {
		return 0
	}
	var best float32
	for _, n := range names {
		var b float32
		switch {
		case n == q.plain:
			b = 200
		case strings.HasPrefix(n, q.plain):
			b = 60
			if n[len(q.plain)] == ' ' {
				b = 80
			}
		case strings.Contains(n, " "+q.plain):
			b = 40
		}
		if b > 0 && b < 200 {
			b += 20 * float32(len(q.plain)) / float32(len(n))
		}
		best = max(best, b)
	}
	return best
}

// highlight marks the words of name that the query found; empty if none.
func (q *query) highlight(name string) string {
	var b strings.Builder
	at := 0
	for _, tok := range words.Tokens(name) {
		if tok.Joined {
			continue
		}
		end, ok := q.marks(name, tok)
		if !ok {
			continue
		}
		b.WriteString(name[at:tok.Start])
		b.WriteString("«")
		b.WriteString(name[tok.Start:end])
		b.WriteString("»")
		at = end
	}
	if at == 0 {
		return ""
	}
	b.WriteString(name[at:])
	return b.String()
}

// marks tells up to which byte of name the word was found.
func (q *query) marks(name string, tok words.Token) (end int, ok bool) {
	for _, t := range q.terms {
		if t.term == tok.Term || t.stem == words.Stem(tok.Term) {
			return tok.End, true
		}
	}
	for _, t := range q.terms {
		if t.last && strings.HasPrefix(tok.Term, t.term) {
			// Folding may change how long a word is; then all of it is marked.
			n := utf8.RuneCountInString(t.term)
			part := name[tok.Start:tok.End]
			if utf8.RuneCountInString(part) == utf8.RuneCountInString(tok.Term) {
				for i := range part {
					if n == 0 {
						return tok.Start + i, true
					}
					n--
				}
			}
			return tok.End, true
		}
	}
	for _, t := range q.terms {
		if t.optional {
			continue
		}
		if e := words.Edits(t.term); e > 0 && words.Distance(t.term, tok.Term, e) <= e {
			return tok.End, true
		}
		if t.sound == words.Sound(tok.Term) {
			return tok.End, true
		}
		if n := utf8.RuneCountInString(t.term); t.last && n >= 5 {
			part := []rune(tok.Term)
			for cut := n - 1; cut <= n+1 && cut <= len(part); cut++ {
				if words.Distance(t.term, string(part[:cut]), 1) <= 1 {
					return tok.End, true
				}
			}
		}
	}
	return 0, false
}
