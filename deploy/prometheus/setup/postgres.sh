#!/bin/sh
# The account with which figures of Postgres are read. It can be repeated.
set -eu
PGPASSWORD=$POSTGRES_PASSWORD psql -h postgres -U cinema -d telemetry -v ON_ERROR_STOP=1 -q <<'SQL'
\getenv password METRICS_POSTGRES_PASSWORD
SELECT 'CREATE ROLE metrics LOGIN CONNECTION LIMIT 5' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'metrics') \gexec
ALTER ROLE metrics PASSWORD :'password';
GRANT pg_monitor TO metrics;
SQL
