package elastic

import (
	"maps"
	"slices"
	"strconv"

	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types/enums/fieldvaluefactormodifier"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types/enums/functionboostmode"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
)

func term(field string, value any) types.Query {
	return types.Query{Term: map[string]types.TermQuery{field: {Value: value}}}
}

func anyOf[T any](field string, values []T) types.Query {
	return types.Query{Terms: &types.TermsQuery{TermsQuery: map[string]types.TermsQueryField{field: values}}}
}

func all(filters ...types.Query) types.Query {
	return types.Query{Bool: &types.BoolQuery{Filter: filters}}
}

func either(queries ...types.Query) types.Query {
	return types.Query{Bool: &types.BoolQuery{Should: queries, MinimumShouldMatch: 1}}
}

func not(q types.Query) types.Query {
	return types.Query{Bool: &types.BoolQuery{MustNot: []types.Query{q}}}
}

func between(field string, from, to *int) types.Query {
	r := types.NumberRangeQuery{}
	if from != nil {
		f := types.Float64(*from)
		r.Gte = &f
	}
	if to != nil {
		t := types.Float64(*to)
		r.Lte = &t
	}
	return types.Query{Range: map[string]types.RangeQuery{field: r}}
}

// weighs gives every document that q finds the same score.
func weighs(weight float32, q types.Query) types.Query {
	return types.Query{ConstantScore: &types.ConstantScoreQuery{Filter: q, Boost: &weight}}
}

// finds looks a term up: one query for each distance that weighs differently.
func finds(l rank.Lookup, near near) []types.Query {
	name := field(l.Field)
	if l.Edits == 0 {
		return []types.Query{weighs(l.Weight(0), term(name, l.Term))}
	}
	var out []types.Query
	for i, list := range near.of(l) {
		if len(list) > 0 {
			out = append(out, weighs(l.Weight(i+1), anyOf(name, list)))
		}
	}
	return out
}

// ask is a query's words as a query of Elasticsearch, whose score is that of
// package rank.
func ask(q *rank.Query, sources []string, near near) types.Query {
	var required, wanted []types.Query
	for _, t := range q.Terms {
		best := &types.DisMaxQuery{}
		for _, l := range t.Lookups(sources) {
			best.Queries = append(best.Queries, finds(l, near)...)
		}
		if t.Optional {
			wanted = append(wanted, types.Query{DisMax: best})
		} else {
			required = append(required, types.Query{DisMax: best})
		}
	}
	if q.Lifts() {
		wanted = append(wanted, lift(q))
	}
	return types.Query{Bool: &types.BoolQuery{
		Must:   []types.Query{{Bool: &types.BoolQuery{Should: required, MinimumShouldMatch: q.Required}}},
		Should: wanted,
	}}
}

// matches finds what ask finds and scores nothing, which costs a fraction: one
// query for each field, whatever the distances of the words in it.
func matches(q *rank.Query, sources []string, near near) types.Query {
	var required []types.Query
	for _, t := range q.Terms {
		if t.Optional {
			continue
		}
		words := map[string][]string{} // by field
		for _, l := range t.Lookups(sources) {
			list := []string{l.Term}
			if l.Edits > 0 {
				by := near.of(l)
				list = slices.Concat(by[:]...)
			}
			if len(list) > 0 {
				name := field(l.Field)
				words[name] = append(words[name], list...)
			}
		}
		var holds []types.Query
		for _, name := range slices.Sorted(maps.Keys(words)) { // the same text for the same question, or no answer is kept
			holds = append(holds, anyOf(name, words[name]))
		}
		required = append(required, either(holds...))
	}
	return types.Query{Bool: &types.BoolQuery{Should: required, MinimumShouldMatch: q.Required}}
}

// lift is rank.Query.NameBonus. Each of a document's names is a field with its
// length beside it, so that no script is needed: one that read the names took
// most of a search's time.
func lift(q *rank.Query) types.Query {
	best := &types.DisMaxQuery{}
	for n := range rank.MaxNames {
		name, rest := liftField(n)+".name", liftField(n)+".rest"
		best.Queries = append(best.Queries,
			weighs(rank.BonusIs, term(name, q.Plain)),
			shorter(len(q.Plain), liftField(n)+".size", types.Query{DisMax: &types.DisMaxQuery{Queries: []types.Query{
				weighs(rank.BonusBegins, begins(name, q.Plain+" ")),
				weighs(rank.BonusBegun, begins(name, q.Plain)),
				weighs(rank.BonusHolds, begins(rest, q.Plain)),
			}}}))
	}
	return types.Query{DisMax: best}
}

