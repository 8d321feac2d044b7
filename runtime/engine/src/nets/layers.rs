//! The small layers that networks are made of, in PyTorch's layout.

use burn::tensor::{FloatDType, Tensor, module};
use ssl_plan::{ParamClass, Precision, Schedule};

use super::drop::{Drop, Moment};
use super::start::{Param, Scope, Start};
use super::{Kind, Mode, Visit};
use crate::fused::{self, Activation, After};

/// How one forward pass runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    pub(super) mode: Mode,
    pub(super) precision: Precision,
    /// Which of all forward passes it is, where anything is left out in it.
    pub(super) moment: Option<Moment>,
}

impl Pass {
    /// The number format of matrix products and convolutions.
    pub(super) fn narrow<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self.precision {
            Precision::Float32 => x,
            Precision::Bf16 => cast(x, FloatDType::BF16),
            Precision::F16 => cast(x, FloatDType::F16),
        }
    }

    /// What of a block is left out at the rate of a schedule: `at` is its place
    /// and how many there are.
    pub(super) fn drop(self, rate: Option<&Schedule>, at: [usize; 2]) -> Option<Drop> {
        let moment = self.moment.filter(|_| self.mode == Mode::Train)?;
        Drop::of_block(moment, rate?.at(moment.step as f64), at)
    }

    /// The number format of norms, softmax, sums and results.
    pub(super) fn widen<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self.precision {
            Precision::Float32 => x,
            Precision::Bf16 | Precision::F16 => cast(x, FloatDType::F32),
        }
    }
}

/// A cast that costs nothing where there is nothing to do.
fn cast<const D: usize>(x: Tensor<D>, to: FloatDType) -> Tensor<D> {
    match x.dtype() == to.into() {
        true => x,
        false => x.cast(to),
    }
}

/// `y = x W^T + b`, the weight `[out, in]`.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    weight: Param<2>,
    bias: Option<Param<1>>,
}

impl Linear {
    pub(super) fn new(
        scope: &Scope,
        [input, output]: [usize; 2],
        weight: Start,
        bias: Option<Start>,
    ) -> Self {
        Linear {
            weight: scope.weight([output, input], weight),
            bias: bias.map(|start| scope.trained("bias", ParamClass::Bias, [output], start)),
        }
    }

    /// `[rows, in]` to `[rows, out]`.
    pub(super) fn forward(&self, x: Tensor<2>, pass: Pass) -> Tensor<2> {
        self.forward_then(x, Activation::None, pass)
    }

    /// As [`Linear::forward`], and what follows it.
    pub(super) fn forward_then(&self, x: Tensor<2>, after: Activation, pass: Pass) -> Tensor<2> {
        let bias = self.bias.as_ref().map(|b| pass.narrow(b.value()));
        let weight = pass.narrow(self.weight.value());
        fused::linear(pass.narrow(x), weight, bias, after)
    }

    /// Rows `part * size..` of the weight applied on their own: `[rows, in]`
    /// to `[rows, size]`. The gradient then touches the weight only, where
    /// slicing the output would touch the activations.
    fn forward_part(&self, x: Tensor<2>, part: usize, size: usize, pass: Pass) -> Tensor<2> {
        let rows = part * size..(part + 1) * size;
        let weight = self.weight.value().slice([rows.clone()]);
        let bias = self.bias.as_ref().map(|b| b.value().slice([rows]));
        affine(x, weight, bias, pass)
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.weight.visit(visitor);
        if let Some(bias) = &mut self.bias {
            bias.visit(visitor);
        }
    }
}

/// `x W^T + b`.
pub(super) fn affine(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    pass: Pass,
) -> Tensor<2> {
    let bias = bias.map(|b| pass.narrow(b));
    fused::linear(pass.narrow(x), pass.narrow(weight), bias, Activation::None)
}

/// A convolution without bias, the weight `[out, in, k, k]`, padded to keep
/// the size at stride 1.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    weight: Param<4>,
    stride: usize,
}

