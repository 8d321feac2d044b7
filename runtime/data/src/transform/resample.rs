//! Pillow's antialiased resampling, bit for bit (`Resample.c` of 12.2.0):
//! a horizontal pass, then a vertical one, in 22-bit fixed point with rounding
//! to 8 bits after each.
//!
//! Rows come in bands, as they are decoded, and each row of the result is made
//! as soon as those that it reads are there.

use std::ops::Range;

use ssl_plan::Interpolation;

use super::band::{Band, Column, ROWS};
use super::weights::{HALF, PRECISION, Weights};
use crate::image::{Part, Planes, Region};
use crate::wide::wide;

/// Values of a row that a pass works on at once.
const LANES: usize = 32;

/// A resampling that takes its source row by row.
#[derive(Debug, Default)]
pub(super) struct Resizer {
    /// The part of the source that is read.
    region: Region,
    columns: Weights,
    rows: Weights,
    between: Between,
    /// Rows that have been made.
    made: usize,
    #[cfg(target_arch = "x86_64")]
    pairs: Vec<super::avx2::Pair>,
}

impl Resizer {
    /// Begin to resample what lies between edges of a region, of its rows and
    /// of its columns, to a height and width into `target`.
    pub(super) fn start(
        &mut self,
        region: Region,
        [top_bottom, left_right]: [[f64; 2]; 2],
        size: [usize; 2],
        interpolation: Interpolation,
        target: &mut Planes,
    ) {
        let [height, width] = size;
        // A pass that changes nothing is the identity in the fixed point, too:
        // one weight of 1. So it costs time and no exactness.
        self.columns
            .set(region.width, left_right, width, interpolation);
        self.rows
            .set(region.height, top_bottom, height, interpolation);
        self.region = region;
        self.between.clear(width, self.rows.most());
        self.made = 0;
        target.resize(size);
    }

    /// Have the result mirrored left to right, which is no work.
    pub(super) fn mirror(&mut self) {
        self.columns.mirror();
    }

    /// Take rows of the source, those after the last ones taken, and write
    /// what can be made of them. The band is turned.
    pub(super) fn take(&mut self, band: &Band, target: &mut Planes) {
        let (place, region) = (band.place(), self.region);
        let from = place.start.max(region.top);
        let to = place.end.min(region.top + region.height);
        let Some((first, _)) = self.rows.get(self.made).filter(|_| from < to) else {
            return;
        };
        let lanes = from - place.start..to - place.start;
        let columns = &band.columns()[region.left * 3..];
        let stride = self.between.stride;
        let between = self.between.add(first, lanes.len());
        across(columns, &self.columns, lanes, stride, between);

        let width = target.width.max(1);
        let mut targets = target
            .channels_mut()
            .map(|channel| channel.chunks_exact_mut(width).skip(self.made));
        while let Some((first, weights)) = self.rows.get(self.made)
            && first + weights.len() <= self.between.rows.end
        {
            #[cfg(target_arch = "x86_64")]
            let wide = super::avx2::pairs(weights, stride, &mut self.pairs);
            for (source, target) in self.between.from(first).into_iter().zip(&mut targets) {
                let Some(target) = target.next() else {
                    continue;
                };
                #[cfg(target_arch = "x86_64")]
                if wide && super::avx2::down(source, &self.pairs, target) {
                    continue;
                }
                down(source, stride, weights, target);
            }
            self.made += 1;
        }
    }

    /// Resample an image that is all there.
    pub(super) fn all(
        &mut self,
        source: Part<'_>,
        size: [usize; 2],
        interpolation: Interpolation,
        band: &mut Band,
        target: &mut Planes,
    ) {
        let sides = [source.height, source.width];
        let edges = sides.map(|side| [0.0, side as f64]);
        let whole = Region::whole(source.width, source.height);
        self.start(whole, edges, size, interpolation, target);
        let Ok(()) = band.each(sides, source.reader(), |band| {
            band.turn();
            self.take(band, target);
        });
    }
}

