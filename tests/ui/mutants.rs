//! Files that a cat walked over: whatever the text, the compiler answers, and
//! every place that it names is in a file.

use crate::cat::{judged, meant, mild, sources, wild};
use crate::compiling::check;

/// Files of one pipeline without a mistake.
fn originals() -> Vec<String> {
    let mut all = sources(&["examples", "tests/ui/cases"]);
    all.retain(|text| check(text));
    assert!(all.len() >= 10, "only {} compile", all.len());
    all
}

#[test]
fn no_mutant_that_means_something_breaks_the_compiler() {
    let found = judged(12_000, &originals(), meant, check);
    let planned = found.iter().filter(|planned| **planned).count();
    // Mutants that all fail would test the parser alone.
    assert!(planned > found.len() / 20, "{planned} still compile");
}

#[test]
fn no_other_mutant_breaks_the_compiler() {
    let planned = judged(4_000, &originals(), mild, check);
    assert!(planned.contains(&true) && planned.contains(&false));
    let planned = judged(4_000, &originals(), wild, check);
    assert!(planned.contains(&true) && planned.contains(&false));
}
