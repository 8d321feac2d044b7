//! Random erasing: a rectangle of a finished view is overwritten.

use ssl_plan::Erased;

use crate::image::{Planes, Region};
use crate::philox::{Philox, unit};

/// What an erased rectangle holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eraser {
    /// Zeros.
    Zero,
    /// Standard normal numbers, a pure function of the key.
    Noise(u64),
}

impl Eraser {
    pub(super) fn new(value: Erased, words: [u32; 2]) -> Self {
        match value {
            Erased::Zero => Eraser::Zero,
            Erased::Noise => Eraser::Noise(u64::from(words[0]) << 32 | u64::from(words[1])),
        }
    }
}

/// Overwrite a rectangle of a view's `[3, H, W]` values.
pub(super) fn erase(view: &mut [f32], [height, width]: [usize; 2], region: Region, with: Eraser) {
    let mut normals = match with {
        Eraser::Zero => None,
        Eraser::Noise(key) => Some(Normals::new(Philox::new(key))),
    };
    for plane in view.chunks_exact_mut((height * width).max(1)) {
        for row in plane
            .chunks_exact_mut(width)
            .skip(region.top)
            .take(region.height)
        {
            for value in row.iter_mut().skip(region.left).take(region.width) {
                *value = normals.as_mut().map_or(0.0, |n| n.draw() as f32);
            }
        }
    }
}

/// The same on 8 bits, where nothing is normalised yet: black.
pub(super) fn blacken(image: &mut Planes, region: Region) {
    let width = image.width.max(1);
    for plane in image.channels_mut() {
        for row in plane
            .chunks_exact_mut(width)
            .skip(region.top)
            .take(region.height)
        {
            row[region.left..region.left + region.width].fill(0);
        }
    }
}

/// Standard normal numbers in order (Box and Muller 1958).
pub(crate) struct Normals {
    philox: Philox,
    block: u32,
    spare: Vec<f64>,
}

impl Normals {
    pub(crate) fn new(philox: Philox) -> Self {
        Normals {
            philox,
            block: 0,
            spare: Vec::with_capacity(4),
        }
    }

    /// Two independent numbers of two random words.
    pub(crate) fn pair([a, b]: [u32; 2]) -> [f64; 2] {
        // From (0, 1], whose logarithm is finite.
        let radius = (-2.0 * (1.0 - unit(a)).ln()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * unit(b);
        [radius * angle.cos(), radius * angle.sin()]
    }

    pub(crate) fn draw(&mut self) -> f64 {
        if self.spare.is_empty() {
            let words = self.philox.block([self.block, 0, 0, 0]);
            self.block = self.block.wrapping_add(1);
            self.spare.extend(Self::pair([words[0], words[1]]));
            self.spare.extend(Self::pair([words[2], words[3]]));
        }
        self.spare.pop().unwrap_or(0.0)
    }
}
