//! The networks.

use serde::{Deserialize, Serialize};

/// A named network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Net {
    /// Its name in the source.
    pub name: String,
    /// What it is.
    pub kind: NetKind,
}

/// A network with parameters of its own, or an average of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NetKind {
    /// Stages run in order.
    Stages {
        /// At least one. A net written as one module has one stage without a
        /// name, and its parameters have no stage in their keys.
        stages: Vec<Stage>,
    },
    /// An exponential moving average of another net's parameters, updated
    /// before the step's forward passes. Never takes a gradient. Starts as a
    /// copy. BatchNorm statistics are its own.
    Ema {
        /// The net that is averaged; never itself an average.
        of: String,
        /// Share of the old value that is kept.
        decay: crate::Schedule,
    },
}

/// One module of a net.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name, where the net names its stages.
    pub name: Option<String>,
    /// What it computes.
    pub module: Module,
    /// What goes in, without the batch.
    pub input: Shape,
    /// What comes out, without the batch.
    pub output: Shape,
    /// Steps at the beginning in which the stage is not updated.
    pub frozen_steps: usize,
}

/// The shape of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shape {
    /// `[channels, height, width]`
    Image {
        /// Channels.
        channels: usize,
        /// Pixels.
        height: usize,
        /// Pixels.
        width: usize,
    },
    /// `[dim]`
    Embedding {
        /// Width.
        dim: usize,
    },
    /// `[count, dim]`
    Tokens {
        /// How many.
        count: usize,
        /// Width.
        dim: usize,
    },
}

/// A module that a stage can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Module {
    /// Vision transformer, timm's parameter names.
    Vit(Vit),
    /// Residual network, torchvision's parameter names, without `fc`.
    Resnet(Resnet),
    /// ConvNeXt, timm's parameter names, without the classifier.
    Convnext(Convnext),
    /// Multi-layer perceptron, named as `torch.nn.Sequential`: every linear,
    /// norm and activation takes an index.
    Mlp(Mlp),
    /// One linear map, named as `torch.nn.Linear`.
    Linear(Linear),
    /// Inner products with trained vectors that are scaled to length 1 at the
    /// start and after every update (SwAV, Caron et al. 2020). No bias.
    Prototypes {
        /// Input width.
        input: usize,
        /// How many.
        count: usize,
    },
    /// `x / max(|x|_2, eps)`.
    L2Normalize {
        /// Floor of the norm.
        eps: f64,
    },
    /// The decoder of a masked autoencoder (He et al. 2022), its parameter
    /// names without the `decoder_` in front.
    VitDecoder(VitDecoder),
}

impl Module {
    /// Whether it is a row of blocks with a residual around each.
    pub fn is_of_blocks(&self) -> bool {
        match self {
            Module::Vit(_) | Module::Resnet(_) | Module::Convnext(_) | Module::VitDecoder(_) => {
                true
            }
            Module::Mlp(_)
            | Module::Linear(_)
            | Module::Prototypes { .. }
            | Module::L2Normalize { .. } => false,
        }
    }
}

/// A linear map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// Input width.
    pub input: usize,
    /// Output width.
    pub output: usize,
    /// Whether it has a bias.
    pub bias: bool,
    /// Whether every row of the weight is scaled to length 1 when it is used
    /// (weight normalisation with a fixed gain of 1, as DINO's last layer).
    pub weight_norm: bool,
}

/// A transformer that fills in masked patches: a linear map to `dim`, a
/// trained token in the place of every hidden patch, fixed sine and cosine
/// positions, blocks, a norm, and a linear map to the pixels of a patch. Takes
/// the class token and the visible patches, gives all patches
/// `[B, N, patch * patch * channels]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VitDecoder {
    /// Width of the tokens that come in.
    pub input: usize,
    /// Patches down and across.
    pub grid: [usize; 2],
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Channels of the image.
    pub channels: usize,
    /// Width, divisible by `heads` and by 4.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of a block's MLP.
    pub hidden: usize,
    /// LayerNorm epsilon.
    pub norm_eps: f64,
}

/// A vision transformer (Dosovitskiy et al. 2021), pre-norm, qkv with bias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vit {
    /// Input height and width in pixels, each divisible by `patch`.
    pub image: [usize; 2],
    /// Input channels.
    pub channels: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Width, divisible by `heads`.
    pub dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of a block's MLP.
    pub hidden: usize,
    /// What becomes the feature.
    pub pool: Pool,
    /// How places are told apart.
    pub position: Position,
    /// Whether the patch projection's weight and bias stay as initialised.
    pub frozen_patch_projection: bool,
    /// The norm before the MLP of a block.
    pub mlp_norm: BlockNorm,
    /// Whether a norm follows the last block.
    pub final_norm: bool,
    /// LayerNorm epsilon.
    pub norm_eps: f64,
    /// How weights start.
    pub init: Init,
    /// How pixels become tokens.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stem: PatchStem,
    /// Whether a norm follows the pooling of the tokens (timm's `fc_norm`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub pool_norm: bool,
    /// Trained tokens beside the class token that nobody reads (Darcet et al.
    /// 2024). With them positions are those of the patches alone, as in timm.
    #[serde(default, skip_serializing_if = "is_default")]
    pub register_tokens: usize,
    /// Whether queries and keys are normalised over the width of a head.
    #[serde(default, skip_serializing_if = "is_default")]
    pub qk_norm: bool,
    /// What trained factors on each branch of a block start from (Touvron et
    /// al. 2021); none where there are none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub layer_scale: Option<f64>,
    /// Probability of leaving out the branches of the last block for a sample
    /// in training, rising straight from 0 at the first (Huang et al. 2016).
    #[serde(default, skip_serializing_if = "is_default")]
    pub drop_path: Option<crate::Schedule>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

