//! The step: names and calls become a graph with one node for each distinct
//! expression. Functions are inlined; shapes and gradient sets are inferred.

mod build;
mod inline;
mod lists;
mod nets;
mod ops;
mod state;
mod usual;
mod whole;

use std::collections::BTreeSet;

use ssl_diagnostics::{Code, Diagnostic, Lint, Span};
use ssl_plan::{Call, Node, NodeId, Op, Stage, Track, View};

use super::Checker;
use super::nets::{NetSpec, StageSpec};
use crate::merge::Step;
use crate::names::Meant;
use crate::shapes::ModuleSpec;
use crate::table::{HashMap, HashSet, IndexMap, IndexSet};
use crate::value::Clock;
pub use whole::StepGraph;

/// Names of the primitive operations.
pub fn operations() -> impl Iterator<Item = &'static str> + Clone {
    ops::OPS.iter().map(|(name, _)| *name)
}

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

/// A stage whose input is known.
struct Built {
    stage: Stage,
    /// Where it was first called.
    call: Span,
}

/// Builds the graph of one step.
struct Builder<'b, 'a> {
    checker: &'b mut Checker<'a>,
    step: &'b Step,
    clock: &'b Clock,
    views: &'b IndexMap<String, View>,
    specs: &'b IndexMap<String, NetSpec>,
    nodes: Vec<Node>,
    /// The views that each node is computed from.
    sources: Vec<Vec<NodeId>>,
    /// Nodes by a hash of what they compute, to have each once.
    ids: HashMap<u64, Vec<NodeId>>,
    /// Stages of nets that were called. `None` within: the stage cannot be
    /// built, which has been reported.
    nets: HashMap<String, Vec<Option<Option<Built>>>>,
    /// Values of the step's names.
    done: HashMap<String, Option<Item>>,
    /// Names under evaluation.
    open: IndexSet<String>,
    /// Functions under evaluation.
    depth: usize,
    called: Vec<String>,
    function_calls: IndexSet<Call>,
    /// Names of the step that something uses.
    used: HashSet<String>,
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
            sources: Vec::new(),
            ids: HashMap::default(),
            nets: HashMap::default(),
            done: HashMap::default(),
            open: IndexSet::default(),
            depth: 0,
            called: Vec::new(),
            function_calls: IndexSet::default(),
            used: HashSet::default(),
        };
        builder.run()
    }

    /// Nets and views that are of no use.
    pub(super) fn loose_ends(&mut self, specs: &IndexMap<String, NetSpec>, step: &StepGraph) {
        if !step.is_whole() {
            return;
        }
        let effective = self.source.effective;
        for (name, spec) in specs {
            let span = effective
                .nets
                .get(name)
                .map_or(Span::default(), |n| n.name.span);
            match spec {
                NetSpec::Stages(_) if !step.reaches(name, None) => self.report(
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
                    .help(match step.calls(name) {
                        true => format!("call `{name}` on the side of the loss that takes the gradient, without `stopgrad` behind it, or `drop {name}`"),
                        false => format!("use it in the loss, or `drop {name}`"),
                    }),
                ),
                NetSpec::Stages(stages) => self.idle_stages(name, stages, step),
                NetSpec::Ema { .. } if !step.calls(name) => self.report(
                    Diagnostic::lint(
                        Lint::UNUSED_NET,
                        format!("the net `{name}` is never called"),
                    )
                    .at(span, "without effect")
                    .help(format!("call it in `step`, or `drop {name}`")),
                ),
                _ => {}
            }
        }
        for (name, view) in &effective.views {
            let judged = effective
                .eval
                .iter()
                .chain(&effective.monitor)
                .any(|e| e.call.names_view(name));
            let extended = effective
                .views
                .values()
                .any(|v| v.extends.as_ref().is_some_and(|e| e.name == *name));
            if !step.params.contains(name) && !judged && !extended {
                self.report(
                    Diagnostic::lint(
                        Lint::UNUSED_VIEW,
                        format!("the view `{name}` is never used"),
                    )
                    .at(view.name.span, "without effect")
                    .help(format!("take it in `step(..., {name})`, or `drop {name}`")),
                );
            }
        }
    }
}

