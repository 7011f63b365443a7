package elastic

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/elastic/go-elasticsearch/v8/typedapi/core/get"
	"github.com/elastic/go-elasticsearch/v8/typedapi/core/index"
	"github.com/elastic/go-elasticsearch/v8/typedapi/indices/create"
	deleteindex "github.com/elastic/go-elasticsearch/v8/typedapi/indices/delete"
	"github.com/elastic/go-elasticsearch/v8/typedapi/indices/getalias"
	"github.com/elastic/go-elasticsearch/v8/typedapi/indices/getmapping"
	"github.com/elastic/go-elasticsearch/v8/typedapi/indices/refresh"
	"github.com/elastic/go-elasticsearch/v8/typedapi/indices/updatealiases"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
)

// mapping names how documents are made into fields. It changes with every
// change of index.json, of newTitle and newPerson, or of rank's fields that
// needs documents to be indexed again.
const mapping = "5"

//go:embed index.json
var indexJSON []byte

// What an index says of itself in its mapping's _meta. An index is ours, and
// may be removed, only if it says so.
const (
	metaMapping = "mapping"
	metaAlias   = "alias"
)

// idPosition is the document that holds the writer's position.
const idPosition = "position"

// errNoIndex is the cause when the alias is gone: somebody removed the index.
var errNoIndex = errors.New("search: there is no index behind the alias")

// aliased lists the indexes behind an alias.
func (x *Index) aliased(ctx context.Context, alias string) ([]string, error) {
	res, err := getalias.New(x.asking).Name(alias).Do(ctx)
	if isRefusal(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for name := range res {
		out = append(out, name)
	}
	slices.Sort(out)
	return out, nil
}

// ensure makes an empty index where there is none. Programs that start at once
// agree on the name of the first, so that only one of them makes it.
func (x *Index) ensure(ctx context.Context) error {
	for _, name := range []string{x.alias + "-first", x.newName()} {
		have, err := x.aliased(ctx, x.alias)
		if err != nil || len(have) > 0 {
			return err
		}
		err = x.create(ctx, name, x.alias)
		if err == nil || !isExisting(err) {
			return err
		}
	}
	return nil
}

func (x *Index) newName() string {
	return x.alias + "-" + strings.ReplaceAll(uuid.Must(uuid.NewV7()).String(), "-", "")
}

func isExisting(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.kind == "resource_already_exists_exception"
}

// create makes an index with its first alias at one stroke.
func (x *Index) create(ctx context.Context, name, alias string) error {
	var body struct {
		Settings json.RawMessage     `json:"settings"`
		Mappings map[string]any      `json:"mappings"`
		Aliases  map[string]struct{} `json:"aliases"`
	}
	if err := json.Unmarshal(indexJSON, &body); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	body.Mappings["_meta"] = map[string]string{metaMapping: mapping, metaAlias: x.alias}
	body.Aliases = map[string]struct{}{alias: {}}
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if _, err := create.NewCreateFunc(x.doing)(name).Raw(bytes.NewReader(b)).Do(ctx); err != nil {
		return fmt.Errorf("search: make an index: %w", err)
	}
	return nil
}

// remove deletes an index that may be gone already.
func (x *Index) remove(ctx context.Context, name string) error {
	_, err := deleteindex.NewDeleteFunc(x.doing)(name).Do(ctx)
	if err != nil && !isRefusal(err, http.StatusNotFound) {
		return fmt.Errorf("search: remove an index: %w", err)
	}
	return nil
}

// meta is the _meta of the indexes that the expression names, by index.
func (x *Index) meta(ctx context.Context, expression string) (map[string]map[string]string, error) {
	res, err := getmapping.New(x.asking).Index(expression).Do(ctx)
	if isRefusal(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]string{}
	for name, m := range res {
		out[name] = map[string]string{}
		for k, v := range m.Mappings.Meta_ {
			var s string
			if json.Unmarshal(v, &s) == nil {
				out[name][k] = s
			}
		}
	}
	return out, nil
}

// Position implements search.Writer.
func (x *Index) Position(ctx context.Context) (string, error) {
	meta, err := x.meta(ctx, x.alias)
	if err != nil {
		return "", fmt.Errorf("search: read the position: %w", err)
	}
	if len(meta) != 1 {
		return "", nil
	}
	for _, m := range meta {
		if m[metaMapping] != mapping || m[metaAlias] != x.alias {
			return "", nil
		}
	}
	res, err := get.NewGetFunc(x.asking)(x.alias, idPosition).Do(ctx)
	if isRefusal(err, http.StatusNotFound) || err == nil && !res.Found {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("search: read the position: %w", err)
	}
	p, err := document[positionDocument](res.Source_)
	if err != nil {
		return "", err
	}
	return p.Position, nil
}

type positionDocument struct {
	Position string `json:"position"`
}

// SetPosition implements search.Writer. Elasticsearch answers when the
// document is in the translog on disk, behind every batch before it.
func (x *Index) SetPosition(ctx context.Context, position string) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return x.setPosition(ctx, x.alias, position)
}

