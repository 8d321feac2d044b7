# shellcheck shell=sh
# The checks of run.sh. Uses its variables: here, root, sslc, version, out,
# checks, second, epochs, and the limits.

# --- one check -----------------------------------------------------------

# check NAME STATUS DETAIL: says it and keeps it for the report.
check() {
    if [ "$2" -eq 0 ]; then word=PASS; else word=FAIL; fi
    printf '%s  %s: %s\n' "$word" "$1" "$3"
    printf '%s\t%s\t%s\n' "$word" "$1" "$3" >>"$checks"
}

# curves NAME REFERENCE OTHER [awk options]: checks two loss curves.
curves() {
    curves_name=$1 curves_a=$2 curves_b=$3
    shift 3
    detail=$(awk "$@" -f "$here/compare.awk" "$curves_a" "$curves_b" 2>&1)
    check "$curves_name" $? "$detail"
}

# within A B LIMIT: whether two numbers are that close; nan never is.
within() {
    awk -v a="$1" -v b="$2" -v limit="$3" 'BEGIN {
        if (a == "nan" || b == "nan") exit 1
        gap = a - b
        if (gap < 0) gap = -gap
        exit !(gap <= limit + 0)
    }'
}

extract() {
    awk -v want="$1" -f "$here/extract.awk" "$2"
}

# --- runs ----------------------------------------------------------------

# train NAME DEVICE FILE [options]: one run, into $out/runs/NAME; its loss
# curve beside it as NAME.losses. A run that fails is a check that fails.
train() {
    name=$1 device=$2 file=$3
    shift 3
    folder=$(dirname -- "$file")
    begin=$(date +%s)
    (cd "$folder" && "$sslc" run "$(basename -- "$file")" --out "$out/runs/$name" \
        --device "$device" "$@") >"$out/logs/$name" 2>&1 </dev/null
    status=$?
    seconds=$(($(date +%s) - begin))
    if [ $status -ne 0 ] || [ ! -f "$out/runs/$name/metrics.jsonl" ]; then
        check "$name runs" 1 "exit status $status; $(last_words "$out/logs/$name")"
        return 1
    fi
    extract losses "$out/runs/$name/metrics.jsonl" >"$out/runs/$name.losses"
    rate=$(extract rate "$out/runs/$name/metrics.jsonl")
    check "$name runs" 0 "$seconds s in all, $rate images/s over the later half"
}

# The end of a log on one line.
last_words() {
    tail -n 8 "$1" | tr '\n\t\r' '   ' | cut -c 1-600
}

# --- the checks ----------------------------------------------------------

describe_machine() {
    gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1) ||
        gpu="unknown (nvidia-smi does not answer)"
    cat <<TEXT
binary    $sslc, $version
GPU       $(printf '%s' "$gpu" | tr '\n' ';')
machine   $(uname -sm), $(getconf _NPROCESSORS_ONLN 2>/dev/null || echo '?') processors
CUDA_PATH ${CUDA_PATH:-not set}
compares  cpu with $second

TEXT
}

# The stored trajectory of MoCo v3 on a tiny ViT, float32, from stored weights and
# views. The rate of step 0 is 0, so steps 0 and 1 compare the forward pass alone;
# from step 2 on, rounding grows from step to step, on any machine.
replay() {
    fixture=$root/tests/numeric/fixtures/mocov3_replay
    weights=$fixture/init.safetensors
    if [ ! -f "$weights" ] || [ ! -f "$fixture/losses.json" ]; then
        check replay 1 "the fixture is not whole: \`$fixture\`"
        return
    fi
    extract stored "$fixture/losses.json" >"$out/runs/stored.losses"
    steps=$(awk 'END { print NR }' "$out/runs/stored.losses")
    train replay-cpu cpu "$fixture/pipeline.ssl" --init "$weights" || return
    curves "replay: cpu is the reference" "$out/runs/stored.losses" "$out/runs/replay-cpu.losses" \
        -v limit=$replay_cpu_limit -v least="$steps"
    train "replay-2-$second" "$second" "$fixture/pipeline.ssl" --init "$weights" || return
    for reference in stored replay-cpu; do
        a=$out/runs/$reference.losses b=$out/runs/replay-2-$second.losses
        curves "replay: $second against $reference, first 2" "$a" "$b" \
            -v limit=$replay_first_limit -v least=2 -v head=2
        curves "replay: $second against $reference, first 5" "$a" "$b" \
            -v limit=$replay_head_limit -v least=5 -v head=5
        curves "replay: $second against $reference, end" "$a" "$b" \
            -v limit=$replay_tail_limit -v least="$steps" -v tail=0.25
    done
}

