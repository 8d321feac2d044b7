//! The decoder of a masked autoencoder (He et al. 2022), its reference's names
//! without the `decoder_` in front.

use burn::tensor::Tensor;
use ssl_plan::{BlockNorm, ParamClass};

use super::block::{self, Block};
use super::layers::{LayerNorm, Linear, Pass, Queries};
use super::mask::Mask;
use super::position::sincos2d;
use super::start::{Param, Scope, Start};
use super::{Kind, Signal, Visit};

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

    /// The tokens, every block, and what makes pixels of them.
    pub(super) fn segments(&self) -> usize {
        self.blocks.len() + 2
    }

    /// One segment: all of them in order take the class token and visible
    /// patches `[B, 1 + visible, in]` to all patches
    /// `[B, N, patch * patch * channels]`, float32. Without a mask all are
    /// visible. `None` where the tokens are not that many.
    pub(super) fn segment(
        &mut self,
        segment: usize,
        input: Signal,
        mask: Option<&Mask>,
        pass: Pass,
    ) -> Option<Signal> {
        let Signal::Tokens(x) = input else {
            return None;
        };
        let last = self.segments() - 1;
        Some(Signal::Tokens(match segment {
            0 => self.embed(x, mask, pass)?,
            _ if segment == last => self.predict(x, pass),
            _ => {
                let shape = x.dims();
                let [batch, count, dim] = shape;
                let block = self.blocks.get_mut(segment - 1)?;
                let x = x.reshape([batch * count, dim]);
                let x = block.forward(x, batch, Queries::All, pass, None);
                x.reshape(shape)
            }
        }))
    }

    /// All tokens with their positions, `[B, 1 + N, dim]`.
    fn embed(&self, tokens: Tensor<3>, mask: Option<&Mask>, pass: Pass) -> Option<Tensor<3>> {
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
        Some(x + self.pos_embed.value())
    }

    /// The pixels of all patches. Nobody reads the class token's.
    fn predict(&self, x: Tensor<3>, pass: Pass) -> Tensor<3> {
        let [batch, all, dim] = x.dims();
        let x = x.slice([0..batch, 1..all]);
        let x = self.norm.forward(x.reshape([batch * (all - 1), dim]));
        let x = pass.widen(self.pred.forward(x, pass));
        let [_, pixels] = x.dims();
        x.reshape([batch, all - 1, pixels])
    }

    pub(super) fn visit_segment<V: Visit>(&mut self, segment: usize, visitor: &mut V) {
        if segment == 0 {
            self.mask_token.visit(visitor);
            self.pos_embed.visit(visitor);
            self.embed.visit(visitor);
        } else if let Some(block) = self.blocks.get_mut(segment - 1) {
            block.visit(visitor);
        } else {
            self.norm.visit(visitor);
            self.pred.visit(visitor);
        }
    }
}
