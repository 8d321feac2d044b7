//! The values of a step and the primitive operations on them.
//!
//! A scalar, a vector and a matrix are all held as a matrix, aligned to the
//! right as NumPy aligns: `[]` is `[1, 1]` and `[N]` is `[1, N]`. So one set of
//! operations broadcasts all of them. A number that no tensor went into stays
//! a number.

use burn::tensor::{Bool, Int, Tensor, activation};
use ssl_plan::{BinaryOp, ReduceOp, UnaryOp};

/// What masked entries hold: far below any logit, yet finite, so that no
/// gradient of it is `NaN`.
const MASKED: f32 = -1e30;

/// Variances below it count as zero: the deviation's gradient stays finite.
const TINY_VARIANCE: f32 = 1e-24;

/// One value.
#[derive(Clone)]
pub enum Value {
    /// A number, the same for every sample.
    Number(f64),
    /// A view, `[B, C, H, W]`.
    Image(Tensor<4>),
    /// A scalar, vector or matrix.
    Array(Array),
}

/// A tensor of rank 0 to 2, held as a matrix.
#[derive(Clone)]
pub struct Array {
    /// The entries, leading axes of length 1 where `rank` is below 2.
    pub tensor: Tensor<2>,
    /// The rank that the plan gives it.
    pub rank: usize,
}

impl Array {
    /// An embedding `[B, D]`.
    pub fn matrix(tensor: Tensor<2>) -> Self {
        Array { tensor, rank: 2 }
    }

    fn of(tensor: Tensor<2>, rank: usize) -> Self {
        Array { tensor, rank }
    }

    /// The matrix axis of the plan's axis.
    fn axis(&self, axis: usize) -> Option<usize> {
        (axis < self.rank).then(|| axis + 2 - self.rank)
    }

    /// Without a gradient.
    pub fn detach(self) -> Self {
        Array::of(self.tensor.inner(), self.rank)
    }

    /// An operation on each entry.
    pub fn unary(self, f: UnaryOp) -> Self {
        let x = self.tensor;
        let y = match f {
            UnaryOp::Neg => -x,
            UnaryOp::Exp => x.exp(),
            UnaryOp::Log => x.log(),
            UnaryOp::Sqrt => x.sqrt(),
            UnaryOp::Relu => activation::relu(x),
        };
        Array::of(y, self.rank)
    }

    /// `x / max(|x|_2, eps)` along the last axis. The gradient at zero is zero.
    pub fn l2_normalize(self, eps: f64) -> Self {
        let square = self.tensor.clone().square().sum_dim(1);
        let norm = square.clamp_min(eps * eps).sqrt();
        Array::of(self.tensor / norm, self.rank)
    }

    /// Matrix product.
    pub fn matmul(self, right: Array) -> Self {
        Array::matrix(self.tensor.matmul(right.tensor))
    }

    /// `[M, N]` of `[N, M]`.
    pub fn transpose(self) -> Self {
        Array::matrix(self.tensor.transpose())
    }

    /// Joins along an axis.
    pub fn concat(arrays: Vec<Array>, axis: usize) -> Option<Self> {
        let rank = arrays.first()?.rank;
        let axis = arrays.first()?.axis(axis)?;
        let tensors = arrays.into_iter().map(|array| array.tensor).collect();
        Some(Array::of(Tensor::cat(tensors, axis), rank))
    }

    /// Softmax along the last axis.
    pub fn softmax(self) -> Self {
        Array::of(activation::softmax(self.tensor, 1), self.rank)
    }

    /// Logarithm of the softmax along the last axis.
    pub fn log_softmax(self) -> Self {
        Array::of(activation::log_softmax(self.tensor, 1), self.rank)
    }

    /// Entries `[i, i]` of `[N, M]`, `N <= M`.
    pub fn diagonal(self) -> Self {
        let [n, _] = self.tensor.dims();
        let places = Tensor::<1, Int>::arange(0..n as i64, &self.tensor.device());
        let picked = self.tensor.gather(1, places.reshape([n, 1]));
        Array::of(picked.reshape([1, n]), 1)
    }

