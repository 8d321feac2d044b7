//! The step: names and calls become a graph with one node for each distinct
//! expression. Functions are inlined; shapes and gradient sets are inferred.

mod build;
mod inline;
mod ops;

use std::collections::HashMap;

use indexmap::IndexMap;
use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{Call, Graph, Node, NodeId, Shape, Stage, Track, View};

use super::Checker;
use super::nets::NetSpec;
use crate::merge::Step;
use crate::value::Clock;

/// A value while the graph is built.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// A number that is known now.
    Number(f64),
    /// A node.
    Node(NodeId),
    /// A list, as `concat` takes it.
    List(Vec<Item>),
    /// A net, as an argument of a function.
    Net(String),
}

/// A net whose input is known.
struct Built {
    stages: Vec<Stage>,
    input: Shape,
    output: Shape,
    call: Span,
}

/// What the step came to.
#[derive(Default)]
pub struct StepGraph {
    /// The graph, where it is whole.
    pub graph: Option<Graph>,
    /// The views that it takes, in order.
    pub views: Vec<String>,
    nets: HashMap<String, Vec<Stage>>,
    /// Net, view: what is computed straight from a view.
    calls: Vec<(String, String)>,
    /// Every net that is called.
    called: Vec<String>,
    /// Nets that the loss reaches.
    reached: Vec<String>,
    /// Whether the loss could be understood.
    whole: bool,
    /// The functions that the graph's nodes come from.
    pub function_calls: Vec<Call>,
}

impl StepGraph {
    /// Whether the step computes a net on a view.
    pub fn computes(&self, net: &str, view: &str) -> bool {
        self.calls.iter().any(|(n, v)| n == net && v == view)
    }

    /// The first view that a net is called on.
    pub fn first_view_of(&self, net: &str) -> Option<String> {
        self.views.iter().find(|v| self.computes(net, v)).cloned()
    }

    /// Whether the loss could be understood.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether a net is called at all.
    pub fn calls(&self, net: &str) -> bool {
        self.called.iter().any(|n| n == net)
    }

    /// The stages of a net with their shapes.
    pub fn stages(&self, net: &str) -> Option<&[Stage]> {
        self.nets.get(net).map(Vec::as_slice)
    }

    /// The names of a net's stages.
    pub fn stage_names(&self, net: &str) -> Option<Vec<Option<String>>> {
        Some(self.stages(net)?.iter().map(|s| s.name.clone()).collect())
    }
}

/// Builds the graph of one step.
struct Builder<'b, 'a> {
    checker: &'b mut Checker<'a>,
    step: &'b Step,
    clock: &'b Clock,
    views: &'b IndexMap<String, View>,
    specs: &'b IndexMap<String, NetSpec>,
    nodes: Vec<Node>,
    /// Nodes by what they compute, to have each once.
    ids: HashMap<String, NodeId>,
    /// `None`: the net cannot be built, which has been reported.
    nets: HashMap<String, Option<Built>>,
    /// Values of the step's names.
    done: HashMap<String, Option<Item>>,
    /// Names under evaluation.
    open: Vec<String>,
    /// Functions under evaluation.
    depth: usize,
    calls: Vec<(String, String)>,
    called: Vec<String>,
    function_calls: Vec<Call>,
    /// Names of the step that something uses.
    used: Vec<String>,
}

