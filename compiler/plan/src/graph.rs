//! What a step computes: one node for each distinct expression.

use serde::{Deserialize, Serialize};

use crate::{Net, NetKind, Schedule};

/// Index into [`Graph::nodes`]; always smaller than the index of its user.
pub type NodeId = usize;

/// The step as a graph in evaluation order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// Nodes; a node's inputs stand before it.
    pub nodes: Vec<Node>,
    /// What is minimised: a scalar.
    pub loss: NodeId,
    /// What is written beside the loss.
    pub tracks: Vec<Track>,
}

impl Graph {
    /// Which nodes look at every image of the batch on its own, as far as
    /// images and tokens go: views, what is drawn for them, and the stages of
    /// nets that take them. Micro-batches compute these part by part, and
    /// everything else on the whole batch. A stage's BatchNorm sees the images
    /// that are forwarded together.
    pub fn by_image(&self) -> Vec<bool> {
        let mut by_image: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let is = |id: &NodeId| by_image.get(*id).copied().unwrap_or(false);
            let rank = |id: &NodeId| self.nodes.get(*id).map_or(0, |n| n.dims.len());
            let own = match &node.op {
                Op::View { .. } => true,
                Op::RandomMask { x, .. } => is(x),
                Op::Concat { xs, axis: 0 } => xs.iter().all(|x| is(x) && rank(x) == 4),
                Op::Stage { input, mask, .. } => {
                    is(input) && rank(input) > 2 && mask.iter().all(is)
                }
                _ => false,
            };
            by_image.push(own);
        }
        by_image
    }

    /// Which nodes are stages of blocks, whose activations can be computed
    /// again in the backward pass: backbones and decoders of nets that take a
    /// gradient. Where a gradient goes on to the stage's input, that input is
    /// itself such a stage's.
    pub fn by_block(&self, nets: &[Net]) -> Vec<bool> {
        let mut by_block: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let ends = |id: &NodeId| {
                let live = self.nodes.get(*id).is_some_and(|n| !n.reaches.is_empty());
                !live || by_block.get(*id).copied().unwrap_or(false)
            };
            let own = match &node.op {
                Op::Stage {
                    net, stage, input, ..
                } => {
                    let net = nets.iter().find(|n| n.name == *net);
                    let of_blocks = net.is_some_and(|net| match &net.kind {
                        NetKind::Stages { stages } => {
                            stages.get(*stage).is_some_and(|s| s.module.is_of_blocks())
                        }
                        NetKind::Ema { .. } => false,
                    });
                    of_blocks && !node.reaches.is_empty() && ends(input)
                }
                _ => false,
            };
            by_block.push(own);
        }
        by_block
    }
}

/// One value of the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// How it is computed.
    pub op: Op,
    /// Its shape with the batch; empty for a scalar.
    pub dims: Vec<usize>,
    /// Nets whose parameters a gradient of this value can reach.
    pub reaches: Vec<String>,
    /// The name that the source gives it.
    pub name: Option<String>,
}

/// A named scalar that is written to the metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Metric name.
    pub name: String,
    /// A scalar node.
    pub node: NodeId,
}

/// A function of the source, before it was inlined: what the nodes between its
/// arguments and its results are, for the reader. It computes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Call {
    /// The function's name.
    pub function: String,
    /// Arguments in the order of the parameters, defaults included.
    pub arguments: Vec<Argument>,
    /// What it returned: one node, or those of a list.
    pub results: Vec<NodeId>,
    /// Calls that this one stands in.
    pub depth: usize,
}

/// What a parameter of a [`Call`] was given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Argument {
    /// The parameter.
    pub name: String,
    /// The nodes, where it is computed in the step; several for a list.
    pub nodes: Vec<NodeId>,
    /// What it is otherwise: a number, the name of a net.
    pub text: Option<String>,
}

