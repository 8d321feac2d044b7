//! The step's memory over time, and its work.
//!
//! All values of the step's graph are held until the loss is there; then the
//! backward pass walks the layers from the last to the first, frees what each
//! kept, and leaves the gradients of its parameters. The peak is the worst
//! moment of that.

use std::collections::{BTreeMap, BTreeSet};

use ssl_plan::{BinaryOp, Graph, Net, NetKind, NodeId, Op, ReduceOp, Stage, UnaryOp};

use super::layers::{F32, Flow, Kernels, Layer, layers};

/// What a step takes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Step {
    /// Bytes at the end of the forward pass.
    pub forward: f64,
    /// Bytes at the worst moment: values, gradients and what is worked on.
    pub peak: f64,
    /// Operations of the nets that are trained, the loss included, and of
    /// blocks that are computed again.
    pub trained_flops: f64,
    /// Those of blocks that are computed again.
    pub again_flops: f64,
    /// Operations of the averages.
    pub average_flops: f64,
    /// Operations of the backward pass.
    pub backward_flops: f64,
}

/// How a step is computed.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// What computes the networks.
    pub kernels: Kernels,
    /// Micro-batches.
    pub parts: usize,
    /// Whether the backward pass computes blocks again.
    pub by_block: bool,
}

/// The stages behind a net's name, and whether it is an average.
pub fn stages<'a>(nets: &'a [Net], name: &str) -> Option<(&'a [Stage], bool)> {
    match &nets.iter().find(|n| n.name == name)?.kind {
        NetKind::Stages { stages } => Some((stages, false)),
        NetKind::Ema { of, .. } => match &nets.iter().find(|n| n.name == *of)?.kind {
            NetKind::Stages { stages } => Some((stages, true)),
            NetKind::Ema { .. } => None,
        },
    }
}

/// One run of a stage.
struct Run {
    /// Whose parameters it has.
    owner: (String, usize),
    layers: Vec<Layer>,
    live: bool,
    /// Whether something before it is trained, so that its input takes a
    /// gradient.
    carries: bool,
    /// Whether the backward pass computes its segments again.
    again: bool,
}

impl Run {
    /// Bytes that the forward pass leaves for the backward pass.
    fn kept(&self) -> f64 {
        let layers = self.layers.iter();
        match self.again {
            true => layers.filter_map(|l| l.segment).sum(),
            false => layers.map(|l| l.kept).sum(),
        }
    }

    /// Its layers in pieces whose graph is there at a time, the last first.
    fn pieces(&self) -> Vec<Piece<'_>> {
        if !self.again {
            return vec![Piece {
                layers: &self.layers,
                input: 0.0,
                output: 0.0,
            }];
        }
        let mut output = 0.0;
        let mut pieces = Vec::new();
        let mut end = self.layers.len();
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let Some(input) = layer.segment else { continue };
            pieces.push(Piece {
                layers: self.layers.get(i..end).unwrap_or_default(),
                input,
                output,
            });
            (end, output) = (i, input);
        }
        pieces
    }
}

/// Layers whose graph is there at a time.
struct Piece<'a> {
    layers: &'a [Layer],
    /// Bytes of the input and of the output, of what is computed again; the
    /// input alone was kept.
    input: f64,
    output: f64,
}

/// What a step takes in memory and work.
pub fn step(graph: &Graph, nets: &[Net], how: How) -> Step {
    let parts = how.parts;
    if parts < 2 {
        return piece(graph, nets, how);
    }
    let by_image = graph.by_image();
    let own = |id: NodeId| by_image.get(id).copied().unwrap_or(false);
    let crosses: BTreeSet<NodeId> = (graph.nodes.iter().enumerate())
        .filter(|(id, _)| !own(*id))
        .flat_map(|(_, node)| node.op.inputs())
        .filter(|id| {
            own(*id) && matches!(graph.nodes.get(*id).map(|n| &n.op), Some(Op::Stage { .. }))
        })
        .collect();
    // What crosses is held for the whole batch, and its gradient.
    let held: f64 = crosses
        .iter()
        .map(|id| {
            let live = graph.nodes.get(*id).is_some_and(|n| !n.reaches.is_empty());
            size(graph, *id) * F32 * if live { 2.0 } else { 1.0 }
        })
        .sum();
    let given = |node: &mut ssl_plan::Node| {
        node.op = Op::View {
            view: String::new(),
        };
    };
    let (mut part, mut rest) = (graph.clone(), graph.clone());
    for (id, node) in part.nodes.iter_mut().enumerate() {
        if own(id) {
            if let Some(rows) = node.dims.first_mut() {
                *rows /= parts;
            }
        } else {
            given(node);
            node.dims.clear();
            node.reaches.clear();
        }
    }
    for (id, node) in rest.nodes.iter_mut().enumerate() {
        if own(id) && matches!(node.op, Op::Stage { .. }) {
            given(node);
        }
    }
    let (part, rest) = (piece(&part, nets, how), piece(&rest, nets, how));
    let times = parts as f64;
    Step {
        forward: held + part.forward.max(rest.forward),
        peak: held + part.peak.max(rest.peak),
        // Once for the embeddings, once more for the gradient.
        trained_flops: times * (2.0 * part.trained_flops - part.again_flops) + rest.trained_flops,
        again_flops: times * part.again_flops + rest.again_flops,
        average_flops: times * part.average_flops + rest.average_flops,
        backward_flops: times * part.backward_flops + rest.backward_flops,
    }
}

