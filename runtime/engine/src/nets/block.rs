//! The block of a transformer, shared by encoders and decoders.

use burn::tensor::Tensor;
use ssl_plan::{BlockNorm, ParamClass};

use super::Visit;
use super::drop::Drop;
use super::layers::{Attention, BatchNorm, LayerNorm, Linear, Pass, Queries, first_tokens};
use super::start::{Param, Scope, Start};
use crate::fused::Activation;

/// PyTorch's defaults for a BatchNorm.
const BATCH_NORM_EPS: f64 = 1e-5;
const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// What a block is made to.
pub(super) struct Shape {
    pub(super) dim: usize,
    pub(super) hidden: usize,
    pub(super) heads: usize,
    pub(super) norm_eps: f64,
    pub(super) mlp_norm: BlockNorm,
    pub(super) qk_norm: bool,
    /// What factors on the branches start from.
    pub(super) layer_scale: Option<f64>,
}

/// A pre-norm block: attention, then a two-layer MLP, each added to its input.
#[derive(Debug, Clone)]
pub(super) struct Block {
    norm1: LayerNorm,
    attn: Attention,
    ls1: Option<Param<1>>,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
    ls2: Option<Param<1>>,
}

#[derive(Debug, Clone)]
enum Norm {
    Layer(Box<LayerNorm>),
    Batch(Box<BatchNorm>),
}

impl Block {
    /// `linear` makes a linear map from its scope, its `[in, out]` shape, and
    /// the fan out of what it holds: that of one of q, k, v for all three.
    pub(super) fn new(
        shape: &Shape,
        scope: &Scope,
        linear: impl Fn(Scope, [usize; 2], usize) -> Linear,
    ) -> Self {
        let &Shape { dim, hidden, .. } = shape;
        let (attn, mlp) = (scope.enter("attn"), scope.enter("mlp"));
        let second = scope.enter("norm2");
        let width = dim / shape.heads.max(1);
        let norm = |name| LayerNorm::new(&attn.enter(name), width, shape.norm_eps);
        let factors = |name| {
            let start = Start::Constant(shape.layer_scale?);
            let place = scope.enter(name);
            Some(place.trained("gamma", ParamClass::Norm, [dim], start))
        };
        Block {
            norm1: LayerNorm::new(&scope.enter("norm1"), dim, shape.norm_eps),
            attn: Attention::new(
                linear(attn.enter("qkv"), [dim, 3 * dim], dim),
                shape.qk_norm.then(|| (norm("q_norm"), norm("k_norm"))),
                linear(attn.enter("proj"), [dim, dim], dim),
                shape.heads,
            ),
            ls1: factors("ls1"),
            norm2: match shape.mlp_norm {
                BlockNorm::Layer => {
                    Norm::Layer(Box::new(LayerNorm::new(&second, dim, shape.norm_eps)))
                }
                BlockNorm::Batch => Norm::Batch(Box::new(BatchNorm::new(
                    &second,
                    dim,
                    Some(Start::Ones),
                    BATCH_NORM_EPS,
                    BATCH_NORM_MOMENTUM,
                ))),
            },
            fc1: linear(mlp.enter("fc1"), [dim, hidden], hidden),
            fc2: linear(mlp.enter("fc2"), [hidden, dim], dim),
            ls2: factors("ls2"),
        }
    }

    /// Whether a token's output depends on no other token's but through
    /// attention, so that the last block may compute the first one alone.
    pub(super) fn is_tokenwise(&self) -> bool {
        matches!(self.norm2, Norm::Layer(_))
    }

    /// `[batch * N, dim]`, or `[batch, dim]` out where only the first token
    /// asks.
    pub(super) fn forward(
        &mut self,
        x: Tensor<2>,
        batch: usize,
        queries: Queries,
        pass: Pass,
        drop: Option<Drop>,
    ) -> Tensor<2> {
        let attended = self
            .attn
            .forward(self.norm1.forward(x.clone()), batch, queries, pass);
        let x = match queries {
            Queries::All => x,
            Queries::First => first_tokens(x, batch),
        };
        let x = x + branch(pass.widen(attended), &self.ls1, drop, 0, batch);
        let normed = match &mut self.norm2 {
            Norm::Layer(norm) => norm.forward(x.clone()),
            Norm::Batch(norm) => norm.forward(x.clone(), pass),
        };
        let hidden = self.fc1.forward_then(normed, Activation::Gelu, pass);
        let y = pass.widen(self.fc2.forward(hidden, pass));
        x + branch(y, &self.ls2, drop, 1, batch)
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.norm1.visit(visitor);
        self.attn.visit(visitor);
        if let Some(factors) = &mut self.ls1 {
            factors.visit(visitor);
        }
        match &mut self.norm2 {
            Norm::Layer(norm) => norm.visit(visitor),
            Norm::Batch(norm) => norm.visit(visitor),
        }
        self.fc1.visit(visitor);
        self.fc2.visit(visitor);
        if let Some(factors) = &mut self.ls2 {
            factors.visit(visitor);
        }
    }
}

/// A branch with its factors, and with its samples left out.
fn branch(
    x: Tensor<2>,
    factors: &Option<Param<1>>,
    drop: Option<Drop>,
    which: usize,
    batch: usize,
) -> Tensor<2> {
    let x = match factors {
        Some(factors) => x * factors.value().unsqueeze::<2>(),
        None => x,
    };
    match drop {
        Some(drop) => drop.rows(which, x, batch),
        None => x,
    }
}
