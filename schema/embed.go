// Package schema carries what was composed from the subgraphs' schemas into
// the binary: the router's execution configuration, the public API schema, and
// the operations that the web app was built with.
package schema

import _ "embed"

// Supergraph is the router's execution configuration, written by
// schema/compose from the subgraphs' schemas.
//
//go:embed supergraph.json
var Supergraph []byte

// API is the public schema, as clients see it.
//
//go:embed api.graphqls
var API string

// PersistedOperations maps the SHA-256 of an operation's document, in
// hexadecimal, to the document; the web app's code generation writes it.
//
//go:embed persisted-operations.json
var PersistedOperations []byte
