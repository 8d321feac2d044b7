//! BatchNorm over the batch's own statistics (Ioffe & Szegedy 2015), with a
//! residual to add and a ReLU behind it: one pass for the statistics and one
//! for the result, and as many for the gradients.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Tensor, TensorData, activation, module};
use rayon::prelude::*;

use super::lanes::{sum_of, wide};
use super::linear::total;
use super::node::{Block, Operation, four, three};
use super::on_host;

/// Mean and biased variance of each channel, outside of any gradient.
#[derive(Debug)]
pub(crate) struct BatchStatistics {
    pub(crate) mean: Tensor<1>,
    pub(crate) variance: Tensor<1>,
}

/// What follows a normalisation.
// One lives for one call.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone)]
pub(crate) enum After<const D: usize> {
    Nothing,
    Relu,
    /// A sum with what went around it, then ReLU.
    ResidualRelu(Tensor<D>),
}

/// `[B, channels, ...]`: `(x - mean) / sqrt(variance + eps) weight + bias`, and
/// what follows.
pub(crate) fn batch_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
    after: After<D>,
) -> (Tensor<D>, BatchStatistics) {
    if !on_host(&x) {
        return plain(x, weight, bias, eps, after);
    }
    let device = x.device().without_autodiff();
    let statistics = Arc::new(OnceLock::new());
    let operation = BatchNorm {
        eps: eps as f32,
        relu: !matches!(after, After::Nothing),
        statistics: Arc::clone(&statistics),
    };
    let output = match after {
        After::Nothing | After::Relu => three(x, weight, bias, operation),
        After::ResidualRelu(residual) => four(x, weight, bias, residual, operation),
    };
    let [mean, variance] = statistics.get().cloned().unwrap_or_default();
    let tensor = |values: Vec<f32>| {
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), &device)
    };
    let statistics = BatchStatistics {
        mean: tensor(mean),
        variance: tensor(variance),
    };
    (output, statistics)
}

pub(super) fn plain<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
    after: After<D>,
) -> (Tensor<D>, BatchStatistics) {
    let batch = module::batch_norm_train(x, weight, bias, eps);
    let statistics = BatchStatistics {
        mean: batch.mean.without_autodiff(),
        variance: batch.variance.without_autodiff(),
    };
    (follow(batch.output, after), statistics)
}

/// What follows, in plain tensor operations.
pub(crate) fn follow<const D: usize>(x: Tensor<D>, after: After<D>) -> Tensor<D> {
    match after {
        After::Nothing => x,
        After::Relu => activation::relu(x),
        After::ResidualRelu(residual) => activation::relu(x + residual),
    }
}

#[derive(Debug)]
struct BatchNorm {
    eps: f32,
    relu: bool,
    statistics: Arc<OnceLock<[Vec<f32>; 2]>>,
}

/// `[B, channels, area]`
#[derive(Clone, Copy)]
struct Sizes {
    channels: usize,
    area: usize,
    /// Numbers of a channel.
    count: usize,
    /// Samples that a task takes.
    at_once: usize,
}

impl Sizes {
    fn of(shape: &[usize]) -> Self {
        let [samples, channels] = [shape[0], shape[1]];
        let area: usize = shape[2..].iter().product();
        Sizes {
            channels,
            area,
            count: samples * area,
            at_once: ((1 << 14) / (channels * area).max(1)).max(1),
        }
    }

    /// Numbers that a task takes.
    fn size(self) -> usize {
        (self.at_once * self.channels * self.area).max(1)
    }
}

