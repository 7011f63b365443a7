package router

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"

	gqlast "github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/astnormalization"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/astparser"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/plan"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/postprocess"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/resolve"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/operationreport"
)

// operation is a document's operation, checked and ready to be planned. It is
// shared by all requests that name it and never changed.
type operation struct {
	// key is the hash of text: documents that differ in literals and layout
	// alone have one plan.
	key       string
	id        uint64 // the key's first bytes
	name      string
	kind      gqlast.Operation
	persisted bool
	// variables are the definitions as the client wrote them.
	variables gqlast.VariableDefinitionList
	// conditions name the variables that decide @skip and @include: each
	// combination of their values has a plan of its own.
	conditions []string
	// literals are the argument values written in the document; the engine is
	// given variables in their place.
	literals []literal
	// text is the document that the engine plans.
	text string
	// cost is what the operation takes from the rate limit.
	cost int
	// roots are the response names and fields at the root.
	roots []rootField
}

type rootField struct {
	name, field string
	at          location
}

type literal struct {
	name     string
	typ      *gqlast.Type
	value    *gqlast.Value
	constant any
	fixed    bool
}

// prepared is an operation with its plan.
type prepared struct {
	*operation
	*planned
}

// planned is what operations of one text share.
type planned struct {
	plan plan.Plan
	// needs are the fields with a rule that the operation asks for.
	needs []coordinate
	// publicRoot says that it is a mutation all of whose root fields are open
	// to everyone, such as signIn.
	publicRoot bool
	// length is about how long the last answer was.
	length atomic.Int64
}

// operations checks and plans documents and keeps the results.
type operations struct {
	graph     *supergraph
	limits    Limits
	persisted map[string]string
	noSchema  bool

	docs  *cache[*operation]
	plans *cache[*planned]
	// planning bounds how many plans are made at once.
	planning chan struct{}
}

func newOperations(g *supergraph, o *Options, l Limits) (*operations, error) {
	const making = 256 // new documents in the making: more are turned away
	ops := &operations{
		graph: g, limits: l, persisted: o.Persisted, noSchema: o.NoIntrospection,
		docs: newCache[*operation](l.Plans, making), plans: newCache[*planned](l.Plans, making),
		planning: make(chan struct{}, planners()),
	}
	for hash, text := range o.Persisted {
		sum := sha256.Sum256([]byte(text))
		if hex.EncodeToString(sum[:]) != hash {
			return nil, fmt.Errorf("router: the persisted operation %.12s… does not have the SHA-256 it is filed under", hash)
		}
	}
	return ops, nil
}

// find returns the operation of a document.
func (ops *operations) find(ctx context.Context, text, name string, persisted bool) (*operation, *requestError) {
	if len(text) > ops.limits.DocumentBytes && !persisted {
		return nil, reject(codeLimitExceeded, fmt.Sprintf("The document has more than %d bytes.", ops.limits.DocumentBytes))
	}
	sum := sha256.Sum256([]byte(text))
	key := hex.EncodeToString(sum[:]) + "/" + name
	op, _, err := ops.docs.get(ctx, key, func() (op *operation, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("checking a document panicked: %v\n%s", v, debug.Stack())
			}
		}()
		op, rejected := ops.check(text, name, persisted)
		if rejected != nil {
			return nil, rejected
		}
		return op, nil
	})
	return op, asRequestError(err)
}

// asRequestError keeps a request error and hides every other.
func asRequestError(err error) *requestError {
	var re *requestError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &re):
		return re
	case errors.Is(err, errCacheBusy):
		return refuse(503, codeUnavailable, msgBusy)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refuse(503, codeUnavailable, msgTimeout)
	default:
		e := refuse(500, codeInternal, msgBroken)
		return &requestError{status: e.status, always: true, errors: e.errors, cause: err}
	}
}

