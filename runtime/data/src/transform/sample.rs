//! From a transform's ranges to the parameters of one image.
//!
//! Every parameter is drawn whether it is used or not, and each transform has
//! its own numbers of the stream, so that neither a probability nor another
//! transform beside it shifts what is drawn here.

use ssl_plan::{Erased, Policy, Sampling, Transform};

use super::Operation;
use super::erase::{Eraser, Normals};
use super::policy::{RandAugmentDraw, rand_augment, rand_augment_choices};
use crate::image::Region;
use crate::philox::{Stream, below, uniform, unit};

/// The place of a transform's draws in its stream. The numbers belong to the
/// reproducibility of runs: never reuse or change one.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Kind {
    RandomResizedCrop = 1,
    ColorJitter = 2,
    Grayscale = 3,
    GaussianBlur = 4,
    Solarize = 5,
    HorizontalFlip = 6,
    VerticalFlip = 7,
    Rotation = 8,
    Posterize = 9,
    Equalize = 10,
    Autocontrast = 11,
    Invert = 12,
    Sharpness = 13,
    RandAugment = 14,
    ThreeAugment = 15,
    RandomErasing = 16,
}

/// One more than the highest number of a [`Kind`].
const KINDS: usize = 17;

/// The draws of one transform: the `n`-th of its kind in the view.
struct Draws<'a> {
    stream: &'a Stream,
    base: u32,
}

impl Draws<'_> {
    fn words(&self, n: u32) -> [u32; 4] {
        self.stream.draw(self.base + n)
    }
}

/// Whether a transform draws something that matters.
pub(super) fn is_random(transform: &Transform) -> bool {
    let open = |p: f64| p > 0.0 && p < 1.0;
    match transform {
        Transform::RandomResizedCrop { .. } => true,
        Transform::ColorJitter { p, .. } => *p > 0.0,
        Transform::GaussianBlur { sigma: range, p }
        | Transform::Rotation {
            degrees: range, p, ..
        }
        | Transform::Sharpness { factor: range, p } => {
            open(*p) || (*p > 0.0 && range[0] != range[1])
        }
        Transform::RandAugment { p, .. }
        | Transform::ThreeAugment { p, .. }
        | Transform::RandomErasing { p, .. } => *p > 0.0,
        Transform::Grayscale { p }
        | Transform::Solarize { p, .. }
        | Transform::HorizontalFlip { p }
        | Transform::VerticalFlip { p }
        | Transform::Posterize { p, .. }
        | Transform::Equalize { p }
        | Transform::Autocontrast { p }
        | Transform::Invert { p } => open(*p),
        Transform::Resize { .. } | Transform::CenterCrop { .. } | Transform::Normalize { .. } => {
            false
        }
    }
}

/// The size after a transform, where it does not depend on the image.
pub(super) fn size_after(size: Option<[usize; 2]>, transform: &Transform) -> Option<[usize; 2]> {
    match transform {
        Transform::RandomResizedCrop { size, .. } | Transform::CenterCrop { size } => Some(*size),
        Transform::Resize { size: short, .. } => size.map(|size| shorter_side(size, *short)),
        _ => size,
    }
}

