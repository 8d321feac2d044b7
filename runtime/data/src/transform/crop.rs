//! Cuts and mirrors: what moves pixels without changing them.

use crate::image::Planes;

/// torchvision's `center_crop`: padded with zeros where the image is smaller,
/// then cut with Python's rounding (half to even).
pub(crate) fn center(image: &Planes, size: [usize; 2], target: &mut Planes) {
    let (from_top, to_top, rows) = offsets(image.height, size[0]);
    let (from_left, to_left, columns) = offsets(image.width, size[1]);
    target.data.clear();
    target.resize(size);
    let width = target.width;
    for (source, target) in image.channels().into_iter().zip(target.channels_mut()) {
        for y in 0..rows {
            let from = (from_top + y) * image.width + from_left;
            let to = (to_top + y) * width + to_left;
            target[to..to + columns].copy_from_slice(&source[from..from + columns]);
        }
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
pub(crate) fn flip(image: &mut Planes) {
    if image.width > 0 {
        #[cfg(target_arch = "x86_64")]
        if super::avx2::flip(&mut image.data, image.width) {
            return;
        }
        for row in image.data.chunks_exact_mut(image.width) {
            row.reverse();
        }
    }
}

/// Mirror top to bottom.
pub(crate) fn flip_down(image: &mut Planes) {
    let (height, width) = (image.height, image.width);
    for channel in image.channels_mut() {
        let (above, below) = channel.split_at_mut(height / 2 * width);
        let below = below.rchunks_exact_mut(width.max(1));
        for (above, below) in above.chunks_exact_mut(width.max(1)).zip(below) {
            above.swap_with_slice(below);
        }
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
