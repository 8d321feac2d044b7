//! The standard library: every pipeline of every module is checked as a user
//! has it, by extending it, and raises nothing.

mod bench;

use bench::Bench;
use ssl_core::{Compilation, Demand, Request, STD};
use ssl_diagnostics::render_short;

fn compile(text: &str, pipeline: Option<&str>) -> Compilation {
    let request = Request {
        path: "mine.ssl".into(),
        pipeline: pipeline.map(str::to_owned),
        set: Vec::new(),
        demand: Demand::Run,
    };
    ssl_core::compile(
        &request,
        &Bench(|_: &std::path::Path| Some(text.to_owned())),
    )
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
