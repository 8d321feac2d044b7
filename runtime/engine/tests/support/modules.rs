//! Plan modules in short, for every test of the engine, inside the crate too:
//! what a test does not name is the same in all.

#![allow(dead_code)]

use ssl_plan::{
    Activation, Block, BlockNorm, Init, Mlp, MlpLayer, Module, Norm, PatchStem, Pool, Position,
    Resnet, Shape, Stage, Stem, Vit,
};

/// A stage; the networks do not read the shapes.
pub fn stage(name: Option<&str>, module: Module) -> Stage {
    let shape = Shape::Embedding { dim: 0 };
    Stage {
        name: name.map(str::to_owned),
        module,
        input: shape,
        output: shape,
        frozen_steps: 0,
    }
}

/// The tiny ViT of the fixtures.
pub fn tiny_vit() -> Vit {
    Vit {
        image: [8, 8],
        channels: 3,
        patch: 2,
        dim: 16,
        depth: 2,
        heads: 2,
        hidden: 64,
        pool: Pool::Cls,
        position: Position::Learned,
        frozen_patch_projection: false,
        mlp_norm: BlockNorm::Layer,
        final_norm: true,
        norm_eps: 1e-6,
        init: Init::MocoV3,
        stem: PatchStem::Linear,
        pool_norm: false,
        register_tokens: 0,
        qk_norm: false,
        layer_scale: None,
        drop_path: None,
    }
}

/// MoCo v3's ViT-S, or wider.
pub fn large_vit(dim: usize) -> Vit {
    Vit {
        image: [224, 224],
        patch: 16,
        dim,
        depth: 12,
        heads: 12,
        hidden: 4 * dim,
        position: Position::Sincos2d,
        frozen_patch_projection: true,
        ..tiny_vit()
    }
}

pub fn resnet(block: Block, layers: [usize; 4], stem: Stem) -> Resnet {
    Resnet {
        image: [32, 32],
        channels: 3,
        block,
        layers,
        stem,
        width: 1,
        selective_kernel: false,
        zero_init_residual: false,
        norm_eps: 1e-5,
        norm_momentum: 0.1,
        init: Init::Torchvision,
    }
}

pub fn batch_norm(affine: bool) -> Option<Norm> {
    Some(Norm::Batch {
        affine,
        shift: true,
        eps: 1e-5,
        momentum: 0.1,
    })
}

/// A head over the given widths: BatchNorm and ReLU between the layers, the
/// last norm without affine parameters, no biases.
pub fn head(widths: &[usize]) -> Mlp {
    let last = widths.len() - 2;
    let layer = |(i, pair): (usize, &[usize])| MlpLayer {
        input: pair[0],
        output: pair[1],
        bias: false,
        norm: batch_norm(i < last),
        activation: (i < last).then_some(Activation::Relu),
    };
    Mlp {
        layers: widths.windows(2).enumerate().map(layer).collect(),
        init: Init::Pytorch,
    }
}
