package main

// What a run of cinema load on the home shape showed (docs/scale.md says how it
// was made), in its own units. Everything else is computed from these.
const (
	viewerSeconds = 11_000 // viewers × time, in their own time

	graphQL      = 1_226.0 // operations over HTTP
	graphQLBytes = 11.1e6  // their answers and the web app
	graphQLCPU   = 1.35    // ms each: router, subgraphs, event log and collectors

	pieces     = 5_795.0 // segments, pictures and playlists
	pieceBytes = 2.342e9
	pieceCPU   = 0.23 // ms each

	events        = 826.0
	eventBytes    = 680.0 // on disk in the log
	watcherKB     = 350.0 // memory of one who watches: WebSocket, subscription, session
	postgresCPU   = 0.2   // ms an operation, in Postgres
	searches      = 44.0
	passwordCPU   = 61.0           // ms to check one
	searchCPU     = 16.0           // ms of Elasticsearch, fuzzy with facets over 100,000 titles
	kafkaCPU      = 2000.0 / 140e3 // ms an event: two cores took 140,000 a second, three replicas
	clickhouseCPU = 2000.0 / 600e3 // ms an event: two cores took 600,000 rows a second
	signInEvery   = 1800.0         // seconds: assumed, not measured
	dayOverPeak   = 86_400.0 / 6   // seconds of a day at the evening's number: assumed
)

// parts are the pieces that scale by themselves.
func parts() []part {
	perSecond := func(n float64) float64 { return n / viewerSeconds }
	storedKBDay := perSecond(events) * dayOverPeak * eventBytes / 1000
	return []part{
		{name: "router, catalog, telemetry", requests: perSecond(graphQL), cpuMs: graphQLCPU, bytes: perSecond(graphQLBytes), heldKB: watcherKB, least: 2, barMs: 50,
			grows: "more instances"},
		{name: "auth", requests: 1 / signInEvery, cpuMs: passwordCPU, least: 2, barMs: 500,
			grows: "more instances"},
		{name: "films and pictures", requests: perSecond(pieces), cpuMs: pieceCPU, bytes: perSecond(pieceBytes), least: 2, barMs: 50,
			grows: "more nodes of the object store, or a CDN before it"},
		{name: "Elasticsearch", requests: perSecond(searches), cpuMs: searchCPU, least: 2, barMs: 200,
			grows: "replicas of the one shard"},
		{name: "Postgres telemetry", requests: perSecond(graphQL), cpuMs: postgresCPU, least: 2, barMs: 50, writer: true,
			grows: "a split by profile, once one writer is full"},
		{name: "Kafka", requests: perSecond(events), cpuMs: kafkaCPU, storedKBDay: storedKBDay, days: 7, copies: 3, least: 3,
			grows: "partitions by viewing session, then brokers"},
		{name: "ClickHouse", requests: perSecond(events), cpuMs: clickhouseCPU, storedKBDay: storedKBDay, days: 400, copies: 2, least: 2,
			grows: "shards by viewing session"},
	}
}
