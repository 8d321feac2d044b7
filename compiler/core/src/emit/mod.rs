//! Every stage between the text and the Plan, as text for a reader.

mod effective;
mod files;
mod functions;
mod graph;
mod tree;
mod typed;

use crate::Compilation;

/// A stage of the compiler, in the order of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The tree of the file that was named, nothing resolved.
    Ast,
    /// All files with what they import and define.
    Hir,
    /// The pipeline as one self-contained text.
    Effective,
    /// Every value with its origin; views, nets and data with their shapes.
    Typed,
    /// What a step computes, one line for each node.
    Graph,
    /// The Plan, as JSON.
    Plan,
}

/// Every stage with its name and what it prints.
pub const STAGES: [(&str, Stage, &str); 6] = [
    ("ast", Stage::Ast, "the tree of the file, nothing resolved"),
    (
        "hir",
        Stage::Hir,
        "every file with what it imports and defines",
    ),
    (
        "effective",
        Stage::Effective,
        "the pipeline as one self-contained .ssl text: extends, drop and --set applied",
    ),
    (
        "typed",
        Stage::Typed,
        "every value with its origin; views and nets with their shapes",
    ),
    (
        "graph",
        Stage::Graph,
        "what a step computes, one line for each node",
    ),
    ("plan", Stage::Plan, "the Plan that is run, as JSON"),
];

/// A stage as text; `None` where the compilation did not come that far, which
/// its diagnostics explain. The Plan is data: its JSON is the caller's.
pub fn emit(compilation: &Compilation, stage: Stage) -> Option<String> {
    match stage {
        Stage::Ast => tree::text(compilation),
        Stage::Hir => Some(files::text(compilation)),
        Stage::Effective => effective::text(compilation),
        Stage::Typed => typed::text(compilation),
        Stage::Graph => Some(graph::text(&compilation.plan.as_ref()?.recipe)),
        Stage::Plan => None,
    }
}
