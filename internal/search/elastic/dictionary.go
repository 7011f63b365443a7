package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	searchapi "github.com/elastic/go-elasticsearch/v8/typedapi/core/search"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types"

	"github.com/netflixathome/cinema/internal/search/rank"
)

const (
	// maxWords is how many words are kept for suggestions, the first by source
	// and letters: some 40 MB. A hundred thousand titles have a third of it.
	maxWords = 500_000
	// wordsPage is how many are read at once; Elasticsearch counts up to
	// 65,536 in one answer.
	wordsPage = 20_000
	// wordsAge is how old they may be. What is suggested is looked up before
	// it is shown, so an old word does no harm, and a new one is only suggested
	// later: it is found at once.
	wordsAge = 30 * time.Second
	// wordsRest is how old they may be in times of what their reading took. In an
	// index that is being written Elasticsearch numbers the words anew for each
	// page of them: there a reading may take seconds of what searches want.
	wordsRest = 20
	// wordsTimeout bounds the reading of all.
	wordsTimeout = time.Minute
)

// dictionary implements rank.Dictionary for titles that pass the filter.
type dictionary struct {
	x      *Index
	filter *filter
	known  map[rank.Term]bool // what was asked beside the search
}

// Knows implements rank.Dictionary.
func (d *dictionary) Knows(ctx context.Context, terms []rank.Term) ([]bool, error) {
	out := make([]bool, len(terms))
	for i, t := range terms {
		known, asked := d.known[t]
		if !asked {
			all, err := d.x.known(ctx, terms)
			if err != nil {
				return nil, err
			}
			for j, t := range terms {
				out[j] = all[t]
			}
			return out, nil
		}
		out[i] = known
	}
	return out, nil
}

// known tells of each word whether a title holds it as it is spelled.
func (x *Index) known(ctx context.Context, terms []rank.Term) (map[rank.Term]bool, error) {
	out := make(map[rank.Term]bool, len(terms))
	if len(terms) == 0 {
		return out, nil
	}
	// At the top filters are counted one by one from their own documents;
	// below another aggregation each document would be held against each.
	var filters []types.Query
	for _, t := range terms {
		var has []types.Query
		for _, l := range t.Lookups(rank.TitleSources()) {
			if l.Spelled() {
				has = append(has, term(field(l.Field), l.Term))
			}
		}
		filters = append(filters, either(has...))
	}
	r := none()
	r.Aggregations = map[string]types.Aggregations{aggKnown: {Filters: &types.FiltersAggregation{Filters: filters}}}
	res, err := x.search(ctx, r)
	if err != nil {
		return nil, err
	}
	counts, ok := res.Aggregations[aggKnown].(*types.FiltersAggregate)
	if !ok {
		return nil, fmt.Errorf("search: Elasticsearch answers %T for known words", res.Aggregations[aggKnown])
	}
	buckets, ok := counts.Buckets.([]types.FiltersBucket)
	if !ok || len(buckets) != len(terms) {
		return nil, fmt.Errorf("search: Elasticsearch does not tell which words are known")
	}
	for i, t := range terms {
		out[t] = buckets[i].DocCount > 0
	}
	return out, nil
}

// aggKnown names the counts of known words.
const aggKnown = "known"

// Nearest implements rank.Dictionary. Elasticsearch's own suggester forgives
// no more than two mistakes, and would choose differently.
func (d *dictionary) Nearest(ctx context.Context, word string) (string, error) {
	best := rank.NewSpeller(word)
	if best.Limit == 0 {
		return "", nil
	}
	list, err := d.x.lexicon.list(ctx)
	if err != nil {
		return "", err
	}
	for _, w := range list {
		best.Offer(w)
	}
	return best.Best, nil
}

// Count implements rank.Dictionary.
func (d *dictionary) Count(ctx context.Context, q *rank.Query) (int, error) {
	near, err := d.x.near(ctx, q, rank.TitleSources())
	if err != nil {
		return 0, err
	}
	_, total, err := d.x.counts(ctx, d.filter, []types.Query{matches(q, rank.TitleSources(), near)}, false)
	return total, err
}

