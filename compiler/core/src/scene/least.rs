//! The least that a loss can come to.
//!
//! Where the loss is a convex function of the inner products of normalised
//! features, and no image is favoured, its minimum is found among features
//! whose inner products are the same for all images: `p` with the image's
//! other view, `o` with another image (average over all permutations of the
//! images; a convex function does not rise). For any unit vectors
//! `|p - o| <= N / (N - 1)`, by the inequality of Cauchy and Schwarz for the
//! covariance of the two sets, so that the pairs `(p, o)` lie in a
//! parallelogram. Its corner `p = 1, o = -1 / (N - 1)` is the simplex. It is
//! the minimum exactly if the loss falls towards no other corner. With N <= D
//! + 1 there is such a simplex and the value is reached; else it is a bound.

use ssl_plan::{BinaryOp, Node, NodeId, Op, ReduceOp, UnaryOp};

use super::eval::Eval;
use super::products::Nudge;
use super::stand::{Axis, Cell, Stand};
use super::{Scene, Wiring};

/// A value that the loss cannot go below.
#[derive(Debug, Clone, Copy)]
pub struct Least {
    /// The value.
    pub value: f64,
    /// Whether features reach it.
    pub exact: bool,
}

/// The shape of a value as a function of the inner products.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curvature {
    Constant,
    Affine,
    Convex,
    Concave,
}

use Curvature::{Affine, Concave, Constant, Convex};

impl Curvature {
    fn turned(self) -> Self {
        match self {
            Convex => Concave,
            Concave => Convex,
            same => same,
        }
    }

    fn and(self, with: Self) -> Option<Self> {
        match (self, with) {
            (Constant, x) | (x, Constant) | (Affine, x) | (x, Affine) => Some(x),
            (x, y) => (x == y).then_some(x),
        }
    }

    /// Under a convex function that does not fall.
    fn under_convex(self) -> Option<Self> {
        match self {
            Constant => Some(Constant),
            Affine | Convex => Some(Convex),
            Concave => None,
        }
    }
}

/// How far a nudge goes. Losses change by about this much over the
/// temperature, far above what float64 rounds away.
const SHARE: f64 = 1e-6;

