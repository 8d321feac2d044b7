//! The convolution of 3x3 at stride 1 by Winograd's minimal filtering (Lavin &
//! Gray 2016), F(2x2, 3x3): 16 products where the plain sum takes 36. Its
//! error in float32 is a few times that of the sum.
//!
//! With the tile `d`, 4x4, and the kernel `g`, the 2x2 results are
//! `A^T ((G g G^T) * (B^T d B)) A`, summed over the channels between the
//! transforms: a matrix product for each of the 16 places.

// A transform is written by the places of its matrices.
#![allow(clippy::needless_range_loop)]

mod planes;

use rayon::prelude::*;

use super::{Scratch, Shape, sized};
use crate::fused::lanes::wide;
use crate::fused::product::{Matrix, Threads, product};
use planes::Planes;

/// Places of a transformed tile.
const PLACES: usize = 16;
/// Tiles that a product should hold.
const WIDTH: usize = 128;

/// Whether a convolution is one of these, and gains by it.
pub(super) fn fits(shape: &Shape) -> bool {
    shape.kernel == 3 && shape.stride == 1 && shape.channels.min(shape.out) >= 16
}

pub(super) fn forward(x: &[f32], weight: &[f32], shape: &Shape) -> Vec<f32> {
    let (out, channels) = (shape.out, shape.channels);
    let of = |out: usize, channel: usize, at: usize| weight[(out * channels + channel) * 9 + at];
    let kernels = kernels(out, channels, of);
    convolve(x, &kernels, shape, [channels, out])
}

/// The gradient of the input: a convolution with the kernels turned around.
pub(super) fn backward(gradient: &[f32], weight: &[f32], shape: &Shape) -> Vec<f32> {
    let (out, channels) = (shape.out, shape.channels);
    let of =
        |channel: usize, out: usize, at: usize| weight[(out * channels + channel) * 9 + 8 - at];
    let kernels = kernels(channels, out, of);
    convolve(gradient, &kernels, shape, [out, channels])
}

/// `G g G^T` of each kernel, `[16, out, in]`.
fn kernels(
    out: usize,
    channels: usize,
    of: impl Fn(usize, usize, usize) -> f32 + Sync,
) -> Vec<f32> {
    let mut kernels = vec![0.0; PLACES * out * channels];
    rows_of_places(&mut kernels, out, channels)
        .into_par_iter()
        .enumerate()
        .for_each(|(out, mut places)| {
            for channel in 0..channels {
                let g: [f32; 9] = std::array::from_fn(|at| of(out, channel, at));
                let column = |a: f32, b: f32, c: f32| [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
                let columns: [[f32; 4]; 3] =
                    std::array::from_fn(|i| column(g[i], g[3 + i], g[6 + i]));
                for row in 0..4 {
                    let whole = column(columns[0][row], columns[1][row], columns[2][row]);
                    for (i, value) in whole.into_iter().enumerate() {
                        places[4 * row + i][channel] = value;
                    }
                }
            }
        });
    kernels
}

/// The rows of each of the 16 matrices of `[16, rows, columns]`, row by row.
fn rows_of_places(values: &mut [f32], rows: usize, columns: usize) -> Vec<Vec<&mut [f32]>> {
    let mut all: Vec<Vec<&mut [f32]>> = (0..rows).map(|_| Vec::with_capacity(PLACES)).collect();
    for matrix in values.chunks_exact_mut(rows * columns) {
        for (row, places) in matrix.chunks_exact_mut(columns).zip(&mut all) {
            places.push(row);
        }
    }
    all
}

/// Samples that a task takes side by side.
fn group(shape: &Shape) -> usize {
    let tiles = shape.height.div_ceil(2) * shape.width.div_ceil(2);
    WIDTH.div_ceil(tiles).min(shape.samples.div_ceil(4)).max(1)
}

fn convolve(x: &[f32], kernels: &[f32], shape: &Shape, [from, to]: [usize; 2]) -> Vec<f32> {
    let (group, area) = (group(shape), shape.area());
    let mut y = vec![0.0; shape.samples * to * area];
    y.par_chunks_mut(group * to * area)
        .zip(x.par_chunks(group * from * area))
        .for_each_init(Scratch::default, |scratch, (y, x)| {
            for mut planes in Planes::of(y.len() / (to * area), shape, WIDTH) {
                let tiles = planes.tiles();
                let seen = sized(&mut scratch.columns, PLACES * from * tiles);
                wide!(planes.see(x, seen, from));
                let sums = sized(&mut scratch.results, PLACES * to * tiles);
                for place in 0..PLACES {
                    let kernels = &kernels[place * to * from..][..to * from];
                    let seen = &seen[place * from * tiles..][..from * tiles];
                    product(
                        &mut sums[place * to * tiles..][..to * tiles],
                        tiles,
                        Matrix::rows(kernels, [to, from]),
                        Matrix::rows(seen, [from, tiles]),
                        (false, 1.0),
                        Threads::One,
                    );
                }
                wide!(planes.results(sums, y, to));
            }
        });
    y
}

/// The gradient of the weight, `[out, in, 3, 3]`.
pub(super) fn weight_backward(x: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    let (out, channels) = (shape.out, shape.channels);
    let tiles = shape.samples * shape.height.div_ceil(2) * shape.width.div_ceil(2);
    let sum = match super::sums_at_once(tiles, channels, out) {
        true => places_at_once(x, gradient, shape),
        false => places_in_shares(x, gradient, shape),
    };

    // `G^T u G`.
    let mut of_weight = vec![0.0; out * channels * 9];
    of_weight
        .par_chunks_exact_mut(channels * 9)
        .enumerate()
        .for_each(|(row, own)| {
            for (channel, own) in own.as_chunks_mut::<9>().0.iter_mut().enumerate() {
                let at = |place: usize| sum[(place * out + row) * channels + channel];
                let column =
                    |[a, b, c, d]: [f32; 4]| [a + 0.5 * (b + c), 0.5 * (b - c), 0.5 * (b + c) + d];
                let columns: [[f32; 3]; 4] =
                    std::array::from_fn(|i| column([at(i), at(4 + i), at(8 + i), at(12 + i)]));
                for i in 0..3 {
                    let whole = column(std::array::from_fn(|j| columns[j][i]));
                    own[3 * i..3 * i + 3].copy_from_slice(&whole);
                }
            }
        });
    of_weight
}

/// Some tiles of an input and of the gradient of its result, transformed.
struct Seen<'a> {
    tiles: usize,
    /// `[16, in, tiles]`
    inputs: &'a [f32],
    /// `[16, out, tiles]`
    slopes: &'a [f32],
}

