#!/bin/sh
# Runs Ebb by the contract of `make load` (docs/load.md). It is how Ebb itself is started, an example of a peer, and as
# PEER=benches/load/ebb.sh a check of the program: all ratios are near 1 then.
set -eu

export WATCH_NAMESPACE=
# As the image sets it.
export MALLOC_ARENA_MAX=1
exec "$LOAD_EBB" run \
	--bind-address 127.0.0.1 \
	--secure-port "$LOAD_METRICS_API_PORT" \
	--webhook-port "$LOAD_WEBHOOK_PORT" \
	--metrics-bind-address "127.0.0.1:$LOAD_METRICS_PORT" \
	--health-probe-bind-address "127.0.0.1:$LOAD_HEALTH_PORT" \
	--service-name "$LOAD_SERVICE"
