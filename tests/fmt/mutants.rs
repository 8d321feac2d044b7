//! Files that nobody wrote: the formatter neither panics nor loses anything.

use crate::ssl_files;
use crate::support::{formatted, reading};

/// A generator that needs no crate: xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn of<'a>(&mut self, pieces: &[&'a str]) -> &'a str {
        pieces[self.below(pieces.len())]
    }
}

/// What leaves a text well-formed where it breaks off anyway.
const BLANKS: &[&str] = &[
    " ",
    "\t",
    "\n",
    "\n\n\n",
    "\r\n",
    " // c\n",
    "//c  \n",
    "\n// own\n",
    "\n\n// own\n\n",
    "////\n",
    " \r",
    "\u{feff}",
];

/// What often does.
const WORDS: &[&str] = &[
    "\n/// doc\n",
    "\nx = 1\n",
    "\nlet yy = 2 // c\n",
    "\nvary a.b in [1]\n",
    "\ndrop a, // c\n b\n",
    "data { a = 1 }",
    ", ",
    " + 1 ",
    " - -x",
    " then ",
    "..",
    "(a)",
    "[1, 2]",
    "f(x: 1, y: -2)",
    "for u in v { u }",
    "1e-3",
    ".5",
    "3 px",
    "_long_name_that_does_not_fit_on_a_line_with_what_stands_before_it_but_is_broken_nowhere",
];

/// What seldom does.
const WILD: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "\n",
    "//",
    "/*",
    "*/",
    "=",
    ":",
    "..",
    "->",
    "for ",
    " in ",
    "pipeline ",
    "view ",
    "step",
    ",",
    ";",
    "#",
    "'",
    "\\",
    "\0",
    "é",
    "🎉",
    "\u{a0}",
    "1",
    "x",
    "then",
    "%",
    "-",
    ".",
    "@",
    "///",
    "\r",
    "\u{feff}",
    "×",
    "“",
    "”",
    "use ",
];

/// Pieces put in beside brackets and commas, and at the ends of lines.
fn mild(random: &mut Random, original: &str) -> String {
    let mut text: Vec<char> = original.chars().collect();
    for _ in 0..=random.below(3) {
        let start = random.below(text.len());
        let gap = |i: &usize| matches!(text[*i], ',' | '\n' | '(' | '[' | ']' | ')' | '{' | '}');
        let at = (start..text.len()).find(gap).unwrap_or(start);
        let behind = at + usize::from(text[at] != '\n' && random.below(2) == 0);
        let pieces = if random.below(4) == 0 { WORDS } else { BLANKS };
        text.splice(behind..behind, random.of(pieces).chars());
    }
    text.into_iter().collect()
}

/// Anything put in anywhere, taken out, doubled, swapped.
fn wild(random: &mut Random, original: &str) -> String {
    let mut text: Vec<char> = original.chars().collect();
    for _ in 0..=random.below(5) {
        let at = random.below(text.len());
        let upto = (at + 1 + random.below(12)).min(text.len());
        match random.below(5) {
            0 => drop(text.drain(at..upto)),
            1 | 2 => drop(text.splice(at..at, random.of(WILD).chars())),
            3 => {
                let copy: Vec<char> = text[at..upto].to_vec();
                let to = random.below(text.len());
                text.splice(to..to, copy);
            }
            _ => {
                let other = random.below(text.len());
                text.swap(at, other);
            }
        }
    }
    text.into_iter().collect()
}

/// Only blanks, breaks within brackets and comments are changed: the style is
/// the same.
#[test]
fn blanks_do_not_matter() {
    let mut random = Random(0x666d_7421);
    let mut tried = 0;
    for file in shipped() {
        for _ in 0..60 {
            let mut text = String::new();
            let mut depth = 0;
            let mut quoted = false;
            for line in file.lines() {
                let doc = line.trim_start().starts_with("//");
                text += &" ".repeat(random.below(9));
                for c in line.trim_start().chars() {
                    let blanks = " ".repeat(random.below(3));
                    quoted ^= c == '"';
                    match c {
                        _ if doc || quoted => text.push(c),
                        '(' | '[' | ',' | ')' | ']' => {
                            depth += i32::from("([".contains(c)) - i32::from(")]".contains(c));
                            text.push(c);
                            text += &blanks;
                            if depth > 0 && random.below(4) == 0 {
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
    texts(&["examples", "compiler/core/std"])
}

fn originals() -> Vec<String> {
    let mut all = shipped();
    all.extend(texts(&["tests/fmt/cases", "compiler/syntax/tests/files"]));
    all
}

fn texts(folders: &[&str]) -> Vec<String> {
    let read = |p| std::fs::read_to_string(p).expect("a file is readable");
    folders
        .iter()
        .flat_map(|f| ssl_files(f))
        .map(read)
        .collect()
}

/// Formats a text, and says whether there was nothing wrong with it and
/// whether it could be formatted.
fn assert_kept(text: &str) -> (bool, bool) {
    let (out, before) = (formatted(text), reading(text));
    let shown = || format!("\n{text}\n--- becomes\n{}", out.text);
    assert_eq!(
        formatted(&out.text).text,
        out.text,
        "not stable: {}",
        shown()
    );
    assert_eq!(reading(&out.text), before, "another meaning: {}", shown());
    let clean = before.messages.is_empty();
    assert!(!(clean && out.declined), "declined: {}", shown());
    (clean, !out.declined)
}

#[test]
fn no_mutant_that_parses_is_changed_or_declined() {
    let mut originals = originals();
    originals.retain(|text| reading(text).messages.is_empty());
    let mut random = Random(0x5351_4c43);
    let clean = (0..1_800)
        .filter(|_| {
            let original = &originals[random.below(originals.len())];
            assert_kept(&mild(&mut random, original)).0
        })
        .count();
    assert!(clean > 900, "only {clean} parse");
}

#[test]
fn no_mutant_breaks_the_formatter() {
    let originals = originals();
    let mut random = Random(0x666d_7421);
    let declined = (0..1_500)
        .filter(|_| {
            let original = &originals[random.below(originals.len())];
            !assert_kept(&wild(&mut random, original)).1
        })
        .count();
    assert!(declined < 30, "{declined} of 1500 declined");
}
