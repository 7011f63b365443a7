package gqlserver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"golang.org/x/sync/singleflight"

	"github.com/netflixathome/cinema/internal/authn"
)

// Version is the state of what answers are made from. Two answers to the same
// question under the same version are the same.
type Version [2]uint64

// Keep lets answers be kept and shown again. It is for a subgraph that only
// reads, and whose answers are the same for many callers.
//
// An answer is shown again only to a caller with the same scopes whom Viewer
// names alike, for the same document and variables, while the Version stands,
// and only if nothing unshared went into it. The caller's token has been checked
// by then: what is kept replaces the work, not the question who asks.
type Keep struct {
	// Bytes bounds what is kept; the least used goes first. Required.
	Bytes int
	// Version is read before an answer is made; required.
	Version func() Version
	// Viewer names what an answer may depend on beside the caller's scopes;
	// required. It is not asked for nobody's requests: those are not kept.
	Viewer func(*authn.Claims) string
	// Unshared reports, once an answer was made under ctx, whether something went
	// into it that holds for the caller or the moment alone; required.
	Unshared func(ctx context.Context) bool
	// Count is told whether an answer, or an entity in one, was there; may be nil.
	Count func(there bool)
}

const (
	// keepTimeout bounds the making of an answer that several callers wait for:
	// it does not end with the one of them that happened to be first.
	keepTimeout = 10 * time.Second
	// keptOverhead is about what an entry costs beside its bytes.
	keptOverhead = 256
	// representations is what the router calls the keys of the entities it
	// asks for.
	representations = "representations"
	entitiesHead    = `{"_entities":[`
	entitiesTail    = `]}`
)

// kept are the answers. An operation that asks for entities by their keys is
// kept by entity: each viewer's list is another list of the same titles.
type kept struct {
	Keep
	entries *otter.Cache[keptKey, keptAnswer]
	flight  singleflight.Group
}

// keptKey is a question: the hash of the caller's rights, the document and its
// variables, and the entity if the question is for one.
type keptKey struct {
	question [sha256.Size]byte
	entity   string
}

type keptAnswer struct {
	version Version
	data    []byte // nil for what is unshared: it is made each time
}

// reply is an answer with its status.
type reply struct {
	status    int
	res       *graphql.Response
	operation *ast.OperationDefinition // nil if there was none to execute
	unshared  bool
}

// good reports whether the reply is a whole answer without errors.
func (r reply) good() bool {
	return r.status == http.StatusOK && len(r.res.Data) > 0 && len(r.res.Errors) == 0 &&
		r.res.HasNext == nil && len(r.res.Extensions) == 0
}

func newKept(k Keep, schema *ast.Schema) (*kept, error) {
	if k.Bytes <= 0 || k.Version == nil || k.Viewer == nil || k.Unshared == nil {
		return nil, errors.New("gqlserver: Keep needs Bytes, Version, Viewer and Unshared")
	}
	if schema.Mutation != nil || schema.Subscription != nil {
		return nil, errors.New("gqlserver: answers of a schema that does more than read are not kept")
	}
	if k.Count == nil {
		k.Count = func(bool) {}
	}
	entries, err := otter.New(&otter.Options[keptKey, keptAnswer]{
		MaximumWeight: uint64(k.Bytes),
		Weigher: func(key keptKey, a keptAnswer) uint32 {
			return uint32(min(len(key.entity)+len(a.data)+keptOverhead, math.MaxUint32))
		},
	})
	if err != nil {
		return nil, fmt.Errorf("gqlserver: %w", err)
	}
	return &kept{Keep: k, entries: entries}, nil
}

// run executes the operation of params.
type run func(ctx context.Context, params *graphql.RawParams) reply

// answer is the kept answer, or the one that do makes.
func (k *kept) answer(ctx context.Context, params *graphql.RawParams, do run) (reply, error) {
	claims := authn.From(ctx)
	if claims == nil {
		return do(ctx, params), nil
	}
	entities, rest, ok := splitVariables(params.Variables)
	if !ok {
		return do(ctx, params), nil
	}
	question, err := k.question(claims, params, rest)
	if err != nil {
		return reply{}, err
	}
	version := k.Version()
	if entities == nil {
		return k.whole(ctx, keptKey{question: question}, version, params, do)
	}
	return k.byEntity(ctx, question, version, entities, params, do)
}

