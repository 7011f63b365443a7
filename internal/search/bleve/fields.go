package bleve

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/words"
)

const (
	titlePrefix  = "t:"
	personPrefix = "p:"
	genrePrefix  = "g:"

	fieldDocument = "json" // the whole document, stored only
	fieldID       = "id"   // the identifier, as a column
)

// A source of words is indexed in up to four ways, each a field of its own.
const (
	asWord   = "" // the words as they are, folded
	asStem   = ".stem"
	asPrefix = ".prefix" // every beginning of every word
	asSound  = ".sound"
)

const (
	ofName        = "name"
	ofOriginal    = "original"
	ofPeople      = "people"
	ofGenre       = "genre"
	ofDescription = "description"
	ofPerson      = "person" // the name of a person's own document
)

// prefixLength is the longest beginning that is indexed; longer ones are
// looked up by their words.
const prefixLength = 15

func titleFields(d *document.Document, t *search.Title) {
	idField(d, t.ID)
	name := gather(t.Name)
	name.add(d, ofName, asWord, asStem, asPrefix, asSound)
	original := &terms{}
	original.take(t.OriginalName)
	original.add(d, ofOriginal, asWord, asStem, asPrefix, asSound)
	people, genres, description := &terms{}, gather(t.GenreNames...), gather(t.Tagline, t.Description)
	for _, c := range t.Credits {
		people.take(c.Name)
		people.texts(c.Names)
		description.texts(c.Character)
	}
	for _, s := range t.Seasons {
		for _, e := range s.Episodes {
			description.take(e.OriginalName)
			description.texts(e.Name, e.Description)
		}
	}
	people.add(d, ofPeople, asWord, asPrefix, asSound)
	genres.add(d, ofGenre, asWord, asStem, asPrefix)
	description.add(d, ofDescription, asStem)
}

func personFields(d *document.Document, p *search.Person) {
	idField(d, p.ID)
	name := gather(p.Names)
	name.take(p.Name)
	name.add(d, ofPerson, asWord, asPrefix, asSound)
}

func idField(d *document.Document, id uuid.UUID) {
	d.AddField(document.NewTextFieldCustom(fieldID, nil, []byte(hex.EncodeToString(id[:])),
		index.IndexField|index.DocValues|index.SkipFreqNorm, spaced{}))
}

// terms are the words of a source.
type terms struct {
	list []string
	seen map[string]bool
}

func gather(texts ...search.Text) *terms {
	t := &terms{}
	t.texts(texts...)
	return t
}

func (t *terms) texts(texts ...search.Text) {
	for _, text := range texts {
		for _, s := range text {
			t.take(s)
		}
	}
}

func (t *terms) take(text string) {
	for _, tok := range words.Tokens(text) {
		t.term(tok.Term)
	}
}

func (t *terms) term(term string) {
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	if term != "" && !t.seen[term] {
		t.seen[term] = true
		t.list = append(t.list, term)
	}
}

func (t *terms) add(d *document.Document, source string, ways ...string) {
	for _, way := range ways {
		out := &terms{}
		for _, w := range t.list {
			switch way {
			case asWord:
				out.term(w)
			case asStem:
				out.term(words.Stem(w))
			case asSound:
				out.term(words.Sound(w))
			case asPrefix:
				n := 0
				for at := range w {
					if at > 0 {
						out.term(w[:at])
					}
					if n++; n > prefixLength {
						break
					}
				}
				if utf8.RuneCountInString(w) <= prefixLength {
					out.term(w)
				}
			}
		}
		if len(out.list) > 0 {
			d.AddField(document.NewTextFieldCustom(source+way, nil, []byte(strings.Join(out.list, " ")),
				index.IndexField|index.SkipFreqNorm, spaced{}))
		}
	}
}

// spaced is the analyzer of fields whose terms are made already: package words
// did the work, so that queries and documents are read by one code.
type spaced struct{}

func (spaced) Analyze(text []byte) analysis.TokenStream {
	var out analysis.TokenStream
	start := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] != ' ' {
			continue
		}
		if i > start {
			out = append(out, &analysis.Token{Term: text[start:i], Start: start, End: i, Position: len(out) + 1})
		}
		start = i + 1
	}
	return out
}
