//! Pillow's `GaussianBlur`, bit for bit (`BoxBlur.c` of 12.2.0): three
//! extended box passes along each axis (Gwosdek, Grewenig, Bruhn and Weickert,
//! "Theoretical foundations of Gaussian convolution by extended box
//! filtering", SSVM 2011), each rounded to 8 bits.

use crate::image::Planes;
use crate::wide::wide;

/// Box passes along each axis.
const PASSES: f32 = 3.0;

/// Blur in place with standard deviation `sigma` in pixels.
pub(crate) fn gaussian_blur(image: &mut Planes, sigma: f64, work: &mut BlurWork) {
    let radius = box_radius(sigma as f32);
    if sigma == 0.0 || radius == 0.0 || image.data.is_empty() {
        return;
    }
    let width = image.width;
    #[cfg(target_arch = "x86_64")]
    {
        let weights = weights(radius);
        if super::avx2::reaches(weights.reach) {
            for channel in image.channels_mut() {
                super::avx2::boxes(channel, width, weights, &mut work.boxes);
            }
            return;
        }
    }
    for channel in image.channels_mut() {
        boxes(channel, width, radius, work);
    }
}

/// Three passes along the rows and three along the columns of a channel.
pub(super) fn boxes(channel: &mut [u8], width: usize, radius: f32, work: &mut BlurWork) {
    let height = channel.len() / width;
    let BlurWork {
        turned,
        other,
        sums,
        ..
    } = work;
    turned.resize(width * height, 0);
    other.resize(width * height, 0);
    // The passes along rows run as passes along columns of the turned image:
    // one loop, which works on whole rows at once, serves both.
    transpose(channel, width, height, turned);
    columns(turned, other, height, radius, sums);
    columns(other, turned, height, radius, sums);
    columns(turned, other, height, radius, sums);
    transpose(other, height, width, turned);
    columns(turned, other, width, radius, sums);
    columns(other, turned, width, radius, sums);
    columns(turned, channel, width, radius, sums);
}

/// Buffers that outlive one image.
#[derive(Debug, Default)]
pub(crate) struct BlurWork {
    turned: Vec<u8>,
    other: Vec<u8>,
    sums: Vec<u32>,
    #[cfg(target_arch = "x86_64")]
    boxes: super::avx2::BoxWork,
}

/// The radius, whole and fractional part, of a box whose threefold use has
/// the variance of the Gaussian; in single floats as the reference.
fn box_radius(sigma: f32) -> f32 {
    let variance = sigma * sigma / PASSES;
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let mut part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
    part /= 6.0 * (variance - (whole + 1.0) * (whole + 1.0));
    whole + part
}

/// A box: `2 * reach + 1` values of full weight and the two beyond them at the
/// weight of the edge, in 24-bit fixed point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    pub(super) reach: usize,
    pub(super) full: u32,
    pub(super) edge: u32,
}

pub(super) fn weights(radius: f32) -> Weights {
    let reach = radius as usize;
    let full = ((1u32 << 24) as f32 / (radius * 2.0 + 1.0)) as u32;
    let edge = ((1u32 << 24) - (reach as u32 * 2 + 1) * full) / 2;
    Weights { reach, full, edge }
}

/// Turn a plane over its diagonal, in tiles of 8 x 8 values.
fn transpose(source: &[u8], width: usize, height: usize, target: &mut [u8]) {
    const TILE: usize = 8;
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            if top + TILE <= height && left + TILE <= width {
                let mut rows = [0; TILE];
                for (row, y) in rows.iter_mut().zip(top..) {
                    let tile = source[y * width + left..].first_chunk();
                    *row = tile.map_or(0, |bytes| u64::from_le_bytes(*bytes));
                }
                transpose_tile(&mut rows);
                for (row, x) in rows.iter().zip(left..) {
                    let at = x * height + top;
                    target[at..at + TILE].copy_from_slice(&row.to_le_bytes());
                }
            } else {
                for x in left..(left + TILE).min(width) {
                    for y in top..(top + TILE).min(height) {
                        target[x * height + y] = source[y * width + x];
                    }
                }
            }
        }
    }
}

/// Turn a tile over its diagonal: swap its halves, their halves, and theirs
/// (Warren, "Hacker's Delight", 7-3).
#[inline(always)]
fn transpose_tile(rows: &mut [u64; 8]) {
    swap::<4>(rows, 0x0000_0000_FFFF_FFFF);
    swap::<2>(rows, 0x0000_FFFF_0000_FFFF);
    swap::<1>(rows, 0x00FF_00FF_00FF_00FF);
}

#[inline(always)]
fn swap<const STEP: usize>(rows: &mut [u64; 8], mask: u64) {
    let shift = STEP * 8;
    for pair in rows.chunks_exact_mut(2 * STEP) {
        let (above, below) = pair.split_at_mut(STEP);
        for (above, below) in above.iter_mut().zip(below) {
            let swap = (*above >> shift ^ *below) & mask;
            *below ^= swap;
            *above ^= swap << shift;
        }
    }
}

wide! {
    /// One extended box pass down the columns: a running sum of `2r + 1` rows
    /// at full weight and the two beyond them at the fractional weight; rows
    /// outside repeat the edge.
    fn columns(source: &[u8], target: &mut [u8], line: usize, radius: f32, sums: &mut Vec<u32>) {
        let last = source.len() / line - 1;
        let Weights { reach, full, edge } = weights(radius);
        let row = |y: usize| &source[y * line..(y + 1) * line];

        // The sum for the row above the first one.
        sums.clear();
        sums.extend(row(0).iter().map(|v| u32::from(*v) * (reach as u32 + 1)));
        for y in 0..reach {
            for (sum, value) in sums.iter_mut().zip(row(y.min(last))) {
                *sum = sum.wrapping_add(u32::from(*value));
            }
        }
        for (y, target) in target.chunks_exact_mut(line).enumerate() {
            let behind = row(y.saturating_sub(reach + 1));
            let ahead = row((y + reach).min(last));
            let beyond = row((y + reach + 1).min(last));
            let sums = &mut sums[..line];
            for x in 0..line {
                let left = u32::from(behind[x]);
                let sum = sums[x].wrapping_add(u32::from(ahead[x])).wrapping_sub(left);
                sums[x] = sum;
                let edges = left + u32::from(beyond[x]);
                let total = sum.wrapping_mul(full).wrapping_add(edges.wrapping_mul(edge));
                target[x] = (total.wrapping_add(1 << 23) >> 24) as u8;
            }
        }
    }
}
