//! Why a value is what it is: every layer that said something of it, in
//! order, what won, and what an expression was computed from.

mod address;
mod trace;

use std::ops::Range;
use std::sync::Arc;

use ssl_diagnostics::{Diagnostic, SourceMap, Span};
use ssl_plan::Origin;
use ssl_syntax::ast::{Expr, ExprKind};

use crate::Compilation;
use crate::merge::{Effective, Layer};
use crate::print::Printer;
use crate::schema::{Field, fields_of};
use crate::walk;
use ssl_syntax::ast::SectionKind;
use trace::{Found, Told};

/// How deep inputs of inputs are followed.
const DEPTH: usize = 8;

/// An explained path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The full path.
    pub path: String,
    /// What it is in the end; `None` where it is dropped or never set.
    pub value: Option<String>,
    /// Whether the last word on it is `drop`.
    pub dropped: bool,
    /// What it means, where the language says.
    pub doc: Option<String>,
    /// What was said of it, in order.
    pub layers: Vec<Said>,
    /// The expression that won, where it is computed from other values.
    pub expression: Option<String>,
    /// What it is computed from.
    pub inputs: Vec<Input>,
}

/// What one layer says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub by: By,
    /// What: a value as it is written, "dropped", ...
    pub what: String,
    /// Where, in a file.
    pub place: Option<Place>,
    /// Which part it is about, where not all of what was asked for.
    pub part: Option<String>,
    /// Whether this is what holds.
    pub wins: bool,
}

/// Who says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// The language, where nothing is written.
    Language,
    /// A pipeline.
    Pipeline(String),
    /// `--set`, with its text.
    Set(String),
}

/// A place in a file with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// As the user named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line without its end.
    pub text: String,
    /// Which bytes of the line are meant; a longer text is cut at its end.
    pub mark: Range<usize>,
}

/// A value that another is computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its full path.
    pub path: String,
    /// Its value.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
    /// Its expression, where it is computed itself.
    pub expression: Option<String>,
    /// What it is computed from.
    pub inputs: Vec<Input>,
}

/// Explains a path of the compiled pipeline; any suffix that stands for one
/// thing is enough.
///
/// # Errors
///
/// There is nothing of this name, or several things; or no pipeline could be
/// merged, which the compilation's own diagnostics say.
pub fn why(compilation: &Compilation, wanted: &str) -> Result<Why, Vec<Diagnostic>> {
    let Some(effective) = &compilation.effective else {
        return Err(Vec::new());
    };
    let path = address::find(compilation, effective, wanted).map_err(|d| vec![*d])?;
    Ok(Explainer {
        compilation,
        effective,
        printer: Printer::new(&compilation.map),
    }
    .explain(&path))
}

struct Explainer<'a> {
    compilation: &'a Compilation,
    effective: &'a Effective,
    printer: Printer<'a>,
}

