//! Heads of one linear map: plain or weight-normalised, and prototypes.

use burn::tensor::Tensor;
use ssl_plan::ParamClass;

use super::layers::{Pass, affine};
use super::start::{Param, Scope, Start};
use super::{Kind, Visit, settle};

/// Rows shorter than it have no direction: they stay as they are.
const TINY: f64 = 1e-12;

/// One linear map, the weight `[out, in]`.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    weight: Param<2>,
    bias: Option<Param<1>>,
    weight_norm: bool,
}

impl Linear {
    /// Starts from PyTorch's default, under weight normalisation too, as
    /// DINO's last layer does.
    pub(super) fn new(plan: &ssl_plan::Linear, scope: &Scope) -> Self {
        let start = Start::fan_in(plan.input);
        let bias = plan.bias.then(|| {
            let start = start.clone();
            scope.trained("bias", ParamClass::Bias, [plan.output], start)
        });
        Linear {
            weight: scope.weight([plan.output, plan.input], start),
            bias,
            weight_norm: plan.weight_norm,
        }
    }

    /// `[rows, in]` to `[rows, out]`, float32. The gradient goes through the
    /// scaling of the weight.
    pub(super) fn forward(&self, x: Tensor<2>, pass: Pass) -> Tensor<2> {
        let weight = match self.weight_norm {
            true => l2_normalize(self.weight.value(), TINY),
            false => self.weight.value(),
        };
        let bias = self.bias.as_ref().map(Param::value);
        pass.widen(affine(x, weight, bias, pass))
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.weight.visit(visitor);
        if let Some(bias) = &mut self.bias {
            bias.visit(visitor);
        }
    }
}

/// Trained vectors of length 1, `[count, in]`, and the inner products with
/// them (SwAV, Caron et al. 2020).
#[derive(Debug, Clone)]
pub(super) struct Prototypes {
    weight: Param<2>,
}

impl Prototypes {
    /// Starts in PyTorch's default's directions.
    pub(super) fn new([input, count]: [usize; 2], scope: &Scope) -> Self {
        let mut prototypes = Prototypes {
            weight: scope.weight([count, input], Start::fan_in(input)),
        };
        prototypes.project();
        prototypes
    }

    /// Scales every prototype to length 1, outside of any gradient.
    pub(super) fn project(&mut self) {
        let weight = self.weight.value();
        let device = weight.device();
        let unit = l2_normalize(weight.without_autodiff(), TINY);
        self.weight.set(settle(unit, Kind::Trained(None), &device));
    }

    /// `[rows, in]` to `[rows, count]`, float32.
    pub(super) fn forward(&self, x: Tensor<2>, pass: Pass) -> Tensor<2> {
        pass.widen(affine(x, self.weight.value(), None, pass))
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.weight.visit(visitor);
    }
}

/// `x / max(|x|_2, eps)` of every row. The gradient at zero is zero.
pub(crate) fn l2_normalize(x: Tensor<2>, eps: f64) -> Tensor<2> {
    let square = x.clone().square().sum_dim(1);
    x / square.clamp_min(eps * eps).sqrt()
}
