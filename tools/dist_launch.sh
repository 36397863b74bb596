#!/usr/bin/env bash
# Start a tool in several processes; called by dist_train.sh, dist_test.sh and dist_evaluate.sh.
#
#   dist_launch.sh TOOL.py PROCESSES ARGUMENTS...
#
# PROCESSES is the number on this node. With NNODES > 1 a number that exceeds
# the node's GPUs but equals nodes x GPUs is taken as the total. Environment:
# NNODES, NODE_RANK, MASTER_ADDR, PORT (as everywhere in OpenMMLab), PYTHON.
set -euo pipefail

tool=$1
processes=$2
shift 2

NNODES=${NNODES:-1}
if ! [[ $NNODES =~ ^[1-9][0-9]*$ ]]; then
    echo "error: NNODES='$NNODES' is not a number of nodes: mmengine's runs keep the nodes that they start with" >&2
    exit 2
fi
if [ "$NNODES" -gt 1 ] && { [ -z "${NODE_RANK:-}" ] || [ -z "${MASTER_ADDR:-}" ]; }; then
    cat >&2 <<MESSAGE
error: NNODES=$NNODES, but NODE_RANK='${NODE_RANK:-}' MASTER_ADDR='${MASTER_ADDR:-}': set both, on each node
  NNODES=$NNODES NODE_RANK=<0 to $((NNODES - 1))> MASTER_ADDR=<address of node 0> tools/dist_${tool%%[_.]*}.sh ...
MESSAGE
    exit 2
fi
NODE_RANK=${NODE_RANK:-0}
PORT=${PORT:-29500}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
tools=$(cd "$(dirname "$0")" && pwd)

if [ -z "${PYTHON:-}" ]; then
    PYTHON=python
    # without an activated environment: the one that make set up
    [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] || [ ! -x "$tools/../.venv/bin/python" ] ||
        PYTHON=$tools/../.venv/bin/python
fi

if ! [[ $processes =~ ^[1-9][0-9]*$ ]]; then
    echo "error: '$processes' is not a valid process count; usage: $(basename "$tool" .py) CONFIG ... PROCESSES" >&2
    exit 2
fi

gpus=$("$PYTHON" -c 'import torch; print(torch.cuda.device_count())' 2>/dev/null) || {
    echo "error: $PYTHON has no torch: activate the environment (source .venv/bin/activate) or set PYTHON" >&2
    exit 2
}
if [ "$gpus" -gt 0 ] && [ "$processes" -gt "$gpus" ]; then
    if [ "$NNODES" -gt 1 ] && [ "$processes" -eq $((NNODES * gpus)) ]; then
        processes=$gpus
    else
        nodes=$(((processes + gpus - 1) / gpus))
        cat >&2 <<MESSAGE
error: $processes processes asked for, this machine has $gpus GPUs. On $nodes such machines run, on each:
  NNODES=$nodes NODE_RANK=<0 to $((nodes - 1))> MASTER_ADDR=<address of node 0> tools/dist_${tool%%[_.]*}.sh $* $gpus
MESSAGE
        exit 2
    fi
fi
[ "$gpus" -gt 0 ] || echo "no GPU found: $processes processes on the CPU, joined by gloo"

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$PYTHON" "$tools/launch.py" \
    --nnodes="$NNODES" \
    --node_rank="$NODE_RANK" \
    --master_addr="$MASTER_ADDR" \
    --nproc_per_node="$processes" \
    --master_port="$PORT" \
    "$tools/$tool" "$@" --launcher pytorch