impl Explainer<'_> {
    fn explain(&self, path: &[String]) -> Why {
        let joined = path.join(".");
        let found = trace::trace(self.effective, path);
        let field = self.field(path, &found);
        let default = field.and_then(|f| crate::check::fallback(&f.fallback));
        let resolved = self.resolved(&joined);
        let mut layers: Vec<Said> = Vec::new();
        if let Some(default) = &default {
            layers.push(Said {
                by: By::Language,
                what: default.to_string(),
                place: None,
                part: None,
                wins: found.winner.is_none() && !found.dropped,
            });
        }
        let derived = resolved.is_some_and(|r| matches!(r.origin, Origin::Derived { .. }));
        for (i, told) in found.told.iter().enumerate() {
            // That a call leaves it out is told by what it follows from.
            if derived && told.value.is_none() {
                continue;
            }
            layers.push(self.said(told, Some(i) == found.winner));
        }
        let mut value = match resolved {
            Some(r) => Some(r.value.clone()),
            None if found.dropped => None,
            None => default.map(|d| d.to_string()),
        };
        // A call is more than the name of its function.
        if let Some(text) = self.written(path) {
            value = Some(text);
        }
        let winner = found.winner.and_then(|w| found.told.get(w));
        let expr = winner.and_then(|t| t.value.as_ref());
        value = value.or_else(|| expr.map(|e| self.printer.expr(e)));
        let mut inputs = expr.map_or(Vec::new(), |e| self.inputs(path, e, &mut Vec::new()));
        if let Some(Origin::Derived { path: from }) = resolved.map(|r| &r.origin)
            && let Some(input) = self.input(from, &mut Vec::new())
        {
            inputs.push(input);
        }
        let expression = expr.map(|e| self.printer.expr(e));
        Why {
            path: joined,
            dropped: found.dropped && value.is_none(),
            value,
            doc: field.map(|f| f.doc.to_owned()).or_else(|| self.doc(path)),
            layers,
            expression: expression.filter(|_| !inputs.is_empty()),
            inputs,
        }
    }

    fn resolved(&self, path: &str) -> Option<&ssl_plan::Resolved> {
        self.compilation.values.iter().find(|v| v.path == path)
    }

    /// The documentation of a parameter of the pipeline.
    fn doc(&self, path: &[String]) -> Option<String> {
        let [name] = path else { return None };
        let docs = &self.effective.constants.get(name)?.docs;
        let text = docs.join(" ").trim().to_owned();
        Some(text).filter(|t| !t.is_empty())
    }

    /// The schema of a field of a section, or of an argument of the call that
    /// holds in the end.
    fn field(&self, path: &[String], found: &Found) -> Option<&'static Field> {
        if let [section, name] = path {
            let kind = match section.as_str() {
                "data" => Some(SectionKind::Data),
                "train" => Some(SectionKind::Train),
                _ => None,
            };
            if let Some(kind) = kind {
                return fields_of(kind).iter().find(|f| f.name == name);
            }
        }
        let function = found.function.as_ref()?;
        let name = path.last()?;
        function.params.iter().find(|p| p.name == name)
    }

    /// Calls, views, nets and names of the step in full.
    fn written(&self, path: &[String]) -> Option<String> {
        let setting = trace::setting(self.effective, path);
        if let Some(setting) = setting {
            let joined = path.join(".");
            let call = setting.callee().is_some() && !setting.overrides.is_empty()
                || matches!(setting.expr.kind, ExprKind::Call { .. });
            let plain = self.resolved(&joined).is_none();
            return (call && !self.computed(&joined, setting) || plain)
                .then(|| self.printer.setting(setting));
        }
        let parts = trace::parts(self.effective, path).filter(|p| !p.is_empty());
        parts.map(|parts| parts.join(", "))
    }

    /// Whether a call computes a number or a schedule rather than making
    /// something that has parts.
    fn computed(&self, path: &str, setting: &crate::merge::Setting) -> bool {
        let name = setting.callee().map(|c| c.name.as_str());
        self.resolved(path).map(|r| r.value.as_str()) != name
    }

    fn said(&self, told: &Told, wins: bool) -> Said {
        let (by, place) = match &told.layer {
            Layer::Pipeline(name) => (
                By::Pipeline(name.to_string()),
                place(&self.compilation.map, told.span),
            ),
            Layer::Set(text) => (By::Set(text.clone()), None),
        };
        Said {
            by,
            what: self.what(told),
            place,
            part: told.part.clone(),
            wins,
        }
    }

    /// What is said, with the name of the part that it is said of.
    fn what(&self, told: &Told) -> String {
        let what = match (&told.note, &told.value) {
            (Some(note), _) => note.clone(),
            (None, Some(value)) => self.printer.expr(value),
            (None, None) => String::new(),
        };
        let called = told.value.as_ref().and_then(trace::called);
        match &told.part {
            Some(part) if told.note.is_some() => format!("`{part}` {what}"),
            // A transform is named by its function.
            Some(part) if called.as_ref() != Some(part) => format!("{part} = {what}"),
            _ => what,
        }
    }

    /// The values that an expression names.
    fn inputs(&self, path: &[String], expr: &Expr, trail: &mut Vec<String>) -> Vec<Input> {
        let mut names = Vec::new();
        paths_in(expr, &mut names);
        let mut out: Vec<Input> = Vec::new();
        for name in names {
            // A field of the same section needs no prefix.
            let section = path.first().map_or("", String::as_str);
            let full = [name.clone(), format!("{section}.{name}")];
            let Some(input) = full.iter().find_map(|p| self.input(p, trail)) else {
                continue;
            };
            if !out.iter().any(|i| i.path == input.path) {
                out.push(input);
            }
        }
        out
    }

    fn input(&self, path: &str, trail: &mut Vec<String>) -> Option<Input> {
        let resolved = self.resolved(path)?;
        if trail.len() >= DEPTH || trail.iter().any(|t| t == path) {
            return None;
        }
        trail.push(path.to_owned());
        let segments: Vec<String> = path.split('.').map(str::to_owned).collect();
        let found = trace::trace(self.effective, &segments);
        let expr = found
            .winner
            .and_then(|w| found.told.get(w))
            .and_then(|t| t.value.clone());
        let mut inputs = expr
            .as_ref()
            .map_or(Vec::new(), |e| self.inputs(&segments, e, trail));
        if let Origin::Derived { path: from } = &resolved.origin {
            inputs.extend(self.input(from, trail));
        }
        trail.pop();
        Some(Input {
            path: path.to_owned(),
            value: resolved.value.clone(),
            origin: resolved.origin.clone(),
            expression: expr
                .map(|e| self.printer.expr(&e))
                .filter(|_| !inputs.is_empty()),
            inputs,
        })
    }
}

/// Every dotted name in an expression that is no called function.
fn paths_in(expr: &Expr, out: &mut Vec<String>) {
    walk::expr(expr, &mut |path, called| {
        if !called {
            out.push(crate::print::dotted(path));
        }
    });
}

/// A span with the line that it begins on.
fn place(map: &SourceMap, span: Span) -> Option<Place> {
    let file = map.file_of(span)?;
    let local = span.start.checked_sub(file.base)?;
    let (line, column) = file.line_column(local);
    let range = file.line_range(line)?;
    let text = file.text.get(range.clone())?.trim_end_matches(['\n', '\r']);
    let start = (local as usize).saturating_sub(range.start).min(text.len());
    let end = (start + span.len()).clamp(start, text.len());
    Some(Place {
        file: file.name.clone(),
        line,
        column,
        text: text.to_owned(),
        mark: start..end,
    })
}
