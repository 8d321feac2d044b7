//! From the Plan to boxes and links: a function of the source is one box, a
//! net is one box for each forward pass, terms of a sum meet in one box.

use std::collections::HashMap;

use ssl_core::thousands;
use ssl_plan::{Call, Graph, NodeId, Op, Plan, Source, UnaryOp};

mod nets;
mod sums;

use super::gradient::{Flow, Interior};
use super::words;
use super::{Kind, Link, Scene, Unit};
use nets::{net_kind, net_row, stage};

/// What is shown of a plan.
pub fn scene(plan: &Plan) -> Scene {
    let graph = &plan.recipe.step;
    let mut builder = Builder {
        plan,
        graph,
        flow: Flow::new(graph),
        uses: uses(graph),
        units: Vec::new(),
        links: Vec::new(),
        of: HashMap::new(),
        calls: HashMap::new(),
    };
    let minimized = builder.root(Kind::Minimize, "minimize", graph.loss);
    for track in &graph.tracks {
        builder.root(Kind::Track, &format!("track {}", track.name), track.node);
    }
    if let Some(unit) = builder.units.get_mut(minimized) {
        unit.lines.clear();
    }
    let recipe = &plan.recipe;
    let scene = Scene {
        title: plan.pipeline.clone(),
        subtitle: format!(
            "{} steps of {} images from {}",
            thousands(recipe.train.steps as u64),
            thousands(recipe.data.batch as u64),
            source(plan)
        ),
        units: builder.units,
        links: builder.links,
        nets: recipe.nets.iter().map(|n| net_row(plan, n)).collect(),
    };
    super::fold::folded(scene)
}

fn source(plan: &Plan) -> String {
    match &plan.recipe.data.source {
        Source::Digits => "the digits".into(),
        Source::ImageFolder { path, .. }
        | Source::List { path, .. }
        | Source::Webdataset { shards: path, .. }
        | Source::Parquet { shards: path, .. }
        | Source::Hdf5 { path, .. }
        | Source::Cifar10 { path }
        | Source::Cifar100 { path, .. }
        | Source::Mnist { path }
        | Source::FashionMnist { path }
        | Source::Stl10 { path, .. }
        | Source::Recorded { path } => format!("`{path}`"),
        Source::Concat { sources } => format!("{} sources in a row", sources.len()),
        Source::Mix { sources, .. } => format!("a mix of {} sources", sources.len()),
    }
}

/// How often each node is read by the loss, the tracks and what they need.
fn uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    for id in graph.tracks.iter().map(|t| t.node).chain([graph.loss]) {
        if let Some(n) = uses.get_mut(id) {
            *n += 1;
        }
    }
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        if uses.get(id).is_none_or(|n| *n == 0) {
            continue;
        }
        for input in node.op.inputs() {
            if let Some(n) = uses.get_mut(input) {
                *n += 1;
            }
        }
    }
    uses
}

struct Builder<'p> {
    plan: &'p Plan,
    graph: &'p Graph,
    flow: Flow,
    uses: Vec<usize>,
    units: Vec<Unit>,
    links: Vec<Link>,
    /// Boxes by the node that they give.
    of: HashMap<NodeId, usize>,
    /// Boxes of functions by their place in the plan.
    calls: HashMap<usize, usize>,
}

