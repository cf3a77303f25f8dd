#!/usr/bin/env bash
# One command on a bare machine with a GPU: an environment, the table of encoders, and one training iteration on it.
#
#   scripts/gpu_check.sh [OUTPUT.md]     # default: docs/results/gpu.md; WHEELS=folder installs from wheels that were carried
#   DEVICE=cpu scripts/gpu_check.sh /tmp/gpu.md      # a dry run in the environment that is there
set -euo pipefail
cd "$(dirname "$0")/.."
output=${1:-docs/results/gpu.md}
device=${DEVICE:-cuda}
python=${VENV:-.venv}/bin/python
if [ ! -x "$python" ]; then
    "${PYTHON:-python3}" -m venv "${VENV:-.venv}"
    from=()
    if [ -n "${WHEELS:-}" ]; then from=(--no-index --find-links "$WHEELS"); fi
    "$python" -m pip install --quiet --disable-pip-version-check "${from[@]}" -c constraints.txt -e ".[all,dev]"
fi
export PYTHONPATH=.:platform
"$python" -m benchmarks.gpu_check --device "$device" --output "$output"
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT
gpus=()
if [ "$device" = cuda ]; then gpus=(--set sampling.num_gpus_per_learner=1 --set served_by.num_gpus=0.25 --set reward.device=cuda); fi
# One iteration of Find, learner and reward on the GPU.
"$python" -m experiments.train --preset find_small --output "$runs" --set total_env_steps=2048 \
    --set evaluation.episodes=2 --set evaluation.videos=0 --set 'served_by={kind: deploy}' "${gpus[@]}"
echo "the table is in $output"
