//! Whole commands on whole files: what a user types, what comes back.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod folders;
mod output;
mod runs;
mod tools;

use support::{example, run};

#[test]
fn check_mends_what_is_certain_and_shows_it_first() {
    let dir = tempfile::tempdir().expect("a folder");
    let right = std::fs::read_to_string(example("mocov3_digits.ssl")).expect("an example");
    let wrong = right
        .replace("batch  = 240", "bacth  = 240")
        .replace("epochs     = 60", "epohcs     = 60");
    let file = dir.path().join("mine.ssl");
    std::fs::write(&file, &wrong).expect("written");
    let now = || std::fs::read_to_string(&file).expect("there");
    run(dir.path(), &["check", "mine.ssl"])
        .ends(1)
        .says(&["`sslc check --fix mine.ssl` mends 2 of them"]);
    run(dir.path(), &["check", "--fix", "--diff", "mine.ssl"])
        .ends(0)
        .says(&["-    bacth  = 240", "+    batch  = 240"]);
    assert_eq!(now(), wrong);
    run(dir.path(), &["check", "--fix", "mine.ssl"])
        .ends(0)
        .says(&["mine.ssl: 2 mends", "write `batch`", "fine, "]);
    assert_eq!(now(), right);
    run(dir.path(), &["check", "--diff", "mine.ssl"]).ends(2);
}

#[test]
fn plan_shows_what_the_file_says_in_its_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mine.ssl");
    let text = std::fs::read_to_string(example("mocov3_digits.ssl")).expect("an example");
    let text = text.replace(
        "  data {",
        "  /// Of March.\n  param twice: Int = 2 in 1..=4\n  data {",
    );
    let text = text.replace(
        "batch  = 240",
        "/// Over all devices.\n    batch = 120 * twice",
    );
    std::fs::write(&file, text).expect("written");
    let plan = run(dir.path(), &["plan", "mine.ssl"]).ends(0).text.clone();
    let at = |what: &str| {
        plan.find(what)
            .unwrap_or_else(|| panic!("no `{what}` in\n{plan}"))
    };
    let order = [
        "  /// Of March.\n  twice ",
        "param Int in 1..=4",
        "\n\n  data.source",
        "  /// Over all devices.\n  data.batch ",
        "\n\n  a.random_resized_crop",
        "\n\n  encoder.backbone",
        "\n\n  train.epochs",
        "  fn info_nce",
    ];
    let places: Vec<usize> = order.iter().map(|o| at(o)).collect();
    assert!(places.is_sorted(), "{places:?}\n{plan}");
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(example("mocov3_digits.ssl")).expect("an example");
    let file = dir.path().join("mine.ssl");
    std::fs::write(
        &file,
        text.replace("batch  = 240", "bacth  = 240")
            .replace("pool: cls", "pool: clas"),
    )
    .expect("written");
    run(dir.path(), &["check", "mine.ssl"]).ends(1).says(&[
        "ssl::E0102",
        "`data` has no field `bacth`",
        "mine.ssl:18",
        "did you mean `batch`?",
        "ssl::E0105",
        "did you mean `cls`?",
    ]);
    run(
        dir.path(),
        &["check", "mine.ssl", "--message-format", "short"],
    )
    .ends(1)
    .says(&["mine.ssl:18:5: error[ssl::E0102]"]);
    let json = run(
        dir.path(),
        &["check", "mine.ssl", "--message-format", "json"],
    );
    let first: serde_json::Value =
        serde_json::from_str(json.ends(1).text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["severity"], "error");
}

#[test]
fn every_example_is_fine() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for entry in std::fs::read_dir(support::root().join("examples")).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "ssl") {
            seen += 1;
            run(dir.path(), &["check", &path.display().to_string()]).ends(0);
        }
    }
    assert!(seen >= 4);
}

#[test]
fn the_readmes_pipeline_is_fine() {
    let readme = std::fs::read_to_string(support::root().join("README.md")).expect("the README");
    let text = readme
        .split("```")
        .find(|block| block.trim_start().starts_with("pipeline mine"))
        .expect("the README shows a pipeline");
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("photos")).expect("a folder");
    std::fs::write(dir.path().join("readme.ssl"), text.trim_start()).expect("written");
    run(dir.path(), &["fmt", "--check", "readme.ssl"]).ends(0);
    // Only the photographs are missing.
    let done = run(dir.path(), &["check", "readme.ssl"]);
    done.ends(0).says(&["no image in", "1 warning"]);
}

#[test]
fn the_plan_names_every_origin() {
    let file = example("mocov3_digits.ssl").display().to_string();
    let dir = tempfile::tempdir().expect("a folder");
    let plan = run(
        dir.path(),
        &[
            "plan",
            &file,
            "--set",
            "train.epochs=12",
            "--set",
            "decay=0.9",
        ],
    );
    plan.ends(0).says(&[
        "train.epochs 12 --set train.epochs=12",
        "decay 0.9 --set decay=0.9",
        "train.keep 3 default",
        "60 steps of 240 images; 5 an epoch, 12 epochs",
        "1,200 images, 10 classes, 597 held out",
    ]);
    // A suffix of a path is enough, unless it stands for several things.
    run(dir.path(), &["plan", &file, "--set", "depth=3"])
        .ends(0)
        .says(&["encoder.backbone.depth 3 --set depth=3"]);
    run(dir.path(), &["plan", &file, "--set", "norm=none"])
        .ends(1)
        .says(&[
            "ssl::E0204",
            "`norm` stands for several things",
            "`encoder.projector.norm` and `predictor.norm`",
        ]);
    run(dir.path(), &["plan", &file, "--set", "train.epoch=3"])
        .ends(1)
        .says(&[
            "there is no `train.epoch` to set",
            "did you mean `train.epochs`?",
        ]);
    // One length of the run, the later one.
    run(dir.path(), &["plan", &file, "--set", "train.steps=7"])
        .ends(0)
        .says(&["train.steps 7 --set train.steps=7", "7 steps of 240 images"]);
    let json = run(dir.path(), &["plan", &file, "--json"]);
    let plan: serde_json::Value =
        serde_json::from_str(&json.ends(0).text).expect("the plan is JSON");
    assert_eq!(plan["recipe"]["train"]["steps"], 300);
    // 2 blocks of width 64 with a class token; see the ViT's own layers.
    assert_eq!(plan["estimate"]["parameters"][0]["trained"], 100_160);
}

#[test]
fn usage_errors_end_with_two() {
    let dir = tempfile::tempdir().expect("a folder");
    run(dir.path(), &[]).ends(2).says(&["Usage: sslc"]);
    run(dir.path(), &["train"])
        .ends(2)
        .says(&["unrecognized subcommand"]);
    run(dir.path(), &["run"]).ends(2).says(&["FILE"]);
    let file = example("mocov3_digits.ssl").display().to_string();
    run(dir.path(), &["run", &file, "--device", "gpu"])
        .ends(2)
        .says(&["choose from `auto`, `cpu`, `cuda`"]);
}
