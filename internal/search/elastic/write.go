package elastic

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/typedapi/cluster/reroute"
	"github.com/elastic/go-elasticsearch/v8/typedapi/core/bulk"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types/enums/refresh"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
)

// The types of documents. Their identifiers begin with the type, for a person
// may have a title's identifier.
const (
	typeTitle    = "title"
	typePerson   = "person"
	typeGenre    = "genre"
	typePosition = "position"
)

func idOf(kind string, id uuid.UUID) string { return kind + ":" + id.String() }

// The most that one bulk request carries: Elasticsearch advises some 5 to 15
// MB, and takes up to 100.
const (
	bulkBytes     = 8 << 20
	bulkDocuments = 2000
)

// Apply implements search.Writer.
//
// The last request asks for a refresh of the shard (refresh=true) and answers
// behind it. The index refreshes by no clock of its own, so that a batch that
// fits into one request appears at once and as a whole, and so that nothing
// waits for the clock; docs/adr/0082 has the figures.
func (x *Index) Apply(ctx context.Context, b search.Batch) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return x.apply(ctx, x.alias, b, true)
}

// operation puts a document or, without a body, deletes it.
type operation struct {
	id   string
	body []byte
}

func (x *Index) apply(ctx context.Context, alias string, b search.Batch, show bool) error {
	todo, err := operations(b)
	if err != nil {
		return err
	}
	return x.carryOut(ctx, alias, todo, show)
}

func (x *Index) carryOut(ctx context.Context, alias string, todo []operation, show bool) error {
	for len(todo) > 0 {
		n, size := 0, 0
		for n < len(todo) && n < bulkDocuments && (n == 0 || size+len(todo[n].body) <= bulkBytes) {
			size += len(todo[n].body)
			n++
		}
		if err := x.send(ctx, alias, todo[:n], show && n == len(todo)); err != nil {
			return err
		}
		todo = todo[n:]
	}
	return nil
}

