//! What a module becomes for a given input, and why it may not fit.

use ssl_plan::{
    Activation, Block, Init, Mlp, MlpLayer, Module, Norm, Pool, Position, Resnet, Shape, Stem, Vit,
};

/// A module before its input is known.
#[derive(Debug, Clone, PartialEq)]
pub enum ModuleSpec {
    /// Vision transformer.
    Vit(VitSpec),
    /// Residual network.
    Resnet(ResnetSpec),
    /// Multi-layer perceptron.
    Mlp(MlpSpec),
}

/// A vision transformer before its image is known.
#[derive(Debug, Clone, PartialEq)]
pub struct VitSpec {
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Width.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of a block's MLP.
    pub hidden: usize,
    /// What becomes the feature.
    pub pool: Pool,
    /// Position embedding.
    pub position: Position,
    /// Whether the patch projection stays as initialised.
    pub frozen: bool,
    /// LayerNorm epsilon.
    pub norm_eps: f64,
}

/// A residual network before its image is known.
#[derive(Debug, Clone, PartialEq)]
pub struct ResnetSpec {
    /// 18, 34, 50, 101 or 152.
    pub depth: usize,
    /// 3x3 stem without pooling.
    pub small_stem: bool,
    /// Start every block as the identity.
    pub zero_init_residual: bool,
}

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
}

/// Why a module does not fit its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong, naming the values.
    pub message: String,
    /// The way out.
    pub help: String,
}

fn misfit<T>(message: String, help: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit {
        message,
        help: help.into(),
    })
}

/// A shape for messages: `Image[3, 224, 224]`.
pub fn show(shape: &Shape) -> String {
    match shape {
        Shape::Image {
            channels,
            height,
            width,
        } => format!("Image[{channels}, {height}, {width}]"),
        Shape::Embedding { dim } => format!("Embedding[{dim}]"),
    }
}

impl ModuleSpec {
    /// The module for an input, and what comes out.
    ///
    /// # Errors
    ///
    /// The input has the wrong kind, or sizes do not divide.
    pub fn build(&self, input: Shape) -> Result<(Module, Shape), Misfit> {
        match (self, input) {
            (
                ModuleSpec::Vit(spec),
                Shape::Image {
                    channels,
                    height,
                    width,
                },
            ) => spec.build(channels, [height, width]),
            (
                ModuleSpec::Resnet(spec),
                Shape::Image {
                    channels,
                    height,
                    width,
                },
            ) => spec.build(channels, [height, width]),
            (ModuleSpec::Mlp(spec), Shape::Embedding { dim }) => Ok(spec.build(dim)),
            (ModuleSpec::Mlp(_), _) => misfit(
                format!("`mlp` takes an embedding, and gets {}", show(&input)),
                "put a backbone before it",
            ),
            _ => misfit(
                format!("a backbone takes an image, and gets {}", show(&input)),
                "call it on a view",
            ),
        }
    }
}

impl VitSpec {
    fn build(&self, channels: usize, image: [usize; 2]) -> Result<(Module, Shape), Misfit> {
        let [h, w] = image;
        let (patch, dim, heads) = (self.patch, self.dim, self.heads);
        if h % patch != 0 || w % patch != 0 {
            let fitting: Vec<String> = (1..=h.min(w))
                .filter(|p| h % p == 0 && w % p == 0)
                .filter(|p| *p > 1 && h / p <= 64)
                .map(|p| p.to_string())
                .collect();
            return misfit(
                format!("a patch of {patch} does not divide the image of {h}x{w}"),
                format!("patches that fit: {}", fitting.join(", ")),
            );
        }
        if dim % heads != 0 {
            return misfit(
                format!("{heads} heads do not divide the width of {dim}"),
                "choose `heads` that divide `dim`",
            );
        }
        if self.position == Position::Sincos2d && dim % 4 != 0 {
            return misfit(
                format!("`sincos2d` needs a width divisible by 4, and `dim` is {dim}"),
                "choose another `dim`, or `position: learned`",
            );
        }
        let vit = Vit {
            image,
            channels,
            patch,
            dim,
            depth: self.depth,
            heads,
            hidden: self.hidden,
            pool: self.pool,
            position: self.position,
            frozen_patch_projection: self.frozen,
            norm_eps: self.norm_eps,
            init: Init::MocoV3,
        };
        Ok((Module::Vit(vit), Shape::Embedding { dim }))
    }
}

impl ResnetSpec {
    fn build(&self, channels: usize, image: [usize; 2]) -> Result<(Module, Shape), Misfit> {
        let (block, layers) = match self.depth {
            18 => (Block::Basic, [2, 2, 2, 2]),
            34 => (Block::Basic, [3, 4, 6, 3]),
            50 => (Block::Bottleneck, [3, 4, 6, 3]),
            101 => (Block::Bottleneck, [3, 4, 23, 3]),
            _ => (Block::Bottleneck, [3, 8, 36, 3]),
        };
        let resnet = Resnet {
            image,
            channels,
            block,
            layers,
            stem: if self.small_stem {
                Stem::Small
            } else {
                Stem::Imagenet
            },
            zero_init_residual: self.zero_init_residual,
            norm_eps: 1e-5,
            norm_momentum: 0.1,
            init: Init::Torchvision,
        };
        let dim = if block == Block::Basic { 512 } else { 2048 };
        Ok((Module::Resnet(resnet), Shape::Embedding { dim }))
    }
}

impl MlpSpec {
    fn build(&self, input: usize) -> (Module, Shape) {
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
                activation: hidden.then_some(Activation::Relu),
            });
            at = *width;
        }
        (
            Module::Mlp(Mlp {
                layers,
                init: Init::Pytorch,
            }),
            Shape::Embedding { dim: at },
        )
    }
}
