#!/bin/sh
# Serves bench/hub.py in the foreground for a load generator, with the command that deployments use.
# Reads PORT, WPS_CONNECTION_STRING and FANOUT (none, or sdk: every message is sent to all once).
#
# Generators replay a fixed set of requests, so an event comes again with the ce-id it had before. The idempotency
# window stays on the path and is kept too short to answer for the hub.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
[ -n "${PYTHON:-}" ] || [ -x .venv/bin/python ] || make .venv/.run
export PYTHONPATH="$here"
export WEBPUBSUB_CONNECTION_STRING="$WPS_CONNECTION_STRING"
export WEBPUBSUB_ALLOWED_ORIGINS="${BENCH_ORIGIN:-x.webpubsub.azure.com}"
export HUBS=bench.hub:BenchHub
export IDEMPOTENCY_SECONDS="${IDEMPOTENCY_SECONDS:-0.001}"
export LOG_FORMAT=json
data=$(mktemp -d)
export STORE="${STORE:-sqlite:///$data/outbox.db}"
exec "${PYTHON:-.venv/bin/python}" -c 'from app.cli import main; main()' serve --host 127.0.0.1 --port "$PORT"
