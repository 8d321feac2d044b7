//! Residual networks (He et al. 2016), torchvision's names and its v1.5
//! bottleneck, without the classifier; any width; with selective kernels, those
//! of SimCLR v2 (Chen et al. 2020) under timm's names.

use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions, PadMode};
use burn::tensor::{Tensor, module};
use ssl_plan::{Block as BlockKind, Init, Stem};

use super::layers::{BatchNorm, Conv, Pass};
use super::selective::SelectiveKernel;
use super::start::{Scope, Start};
use super::{Signal, Visit};
use crate::fused::After;

/// A residual network up to its global average pool.
#[derive(Debug, Clone)]
pub(super) struct Resnet {
    /// Convolutions before the last one of the stem.
    deep_stem: Vec<(Conv, BatchNorm)>,
    conv1: Conv,
    bn1: BatchNorm,
    max_pool: bool,
    blocks: Vec<Block>,
}

impl Resnet {
    pub(super) fn new(plan: &ssl_plan::Resnet, scope: &Scope) -> Self {
        let maker = Maker { plan };
        let base = 64 * plan.width;
        let (deep_stem, conv1) = maker.stem(&scope.enter("conv1"), base);
        let mut blocks = Vec::new();
        let mut width = base;
        for (stage, count) in plan.layers.iter().enumerate() {
            let place = scope.enter(format_args!("layer{}", stage + 1));
            for i in 0..*count {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                let block = maker.block(&place.enter(i), width, base << stage, stride);
                width = (base << stage) * maker.expansion();
                blocks.push(block);
            }
        }
        Resnet {
            deep_stem,
            conv1,
            bn1: maker.norm(&scope.enter("bn1"), base, Start::Ones),
            max_pool: plan.stem == Stem::Imagenet,
            blocks,
        }
    }

    /// The stem, every block, and the pool.
    pub(super) fn segments(&self) -> usize {
        self.blocks.len() + 2
    }

    /// One segment: all of them in order take `[B, C, H, W]` to `[B, width]`,
    /// the mean over the last feature map.
    pub(super) fn segment(&mut self, segment: usize, x: Tensor<4>, pass: Pass) -> Option<Signal> {
        if segment + 1 == self.segments() {
            return Some(Signal::Embedding(pooled(x)));
        }
        Some(Signal::Image(match segment {
            0 => self.stem(x, pass),
            _ => self.blocks.get_mut(segment - 1)?.forward(x, pass),
        }))
    }

    fn stem(&mut self, image: Tensor<4>, pass: Pass) -> Tensor<4> {
        let mut x = image;
        for (conv, norm) in &mut self.deep_stem {
            x = norm.forward_then(conv.forward(x, pass), After::Relu, pass);
        }
        x = self.conv1.forward(x, pass);
        x = self.bn1.forward_then(x, After::Relu, pass);
        if self.max_pool {
            let window = MaxPoolOptions::new([3, 3])
                .with_stride([2, 2])
                .with_padding([1, 1]);
            x = module::max_pool2d(x, window);
        }
        x
    }

    pub(super) fn visit_segment<V: Visit>(&mut self, segment: usize, visitor: &mut V) {
        if segment == 0 {
            for (conv, norm) in &mut self.deep_stem {
                conv.visit(visitor);
                norm.visit(visitor);
            }
            self.conv1.visit(visitor);
            self.bn1.visit(visitor);
        } else if let Some(block) = self.blocks.get_mut(segment - 1) {
            block.visit(visitor);
        }
    }
}

/// The mean of a map: `[B, C, H, W]` to `[B, C]`.
pub(super) fn pooled(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height * width])
        .mean_dim(2)
        .reshape([batch, channels])
}

/// Two or three convolutions beside a shortcut.
#[derive(Debug, Clone)]
struct Block {
    path: Vec<Unit>,
    downsample: Option<Downsample>,
}

/// A convolution with its norm.
#[derive(Debug, Clone)]
enum Unit {
    Plain(Box<(Conv, BatchNorm)>),
    /// With its ReLU, so never the last.
    Selective(Box<SelectiveKernel>),
}

impl Block {
    fn forward(&mut self, input: Tensor<4>, pass: Pass) -> Tensor<4> {
        let last = self.path.len().saturating_sub(1);
        let mut x = input.clone();
        let shortcut = match &mut self.downsample {
            Some(downsample) => downsample.forward(input, pass),
            None => input,
        };
        let mut after = After::ResidualRelu(shortcut);
        for (i, unit) in self.path.iter_mut().enumerate() {
            x = match unit {
                Unit::Plain(unit) => {
                    let after = match i < last {
                        true => After::Relu,
                        false => std::mem::replace(&mut after, After::Nothing),
                    };
                    unit.1.forward_then(unit.0.forward(x, pass), after, pass)
                }
                Unit::Selective(unit) => unit.forward(x, pass),
            };
        }
        x
    }

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        for unit in &mut self.path {
            match unit {
                Unit::Plain(unit) => {
                    unit.0.visit(visitor);
                    unit.1.visit(visitor);
                }
                Unit::Selective(unit) => unit.visit(visitor),
            }
        }
        if let Some(downsample) = &mut self.downsample {
            downsample.conv.visit(visitor);
            downsample.norm.visit(visitor);
        }
    }
}

