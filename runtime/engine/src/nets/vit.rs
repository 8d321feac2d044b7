//! Vision transformers (Dosovitskiy et al. 2021), pre-norm, timm's names.
//!
//! Tokens travel as `[batch * N, dim]`: every linear map is one plain matrix
//! product, and only attention looks at samples.

use burn::tensor::{Tensor, TensorData};
use ssl_plan::{Init, ParamClass, Pool, Position, Schedule};

use super::block::{self, Block};
use super::layers::{LayerNorm, Linear, Pass, Queries, first_tokens};
use super::mask::Mask;
use super::position::{resample, resize_map, sincos2d};
use super::start::{Param, Scope, Start};
use super::stem::Stem;
use super::{Kind, Signal, Visit};

/// A vision transformer without a classifier.
#[derive(Debug, Clone)]
pub(super) struct Vit {
    /// Patches down and across of the size that it is made for.
    grid: [usize; 2],
    pool: Pool,
    cls_token: Option<Param<3>>,
    reg_token: Option<Param<3>>,
    pos_embed: Option<Param<3>>,
    /// Maps from its position table to that of other grids.
    resized: Vec<([usize; 2], Tensor<2>)>,
    stem: Stem,
    blocks: Vec<Block>,
    norm: Option<LayerNorm>,
    fc_norm: Option<LayerNorm>,
    drop_path: Option<Schedule>,
}

