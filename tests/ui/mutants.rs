//! Files that a cat walked over: whatever the text, the compiler answers, and
//! every place that it names is in a file.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use ssl_core::{Compilation, Demand, Request};

use crate::bench::Bench;

/// Knuth's linear congruential generator; the same mutants in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

/// What is put where something else was.
const SHARDS: [&str; 40] = [
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
    "\"",
    "//",
    "\n",
    "drop a\n",
    "a = a\n",
    "pipeline p extends p {}",
    "é",
    "\u{0}",
    "mean()",
    "for x in a { x }",
];

fn mutant(text: &str, dice: &mut Dice) -> String {
    let mut out = text.to_owned();
    for _ in 0..=dice.roll(3) {
        // Words and signs; cutting at them makes likelier mistakes than bytes do.
        let mut cuts: Vec<usize> = out
            .char_indices()
            .filter(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_')
            .map(|(i, _)| i)
            .collect();
        cuts.push(out.len());
        let at = dice.roll(cuts.len());
        let (start, end) = (cuts[at], cuts[(at + 1 + dice.roll(2)).min(cuts.len() - 1)]);
        let (start, end) = (start.min(end), start.max(end));
        let shard = SHARDS[dice.roll(SHARDS.len())];
        let piece = out[start..end].to_owned();
        match dice.roll(4) {
            0 => out.replace_range(start..end, ""),
            1 => out.replace_range(start..end, shard),
            2 => out.insert_str(start, shard),
            _ => out.insert_str(start, &piece),
        }
    }
    out
}

fn compile(text: String) -> Compilation {
    let files = HashMap::from([(PathBuf::from("m.ssl"), text)]);
    let world = Bench(move |path: &std::path::Path| files.get(path).cloned());
    let request = Request {
        path: "m.ssl".into(),
        demand: Demand::Run,
        ..Request::default()
    };
    ssl_core::compile(&request, &world)
}

#[test]
fn no_mutant_panics() {
    let count = std::env::var("SSLC_MUTANTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(4_000);
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let sources: Vec<String> = ["mocov3_digits.ssl", "simclr_digits.ssl", "byol_digits.ssl"]
        .iter()
        .map(|name| std::fs::read_to_string(dir.join(name)).expect("an example"))
        .collect();
    let mut dice = Dice(7);
    let mut planned = 0;
    for i in 0..count {
        let text = mutant(&sources[i % sources.len()], &mut dice);
        let kept = text.clone();
        let Ok(compilation) = catch_unwind(AssertUnwindSafe(|| compile(text))) else {
            panic!("mutant {i} made the compiler panic:\n{kept}");
        };
        for d in &compilation.diagnostics {
            for label in &d.labels {
                let file = compilation.map.file_of(label.span);
                let inside =
                    file.is_some_and(|f| label.span.end as usize <= f.base as usize + f.text.len());
                assert!(inside, "mutant {i}: {} points outside:\n{kept}", d.code);
            }
        }
        let _ = ssl_diagnostics::render_human(&compilation.map, &compilation.diagnostics, false);
        planned += usize::from(compilation.plan.is_some());
        assert_eq!(
            compilation.failed(),
            compilation.plan.is_none(),
            "mutant {i}:\n{kept}"
        );
    }
    // Mutants that all fail would test the parser alone.
    assert!(planned > count / 20, "{planned} of {count} still compile");
}
