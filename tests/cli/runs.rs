//! Runs: what they leave, that nothing but the recipe decides the numbers,
//! and that an interruption costs nothing.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::{example, losses, metrics, run, sslc};

/// A short run on the digits.
const SHORT: [&str; 4] = [
    "--set",
    "train.epochs=2",
    "--set",
    "train.checkpoint=4 steps",
];

fn digits(dir: &Path, out: &str, more: &[&str]) -> crate::support::Done {
    let file = example("mocov3_digits.ssl").display().to_string();
    let mut args = vec!["run", file.as_str(), "--out", out, "--device", "cpu"];
    args.extend(SHORT);
    args.extend(more);
    run(dir, &args)
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("weights/nets.safetensors")).expect("the run has weights")
}

#[test]
fn a_run_leaves_everything_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    digits(dir.path(), "a", &[]).ends(0).says(&[
        "kNN accuracy of `encoder.backbone` went from",
        "on 597 held-out images",
        "weights/encoder.backbone.safetensors",
    ]);
    let at = |name: &str| dir.path().join("a").join(name);
    for file in [
        "source.ssl",
        "plan.json",
        "metrics.jsonl",
        "report.json",
        "curve.svg",
    ] {
        assert!(at(file).is_file(), "{file} is missing");
    }
    assert_eq!(
        std::fs::read(at("source.ssl")).expect("the source"),
        std::fs::read(example("mocov3_digits.ssl")).expect("the example")
    );
    assert_eq!(losses(&at("")).len(), 10);
    let evals = metrics(&at(""), "eval");
    assert_eq!(evals.len(), 2);
    // timm's names, ready for `load_state_dict`.
    let bytes = std::fs::read(at("weights/encoder.backbone.safetensors")).expect("weights");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let qkv = tensors
        .tensor("blocks.0.attn.qkv.weight")
        .expect("timm's name");
    assert_eq!(qkv.shape(), [192, 64]);
    assert!(tensors.tensor("patch_embed.proj.weight").is_ok());
    let svg = std::fs::read_to_string(at("curve.svg")).expect("a picture");
    assert!(svg.starts_with("<svg") && svg.contains("kNN"), "{svg}");

    // The first step's rate is 0: MoCo v3 warms up from nothing.
    assert_eq!(metrics(&at(""), "step")[0]["lr"], 0.0);
    // A second run takes another folder rather than write over the first.
    digits(dir.path(), "a", &[])
        .ends(2)
        .says(&["already holds a run", "--resume"]);
}

#[test]
fn workers_change_nothing_and_the_seed_does() {
    let dir = tempfile::tempdir().expect("a folder");
    digits(dir.path(), "one", &["--workers", "1"]).ends(0);
    digits(dir.path(), "three", &["--workers", "3"]).ends(0);
    digits(dir.path(), "other", &["--set", "seed=1"]).ends(0);
    let at = |name: &str| dir.path().join(name);
    assert_eq!(losses(&at("one")), losses(&at("three")));
    assert_eq!(weights(&at("one")), weights(&at("three")));
    assert_ne!(losses(&at("one")), losses(&at("other")));
}

/// Waits until a run has written so many steps.
fn wait_for_step(run: &Path, steps: usize, child: &mut Child) {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        if text
            .lines()
            .filter(|l| l.contains("\"kind\":\"step\""))
            .count()
            >= steps
        {
            return;
        }
        assert!(
            child.try_wait().expect("a child").is_none(),
            "the run ended too soon"
        );
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "the run does not get on"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, name: &str) {
    let done = std::process::Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(done.expect("kill runs").success());
}

