// Package migrations holds the tables of etl/media for goose, which keeps
// their version in a table of its own, VersionTable.
package migrations

import "embed"

// FS holds the *.sql files at its root.
//
//go:embed *.sql
var FS embed.FS

// VersionTable is what goose counts these migrations in.
const VersionTable = "goose_media"