digit_examples() {
    grep -l digits "$root"/examples/*.ssl 2>/dev/null
}

# An example from random weights: both devices draw the same weights, views and
# order, so they start together; rounding then parts them, so the end is
# compared by what was learnt.
compare_example() {
    case $1 in /*) example=$1 ;; *) example=$(pwd)/$1 ;; esac
    short=$(basename -- "$example" .ssl)
    train "$short-cpu" cpu "$example" --set "train.epochs=$epochs" || return
    train "$short-2-$second" "$second" "$example" --set "train.epochs=$epochs" || return
    a=$out/runs/$short-cpu b=$out/runs/$short-2-$second
    curves "$short: first 5 steps" "$a.losses" "$b.losses" \
        -v limit=$example_head_limit -v least=5 -v head=5
    curves "$short: end of the curve" "$a.losses" "$b.losses" \
        -v limit=$example_tail_limit -v least=5 -v tail=0.25 -v floor=0.1
    x=$(extract accuracy "$a/metrics.jsonl")
    y=$(extract accuracy "$b/metrics.jsonl")
    within "$x" "$y" $accuracy_limit
    check "$short: kNN" $? "$x against $y, limit $accuracy_limit"
}

# --- speed ---------------------------------------------------------------

# The same steps in PyTorch, eager and compiled: reported, not judged.
speed() {
    bench=$root/tests/bench/compare.py
    if ! python3 -c 'import torch, timm, torchvision; assert torch.cuda.is_available()' 2>/dev/null; then
        echo 'speed: not compared with PyTorch: python3 has no torch with CUDA, timm and torchvision'
        return
    fi
    echo 'speed: steps beside PyTorch, which takes a while; the table is kept in speed.md'
    python3 "$bench" "$sslc" --device cuda --steps 20 >"$out/speed.md" 2>"$out/logs/speed.log" ||
        echo "speed: the comparison failed, see $out/logs/speed.log"
    cat "$out/speed.md"
}

# --- the report ----------------------------------------------------------

# Text as a JSON string.
json() {
    printf '%s' "$1" | tr '\n\t\r' '   ' | sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/"/'
    [ -n "$1" ] || printf '""'
}

report() {
    failed=$(grep -c '^FAIL' "$checks")
    passed=$(grep -c '^PASS' "$checks")
    {
        printf '{\n  "binary": %s,\n' "$(json "$version")"
        printf '  "gpu": %s,\n' "$(json "$gpu")"
        printf '  "compared": ["cpu", "%s"],\n' "$second"
        printf '  "date": "%s",\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
        printf '  "passed": %s,\n  "failed": %s,\n  "checks": [' "$passed" "$failed"
        comma=''
        while IFS='	' read -r word name detail; do
            printf '%s\n    {"check": %s, "result": "%s", "detail": %s}' \
                "$comma" "$(json "$name")" "$word" "$(json "$detail")"
            comma=,
        done <"$checks"
        printf '\n  ]\n}\n'
    } >"$out/report.json"
    printf '\n%s passed, %s failed; %s\n' "$passed" "$failed" "$out/report.json"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# --- the self-test -------------------------------------------------------

# A run with another seed must not pass for the same run.
other_seed_must_fail() {
    # shellcheck disable=SC2086 # a list of files
    set -- $examples
    [ $# -gt 0 ] || return
    case $1 in /*) example=$1 ;; *) example=$(pwd)/$1 ;; esac
    short=$(basename -- "$example" .ssl)
    train "$short-other-seed" cpu "$example" --set "train.epochs=$epochs" \
        --set train.seed=12345 || return
    detail=$(awk -v limit=$example_head_limit -v least=5 -v head=5 -f "$here/compare.awk" \
        "$out/runs/$short-cpu.losses" "$out/runs/$short-other-seed.losses" 2>&1)
    [ $? -eq 1 ]
    check "$short: another seed is told apart" $? "$detail"
}

# The comparisons on made-up metrics: what must pass passes, and each kind of
# difference is found.
self_test_comparisons() {
    trial=$(mktemp -d) || return 1
    wrong=0
    metrics() { # STEPS, then an awk expression of i for the loss
        awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf \
            "{\"kind\":\"step\",\"step\":%d,\"epoch\":%.2f,\"loss\":%s,\"lr\":0.001,\"tracks\":{\"std\":0.5},\"images_per_second\":%d}\n", \
            i, i / 5, sprintf("%.9g", '"$2"'), 100 + i }'
    }
    expect() { # STATUS NAME REFERENCE OTHER [awk options]
        status=$1 name=$2 a=$3 b=$4
        shift 4
        said=$(awk "$@" -f "$here/compare.awk" "$trial/$a" "$trial/$b" 2>&1)
        got=$?
        if [ $got -ne "$status" ]; then
            echo "self-test: $name: exit status $got instead of $status: $said"
            wrong=1
        fi
    }
    equal() { # NAME GOT EXPECTED
        if [ "$2" != "$3" ]; then
            echo "self-test: $1: \`$2\` instead of \`$3\`"
            wrong=1
        fi
    }
    metrics 20 '3 - i / 20' >"$trial/a.jsonl"
    metrics 20 '(3 - i / 20) * (1 + (i == 13) * 2e-4)' >"$trial/one.jsonl"
    metrics 20 '(3 - i / 20) * (1 + (i > 10) * 0.08)' >"$trial/late.jsonl"
    metrics 19 '3 - i / 20' >"$trial/short.jsonl"
    sed 's/"step":7,/"step":70,/' "$trial/a.jsonl" >"$trial/other.jsonl"
    sed 's/"loss":2.65/"loss":null/' "$trial/a.jsonl" >"$trial/null.jsonl"
    metrics 20 '0.001' >"$trial/zero.jsonl"
    metrics 20 '0.004' >"$trial/tiny.jsonl"
    : >"$trial/empty.jsonl"
    for file in "$trial"/*.jsonl; do
        extract losses "$file" >"${file%.jsonl}"
    done
    awk 'BEGIN { printf "{\"note\": \"a\", \"losses\": [\n"
        for (i = 0; i < 20; i++) printf "  %.9g%s\n", 3 - i / 20, i < 19 ? "," : ""
        print "]}" }' >"$trial/losses.json"
    extract stored "$trial/losses.json" >"$trial/stored"

    expect 0 "a curve is itself" a a -v limit=0 -v least=20
    expect 0 "a stored curve is read" a stored -v limit=1e-8 -v least=20
    expect 1 "one step is off by 2e-4" a one -v limit=1e-4 -v least=20
    expect 0 "and 2e-4 is within 3e-4" a one -v limit=3e-4 -v least=20
    expect 0 "the first steps agree" a late -v limit=1e-9 -v least=5 -v head=5
    expect 1 "the last quarter differs" a late -v limit=5e-2 -v least=5 -v tail=0.25
    expect 1 "a collapsed loss, relatively" zero tiny -v limit=5e-2 -v least=5 -v tail=0.25
    expect 0 "a collapsed loss, of 0.1" zero tiny -v limit=5e-2 -v least=5 -v tail=0.25 -v floor=0.1
    expect 0 "the last quarter of itself" a a -v limit=1e-12 -v least=5 -v tail=0.25
    expect 1 "a step is missing" a short -v limit=1 -v least=1
    expect 1 "another step is there" a other -v limit=1 -v least=1
    expect 1 "a loss is no number" a null -v limit=1 -v least=1
    expect 1 "too few steps" short short -v limit=1 -v least=20
    expect 1 "a curve is empty" a empty -v limit=1 -v least=0
    expect 1 "both are empty" empty empty -v limit=1 -v least=0

    printf '%s\n' '{"kind":"eval","step":0,"when":"before","feature":"e","accuracy":0.5}' \
        '{"kind":"eval","step":20,"when":"after","feature":"e","accuracy":0.875,"k":20}' \
        >>"$trial/a.jsonl"
    equal "accuracy after training" "$(extract accuracy "$trial/a.jsonl")" 0.875
    equal "no accuracy" "$(extract accuracy "$trial/one.jsonl")" nan
    equal "median rate" "$(extract rate "$trial/a.jsonl")" 114
    within 0.80 0.84 0.05 || { echo "self-test: 0.80 is near 0.84"; wrong=1; }
    ! within 0.80 0.86 0.05 || { echo "self-test: 0.80 is not near 0.86"; wrong=1; }
    ! within nan nan 1 || { echo "self-test: nan is near nothing"; wrong=1; }
    rm -rf "$trial"
    [ $wrong -ne 0 ] || echo "self-test: the comparisons find what they should"
    return $wrong
}