/// What a step takes that is computed in one piece.
fn piece(graph: &Graph, nets: &[Net], how: How) -> Step {
    let mut out = Step::default();
    let by_block = match how.by_block {
        true => graph.by_block(nets),
        false => Vec::new(),
    };
    let mut runs: BTreeMap<NodeId, Run> = BTreeMap::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        let again = by_block.get(id).copied().unwrap_or(false);
        if let Some(run) = run(graph, nets, id, how.kernels, again) {
            let flops: f64 = run.layers.iter().map(|l| l.flops).sum();
            if run.live {
                out.trained_flops += flops;
                if again {
                    out.trained_flops += flops;
                    out.again_flops += flops;
                }
                // For the weights, and, but for the first layer, the input.
                let first = run.layers.first().map_or(0.0, |l| l.flops);
                let spared = if run.carries { 0.0 } else { first };
                let fixed = run.layers.first().is_some_and(|l| l.kept == 0.0);
                out.backward_flops += 2.0 * flops - spared * if fixed { 2.0 } else { 1.0 };
            } else {
                out.average_flops += flops;
            }
            runs.insert(id, run);
        } else {
            let flops = flops(graph, &node.op, &node.dims);
            out.trained_flops += flops;
            out.backward_flops += if node.reaches.is_empty() {
                0.0
            } else {
                2.0 * flops
            };
        }
    }

    let bytes = |id: NodeId| size(graph, id) * F32;
    let kept_by_graph = kept(graph);
    let inside: Vec<f64> = (0..graph.nodes.len())
        .map(|id| internal(graph, id))
        .collect();
    let of_runs: f64 = runs.values().filter(|r| r.live).map(Run::kept).sum();
    // Views are the batch that is in use.
    let held: f64 = (0..graph.nodes.len())
        .filter(|id| !graph.nodes.get(*id).is_some_and(|n| shares(&n.op)))
        .map(bytes)
        .sum();
    out.forward = of_runs + inside.iter().sum::<f64>() + held;

    let mut now = of_runs
        + inside.iter().sum::<f64>()
        + kept_by_graph.iter().map(|id| bytes(*id)).sum::<f64>();
    let mut last_use: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for (id, node) in graph.nodes.iter().enumerate() {
        for input in node.op.inputs() {
            last_use.entry(input).or_insert(id);
        }
    }
    let mut gradients = 0.0;
    let mut seen: BTreeSet<(String, usize)> = BTreeSet::new();
    out.peak = out.forward.max(now);
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        if let Some(run) = runs.get(&id).filter(|r| r.live) {
            let joins = seen.contains(&run.owner);
            for Piece {
                layers,
                input,
                output,
            } in run.pieces()
            {
                if run.again {
                    now += layers.iter().map(|l| l.kept).sum::<f64>();
                }
                // The gradient that came, times the output, and its own; then
                // it waits at the residual sum.
                out.peak = out.peak.max(now + gradients + 3.0 * output);
                for layer in layers.iter().rev() {
                    let own = layer.trained as f64 * F32;
                    // The gradient of a second forward joins that of the first.
                    let fresh = if joins { 2.0 * own } else { own };
                    let working = layer.working + output + fresh;
                    out.peak = out.peak.max(now + gradients + working);
                    if !joins {
                        gradients += own;
                    }
                    now -= layer.kept;
                }
                now -= input;
            }
            seen.insert(run.owner.clone());
        } else if !node.reaches.is_empty() {
            // The gradient of the value and those of its inputs.
            let inputs: f64 = node.op.inputs().into_iter().map(bytes).sum();
            out.peak = out.peak.max(now + gradients + bytes(id) + inputs);
        }
        now -= inside.get(id).copied().unwrap_or_default();
        for (input, _) in last_use.iter().filter(|(_, user)| **user == id) {
            if kept_by_graph.contains(input) {
                now -= bytes(*input);
            }
        }
    }
    out
}

