//! Selective kernels (Li et al. 2019) as SimCLR v2 (Chen et al. 2020) has
//! them: two 3x3 convolutions whose shares of the output depend on the input.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, softmax};

use super::Visit;
use super::layers::{BatchNorm, Conv, Pass};
use super::start::Scope;

/// Width of the bottleneck that decides on the shares, by that of the output.
const RATIO: usize = 16;
/// Its least width.
const LEAST: usize = 32;

/// Two convolutions, side by side in one weight, and what mixes them. timm's
/// names for the mixing part.
#[derive(Debug, Clone)]
pub(super) struct SelectiveKernel {
    conv: Conv,
    bn: BatchNorm,
    fc_reduce: Conv,
    attn_bn: BatchNorm,
    fc_select: Conv,
}

impl SelectiveKernel {
    /// `conv` makes a convolution from its scope, its `[in, out]` channels, its
    /// kernel and its stride, `norm` a norm over so many channels.
    pub(super) fn new(
        [input, output]: [usize; 2],
        stride: usize,
        scope: &Scope,
        conv: impl Fn(&Scope, [usize; 2], usize, usize) -> Conv,
        norm: impl Fn(&Scope, usize) -> BatchNorm,
    ) -> Self {
        let narrow = (output / RATIO).max(LEAST);
        let attn = scope.enter("attn");
        SelectiveKernel {
            conv: conv(&scope.enter("conv"), [input, 2 * output], 3, stride),
            bn: norm(&scope.enter("bn"), 2 * output),
            fc_reduce: conv(&attn.enter("fc_reduce"), [output, narrow], 1, 1),
            attn_bn: norm(&attn.enter("bn"), narrow),
            fc_select: conv(&attn.enter("fc_select"), [narrow, 2 * output], 1, 1),
        }
    }

    /// `[B, in, H, W]` to `[B, out, H / stride, W / stride]`, after the ReLU.
    pub(super) fn forward(&mut self, x: Tensor<4>, pass: Pass) -> Tensor<4> {
        let x = relu(self.bn.forward(self.conv.forward(x, pass), pass));
        let [batch, double, height, width] = x.dims();
        let channels = double / 2;
        let paths = x.reshape([batch, 2, channels, height, width]);
        let sum = paths.clone().sum_dim(1);
        let mean = sum
            .reshape([batch, channels, height * width])
            .mean_dim(2)
            .reshape([batch, channels, 1, 1]);
        let squeezed = self
            .attn_bn
            .forward(self.fc_reduce.forward(mean, pass), pass);
        let logits = pass.widen(self.fc_select.forward(relu(squeezed), pass));
        let shares = softmax(logits.reshape([batch, 2, channels, 1, 1]), 1);
        (paths * shares)
            .sum_dim(1)
            .reshape([batch, channels, height, width])
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.conv.visit(visitor);
        self.bn.visit(visitor);
        self.fc_reduce.visit(visitor);
        self.attn_bn.visit(visitor);
        self.fc_select.visit(visitor);
    }
}
