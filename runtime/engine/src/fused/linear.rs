//! `y = f(x W^T + b)`, f the identity or GELU: the bias and f are applied
//! while the product's rows are at hand, and so are their gradients.

use burn::tensor::{Tensor, module};
use rayon::prelude::*;

use super::lanes::{add, rows_at_once, wide};
use super::node::{Block, Operation, three, two};
use super::product::{Matrix, product_of};
use super::{gelu, on_host};

/// What follows a linear map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    None,
    Gelu,
}

/// `[rows, in]` to `[rows, out]`, the weight `[out, in]`.
pub(crate) fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    match (on_host(&x), bias) {
        (true, Some(bias)) => three(x, weight, bias, Linear { activation }),
        (true, None) => two(x, weight, Linear { activation }),
        (false, bias) => plain(x, weight, bias, activation),
    }
}

pub(super) fn plain(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    let y = module::linear(x, weight.transpose(), bias);
    match activation {
        Activation::None => y,
        Activation::Gelu => gelu::plain(y),
    }
}

#[derive(Debug)]
struct Linear {
    activation: Activation,
}

impl Operation for Linear {
    fn forward(&self, mut inputs: Vec<Block>, keep: bool) -> (Block, Vec<Block>) {
        let ([rows, k], [out, _]) = (inputs[0].dims(), inputs[1].dims());
        let bias = inputs.get(2).map_or(&[][..], Block::values);
        let x = Matrix::rows(inputs[0].values(), [rows, k]);
        let weight = Matrix::rows(inputs[1].values(), [out, k]);
        let mut y = product_of(x, weight.t());

        let size = rows_at_once(out) * out;
        let shift = |rows: &mut [f32]| {
            if !bias.is_empty() {
                wide!({
                    for row in rows.chunks_exact_mut(out) {
                        add(row, bias);
                    }
                });
            }
        };
        if self.activation == Activation::None {
            if !bias.is_empty() {
                y.par_chunks_mut(size.max(1)).for_each(shift);
            }
            inputs.truncate(2);
            return (Block::new(y, [rows, out]), inputs);
        }
        if !keep {
            y.par_chunks_mut(size.max(1)).for_each(|rows| {
                shift(rows);
                gelu::forward(rows);
            });
            return (Block::new(y, [rows, out]), Vec::new());
        }
        y.par_chunks_mut(size.max(1)).for_each(shift);
        let mut activated: Vec<f32> = y.par_iter().copied().collect();
        activated
            .par_chunks_mut(size.max(1))
            .for_each(gelu::forward);
        inputs.truncate(2);
        inputs.push(Block::new(y, [rows, out]));
        (Block::new(activated, [rows, out]), inputs)
    }

    fn backward(&self, kept: Vec<Block>, gradient: Block, wanted: &[bool]) -> Vec<Option<Block>> {
        let [x, weight, rest @ ..] = &kept[..] else {
            return Vec::new();
        };
        let ([rows, k], [out, _]) = (x.dims(), weight.dims());
        let gradient = match rest {
            [before] => {
                let mut gradient = gradient.into_vec();
                let size = (rows_at_once(out) * out).max(1);
                let chunks = gradient.par_chunks_mut(size);
                chunks
                    .zip(before.values().par_chunks(size))
                    .for_each(|(gradient, before)| gelu::backward(gradient, before));
                Block::new(gradient, [rows, out])
            }
            _ => gradient,
        };
        let own = Matrix::rows(gradient.values(), [rows, out]);
        let of_x = wanted[0].then(|| {
            let weight = Matrix::rows(weight.values(), [out, k]);
            Block::new(product_of(own, weight), [rows, k])
        });
        let of_weight = wanted[1].then(|| {
            let x = Matrix::rows(x.values(), [rows, k]);
            Block::new(product_of(own.t(), x), [out, k])
        });
        let wants_bias = wanted.get(2).is_some_and(|wanted| *wanted);
        let of_bias = wants_bias.then(|| Block::new(column_sums(gradient.values(), out), [out]));
        vec![of_x, of_weight, of_bias]
    }
}

/// The sum of each column of a matrix so wide.
pub(super) fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let size = (rows_at_once(width) * width).max(1);
    let parts: Vec<Vec<f32>> = values
        .par_chunks(size)
        .map(|rows| {
            let mut sums = vec![0.0; width];
            wide!({
                for row in rows.chunks_exact(width) {
                    add(&mut sums, row);
                }
            });
            sums
        })
        .collect();
    total(parts, width)
}

/// The sum of vectors, in their order.
pub(super) fn total(parts: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    let mut sums = vec![0.0; width];
    for part in parts {
        add(&mut sums, &part);
    }
    sums
}
