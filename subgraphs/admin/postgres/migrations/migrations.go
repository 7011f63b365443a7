// Package migrations holds the tables of the catalogue's records, in goose's
// format. They are applied with pg.Migrate to the database "catalog" and are
// recorded in the table named by Table.
package migrations

import "embed"

// FS holds the migrations in order.
//
//go:embed *.sql
var FS embed.FS

// Table records which of them were applied. The database has other rooms'
// migrations too, so each set has a table of its own.
const Table = "goose_admin"
