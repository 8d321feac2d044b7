//! How the pixels of an image become the tokens of a vision transformer.

use burn::tensor::activation::relu;
use burn::tensor::{Tensor, module, ops::ConvOptions};
use ssl_plan::{Init, ParamClass, PatchStem};

use super::layers::{BatchNorm, Conv, Pass, affine};
use super::mask::Mask;
use super::start::{Param, Scope, Start};
use super::{Kind, Visit};

/// PyTorch's defaults for a BatchNorm.
const BATCH_NORM_EPS: f64 = 1e-5;
const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// Either kind.
#[derive(Debug, Clone)]
pub(super) enum Stem {
    Linear(Box<Patches>),
    Conv(Box<Convolutions>),
}

impl Stem {
    pub(super) fn new(plan: &ssl_plan::Vit, scope: &Scope) -> Self {
        match plan.stem {
            PatchStem::Linear => Stem::Linear(Box::new(Patches::new(plan, scope))),
            PatchStem::Conv => Stem::Conv(Box::new(Convolutions::new(plan, scope))),
        }
    }

    /// Patches down and across of images.
    pub(super) fn grid(&self, image: &Tensor<4>) -> [usize; 2] {
        let side = match self {
            Stem::Linear(patches) => patches.weight.value().dims()[2],
            Stem::Conv(stem) => 1 << stem.units.len(),
        };
        let [_, _, height, width] = image.dims();
        [height / side, width / side]
    }

    /// `[B, C, H, W]` to `[B * patches, dim]`, patches row-major, hidden ones
    /// left out, float32. `None` where convolutions are given a mask, under
    /// which every patch sees its neighbours.
    pub(super) fn forward(
        &mut self,
        image: Tensor<4>,
        mask: Option<&Mask>,
        pass: Pass,
    ) -> Option<Tensor<2>> {
        match self {
            Stem::Linear(patches) => {
                let pixels = patches.pixels(image);
                let pixels = match mask {
                    Some(mask) => mask.keep(pixels),
                    None => pixels,
                };
                Some(patches.project(pixels, pass))
            }
            Stem::Conv(stem) => mask.is_none().then(|| stem.forward(image, pass)),
        }
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        match self {
            Stem::Linear(patches) => {
                patches.weight.visit(visitor);
                patches.bias.visit(visitor);
            }
            Stem::Conv(stem) => stem.visit(visitor),
        }
    }
}

/// The patch projection: a convolution with its stride as its kernel, computed
/// as one matrix product.
#[derive(Debug, Clone)]
pub(super) struct Patches {
    weight: Param<4>,
    bias: Param<1>,
}

impl Patches {
    fn new(plan: &ssl_plan::Vit, scope: &Scope) -> Self {
        let (dim, side) = (plan.dim, plan.patch);
        let fan_in = plan.channels * side * side;
        let (weight, bias) = match plan.init {
            Init::MocoV3 => (Start::xavier(fan_in, dim), Start::Zeros),
            Init::Mae => (Start::xavier(fan_in, dim), Start::fan_in(fan_in)),
            Init::Timm | Init::Dino | Init::Torchvision | Init::Pytorch => {
                (Start::fan_in(fan_in), Start::fan_in(fan_in))
            }
        };
        let kind = |class| match plan.frozen_patch_projection {
            true => Kind::Frozen,
            false => Kind::Trained(class),
        };
        let shape = [dim, plan.channels, side, side];
        Patches {
            weight: scope.tensor("weight", kind(None), shape, weight),
            bias: scope.tensor("bias", kind(Some(ParamClass::Bias)), [dim], bias),
        }
    }

    /// `[B, C, H, W]` to `[B * patches, C * side * side]`, patches row-major.
    fn pixels(&self, image: Tensor<4>) -> Tensor<2> {
        let [_, channels, side, _] = self.weight.value().dims();
        let [batch, _, height, width] = image.dims();
        let (rows, columns) = (height / side, width / side);
        image
            .reshape([batch, channels, rows, side, columns, side])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch * rows * columns, channels * side * side])
    }

    /// `[patches, C * side * side]` to `[patches, dim]`, float32.
    fn project(&self, pixels: Tensor<2>, pass: Pass) -> Tensor<2> {
        let weight = self.weight.value();
        let [dim, ..] = weight.dims();
        let length = pixels.dims()[1];
        let weight = weight.reshape([dim, length]);
        pass.widen(affine(pixels, weight, Some(self.bias.value()), pass))
    }
}

/// Convolutions of 3x3 and stride 2, each with BatchNorm and ReLU and of twice
/// the width of the one before, then one of 1x1 (Xiao et al. 2021; MoCo v3's
/// `ConvStem`).
#[derive(Debug, Clone)]
pub(super) struct Convolutions {
    units: Vec<(Conv, BatchNorm)>,
    weight: Param<4>,
    bias: Param<1>,
}

impl Convolutions {
    fn new(plan: &ssl_plan::Vit, scope: &Scope) -> Self {
        let dim = plan.dim;
        let halvings = plan.patch.max(1).ilog2() as usize;
        let mut input = plan.channels;
        let mut units = Vec::with_capacity(halvings);
        for i in 0..halvings {
            let output = dim >> (halvings - 1 - i);
            // The ReLUs take an index too.
            let conv = &scope.enter(3 * i);
            let norm = BatchNorm::new(
                &scope.enter(3 * i + 1),
                output,
                Some(Start::Ones),
                BATCH_NORM_EPS,
                BATCH_NORM_MOMENTUM,
            );
            let start = Start::fan_in(9 * input);
            units.push((Conv::new(conv, [input, output], 3, 2, start), norm));
            input = output;
        }
        let last = scope.enter(3 * halvings);
        let bias = Start::fan_in(input);
        Convolutions {
            units,
            weight: last.weight([dim, input, 1, 1], Start::fan_in(input)),
            bias: last.trained("bias", ParamClass::Bias, [dim], bias),
        }
    }

    fn forward(&mut self, image: Tensor<4>, pass: Pass) -> Tensor<2> {
        let x = (self.units.iter_mut()).fold(image, |x, (conv, norm)| {
            relu(norm.forward(conv.forward(x, pass), pass))
        });
        let options = ConvOptions::new([1; 2], [0; 2], [1; 2], 1);
        let (weight, bias) = (self.weight.value(), self.bias.value());
        let bias = Some(pass.narrow(bias));
        let x = module::conv2d(pass.narrow(x), pass.narrow(weight), bias, options);
        let [batch, dim, rows, columns] = x.dims();
        let x = pass.widen(x).permute([0, 2, 3, 1]);
        x.reshape([batch * rows * columns, dim])
    }

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        for (conv, norm) in &mut self.units {
            conv.visit(visitor);
            norm.visit(visitor);
        }
        self.weight.visit(visitor);
        self.bias.visit(visitor);
    }
}
