//! Sweeps: one pipeline, several values. A variant is a list of `--set`
//! arguments, so it is checked, run and explained like a single run.

use ssl_diagnostics::{Code, Diagnostic, SourceMap, Span};
use ssl_syntax::ast::{Expr, ExprKind, Path, StmtKind, Sweep as Tree};

use crate::merge::Set;
use crate::names::Meant;
use crate::program::Program;

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
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// `path=value`, as `--set` takes it; empty for the pipeline as it is.
    pub set: Vec<String>,
    /// Which value of which axis.
    pub(crate) picks: Vec<(usize, usize)>,
}

/// A sweep, unrolled.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Its name.
    pub name: String,
    /// Its documentation, a line each.
    pub docs: Vec<String>,
    /// The pipeline that is varied.
    pub of: String,
    /// Its runs in order.
    pub variants: Vec<Variant>,
    /// Its `vary` lines.
    pub(crate) axes: Vec<Axis>,
}

/// A `vary` line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    path: Path,
    /// The whole line.
    pub span: Span,
    /// Its values, and each as `--set` takes it.
    pub values: Vec<(Expr, String)>,
}

impl Sweep {
    /// What a variant changes, where it stands in the file.
    pub(crate) fn sets(&self, variant: &Variant) -> Vec<Set> {
        let set = |(axis, value): &(usize, usize)| {
            let axis = self.axes.get(*axis)?;
            let (expr, text) = axis.values.get(*value)?;
            Some(Set::Vary(axis.path.clone(), expr.clone(), text.clone()))
        };
        variant.picks.iter().filter_map(set).collect()
    }
}

/// Unrolls a sweep. `None` where it is not understood, which is reported.
pub(crate) fn unroll(
    map: &SourceMap,
    program: &Program,
    tree: &Tree,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Sweep> {
    let mut reader = Reader {
        map,
        axes: Vec::new(),
        mode: None,
        diagnostics,
    };
    let before = reader.diagnostics.len();
    for stmt in &tree.body.stmts {
        match &stmt.kind {
            StmtKind::Vary { path, values } => reader.vary(path, values, stmt.span),
            StmtKind::Assign { path, value, .. } if map.text(path.span) == "mode" => {
                reader.mode(value);
            }
            _ => reader.diagnostics.push(
                Diagnostic::error(Code::SYNTAX, "this does not belong into a sweep").at(
                    stmt.span,
                    "a sweep takes `vary PATH in [...]` and `mode = ...`",
                ),
            ),
        }
    }
    let (axes, mode) = (reader.axes, reader.mode.map_or(Mode::Grid, |m| m.0));
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
    let of = map.text(tree.of.span).to_owned();
    if program.pipeline(&tree.of).is_none() {
        let known = program.pipeline_names(tree.of.span);
        diagnostics.push(
            Diagnostic::error(
                Code::UNKNOWN_PIPELINE,
                format!("there is no pipeline `{of}` to vary"),
            )
            .at(tree.of.span, "not defined, not imported")
            .meant(&of, known.iter().map(String::as_str)),
        );
    }
    let picks = combine(mode, &axes, diagnostics);
    let text = |(axis, value): &(usize, usize)| {
        let axis: &Axis = axes.get(*axis)?;
        Some(axis.values.get(*value)?.1.clone())
    };
    let variants = picks
        .into_iter()
        .map(|picks| Variant {
            set: picks.iter().filter_map(text).collect(),
            picks,
        })
        .collect();
    (diagnostics.len() == before).then(|| Sweep {
        name: tree.name.name.clone(),
        docs: tree.docs.lines.iter().map(|l| l.node.clone()).collect(),
        of,
        variants,
        axes,
    })
}

/// Reads the lines of a sweep.
struct Reader<'a> {
    map: &'a SourceMap,
    axes: Vec<Axis>,
    mode: Option<(Mode, Span)>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn vary(&mut self, path: &Path, values: &Expr, span: Span) {
        let items = match &values.kind {
            ExprKind::List(items) if !items.is_empty() => items,
            ExprKind::Missing => return,
            kind => {
                let empty = matches!(kind, ExprKind::List(_));
                self.diagnostics.push(
                    Diagnostic::error(Code::TYPE, "`vary` takes a list of values")
                        .at(values.span, if empty { "no values" } else { "not a list" })
                        .help("write `vary PATH in [A, B]`"),
                );
                return;
            }
        };
        let name = self.map.text(path.span);
        let same = |a: &&Axis| self.map.text(a.path.span) == name;
        if let Some(first) = self.axes.iter().find(same) {
            self.diagnostics.push(
                Diagnostic::error(Code::DUPLICATE, format!("`{name}` is varied twice"))
                    .at(path.span, "varied again")
                    .at(first.path.span, "first varied here")
                    .help("put all values into one list"),
            );
            return;
        }
        let valued = |i: &Expr| (i.clone(), format!("{name}={}", self.map.text(i.span)));
        self.axes.push(Axis {
            path: path.clone(),
            span,
            values: items.iter().map(valued).collect(),
        });
    }

    fn mode(&mut self, value: &Expr) {
        let text = self.map.text(value.span);
        if let Some((_, first)) = self.mode {
            self.diagnostics.push(
                Diagnostic::error(Code::DUPLICATE, "the sweep has two modes")
                    .at(value.span, "a second one")
                    .at(first, "the first")
                    .help("keep one of them"),
            );
            return;
        }
        match MODES.iter().find(|(n, _)| *n == text) {
            Some((_, m)) => self.mode = Some((*m, value.span)),
            None => self.diagnostics.push(
                Diagnostic::error(
                    Code::UNKNOWN_VARIANT,
                    format!("`{text}` is not a mode of a sweep"),
                )
                .at(value.span, "not a mode")
                .meant(text, MODES.iter().map(|(n, _)| *n)),
            ),
        }
    }
}

