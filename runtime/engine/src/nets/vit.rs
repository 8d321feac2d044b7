//! Vision transformers (Dosovitskiy et al. 2021), pre-norm, timm's names.
//!
//! Tokens travel as `[batch * N, dim]`: every linear map is one plain matrix
//! product, and only attention looks at samples.

use burn::tensor::{Tensor, TensorData};
use ssl_plan::{Init, ParamClass, Pool, Position};

use super::block::{self, Block};
use super::layers::{LayerNorm, Linear, Pass, Queries, affine, first_tokens};
use super::mask::Mask;
use super::position::{resize_map, sincos2d};
use super::start::{Param, Scope, Start};
use super::{Kind, Signal, Visit};

/// A vision transformer without a classifier.
#[derive(Debug, Clone)]
pub(super) struct Vit {
    /// Patches down and across of the size that it is made for.
    grid: [usize; 2],
    pool: Pool,
    cls_token: Option<Param<3>>,
    pos_embed: Option<Param<3>>,
    /// Maps from its position table to that of other grids.
    resized: Vec<([usize; 2], Tensor<2>)>,
    patches: Patches,
    blocks: Vec<Block>,
    norm: Option<LayerNorm>,
}

impl Vit {
    pub(super) fn new(plan: &ssl_plan::Vit, scope: &Scope) -> Self {
        let dim = plan.dim;
        let [rows, columns] = plan.image.map(|side| side / plan.patch);
        let has_class = plan.pool != Pool::Mean;
        let extra = usize::from(has_class);
        let cls_token = has_class.then(|| {
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
        let block_shape = block::Shape {
            dim,
            hidden: plan.hidden,
            heads: plan.heads,
            norm_eps: plan.norm_eps,
            mlp_norm: plan.mlp_norm,
        };
        let linear = |scope: Scope, shape: [usize; 2], fan_out: usize| {
            let (weight, bias) = match plan.init {
                Init::MocoV3 => (Start::xavier(shape[0], fan_out), Start::Zeros),
                Init::Torchvision | Init::Pytorch => {
                    (Start::fan_in(shape[0]), Start::fan_in(shape[0]))
                }
            };
            Linear::new(&scope, shape, weight, Some(bias))
        };
        Vit {
            grid: [rows, columns],
            pool: plan.pool,
            cls_token,
            pos_embed,
            resized: Vec::new(),
            patches: Patches::new(plan, &scope.enter("patch_embed").enter("proj")),
            blocks: (0..plan.depth)
                .map(|i| Block::new(&block_shape, &scope.enter("blocks").enter(i), linear))
                .collect(),
            norm: plan
                .final_norm
                .then(|| LayerNorm::new(&scope.enter("norm"), dim, plan.norm_eps)),
        }
    }

    /// `[B, C, H, W]` to `[B, dim]`, or to the class token and the patches
    /// `[B, 1 + N, dim]` where all tokens are asked for. Hidden patches are
    /// left out, and in the number of the tokens too. `None` where the mask is
    /// of other images.
    pub(super) fn forward(
        &mut self,
        image: Tensor<4>,
        mask: Option<&Mask>,
        pass: Pass,
    ) -> Option<Signal> {
        let batch = image.dims()[0];
        let grid = self.patches.grid(&image);
        if mask.is_some_and(|mask| mask.hidden().dims() != [batch, grid[0] * grid[1]]) {
            return None;
        }
        let tokens = self.tokens(image, grid, mask, pass);
        Some(match self.pool {
            Pool::Cls => {
                let x = self.first_after_blocks(tokens, batch, pass);
                Signal::Embedding(self.normed(x))
            }
            Pool::Mean => {
                let x = block::run(&mut self.blocks, tokens, batch, pass);
                let x = self.normed(x);
                let [rows, dim] = x.dims();
                let mean = x.reshape([batch, rows / batch, dim]).mean_dim(1);
                Signal::Embedding(mean.reshape([batch, dim]))
            }
            Pool::Tokens => {
                let x = block::run(&mut self.blocks, tokens, batch, pass);
                let x = self.normed(x);
                let [rows, dim] = x.dims();
                Signal::Tokens(x.reshape([batch, rows / batch, dim]))
            }
        })
    }

    fn normed(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    /// The class token after all blocks. The last block computes nothing else
    /// where nobody reads its other tokens: the same value and gradient for
    /// less.
    fn first_after_blocks(&mut self, tokens: Tensor<2>, batch: usize, pass: Pass) -> Tensor<2> {
        match self.blocks.split_last_mut() {
            Some((last, before)) if last.is_tokenwise() => {
                let x = block::run(before, tokens, batch, pass);
                last.forward(x, batch, Queries::First, pass)
            }
            _ => first_tokens(block::run(&mut self.blocks, tokens, batch, pass), batch),
        }
    }

    /// What goes into the blocks, `[B * N, dim]`: the visible patches with
    /// their positions, behind the class token where there is one.
    fn tokens(
        &mut self,
        image: Tensor<4>,
        grid: [usize; 2],
        mask: Option<&Mask>,
        pass: Pass,
    ) -> Tensor<2> {
        let batch = image.dims()[0];
        let pixels = self.patches.pixels(image);
        let pixels = match mask {
            Some(mask) => mask.keep(pixels),
            None => pixels,
        };
        let patches = self.patches.project(pixels, pass);
        let [rows, dim] = patches.dims();
        let count = rows / batch;
        let mut x = patches.reshape([batch, count, dim]);
        let mut cls = self.cls_token.as_ref().map(Param::value);
        if let Some((first, table)) = self.positions(grid) {
            x = match mask {
                Some(mask) => x + mask.of_table(table),
                None => x + table.unsqueeze::<3>(),
            };
            cls = cls.zip(first).map(|(cls, first)| cls + first);
        }
        let extra = usize::from(cls.is_some());
        if let Some(cls) = cls {
            x = Tensor::cat(vec![cls.expand([batch, 1, dim]), x], 1);
        }
        x.reshape([batch * (extra + count), dim])
    }

    /// The positions of the class token, `[1, 1, dim]`, and of the patches of
    /// a grid, `[N, dim]`: for another grid than its own, resized.
    fn positions(&mut self, grid: [usize; 2]) -> Option<(Option<Tensor<3>>, Tensor<2>)> {
        let table = self.pos_embed.as_ref()?.value();
        let [_, count, dim] = table.dims();
        let extra = usize::from(self.cls_token.is_some());
        let first = (extra == 1).then(|| table.clone().slice([0..1, 0..1]));
        let own = count - extra;
        let patches = table.slice([0..1, extra..count]).reshape([own, dim]);
        let patches = match grid == self.grid {
            true => patches,
            false => self.resize(grid, &patches).matmul(patches),
        };
        Some((first, patches))
    }

    /// The map from its own positions to those of another grid, `[N', N]`.
    fn resize(&mut self, grid: [usize; 2], like: &Tensor<2>) -> Tensor<2> {
        if let Some((_, map)) = self.resized.iter().find(|(known, _)| *known == grid) {
            return map.clone();
        }
        let shape = [grid[0] * grid[1], self.grid[0] * self.grid[1]];
        let data = TensorData::new(resize_map(self.grid, grid), shape);
        let map = Tensor::from_data(data, &like.device().without_autodiff());
        self.resized.push((grid, map.clone()));
        map
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
        if let Some(norm) = &mut self.norm {
            norm.visit(visitor);
        }
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

    /// Patches down and across of images.
    fn grid(&self, image: &Tensor<4>) -> [usize; 2] {
        let [_, _, side, _] = self.weight.value().dims();
        let [_, _, height, width] = image.dims();
        [height / side, width / side]
    }

    /// `[B, C, H, W]` to `[B * patches, C * side * side]`, patches row-major.
    fn pixels(&self, image: Tensor<4>) -> Tensor<2> {
        let [_, channels, side, _] = self.weight.value().dims();
        let [rows, columns] = self.grid(&image);
        let batch = image.dims()[0];
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

    fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.weight.visit(visitor);
        self.bias.visit(visitor);
    }
}
