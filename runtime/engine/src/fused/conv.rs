//! Convolution without bias, forward and backward, as matrix products over
//! tiles: what a tile's kernels see is laid out in columns (im2col) that stay
//! in the cache. Small images are laid side by side, large ones cut into rows.

mod tile;
mod winograd;

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, module};
use rayon::prelude::*;

use super::node::{Block, Operation, two};
use super::on_host;
use super::product::{Matrix, Threads, product, product_of};
use tile::{Shape, Tile};

/// `[B, in, H, W]` and the weight `[out, in, k, k]`, padded by `k / 2`.
pub(crate) fn conv2d(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    match on_host(&x) {
        true => two(x, weight, Conv { stride }),
        false => plain(x, weight, stride),
    }
}

pub(super) fn plain(x: Tensor<4>, weight: Tensor<4>, stride: usize) -> Tensor<4> {
    let padding = weight.dims()[2] / 2;
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    module::conv2d(x, weight, None, options)
}

#[derive(Debug)]
struct Conv {
    stride: usize,
}

impl Operation for Conv {
    fn forward(&self, inputs: Vec<Block>, _: bool) -> (Block, Vec<Block>) {
        let shape = Shape::of(inputs[0].dims(), inputs[1].dims(), self.stride);
        let y = forward(inputs[0].values(), inputs[1].values(), &shape);
        (Block::new(y, shape.result()), inputs)
    }

    fn backward(&self, kept: Vec<Block>, gradient: Block, wanted: &[bool]) -> Vec<Option<Block>> {
        let shape = Shape::of(kept[0].dims(), kept[1].dims(), self.stride);
        let (x, weight, gradient) = (kept[0].values(), kept[1].values(), gradient.values());
        let of_x = wanted[0].then(|| Block::new(backward(gradient, weight, &shape), shape.input()));
        let of_weight = wanted[1].then(|| {
            let own = weight_backward(x, gradient, &shape);
            Block::new(own, kept[1].dims::<4>())
        });
        vec![of_x, of_weight]
    }
}

/// The columns, the results and the space for them that a task uses.
#[derive(Default)]
struct Scratch {
    columns: Vec<f32>,
    results: Vec<f32>,
}

fn forward(x: &[f32], weight: &[f32], shape: &Shape) -> Vec<f32> {
    if winograd::fits(shape) {
        return winograd::forward(x, weight, shape);
    }
    let weight = Matrix::rows(weight, [shape.out, shape.depth()]);
    let mut y = vec![0.0; shape.result().iter().product()];
    y.par_chunks_mut(shape.group * shape.out * shape.area())
        .zip(x.par_chunks(shape.group * shape.channels * shape.input_area()))
        .for_each_init(Scratch::default, |scratch, (y, x)| {
            for tile in shape.tiles(y.len() / (shape.out * shape.area())) {
                let width = tile.width(shape);
                if tile.samples > 1 {
                    let columns = columns(x, &tile, shape, &mut scratch.columns);
                    let results = sized(&mut scratch.results, shape.out * width);
                    product(results, width, weight, columns, (false, 1.0), Threads::One);
                    tile.scatter(results, y, shape);
                } else {
                    let columns = columns(x, &tile, shape, &mut scratch.columns);
                    let into = &mut y[tile.rows.start * shape.width..];
                    product(
                        into,
                        shape.area(),
                        weight,
                        columns,
                        (false, 1.0),
                        Threads::One,
                    );
                }
            }
        });
    y
}

/// The gradient of the input.
fn backward(gradient: &[f32], weight: &[f32], shape: &Shape) -> Vec<f32> {
    if winograd::fits(shape) {
        return winograd::backward(gradient, weight, shape);
    }
    let weight = Matrix::rows(weight, [shape.out, shape.depth()]).t();
    let mut into = vec![0.0; shape.input().iter().product()];
    into.par_chunks_mut(shape.group * shape.channels * shape.input_area())
        .zip(gradient.par_chunks(shape.group * shape.out * shape.area()))
        .for_each_init(Scratch::default, |scratch, (into, gradient)| {
            for tile in shape.tiles(gradient.len() / (shape.out * shape.area())) {
                let width = tile.width(shape);
                let own = results(gradient, &tile, shape, &mut scratch.results);
                if shape.is_pointwise() && tile.samples == 1 {
                    let into = &mut into[tile.rows.start * shape.width..];
                    product(into, shape.area(), weight, own, (false, 1.0), Threads::One);
                } else {
                    let columns = sized(&mut scratch.columns, shape.depth() * width);
                    product(columns, width, weight, own, (false, 1.0), Threads::One);
                    tile.add_columns(columns, into, shape);
                }
            }
        });
    into
}