impl Checker<'_> {
    /// Builds the step's graph, as far as it can be understood.
    pub(super) fn step(
        &mut self,
        clock: &Clock,
        views: &IndexMap<String, View>,
        specs: &IndexMap<String, NetSpec>,
    ) -> StepGraph {
        let Some(step) = &self.source.effective.step else {
            let at = self.source.effective.name.span;
            self.report(
                Diagnostic::error(Code::MISSING, "the pipeline has no `step`")
                    .at(at, "nothing is computed")
                    .help("write `step(a, b) { ... minimize ... }`"),
            );
            return StepGraph::default();
        };
        let mut builder = Builder {
            checker: self,
            step,
            clock,
            views,
            specs,
            nodes: Vec::new(),
            ids: HashMap::new(),
            nets: HashMap::new(),
            done: HashMap::new(),
            open: Vec::new(),
            depth: 0,
            calls: Vec::new(),
            called: Vec::new(),
            function_calls: Vec::new(),
            used: Vec::new(),
        };
        builder.run()
    }

    /// Nets and views that are of no use.
    pub(super) fn loose_ends(&mut self, specs: &IndexMap<String, NetSpec>, step: &StepGraph) {
        if !step.whole {
            return;
        }
        let effective = self.source.effective;
        for (name, spec) in specs {
            let span = effective
                .nets
                .get(name)
                .map_or(Span::default(), |n| n.name.span);
            match spec {
                NetSpec::Stages(_) if !step.reached.contains(name) => self.report(
                    Diagnostic::error(
                        Code::UNTRAINED,
                        format!("no loss reaches the net `{name}`, so it would never be trained"),
                    )
                    .at(
                        span,
                        if step.calls(name) {
                            "only called without a gradient"
                        } else {
                            "never called"
                        },
                    )
                    .help(format!("use it in the loss, or `drop {name}`")),
                ),
                NetSpec::Ema { .. } if !step.calls(name) => self.report(
                    Diagnostic::warning(Code::UNUSED, format!("the net `{name}` is never called"))
                        .at(span, "without effect")
                        .help(format!("call it in `step`, or `drop {name}`")),
                ),
                _ => {}
            }
        }
        for (name, view) in &effective.views {
            let judged = effective.eval.iter().chain(&effective.monitor).any(|e| {
                self.source
                    .map
                    .text(e.call.expr.span)
                    .contains(name.as_str())
            });
            let extended = effective
                .views
                .values()
                .any(|v| v.extends.as_ref().is_some_and(|e| e.name == *name));
            if !step.views.contains(name) && !judged && !extended {
                self.report(
                    Diagnostic::warning(Code::UNUSED, format!("the view `{name}` is never used"))
                        .at(view.name.span, "without effect")
                        .help(format!("take it in `step(..., {name})`, or `drop {name}`")),
                );
            }
        }
    }
}

