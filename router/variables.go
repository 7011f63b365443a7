package router

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"sort"
	"strconv"
	"strings"

	gqlast "github.com/vektah/gqlparser/v2/ast"
)

// coercer checks values against input types after the GraphQL specification
// (input coercion) and fills in defaults.
//
// The engine's own coercion happens while a document is normalised, which is
// done once and kept; values differ with each request.
type coercer struct {
	schema *gqlast.Schema
}

// decodeObject reads a JSON object and keeps its numbers as they are written.
func decodeObject(raw []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	return m, nil
}

// variables coerces the values of an operation's variables. Values for unknown
// variables are dropped.
func (c coercer) variables(defs gqlast.VariableDefinitionList, given map[string]any) (map[string]any, []gqlError) {
	out := make(map[string]any, len(defs))
	var faults []gqlError
	for _, def := range defs {
		v, ok := given[def.Variable]
		if !ok {
			switch {
			case def.DefaultValue != nil:
				v, ok = literalValue(def.DefaultValue, nil), true
			case def.Type.NonNull:
				faults = append(faults, variableError(def, fmt.Sprintf("Variable \"$%s\" of required type %q was not provided.", def.Variable, def.Type.String())))
				continue
			default:
				continue
			}
		}
		got, err := c.value(def.Type, v, "$"+def.Variable)
		if err != nil {
			faults = append(faults, variableError(def, err.Error()))
			if len(faults) >= 10 {
				break
			}
			continue
		}
		if ok {
			out[def.Variable] = got
		}
	}
	return out, faults
}

func variableError(def *gqlast.VariableDefinition, message string) gqlError {
	e := newError(codeInvalid, message)
	if def.Position != nil {
		e.Locations = []location{{def.Position.Line, def.Position.Column}}
	}
	return e
}

func mismatch(at, format string, args ...any) error {
	name, rest, nested := strings.Cut(at, ".")
	where := fmt.Sprintf("Variable %q got an invalid value", name)
	if nested {
		where += fmt.Sprintf(" at %q", strings.TrimPrefix(name, "$")+"."+rest)
	}
	return fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...))
}

// value coerces one value; at names it in messages, such as $input.events[3].id.
func (c coercer) value(t *gqlast.Type, v any, at string) (any, error) {
	if v == nil {
		if t.NonNull {
			return nil, mismatch(at, "expected %q not to be null.", t.String())
		}
		return nil, nil //nolint:nilnil // null is a value of GraphQL
	}
	if t.Elem != nil {
		list, ok := v.([]any)
		if !ok {
			// A single value stands for a list of one.
			list = []any{v}
		}
		out := make([]any, len(list))
		for i, item := range list {
			got, err := c.value(t.Elem, item, at+"["+strconv.Itoa(i)+"]")
			if err != nil {
				return nil, err
			}
			out[i] = got
		}
		return out, nil
	}
	def := c.schema.Types[t.NamedType]
	if def == nil {
		return nil, mismatch(at, "unknown type %q.", t.NamedType)
	}
	switch def.Kind {
	case gqlast.Enum:
		s, ok := v.(string)
		if !ok || def.EnumValues.ForName(s) == nil {
			return nil, mismatch(at, "%s is no value of the enum %q.", shorten(v), def.Name)
		}
		return s, nil
	case gqlast.InputObject:
		return c.object(def, v, at)
	default:
		return scalar(def.Name, v, at)
	}
}

