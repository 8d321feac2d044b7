# Compares two loss curves: files of "STEP LOSS" lines, the reference first.
#
#   -v limit=1e-4   largest relative difference that passes
#   -v least=20     fewest steps that must be there
#   -v head=5       only the first 5 lines (0: all)
#   -v tail=0.25    not step by step, but the mean over this last part
#   -v floor=0.1    losses below this are compared as parts of it: one that a
#                   collapse takes to zero has no relative difference
#
# Prints one line that says what was found. Exit status 0 where it passes, 1
# where it does not. Steps that only one file has, too few steps, and values
# that are no finite number never pass.

function gap(a, b,    size) {
    size = floor + 0
    if ((a < 0 ? -a : a) > size) size = a < 0 ? -a : a
    if ((b < 0 ? -b : b) > size) size = b < 0 ? -b : b
    return size == 0 ? 0 : (a > b ? a - b : b - a) / size
}

function fail(why) {
    print why
    failed = 1
    exit 1
}

FNR == 1 { file++ }

# Counted per file by the order of the lines.
{
    if (head && lines[file] >= head) next
    line = ++lines[file]
    step[file, line] = $1
    loss[file, line] = $2
}

END {
    if (failed) exit 1
    if (file < 2 || lines[1] == 0 || lines[2] == 0) fail("a curve is empty")
    if (lines[1] != lines[2]) fail(lines[1] " steps against " lines[2])
    if (lines[1] < least) fail("only " lines[1] " steps of " least)
    for (i = 1; i <= lines[1]; i++) {
        if (step[1, i] != step[2, i]) fail("step " step[1, i] " against step " step[2, i])
        for (f = 1; f <= 2; f++)
            if (loss[f, i] == "nan") fail("the loss of step " step[f, i] " is no number")
    }
    if (tail) {
        from = int(lines[1] * (1 - tail)) + 1
        for (i = from; i <= lines[1]; i++) {
            mean[1] += loss[1, i] / (lines[1] - from + 1)
            mean[2] += loss[2, i] / (lines[1] - from + 1)
        }
        worst = gap(mean[1], mean[2])
        printf "mean of the last %d of %d steps %.6g against %.6g, difference %.2e, limit %.0e\n", \
            lines[1] - from + 1, lines[1], mean[1], mean[2], worst, limit
    } else {
        worst = -1
        for (i = 1; i <= lines[1]; i++)
            if (gap(loss[1, i], loss[2, i]) > worst) {
                worst = gap(loss[1, i], loss[2, i])
                at = i
            }
        printf "%d steps, worst difference %.2e at step %s (%.9g against %.9g), limit %.0e\n", \
            lines[1], worst, step[1, at], loss[1, at], loss[2, at], limit
    }
    exit !(worst <= limit + 0)
}
