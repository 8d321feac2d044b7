//! What must hold whatever a text is, when it is compiled. The tests of mutants
//! and the fuzz target share it.

#![allow(dead_code)]

use std::path::Path;

use ssl_core::{Compilation, Demand, Request};

#[path = "bench.rs"]
mod bench;
pub use bench::Bench;

#[path = "places.rs"]
mod places;

/// Compiles a text, which may import the examples.
pub fn compile(text: &str) -> Compilation {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let world = Bench(|path: &Path| match path.to_str() {
        Some("m.ssl") => Some(text.to_owned()),
        _ => std::fs::read_to_string(folder.join(path)).ok(),
    });
    let request = Request {
        path: "m.ssl".into(),
        demand: Demand::Run,
        ..Request::default()
    };
    ssl_core::compile(&request, &world)
}

/// Compiles a text: every place of the diagnostics and of their fixes lies in a
/// file, between characters; they can be shown; there is a plan where
/// there is no error, and only there. Says whether there is.
pub fn check(text: &str) -> bool {
    let compilation = compile(text);
    let map = &compilation.map;
    for diagnostic in &compilation.diagnostics {
        for span in places::of(diagnostic) {
            let file = map.file_of(span).expect("every place is in a file");
            places::assert_inside(file, span);
        }
    }
    // Drawing takes longer than all the rest.
    let shown = match text.len() % 4 {
        0 => ssl_diagnostics::render_human(map, &compilation.diagnostics, false),
        _ => ssl_diagnostics::render_short(map, &compilation.diagnostics),
    };
    assert_eq!(shown.is_empty(), compilation.diagnostics.is_empty());
    assert_eq!(compilation.failed(), compilation.plan.is_none());
    compilation.plan.is_some()
}