/// Which value of which axis each variant takes.
fn combine(
    mode: Mode,
    axes: &[Axis],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<(usize, usize)>> {
    let picks = |axis: usize, a: &Axis| (0..a.values.len()).map(move |value| (axis, value));
    match mode {
        Mode::OneAtATime => std::iter::once(Vec::new())
            .chain(
                axes.iter()
                    .enumerate()
                    .flat_map(|(i, a)| picks(i, a))
                    .map(|pick| vec![pick]),
            )
            .collect(),
        Mode::Zip => {
            let length = axes.first().map_or(0, |a| a.values.len());
            if let Some(other) = axes.iter().find(|a| a.values.len() != length) {
                diagnostics.push(
                    Diagnostic::error(
                        Code::ARGUMENTS,
                        format!(
                            "`zip` joins lists of one length, and here are {} and {length} values",
                            other.values.len()
                        ),
                    )
                    .at(other.span, format!("{} values", other.values.len()))
                    .at(
                        axes.first().map_or(other.span, |a| a.span),
                        format!("{length} values"),
                    )
                    .help("give all lists the same length, or `mode = grid` for all combinations"),
                );
                return Vec::new();
            }
            (0..length)
                .map(|value| (0..axes.len()).map(|axis| (axis, value)).collect())
                .collect()
        }
        Mode::Grid => {
            let count = axes
                .iter()
                .try_fold(1usize, |n, a| n.checked_mul(a.values.len()));
            if count.is_none_or(|n| n > LIMIT) {
                diagnostics.push(
                    Diagnostic::error(Code::RANGE, format!("this grid has more than {LIMIT} runs"))
                        .at(
                            axes.first().map_or(Span::default(), |a| a.span),
                            "and this is one side of it",
                        )
                        .help("vary fewer values, or `mode = one_at_a_time`"),
                );
                return Vec::new();
            }
            axes.iter()
                .enumerate()
                .fold(vec![Vec::new()], |done, (i, axis)| {
                    done.iter()
                        .flat_map(|d| {
                            picks(i, axis).map(|pick| d.iter().copied().chain([pick]).collect())
                        })
                        .collect()
                })
        }
    }
}
