//! The fields of the plain sections.

use ssl_syntax::ast::SectionKind;

use super::{COUNT, Fallback, Field, Group, Want, field};

/// `data { ... }`
pub const DATA: &[Field] = &[
    field(
        "source",
        Want::Call(Group::Source),
        Fallback::Required,
        "where the images come from",
    ),
    field(
        "batch",
        Want::Images(1, 1 << 30),
        Fallback::Required,
        "images per step, over all devices",
    ),
    field(
        "samples",
        Want::Images(1, 1 << 40),
        Fallback::Absent,
        "how many training images there are, for a check where the data is not",
    ),
    field(
        "on_corrupt",
        Want::Choice(&["skip", "error", "pad"]),
        Fallback::Symbol("skip"),
        "what happens at an image that cannot be read: another takes its place, the run stops, or zeros stand there",
    ),
    field(
        "max_corrupt",
        Want::Fraction,
        Fallback::Float(0.01),
        "share of the images that may be unreadable before the run stops",
    ),
    field(
        "exif_orientation",
        Want::Bool,
        Fallback::Bool(false),
        "whether photographs are turned upright as their EXIF orientation asks",
    ),
    field(
        "decode",
        Want::Choice(&["full", "fast"]),
        Fallback::Symbol("full"),
        "`fast` decodes a JPEG at a half, a quarter or an eighth of its size where all views \
         shrink it as much anyway (photographs of 3 million pixels in under 60 % of the time, \
         crops 43 to 45 dB from the exact ones); no training JPEG is kept decoded, evaluation stays exact",
    ),
    field(
        "cache",
        Want::Bytes,
        Fallback::Mebibytes(256.0),
        "most memory for decoded images that are kept, for each split; 0 keeps none",
    ),
    field(
        "stall_limit",
        Want::Duration,
        Fallback::Seconds(120.0),
        "how long one image may take, or the source to answer, until the run stops and names it",
    ),
];

/// `train { ... }`
pub const TRAIN: &[Field] = &[
    field(
        "epochs",
        Want::Epochs,
        Fallback::Absent,
        "passes over the data",
    ),
    field(
        "steps",
        Want::Steps,
        Fallback::Absent,
        "optimiser steps, in place of `epochs`",
    ),
    field(
        "optimizer",
        Want::Call(Group::Optimizer),
        Fallback::Required,
        "the update rule of every net that takes a gradient",
    ),
    field(
        "schedule",
        Want::Schedule(0.0, f64::INFINITY),
        Fallback::Absent,
        "the learning rate over the run; constant where nothing is said",
    ),
    field(
        "micro_batches",
        COUNT,
        Fallback::Int(1),
        "equal parts of a batch that are computed one after the other, to save memory, with the \
         loss and the gradient of the whole batch",
    ),
    field(
        "activation_checkpointing",
        Want::Choice(&["none", "blocks"]),
        Fallback::Symbol("none"),
        "what the backward pass computes again, to save memory: the blocks of backbones and \
         decoders, of which only the inputs are kept",
    ),
    field(
        "precision",
        Want::Choice(&["float32", "bf16", "f16"]),
        Fallback::Symbol("float32"),
        "number format of the forward pass",
    ),
    field(
        "seed",
        Want::Int(0, i64::MAX),
        Fallback::Int(0),
        "keys every random draw",
    ),
    field(
        "log",
        Want::Time,
        Fallback::Steps(1.0),
        "time between two lines of the metrics",
    ),
    field(
        "checkpoint",
        Want::Time,
        Fallback::Epochs(1.0),
        "time between two checkpoints",
    ),
    field(
        "keep",
        COUNT,
        Fallback::Int(3),
        "how many checkpoints are kept, the newest",
    ),
];

/// The fields of a section that has fields.
pub fn fields_of(kind: SectionKind) -> &'static [Field] {
    match kind {
        SectionKind::Data => DATA,
        SectionKind::Train => TRAIN,
        _ => &[],
    }
}
