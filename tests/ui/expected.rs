//! What the loss can come to: the values of the methods that papers and
//! reference code state, derived from their text alone.

mod bench;

use bench::Bench;
use ssl_core::{Demand, Request, STD};
use ssl_plan::Plan;

fn plan(module: &str, pipeline: &str, set: &[&str]) -> Plan {
    let text = format!(
        "use std.{module}\n\npipeline mine extends {module}.{pipeline} {{\n  train.seed = 1\n}}\n"
    );
    let request = Request {
        path: "mine.ssl".into(),
        pipeline: Some("mine".into()),
        set: set.iter().map(|s| (*s).to_owned()).collect(),
        demand: Demand::Run,
        ..Request::default()
    };
    let out = ssl_core::compile(&request, &Bench(|_: &std::path::Path| Some(text.clone())));
    out.plan.expect("the library compiles")
}

#[test]
fn print() {
    for (module, text) in STD {
        for line in text.lines().filter(|l| l.starts_with("pipeline ")) {
            let name = line.split(' ').nth(1).unwrap();
            let p = plan(module, name, &[]);
            let e = &p.expected;
            println!(
                "{module}.{name}: {:?} {:?} {:?}",
                e.collapsed.as_ref().map(|s| (s.at(0.0), s.at(1e9))),
                e.least.as_ref().map(|s| (s.value.at(0.0), s.value.at(1e9))),
                e.least.as_ref().map(|l| l.exact)
            );
        }
    }
}