// check takes a raw document to an operation that can be planned.
func (ops *operations) check(text, name string, persisted bool) (*operation, *requestError) {
	doc, rejected := parseDocument(text, ops.limits)
	if rejected != nil {
		return nil, rejected
	}
	w, rejected := checkLimits(doc, ops.limits)
	if rejected != nil {
		return nil, rejected
	}
	if errs := validator.ValidateWithRules(ops.graph.client, doc, nil); len(errs) > 0 {
		re := &requestError{status: 400}
		for i, err := range errs {
			if i == 20 {
				break // one bad document must not make a page of faults
			}
			re.errors = append(re.errors, toGQLError(err, codeValidationFailed))
		}
		return nil, re
	}
	def, rejected := chooseOperation(doc, name)
	if rejected != nil {
		return nil, rejected
	}
	op := &operation{
		name: def.Name, kind: def.Operation, persisted: persisted,
		variables: append(gqlast.VariableDefinitionList(nil), def.VariableDefinitions...),
		cost:      1 + w.fields/100,
	}
	x := &extractor{ops: ops, op: op, def: def, doc: doc, used: map[string]bool{}, seen: map[string]bool{}, taken: map[string]bool{}}
	for _, v := range def.VariableDefinitions {
		x.taken[v.Variable] = true
	}
	x.set(def.SelectionSet, true)
	if x.rejected != nil {
		return nil, x.rejected
	}
	op.text = x.document()
	sum := sha256.Sum256([]byte(op.text))
	op.key, op.id = hex.EncodeToString(sum[:]), binary.BigEndian.Uint64(sum[:])
	return op, nil
}

func chooseOperation(doc *gqlast.QueryDocument, name string) (*gqlast.OperationDefinition, *requestError) {
	if len(doc.Operations) == 0 {
		return nil, reject(codeValidationFailed, "The document holds no operation.")
	}
	if name == "" {
		if len(doc.Operations) > 1 {
			return nil, reject(codeInvalid, "The document holds several operations: operationName must say which to execute.")
		}
		return doc.Operations[0], nil
	}
	if def := doc.Operations.ForName(name); def != nil {
		return def, nil
	}
	return nil, reject(codeInvalid, fmt.Sprintf("The document holds no operation named %q.", shortenString(name)))
}

// keyNames are the response names that the engine needs for itself: it fetches
// keys and types under their own names. An alias that takes one ("id: name") is
// renamed for the engine, and back in the plan's output and in errors.
var keyNames = map[string]bool{"id": true, "__typename": true}

const aliasPrefix = "routerAlias_"

// givenName is the response name as the client wrote it.
func givenName(name string) string {
	if rest, ok := strings.CutPrefix(name, aliasPrefix); ok && keyNames[rest] {
		return rest
	}
	return name
}

// restoreNames gives the fields of the output their names back.
func restoreNames(node resolve.Node) {
	switch n := node.(type) {
	case *resolve.Array:
		restoreNames(n.Item)
	case *resolve.Object:
		for _, f := range n.Fields {
			f.Name = []byte(givenName(string(f.Name)))
			restoreNames(f.Value)
		}
	}
}

// extractor replaces the literals of an operation by variables, so that the
// plan depends on the document alone, and notes what the router must know.
type extractor struct {
	ops      *operations
	op       *operation
	def      *gqlast.OperationDefinition
	doc      *gqlast.QueryDocument
	used     map[string]bool // variables that the engine's document uses
	seen     map[string]bool // fragments done
	taken    map[string]bool // names of variables
	spread   gqlast.FragmentDefinitionList
	added    gqlast.VariableDefinitionList
	rejected *requestError
}

func (x *extractor) set(set gqlast.SelectionSet, root bool) {
	for _, s := range set {
		switch s := s.(type) {
		case *gqlast.Field:
			x.directives(s.Directives)
			x.arguments(s)
			if root {
				x.root(s)
			}
			if keyNames[s.Alias] && s.Alias != s.Name {
				s.Alias = aliasPrefix + s.Alias
			}
			x.set(s.SelectionSet, false)
		case *gqlast.InlineFragment:
			x.directives(s.Directives)
			x.set(s.SelectionSet, root)
		case *gqlast.FragmentSpread:
			x.directives(s.Directives)
			def := x.doc.Fragments.ForName(s.Name)
			if def == nil || x.seen[s.Name] {
				continue
			}
			x.seen[s.Name] = true
			x.spread = append(x.spread, def)
			x.directives(def.Directives)
			x.set(def.SelectionSet, root)
		}
	}
}

func (x *extractor) root(f *gqlast.Field) {
	name := f.Alias
	if name == "" {
		name = f.Name
	}
	r := rootField{name: name, field: f.Name}
	if f.Position != nil {
		r.at = location{f.Position.Line, f.Position.Column}
	}
	x.op.roots = append(x.op.roots, r)
	if x.ops.noSchema && (f.Name == "__schema" || f.Name == "__type") && x.rejected == nil {
		x.rejected = reject(codeForbidden, "The schema cannot be asked for here.")
	}
}