func liftField(n int) string { return "lift" + strconv.Itoa(n) }

func begins(field, with string) types.Query {
	return types.Query{Prefix: map[string]types.PrefixQuery{field: {Value: with}}}
}

// shorter adds to the score of what q finds the more, the less of the name the
// query leaves out.
func shorter(bytes int, size string, q types.Query) types.Query {
	weight := types.Float64(rank.BonusShorter * bytes)
	return types.Query{FunctionScore: &types.FunctionScoreQuery{
		Query: &q, BoostMode: &functionboostmode.Sum,
		Functions: []types.FunctionScore{{Weight: &weight, FieldValueFactor: &types.FieldValueFactorScoreFunction{
			Field: size, Modifier: &fieldvaluefactormodifier.Reciprocal,
		}}},
	}}
}

// The facets; each is left out of the filter when it is counted itself.
const (
	facetGenres    = "genres"
	facetKinds     = "kinds"
	facetDecades   = "decades"
	facetLanguages = "languages"
)

var facetFields = map[string]string{facetGenres: "genre_ids", facetKinds: "kind", facetDecades: "decade", facetLanguages: "language"}

// filter is a search.Filter as queries: of the facets, and the rest.
type filter struct {
	facets map[string]types.Query
	rest   []types.Query
}

func newFilter(f search.Filter) *filter {
	out := &filter{facets: map[string]types.Query{}, rest: []types.Query{term("type", typeTitle)}}
	if len(f.GenreIDs) > 0 {
		out.facets[facetGenres] = anyOf("genre_ids", f.GenreIDs)
	}
	if len(f.Kinds) > 0 {
		out.facets[facetKinds] = anyOf("kind", f.Kinds)
	}
	if f.YearFrom != 0 || f.YearTo != 0 {
		var years []types.Query
		if f.YearFrom != 0 {
			years = append(years, between("year", &f.YearFrom, nil))
		}
		if f.YearTo != 0 {
			years = append(years, between("year", nil, &f.YearTo), not(term("year", 0)))
		}
		out.facets[facetDecades] = all(years...)
	}
	if len(f.Languages) > 0 {
		out.facets[facetLanguages] = anyOf("language", f.Languages)
	}
	add := func(q types.Query) { out.rest = append(out.rest, q) }
	if f.RatedOnly {
		zero := 0
		add(between("age", &zero, nil))
	}
	if f.AgeRatingMax != nil {
		add(between("age", nil, f.AgeRatingMax))
	}
	if f.Playable != nil {
		add(term("playable", *f.Playable))
	}
	if len(f.ExceptIDs) > 0 {
		add(not(anyOf("id", f.ExceptIDs)))
	}
	if len(f.Countries) > 0 {
		add(anyOf("countries", f.Countries))
	}
	for _, p := range f.PersonIDs {
		add(term("person_ids", p))
	}
	return out
}

// narrows tells whether any other facet than this has a filter.
func (f *filter) narrows(facet string) bool {
	_, own := f.facets[facet]
	return len(f.facets) > 1 || len(f.facets) == 1 && !own
}

// but is the facets' filter without one facet's own.
func (f *filter) but(facet string) types.Query {
	var out []types.Query
	for _, name := range []string{facetGenres, facetKinds, facetDecades, facetLanguages} {
		if q, ok := f.facets[name]; ok && name != facet {
			out = append(out, q)
		}
	}
	if len(out) == 0 {
		return types.Query{MatchAll: &types.MatchAllQuery{}}
	}
	return all(out...)
}

// everything is the whole filter.
func (f *filter) everything() []types.Query {
	rest := slices.Clip(f.rest) // callers add to it, each for itself
	if len(f.facets) == 0 {
		return rest
	}
	return append(rest, f.but(""))
}

func idsOf(kind string, ids []uuid.UUID) []string {
	out := make([]string, 0, len(ids))
	seen := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, idOf(kind, id))
		}
	}
	return out
}