impl BatchNorm {
    /// Mean and biased variance of each channel: those of the runs of a sample
    /// first, put together in the order of the samples.
    fn statistics(x: &[f32], sizes: Sizes) -> [Vec<f32>; 2] {
        let Sizes {
            channels,
            area,
            count,
            ..
        } = sizes;
        let share = 1.0 / area as f32;
        let mut runs = vec![[0.0; 2]; x.len() / area];
        runs.par_chunks_mut(sizes.at_once * channels)
            .zip(x.par_chunks(sizes.size()))
            .for_each(|(runs, samples)| {
                wide!({
                    for (run, x) in runs.iter_mut().zip(samples.chunks_exact(area)) {
                        let mean = sum_of(x, x, |x, _| x) * share;
                        *run = [mean, sum_of(x, x, |x, _| (x - mean) * (x - mean))];
                    }
                });
            });
        let mut mean = vec![0.0f64; channels];
        for runs in runs.chunks_exact(channels) {
            for (mean, run) in mean.iter_mut().zip(runs) {
                *mean += f64::from(run[0]);
            }
        }
        let samples = (count / area) as f64;
        mean.iter_mut().for_each(|mean| *mean /= samples);
        let mut spread = vec![0.0f64; channels];
        for runs in runs.chunks_exact(channels) {
            for ((spread, mean), run) in spread.iter_mut().zip(&mean).zip(runs) {
                let apart = f64::from(run[0]) - mean;
                *spread += f64::from(run[1]) + area as f64 * apart * apart;
            }
        }
        let narrow = |x: f64| x as f32;
        let variance = spread
            .into_iter()
            .map(|s| narrow(s / count as f64))
            .collect();
        [mean.into_iter().map(narrow).collect(), variance]
    }
}

