//! Pillow's antialiased resampling, bit for bit (`Resample.c` of 12.2.0):
//! a horizontal pass, then a vertical one, in 22-bit fixed point with rounding
//! to 8 bits after each.

use ssl_plan::Interpolation;

use crate::image::{Part, Planes};
use crate::wide::wide;

/// Fraction bits of a weight: 32 less 8 for the pixel and 2 for overshoot.
pub(super) const PRECISION: u32 = 22;
pub(super) const HALF: i32 = 1 << (PRECISION - 1);

/// The weights of one axis: for each output pixel the first input pixel and
/// as many weights as it reads.
pub(super) struct Weights {
    /// First input pixel and number of them, for each output pixel.
    bounds: Vec<(usize, usize)>,
    /// `stride` weights for each output pixel.
    values: Vec<i32>,
    stride: usize,
}

impl Weights {
    /// Number of output pixels.
    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    /// For each output pixel the first input pixel, and the weights from it on.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let values = self.values.chunks_exact(self.stride);
        let bounds = self.bounds.iter().zip(values);
        bounds.map(|((first, count), values)| (*first, &values[..*count]))
    }

    /// Of `input` pixels those between two edges, which may cut pixels.
    pub(super) fn new(
        input: usize,
        [from, to]: [f64; 2],
        output: usize,
        interpolation: Interpolation,
    ) -> Self {
        let (kernel, reach): (fn(f64) -> f64, f64) = match interpolation {
            Interpolation::Bilinear => (bilinear, 1.0),
            Interpolation::Bicubic => (bicubic, 2.0),
        };
        // The reference takes the ends of the box as single floats.
        let from = f64::from(from as f32);
        let scale = f64::from(to as f32 - from as f32) / output as f64;
        let filter_scale = scale.max(1.0);
        let support = reach * filter_scale;
        let stride = support.ceil() as usize * 2 + 1;
        let inverse = 1.0 / filter_scale;

        let mut bounds = Vec::with_capacity(output);
        let mut values = vec![0; output * stride];
        let mut weights = vec![0.0; stride];
        for i in 0..output {
            let centre = from + (i as f64 + 0.5) * scale;
            let first = ((centre - support + 0.5) as i64).max(0) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
            let count = end - first;
            let mut sum = 0.0;
            for (x, weight) in weights[..count].iter_mut().enumerate() {
                *weight = kernel(((x + first) as f64 - centre + 0.5) * inverse);
                sum += *weight;
            }
            for (x, weight) in weights[..count].iter().enumerate() {
                let share = if sum != 0.0 { weight / sum } else { *weight };
                let fixed = share * f64::from(1 << PRECISION);
                values[i * stride + x] = if share < 0.0 {
                    (fixed - 0.5) as i32
                } else {
                    (fixed + 0.5) as i32
                };
            }
            bounds.push((first, count));
        }
        Weights {
            bounds,
            values,
            stride,
        }
    }
}

