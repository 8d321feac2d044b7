//! The collapse lint is right: what it warns of collapses, what it passes does
//! not.
//!
//! Every wiring of this folder is checked, and trained on the embedded digits
//! for as long as it takes to tell; the lint must be right on
//! each. A wiring has collapsed where the features that go into the loss leave
//! the sphere for a point: `feature_std`, 1 on an even sphere and 0 in a point,
//! below 0.2, as the mean over the last ten steps. Beside it, what the frozen
//! backbone is worth: kNN on held-out images (43 to 47 % before training) and
//! the effective rank of its 64 features.
//!
//! Measured on 2026-11-23, seed 0, as many epochs as each file says (4 to 24);
//! 126 seconds of one core:
//!
//! | wiring | lint | feature_std | loss | kNN | rank |
//! |---|---|---|---|---|---|
//! | vicreg_without_variance | warned | 0.156 | 0.0306 | 31.7 | 6.3 |
//! | stopgrad_alone | warned | 0.043 | 0.0064 | 39.5 | 10.0 |
//! | squared_distance | warned | 0.154 | 0.0004 | 32.3 | 4.6 |
//! | dino_without_center | warned | 0.098 | 2.3151 | 52.9 | 17.2 |
//! | both_live | warned | 0.043 | 0.0032 | 39.5 | 10.0 |
//! | average_alone | warned | 0.109 | 0.2614 | 56.4 | 19.5 |
//! | vicreg | passed | 0.769 | 20.8051 | 70.2 | 25.9 |
//! | simsiam | passed | 0.913 | -0.5127 | 68.2 | 26.8 |
//! | simclr | passed | 0.997 | 4.6744 | 82.7 | 28.9 |
//! | dino | passed | 0.381 | 4.9222 | 70.7 | 25.2 |
//! | byol | passed | 0.304 | 1.4826 | 70.5 | 25.9 |
//! | barlow_twins | passed | 0.905 | 199.0254 | 74.7 | 26.0 |
//! | average_of_normed | passed | 0.963 | 2.8163 | 70.9 | 25.8 |
//!
//! Not run here, for it takes longer. BYOL without its predictor comes in 60
//! epochs to a `feature_std` of 0.067, a loss of 0.025, kNN 57 and rank 15; BYOL
//! itself to 0.49, 1.2, 77 and 29. Both sides live behind a last BatchNorm
//! without scale and shift is warned of: it has 0.29 after 100 steps and 0.18
//! after 300, while kNN falls from 64.5 to 54.8 %. The library's DINO comes in its
//! 60 epochs to a kNN of 89 (two seeds); with the head as for ImageNet (no batch
//! norm, features started at 0.02) its output spreads evenly, at a loss of
//! 5.545 = ln 256, and kNN goes from 26 to 32 %: a network of 64 features needs
//! more.

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use support::{metrics, root, run, run_on_one_core};

/// Below it the features have collapsed.
const COLLAPSED: f64 = 0.2;
/// Steps that it is the mean of.
const LAST: usize = 10;

/// What a wiring came to.
struct Wiring {
    name: String,
    /// Whether the lint warns of it.
    warned: bool,
    feature_std: f64,
    loss: f64,
    accuracy: [f64; 2],
    rank: f64,
}

fn wirings() -> Vec<PathBuf> {
    let dir = root().join("tests/collapse");
    let files = std::fs::read_dir(dir).expect("the folder is there");
    let mut all: Vec<PathBuf> = files
        .filter_map(|f| Some(f.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "ssl"))
        .collect();
    all.sort();
    all
}

fn judge(file: &Path, dir: &Path) -> Wiring {
    let name = file.file_stem().expect("a name").display().to_string();
    let path = file.display().to_string();
    let said = run(dir, &["check", &path, "--message-format", "short"]);
    said.ends(0);
    let out = dir.join(&name);
    let out_text = out.display().to_string();
    run_on_one_core(
        dir,
        &[
            "run", &path, "--out", &out_text, "--device", "cpu", "--quiet",
        ],
    )
    .ends(0);
    let steps = metrics(&out, "step");
    let last = &steps[steps.len() - LAST..];
    let number = |v: &serde_json::Value| v.as_f64().expect("a number");
    let evals = metrics(&out, "eval");
    Wiring {
        warned: said.text.contains("E0405"),
        feature_std: last
            .iter()
            .map(|s| number(&s["tracks"]["feature_std"]))
            .sum::<f64>()
            / LAST as f64,
        loss: number(&last[LAST - 1]["loss"]),
        accuracy: [number(&evals[0]["accuracy"]), number(&evals[1]["accuracy"])],
        rank: number(&evals[1]["spread"]["effective_rank"]),
        name,
    }
}

#[test]
fn what_is_warned_of_collapses_and_what_is_passed_does_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let files = Mutex::new(wirings());
    let done = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(file) = files.lock().expect("no panic").pop() else {
                        return;
                    };
                    let wiring = judge(&file, dir.path());
                    done.lock().expect("no panic").push(wiring);
                }
            });
        }
    });
    let mut all = done.into_inner().expect("no panic");
    all.sort_by(|a, b| (b.warned, &b.name).cmp(&(a.warned, &a.name)));
    let mut wrong = Vec::new();
    for w in &all {
        let collapsed = w.feature_std < COLLAPSED;
        println!(
            "//! | {} | {} | {:.3} | {:.4} | {:.1} | {:.1} |",
            w.name,
            if w.warned { "warned" } else { "passed" },
            w.feature_std,
            w.loss,
            100.0 * w.accuracy[1],
            w.rank
        );
        // Sound features are better than those of the start.
        if collapsed != w.warned || (!w.warned && w.accuracy[1] < w.accuracy[0] + 0.02) {
            wrong.push(&w.name);
        }
    }
    let warned = all.iter().filter(|w| w.warned).count();
    assert!(
        warned >= 4 && all.len() - warned >= 4,
        "{warned} of {}",
        all.len()
    );
    assert!(wrong.is_empty(), "the lint is wrong on {wrong:?}");
}
