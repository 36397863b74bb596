#!/usr/bin/env bash
# Train under Slurm:
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=9] [SRUN_ARGS=...] \
#       tools/slurm_train.sh PARTITION JOB_NAME CONFIG [WORK_DIR [arguments of tools/train.py]]
# GPUS is the number on all nodes together: 32 for configs named 32xb128. GRES= (nothing) asks
# Slurm for none: GPUS processes on CPUs, joined by gloo.
#
# A run that Slurm interrupts (pre-emption, or SIGNAL before its time limit; default USR1@120, two
# minutes) saves where it is and ends with status 75. It is then started again with --resume: in an
# allocation of sbatch by scontrol requeue, otherwise by waiting for a new allocation. Other ends
# are final.
set -uo pipefail
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
interrupted=75 # what tools/train.py ends with after a signal

arguments=("$@")
resume_newest() { # in place of a checkpoint that was named for the first start
    local kept=() skip=false argument
    for argument in ${arguments[@]+"${arguments[@]}"}; do
        if [ "$argument" = --resume ]; then
            skip=true
        elif $skip && [[ $argument != -* ]]; then
            skip=false
        else
            skip=false
            kept+=("$argument")
        fi
    done
    arguments=(${kept[@]+"${kept[@]}"} --resume)
}
# requeued by Slurm itself, which starts the batch script from its beginning
[ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] || resume_newest

stopped=false
trap 'stopped=true' INT TERM # what ends this script, too: no new allocation
while true; do
    srun -p "$partition" \
        --job-name="$job_name" \
        ${gres:+--gres="$gres"} \
        --ntasks="$GPUS" \
        --ntasks-per-node="$GPUS_PER_NODE" \
        --cpus-per-task="${CPUS_PER_TASK:-9}" \
        --kill-on-bad-exit=1 \
        --signal="${SIGNAL:-USR1@120}" \
        ${srun_args[@]+"${srun_args[@]}"} \
        "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "$config" --work-dir="$work_dir" --launcher=slurm \
        ${arguments[@]+"${arguments[@]}"}
    status=$?
    [ "$status" -eq "$interrupted" ] || exit "$status"
    if [ -n "${SLURM_JOB_ID:-}" ]; then
        echo "interrupted: job $SLURM_JOB_ID is queued again" >&2
        scontrol requeue "$SLURM_JOB_ID"
        exit "$interrupted"
    fi
    ! $stopped || exit "$interrupted"
    echo "interrupted: asking for a new allocation; $work_dir goes on from where it is" >&2
    resume_newest
done
