//! `why`, `diff`, `emit` and `new`: what explains a file, and what begins one.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::folders::png;
use crate::support::{Done, example, run, sslc};

/// A file that extends an example, in a folder.
fn mine(dir: &Path, body: &str) {
    let digits = example("mocov3_digits.ssl").display().to_string();
    let text = format!(
        "use \"{digits}\" as digits\n\npipeline mine extends digits.mocov3_digits {{\n{body}\n}}\n"
    );
    std::fs::write(dir.join("mine.ssl"), text).expect("written");
}

#[test]
fn why_shows_every_layer_with_its_line() {
    let dir = tempfile::tempdir().expect("a folder");
    mine(dir.path(), "  data.batch = 120\n  b.color_jitter.p = 0.1");
    run(dir.path(), &["why", "mine.ssl", "b.color_jitter.p"])
        .ends(0)
        .says(&[
            "b.color_jitter.p = 0.1",
            "1 default of the language: 1",
            "mocov3_digits.ssl:23:53 in `mocov3_digits`: 0.8",
            "taken over from the view `a`",
            "mine.ssl:5:22 in `mine`: 0.1 <- holds",
            "5 | b.color_jitter.p = 0.1",
        ]);
    run(dir.path(), &["why", "mine.ssl", "lr"]).ends(0).says(&[
        "train.optimizer.lr = 0.0009375",
        "2e-3 * data.batch / 256, where data.batch = 120 mine.ssl:4:16",
    ]);
    run(dir.path(), &["why", "mine.ssl", "lr", "--set", "lr=0.5"])
        .ends(0)
        .says(&["train.optimizer.lr = 0.5", "--set lr=0.5: 0.5 <- holds"]);
    run(dir.path(), &["why", "mine.ssl", "weight_dekay"])
        .ends(2)
        .says(&[
            "there is no `weight_dekay`",
            "`train.optimizer.weight_decay`",
        ]);
    // A broken file is explained as far as it goes.
    mine(dir.path(), "  data.batch = 0\n  decay = 0.5");
    run(dir.path(), &["why", "mine.ssl", "momentum.decay"])
        .ends(1)
        .says(&["error[ssl::", "momentum.decay = cosine(0.5 -> 1)"]);
}

#[test]
fn diff_tells_meaning_from_text() {
    let dir = tempfile::tempdir().expect("a folder");
    let digits = example("mocov3_digits.ssl").display().to_string();
    let text = std::fs::read_to_string(&digits).expect("an example");
    let other = text.replace("q_a", "query").replace("/// ", "// ");
    std::fs::write(dir.path().join("other.ssl"), other).expect("written");
    run(dir.path(), &["diff", &digits, "other.ssl"])
        .ends(0)
        .says(&["no difference in meaning"]);

    mine(dir.path(), "  data.batch = 120");
    let told = run(dir.path(), &["diff", &digits, "mine.ssl", "--json"]);
    let object: Value = serde_json::from_str(&told.ends(1).text).expect("JSON");
    assert_eq!(object["equal"], false);
    let first = &object["changes"][0];
    assert_eq!(first["path"], "data.batch");
    assert_eq!(
        (&first["left"], &first["right"]),
        (&"240".into(), &"120".into())
    );

    // Two pipelines of a file.
    let both =
        format!("{text}\npipeline wide extends mocov3_digits {{ predictor.widths = [64, 128] }}\n");
    std::fs::write(dir.path().join("both.ssl"), both).expect("written");
    run(dir.path(), &["diff", "both.ssl:mocov3_digits", ":wide"])
        .ends(1)
        .says(&[
            "~ predictor.widths [512, 128] -> [64, 128]",
            "therefore ~ trained parameters 594752 -> ",
        ]);
    run(dir.path(), &["diff", "both.ssl:narrow", ":wide"])
        .ends(2)
        .says(&["no pipeline `narrow`"]);
    run(dir.path(), &["diff", "both.ssl:wide", "gone.json"])
        .ends(2)
        .says(&["`gone.json` cannot be read", "name a run directory"]);
}

#[test]
fn diff_compares_a_file_with_a_run() {
    let dir = tempfile::tempdir().expect("a folder");
    mine(dir.path(), "  train.epochs = 1");
    let args = [
        "run", "mine.ssl", "--out", "r", "--device", "cpu", "--quiet",
    ];
    run(dir.path(), &[&args[..], &["--set", "seed=7"]].concat()).ends(0);
    run(dir.path(), &["diff", "mine.ssl", "r"]).ends(1).says(&[
        "mine.ssl (mine)",
        "r (mine)",
        "~ train.seed 0 -> 7",
    ]);
    run(dir.path(), &["diff", "mine.ssl", "r", "--set", "seed=7"])
        .ends(0)
        .says(&["no difference in meaning"]);
}