// directives notes the variables of @skip and @include; they stay where they are.
func (x *extractor) directives(list gqlast.DirectiveList) {
	for _, d := range list {
		for _, a := range d.Arguments {
			x.use(a.Value)
			if (d.Name == "skip" || d.Name == "include") && a.Value.Kind == gqlast.Variable {
				x.condition(a.Value.Raw)
			}
		}
	}
}

func (x *extractor) condition(name string) {
	for _, c := range x.op.conditions {
		if c == name {
			return
		}
	}
	x.op.conditions = append(x.op.conditions, name)
}

func (x *extractor) use(v *gqlast.Value) {
	if v.Kind == gqlast.Variable {
		x.used[v.Raw] = true
	}
	for _, child := range v.Children {
		x.use(child.Value)
	}
}

func (x *extractor) arguments(f *gqlast.Field) {
	for _, a := range f.Arguments {
		if a.Value.Kind == gqlast.Variable {
			x.used[a.Value.Raw] = true
			continue
		}
		if f.Definition == nil {
			continue
		}
		arg := f.Definition.Arguments.ForName(a.Name)
		if arg == nil {
			continue
		}
		l := literal{name: x.name(), typ: arg.Type, value: a.Value}
		if !hasVariable(a.Value) {
			v, err := coercer{x.ops.graph.client}.value(arg.Type, literalValue(a.Value, nil), "$"+a.Name)
			if err != nil {
				if x.rejected == nil {
					x.rejected = reject(codeValidationFailed, fmt.Sprintf("Argument %q of %q: %s", a.Name, f.Name, err))
				}
				return
			}
			l.constant, l.fixed = v, true
		}
		x.op.literals = append(x.op.literals, l)
		x.used[l.name] = true
		x.added = append(x.added, &gqlast.VariableDefinition{Variable: l.name, Type: arg.Type})
		a.Value = &gqlast.Value{Kind: gqlast.Variable, Raw: l.name, Position: a.Value.Position}
	}
}

// name makes a name that no variable of the document has.
func (x *extractor) name() string {
	for i := len(x.op.literals); ; i++ {
		n := "l" + strconv.Itoa(i)
		if !x.taken[n] {
			x.taken[n] = true
			return n
		}
	}
}

// document prints the operation alone with the fragments it spreads.
func (x *extractor) document() string {
	def := *x.def
	def.VariableDefinitions = nil
	for _, v := range append(append(gqlast.VariableDefinitionList(nil), x.def.VariableDefinitions...), x.added...) {
		if x.used[v.Variable] {
			def.VariableDefinitions = append(def.VariableDefinitions, v)
		}
	}
	var b bytes.Buffer
	formatter.NewFormatter(&b, formatter.WithIndent(" ")).FormatQueryDocument(&gqlast.QueryDocument{
		Operations: gqlast.OperationList{&def},
		Fragments:  x.spread,
	})
	return b.String()
}

// values makes the variables' values for the engine out of the client's.
func (ops *operations) values(op *operation, raw []byte) (map[string]any, *requestError) {
	var given map[string]any
	if len(raw) > 0 {
		if len(raw) > ops.limits.VariablesBytes {
			return nil, reject(codeLimitExceeded, fmt.Sprintf("The variables have more than %d bytes.", ops.limits.VariablesBytes))
		}
		var err error
		if given, err = decodeObject(raw); err != nil {
			return nil, refuse(400, codeInvalid, "The variables are no JSON object.")
		}
	}
	c := coercer{ops.graph.client}
	values, faults := c.variables(op.variables, given)
	if len(faults) > 0 {
		return nil, &requestError{status: 400, errors: faults}
	}
	for _, l := range op.literals {
		if l.fixed {
			values[l.name] = l.constant
			continue
		}
		v, err := c.value(l.typ, literalValue(l.value, values), "$"+l.name)
		if err != nil {
			return nil, reject(codeInvalid, err.Error())
		}
		values[l.name] = v
	}
	return values, nil
}

