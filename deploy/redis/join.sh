#!/bin/sh
# Makes one cluster of the nodes: the first time by sharing out the slots, later,
# when all came back with addresses that the others do not know, by introducing
# them to each other again.
set -eu
export REDISCLI_AUTH="$REDIS_PASSWORD"
nodes=${REDIS_NODES:-redis-1 redis-2 redis-3 redis-4 redis-5 redis-6}
first=${nodes%% *}
ask() { redis-cli -h "$first" "$@"; }
address() { getent hosts "$1" | awk '{print $1; exit}'; }

if [ "$(ask cluster info | tr -d '\r' | sed -n 's/^cluster_known_nodes://p')" = 1 ]; then
  list=
  for n in $nodes; do list="$list $(address "$n"):6379"; done
  # shellcheck disable=SC2086 # one argument a node
  redis-cli --cluster create $list --cluster-replicas 1 --cluster-yes
else
  for n in $nodes; do ask cluster meet "$(address "$n")" 6379 >/dev/null; done
fi
tries=0
until ask cluster info | grep -q 'cluster_state:ok'; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || { echo "the nodes do not become a cluster" >&2; ask cluster nodes >&2; exit 1; }
  sleep 1
done
