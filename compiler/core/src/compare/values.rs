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

/// The source with its paths from the root, which is what is meant.
fn source(plan: &Plan) -> String {
    written(&plan.recipe.data.source)
}

/// A source as the language writes it.
pub fn written(source: &ssl_plan::Source) -> String {
    use ssl_plan::Source;
    let call = |function: &str, first: String, rest: &[(&str, &Option<String>)]| {
        let rest = rest
            .iter()
            .filter_map(|(name, text)| Some(format!(", {name}: {:?}", text.as_ref()?)));
        format!("{function}({first}{})", rest.collect::<String>())
    };
    let quoted = |path: &String| format!("{path:?}");
    let list = |sources: &[Source]| {
        let texts: Vec<String> = sources.iter().map(written).collect();
        format!("[{}]", texts.join(", "))
    };
    match source {
        Source::Digits => "digits()".into(),
        Source::ImageFolder { path, test } => call("image_folder", quoted(path), &[("test", test)]),
        Source::List {
            path,
            root,
            image,
            label,
            test,
        } => call(
            "list",
            quoted(path),
            &[
                ("root", root),
                ("image", image),
                ("label", label),
                ("test", test),
            ],
        ),
        Source::Webdataset {
            shards,
            image,
            label,
            test,
        } => {
            let label = (label != "cls").then(|| label.clone());
            call(
                "webdataset",
                quoted(shards),
                &[("image", image), ("label", &label), ("test", test)],
            )
        }
        Source::Parquet {
            shards,
            image,
            label,
            test,
        } => call(
            "parquet",
            quoted(shards),
            &[("image", image), ("label", label), ("test", test)],
        ),
        Source::Hdf5 {
            path,
            image,
            label,
            test,
        } => call(
            "hdf5",
            quoted(path),
            &[("image", image), ("label", label), ("test", test)],
        ),
        Source::Cifar10 { path } => call("cifar10", quoted(path), &[]),
        Source::Cifar100 { path, coarse } => {
            let labels = if *coarse { ", labels: coarse" } else { "" };
            format!("cifar100({path:?}{labels})")
        }
        Source::Mnist { path } => call("mnist", quoted(path), &[]),
        Source::FashionMnist { path } => call("fashion_mnist", quoted(path), &[]),
        Source::Stl10 { path, labelled } => {
            let split = if *labelled { ", split: train" } else { "" };
            format!("stl10({path:?}{split})")
        }
        Source::Concat { sources } => format!("concat({})", list(sources)),
        Source::Mix {
            sources,
            weights,
            samples,
        } => {
            let weights: Vec<String> = weights.iter().map(f64::to_string).collect();
            let samples = samples.map_or_else(String::new, |n| format!(", samples: {n}"));
            format!(
                "mix({}, weights: [{}]{samples})",
                list(sources),
                weights.join(", ")
            )
        }
        Source::Recorded { path } => call("recorded", quoted(path), &[]),
    }
}
