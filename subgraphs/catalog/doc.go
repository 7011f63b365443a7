// Package catalog is the catalog subgraph: what can be watched, as viewers see
// it, served from the search index alone.
//
// Its types wrap the index's documents and are what the resolvers return. The
// Catalogue holds what is asked for by itself; what hangs on another object goes
// through the loaders of the request, so that a page costs a handful of calls
// to the index however long it is. What every home page asks, titles without a
// query, genres, the featured title, is kept on a shelf until the index
// changes, and is served from there when the index fails.
//
// A profile with an age limit sees only titles that are rated for that age or
// less, by whatever way it asks: each way ends in Request.see or a filter made
// by Request.filter.
package catalog
