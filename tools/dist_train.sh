#!/usr/bin/env bash
# Train in several processes:
#   tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
# Several nodes: NNODES=4 NODE_RANK=0..3 MASTER_ADDR=... tools/dist_train.sh CONFIG 8
[ $# -ge 2 ] || { echo "usage: $0 CONFIG PROCESSES [arguments of train.py]" >&2; exit 2; }
exec "$(dirname "$0")/dist_launch.sh" train.py "$2" "$1" "${@:3}"
