//! Files that nobody wrote: the parser and the formatter neither panic nor
//! lose anything.

use crate::cat::{Dice, judged, mild, parts, sources, wild};
use crate::support::{format, formatted, parse, reading};

/// Only blanks, breaks within brackets and comments are changed: the style is
/// the same.
#[test]
fn blanks_do_not_matter() {
    let mut dice = Dice::new(0x666d_7421);
    let mut tried = 0;
    for file in shipped() {
        for _ in 0..60 {
            let mut text = String::new();
            let mut depth = 0;
            let mut quoted = false;
            for line in file.lines() {
                let doc = line.trim_start().starts_with("//");
                text += &" ".repeat(dice.below(9));
                for c in line.trim_start().chars() {
                    let blanks = " ".repeat(dice.below(3));
                    quoted ^= c == '"';
                    match c {
                        _ if doc || quoted => text.push(c),
                        '(' | '[' | ',' | ')' | ']' => {
                            depth += i32::from("([".contains(c)) - i32::from(")]".contains(c));
                            text.push(c);
                            text += &blanks;
                            if depth > 0 && dice.below(4) == 0 {
                                text.push('\n');
                            }
                        }
                        '=' if !text.ends_with(['.', '=', '!', '<', '>']) => {
                            text += &blanks;
                            text.push(c);
                        }
                        ' ' => {
                            text.push(c);
                            text += &blanks;
                        }
                        _ => text.push(c),
                    }
                }
                text += " \n";
            }
            let out = formatted(&text);
            assert_eq!(out.text, file, "{text}");
            tried += 1;
        }
    }
    assert!(tried >= 300, "{tried}");
}

fn shipped() -> Vec<String> {
    sources(&["examples", "compiler/core/std"])
}

fn originals() -> Vec<String> {
    parts(sources(&[
        "examples",
        "compiler/core/std",
        "tests/fmt/cases",
        "tests/ui/cases",
        "compiler/syntax/tests/files",
    ]))
}

#[test]
fn no_mutant_breaks_the_parser() {
    let broken = judged(16_000, &originals(), wild, |text| {
        usize::from(!parse(text).diagnostics.is_empty())
    });
    let (broken, all) = (broken.iter().sum::<usize>(), broken.len());
    assert!(broken > all / 2 && broken < all, "{broken} of {all}");
}

#[test]
fn no_mutant_that_parses_is_changed_or_declined() {
    let mut originals = originals();
    originals.retain(|text| reading(text).messages.is_empty());
    let found = judged(8_000, &originals, mild, format);
    let clean = found.iter().filter(|(clean, _)| *clean).count();
    assert!(clean > found.len() / 2, "only {clean} parse");
}

#[test]
fn no_mutant_breaks_the_formatter() {
    let found = judged(8_000, &originals(), wild, format);
    let declined = found.iter().filter(|(_, formatted)| !formatted).count();
    assert!(declined < found.len() / 50, "{declined} declined");
}