// plan returns the operation's plan for the values that decide its shape.
func (ops *operations) plan(ctx context.Context, op *operation, values map[string]any) (*prepared, bool, *requestError) {
	key := op.key
	shape := map[string]any{}
	for _, name := range op.conditions {
		b, _ := values[name].(bool)
		shape[name] = b
		key += "/" + strconv.FormatBool(b)
	}
	p, hit, err := ops.plans.get(ctx, key, func() (*planned, error) { return ops.makePlan(op, shape) })
	return &prepared{operation: op, planned: p}, hit, asRequestError(err)
}

func (ops *operations) makePlan(op *operation, shape map[string]any) (p *planned, err error) {
	ops.planning <- struct{}{}
	defer func() {
		<-ops.planning
		if v := recover(); v != nil {
			err = fmt.Errorf("planning panicked: %v\n%s", v, debug.Stack())
		}
	}()
	// A planner keeps state of its last operation, and fails the next with it:
	// each plan gets a new one. It costs little beside the planning.
	planner, err := plan.NewPlanner(ops.graph.plan)
	if err != nil {
		return nil, fmt.Errorf("planner: %w", err)
	}
	normalizer := astnormalization.NewWithOpts(
		astnormalization.WithRemoveNotMatchingOperationDefinitions(),
		astnormalization.WithRemoveFragmentDefinitions(),
		astnormalization.WithInlineFragmentSpreads(),
		astnormalization.WithExtractVariables(),
	)
	doc, report := astparser.ParseGraphqlDocumentString(op.text)
	if report.HasErrors() {
		return nil, fmt.Errorf("the engine cannot read a valid document: %w", report)
	}
	if doc.Input.Variables, err = json.Marshal(shape); err != nil {
		return nil, fmt.Errorf("conditions: %w", err)
	}
	report = operationreport.Report{}
	normalizer.NormalizeNamedOperation(&doc, ops.graph.definition, []byte(op.name), &report)
	if report.HasErrors() {
		return nil, fmt.Errorf("the engine cannot normalise a valid document: %w", report)
	}
	made := planner.Plan(&doc, ops.graph.definition, op.name, &report)
	if report.HasErrors() {
		return nil, fmt.Errorf("the engine cannot plan a valid document: %w", report)
	}
	postprocess.NewProcessor().Process(made)
	if data := responseOf(made).Data; data != nil {
		restoreNames(data)
	}
	ops.nameEntityFields(responseOf(made).Fetches)
	p = &planned{plan: made}
	ops.readRules(op, p)
	return p, nil
}

// nameEntityFields tells the engine what each fetch of entities is for. It
// skips a fetch when all of its fields are denied, but knows that only of
// fetches at the root. A fetch that brings keys for another is left alone.
func (ops *operations) nameEntityFields(node *resolve.FetchTreeNode) {
	if node == nil {
		return
	}
	for _, child := range node.ChildNodes {
		ops.nameEntityFields(child)
	}
	if node.Item == nil || node.Item.Fetch == nil {
		return
	}
	info := node.Item.Fetch.FetchInfo()
	if info == nil || len(info.RootFields) > 0 {
		return
	}
	var fields []resolve.GraphCoordinate
	for _, d := range info.CoordinateDependencies {
		if !d.IsUserRequested {
			return
		}
		_, ruled := ops.graph.rules[coordinate{d.Coordinate.TypeName, d.Coordinate.FieldName}]
		fields = append(fields, resolve.GraphCoordinate{
			TypeName: d.Coordinate.TypeName, FieldName: d.Coordinate.FieldName, HasAuthorizationRule: ruled,
		})
	}
	info.RootFields = fields
}

// readRules notes which rules an operation meets.
func (ops *operations) readRules(op *operation, p *planned) {
	seen := map[coordinate]bool{}
	note := func(at coordinate) {
		if _, ruled := ops.graph.rules[at]; ruled && !seen[at] {
			seen[at] = true
			p.needs = append(p.needs, at)
		}
	}
	root := ops.graph.rootNames[op.kind]
	p.publicRoot = op.kind == gqlast.Mutation
	for _, r := range op.roots {
		at := coordinate{root, r.field}
		note(at)
		if _, ruled := ops.graph.rules[at]; ruled {
			p.publicRoot = false
		}
	}
	if info := responseOf(p.plan).Info; info != nil {
		for _, c := range info.AuthorizationCoordinates {
			note(coordinate{c.Coordinate.TypeName, c.Coordinate.FieldName})
		}
	}
}
