//! Mutants: files that a cat walked over. One generator and one driver for all
//! that must survive them: the parser, the formatter, the compiler.
//!
//! The mutants are the same in every run. `SSLC_MUTANTS=10` tries ten times as
//! many, and others.

#![allow(dead_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long one mutant may take, on a machine that is busy with others.
const LIMIT: Duration = Duration::from_secs(10);
/// Threads that try mutants.
const THREADS: usize = 2;

/// A generator that needs no crate: xorshift64*.
pub struct Dice(u64);

impl Dice {
    /// The same throws for the same seed, which is not 0.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    /// One of several.
    pub fn of<'a, T: ?Sized>(&mut self, pieces: &[&'a T]) -> &'a T {
        pieces[self.below(pieces.len())]
    }
}

/// A way to change a text.
pub type Change = fn(&mut Dice, &str) -> String;

/// The texts of the files in some folders of the project and below.
pub fn sources(folders: &[&str]) -> Vec<String> {
    let mut open: Vec<_> = folders
        .iter()
        .map(|f| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(f))
        .collect();
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "ssl") {
                files.push(path);
            }
        }
    }
    files.sort();
    let read = |p| std::fs::read_to_string(p).expect("a file is readable");
    files.into_iter().map(read).collect()
}

/// The same texts in parts of some lines, cut between definitions.
pub fn parts(texts: Vec<String>) -> Vec<String> {
    let mut out = Vec::new();
    for text in texts {
        let mut rest = text.as_str();
        while rest.len() > 1_200
            && let Some(end) = rest.get(600..).and_then(|r| r.find("\n}\n"))
        {
            let (part, behind) = rest.split_at(600 + end + 3);
            out.push(part.to_owned());
            rest = behind;
        }
        if !rest.is_empty() {
            out.push(rest.to_owned());
        }
    }
    out
}

/// Judges so many mutants of some texts, one text after the other, and says
/// what came of each. A mutant that panics, or takes too long, is shown.
pub fn judged<T: Send>(
    count: usize,
    sources: &[String],
    change: Change,
    judge: impl Fn(&str) -> T + Sync,
) -> Vec<T> {
    let times: usize = std::env::var("SSLC_MUTANTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    let count = count * times;
    let current: [Mutex<Option<(Instant, String)>>; THREADS] = Default::default();
    let done = AtomicBool::new(false);
    let worker = |thread: usize| {
        let mut dice = Dice::new(0x5351_4c43 + thread as u64 + 17 * times as u64);
        let mut found = Vec::new();
        for i in (thread..count).step_by(THREADS) {
            let text = change(&mut dice, &sources[i % sources.len()]);
            let start = Instant::now();
            *current[thread].lock().expect("no panic within") = Some((start, text.clone()));
            match catch_unwind(AssertUnwindSafe(|| judge(&text))) {
                Ok(result) => found.push(result),
                Err(_) => panic!("mutant {i}:\n{text}"),
            }
            assert!(start.elapsed() < LIMIT, "mutant {i} takes long:\n{text}");
        }
        found
    };
    let watch = || {
        while !done.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
            for slot in &current {
                let slot = slot.lock().expect("no panic within");
                if let Some((start, text)) = slot.as_ref()
                    && start.elapsed() > 3 * LIMIT
                {
                    eprintln!("hangs:\n{text}");
                    std::process::abort();
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let watcher = scope.spawn(watch);
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || worker(thread)))
            .collect();
        let results: Vec<_> = workers.into_iter().map(|w| w.join()).collect();
        done.store(true, Ordering::Relaxed);
        let _ = watcher.join();
        results
            .into_iter()
            .flat_map(|r| r.unwrap_or_else(|e| std::panic::resume_unwind(e)))
            .collect()
    })
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

/// What says something else.
const MEANT: &[&str] = &[
    "0",
    "-1",
    "1e308",
    "0.5",
    "9007199254740993",
    "1/0",
    "none",
    "batch",
    "encoder",
    "a",
    "q_a",
    "%",
    " epochs",
    " steps",
    "..",
    "->",
    "then",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    "=",
    ":",
    "+",
    "*",
    "stopgrad(a)",
    "encoder(a)",
    "concat(a, b)",
    "\"",
    "//",
    "\n",
    "drop a\n",
    "a = a\n",
    "pipeline p extends p {}",
    "use std.simclr\n",
    "sweep s of p { vary a in [1, 2] }",
    "é",
    "\u{0}",
    "mean()",
    "for x in a { x }",
];

/// Pieces put in beside brackets and commas, and at the ends of lines: what
/// comes out is often well-formed.
pub fn mild(dice: &mut Dice, original: &str) -> String {
    let mut text: Vec<char> = original.chars().collect();
    for _ in 0..=dice.below(3) {
        let start = dice.below(text.len());
        let gap = |i: &usize| matches!(text[*i], ',' | '\n' | '(' | '[' | ']' | ')' | '{' | '}');
        let at = (start..text.len()).find(gap).unwrap_or(start);
        let behind = at + usize::from(text[at] != '\n' && dice.below(2) == 0);
        let pieces = if dice.below(4) == 0 { WORDS } else { BLANKS };
        text.splice(behind..behind, dice.of(pieces).chars());
    }
    text.into_iter().collect()
}

/// Anything put in anywhere, taken out, doubled, swapped: what comes out is
/// seldom well-formed.
pub fn wild(dice: &mut Dice, original: &str) -> String {
    let mut text: Vec<char> = original.chars().collect();
    for _ in 0..=dice.below(6) {
        if text.is_empty() {
            break;
        }
        let at = dice.below(text.len());
        let upto = (at + 1 + dice.below(12)).min(text.len());
        match dice.below(5) {
            0 => drop(text.drain(at..upto)),
            1 | 2 => drop(text.splice(at..at, dice.of(WILD).chars())),
            3 => {
                let copy: Vec<char> = text[at..upto].to_vec();
                let to = dice.below(text.len());
                text.splice(to..to, copy);
            }
            _ => {
                let other = dice.below(text.len());
                text.swap(at, other);
            }
        }
    }
    text.into_iter().collect()
}

/// Words and signs taken out, doubled, and replaced by others of the language:
/// what comes out is often understood, as something else.
pub fn meant(dice: &mut Dice, original: &str) -> String {
    let mut out = original.to_owned();
    for _ in 0..=dice.below(3) {
        let mut cuts: Vec<usize> = out
            .char_indices()
            .filter(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_')
            .map(|(i, _)| i)
            .collect();
        cuts.push(out.len());
        let at = dice.below(cuts.len());
        let next = (at + 1 + dice.below(2)).min(cuts.len() - 1);
        let (start, end) = (cuts[at], cuts[next].max(cuts[at]));
        let piece = out[start..end].to_owned();
        match dice.below(4) {
            0 => out.replace_range(start..end, ""),
            1 => out.replace_range(start..end, dice.of(MEANT)),
            2 => out.insert_str(start, dice.of(MEANT)),
            _ => out.insert_str(start, &piece),
        }
    }
    out
}
