//! The trajectory of training against PyTorch: stored views, stored initial
//! weights, twenty steps, every loss.
//!
//! The fixtures come from `tests/numeric/reference/mocov3_replay.py`, which
//! names the versions and computes in plain PyTorch, float64 and float32, and
//! from `replays.py`, `decorrelated_replays.py`, `mae_replay.py` and
//! `resnet_replay.py` beside it.

#[path = "../support/mod.rs"]
mod support;

use ssl_engine::weights::{self, NamedTensor};
use support::{formula, losses, root, run};

/// Losses from step `first` on are compared.
fn replay(method: &str, first: usize) {
    let fixture = root().join(format!("tests/numeric/fixtures/{method}_replay"));
    let out = tempfile::tempdir().expect("a folder");
    let path = |name: &str| fixture.join(name).display().to_string();
    // Weights are stored, or where they are too many, a list of what fills them.
    let init = match std::fs::read_to_string(path("init.json")) {
        Err(_) => path("init.safetensors"),
        Ok(text) => {
            type Line = (String, Vec<usize>, Option<u32>);
            let list: Vec<Line> = serde_json::from_str(&text).expect("names, shapes, streams");
            let fill = |(key, shape, stream): Line| NamedTensor {
                data: match stream {
                    Some(stream) => formula::weight(stream, &key, &shape),
                    None => vec![0.0; shape.iter().product()],
                },
                key,
                shape,
            };
            let tensors: Vec<NamedTensor> = list.into_iter().map(fill).collect();
            let file = out.path().join("init.safetensors");
            weights::write(&file, &tensors).expect("it is written");
            file.display().to_string()
        }
    };
    let dir = out.path().join("run");
    run(
        out.path(),
        &[
            "run",
            &path("pipeline.ssl"),
            "--init",
            &init,
            "--out",
            &dir.display().to_string(),
            "--device",
            "cpu",
        ],
    )
    .ends(0);
    let text = std::fs::read_to_string(fixture.join("losses.json")).expect("the fixture is there");
    let stored: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let expected: Vec<f64> = stored["float64"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect();
    let got = losses(&dir);
    assert_eq!(got.len(), 20);
    assert_eq!(expected.len(), 20);
    for (step, (ours, theirs)) in got.iter().zip(&expected).enumerate().skip(first) {
        let relative = (ours - theirs).abs() / theirs.abs();
        assert!(
            relative < 1e-4,
            "{method}, step {step}: {ours} against {theirs}"
        );
    }
}

#[test]
fn mocov3_takes_pytorchs_path() {
    replay("mocov3", 0);
}

#[test]
fn simclr_takes_pytorchs_path() {
    replay("simclr", 0);
}

#[test]
fn byol_takes_pytorchs_path() {
    replay("byol", 0);
}

/// A queue: what it starts from is gone after the first step, whose rate is 0.
#[test]
fn moco_takes_pytorchs_path() {
    replay("moco", 1);
}

/// Sinkhorn, and prototypes of length 1 that are frozen for an epoch.
#[test]
fn swav_takes_pytorchs_path() {
    replay("swav", 0);
}

/// A centred teacher, a weight-normalised last layer that is frozen for an
/// epoch, gradients clipped parameter by parameter.
#[test]
fn dino_takes_pytorchs_path() {
    replay("dino", 0);
}

/// LARS with a rate of their own for vectors, and a loss over the batch's
/// correlations.
#[test]
fn barlow_twins_takes_pytorchs_path() {
    replay("barlow_twins", 0);
}

#[test]
fn vicreg_takes_pytorchs_path() {
    replay("vicreg", 0);
}

/// Masks, a decoder, targets made of the images.
#[test]
fn mae_takes_pytorchs_path() {
    replay("mae", 0);
}

/// Convolutions and their BatchNorms, LARS, a predictor without a last norm.
#[test]
fn mocov3_on_resnet18_takes_pytorchs_path() {
    replay("mocov3_resnet", 0);
}