impl Builder<'_, '_> {
    fn run(&mut self) -> StepGraph {
        let step = self.step;
        let mut views = Vec::new();
        for param in &step.params {
            if views.contains(&param.name) {
                self.checker.report(
                    Diagnostic::error(
                        Code::DUPLICATE,
                        format!("the view `{}` is taken twice", param.name),
                    )
                    .at(param.span, "a second time"),
                );
            } else if self
                .checker
                .source
                .effective
                .views
                .contains_key(&param.name)
            {
                views.push(param.name.clone());
            } else {
                let known = self
                    .checker
                    .source
                    .effective
                    .views
                    .keys()
                    .map(String::as_str);
                let help = crate::names::suggestion(&param.name, known);
                self.checker.report(
                    Diagnostic::error(
                        Code::UNKNOWN_NAME,
                        format!("there is no view `{}`", param.name),
                    )
                    .at(param.span, "not a view")
                    .maybe_help(help),
                );
            }
        }
        let loss = match &step.minimize {
            Some(setting) => {
                let item = self.eval(&setting.expr, &Locals::default());
                item.and_then(|i| self.scalar(i, setting.expr.span, "the loss"))
            }
            None => {
                self.checker.report(
                    Diagnostic::error(Code::MISSING, "the step minimises nothing")
                        .at(step.span, "has no `minimize`")
                        .help("write `minimize LOSS` in it"),
                );
                None
            }
        };
        let mut tracks = Vec::new();
        for (name, setting) in &step.tracks {
            let node = self
                .eval(&setting.expr, &Locals::default())
                .and_then(|i| self.scalar(i, setting.expr.span, "a tracked value"));
            tracks.extend(node.map(|node| Track {
                name: name.clone(),
                node,
            }));
        }
        let tracks_whole = tracks.len() == step.tracks.len();
        for (name, setting) in &step.bindings {
            if loss.is_some() && !self.used.contains(name) {
                self.checker.report(
                    Diagnostic::warning(Code::UNUSED, format!("`{name}` is never used"))
                        .at(setting.target, "without effect")
                        .help(format!(
                            "use it, or remove it (`drop {name}` where it is inherited)"
                        )),
                );
            }
            self.name(name, setting.target);
        }
        let reached = loss
            .and_then(|l| self.nodes.get(l))
            .map(|n| n.reaches.clone())
            .unwrap_or_default();
        if let (Some(_), true, Some(setting)) = (loss, reached.is_empty(), &step.minimize) {
            self.checker.report(
                Diagnostic::error(Code::NO_GRADIENT, "the loss reaches no parameters")
                    .at(
                        setting.expr.span,
                        "everything in it is detached or an average",
                    )
                    .help("one side must come from a net that is trained, without `stopgrad`"),
            );
        }
        // The loss's places are cut out before the rest is thrown away.
        let calls = std::mem::take(&mut self.function_calls);
        let (graph, function_calls) = match (loss, tracks_whole) {
            (Some(loss), true) => {
                let (graph, calls) = pruned(&self.nodes, loss, tracks, calls);
                (Some(graph), calls)
            }
            _ => (None, Vec::new()),
        };
        StepGraph {
            whole: loss.is_some(),
            graph,
            views,
            nets: self
                .nets
                .drain()
                .filter_map(|(name, built)| Some((name, built?.stages)))
                .collect(),
            calls: std::mem::take(&mut self.calls),
            called: std::mem::take(&mut self.called),
            reached,
            function_calls,
        }
    }
}

/// Names that a function's body sees; empty at the top of the step.
#[derive(Default)]
struct Locals {
    values: HashMap<String, Item>,
    /// Whether this is a function's body, where only these are seen.
    closed: bool,
}

/// The graph and its calls without nodes that neither the loss nor a track
/// needs.
fn pruned(
    nodes: &[Node],
    loss: NodeId,
    mut tracks: Vec<Track>,
    mut calls: Vec<Call>,
) -> (Graph, Vec<Call>) {
    let mut live = vec![false; nodes.len()];
    for root in std::iter::once(loss).chain(tracks.iter().map(|t| t.node)) {
        if let Some(l) = live.get_mut(root) {
            *l = true;
        }
    }
    for (id, node) in nodes.iter().enumerate().rev() {
        if live.get(id) == Some(&true) {
            for input in node.op.inputs() {
                if let Some(l) = live.get_mut(input) {
                    *l = true;
                }
            }
        }
    }
    let mut renamed = vec![0; nodes.len()];
    let mut kept = Vec::new();
    for (id, node) in nodes.iter().enumerate() {
        if live.get(id) == Some(&true) {
            if let Some(slot) = renamed.get_mut(id) {
                *slot = kept.len();
            }
            let mut node = node.clone();
            for input in node.op.inputs_mut() {
                *input = renamed.get(*input).copied().unwrap_or_default();
            }
            kept.push(node);
        }
    }
    let at = |id: NodeId| renamed.get(id).copied().unwrap_or_default();
    for track in &mut tracks {
        track.node = at(track.node);
    }
    let keep = |ids: &mut Vec<NodeId>| {
        ids.retain(|id| live.get(*id) == Some(&true));
        for id in ids {
            *id = at(*id);
        }
    };
    for call in &mut calls {
        keep(&mut call.results);
        for argument in &mut call.arguments {
            keep(&mut argument.nodes);
        }
    }
    calls.retain(|c| !c.results.is_empty());
    let graph = Graph {
        nodes: kept,
        loss: at(loss),
        tracks,
    };
    (graph, calls)
}
