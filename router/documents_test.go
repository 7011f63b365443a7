package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Documents that clients rarely send, against the composed schema.
func TestOddDocuments(t *testing.T) {
	h := newHouse(t, nil)
	var search any
	h.catalog.root["titles"] = resolver(func(a map[string]any) any {
		search = a["query"]
		return obj{"totalCount": 1, "edges": []obj{{"node": film("film_1", "Nosferatu")}}}
	})
	for name, c := range map[string]struct{ query, want string }{
		"an alias that takes the key's name": {
			`{ featured { id: name listed } }`,
			`{"featured":{"id":"Nosferatu","listed":true}}`},
		"an alias that takes the type's name": {
			`{ featured { __typename: year listed } }`,
			`{"featured":{"__typename":1922,"listed":true}}`},
		"the type at the root": {
			`{ a: __typename __typename }`,
			`{"a":"Query","__typename":"Query"}`},
		"one field twice, other parts": {
			`{ featured { id } featured { name } ... on Query { featured { year } } }`,
			`{"featured":{"id":"film_1","name":"Nosferatu","year":1922}}`},
		"a fragment in a fragment": {
			`{ ...q } fragment q on Query { featured { ...t } } fragment t on Title { ... on Film { ...f } } fragment f on Film { id watchState { positionMs } }`,
			`{"featured":{"id":"film_1","watchState":{"positionMs":1000}}}`},
		"a fragment of another type": {
			`{ featured { id ... on Series { endYear } } }`,
			`{"featured":{"id":"film_1"}}`},
		"two operations of one subgraph under aliases": {
			`{ a: title(id: "film_1") { name } b: title(id: "film_2") { name } }`,
			`{"a":{"name":"Nosferatu"},"b":{"name":"Metropolis"}}`},
		"everything left out": {
			`{ featured { id @skip(if: true) } genres @include(if: false) { id } }`,
			`{"featured":{}}`},
		"deferred": {
			`{ featured { id ... @defer { name } } }`,
			`{"featured":{"id":"film_1","name":"Nosferatu"}}`},
		"nothing found": {
			`{ title(id: "film_9") { name listed } }`,
			`{"title":null}`},
		"schema and data at once": {
			`{ __type(name: "Genre") { name } featured { id } }`,
			`{"__type":{"name":"Genre"},"featured":{"id":"film_1"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := h.ask(t, "viewer", c.query, nil)
			require.Empty(t, a.Errors, a.body)
			require.JSONEq(t, `{"data":`+c.want+`}`, a.body)
		})
	}
	for literal, want := range map[string]string{
		`"""a "block"` + "\n" + `string"""`: "a \"block\"\nstring",
		`"tab \t, quote \", Ж \u0416"`:      "tab \t, quote \", Ж Ж",
		`"$notAVariable {{ }}"`:             "$notAVariable {{ }}",
		`""`:                                "",
	} {
		a := h.ask(t, "viewer", `{ titles(query: `+literal+`) { totalCount } }`, nil)
		require.Empty(t, a.Errors, a.body)
		require.Equal(t, want, search)
	}
	a := h.ask(t, "viewer", `mutation { recordEvents(input: {device: {kind: "d", system: "s", browser: "b"}, events: [{id: "01990000-0000-7000-8000-000000000002", name: PAUSED, at: "2026-11-23T10:00:00Z"}]}) { accepted } }`, nil)
	require.Empty(t, a.Errors, a.body)
	require.EqualValues(t, 1, a.Data["recordEvents"].(map[string]any)["accepted"])
}

// A renamed alias shows nowhere, not even in an error.
func TestRenamedAliasInErrors(t *testing.T) {
	h := newHouse(t, nil)
	h.telemetry.entities = func(typeName, id string) any {
		e := obj{"__typename": typeName, "id": id, "listed": true, "myRating": 5}
		if id == "film_2" {
			e["myRating"] = peerFault("NOT_FOUND", "none")
		}
		return e
	}
	a := h.ask(t, "viewer", `{ titles { edges { node { id: myRating listed } } } }`, nil)
	require.Len(t, a.Errors, 1, a.body)
	require.Equal(t, "titles.edges.1.node.id", pathText(a.Errors[0].Path))
	require.NotContains(t, a.body, "routerAlias")
	require.Contains(t, a.body, `{"node":{"id":5,"listed":true}}`)
}
