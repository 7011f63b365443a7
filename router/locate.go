package router

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// The engine's own errors are recognised by these marks.
const (
	engineUnauthorized = "UNAUTHORIZED_FIELD_OR_TYPE"
	engineNullPrefix   = "Cannot return null for non-nullable field"
)

// rewrite brings the engine's response into the specification's shape. Data is
// left as it is; only a response that has errors is touched.
func (ex *exchange) rewrite(response []byte) ([]byte, []gqlError) {
	if !strings.HasPrefix(string(response[:min(len(response), 10)]), `{"errors":`) {
		return response, nil
	}
	var in struct {
		Errors []struct {
			Message    string         `json:"message"`
			Path       []any          `json:"path"`
			Extensions map[string]any `json:"extensions"`
		} `json:"errors"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(response, &in); err != nil {
		errs := []gqlError{newError(codeInternal, msgBroken)}
		return withData(errs, nil), errs
	}
	ex.mu.Lock()
	finder := newFinder(ex.calls)
	ex.mu.Unlock()
	var out, nulls []gqlError
	for _, e := range in.Errors {
		code, _ := e.Extensions["code"].(string)
		switch {
		case e.Extensions[noteCall] != nil:
			out = append(out, finder.errors(e.Message, e.Path, e.Extensions)...)
		case code == engineUnauthorized:
			if hasWildcard(e.Path) {
				continue // no such field is in the answer
			}
			out = append(out, unauthorized(e.Message, e.Path))
		case strings.HasPrefix(e.Message, engineNullPrefix):
			n := newError(codeInternal, msgBroken)
			n.Path = e.Path
			nulls = append(nulls, n)
		default:
			n := newError(codeUnavailable, msgUnavailable)
			n.Path = upTo(e.Path)
			out = append(out, n)
		}
	}
	// A null where none may be is an error of its own only if nothing else
	// says why the field is null.
	for _, n := range nulls {
		if !explained(n.Path, out) {
			out = append(out, n)
		}
	}
	for _, e := range out {
		for i, p := range e.Path {
			if name, ok := p.(string); ok {
				e.Path[i] = givenName(name)
			}
		}
	}
	out = unique(out)
	if len(out) > mostErrors {
		out = out[:mostErrors]
	}
	return withData(out, in.Data), out
}

func withData(errs []gqlError, data json.RawMessage) []byte {
	if data == nil {
		data = json.RawMessage("null")
	}
	b, err := json.Marshal(struct {
		Errors []gqlError      `json:"errors,omitempty"`
		Data   json.RawMessage `json:"data"`
	}{errs, data})
	if err != nil {
		return errorBody([]gqlError{newError(codeInternal, msgBroken)})
	}
	return b
}

func unauthorized(message string, path []any) gqlError {
	code := codeForbidden
	for _, c := range []string{codeUnauthenticated, codeUnavailable} {
		if strings.Contains(message, "Reason: "+c) {
			code = c
		}
	}
	e := newError(code, messageOf(code))
	e.Path = path
	return e
}

func hasWildcard(path []any) bool {
	for _, p := range path {
		if p == "@" {
			return true
		}
	}
	return false
}

// upTo cuts a path before its first list: the place in it is not known.
func upTo(path []any) []any {
	for i, p := range path {
		if p == "@" {
			return path[:i]
		}
	}
	return path
}

// explained reports whether an error at or below path is known already.
func explained(path []any, errs []gqlError) bool {
	for _, e := range errs {
		if len(e.Path) >= len(path) && reflect.DeepEqual(normal(e.Path[:len(path)]), normal(path)) {
			return true
		}
		// The other's place in a list is not known, and this lies in that list.
		if len(e.Path) < len(path) && len(e.Path) > 0 && reflect.DeepEqual(normal(e.Path), normal(path[:len(e.Path)])) {
			return true
		}
	}
	return false
}

// normal makes numbers comparable whatever they were decoded to.
func normal(path []any) []string {
	out := make([]string, len(path))
	for i, p := range path {
		out[i] = fmt.Sprint(p)
	}
	return out
}

func unique(errs []gqlError) []gqlError {
	seen := map[string]bool{}
	out := errs[:0]
	for _, e := range errs {
		key := e.Extensions.Code + "\x00" + e.Message + "\x00" + strings.Join(normal(e.Path), "\x00")
		if !seen[key] {
			seen[key] = true
			out = append(out, e)
		}
	}
	return out
}

// finder finds the places of entities in a response from what the subgraphs
// answered: the engine drops the list indices of their errors' paths.
type finder struct {
	calls []*call
	// roots are the data of fetches that began at the root.
	roots []map[string]any
	// entities are what was fetched for an entity, by its key.
	entities map[string][]map[string]any
	requests map[int][]map[string]any
}

func newFinder(calls []*call) *finder {
	f := &finder{calls: calls, entities: map[string][]map[string]any{}, requests: map[int][]map[string]any{}}
	for i, c := range calls {
		reps := representationsOf(c.request)
		f.requests[i] = reps
		var answer struct {
			Data map[string]any `json:"data"`
		}
		if json.Unmarshal(c.answer, &answer) != nil {
			continue
		}
		if reps == nil {
			f.roots = append(f.roots, answer.Data)
			continue
		}
		list, _ := answer.Data["_entities"].([]any)
		for j, item := range list {
			if obj, ok := item.(map[string]any); ok && j < len(reps) {
				k := keyOf(reps[j])
				f.entities[k] = append(f.entities[k], obj)
			}
		}
	}
	return f
}

func representationsOf(request []byte) []map[string]any {
	if len(request) == 0 || !strings.Contains(string(request), "representations") {
		return nil
	}
	var body struct {
		Variables struct {
			Representations []map[string]any `json:"representations"`
		} `json:"variables"`
	}
	if json.Unmarshal(request, &body) != nil {
		return nil
	}
	return body.Variables.Representations
}

// keyOf identifies an entity: its type and key.
func keyOf(m map[string]any) string {
	typeName, _ := m["__typename"].(string)
	id, ok := m["id"]
	if typeName == "" || !ok {
		return ""
	}
	return typeName + "\x00" + fmt.Sprint(id)
}

// errors makes of one error of a subgraph an error for each place it shows at.
func (f *finder) errors(message string, path []any, ext map[string]any) []gqlError {
	base := newError(codeInternal, message)
	if code, ok := ext["code"].(string); ok {
		base.Extensions.Code = code
	}
	base.Extensions.Field, _ = ext["field"].(string)
	base.Extensions.Reason, _ = ext["reason"].(string)
	original, _ := ext[notePath].([]any)
	index, _ := ext[noteCall].(float64)

	if len(original) < 2 || original[0] != "_entities" {
		base.Path = original
		if len(original) == 0 {
			base.Path = upTo(path)
		}
		return []gqlError{base}
	}
	position, ok := original[1].(float64)
	tail := original[2:]
	reps := f.requests[int(index)]
	// The engine put the fetch's place in front and dropped the index.
	prefix := path[:max(0, len(path)-len(tail))]
	if !ok || int(position) >= len(reps) || int(position) < 0 {
		base.Path = upTo(path)
		return []gqlError{base}
	}
	places := f.places(prefix, keyOf(reps[int(position)]))
	if len(places) == 0 {
		base.Path = upTo(path)
		return []gqlError{base}
	}
	out := make([]gqlError, 0, len(places))
	for _, p := range places {
		e := base
		e.Path = append(append([]any(nil), p...), tail...)
		out = append(out, e)
	}
	return out
}

// places walks the prefix through all lists and returns where the entity is.
func (f *finder) places(prefix []any, key string) [][]any {
	var names []string
	for _, p := range prefix {
		if name, ok := p.(string); ok && name != "@" {
			names = append(names, name)
		}
	}
	var found [][]any
	var walk func(v any, rest []string, at []any)
	walk = func(v any, rest []string, at []any) {
		if len(found) >= mostErrors {
			return
		}
		switch v := v.(type) {
		case []any:
			for i, item := range v {
				walk(item, rest, append(at[:len(at):len(at)], i))
			}
		case map[string]any:
			if len(rest) == 0 {
				if key != "" && keyOf(v) == key {
					found = append(found, at)
				}
				return
			}
			next := append(at[:len(at):len(at)], rest[0])
			if child, ok := v[rest[0]]; ok {
				walk(child, rest[1:], next)
				return
			}
			for _, more := range f.entities[keyOf(v)] {
				if child, ok := more[rest[0]]; ok {
					walk(child, rest[1:], next)
					return
				}
			}
		}
	}
	for _, root := range f.roots {
		walk(any(root), names, nil)
	}
	return found
}
