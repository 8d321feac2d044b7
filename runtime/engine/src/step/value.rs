//! The values of a step and the primitive operations on them.
//!
//! An array of any rank is held as a matrix: its last axis across, all axes
//! before it down, beside the shape that the plan gives it. `[]` is `[1, 1]`,
//! `[N]` is `[1, N]`, tokens `[B, N, D]` are `[B * N, D]`. So what looks along
//! the last axis only is one operation for all ranks, and arrays of rank 0 to 2
//! broadcast as NumPy does. A number that no tensor went into stays a number.

use std::ops::Range;

use burn::tensor::{Bool, Int, Tensor, activation};
use ssl_plan::{BinaryOp, ReduceOp, UnaryOp};

use crate::nets::{Mask, Signal};

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
    /// A scalar, vector, matrix, or tokens.
    Array(Array),
    /// Which patches are hidden; read as an array, `[B, N]`.
    Mask(Box<Mask>),
}

impl Value {
    /// As an array; `None` for a number and for an image.
    pub fn array(self) -> Option<Array> {
        match self {
            Value::Array(array) => Some(array),
            Value::Mask(mask) => Some(Array::matrix(mask.hidden())),
            Value::Number(_) | Value::Image(_) => None,
        }
    }

    /// As what a stage takes; `None` for what none takes.
    pub fn signal(self) -> Option<Signal> {
        match self {
            Value::Image(image) => Some(Signal::Image(image)),
            Value::Array(Array { tensor, shape }) => match shape[..] {
                [_, _] => Some(Signal::Embedding(tensor)),
                [b, n, d] => Some(Signal::Tokens(tensor.reshape([b, n, d]))),
                _ => None,
            },
            Value::Number(_) | Value::Mask(_) => None,
        }
    }

    /// Without a gradient.
    pub fn detach(self) -> Self {
        match self {
            Value::Array(array) => Value::Array(array.detach()),
            Value::Image(image) => Value::Image(image.inner()),
            other => other,
        }
    }

    /// Joins along an axis; images along the batch.
    pub fn concat(values: Vec<Value>, axis: usize) -> Option<Self> {
        if axis == 0 && values.iter().all(|value| matches!(value, Value::Image(_))) {
            let images = values.into_iter().filter_map(|value| match value {
                Value::Image(image) => Some(image),
                _ => None,
            });
            return Some(Value::Image(Tensor::cat(images.collect(), 0)));
        }
        let arrays = values.into_iter().map(Value::array);
        Array::concat(arrays.collect::<Option<_>>()?, axis).map(Value::Array)
    }

    /// Entries of an axis; of images, of the batch.
    pub fn slice(self, axis: usize, range: Range<usize>) -> Option<Self> {
        match self {
            Value::Image(image) if axis == 0 => Some(Value::Image(image.slice([range]))),
            Value::Image(_) | Value::Number(_) => None,
            other => other.array()?.slice(axis, range).map(Value::Array),
        }
    }
}

impl From<Signal> for Value {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Image(x) => Value::Image(x),
            Signal::Embedding(x) => Value::Array(Array::matrix(x)),
            Signal::Tokens(x) => Value::Array(Array::cube(x)),
        }
    }
}

/// A tensor of rank 0 to 3, held as a matrix.
#[derive(Clone)]
pub struct Array {
    /// The entries: the last axis across, the others down.
    pub tensor: Tensor<2>,
    /// The shape that the plan gives it.
    pub shape: Vec<usize>,
}

impl Array {
    /// An embedding `[B, D]`.
    pub fn matrix(tensor: Tensor<2>) -> Self {
        let shape = tensor.dims().to_vec();
        Array { tensor, shape }
    }

    /// Tokens `[B, N, D]`.
    fn cube(tensor: Tensor<3>) -> Self {
        let [b, n, d] = tensor.dims();
        Array {
            tensor: tensor.reshape([b * n, d]),
            shape: vec![b, n, d],
        }
    }

