package rank

import (
	"context"
	"math/bits"
	"slices"
	"strings"

	"github.com/netflixathome/cinema/internal/search/words"
)

// Dictionary is what an index knows of words.
type Dictionary interface {
	// Knows tells of each word whether one of its lookups that is Spelled
	// finds a title.
	Knows(ctx context.Context, terms []Term) ([]bool, error)
	// Nearest is the word that a Speller chose; empty if none.
	Nearest(ctx context.Context, term string) (string, error)
	// Count is how many titles answer the query, filters included.
	Count(ctx context.Context, q *Query) (int, error)
}

// Suggest looks for another spelling that finds more than the query did: the
// other keyboard layout, or the dictionary's nearest words for those that are
// not in it.
func Suggest(ctx context.Context, d Dictionary, text string, q *Query, found int) (string, error) {
	if len(q.Terms) == 0 {
		return "", nil
	}
	knows, err := known(ctx, d, q)
	if err != nil {
		return "", err
	}
	if found > 0 && !slices.Contains(knows, false) {
		return "", nil
	}
	corrected := strings.Fields(q.Plain)
	for i, t := range q.Terms {
		if knows[i] || found > 0 {
			continue
		}
		better, err := d.Nearest(ctx, t.Term)
		if err != nil {
			return "", err
		}
		for i := range corrected {
			if corrected[i] == t.Term && better != "" {
				corrected[i] = better
			}
		}
	}
	var best string
	most := found
	for _, other := range []string{words.OtherLayout(text), strings.Join(corrected, " ")} {
		other = strings.TrimSpace(other)
		if other == "" || other == q.Plain {
			continue
		}
		alt := NewQuery(other)
		if knows, err = known(ctx, d, alt); err != nil {
			return "", err
		}
		if len(alt.Terms) == 0 || slices.Contains(knows, false) {
			continue
		}
		n, err := d.Count(ctx, alt)
		if err != nil {
			return "", err
		}
		if n > most {
			best, most = alt.Plain, n
		}
	}
	return best, nil
}

// SuggestTerms are the words that Suggest asks a Dictionary for first, and for most
// queries alone, so that an adapter can ask for them beside the search.
func SuggestTerms(text string, q *Query) []Term {
	var out []Term
	for _, q := range []*Query{q, NewQuery(words.OtherLayout(text))} {
		for _, t := range q.Terms {
			if !t.Optional {
				out = append(out, t)
			}
		}
	}
	return out
}

// known asks for the words that carry meaning; the others pass.
func known(ctx context.Context, d Dictionary, q *Query) ([]bool, error) {
	out := make([]bool, len(q.Terms))
	var ask []Term
	for i, t := range q.Terms {
		if out[i] = t.Optional; !t.Optional {
			ask = append(ask, t)
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	got, err := d.Knows(ctx, ask)
	if err != nil {
		return nil, err
	}
	for i, t := range q.Terms {
		if !t.Optional {
			out[i], got = got[0], got[1:]
		}
	}
	return out, nil
}

// SpellingSources are the sources whose words are offered to a Speller.
func SpellingSources() []string { return []string{OfName, OfOriginal, OfPeople, OfGenre} }

// Speller chooses among words the one most like a term: fewer mistakes first,
// then the more frequent, then the one offered first.
type Speller struct {
	// Limit is the most mistakes that are thought of, one more than a search
	// forgives; 0: no word will do.
	Limit    int
	Best     string
	term     string
	length   int
	letters  uint64
	distance int
	count    uint64
}

// NewSpeller looks for words like term.
func NewSpeller(term string) *Speller {
	s := &Speller{term: term}
	s.length, s.letters = letters(term)
	if edits := words.Edits(term); edits > 0 {
		s.Limit = edits + 1
	}
	return s
}

// Word is a word of an index, read once for all Spellers.
type Word struct {
	Text    string
	Count   uint64 // how many documents hold it
	length  int
	letters uint64
}

// NewWord makes a word that count documents hold.
func NewWord(text string, count uint64) Word {
	w := Word{Text: text, Count: count}
	w.length, w.letters = letters(text)
	return w
}

// Offer offers a word.
func (s *Speller) Offer(w Word) {
	limit := s.Limit
	if s.Best != "" {
		limit = s.distance // a worse one need not be measured
	}
	// Most words share too few letters, which is told in a fraction of the
	// time that their distance takes: a mistake makes one letter too few, one
	// too many, or both.
	if s.Limit == 0 || w.length-s.length > limit || s.length-w.length > limit ||
		bits.OnesCount64(s.letters&^w.letters) > limit || bits.OnesCount64(w.letters&^s.letters) > limit {
		return
	}
	d := words.Distance(s.term, w.Text, limit)
	if d > limit {
		return
	}
	if s.Best == "" || d < s.distance || w.Count > s.count {
		s.Best, s.distance, s.count = w.Text, d, w.Count
	}
}

// letters counts a word's letters and tells which there are, by their last six
// bits: those of one alphabet differ in them.
func letters(word string) (length int, set uint64) {
	for _, r := range word {
		length++
		set |= 1 << (r & 63)
	}
	return length, set
}
