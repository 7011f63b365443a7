// Command dashboards writes the dashboards that Grafana is provisioned with.
// They are written here, in typed literals, so that a word that Grafana does
// not know cannot stand in one; e2e runs every query of the files.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	for _, d := range []dashboard{overview(), operations(), pipeline(), films(), players(), business()} {
		if err := write(d); err != nil {
			fmt.Fprintf(os.Stderr, "dashboard %s: %v\n", d.UID, err)
			os.Exit(1)
		}
	}
}

func write(d dashboard) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("deploy", "grafana", "dashboards", d.UID+".json"), b.Bytes(), 0o644)
}

func overview() dashboard {
	return page("overview", "Service overview", "now-3h",
		stat("Instances that can serve", "none", `sum(cinema_ready)`, "ready"),
		stat("Instances that cannot", "none", `count(up{job="cinema"}) - sum(cinema_ready)`, "not ready"),
		stat("Alerts", "none", `count(ALERTS{alertstate="firing"}) or vector(0)`, "firing"),
		stat("Versions", "none", `count by (version) (cinema_build_info)`, "{{version}}"),
		graph("Operations per second", "ops", query{`sum by (kind) (rate(cinema_operation_seconds_count[$__rate_interval]))`, "{{kind}}"}),
		graph("Share of operations that fail by our fault", "percentunit", query{
			`sum(rate(cinema_operation_errors_total{code=~"INTERNAL|UNAVAILABLE"}[$__rate_interval])) / sum(rate(cinema_operation_seconds_count[$__rate_interval]))`, "failed"}),
		graph("Parts", "bool", query{`min by (part) (cinema_part_up)`, "{{part}}"}).because("1 where every instance reaches the part, as /readyz tells it."),
		graph("Restarts of embedded engines", "none", query{`sum by (engine) (increase(cinema_engine_restarts_total[1h]))`, "{{engine}}"}),
		graph("Processors in use", "none", query{`rate(process_cpu_seconds_total{job="cinema"}[$__rate_interval])`, "{{instance}}"}),
		graph("Resident memory", "bytes", query{`process_resident_memory_bytes{job="cinema"}`, "{{instance}}"}),
		graph("Goroutines", "none", query{`go_goroutines{job="cinema"}`, "{{instance}}"}),
		graph("Share of time in collections", "percentunit", query{`rate(go_gc_duration_seconds_sum{job="cinema"}[$__rate_interval])`, "{{instance}}"}),
		graph("Postgres connections", "none", query{`sum by (database, state) (cinema_postgres_pool_connections)`, "{{database}} {{state}}"}),
		graph("Wait for a connection", "s", query{
			`sum by (database) (rate(cinema_postgres_pool_acquire_seconds_total[$__rate_interval])) / sum by (database) (rate(cinema_postgres_pool_acquires_total[$__rate_interval]))`, "{{database}}"}),
		graph("Share of the cache's reads that hit", "percentunit", query{
			`sum(rate(cinema_cache_requests_total{result="hit"}[$__rate_interval])) / sum(rate(cinema_cache_requests_total[$__rate_interval]))`, "hit"}),
		graph("Open connections", "none", query{`sum(cinema_websocket_connections)`, "WebSocket"}, query{`sum(cinema_subscriptions)`, "subscriptions"}),
	)
}

