package router

import (
	"fmt"
	"strings"

	gqlast "github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

// ceiling is where counts stop growing: fragments that spread fragments twice
// double with each level, and would overflow an int.
const ceiling = 1 << 30

// weight is what a selection set asks for once its fragments are spread.
type weight struct {
	depth, fields, aliases, directives int
}

// parseDocument parses a raw document under the limits that can be kept before
// anything is known of it.
func parseDocument(text string, l Limits) (*gqlast.QueryDocument, *requestError) {
	if len(text) > l.DocumentBytes {
		return nil, reject(codeLimitExceeded, fmt.Sprintf("The document has more than %d bytes.", l.DocumentBytes))
	}
	doc, err := parser.ParseQueryWithTokenLimit(&gqlast.Source{Input: text}, l.Tokens)
	if err == nil {
		return doc, nil
	}
	e := toGQLError(err, codeParseFailed)
	if strings.Contains(e.Message, "token limit") {
		e.Message, e.Extensions.Code = fmt.Sprintf("The document has more than %d tokens.", l.Tokens), codeLimitExceeded
	}
	return nil, &requestError{status: 400, errors: []gqlError{e}}
}

func toGQLError(err error, code string) gqlError {
	e := newError(code, err.Error())
	if ge, ok := err.(*gqlerror.Error); ok { //nolint:errorlint // gqlparser returns it bare
		e.Message = ge.Message
		e.Locations = nil
		for _, l := range ge.Locations {
			e.Locations = append(e.Locations, location{l.Line, l.Column})
		}
	}
	return e
}

// checkLimits measures each operation of a parsed document, before it is
// validated: validation itself must not be a way to burn time. It returns the
// weight of the heaviest operation.
func checkLimits(doc *gqlast.QueryDocument, l Limits) (weight, *requestError) {
	m := measurer{fragments: map[string]*weight{}, doc: doc}
	var most weight
	for _, op := range doc.Operations {
		w := m.set(op.SelectionSet)
		w.directives = add(w.directives, len(op.Directives))
		for _, v := range op.VariableDefinitions {
			w.directives = add(w.directives, len(v.Directives))
		}
		for _, c := range []struct {
			what     string
			got, max int
		}{
			{"levels of fields", w.depth, l.Depth},
			{"fields at the root", m.rootFields(op.SelectionSet, map[string]bool{}), l.RootFields},
			{"fields", w.fields, l.Fields},
			{"aliases", w.aliases, l.Aliases},
			{"directives", w.directives, l.Directives},
		} {
			if c.got > c.max {
				e := newError(codeLimitExceeded, fmt.Sprintf("The operation has more than %d %s.", c.max, c.what))
				if op.Position != nil {
					e.Locations = []location{{op.Position.Line, op.Position.Column}}
				}
				return w, &requestError{status: 400, errors: []gqlError{e}}
			}
		}
		if w.fields >= most.fields {
			most = w
		}
	}
	return most, nil
}

// measurer weighs selection sets; each fragment is weighed once.
type measurer struct {
	doc       *gqlast.QueryDocument
	fragments map[string]*weight // nil while it is being weighed
}

func (m *measurer) set(set gqlast.SelectionSet) weight {
	var w weight
	for _, s := range set {
		switch s := s.(type) {
		case *gqlast.Field:
			sub := m.set(s.SelectionSet)
			w.depth = max(w.depth, add(sub.depth, 1))
			w.fields = add(w.fields, add(sub.fields, 1))
			w.aliases = add(w.aliases, sub.aliases)
			if s.Alias != "" && s.Alias != s.Name {
				w.aliases = add(w.aliases, 1)
			}
			w.directives = add(w.directives, add(sub.directives, len(s.Directives)))
		case *gqlast.InlineFragment:
			w = w.with(m.set(s.SelectionSet), len(s.Directives))
		case *gqlast.FragmentSpread:
			w = w.with(m.fragment(s.Name), len(s.Directives))
		}
	}
	return w
}

func (w weight) with(sub weight, directives int) weight {
	return weight{
		depth:      max(w.depth, sub.depth),
		fields:     add(w.fields, sub.fields),
		aliases:    add(w.aliases, sub.aliases),
		directives: add(w.directives, add(sub.directives, directives)),
	}
}

func (m *measurer) fragment(name string) weight {
	if w, ok := m.fragments[name]; ok {
		if w == nil {
			return weight{} // a cycle: validation names it
		}
		return *w
	}
	def := m.doc.Fragments.ForName(name)
	if def == nil {
		return weight{} // unknown: validation names it
	}
	m.fragments[name] = nil
	w := m.set(def.SelectionSet)
	w.directives = add(w.directives, len(def.Directives))
	m.fragments[name] = &w
	return w
}

// rootFields counts the fields at the root. A fragment counts once, as its
// fields merge when it is spread again.
func (m *measurer) rootFields(set gqlast.SelectionSet, seen map[string]bool) int {
	n := 0
	for _, s := range set {
		switch s := s.(type) {
		case *gqlast.Field:
			n++
		case *gqlast.InlineFragment:
			n = add(n, m.rootFields(s.SelectionSet, seen))
		case *gqlast.FragmentSpread:
			if def := m.doc.Fragments.ForName(s.Name); def != nil && !seen[s.Name] {
				seen[s.Name] = true
				n = add(n, m.rootFields(def.SelectionSet, seen))
			}
		}
	}
	return n
}

func add(a, b int) int { return min(a+b, ceiling) }