/// A primitive operation. Losses of the methods are made of these, in the
/// standard library's own text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// A view of the batch, `[B, 3, H, W]`.
    View {
        /// Name of the view.
        view: String,
    },
    /// One forward of one stage of a net in training mode, with its own
    /// BatchNorm statistics. A whole net is its stages in a row.
    Stage {
        /// Name of the net.
        net: String,
        /// Index of the stage.
        stage: usize,
        /// Its input: a view, an embedding, or tokens.
        input: NodeId,
        /// `[B, N]` from [`Op::RandomMask`]: patches that an encoder does not
        /// see, or that a decoder has to fill in.
        mask: Option<NodeId>,
    },
    /// The same value without a gradient.
    Detach {
        /// Input.
        x: NodeId,
    },
    /// A number that may change with the step.
    Scalar {
        /// Its value.
        value: Schedule,
    },
    /// Elementwise with NumPy broadcasting.
    Binary {
        /// Which.
        f: BinaryOp,
        /// Left operand.
        left: NodeId,
        /// Right operand.
        right: NodeId,
    },
    /// Elementwise.
    Unary {
        /// Which.
        f: UnaryOp,
        /// Input.
        x: NodeId,
    },
    /// `x / max(|x|_2, eps)` along the last axis.
    L2Normalize {
        /// Input.
        x: NodeId,
        /// Floor of the norm.
        eps: f64,
    },
    /// Matrix product of `[N, D]` and `[D, M]`.
    Matmul {
        /// Left operand.
        left: NodeId,
        /// Right operand.
        right: NodeId,
    },
    /// Swap the two axes of a matrix.
    Transpose {
        /// Input.
        x: NodeId,
    },
    /// Join along an axis; views along axis 0.
    Concat {
        /// Inputs in order.
        xs: Vec<NodeId>,
        /// The axis.
        axis: usize,
    },
    /// Along the last axis.
    Softmax {
        /// Input.
        x: NodeId,
    },
    /// Along the last axis.
    LogSoftmax {
        /// Input.
        x: NodeId,
    },
    /// Entries `[i, i]` of `[N, M]`, `N <= M`: `[N]`.
    Diagonal {
        /// Input.
        x: NodeId,
    },
    /// `[N, M]` with entries `[i, i]` replaced by a value that softmax gives
    /// no weight.
    MaskDiagonal {
        /// Input.
        x: NodeId,
    },
    /// Logarithm of the summed exponentials along the last axis, which is
    /// removed.
    LogSumExp {
        /// Input.
        x: NodeId,
    },
    /// `[N]` as `[N, 1]`.
    Column {
        /// Input.
        x: NodeId,
    },
    /// Entries `start..end` of an axis.
    Slice {
        /// Input.
        x: NodeId,
        /// The axis.
        axis: usize,
        /// First entry.
        start: usize,
        /// Behind the last entry.
        end: usize,
    },
    /// `(x - mean) / sqrt(var + eps)` along the last axis, with the unbiased
    /// variance.
    Standardize {
        /// Input.
        x: NodeId,
        /// Added to the variance.
        eps: f64,
    },
    /// The last `length` rows that were put in, `[length, D]`, the oldest
    /// first to be replaced, without gradient. It is read before the step's
    /// own `x` goes in, and starts as random unit vectors.
    Queue {
        /// What goes in at the end of the step, `[B, D]`.
        x: NodeId,
        /// Rows kept; a multiple of B.
        length: usize,
    },
    /// An exponential moving average of the batch mean of `x`, `[D]`, without
    /// gradient: `c = decay c + (1 - decay) mean(x)`. It is read before the
    /// step's own mean goes in, and starts at zero.
    RunningMean {
        /// What is averaged, `[B, D]`.
        x: NodeId,
        /// Share of the old value that is kept.
        decay: Schedule,
    },
    /// Sinkhorn-Knopp (Cuturi 2013; Caron et al. 2020): `exp(x / epsilon)`,
    /// in turns scaled to equal column sums and to row sums of 1. `[B, K]`,
    /// without gradient.
    Sinkhorn {
        /// Scores, `[B, K]`.
        x: NodeId,
        /// Entropy of the assignment.
        epsilon: f64,
        /// Rounds.
        iterations: usize,
    },
    /// For each row of `x`, `[B, D]`, the row of `among` with the largest
    /// inner product, without gradient.
    Nearest {
        /// What is looked for.
        x: NodeId,
        /// Candidates, `[N, D]`.
        among: NodeId,
    },
    /// For every image, `hidden` of `count` patches drawn at random as 1, the
    /// others 0: `[B, count]`. A function of the seed, the step, the node and
    /// the place in the batch.
    RandomMask {
        /// The view whose patches they are.
        x: NodeId,
        /// Patches of an image.
        count: usize,
        /// Patches drawn.
        hidden: usize,
    },
    /// The patches of images `[B, C, H, W]` in rows, `[B, N, patch * patch *
    /// C]`, the channel running fastest (He et al. 2022).
    Patchify {
        /// A view.
        x: NodeId,
        /// Side of a patch in pixels.
        patch: usize,
    },
    /// Reduce one axis, or all.
    Reduce {
        /// Which.
        f: ReduceOp,
        /// Input.
        x: NodeId,
        /// The axis that is removed; all axes where none is given.
        axis: Option<usize>,
    },
}

impl Op {
    /// The nodes that it reads, in order.
    pub fn inputs(&self) -> Vec<NodeId> {
        self.clone()
            .inputs_mut()
            .into_iter()
            .map(|id| *id)
            .collect()
    }

    /// The same, to be renamed.
    pub fn inputs_mut(&mut self) -> Vec<&mut NodeId> {
        match self {
            Op::View { .. } | Op::Scalar { .. } => Vec::new(),
            Op::Binary { left, right, .. } | Op::Matmul { left, right } => vec![left, right],
            Op::Concat { xs, .. } => xs.iter_mut().collect(),
            Op::Stage { input, mask, .. } => std::iter::once(input).chain(mask).collect(),
            Op::Nearest { x, among } => vec![x, among],
            Op::Detach { x }
            | Op::Unary { x, .. }
            | Op::L2Normalize { x, .. }
            | Op::Transpose { x }
            | Op::Softmax { x }
            | Op::LogSoftmax { x }
            | Op::Diagonal { x }
            | Op::MaskDiagonal { x }
            | Op::LogSumExp { x }
            | Op::Column { x }
            | Op::Slice { x, .. }
            | Op::Standardize { x, .. }
            | Op::Queue { x, .. }
            | Op::RunningMean { x, .. }
            | Op::Sinkhorn { x, .. }
            | Op::RandomMask { x, .. }
            | Op::Patchify { x, .. }
            | Op::Reduce { x, .. } => vec![x],
        }
    }
}

/// Elementwise operations on two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
}

/// Elementwise operations on one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnaryOp {
    /// `-x`
    Neg,
    /// `e^x`
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `max(x, 0)`
    Relu,
}

/// Reductions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReduceOp {
    /// Sum.
    Sum,
    /// Arithmetic mean.
    Mean,
    /// Population standard deviation (divided by N).
    Std,
}
