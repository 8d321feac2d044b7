//! `--set path=value`: an ordinary assignment whose path may be shortened to
//! any suffix that stands for one thing.

use ssl_diagnostics::{Code, Diagnostic, FileId, SourceMap};
use ssl_syntax::ast::{Expr, Ident, Path, StmtKind};

use super::apply::Merger;
use super::{Change, Effective, Entry, Layer, NetBody, Setting, history};
use crate::names;
use crate::schema::{DATA, TRAIN, functions};

/// One change from outside of the pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Set {
    /// A `--set` argument: its text, as a file of the map.
    Text(FileId, String),
    /// A value of a sweep's `vary`, where it stands, and as `--set` takes it.
    Vary(Path, Expr, String),
}

/// Applies one change.
pub fn apply(merger: &mut Merger<'_>, map: &SourceMap, set: &Set) {
    let (path, value, text) = match set {
        Set::Vary(path, value, text) => (path.clone(), value.clone(), text),
        Set::Text(file, text) => {
            let (stmt, diagnostics) = ssl_syntax::parse_assignment(map, *file);
            merger.diagnostics.extend(diagnostics);
            let Some(StmtKind::Assign { path, value, .. }) = stmt.map(|s| s.kind) else {
                return;
            };
            (path, value, text)
        }
    };
    let written: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
    let Some(full) = expand(&merger.out, &written, path.span, merger.diagnostics) else {
        return;
    };
    let segments: Vec<Ident> = full
        .into_iter()
        .map(|name| Ident {
            name,
            span: path.span,
        })
        .collect();
    let layer = Layer::Set(text.clone());
    history::assigned(&mut merger.out, &segments, &value, path.span, &layer);
    let setting = Setting::new(value, path.span, layer);
    merger.assign(&segments, setting);
}

/// The one address that ends as written.
fn expand(
    out: &Effective,
    written: &[&str],
    span: ssl_diagnostics::Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<String>> {
    let all = addresses(out);
    let same = |a: &[String]| a.iter().map(String::as_str).eq(written.iter().copied());
    if let Some(exact) = all.iter().find(|a| same(a)) {
        return Some(exact.clone());
    }
    let matching: Vec<&Vec<String>> = all
        .iter()
        .filter(|a| {
            a.len()
                .checked_sub(written.len())
                .and_then(|skip| a.get(skip..))
                .is_some_and(same)
        })
        .collect();
    let wanted = written.join(".");
    match matching.as_slice() {
        [one] => Some((*one).clone()),
        [] => {
            let joined: Vec<String> = all.iter().map(|a| a.join(".")).collect();
            let tails: Vec<&str> = all
                .iter()
                .filter_map(|a| a.last())
                .map(String::as_str)
                .collect();
            let help = names::nearest(&wanted, joined.iter().map(String::as_str))
                .or_else(|| names::nearest(written.last()?, tails))
                .map(|n| format!("did you mean `{n}`?"));
            diagnostics.push(
                Diagnostic::error(
                    Code::UNKNOWN_FIELD,
                    format!("there is no `{wanted}` to set"),
                )
                .at(span, "nothing of this name is there")
                .maybe_help(
                    help.or_else(|| Some("list what can be set with `sslc plan FILE`".into())),
                ),
            );
            None
        }
        several => {
            let paths: Vec<String> = several.iter().map(|a| a.join(".")).collect();
            diagnostics.push(
                Diagnostic::error(
                    Code::AMBIGUOUS,
                    format!(
                        "`{wanted}` stands for several things: {}",
                        names::list(paths.iter().map(String::as_str)).unwrap_or_default()
                    ),
                )
                .at(span, "which of them?")
                .help(format!(
                    "write more of the path, such as `{}`",
                    paths.first()?
                )),
            );
            None
        }
    }
}

/// Every path that an assignment can set, also where nothing is written yet.
pub fn addresses(out: &Effective) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut add = |parts: &[&str]| all.push(parts.iter().map(|p| (*p).to_owned()).collect());
    for (name, constant) in &out.constants {
        if constant.open {
            add(&[name]);
        }
    }
    for (section, fields, settings) in [("data", DATA, &out.data), ("train", TRAIN, &out.train)] {
        for field in fields {
            add(&[section, field.name]);
            for arg in settings.get(field.name).map(arguments).unwrap_or_default() {
                add(&[section, field.name, arg]);
            }
        }
    }
    for (name, net) in &out.nets {
        match &net.body {
            NetBody::Value(setting) => {
                add(&[name]);
                for arg in arguments(setting) {
                    add(&[name, arg]);
                }
            }
            NetBody::Stages(stages) => {
                for (stage, setting) in stages {
                    add(&[name, stage]);
                    for arg in arguments(setting) {
                        add(&[name, stage, arg]);
                    }
                }
            }
        }
    }
    for name in out.views.keys() {
        for entry in view_entries(out, name, 0) {
            for arg in arguments(&entry.call) {
                add(&[name, &entry.name.name, arg]);
            }
        }
    }
    for (section, entries) in [("monitor", &out.monitor), ("eval", &out.eval)] {
        for entry in entries {
            for arg in arguments(&entry.call) {
                add(&[section, &entry.name.name, arg]);
            }
        }
    }
    if let Some(step) = &out.step {
        for name in step.bindings.keys() {
            add(&["step", name]);
        }
    }
    all
}

fn arguments(setting: &Setting) -> Vec<&'static str> {
    let Some(callee) = setting.callee() else {
        return Vec::new();
    };
    functions()
        .iter()
        .find(|f| f.name == callee.name)
        .map(|f| f.params.iter().map(|p| p.name).collect())
        .unwrap_or_default()
}

/// The entries of a view before views are resolved, without their order.
fn view_entries<'a>(out: &'a Effective, name: &str, depth: usize) -> Vec<&'a Entry> {
    let Some(view) = out.views.get(name) else {
        return Vec::new();
    };
    let mut entries = match &view.extends {
        Some(base) if depth < out.views.len() => view_entries(out, &base.name, depth + 1),
        _ => Vec::new(),
    };
    for change in &view.changes {
        match change {
            Change::Put { entry, .. } => {
                entries.retain(|e| e.name.name != entry.name.name);
                entries.push(entry);
            }
            Change::Drop { name } => entries.retain(|e| e.name.name != name.name),
            Change::Override { .. } => {}
        }
    }
    entries
}