// operations lists what a batch asks for, each identifier once: what is
// deleted and put is put. So the order in which they are carried out, and
// tried again, does not matter.
func operations(b search.Batch) ([]operation, error) {
	collator := rank.NewCollator()
	var list []operation
	at := map[string]int{}
	add := func(id string, body []byte) {
		if i, ok := at[id]; ok {
			list[i].body = body
			return
		}
		at[id] = len(list)
		list = append(list, operation{id, body})
	}
	for kind, ids := range map[string][]uuid.UUID{typeTitle: b.DeleteTitles, typePerson: b.DeletePeople, typeGenre: b.DeleteGenres} {
		for _, id := range ids {
			add(idOf(kind, id), nil)
		}
	}
	put := func(kind string, id uuid.UUID, fields map[string]any, doc any) error {
		if id == uuid.Nil {
			return errors.New("search: a document without an identifier")
		}
		fields["type"], fields["id"], fields["doc"] = kind, id.String(), doc
		fields["id_high"], fields["id_low"] = halves(id)
		body, err := json.Marshal(fields)
		if err != nil {
			return fmt.Errorf("search: write a document: %w", err)
		}
		add(idOf(kind, id), body)
		return nil
	}
	for _, t := range b.PutTitles {
		if err := put(typeTitle, t.ID, newTitle(collator, t), t); err != nil {
			return nil, err
		}
	}
	for _, p := range b.PutPeople {
		if err := put(typePerson, p.ID, newPerson(collator, p), p); err != nil {
			return nil, err
		}
	}
	for _, g := range b.PutGenres {
		if err := put(typeGenre, g.ID, map[string]any{}, g); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// field is the field in the index of one of rank's. Beginnings are a field
// within the words' own, made by Elasticsearch.
func field(of string) string {
	source, how, found := strings.Cut(of, ".")
	if !found || "."+how == rank.AsPrefix {
		return of
	}
	return source + "_" + how
}

func setFields(to map[string]any, fields []rank.Field) {
	for _, f := range fields {
		if !strings.HasSuffix(f.Name, rank.AsPrefix) {
			to[field(f.Name)] = f.Terms
		}
	}
}

// The most of a name that the lift reads from its middle on.
const maxRests, maxRest = 32, 512

// setLifts sets the fields of lift: a name, what it is from each of its later
// words on, and its length.
func setLifts(to map[string]any, names []string) {
	for n, name := range names {
		rests := []string{}
		for rest := name; len(rests) < maxRests; {
			_, behind, more := strings.Cut(rest, " ")
			if !more {
				break
			}
			rest = behind
			rests = append(rests, strings.ToValidUTF8(rest[:min(len(rest), maxRest)], ""))
		}
		to[liftField(n)] = map[string]any{"name": name, "rest": rests, "size": len(name)}
	}
}

// halves turns an identifier into two numbers that order as its bytes do. Ties
// are broken by numbers because a column of texts is packed in blocks, one of
// which is unpacked for each document that is better than all before it: in a
// list of the newest, read in the order in which they came, that is every one.
func halves(id uuid.UUID) (high, low int64) {
	const sign = 1 << 63
	return int64(binary.BigEndian.Uint64(id[:8]) ^ sign), int64(binary.BigEndian.Uint64(id[8:]) ^ sign)
}

// keyColumns are the locales whose order of names is a column. Other locales
// order by their language's, or as English does: a name in a third language is
// found and shown, but not ordered by. (A script that looks for each title's
// key took 15 s for 100,000 titles.)
var keyColumns = map[string]string{"": "key_original", "en": "key_en", "ru": "key_ru"}

func keyColumn(locale string) string {
	base, _, _ := strings.Cut(locale, "-")
	if column, ok := keyColumns[base]; ok {
		return column
	}
	return keyColumns["en"]
}

// keyOf writes a collation key so that the text's order is the key's.
func keyOf(key string) string { return hex.EncodeToString([]byte(key)) }

// newTitle is what a title is found, filtered, counted and ordered by.
func newTitle(c *rank.Collator, t *search.Title) map[string]any {
	age, added := -1, time.Unix(0, 0)
	if t.AgeRating != nil {
		age = *t.AgeRating
	}
	if !t.AddedAt.IsZero() {
		added = t.AddedAt
	}
	playable := t.Media != nil
	var episodes []uuid.UUID
	for _, s := range t.Seasons {
		for _, e := range s.Episodes {
			episodes = append(episodes, e.ID)
			playable = playable || e.Media != nil
		}
	}
	var people []uuid.UUID
	for _, c := range t.Credits {
		people = append(people, c.PersonID)
	}
	keys := c.NameKeys(t)
	f := map[string]any{
		"kind": t.Kind, "countries": t.Countries, "genre_ids": t.GenreIDs, "person_ids": people, "episode_ids": episodes,
		"year": t.Year, "year_asc": t.Year, "age": age, "playable": playable, "added": added.UnixMicro(),
	}
	setLifts(f, rank.TitleNames(t))
	if t.Year == 0 {
		f["year_asc"] = rank.UnknownYear
	}
	if t.Year > 0 {
		f["decade"] = strconv.Itoa(t.Year - t.Year%10)
	}
	if t.OriginalLanguage != "" {
		f["language"] = t.OriginalLanguage
	}
	for locale, column := range keyColumns {
		f[column] = keyOf(rank.KeyFor(keys, locale))
	}
	fields := rank.TitleFields(t)
	setFields(f, fields)
	setAny(f, fields)
	return f
}

// anyWord is the field of the words of all sources that forgive mistakes, and
// anyWord + rank.AsSound that of their sounds: see near.
const anyWord = "any"

func setAny(to map[string]any, fields []rank.Field) {
	for _, way := range []string{rank.AsWord, rank.AsSound} {
		var list []string
		for _, f := range fields {
			for _, source := range rank.SpellingSources() {
				if f.Name == source+way {
					list = append(list, f.Terms...)
				}
			}
		}
		slices.Sort(list)
		to[field(anyWord+way)] = slices.Compact(list)
	}
}

// newPerson is what a person is found and ordered by.
func newPerson(c *rank.Collator, p *search.Person) map[string]any {
	f := map[string]any{"key": keyOf(c.Key(p.Name)), "age": -1}
	if p.AgeRating != nil {
		f["age"] = *p.AgeRating
	}
	setLifts(f, rank.PersonNames(p))
	setFields(f, rank.PersonFields(p))
	return f
}

// shardTimeout is how long Elasticsearch waits for a shard that is not there.
const shardTimeout = "10s"

// retryShards has Elasticsearch start the shards again that it has given up,
// which it does for good after five attempts: a disk that was full for a minute
// would want a hand. Whoever may not ask for that, or asks in vain, is where
// they were.
func (x *Index) retryShards(ctx context.Context) {
	res, err := reroute.New(x.asking).RetryFailed(true).Metric("none").Perform(ctx)
	if err != nil {
		x.log.WarnContext(ctx, "a shard of the search index is not there, and Elasticsearch was not told to start it again", "error", err)
		return
	}
	_ = res.Body.Close()
	x.log.WarnContext(ctx, "a shard of the search index is not there; Elasticsearch was told to start those again that it has given up")
}

// send carries operations out in one request. Those that Elasticsearch had no
// room for are sent again, a few times.
func (x *Index) send(ctx context.Context, alias string, todo []operation, show bool) error {
	pause := writePause
	for attempt := 1; ; attempt++ {
		var body bytes.Buffer
		for _, o := range todo {
			action := "index"
			if o.body == nil {
				action = "delete"
			}
			fmt.Fprintf(&body, `{%q:{"_id":%q}}`+"\n", action, o.id)
			if o.body != nil {
				body.Write(o.body)
				body.WriteByte('\n')
			}
		}
		req := bulk.New(x.doing).Index(alias).RequireAlias(true).Timeout(shardTimeout).Raw(&body)
		if show {
			req.Refresh(refresh.True)
		}
		res, err := req.Do(ctx)
		if err != nil {
			return fmt.Errorf("search: write a batch: %w", missing(err))
		}
		if !res.Errors {
			return nil
		}
		if len(res.Items) != len(todo) {
			return fmt.Errorf("search: write a batch: %d answers to %d operations", len(res.Items), len(todo))
		}
		var left []operation
		var last error
		away := false
		for i, item := range res.Items {
			for _, r := range item {
				if r.Error == nil {
					continue
				}
				refused := &refusal{status: r.Status, kind: r.Error.Type}
				if r.Error.Reason != nil {
					refused.reason = *r.Error.Reason
				}
				if !again(r.Status) {
					return fmt.Errorf("search: write %s: %w", todo[i].id, missing(refused))
				}
				left, last = append(left, todo[i]), refused
				away = away || refused.kind == "unavailable_shards_exception"
			}
		}
		if away {
			x.retryShards(ctx)
		}
		if len(left) == 0 {
			return nil
		}
		if attempt == writeAttempts {
			return fmt.Errorf("search: write a batch: %w", unavailable(last))
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		todo, pause = left, pause*2
	}
}
