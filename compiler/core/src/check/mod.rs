//! From the merged pipeline to the Plan: every value is typed, every shape
//! inferred, every reference resolved.

mod accumulation;
mod args;
mod coerce;
mod collapse;
mod data;
mod describe;
mod eval;
mod graph;
mod judge;
mod loose;
mod nets;
mod plan;
mod redundant;
mod refer;
mod schedule;
mod side;
mod train;
mod usual;
mod views;

use ssl_diagnostics::{Code, Diagnostic, SourceMap, Span};
use ssl_plan::{Origin, Plan, Resolved};

use crate::merge::{Effective, Layer, Setting};
use crate::program::Program;
use crate::table::{HashMap, HashSet, IndexMap, IndexSet};
use crate::value::Value;
use crate::{Demand, World};

pub(crate) use args::fallback;
pub use collapse::Losses;
pub use graph::operations;
pub use plan::check;

/// What a check gives.
pub struct Checked {
    /// The run, where it could be understood whole.
    pub plan: Option<Plan>,
    /// Every value that could be resolved.
    pub values: Vec<Resolved>,
    /// What was wrong.
    pub diagnostics: Vec<Diagnostic>,
}

/// What is checked.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Every text.
    pub map: &'a SourceMap,
    /// The pipeline.
    pub effective: &'a Effective,
    /// All files, to find what a name stands for.
    pub program: &'a Program,
    /// Whether the data must be there.
    pub demand: Demand,
    /// Whether more than a verdict is asked for: values and where they come
    /// from, documentation, memory, cost, expected losses.
    pub details: bool,
    /// What is known of losses from other pipelines of the file.
    pub losses: &'a Losses,
}

/// The state of a check: what is known, what was wrong, what was resolved.
pub struct Checker<'a> {
    source: Source<'a>,
    world: &'a dyn World,
    diagnostics: IndexSet<Diagnostic>,
    /// Every resolved value with its origin, for the plan, by its path.
    values: IndexMap<String, Resolved>,
    /// Values of constants and fields that were asked for by path; `None` for
    /// one that is wrong, and for one under evaluation.
    known: HashMap<String, Option<Value>>,
    /// Paths under evaluation, to find circles.
    open: IndexSet<String>,
    /// Steps in an epoch, once the data is known.
    pace: Option<usize>,
    /// Constants that something reads.
    read: HashSet<String>,
    /// Functions that the step calls, with their documentation.
    called: IndexMap<String, Vec<String>>,
}

impl<'a> Checker<'a> {
    fn new(source: Source<'a>, world: &'a dyn World) -> Self {
        Checker {
            source,
            world,
            diagnostics: IndexSet::default(),
            values: IndexMap::default(),
            known: HashMap::default(),
            open: IndexSet::default(),
            pace: None,
            read: HashSet::default(),
            called: IndexMap::default(),
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.insert(diagnostic);
    }

    fn error(&mut self, code: Code, message: impl Into<String>, at: Span, label: &str) {
        self.report(Diagnostic::error(code, message).at(at, label));
    }

    /// The place of a name within a path: of `batch` in `data.batch`.
    fn segment(&self, path: Span, name: &str) -> Span {
        let text = self.source.map.text(path);
        let mut at = 0;
        for part in text.split('.') {
            if part.trim() == name {
                let blank = part.len() - part.trim_start().len();
                let start = path.start + u32::try_from(at + blank).unwrap_or(0);
                let length = u32::try_from(name.len()).unwrap_or(0);
                return Span::new(start, start + length);
            }
            at += part.len() + 1;
        }
        path
    }

    /// Writes a resolved value down: its path as its parts, and where it came
    /// from.
    fn record(
        &mut self,
        path: &[&str],
        value: &impl ToString,
        origin: impl FnOnce(&Self) -> Origin,
    ) {
        if !self.source.details {
            return;
        }
        let path = path.join(".");
        if !self.values.contains_key(&path) {
            let resolved = Resolved {
                path: path.clone(),
                value: value.to_string(),
                origin: origin(self),
                docs: Vec::new(),
                declared: None,
            };
            self.values.insert(path, resolved);
        }
    }

    /// Where a setting came from.
    fn origin(&self, setting: &Setting) -> Origin {
        self.origin_at(setting.expr.span, &setting.layer)
    }

    fn origin_at(&self, span: Span, layer: &Layer) -> Origin {
        match layer {
            Layer::Set(text) => Origin::Set { text: text.clone() },
            Layer::Pipeline(name) => match self.source.map.place(span) {
                Some((file, line, column)) => Origin::File {
                    file: file.to_string(),
                    line,
                    column,
                    pipeline: Some(name.to_string())
                        .filter(|n| *n != self.source.effective.name.name),
                },
                None => Origin::Default,
            },
        }
    }
}
