#!/bin/sh
# Does `sslc` compute on a GPU what it computes on the CPU? Needs a built
# binary, sh and awk; no Rust, no network, no Python. README.md beside this file
# says what to carry and what is checked. Where Python has torch, timm and
# torchvision, the speed of a step is compared with PyTorch's at the end.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 2
root=$(CDPATH='' cd -- "$here/../.." && pwd) || exit 2

# Relative differences of losses, and absolute ones of accuracies. README.md
# says where they come from.
replay_cpu_limit=1e-4    # the CPU against the stored reference, every step
replay_first_limit=2e-3  # the GPU against both, first 2 steps: weights as stored
replay_head_limit=1e-1   # the GPU against both, first 5 steps
replay_tail_limit=5e-2   # the GPU against both, mean of the last quarter
example_head_limit=1e-2  # GPU against CPU, first 5 steps
example_tail_limit=5e-2  # GPU against CPU, mean of the last quarter
accuracy_limit=0.05      # GPU against CPU, kNN after training

usage() {
    cat <<'TEXT'
usage: run.sh [--out DIR] [--epochs N] [--examples "FILE..."] [--self-test] SSLC
       run.sh --self-test

Compares SSLC on the GPU with SSLC on the CPU, says PASS or FAIL for each check,
and writes DIR/report.json. Exit status: 0 all passed, 1 a check failed, 2 usage.

  --out DIR       folder for runs, logs and the report; must be new or empty
                  (default ./gpu-check)
  --epochs N      length of an example's run (default 10)
  --examples F    examples to run (default: those of examples/ on the digits)
  --self-test     try the comparisons themselves; with SSLC, also run everything
                  with the CPU in the GPU's place, and a run that must differ
TEXT
}

out=gpu-check epochs=10 examples='' self_test=no sslc=''
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=${2:?--out needs a folder}; shift ;;
        --epochs) epochs=${2:?--epochs needs a number}; shift ;;
        --examples) examples=${2:?--examples needs files}; shift ;;
        --self-test) self_test=yes ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 2 ;;
        *) sslc=$1 ;;
    esac
    shift
done
if [ -z "$sslc" ] && [ $self_test = no ]; then
    usage >&2
    exit 2
fi

. "$here/checks.sh"

if [ $self_test = yes ]; then
    self_test_comparisons || exit 1
    [ -n "$sslc" ] || exit 0
fi

case $sslc in /*) ;; *) sslc=$(pwd)/$sslc ;; esac
if ! version=$("$sslc" --version 2>&1); then
    echo "run.sh: \`$sslc --version\` failed: $version" >&2
    exit 2
fi
if [ -d "$out" ] && [ -n "$(ls -A "$out")" ]; then
    echo "run.sh: \`$out\` is not empty; name another folder with --out" >&2
    exit 2
fi
mkdir -p "$out/runs" "$out/logs" || exit 2
out=$(CDPATH='' cd -- "$out" && pwd) || exit 2
checks=$out/checks
: >"$checks"

second=cuda
[ $self_test = no ] || second=cpu
describe_machine
replay
: "${examples:=$(digit_examples)}"
for example in $examples; do
    compare_example "$example"
done
[ -n "$examples" ] || check examples 1 "none found in \`$root/examples\`"
[ $self_test = no ] || other_seed_must_fail
[ $self_test = yes ] || speed
report
