//! How the networks are optimised.

use serde::{Deserialize, Serialize};

use crate::{Hyper, Schedule};

/// Length, optimiser and bookkeeping of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Train {
    /// Steps in the whole run.
    pub steps: usize,
    /// The same in epochs.
    pub epochs: f64,
    /// The optimiser of every net that takes a gradient.
    pub optimizer: Optimizer,
    /// Number format of the forward pass.
    pub precision: Precision,
    /// Equal parts of a batch that are computed one after the other, with the
    /// loss and the gradient of the whole batch.
    pub micro_batches: usize,
    /// What is kept from the forward to the backward pass.
    #[serde(default, skip_serializing_if = "Checkpointing::is_none")]
    pub activation_checkpointing: Checkpointing,
    /// Keys every random draw of the run.
    pub seed: u64,
    /// Steps between two lines of the metrics.
    pub log_every: usize,
    /// Steps between two checkpoints.
    pub checkpoint_every: usize,
    /// Checkpoints kept, the newest.
    pub keep: usize,
}

/// What of a network is kept for the backward pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checkpointing {
    /// Everything that the backward pass reads.
    #[default]
    None,
    /// The inputs of the blocks of backbones and decoders; the backward pass
    /// computes every block again (Chen et al. 2016; timm's
    /// `set_grad_checkpointing`). Loss and gradients are the same.
    Blocks,
}

impl Checkpointing {
    fn is_none(&self) -> bool {
        *self == Checkpointing::None
    }
}

/// An update rule with its schedules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    /// Which rule.
    pub rule: Rule,
    /// Learning rate.
    pub lr: Schedule,
    /// Weight decay.
    pub weight_decay: Schedule,
    /// Parameters without weight decay and, under LARS, without its scaling.
    pub exclude: Vec<ParamClass>,
    /// Factor on the rate of what is in `exclude`; 1 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_lr_scale: Option<f64>,
    /// Bound on the gradient, before the rule.
    pub clip: Option<Clip>,
    /// Nets whose rate stays at its peak and does not follow the schedule
    /// (SimSiam's predictor).
    pub constant_lr: Vec<String>,
    /// The rate of these nets: the optimiser's `lr` without the schedule.
    pub peak_lr: f64,
    /// Factor on the rate of a backbone from one layer to the one before (Bao
    /// et al. 2022). What follows a backbone has the whole rate; the layers are
    /// timm's, counted with a classifier behind them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_decay: Option<f64>,
    /// Parameters that are never updated: keys, or what keys start with up to
    /// a dot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
}

/// A bound on the Euclidean norm of a gradient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "clip", rename_all = "snake_case")]
pub enum Clip {
    /// Of all parameters together.
    Global {
        /// Largest norm.
        norm: Hyper,
    },
    /// Of the parameters of each net together.
    Net {
        /// Largest norm.
        norm: Hyper,
    },
    /// Of each parameter by itself (DINO).
    Parameter {
        /// Largest norm.
        norm: Hyper,
    },
    /// Of each row of a weight, and of each whole vector, by the norm of the
    /// parameter there, 0.001 at least (adaptive gradient clipping, Brock et
    /// al. 2021, as timm).
    Adaptive {
        /// Largest ratio of the two norms.
        ratio: Hyper,
    },
}

/// An update rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Rule {
    /// Loshchilov & Hutter 2019, as PyTorch: `p -= lr (m / (sqrt(v) + eps) + wd p)`
    /// with bias-corrected moments.
    Adamw {
        /// Decay of the first and second moment.
        betas: [Hyper; 2],
        /// Added to the root.
        eps: f64,
    },
    /// PyTorch's SGD: decay joins the gradient, `v = momentum v + g`,
    /// `p -= lr v`; the first `v` is `g`.
    Sgd {
        /// Share of the old velocity.
        momentum: Hyper,
        /// Look ahead (`g + momentum v`).
        nesterov: bool,
    },
    /// You et al. 2017 as in MoCo v3: `q = trust |p| / |g + wd p|` scales the
    /// decayed gradient, then momentum, then the learning rate.
    Lars {
        /// Share of the old velocity.
        momentum: Hyper,
        /// Trust coefficient.
        trust: f64,
        /// Whether the learning rate goes into the velocity (Google's code)
        /// or scales it (MoCo v3).
        lr_in_momentum: bool,
    },
    /// You et al. 2020 as in timm and in the paper: Adam's direction plus
    /// decay, scaled by `|p| / |update|` (1 where either is zero).
    Lamb {
        /// Decay of the first and second moment.
        betas: [Hyper; 2],
        /// Added to the root.
        eps: f64,
    },
}

/// A class of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamClass {
    /// Biases of linear maps and convolutions.
    Bias,
    /// Scale and shift of LayerNorm and BatchNorm, and the factors on branches
    /// of blocks.
    Norm,
    /// Learned position embeddings.
    Position,
    /// Class token and registers.
    Token,
}

/// Number format of the forward pass; parameters are float32 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// IEEE single.
    Float32,
    /// bfloat16 with float32 losses, norms and softmax.
    Bf16,
    /// IEEE half, the same; the loss is scaled so that small gradients do not
    /// vanish, and a step whose gradients overflow is left out.
    F16,
}
