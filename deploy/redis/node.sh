#!/bin/sh
# A Redis; with an argument a node of the cluster, which clients reach by that
# name. The passwords go by a file, so that they stand in no list of processes.
set -eu
umask 077
printf 'requirepass %s\nmasterauth %s\n' "$REDIS_PASSWORD" "$REDIS_PASSWORD" >/tmp/redis.conf
if [ $# -gt 0 ]; then
  set -- --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 5000 \
    --cluster-announce-hostname "$1" --cluster-preferred-endpoint-type hostname
fi
exec redis-server /tmp/redis.conf --dir /data --save '' --appendonly no --maxmemory 256mb --maxmemory-policy allkeys-lru "$@"