func operations() dashboard {
	return page("operations", "GraphQL operations", "now-3h",
		graph("Operations per second, the ten most", "ops", query{`topk(10, sum by (operation) (rate(cinema_operation_seconds_count[$__rate_interval])))`, "{{operation}}"}),
		graph("95th percentile by operation", "s", query{
			`histogram_quantile(0.95, sum by (operation, le) (rate(cinema_operation_seconds_bucket{kind!="subscription"}[$__rate_interval])))`, "{{operation}}"}).
			because("A dot is a trace: click it to see it in Jaeger."),
		graph("Time of all operations", "s",
			query{`histogram_quantile(0.5, sum by (le) (rate(cinema_operation_seconds_bucket{kind!="subscription"}[$__rate_interval])))`, "half"},
			query{`histogram_quantile(0.95, sum by (le) (rate(cinema_operation_seconds_bucket{kind!="subscription"}[$__rate_interval])))`, "95 %"},
			query{`histogram_quantile(0.99, sum by (le) (rate(cinema_operation_seconds_bucket{kind!="subscription"}[$__rate_interval])))`, "99 %"}),
		graph("Operations by transport", "ops", query{`sum by (transport) (rate(cinema_operation_seconds_count[$__rate_interval]))`, "{{transport}}"}),
		graph("Errors by code", "ops", query{`sum by (code) (rate(cinema_operation_errors_total[$__rate_interval]))`, "{{code}}"}),
		graph("Errors by operation, the ten most", "ops", query{`topk(10, sum by (operation) (rate(cinema_operation_errors_total[$__rate_interval])))`, "{{operation}}"}),
		graph("Fetches per second by subgraph", "ops", query{`sum by (subgraph) (rate(cinema_subgraph_fetch_seconds_count[$__rate_interval]))`, "{{subgraph}}"}),
		graph("Fetches, 95th percentile", "s", query{`histogram_quantile(0.95, sum by (subgraph, le) (rate(cinema_subgraph_fetch_seconds_bucket[$__rate_interval])))`, "{{subgraph}}"}),
		graph("Failed fetches by subgraph", "ops", query{`sum by (subgraph) (rate(cinema_subgraph_fetch_seconds_count{failed="true"}[$__rate_interval]))`, "{{subgraph}}"}),
		graph("Share of operations whose plan was there", "percentunit", query{
			`sum(rate(cinema_plan_cache_requests_total{result="hit"}[$__rate_interval])) / sum(rate(cinema_plan_cache_requests_total[$__rate_interval]))`, "hit"}),
		graph("Plans kept", "none", query{`cinema_plan_cache_plans`, "{{instance}}"}),
		graph("Keys a dataloader's batch, mean", "none", query{
			`sum by (subgraph, loader) (rate(cinema_dataloader_batch_keys_sum[$__rate_interval])) / sum by (subgraph, loader) (rate(cinema_dataloader_batch_keys_count[$__rate_interval]))`, "{{subgraph}} {{loader}}"}),
		graph("Dataloader batches per second", "ops", query{`sum by (subgraph, loader) (rate(cinema_dataloader_batch_keys_count[$__rate_interval]))`, "{{subgraph}} {{loader}}"}),
	)
}

func pipeline() dashboard {
	return page("pipeline", "Pipeline", "now-3h",
		graph("Events that clients sent, per second", "ops", query{`sum by (name) (rate(cinema_events_total[$__rate_interval]))`, "{{name}}"}),
		graph("Events that wait", "none", query{`sum by (group, topic) (cinema_consumer_lag_records)`, "{{group}} {{topic}}"}),
		graph("Batches per second", "ops", query{`sum by (collector) (rate(cinema_collector_batch_seconds_count[$__rate_interval]))`, "{{collector}}"}),
		graph("Records a batch, mean", "none", query{
			`sum by (collector) (rate(cinema_collector_batch_records_sum[$__rate_interval])) / sum by (collector) (rate(cinema_collector_batch_records_count[$__rate_interval]))`, "{{collector}}"}),
		graph("Age when stored, 95th percentile", "s", query{`histogram_quantile(0.95, sum by (collector, le) (rate(cinema_collector_batch_age_seconds_bucket[$__rate_interval])))`, "{{collector}}"}),
		graph("Time for a batch, 95th percentile", "s", query{`histogram_quantile(0.95, sum by (collector, le) (rate(cinema_collector_batch_seconds_bucket[$__rate_interval])))`, "{{collector}}"}),
		graph("Failed batches", "ops", query{`sum by (collector) (rate(cinema_collector_batch_seconds_count{failed="true"}[$__rate_interval])) or 0 * sum by (collector) (rate(cinema_collector_batch_seconds_count[$__rate_interval]))`, "{{collector}}"}),
		graph("Dead letters by reason", "none", query{`sum by (reason) (increase(cinema_dead_letters_total[1h]))`, "{{reason}}"}),
		graph("Age of the oldest change that is not searchable", "s", query{`max(cinema_etl_lag_seconds)`, "lag"}),
		graph("Age of the index", "s", query{`time() - max(cinema_index_fresh_timestamp_seconds > 0)`, "since it was last up to date"}),
		graph("What the catalogue's ETL does", "bool", query{`cinema_etl_state == 1`, "{{instance}} {{state}}"}),
		graph("Documents per second", "ops", query{`sum by (kind) (rate(cinema_etl_documents_total[$__rate_interval]))`, "{{kind}}"}),
		graph("Indexes built anew", "none", query{`sum(increase(cinema_etl_rebuilds_total[1h]))`, "rebuilt"}, query{`max(cinema_etl_skipped_records)`, "records skipped"}),
		graph("Account events dropped", "none", query{`sum(increase(cinema_account_events_dropped_total[1h]))`, "dropped"}),
		graph("E-mails by result", "none", query{`sum by (result) (increase(cinema_letters_total[1h]))`, "{{result}}"}, query{`sum(cinema_letters_waiting)`, "waiting now"}),
		graph("Time until an e-mail is sent, mean", "s", query{
			`sum by (kind) (rate(cinema_letter_seconds_sum[$__rate_interval])) / (sum by (kind) (rate(cinema_letter_seconds_count[$__rate_interval])) > 0) or 0 * sum by (kind) (cinema_letter_seconds_count)`, "{{kind}}"}),
	)
}

