//! Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a batch with soft
//! labels, as torchvision's `v2.MixUp` and `v2.CutMix`: every image is mixed
//! with the one before it, the first with the last.

use crate::image::Region;
use crate::philox::{Philox, Stream, below, stream, unit};
use crate::transform::Normals;

/// How strongly batches are mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// Alpha of mixup; 0 for none.
    pub mixup: f64,
    /// Alpha of CutMix; 0 for none. With both, each batch takes one of them,
    /// as likely as the other.
    pub cutmix: f64,
}

/// What is done to one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mix {
    /// The weighted sum of both images.
    Mixup {
        /// Weight of an image itself.
        lambda: f64,
    },
    /// A rectangle of the other image.
    CutMix {
        /// The rectangle.
        region: Region,
        /// Share of an image that is its own.
        lambda: f64,
    },
}

impl Mixing {
    /// What a step does to its batch of images of a height and width; none
    /// where both alphas are 0. A pure function of seed and step.
    pub fn draw(&self, seed: u64, step: u32, size: [usize; 2]) -> Option<Mix> {
        let stream = Philox::new(seed).stream(0, step, stream::MIX);
        let [which, x, y, _] = stream.draw(0);
        let cut = match (self.mixup > 0.0, self.cutmix > 0.0) {
            (false, false) => return None,
            (true, true) => unit(which) < 0.5,
            (_, cut) => cut,
        };
        if !cut {
            let lambda = beta(&stream, self.mixup);
            return Some(Mix::Mixup { lambda });
        }
        let [height, width] = size;
        let centre = [below(y, height as u32), below(x, width as u32)];
        Some(Mix::cut(
            beta(&stream, self.cutmix),
            centre.map(|c| c as usize),
            size,
        ))
    }
}

impl Mix {
    /// CutMix with a rectangle of the share `1 - lambda` of the area around a
    /// centre (row and column), as far as it lies inside.
    pub fn cut(lambda: f64, [y, x]: [usize; 2], [height, width]: [usize; 2]) -> Self {
        let half = 0.5 * (1.0 - lambda).sqrt();
        let along = |centre: usize, side: usize| {
            let reach = (half * side as f64) as usize;
            (centre.saturating_sub(reach), (centre + reach).min(side))
        };
        let ((top, bottom), (left, right)) = (along(y, height), along(x, width));
        let region = Region {
            top,
            left,
            height: bottom - top,
            width: right - left,
        };
        let share = (region.height * region.width) as f64 / (height * width) as f64;
        Mix::CutMix {
            region,
            lambda: 1.0 - share,
        }
    }

    /// Weight of an image's own label.
    pub fn lambda(&self) -> f64 {
        match self {
            Mix::Mixup { lambda } | Mix::CutMix { lambda, .. } => *lambda,
        }
    }

    /// Mix a batch, `[B, 3, H, W]`, of images of a height and width.
    pub fn apply(&self, pixels: &mut [f32], [height, width]: [usize; 2]) {
        let length = 3 * height * width;
        if length == 0 || pixels.len() < 2 * length {
            return;
        }
        let last = pixels[pixels.len() - length..].to_vec();
        for start in (0..pixels.len() / length).rev().map(|i| i * length) {
            let (before, rest) = pixels.split_at_mut(start);
            let image = &mut rest[..length];
            let other = before.rchunks_exact(length).next().unwrap_or(&last);
            match *self {
                Mix::Mixup { lambda } => {
                    let (own, others) = (lambda as f32, (1.0 - lambda) as f32);
                    for (value, other) in image.iter_mut().zip(other) {
                        *value = other * others + *value * own;
                    }
                }
                Mix::CutMix { region, .. } => {
                    for channel in 0..3 {
                        for y in region.top..region.top + region.height {
                            let at = (channel * height + y) * width + region.left;
                            let row = at..at + region.width;
                            image[row.clone()].copy_from_slice(&other[row]);
                        }
                    }
                }
            }
        }
    }
}

/// The targets of a batch, `[B, K]`, each row summing to 1: one-hot labels with
/// a share `smoothing` spread over all classes, mixed as the images were.
pub fn soft_labels(labels: &[u32], classes: usize, smoothing: f64, mix: Option<Mix>) -> Vec<f32> {
    let mut targets = vec![0.0; labels.len() * classes];
    let off = smoothing / classes as f64;
    let own = mix.map_or(1.0, |mix| mix.lambda());
    let mut before = labels.last().copied().unwrap_or(0);
    for (row, label) in targets.chunks_exact_mut(classes.max(1)).zip(labels) {
        row.fill(off as f32);
        for (label, weight) in [(*label, own), (before, 1.0 - own)] {
            if let Some(target) = row.get_mut(label as usize) {
                *target += ((1.0 - smoothing) * weight) as f32;
            }
        }
        before = *label;
    }
    targets
}

