//! Residual networks (He et al. 2016), torchvision's names and its v1.5
//! bottleneck, without the classifier.

use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Tensor, activation::relu, module};
use ssl_plan::{Block as BlockKind, Init, Stem};

use super::Visit;
use super::layers::{BatchNorm, Conv, Pass};
use super::start::{Scope, Start};

/// A residual network up to its global average pool.
#[derive(Debug, Clone)]
pub(super) struct Resnet {
    conv1: Conv,
    bn1: BatchNorm,
    max_pool: bool,
    blocks: Vec<Block>,
}

impl Resnet {
    pub(super) fn new(plan: &ssl_plan::Resnet, scope: &Scope) -> Self {
        let maker = Maker { plan };
        let (kernel, stride) = match plan.stem {
            Stem::Imagenet => (7, 2),
            Stem::Small => (3, 1),
        };
        let mut blocks = Vec::new();
        let mut width = 64;
        for (stage, count) in plan.layers.iter().enumerate() {
            let place = scope.enter(format_args!("layer{}", stage + 1));
            for i in 0..*count {
                let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                let block = maker.block(&place.enter(i), width, 64 << stage, stride);
                width = (64 << stage) * maker.expansion();
                blocks.push(block);
            }
        }
        Resnet {
            conv1: maker.conv(&scope.enter("conv1"), [plan.channels, 64], kernel, stride),
            bn1: maker.norm(&scope.enter("bn1"), 64, Start::Ones),
            max_pool: plan.stem == Stem::Imagenet,
            blocks,
        }
    }

    /// `[B, C, H, W]` to `[B, width]`: the mean over the last feature map.
    pub(super) fn forward(&mut self, image: Tensor<4>, pass: Pass) -> Tensor<2> {
        let mut x = relu(self.bn1.forward(self.conv1.forward(image, pass), pass));
        if self.max_pool {
            let window = MaxPoolOptions::new([3, 3])
                .with_stride([2, 2])
                .with_padding([1, 1]);
            x = module::max_pool2d(x, window);
        }
        for block in &mut self.blocks {
            x = block.forward(x, pass);
        }
        let [batch, channels, height, width] = x.dims();
        x.reshape([batch, channels, height * width])
            .mean_dim(2)
            .reshape([batch, channels])
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.conv1.visit(visitor);
        self.bn1.visit(visitor);
        for block in &mut self.blocks {
            block.visit(visitor);
        }
    }
}

/// Two or three convolutions beside a shortcut.
#[derive(Debug, Clone)]
struct Block {
    path: Vec<(Conv, BatchNorm)>,
    downsample: Option<(Conv, BatchNorm)>,
}

impl Block {
    fn forward(&mut self, input: Tensor<4>, pass: Pass) -> Tensor<4> {
        let last = self.path.len().saturating_sub(1);
        let mut x = input.clone();
        for (i, (conv, norm)) in self.path.iter_mut().enumerate() {
            x = norm.forward(conv.forward(x, pass), pass);
            if i < last {
                x = relu(x);
            }
        }
        let shortcut = match &mut self.downsample {
            Some((conv, norm)) => norm.forward(conv.forward(input, pass), pass),
            None => input,
        };
        relu(x + shortcut)
    }

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        for (conv, norm) in self.path.iter_mut().chain(&mut self.downsample) {
            conv.visit(visitor);
            norm.visit(visitor);
        }
    }
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
        let path = shapes
            .into_iter()
            .enumerate()
            .map(|(i, (kernel, stride, shape))| {
                let scale = match i == last && self.plan.zero_init_residual {
                    true => Start::Zeros,
                    false => Start::Ones,
                };
                let conv = scope.enter(format_args!("conv{}", i + 1));
                let norm = scope.enter(format_args!("bn{}", i + 1));
                (
                    self.conv(&conv, shape, kernel, stride),
                    self.norm(&norm, shape[1], scale),
                )
            })
            .collect();
        let downsample = (stride != 1 || input != output).then(|| {
            let place = scope.enter("downsample");
            (
                self.conv(&place.enter(0), [input, output], 1, stride),
                self.norm(&place.enter(1), output, Start::Ones),
            )
        });
        Block { path, downsample }
    }

    fn conv(&self, scope: &Scope, shape: [usize; 2], kernel: usize, stride: usize) -> Conv {
        let area = kernel * kernel;
        let start = match self.plan.init {
            Init::Torchvision | Init::MocoV3 => Start::kaiming(shape[1] * area),
            Init::Pytorch => Start::fan_in(shape[0] * area),
        };
        Conv::new(scope, shape, kernel, stride, start)
    }

    fn norm(&self, scope: &Scope, channels: usize, scale: Start) -> BatchNorm {
        let (eps, momentum) = (self.plan.norm_eps, self.plan.norm_momentum);
        BatchNorm::new(scope, channels, Some(scale), eps, momentum)
    }
}
