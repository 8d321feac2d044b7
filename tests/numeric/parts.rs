//! Micro-batches are the whole batch: two steps of plain gradient descent on
//! the embedded digits, in one piece and in parts, give the same losses, the
//! same weights and the same statistics. The methods are those whose backbone
//! has no BatchNorm; their heads have, and see the whole batch.
//!
//! Blocks that the backward pass computes again change nothing at all: the same
//! bits, running statistics included, with blocks left out at random, clipped
//! gradients and a scaled loss.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use support::{losses, run};

/// Every tensor after the last step.
fn tensors(run: &Path) -> BTreeMap<String, Vec<f64>> {
    let file = run.join("checkpoints/step-000002/nets.safetensors");
    let bytes = std::fs::read(file).expect("a checkpoint");
    let file = SafeTensors::deserialize(&bytes).expect("tensors");
    let floats = |bytes: &[u8]| {
        let words = bytes.as_chunks::<4>().0.iter();
        words.map(|w| f64::from(f32::from_le_bytes(*w))).collect()
    };
    let all = file.tensors().into_iter();
    all.map(|(key, tensor)| (key, floats(tensor.data())))
        .collect()
}

/// Euclidean distance of all tensors whose key is of interest.
fn distance(
    a: &BTreeMap<String, Vec<f64>>,
    b: &BTreeMap<String, Vec<f64>>,
    of: impl Fn(&str) -> bool,
) -> f64 {
    let pairs = a.iter().filter(|(key, _)| of(key)).map(|(key, a)| {
        let b = &b[key];
        assert_eq!(a.len(), b.len(), "{key}");
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    });
    pairs.sum::<f64>().sqrt()
}

/// Losses and tensors of a run of two steps of a method under some settings.
/// These smooth the heads: where an activation has a corner, an input within
/// rounding of it makes another gradient.
fn trained(
    (method, sets): (&str, &[&str]),
    rate: &str,
    parts: usize,
) -> (Vec<f64>, BTreeMap<String, Vec<f64>>) {
    let dir = tempfile::tempdir().expect("a folder");
    let (module, _) = method.split_once('.').expect("MODULE.PIPELINE");
    let text = format!(
        "use std.{module}

pipeline mine extends {method} {{
  drop eval.knn
  data.batch = 48
  train {{
    steps         = 2
    log           = 1 steps
    micro_batches = {parts}
    optimizer     = sgd(lr: {rate}, momentum: 0, weight_decay: 0)
    schedule      = constant(optimizer.lr)
  }}
}}
"
    );
    std::fs::write(dir.path().join("mine.ssl"), text).expect("a file");
    let mut args = vec![
        "run", "mine.ssl", "--out", "r", "--device", "cpu", "--quiet",
    ];
    for set in sets {
        args.extend(["--set", set]);
    }
    run(dir.path(), &args).ends(0);
    let out = dir.path().join("r");
    (losses(&out), tensors(&out))
}

#[test]
fn parts_give_the_loss_and_the_gradient_of_the_whole_batch() {
    let projector = "encoder.projector.activation=gelu";
    let predictor = "predictor.activation=gelu";
    let methods: [(&str, &[&str]); 6] = [
        ("mocov3.digits", &[projector, predictor]),
        ("moco.v2_digits", &[projector]),
        ("byol.digits", &[projector, predictor]),
        ("swav.digits", &[projector]),
        // It starts frozen for an epoch.
        ("dino.digits", &["encoder.last.frozen=1 steps"]),
        ("mae.digits", &[]),
    ];
    for method in methods {
        let (losses, whole) = trained(method, "0.01", 1);
        let (in_parts, parts) = trained(method, "0.01", 4);
        let (_, start) = trained(method, "1e-12", 1);
        let method = method.0;
        assert_eq!(losses.len(), 2, "{method}");
        let running = |key: &str| key.contains("running_");
        let weight = |key: &str| !running(key);
        let moved = distance(&whole, &start, weight);
        let off = distance(&whole, &parts, weight);
        println!("{method}: moved {moved:.3e}, off by {off:.3e}");
        for (a, b) in losses.iter().zip(&in_parts) {
            assert!((a - b).abs() <= 1e-5 * a.abs(), "{method}: {a} and {b}");
        }
        assert!(moved > 1e-3, "{method} moved by {moved}");
        assert!(off <= 1e-5 * moved, "{method}: {off} of {moved}");
        let none =
            BTreeMap::from_iter(whole.keys().map(|k| (k.clone(), vec![0.0; whole[k].len()])));
        let size = distance(&whole, &none, running);
        let off = distance(&whole, &parts, running);
        assert!(off <= 1e-5 * size, "{method}: statistics {off} of {size}");
    }
}

#[test]
fn blocks_that_are_computed_again_give_the_same_bits() {
    let again = "train.activation_checkpointing=blocks";
    let methods: [(&str, &[&str]); 4] = [
        ("mocov3.digits", &["encoder.backbone.drop_path=0.4"]),
        ("mae.digits", &[]),
        (
            "simclr.digits",
            &["encoder.backbone=resnet(18, stem: small)"],
        ),
        (
            "mocov3.digits",
            &[
                "train.precision=f16",
                "train.optimizer.clip=0.05",
                "train.optimizer.clip_per=unit",
            ],
        ),
    ];
    for (method, sets) in methods {
        let (losses, plain) = trained((method, sets), "0.01", 1);
        let with = [sets, &[again]].concat();
        let (of_blocks, blocks) = trained((method, &with), "0.01", 1);
        assert_eq!(losses, of_blocks, "{method} {sets:?}");
        for (key, tensor) in &plain {
            assert!(*tensor == blocks[key], "{method} {sets:?}: {key}");
        }
    }
    // A part's blocks are computed again, and not the whole batch's.
    let sets: &[&str] = &[
        "encoder.projector.activation=gelu",
        "predictor.activation=gelu",
    ];
    let (losses, plain) = trained(("mocov3.digits", sets), "0.01", 1);
    let with = [sets, &[again]].concat();
    let (in_parts, parts) = trained(("mocov3.digits", &with), "0.01", 4);
    let (_, start) = trained(("mocov3.digits", sets), "1e-12", 1);
    for (a, b) in losses.iter().zip(&in_parts) {
        assert!((a - b).abs() <= 1e-5 * a.abs(), "{a} and {b}");
    }
    let weight = |key: &str| !key.contains("running_");
    let moved = distance(&plain, &start, weight);
    let off = distance(&plain, &parts, weight);
    assert!(off <= 1e-5 * moved, "{off} of {moved}");
}
