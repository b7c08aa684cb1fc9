#!/bin/sh
# Serves the local service in the foreground for a load generator; reads PORT. Hub `bench`, the default access key.
#
# A raw client that is in the group it sends to, as a path for such a generator:
#   bench/local.sh path
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
[ -n "${PYTHON:-}" ] || [ -x .venv/bin/python ] || make .venv/.run
export PYTHONPATH="$here"
if [ "${1:-}" = path ]; then
  export WEBPUBSUB_CONNECTION_STRING="Endpoint=http://localhost:$PORT;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"
  "${PYTHON:-.venv/bin/python}" -c 'from app.cli import main; main()' token --hub bench --group load --role webpubsub.sendToGroup.load |
    sed 's|^wss\{0,1\}://[^/]*||; s|$|\&webpubsub_mode=sendToGroup\&group=load|'
  exit
fi
exec "${PYTHON:-.venv/bin/python}" -m localpubsub --port "$PORT" --hub bench
