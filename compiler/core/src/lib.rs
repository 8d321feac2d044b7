//! The compiler: from the tree to the Plan.
//!
//! `Source -> Ast -> Effective -> checked sections -> Graph -> Plan`. Every
//! stage returns what it could understand together with what was wrong, so
//! that one mistake never hides another. The crate does no IO: files,
//! environment variables and data sets are seen through [`World`].

mod allow;
mod check;
pub mod compare;
pub mod draft;
pub mod emit;
mod estimate;
mod functions;
mod library;
mod memory;
mod mend;
pub mod merge;
mod names;
mod print;
mod program;
mod scene;
mod schema;
mod shapes;
mod sweep;
mod table;
mod text;
mod value;
mod walk;
mod whole;
pub mod why;
mod wiring;
mod world;

pub use estimate::{parameters_of, total_parameters};
pub use library::{Method, methods, sentence};
pub use memory::size;
pub use mend::{Mended, mend_file};
pub use names::nearest;
pub use program::STD;
pub use sweep::{Sweep, Variant};
pub use value::thousands;
pub use whole::{Whole, check_file};
pub use world::{DatasetInfo, Demand, RecordedInfo, World, WorldError};

use std::path::PathBuf;

use ssl_diagnostics::{Diagnostic, FileId, Severity, SourceMap};
use ssl_plan::{Plan, Resolved};

use crate::table::HashSet;

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
    /// Every value that could be resolved, also where there is no plan.
    pub values: Vec<Resolved>,
    /// The file that was named.
    pub(crate) file: Option<FileId>,
    /// The folder that relative paths start from.
    pub(crate) here: PathBuf,
    /// All files with what they define.
    pub(crate) program: program::Program,
    /// The pipeline, merged.
    pub(crate) effective: Option<merge::Effective>,
}

impl Compilation {
    /// Whether anything was wrong enough to stop.
    pub fn failed(&self) -> bool {
        failed(&self.diagnostics)
    }
}

fn failed(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}

/// Compiles one pipeline of a file.
pub fn compile(request: &Request, world: &dyn World) -> Compilation {
    let mut out = Compilation {
        map: SourceMap::new(),
        diagnostics: Vec::new(),
        plan: None,
        pipelines: Vec::new(),
        sweeps: Vec::new(),
        values: Vec::new(),
        file: None,
        here: world.absolute(std::path::Path::new(".")),
        program: program::Program::default(),
        effective: None,
    };
    let Some(mut text) = text::Text::load(request, world, &mut out.map, &mut out.diagnostics)
    else {
        return out;
    };
    out.pipelines = text.pipelines();
    out.sweeps = text.sweeps(&out.map);
    let sets = text.sets(&request.set, &mut out.map);
    let of_file = std::mem::take(&mut text.diagnostics);
    let one = text.one(request, world, &out.map, &sets);
    out.diagnostics = one.allowed(of_file);
    out.diagnostics.extend(one.diagnostics);
    in_order(&mut out.diagnostics);
    out.plan = one.plan;
    out.values = one.values;
    out.effective = one.effective;
    out.file = Some(text.file);
    out.program = text.program;
    if out.failed() {
        out.plan = None;
    }
    out
}

/// By place, the worst of a place first, equal ones once.
fn in_order(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by_key(|d| (d.span().unwrap_or_default(), std::cmp::Reverse(d.severity)));
    // A function's body is judged for itself and at every call.
    let mut seen = HashSet::default();
    diagnostics.retain(|d| seen.insert((d.code, d.message.clone(), d.span())));
}