impl Conv {
    pub(super) fn new(
        scope: &Scope,
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
        start: Start,
    ) -> Self {
        Conv {
            weight: scope.weight([output, input, kernel, kernel], start),
            stride,
        }
    }

    /// `[B, in, H, W]` to `[B, out, H / stride, W / stride]`, rounded up.
    pub(super) fn forward(&self, x: Tensor<4>, pass: Pass) -> Tensor<4> {
        fused::conv2d(
            pass.narrow(x),
            pass.narrow(self.weight.value()),
            self.stride,
        )
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.weight.visit(visitor);
    }
}

/// LayerNorm over the last axis (Ba et al. 2016).
#[derive(Debug, Clone)]
pub(super) struct LayerNorm {
    weight: Param<1>,
    bias: Param<1>,
    eps: f64,
}

impl LayerNorm {
    pub(super) fn new(scope: &Scope, dim: usize, eps: f64) -> Self {
        LayerNorm {
            weight: scope.trained("weight", ParamClass::Norm, [dim], Start::Ones),
            bias: scope.trained("bias", ParamClass::Norm, [dim], Start::Zeros),
            eps,
        }
    }

    /// `[rows, dim]`, float32.
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        fused::layer_norm(x, self.weight.value(), self.bias.value(), self.eps)
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.weight.visit(visitor);
        self.bias.visit(visitor);
    }
}

/// BatchNorm (Ioffe & Szegedy 2015) with PyTorch's conventions: the batch is
/// normalised by its biased variance, the running variance is the unbiased
/// one, `momentum` is the share of the new value.
#[derive(Debug, Clone)]
pub(super) struct BatchNorm {
    affine: Affine,
    running_mean: Param<1>,
    running_var: Param<1>,
    eps: f64,
    momentum: f64,
}

/// Scale and shift of a norm.
#[derive(Debug, Clone)]
enum Affine {
    Trained {
        weight: Param<1>,
        bias: Param<1>,
    },
    /// One and zero, which are no parameters.
    Fixed {
        weight: Tensor<1>,
        bias: Tensor<1>,
    },
}

impl BatchNorm {
    /// `scale` is what the trained scale starts from; none means no scale and
    /// no shift.
    pub(super) fn new(
        scope: &Scope,
        channels: usize,
        scale: Option<Start>,
        eps: f64,
        momentum: f64,
    ) -> Self {
        let buffer = |name, start| scope.tensor(name, Kind::Buffer, [channels], start);
        let running_mean = buffer("running_mean", Start::Zeros);
        let running_var = buffer("running_var", Start::Ones);
        let affine = match scale {
            Some(start) => Affine::Trained {
                weight: scope.trained("weight", ParamClass::Norm, [channels], start),
                bias: scope.trained("bias", ParamClass::Norm, [channels], Start::Zeros),
            },
            None => Affine::Fixed {
                weight: running_var.value(),
                bias: running_mean.value(),
            },
        };
        BatchNorm {
            affine,
            running_mean,
            running_var,
            eps,
            momentum,
        }
    }

    /// `[B, channels, ...]`, float32. Training updates the running statistics.
    pub(super) fn forward<const D: usize>(&mut self, x: Tensor<D>, pass: Pass) -> Tensor<D> {
        self.forward_then(x, After::Nothing, pass)
    }

