// Package rank is how titles and people are matched, scored and placed,
// whatever index finds them. An adapter asks its index for the lookups of a
// query's words and adds up their weights; what the words, the weights and the
// places are stands here, so that every adapter gives the same answers.
//
// Each word of the query finds documents in several ways: as it stands, by its
// stem, as the beginning of a word (the last word only, which may still be
// being typed), with typing mistakes, by its sound. Of all the ways in which
// one word finds one document the best counts; the words add up. What is in
// the name beats the original name, then people, genre, description; an exact
// word beats a beginning, which beats a mistake. A name that is the query, or
// begins with it, is lifted above its longer namesakes (Query.NameBonus).
//
// Weights are fixed numbers instead of frequencies (TF-IDF, BM25), on purpose:
// in names of three words frequencies say little, and a score that depends on
// the title and the query alone does not move when others change.
//
// Every word must be found; of four or more, one in four may be missing. Words
// such as "the" or "и" are wanted but not required, unless there are no others.
package rank

import (
	"strings"
	"unicode/utf8"

	"github.com/netflixathome/cinema/internal/search/words"
)

// The sources of words.
const (
	OfName        = "name"
	OfOriginal    = "original"
	OfPeople      = "people"
	OfGenre       = "genre"
	OfDescription = "description"
	OfPerson      = "person" // the name of a person's own document
)

// A source of words is indexed in up to four ways, each a field of its own:
// the source's name followed by one of these.
const (
	AsWord   = "" // the words as they are, folded
	AsStem   = ".stem"
	AsPrefix = ".prefix" // every beginning of every word
	AsSound  = ".sound"
)

const (
	weightWord   = 1.0
	weightStem   = 0.85
	weightPrefix = 0.7
	weightSound  = 0.45
	weightFuzzy  = 0.4 // with one mistake; half with two
	// weightNear is the share of a sound that differs by one letter.
	weightNear = 0.6
	// What a found word such as "the" adds: three in a hundred.
	optionalPart, optionalOf = 3, 100
)

// The bounds of the work that a query can ask for.
const (
	maxQuery = 200 // characters
	maxTerms = 12
)

// PrefixLength is the longest beginning that is indexed; longer ones are
// looked up by their words.
const PrefixLength = 15

func sourceWeight(source string) float32 {
	switch source {
	case OfName, OfPerson:
		return 100
	case OfOriginal:
		return 80
	case OfPeople:
		return 50
	case OfGenre:
		return 30
	}
	return 10
}

// waysOf is how a source is indexed.
func waysOf(source string) []string {
	switch source {
	case OfPeople, OfPerson:
		return []string{AsWord, AsPrefix, AsSound}
	case OfGenre:
		return []string{AsWord, AsStem, AsPrefix}
	case OfDescription:
		return []string{AsStem}
	}
	return []string{AsWord, AsStem, AsPrefix, AsSound}
}

// TitleSources and PersonSources are what a query is looked up in.
func TitleSources() []string {
	return []string{OfName, OfOriginal, OfPeople, OfGenre, OfDescription}
}

// PersonSources: see TitleSources.
func PersonSources() []string { return []string{OfPerson} }

// Query is a query's words made ready.
type Query struct {
	Terms []Term
	// Required is how many of the terms that are not Optional a document
	// must have.
	Required int
	// Plain is the query's words, folded, with one space in between.
	Plain string
}

// Term is a word of a query.
type Term struct {
	Term, Stem, Sound string
	// Optional words add to the score and are not required.
	Optional bool
	// Last may still be being typed.
	Last bool
}

// NewQuery reads what was typed.
func NewQuery(text string) *Query {
	if utf8.RuneCountInString(text) > maxQuery {
		text = string([]rune(text)[:maxQuery])
	}
	q := &Query{}
	seen := map[string]bool{}
	for _, t := range words.Tokens(text) {
		if t.Joined {
			continue
		}
		if len(q.Plain) > 0 {
			q.Plain += " "
		}
		q.Plain += t.Term
		if !seen[t.Term] && len(q.Terms) < maxTerms {
			seen[t.Term] = true
			q.Terms = append(q.Terms, Term{Term: t.Term, Stem: words.Stem(t.Term), Sound: words.Sound(t.Term), Optional: words.Stop(t.Term)})
		}
	}
	if n := len(q.Terms); n > 0 {
		q.Terms[n-1].Last = true
	}
	for i := range q.Terms {
		if !q.Terms[i].Optional {
			q.Required++
		}
	}
	if q.Required == 0 {
		for i := range q.Terms {
			q.Terms[i].Optional = false
		}
		q.Required = len(q.Terms)
	}
	if q.Required > 3 {
		q.Required -= q.Required / 4
	}
	return q
}