impl<'p> Builder<'p> {
    fn op(&self, id: NodeId) -> Option<&'p Op> {
        Some(&self.graph.nodes.get(id)?.op)
    }

    /// A box at the end: what a value is for.
    fn root(&mut self, kind: Kind, title: &str, id: NodeId) -> usize {
        let from = self.sources(id);
        let constant = words::scalar(self.graph, id);
        let unit = self.push(kind, title.into(), constant.into_iter().collect(), id);
        let gradient = kind == Kind::Minimize && self.flow.at(id);
        self.connect(&from, unit, "", gradient);
        unit
    }

    fn push(&mut self, kind: Kind, title: String, lines: Vec<String>, id: NodeId) -> usize {
        let live = self.flow.at(id) && kind != Kind::Track;
        self.units.push(Unit {
            kind,
            title,
            lines,
            ports: Vec::new(),
            times: 1,
            live,
        });
        self.units.len() - 1
    }

    /// Links boxes to another by a port of their own.
    fn connect(&mut self, from: &[usize], to: usize, label: &str, gradient: bool) {
        let Some(unit) = self.units.get_mut(to).filter(|_| !from.is_empty()) else {
            return;
        };
        unit.ports.push(label.to_owned());
        let port = unit.ports.len() - 1;
        self.links.extend(from.iter().map(|from| Link {
            from: *from,
            to,
            port,
            gradient,
        }));
    }

    /// The boxes that a value comes from; none for a number. Views that a net
    /// takes as one batch, and a view's rows of what came out of it, are no
    /// boxes of their own.
    fn sources(&mut self, id: NodeId) -> Vec<usize> {
        let nodes = match self.op(id) {
            Some(Op::Concat { xs, axis: 0 }) if self.is_batch(id) => xs.clone(),
            Some(Op::Slice { x, axis: 0, .. }) if self.is_of_batch(*x) => vec![*x],
            _ => vec![id],
        };
        nodes.into_iter().filter_map(|id| self.unit(id)).collect()
    }

    /// Whether several views are taken as one batch.
    fn is_batch(&self, id: NodeId) -> bool {
        let view = |x: &NodeId| matches!(self.op(*x), Some(Op::View { .. }));
        matches!(self.op(id), Some(Op::Concat { xs, axis: 0 }) if xs.iter().all(view))
    }

    /// Whether a value is what nets make of a batch of several views.
    fn is_of_batch(&self, id: NodeId) -> bool {
        let mut at = id;
        while let Some((_, _, input, _)) = self.stage(at) {
            at = input;
        }
        at != id && self.is_batch(at)
    }

    /// The name and shape of a value, as a line.
    fn value(&self, id: NodeId) -> Option<String> {
        let node = self.graph.nodes.get(id)?;
        let dims = words::dims(&node.dims);
        let name = node.name.clone().or_else(|| self.name_of_rows(id));
        match (name, dims.is_empty()) {
            (Some(name), true) => Some(format!("= {name}")),
            (Some(name), false) => Some(format!("= {name} {dims}")),
            (None, true) => None,
            (None, false) => Some(dims),
        }
    }

    /// The name of a list whose members are rows of a value.
    fn name_of_rows(&self, id: NodeId) -> Option<String> {
        let rows = self.graph.nodes.iter().find_map(|n| match n.op {
            Op::Slice { x, axis: 0, .. } if x == id => n.name.as_deref(),
            _ => None,
        });
        let (list, _) = rows?.split_once('[')?;
        Some(list.to_owned())
    }

    /// The box that gives a node; none for a number, which is written where it
    /// is used.
    fn unit(&mut self, id: NodeId) -> Option<usize> {
        if let Some(unit) = self.of.get(&id) {
            return Some(*unit);
        }
        if words::scalar(self.graph, id).is_some() {
            return None;
        }
        let unit = match (self.call_of(id), self.op(id)?) {
            (Some(call), _) => self.function(call)?,
            (None, Op::View { view }) => self.view(view, id),
            (None, Op::Stage { .. }) => self.net(id)?,
            (None, Op::Binary { .. })
            | (
                None,
                Op::Unary {
                    f: UnaryOp::Neg, ..
                },
            ) => self.arithmetic(id)?,
            (None, op) => self.operation(op, id),
        };
        self.of.insert(id, unit);
        Some(unit)
    }

    /// The outermost function that a node is the result of and that hides no
    /// nets.
    fn call_of(&self, id: NodeId) -> Option<usize> {
        let calls = self.plan.calls.iter().enumerate();
        let mut found: Vec<(usize, &Call)> = calls
            .filter(|(_, c)| c.results.contains(&id) && hides_nothing(self.graph, &self.flow, c))
            .collect();
        found.sort_by_key(|(_, c)| c.depth);
        found.first().map(|(i, _)| *i)
    }

    fn function(&mut self, index: usize) -> Option<usize> {
        if let Some(unit) = self.calls.get(&index) {
            return Some(*unit);
        }
        let call = self.plan.calls.get(index)?;
        let mut lines = Vec::new();
        let mut inputs = Vec::new();
        for argument in &call.arguments {
            if let Some(text) = &argument.text {
                lines.push(format!("{} {}", argument.name, rounded(text)));
            }
            for id in &argument.nodes {
                match words::scalar(self.graph, *id) {
                    Some(text) => lines.push(format!("{} {text}", argument.name)),
                    None => inputs.push((self.sources(*id), argument.name.as_str(), *id)),
                }
            }
        }
        let arguments = arguments(call);
        let interior = Interior::new(self.graph, &self.flow, &call.results, &arguments);
        let first = *call.results.first()?;
        let live = call.results.iter().any(|id| self.flow.at(*id));
        lines.extend(self.value(first).filter(|_| call.results.len() == 1));
        let unit = self.push(Kind::Function, call.function.clone(), lines, first);
        for (from, name, id) in inputs {
            let label = match live && interior.stopped.contains(&id) {
                true => format!("{name} ⊣ stopgrad"),
                false => name.to_owned(),
            };
            self.connect(&from, unit, &label, interior.fed.contains(&id));
        }
        self.calls.insert(index, unit);
        Some(unit)
    }

    fn view(&mut self, name: &str, id: NodeId) -> usize {
        let found = self.plan.recipe.views.iter().find(|v| v.name == name);
        let mut lines = Vec::new();
        if let Some(view) = found {
            lines.extend(words::transforms(view));
        }
        let shape = self.graph.nodes.get(id).map(|n| words::dims(&n.dims));
        lines.extend(shape);
        self.push(Kind::View, format!("view {name}"), lines, id)
    }

    /// A net with as many of its stages as follow each other unused by others.
    fn net(&mut self, id: NodeId) -> Option<usize> {
        let mut chain = vec![id];
        let mut at = id;
        while let Some((net, stage, input, _)) = self.stage(at)
            && let Some((before, earlier, ..)) = self.stage(input)
            && before == net
            && earlier + 1 == stage
            && self.uses.get(input) == Some(&1)
        {
            chain.push(input);
            at = input;
        }
        chain.reverse();
        let (net, first, input, _) = self.stage(at)?;
        let last = first + chain.len() - 1;
        let (kind, stages) = net_kind(self.plan, net);
        let run = stages.get(first..=last).unwrap_or_default();
        let name = |i: usize| stages.get(i).and_then(|s| s.name.as_deref()).unwrap_or("");
        let title = match run {
            _ if run.len() == stages.len() => net.to_owned(),
            [one] => format!("{net}.{}", one.name.as_deref().unwrap_or("")),
            _ => format!("{net}.{} … {}", name(first), name(last)),
        };
        let mut inputs = vec![(input, "")];
        for part in &chain {
            if let Some((.., Some(mask))) = self.stage(*part) {
                inputs.push((mask, "mask"));
            }
        }
        let mut links = Vec::new();
        for (node, label) in inputs {
            let gradient = self.flow.at(at) && self.flow.at(node);
            links.push((self.sources(node), label, gradient));
        }
        let mut lines: Vec<String> = match run {
            // Its name stands in the title.
            [one] if run.len() < stages.len() => vec![words::module(&one.module)],
            _ => run.iter().map(stage).collect(),
        };
        if kind == Kind::Trained && !self.flow.at(id) {
            lines.push("no gradient comes here".into());
        }
        lines.extend(self.value(id));
        let unit = self.push(kind, title, lines, id);
        for (from, label, gradient) in links {
            self.connect(&from, unit, label, gradient);
        }
        Some(unit)
    }

    /// Net, stage, input and mask of a stage's node.
    fn stage(&self, id: NodeId) -> Option<(&'p str, usize, NodeId, Option<NodeId>)> {
        match self.op(id)? {
            Op::Stage {
                net,
                stage,
                input,
                mask,
            } => Some((net, *stage, *input, *mask)),
            _ => None,
        }
    }

    fn operation(&mut self, op: &Op, id: NodeId) -> usize {
        let inputs = op.inputs();
        let names: &[&str] = match op {
            Op::Matmul { .. } => &["left", "right"],
            Op::Nearest { .. } => &["x", "among"],
            _ => &[],
        };
        let mut lines = words::particulars(op);
        let mut links = Vec::new();
        for (i, input) in inputs.iter().enumerate() {
            let label = names.get(i).copied().unwrap_or("");
            match words::scalar(self.graph, *input) {
                Some(text) => lines.push(text),
                None => links.push((self.sources(*input), label, *input)),
            }
        }
        lines.extend(self.value(id));
        let kind = match op {
            Op::Detach { .. } => Kind::Stopgrad,
            _ => Kind::Operation,
        };
        let unit = self.push(kind, words::operation(op), lines, id);
        for (from, label, input) in links {
            self.connect(&from, unit, label, self.flow.between(id, input));
        }
        unit
    }
}

/// Every node that a function was given.
fn arguments(call: &Call) -> Vec<NodeId> {
    let nodes = call.arguments.iter().flat_map(|a| &a.nodes);
    nodes.copied().collect()
}

/// Whether a function can be shown as one box: it gives something new, and no
/// net and no view stands in it.
fn hides_nothing(graph: &Graph, flow: &Flow, call: &Call) -> bool {
    let arguments = arguments(call);
    call.results.iter().all(|id| !arguments.contains(id))
        && Interior::new(graph, flow, &call.results, &arguments).plain
}

/// A number of the source, rounded for a reader.
fn rounded(text: &str) -> String {
    text.parse().map_or(text.to_owned(), words::number)
}