/// How the pixels of an image become tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchStem {
    /// One linear map of each patch.
    #[default]
    Linear,
    /// 3x3 convolutions of stride 2 with BatchNorm and ReLU, each of twice the
    /// width of the one before, then one of 1x1 (Xiao et al. 2021, as MoCo v3
    /// has it). The patch is a power of two.
    Conv,
}

/// The norm before the MLP of a transformer's block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockNorm {
    /// Over the width of a token.
    Layer,
    /// Over the tokens of the batch (the BN variants of MoCo v3).
    Batch,
}

/// What of a transformer's tokens becomes the feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// The class token after the final norm, where there is one.
    Cls,
    /// The mean of the patch tokens after the final norm; there is no
    /// class token.
    Mean,
    /// The mean of the patch tokens after the final norm; a class token runs
    /// along.
    MeanPatches,
    /// All of them, the class token first. As a feature, the class token.
    Tokens,
}

/// Position embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Fixed two-dimensional sine and cosine, zero for the class token; the
    /// first half of the width encodes the row (MoCo v3).
    Sincos2d,
    /// Trained, started from a truncated normal of 0.02.
    Learned,
    /// No position embedding.
    None,
}

/// How a backbone's weights start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// MoCo v3's ViT: Xavier-uniform linears with q, k, v each on its own,
    /// zero biases, class token normal(0, 1e-6), patch projection
    /// uniform of +-sqrt(6 / (channels * patch^2 + dim)).
    MocoV3,
    /// timm's ViT: linear maps normal(0, 0.02) with zero biases, class token
    /// normal(0, 1e-6), PyTorch's default for the patch projection.
    Timm,
    /// DINO's ViT and head: as [`Init::Timm`], with a class token normal(0,
    /// 0.02).
    Dino,
    /// MAE's ViT: Xavier-uniform linear maps, q, k, v as one, and patch
    /// projection, zero biases but the projection's, which is PyTorch's
    /// default; class token normal(0, 0.02).
    Mae,
    /// torchvision's ResNet: Kaiming-normal (fan out, ReLU) convolutions,
    /// norms one and zero.
    Torchvision,
    /// PyTorch's own defaults for a layer.
    Pytorch,
}

/// A residual network (He et al. 2016) as in torchvision (v1.5 bottleneck).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resnet {
    /// Input height and width in pixels.
    pub image: [usize; 2],
    /// Input channels.
    pub channels: usize,
    /// Kind of block.
    pub block: Block,
    /// Blocks in each of the four stages.
    pub layers: [usize; 4],
    /// First convolution.
    pub stem: Stem,
    /// Factor on the width of every convolution (BYOL, SimCLR v2).
    pub width: usize,
    /// Selective kernels in place of the 3x3 convolutions, a stem of three
    /// 3x3 convolutions, and average pooling in the shortcuts (SimCLR v2).
    pub selective_kernel: bool,
    /// Start the last norm of every block at zero.
    pub zero_init_residual: bool,
    /// BatchNorm epsilon.
    pub norm_eps: f64,
    /// BatchNorm momentum, PyTorch's sense (share of the new value).
    pub norm_momentum: f64,
    /// How weights start.
    pub init: Init,
}

/// A residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Two 3x3 convolutions, expansion 1.
    Basic,
    /// 1x1, 3x3 (with the stride), 1x1, expansion 4.
    Bottleneck,
}

/// The first convolution of a residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// 7x7 stride 2, then 3x3 max pooling of stride 2.
    Imagenet,
    /// 3x3 stride 1, no pooling, for images of about 32 pixels.
    Small,
}

/// A ConvNeXt (Liu et al. 2022).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Convnext {
    /// Input height and width in pixels.
    pub image: [usize; 2],
    /// Input channels.
    pub channels: usize,
    /// Side of the stem's patches, which is its stride.
    pub patch: usize,
    /// Blocks in each of the four stages.
    pub depths: [usize; 4],
    /// Widths of the four stages.
    pub dims: [usize; 4],
    /// LayerNorm epsilon.
    pub norm_eps: f64,
    /// What trained factors on each block start from; none where there are
    /// none.
    pub layer_scale: Option<f64>,
    /// Probability of leaving out the last block for a sample in training,
    /// rising straight from 0 at the first (Huang et al. 2016).
    #[serde(default, skip_serializing_if = "is_default")]
    pub drop_path: Option<crate::Schedule>,
}

/// A multi-layer perceptron, layer by layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mlp {
    /// The layers in order.
    pub layers: Vec<MlpLayer>,
    /// How linear maps start: normal(0, 0.02) with zero biases under
    /// [`Init::Dino`], PyTorch's default under every other, as the references'
    /// heads.
    pub init: Init,
}

/// A linear map, then a norm, then an activation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MlpLayer {
    /// Input width.
    pub input: usize,
    /// Output width.
    pub output: usize,
    /// Whether the linear map has a bias.
    pub bias: bool,
    /// The norm after it.
    pub norm: Option<Norm>,
    /// The activation after that.
    pub activation: Option<Activation>,
}

/// A norm after a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Norm {
    /// BatchNorm; statistics of the batch in training, running ones in
    /// evaluation (updated with the unbiased variance, as PyTorch).
    Batch {
        /// Whether it has a trained scale and, unless it is left out, shift.
        affine: bool,
        /// Whether a shift goes with the scale; nothing without one.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        shift: bool,
        /// Epsilon.
        eps: f64,
        /// Share of the new value in the running statistics.
        momentum: f64,
    },
    /// LayerNorm over the width, with a trained scale and shift.
    Layer {
        /// Epsilon.
        eps: f64,
    },
}

/// A pointwise nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x Phi(x), exact.
    Gelu,
}
