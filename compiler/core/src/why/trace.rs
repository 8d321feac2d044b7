//! What the history says of one path: statements of the path itself, of what
//! it is a part of, and of its parts.

use ssl_diagnostics::Span;
use ssl_syntax::ast::{Expr, ExprKind};

use crate::merge::{Action, Effective, Event, Layer, NetBody, Setting};
use crate::print::argument_index;
use crate::schema::{Function, functions};

/// Views that extend each other are followed no deeper.
const DEPTH: usize = 64;

/// What one statement says.
pub(super) struct Told {
    pub(super) layer: Layer,
    /// What to look at.
    pub(super) span: Span,
    /// The value that the path gets, where it gets one.
    pub(super) value: Option<Expr>,
    /// What to say in place of the value.
    pub(super) note: Option<String>,
    /// Which part of the path it is about, where not all of it.
    pub(super) part: Option<String>,
    /// Whether it was said of a view that this one begins as.
    inherited: bool,
}

/// All that is said of a path.
#[derive(Default)]
pub(super) struct Found {
    pub(super) told: Vec<Told>,
    /// Which of it holds in the end; `None` for the default, and for what is
    /// dropped.
    pub(super) winner: Option<usize>,
    /// Whether the last word is `drop`.
    pub(super) dropped: bool,
    /// The function whose argument the path is, in the end.
    pub(super) function: Option<&'static Function>,
}

/// Reads the history for one path.
pub(super) fn trace(effective: &Effective, path: &[String]) -> Found {
    follow(effective, path, 0)
}

fn follow(effective: &Effective, path: &[String], depth: usize) -> Found {
    let mut found = Found::default();
    let Some((head, rest)) = path.split_first() else {
        return found;
    };
    for event in effective.history.events() {
        if event.path.first() != Some(head) {
            continue;
        }
        let shared = event.path.len().min(path.len());
        if event.path.get(..shared) != path.get(..shared) {
            continue;
        }
        let inner = path.get(event.path.len()..);
        match (&event.action, inner) {
            (Action::Begin(base), _) => begin(effective, event, base, rest, depth, &mut found),
            (Action::Set(expr), Some([])) => {
                let whole_call = matches!(expr.kind, ExprKind::Call { .. });
                let span = if whole_call { event.target } else { expr.span };
                found.winner = Some(found.told.len());
                found.dropped = false;
                found.tell(event, span, Some(expr.clone()), None);
            }
            (Action::Set(expr), Some(inner)) => within(event, expr, inner, &mut found),
            // A part of what is asked for.
            (action, None) => {
                let part = event.path.get(path.len()..).unwrap_or_default().join(".");
                let (value, note) = match action {
                    Action::Set(expr) => (Some(expr.clone()), None),
                    Action::Yield(by) => (None, Some(format!("gives way to `{by}`"))),
                    _ => (None, Some("dropped".to_owned())),
                };
                if value.is_some() {
                    found.dropped = false;
                }
                found.tell(event, event.target, value, note);
                if let Some(told) = found.told.last_mut() {
                    told.part = Some(part);
                }
            }
            (Action::Drop | Action::Yield(_), Some(_)) => {
                found.winner = None;
                found.dropped = true;
                let note = match (&event.action, event.path.as_slice()) {
                    (Action::Yield(by), _) => format!("gives way to `{by}`"),
                    (_, whole) if whole == path => "dropped".to_owned(),
                    (_, other) => format!("dropped with `{}`", other.join(".")),
                };
                found.tell(event, event.target, None, Some(note));
            }
        }
    }
    found
}

/// A view or net that begins anew: nothing said before holds.
fn begin(
    effective: &Effective,
    event: &Event,
    base: &Option<ssl_syntax::ast::Ident>,
    rest: &[String],
    depth: usize,
    found: &mut Found,
) {
    found.told.retain(|t| !t.inherited);
    found.winner = None;
    found.dropped = false;
    let Some(base) = base.as_ref().filter(|_| depth < DEPTH) else {
        return;
    };
    let path = std::iter::once(&base.name).chain(rest).cloned();
    let mut inner = follow(effective, &path.collect::<Vec<_>>(), depth + 1);
    let there = found.told.len();
    found.winner = inner.winner.map(|w| w + there);
    found.dropped = inner.dropped;
    found.function = inner.function.or(found.function);
    if !inner.told.is_empty() || rest.is_empty() {
        let note = format!("taken over from the view `{}`", base.name);
        inner.tell(event, base.span.to(event.target), None, Some(note));
    }
    inner.told.iter_mut().for_each(|t| t.inherited = true);
    found.told.append(&mut inner.told);
}