func films() dashboard {
	return page("media", "Media", "now-24h",
		stat("In the queue", "none", `max(sum by (instance) (cinema_media_jobs{state="queued"}))`, "queued"),
		stat("Worked on", "none", `max(sum by (instance) (cinema_media_jobs{state=~"probing|encoding"}))`, "working"),
		stat("Failed", "none", `max(sum by (instance) (cinema_media_jobs{state="failed"}))`, "failed"),
		stat("Longest wait", "s", `max(cinema_media_oldest_waiting_seconds)`, "waiting"),
		graph("Jobs by state", "none", query{`max by (state) (cinema_media_jobs)`, "{{state}}"}),
		graph("Longest wait in the queue", "s", query{`max(cinema_media_oldest_waiting_seconds)`, "waiting"}),
		graph("Jobs that ended, per hour", "none", query{`sum by (state) (increase(cinema_media_job_seconds_count[1h]))`, "{{state}}"}),
		graph("Time of a job", "s",
			query{`histogram_quantile(0.5, sum by (le) (rate(cinema_media_job_seconds_bucket{state="ready"}[1h])))`, "half"},
			query{`histogram_quantile(0.95, sum by (le) (rate(cinema_media_job_seconds_bucket{state="ready"}[1h])))`, "95 %"}),
	)
}

func players() dashboard {
	return page("players", "Players' quality", "now-6h",
		graph("First frame, 95th percentile", "s", query{`histogram_quantile(0.95, sum by (device, le) (rate(cinema_player_first_frame_seconds_bucket[$__rate_interval])))`, "{{device}}"}).
			because("From play to the first picture, as players report it. A dot is a trace."),
		graph("First frame, half", "s", query{`histogram_quantile(0.5, sum by (device, le) (rate(cinema_player_first_frame_seconds_bucket[$__rate_interval])))`, "{{device}}"}),
		graph("Share of the time that viewers wait", "percentunit", query{
			`sum(rate(cinema_player_stalled_seconds_total[$__rate_interval])) / (sum(rate(cinema_player_stalled_seconds_total[$__rate_interval])) + sum(rate(cinema_player_watched_seconds_total[$__rate_interval])))`, "stalled"}),
		graph("Players that play", "none", query{`sum(rate(cinema_player_watched_seconds_total[$__rate_interval]))`, "playing"}).because("Seconds watched in a second."),
		graph("Plays", "ops", query{`sum(rate(cinema_events_total{name="play_started"}[$__rate_interval]))`, "started"}, query{`sum(rate(cinema_events_total{name="play_failed"}[$__rate_interval]))`, "failed"}),
		graph("Events refused by reason", "ops", query{`sum by (reason) (rate(cinema_events_rejected_total[$__rate_interval]))`, "{{reason}}"}),
		days("First frame by day, 95th percentile", "ms", `SELECT day AS time, quantilesTDigestMerge(0.5, 0.95)(first_frame)[2] AS first_frame
FROM quality_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo} GROUP BY day HAVING sum(started) > 0 ORDER BY day`),
		days("Waiting by day", "ms", `SELECT day AS time, sum(stalled_ms) AS stalled FROM quality_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo} GROUP BY day ORDER BY day`),
		table("Waiting by device and browser", `SELECT device_kind, device_browser, uniqExact(session_id) AS sessions, countIf(name = 'stalled') AS stalls,
	round(sum(stalled_ms) / 1000) AS stalled_seconds, uniqExactIf(session_id, name = 'play_failed') AS failed
FROM activity_event FINAL WHERE $__dateFilter(day) AND name IN ('play_started', 'stalled', 'play_failed') AND demo <= ${demo}
GROUP BY device_kind, device_browser ORDER BY stalled_seconds DESC, sessions DESC LIMIT 20`),
		table("Why films did not play", `SELECT code, device_browser, count() AS times FROM activity_event FINAL
WHERE $__dateFilter(day) AND name = 'play_failed' AND demo <= ${demo} GROUP BY code, device_browser ORDER BY times DESC LIMIT 20`),
	).demo()
}

