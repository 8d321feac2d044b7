//! Pillow's antialiased resampling, bit for bit (`Resample.c` of 12.2.0):
//! a horizontal pass, then a vertical one, in 22-bit fixed point with rounding
//! to 8 bits after each.

use ssl_plan::Interpolation;

use crate::image::{Part, Rgb};

/// Fraction bits of a weight: 32 less 8 for the pixel and 2 for overshoot.
const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/// The weights of one axis: for each output pixel the first input pixel and
/// as many weights as it reads.
struct Weights {
    /// First input pixel and number of them, for each output pixel.
    bounds: Vec<(usize, usize)>,
    /// `stride` weights for each output pixel.
    values: Vec<i32>,
    stride: usize,
}

impl Weights {
    fn of(&self, i: usize) -> (usize, &[i32]) {
        let (first, count) = self.bounds[i];
        let start = i * self.stride;
        (first, &self.values[start..start + count])
    }

    fn new(input: usize, output: usize, interpolation: Interpolation) -> Self {
        let (kernel, reach): (fn(f64) -> f64, f64) = match interpolation {
            Interpolation::Bilinear => (bilinear, 1.0),
            Interpolation::Bicubic => (bicubic, 2.0),
        };
        // The reference takes the ends of the box as single floats.
        let scale = f64::from(input as f32) / output as f64;
        let filter_scale = scale.max(1.0);
        let support = reach * filter_scale;
        let stride = support.ceil() as usize * 2 + 1;
        let inverse = 1.0 / filter_scale;

        let mut bounds = Vec::with_capacity(output);
        let mut values = vec![0; output * stride];
        let mut weights = vec![0.0; stride];
        for i in 0..output {
            let centre = (i as f64 + 0.5) * scale;
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

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Resample `source` to `width` x `height` pixels into `target`; `between`
/// holds the image after the horizontal pass.
pub(crate) fn resize(
    source: Part<'_>,
    [height, width]: [usize; 2],
    interpolation: Interpolation,
    between: &mut Vec<u8>,
    target: &mut Rgb,
) {
    target.width = width;
    target.height = height;
    target.data.resize(width * height * 3, 0);

    let rows = Weights::new(source.height, height, interpolation);
    if source.width == width {
        if source.height == height {
            for y in 0..height {
                let row = y * width * 3;
                target.data[row..row + width * 3].copy_from_slice(source.row(y));
            }
        } else {
            vertical(|y| source.row(y), &rows, target);
        }
        return;
    }
    let columns = Weights::new(source.width, width, interpolation);
    if source.height == height {
        for y in 0..height {
            let row = y * width * 3;
            horizontal(
                source.row(y),
                &columns,
                &mut target.data[row..row + width * 3],
            );
        }
        return;
    }
    between.resize(source.height * width * 3, 0);
    for (y, row) in between.chunks_exact_mut(width * 3).enumerate() {
        horizontal(source.row(y), &columns, row);
    }
    vertical(
        |y| &between[y * width * 3..(y + 1) * width * 3],
        &rows,
        target,
    );
}

fn horizontal(source: &[u8], columns: &Weights, target: &mut [u8]) {
    for (i, pixel) in target.chunks_exact_mut(3).enumerate() {
        let (first, weights) = columns.of(i);
        let mut sums = [HALF; 3];
        let taps = source[first * 3..].chunks_exact(3);
        for (tap, weight) in taps.zip(weights) {
            for (sum, value) in sums.iter_mut().zip(tap) {
                *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*weight));
            }
        }
        for (value, sum) in pixel.iter_mut().zip(sums) {
            *value = clip(sum);
        }
    }
}

fn vertical<'a>(source: impl Fn(usize) -> &'a [u8], rows: &Weights, target: &mut Rgb) {
    let line = target.width * 3;
    let mut sums = vec![HALF; line];
    for (y, row) in target.data.chunks_exact_mut(line).enumerate() {
        let (first, weights) = rows.of(y);
        sums.fill(HALF);
        for (k, weight) in weights.iter().enumerate() {
            for (sum, value) in sums.iter_mut().zip(source(first + k)) {
                *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*weight));
            }
        }
        for (value, sum) in row.iter_mut().zip(&sums) {
            *value = clip(*sum);
        }
    }
}