#[test]
fn an_interrupted_run_goes_on_as_if_nothing_had_been() {
    let dir = tempfile::tempdir().expect("a folder");
    let long = ["--set", "train.epochs=6"];
    digits(dir.path(), "whole", &long).ends(0);

    let file = example("mocov3_digits.ssl").display().to_string();
    let mut args = vec!["run", file.as_str(), "--out", "parts", "--device", "cpu"];
    args.extend(SHORT);
    args.extend(long);
    let mut child = sslc(dir.path())
        .args(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let parts = dir.path().join("parts");
    wait_for_step(&parts, 5, &mut child);
    signal(&child, "INT");
    let first: crate::support::Done = child.wait_with_output().expect("it ends").into();
    first
        .ends(130)
        .says(&["stopped after step", "go on with: sslc run --resume parts"]);

    run(dir.path(), &["run", "--resume", "parts", "--device", "cpu"])
        .ends(0)
        .says(&["going on from"]);
    let whole = dir.path().join("whole");
    assert_eq!(losses(&whole), losses(&parts));
    assert_eq!(weights(&whole), weights(&parts));
    assert_eq!(metrics(&whole, "eval")[1], metrics(&parts, "eval")[1]);
}

#[test]
fn a_scheduler_gets_its_own_exit_code() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = example("mocov3_digits.ssl").display().to_string();
    let mut child = sslc(dir.path())
        .args(["run", &file, "--out", "r", "--device", "cpu"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    wait_for_step(&dir.path().join("r"), 1, &mut child);
    signal(&child, "TERM");
    crate::support::Done::from(child.wait_with_output().expect("it ends"))
        .ends(85)
        .says(&["go on with: sslc run --resume r"]);
}

#[test]
fn a_checkpoint_of_another_plan_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    digits(dir.path(), "r", &[]).ends(0);
    let before = weights(&dir.path().join("r"));
    digits(dir.path(), "r", &["--resume", "--set", "weight_decay=0.5"])
        .ends(2)
        .says(&[
            "saved by another recipe",
            "train.optimizer.weight_decay",
            "`0.05` there and `0.5` here",
        ]);
    assert_eq!(before, weights(&dir.path().join("r")));
}

/// Packed shards stand in the run by their fingerprint; it goes on with no
/// others, but with another cache.
#[test]
fn a_run_on_packed_shards_goes_on_with_no_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    let file = example("mocov3_digits.ssl").display().to_string();
    let pack = |out: &str, more: &[&str]| {
        let mut args = vec!["pack", file.as_str(), "--out", out];
        args.extend(more);
        run(at, &args).ends(0);
        let text = std::fs::read(at.join(out).join("pack.json")).expect("packed");
        let packed: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        packed["fingerprint"].as_str().expect("a text").to_owned()
    };
    let fingerprint = pack("p", &["--decoded"]);
    let source =
        "data.source=webdataset(\"p/train-*.tar\", label: \"class\", test: \"p/test-*.tar\")";
    let with = |more: &[&str]| {
        let all = ["--set", source, "--set", "decode=fast"];
        digits(at, "r", &[&all, more].concat())
    };
    with(&[]).ends(0);
    let plan = std::fs::read(at.join("r/plan.json")).expect("a plan");
    let plan: serde_json::Value = serde_json::from_slice(&plan).expect("JSON");
    let data = &plan["recipe"]["data"];
    assert_eq!(data["packs"][0]["fingerprint"], fingerprint.as_str());
    assert_eq!(data["decode"], "fast");
    let shown = ["plan", file.as_str(), "--set", source];
    run(at, &shown)
        .ends(0)
        .says(&["decoded, fingerprint", &fingerprint[..16]]);
    with(&[
        "--resume",
        "--set",
        "data.cache=0",
        "--set",
        "stall_limit=5 min",
    ])
    .ends(0);

    let other = pack("q", &["--quality", "80"]);
    std::fs::rename(at.join("p"), at.join("old")).expect("moved");
    std::fs::rename(at.join("q"), at.join("p")).expect("moved");
    run(at, &["run", "--resume", "r"]).ends(65).says(&[
        "the plan was made for pack",
        &fingerprint[..16],
        &other[..16],
    ]);
    with(&["--resume"])
        .ends(2)
        .says(&["another recipe", "data.packs[0].fingerprint"]);
}

