//! Weights to and from PyTorch's world: files that PyTorch wrote, and what
//! `sslc export` writes, loaded back here and where Python is there, in Python.

#[path = "libraries.rs"]
mod libraries;
#[path = "onnx.rs"]
mod onnx;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ssl_engine::weights::{self, pytorch};
use support::{losses, root, run};

fn fixture(name: &str) -> PathBuf {
    root().join("tests/numeric/fixtures").join(name)
}

#[test]
fn files_of_pytorch_are_read_to_the_bit() {
    type Expected = BTreeMap<String, (Vec<usize>, Vec<f32>)>;
    let text = std::fs::read_to_string(fixture("pytorch/expected.json")).expect("the fixture");
    let expected: Expected = serde_json::from_str(&text).expect("shapes and values");
    for name in ["zip.pth", "legacy.pth.tar"] {
        let read = pytorch::read(&fixture("pytorch").join(name)).expect(name);
        let read: Expected = (read.into_iter())
            .map(|t| (t.key, (t.shape, t.data)))
            .collect();
        assert_eq!(read, expected, "{name}");
    }
}

#[test]
fn hostile_files_are_refused_and_nothing_is_executed() {
    let read = |path: &Path| pytorch::read(path).map_err(|e| e.to_string());
    let folder = fixture("pytorch");
    for (name, reason) in [
        ("evil.pth", "holds no tensors"),
        ("far.pth", "w"),
        ("vast.pth", "would be 4294967296 bytes"),
        ("unknown.pth", "fspath"),
        ("bomb.pth", "is compressed"),
        ("text.pth", "not a PyTorch checkpoint"),
    ] {
        let error = read(&folder.join(name)).expect_err(name);
        assert!(error.contains(reason), "{name}: {error}");
    }
    // A call beside weights is read past.
    assert_eq!(
        read(&folder.join("evil_beside.pth")).map(|t| t.len()),
        Ok(1)
    );
    assert!(!Path::new("executed").exists());

    // Cut or changed anywhere: an error or other values, never a panic.
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("broken.pth");
    for name in ["zip.pth", "legacy.pth.tar"] {
        let bytes = std::fs::read(folder.join(name)).expect("the fixture");
        for end in (0..bytes.len()).step_by(97) {
            std::fs::write(&path, &bytes[..end]).expect("written");
            assert!(read(&path).is_err(), "{name} cut at {end}");
        }
        for at in (0..bytes.len()).step_by(11) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&path, &bytes).expect("written");
            if let Ok(tensors) = read(&path) {
                let values: usize = tensors.iter().map(|t| t.data.len()).sum();
                assert!(values <= bytes.len(), "{name} changed at {at}");
            }
        }
    }
}

/// Twenty steps of a tiny MoCo v3 from stored weights, in `dir/rep`.
fn trained(dir: &Path) {
    for name in ["pipeline.ssl", "init.safetensors", "views.safetensors"] {
        let from = fixture("mocov3_replay").join(name);
        std::fs::copy(from, dir.join(name)).expect("copied");
    }
    let args = ["run", "pipeline.ssl", "--init", "init.safetensors", "-q"];
    run(
        dir,
        &[&args[..], &["--device", "cpu", "--out", "rep"]].concat(),
    )
    .ends(0);
}

#[test]
fn what_is_exported_comes_back_and_what_does_not_fit_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    trained(at);
    let again = |init: &[&str], out: &str| {
        let args = ["run", "pipeline.ssl", "--device", "cpu", "--out", out];
        run(at, &[&args[..], init].concat())
    };
    let export = |args: &[&str]| run(at, &[&["export", "rep", "--format"], args].concat());

    // A whole checkpoint of the MoCo v3 repository is the run's own weights.
    export(&["moco-v3"]).ends(0).says(&["102 tensors"]);
    again(&["--init", "rep/export/encoder.moco-v3.pth.tar"], "moco")
        .ends(0)
        .says(&["under `state_dict.module.momentum_encoder` are read as `momentum.backbone`"]);
    again(&["--init", "rep/weights/nets.safetensors"], "own").ends(0);
    assert_eq!(losses(&at.join("moco")), losses(&at.join("own")));

    // A backbone alone is a part, which must be asked for.
    export(&["timm", "--out", "b.pth", "--net", "momentum.backbone"])
        .ends(0)
        .says(&["vit_tiny_patch16_224", "weights_only=True", "strict=True"]);
    again(&["--init", "b.pth"], "part").ends(2).says(&[
        "`encoder.projector.0.weight` [64, 32] is missing",
        "--init-partial",
    ]);
    again(&["--init", "b.pth", "--init-partial"], "part")
        .ends(0)
        .says(&["`encoder.projector.0.weight` [64, 32]: not in the file"]);
    again(&["--init", "encoder.backbone=b.pth"], "stage").ends(0);
    assert_eq!(losses(&at.join("part")), losses(&at.join("stage")));

    for (args, reason) in [
        (
            &["keras"][..],
            "choose from `timm`, `torchvision`, `hf`, `moco-v3`, `onnx`",
        ),
        (&["timm", "--net", "predictor"], "has no place in timm"),
        (&["timm", "--net", "foo"], "choose from `encoder.backbone`"),
        (
            &["onnx", "--net", "predictor"],
            "backbones alone are written",
        ),
        (&["onnx", "--out", "x.pth"], "with the end `.onnx`"),
        (&["hf", "--out", "x.onnx"], "which `--format onnx` writes"),
    ] {
        export(args).ends(2).says(&[reason]);
    }
}

/// Every library's features from the file that is written for it, loaded
/// strictly by the lines that are printed: of a ViT that was trained, and of
/// networks as they start.
#[test]
fn other_libraries_have_the_same_features() {
    let Some(python) = support::python(&["timm", "torchvision", "safetensors"]) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    trained(at);
    let agree = |at: &Path, run_dir: &str, formats: &[&str], side: usize, width: usize| {
        for format in formats {
            let done = run(at, &["export", run_dir, "--format", format]);
            std::fs::write(at.join(format!("{format}.txt")), &done.ends(0).text).expect("written");
        }
        let shape = format!("[2, 3, {side}, {side}]");
        std::fs::write(at.join("shape.json"), shape).expect("written");
        let script = root().join("tests/numeric/reference/export.py");
        let script = script.canonicalize().expect("the script");
        let done = Command::new(&python)
            .arg(script)
            .arg(".")
            .current_dir(at)
            .output();
        let done = support::Done::from(done.expect("python runs"));
        let of = |library: &str| format!("{library}: (2, {width})");
        done.ends(0)
            .says(&[&of("timm"), &of("torchvision"), "agree to"]);
    };
    agree(at, "rep", &["timm", "torchvision", "hf"], 8, 32);
    for (backbone, side, width) in [("resnet(50)", 64, 2048), ("convnext(size: tiny)", 64, 768)] {
        let dir = tempfile::tempdir().expect("a folder");
        let plan = libraries::folder(dir.path(), backbone, side);
        let start = weights::collect(&libraries::network(&plan));
        let file = dir.path().join("run/weights/nets.safetensors");
        weights::write(&file, &start).expect("written");
        agree(dir.path(), "run", &["timm", "torchvision"], side, width);
    }
}
