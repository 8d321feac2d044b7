//! Cuts and mirrors: what moves pixels without changing them.

use crate::image::Rgb;

/// torchvision's `center_crop`: padded with zeros where the image is smaller,
/// then cut with Python's rounding (half to even).
pub(crate) fn center(image: &Rgb, [height, width]: [usize; 2], target: &mut Rgb) {
    let (from_top, to_top, rows) = offsets(image.height, height);
    let (from_left, to_left, columns) = offsets(image.width, width);
    target.width = width;
    target.height = height;
    target.data.clear();
    target.data.resize(width * height * 3, 0);
    for y in 0..rows {
        let source = &image.row(from_top + y)[from_left * 3..(from_left + columns) * 3];
        let start = ((to_top + y) * width + to_left) * 3;
        target.data[start..start + columns * 3].copy_from_slice(source);
    }
}

/// First pixel read, first pixel written and their number, along one axis.
fn offsets(input: usize, output: usize) -> (usize, usize, usize) {
    if output > input {
        (0, (output - input) / 2, input)
    } else {
        (half_to_even(input - output), 0, output)
    }
}

/// `round(n / 2)` as Python rounds.
fn half_to_even(n: usize) -> usize {
    let half = n / 2;
    if n % 2 == 1 && half % 2 == 1 {
        half + 1
    } else {
        half
    }
}

/// Mirror left to right.
pub(crate) fn flip(image: &mut Rgb) {
    if image.width == 0 {
        return;
    }
    let (pixels, _) = image.data.as_chunks_mut::<3>();
    for row in pixels.chunks_exact_mut(image.width) {
        row.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python: `[round(n / 2) for n in range(8)]`.
    #[test]
    fn rounds_as_python() {
        let rounded: Vec<usize> = (0..8).map(half_to_even).collect();
        assert_eq!(rounded, [0, 0, 1, 2, 2, 2, 3, 4]);
    }
}
