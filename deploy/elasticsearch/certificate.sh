#!/usr/bin/env bash
# Makes the certificate by which the nodes of the cluster know each other, once.
set -euo pipefail
[ -s /certs/transport.p12 ] && exit 0
bin/elasticsearch-certutil cert --silent --name transport --pass "" --days 3650 --out /tmp/transport.p12
install -m 0644 /tmp/transport.p12 /certs/transport.p12
