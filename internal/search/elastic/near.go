package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	searchapi "github.com/elastic/go-elasticsearch/v8/typedapi/core/search"

	"github.com/netflixathome/cinema/internal/search/rank"
)

// maxNear is how many words of the index a mistaken word may stand for, the
// nearest first.
const maxNear = 200

// near are the words of the index that a query's words may have been meant to
// be, by their looks and distance.
//
// They are asked for before the search, of fields that hold the words of all
// sources, and the search then looks them up as they are. A fuzzy query costs
// next to nothing to run and milliseconds to be made ready, whatever the size
// of the index; with one for each source and distance that was nine tenths of
// a search.
type near struct {
	sources []string
	words   map[look][maxEdits][]string
}

// maxEdits is the most mistakes that a lookup forgives.
const maxEdits = 2

// look is what words are to be like.
type look struct {
	field, term string
	edits       int
}

// look is what the words are like that a lookup with mistakes finds.
func (n near) look(l rank.Lookup) look {
	name := l.Field
	if len(n.sources) > 1 {
		_, way, _ := strings.Cut(l.Field, ".")
		name = strings.TrimSuffix(anyWord+"."+way, ".")
	}
	return look{field(name), l.Term, l.Edits}
}

// of lists the words that a lookup finds, by distance less one.
func (n near) of(l rank.Lookup) [maxEdits][]string { return n.words[n.look(l)] }

// near asks for the words near a query's.
func (x *Index) near(ctx context.Context, q *rank.Query, sources []string) (near, error) {
	out := near{sources: sources, words: map[look][maxEdits][]string{}}
	lookups := map[look]rank.Lookup{}
	var looks []look
	for _, t := range q.Terms {
		for _, l := range t.Lookups(sources) {
			k := out.look(l)
			if _, there := lookups[k]; l.Edits > 0 && !there {
				lookups[k] = l
				looks = append(looks, k)
			}
		}
	}
	if len(looks) == 0 {
		return out, nil
	}
	found, err := x.alike(ctx, looks)
	if err != nil {
		return out, err
	}
	for i, k := range looks {
		var by [maxEdits][]string
		for _, word := range found[i] {
			if d := lookups[k].Distance(word); d > 0 {
				by[d-1] = append(by[d-1], word)
			}
		}
		left := maxNear
		for d := range by {
			slices.Sort(by[d])
			by[d] = by[d][:min(len(by[d]), left)]
			left -= len(by[d])
		}
		out.words[k] = by
	}
	return out, nil
}

// alike asks Elasticsearch's term suggester, which reads the words of a field
// once for each look.
func (x *Index) alike(ctx context.Context, looks []look) ([][]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	suggest := map[string]any{}
	for i, k := range looks {
		suggest[fmt.Sprint(i)] = map[string]any{"text": k.term, "term": map[string]any{
			"field": k.field, "analyzer": "keyword", "max_edits": k.edits, "prefix_length": 0, "min_word_length": 1,
			"suggest_mode": "always", "max_term_freq": 1_000_000_000, "size": maxNear, "shard_size": maxNear,
		}}
	}
	body, err := json.Marshal(map[string]any{"size": 0, "track_total_hits": false, "query": map[string]any{"match_none": struct{}{}}, "suggest": suggest})
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	answer, err := searchapi.New(x.reading).Index(x.alias).AllowPartialSearchResults(false).
		FilterPath("suggest.*.options.text").Raw(bytes.NewReader(body)).Perform(ctx)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	defer answer.Body.Close()
	var read struct {
		Suggest map[string][]struct {
			Options []struct {
				Text string `json:"text"`
			} `json:"options"`
		} `json:"suggest"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&read); err != nil {
		return nil, fmt.Errorf("search: read near words: %w", err)
	}
	out := make([][]string, len(looks))
	for i := range looks {
		for _, entry := range read.Suggest[fmt.Sprint(i)] {
			for _, o := range entry.Options {
				out[i] = append(out[i], o.Text)
			}
		}
	}
	return out, nil
}
