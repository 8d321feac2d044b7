//! How long `sslc check` takes, without the process around it: long files of
//! two kinds, on one thread. The median of several runs, and how it grows
//! with the text.
//!
//! `cargo bench -p ssl-core`

#[path = "../../../tests/support/long.rs"]
mod long;

use std::time::{Duration, Instant};

use ssl_diagnostics::SourceMap;

/// Runs of which the median is taken.
const RUNS: usize = 9;
const LINES: [usize; 5] = [2_500, 5_000, 10_000, 20_000, 40_000];

/// The median of several runs, and the least: the others had company.
fn times(mut run: impl FnMut()) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    let median = times.get(RUNS / 2).copied().unwrap_or_default();
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

fn main() {
    type Kind = (&'static str, fn(usize) -> String);
    let kinds: [Kind; 2] = [("many pipelines", long::many), ("one pipeline", long::one)];
    for (name, text) in kinds {
        println!("{name}");
        for lines in LINES {
            if let Some(only) = std::env::args()
                .nth(1)
                .and_then(|a| a.parse::<usize>().ok())
                && only != lines
            {
                continue;
            }
            let text = text(lines);
            let (t, least) = times(|| parse(&text));
            println!(
                "{lines:7} lines, {:5} KB, parse {t:8.1?} least {least:8.1?}",
                text.len() / 1000
            );
        }
    }
}
