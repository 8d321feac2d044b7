//! The update rules on one tensor, held as a matrix `[rows, columns]`.

use burn::tensor::Tensor;

/// State of one tensor, in its shape as a matrix.
#[derive(Default, Clone)]
pub struct Slot {
    /// Updates made.
    pub updates: u32,
    /// First moment, or velocity.
    pub first: Option<Tensor<2>>,
    /// Second moment.
    pub second: Option<Tensor<2>>,
}

/// What a step asks of a rule.
#[derive(Debug, Clone, Copy)]
pub struct Update {
    /// Learning rate.
    pub lr: f64,
    /// Weight decay, 0 where the tensor is excluded.
    pub weight_decay: f64,
    /// Whether LARS scales it.
    pub scaled: bool,
}

impl Slot {
    /// PyTorch's AdamW (Loshchilov & Hutter 2019): decoupled decay, then the
    /// bias-corrected moments.
    pub fn adamw(
        &mut self,
        p: Tensor<2>,
        g: Tensor<2>,
        update: Update,
        [beta1, beta2]: [f64; 2],
        eps: f64,
    ) -> Tensor<2> {
        self.updates += 1;
        let t = f64::from(self.updates);
        let (correction1, correction2) = (1.0 - beta1.powf(t), 1.0 - beta2.powf(t));
        let square = g.clone().square().mul_scalar(1.0 - beta2);
        let second = match self.second.take() {
            Some(old) => old.mul_scalar(beta2) + square,
            None => square,
        };
        let first = match self.first.take() {
            Some(old) => old.mul_scalar(beta1) + g.mul_scalar(1.0 - beta1),
            None => g.mul_scalar(1.0 - beta1),
        };
        let root = second.clone().sqrt().div_scalar(correction2.sqrt());
        let direction = first.clone() / root.add_scalar(eps);
        self.first = Some(first);
        self.second = Some(second);
        p.mul_scalar(1.0 - update.lr * update.weight_decay)
            - direction.mul_scalar(update.lr / correction1)
    }

    /// PyTorch's SGD: the first velocity is the gradient itself.
    pub fn sgd(
        &mut self,
        p: Tensor<2>,
        g: Tensor<2>,
        update: Update,
        momentum: f64,
        nesterov: bool,
    ) -> Tensor<2> {
        self.updates += 1;
        let g = decayed(&p, g, update.weight_decay);
        if momentum == 0.0 {
            return p - g.mul_scalar(update.lr);
        }
        let velocity = match self.first.take() {
            Some(old) => old.mul_scalar(momentum) + g.clone(),
            None => g.clone(),
        };
        self.first = Some(velocity.clone());
        let direction = if nesterov {
            g + velocity.mul_scalar(momentum)
        } else {
            velocity
        };
        p - direction.mul_scalar(update.lr)
    }

    /// LARS (You et al. 2017) as in MoCo v3: the decayed gradient is scaled to
    /// `trust |p|`, where neither norm is zero; then momentum, then the rate.
    pub fn lars(
        &mut self,
        p: Tensor<2>,
        g: Tensor<2>,
        update: Update,
        momentum: f64,
        trust: f64,
    ) -> Tensor<2> {
        self.updates += 1;
        let mut g = decayed(&p, g, update.weight_decay);
        if update.scaled {
            let (of_p, of_g) = (norm(&p), norm(&g));
            let degenerate = (of_p.clone() * of_g.clone()).equal_scalar(0.0);
            let ratio = (of_p / of_g).mul_scalar(trust);
            g = g * ratio.mask_fill(degenerate, 1.0);
        }
        let velocity = match self.first.take() {
            Some(old) => old.mul_scalar(momentum) + g,
            None => g,
        };
        self.first = Some(velocity.clone());
        p - velocity.mul_scalar(update.lr)
    }
}

fn decayed(p: &Tensor<2>, g: Tensor<2>, weight_decay: f64) -> Tensor<2> {
    if weight_decay == 0.0 {
        g
    } else {
        g + p.clone().mul_scalar(weight_decay)
    }
}

/// Euclidean norm, `[1, 1]`. Row by row, so that the order of the sum does not
/// depend on the number of threads.
pub fn norm(x: &Tensor<2>) -> Tensor<2> {
    x.clone().square().sum_dim(1).sum_dim(0).sqrt()
}
