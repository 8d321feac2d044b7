//! LayerNorm over the last axis (Ba et al. 2016): a row is read once for its
//! mean and variance and its result, and once for its gradients.

use burn::tensor::{Tensor, module};
use rayon::prelude::*;

use super::lanes::{add, rows_at_once, sum_of, wide};
use super::linear::total;
use super::node::{Block, Operation, three};
use super::on_host;

/// `(x - mean) / sqrt(variance + eps) weight + bias`, the variance biased.
pub(crate) fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<2> {
    match on_host(&x) {
        true => three(x, weight, bias, LayerNorm { eps: eps as f32 }),
        false => plain(x, weight, bias, eps),
    }
}

pub(super) fn plain(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<2> {
    module::layer_norm(x, weight, Some(bias), eps)
}

#[derive(Debug)]
struct LayerNorm {
    eps: f32,
}

impl Operation for LayerNorm {
    fn forward(&self, mut inputs: Vec<Block>, _: bool) -> (Block, Vec<Block>) {
        let [rows, width] = inputs[0].dims();
        let [x, weight, bias] = [0, 1, 2].map(|i: usize| inputs[i].values());
        let mut y = vec![0.0; rows * width];
        let mut scales = vec![0.0; 2 * rows];
        let at_once = rows_at_once(width);
        let size = (at_once * width).max(1);
        (y.par_chunks_mut(size), x.par_chunks(size))
            .into_par_iter()
            .zip(scales.par_chunks_mut(2 * at_once))
            .for_each(|((y, x), scales)| {
                wide!({
                    let rows = y.chunks_exact_mut(width).zip(x.chunks_exact(width));
                    for ((y, x), scale) in rows.zip(scales.chunks_exact_mut(2)) {
                        let (mean, deviation) = statistics(x, self.eps);
                        scale.copy_from_slice(&[mean, deviation]);
                        let affine = weight.iter().zip(bias);
                        for ((y, x), (weight, bias)) in y.iter_mut().zip(x).zip(affine) {
                            *y = (x - mean) * deviation * weight + bias;
                        }
                    }
                });
            });
        inputs.truncate(2);
        inputs.push(Block::new(scales, [rows, 2]));
        (Block::new(y, [rows, width]), inputs)
    }

    fn backward(&self, kept: Vec<Block>, gradient: Block, _: &[bool]) -> Vec<Option<Block>> {
        let [rows, width] = gradient.dims();
        let [x, weight, scales] = [0, 1, 2].map(|i: usize| kept[i].values());
        let mut gradient = gradient.into_vec();
        let at_once = rows_at_once(width);
        let size = (at_once * width).max(1);
        let parts: Vec<[Vec<f32>; 2]> = (gradient.par_chunks_mut(size), x.par_chunks(size))
            .into_par_iter()
            .zip(scales.par_chunks(2 * at_once))
            .map(|((gradient, x), scales)| {
                let mut sums = [vec![0.0; width], vec![0.0; width]];
                wide!({
                    let [of_weight, of_bias] = &mut sums;
                    let rows = gradient.chunks_exact_mut(width).zip(x.chunks_exact(width));
                    for ((g, x), scale) in rows.zip(scales.chunks_exact(2)) {
                        row_backward(g, x, weight, [scale[0], scale[1]], of_weight, of_bias);
                    }
                });
                sums
            })
            .collect();
        let (of_weight, of_bias) = parts.into_iter().map(|[w, b]| (w, b)).unzip();
        vec![
            Some(Block::new(gradient, [rows, width])),
            Some(Block::new(total(of_weight, width), [width])),
            Some(Block::new(total(of_bias, width), [width])),
        ]
    }
}

/// Mean and one over the deviation.
#[inline(always)]
fn statistics(x: &[f32], eps: f32) -> (f32, f32) {
    let share = 1.0 / x.len() as f32;
    let mean = sum_of(x, x, |x, _| x) * share;
    let variance = sum_of(x, x, |x, _| (x - mean) * (x - mean)) * share;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// Turns the gradient of a row of the result into that of the row.
#[inline(always)]
fn row_backward(
    gradient: &mut [f32],
    x: &[f32],
    weight: &[f32],
    [mean, deviation]: [f32; 2],
    of_weight: &mut [f32],
    of_bias: &mut [f32],
) {
    add(of_bias, gradient);
    let normed = |x: f32| (x - mean) * deviation;
    for ((to, g), x) in of_weight.iter_mut().zip(&*gradient).zip(x) {
        *to += g * normed(*x);
    }
    for (g, weight) in gradient.iter_mut().zip(weight) {
        *g *= weight;
    }
    let share = 1.0 / x.len() as f32;
    let level = sum_of(gradient, x, |g, _| g) * share;
    let slope = sum_of(gradient, x, |g, x| g * normed(x)) * share;
    for (g, x) in gradient.iter_mut().zip(x) {
        *g = deviation * (*g - level - normed(*x) * slope);
    }
}
