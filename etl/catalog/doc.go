// Package catalog carries the catalogue's records from Postgres into the
// search index, from which viewers are served.
//
//	records ─► WAL ─► slot cinema_etl ─► which titles, people, genres? ─► rows read again ─► documents ─► index
//
// # What a change means
//
// A change in the log says only which documents are out of date: that of a
// title for anything below it, all titles that show a person or a genre when
// those change, all that play a set of renditions when it grows. The documents
// are then made from the rows as they are now, in one snapshot, by a pure
// function; nothing is ever joined from the log. So a change may be seen
// twice, or late together with the next one, and the document is right all
// the same.
//
// In the index are the published titles, the people with a part in one of
// them, and all genres. What ceases to be that is deleted from it.
//
// # Nothing is missed
//
// Changes are applied first, then their position is made durable in the index
// (SetPosition), then Postgres is told that it may forget them. So the slot is
// never ahead of the index. Whenever it is, or is lost, or belongs to another
// server, or the index is empty or of another shape, the index is rebuilt
// beside the one in use from the snapshot that a new slot exports, and
// swapped; the log goes on exactly where the snapshot ends. A kill at any
// point leads to one of these two ways on.
//
// # What cannot be indexed
//
// A failure of the index or of Postgres is retried with a growing pause, for
// ever: nothing is confirmed meanwhile. But a single record of which no
// document can be made, or whose document the index refuses (a fault of kind
// Invalid, found by applying the batch one by one), would stop all others: it
// is logged as an error with its identifier, counted in Status, and left as it
// is in the index; its next change is a new try.
package catalog
