#!/bin/sh
# A standby of postgres-1: copies it the first time, then follows it. It can be
# read from. To have it take over see docs/runbooks/CinemaNotReady.md.
set -eu
copy() {
  install -d -m 0700 "$PGDATA"
  find "$PGDATA" -mindepth 1 -delete
  PGPASSWORD="$POSTGRES_REPLICATION_PASSWORD" pg_basebackup -h postgres-1 -U replicator -D "$PGDATA" -c fast -X stream -R "$@" -S standby
}
if [ ! -s "$PGDATA/standby.copied" ]; then
  # The slot is made by the first copy; one that was broken off has left it.
  copy -C || copy
  date >"$PGDATA/standby.copied"
fi
# A standby may have no fewer connections than what it follows.
exec postgres -c wal_level=logical -c max_connections=200 -c max_slot_wal_keep_size=4GB -c hot_standby=on
