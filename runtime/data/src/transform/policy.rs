//! RandAugment: from the number of an operation and a magnitude to the
//! operation with its parameters, as torchvision 0.29.2 and timm 1.0 have it.

use ssl_plan::{Policy, Sampling};

use super::Operation;

/// Operations of a policy.
pub fn rand_augment_choices(policy: Policy) -> usize {
    match policy {
        Policy::Torchvision => 14,
        Policy::Timm => 15,
    }
}

/// What one operation of RandAugment is drawn to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandAugmentDraw {
    /// Which operation, below [`rand_augment_choices`], in the order of the
    /// reference.
    pub choice: usize,
    /// The strength: 0..=30 of torchvision's, 0..=10 of timm's.
    pub magnitude: f64,
    /// Whether an operation that has a direction goes the other way.
    pub negative: bool,
    /// How pixels of a turned image are read.
    pub sampling: Sampling,
    /// Colour of what lies outside a turned image.
    pub fill: [u8; 3],
}

/// The operation of a draw, for an image of a height and width; none where it
/// changes nothing.
pub fn rand_augment(policy: Policy, draw: &RandAugmentDraw, size: [usize; 2]) -> Option<Operation> {
    match policy {
        Policy::Torchvision => torchvision(draw, size),
        Policy::Timm => timm(draw, size),
    }
}

/// torchvision's `RandAugment._augmentation_space` and `_apply_op`.
fn torchvision(draw: &RandAugmentDraw, size: [usize; 2]) -> Option<Operation> {
    let signed = |high: f64| {
        let magnitude = linspace(0.0, high as f32, draw.magnitude);
        if draw.negative { -magnitude } else { magnitude }
    };
    let translate = |side: usize| signed(150.0 / 331.0 * side as f64).trunc();
    let [height, width] = size;
    Some(match draw.choice {
        0 => return None,
        1 => affine(draw, sheared(size, [signed(0.3), 0.0], [0.0, 0.0])),
        2 => affine(draw, sheared(size, [0.0, signed(0.3)], [0.0, 0.0])),
        3 => affine(draw, sheared(size, [0.0; 2], [translate(width), 0.0])),
        4 => affine(draw, sheared(size, [0.0; 2], [0.0, translate(height)])),
        5 => rotate(draw, signed(30.0)),
        6 => Operation::Brightness {
            factor: 1.0 + signed(0.9),
        },
        7 => Operation::Saturation {
            factor: 1.0 + signed(0.9),
        },
        8 => Operation::Contrast {
            factor: 1.0 + signed(0.9),
        },
        9 => Operation::Sharpness {
            factor: 1.0 + signed(0.9),
        },
        10 => Operation::Posterize {
            bits: (8.0 - (draw.magnitude / 7.5).round_ties_even()) as u8,
        },
        11 => Operation::Solarize {
            threshold: linspace(255.0, 0.0, draw.magnitude).ceil() as u16,
        },
        12 => Operation::Autocontrast,
        _ => Operation::Equalize,
    })
}

/// `torch.linspace(from, to, 31)[n]`, in single floats with one rounding, from the
/// nearer end.
fn linspace(from: f32, to: f32, n: f64) -> f64 {
    let step = (to - from) / 30.0;
    f64::from(if n < 15.0 {
        step.mul_add(n as f32, from)
    } else {
        (-step).mul_add((30.0 - n) as f32, to)
    })
}

/// torchvision's `_get_inverse_affine_matrix` without rotation and scale.
/// Shears are tangents; a shear along x or y has the corner as its centre.
fn sheared([height, width]: [usize; 2], shear: [f64; 2], translate: [f64; 2]) -> [f64; 6] {
    let [x, y] = shear.map(|s: f64| s.atan().to_degrees().to_radians());
    let centre = match shear {
        [0.0, 0.0] => [width as f64 * 0.5, height as f64 * 0.5],
        _ => [0.0, 0.0],
    };
    let a = (-y).cos() / y.cos();
    let b = -(-y).cos() * x.tan() / y.cos();
    let c = (-y).sin() / y.cos();
    let d = -(-y).sin() * x.tan() / y.cos() + 1.0;
    let mut matrix = [d, -b, 0.0, -c, a, 0.0];
    let to = [-centre[0] - translate[0], -centre[1] - translate[1]];
    matrix[2] += matrix[0] * to[0] + matrix[1] * to[1];
    matrix[5] += matrix[3] * to[0] + matrix[4] * to[1];
    matrix[2] += centre[0];
    matrix[5] += centre[1];
    matrix
}

/// timm's operations that increase with the magnitude (`inc1`).
fn timm(draw: &RandAugmentDraw, [height, width]: [usize; 2]) -> Option<Operation> {
    let level = draw.magnitude.clamp(0.0, 10.0) / 10.0;
    let signed = |high: f64| {
        let magnitude = level * high;
        if draw.negative { -magnitude } else { magnitude }
    };
    let factor = (1.0 + signed(0.9)).max(0.1);
    Some(match draw.choice {
        0 => Operation::Autocontrast,
        1 => Operation::Equalize,
        2 => Operation::Invert,
        3 => rotate(draw, signed(30.0)),
        4 => Operation::Posterize {
            bits: 4 - (level * 4.0) as u8,
        },
        5 => Operation::Solarize {
            threshold: 256 - (level * 256.0).min(256.0) as u16,
        },
        6 => Operation::SolarizeAdd {
            add: (level * 110.0).min(128.0) as u8,
        },
        7 => Operation::Saturation { factor },
        8 => Operation::Contrast { factor },
        9 => Operation::Brightness { factor },
        10 => Operation::Sharpness { factor },
        11 => affine(draw, [1.0, signed(0.3), 0.0, 0.0, 1.0, 0.0]),
        12 => affine(draw, [1.0, 0.0, 0.0, signed(0.3), 1.0, 0.0]),
        13 => affine(draw, [1.0, 0.0, signed(0.45) * width as f64, 0.0, 1.0, 0.0]),
        _ => affine(
            draw,
            [1.0, 0.0, 0.0, 0.0, 1.0, signed(0.45) * height as f64],
        ),
    })
}

fn affine(draw: &RandAugmentDraw, matrix: [f64; 6]) -> Operation {
    Operation::Affine {
        matrix,
        sampling: draw.sampling,
        fill: draw.fill,
    }
}

fn rotate(draw: &RandAugmentDraw, degrees: f64) -> Operation {
    Operation::Rotate {
        degrees,
        sampling: draw.sampling,
        fill: draw.fill,
    }
}
