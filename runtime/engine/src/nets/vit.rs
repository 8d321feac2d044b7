//! Vision transformers (Dosovitskiy et al. 2021), pre-norm, timm's names.
//!
//! Tokens travel as `[batch * N, dim]`: every linear map is one plain matrix
//! product, and only attention looks at samples.

use burn::tensor::Tensor;
use ssl_plan::{Init, ParamClass, Pool, Position};

use super::gelu::gelu;
use super::layers::{Attention, LayerNorm, Linear, Pass, Queries, affine, first_tokens};
use super::position::sincos2d;
use super::start::{Param, Scope, Start};
use super::{Kind, Visit};

/// A vision transformer without a classifier.
#[derive(Debug, Clone)]
pub(super) struct Vit {
    cls_token: Option<Param<3>>,
    pos_embed: Option<Param<3>>,
    patches: Patches,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

impl Vit {
    pub(super) fn new(plan: &ssl_plan::Vit, scope: &Scope) -> Self {
        let dim = plan.dim;
        let [rows, columns] = plan.image.map(|side| side / plan.patch);
        let extra = usize::from(plan.pool == Pool::Cls);
        let cls_token = (plan.pool == Pool::Cls).then(|| {
            let start = Start::Normal(1e-6);
            scope.trained("cls_token", ParamClass::Token, [1, 1, dim], start)
        });
        let shape = [1, extra + rows * columns, dim];
        let pos_embed = match plan.position {
            Position::None => None,
            Position::Learned => Some(scope.trained(
                "pos_embed",
                ParamClass::Position,
                shape,
                // Truncated at +-2 as in timm, which is a hundred deviations.
                Start::Normal(0.02),
            )),
            Position::Sincos2d => {
                let mut values = vec![0.0; extra * dim];
                values.extend(sincos2d(rows, columns, dim));
                let start = Start::Values(values);
                Some(scope.tensor("pos_embed", Kind::Frozen, shape, start))
            }
        };
        Vit {
            cls_token,
            pos_embed,
            patches: Patches::new(plan, &scope.enter("patch_embed").enter("proj")),
            blocks: (0..plan.depth)
                .map(|i| Block::new(plan, &scope.enter("blocks").enter(i)))
                .collect(),
            norm: LayerNorm::new(&scope.enter("norm"), dim, plan.norm_eps),
        }
    }

    /// `[B, C, H, W]` to `[B, dim]`.
    pub(super) fn forward(&self, image: Tensor<4>, pass: Pass) -> Tensor<2> {
        let batch = image.dims()[0];
        let tokens = self.tokens(self.patches.forward(image, pass), batch);
        match self.cls_token {
            Some(_) => self
                .norm
                .forward(self.first_after_blocks(tokens, batch, pass)),
            None => {
                let x = self.blocks.iter().fold(tokens, |x, block| {
                    block.forward(x, batch, Queries::All, pass)
                });
                let x = self.norm.forward(x);
                let [rows, dim] = x.dims();
                x.reshape([batch, rows / batch, dim])
                    .mean_dim(1)
                    .reshape([batch, dim])
            }
        }
    }

    /// The class token after all blocks. The last block computes nothing else,
    /// as nobody reads its other tokens: the same value and gradient for less.
    fn first_after_blocks(&self, tokens: Tensor<2>, batch: usize, pass: Pass) -> Tensor<2> {
        let Some((last, before)) = self.blocks.split_last() else {
            return first_tokens(tokens, batch);
        };
        let x = before.iter().fold(tokens, |x, block| {
            block.forward(x, batch, Queries::All, pass)
        });
        last.forward(x, batch, Queries::First, pass)
    }

