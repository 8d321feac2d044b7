//! The standard library: every pipeline of every module is checked as a user
//! has it, by extending it, and raises nothing.

#[path = "../support/bench.rs"]
mod bench;

use std::fs;
use std::path::Path;

use bench::Bench;
use ssl_core::{Compilation, Demand, Request, STD};
use ssl_diagnostics::{Code, render_short};

/// Compiles a file of `examples/paper`.
fn paper(file: &str, pipeline: Option<&str>, set: Vec<String>) -> Compilation {
    let request = Request {
        path: file.into(),
        pipeline: pipeline.map(str::to_owned),
        set,
        demand: Demand::Run,
        ..Request::default()
    };
    ssl_core::compile(
        &request,
        &Bench(|path: &Path| fs::read_to_string(path).ok()),
    )
}

/// Every experiment of the paper is checked, each variant of its sweeps too,
/// and says which figure the paper has.
#[test]
fn every_experiment_of_the_paper_is_sound() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/paper");
    let mut wrong = String::new();
    let mut checked = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let file = path.to_str().expect("a name");
        let first = paper(file, None, Vec::new());
        let text = fs::read_to_string(&path).expect("a text");
        let words: Vec<&str> = text.split_whitespace().filter(|w| *w != "///").collect();
        let figure = words.join(" ").contains("The paper: ");
        if !file.ends_with("base.ssl") && !file.ends_with("prior_art.ssl") {
            assert!(figure, "{file} has no figure of the paper");
        }
        let mut runs: Vec<(String, Compilation)> = (first.pipelines.iter())
            .map(|p| (p.clone(), paper(file, Some(p), Vec::new())))
            .collect();
        for sweep in &first.sweeps {
            for variant in &sweep.variants {
                let out = paper(file, Some(&sweep.of), variant.set.clone());
                runs.push((format!("{}, {:?}", sweep.name, variant.set), out));
            }
        }
        for (what, out) in runs {
            let said: Vec<_> = (out.diagnostics.iter())
                .filter(|d| d.code != Code::NOT_YET)
                .cloned()
                .collect();
            if !said.is_empty() || out.plan.is_none() {
                let said = render_short(&out.map, &said);
                wrong += &format!("{file}, {what}:\n{said}\n");
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(checked > 60, "only {checked} runs");
}

fn compile(text: &str, pipeline: Option<&str>) -> Compilation {
    let request = Request {
        path: "mine.ssl".into(),
        pipeline: pipeline.map(str::to_owned),
        set: Vec::new(),
        demand: Demand::Run,
        ..Request::default()
    };
    ssl_core::compile(&request, &Bench(|_: &Path| Some(text.to_owned())))
}

#[test]
fn every_pipeline_of_the_library_is_sound() {
    let mut wrong = String::new();
    let mut checked = 0;
    for (module, text) in STD {
        let pipelines = compile(text, None).pipelines;
        for pipeline in pipelines {
            let mine = format!(
                "use std.{module}\n\npipeline mine extends {module}.{pipeline} {{\n  train.seed = 1\n}}\n"
            );
            let out = compile(&mine, Some("mine"));
            let sound = out.diagnostics.is_empty() && out.plan.is_some();
            if !sound {
                let said = render_short(&out.map, &out.diagnostics);
                wrong += &format!("std.{module}, {pipeline}:\n{said}\n");
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(checked > 30, "only {checked} pipelines");
}
