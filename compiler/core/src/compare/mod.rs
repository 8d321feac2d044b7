//! In what two plans differ by meaning: resolved values, transforms, stages,
//! the wiring of the step. Names that change nothing, order that changes
//! nothing and text that says the same are no difference.

mod leaves;
mod values;
mod wiring;

use ssl_plan::{Monitor, Net, Plan, Recipe};
use wiring::Wiring;

/// A difference. One side is `None` where only the other has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What differs.
    pub path: String,
    /// On the left.
    pub left: Option<String>,
    /// On the right.
    pub right: Option<String>,
}

impl Change {
    fn new(path: impl Into<String>, left: Option<String>, right: Option<String>) -> Self {
        Change {
            path: path.into(),
            left,
            right,
        }
    }
}

/// All differences of two plans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comparison {
    /// What is said differently.
    pub changes: Vec<Change>,
    /// What follows from that: lengths, sizes, counts.
    pub consequences: Vec<Change>,
}

impl Comparison {
    /// Whether both plans mean the same run.
    pub fn is_equal(&self) -> bool {
        self.changes.is_empty() && self.consequences.is_empty()
    }
}

/// The parts of two recipes, and whether each is the same.
struct Parts<'a> {
    left: &'a Recipe,
    right: &'a Recipe,
    step: bool,
    monitors: bool,
}

impl<'a> Parts<'a> {
    fn new(left: &'a Recipe, right: &'a Recipe, wiring: &Wiring<'_>) -> Self {
        Parts {
            left,
            right,
            step: wiring.is_equal(),
            monitors: monitors(left, wiring, true) == monitors(right, wiring, false),
        }
    }

    fn views(&self) -> bool {
        self.left.views == self.right.views
    }

    /// Nets start from their names; their order means nothing.
    fn nets(&self) -> bool {
        let (left, right) = (&self.left.nets, &self.right.nets);
        let same = |n: &Net| right.iter().any(|m| m == n);
        left.len() == right.len() && left.iter().all(same)
    }

    fn equal(&self) -> bool {
        let (left, right) = (self.left, self.right);
        self.step
            && self.monitors
            && self.views()
            && self.nets()
            && left.data == right.data
            && left.train == right.train
            && left.evals == right.evals
    }

    /// Whether the part of the recipe that a value decides is the same. A
    /// constant decides what names it.
    fn same_under(&self, path: &str) -> bool {
        let (left, right) = (self.left, self.right);
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        match head {
            "data" => left.data == right.data,
            "train" => left.train == right.train,
            "monitor" => self.monitors,
            "eval" => left.evals == right.evals,
            head if has_net(left, head) || has_net(right, head) => {
                let stage = rest.split('.').next().unwrap_or("");
                stage_of(left, head, stage) == stage_of(right, head, stage)
            }
            head => views_of(left, head) == views_of(right, head),
        }
    }
}

/// Compares what two plans compute.
pub fn compare(left: &Plan, right: &Plan) -> Comparison {
    let wiring = Wiring::new(&left.recipe, &right.recipe);
    let parts = Parts::new(&left.recipe, &right.recipe, &wiring);
    let mut out = Comparison::default();
    if parts.equal() {
        return out;
    }
    values::changes(left, right, &parts, &mut out.changes);
    orders(left, right, &mut out.changes);
    if !parts.step {
        wiring.changes(&mut out.changes);
    }
    consequences(left, right, &mut out.consequences);
    if out.is_equal() {
        // Nothing is ever passed over in silence.
        leaves::changes(&left.recipe, &right.recipe, &mut out.changes);
    }
    out
}

/// Monitors with the computation that they read in place of its number.
fn monitors(recipe: &Recipe, wiring: &Wiring<'_>, left: bool) -> Vec<Monitor> {
    let mut list = recipe.monitors.clone();
    for monitor in &mut list {
        if let Monitor::Knn { node, .. } = monitor {
            *node = wiring.class(*node, left);
        }
    }
    list
}

fn has_net(recipe: &Recipe, name: &str) -> bool {
    recipe.nets.iter().any(|n| n.name == name)
}

