//! Every pipeline of the standard library trains: twenty steps on the embedded
//! digits, with its loss finite and all its nets moving.
//!
//! The methods are trained as they are; pipelines of the papers' size have
//! their networks shrunk first, layer by layer, by what their own plan says.

#[path = "../support/bench.rs"]
mod bench;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench::planned;
use safetensors::SafeTensors;
use ssl_core::STD;
use ssl_plan::{Module, NetKind, Plan};
use support::{losses, run_on_one_core};

const STEPS: usize = 20;

/// A pipeline of the user's over one of the library's.
fn mine(module: &str, pipeline: &str) -> String {
    let head = format!("use std.{module}\n\npipeline mine extends {module}.{pipeline} {{\n");
    if pipeline.ends_with("digits") {
        return head + "  drop eval.knn\n  data.batch = 48\n}\n";
    }
    head + "  drop data.samples, eval.knn\n  data {\n    source = digits()\n    batch  = 16\n  }\n}\n"
}

/// What makes a plan of any size one of seconds.
fn shrunk(plan: &Plan) -> Vec<String> {
    let mut out: Vec<String> = ["train.precision=float32", "data.batch=16"]
        .map(str::to_owned)
        .into();
    for (param, small) in [
        ("image", 8),
        ("local_image", 4),
        ("locals", 2),
        ("patch", 2),
    ] {
        if plan.values.iter().any(|v| v.path == param) {
            out.push(format!("{param}={small}"));
        }
    }
    for net in &plan.recipe.nets {
        let NetKind::Stages { stages } = &net.kind else {
            continue;
        };
        for stage in stages {
            let path = match &stage.name {
                Some(stage) => format!("{}.{stage}", net.name),
                None => net.name.clone(),
            };
            let small = |width: usize| width.min(32);
            let sizes: Vec<String> = match &stage.module {
                Module::Vit(_) => ["patch=2", "dim=32", "depth=1", "heads=4"]
                    .map(Into::into)
                    .into(),
                Module::VitDecoder(_) => ["dim=32", "depth=1", "heads=4"].map(Into::into).into(),
                Module::Resnet(r) if r.selective_kernel => {
                    ["depth=50", "width=1"].map(Into::into).into()
                }
                Module::Resnet(_) => ["depth=18", "width=1"].map(Into::into).into(),
                Module::Convnext(_) => vec!["size=tiny".into(), "patch=1".into()],
                Module::Mlp(m) => {
                    let widths: Vec<usize> = m.layers.iter().map(|l| small(l.output)).collect();
                    vec![format!("widths={widths:?}")]
                }
                Module::Linear(l) => vec![format!("width={}", small(l.output))],
                Module::Prototypes { count, .. } => vec![format!("count={}", small(*count))],
                Module::L2Normalize { .. } => Vec::new(),
            };
            out.extend(sizes.iter().map(|size| format!("{path}.{size}")));
        }
    }
    out
}

/// The trained tensors of a checkpoint by key.
fn tensors(run: &Path, step: usize) -> BTreeMap<String, Vec<u8>> {
    let folder = run.join("checkpoints").join(format!("step-{step:06}"));
    let bytes = std::fs::read(folder.join("nets.safetensors")).expect("a checkpoint");
    let file = SafeTensors::deserialize(&bytes).expect("tensors");
    file.tensors()
        .into_iter()
        .map(|(key, tensor)| (key, tensor.data().to_vec()))
        .collect()
}

/// Trains a pipeline; what is wrong with it.
fn trains(module: &str, pipeline: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().expect("a folder");
    let text = mine(module, pipeline);
    let plan = planned(&text, &[]);
    std::fs::write(dir.path().join("mine.ssl"), &text).expect("a file");
    let mut set: Vec<String> = [
        "train.schedule=constant(optimizer.lr)",
        "train.checkpoint=19 steps",
    ]
    .map(str::to_owned)
    .into();
    set.push(format!("train.steps={STEPS}"));
    for net in &plan.recipe.nets {
        let NetKind::Stages { stages } = &net.kind else {
            continue;
        };
        for stage in stages.iter().filter(|s| s.frozen_steps > 0) {
            let stage = stage.name.as_deref().unwrap_or_default();
            set.push(format!("{}.{stage}.frozen=2 steps", net.name));
        }
    }
    if !pipeline.ends_with("digits") {
        set.extend(shrunk(&plan));
    }
    if plan.values.iter().any(|v| v.path == "length") {
        set.push("length=96".into());
    }
    let mut args = vec![
        "run", "mine.ssl", "--out", "r", "--device", "cpu", "--quiet",
    ];
    for s in &set {
        args.extend(["--set", s]);
    }
    let done = run_on_one_core(dir.path(), &args);
    if done.code != 0 {
        return Err(done.text);
    }
    let out = dir.path().join("r");
    let losses = losses(&out);
    if losses.len() != STEPS || losses.iter().any(|l| !l.is_finite()) {
        return Err(format!("losses {losses:?}"));
    }
    let (first, last) = (tensors(&out, STEPS - 1), tensors(&out, STEPS));
    for net in &plan.recipe.nets {
        let own = format!("{}.", net.name);
        let moved = first
            .iter()
            .any(|(key, value)| key.starts_with(&own) && last.get(key) != Some(value));
        if !moved {
            return Err(format!("`{}` has not moved", net.name));
        }
    }
    Ok(())
}

#[test]
fn every_pipeline_of_the_library_trains() {
    let mut all: Vec<(&str, &str)> = Vec::new();
    for (module, text) in STD {
        let names = text.lines().filter_map(|l| l.strip_prefix("pipeline "));
        all.extend(names.filter_map(|l| Some((*module, l.split_whitespace().next()?))));
    }
    assert!(all.len() > 30, "only {}", all.len());
    // A small network keeps one core busy.
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some((module, pipeline)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(fault) = trains(module, pipeline) {
                let fault = format!("std.{module}, {pipeline}: {fault}");
                wrong.lock().expect("no one panics").push(fault);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().expect("no one panics");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