    /// As [`BatchNorm::forward`], and what follows it.
    pub(super) fn forward_then<const D: usize>(
        &mut self,
        x: Tensor<D>,
        after: After<D>,
        pass: Pass,
    ) -> Tensor<D> {
        let x = pass.widen(x);
        let (weight, bias) = match &self.affine {
            Affine::Trained { weight, bias } => (weight.value(), bias.value()),
            Affine::Fixed { weight, bias } => (weight.clone(), bias.clone()),
        };
        if pass.mode == Mode::Eval {
            let mean = self.running_mean.value();
            let var = self.running_var.value();
            let x = module::batch_norm(x, weight, bias, mean, var, self.eps);
            return fused::follow(x, after);
        }
        let shape = x.dims();
        let count = shape.iter().product::<usize>() / shape[1].max(1);
        let unbiased = count as f64 / (count.max(2) - 1) as f64;
        let (output, batch) = fused::batch_norm(x, weight, bias, self.eps, after);
        let share = self.momentum;
        blend(&mut self.running_mean, batch.mean, share, 1.0);
        blend(&mut self.running_var, batch.variance, share, unbiased);
        output
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        if let Affine::Trained { weight, bias } = &mut self.affine {
            weight.visit(visitor);
            bias.visit(visitor);
        }
        self.running_mean.visit(visitor);
        self.running_var.visit(visitor);
    }
}

/// `(1 - share) running + share factor new`, outside of any gradient.
fn blend(running: &mut Param<1>, new: Tensor<1>, share: f64, factor: f64) {
    let new = new.without_autodiff() * (share * factor);
    running.set(running.value() * (1.0 - share) + new);
}

/// Which tokens ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queries {
    /// Every token.
    All,
    /// The first one of each sample, where nobody reads the others' answers.
    First,
}

/// Multi-head self-attention (Vaswani et al. 2017), q, k, v in one weight.
#[derive(Debug, Clone)]
pub(super) struct Attention {
    qkv: Linear,
    /// Norms of queries and of keys over the width of a head.
    norms: Option<(LayerNorm, LayerNorm)>,
    proj: Linear,
    heads: usize,
}

impl Attention {
    pub(super) fn new(
        qkv: Linear,
        norms: Option<(LayerNorm, LayerNorm)>,
        proj: Linear,
        heads: usize,
    ) -> Self {
        Attention {
            qkv,
            norms,
            proj,
            heads,
        }
    }

    /// `[batch * N, dim]` to `[batch * N, dim]`, or to `[batch, dim]` where
    /// only the first token asks.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        batch: usize,
        queries: Queries,
        pass: Pass,
    ) -> Tensor<2> {
        let dim = x.dims()[1];
        let x = pass.narrow(x);
        let context = match queries {
            // Elsewhere than on the CPU, cutting the weight is cheaper than
            // cutting the gradient of what it gives.
            Queries::All if self.norms.is_none() && fused::on_host(&x) => {
                fused::attention(self.qkv.forward(x, pass), batch, self.heads)
            }
            _ => {
                let asking = match queries {
                    Queries::All => x.clone(),
                    Queries::First => first_tokens(x.clone(), batch),
                };
                let q = self.qkv.forward_part(asking, 0, dim, pass);
                let k = self.qkv.forward_part(x.clone(), 1, dim, pass);
                let v = self.qkv.forward_part(x, 2, dim, pass);
                let (q, k) = match &self.norms {
                    Some((of_q, of_k)) => {
                        let normed = |x: Tensor<2>, norm: &LayerNorm| {
                            let shape = x.dims();
                            let x = x.reshape([shape[0] * self.heads, shape[1] / self.heads]);
                            pass.narrow(norm.forward(pass.widen(x)).reshape(shape))
                        };
                        (normed(q, of_q), normed(k, of_k))
                    }
                    None => (q, k),
                };
                fused::attention_apart([q, k, v], batch, self.heads)
            }
        };
        self.proj.forward(context, pass)
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        self.qkv.visit(visitor);
        if let Some((of_q, of_k)) = &mut self.norms {
            of_q.visit(visitor);
            of_k.visit(visitor);
        }
        self.proj.visit(visitor);
    }
}

/// The first of the tokens of each sample: `[batch * N, dim]` to `[batch, dim]`.
pub(super) fn first_tokens(x: Tensor<2>, batch: usize) -> Tensor<2> {
    let [rows, dim] = x.dims();
    x.reshape([batch, rows / batch, dim])
        .slice([0..batch, 0..1])
        .reshape([batch, dim])
}