/// Groups of samples whose shares of the weight's gradient are summed apart.
const SHARES: usize = 8;

/// Whether a weight's gradient, the product of `[out, columns]` and `[columns,
/// depth]`, is better summed at once: small images of many channels, whose
/// shares would be larger than all that they are made of. The estimate of a
/// step's memory (`shares` in `compiler/core/src/estimate/resnet.rs`) goes by
/// the same rule.
fn sums_at_once(columns: usize, depth: usize, out: usize) -> bool {
    columns * (depth + out) <= SHARES * depth * out
}

/// The gradient of the weight.
fn weight_backward(x: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    if winograd::fits(shape) {
        return winograd::weight_backward(x, gradient, shape);
    }
    if sums_at_once(shape.samples * shape.area(), shape.depth(), shape.out) {
        return weight_backward_at_once(x, gradient, shape);
    }
    let samples = shape.group * shape.groups().div_ceil(SHARES);
    let shares: Vec<Vec<f32>> = x
        .par_chunks(samples * shape.channels * shape.input_area())
        .zip(gradient.par_chunks(samples * shape.out * shape.area()))
        .map(|(x, gradient)| {
            let mut own = vec![0.0; shape.out * shape.depth()];
            let mut scratch = Scratch::default();
            let groups = x.chunks(shape.group * shape.channels * shape.input_area());
            let groups = groups.zip(gradient.chunks(shape.group * shape.out * shape.area()));
            for (x, gradient) in groups {
                for tile in shape.tiles(gradient.len() / (shape.out * shape.area())) {
                    let columns = columns(x, &tile, shape, &mut scratch.columns);
                    let results = results(gradient, &tile, shape, &mut scratch.results);
                    let depth = shape.depth();
                    product(
                        &mut own,
                        depth,
                        results,
                        columns.t(),
                        (true, 1.0),
                        Threads::One,
                    );
                }
            }
            own
        })
        .collect();
    sum(shares)
}

/// The gradient of the weight as one product, of the whole batch.
fn weight_backward_at_once(x: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    let tile = Tile {
        samples: shape.samples,
        rows: 0..shape.height,
    };
    let width = tile.width(shape);
    let (out, depth) = (shape.out, shape.depth());
    let mut columns = vec![0.0; depth * width];
    let rows = columns.par_chunks_mut(width).enumerate();
    rows.for_each(|(row, to)| tile.gather_column(x, row, to, shape));
    let mut results = vec![0.0; out * width];
    let rows = results.par_chunks_mut(width).enumerate();
    rows.for_each(|(row, to)| tile.gather_channel(gradient, row, to, shape));
    product_of(
        Matrix::rows(&results, [out, width]),
        Matrix::rows(&columns, [depth, width]).t(),
    )
}

/// The sum of shares, in their order.
fn sum(shares: Vec<Vec<f32>>) -> Vec<f32> {
    let mut shares = shares.into_iter();
    let mut sum = shares.next().unwrap_or_default();
    for share in shares {
        let chunks = sum.par_chunks_mut(1 << 14).zip(share.par_chunks(1 << 14));
        chunks.for_each(|(sum, share)| super::lanes::add(sum, share));
    }
    sum
}

/// What the kernels see of a tile, `[in * k * k, width]`: the input itself
/// where that is so.
fn columns<'a>(x: &'a [f32], tile: &Tile, shape: &Shape, to: &'a mut Vec<f32>) -> Matrix<'a> {
    let width = tile.width(shape);
    if shape.is_pointwise() && tile.samples == 1 {
        let begin = tile.rows.start * shape.width;
        return Matrix::new(&x[begin..], [shape.depth(), width], shape.area());
    }
    let to = sized(to, shape.depth() * width);
    tile.gather_columns(x, to, shape);
    Matrix::rows(to, [shape.depth(), width])
}

/// A tile of the result, `[out, width]`.
fn results<'a>(y: &'a [f32], tile: &Tile, shape: &Shape, to: &'a mut Vec<f32>) -> Matrix<'a> {
    let width = tile.width(shape);
    if tile.samples == 1 {
        let begin = tile.rows.start * shape.width;
        return Matrix::new(&y[begin..], [shape.out, width], shape.area());
    }
    let to = sized(to, shape.out * width);
    tile.gather(y, to, shape);
    Matrix::rows(to, [shape.out, width])
}

fn sized(space: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if space.len() < length {
        space.resize(length, 0.0);
    }
    &mut space[..length]
}