/// Draw the operations of a view for an image of a height and width.
pub(super) fn operations(
    transforms: &[Transform],
    stream: &Stream,
    mut size: [usize; 2],
) -> Vec<Operation> {
    let mut operations = Vec::with_capacity(transforms.len() + 4);
    let mut seen = [0u32; KINDS];
    let mut draws = |kind: Kind| {
        let count = &mut seen[kind as usize];
        let base = (kind as u32) << 16 | *count << 8;
        *count += 1;
        Draws { stream, base }
    };
    for transform in transforms {
        match *transform {
            Transform::RandomResizedCrop {
                size: output,
                scale,
                ratio,
                interpolation,
            } => {
                let draws = draws(Kind::RandomResizedCrop);
                operations.push(Operation::ResizedCrop {
                    region: crop(&draws, size, scale, ratio),
                    size: output,
                    interpolation,
                });
                size = output;
            }
            Transform::Resize {
                size: short,
                interpolation,
            } => {
                size = shorter_side(size, short);
                operations.push(Operation::Resize {
                    size,
                    interpolation,
                });
            }
            Transform::CenterCrop { size: output } => {
                operations.push(Operation::CenterCrop { size: output });
                size = output;
            }
            Transform::ColorJitter {
                brightness,
                contrast,
                saturation,
                hue,
                p,
            } => {
                let draws = draws(Kind::ColorJitter);
                let [apply, b, c, s] = draws.words(0);
                let [h, order, ..] = draws.words(1);
                if unit(apply) < p {
                    let steps = [
                        (brightness != [1.0; 2]).then(|| Operation::Brightness {
                            factor: uniform(b, brightness),
                        }),
                        (contrast != [1.0; 2]).then(|| Operation::Contrast {
                            factor: uniform(c, contrast),
                        }),
                        (saturation != [1.0; 2]).then(|| Operation::Saturation {
                            factor: uniform(s, saturation),
                        }),
                        // A way through HSV loses bits even without a shift,
                        // so a fixed shift of 0 is no step at all.
                        (hue != [0.0; 2]).then(|| Operation::Hue {
                            turns: uniform(h, hue),
                        }),
                    ];
                    let order = order_of_four(below(order, 24));
                    operations.extend(order.into_iter().filter_map(|i| steps[i]));
                }
            }
            Transform::Grayscale { p } => {
                let [apply, ..] = draws(Kind::Grayscale).words(0);
                if unit(apply) < p {
                    operations.push(Operation::Grayscale);
                }
            }
            Transform::GaussianBlur { sigma, p } => {
                let [apply, s, ..] = draws(Kind::GaussianBlur).words(0);
                if unit(apply) < p {
                    operations.push(Operation::GaussianBlur {
                        sigma: uniform(s, sigma),
                    });
                }
            }
            Transform::Solarize { threshold, p } => {
                let [apply, ..] = draws(Kind::Solarize).words(0);
                if unit(apply) < p {
                    operations.push(Operation::Solarize { threshold });
                }
            }
            Transform::HorizontalFlip { p } => {
                let [apply, ..] = draws(Kind::HorizontalFlip).words(0);
                if unit(apply) < p {
                    operations.push(Operation::HorizontalFlip);
                }
            }
            Transform::VerticalFlip { p } => {
                let [apply, ..] = draws(Kind::VerticalFlip).words(0);
                if unit(apply) < p {
                    operations.push(Operation::VerticalFlip);
                }
            }
            Transform::Rotation {
                degrees,
                sampling,
                fill,
                p,
            } => {
                let [apply, d, ..] = draws(Kind::Rotation).words(0);
                if unit(apply) < p {
                    operations.push(Operation::Rotate {
                        degrees: uniform(d, degrees),
                        sampling,
                        fill,
                    });
                }
            }
            Transform::Posterize { bits, p } => {
                let [apply, ..] = draws(Kind::Posterize).words(0);
                if unit(apply) < p {
                    operations.push(Operation::Posterize { bits });
                }
            }
            Transform::Equalize { p } => {
                let [apply, ..] = draws(Kind::Equalize).words(0);
                if unit(apply) < p {
                    operations.push(Operation::Equalize);
                }
            }
            Transform::Autocontrast { p } => {
                let [apply, ..] = draws(Kind::Autocontrast).words(0);
                if unit(apply) < p {
                    operations.push(Operation::Autocontrast);
                }
            }
            Transform::Invert { p } => {
                let [apply, ..] = draws(Kind::Invert).words(0);
                if unit(apply) < p {
                    operations.push(Operation::Invert);
                }
            }
            Transform::Sharpness { factor, p } => {
                let [apply, f, ..] = draws(Kind::Sharpness).words(0);
                if unit(apply) < p {
                    operations.push(Operation::Sharpness {
                        factor: uniform(f, factor),
                    });
                }
            }
            Transform::RandAugment {
                policy,
                ops,
                magnitude,
                magnitude_std,
                fill,
                p,
            } => {
                let draws = draws(Kind::RandAugment);
                let [apply, ..] = draws.words(0);
                if unit(apply) < p {
                    let drawn = (0..ops as u32).filter_map(|n| {
                        let magnitude = [magnitude, magnitude_std];
                        let draw = layer(&draws, n, policy, magnitude, fill)?;
                        rand_augment(policy, &draw, size)
                    });
                    operations.extend(drawn);
                }
            }
            Transform::ThreeAugment {
                sigma,
                threshold,
                p,
            } => {
                let [apply, which, s, _] = draws(Kind::ThreeAugment).words(0);
                if unit(apply) < p {
                    operations.push(match below(which, 3) {
                        0 => Operation::Grayscale,
                        1 => Operation::Solarize { threshold },
                        _ => Operation::GaussianBlur {
                            sigma: uniform(s, sigma),
                        },
                    });
                }
            }
            Transform::RandomErasing {
                scale,
                ratio,
                value,
                p,
            } => {
                let draws = draws(Kind::RandomErasing);
                let [apply, key @ .., _] = draws.words(10);
                if unit(apply) < p
                    && let Some(erase) = erasure(&draws, size, [scale, ratio], value, key)
                {
                    operations.push(erase);
                }
            }
            // The last step of a view, taken with the move to floats.
            Transform::Normalize { .. } => {}
        }
    }
    operations
}