impl Wiring<'_> {
    /// The least loss at a step, where it can be derived.
    pub(super) fn least(&self, step: f64) -> Option<Least> {
        let mut eval = Eval::new(*self, Scene::Simplex, step);
        let stands = eval.all();
        let Stand::Number(value) = stands.get(self.graph.loss)?.as_ref()? else {
            return None;
        };
        let value = *value;
        if !value.is_finite() {
            return None;
        }
        let curvatures = self.curvatures(&stands);
        let shape = curvatures.get(self.graph.loss).copied()??;
        if shape == Concave {
            return None;
        }
        let needed = self.needed();
        let mut exact = true;
        for (id, node) in self.graph.nodes.iter().enumerate() {
            if needed.get(id) != Some(&true) {
                continue;
            }
            for (block, corners) in self.corners(node, &stands, &mut exact) {
                for to in corners {
                    eval.nudge = Some(Nudge {
                        node: id,
                        block,
                        to,
                        share: SHARE,
                    });
                    let Some(Stand::Number(moved)) = eval.loss() else {
                        return None;
                    };
                    if moved < value - 1e-12 * value.abs().max(1.0) {
                        return None;
                    }
                }
            }
        }
        Some(Least { value, exact })
    }

    /// The tables of inner products that a node makes, each with where its
    /// entries can go from the simplex.
    fn corners(
        &self,
        node: &Node,
        stands: &[Option<Stand>],
        exact: &mut bool,
    ) -> Vec<((usize, usize), Vec<Cell>)> {
        let at = |id: &NodeId| stands.get(*id).and_then(Option::as_ref);
        let pair = |own: f64, other: f64| Cell { own, other };
        match &node.op {
            Op::Binary {
                f: BinaryOp::Mul,
                left,
                right,
            } => match (at(left), at(right)) {
                (Some(Stand::Feature { .. }), Some(Stand::Feature { .. })) => {
                    vec![((0, 0), vec![Cell::all(-1.0)])]
                }
                _ => Vec::new(),
            },
            Op::Matmul { left, right } => {
                let (
                    Some(Stand::Feature { rows, width, .. }),
                    Some(Stand::Feature { rows: columns, .. }),
                ) = (at(left), at(right))
                else {
                    return Vec::new();
                };
                let mut out = Vec::new();
                let own_product = self.is_gram(*left, *right);
                for (r, row) in rows.iter().enumerate() {
                    for (c, column) in columns.iter().enumerate() {
                        let corners = match (row, column) {
                            (Axis::Images(n), Axis::Images(m)) if n == m => {
                                *exact &= *n <= width + 1;
                                let away = -((*n as f64 - 1.0).max(1.0).recip());
                                if own_product && r == c {
                                    vec![pair(1.0, 1.0)]
                                } else {
                                    vec![pair(1.0, 1.0), pair(-1.0, -1.0), pair(-1.0, -away)]
                                }
                            }
                            _ => {
                                *exact = false;
                                vec![Cell::all(1.0)]
                            }
                        };
                        out.push(((r, c), corners));
                    }
                }
                out
            }
            _ => Vec::new(),
        }
    }

    /// Whether a matrix is multiplied with its own transpose.
    pub(super) fn is_gram(&self, left: NodeId, right: NodeId) -> bool {
        let bare = |mut id: NodeId| {
            while let Some(Op::Transpose { x } | Op::Detach { x }) =
                self.graph.nodes.get(id).map(|n| &n.op)
            {
                id = *x;
            }
            id
        };
        bare(left) == bare(right)
    }

    /// What the loss is computed from.
    fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.graph.nodes.len()];
        if let Some(n) = needed.get_mut(self.graph.loss) {
            *n = true;
        }
        for (id, node) in self.graph.nodes.iter().enumerate().rev() {
            if needed.get(id) == Some(&true) {
                for input in node.op.inputs() {
                    if let Some(n) = needed.get_mut(input) {
                        *n = true;
                    }
                }
            }
        }
        needed
    }

    /// Every node's shape; the rules of disciplined convex programming (Grant,
    /// Boyd & Ye 2006).
    fn curvatures(&self, stands: &[Option<Stand>]) -> Vec<Option<Curvature>> {
        let mut all: Vec<Option<Curvature>> = Vec::new();
        for node in &self.graph.nodes {
            let shape = self.curvature(&node.op, stands, &all);
            all.push(shape);
        }
        all
    }

    fn curvature(
        &self,
        op: &Op,
        stands: &[Option<Stand>],
        all: &[Option<Curvature>],
    ) -> Option<Curvature> {
        let of = |id: &NodeId| all.get(*id).copied().flatten();
        let stand = |id: &NodeId| stands.get(*id).and_then(Option::as_ref);
        match op {
            Op::Scalar { .. } => Some(Constant),
            Op::Matmul { left, right } => match (stand(left), stand(right)) {
                (
                    Some(Stand::Feature { unit: true, .. }),
                    Some(Stand::Feature { unit: true, .. }),
                ) => Some(Affine),
                _ => None,
            },
            Op::Detach { x }
            | Op::Transpose { x }
            | Op::Diagonal { x }
            | Op::MaskDiagonal { x }
            | Op::Column { x }
            | Op::Slice { x, .. } => of(x),
            Op::Reduce {
                f: ReduceOp::Sum | ReduceOp::Mean,
                x,
                ..
            } => of(x),
            Op::Concat { xs, .. } => {
                let mut xs = xs.iter();
                let first = of(xs.next()?)?;
                xs.try_fold(first, |shape, x| shape.and(of(x)?))
            }
            Op::LogSoftmax { x } => match of(x)? {
                Constant => Some(Constant),
                Affine => Some(Concave),
                _ => None,
            },
            Op::LogSumExp { x } => of(x)?.under_convex(),
            Op::Unary { f, x } => match (f, of(x)?) {
                (_, Constant) => Some(Constant),
                (UnaryOp::Neg, shape) => Some(shape.turned()),
                (UnaryOp::Exp | UnaryOp::Relu, shape) => shape.under_convex(),
                (UnaryOp::Log | UnaryOp::Sqrt, Affine | Concave) => Some(Concave),
                _ => None,
            },
            Op::Binary { f, left, right } => {
                let units = |id| matches!(stand(id), Some(Stand::Feature { unit: true, .. }));
                if *f == BinaryOp::Mul && units(left) && units(right) {
                    return Some(Affine);
                }
                let (a, b) = (of(left)?, of(right)?);
                let scaled = |shape: Curvature, by: &NodeId| {
                    Some(match number(stand(by))? {
                        x if x < 0.0 => shape.turned(),
                        _ => shape,
                    })
                };
                match f {
                    BinaryOp::Add => a.and(b),
                    BinaryOp::Sub => a.and(b.turned()),
                    BinaryOp::Mul if left == right && a == Affine => Some(Convex),
                    BinaryOp::Mul if a == Constant => scaled(b, left),
                    BinaryOp::Mul | BinaryOp::Div if b == Constant => scaled(a, right),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn number(stand: Option<&Stand>) -> Option<f64> {
    match stand? {
        Stand::Number(x) => Some(*x),
        _ => None,
    }
}
