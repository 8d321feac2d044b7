//! Heads: what follows a backbone.

use ssl_plan::{Activation, Init, Linear, Mlp, MlpLayer, Module, Norm, Shape};

/// A multi-layer perceptron before its input is known.
#[derive(Debug, Clone, PartialEq)]
pub struct MlpSpec {
    /// Output width of every layer.
    pub widths: Vec<usize>,
    /// Norm after hidden layers.
    pub norm: Option<Norm>,
    /// Norm after the last layer.
    pub last_norm: Option<Norm>,
    /// Bias of hidden layers.
    pub bias: bool,
    /// Bias of the last layer.
    pub last_bias: bool,
    /// Activation after hidden layers.
    pub activation: Activation,
    /// Activation after the last layer.
    pub last_activation: Option<Activation>,
    /// Whose first weights.
    pub init: Init,
}

/// A linear map before its input is known.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSpec {
    /// Output width.
    pub width: usize,
    /// Whether it has a bias.
    pub bias: bool,
    /// Whether rows of the weight have length 1.
    pub weight_norm: bool,
}

impl MlpSpec {
    pub(super) fn build(&self, input: usize) -> (Module, Shape) {
        let last = self.widths.len().saturating_sub(1);
        let mut at = input;
        let mut layers = Vec::new();
        for (i, width) in self.widths.iter().enumerate() {
            let hidden = i < last;
            layers.push(MlpLayer {
                input: at,
                output: *width,
                bias: if hidden { self.bias } else { self.last_bias },
                norm: if hidden {
                    self.norm.clone()
                } else {
                    self.last_norm.clone()
                },
                activation: if hidden {
                    Some(self.activation)
                } else {
                    self.last_activation
                },
            });
            at = *width;
        }
        (
            Module::Mlp(Mlp {
                layers,
                init: self.init,
            }),
            Shape::Embedding { dim: at },
        )
    }
}

impl LinearSpec {
    pub(super) fn build(&self, input: usize) -> (Module, Shape) {
        let linear = Linear {
            input,
            output: self.width,
            bias: self.bias,
            weight_norm: self.weight_norm,
        };
        (Module::Linear(linear), Shape::Embedding { dim: self.width })
    }
}