fn run(graph: &Graph, nets: &[Net], id: NodeId, kernels: Kernels, again: bool) -> Option<Run> {
    let node = graph.nodes.get(id)?;
    let Op::Stage {
        net,
        stage,
        input,
        mask,
    } = &node.op
    else {
        return None;
    };
    let (stages, average) = stages(nets, net)?;
    let dims = &graph.nodes.get(*input)?.dims;
    let visible = mask.and_then(|m| match graph.nodes.get(m)?.op {
        Op::RandomMask { count, hidden, .. } => Some(count - hidden),
        _ => None,
    });
    let image = match dims.as_slice() {
        [_, _, h, w] => [*h, *w],
        _ => [0, 0],
    };
    let flow = Flow {
        batch: *dims.first()? as f64,
        image,
        visible,
        kernels,
    };
    Some(Run {
        owner: (net.clone(), *stage),
        layers: layers(&stages.get(*stage)?.module, flow),
        live: !average && node.reaches.contains(net),
        carries: !graph.nodes.get(*input)?.reaches.is_empty(),
        again,
    })
}

fn size(graph: &Graph, id: NodeId) -> f64 {
    let dims = graph.nodes.get(id).map(|n| n.dims.as_slice());
    dims.unwrap_or_default().iter().map(|d| *d as f64).product()
}

/// Whether a value takes no memory of its own: a view of the batch, or
/// another value's numbers in another order.
fn shares(op: &Op) -> bool {
    matches!(
        op,
        Op::View { .. }
            | Op::Detach { .. }
            | Op::Transpose { .. }
            | Op::Column { .. }
            | Op::Queue { .. }
            | Op::RunningMean { .. }
    )
}

/// Values of the graph that an operation keeps for its backward pass, each
/// once however many keep it.
fn kept(graph: &Graph) -> BTreeSet<NodeId> {
    let mut out = BTreeSet::new();
    let live = |id: &NodeId| graph.nodes.get(*id).is_some_and(|n| !n.reaches.is_empty());
    for node in graph.nodes.iter().filter(|n| !n.reaches.is_empty()) {
        match &node.op {
            Op::Binary {
                f: BinaryOp::Mul,
                left,
                right,
            }
            | Op::Matmul { left, right } => {
                out.extend(live(right).then_some(*left));
                out.extend(live(left).then_some(*right));
            }
            Op::Binary {
                f: BinaryOp::Div,
                left,
                right,
            } => {
                out.extend(live(right).then_some(*left));
                out.insert(*right);
            }
            Op::Unary { f, x } if *f != UnaryOp::Neg => {
                out.insert(*x);
            }
            Op::L2Normalize { x, .. } | Op::Standardize { x, .. } => {
                out.insert(*x);
            }
            _ => {}
        }
    }
    out.retain(|id| !graph.nodes.get(*id).is_some_and(|n| shares(&n.op)));
    out
}

/// Bytes that an operation keeps beside its inputs.
fn internal(graph: &Graph, id: NodeId) -> f64 {
    let Some(node) = graph.nodes.get(id).filter(|n| !n.reaches.is_empty()) else {
        return 0.0;
    };
    let of = |x: &NodeId| size(graph, *x) * F32;
    match &node.op {
        // The input and the output of the exponential.
        Op::Softmax { x } => 2.0 * of(x),
        Op::LogSoftmax { x } | Op::LogSumExp { x } => of(x),
        Op::MaskDiagonal { x } => of(x) / 4.0,
        Op::Reduce {
            f: ReduceOp::Std,
            x,
            ..
        } => of(x),
        Op::Standardize { x, .. } => of(x),
        _ => 0.0,
    }
}

/// Operations of a node that is no stage: matrix products in full, one for
/// each number elsewhere.
fn flops(graph: &Graph, op: &Op, dims: &[usize]) -> f64 {
    let out: f64 = dims.iter().map(|d| *d as f64).product();
    match op {
        Op::View { .. } | Op::Scalar { .. } => 0.0,
        Op::Nearest { x, among } => {
            let rows = |id: &NodeId| graph.nodes.get(*id).and_then(|n| n.dims.first().copied());
            let width = dims.last().copied().unwrap_or(0);
            let n = rows(x).unwrap_or(0) * rows(among).unwrap_or(0) * width;
            2.0 * n as f64
        }
        Op::Matmul { left, .. } => {
            let inner = graph.nodes.get(*left).and_then(|n| n.dims.last().copied());
            2.0 * out * inner.unwrap_or(1) as f64
        }
        Op::Sinkhorn { iterations, .. } => out * (1.0 + 4.0 * *iterations as f64),
        op if shares(op) => 0.0,
        Op::Reduce { x, .. } => size(graph, *x),
        _ => out,
    }
}