#[test]
fn a_sweep_runs_each_variant_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let digits = example("mocov3_digits.ssl").display().to_string();
    let text = format!(
        "use \"{digits}\" as digits\n\npipeline short extends digits.mocov3_digits {{\n  train.epochs = 1\n}}\n\n\
         sweep two of short {{\n  vary decay in [0, 0.9]\n}}\n"
    );
    std::fs::write(dir.path().join("s.ssl"), text).expect("written");
    let args = ["sweep", "s.ssl", "--out", "r", "--device", "cpu"];
    run(dir.path(), &[&args[..], &["--dry-run"]].concat())
        .ends(0)
        .says(&[
            "decay=0.9 5 1,200 594,752",
            "2 runs, 10 steps, 2,400 images through the views",
        ]);
    assert!(!dir.path().join("r").exists());
    run(dir.path(), &args)
        .ends(0)
        .says(&["[1/2] decay=0", "[2/2] decay=0.9", "effective rank"]);
    let read = |name: &str| std::fs::read_to_string(dir.path().join("r").join(name));
    let table = read("comparison.txt").expect("the table");
    assert_eq!(table.lines().count(), 3, "{table}");
    let best: Vec<&str> = table.lines().filter(|l| l.ends_with("  best")).collect();
    assert_eq!(best.len(), 1, "{table}");
    let svg = read("comparison.svg").expect("the picture");
    assert!(
        svg.contains("decay = 0.9</text>") && svg.contains(">best</text>"),
        "{svg}"
    );
    // A curve of the loss for each variant, a line in the list for each, and
    // dots before and after.
    assert_eq!(svg.matches("<path class=\"c1").count(), 3, "{svg}");
    assert_eq!(svg.matches("<circle").count(), 4, "{svg}");
    let before = weights(&dir.path().join("r/decay=0.9"));
    let again = run(dir.path(), &args);
    again.ends(0).says(&["decay=0.9"]);
    assert!(!again.text.contains("[1/2]"), "{}", again.text);
    assert_eq!(before, weights(&dir.path().join("r/decay=0.9")));
    // A finished run of another recipe is not passed off as this one.
    run(dir.path(), &[&args[..], &["--set", "seed=5"]].concat())
        .ends(2)
        .says(&["holds a run of another recipe"]);
}

#[test]
fn a_bench_takes_the_steps_of_a_run_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = example("mocov3_digits.ssl").display().to_string();
    let bench = |more: &[&str]| {
        let always = ["bench", &file, "--device", "cpu", "--json", "--quiet"];
        run(dir.path(), &[&always[..], &SHORT, more].concat())
    };
    let done = bench(&["--steps", "2", "--warm-up", "1"]);
    done.ends(0);
    let told: serde_json::Value = serde_json::from_str(&done.text).expect("figures");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);

    let steps = told["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 2);
    let shares = told["shares"].as_array().expect("shares");
    let names: Vec<_> = shares
        .iter()
        .map(|s| s[0].as_str().expect("a name"))
        .collect();
    assert_eq!(
        names,
        ["data", "forward", "backward", "optimizer", "average"]
    );
    let share = |i: usize| shares[i][1].as_f64().expect("a share");
    assert!((0..5).all(|i| share(i) >= 0.0) && share(1) > 0.0 && share(2) > 0.0);
    assert!(((0..5).map(share).sum::<f64>() - 1.0).abs() < 1e-9);

    digits(dir.path(), "run", &[]).ends(0);
    let of_run = losses(&dir.path().join("run"));
    assert_eq!(
        told["loss"].as_f64().map(|l| l as f32),
        Some(of_run[2] as f32)
    );

    bench(&["--steps", "0"]).ends(2);
    bench(&["--set", "train.optimizer.lr=1e30", "--steps", "5"])
        .ends(3)
        .says(&["loss"]);
}
