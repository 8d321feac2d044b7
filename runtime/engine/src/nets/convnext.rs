//! ConvNeXt (Liu et al. 2022), timm's names, without the classifier.
//!
//! Maps travel as `[B, C, H, W]` between blocks; inside of one, behind the
//! depthwise convolution, as `[B * H * W, C]`, which is what its norm and its
//! linear maps look at.

use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, module};
use ssl_plan::{ParamClass, Schedule};

use super::drop::Drop;
use super::layers::{LayerNorm, Linear, Pass};
use super::resnet::pooled;
use super::start::{Param, Scope, Start};
use super::{Signal, Visit};
use crate::fused::gelu;

/// Weights start from a normal of this deviation, truncated at a hundred of
/// them.
const DEVIATION: f64 = 0.02;
/// Side of the depthwise convolutions.
const KERNEL: usize = 7;

/// A ConvNeXt up to its pooled and normalised feature.
#[derive(Debug, Clone)]
pub(super) struct Convnext {
    stem: Conv,
    stem_norm: LayerNorm,
    stages: Vec<StageOf>,
    head_norm: LayerNorm,
    drop_path: Option<Schedule>,
}

#[derive(Debug, Clone)]
struct StageOf {
    downsample: Option<(LayerNorm, Conv)>,
    blocks: Vec<Block>,
}

impl Convnext {
    pub(super) fn new(plan: &ssl_plan::Convnext, scope: &Scope) -> Self {
        let eps = plan.norm_eps;
        let stem = scope.enter("stem");
        let [first, .., last] = plan.dims;
        let options = ConvOptions::new([plan.patch; 2], [0; 2], [1; 2], 1);
        let mut width = plan.channels;
        let mut stages = Vec::new();
        let stem_conv = Conv::new(&stem.enter(0), [width, first], plan.patch, options);
        width = first;
        for (i, (count, dim)) in plan.depths.iter().zip(plan.dims).enumerate() {
            let place = scope.enter("stages").enter(i);
            let downsample = (i > 0).then(|| {
                let place = place.enter("downsample");
                let options = ConvOptions::new([2; 2], [0; 2], [1; 2], 1);
                (
                    LayerNorm::new(&place.enter(0), width, eps),
                    Conv::new(&place.enter(1), [width, dim], 2, options),
                )
            });
            let blocks = (0..*count)
                .map(|b| Block::new(&place.enter("blocks").enter(b), dim, plan))
                .collect();
            stages.push(StageOf { downsample, blocks });
            width = dim;
        }
        Convnext {
            stem: stem_conv,
            stem_norm: LayerNorm::new(&stem.enter(1), first, eps),
            stages,
            head_norm: LayerNorm::new(&scope.enter("head").enter("norm"), last, eps),
            drop_path: plan.drop_path.clone(),
        }
    }

    fn block_count(&self) -> usize {
        self.stages.iter().map(|s| s.blocks.len()).sum()
    }

    /// The stem, every block, and what pools them.
    pub(super) fn segments(&self) -> usize {
        self.block_count() + 2
    }

    /// One segment: all of them in order take `[B, C, H, W]` to `[B, dim]`, the
    /// normalised mean over the last map.
    pub(super) fn segment(&self, segment: usize, x: Tensor<4>, pass: Pass) -> Option<Signal> {
        if segment == 0 {
            let x = pass.widen(self.stem.forward(x, pass));
            return Some(Signal::Image(normed(&self.stem_norm, x)));
        }
        let count = self.block_count();
        if segment > count {
            return Some(Signal::Embedding(self.head_norm.forward(pooled(x))));
        }
        self.block(segment - 1, x, pass).map(Signal::Image)
    }

    /// One of all blocks, with the halving of the map where it is a stage's
    /// first.
    fn block(&self, index: usize, x: Tensor<4>, pass: Pass) -> Option<Tensor<4>> {
        let [stage, block] = self.place(index)?;
        let stage = &self.stages[stage];
        let x = match &stage.downsample {
            Some((norm, conv)) if block == 0 => pass.widen(conv.forward(normed(norm, x), pass)),
            _ => x,
        };
        let drop = pass.drop(self.drop_path.as_ref(), [index, self.block_count()]);
        Some(stage.blocks[block].forward(x, pass, drop))
    }

    /// The stage of one of all blocks, and its place there.
    fn place(&self, mut index: usize) -> Option<[usize; 2]> {
        for (i, stage) in self.stages.iter().enumerate() {
            match index.checked_sub(stage.blocks.len()) {
                Some(rest) => index = rest,
                None => return Some([i, index]),
            }
        }
        None
    }

