//! The transforms of tiles before and after the products. Rows of pixels are
//! split by even and odd columns first, so that a vector holds one pixel of
//! many tiles, of several samples where their rows are short.

use std::ops::Range;

use super::{PLACES, Shape};

/// Tiles that are transformed at once.
const AT_ONCE: usize = 8;

type Lanes = [f32; AT_ONCE];

const NOTHING: Lanes = [0.0; AT_ONCE];

/// Some rows of tiles of some samples.
pub(super) struct Planes {
    samples: usize,
    /// Rows and columns of an image.
    size: [usize; 2],
    /// Rows of tiles.
    rows: Range<usize>,
    /// Tiles of a row: those of every sample, one after the other, and what it
    /// takes to fill a vector.
    across: usize,
    /// Pixels of a row by their place in a tile, row after row.
    pixels: [Vec<f32>; 4],
}

impl Planes {
    /// Rows of samples in pieces of about so many tiles.
    pub(super) fn of(
        samples: usize,
        shape: &Shape,
        tiles: usize,
    ) -> impl Iterator<Item = Planes> + use<> {
        let size = [shape.height, shape.width];
        let (height, width) = (shape.height.div_ceil(2), shape.width.div_ceil(2));
        let across = (samples * width).max(AT_ONCE);
        let at_once = match samples {
            1 => tiles.div_ceil(width).min(height),
            _ => height,
        };
        (0..height).step_by(at_once).map(move |start| Planes {
            samples,
            size,
            rows: start..(start + at_once).min(height),
            across,
            pixels: Default::default(),
        })
    }

    /// How many tiles it holds.
    pub(super) fn tiles(&self) -> usize {
        self.rows.len() * self.across
    }

    /// Splits the rows of one channel, from a row on that may lie above the
    /// image: pixel `2 t + place - shift` of each row for tile t.
    #[inline(always)]
    fn split(&mut self, image: impl Fn(usize) -> usize, x: &[f32], first: isize, rows: usize) {
        let [height, width] = self.size;
        let tiles = width.div_ceil(2);
        for pixels in &mut self.pixels {
            pixels.clear();
            pixels.resize(rows * self.across, 0.0);
        }
        let [before, even, odd, after] = &mut self.pixels;
        for row in 0..rows {
            let Some(from) = usize::try_from(first + row as isize)
                .ok()
                .filter(|r| *r < height)
            else {
                continue;
            };
            for sample in 0..self.samples {
                let pixels = &x[image(sample) + from * width..][..width];
                let at = row * self.across + sample * tiles;
                let even = &mut even[at..at + tiles];
                let odd = &mut odd[at..at + tiles];
                let (pairs, last) = pixels.as_chunks::<2>();
                for ((pair, even), odd) in pairs.iter().zip(&mut *even).zip(&mut *odd) {
                    [*even, *odd] = *pair;
                }
                if let ([last], Some(even)) = (last, even.last_mut()) {
                    *even = *last;
                }
                before[at + 1..at + tiles].copy_from_slice(&odd[..tiles - 1]);
                after[at..at + tiles - 1].copy_from_slice(&even[1..]);
            }
        }
    }

    /// Where the vectors of a row of tiles begin; the last may lie over the
    /// one before.
    fn starts(&self) -> impl Iterator<Item = usize> + use<> {
        let last = self.across - AT_ONCE;
        (0..self.across)
            .step_by(AT_ONCE)
            .map(move |start| start.min(last))
    }

    /// `B^T d B` of the tiles of each channel, `[16, channels, tiles]`.
    #[inline(always)]
    pub(super) fn see(&mut self, x: &[f32], to: &mut [f32], channels: usize) {
        let (area, tiles, across) = (self.size[0] * self.size[1], self.tiles(), self.across);
        for channel in 0..channels {
            let image = |sample: usize| (sample * channels + channel) * area;
            let first = 2 * self.rows.start as isize - 1;
            self.split(image, x, first, 2 * self.rows.len() + 2);
            for row in 0..self.rows.len() {
                for start in self.starts() {
                    let mut columns = [[NOTHING; 4]; 4];
                    for (column, pixels) in columns.iter_mut().zip(&self.pixels) {
                        let mut seen = [NOTHING; 4];
                        for (i, seen) in seen.iter_mut().enumerate() {
                            *seen = load(pixels, (2 * row + i) * across + start);
                        }
                        *column = filter(seen);
                    }
                    let [a, b, c, d] = columns;
                    for i in 0..4 {
                        let whole = filter([a[i], b[i], c[i], d[i]]);
                        for (j, value) in whole.into_iter().enumerate() {
                            let place = (4 * i + j) * channels + channel;
                            let at = place * tiles + row * across + start;
                            to[at..at + AT_ONCE].copy_from_slice(&value);
                        }
                    }
                }
            }
        }
    }

