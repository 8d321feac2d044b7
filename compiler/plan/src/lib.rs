//! The Plan: everything that a training run needs, as plain data.
//!
//! It is the one thing that crosses from the compiler to the runtime. Nothing
//! is defaulted after it: a value that the user left out stands here in full.
//! The crate has no logic beyond what a value *means* ([`Schedule::at`]) and
//! depends on no other crate of ours.

mod data;
mod graph;
mod judge;
mod net;
mod origin;
mod schedule;
mod train;

pub use data::{
    Data, Decode, Erased, Interpolation, OnCorrupt, PackedShards, Policy, Sampling, Source,
    Transform, View,
};
pub use graph::{Argument, BinaryOp, Call, Graph, Node, NodeId, Op, ReduceOp, Track, UnaryOp};
pub use judge::{Eval, FeatureOf, Monitor, NormPer};
pub use net::{
    Activation, Block, BlockNorm, Convnext, Init, Linear, Mlp, MlpLayer, Module, Net, NetKind,
    Norm, PatchStem, Pool, Position, Resnet, Shape, Stage, Stem, Vit, VitDecoder,
};
pub use origin::{Bound, Documented, Estimate, Expected, Flops, Origin, ParameterCount, Resolved};
pub use schedule::{Curve, Hyper, Schedule, Segment};
pub use train::{Checkpointing, Clip, Optimizer, ParamClass, Precision, Rule, Train};

use serde::{Deserialize, Serialize};

/// Version of the Plan's layout; a reader refuses another one.
pub const FORMAT: u32 = 2;

/// One run, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Layout version, [`FORMAT`].
    pub format: u32,
    /// Version of the compiler that wrote it.
    pub compiler: String,
    /// Name of the pipeline in its source.
    pub pipeline: String,
    /// What decides every number of the run. Two runs with equal recipes,
    /// equal data and equal devices compute the same.
    pub recipe: Recipe,
    /// The functions that the step's nodes come from, for the reader.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// Every resolved value of the source with the place that set it.
    pub values: Vec<Resolved>,
    /// What the source says about itself, for the reader.
    #[serde(default)]
    pub docs: Vec<Documented>,
    /// Size and cost, for the reader.
    pub estimate: Estimate,
    /// What the loss can come to.
    #[serde(default)]
    pub expected: Expected,
}

/// What decides every number of a run. Its hash names the run: a checkpoint
/// resumes only under an equal recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// What is read.
    pub data: Data,
    /// How it is augmented, in declaration order. A view's index keys its
    /// random stream.
    pub views: Vec<View>,
    /// The networks, in declaration order.
    pub nets: Vec<Net>,
    /// What is computed in a step.
    pub step: Graph,
    /// How it is optimised.
    pub train: Train,
    /// What is watched while training.
    pub monitors: Vec<Monitor>,
    /// How the result is judged.
    pub evals: Vec<Eval>,
}
