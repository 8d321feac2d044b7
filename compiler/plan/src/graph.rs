//! What a step computes: one node for each distinct expression.

use serde::{Deserialize, Serialize};

use crate::Schedule;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// One forward of a net in training mode, with its own BatchNorm
    /// statistics.
    Net {
        /// Name of the net.
        net: String,
        /// Its input.
        input: NodeId,
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
    /// Join along an axis.
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
            Op::Net { input: x, .. }
            | Op::Detach { x }
            | Op::Unary { x, .. }
            | Op::L2Normalize { x, .. }
            | Op::Transpose { x }
            | Op::Softmax { x }
            | Op::LogSoftmax { x }
            | Op::Diagonal { x }
            | Op::MaskDiagonal { x }
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
