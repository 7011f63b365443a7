#!/bin/sh
# Accounts, retention and the index template of the logs. It can be repeated.
# The passwords go by standard input, so that they stand in no list of processes.
set -eu
base=${LOGS_URL:-http://logs-elasticsearch:9200}
here=$(dirname "$0")
call() { # method path: the body comes by standard input
  { printf 'user = "elastic:%s"\n' "$ELASTIC_PASSWORD"; } >/tmp/curl.conf
  curl -fsS -K /tmp/curl.conf -X "$1" "$base$2" -H 'Content-Type: application/json' --data-binary @- >/dev/null
}
umask 077
printf '{"password":"%s"}' "$KIBANA_PASSWORD" | call POST /_security/user/kibana_system/_password
call PUT /_security/role/cinema_logs_writer <<'JSON'
{"cluster": ["monitor"], "indices": [{"names": ["logs-cinema-*"], "privileges": ["create_doc", "auto_configure"]}]}
JSON
printf '{"password":"%s","roles":["cinema_logs_writer"]}' "$WRITER_PASSWORD" | call PUT /_security/user/cinema_logs_writer
call PUT /_ilm/policy/cinema-logs <"$here/policy.json"
call PUT /_index_template/cinema-logs <"$here/template.json"
