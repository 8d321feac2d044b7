//! Pillow's `GaussianBlur`, bit for bit (`BoxBlur.c` of 12.2.0): three
//! extended box passes along each axis (Gwosdek, Grewenig, Bruhn and Weickert,
//! "Theoretical foundations of Gaussian convolution by extended box
//! filtering", SSVM 2011), each rounded to 8 bits.

use crate::image::Rgb;

/// Box passes along each axis.
const PASSES: usize = 3;

/// Blur in place with standard deviation `sigma` in pixels.
pub(crate) fn gaussian_blur(image: &mut Rgb, sigma: f64, work: &mut BlurWork) {
    let radius = box_radius(sigma as f32);
    if sigma == 0.0 || radius == 0.0 || image.data.is_empty() {
        return;
    }
    let (width, height) = (image.width, image.height);
    work.turned.resize(image.data.len(), 0);
    // The passes along rows run as passes along columns of the turned image:
    // one loop, which works on whole rows at once, serves both.
    transpose(&image.data, width, height, &mut work.turned);
    for _ in 0..PASSES {
        columns(&mut work.turned, height * 3, radius, &mut work.lines);
    }
    transpose(&work.turned, height, width, &mut image.data);
    for _ in 0..PASSES {
        columns(&mut image.data, width * 3, radius, &mut work.lines);
    }
}

/// Buffers that outlive one image.
#[derive(Debug, Default)]
pub(crate) struct BlurWork {
    turned: Vec<u8>,
    lines: Lines,
}

#[derive(Debug, Default)]
struct Lines {
    sums: Vec<u32>,
    source: Vec<u8>,
}

/// The radius, whole and fractional part, of a box whose threefold use has
/// the variance of the Gaussian; in single floats as the reference.
fn box_radius(sigma: f32) -> f32 {
    let variance = sigma * sigma / PASSES as f32;
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let mut part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance);
    part /= 6.0 * (variance - (whole + 1.0) * (whole + 1.0));
    whole + part
}

fn transpose(source: &[u8], width: usize, height: usize, target: &mut [u8]) {
    const TILE: usize = 16;
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for x in left..(left + TILE).min(width) {
                for y in top..(top + TILE).min(height) {
                    let from = (y * width + x) * 3;
                    let to = (x * height + y) * 3;
                    target[to..to + 3].copy_from_slice(&source[from..from + 3]);
                }
            }
        }
    }
}

/// One extended box pass down the columns: a running sum of `2r + 1` rows at
/// full weight and the two beyond them at the fractional weight; rows outside
/// repeat the edge.
fn columns(data: &mut [u8], line: usize, radius: f32, lines: &mut Lines) {
    let last = data.len() / line - 1;
    let reach = radius as usize;
    let full = ((1u32 << 24) as f32 / (radius * 2.0 + 1.0)) as u32;
    let edge = ((1u32 << 24) - (reach as u32 * 2 + 1) * full) / 2;

    lines.source.clear();
    lines.source.extend_from_slice(data);
    let source = &lines.source;
    let row = |y: usize| &source[y * line..(y + 1) * line];

    // The sum for the row above the first one.
    lines.sums.clear();
    lines
        .sums
        .extend(row(0).iter().map(|v| u32::from(*v) * (reach as u32 + 1)));
    for y in 0..reach {
        for (sum, value) in lines.sums.iter_mut().zip(row(y.min(last))) {
            *sum += u32::from(*value);
        }
    }
    for (y, target) in data.chunks_exact_mut(line).enumerate() {
        let behind = row(y.saturating_sub(reach + 1));
        let ahead = row((y + reach).min(last));
        let beyond = row((y + reach + 1).min(last));
        let inputs = behind.iter().zip(ahead).zip(beyond);
        let outputs = target.iter_mut().zip(&mut lines.sums);
        for ((value, sum), ((behind, ahead), beyond)) in outputs.zip(inputs) {
            let behind = u32::from(*behind);
            *sum = sum.wrapping_add(u32::from(*ahead)).wrapping_sub(behind);
            let edges = behind + u32::from(*beyond);
            let total = sum
                .wrapping_mul(full)
                .wrapping_add(edges.wrapping_mul(edge));
            *value = (total.wrapping_add(1 << 23) >> 24) as u8;
        }
    }
}
