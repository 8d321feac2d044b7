//! Files that nobody wrote: the formatter neither panics nor loses anything.

use crate::support::{comments, formatted, messages, parsed, tree};
use crate::{ssl_files, workspace};

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

/// What leaves a text well-formed, most often: blanks, breaks and comments.
const MILD: &[&str] = &[
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n\n",
    "\r\n",
    " // c\n",
    "\n// own\n",
    "\n/// doc\n",
    "////\n",
    "//\n",
    "1_000",
    "1e-3",
    ".5",
    "2%",
    "3 px",
    " - ",
    " + ",
    " then ",
    " -> ",
    "..",
    ", ",
    "(a)",
    "[1, 2]",
    "f(x: 1, y: -2)",
    "\nx = 1\n",
    "\nlet yy = 2 // c\n",
    "\nvary a.b in [1]\n",
    "data { a = 1 }",
    "for u in v { u }",
    "\ndrop a, // c\n b\n",
    "\u{feff}",
    "_long_name_that_does_not_fit_on_a_line",
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

fn mutant(random: &mut Random, original: &str, pieces: &[&str]) -> String {
    let mut text: Vec<char> = original.chars().collect();
    for _ in 0..=random.below(5) {
        let at = random.below(text.len());
        let upto = (at + 1 + random.below(12)).min(text.len());
        match random.below(6) {
            0 => drop(text.drain(at..upto)),
            1..=3 => {
                // Between words, where it does the least harm, half the time.
                let gap = |i: &usize| !text[*i].is_alphanumeric();
                let near = (at..text.len()).find(gap).filter(|_| at % 2 == 0);
                let at = near.unwrap_or(at);
                text.splice(at..at, random.of(pieces).chars());
            }
            4 => {
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
    for file in originals() {
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

fn originals() -> Vec<String> {
    let mut files = ssl_files("examples");
    files.extend(ssl_files("compiler/core/std"));
    let read = |p| std::fs::read_to_string(p).expect("a file is readable");
    files.into_iter().map(read).collect()
}

#[test]
fn no_mutant_breaks_the_formatter() {
    let mut originals = originals();
    for folder in ["tests/fmt/cases", "compiler/syntax/tests/files"] {
        for file in ssl_files(folder) {
            originals.push(std::fs::read_to_string(file).expect("a file is readable"));
        }
    }
    let mut random = Random(0x5351_4c43);
    let (mut clean, mut broken, mut declined, mut changed) = (0, 0, 0, 0);
    for round in 0..6_000 {
        let original = &originals[random.below(originals.len())];
        let pieces = if round % 3 == 0 { WILD } else { MILD };
        let text = mutant(&mut random, original, pieces);
        let out = formatted(&text);
        let shown = || {
            format!(
                "{}\n--- {round}\n{text}\n--- becomes\n{}",
                workspace().display(),
                out.text
            )
        };
        assert_eq!(
            formatted(&out.text).text,
            out.text,
            "not stable: {}",
            shown()
        );
        assert_eq!(
            comments(&out.text),
            comments(&text),
            "comments: {}",
            shown()
        );
        assert_eq!(tree(&out.text), tree(&text), "the tree: {}", shown());
        assert_eq!(
            messages(&out.text),
            messages(&text),
            "messages: {}",
            shown()
        );
        if parsed(&text).diagnostics.is_empty() {
            clean += 1;
            assert!(!out.declined, "declined: {}", shown());
        } else {
            broken += 1;
            declined += usize::from(out.declined);
        }
        changed += usize::from(out.changed);
    }
    println!("{clean} clean, {broken} broken, {declined} declined, {changed} changed");
    assert!(clean > 600 && broken > 600, "{clean} {broken}");
    assert!(declined * 50 < broken, "{declined} of {broken}");
}
