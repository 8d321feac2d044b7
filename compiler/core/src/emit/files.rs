//! All files of a compilation, with what each imports and defines.

use std::fmt::Write;

use crate::Compilation;
use crate::print::dotted;
use crate::program::Unit;

/// One block for each file, in the order in which they were read.
pub(super) fn text(compilation: &Compilation) -> String {
    let program = &compilation.program;
    let name = |unit: &Unit| {
        let file = compilation.map.file_of(unit.extent());
        file.map_or("?", |f| f.name.as_ref()).to_owned()
    };
    let mut out = String::new();
    let w = &mut out;
    for unit in program.units() {
        let _ = writeln!(w, "file {}", name(unit));
        for (local, target) in program.imports(unit) {
            let _ = writeln!(w, "  use {local} = {}", name(target));
        }
        for pipeline in unit.pipelines.values() {
            let _ = write!(w, "  pipeline {}", pipeline.name.name);
            if let Some(path) = &pipeline.extends {
                let base = program.pipeline(path);
                let place = base.and_then(|b| compilation.map.place(b.name.span));
                let place = place.map_or("not found".into(), |(f, l, c)| format!("{f}:{l}:{c}"));
                let _ = write!(w, " extends {} at {place}", dotted(path));
            }
            let _ = writeln!(w);
        }
        for sweep in unit.sweeps.values() {
            let _ = writeln!(w, "  sweep {} of {}", sweep.name.name, dotted(&sweep.of));
        }
        for function in unit.functions() {
            let params = function.params.iter().map(|p| {
                let ty = p.ty.as_ref().map(|t| compilation.map.text(t.span));
                let ty = ty.map_or(String::new(), |t| format!(": {t}"));
                format!("{}{ty}", p.name.name)
            });
            let params: Vec<String> = params.collect();
            let result = function
                .result
                .as_ref()
                .map(|t| compilation.map.text(t.span));
            let result = result.map_or(String::new(), |t| format!(" -> {t}"));
            let _ = writeln!(
                w,
                "  fn {}({}){result}",
                function.name.name,
                params.join(", ")
            );
        }
    }
    out
}
