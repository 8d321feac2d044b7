# Takes numbers out of the files of a run, one pair or one number a line.
#
#   -v want=losses     metrics.jsonl -> "STEP LOSS" of every step line
#   -v want=accuracy   metrics.jsonl -> the last kNN accuracy after training
#   -v want=rate       metrics.jsonl -> the median throughput of the later half
#                                       of the steps, in images per second
#   -v want=stored     losses.json   -> "STEP LOSS"; the first list of numbers
#
# A value that is no finite number comes out as `nan`, so that it is compared,
# and fails, rather than being left out. JSON here is what serde_json writes on
# one line; this is no parser of JSON.

function field(name,    rest) {
    if (!match($0, "\"" name "\"[ \t]*:[ \t]*")) return ""
    rest = substr($0, RSTART + RLENGTH)
    match(rest, /^[^,}\] \t]*/)
    return substr(rest, 1, RLENGTH)
}

function number(text) {
    return text ~ /^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$/ ? text : "nan"
}

function is(name, value) {
    return field(name) == "\"" value "\""
}

want == "losses" && is("kind", "step") {
    print number(field("step")), number(field("loss"))
}

want == "accuracy" && is("kind", "eval") && is("when", "after") {
    accuracy = number(field("accuracy"))
}

want == "rate" && is("kind", "step") && number(field("images_per_second")) != "nan" {
    rates[++count] = field("images_per_second") + 0
}

want == "stored" { whole = whole $0 " " }

END {
    if (want == "accuracy") print (accuracy == "" ? "nan" : accuracy)
    if (want == "rate") {
        first = int(count / 2) + 1
        for (i = first; i <= count; i++)          # insertion sort
            for (j = i; j > first && rates[j - 1] > rates[j]; j--) {
                keep = rates[j]; rates[j] = rates[j - 1]; rates[j - 1] = keep
            }
        print (count == 0 ? "nan" : rates[int((first + count) / 2)])
    }
    if (want == "stored") {
        if (match(whole, /\[[-+0-9.eE, \t]*\]/)) {
            count = split(substr(whole, RSTART + 1, RLENGTH - 2), values, ",")
            for (i = 1; i <= count; i++) {
                gsub(/[ \t]/, "", values[i])
                print i - 1, number(values[i])
            }
        }
    }
}