    /// `A y A^T` of the 2x2 pixels of each tile, `[16, channels, tiles]`: the
    /// gradient of what [`Planes::results`] is given.
    #[inline(always)]
    pub(super) fn slopes(&mut self, y: &[f32], to: &mut [f32], channels: usize) {
        let (area, tiles, across) = (self.size[0] * self.size[1], self.tiles(), self.across);
        for channel in 0..channels {
            let image = |sample: usize| (sample * channels + channel) * area;
            let first = 2 * self.rows.start as isize;
            self.split(image, y, first, 2 * self.rows.len());
            for row in 0..self.rows.len() {
                for start in self.starts() {
                    let [_, even, odd, _] = &self.pixels;
                    let at = 2 * row * across + start;
                    let columns = [
                        spread(load(even, at), load(even, at + across)),
                        spread(load(odd, at), load(odd, at + across)),
                    ];
                    for i in 0..4 {
                        let whole = spread(columns[0][i], columns[1][i]);
                        for (j, value) in whole.into_iter().enumerate() {
                            let place = (4 * i + j) * channels + channel;
                            let at = place * tiles + row * across + start;
                            to[at..at + AT_ONCE].copy_from_slice(&value);
                        }
                    }
                }
            }
        }
    }

    /// `A^T m A` of `[16, channels, tiles]`, put where the pixels belong.
    #[inline(always)]
    pub(super) fn results(&mut self, sums: &[f32], y: &mut [f32], channels: usize) {
        let [height, width] = self.size;
        let (tiles, across) = (self.tiles(), self.across);
        let wide = width.div_ceil(2);
        for pixels in &mut self.pixels {
            pixels.resize(across.max(pixels.len()), 0.0);
        }
        for channel in 0..channels {
            for row in 0..self.rows.len() {
                for start in self.starts() {
                    let mut columns = [[NOTHING; 2]; 4];
                    for (j, column) in columns.iter_mut().enumerate() {
                        let mut sum = [NOTHING; 4];
                        for (i, sum) in sum.iter_mut().enumerate() {
                            let place = (4 * i + j) * channels + channel;
                            *sum = load(sums, place * tiles + row * across + start);
                        }
                        *column = gather(sum);
                    }
                    let [a, b, c, d] = columns;
                    for i in 0..2 {
                        let whole = gather([a[i], b[i], c[i], d[i]]);
                        for (j, value) in whole.into_iter().enumerate() {
                            let pixels = &mut self.pixels[2 * i + j];
                            pixels[start..start + AT_ONCE].copy_from_slice(&value);
                        }
                    }
                }
                for i in 0..2 {
                    let to = 2 * (self.rows.start + row) + i;
                    if to >= height {
                        continue;
                    }
                    for sample in 0..self.samples {
                        let begin = ((sample * channels + channel) * height + to) * width;
                        let own = &mut y[begin..begin + width];
                        let even = &self.pixels[2 * i][sample * wide..][..wide];
                        let odd = &self.pixels[2 * i + 1][sample * wide..][..wide];
                        let (pairs, last) = own.as_chunks_mut::<2>();
                        for ((pair, even), odd) in pairs.iter_mut().zip(even).zip(odd) {
                            *pair = [*even, *odd];
                        }
                        if let ([last], Some(even)) = (last, even.last()) {
                            *last = *even;
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn load(from: &[f32], at: usize) -> Lanes {
    let mut lanes = NOTHING;
    lanes.copy_from_slice(&from[at..at + AT_ONCE]);
    lanes
}

#[inline(always)]
fn of(a: Lanes, b: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    let mut lanes = NOTHING;
    for i in 0..AT_ONCE {
        lanes[i] = f(a[i], b[i]);
    }
    lanes
}

#[inline(always)]
fn plus(a: Lanes, b: Lanes) -> Lanes {
    of(a, b, |a, b| a + b)
}

#[inline(always)]
fn minus(a: Lanes, b: Lanes) -> Lanes {
    of(a, b, |a, b| a - b)
}

/// `B^T` times a column.
#[inline(always)]
fn filter([a, b, c, d]: [Lanes; 4]) -> [Lanes; 4] {
    [minus(a, c), plus(b, c), minus(c, b), minus(b, d)]
}

/// `A` times a column.
#[inline(always)]
fn spread(a: Lanes, b: Lanes) -> [Lanes; 4] {
    [a, plus(a, b), minus(a, b), minus(NOTHING, b)]
}

/// `A^T` times a column.
#[inline(always)]
fn gather([a, b, c, d]: [Lanes; 4]) -> [Lanes; 2] {
    [plus(plus(a, b), c), minus(minus(b, c), d)]
}

/// Every place is written by [`Planes::see`] and [`Planes::slopes`].
const _: () = assert!(PLACES == 16);
