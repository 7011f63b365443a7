// Package words turns what people write into what is compared: it cuts text
// into words, folds away what nobody types (case, accents, ё), reduces Russian
// and English words to their stems, spells Cyrillic and Latin alike by sound,
// and undoes a keyboard left in the other layout. It knows no index, so that
// every search adapter reads a query in the same way.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/russian"
	"golang.org/x/text/unicode/norm"
)

// MaxLength is how many characters of a word count; the rest is cut off, so
// that no input makes a term without bound.
const MaxLength = 40

// Token is a word of a text, folded.
type Token struct {
	Term string
	// Start and End are byte offsets in the text.
	Start, End int
	// Joined marks a spelling without the mark in between ("scifi" for
	// "sci-fi", "20000" for "20 000"), which is there beside its parts.
	Joined bool
}

// Tokens cuts text into folded words. Words joined by a hyphen, an apostrophe
// or a digit group's mark come in parts and, marked Joined, as a whole.
func Tokens(text string) []Token {
	var out []Token
	start := -1
	end := func(at int) {
		if start >= 0 {
			if term := Fold(text[start:at]); term != "" {
				out = append(out, Token{Term: cut(term), Start: start, End: at})
			}
			start = -1
		}
	}
	for i, r := range text {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Mn, r) && start >= 0 {
			if start < 0 {
				start = i
			}
			continue
		}
		end(i)
	}
	end(len(text))
	return join(text, out)
}

func cut(term string) string {
	if utf8.RuneCountInString(term) <= MaxLength {
		return term
	}
	return string([]rune(term)[:MaxLength])
}

func join(text string, parts []Token) []Token {
	out := parts
	for i := 0; i+1 < len(parts); {
		j := i
		for j+1 < len(parts) && joins(text[parts[j].End:parts[j+1].Start], parts[j].Term, parts[j+1].Term) {
			j++
		}
		if j > i {
			var b strings.Builder
			for _, p := range parts[i : j+1] {
				b.WriteString(p.Term)
			}
			out = append(out, Token{Term: cut(b.String()), Start: parts[i].Start, End: parts[j].End, Joined: true})
		}
		i = j + 1
	}
	return out
}

func joins(between, left, right string) bool {
	switch between {
	case ".":
		if utf8.RuneCountInString(left) == 1 && utf8.RuneCountInString(right) == 1 {
			return true // initials: D.O.A.
		}
	}
	switch between {
	case "-", "'", "’", "‐", "‑", "·":
		return true
	case " ", "\u00a0", "\u202f", ",", ".":
		return digits(left) && digits(right) && len(right) == 3
	}
	return false
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

var special = map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ı': "i", 'þ': "th", 'ð': "d", 'ё': "е"}

// Fold lowers the case and takes accents off: Méliès and melies, ёлка and елка
// are one. й stays, because the Russian stemmer reads it.
func Fold(s string) string {
	if plain(s) {
		return strings.ReplaceAll(strings.ToLower(s), "ё", "е")
	}
	return foldAny(s)
}

// plain tells whether s is written in ASCII and Russian letters alone: nothing
// of it is to be composed or taken apart, which is what folding costs.
func plain(s string) bool {
	for _, r := range s {
		if r >= utf8.RuneSelf && (r < 'А' || r > 'я') && r != 'ё' && r != 'Ё' {
			return false
		}
	}
	return true
}

func foldAny(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFC.String(s) {
		r = unicode.ToLower(r)
		if to, ok := special[r]; ok {
			b.WriteString(to)
			continue
		}
		if r < utf8.RuneSelf || r >= 'а' && r <= 'я' {
			b.WriteRune(r)
			continue
		}
		for _, d := range norm.NFKD.String(string(r)) {
			if !unicode.Is(unicode.Mn, d) {
				b.WriteRune(unicode.ToLower(d))
			}
		}
	}
	return b.String()
}

func cyrillic(s string) bool {
	for _, r := range s {
		if r >= 'а' && r <= 'я' {
			return true
		}
	}
	return false
}

// Stem reduces a folded word to its stem: Russian for Cyrillic letters,
// English for all others.
func Stem(term string) string {
	env := snowballstem.NewEnv(term)
	if cyrillic(term) {
		russian.Stem(env)
	} else {
		english.Stem(env)
	}
	if env.Current() == "" {
		return term
	}
	return env.Current()
}

var stop = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields("the a an of and or in on to for at by is with from und der die das le la les de du des l d " +
		"и а в во на с со о об от к ко по за из у не до для или") {
		m[w] = true
	}
	return m
}()

