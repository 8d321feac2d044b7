//! The examples learn, and the control does not: shortened runs on the
//! embedded digits, judged by kNN on images that training never saw.

#[path = "../support/mod.rs"]
mod support;

use support::{example, losses, metrics, run};

/// What a shortened run came to.
struct Learnt {
    before: f64,
    after: f64,
    losses: Vec<f64>,
}

fn train(name: &str, epochs: usize) -> Learnt {
    let dir = tempfile::tempdir().expect("a folder");
    let file = example(name).display().to_string();
    let length = format!("train.epochs={epochs}");
    let warmup = "schedule=warmup(2 epochs) then cosine(optimizer.lr -> 0)";
    run(
        dir.path(),
        &[
            "run", &file, "--out", "r", "--device", "cpu", "--quiet", "--set", &length, "--set",
            warmup,
        ],
    )
    .ends(0);
    let out = dir.path().join("r");
    let accuracy: Vec<f64> = metrics(&out, "eval")
        .iter()
        .map(|e| e["accuracy"].as_f64().expect("an accuracy"))
        .collect();
    assert_eq!(accuracy.len(), 2);
    Learnt {
        before: accuracy[0],
        after: accuracy[1],
        losses: losses(&out),
    }
}