// lexicon keeps the words of titles for suggestions, one for each source that
// has it. They are read when one is first asked for, and read again behind the
// back of who asks for one when they are old.
type lexicon struct {
	read func(ctx context.Context) ([]rank.Word, error)
	fail func(error) // hears of readings that nobody waited for
	now  func() time.Time
	life context.Context // of the readings, which belong to no caller
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	words []rank.Word
	at    time.Time     // when they were read
	took  time.Duration // by the last reading
	busy  chan struct{} // closed when the reading that is under way ends
	err   error         // of the last reading
}

func newLexicon(read func(context.Context) ([]rank.Word, error), fail func(error)) *lexicon {
	l := &lexicon{read: read, fail: fail, now: time.Now}
	l.life, l.stop = context.WithCancel(context.Background())
	return l
}

// list returns the words. Only the first waits for them.
func (l *lexicon) list(ctx context.Context) ([]rank.Word, error) {
	l.mu.Lock()
	if l.busy == nil && l.life.Err() == nil && l.now().Sub(l.at) > max(wordsAge, wordsRest*l.took) {
		l.busy = make(chan struct{})
		l.work.Go(l.renew)
	}
	words, at, busy := l.words, l.at, l.busy
	l.mu.Unlock()
	if !at.IsZero() {
		return words, nil
	}
	if busy != nil {
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		if l.err == nil {
			l.err = context.Canceled // closed before anything was read
		}
		return nil, fmt.Errorf("search: read the words: %w", l.err)
	}
	return l.words, nil
}

func (l *lexicon) renew() {
	ctx, cancel := context.WithTimeout(l.life, wordsTimeout)
	defer cancel()
	began := l.now()
	words, err := l.read(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.busy)
	l.busy, l.err, l.took = nil, err, l.now().Sub(began)
	switch {
	case err == nil:
		l.words, l.at = words, l.now()
	case l.life.Err() == nil && !l.at.IsZero():
		l.at = l.now() // the old ones will do for as long again
		l.fail(err)
	}
}

func (l *lexicon) close() {
	l.stop()
	l.work.Wait()
}

// words reads all words that spell names, source by source.
func (x *Index) words(ctx context.Context) ([]rank.Word, error) {
	var out []rank.Word
	for _, source := range rank.SpellingSources() {
		var after json.RawMessage
		for len(out) < maxWords {
			page, next, err := x.wordsOf(ctx, source, after)
			if err != nil {
				return nil, err
			}
			out = append(out, page...)
			if after = next; after == nil {
				break
			}
		}
	}
	return out, nil
}

// wordsOf reads a page of a source's words in the order of their letters, and
// behind what the next one goes on; nil at the end.
func (x *Index) wordsOf(ctx context.Context, source string, after json.RawMessage) ([]rank.Word, json.RawMessage, error) {
	composite := map[string]any{"size": wordsPage, "sources": []any{map[string]any{"word": map[string]any{"terms": map[string]any{"field": source}}}}}
	if after != nil {
		composite["after"] = after
	}
	body, err := json.Marshal(map[string]any{"size": 0, "track_total_hits": false, "aggs": map[string]any{"words": map[string]any{"composite": composite}}})
	if err != nil {
		return nil, nil, fmt.Errorf("search: read the words: %w", err)
	}
	// The answer is long, and the typed client is slow with long ones.
	answer, err := searchapi.New(x.doing).Index(x.alias).AllowPartialSearchResults(false).
		FilterPath("aggregations.words").Raw(bytes.NewReader(body)).Perform(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("search: read the words: %w", err)
	}
	defer answer.Body.Close()
	var read struct {
		Aggregations struct {
			Words struct {
				After   json.RawMessage `json:"after_key"`
				Buckets []struct {
					Key struct {
						Word string `json:"word"`
					} `json:"key"`
					Count uint64 `json:"doc_count"`
				} `json:"buckets"`
			} `json:"words"`
		} `json:"aggregations"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&read); err != nil {
		return nil, nil, fmt.Errorf("search: read the words: %w", err)
	}
	found := read.Aggregations.Words
	out := make([]rank.Word, 0, len(found.Buckets))
	for _, b := range found.Buckets {
		out = append(out, rank.NewWord(b.Key.Word, b.Count))
	}
	if len(out) < wordsPage {
		return out, nil, nil
	}
	return out, found.After, nil
}
