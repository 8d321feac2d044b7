//! What is watched while training, and how the result is judged.

use serde::{Deserialize, Serialize};

use crate::{NodeId, Transform};

/// Which output is a feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureOf {
    /// The net.
    pub net: String,
    /// Index of the stage whose output is taken.
    pub stage: usize,
}

/// An instrument that reads a run while it trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "monitor", rename_all = "snake_case")]
pub enum Monitor {
    /// A bank of the latest step features, as in the MoCo v3 paper: every
    /// `every` steps the step's own features are classified by their `k`
    /// nearest in the bank. Nothing is computed that the step does not
    /// compute; a feature of the same image in the bank does not vote.
    Knn {
        /// Features of which output.
        feature: FeatureOf,
        /// Features under which view.
        view: String,
        /// The node of the step that holds them, `[B, D]`; of tokens, the
        /// first of each image is the feature.
        node: NodeId,
        /// Neighbours.
        k: usize,
        /// Votes weigh `exp(cosine / temperature)`.
        temperature: f64,
        /// Features kept.
        bank: usize,
        /// Steps between two readings.
        every: usize,
    },
    /// The Euclidean norm of the gradient.
    GradientNorm {
        /// For each of what.
        per: NormPer,
        /// Steps between two readings.
        every: usize,
    },
}

/// What a gradient norm is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormPer {
    /// All parameters of a net.
    Net,
    /// All parameters of a layer: a block, a stem, a linear map.
    Layer,
}

/// A judgement of the finished network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "eval", rename_all = "snake_case")]
pub enum Eval {
    /// Weighted nearest neighbours on frozen features (Wu et al. 2018): the
    /// training images vote on the held-out ones, or, where there are none,
    /// on each other without themselves. Read before and after training.
    Knn {
        /// Features of which output, in evaluation mode.
        feature: FeatureOf,
        /// Neighbours.
        k: usize,
        /// Votes weigh `exp(cosine / temperature)`.
        temperature: f64,
        /// How an image is prepared.
        transforms: Vec<Transform>,
        /// Height and width after the transforms.
        size: [usize; 2],
    },
}
