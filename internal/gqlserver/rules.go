package gqlserver

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
)

// rule is who may read a field or an entity. Its zero value lets everyone in.
type rule struct {
	authenticated bool
	// anyOf holds alternatives; all scopes of one of them are needed.
	anyOf [][]string
}

var errForbidden = fault.New(fault.Forbidden, "Your account may not do this.")

func (r rule) allow(c *authn.Claims) error {
	if !r.authenticated && len(r.anyOf) == 0 {
		return nil
	}
	if c == nil {
		return authn.ErrUnauthenticated
	}
	if len(r.anyOf) == 0 {
		return nil
	}
next:
	for _, all := range r.anyOf {
		for _, scope := range all {
			if !c.Has(scope) {
				continue next
			}
		}
		return nil
	}
	if c.Unsure {
		return authn.ErrUnsure
	}
	return errForbidden
}

type coordinate struct{ object, field string }

// rules is the gqlgen extension that enforces what the schema's directives say.
type rules struct {
	// fields is by the object that resolves it, whatever interface the document
	// asked through.
	fields   map[coordinate]rule
	entities map[string]rule
	// also is Options.Allow; nil for none.
	also func(c *authn.Claims, object, field string) error
}

// readRules collects the rules of a schema and refuses one with a gap.
func readRules(s *ast.Schema) (*rules, error) {
	r := &rules{fields: map[coordinate]rule{}, entities: map[string]rule{}}
	var open []string
	roots := map[string]bool{}
	for _, def := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
		if def != nil {
			roots[def.Name] = true
		}
	}
	for _, def := range s.Types {
		if def.BuiltIn || def.Kind != ast.Object || strings.HasPrefix(def.Name, "__") {
			continue
		}
		if Resolvable(def) {
			found, ok, err := ruleOf(def.Directives)
			if err != nil {
				return nil, fmt.Errorf("gqlserver: %s: %w", def.Name, err)
			}
			if !ok {
				open = append(open, def.Name)
			}
			r.entities[def.Name] = found
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "_") {
				continue // federation's own: _service, and _entities by its types
			}
			found, ok, err := ruleOf(f.Directives)
			if err != nil {
				return nil, fmt.Errorf("gqlserver: %s.%s: %w", def.Name, f.Name, err)
			}
			if ok {
				r.fields[coordinate{def.Name, f.Name}] = found
			} else if roots[def.Name] {
				open = append(open, def.Name+"."+f.Name)
			}
		}
	}
	if len(open) > 0 {
		sort.Strings(open)
		return nil, fmt.Errorf("gqlserver: no rule (@public, @authenticated or @requiresScopes) on %s", strings.Join(open, ", "))
	}
	return r, nil
}

// Resolvable reports whether a type is an entity that _entities can ask for.
func Resolvable(def *ast.Definition) bool {
	for _, d := range def.Directives.ForNames("key") {
		arg := d.Arguments.ForName("resolvable")
		if arg == nil || arg.Value.Raw != "false" {
			return true
		}
	}
	return false
}

// ruleOf reads the rule; ok is false where there is none. A rule that would
// mean something else to the router's composition, or let in more than its
// author can have meant, is an error.
func ruleOf(ds ast.DirectiveList) (r rule, ok bool, err error) {
	public := ds.ForName("public") != nil
	r.authenticated = ds.ForName("authenticated") != nil
	d := ds.ForName("requiresScopes")
	if public && (r.authenticated || d != nil) {
		return rule{}, false, errors.New("@public contradicts the other rule")
	}
	if d != nil {
		arg := d.Arguments.ForName("scopes")
		if arg == nil || arg.Value.Kind != ast.ListValue || len(arg.Value.Children) == 0 {
			return rule{}, false, errors.New("scopes must be a list of lists, none empty")
		}
		for _, or := range arg.Value.Children {
			if or.Value.Kind != ast.ListValue || len(or.Value.Children) == 0 {
				return rule{}, false, errors.New("scopes must be a list of lists, none empty")
			}
			var all []string
			for _, and := range or.Value.Children {
				all = append(all, and.Value.Raw)
			}
			r.anyOf = append(r.anyOf, all)
		}
	}
	return r, public || r.authenticated || len(r.anyOf) > 0, nil
}

// ExtensionName implements graphql.HandlerExtension.
func (*rules) ExtensionName() string { return "Rules" }

// Validate implements graphql.HandlerExtension.
func (*rules) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext implements graphql.OperationContextMutator: it puts
// the rules around every field. As a graphql.FieldInterceptor they would be
// wrapped in two more closures for each field of each object.
func (r *rules) MutateOperationContext(_ context.Context, oc *graphql.OperationContext) *gqlerror.Error {
	oc.ResolverMiddleware = r.around
	return nil
}

func (r *rules) around(ctx context.Context, next graphql.Resolver) (any, error) {
	fc := graphql.GetFieldContext(ctx)
	if fc.Field.Field == nil {
		return next(ctx)
	}
	if fc.Field.Name == "_entities" {
		if err := r.allowEntities(ctx, fc); err != nil {
			return nil, err
		}
		return next(ctx)
	}
	if found, ok := r.fields[coordinate{fc.Object, fc.Field.Name}]; ok {
		if err := found.allow(authn.From(ctx)); err != nil {
			return nil, err
		}
	}
	if r.also != nil {
		if err := r.also(authn.From(ctx), fc.Object, fc.Field.Name); err != nil {
			return nil, err
		}
	}
	return next(ctx)
}

func (r *rules) allowEntities(ctx context.Context, fc *graphql.FieldContext) error {
	reps, _ := fc.Args["representations"].([]map[string]any)
	claims := authn.From(ctx)
	seen := map[string]bool{}
	for _, rep := range reps {
		name, _ := rep["__typename"].(string)
		if seen[name] {
			continue
		}
		seen[name] = true
		found, ok := r.entities[name]
		if !ok {
			return fault.New(fault.Invalid, "%q is no entity of this subgraph.", name)
		}
		if err := found.allow(claims); err != nil {
			return err
		}
	}
	return nil
}

// DescribeRule says in words who may use what carries these directives, and
// names the permissions; ok is false where there is no rule.
func DescribeRule(ds ast.DirectiveList) (words string, scopes []string, ok bool, err error) {
	r, ok, err := ruleOf(ds)
	switch {
	case err != nil || !ok:
		return "", nil, false, err
	case len(r.anyOf) > 0:
		var ways []string
		for _, all := range r.anyOf {
			scopes = append(scopes, all...)
			ways = append(ways, "`"+strings.Join(all, "` and `")+"`")
		}
		return strings.Join(ways, ", or "), scopes, true, nil
	case r.authenticated:
		return "signed in", nil, true, nil
	default:
		return "everyone", nil, true, nil
	}
}
