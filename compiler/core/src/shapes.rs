//! What a module becomes for a given input, and why it may not fit.

mod convnext;
mod head;
mod names;
mod resnet;
mod vit;

use ssl_plan::{Module, Shape};

pub use convnext::ConvnextSpec;
pub use head::{LinearSpec, MlpSpec};
pub use names::{is_under, parameters, path_of};
pub use resnet::{DEPTHS as RESNET_DEPTHS, ResnetSpec};
pub use vit::{DecoderSpec, VitSpec};

/// A module before its input is known.
#[derive(Debug, Clone, PartialEq)]
pub enum ModuleSpec {
    /// Vision transformer.
    Vit(VitSpec),
    /// Residual network.
    Resnet(ResnetSpec),
    /// ConvNeXt.
    Convnext(ConvnextSpec),
    /// Multi-layer perceptron.
    Mlp(MlpSpec),
    /// One linear map.
    Linear(LinearSpec),
    /// Inner products with this many trained unit vectors.
    Prototypes(usize),
    /// Scaling to length 1, with the floor of the norm.
    L2Normalize(f64),
    /// Decoder of a masked autoencoder.
    VitDecoder(DecoderSpec),
}

/// What a module is called with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input {
    /// One sample.
    pub shape: Shape,
    /// The patches that are masked, where a mask is given.
    pub mask: Option<Masked>,
}

/// A mask over the patches of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masked {
    /// Channels, height and width of the image.
    pub image: [usize; 3],
    /// Patches.
    pub count: usize,
    /// Patches that are hidden.
    pub hidden: usize,
}

/// Why a module does not fit its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong, naming the values.
    pub message: String,
    /// The way out.
    pub help: String,
    /// Whether the call is at fault, and the module may fit another.
    pub in_call: bool,
}

fn misfit<T>(message: String, help: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit {
        message,
        help: help.into(),
        in_call: false,
    })
}

fn bad_call<T>(message: String, help: impl Into<String>) -> Result<T, Misfit> {
    misfit(message, help).map_err(|m| Misfit { in_call: true, ..m })
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
        Shape::Tokens { count, dim } => format!("Tokens[{count}, {dim}]"),
    }
}

impl ModuleSpec {
    /// The module for an input, and what comes out.
    ///
    /// # Errors
    ///
    /// The input has the wrong kind, or sizes do not divide.
    pub fn build(&self, input: Input) -> Result<(Module, Shape), Misfit> {
        match self {
            ModuleSpec::Vit(_) | ModuleSpec::VitDecoder(_) => {}
            _ if input.mask.is_some() => {
                return bad_call(
                    "this module sees no patches, and gets a mask".into(),
                    "give the mask to a `vit` or a `vit_decoder`",
                );
            }
            _ => {}
        }
        match (self, input.shape) {
            (
                ModuleSpec::Vit(spec),
                Shape::Image {
                    channels,
                    height,
                    width,
                },
            ) => spec.build([channels, height, width], input.mask),
            (
                ModuleSpec::Resnet(spec),
                Shape::Image {
                    channels,
                    height,
                    width,
                },
            ) => spec.build(channels, [height, width]),
            (
                ModuleSpec::Convnext(spec),
                Shape::Image {
                    channels,
                    height,
                    width,
                },
            ) => spec.build(channels, [height, width]),
            (ModuleSpec::Mlp(spec), Shape::Embedding { dim }) => Ok(spec.build(dim)),
            (ModuleSpec::Linear(spec), Shape::Embedding { dim }) => Ok(spec.build(dim)),
            (ModuleSpec::Prototypes(count), Shape::Embedding { dim }) => Ok((
                Module::Prototypes {
                    input: dim,
                    count: *count,
                },
                Shape::Embedding { dim: *count },
            )),
            (ModuleSpec::L2Normalize(eps), Shape::Embedding { dim }) => {
                Ok((Module::L2Normalize { eps: *eps }, Shape::Embedding { dim }))
            }
            (ModuleSpec::VitDecoder(spec), Shape::Tokens { count, dim }) => {
                spec.build(count, dim, input.mask)
            }
            (ModuleSpec::VitDecoder(_), shape) => bad_call(
                format!("`vit_decoder` takes tokens, and gets {}", show(&shape)),
                "give it what a `vit(pool: tokens)` returns",
            ),
            (ModuleSpec::Vit(_) | ModuleSpec::Resnet(_) | ModuleSpec::Convnext(_), shape) => {
                misfit(
                    format!("a backbone takes an image, and gets {}", show(&shape)),
                    "call it on a view",
                )
            }
            (_, Shape::Tokens { .. }) => bad_call(
                format!("a head takes an embedding, and gets {}", show(&input.shape)),
                "let the backbone pool its tokens: `pool: cls` or `pool: mean`",
            ),
            (_, shape) => misfit(
                format!("a head takes an embedding, and gets {}", show(&shape)),
                "put a backbone before it",
            ),
        }
    }
}
