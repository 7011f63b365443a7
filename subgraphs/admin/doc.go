// Package admin is the domain of the admin subgraph: the records behind the
// catalogue, what may be asked of them, and what the rooms beside it must do.
//
// The types bear the names of the schema, so that gqlgen binds them and a
// resolver returns what a query scanned. An input says by Validate whether it
// keeps the bounds that the schema promises; that is pure.
//
//	resolver ─► records (validation, one transaction a mutation) ─► Postgres "catalog"
//	/uploads ─► uploads (tus)  ─► Pictures, Films, object store, Jobs ─► records' tables
//
// Every mutation is one transaction that raises the version of the title it
// touches and says in title_change who changed what. From there the ETL
// (etl/catalog) takes over: nothing here writes to the search index.
package admin