fn bilinear(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Buffers that outlive one image.
#[derive(Debug, Default)]
pub(crate) struct ResampleWork {
    /// The image after the horizontal pass.
    between: Planes,
    columns: Vec<Column>,
    #[cfg(target_arch = "x86_64")]
    wide: super::avx2::ColumnWork,
    #[cfg(target_arch = "x86_64")]
    pairs: Vec<super::avx2::Pair>,
}

/// The vertical pass of a channel.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
fn down(
    source: &[u8],
    weights: &Weights,
    width: usize,
    work: &mut ResampleWork,
    target: &mut [u8],
) {
    #[cfg(target_arch = "x86_64")]
    if width >= LANES && super::avx2::vertical(source, weights, width, &mut work.pairs, target) {
        return;
    }
    vertical(source, weights, width, target);
}

/// Rows that the horizontal pass works on at once.
const ROWS: usize = 8;

/// One pixel of each of those rows: a weight serves all of them.
pub(super) type Column = [u8; ROWS * 3];

/// Resample what lies between edges of `source`, of its rows and of its
/// columns, to a height and width into `target`.
pub(crate) fn resize(
    source: Part<'_>,
    [top_bottom, left_right]: [[f64; 2]; 2],
    [height, width]: [usize; 2],
    interpolation: Interpolation,
    work: &mut ResampleWork,
    target: &mut Planes,
) {
    // A pass that changes nothing is the identity in the fixed point, too:
    // one weight of 1. So it costs time and no exactness.
    let columns = Weights::new(source.width, left_right, width, interpolation);
    if top_bottom == [0.0, height as f64] && source.height == height {
        across(source, &columns, work, target);
        return;
    }
    let rows = Weights::new(source.height, top_bottom, height, interpolation);
    let mut between = std::mem::take(&mut work.between);
    across(source, &columns, work, &mut between);
    target.resize([height, width]);
    for (source, target) in between.channels().into_iter().zip(target.channels_mut()) {
        down(source, &rows, width, work, target);
    }
    work.between = between;
}

/// The horizontal pass.
fn across(source: Part<'_>, weights: &Weights, work: &mut ResampleWork, target: &mut Planes) {
    #[cfg(target_arch = "x86_64")]
    if super::avx2::horizontal(source, weights, &mut work.wide, target) {
        return;
    }
    horizontal(source, weights, &mut work.columns, target);
}

wide! {
    pub(super) fn horizontal(
        source: Part<'_>,
        weights: &Weights,
        columns: &mut Vec<Column>,
        target: &mut Planes,
    ) {
        let width = weights.len();
        target.resize([source.height, width]);
        columns.resize(source.width, [0; ROWS * 3]);
        let channels = target.channels_mut();
        for top in (0..source.height).step_by(ROWS) {
            let rows = ROWS.min(source.height - top);
            for r in 0..rows {
                let (pixels, _) = source.row(top + r).as_chunks::<3>();
                for (column, pixel) in columns.iter_mut().zip(pixels) {
                    column[r * 3..r * 3 + 3].copy_from_slice(pixel);
                }
            }
            for (x, (first, weights)) in weights.iter().enumerate() {
                let mut sums = [HALF; ROWS * 3];
                for (column, weight) in columns[first..].iter().zip(weights) {
                    for (sum, value) in sums.iter_mut().zip(column) {
                        *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*weight));
                    }
                }
                let values = sums.map(clip);
                for r in 0..rows {
                    for c in 0..3 {
                        channels[c][(top + r) * width + x] = values[r * 3 + c];
                    }
                }
            }
        }
    }
}

/// Values of a row that the vertical pass sums in registers.
const LANES: usize = 32;

wide! {
    pub(super) fn vertical(source: &[u8], rows: &Weights, width: usize, target: &mut [u8]) {
        for (row, (first, weights)) in target.chunks_exact_mut(width).zip(rows.iter()) {
            let taps = &source[first * width..];
            let (blocks, rest) = row.as_chunks_mut::<LANES>();
            for (i, block) in blocks.iter_mut().enumerate() {
                let mut sums = [HALF; LANES];
                for (tap, weight) in taps.chunks_exact(width).zip(weights) {
                    for (sum, value) in sums.iter_mut().zip(&tap[i * LANES..(i + 1) * LANES]) {
                        *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*weight));
                    }
                }
                *block = sums.map(clip);
            }
            let start = width - rest.len();
            for (x, value) in (start..).zip(rest) {
                let mut sum = HALF;
                for (tap, weight) in taps.chunks_exact(width).zip(weights) {
                    sum = sum.wrapping_add(i32::from(tap[x]).wrapping_mul(*weight));
                }
                *value = clip(sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`resize`] relies on: at equal sizes every pixel has one weight
    /// other than zero, and that is 1.
    #[test]
    fn equal_sizes_are_the_identity() {
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            for size in 1..300 {
                let weights = Weights::new(size, [0.0, size as f64], size, interpolation);
                for (i, (first, weights)) in weights.iter().enumerate() {
                    for (x, weight) in (first..).zip(weights) {
                        assert_eq!(*weight, i32::from(x == i) << PRECISION);
                    }
                }
            }
        }
    }
}