    pub(super) fn visit_segment<V: Visit>(&mut self, segment: usize, visitor: &mut V) {
        if segment == 0 {
            self.stem.visit(visitor);
            self.stem_norm.visit(visitor);
        } else if let Some([stage, block]) = self.place(segment - 1) {
            let stage = &mut self.stages[stage];
            if let (0, Some((norm, conv))) = (block, &mut stage.downsample) {
                norm.visit(visitor);
                conv.visit(visitor);
            }
            stage.blocks[block].visit(visitor);
        } else {
            self.head_norm.visit(visitor);
        }
    }
}

/// Depthwise convolution, norm, two linear maps, factors, beside a shortcut.
#[derive(Debug, Clone)]
struct Block {
    gamma: Option<Param<1>>,
    conv_dw: Conv,
    norm: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn new(scope: &Scope, dim: usize, plan: &ssl_plan::Convnext) -> Self {
        let mlp = scope.enter("mlp");
        let linear = |name, shape| {
            let start = Start::Normal(DEVIATION);
            Linear::new(&mlp.enter(name), shape, start, Some(Start::Zeros))
        };
        let options = ConvOptions::new([1; 2], [KERNEL / 2; 2], [1; 2], dim);
        Block {
            gamma: plan.layer_scale.map(|scale| {
                let start = Start::Constant(scale);
                scope.trained("gamma", ParamClass::Norm, [dim], start)
            }),
            conv_dw: Conv::new(&scope.enter("conv_dw"), [1, dim], KERNEL, options),
            norm: LayerNorm::new(&scope.enter("norm"), dim, plan.norm_eps),
            fc1: linear("fc1", [dim, 4 * dim]),
            fc2: linear("fc2", [4 * dim, dim]),
        }
    }

    fn forward(&self, x: Tensor<4>, pass: Pass, drop: Option<Drop>) -> Tensor<4> {
        let shape = x.dims();
        let y = rows(pass.widen(self.conv_dw.forward(x.clone(), pass)));
        let y = self.fc1.forward(self.norm.forward(y), pass);
        let y = pass.widen(self.fc2.forward(gelu(y), pass));
        let y = match &self.gamma {
            Some(gamma) => y * gamma.value().unsqueeze::<2>(),
            None => y,
        };
        let y = match drop {
            Some(drop) => drop.rows(0, y, shape[0]),
            None => y,
        };
        x + map(y, shape)
    }

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        if let Some(gamma) = &mut self.gamma {
            gamma.visit(visitor);
        }
        self.conv_dw.visit(visitor);
        self.norm.visit(visitor);
        self.fc1.visit(visitor);
        self.fc2.visit(visitor);
    }
}

/// A convolution with a bias, the weight `[out, in / groups, k, k]`.
#[derive(Debug, Clone)]
struct Conv {
    weight: Param<4>,
    bias: Param<1>,
    options: ConvOptions<2>,
}

impl Conv {
    fn new(
        scope: &Scope,
        [input, output]: [usize; 2],
        kernel: usize,
        options: ConvOptions<2>,
    ) -> Self {
        let shape = [output, input, kernel, kernel];
        Conv {
            weight: scope.weight(shape, Start::Normal(DEVIATION)),
            bias: scope.trained("bias", ParamClass::Bias, [output], Start::Zeros),
            options,
        }
    }

    fn forward(&self, x: Tensor<4>, pass: Pass) -> Tensor<4> {
        let (weight, bias) = (self.weight.value(), self.bias.value());
        let bias = Some(pass.narrow(bias));
        module::conv2d(
            pass.narrow(x),
            pass.narrow(weight),
            bias,
            self.options.clone(),
        )
    }

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.weight.visit(visitor);
        self.bias.visit(visitor);
    }
}

/// `[B, C, H, W]` as `[B * H * W, C]`.
fn rows(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    x.permute([0, 2, 3, 1])
        .reshape([batch * height * width, channels])
}

/// The way back.
fn map(x: Tensor<2>, [batch, channels, height, width]: [usize; 4]) -> Tensor<4> {
    x.reshape([batch, height, width, channels])
        .permute([0, 3, 1, 2])
}

/// LayerNorm over the channels of each pixel.
fn normed(norm: &LayerNorm, x: Tensor<4>) -> Tensor<4> {
    let shape = x.dims();
    map(norm.forward(rows(x)), shape)
}