    /// Entries `[i, i]` replaced by a value that softmax gives no weight.
    pub fn mask_diagonal(self) -> Self {
        let dims = self.tensor.dims();
        let off_diagonal = Tensor::<2, Bool>::diag_mask(dims, 0, &self.tensor.device());
        let masked = self.tensor.mask_fill(off_diagonal.bool_not(), MASKED);
        Array::matrix(masked)
    }

    /// Reduces one axis, or all. Sums run row by row, in an order that does not
    /// depend on the number of threads.
    pub fn reduce(self, f: ReduceOp, axis: Option<usize>) -> Option<Self> {
        let axes: &[usize] = match axis {
            None => &[1, 0],
            Some(axis) => match self.axis(axis)? {
                0 => &[0],
                _ => &[1],
            },
        };
        let dims = self.tensor.dims();
        let count: usize = axes.iter().map(|&axis| dims[axis]).product();
        let sum = |x: Tensor<2>| axes.iter().fold(x, |x, &axis| x.sum_dim(axis));
        let mean = |x: Tensor<2>| sum(x).div_scalar(count as f64);
        let reduced = match f {
            ReduceOp::Sum => sum(self.tensor),
            ReduceOp::Mean => mean(self.tensor),
            ReduceOp::Std => {
                let centred = self.tensor.clone() - mean(self.tensor);
                mean(centred.square()).clamp_min(TINY_VARIANCE).sqrt()
            }
        };
        let rank = axis.map_or(0, |_| self.rank - 1);
        let length = reduced.shape().num_elements();
        Some(Array::of(reduced.reshape([1, length]), rank))
    }
}

/// An operation on two values, broadcast as NumPy does. `None` for images.
pub fn binary(f: BinaryOp, left: Value, right: Value) -> Option<Value> {
    Some(match (left, right) {
        (Value::Number(a), Value::Number(b)) => Value::Number(match f {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            BinaryOp::Div => a / b,
        }),
        (Value::Array(a), Value::Number(b)) => {
            let rank = a.rank;
            let tensor = match f {
                BinaryOp::Add => a.tensor.add_scalar(b),
                BinaryOp::Sub => a.tensor.sub_scalar(b),
                BinaryOp::Mul => a.tensor.mul_scalar(b),
                BinaryOp::Div => a.tensor.div_scalar(b),
            };
            Value::Array(Array::of(tensor, rank))
        }
        (Value::Number(a), Value::Array(b)) => {
            let rank = b.rank;
            let tensor = match f {
                BinaryOp::Add => b.tensor.add_scalar(a),
                BinaryOp::Sub => b.tensor.neg().add_scalar(a),
                BinaryOp::Mul => b.tensor.mul_scalar(a),
                BinaryOp::Div => b.tensor.recip().mul_scalar(a),
            };
            Value::Array(Array::of(tensor, rank))
        }
        (Value::Array(a), Value::Array(b)) => {
            let rank = a.rank.max(b.rank);
            let tensor = match f {
                BinaryOp::Add => a.tensor + b.tensor,
                BinaryOp::Sub => a.tensor - b.tensor,
                BinaryOp::Mul => a.tensor * b.tensor,
                BinaryOp::Div => a.tensor / b.tensor,
            };
            Value::Array(Array::of(tensor, rank))
        }
        (Value::Image(_), _) | (_, Value::Image(_)) => return None,
    })
}

/// An operation on a number.
pub fn unary_number(f: UnaryOp, x: f64) -> f64 {
    match f {
        UnaryOp::Neg => -x,
        UnaryOp::Exp => x.exp(),
        UnaryOp::Log => x.ln(),
        UnaryOp::Sqrt => x.sqrt(),
        UnaryOp::Relu => x.max(0.0),
    }
}
