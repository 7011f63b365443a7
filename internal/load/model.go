package load

import (
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"
)

// Model is how people use a cinema, as probabilities and means. Times are drawn
// from an exponential distribution: many short, a few long.
type Model struct {
	// Think is how long one looks at a page before going on.
	Think time.Duration
	// Away is how long one is gone before coming back.
	Away time.Duration
	// GenreRows is how many further rows of the home page are scrolled to.
	GenreRows int
	// Search is the share of visits to the home page that lead to a search,
	// Typo the share of searches with a typing error in them.
	Search, Typo float64
	// Play is the share of opened titles that are played.
	Play float64
	// Watch is how long a film is watched. A shorter one goes on from its
	// beginning, as a film of feature length would go on.
	Watch time.Duration
	// Pause and Seek are how often that happens in a minute of watching.
	Pause, Seek float64
	// Stay is the share of those who go on browsing after a film, rather than
	// leave.
	Stay float64
	// Russian is the share of viewers who use the cinema in Russian.
	Russian float64
}

// Evening is a guess at an evening's viewer, not a measurement: half an hour of
// film, and a minute or two of choosing it.
var Evening = Model{
	Think: 8 * time.Second, Away: 10 * time.Minute, GenreRows: 3, Search: 0.3, Typo: 0.25, Play: 0.6,
	Watch: 30 * time.Minute, Pause: 0.05, Seek: 0.1, Stay: 0.4, Russian: 0.3,
}

// queries are what is searched: titles and people of the demo cinema, and what
// is not there.
var queries = []string{
	"nosferatu", "metropolis", "keaton", "chaplin", "the general", "a trip to the moon", "caligari", "vampires",
	"потёмкин", "киноглаз", "мурнау", "sherlock", "robin hood", "phantom", "matrix",
}

// dice draws what a viewer does.
type dice struct{ *rand.Rand }

// newDice is the source of one viewer: the same for a seed, whoever else runs.
func newDice(seed, viewer uint64) dice { return dice{rand.New(rand.NewPCG(seed, viewer))} } //nolint:gosec // behaviour, no secret

func (d dice) happens(share float64) bool { return d.Float64() < share }

// about draws from an exponential distribution, cut off at four times its mean.
func (d dice) about(mean time.Duration) time.Duration {
	return time.Duration(float64(mean) * min(d.ExpFloat64(), 4))
}

// query is what someone types, with a typing error in the share of cases.
func (d dice) query(typo float64) string {
	q := queries[d.IntN(len(queries))]
	if !d.happens(typo) {
		return q
	}
	runes := []rune(q)
	i := 1 + d.IntN(len(runes)-2)
	switch d.IntN(3) {
	case 0: // one letter left out
		runes = append(runes[:i], runes[i+1:]...)
	case 1: // two the wrong way round
		runes[i], runes[i+1] = runes[i+1], runes[i]
	default: // one typed twice
		runes = append(runes[:i+1], runes[i:]...)
	}
	return strings.TrimSpace(string(runes))
}

// typed is a query as the search box sends it: the web app asks when typing
// pauses, so the halves of longer words are asked for too.
func typed(q string) []string {
	if n := utf8.RuneCountInString(q); n > 5 {
		return []string{string([]rune(q)[:n/2]), q}
	}
	return []string{q}
}
