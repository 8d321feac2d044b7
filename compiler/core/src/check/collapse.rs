//! Would a constant output minimise the loss, and does anything stand against
//! it? Judged on the graph: no name of a method or of a loss is looked at.
//!
//! The loss is computed on made-up features ([`crate::scene`]): once where
//! every image has the same one, once where the views of an image agree and
//! images are apart. A loss that is no higher for the first only attracts.
//! Then the wiring must prevent the way there: by a predictor before a
//! detached target (Grill et al. 2020, Chen & He 2021), or by a slow average
//! as the target of outputs that a BatchNorm keeps at variance 1. The tests
//! train what is warned of, and what is passed, and see whether it collapses.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;
use ssl_diagnostics::{Diagnostic, Lint};
use ssl_plan::{Graph, NodeId, Norm, Op};

use super::Checker;
use super::nets::{NetSpec, StageSpec};
use crate::scene::Wiring;
use crate::shapes::ModuleSpec;
use crate::table::{HashMap, IndexMap};

/// A stage of a net.
type Place = (String, usize);

/// A way from the loss down to a view: the stages on it, and whether a
/// gradient comes along it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    stages: Vec<Place>,
    live: bool,
}

/// Every way from the loss to a view.
fn ways(graph: &Graph, specs: &IndexMap<String, NetSpec>) -> BTreeSet<Way> {
    let mut all: Vec<BTreeSet<Way>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let of = |id: NodeId| all.get(id).cloned().unwrap_or_default();
        let mut here = BTreeSet::new();
        match &node.op {
            Op::View { .. } => {
                here.insert(Way {
                    stages: Vec::new(),
                    live: true,
                });
            }
            Op::Stage {
                net, stage, input, ..
            } => {
                let trained = matches!(specs.get(net), Some(NetSpec::Stages(_)));
                for mut way in of(*input) {
                    if learns(specs, net, *stage) {
                        way.stages.push((net.clone(), *stage));
                    }
                    way.live &= trained;
                    here.insert(way);
                }
            }
            // Which patches are hidden says nothing of the image.
            Op::RandomMask { .. } => {}
            Op::Detach { .. }
            | Op::Queue { .. }
            | Op::RunningMean { .. }
            | Op::Sinkhorn { .. }
            | Op::Nearest { .. } => {
                for input in node.op.inputs() {
                    here.extend(of(input).into_iter().map(|w| Way { live: false, ..w }));
                }
            }
            op => {
                for input in op.inputs() {
                    here.extend(of(input));
                }
            }
        }
        all.push(here);
    }
    all.get(graph.loss).cloned().unwrap_or_default()
}

/// The stages behind a net's name.
fn stages_of<'a>(specs: &'a IndexMap<String, NetSpec>, net: &str) -> Option<&'a [StageSpec]> {
    match specs.get(net)? {
        NetSpec::Stages(stages) => Some(stages),
        NetSpec::Ema { of, .. } => match specs.get(of)? {
            NetSpec::Stages(stages) => Some(stages),
            _ => None,
        },
        NetSpec::Broken => None,
    }
}

fn learns(specs: &IndexMap<String, NetSpec>, net: &str, stage: usize) -> bool {
    let spec = stages_of(specs, net).and_then(|s| s.get(stage));
    !spec.is_some_and(|s| matches!(s.module, ModuleSpec::L2Normalize(_)))
}

/// The stages that give features of length 1.
fn unit_stages(specs: &IndexMap<String, NetSpec>) -> BTreeSet<Place> {
    let mut out = BTreeSet::new();
    for net in specs.keys() {
        for i in 0..stages_of(specs, net).map_or(0, <[StageSpec]>::len) {
            if !learns(specs, net, i) {
                out.insert((net.clone(), i));
            }
        }
    }
    out
}

/// The lowest losses of constant and of telling features, by wiring: the
/// pipelines of a file and the variants of a sweep share theirs.
#[derive(Debug, Default)]
pub struct Losses(RefCell<HashMap<u64, Vec<Known>>>);

#[derive(Debug)]
struct Known {
    graph: Graph,
    unit: BTreeSet<Place>,
    losses: Option<(f64, f64)>,
}

impl Losses {
    /// What is known of a wiring.
    fn known(&self, graph: &Graph, unit: &BTreeSet<Place>) -> Option<Option<(f64, f64)>> {
        let known = self.0.borrow();
        let same = |k: &&Known| k.graph == *graph && k.unit == *unit;
        let found = known.get(&key(graph))?.iter().find(same)?;
        Some(found.losses)
    }

    fn of(&self, graph: &Graph, unit: BTreeSet<Place>) -> Option<(f64, f64)> {
        if let Some(losses) = self.known(graph, &unit) {
            return losses;
        }
        let losses = Wiring { graph, unit: &unit }.constant_and_apart();
        let mut known = self.0.borrow_mut();
        known.entry(key(graph)).or_default().push(Known {
            graph: graph.clone(),
            unit,
            losses,
        });
        losses
    }
}