    /// Adds position and class token: `[B * patches, dim]` to `[B * N, dim]`.
    fn tokens(&self, patches: Tensor<2>, batch: usize) -> Tensor<2> {
        let [rows, dim] = patches.dims();
        let count = rows / batch;
        let extra = usize::from(self.cls_token.is_some());
        let mut x = patches.reshape([batch, count, dim]);
        let mut cls = self.cls_token.as_ref().map(Param::value);
        if let Some(position) = self.pos_embed.as_ref().map(Param::value) {
            x = x + position.clone().slice([0..1, extra..extra + count]);
            cls = cls.map(|cls| cls + position.slice([0..1, 0..1]));
        }
        if let Some(cls) = cls {
            x = Tensor::cat(vec![cls.expand([batch, 1, dim]), x], 1);
        }
        x.reshape([batch * (extra + count), dim])
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        for param in [&mut self.cls_token, &mut self.pos_embed]
            .into_iter()
            .flatten()
        {
            param.visit(visitor);
        }
        self.patches.visit(visitor);
        for block in &mut self.blocks {
            block.visit(visitor);
        }
        self.norm.visit(visitor);
    }
}

/// The patch projection: a convolution with its stride as its kernel, computed
/// as one matrix product.
#[derive(Debug, Clone)]
struct Patches {
    weight: Param<4>,
    bias: Param<1>,
}

impl Patches {
    fn new(plan: &ssl_plan::Vit, scope: &Scope) -> Self {
        let (dim, side) = (plan.dim, plan.patch);
        let fan_in = plan.channels * side * side;
        let (weight, bias) = match plan.init {
            Init::MocoV3 => (Start::xavier(fan_in, dim), Start::Zeros),
            Init::Torchvision | Init::Pytorch => (Start::fan_in(fan_in), Start::fan_in(fan_in)),
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

    /// `[B, C, H, W]` to `[B * patches, dim]`, patches row-major.
    fn forward(&self, image: Tensor<4>, pass: Pass) -> Tensor<2> {
        let weight = self.weight.value();
        let [dim, channels, side, _] = weight.dims();
        let [batch, _, height, width] = image.dims();
        let (rows, columns) = (height / side, width / side);
        let length = channels * side * side;
        let patches = image
            .reshape([batch, channels, rows, side, columns, side])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch * rows * columns, length]);
        let weight = weight.reshape([dim, length]);
        pass.widen(affine(patches, weight, Some(self.bias.value()), pass))
    }

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.weight.visit(visitor);
        self.bias.visit(visitor);
    }
}

/// A pre-norm block: attention, then a two-layer MLP, each added to its input.
#[derive(Debug, Clone)]
struct Block {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn new(plan: &ssl_plan::Vit, scope: &Scope) -> Self {
        let (dim, hidden) = (plan.dim, plan.hidden);
        // `fan_out` is that of one of q, k, v where a weight holds all three.
        let linear = |scope: Scope, shape: [usize; 2], fan_out: usize| {
            let (weight, bias) = match plan.init {
                Init::MocoV3 => (Start::xavier(shape[0], fan_out), Start::Zeros),
                Init::Torchvision | Init::Pytorch => {
                    (Start::fan_in(shape[0]), Start::fan_in(shape[0]))
                }
            };
            Linear::new(&scope, shape, weight, Some(bias))
        };
        let (attn, mlp) = (scope.enter("attn"), scope.enter("mlp"));
        Block {
            norm1: LayerNorm::new(&scope.enter("norm1"), dim, plan.norm_eps),
            attn: Attention::new(
                linear(attn.enter("qkv"), [dim, 3 * dim], dim),
                linear(attn.enter("proj"), [dim, dim], dim),
                plan.heads,
            ),
            norm2: LayerNorm::new(&scope.enter("norm2"), dim, plan.norm_eps),
            fc1: linear(mlp.enter("fc1"), [dim, hidden], hidden),
            fc2: linear(mlp.enter("fc2"), [hidden, dim], dim),
        }
    }

    /// `[batch * N, dim]`, or `[batch, dim]` out where only the first token
    /// asks.
    fn forward(&self, x: Tensor<2>, batch: usize, queries: Queries, pass: Pass) -> Tensor<2> {
        let attended = self
            .attn
            .forward(self.norm1.forward(x.clone()), batch, queries, pass);
        let x = match queries {
            Queries::All => x,
            Queries::First => first_tokens(x, batch),
        };
        let x = x + pass.widen(attended);
        let hidden = self.fc1.forward(self.norm2.forward(x.clone()), pass);
        x + pass.widen(self.fc2.forward(gelu(hidden), pass))
    }

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.norm1.visit(visitor);
        self.attn.visit(visitor);
        self.norm2.visit(visitor);
        self.fc1.visit(visitor);
        self.fc2.visit(visitor);
    }
}
