//! The weights of Pillow's antialiased resampling (`Resample.c` of 12.2.0), in
//! 22-bit fixed point.

use ssl_plan::Interpolation;

/// Fraction bits of a weight: 32 less 8 for the pixel and 2 for overshoot.
pub(super) const PRECISION: u32 = 22;
pub(super) const HALF: i32 = 1 << (PRECISION - 1);

/// The weights of one axis: for each output pixel the first input pixel and
/// as many weights as it reads.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// First input pixel and number of them, for each output pixel.
    bounds: Vec<(usize, usize)>,
    /// `stride` weights for each output pixel.
    values: Vec<i32>,
    stride: usize,
    most: usize,
    /// The weights of one output pixel before they are rounded.
    shares: Vec<f64>,
}

impl Weights {
    /// For each output pixel the first input pixel, and the weights from it
    /// on: as many for each, the last ones 0 where it reads fewer, and these
    /// may lie beyond the input.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let values = self.values.chunks_exact(self.stride);
        let bounds = self.bounds.iter().zip(values);
        bounds.map(|((first, _), values)| (*first, &values[..self.most]))
    }

    /// Make them those of the output from its last pixel to its first.
    pub(super) fn mirror(&mut self) {
        self.bounds.reverse();
        self.values.reverse();
        for values in self.values.chunks_exact_mut(self.stride) {
            values.reverse();
        }
    }

    /// Most weights of an output pixel.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// First input pixel and weights of an output pixel.
    #[inline]
    pub(super) fn get(&self, output: usize) -> Option<(usize, &[i32])> {
        let (first, count) = *self.bounds.get(output)?;
        let start = output * self.stride;
        Some((first, self.values.get(start..start + count)?))
    }

    /// Make them those of `input` pixels between two edges, which may cut
    /// pixels.
    pub(super) fn set(
        &mut self,
        input: usize,
        edges: [f64; 2],
        output: usize,
        interpolation: Interpolation,
    ) {
        match interpolation {
            Interpolation::Bilinear => self.set_of(bilinear, 1.0, input, edges, output),
            Interpolation::Bicubic => self.set_of(bicubic, 2.0, input, edges, output),
        }
    }

    /// Those of a kernel that reaches so far.
    fn set_of(
        &mut self,
        kernel: impl Fn(f64) -> f64,
        reach: f64,
        input: usize,
        [from, to]: [f64; 2],
        output: usize,
    ) {
        // The reference takes the ends of the box as single floats.
        let from = f64::from(from as f32);
        let scale = f64::from(to as f32 - from as f32) / output as f64;
        let filter_scale = scale.max(1.0);
        let support = reach * filter_scale;
        let stride = support.ceil() as usize * 2 + 1;
        let inverse = 1.0 / filter_scale;

        self.stride = stride;
        self.most = 0;
        self.bounds.clear();
        self.values.resize(output * stride, 0);
        self.shares.resize(stride, 0.0);
        for (i, values) in self.values.chunks_exact_mut(stride).enumerate() {
            let centre = from + (i as f64 + 0.5) * scale;
            let first = ((centre - support + 0.5) as i64).max(0) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
            let count = end - first;
            let shares = &mut self.shares[..count];
            let mut sum = 0.0;
            for (x, share) in (first..).zip(&mut *shares) {
                *share = kernel((x as f64 - centre + 0.5) * inverse);
                sum += *share;
            }
            let sum = if sum == 0.0 { 1.0 } else { sum };
            for (value, share) in values.iter_mut().zip(shares) {
                let fixed = *share / sum * f64::from(1 << PRECISION);
                *value = (fixed + 0.5f64.copysign(fixed)) as i32;
            }
            values[count..].fill(0);
            self.most = self.most.max(count);
            self.bounds.push((first, count));
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
