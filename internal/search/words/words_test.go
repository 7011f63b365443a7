package words_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/netflixathome/cinema/internal/search/words"
)

func TestTokens(t *testing.T) {
	terms := func(s string) (out []string) {
		for _, tok := range words.Tokens(s) {
			out = append(out, tok.Term)
			if !tok.Joined {
				assert.Equal(t, tok.Term, words.Fold(s[tok.Start:tok.End]))
			}
		}
		return out
	}
	for text, want := range map[string][]string{
		"":                         nil,
		"--- !":                    nil,
		"Le Voyage dans la Lune":   {"le", "voyage", "dans", "la", "lune"},
		"Georges Méliès":           {"georges", "melies"},
		"Me\u0301lie\u0300s":       {"melies"},
		"Ёлка, Йод":                {"елка", "йод"},
		"L’Atalante":               {"l", "atalante", "latalante"},
		"Sci-Fi":                   {"sci", "fi", "scifi"},
		"20 000 льё под водой":     {"20", "000", "лье", "под", "водой", "20000"},
		"20,000 Leagues":           {"20", "000", "leagues", "20000"},
		"Straße Ærø":               {"strasse", "aero"},
		"1984 2001":                {"1984", "2001"},
		"a\x00b \xff\xfe <script>": {"a", "b", "script"},
	} {
		assert.Equal(t, want, terms(text), "%q", text)
	}
}

func TestStem(t *testing.T) {
	assert.Equal(t, words.Stem("путешествие"), words.Stem("путешествия"))
	assert.Equal(t, words.Stem("вампиры"), words.Stem("вампиров"))
	assert.Equal(t, words.Stem("robbery"), words.Stem("robberies"))
	assert.Equal(t, "", words.Stem(""))
}

func TestSound(t *testing.T) {
	for a, b := range map[string]string{
		"путешествие": "puteshestvie", "потемкин": "potemkin", "чапаев": "chapaev", "царевич": "tsarevich",
		"метрополис": "metropolis", "конрад": "conrad",
	} {
		assert.Equal(t, words.Sound(a), words.Sound(b), "%s, %s", a, b)
	}
	assert.Equal(t, 0, words.Distance(words.Sound("hitchcock"), words.Sound("хичкок"), 1))
}

func TestOtherLayout(t *testing.T) {
	assert.Equal(t, "привет", words.OtherLayout("ghbdtn"))
	assert.Equal(t, "metropolis", words.OtherLayout("ьуекщзщдшы"))
	assert.Equal(t, "", words.OtherLayout("мир world"))
	assert.Equal(t, "", words.OtherLayout("1984"))
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		limit int
		want  int
	}{
		{"", "", 2, 0}, {"a", "", 2, 1}, {"metropolis", "metroplois", 2, 1}, {"metropolis", "metrpls", 2, 3}, //nolint:misspell // mistakes are what it is about
		{"кот", "кит", 1, 1}, {"абв", "вба", 1, 2}, {"short", "muchlonger", 2, 3},
	} {
		assert.Equal(t, c.want, words.Distance(c.a, c.b, c.limit), "%s, %s", c.a, c.b)
	}
}
