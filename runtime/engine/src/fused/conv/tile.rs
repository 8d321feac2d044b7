//! The sizes of a convolution, and the tiles that it is computed in.

use std::ops::Range;

use crate::fused::lanes::add;

/// Pixels of the result that a tile should hold.
const WIDTH: usize = 128;

/// The sizes of a convolution.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) samples: usize,
    pub(super) channels: usize,
    /// Rows and columns of the input.
    pub(super) size: [usize; 2],
    pub(super) out: usize,
    /// Rows and columns of the result.
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Samples that a task takes side by side.
    pub(super) group: usize,
}

impl Shape {
    pub(super) fn of(x: [usize; 4], weight: [usize; 4], stride: usize) -> Self {
        let [samples, channels, rows, columns] = x;
        let [out, _, kernel, _] = weight;
        let after = |size: usize| (size + kernel / 2 * 2 - kernel) / stride + 1;
        let (height, width) = (after(rows), after(columns));
        // Whatever the machine: some tasks for every batch, but wide ones.
        let group = WIDTH
            .div_ceil(height * width)
            .min(samples.div_ceil(4))
            .max(1);
        Shape {
            samples,
            channels,
            size: [rows, columns],
            out,
            height,
            width,
            kernel,
            stride,
            group,
        }
    }

    pub(super) fn input(&self) -> [usize; 4] {
        [self.samples, self.channels, self.size[0], self.size[1]]
    }

    pub(super) fn result(&self) -> [usize; 4] {
        [self.samples, self.out, self.height, self.width]
    }

    /// Pixels of the input.
    pub(super) fn input_area(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Pixels of the result.
    pub(super) fn area(&self) -> usize {
        self.height * self.width
    }

    /// Numbers that a pixel of the result is made of.
    pub(super) fn depth(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    pub(super) fn groups(&self) -> usize {
        self.samples.div_ceil(self.group)
    }

    /// Whether each pixel is computed from the one in its place.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1
    }

    /// The tiles of so many samples.
    pub(super) fn tiles(&self, samples: usize) -> impl Iterator<Item = Tile> {
        let rows = match samples {
            1 => (2 * WIDTH).div_ceil(self.width).min(self.height),
            _ => self.height,
        };
        let height = self.height;
        (0..height).step_by(rows).map(move |start| Tile {
            samples,
            rows: start..(start + rows).min(height),
        })
    }
}

/// Some rows of the result of some samples.
pub(super) struct Tile {
    pub(super) samples: usize,
    pub(super) rows: Range<usize>,
}

impl Tile {
    /// Pixels that it holds: of one sample after the other, row by row.
    pub(super) fn width(&self, shape: &Shape) -> usize {
        self.samples * self.rows.len() * shape.width
    }

    /// Lays out what the kernels see: a row of pixels for each input channel
    /// and place in the kernel.
    pub(super) fn gather_columns(&self, x: &[f32], to: &mut [f32], shape: &Shape) {
        for (depth, to) in to.chunks_exact_mut(self.width(shape)).enumerate() {
            self.gather_column(x, depth, to, shape);
        }
    }

    /// One of those rows.
    pub(super) fn gather_column(&self, x: &[f32], depth: usize, to: &mut [f32], shape: &Shape) {
        for (place, to) in to.chunks_exact_mut(shape.width).enumerate() {
            match self.seen(depth, place, shape) {
                None => to.fill(0.0),
                Some((begin, inside, first)) => {
                    to[..inside.start].fill(0.0);
                    to[inside.end..].fill(0.0);
                    let to = &mut to[inside];
                    let from = &x[begin + first..];
                    match shape.stride {
                        1 => to.copy_from_slice(&from[..to.len()]),
                        stride => {
                            for (to, x) in to.iter_mut().zip(from.iter().step_by(stride)) {
                                *to = *x;
                            }
                        }
                    }
                }
            }
        }
    }

    /// The opposite: adds what belongs to a pixel to it.
    pub(super) fn add_columns(&self, columns: &[f32], into: &mut [f32], shape: &Shape) {
        let width = self.width(shape);
        for (depth, from) in columns.chunks_exact(width).enumerate() {
            for (place, from) in from.chunks_exact(shape.width).enumerate() {
                let Some((begin, inside, first)) = self.seen(depth, place, shape) else {
                    continue;
                };
                let from = &from[inside];
                let into = &mut into[begin + first..];
                match shape.stride {
                    1 => add(&mut into[..from.len()], from),
                    stride => {
                        for (into, x) in into.iter_mut().step_by(stride).zip(from) {
                            *into += x;
                        }
                    }
                }
            }
        }
    }

    /// What a row of pixels of the result sees of the input through one place
    /// of the kernel: where that row of the input begins, which of the pixels
    /// see it, and the column that the first of them sees. `None` where the
    /// row lies outside.
    fn seen(
        &self,
        depth: usize,
        place: usize,
        shape: &Shape,
    ) -> Option<(usize, Range<usize>, usize)> {
        let area = shape.kernel * shape.kernel;
        let (channel, at) = (depth / area, depth % area);
        let [down, across] = [at / shape.kernel, at % shape.kernel];
        let (sample, row) = (place / self.rows.len(), place % self.rows.len());
        let padding = shape.kernel / 2;
        let row = ((self.rows.start + row) * shape.stride + down).checked_sub(padding)?;
        if row >= shape.size[0] {
            return None;
        }
        // The first pixel whose column is not left of the input, and the
        // first that is right of it.
        let start = padding.saturating_sub(across).div_ceil(shape.stride);
        let end = (shape.size[1] + padding)
            .saturating_sub(across)
            .div_ceil(shape.stride);
        let end = end.min(shape.width).max(start);
        let first = start * shape.stride + across - padding;
        let begin = ((sample * shape.channels + channel) * shape.size[0] + row) * shape.size[1];
        (start < end).then_some((begin, start..end, first))
    }

    /// A tile of the result, `[out, width]`, of samples side by side.
    pub(super) fn gather(&self, y: &[f32], to: &mut [f32], shape: &Shape) {
        for (out, to) in to.chunks_exact_mut(self.samples * shape.area()).enumerate() {
            self.gather_channel(y, out, to, shape);
        }
    }

    /// One channel of it.
    pub(super) fn gather_channel(&self, y: &[f32], out: usize, to: &mut [f32], shape: &Shape) {
        let area = shape.area();
        for (sample, to) in to.chunks_exact_mut(area).enumerate() {
            let begin = (sample * shape.out + out) * area;
            to.copy_from_slice(&y[begin..begin + area]);
        }
    }

    /// The opposite.
    pub(super) fn scatter(&self, from: &[f32], y: &mut [f32], shape: &Shape) {
        let area = shape.area();
        for (out, from) in from.chunks_exact(self.samples * area).enumerate() {
            for (sample, from) in from.chunks_exact(area).enumerate() {
                let begin = (sample * shape.out + out) * area;
                y[begin..begin + area].copy_from_slice(from);
            }
        }
    }
}
