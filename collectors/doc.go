// Package collectors takes viewing activity out of the event log.
//
// Activity writes each event to ClickHouse exactly once and keeps the daily
// rollups equal to what the raw events say. Watch writes where profiles stand
// and who is watching to Postgres, and ends viewing sessions that fell silent.
//
// Both read at least once: offsets are committed after the write, and the
// writes bear repetition. Activity's rows are keyed by a function of the
// event's id, so a replay falls on the same row whatever the batches' borders;
// Watch's are monotone in the event's time. docs/adr/0070 and 0071 say why.
package collectors