    /// Entries in row-major order under a shape.
    fn shaped(tensor: Tensor<2>, shape: Vec<usize>) -> Self {
        let columns = shape.last().copied().unwrap_or(1);
        let rows = shape.iter().rev().skip(1).product();
        Array {
            tensor: tensor.reshape([rows, columns]),
            shape,
        }
    }

    /// The same shape with other entries.
    fn with(&self, tensor: Tensor<2>) -> Self {
        let shape = self.shape.clone();
        Array { tensor, shape }
    }

    /// With axes of length 1 before its own up to rank 3.
    fn as_cube(&self) -> Option<Tensor<3>> {
        let [a, b, c] = match self.shape[..] {
            [] => [1, 1, 1],
            [c] => [1, 1, c],
            [b, c] => [1, b, c],
            [a, b, c] => [a, b, c],
            _ => return None,
        };
        Some(self.tensor.clone().reshape([a, b, c]))
    }

    /// The axis of [`Array::as_cube`] that is one of its own.
    fn cube_axis(&self, axis: usize) -> Option<usize> {
        let rank = self.shape.len();
        (axis < rank && rank <= 3).then(|| axis + 3 - rank)
    }

    /// Without a gradient.
    pub fn detach(self) -> Self {
        Array {
            tensor: self.tensor.inner(),
            shape: self.shape,
        }
    }

    /// An operation on each entry.
    pub fn unary(self, f: UnaryOp) -> Self {
        let x = self.tensor.clone();
        self.with(match f {
            UnaryOp::Neg => -x,
            UnaryOp::Exp => x.exp(),
            UnaryOp::Log => x.log(),
            UnaryOp::Sqrt => x.sqrt(),
            UnaryOp::Relu => activation::relu(x),
        })
    }

    /// `x / max(|x|_2, eps)` along the last axis. The gradient at zero is zero.
    pub fn l2_normalize(self, eps: f64) -> Self {
        self.with(crate::nets::l2_normalize(self.tensor.clone(), eps))
    }

    /// `(x - mean) / sqrt(var + eps)` along the last axis, `var` unbiased.
    pub fn standardize(self, eps: f64) -> Self {
        let [_, count] = self.tensor.dims();
        let mean = self.tensor.clone().mean_dim(1);
        let centred = self.tensor.clone() - mean;
        let square = centred.clone().square().sum_dim(1);
        let var = square.div_scalar((count.max(2) - 1) as f64);
        self.with(centred / var.add_scalar(eps).sqrt())
    }

    /// Matrix product.
    pub fn matmul(self, right: Array) -> Option<Self> {
        let ranks = [self.shape.len(), right.shape.len()];
        (ranks == [2, 2]).then(|| Array::matrix(self.tensor.matmul(right.tensor)))
    }

    /// `[M, N]` of `[N, M]`.
    pub fn transpose(self) -> Option<Self> {
        (self.shape.len() == 2).then(|| Array::matrix(self.tensor.transpose()))
    }

    /// Joins along an axis.
    pub fn concat(arrays: Vec<Array>, axis: usize) -> Option<Self> {
        let first = arrays.first()?;
        let mut shape = first.shape.clone();
        let across = first.cube_axis(axis)?;
        let length = arrays.iter().map(|array| array.shape.get(axis).copied());
        shape[axis] = length.sum::<Option<usize>>()?;
        // Beside one with a graph, one without takes part in it.
        let traced = arrays.iter().any(|array| array.tensor.is_autodiff());
        let tensors: Vec<Tensor<3>> = arrays
            .iter()
            .map(|array| {
                let tensor = array.as_cube()?;
                Some(if traced { tensor.autodiff() } else { tensor })
            })
            .collect::<Option<_>>()?;
        let joined = Tensor::cat(tensors, across);
        let [a, b, c] = joined.dims();
        Some(Array::shaped(joined.reshape([a * b, c]), shape))
    }