/// A call of which the path is an argument.
fn within(event: &Event, expr: &Expr, inner: &[String], found: &mut Found) {
    let (function, argument) = argument(expr, inner);
    found.function = function;
    match argument {
        Some(value) => {
            found.winner = Some(found.told.len());
            found.dropped = false;
            found.tell(event, value.span, Some(value), None);
        }
        None => {
            // A call that leaves the argument out gives it its default.
            found.winner = None;
            found.dropped = false;
            let name = called(expr).unwrap_or_default();
            let note = format!("`{name}` without `{}`", inner.join("."));
            found.tell(event, event.target, None, Some(note));
        }
    }
}

impl Found {
    fn tell(&mut self, event: &Event, span: Span, value: Option<Expr>, note: Option<String>) {
        self.told.push(Told {
            layer: event.layer.clone(),
            span,
            value,
            note,
            part: None,
            inherited: false,
        });
    }
}

pub(super) fn called(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Call { callee: path, .. } | ExprKind::Path(path) => {
            path.segments.last().map(|s| s.name.clone())
        }
        _ => None,
    }
}

/// The argument of a call at a path of names, and the innermost function that
/// has a parameter of the last name.
fn argument(expr: &Expr, inner: &[String]) -> (Option<&'static Function>, Option<Expr>) {
    let Some((name, rest)) = inner.split_first() else {
        return (None, Some(expr.clone()));
    };
    let function = called(expr).and_then(|called| {
        functions()
            .iter()
            .find(|f| f.name == called && f.params.iter().any(|p| p.name == name))
    });
    let ExprKind::Call { callee, args, .. } = &expr.kind else {
        return (function, None);
    };
    let value = argument_index(callee, args, name).and_then(|at| args.get(at));
    match (value, rest) {
        (Some(arg), []) => (function, Some(arg.value.clone())),
        (Some(arg), rest) => argument(&arg.value, rest),
        (None, _) => (function, None),
    }
}

/// The merged setting at a path that is no argument.
pub(super) fn setting<'e>(effective: &'e Effective, path: &[String]) -> Option<&'e Setting> {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let entry = |list: &'e [crate::merge::Entry], name: &str| {
        list.iter().find(|e| e.name.name == name).map(|e| &e.call)
    };
    match names.as_slice() {
        ["data", name] => effective.data.get(*name),
        ["train", name] => effective.train.get(*name),
        ["monitor", name] => entry(&effective.monitor, name),
        ["eval", name] => entry(&effective.eval, name),
        ["step", "minimize"] => effective.step.as_ref()?.minimize.as_ref(),
        ["step", name] => {
            let step = effective.step.as_ref()?;
            step.bindings.get(*name).or_else(|| step.tracks.get(*name))
        }
        [name] => match (effective.constants.get(*name), effective.nets.get(*name)) {
            (Some(constant), _) => Some(&constant.value),
            (_, Some(net)) => match &net.body {
                NetBody::Value(setting) => Some(setting),
                NetBody::Stages(_) => None,
            },
            _ => None,
        },
        [head, name] => match (effective.views.get(*head), effective.nets.get(*head)) {
            (Some(view), _) => entry(&view.entries, name),
            (_, Some(net)) => match &net.body {
                NetBody::Stages(stages) => stages.get(*name),
                NetBody::Value(_) => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// The names of what a section, a view or a net has in the end.
pub(super) fn parts(effective: &Effective, path: &[String]) -> Option<Vec<String>> {
    let [head] = path else {
        return match path {
            [step, views] if step == "step" && views == "views" => {
                let step = effective.step.as_ref()?;
                Some(step.params.iter().map(|p| p.name.clone()).collect())
            }
            _ => None,
        };
    };
    if let Some(view) = effective.views.get(head) {
        return Some(view.entries.iter().map(|e| e.name.name.clone()).collect());
    }
    if let Some(net) = effective.nets.get(head) {
        return match &net.body {
            NetBody::Stages(stages) => Some(stages.keys().cloned().collect()),
            NetBody::Value(_) => None,
        };
    }
    let names = |list: &[crate::merge::Entry]| list.iter().map(|e| e.name.name.clone()).collect();
    match head.as_str() {
        "data" => Some(effective.data.keys().cloned().collect()),
        "train" => Some(effective.train.keys().cloned().collect()),
        "monitor" => Some(names(&effective.monitor)),
        "eval" => Some(names(&effective.eval)),
        "step" => {
            let step = effective.step.as_ref()?;
            let mut all: Vec<String> = step.bindings.keys().cloned().collect();
            all.extend(step.minimize.iter().map(|_| "minimize".to_owned()));
            all.extend(step.tracks.keys().cloned());
            Some(all)
        }
        _ => None,
    }
}
