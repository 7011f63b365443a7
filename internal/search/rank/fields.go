package rank

import (
	"unicode/utf8"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/words"
)

// Field is what a document is found by in one way.
type Field struct {
	Name  string
	Terms []string // each once
}

// TitleFields are the fields of a title.
func TitleFields(t *search.Title) []Field {
	name, original := gather(t.Name), &terms{}
	original.take(t.OriginalName)
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
	out := name.fields(nil, OfName)
	out = original.fields(out, OfOriginal)
	out = people.fields(out, OfPeople)
	out = genres.fields(out, OfGenre)
	return description.fields(out, OfDescription)
}

// PersonFields are the fields of a person.
func PersonFields(p *search.Person) []Field {
	name := gather(p.Names)
	name.take(p.Name)
	return name.fields(nil, OfPerson)
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

func (t *terms) fields(to []Field, source string) []Field {
	for _, way := range waysOf(source) {
		out := &terms{}
		for _, w := range t.list {
			switch way {
			case AsWord:
				out.term(w)
			case AsStem:
				out.term(words.Stem(w))
			case AsSound:
				out.term(words.Sound(w))
			case AsPrefix:
				n := 0
				for at := range w {
					if at > 0 {
						out.term(w[:at])
					}
					if n++; n > PrefixLength {
						break
					}
				}
				if utf8.RuneCountInString(w) <= PrefixLength {
					out.term(w)
				}
			}
		}
		if len(out.list) > 0 {
			to = append(to, Field{source + way, out.list})
		}
	}
	return to
}