impl Seen<'_> {
    /// Adds to the gradient of one place, `[out, in]`.
    fn add_to(&self, place: usize, own: &mut [f32], shape: &Shape) {
        let (out, channels, tiles) = (shape.out, shape.channels, self.tiles);
        let inputs = &self.inputs[place * channels * tiles..][..channels * tiles];
        let slopes = &self.slopes[place * out * tiles..][..out * tiles];
        product(
            own,
            channels,
            Matrix::rows(slopes, [out, tiles]),
            Matrix::rows(inputs, [channels, tiles]).t(),
            (true, 1.0),
            Threads::One,
        );
    }
}

/// Transforms a group of samples, in pieces.
fn see(
    x: &[f32],
    gradient: &[f32],
    shape: &Shape,
    scratch: &mut Scratch,
    mut then: impl FnMut(Seen),
) {
    let (out, channels) = (shape.out, shape.channels);
    for mut planes in Planes::of(x.len() / (channels * shape.area()), shape, WIDTH) {
        let tiles = planes.tiles();
        let inputs = sized(&mut scratch.columns, PLACES * channels * tiles);
        wide!(planes.see(x, inputs, channels));
        let slopes = sized(&mut scratch.results, PLACES * out * tiles);
        wide!(planes.slopes(gradient, slopes, out));
        then(Seen {
            tiles,
            inputs,
            slopes,
        });
    }
}

/// The gradients of all places, `[16, out, in]`, summed over groups of samples
/// apart.
fn places_in_shares(x: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    let (out, channels, area) = (shape.out, shape.channels, shape.area());
    let group = group(shape);
    let samples = group * shape.samples.div_ceil(group).div_ceil(super::SHARES);
    let shares = x
        .par_chunks(samples * channels * area)
        .zip(gradient.par_chunks(samples * out * area))
        .map(|(x, gradient)| {
            let mut own = vec![0.0; PLACES * out * channels];
            let mut scratch = Scratch::default();
            let groups = x.chunks(group * channels * area);
            for (x, gradient) in groups.zip(gradient.chunks(group * out * area)) {
                see(x, gradient, shape, &mut scratch, |seen| {
                    for (place, own) in own.chunks_exact_mut(out * channels).enumerate() {
                        seen.add_to(place, own, shape);
                    }
                });
            }
            own
        });
    super::sum(shares.collect())
}

/// The same, all groups transformed first and each place summed by one.
fn places_at_once(x: &[f32], gradient: &[f32], shape: &Shape) -> Vec<f32> {
    let (out, channels, area) = (shape.out, shape.channels, shape.area());
    let group = group(shape);
    let seen: Vec<Vec<(usize, Scratch)>> = x
        .par_chunks(group * channels * area)
        .zip(gradient.par_chunks(group * out * area))
        .map(|(x, gradient)| {
            let mut pieces = Vec::new();
            see(x, gradient, shape, &mut Scratch::default(), |seen| {
                let piece = Scratch {
                    columns: seen.inputs.to_vec(),
                    results: seen.slopes.to_vec(),
                };
                pieces.push((seen.tiles, piece));
            });
            pieces
        })
        .collect();
    let mut places = vec![0.0; PLACES * out * channels];
    places
        .par_chunks_exact_mut(out * channels)
        .enumerate()
        .for_each(|(place, own)| {
            for (tiles, piece) in seen.iter().flatten() {
                let seen = Seen {
                    tiles: *tiles,
                    inputs: &piece.columns,
                    slopes: &piece.results,
                };
                seen.add_to(place, own, shape);
            }
        });
    places
}
