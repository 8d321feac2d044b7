//! Multi-layer perceptrons: the heads of self-supervised methods, and whole
//! networks where a file says so.

use burn::tensor::{Tensor, activation};
use ssl_plan::{Activation, Norm};

use super::Visit;
use super::layers::{BatchNorm, LayerNorm, Linear, Pass};
use super::start::{Scope, Start};
use crate::fused::{After, gelu};

/// Layers in order, each with an index as in `torch.nn.Sequential`:
/// activations take one too.
#[derive(Debug, Clone)]
pub(super) struct Mlp {
    layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
enum Layer {
    Linear(Box<Linear>),
    BatchNorm(Box<BatchNorm>),
    /// LayerNorm.
    RowNorm(Box<LayerNorm>),
    Relu,
    Gelu,
}

impl Mlp {
    /// Linear maps start from PyTorch's default under every init, as the
    /// references' heads do.
    pub(super) fn new(plan: &ssl_plan::Mlp, scope: &Scope) -> Self {
        let mut layers = Vec::new();
        for layer in &plan.layers {
            let place = scope.enter(layers.len());
            let start = Start::fan_in(layer.input);
            let bias = layer.bias.then(|| start.clone());
            let linear = Linear::new(&place, [layer.input, layer.output], start, bias);
            layers.push(Layer::Linear(Box::new(linear)));
            let place = scope.enter(layers.len());
            layers.extend(layer.norm.as_ref().map(|norm| match *norm {
                Norm::Batch {
                    affine,
                    eps,
                    momentum,
                } => {
                    let scale = affine.then_some(Start::Ones);
                    let norm = BatchNorm::new(&place, layer.output, scale, eps, momentum);
                    Layer::BatchNorm(Box::new(norm))
                }
                Norm::Layer { eps } => {
                    Layer::RowNorm(Box::new(LayerNorm::new(&place, layer.output, eps)))
                }
            }));
            layers.extend(layer.activation.map(|activation| match activation {
                Activation::Relu => Layer::Relu,
                Activation::Gelu => Layer::Gelu,
            }));
        }
        Mlp { layers }
    }

    /// `[B, in]` to `[B, out]`.
    pub(super) fn forward(&mut self, x: Tensor<2>, pass: Pass) -> Tensor<2> {
        let mut x = x;
        let mut layers = self.layers.iter_mut().peekable();
        while let Some(layer) = layers.next() {
            x = match layer {
                Layer::Linear(linear) => linear.forward(x, pass),
                Layer::BatchNorm(norm) => {
                    let relu = layers.next_if(|next| matches!(next, Layer::Relu));
                    let after = relu.map_or(After::Nothing, |_| After::Relu);
                    norm.forward_then(x, after, pass)
                }
                Layer::RowNorm(norm) => norm.forward(pass.widen(x)),
                Layer::Relu => activation::relu(x),
                Layer::Gelu => gelu(x),
            };
        }
        pass.widen(x)
    }

    pub(super) fn visit<V: Visit>(&mut self, visitor: &mut V) {
        for layer in &mut self.layers {
            match layer {
                Layer::Linear(linear) => linear.visit(visitor),
                Layer::BatchNorm(norm) => norm.visit(visitor),
                Layer::RowNorm(norm) => norm.visit(visitor),
                Layer::Relu | Layer::Gelu => {}
            }
        }
    }
}