func (c coercer) object(def *gqlast.Definition, v any, at string) (any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, mismatch(at, "expected an object of type %q.", def.Name)
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if def.Fields.ForName(name) == nil {
			return nil, mismatch(at, "field %q is not defined by type %q.", shortenString(name), def.Name)
		}
	}
	out := make(map[string]any, len(m))
	for _, f := range def.Fields {
		given, ok := m[f.Name]
		if !ok {
			if f.DefaultValue != nil {
				given = literalValue(f.DefaultValue, nil)
			} else if f.Type.NonNull {
				return nil, mismatch(at, "field %q of required type %q was not provided.", f.Name, f.Type.String())
			} else {
				continue
			}
		}
		got, err := c.value(f.Type, given, at+"."+f.Name)
		if err != nil {
			return nil, err
		}
		out[f.Name] = got
	}
	if def.Directives.ForName("oneOf") != nil {
		if len(m) != 1 {
			return nil, mismatch(at, "exactly one field of %q must be given.", def.Name)
		}
		for _, v := range m {
			if v == nil {
				return nil, mismatch(at, "the field of %q must not be null.", def.Name)
			}
		}
	}
	return out, nil
}

func scalar(name string, v any, at string) (any, error) {
	switch name {
	case "Int":
		if n, ok := v.(json.Number); ok {
			if whole, ok := integer(n); ok && whole.IsInt64() && whole.Int64() >= -1<<31 && whole.Int64() < 1<<31 {
				return json.Number(whole.String()), nil
			}
		}
		return nil, mismatch(at, "Int cannot represent %s.", shorten(v))
	case "Float":
		if n, ok := v.(json.Number); ok {
			if _, err := n.Float64(); err == nil {
				return n, nil
			}
		}
		return nil, mismatch(at, "Float cannot represent %s.", shorten(v))
	case "String":
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, mismatch(at, "String cannot represent %s.", shorten(v))
	case "Boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, mismatch(at, "Boolean cannot represent %s.", shorten(v))
	case "ID":
		switch id := v.(type) {
		case string:
			return id, nil
		case json.Number:
			if whole, ok := integer(id); ok {
				return whole.String(), nil
			}
		}
		return nil, mismatch(at, "ID cannot represent %s.", shorten(v))
	default:
		return v, nil // a scalar of ours: its subgraph knows what it takes
	}
}

// integer reads a JSON number without a fraction; 1.0 and 1e2 are whole too.
func integer(n json.Number) (*big.Int, bool) {
	if len(n) > 32 {
		return nil, false // nothing that we take is longer, and 1e999999999 is short
	}
	if i, ok := new(big.Int).SetString(n.String(), 10); ok {
		return i, true
	}
	f, err := n.Float64()
	if err != nil {
		return nil, false
	}
	i, accuracy := new(big.Float).SetFloat64(f).Int(nil)
	return i, accuracy == big.Exact
}

func shorten(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "this value"
	}
	return shortenString(string(b))
}

// shortenString keeps what a client sent from filling the answer.
func shortenString(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// literalValue turns a value in a document into a JSON value, with variables
// replaced. A field whose variable has no value is left out.
func literalValue(v *gqlast.Value, vars map[string]any) any {
	switch v.Kind {
	case gqlast.Variable:
		return vars[v.Raw]
	case gqlast.IntValue, gqlast.FloatValue:
		return json.Number(v.Raw)
	case gqlast.StringValue, gqlast.BlockValue, gqlast.EnumValue:
		return v.Raw
	case gqlast.BooleanValue:
		return v.Raw == "true"
	case gqlast.ListValue:
		list := make([]any, 0, len(v.Children))
		for _, child := range v.Children {
			list = append(list, literalValue(child.Value, vars))
		}
		return list
	case gqlast.ObjectValue:
		m := make(map[string]any, len(v.Children))
		for _, child := range v.Children {
			if child.Value.Kind == gqlast.Variable {
				if _, ok := vars[child.Value.Raw]; !ok {
					continue
				}
			}
			m[child.Name] = literalValue(child.Value, vars)
		}
		return m
	default:
		return nil
	}
}

// hasVariable reports whether a variable is anywhere in the value.
func hasVariable(v *gqlast.Value) bool {
	if v.Kind == gqlast.Variable {
		return true
	}
	for _, child := range v.Children {
		if hasVariable(child.Value) {
			return true
		}
	}
	return false
}