impl Operation for BatchNorm {
    fn forward(&self, mut inputs: Vec<Block>, keep: bool) -> (Block, Vec<Block>) {
        let shape = inputs[0].shape();
        let sizes = Sizes::of(&shape);
        let Sizes { channels, area, .. } = sizes;
        let [x, weight, bias] = [0, 1, 2].map(|i: usize| inputs[i].values());
        let residual = inputs.get(3).map(Block::values);
        let [mean, variance] = Self::statistics(x, sizes);
        let deviation = variance.iter().map(|v| 1.0 / (v + self.eps).sqrt());
        let deviation: Vec<f32> = deviation.collect();
        let scale: Vec<f32> = deviation.iter().zip(weight).map(|(d, w)| d * w).collect();
        let mut y = vec![0.0; x.len()];
        y.par_chunks_mut(sizes.size())
            .enumerate()
            .for_each(|(task, y)| {
                let from = task * sizes.size();
                let x = &x[from..from + y.len()];
                let residual = residual.map(|r| &r[from..from + y.len()]);
                let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
                wide!({
                    if area == 1 {
                        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                            let affine = mean.iter().zip(scale.iter().zip(bias));
                            let numbers = y.iter_mut().zip(x).zip(affine);
                            for ((y, x), (mean, (scale, bias))) in numbers {
                                let value = (x - mean) * scale + bias;
                                *y = if value < floor { floor } else { value };
                            }
                        }
                    } else {
                        let runs = y.chunks_exact_mut(area).zip(x.chunks_exact(area));
                        for (i, (y, x)) in runs.enumerate() {
                            let channel = i % channels;
                            let (mean, scale) = (mean[channel], scale[channel]);
                            let bias = bias[channel];
                            match residual {
                                None => {
                                    for (y, x) in y.iter_mut().zip(x) {
                                        let value = (x - mean) * scale + bias;
                                        *y = if value < floor { floor } else { value };
                                    }
                                }
                                Some(residual) => {
                                    let residual = &residual[i * area..(i + 1) * area];
                                    for ((y, x), r) in y.iter_mut().zip(x).zip(residual) {
                                        let value = (x - mean) * scale + bias + r;
                                        *y = if value < floor { floor } else { value };
                                    }
                                }
                            }
                        }
                    }
                });
                // One number a channel is rare with a residual: it comes after.
                if let (1, Some(residual)) = (area, residual) {
                    residual_after(y, x, residual, [&mean, &scale, bias], floor);
                }
            });
        let y = Block::new(y, shape);
        let mut kept = Vec::new();
        if keep {
            inputs.truncate(2);
            kept = inputs;
            kept.push(Block::new(mean.clone(), [channels]));
            kept.push(Block::new(deviation, [channels]));
            if self.relu {
                kept.push(y.clone());
            }
        }
        // Whoever asks reads them once.
        let _ = self.statistics.set([mean, variance]);
        (y, kept)
    }

    fn backward(&self, kept: Vec<Block>, gradient: Block, wanted: &[bool]) -> Vec<Option<Block>> {
        let shape = gradient.shape();
        let sizes = Sizes::of(&shape);
        let Sizes {
            channels,
            area,
            count,
            ..
        } = sizes;
        let [x, weight, mean, deviation] = [0, 1, 2, 3].map(|i: usize| kept[i].values());
        let result = kept.get(4).map(Block::values);
        let mut gradient = gradient.into_vec();

        // What the ReLU lets through, and its sums: alone and with x.
        let parts: Vec<[Vec<f32>; 2]> = gradient
            .par_chunks_mut(sizes.size())
            .enumerate()
            .map(|(task, gradient)| {
                let from = task * sizes.size();
                let x = &x[from..from + gradient.len()];
                let mut sums = [vec![0.0; channels], vec![0.0; channels]];
                wide!({
                    if let Some(result) = result {
                        let result = &result[from..from + gradient.len()];
                        for (g, y) in gradient.iter_mut().zip(result) {
                            *g = if *y > 0.0 { *g } else { 0.0 };
                        }
                    }
                    let [alone, with] = &mut sums;
                    if area == 1 {
                        let rows = gradient
                            .chunks_exact(channels)
                            .zip(x.chunks_exact(channels));
                        for (g, x) in rows {
                            let sums = alone.iter_mut().zip(with.iter_mut());
                            let of = mean.iter().zip(g.iter().zip(x));
                            for ((alone, with), (mean, (g, x))) in sums.zip(of) {
                                *alone += g;
                                *with += g * (x - mean);
                            }
                        }
                    } else {
                        let runs = gradient.chunks_exact(area).zip(x.chunks_exact(area));
                        for (i, (g, x)) in runs.enumerate() {
                            let channel = i % channels;
                            let mean = mean[channel];
                            alone[channel] += sum_of(g, x, |g, _| g);
                            with[channel] += sum_of(g, x, |g, x| g * (x - mean));
                        }
                    }
                });
                sums
            })
            .collect();
        let (alone, with): (Vec<_>, Vec<_>) = parts.into_iter().map(|[a, w]| (a, w)).unzip();
        let of_bias = total(alone, channels);
        let of_weight = total(with, channels).into_iter().zip(deviation);
        let of_weight: Vec<f32> = of_weight.map(|(sum, deviation)| sum * deviation).collect();

        // Of x: `factor g + slope (x - mean) + level`.
        let share = 1.0 / count as f32;
        let of_channel = |c: usize| {
            let factor = weight[c] * deviation[c];
            let slope = -factor * deviation[c] * of_weight[c] * share;
            [factor, slope, mean[c], -factor * of_bias[c] * share]
        };
        let channel: Vec<[f32; 4]> = (0..channels).map(of_channel).collect();
        let to_x = |to: &mut [f32], g: &[f32], x: &[f32]| {
            wide!({
                if area == 1 {
                    let rows = to.chunks_exact_mut(channels).zip(g.chunks_exact(channels));
                    for ((to, g), x) in rows.zip(x.chunks_exact(channels)) {
                        let of = g.iter().zip(x).zip(&channel);
                        for (to, ((g, x), [factor, slope, mean, level])) in to.iter_mut().zip(of) {
                            *to = factor * g + (slope * (x - mean) + level);
                        }
                    }
                } else {
                    let runs = to.chunks_exact_mut(area).zip(g.chunks_exact(area));
                    for (i, ((to, g), x)) in runs.zip(x.chunks_exact(area)).enumerate() {
                        let [factor, slope, mean, level] = channel[i % channels];
                        for ((to, g), x) in to.iter_mut().zip(g).zip(x) {
                            *to = factor * g + (slope * (x - mean) + level);
                        }
                    }
                }
            });
        };
        let size = sizes.size();
        let of_x = wanted[0].then(|| {
            let mut into = vec![0.0; gradient.len()];
            (
                into.par_chunks_mut(size),
                gradient.par_chunks(size),
                x.par_chunks(size),
            )
                .into_par_iter()
                .for_each(|(to, g, x)| to_x(to, g, x));
            Block::new(into, shape.clone())
        });
        let of_residual = (wanted.len() == 4).then(|| Block::new(gradient, shape));
        vec![
            of_x,
            Some(Block::new(of_weight, [channels])),
            Some(Block::new(of_bias, [channels])),
            of_residual,
        ]
    }
}

fn residual_after(
    y: &mut [f32],
    x: &[f32],
    residual: &[f32],
    [mean, scale, bias]: [&[f32]; 3],
    floor: f32,
) {
    let channels = scale.len();
    for (i, (y, (x, r))) in y.iter_mut().zip(x.iter().zip(residual)).enumerate() {
        let channel = i % channels;
        let value = (x - mean[channel]) * scale[channel] + bias[channel] + r;
        *y = if value < floor { floor } else { value };
    }
}