func business() dashboard {
	return page("business", "Business", "now-30d",
		total("Views", "none", `SELECT sum(views) AS views FROM activity_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo}`),
		total("Time watched", "ms", `SELECT sum(watched_ms) AS watched FROM activity_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo}`),
		total("Profiles a day, mean", "none", `SELECT avg(active_profiles) AS profiles FROM activity_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo} AND events > 0`),
		total("Sign-ups", "none", `SELECT sum(sign_ups) AS sign_ups FROM activity_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo}`),
		days("Views by day", "none", `SELECT day AS time, views FROM activity_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo} ORDER BY day`),
		days("Time watched by day", "ms", `SELECT day AS time, watched_ms AS watched FROM activity_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo} ORDER BY day`),
		days("Profiles by day", "none", `SELECT day AS time, active_profiles AS profiles, sign_ups FROM activity_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo} ORDER BY day`),
		days("Views a watched title", "none", `SELECT day AS time, if(playables_viewed = 0, 0, views / playables_viewed) AS views FROM activity_day FINAL
WHERE $__dateFilter(day) AND with_demo = ${demo} ORDER BY day`),
		table("Most viewed titles", `SELECT title_kind AS kind, toString(title_id) AS title, sum(views) AS seen, uniqExactMerge(viewers) AS profiles, round(sum(watched_ms) / 3600000, 1) AS hours
FROM title_day FINAL WHERE $__dateFilter(day) AND with_demo = ${demo} GROUP BY title_kind, title_id HAVING seen > 0 ORDER BY seen DESC, title LIMIT 20`).
			because("By the title's id inside: the names are in Postgres, and in /admin's own dashboard."),
		table("Searches without result", `SELECT query, sum(empty) AS times FROM search_day FINAL
WHERE $__dateFilter(day) AND with_demo = ${demo} GROUP BY query HAVING times > 0 ORDER BY times DESC, query LIMIT 20`),
		table("Most searched", `SELECT query, sum(count) AS times, round(sum(results) / greatest(sum(count), 1), 1) AS results_mean FROM search_day FINAL
WHERE $__dateFilter(day) AND with_demo = ${demo} GROUP BY query HAVING times > 0 ORDER BY times DESC, query LIMIT 20`),
		table("Views by hour of the day", `SELECT toHour(at) AS hour, uniqExact(session_id) AS views FROM activity_event FINAL
WHERE $__dateFilter(day) AND name = 'play_started' AND demo <= ${demo} GROUP BY hour ORDER BY hour`),
		table("Views by device", `SELECT device_kind AS device, uniqExact(session_id) AS views FROM activity_event FINAL
WHERE $__dateFilter(day) AND name = 'play_started' AND demo <= ${demo} GROUP BY device ORDER BY views DESC`),
	).demo()
}

// demo lets the synthetic viewers in or leaves them out.
func (d dashboard) demo() dashboard {
	return d.choosing("demo", "Viewers", option{Text: "real", Value: "0"}, option{Text: "with the demo's", Value: "1"})
}