    /// Entries of an axis.
    pub fn slice(self, axis: usize, range: Range<usize>) -> Option<Self> {
        let across = self.cube_axis(axis)?;
        let mut shape = self.shape.clone();
        if range.start >= range.end || range.end > shape[axis] {
            return None;
        }
        shape[axis] = range.len();
        let part = self
            .as_cube()?
            .narrow(across, range.start, range.end - range.start);
        let [a, b, c] = part.dims();
        Some(Array::shaped(part.reshape([a * b, c]), shape))
    }

    /// `[N]` as `[N, 1]`.
    pub fn column(self) -> Option<Self> {
        let [n] = self.shape[..] else { return None };
        Some(Array::shaped(self.tensor, vec![n, 1]))
    }

    /// Softmax along the last axis.
    pub fn softmax(self) -> Self {
        self.with(activation::softmax(self.tensor.clone(), 1))
    }

    /// Logarithm of the softmax along the last axis.
    pub fn log_softmax(self) -> Self {
        self.with(activation::log_softmax(self.tensor.clone(), 1))
    }

    /// Logarithm of the summed exponentials along the last axis.
    pub fn log_sum_exp(self) -> Option<Self> {
        let mut shape = self.shape.clone();
        shape.pop()?;
        Some(Array::shaped(log_sum_exp(self.tensor, 1), shape))
    }

    /// Entries `[i, i]` of `[N, M]`, `N <= M`.
    pub fn diagonal(self) -> Option<Self> {
        let [n, _] = self.shape[..] else { return None };
        let places = Tensor::<1, Int>::arange(0..n as i64, &self.tensor.device());
        let picked = self.tensor.gather(1, places.reshape([n, 1]));
        Some(Array::shaped(picked, vec![n]))
    }

    /// Entries `[i, i]` replaced by a value that softmax gives no weight.
    pub fn mask_diagonal(self) -> Self {
        let dims = self.tensor.dims();
        let off_diagonal = Tensor::<2, Bool>::diag_mask(dims, 0, &self.tensor.device());
        let masked = (self.tensor.clone()).mask_fill(off_diagonal.bool_not(), MASKED);
        self.with(masked)
    }

    /// Sinkhorn-Knopp (Cuturi 2013) as SwAV's: `exp(x / epsilon)`, in turns
    /// scaled to columns of equal sum and to rows of sum 1, without gradient.
    /// Computed on logarithms, so that no temperature overflows.
    pub fn sinkhorn(self, epsilon: f64, iterations: usize) -> Option<Self> {
        let [batch, count] = self.shape[..] else {
            return None;
        };
        let x = self.tensor.inner().div_scalar(epsilon);
        let all = log_sum_exp(log_sum_exp(x.clone(), 1), 0);
        let mut x = x - all + (batch as f64).ln();
        for _ in 0..iterations {
            let share = (batch as f64 / count as f64).ln();
            x = x.clone() - log_sum_exp(x, 0) + share;
            x = x.clone() - log_sum_exp(x, 1);
        }
        Some(Array::matrix(x.exp()))
    }

    /// For each row the row of `among` with the largest inner product, without
    /// gradient.
    pub fn nearest(self, among: Array) -> Option<Self> {
        let (x, among) = (self.detach(), among.detach());
        let candidates = among.tensor.clone();
        let products = x.matmul(among.transpose()?)?;
        let [rows, _] = products.tensor.dims();
        let places = products.tensor.argmax(1).reshape([rows]);
        Some(Array::matrix(candidates.select(0, places)))
    }

    /// The patches of images, `[B, N, patch * patch * C]`: patches row-major,
    /// in each the pixels row-major, the channel running fastest (MAE's
    /// `n c h p w q -> n (h w) (p q c)`).
    pub fn patches(image: Tensor<4>, patch: usize) -> Option<Self> {
        let [batch, channels, height, width] = image.dims();
        if patch == 0 || !height.is_multiple_of(patch) || !width.is_multiple_of(patch) {
            return None;
        }
        let (rows, columns) = (height / patch, width / patch);
        let patches = image
            .reshape([batch, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 3, 5, 1])
            .reshape([batch, rows * columns, patch * patch * channels]);
        Some(Array::cube(patches))
    }