func (x *Index) setPosition(ctx context.Context, alias, position string) error {
	_, err := index.NewIndexFunc(x.doing)(alias).Id(idPosition).RequireAlias(true).
		Request(map[string]any{"type": typePosition, "doc": positionDocument{position}}).Do(ctx)
	if err != nil {
		return fmt.Errorf("search: keep the position: %w", missing(err))
	}
	return nil
}

// missing tells a writer in plain words that its index is gone; the ETL then
// asks for the position, learns that there is none, and fills a new index.
func missing(err error) error {
	if isRefusal(err, http.StatusNotFound) {
		return unavailable(errors.Join(errNoIndex, err))
	}
	return err
}

// Rebuild implements search.Writer. A rebuild that is under way is given up,
// and what rebuilds left behind whose programs ended is removed.
func (x *Index) Rebuild(ctx context.Context) (search.Rebuild, error) {
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if x.filling != nil {
		if err := x.filling.drop(ctx); err != nil {
			return nil, err
		}
	}
	if err := x.tidy(ctx); err != nil {
		return nil, err
	}
	r := &rebuild{index: x, name: x.newName()}
	// The documents are put through an alias, for an index that is gone is
	// made anew, and wrongly, by whoever puts a document by its name.
	r.alias = r.name + "-filling"
	if err := x.create(ctx, r.name, r.alias); err != nil {
		return nil, err
	}
	x.filling = r
	return r, nil
}

// tidy removes the indexes of ours that are not in use.
func (x *Index) tidy(ctx context.Context) error {
	all, err := x.meta(ctx, x.alias+"-*")
	if err != nil {
		return err
	}
	used, err := x.aliased(ctx, x.alias)
	if err != nil {
		return err
	}
	for name, meta := range all {
		if x.ours(name) && meta[metaAlias] == x.alias && !slices.Contains(used, name) {
			x.log.InfoContext(ctx, "an unfinished search index is removed", "index", name)
			if err := x.remove(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

var suffix = regexp.MustCompile(`^-(first|[0-9a-f]{32})$`)

// ours tells whether an index is named as newName and ensure do.
func (x *Index) ours(name string) bool {
	rest, ok := strings.CutPrefix(name, x.alias)
	return ok && suffix.MatchString(rest)
}

// rebuild is an index beside the one in use. Its fields are under index.writing.
type rebuild struct {
	index       *Index
	name, alias string
	over        bool           // swapped or given up
	sending     sync.WaitGroup // Applies, which hold the lock only to begin
}

// ErrRebuildOver is returned by a rebuild that was swapped or given up.
var ErrRebuildOver = errors.New("search: this rebuild is over")

func (r *rebuild) Apply(ctx context.Context, b search.Batch) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer r.sending.Done()
	// By several at once: to make the documents takes half as long as to index them.
	todo, err := operations(b)
	if err != nil {
		return err
	}
	return r.index.carryOut(ctx, r.alias, todo, false) // nobody reads it before Swap
}

func (r *rebuild) begin(ctx context.Context) error {
	r.index.writing.Lock()
	defer r.index.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.over {
		return ErrRebuildOver
	}
	r.sending.Add(1)
	return nil
}

func (r *rebuild) Swap(ctx context.Context, position string) error {
	x := r.index
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.over {
		return ErrRebuildOver
	}
	r.sending.Wait()
	if err := x.setPosition(ctx, r.alias, position); err != nil {
		return err
	}
	if _, err := refresh.New(x.doing).Index(r.name).Do(ctx); err != nil {
		return fmt.Errorf("search: swap the index: %w", missing(err))
	}
	old, err := x.aliased(ctx, x.alias)
	if err != nil {
		return fmt.Errorf("search: swap the index: %w", err)
	}
	yes := true
	actions := []types.IndicesAction{
		{Add: &types.AddAction{Index: &r.name, Alias: &x.alias}},
		{Remove: &types.RemoveAction{Index: &r.name, Alias: &r.alias, MustExist: &yes}},
	}
	for _, name := range old {
		if x.ours(name) {
			actions = append(actions, types.IndicesAction{RemoveIndex: &types.RemoveIndexAction{Index: &name}})
		} else {
			actions = append(actions, types.IndicesAction{Remove: &types.RemoveAction{Index: &name, Alias: &x.alias}})
		}
	}
	// All actions are one change of the cluster's state.
	_, err = updatealiases.New(x.doing).Request(&updatealiases.Request{Actions: actions}).Do(ctx)
	if err != nil {
		// An attempt may have got through whose answer was lost.
		now, again := x.aliased(ctx, x.alias)
		if again != nil || !slices.Equal(now, []string{r.name}) {
			return fmt.Errorf("search: swap the index: %w", missing(err))
		}
	}
	r.over, x.filling = true, nil
	return nil
}

func (r *rebuild) Discard(ctx context.Context) error {
	r.index.writing.Lock()
	defer r.index.writing.Unlock()
	return r.drop(ctx)
}

func (r *rebuild) drop(ctx context.Context) error {
	if r.over {
		return nil
	}
	r.sending.Wait()
	if err := r.index.remove(ctx, r.name); err != nil {
		return err
	}
	r.over, r.index.filling = true, nil
	return nil
}