/// A shortcut that changes the shape.
#[derive(Debug, Clone)]
struct Downsample {
    /// The stride of an average pool before the convolution (ResNet-D, He et
    /// al. 2019).
    pool: Option<usize>,
    conv: Conv,
    norm: BatchNorm,
}

impl Downsample {
    fn forward(&mut self, x: Tensor<4>, pass: Pass) -> Tensor<4> {
        let x = match self.pool {
            Some(stride) => average_pool(x, stride),
            None => x,
        };
        self.norm.forward(self.conv.forward(x, pass), pass)
    }
}

/// The mean of 2 by 2 pixels, as SimCLR v2 pads: below and to the right, at
/// stride 1 without counting what lies outside, else by a zero.
fn average_pool(x: Tensor<4>, stride: usize) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let x = match stride {
        // The edge once more weighs the same as leaving out what is outside.
        1 => x.pad((0, 1, 0, 1), PadMode::Edge),
        _ if height % stride != 0 || width % stride != 0 => x.pad(
            (0, width % stride, 0, height % stride),
            PadMode::Constant(0.0),
        ),
        _ => x,
    };
    module::avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([stride, stride]))
}

/// Makes the parts of one network.
struct Maker<'a> {
    plan: &'a ssl_plan::Resnet,
}

impl Maker<'_> {
    fn expansion(&self) -> usize {
        match self.plan.block {
            BlockKind::Basic => 1,
            BlockKind::Bottleneck => 4,
        }
    }

    /// The first convolutions, of a base width. With selective kernels, the
    /// large one is three small ones.
    fn stem(&self, scope: &Scope, base: usize) -> (Vec<(Conv, BatchNorm)>, Conv) {
        let channels = self.plan.channels;
        let (kernel, stride) = match (self.plan.stem, self.plan.selective_kernel) {
            (Stem::Small, _) => (3, 1),
            (Stem::Imagenet, false) => (7, 2),
            (Stem::Imagenet, true) => {
                let half = base / 2;
                let unit = |at: usize, shape: [usize; 2], stride| {
                    let conv = self.conv(&scope.enter(at), shape, 3, stride);
                    (conv, self.norm(&scope.enter(at + 1), half, Start::Ones))
                };
                // The ReLUs take an index too.
                let before = vec![unit(0, [channels, half], 2), unit(3, [half, half], 1)];
                return (before, self.conv(&scope.enter(6), [half, base], 3, 1));
            }
        };
        (
            Vec::new(),
            self.conv(scope, [channels, base], kernel, stride),
        )
    }

    fn block(&self, scope: &Scope, input: usize, planes: usize, stride: usize) -> Block {
        let output = planes * self.expansion();
        // Kernel, stride, input and output of each convolution.
        let shapes = match self.plan.block {
            BlockKind::Basic => vec![(3, stride, [input, planes]), (3, 1, [planes, planes])],
            BlockKind::Bottleneck => vec![
                (1, 1, [input, planes]),
                (3, stride, [planes, planes]),
                (1, 1, [planes, output]),
            ],
        };
        let last = shapes.len() - 1;
        // The one that changes the resolution, as in SimCLR v2's bottleneck.
        let selective = self.plan.selective_kernel.then_some(match self.plan.block {
            BlockKind::Basic => 0,
            BlockKind::Bottleneck => 1,
        });
        let path = shapes
            .into_iter()
            .enumerate()
            .map(|(i, (kernel, stride, shape))| {
                let conv = scope.enter(format_args!("conv{}", i + 1));
                if selective == Some(i) {
                    let unit = SelectiveKernel::new(
                        shape,
                        stride,
                        &conv,
                        |scope, shape, kernel, stride| self.conv(scope, shape, kernel, stride),
                        |scope, channels| self.norm(scope, channels, Start::Ones),
                    );
                    return Unit::Selective(Box::new(unit));
                }
                let scale = match i == last && self.plan.zero_init_residual {
                    true => Start::Zeros,
                    false => Start::Ones,
                };
                let norm = scope.enter(format_args!("bn{}", i + 1));
                Unit::Plain(Box::new((
                    self.conv(&conv, shape, kernel, stride),
                    self.norm(&norm, shape[1], scale),
                )))
            })
            .collect();
        let downsample = (stride != 1 || input != output).then(|| {
            let place = scope.enter("downsample");
            // The pool takes an index.
            let (pool, first, stride) = match self.plan.selective_kernel {
                true => (Some(stride), 1, 1),
                false => (None, 0, stride),
            };
            Downsample {
                pool,
                conv: self.conv(&place.enter(first), [input, output], 1, stride),
                norm: self.norm(&place.enter(first + 1), output, Start::Ones),
            }
        });
        Block { path, downsample }
    }

    fn conv(&self, scope: &Scope, shape: [usize; 2], kernel: usize, stride: usize) -> Conv {
        let area = kernel * kernel;
        let start = match self.plan.init {
            Init::Pytorch => Start::fan_in(shape[0] * area),
            _ => Start::kaiming(shape[1] * area),
        };
        Conv::new(scope, shape, kernel, stride, start)
    }

    fn norm(&self, scope: &Scope, channels: usize, scale: Start) -> BatchNorm {
        let (eps, momentum) = (self.plan.norm_eps, self.plan.norm_momentum);
        BatchNorm::new(scope, channels, Some(scale), eps, momentum)
    }
}
