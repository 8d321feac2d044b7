//! Parameters that several of the built-in functions take.

use super::{Fallback as F, Field, INF, PROBABILITY, Want as W, field};

/// The side of an image or a patch in pixels.
pub(super) const SIDE: W = W::Int(1, 1 << 14);
/// The width of a layer.
pub(super) const WIDTH: W = W::Int(1, 1 << 20);

pub(super) const P: Field = field("p", PROBABILITY, F::Float(1.0), "probability");
pub(super) const INTERPOLATION: Field = field(
    "interpolation",
    W::Choice(&["bilinear", "bicubic"]),
    F::Symbol("bilinear"),
    "resampling filter, antialiased",
);
pub(super) const FILL: Field = field(
    "fill",
    W::Channels,
    F::Absent,
    "colour outside a turned image, 0..255; black, and ImageNet's mean for `timm`",
);
pub(super) const WEIGHT_DECAY: Field = field(
    "weight_decay",
    W::Schedule(0.0, INF),
    F::Float(0.0),
    "weight decay",
);
pub(super) const LR: Field = field("lr", W::Schedule(0.0, INF), F::Required, "learning rate");
pub(super) const OVER: Field = field(
    "over",
    W::Time,
    F::Absent,
    "length; the rest of the run where nothing is said",
);
pub(super) const FROZEN: Field = field(
    "frozen",
    W::Time,
    F::Absent,
    "time from the start in which it is not updated",
);
pub(super) const CLIP: Field = field(
    "clip",
    W::Schedule(0.0, INF),
    F::Absent,
    "largest norm of the gradient",
);
pub(super) const CLIP_PER: Field = field(
    "clip_per",
    W::Choice(&["all", "net", "parameter", "unit"]),
    F::Symbol("all"),
    "what `clip` bounds: all gradients together, each net's, each parameter's, or each output \
     unit's as a share of its weights (adaptive clipping)",
);
pub(super) const BETA1: Field = field(
    "beta1",
    W::Schedule(0.0, 1.0),
    F::Float(0.9),
    "decay of the first moment",
);
pub(super) const BETA2: Field = field(
    "beta2",
    W::Schedule(0.0, 1.0),
    F::Float(0.999),
    "decay of the second moment",
);
pub(super) const MOMENTUM: Field = field(
    "momentum",
    W::Schedule(0.0, 1.0),
    F::Float(0.9),
    "share of the old velocity",
);
pub(super) const LAYER_DECAY: Field = field(
    "layer_decay",
    PROBABILITY,
    F::Absent,
    "factor on the rate from one layer of a backbone to the one before",
);
pub(super) const FREEZE: Field = field(
    "freeze",
    W::Paths,
    F::Absent,
    "nets, stages or parameters that are never updated; running statistics follow the batch still",
);
pub(super) const DROP_PATH: Field = field(
    "drop_path",
    W::Schedule(0.0, 0.999),
    F::Absent,
    "probability of leaving out the last block for an image, rising from 0 at the first",
);
pub(super) const EXCLUDE_LR_SCALE: Field = field(
    "exclude_lr_scale",
    W::Positive,
    F::Absent,
    "factor on the rate of the parameters in `exclude`",
);
pub(super) const CONSTANT_LR: Field = field(
    "constant_lr",
    W::Nets,
    F::Symbols(&[]),
    "nets whose rate stays at `lr` and does not follow the schedule",
);
pub(super) const EVERY: Field = field("every", W::Time, F::Required, "time between two readings");