/// The stage of a net as text; the whole net where it has no such stage.
fn stage_of(recipe: &Recipe, net: &str, stage: &str) -> Option<String> {
    let net = recipe.nets.iter().find(|n| n.name == net)?;
    if let ssl_plan::NetKind::Stages { stages } = &net.kind
        && let Some(found) = stages.iter().find(|s| s.name.as_deref() == Some(stage))
    {
        return Some(format!("{:?} {}", found.module, found.frozen_steps));
    }
    Some(format!("{:?}", net.kind))
}

/// The views behind a name: itself, or `name[0]`, `name[1]`, ...
fn views_of<'r>(recipe: &'r Recipe, name: &str) -> Vec<&'r ssl_plan::View> {
    let of = |v: &&ssl_plan::View| {
        let rest = v.name.strip_prefix(name);
        rest.is_some_and(|r| r.is_empty() || r.starts_with('['))
    };
    recipe.views.iter().filter(of).collect()
}

/// Transforms and stages that stand in another order, and the views of the
/// step.
fn orders(left: &Plan, right: &Plan, out: &mut Vec<Change>) {
    let views = |p: &Plan| {
        let names = p.recipe.views.iter().map(|v| v.name.clone());
        names.collect::<Vec<_>>()
    };
    let (a, b) = (views(left), views(right));
    if a != b {
        out.push(Change::new(
            "step.views",
            Some(a.join(", ")),
            Some(b.join(", ")),
        ));
    }
    let mut heads: Vec<String> = Vec::new();
    for value in left.values.iter().chain(&right.values) {
        if let Some((head, _)) = value.path.split_once('.')
            && !heads.iter().any(|h| h == head)
        {
            heads.push(head.to_owned());
        }
    }
    for head in heads {
        if matches!(head.as_str(), "data" | "train" | "monitor" | "eval") {
            continue;
        }
        let (a, b) = (members(left, &head), members(right, &head));
        let common = |x: &[String], y: &[String]| {
            let both = x.iter().filter(|n| y.contains(n)).cloned();
            both.collect::<Vec<_>>()
        };
        if common(&a, &b) != common(&b, &a) {
            let path = format!("{head}, in order");
            out.push(Change::new(path, Some(a.join(", ")), Some(b.join(", "))));
        }
    }
}

/// Names directly under a view or a net with stages, in order.
fn members(plan: &Plan, head: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for value in &plan.values {
        let mut parts = value.path.split('.');
        if parts.next() == Some(head)
            && let (Some(name), None) = (parts.next(), parts.next())
        {
            out.push(name.to_owned());
        }
    }
    out
}

/// Counts and sizes that differ.
fn consequences(left: &Plan, right: &Plan, out: &mut Vec<Change>) {
    let (l, r) = (&left.recipe, &right.recipe);
    let mut number = |path: &str, a: String, b: String| {
        if a != b {
            out.push(Change::new(path, Some(a), Some(b)));
        }
    };
    let n = |x: usize| x.to_string();
    number("training images", n(l.data.samples), n(r.data.samples));
    let classes = |r: &Recipe| {
        let list = r.data.classes.as_ref();
        list.map_or("none".to_owned(), |c| c.len().to_string())
    };
    number("classes", classes(l), classes(r));
    let held_out = |r: &Recipe| r.data.held_out.unwrap_or(0).to_string();
    number("held-out images", held_out(l), held_out(r));
    number("steps", n(l.train.steps), n(r.train.steps));
    let epochs = |r: &Recipe| crate::value::show_number(r.train.epochs);
    number("epochs", epochs(l), epochs(r));
    let (a, b) = (crate::total_parameters(l), crate::total_parameters(r));
    number("trained parameters", a.0.to_string(), b.0.to_string());
    number("frozen parameters", a.1.to_string(), b.1.to_string());
    for view in &l.views {
        if let Some(other) = r.views.iter().find(|v| v.name == view.name) {
            let size = |[h, w]: [usize; 2]| format!("{h}x{w}");
            let path = format!("size of {}", view.name);
            number(&path, size(view.size), size(other.size));
        }
    }
}
