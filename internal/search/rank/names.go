package rank

import (
	"slices"
	"strings"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/words"
)

// MaxNames is how many of a document's names can lift it, the first by locale;
// it is found by all.
const MaxNames = 6

// TitleNames are a title's names as Query.NameBonus reads them.
func TitleNames(t *search.Title) []string {
	var out []string
	for _, locale := range locales(t.Name) {
		out = appendName(out, t.Name[locale])
	}
	// The original name last, and never pushed out by translations.
	return appendName(out[:min(len(out), MaxNames-1)], t.OriginalName)
}

// PersonNames are a person's names as Query.NameBonus reads them.
func PersonNames(p *search.Person) []string {
	out := appendName(nil, p.Name)
	for _, locale := range locales(p.Names) {
		out = appendName(out, p.Names[locale])
	}
	return out[:min(len(out), MaxNames)]
}

// locales lists a text's locales in a fixed order.
func locales(t search.Text) []string {
	out := make([]string, 0, len(t))
	for l, s := range t {
		if s != "" {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	return out
}

func appendName(names []string, name string) []string {
	folded := plain(name)
	if folded == "" || slices.Contains(names, folded) {
		return names
	}
	return append(names, folded)
}

// plain is a text's words, folded, with one space in between.
func plain(text string) string {
	var b strings.Builder
	for _, t := range words.Tokens(text) {
		if t.Joined {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.Term)
	}
	return b.String()
}

// Collator makes the keys by whose bytes names are ordered. It is used by one
// goroutine at a time.
type Collator struct {
	collator *collate.Collator
	buf      collate.Buffer
}

// NewCollator orders names by the root collation, which is right for Russian
// and English alike, so that one list can hold both.
func NewCollator() *Collator { return &Collator{collator: collate.New(language.Und, collate.Numeric)} }

// Key is a name's key.
func (c *Collator) Key(name string) string {
	defer c.buf.Reset()
	return string(c.collator.KeyFromString(&c.buf, cutName(name)))
}

// cutName bounds a key; no name's order depends on what comes behind.
func cutName(name string) string {
	if len(name) > 200 {
		return strings.ToValidUTF8(name[:200], "")
	}
	return name
}

// NameKey orders by the name in a locale; the empty locale is the original name.
type NameKey struct{ Locale, Key string }

// NameKeys are a title's keys, by locale, the original name's last.
func (c *Collator) NameKeys(t *search.Title) []NameKey {
	var out []NameKey
	for _, locale := range locales(t.Name) {
		out = append(out, NameKey{locale, c.Key(t.Name[locale])})
	}
	if t.OriginalName != "" {
		out = append(out, NameKey{"", c.Key(t.OriginalName)})
	}
	return out
}

// KeyOrder lists the locales whose key is taken for the locale, the first that
// a title has; a title that has none of them is ordered by its first key. It
// is the order in which a name is chosen to be shown.
func KeyOrder(locale string) [4]string {
	base, _, _ := strings.Cut(locale, "-")
	return [...]string{locale, base, "en", ""}
}

// KeyFor takes the key for a locale.
func KeyFor(keys []NameKey, locale string) string {
	for _, want := range KeyOrder(locale) {
		for i := range keys {
			if keys[i].Locale == want {
				return keys[i].Key
			}
		}
	}
	if len(keys) > 0 {
		return keys[0].Key
	}
	return ""
}