/// A number of the distribution Beta(alpha, alpha).
fn beta(stream: &Stream, alpha: f64) -> f64 {
    let mut words = (1..).flat_map(|n| stream.draw(n));
    let [a, b] = [gamma(&mut words, alpha), gamma(&mut words, alpha)];
    // With a tiny alpha both may underflow: then it is one end or the other.
    if a + b > 0.0 { a / (a + b) } else { 1.0 }
}

/// A number of the distribution Gamma(shape, 1) (Marsaglia and Tsang, "A simple
/// method for generating gamma variables", 2000).
fn gamma(words: &mut impl Iterator<Item = u32>, shape: f64) -> f64 {
    let mut word = || words.next().unwrap_or(0);
    let boost = if shape < 1.0 {
        (1.0 - unit(word())).powf(1.0 / shape)
    } else {
        1.0
    };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let [x, _] = Normals::pair([word(), word()]);
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - unit(word());
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return boost * d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of Beta(a, a): 1/2 and 1 / (4 (2a + 1)).
    #[test]
    fn lambda_follows_the_beta_distribution() {
        for alpha in [0.2, 0.8, 1.0, 4.0] {
            let mixing = Mixing {
                mixup: alpha,
                cutmix: 0.0,
            };
            let n = 20_000;
            let draws: Vec<f64> = (0..n)
                .filter_map(|step| mixing.draw(3, step, [8, 8]))
                .map(|mix| mix.lambda())
                .collect();
            let mean = draws.iter().sum::<f64>() / f64::from(n);
            let variance = draws.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / f64::from(n);
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!(draws.iter().all(|l| (0.0..=1.0).contains(l)));
            assert!(
                (mean - 0.5).abs() < 5.0 * (expected / f64::from(n)).sqrt(),
                "{mean}"
            );
            assert!(
                (variance / expected - 1.0).abs() < 0.05,
                "{alpha}: {variance}"
            );
        }
    }

    /// How often each row of a batch is another image's: with alpha 1 the share
    /// is uniform, and so is the centre.
    #[test]
    fn cutmix_cuts_rows_as_often_as_its_distribution_has_it() {
        let (height, width) = (20usize, 30usize);
        let expected = |row: usize| {
            let steps = 2000;
            let rows = (0..steps).map(|n| {
                let half = 0.5 * (1.0 - (f64::from(n) + 0.5) / f64::from(steps)).sqrt();
                let reach = (half * height as f64) as usize;
                // An empty rectangle has no row, whichever way it is empty.
                let wide = ((half * width as f64) as usize > 0) as usize;
                let of = |centre: &usize| {
                    (centre.saturating_sub(reach)..(centre + reach).min(height)).contains(&row)
                };
                wide * (0..height).filter(of).count()
            });
            rows.sum::<usize>() as f64 / (f64::from(steps) * height as f64)
        };
        let mixing = Mixing {
            mixup: 0.0,
            cutmix: 1.0,
        };
        let draws = 20_000;
        let mut counts = vec![0u32; height];
        for step in 0..draws {
            let Some(Mix::CutMix { region, lambda }) = mixing.draw(11, step, [height, width])
            else {
                panic!("no CutMix");
            };
            let share = (region.height * region.width) as f64 / (height * width) as f64;
            assert!((lambda - (1.0 - share)).abs() < 1e-12);
            if region.width > 0 {
                let rows = region.top..region.top + region.height;
                counts[rows].iter_mut().for_each(|count| *count += 1);
            }
        }
        for row in [0, 1, 5, 10, 14, 19] {
            let (found, p) = (f64::from(counts[row]) / f64::from(draws), expected(row));
            let spread = (p * (1.0 - p) / f64::from(draws)).sqrt();
            assert!(
                (found - p).abs() < 5.0 * spread,
                "row {row}: {found} for {p}"
            );
        }
    }

    #[test]
    fn both_alphas_take_turns() {
        let mixing = Mixing {
            mixup: 0.8,
            cutmix: 1.0,
        };
        let cut = (0..4000)
            .filter(|step| matches!(mixing.draw(0, *step, [32, 32]), Some(Mix::CutMix { .. })))
            .count();
        assert!((1840..2160).contains(&cut), "{cut}");
        let none = Mixing {
            mixup: 0.0,
            cutmix: 0.0,
        };
        assert_eq!(none.draw(0, 0, [32, 32]), None);
    }
}