/// torchvision's `RandomResizedCrop.get_params`: ten tries, then the largest
/// centred cut with an allowed aspect.
fn crop(draws: &Draws<'_>, size: [usize; 2], scale: [f64; 2], ratio: [f64; 2]) -> Region {
    let [height, width] = size;
    let area = (height * width) as f64;
    let log_ratio = ratio.map(f64::ln);
    let mut found = None;
    for attempt in 0..10 {
        let [a, r, top, left] = draws.words(attempt);
        let target = area * uniform(a, scale);
        let aspect = uniform(r, log_ratio).exp();
        let w = (target * aspect).sqrt().round_ties_even() as usize;
        let h = (target / aspect).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            found = Some(Region {
                top: below(top, (height - h + 1) as u32) as usize,
                left: below(left, (width - w + 1) as u32) as usize,
                height: h,
                width: w,
            });
            break;
        }
    }
    found.unwrap_or_else(|| {
        let aspect = width as f64 / height as f64;
        let (mut h, mut w) = (height, width);
        if aspect < ratio[0] {
            h = (width as f64 / ratio[0]).round_ties_even() as usize;
        } else if aspect > ratio[1] {
            w = (height as f64 * ratio[1]).round_ties_even() as usize;
        }
        let (h, w) = (h.clamp(1, height), w.clamp(1, width));
        Region {
            top: (height - h) / 2,
            left: (width - w) / 2,
            height: h,
            width: w,
        }
    })
}

/// One layer of RandAugment; none where timm's coin leaves it out.
fn layer(
    draws: &Draws<'_>,
    n: u32,
    policy: Policy,
    [magnitude, deviation]: [f64; 2],
    fill: [u8; 3],
) -> Option<RandAugmentDraw> {
    let [choice, sign, apply, filter] = draws.words(1 + 2 * n);
    let [a, b, ..] = draws.words(2 + 2 * n);
    let sampling = match policy {
        Policy::Torchvision => Sampling::Nearest,
        Policy::Timm if unit(filter) < 0.5 => Sampling::Bilinear,
        Policy::Timm => Sampling::Bicubic,
    };
    let magnitude = match policy {
        Policy::Torchvision => magnitude,
        Policy::Timm if unit(apply) >= 0.5 => return None,
        Policy::Timm => (magnitude + deviation * Normals::pair([a, b])[0]).clamp(0.0, 10.0),
    };
    Some(RandAugmentDraw {
        choice: below(choice, rand_augment_choices(policy) as u32) as usize,
        magnitude,
        negative: unit(sign) < 0.5,
        sampling,
        fill,
    })
}

/// torchvision's `RandomErasing.get_params`: ten tries, then nothing.
fn erasure(
    draws: &Draws<'_>,
    [height, width]: [usize; 2],
    [scale, ratio]: [[f64; 2]; 2],
    value: Erased,
    key: [u32; 2],
) -> Option<Operation> {
    let area = (height * width) as f64;
    (0..10).find_map(|attempt| {
        let [a, r, top, left] = draws.words(attempt);
        let target = area * uniform(a, scale);
        let aspect = uniform(r, ratio.map(f64::ln)).exp();
        let h = (target * aspect).sqrt().round_ties_even() as usize;
        let w = (target / aspect).sqrt().round_ties_even() as usize;
        (h < height && w < width).then(|| Operation::Erase {
            region: Region {
                top: below(top, (height - h + 1) as u32) as usize,
                left: below(left, (width - w + 1) as u32) as usize,
                height: h,
                width: w,
            },
            with: Eraser::new(value, key),
        })
    })
}

/// torchvision's size for a shorter side.
fn shorter_side([height, width]: [usize; 2], short: usize) -> [usize; 2] {
    let long = |long: usize, of: usize| ((short as f64 * long as f64) / of as f64) as usize;
    if width <= height {
        [long(height, width), short]
    } else {
        [short, long(width, height)]
    }
}

/// One of the 24 orders of four things.
fn order_of_four(mut n: u32) -> [usize; 4] {
    let mut order = [0, 1, 2, 3];
    for (i, choices) in [(0, 4), (1, 3), (2, 2)] {
        let pick = (n % choices) as usize;
        n /= choices;
        order[i..=i + pick].rotate_right(1);
    }
    order
}
