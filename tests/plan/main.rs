//! What the compiler says about a plan: where its values come from, its
//! stages as text, and in what two plans differ.

#[path = "../support/bench.rs"]
mod bench;
mod compare;
mod emit;
mod why;

use std::path::{Path, PathBuf};

use bench::Bench;
use ssl_core::{Compilation, Demand, Request, STD};

/// Where examples lie.
const FOLDERS: [&str; 2] = ["examples", "examples/paper"];

/// The root of the project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compiles a text as `mine.ssl`, which may import files of `examples/`.
fn compile(text: &str, pipeline: Option<&str>, set: &[&str]) -> Compilation {
    let request = Request {
        path: "mine.ssl".into(),
        pipeline: pipeline.map(str::to_owned),
        set: set.iter().map(|s| (*s).to_owned()).collect(),
        demand: Demand::Run,
        ..Request::default()
    };
    let read = |path: &Path| match path.to_str() {
        Some("mine.ssl") => Some(text.to_owned()),
        _ => FOLDERS
            .iter()
            .find_map(|f| std::fs::read_to_string(root().join(f).join(path)).ok()),
    };
    ssl_core::compile(&request, &Bench(read))
}

/// Every pipeline of the examples and of the standard library, by name and
/// text.
fn all() -> Vec<(String, String, String)> {
    let mut texts: Vec<(String, String)> = Vec::new();
    let folders = FOLDERS.map(|f| std::fs::read_dir(root().join(f)));
    for entry in folders.into_iter().flat_map(|f| f.expect("a folder")) {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "ssl") {
            let text = std::fs::read_to_string(&path).expect("a text");
            texts.push((path.display().to_string(), text));
        }
    }
    texts.extend(
        STD.iter()
            .map(|(n, t)| (format!("std.{n}"), (*t).to_owned())),
    );
    texts.sort();
    let mut out = Vec::new();
    for (name, text) in texts {
        for pipeline in compile(&text, None, &[]).pipelines {
            out.push((name.clone(), text.clone(), pipeline));
        }
    }
    assert!(out.len() > 40, "only {} pipelines", out.len());
    out
}
