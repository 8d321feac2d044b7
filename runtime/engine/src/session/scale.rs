//! Scaling of the loss in half precision (Micikevicius et al. 2018), with
//! PyTorch's numbers.
//!
//! Gradients below 6e-8 are zero in half precision. The loss is multiplied by
//! a power of two before the backward pass and the gradients, which are
//! float32, are divided by it after. Where one has overflowed, the update is
//! left out and the scale halved; after many updates in a row it is doubled.

use burn::tensor::{Gradients, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::model::Model;
use crate::nets::{Kind, Visit};

/// Updates in a row after which the scale is doubled.
const INTERVAL: u32 = 2000;
/// The largest scale, so that a scaled loss stays a number.
const LARGEST: f64 = (1u64 << 40) as f64;

/// Where the scale stands.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    factor: f64,
    /// Updates since it last changed.
    since: u32,
}

impl Default for Scale {
    fn default() -> Self {
        Scale {
            factor: 65536.0,
            since: 0,
        }
    }
}

impl Scale {
    /// What the loss is multiplied by.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Divides the gradients by the scale and moves it. False where they have
    /// overflowed and are not to be used. Reads one number from the device.
    ///
    /// # Errors
    ///
    /// [`EngineError::Compute`].
    pub fn unscale(
        &mut self,
        model: &mut Model,
        gradients: &mut Gradients,
    ) -> Result<bool, EngineError> {
        let mut walk = Unscale {
            gradients,
            factor: 1.0 / self.factor,
            sum: None,
        };
        model.visit_trained(&mut walk);
        let sum = match walk.sum {
            None => 0.0,
            Some(sum) => (sum.try_into_scalar::<f32>())
                .map_err(|error| EngineError::Compute(error.to_string()))?,
        };
        let fine = sum.is_finite();
        self.step(fine);
        Ok(fine)
    }

    fn step(&mut self, fine: bool) {
        if !fine {
            *self = Scale {
                factor: (self.factor / 2.0).max(1.0),
                since: 0,
            };
            return;
        }
        self.since += 1;
        if self.since == INTERVAL {
            *self = Scale {
                factor: (self.factor * 2.0).min(LARGEST),
                since: 0,
            };
        }
    }
}

struct Unscale<'a> {
    gradients: &'a mut Gradients,
    factor: f64,
    /// A sum that is finite if and only if every gradient is.
    sum: Option<Tensor<1>>,
}

impl Visit for Unscale<'_> {
    fn tensor<const D: usize>(&mut self, _: &str, kind: Kind, tensor: &mut Tensor<D>) {
        if !matches!(kind, Kind::Trained(_)) {
            return;
        }
        let Some(gradient) = tensor.grad(self.gradients) else {
            return;
        };
        let gradient = gradient.mul_scalar(self.factor);
        // Zero times an infinity, or no number, is no number.
        let own = gradient.clone().mul_scalar(0.0).sum();
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + own,
            None => own,
        });
        tensor.grad_replace(self.gradients, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_falls_at_once_and_rises_slowly() {
        let mut scale = Scale::default();
        scale.step(false);
        assert_eq!(scale.factor(), 32768.0);
        for _ in 0..INTERVAL - 1 {
            scale.step(true);
        }
        assert_eq!(scale.factor(), 32768.0);
        scale.step(true);
        assert_eq!(scale.factor(), 65536.0);
        for _ in 0..40 {
            scale.step(false);
        }
        assert_eq!(scale.factor(), 1.0);
    }
}
