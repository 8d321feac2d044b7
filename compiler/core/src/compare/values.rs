//! Resolved values that differ. A call that is there on one side only, or is
//! a call of another function, is one difference with its arguments in it.

use ssl_plan::{Origin, Plan, Resolved};

use super::{Change, Parts};

/// Every difference that is one of meaning, in the order of the left plan,
/// then of the right.
pub(super) fn changes(left: &Plan, right: &Plan, parts: &Parts<'_>, out: &mut Vec<Change>) {
    let find = |plan: &'_ Plan, path: &str| plan.values.iter().position(|v| v.path == path);
    // Calls that are told whole.
    let mut whole: Vec<String> = Vec::new();
    for (a, b, left_has) in [(left, right, true), (right, left, false)] {
        for head in views_only_in(a, b) {
            let text = Some(super::members(a, &head).join(", "));
            let (l, r) = if left_has { (text, None) } else { (None, text) };
            out.push(Change::new(format!("view {head}"), l, r));
            whole.push(head);
        }
    }
    let added = right
        .values
        .iter()
        .filter(|v| find(left, &v.path).is_none());
    let mut paths: Vec<&Resolved> = left.values.iter().chain(added).collect();
    // A call stands before its arguments on its own side; keep it so.
    paths.dedup_by(|a, b| a.path == b.path);
    for value in paths {
        let path = value.path.as_str();
        let told = |w: &String| {
            path.strip_prefix(w.as_str())
                .is_some_and(|r| r.starts_with('.'))
        };
        if whole.iter().any(told) || parts.same_under(path) && !is_constant(value, left, right) {
            continue;
        }
        let at = |plan: &Plan| find(plan, path).and_then(|i| plan.values.get(i).cloned());
        let (a, b) = (at(left), at(right));
        let same = match (&a, &b) {
            (Some(a), Some(b)) => a.value == b.value && !moved(path, parts),
            _ => false,
        };
        if same || (a.is_none() || b.is_none()) && is_constant(value, left, right) {
            continue;
        }
        // What follows from another value is told by that one.
        let derived = |v: &Option<Resolved>| {
            v.as_ref()
                .is_some_and(|v| matches!(v.origin, Origin::Derived { .. }))
        };
        if derived(&a) && derived(&b) {
            continue;
        }
        let text = |plan: &Plan, v: &Resolved| call(plan, v);
        if has_parts(left, path) || has_parts(right, path) {
            whole.push(path.to_owned());
        }
        let (a, b) = (a.map(|v| text(left, &v)), b.map(|v| text(right, &v)));
        out.push(Change::new(path, a, b));
    }
}

/// Views of which the other plan has nothing.
fn views_only_in(plan: &Plan, other: &Plan) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for view in &plan.recipe.views {
        let name = view.name.split('[').next().unwrap_or(&view.name);
        let there = other.recipe.views.iter().any(|v| v.name == view.name);
        let said = has_parts(other, name);
        if !there && !said && !out.iter().any(|o| o == name) {
            out.push(name.to_owned());
        }
    }
    out
}

/// Whether a value is a `param` or `let`: what it decides is told where it is
/// used.
fn is_constant(value: &Resolved, left: &Plan, right: &Plan) -> bool {
    let path = value.path.as_str();
    let net = |p: &Plan| p.recipe.nets.iter().any(|n| n.name == path);
    !path.contains('.') && !net(left) && !net(right)
}

/// Whether equal text means another place: a path relative to another folder.
fn moved(path: &str, parts: &Parts<'_>) -> bool {
    path == "data.source" && parts.left.data.source != parts.right.data.source && {
        let kind = |r: &ssl_plan::Recipe| std::mem::discriminant(&r.data.source);
        kind(parts.left) == kind(parts.right)
    }
}

fn has_parts(plan: &Plan, path: &str) -> bool {
    let under = |v: &Resolved| {
        v.path
            .strip_prefix(path)
            .is_some_and(|r| r.starts_with('.'))
    };
    plan.values.iter().any(under)
}

/// A call with what was written of its arguments; another value as it is.
fn call(plan: &Plan, value: &Resolved) -> String {
    if value.path == "data.source" {
        return source(plan);
    }
    if !has_parts(plan, &value.path) {
        return value.value.clone();
    }
    let args: Vec<String> = plan
        .values
        .iter()
        .filter(|v| !matches!(v.origin, Origin::Default | Origin::Derived { .. }))
        .filter_map(|v| {
            let name = v.path.strip_prefix(&value.path)?.strip_prefix('.')?;
            (!name.contains('.')).then(|| format!("{name}: {}", v.value))
        })
        .collect();
    format!("{}({})", value.value, args.join(", "))
}

/// The source with its path from the root, which is what is meant.
fn source(plan: &Plan) -> String {
    match &plan.recipe.data.source {
        ssl_plan::Source::Digits => "digits()".into(),
        ssl_plan::Source::ImageFolder { path, test: None } => format!("image_folder({path:?})"),
        ssl_plan::Source::ImageFolder {
            path,
            test: Some(test),
        } => format!("image_folder({path:?}, test: {test:?})"),
        ssl_plan::Source::Recorded { path } => format!("recorded({path:?})"),
    }
}
