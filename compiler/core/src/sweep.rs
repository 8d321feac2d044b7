//! Sweeps: one pipeline, several values. A variant is a list of `--set`
//! arguments, so it is checked, run and explained like a single run.

use ssl_diagnostics::{Code, Diagnostic, SourceMap, Span};
use ssl_syntax::ast::{ExprKind, StmtKind, Sweep as Tree};

use crate::names;

/// How the values of several `vary` lines are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Every combination.
    Grid,
    /// First with first, second with second.
    Zip,
    /// The pipeline as it is, and each value on its own.
    OneAtATime,
}

const MODES: [(&str, Mode); 3] = [
    ("grid", Mode::Grid),
    ("zip", Mode::Zip),
    ("one_at_a_time", Mode::OneAtATime),
];

/// Most variants that a sweep may have.
const LIMIT: usize = 10_000;

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// `path=value`, as `--set` takes it; empty for the pipeline as it is.
    pub set: Vec<String>,
}

/// A sweep, unrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Its name.
    pub name: String,
    /// The pipeline that is varied.
    pub of: String,
    /// Its runs in order.
    pub variants: Vec<Variant>,
}

/// Unrolls a sweep. `None` where it is not understood, which is reported.
pub(crate) fn unroll(
    map: &SourceMap,
    tree: &Tree,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Sweep> {
    let mut axes: Vec<(Vec<String>, Span)> = Vec::new();
    let mut mode = Mode::Grid;
    let before = diagnostics.len();
    for stmt in &tree.body.stmts {
        match &stmt.kind {
            StmtKind::Vary { path, values } => {
                let ExprKind::List(items) = &values.kind else {
                    diagnostics.push(
                        Diagnostic::error(Code::TYPE, "`vary` takes a list of values")
                            .at(values.span, "not a list")
                            .help("write `vary PATH in [A, B]`"),
                    );
                    continue;
                };
                let name = map.text(path.span);
                let sets = items
                    .iter()
                    .map(|i| format!("{name}={}", map.text(i.span)))
                    .collect();
                axes.push((sets, stmt.span));
            }
            StmtKind::Assign { path, value, .. } if map.text(path.span) == "mode" => {
                let text = map.text(value.span);
                match MODES.iter().find(|(n, _)| *n == text) {
                    Some((_, m)) => mode = *m,
                    None => diagnostics.push(
                        Diagnostic::error(
                            Code::UNKNOWN_VARIANT,
                            format!("`{text}` is not a mode of a sweep"),
                        )
                        .at(value.span, "not a mode")
                        .maybe_help(names::suggestion(text, MODES.iter().map(|(n, _)| *n))),
                    ),
                }
            }
            _ => diagnostics.push(
                Diagnostic::error(Code::SYNTAX, "this does not belong into a sweep").at(
                    stmt.span,
                    "a sweep takes `vary PATH in [...]` and `mode = ...`",
                ),
            ),
        }
    }
    if axes.is_empty() && diagnostics.len() == before {
        diagnostics.push(
            Diagnostic::error(
                Code::MISSING,
                format!("the sweep `{}` varies nothing", tree.name.name),
            )
            .at(tree.name.span, "has no `vary`")
            .help("write `vary PATH in [A, B]`"),
        );
    }
    let variants = combine(mode, &axes, diagnostics);
    (diagnostics.len() == before).then(|| Sweep {
        name: tree.name.name.clone(),
        of: map.text(tree.of.span).to_owned(),
        variants,
    })
}

fn combine(
    mode: Mode,
    axes: &[(Vec<String>, Span)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Variant> {
    match mode {
        Mode::OneAtATime => std::iter::once(Variant { set: Vec::new() })
            .chain(axes.iter().flat_map(|(values, _)| values).map(|v| Variant {
                set: vec![v.clone()],
            }))
            .collect(),
        Mode::Zip => {
            let length = axes.first().map_or(0, |(v, _)| v.len());
            if let Some((values, span)) = axes.iter().find(|(v, _)| v.len() != length) {
                diagnostics.push(
                    Diagnostic::error(
                        Code::ARGUMENTS,
                        format!(
                            "`zip` joins lists of one length, and here are {} and {length} values",
                            values.len()
                        ),
                    )
                    .at(*span, format!("{} values", values.len()))
                    .at(
                        axes.first().map_or(*span, |(_, s)| *s),
                        format!("{length} values"),
                    ),
                );
                return Vec::new();
            }
            (0..length)
                .map(|i| Variant {
                    set: axes.iter().filter_map(|(v, _)| v.get(i).cloned()).collect(),
                })
                .collect()
        }
        Mode::Grid => {
            let count = axes
                .iter()
                .try_fold(1usize, |n, (v, _)| n.checked_mul(v.len()));
            if count.is_none_or(|n| n > LIMIT) {
                diagnostics.push(
                    Diagnostic::error(Code::RANGE, format!("this grid has more than {LIMIT} runs"))
                        .at(
                            axes.first().map_or(Span::default(), |(_, s)| *s),
                            "and this is one side of it",
                        )
                        .help("vary fewer values, or `mode = one_at_a_time`"),
                );
                return Vec::new();
            }
            axes.iter()
                .fold(vec![Variant { set: Vec::new() }], |done, (values, _)| {
                    done.iter()
                        .flat_map(|d| {
                            values.iter().map(|v| {
                                let mut set = d.set.clone();
                                set.push(v.clone());
                                Variant { set }
                            })
                        })
                        .collect()
                })
        }
    }
}
