//! Residual networks.

use ssl_plan::{Block, Init, Module, Resnet, Shape, Stem};

use super::Misfit;

/// Depths that have a name in the papers.
pub const DEPTHS: [&str; 6] = ["18", "34", "50", "101", "152", "200"];

/// A residual network before its image is known.
#[derive(Debug, Clone, PartialEq)]
pub struct ResnetSpec {
    /// One of [`DEPTHS`].
    pub depth: usize,
    /// Factor on the width.
    pub width: usize,
    /// Selective kernels (SimCLR v2).
    pub selective_kernel: bool,
    /// 3x3 stem without pooling.
    pub small_stem: bool,
    /// Start every block as the identity.
    pub zero_init_residual: bool,
}

impl ResnetSpec {
    pub(super) fn build(
        &self,
        channels: usize,
        image: [usize; 2],
    ) -> Result<(Module, Shape), Misfit> {
        let (block, layers) = match self.depth {
            18 => (Block::Basic, [2, 2, 2, 2]),
            34 => (Block::Basic, [3, 4, 6, 3]),
            50 => (Block::Bottleneck, [3, 4, 6, 3]),
            101 => (Block::Bottleneck, [3, 4, 23, 3]),
            152 => (Block::Bottleneck, [3, 8, 36, 3]),
            _ => (Block::Bottleneck, [3, 24, 36, 3]),
        };
        if self.selective_kernel && block == Block::Basic {
            return super::misfit(
                format!("ResNet-{} has no selective kernels", self.depth),
                "selective kernels stand in bottleneck blocks: choose depth 50 or more",
            );
        }
        let resnet = Resnet {
            image,
            channels,
            block,
            layers,
            stem: if self.small_stem {
                Stem::Small
            } else {
                Stem::Imagenet
            },
            width: self.width,
            selective_kernel: self.selective_kernel,
            zero_init_residual: self.zero_init_residual,
            norm_eps: 1e-5,
            norm_momentum: 0.1,
            init: Init::Torchvision,
        };
        let dim = if block == Block::Basic { 512 } else { 2048 } * self.width;
        Ok((Module::Resnet(resnet), Shape::Embedding { dim }))
    }
}
