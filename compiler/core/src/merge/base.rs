//! Chooses the pipeline, follows `extends`, applies `--set`, resolves views.

use ssl_diagnostics::{Code, Diagnostic, SourceMap};
use ssl_syntax::ast::{Ident, Pipeline};

use super::apply::Merger;
use super::assign::dotted;
use super::set::{self, Set};
use super::{Change, Effective, Entry, View};
use crate::names::{self, Meant};
use crate::program::{Program, Unit};

/// How a merge is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Whether some of the text could not be read, which has been said.
    pub broken: bool,
    /// Whether documentation is left out.
    pub brief: bool,
}

/// Merges one pipeline of a file, or, where the name has a dot, of one that it
/// imports. `None` where none can be chosen; the diagnostics say why, unless
/// the text was broken.
pub fn effective(
    map: &SourceMap,
    program: &Program,
    wanted: Option<&str>,
    sets: &[Set],
    manner: Manner,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Effective> {
    let chosen = choose(program, wanted, manner.broken, diagnostics)?;
    let before = diagnostics.len();
    let chain = chain_of(chosen, program, diagnostics);
    let orphan = diagnostics.len() > before;

    let mut merger = Merger {
        out: Effective::empty(chosen.name.clone()),
        diagnostics,
        brief: manner.brief,
    };
    for (depth, pipeline) in chain.iter().rev().enumerate() {
        merger.pipeline(pipeline, depth > 0);
    }
    for set in sets {
        set::apply(&mut merger, map, set);
    }
    let Merger {
        mut out,
        diagnostics,
        ..
    } = merger;
    resolve_views(&mut out, diagnostics);
    if orphan {
        // What the base would have had cannot be missed.
        out.orphan = true;
        let follows = [Code::OVERRIDE_NOTHING, Code::UNKNOWN_NAME];
        let mut i = 0;
        diagnostics.retain(|d| {
            i += 1;
            i <= before || !follows.contains(&d.code)
        });
    }
    Some(out)
}

fn choose<'a>(
    program: &'a Program,
    wanted: Option<&str>,
    broken: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<&'a Pipeline> {
    let unit: &Unit = program.root()?;
    let names = || unit.pipelines.keys().map(String::as_str);
    // A file of sweeps alone is judged by what they vary.
    let varied = || {
        let first = unit
            .sweeps
            .values()
            .next()
            .filter(|_| unit.pipelines.is_empty());
        first.map(|s| dotted(&s.of.segments))
    };
    let asked = wanted.is_some();
    if let Some(wanted) = wanted.map(str::to_owned).or_else(varied) {
        let found = program.named(&wanted);
        // What a sweep names wrongly has been said where it does.
        if found.is_none() && asked {
            diagnostics.push(
                Diagnostic::error(
                    Code::UNKNOWN_PIPELINE,
                    format!("the file has no pipeline `{wanted}`"),
                )
                .meant(&wanted, names()),
            );
        }
        return found;
    }
    let mut all = unit.pipelines.values();
    match (all.next(), all.next()) {
        (None, _) => {
            // An unreadable pipeline has been reported; an empty file has not.
            if !broken {
                diagnostics.push(
                    Diagnostic::error(Code::MISSING, "the file has no pipeline")
                        .help("write `pipeline NAME { ... }`"),
                );
            }
            None
        }
        (one, None) => one,
        (Some(first), Some(_)) => {
            diagnostics.push(
                Diagnostic::error(
                    Code::AMBIGUOUS,
                    format!(
                        "the file has several pipelines: {}",
                        names::list(names()).unwrap_or_default()
                    ),
                )
                .at(first.name.span, "the first of them")
                .help(format!(
                    "choose one, such as `--pipeline {}`",
                    first.name.name
                )),
            );
            None
        }
    }
}

/// The pipeline and what it extends, nearest first.
fn chain_of<'a>(
    start: &'a Pipeline,
    program: &'a Program,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<&'a Pipeline> {
    let mut chain = vec![start];
    let mut at = start;
    while let Some(path) = &at.extends {
        let Some(base) = program.pipeline(path) else {
            let text: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
            let text = text.join(".");
            let known = program.pipeline_names(path.span);
            diagnostics.push(
                Diagnostic::error(
                    Code::UNKNOWN_PIPELINE,
                    format!("there is no pipeline `{text}` to extend"),
                )
                .at(path.span, "not defined, not imported")
                .meant(&text, known.iter().map(String::as_str)),
            );
            break;
        };
        if chain.iter().any(|p| p.name == base.name) {
            let mut circle: Vec<&str> = chain
                .iter()
                .skip_while(|p| p.name != base.name)
                .map(|p| p.name.name.as_str())
                .collect();
            circle.push(&base.name.name);
            diagnostics.push(
                Diagnostic::error(
                    Code::EXTENDS_CYCLE,
                    format!(
                        "pipelines extend each other in a circle: {}",
                        circle.join(" -> ")
                    ),
                )
                .at(path.span, "closes the circle")
                .help("let one of them stand on its own"),
            );
            break;
        }
        chain.push(base);
        at = base;
    }
    chain
}

/// Gives every view its entries: those of the view that it extends, changed.
fn resolve_views(out: &mut Effective, diagnostics: &mut Vec<Diagnostic>) {
    let order: Vec<String> = out.views.keys().cloned().collect();
    let mut done: Vec<String> = Vec::new();
    for name in order {
        resolve_view(out, &name, &mut Vec::new(), &mut done, diagnostics);
    }
}

fn resolve_view(
    out: &mut Effective,
    name: &str,
    trail: &mut Vec<Ident>,
    done: &mut Vec<String>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if done.iter().any(|d| d == name) {
        return;
    }
    let Some(View {
        name: ident,
        extends,
        changes,
        ..
    }) = out.views.get(name).cloned()
    else {
        return;
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut broken = false;
    trail.push(ident);
    if let Some(base) = &extends {
        if trail.iter().any(|t| t.name == base.name) {
            broken = true;
            diagnostics.push(
                Diagnostic::error(
                    Code::EXTENDS_CYCLE,
                    format!("the view `{name}` extends itself through `{}`", base.name),
                )
                .at(base.span, "closes the circle")
                .help("write one of the views out in full"),
            );
        } else if out.views.contains_key(&base.name) {
            resolve_view(out, &base.name, trail, done, diagnostics);
            if let Some(v) = out.views.get(&base.name) {
                entries.clone_from(&v.entries);
                broken = v.broken;
            }
        } else {
            broken = true;
            let known = out.views.keys().map(String::as_str).filter(|v| *v != name);
            diagnostics.push(
                Diagnostic::error(
                    Code::UNKNOWN_NAME,
                    format!("there is no view `{}`", base.name),
                )
                .at(base.span, "not a view")
                .meant(&base.name, known),
            );
        }
    }
    trail.pop();
    // What a missing base would have had cannot be overridden.
    for change in changes
        .into_iter()
        .filter(|c| !broken || matches!(c, Change::Put { .. }))
    {
        super::entries::change_entries(&mut entries, change, "view", diagnostics);
    }
    if let Some(view) = out.views.get_mut(name) {
        view.entries = entries;
        view.broken = broken;
    }
    done.push(name.to_owned());
}