#[test]
fn emit_prints_each_stage_and_the_effective_text_is_the_same_run() {
    let dir = tempfile::tempdir().expect("a folder");
    mine(dir.path(), "  drop eval\n  data.batch = 120");
    let list = run(dir.path(), &["emit"]);
    for (stage, says) in [
        ("ast", "pipeline mine extends digits.mocov3_digits"),
        ("hir", "pipeline mine extends digits.mocov3_digits at"),
        ("effective", "batch  = 120"),
        (
            "typed",
            "net encoder.projector: Net[Embedding[B, 64] -> Embedding[B, 128]]",
        ),
        ("graph", "minimize %"),
        ("plan", "\"pipeline\": \"mine\""),
    ] {
        list.ends(0).says(&[stage]);
        run(dir.path(), &["emit", stage, "mine.ssl"])
            .ends(0)
            .says(&[says]);
    }
    let text = run(
        dir.path(),
        &["emit", "effective", "mine.ssl", "--set", "seed=3"],
    );
    assert!(!text.ends(0).text.contains("eval"), "{}", text.text);
    std::fs::write(dir.path().join("alone.ssl"), &text.text).expect("written");
    run(
        dir.path(),
        &["diff", "alone.ssl", "mine.ssl", "--set", "seed=3"],
    )
    .ends(0);
    run(dir.path(), &["fmt", "--check", "alone.ssl"]).ends(0);
    run(dir.path(), &["emit", "tokens", "mine.ssl"])
        .ends(2)
        .says(&["invalid value 'tokens'", "effective"]);
}

/// Images in two class folders, or in none.
fn photos(dir: &Path, classes: bool, count: u8) {
    for class in 0..2 {
        let sub = match classes {
            true => dir.join(format!("class{class}")),
            false => dir.to_path_buf(),
        };
        std::fs::create_dir_all(&sub).expect("a folder");
        for i in 0..count / 2 {
            png(&sub.join(format!("{class}-{i}.png")), class, i);
        }
    }
}

#[test]
fn new_writes_what_check_accepts_for_every_method() {
    let dir = tempfile::tempdir().expect("a folder");
    photos(&dir.path().join("photos"), true, 100);
    let listed = run(dir.path(), &["new", "--list"]);
    let methods: Vec<&str> = listed
        .ends(0)
        .text
        .lines()
        .filter(|l| !l.starts_with(' '))
        .filter_map(|l| l.split(':').next())
        .collect();
    assert!(methods.len() > 10, "{methods:?}");
    for method in methods {
        // Where several pipelines could be meant, the first is taken.
        let out = format!("{method}.ssl");
        run(
            dir.path(),
            &["new", &out, "--method", method, "--data", "photos"],
        )
        .ends(0)
        .says(&["wrote", "steps of 16 images", "sslc run"]);
        let checked = run(dir.path(), &["check", &out]);
        checked.ends(0).says(&[": fine, "]);
        assert!(!checked.text.contains("warning"), "{}", checked.text);
        run(dir.path(), &["fmt", "--check", &out]).ends(0);
        let text = std::fs::read_to_string(dir.path().join(&out)).expect("a text");
        assert!(text.contains(&format!("use std.{method}\n")), "{text}");
        assert!(text.contains("image_folder(\"photos\")"), "{text}");
        assert!(text.lines().count() < 40, "{text}");
    }
}

#[test]
fn new_overwrites_nothing_and_writes_nothing_wrong() {
    let dir = tempfile::tempdir().expect("a folder");
    photos(&dir.path().join("photos"), false, 60);
    let new =
        |more: &[&str]| -> Done { run(dir.path(), &[&["new", "--data", "photos"], more].concat()) };
    let small = [
        "--method",
        "byol",
        "--backbone",
        "resnet18",
        "--epochs",
        "3",
        "--batch",
        "20",
    ];
    new(&small)
        .ends(0)
        .says(&["wrote mine.ssl", "9 steps of 20 images"]);
    let text = std::fs::read_to_string(dir.path().join("mine.ssl")).expect("a text");
    for line in [
        "encoder.backbone.depth = 18",
        "drop eval.knn",
        "epochs = 3",
        "warmup(10%)",
    ] {
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(line), "no `{line}` in {text}");
    }
    run(dir.path(), &["check", "mine.ssl"]).ends(0);
    new(&small)
        .ends(2)
        .says(&["`mine.ssl` is there already", "sslc new FILE"]);
    assert_eq!(
        text,
        std::fs::read_to_string(dir.path().join("mine.ssl")).expect("a text")
    );
    // A patch of no size divides it, and the decoder takes no ResNet.
    new(&["no.ssl", "--method", "mae", "--backbone", "resnet50"])
        .ends(1)
        .says(&["error[ssl::", "nothing was written"]);
    assert!(!dir.path().join("no.ssl").exists());
    new(&["--method", "simclrr"])
        .ends(2)
        .says(&["did you mean `simclr`?"]);
    new(&["--method", "mocov3", "--backbone", "vitt"])
        .ends(2)
        .says(&["choose from `vit_small`"]);
    run(dir.path(), &["new", "--method", "mocov3"])
        .ends(2)
        .says(&["which images?", "--data FOLDER"]);
    run(
        dir.path(),
        &["new", "--method", "mocov3", "--data", "nowhere"],
    )
    .ends(2)
    .says(&["the folder `nowhere` does not exist"]);
}

#[test]
fn new_asks_for_what_is_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    photos(&dir.path().join("photos"), true, 100);
    let ask = |lines: &str| -> Done {
        let mut child = sslc(dir.path())
            .args(["new", "--ask"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(lines.as_bytes()).expect("written");
        drop(input);
        child.wait_with_output().expect("it ends").into()
    };
    ask("mocov3\nresnet50\nnowhere\nphotos\nasked.ssl\n\nmany\n10\n200\n")
        .ends(0)
        .says(&[
            "Backbone [vit_small]",
            "the folder `nowhere` does not exist",
            "100 images, in class folders",
            "Side of a view in pixels [32]",
            "type a whole number from 1",
            "wrote asked.ssl 2,000 steps of 10 images",
        ]);
    run(dir.path(), &["check", "asked.ssl"]).ends(0);
    ask("mocov3\n").ends(2).says(&["nothing was written"]);
}
