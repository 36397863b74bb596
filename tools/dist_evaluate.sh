#!/usr/bin/env bash
# Evaluate frozen features in several processes:
#   tools/dist_evaluate.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/evaluate_features.py]
# Several nodes: NNODES=4 NODE_RANK=0..3 MASTER_ADDR=... tools/dist_evaluate.sh ...
[ $# -ge 3 ] || { echo "usage: $0 CONFIG CHECKPOINT PROCESSES [arguments of evaluate_features.py]" >&2; exit 2; }
exec "$(dirname "$0")/dist_launch.sh" evaluate_features.py "$3" "$1" "$2" "${@:4}"