// whole answers an operation that is kept as it is.
func (k *kept) whole(ctx context.Context, key keptKey, version Version, params *graphql.RawParams, do run) (reply, error) {
	if a, ok := k.entries.GetIfPresent(key); ok && a.version == version {
		if a.data == nil {
			return do(ctx, params), nil
		}
		k.Count(true)
		return reply{status: http.StatusOK, res: &graphql.Response{Data: a.data}}, nil
	}
	k.Count(false)
	made, mine, err := k.once(ctx, key, version, params, do, func(made reply) {
		if made.unshared {
			k.entries.Set(key, keptAnswer{version: version})
		} else if made.good() {
			k.entries.Set(key, keptAnswer{version, bytes.Clone(made.res.Data)})
		}
	})
	if err != nil {
		return reply{}, err
	}
	if made.unshared && !mine {
		return do(ctx, params), nil
	}
	return made, nil
}

// byEntity answers an operation that asks for entities, of which some may be
// kept: the others are asked for, and all put together.
func (k *kept) byEntity(ctx context.Context, question [sha256.Size]byte, version Version, entities []entity, params *graphql.RawParams, do run) (reply, error) {
	found := make([][]byte, len(entities))
	var missing []int
	for i, e := range entities {
		a, ok := k.entries.GetIfPresent(keptKey{question, e.key})
		switch {
		case !ok || a.version != version:
			missing = append(missing, i)
		case a.data == nil:
			return do(ctx, params), nil
		default:
			found[i] = a.data
		}
		k.Count(ok && a.version == version)
	}
	if len(missing) == 0 {
		return reply{status: http.StatusOK, res: &graphql.Response{Data: joinEntities(found)}}, nil
	}
	asked := *params
	var names strings.Builder
	list := make([]any, len(missing))
	for i, at := range missing {
		list[i] = entities[at].representation
		names.WriteString(strconv.Itoa(len(entities[at].key)) + ":" + entities[at].key)
	}
	asked.Variables = copyWith(params.Variables, list)
	made, mine, err := k.once(ctx, keptKey{question, names.String()}, version, &asked, do, func(made reply) {
		parts, ok := splitEntities(made, len(missing))
		for i, at := range missing {
			switch key := (keptKey{question, entities[at].key}); {
			case ok:
				k.entries.Set(key, keptAnswer{version, bytes.Clone(parts[i])})
			case made.unshared:
				k.entries.Set(key, keptAnswer{version: version})
			}
		}
	})
	if err != nil {
		return reply{}, err
	}
	parts, ok := splitEntities(made, len(missing))
	switch {
	case ok:
		for i, at := range missing {
			found[at] = parts[i]
		}
		return reply{status: http.StatusOK, res: &graphql.Response{Data: joinEntities(found)}}, nil
	case len(missing) == len(entities) && (mine || !made.unshared):
		return made, nil
	default:
		return do(ctx, params), nil
	}
}

// once makes an answer once for all who ask for it at the same time, and keeps
// it; mine tells the caller whose claims and request it was made with. Those
// who ask under a newer version do not wait for one of the older.
func (k *kept) once(ctx context.Context, key keptKey, version Version, params *graphql.RawParams, do run, keep func(reply)) (made reply, mine bool, err error) {
	leads := false
	name := make([]byte, 0, len(key.question)+16+len(key.entity))
	name = append(name, key.question[:]...)
	name = binary.BigEndian.AppendUint64(name, version[0])
	name = binary.BigEndian.AppendUint64(name, version[1])
	name = append(name, key.entity...)
	done := k.flight.DoChan(string(name), func() (result any, err error) {
		// singleflight ends the whole process when its function panics.
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		leads = true
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
		defer cancel()
		r := do(ctx, params)
		r.unshared = k.Unshared(ctx)
		keep(r)
		return r, nil
	})
	select {
	case <-ctx.Done():
		return reply{}, false, ctx.Err()
	case r := <-done:
		if r.Err != nil {
			return reply{}, false, r.Err
		}
		return r.Val.(reply), leads, nil //nolint:forcetypeassert // the function above returns no other
	}
}

