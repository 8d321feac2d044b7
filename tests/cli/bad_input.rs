//! Wrong input: a clear error with the way out, and the right exit code.

use std::path::Path;

use crate::support::{Done, example, run};

/// Runs the digits example with one thing set.
fn with(dir: &Path, set: &str) -> Done {
    let file = example("mocov3_digits.ssl").display().to_string();
    run(dir, &["run", &file, "--out", "r", "--set", set])
}

#[test]
fn files_that_are_not_there_or_no_text() {
    let dir = tempfile::tempdir().expect("a folder");
    run(dir.path(), &["run", "mocov4.ssl"]).ends(1).says(&[
        "`mocov4.ssl` cannot be read",
        "there is no such file",
        "check the path",
    ]);
    std::fs::write(dir.path().join("bin.ssl"), [0xff, 0xfe, 0x00]).expect("written");
    run(dir.path(), &["check", "bin.ssl"])
        .ends(1)
        .says(&["it is no UTF-8 text"]);
    std::fs::write(dir.path().join("empty.ssl"), "").expect("written");
    run(dir.path(), &["check", "empty.ssl"])
        .ends(1)
        .says(&["the file has no pipeline"]);
    run(dir.path(), &["run", "--resume", "nowhere"])
        .ends(2)
        .says(&["`nowhere` holds no run that could go on"]);
}

#[test]
fn data_that_cannot_be_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    with(at, "data.source=image_folder(\"nowhere\")")
        .ends(1)
        .says(&["ssl::E0502", "nowhere", "does not exist"]);
    std::fs::create_dir(at.join("empty")).expect("a folder");
    with(at, "data.source=image_folder(\"empty\")")
        .ends(1)
        .says(&["no image in", "check the path"]);
    std::fs::create_dir(at.join("one")).expect("a folder");
    crate::folders::png(&at.join("one/a.png"), 0, 0);
    with(at, "data.source=image_folder(\"one\")")
        .ends(1)
        .says(&["one image"]);
    with(at, "data.source=image_folder(\"$NO_SUCH_VARIABLE/train\")")
        .ends(1)
        .says(&["`NO_SUCH_VARIABLE` is not set", "export NO_SUCH_VARIABLE="]);
    std::fs::write(at.join("v.safetensors"), "no tensors").expect("written");
    with(at, "data.source=recorded(\"v.safetensors\")")
        .ends(1)
        .says(&["ssl::E0502", "v.safetensors"]);
    assert!(
        !at.join("r").exists(),
        "nothing is written before the check"
    );
}

#[test]
fn sizes_that_do_not_fit() {
    let dir = tempfile::tempdir().expect("a folder");
    with(dir.path(), "data.batch=2400")
        .ends(1)
        .says(&["a batch of 2400 is larger than the data, which has 1200 images"]);
    with(dir.path(), "patch=3")
        .ends(1)
        .says(&["a patch of 3 does not divide the image of 8x8"]);
    with(
        dir.path(),
        "schedule=warmup(90 epochs) then cosine(optimizer.lr -> 0)",
    )
    .ends(1)
    .says(&["the schedule is longer than the run"]);
}

#[test]
fn weights_that_do_not_fit_are_named_one_by_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let fixture =
        crate::support::root().join("tests/numeric/fixtures/mocov3_replay/init.safetensors");
    let file = example("mocov3_digits.ssl").display().to_string();
    run(
        dir.path(),
        &[
            "run",
            &file,
            "--out",
            "r",
            "--init",
            &fixture.display().to_string(),
        ],
    )
    .ends(2)
    .says(&["init.safetensors", "encoder.backbone.cls_token"]);
}

#[test]
fn a_gpu_that_is_not_there_is_said_plainly() {
    // On a machine with a GPU and the feature, this very call trains.
    let dir = tempfile::tempdir().expect("a folder");
    let file = example("mocov3_digits.ssl").display().to_string();
    let done = run(
        dir.path(),
        &[
            "run",
            &file,
            "--out",
            "r",
            "--device",
            "cuda",
            "--set",
            "train.epochs=1",
        ],
    );
    if done.code != 0 {
        done.ends(2).says(&["--device cpu"]);
    }
}
