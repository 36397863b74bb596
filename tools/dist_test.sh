#!/usr/bin/env bash
# Test in several processes:
#   tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
# Several nodes: NNODES=4 NODE_RANK=0..3 MASTER_ADDR=... tools/dist_test.sh ...
[ $# -ge 3 ] || { echo "usage: $0 CONFIG CHECKPOINT PROCESSES [arguments of test.py]" >&2; exit 2; }
exec "$(dirname "$0")/dist_launch.sh" test.py "$3" "$1" "$2" "${@:4}"
