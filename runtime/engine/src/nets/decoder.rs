//! The decoder of a masked autoencoder (He et al. 2022), its reference's names
//! without the `decoder_` in front.

use burn::tensor::Tensor;
use ssl_plan::{BlockNorm, ParamClass};

use super::block::{self, Block};
use super::layers::{LayerNorm, Linear, Pass};
use super::mask::Mask;
use super::position::sincos2d;
use super::start::{Param, Scope, Start};
use super::{Kind, Visit};

/// A transformer that fills in hidden patches.
#[derive(Debug, Clone)]
pub(super) struct VitDecoder {
    mask_token: Param<3>,
    pos_embed: Param<3>,
    embed: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    pred: Linear,
}

impl VitDecoder {
    /// As the reference: linear maps Xavier-uniform (q, k, v as one), biases
    /// zero, the mask token normal(0, 0.02).
    pub(super) fn new(plan: &ssl_plan::VitDecoder, scope: &Scope) -> Self {
        let dim = plan.dim;
        let [rows, columns] = plan.grid;
        let linear = |scope: Scope, [input, output]: [usize; 2], _: usize| {
            let start = Start::xavier(input, output);
            Linear::new(&scope, [input, output], start, Some(Start::Zeros))
        };
        // The class token's position is zero.
        let mut positions = vec![0.0; dim];
        positions.extend(sincos2d(rows, columns, dim));
        let shape = block::Shape {
            dim,
            hidden: plan.hidden,
            heads: plan.heads,
            norm_eps: plan.norm_eps,
            mlp_norm: BlockNorm::Layer,
            qk_norm: false,
            layer_scale: None,
        };
        let pixels = plan.patch * plan.patch * plan.channels;
        VitDecoder {
            mask_token: scope.trained(
                "mask_token",
                ParamClass::Token,
                [1, 1, dim],
                Start::Normal(0.02),
            ),
            pos_embed: scope.tensor(
                "pos_embed",
                Kind::Frozen,
                [1, 1 + rows * columns, dim],
                Start::Values(positions),
            ),
            embed: linear(scope.enter("embed"), [plan.input, dim], dim),
            blocks: (0..plan.depth)
                .map(|i| Block::new(&shape, &scope.enter("blocks").enter(i), linear))
                .collect(),
            norm: LayerNorm::new(&scope.enter("norm"), dim, plan.norm_eps),
            pred: linear(scope.enter("pred"), [dim, pixels], pixels),
        }
    }

    /// Class token and visible patches `[B, 1 + visible, in]` to all patches
    /// `[B, N, patch * patch * channels]`, float32. Without a mask all are
    /// visible. `None` where the tokens are not that many.
    pub(super) fn forward(
        &mut self,
        tokens: Tensor<3>,
        mask: Option<&Mask>,
        pass: Pass,
    ) -> Option<Tensor<3>> {
        let [batch, count, input] = tokens.dims();
        let [_, all, dim] = self.pos_embed.value().dims();
        let fits = match mask {
            None => count == all,
            Some(mask) => mask.hidden().dims() == [batch, all - 1] && count == 1 + mask.visible(),
        };
        if !fits {
            return None;
        }
        let x = tokens.reshape([batch * count, input]);
        let x = pass
            .widen(self.embed.forward(x, pass))
            .reshape([batch, count, dim]);
        let x = match mask {
            None => x,
            Some(mask) => mask.fill(x, self.mask_token.value().reshape([1, dim])),
        };
        let x = (x + self.pos_embed.value()).reshape([batch * all, dim]);
        let x = block::run(&mut self.blocks, x, batch, pass, (None, 0));
        // Nobody reads the class token's pixels.
        let x = x.reshape([batch, all, dim]).slice([0..batch, 1..all]);
        let x = self.norm.forward(x.reshape([batch * (all - 1), dim]));
        let x = pass.widen(self.pred.forward(x, pass));
        let [_, pixels] = x.dims();
        Some(x.reshape([batch, all - 1, pixels]))
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.mask_token.visit(visitor);
        self.pos_embed.visit(visitor);
        self.embed.visit(visitor);
        for block in &mut self.blocks {
            block.visit(visitor);
        }
        self.norm.visit(visitor);
        self.pred.visit(visitor);
    }
}