/// A hash of a graph; few have the same.
fn key(graph: &Graph) -> u64 {
    let mut hasher = FxHasher::default();
    for node in &graph.nodes {
        (std::mem::discriminant(&node.op), &node.dims).hash(&mut hasher);
        if let Op::Scalar { value } = &node.op {
            value.at(0.0).to_bits().hash(&mut hasher);
        }
    }
    hasher.finish()
}

impl Checker<'_> {
    /// Warns of a loss that a constant output minimises, which
    /// `allow(collapse)` takes back.
    pub(super) fn collapse(&mut self, graph: &Graph, specs: &IndexMap<String, NetSpec>) {
        let effective = self.source.effective;
        let unit = unit_stages(specs);
        let lower = |(same, apart): (f64, f64)| same > apart + 1e-9 * apart.abs().max(1.0);
        // A look at the wiring takes longer than one at what is known, and
        // computing the loss longer than both.
        let known = self.source.losses.known(graph, &unit).flatten();
        if known.is_some_and(lower) {
            return;
        }
        let Some(why) = unprotected(graph, specs) else {
            return;
        };
        let Some((same, apart)) = self.source.losses.of(graph, unit) else {
            return;
        };
        if lower((same, apart)) {
            return;
        }
        let Some(setting) = effective.step.as_ref().and_then(|s| s.minimize.as_ref()) else {
            return;
        };
        let same = if same.abs() < 1e-9 { 0.0 } else { same };
        self.report(
            Diagnostic::lint(Lint::COLLAPSE, "a constant output minimises this loss")
                .at(
                    setting.expr.span,
                    format!(
                        "it is {} where every image has the same feature, and not lower where they differ",
                        crate::value::show_number(same)
                    ),
                )
                .help(format!(
                    "{why}; or say `allow(collapse)` where that is what you study"
                )),
        );
    }
}

/// Whether what comes out of a way has mean 0 and variance 1 over the batch,
/// whatever the weights are: a BatchNorm without scale and shift is the last.
fn centred(specs: &IndexMap<String, NetSpec>, way: &Way) -> bool {
    let last = way.stages.last();
    let spec = last.and_then(|(net, stage)| stages_of(specs, net)?.get(*stage));
    spec.is_some_and(|s| match &s.module {
        ModuleSpec::Mlp(m) => {
            m.last_activation.is_none()
                && matches!(m.last_norm, Some(Norm::Batch { affine: false, .. }))
        }
        _ => false,
    })
}

/// What is missing, where nothing stands against the collapse.
fn unprotected(graph: &Graph, specs: &IndexMap<String, NetSpec>) -> Option<&'static str> {
    let ways = ways(graph, specs);
    let (live, targets): (Vec<&Way>, Vec<&Way>) = ways.iter().partition(|w| w.live);
    // Images are never the same.
    if ways.iter().any(|w| w.stages.is_empty()) {
        return None;
    }
    if targets.is_empty() {
        return Some(
            "both sides take the gradient: detach one with `stopgrad`, and put a predictor before the other",
        );
    }
    // A target's stages under the names of what they average.
    let origin = |(net, stage): &Place| match specs.get(net) {
        Some(NetSpec::Ema { of, .. }) => (of.clone(), *stage),
        _ => (net.clone(), *stage),
    };
    let in_targets: BTreeSet<Place> = targets
        .iter()
        .flat_map(|w| w.stages.iter().map(origin))
        .collect();
    let predicted = live
        .iter()
        .all(|w| w.stages.iter().any(|s| !in_targets.contains(s)));
    if predicted {
        return None;
    }
    let averaged = targets.iter().all(|w| {
        w.stages.iter().any(|(n, _)| match specs.get(n) {
            Some(NetSpec::Ema { decay, .. }) => decay.as_constant() != Some(0.0),
            _ => false,
        })
    });
    // A slow target and outputs of variance 1 over the batch hold: the network
    // cannot shrink them, and the target does not follow into a corner. Neither
    // holds alone.
    if averaged && live.iter().all(|w| centred(specs, w)) {
        return None;
    }
    let assigned = graph
        .nodes
        .iter()
        .any(|n| matches!(n.op, Op::Softmax { .. }) && n.reaches.is_empty() && n.dims.len() == 2);
    if assigned {
        return Some(
            "one class can win for all images: centre the target, `softmax((t - running_mean(t, decay: 0.9)) / temperature)`, or assign it with `sinkhorn`",
        );
    }
    Some(if averaged {
        "an average only delays it: put a predictor before the side that takes the gradient"
    } else {
        "the target is the network itself: put a predictor before the side that takes the gradient"
    })
}