    /// Reduces one axis, or all. Sums run row by row, in an order that does not
    /// depend on the number of threads.
    pub fn reduce(self, f: ReduceOp, axis: Option<usize>) -> Option<Self> {
        let mut shape = self.shape.clone();
        let Some(axis) = axis else {
            return Some(Array::shaped(reduce(self.tensor, f, &[1, 0]), Vec::new()));
        };
        let across = self.cube_axis(axis)?;
        shape.remove(axis);
        let reduced = match (across, self.shape.len()) {
            (2, _) => reduce(self.tensor, f, &[1]),
            (1, 2) => reduce(self.tensor, f, &[0]),
            (across, _) => {
                let cube = reduce(self.as_cube()?, f, &[across]);
                let [a, b, c] = cube.dims();
                cube.reshape([a * b, c])
            }
        };
        Some(Array::shaped(reduced, shape))
    }
}

fn reduce<const D: usize>(x: Tensor<D>, f: ReduceOp, axes: &[usize]) -> Tensor<D> {
    let dims = x.dims();
    let count: usize = axes.iter().map(|&axis| dims[axis]).product();
    let sum = |x: Tensor<D>| axes.iter().fold(x, |x, &axis| x.sum_dim(axis));
    let mean = |x: Tensor<D>| sum(x).div_scalar(count as f64);
    match f {
        ReduceOp::Sum => sum(x),
        ReduceOp::Mean => mean(x),
        ReduceOp::Std => {
            let centred = x.clone() - mean(x);
            mean(centred.square()).clamp_min(TINY_VARIANCE).sqrt()
        }
    }
}

/// Along an axis, which stays with length 1. The largest entry goes first, as
/// a constant: the gradient is the softmax all the same.
fn log_sum_exp(x: Tensor<2>, axis: usize) -> Tensor<2> {
    let largest = x.clone().inner().max_dim(axis);
    let sum = (x - largest.clone()).exp().sum_dim(axis);
    sum.log() + largest
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
        (a, Value::Number(b)) => {
            let a = a.array()?;
            let x = a.tensor.clone();
            Value::Array(a.with(match f {
                BinaryOp::Add => x.add_scalar(b),
                BinaryOp::Sub => x.sub_scalar(b),
                BinaryOp::Mul => x.mul_scalar(b),
                BinaryOp::Div => x.div_scalar(b),
            }))
        }
        (Value::Number(a), b) => {
            let b = b.array()?;
            let x = b.tensor.clone();
            Value::Array(b.with(match f {
                BinaryOp::Add => x.add_scalar(a),
                BinaryOp::Sub => x.neg().add_scalar(a),
                BinaryOp::Mul => x.mul_scalar(a),
                BinaryOp::Div => x.recip().mul_scalar(a),
            }))
        }
        (a, b) => {
            let (a, b) = (a.array()?, b.array()?);
            let shape = broadcast(&a.shape, &b.shape)?;
            if shape.len() < 3 || a.shape == b.shape {
                Value::Array(Array::shaped(arithmetic(f, a.tensor, b.tensor), shape))
            } else {
                let cube = arithmetic(f, a.as_cube()?, b.as_cube()?);
                Value::Array(Array::cube(cube))
            }
        }
    })
}

fn arithmetic<const D: usize>(f: BinaryOp, a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    match f {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
    }
}

/// NumPy's rule: axes are aligned to the right, and one of length 1 stretches.
fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let length = |shape: &[usize], axis: usize| {
        let missing = rank - shape.len();
        axis.checked_sub(missing).map_or(1, |own| shape[own])
    };
    (0..rank)
        .map(|axis| match (length(a, axis), length(b, axis)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
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
