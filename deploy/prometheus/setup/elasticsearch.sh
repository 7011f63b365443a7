#!/bin/sh
# The account with which figures of the search index are read. It can be repeated.
# The passwords go by a file, so that they stand in no list of processes.
set -eu
umask 077
printf 'user = "elastic:%s"\n' "$ELASTIC_PASSWORD" >/tmp/curl.conf
call() { # method path: the body comes by standard input
  curl -fsS -K /tmp/curl.conf -X "$1" "http://elasticsearch:9200$2" -H 'Content-Type: application/json' --data-binary @- >/dev/null
}
call PUT /_security/role/cinema_metrics <<'JSON'
{"cluster": ["monitor"], "indices": [{"names": ["*"], "privileges": ["monitor"]}]}
JSON
printf '{"password":"%s","roles":["cinema_metrics"]}' "$METRICS_ELASTIC_PASSWORD" | call PUT /_security/user/cinema_metrics