// Lookup is one way for a word to find documents: those that hold Term in
// Field or, if Edits is not 0, a word that differs from it by 1 to Edits
// mistakes.
type Lookup struct {
	Field, Term string
	Edits       int
	// Sounds marks what is looked up by its sound and not by its spelling.
	Sounds bool
	weight float32
}

// Weight is what a word at this distance adds to a document's score, if no
// other way adds more; 0 is the word itself.
func (l Lookup) Weight(distance int) float32 { return l.weight / float32(max(distance, 1)) }

// Distance is by how many mistakes the word differs from the lookup's term; 0
// if it is not among the words that a lookup with Edits finds. Who makes two
// mistakes begins the word right: words with both another beginning and
// another mistake are too many, and seldom meant.
func (l Lookup) Distance(word string) int {
	d := words.Distance(l.Term, word, l.Edits)
	if d > l.Edits || d > 1 && !sameStart(l.Term, word) {
		return 0
	}
	return d
}

func sameStart(a, b string) bool {
	x, _ := utf8.DecodeRuneInString(a)
	y, _ := utf8.DecodeRuneInString(b)
	return x == y
}

// Spelled tells whether the lookup finds words that are written like the term:
// itself, its stem, or a word that it begins.
func (l Lookup) Spelled() bool { return l.Edits == 0 && !l.Sounds }

// Lookups are all ways for the word to find documents by these sources.
func (t Term) Lookups(sources []string) []Lookup {
	var out []Lookup
	for _, source := range sources {
		if t.Optional && source == OfDescription {
			continue
		}
		w := sourceWeight(source)
		if t.Optional {
			w = w * optionalPart / optionalOf
		}
		for _, how := range waysOf(source) {
			l := Lookup{Field: source + how, Term: t.Term}
			switch how {
			case AsWord:
				l.weight = w * weightWord
			case AsStem:
				l.Term, l.weight = t.Stem, w*weightStem
			case AsPrefix:
				n := utf8.RuneCountInString(t.Term)
				if !t.Last || n > PrefixLength {
					continue
				}
				// The beginning of a word with a mistake in it, when it is long enough.
				if n >= 5 && words.Edits(t.Term) > 0 {
					out = append(out, Lookup{Field: l.Field, Term: t.Term, Edits: 1, weight: w * weightPrefix * weightFuzzy})
				}
				l.weight = w * weightPrefix
			case AsSound:
				if t.Optional {
					continue
				}
				l.Term, l.Sounds, l.weight = t.Sound, true, w*weightSound
				// One letter more or less is no other sound; short ones are too alike.
				if utf8.RuneCountInString(t.Sound) >= 5 {
					out = append(out, Lookup{Field: l.Field, Term: t.Sound, Edits: 1, Sounds: true, weight: w * weightSound * weightNear})
				}
			}
			if l.Term != "" {
				out = append(out, l)
			}
		}
		if edits := words.Edits(t.Term); source != OfDescription && !t.Optional && edits > 0 {
			out = append(out, Lookup{Field: source + AsWord, Term: t.Term, Edits: edits, weight: w * weightFuzzy})
		}
	}
	return out
}

// The lifts of NameBonus.
const (
	BonusIs      = 200 // the name is the query
	BonusBegins  = 80  // the query is the name's first words
	BonusBegun   = 60  // the name begins with the query, inside a word
	BonusHolds   = 40  // the query begins inside the name
	BonusShorter = 20  // times the query's share of the name, in bytes; not with BonusIs
)

// NameBonus lifts names that are the query, or begin with it, and the shorter
// of two names with the same words. The best of the names counts.
func (q *Query) NameBonus(names []string) float32 {
	if !q.Lifts() {
		return 0
	}
	var best float32
	for _, n := range names {
		var b float32
		switch {
		case n == q.Plain:
			b = BonusIs
		case strings.HasPrefix(n, q.Plain):
			b = BonusBegun
			if n[len(q.Plain)] == ' ' {
				b = BonusBegins
			}
		case strings.Contains(n, " "+q.Plain):
			b = BonusHolds
		}
		if b > 0 && b < BonusIs {
			b += BonusShorter * float32(len(q.Plain)) / float32(len(n))
		}
		best = max(best, b)
	}
	return best
}

// Lifts tells whether the query is long enough for NameBonus to be anything.
func (q *Query) Lifts() bool { return len(q.Plain) >= 2 }
