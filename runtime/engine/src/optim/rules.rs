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
    fn update<N: Number>(&self, p: N, g: N, state: [N; 2]) -> (N, [N; 2]) {
        let (direction, state) = adam_direction(self.betas, self.eps, self.updates, g, state);
        let p = p.times(1.0 - self.lr * self.weight_decay);
        (p - direction.times(self.lr), state)
    }
}

/// `m / (sqrt(v) + eps)` with both moments corrected, and the moments.
#[inline(always)]
fn adam_direction<N: Number>(
    [beta1, beta2]: [f64; 2],
    eps: f64,
    updates: u32,
    g: N,
    [first, second]: [N; 2],
) -> (N, [N; 2]) {
    let t = f64::from(updates);
    let correction = 1.0 - beta1.powf(t);
    let root_correction = (1.0 - beta2.powf(t)).sqrt();
    let first = first.times(beta1) + g.clone().times(1.0 - beta1);
    let second = second.times(beta2) + (g.clone() * g).times(1.0 - beta2);
    let root = second.clone().root().times(1.0 / root_correction);
    let direction = first.clone() / root.plus(eps);
    (direction.times(1.0 / correction), [first, second])
}

/// The direction of LAMB (You et al. 2020) in the place of the parameter:
/// Adam's, plus decay.
#[derive(Debug, Clone, Copy)]
pub struct LambDirection {
    /// Weight decay.
    pub weight_decay: f64,
    /// Decay of the moments.
    pub betas: [f64; 2],
    /// Added to the root.
    pub eps: f64,
    /// Updates including this one.
    pub updates: u32,
}

impl Rule<2> for LambDirection {
    fn update<N: Number>(&self, p: N, g: N, state: [N; 2]) -> (N, [N; 2]) {
        let (direction, state) = adam_direction(self.betas, self.eps, self.updates, g, state);
        (direction + p.times(self.weight_decay), state)
    }
}

/// PyTorch's SGD with momentum: decay joins the gradient, the velocity starts
/// as the gradient, the rate lies outside of it unless asked for inside.
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
    /// Whether the rate goes into the velocity, not onto it.
    pub rate_inside: bool,
}

impl Rule<1> for Momentum {
    fn update<N: Number>(&self, p: N, g: N, [velocity]: [N; 1]) -> (N, [N; 1]) {
        let g = g + p.clone().times(self.weight_decay);
        let (inside, outside) = match self.rate_inside {
            true => (self.lr, 1.0),
            false => (1.0, self.lr),
        };
        let g = g.times(inside);
        let velocity = velocity.times(self.momentum) + g.clone();
        let direction = if self.nesterov {
            g + velocity.clone().times(self.momentum)
        } else {
            velocity.clone()
        };
        (p - direction.times(outside), [velocity])
    }
}

/// The gradient of LARS (You et al. 2017) as in MoCo v3: with decay, scaled to
/// `trust |p|` unless a norm is zero.
pub fn lars_gradient(p: &Tensor<2>, g: Tensor<2>, weight_decay: f64, trust: f64) -> Tensor<2> {
    let g = g + p.clone().mul_scalar(weight_decay);
    let ratio = norm_ratio(p, &g, trust);
    g * ratio
}

/// `factor |p| / |g|`, `[1, 1]`; 1 where either norm is zero.
pub fn norm_ratio(p: &Tensor<2>, g: &Tensor<2>, factor: f64) -> Tensor<2> {
    let (of_p, of_g) = (norm(p), norm(g));
    let degenerate = (of_p.clone() * of_g.clone()).equal_scalar(0.0);
    let ratio = (of_p / of_g).mul_scalar(factor);
    ratio.mask_fill(degenerate, 1.0)
}

/// What a gradient of that norm, `[1, 1]`, is multiplied by so that its norm
/// is at most `bound`: as PyTorch's `clip_grad_norm_`.
pub fn clip_factor(norm: Tensor<2>, bound: f64) -> Tensor<2> {
    norm.add_scalar(1e-6)
        .recip()
        .mul_scalar(bound)
        .clamp_max(1.0)
}

/// What each row of a gradient is multiplied by so that its norm is at most
/// `ratio` of that of the parameter's row, `[rows, 1]`: adaptive clipping (Brock
/// et al. 2021) as timm's `adaptive_clip_grad`.
pub fn adaptive_factor(p: &Tensor<2>, g: &Tensor<2>, ratio: f64) -> Tensor<2> {
    let rows = |x: &Tensor<2>| x.clone().square().sum_dim(1).sqrt();
    let bound = rows(p).clamp_min(1e-3).mul_scalar(ratio);
    (bound / rows(g).clamp_min(1e-6)).clamp_max(1.0)
}

/// Euclidean norm, `[1, 1]`. Row by row, so that the order of the sum does not
/// depend on the number of threads.
pub fn norm(x: &Tensor<2>) -> Tensor<2> {
    squares(x).sqrt()
}

/// Sum of the squares, `[1, 1]`, in the same order.
pub fn squares(x: &Tensor<2>) -> Tensor<2> {
    x.clone().square().sum_dim(1).sum_dim(0)
}
