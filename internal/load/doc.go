// Package load drives viewers against a running cinema, by its public address
// alone, and reports how it fared. It is the `cinema load` command.
//
// A viewer does what the web app does, with the web app's own persisted
// operations: loads the page, signs up or in, browses, searches with typos, opens
// a film, fetches its playlists and segments in the rhythm of playing, holds a
// watch subscription, records events, pauses, seeks, leaves and comes back. What
// a viewer does next is drawn from a Model by a seeded source, so that a run can be
// repeated.
//
// It can do harm, so it is kept on a short leash: it reaches nothing but this
// machine unless it is told that the server is one's own, its connections and its
// time are bounded, and it gives up when the server does. Its accounts are made
// with an administrator's leave as synthetic viewers, which the statistics can
// leave out; nobody can make such an account, or turn a real one into one,
// without.
package load
