//! The update rules (their formulas).

use burn::tensor::Tensor;

use crate::pointwise::{Number, Rule};

/// PyTorch's AdamW (Loshchilov & Hutter 2019): decoupled decay, then the
/// moments with their bias corrected.
#[derive(Debug, Clone, Copy)]
pub struct Adamw {
    /// Learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Decay of the moments.
    pub betas: [f64; 2],
    /// Added to the root.
    pub eps: f64,
    /// Updates including this one.
    pub updates: u32,
}

impl Rule<2> for Adamw {
    fn update<N: Number>(&self, p: N, g: N, [first, second]: [N; 2]) -> (N, [N; 2]) {
        let [beta1, beta2] = self.betas;
        let t = f64::from(self.updates);
        let correction = 1.0 - beta1.powf(t);
        let root_correction = (1.0 - beta2.powf(t)).sqrt();
        let first = first.times(beta1) + g.clone().times(1.0 - beta1);
        let second = second.times(beta2) + (g.clone() * g).times(1.0 - beta2);
        let root = second.clone().root().times(1.0 / root_correction);
        let direction = first.clone() / root.plus(self.eps);
        let p = p.times(1.0 - self.lr * self.weight_decay);
        let p = p - direction.times(self.lr / correction);
        (p, [first, second])
    }
}

/// PyTorch's SGD with momentum: decay joins the gradient, the velocity starts
/// as the gradient, the rate lies outside of it.
#[derive(Debug, Clone, Copy)]
pub struct Momentum {
    /// Learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Share of the old velocity.
    pub momentum: f64,
    /// Look ahead.
    pub nesterov: bool,
}

impl Rule<1> for Momentum {
    fn update<N: Number>(&self, p: N, g: N, [velocity]: [N; 1]) -> (N, [N; 1]) {
        let g = g + p.clone().times(self.weight_decay);
        let velocity = velocity.times(self.momentum) + g.clone();
        let direction = if self.nesterov {
            g + velocity.clone().times(self.momentum)
        } else {
            velocity.clone()
        };
        (p - direction.times(self.lr), [velocity])
    }
}

/// The gradient of LARS (You et al. 2017) as in MoCo v3: with decay, scaled to
/// `trust |p|` unless a norm is zero.
pub fn lars_gradient(p: &Tensor<2>, g: Tensor<2>, weight_decay: f64, trust: f64) -> Tensor<2> {
    let g = g + p.clone().mul_scalar(weight_decay);
    let (of_p, of_g) = (norm(p), norm(&g));
    let degenerate = (of_p.clone() * of_g.clone()).equal_scalar(0.0);
    let ratio = (of_p / of_g).mul_scalar(trust);
    g * ratio.mask_fill(degenerate, 1.0)
}

/// Euclidean norm, `[1, 1]`. Row by row, so that the order of the sum does not
/// depend on the number of threads.
fn norm(x: &Tensor<2>) -> Tensor<2> {
    x.clone().square().sum_dim(1).sum_dim(0).sqrt()
}