impl Vit {
    pub(super) fn new(plan: &ssl_plan::Vit, scope: &Scope) -> Self {
        let dim = plan.dim;
        let [rows, columns] = plan.image.map(|side| side / plan.patch);
        let has_class = plan.pool != Pool::Mean;
        let registers = plan.register_tokens;
        // Beside registers the class token has no position either, as in timm.
        let extra = usize::from(has_class && registers == 0);
        let cls_token = has_class.then(|| {
            let start = match plan.init {
                Init::Dino | Init::Mae => Start::Normal(0.02),
                _ => Start::Normal(1e-6),
            };
            scope.trained("cls_token", ParamClass::Token, [1, 1, dim], start)
        });
        let reg_token = (registers > 0).then(|| {
            let start = Start::Normal(1e-6);
            scope.trained("reg_token", ParamClass::Token, [1, registers, dim], start)
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
            qk_norm: plan.qk_norm,
            layer_scale: plan.layer_scale,
        };
        let linear = |scope: Scope, shape: [usize; 2], fan_out: usize| {
            let (weight, bias) = match plan.init {
                Init::MocoV3 => (Start::xavier(shape[0], fan_out), Start::Zeros),
                Init::Mae => (Start::xavier(shape[0], shape[1]), Start::Zeros),
                Init::Timm | Init::Dino => (Start::Normal(0.02), Start::Zeros),
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
            reg_token,
            pos_embed,
            resized: Vec::new(),
            stem: Stem::new(plan, &scope.enter("patch_embed").enter("proj")),
            blocks: (0..plan.depth)
                .map(|i| Block::new(&block_shape, &scope.enter("blocks").enter(i), linear))
                .collect(),
            norm: plan
                .final_norm
                .then(|| LayerNorm::new(&scope.enter("norm"), dim, plan.norm_eps)),
            fc_norm: plan
                .pool_norm
                .then(|| LayerNorm::new(&scope.enter("fc_norm"), dim, plan.norm_eps)),
            drop_path: plan.drop_path.clone(),
        }
    }

    /// The tokens, every block, and what pools them.
    pub(super) fn segments(&self) -> usize {
        self.blocks.len() + 2
    }

    /// One segment: all of them in order take `[B, C, H, W]` to `[B, dim]`, or
    /// to the class token and the patches `[B, 1 + N, dim]` where all tokens
    /// are asked for. Hidden patches are left out, and in the number of the
    /// tokens too. `None` where the mask is of other images.
    pub(super) fn segment(
        &mut self,
        segment: usize,
        input: Signal,
        mask: Option<&Mask>,
        pass: Pass,
    ) -> Option<Signal> {
        let tokens = match input {
            Signal::Image(image) if segment == 0 => return self.tokens(image, mask, pass),
            Signal::Tokens(tokens) if segment > 0 => tokens,
            Signal::Embedding(first) if segment + 1 == self.segments() => {
                return Some(Signal::Embedding(self.pooled(self.normed(first))));
            }
            _ => return None,
        };
        if segment + 1 == self.segments() {
            return Some(self.finish(tokens));
        }
        self.block(segment - 1, tokens, pass)
    }

    /// One block over `[B, N, dim]`. The last one computes the class token
    /// alone, `[B, dim]`, where nobody reads its other tokens: the same value
    /// and gradient for less.
    fn block(&mut self, index: usize, tokens: Tensor<3>, pass: Pass) -> Option<Signal> {
        let [batch, count, dim] = tokens.dims();
        let depth = self.blocks.len();
        let drop = pass.drop(self.drop_path.as_ref(), [index, depth]);
        let block = self.blocks.get_mut(index)?;
        let x = tokens.reshape([batch * count, dim]);
        let alone = self.pool == Pool::Cls && index + 1 == depth && block.is_tokenwise();
        Some(match alone {
            true => Signal::Embedding(block.forward(x, batch, Queries::First, pass, drop)),
            false => {
                let x = block.forward(x, batch, Queries::All, pass, drop);
                Signal::Tokens(x.reshape([batch, count, dim]))
            }
        })
    }

    /// The norm and the pool behind the blocks.
    fn finish(&self, tokens: Tensor<3>) -> Signal {
        let [batch, count, dim] = tokens.dims();
        let x = tokens.reshape([batch * count, dim]);
        if self.pool == Pool::Cls {
            let x = first_tokens(x, batch);
            return Signal::Embedding(self.pooled(self.normed(x)));
        }
        let x = self.normed(x).reshape([batch, count, dim]);
        let extra = self.extra_tokens();
        match self.pool {
            Pool::Tokens if extra > 1 => {
                let class = x.clone().slice([0..batch, 0..1]);
                let patches = x.slice([0..batch, extra..count]);
                Signal::Tokens(Tensor::cat(vec![class, patches], 1))
            }
            Pool::Tokens => Signal::Tokens(x),
            Pool::Cls | Pool::Mean | Pool::MeanPatches => {
                let patches = x.slice([0..batch, extra..count]);
                Signal::Embedding(self.pooled(patches.mean_dim(1).reshape([batch, dim])))
            }
        }
    }

    /// Tokens before the patches.
    fn extra_tokens(&self) -> usize {
        let tokens = [&self.cls_token, &self.reg_token];
        let count = |token: &Param<3>| token.value().dims()[1];
        tokens.into_iter().flatten().map(count).sum()
    }

    fn pooled(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.fc_norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    fn normed(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }

    /// What goes into the blocks, `[B, N, dim]`: the visible patches with
    /// their positions, behind the class token and the registers where there
    /// are any. `None` where the mask is of other images.
    fn tokens(&mut self, image: Tensor<4>, mask: Option<&Mask>, pass: Pass) -> Option<Signal> {
        let batch = image.dims()[0];
        let grid = self.stem.grid(&image);
        if mask.is_some_and(|mask| mask.hidden().dims() != [batch, grid[0] * grid[1]]) {
            return None;
        }
        let patches = self.stem.forward(image, mask, pass)?;
        let [rows, dim] = patches.dims();
        let count = rows / batch;
        let mut x = patches.reshape([batch, count, dim]);
        let mut cls = self.cls_token.as_ref().map(Param::value);
        if let Some((first, table)) = self.positions(grid) {
            x = match mask {
                Some(mask) => x + mask.of_table(table),
                None => x + table.unsqueeze::<3>(),
            };
            cls = match (cls, first) {
                (Some(cls), Some(first)) => Some(cls + first),
                (cls, _) => cls,
            };
        }
        let registers = self.reg_token.as_ref().map(Param::value);
        let mut all: Vec<Tensor<3>> = Vec::with_capacity(3);
        for token in [cls, registers].into_iter().flatten() {
            let [_, many, _] = token.dims();
            all.push(token.expand([batch, many, dim]));
        }
        all.push(x);
        Some(Signal::Tokens(Tensor::cat(all, 1)))
    }

    /// The positions of the class token, `[1, 1, dim]`, and of the patches of
    /// a grid, `[N, dim]`: for another grid than its own, resized.
    fn positions(&mut self, grid: [usize; 2]) -> Option<(Option<Tensor<3>>, Tensor<2>)> {
        let table = self.pos_embed.as_ref()?.value();
        let [_, count, dim] = table.dims();
        let own = self.grid[0] * self.grid[1];
        let extra = count - own;
        let first = (extra == 1).then(|| table.clone().slice([0..1, 0..1]));
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

    /// A position table of another grid for this network's: `given` are its
    /// values, `[1, count, dim]`. The class token's place stays. `None` where
    /// it has its own grid, or no square one.
    pub(super) fn fit_positions(&self, given: &[f32], shape: &[usize]) -> Option<Vec<f32>> {
        let [_, own, dim] = self.pos_embed.as_ref()?.value().dims();
        let [1, count, of] = *shape else { return None };
        let prefix = own - self.grid[0] * self.grid[1];
        let side = count.checked_sub(prefix)?.isqrt();
        if of != dim || count == own || prefix + side * side != count || side == 0 {
            return None;
        }
        Some(resample(given, dim, prefix, [side, side], self.grid))
    }

    pub(super) fn visit_segment<V: Visit>(&mut self, segment: usize, visitor: &mut V) {
        if segment == 0 {
            let tokens = [
                &mut self.cls_token,
                &mut self.reg_token,
                &mut self.pos_embed,
            ];
            for param in tokens.into_iter().flatten() {
                param.visit(visitor);
            }
            self.stem.visit(visitor);
        } else if let Some(block) = self.blocks.get_mut(segment - 1) {
            block.visit(visitor);
        } else {
            let norms = [&mut self.norm, &mut self.fc_norm];
            for norm in norms.into_iter().flatten() {
                norm.visit(visitor);
            }
        }
    }
}