/// Rows after the horizontal pass that are still read.
#[derive(Debug, Default)]
struct Between {
    channels: [Vec<u8>; 3],
    /// Values from one row to the next.
    stride: usize,
    /// Their places in the region.
    rows: Range<usize>,
    /// Rows that there is room for.
    room: usize,
}

impl Between {
    /// Begin an image of which so many rows are read at once.
    fn clear(&mut self, width: usize, most: usize) {
        self.stride = width.next_multiple_of(LANES);
        self.rows = 0..0;
        // With more than it needs, rows are moved less often.
        self.room = most + 4 * ROWS;
        for channel in &mut self.channels {
            channel.resize(self.room * self.stride, 0);
        }
    }

    /// Room for more rows; those before `first` are not read any more.
    fn add(&mut self, first: usize, count: usize) -> [&mut [u8]; 3] {
        let Range { start, end } = self.rows;
        let mut kept = end - start;
        if kept + count > self.room {
            let first = first.clamp(start, end);
            let moved = (first - start) * self.stride..kept * self.stride;
            for channel in &mut self.channels {
                channel.copy_within(moved.clone(), 0);
            }
            kept = end - first;
        }
        self.rows = end - kept..end + count;
        let at = kept * self.stride..(kept + count) * self.stride;
        self.channels
            .each_mut()
            .map(|channel| &mut channel[at.clone()])
    }

    /// The channels from a row on.
    fn from(&self, row: usize) -> [&[u8]; 3] {
        let start = (row - self.rows.start) * self.stride;
        self.channels.each_ref().map(|channel| &channel[start..])
    }
}

/// The horizontal pass of some rows of a band.
fn across(
    columns: &[Column],
    weights: &Weights,
    lanes: Range<usize>,
    stride: usize,
    targets: [&mut [u8]; 3],
) {
    let [red, green, blue] = targets;
    #[cfg(target_arch = "x86_64")]
    if super::avx2::across(
        columns,
        weights,
        lanes.start,
        stride,
        [&mut *red, &mut *green, &mut *blue],
    ) {
        return;
    }
    across_plain(columns, weights, lanes.start, stride, [red, green, blue]);
}

#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

wide! {
    /// As many rows as the targets have, from one of the band on.
    pub(super) fn across_plain(
        columns: &[Column],
        weights: &Weights,
        lane: usize,
        stride: usize,
        targets: [&mut [u8]; 3],
    ) {
        let (pixels, _) = columns.as_chunks::<3>();
        for (x, (first, weights)) in weights.iter().enumerate() {
            let mut sums = [[HALF; ROWS]; 3];
            for (pixel, weight) in pixels[first..].iter().zip(weights) {
                for (sums, column) in sums.iter_mut().zip(pixel) {
                    for (sum, value) in sums.iter_mut().zip(column) {
                        *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*weight));
                    }
                }
            }
            for (target, sums) in (0..3).zip(sums) {
                let rows = targets[target].chunks_exact_mut(stride);
                for (row, sum) in rows.zip(&sums[lane..]) {
                    row[x] = clip(*sum);
                }
            }
        }
    }
}

wide! {
    /// One row of the vertical pass.
    pub(super) fn down(source: &[u8], stride: usize, weights: &[i32], target: &mut [u8]) {
        for (b, block) in target.chunks_mut(LANES).enumerate() {
            let mut sums = [HALF; LANES];
            for (row, weight) in source.chunks_exact(stride).zip(weights) {
                for (sum, value) in sums.iter_mut().zip(&row[b * LANES..(b + 1) * LANES]) {
                    *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*weight));
                }
            }
            let found = sums.map(clip);
            block.copy_from_slice(&found[..block.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`Resizer`] relies on: at equal sizes every pixel has one weight
    /// other than zero, and that is 1.
    #[test]
    fn equal_sizes_are_the_identity() {
        let mut weights = Weights::default();
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            for size in 1..300 {
                weights.set(size, [0.0, size as f64], size, interpolation);
                for (i, (first, weights)) in weights.iter().enumerate() {
                    for (x, weight) in (first..).zip(weights) {
                        assert_eq!(*weight, i32::from(x == i) << PRECISION);
                    }
                }
            }
        }
    }
}
