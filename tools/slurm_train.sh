#!/usr/bin/env bash
# Train under Slurm:
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=9] [SRUN_ARGS=...] \
#       tools/slurm_train.sh PARTITION JOB_NAME CONFIG [WORK_DIR [arguments of tools/train.py]]
# GPUS is the number on all nodes together: 32 for configs named 32xb128. GRES= (nothing) asks
# Slurm for none: GPUS processes on CPUs, joined by gloo.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: $0 PARTITION JOB_NAME CONFIG [WORK_DIR [arguments of train.py]]" >&2; exit 2; }
partition=$1
job_name=$2
config=$3
work_dir=${4:-work_dirs/$(basename "$config" .py)}
shift $(($# < 4 ? $# : 4))

GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
gres=${GRES-gpu:$GPUS_PER_NODE}
read -ra srun_args <<<"${SRUN_ARGS:-}"

exec srun -p "$partition" \
    --job-name="$job_name" \
    ${gres:+--gres="$gres"} \
    --ntasks="$GPUS" \
    --ntasks-per-node="$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-9}" \
    --kill-on-bad-exit=1 \
    ${srun_args[@]+"${srun_args[@]}"} \
    python -u "$(dirname "$0")/train.py" "$config" --work-dir="$work_dir" --launcher=slurm "$@"