// Stop reports whether a folded word carries no meaning of its own.
func Stop(term string) bool { return stop[term] }

var latin = map[rune]string{
	'а': "a", 'б': "b", 'в': "v", 'г': "g", 'д': "d", 'е': "e", 'ж': "zh", 'з': "z", 'и': "i", 'й': "y", 'к': "k",
	'л': "l", 'м': "m", 'н': "n", 'о': "o", 'п': "p", 'р': "r", 'с': "s", 'т': "t", 'у': "u", 'ф': "f", 'х': "kh",
	'ц': "ts", 'ч': "ch", 'ш': "sh", 'щ': "shch", 'ъ': "", 'ы': "y", 'ь': "", 'э': "e", 'ю': "yu", 'я': "ya",
}

// The ways in which one sound is spelled in Latin letters; the first match wins.
var sounds = strings.NewReplacer(
	"shch", "S", "sch", "S", "sh", "S", "tch", "C", "ch", "C", "zh", "Z", "kh", "h", "ph", "f", "th", "t", "ck", "k",
	"ts", "c", "tz", "c", "x", "ks", "w", "v", "q", "k", "ce", "ce", "ci", "ci", "cy", "ci", "c", "k", "j", "i", "y", "i",
)

// Sound spells a folded word as it sounds, so that transliterations meet:
// Hitchcock and Хичкок, chapaev and чапаев. It is for comparing only.
func Sound(term string) string {
	var b strings.Builder
	for _, r := range term {
		if to, ok := latin[r]; ok {
			b.WriteString(to)
		} else {
			b.WriteRune(r)
		}
	}
	s := sounds.Replace(b.String())
	b.Reset()
	var last rune
	for _, r := range s {
		if r != last || unicode.IsNumber(r) {
			b.WriteRune(r)
		}
		last = r
	}
	return b.String()
}

const (
	keysLatin    = "`qwertyuiop[]asdfghjkl;'zxcvbnm,."
	keysCyrillic = "ёйцукенгшщзхъфывапролджэячсмитьбю"
)

var otherKey = func() map[rune]rune {
	m := map[rune]rune{}
	a, b := []rune(keysLatin), []rune(keysCyrillic)
	for i := range a {
		m[a[i]], m[b[i]] = b[i], a[i]
	}
	for shifted, r := range map[rune]rune{'{': 'х', '}': 'ъ', ':': 'ж', '"': 'э', '<': 'б', '>': 'ю', '~': 'ё'} {
		m[shifted] = r
	}
	return m
}()

// OtherLayout is what the same keys write in the other of the Russian and
// English layouts: ghbdtn is привет. Letters of both at once leave it empty,
// for then the layout was meant.
func OtherLayout(s string) string {
	var b strings.Builder
	var fromLatin, fromCyrillic bool
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z':
			fromLatin = true
		case r >= 'а' && r <= 'я' || r == 'ё':
			fromCyrillic = true
		}
	}
	if fromLatin == fromCyrillic {
		return ""
	}
	for _, r := range strings.ToLower(s) {
		if to, ok := otherKey[r]; ok {
			r = to
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Edits is how many typing mistakes a word of this length is forgiven.
func Edits(term string) int {
	switch n := utf8.RuneCountInString(term); {
	case digits(term), n <= 2:
		return 0
	case n <= 5:
		return 1
	default:
		return 2
	}
}

// Distance counts the letters to insert, drop, replace or swap with their
// neighbour to turn a into b; above limit it returns limit+1 and may stop early.
func Distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if d := len(x) - len(y); d > limit || -d > limit {
		return limit + 1
	}
	var before, prev, row [MaxLength*2 + 1]int
	if len(y) >= len(row) || len(x) >= len(row) {
		return limit + 1
	}
	for j := range len(y) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > limit {
			return limit + 1
		}
		before, prev = prev, row
	}
	return min(prev[len(y)], limit+1)
}