impl Checker<'_> {
    /// Stages of a trained net that the loss does not reach.
    fn idle_stages(&mut self, net: &str, stages: &[StageSpec], step: &StepGraph) {
        for (i, spec) in stages.iter().enumerate() {
            let learns = !matches!(spec.module, ModuleSpec::L2Normalize(_));
            if step.reaches(net, Some(i)) || (!learns && step.stage(net, i).is_some()) {
                continue;
            }
            let name = match &spec.name {
                Some(stage) => format!("{net}.{stage}"),
                None => net.to_owned(),
            };
            self.report(
                Diagnostic::error(
                    Code::UNTRAINED,
                    format!("no loss reaches `{name}`, so it would never be trained"),
                )
                .at(
                    spec.span,
                    if step.stage(net, i).is_some() {
                        "only called without a gradient"
                    } else {
                        "never called"
                    },
                )
                .help(format!("call the whole net, or `drop {name}`")),
            );
        }
    }
}

impl Builder<'_, '_> {
    fn run(&mut self) -> StepGraph {
        let step = self.step;
        let mut params: Vec<String> = Vec::new();
        let mut views = Vec::new();
        for param in &step.params {
            if params.contains(&param.name) {
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
                params.push(param.name.clone());
                views.extend(members(self.views, &param.name));
            } else {
                let known = self
                    .checker
                    .source
                    .effective
                    .views
                    .keys()
                    .map(String::as_str);
                self.checker.report(
                    Diagnostic::error(
                        Code::UNKNOWN_NAME,
                        format!("there is no view `{}`", param.name),
                    )
                    .at(param.span, "not a view")
                    .meant(&param.name, known),
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
                    Diagnostic::lint(Lint::UNUSED_NAME, format!("`{name}` is never used"))
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
        let reached = loss.map(|l| self.reached(l)).unwrap_or_default();
        StepGraph {
            loss,
            tracks: tracks_whole.then_some(tracks),
            params,
            views,
            nets: self
                .nets
                .drain()
                .map(|(name, stages)| {
                    let stages = stages.into_iter().map(|s| Some(s??.stage));
                    (name, stages.collect())
                })
                .collect(),
            called: std::mem::take(&mut self.called),
            reached,
            nodes: std::mem::take(&mut self.nodes),
            function_calls: std::mem::take(&mut self.function_calls)
                .into_iter()
                .collect(),
        }
    }

    /// The stages that a gradient of a value comes to.
    fn reached(&self, from: NodeId) -> BTreeSet<(String, usize)> {
        let mut out = BTreeSet::new();
        let mut live = vec![false; self.nodes.len()];
        if let Some(l) = live.get_mut(from) {
            *l = true;
        }
        for (id, node) in self.nodes.iter().enumerate().rev() {
            if live.get(id) != Some(&true) || node.reaches.is_empty() {
                continue;
            }
            if let Op::Stage { net, stage, .. } = &node.op {
                out.insert((net.clone(), *stage));
            }
            for input in node.op.inputs() {
                if let Some(l) = live.get_mut(input) {
                    *l = true;
                }
            }
        }
        out
    }
}

/// Names that a function's body sees; empty at the top of the step.
#[derive(Default, Clone)]
struct Locals {
    values: HashMap<String, Item>,
    /// Whether this is a function's body, where only these are seen.
    closed: bool,
}

/// The single views that a name stands for.
pub(super) fn members(views: &IndexMap<String, View>, name: &str) -> Vec<String> {
    if views.contains_key(name) {
        return vec![name.to_owned()];
    }
    let part = format!("{name}[");
    let of = views.keys().filter(|v| v.starts_with(&part));
    of.cloned().collect()
}
