package rank

import (
	"strings"
	"unicode/utf8"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/words"
)

// Highlights marks the name in every locale where the query found something
// in it; nil if nowhere.
func (q *Query) Highlights(name search.Text) search.Text {
	var out search.Text
	for locale, n := range name {
		if marked := q.highlight(n); marked != "" {
			if out == nil {
				out = search.Text{}
			}
			out[locale] = marked
		}
	}
	return out
}

// highlight marks the words of name that the query found; empty if none.
func (q *Query) highlight(name string) string {
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
func (q *Query) marks(name string, tok words.Token) (end int, ok bool) {
	for _, t := range q.Terms {
		if t.Term == tok.Term || t.Stem == words.Stem(tok.Term) {
			return tok.End, true
		}
	}
	for _, t := range q.Terms {
		if t.Last && strings.HasPrefix(tok.Term, t.Term) {
			// Folding may change how long a word is; then all of it is marked.
			n := utf8.RuneCountInString(t.Term)
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
	for _, t := range q.Terms {
		if t.Optional {
			continue
		}
		if e := words.Edits(t.Term); e > 0 && words.Distance(t.Term, tok.Term, e) <= e {
			return tok.End, true
		}
		if t.Sound == words.Sound(tok.Term) {
			return tok.End, true
		}
		if n := utf8.RuneCountInString(t.Term); t.Last && n >= 5 {
			part := []rune(tok.Term)
			for cut := n - 1; cut <= n+1 && cut <= len(part); cut++ {
				if words.Distance(t.Term, string(part[:cut]), 1) <= 1 {
					return tok.End, true
				}
			}
		}
	}
	return 0, false
}
