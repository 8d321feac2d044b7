//! Operations on the tones of an image: tables of values, and sharpening, as
//! Pillow 12.2.0 computes them, bit for bit.

use crate::image::Planes;
use crate::wide::wide;

use super::color::blend;

/// A value for each value.
type Table = [u8; 256];

/// Replace the values of each channel by a table made of its histogram.
fn by_histogram(image: &mut Planes, table: impl Fn(&[u32; 256]) -> Option<Table>) {
    for channel in image.channels_mut() {
        let mut counts = [0u32; 256];
        for value in channel.iter() {
            counts[usize::from(*value)] += 1;
        }
        if let Some(table) = table(&counts) {
            for value in channel.iter_mut() {
                *value = table[usize::from(*value)];
            }
        }
    }
}

/// `ImageOps.equalize`.
pub(crate) fn equalize(image: &mut Planes) {
    by_histogram(image, |counts| {
        let last = counts.iter().rev().find(|n| **n > 0)?;
        let total: u32 = counts.iter().sum();
        let step = (total - last) / 255;
        if step == 0 {
            return None;
        }
        let mut sum = step / 2;
        let mut table = [0; 256];
        for (entry, count) in table.iter_mut().zip(counts) {
            *entry = (sum / step).min(255) as u8;
            sum += count;
        }
        Some(table)
    });
}

/// `ImageOps.autocontrast` without a cutoff.
pub(crate) fn autocontrast(image: &mut Planes) {
    by_histogram(image, |counts| {
        let low = counts.iter().position(|n| *n > 0)?;
        let high = counts.iter().rposition(|n| *n > 0)?;
        if high <= low {
            return None;
        }
        let scale = 255.0 / (high - low) as f64;
        let offset = -(low as f64) * scale;
        let mut table = [0; 256];
        for (value, entry) in table.iter_mut().enumerate() {
            // `as` saturates, which is the reference's clipping.
            *entry = (value as f64 * scale + offset) as u8;
        }
        Some(table)
    });
}

/// `ImageEnhance.Sharpness`: away from the image smoothed by a 3 x 3 kernel.
pub(crate) fn sharpness(image: &mut Planes, factor: f64, smooth: &mut Planes) {
    let (height, width) = (image.height, image.width);
    // The reference leaves the border as it is; blended with itself it stays.
    if height < 3 || width < 3 {
        return;
    }
    smooth.resize([height, width]);
    let sources = image.channels_mut().into_iter();
    for (source, target) in sources.zip(smooth.channels_mut()) {
        target.copy_from_slice(source);
        for y in 1..height - 1 {
            let rows = &source[(y - 1) * width..(y + 2) * width];
            smoothed(rows, &mut target[y * width..(y + 1) * width]);
        }
        for (value, smooth) in source.iter_mut().zip(target) {
            *value = blend(*smooth, *value, factor as f32);
        }
    }
}

wide! {
    /// `ImageFilter.SMOOTH` of the middle one of three rows, without its ends.
    fn smoothed(rows: &[u8], target: &mut [u8]) {
        let width = target.len();
        const SIDE: f32 = 1.0 / 13.0;
        const CENTRE: f32 = 5.0 / 13.0;
        let (above, rest) = rows.split_at(width);
        let (middle, below) = rest.split_at(width);
        // The reference sums rows from the lower one, each by itself.
        for x in 1..width - 1 {
            let [a, b, c] = [below[x - 1], below[x], below[x + 1]].map(f32::from);
            let mut sum = 0.5 + (a * SIDE + b * SIDE + c * SIDE);
            let [a, b, c] = [middle[x - 1], middle[x], middle[x + 1]].map(f32::from);
            sum += a * SIDE + b * CENTRE + c * SIDE;
            let [a, b, c] = [above[x - 1], above[x], above[x + 1]].map(f32::from);
            sum += a * SIDE + b * SIDE + c * SIDE;
            target[x] = sum as u8;
        }
    }
}
