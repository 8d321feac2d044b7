//! How long `sslc check` takes, without the process around it: long files of
//! two kinds, on one thread. The median of several runs, and how it grows
//! with the text.
//!
//! `cargo bench -p ssl-core --bench check [-- [many|one] [LINES [RUNS]]]`
//!
//! 2026-11-23, 4 cores of a shared cloud machine (AMD EPYC) at a load
//! average of 6; 10,000 lines, the median of 21 runs (and the least): one
//! pipeline 92 ms (83; parsing 38), 350 pipelines and variants 139 ms (123;
//! parsing 30). 40,000 lines: 547 ms (508) and 716 ms (562).

#[path = "../../../tests/support/long.rs"]
mod long;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ssl_core::{DatasetInfo, Demand, Request, WorldError};
use ssl_diagnostics::SourceMap;
use ssl_plan::Source;

const LINES: [usize; 5] = [2_500, 5_000, 10_000, 20_000, 40_000];

/// The median of several runs, and the least: the others had company.
fn times(runs: usize, mut run: impl FnMut()) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..runs.max(1))
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    let median = times.get(runs / 2).copied().unwrap_or_default();
    (median, times.first().copied().unwrap_or_default())
}

fn parse(text: &str) {
    let mut map = SourceMap::new();
    let file = map
        .add("long.ssl", text)
        .expect("a text of a few megabytes");
    let parsed = ssl_syntax::parse_file(&map, file);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
}

/// There are digits, and the one file.
struct World<'a>(&'a str);

impl ssl_core::World for World<'_> {
    fn read(&self, _: &Path) -> Result<String, WorldError> {
        Ok(self.0.to_owned())
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        path.to_path_buf()
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn dataset(&self, _: &Source, _: Duration) -> Result<DatasetInfo, WorldError> {
        Ok(DatasetInfo {
            samples: 1200,
            classes: Some((0..10).map(|i| i.to_string()).collect()),
            held_out: Some(597),
            ..DatasetInfo::default()
        })
    }
}

fn check(text: &str) {
    let request = Request {
        path: "long.ssl".into(),
        demand: Demand::Check,
        ..Request::default()
    };
    let whole = ssl_core::check_file(&request, &World(text));
    assert!(!whole.failed(), "{:?}", whole.diagnostics.first());
    assert!(whole.pipelines.iter().all(|(_, plan)| plan.is_some()));
}

fn main() {
    let mut numbers = std::env::args().filter_map(|a| a.parse().ok());
    let only: Option<usize> = numbers.next();
    let runs = numbers.next().unwrap_or(9);
    type Kind = (&'static str, fn(usize) -> String);
    let kinds: [Kind; 2] = [("many pipelines", long::many), ("one pipeline", long::one)];
    println!("medians of {runs} runs (and the least), one thread");
    let named = std::env::args().any(|a| a == "many" || a == "one");
    for (name, text) in kinds {
        let word = name.split(' ').next().unwrap_or("");
        if named && !std::env::args().any(|a| a == word) {
            continue;
        }
        println!("{name}\n  lines      parse              check");
        for lines in LINES.into_iter().filter(|l| only.is_none_or(|o| o == *l)) {
            let text = text(lines);
            let (parse, least) = times(runs, || parse(&text));
            print!("{lines:7} {parse:8.1?} ({least:.1?})");
            let (check, least) = times(runs, || check(&text));
            println!(" {check:8.1?} ({least:.1?})");
        }
    }
}
