//! Whether features have collapsed: how far they are apart, and in how many
//! directions.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::eigen::symmetric_eigenvalues;

/// The spread of unit features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean over the dimensions of the standard deviation, times `sqrt(D)`: 1
    /// where features fill the sphere evenly, 0 where all are one point.
    pub std: f64,
    /// Effective rank (Roy & Vetterli 2007; RankMe, Garrido et al. 2023): the
    /// exponential of the entropy of the singular values' shares.
    pub effective_rank: f64,
    /// `D`, which neither can exceed in rank.
    pub width: usize,
}

/// The spread of unit features `[N, D]`. `None` where they are not finite.
pub fn spread(unit: &Tensor<2>) -> Option<Spread> {
    let [count, width] = unit.dims();
    let mean = unit.clone().mean_dim(0);
    let centred = unit.clone() - mean;
    let deviation = (centred.clone().square().mean_dim(0)).sqrt().mean();
    let std = f64::from(deviation.try_into_scalar::<f32>().ok()?) * (width as f64).sqrt();
    let gram = centred.clone().transpose().matmul(centred);
    let gram = gram.div_scalar(count.max(1) as f64).into_data();
    let gram: Vec<f64> = gram
        .as_slice::<f32>()
        .ok()?
        .iter()
        .map(|&x| x.into())
        .collect();
    if gram.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let values = symmetric_eigenvalues(gram, width);
    // What float32 products leave of a zero is no direction.
    let largest = values.iter().copied().fold(0.0, f64::max);
    let noise = largest * width as f64 * f64::from(f32::EPSILON);
    let singular: Vec<f64> = (values.into_iter())
        .filter(|value| *value > noise)
        .map(f64::sqrt)
        .collect();
    let total: f64 = singular.iter().sum();
    let entropy: f64 = singular
        .iter()
        .map(|x| x / total)
        .map(|share| -share * share.ln())
        .sum();
    Some(Spread {
        std,
        effective_rank: if total > 0.0 { entropy.exp() } else { 0.0 },
        width,
    })
}
