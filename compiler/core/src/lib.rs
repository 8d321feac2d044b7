//! The compiler: from the tree to the Plan.
//!
//! `Source -> Ast -> Effective -> checked sections -> Graph -> Plan`. Every
//! stage returns what it could understand together with what was wrong, so
//! that one mistake never hides another. The crate does no IO: files,
//! environment variables and data sets are seen through [`World`].

mod check;
mod estimate;
mod memory;
pub mod merge;
mod names;
mod program;
mod scene;
mod schema;
mod shapes;
mod sweep;
mod value;
mod world;

pub use estimate::{parameters_of, total_parameters};
pub use memory::size;
pub use program::STD;
pub use sweep::{Sweep, Variant};
pub use world::{DatasetInfo, Demand, RecordedInfo, World, WorldError};

use std::path::PathBuf;

use ssl_diagnostics::{Code, Diagnostic, FileId, Severity, SourceMap};
use ssl_plan::Plan;

/// What is compiled.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The file.
    pub path: PathBuf,
    /// Which pipeline, where the file has several.
    pub pipeline: Option<String>,
    /// `--set` arguments, applied in order after everything else.
    pub set: Vec<String>,
    /// Whether the data must be there.
    pub demand: Demand,
    /// Bytes that the device that trains has; a plan that takes more is an
    /// error.
    pub memory: Option<u64>,
}

/// What a compilation gives.
#[derive(Debug)]
pub struct Compilation {
    /// Every text that was read.
    pub map: SourceMap,
    /// What was wrong, in order of place.
    pub diagnostics: Vec<Diagnostic>,
    /// The run, where there was no error and the data is known.
    pub plan: Option<Plan>,
    /// Names of the file's pipelines.
    pub pipelines: Vec<String>,
    /// The file's sweeps, unrolled.
    pub sweeps: Vec<Sweep>,
}

impl Compilation {
    /// Whether anything was wrong enough to stop.
    pub fn failed(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }
}

/// Compiles one pipeline of a file.
pub fn compile(request: &Request, world: &dyn World) -> Compilation {
    let mut out = Compilation {
        map: SourceMap::new(),
        diagnostics: Vec::new(),
        plan: None,
        pipelines: Vec::new(),
        sweeps: Vec::new(),
    };
    let name = request.path.display().to_string();
    let text = match world.read(&request.path) {
        Ok(text) => text,
        Err(e) => {
            out.diagnostics.push(
                Diagnostic::error(
                    Code::FILE,
                    format!("`{name}` cannot be read: {}", e.message),
                )
                .maybe_help(e.help),
            );
            return out;
        }
    };
    let Some(file) = out.map.add(name, text) else {
        out.diagnostics.push(Diagnostic::error(
            Code::FILE,
            "the file is larger than 4 GiB",
        ));
        return out;
    };
    let program = program::load(
        world,
        &mut out.map,
        file,
        &request.path,
        &mut out.diagnostics,
    );
    let sets: Vec<(FileId, String)> = request
        .set
        .iter()
        .filter_map(|s| Some((out.map.add("--set", s.as_str())?, s.clone())))
        .collect();
    out.pipelines = program
        .root()
        .map(|r| r.pipelines.keys().cloned().collect())
        .unwrap_or_default();

    let trees = program.root().into_iter().flat_map(|r| r.sweeps.values());
    out.sweeps = trees
        .filter_map(|tree| sweep::unroll(&out.map, tree, &mut out.diagnostics))
        .collect();

    let broken = out.failed();
    let effective = merge::effective(
        &out.map,
        &program,
        request.pipeline.as_deref(),
        &sets,
        &mut out.diagnostics,
    );
    if let Some(effective) = effective {
        let source = check::Source {
            map: &out.map,
            effective: &effective,
            program: &program,
            demand: request.demand,
        };
        let (plan, diagnostics) = check::check(source, world, broken);
        out.diagnostics.extend(diagnostics);
        out.plan = plan;
    }
    if !out.failed() {
        memory::judge(&mut out, request, world);
    }
    out.diagnostics
        .sort_by_key(|d| (d.span().unwrap_or_default(), std::cmp::Reverse(d.severity)));
    out.diagnostics.dedup();
    if out.failed() {
        out.plan = None;
    }
    out
}