// question hashes all that an answer depends on. Each part is preceded by its
// length, so that no two questions are written alike.
func (k *kept) question(claims *authn.Claims, params *graphql.RawParams, variables map[string]any) (q [sha256.Size]byte, err error) {
	// encoding/json writes maps by key.
	text, err := json.Marshal(variables)
	if err != nil {
		return q, fmt.Errorf("gqlserver: variables: %w", err)
	}
	scopes := make([]string, 0, len(claims.Scopes))
	for s, has := range claims.Scopes {
		if has {
			scopes = append(scopes, s)
		}
	}
	slices.Sort(scopes)
	h := sha256.New()
	part := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	part(k.Viewer(claims))
	part(strconv.Itoa(len(scopes)))
	for _, s := range scopes {
		part(s)
	}
	part(params.OperationName)
	part(params.Query)
	part(string(text))
	h.Sum(q[:0])
	return q, nil
}

// entity is one of the things that an operation asks for by key.
type entity struct {
	key            string
	representation any
}

// splitVariables takes the entities out of the variables; nil if none are
// asked for. ok is false for none, and for such as are not named by
// a type and an identifier alone.
func splitVariables(variables map[string]any) (entities []entity, rest map[string]any, ok bool) {
	list, asks := variables[representations]
	if !asks {
		return nil, variables, true
	}
	all, isList := list.([]any)
	if !isList || len(all) == 0 {
		return nil, nil, false
	}
	entities = make([]entity, len(all))
	for i, one := range all {
		fields, _ := one.(map[string]any)
		name, named := fields["__typename"].(string)
		id, known := fields["id"].(string)
		if !named || !known || len(fields) != 2 {
			return nil, nil, false
		}
		entities[i] = entity{name + "\x00" + id, one}
	}
	rest = copyWith(variables, nil)
	delete(rest, representations)
	return entities, rest, true
}

func copyWith(variables map[string]any, list []any) map[string]any {
	out := make(map[string]any, len(variables))
	for name, v := range variables {
		out[name] = v
	}
	out[representations] = list
	return out
}

// splitEntities takes the n entities out of an answer; ok is false if it must
// not be kept by entity.
func splitEntities(r reply, n int) (parts [][]byte, ok bool) {
	if r.unshared || !r.good() || !asksEntitiesOnly(r.operation) {
		return nil, false
	}
	var data struct {
		Entities []json.RawMessage `json:"_entities"`
	}
	if err := json.Unmarshal(r.res.Data, &data); err != nil || len(data.Entities) != n {
		return nil, false
	}
	parts = make([][]byte, n)
	for i, e := range data.Entities {
		parts[i] = e
	}
	return parts, true
}

// asksEntitiesOnly reports whether the operation is the one that the router
// writes: the entities of the variable, in its order, and nothing beside them.
func asksEntitiesOnly(op *ast.OperationDefinition) bool {
	if op == nil || len(op.SelectionSet) != 1 || len(op.Directives) > 0 {
		return false
	}
	f, ok := op.SelectionSet[0].(*ast.Field)
	if !ok || f.Name != "_entities" || f.Alias != f.Name || len(f.Directives) > 0 || len(f.Arguments) != 1 {
		return false
	}
	v := f.Arguments[0].Value
	return v.Kind == ast.Variable && v.Raw == representations
}

func joinEntities(parts [][]byte) []byte {
	size := len(entitiesHead) + len(entitiesTail)
	for _, p := range parts {
		size += len(p) + 1
	}
	out := append(make([]byte, 0, size), entitiesHead...)
	for i, p := range parts {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, p...)
	}
	return append(out, entitiesTail...)
}
