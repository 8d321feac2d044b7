//! What is watched while training, and how the result is judged.

mod bank;
mod eigen;
mod evaluate;
mod expectation;
mod gradients;
mod neighbours;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use bank::{Bank, Saved as SavedBank};
pub use evaluate::{Judged, evaluate};
pub use expectation::Expectation;
pub use gradients::gradient_norms;
pub use neighbours::Voters;
pub use spread::{Spread, spread};

/// What an instrument read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "monitor", rename_all = "snake_case")]
pub enum Reading {
    /// A step's own features, classified by the bank.
    Knn {
        /// The net and stage, `encoder.backbone`.
        feature: String,
        /// The view.
        view: String,
        /// Share classified right, 0..=1.
        accuracy: f64,
        /// Features in the bank.
        bank: usize,
    },
    /// Norms of the gradient.
    GradientNorm {
        /// By net or by layer.
        norms: BTreeMap<String, f32>,
    },
}

/// When an evaluation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// On the networks as initialised.
    Before,
    /// On the trained networks.
    After,
}

/// Who votes on whom in an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Training images vote on held-out ones.
    HeldOut,
    /// Training images vote on each other, without themselves.
    LeaveOneOut,
}

/// A kNN judgement of frozen features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The net and stage, `encoder.backbone`.
    pub feature: String,
    /// Share classified right, 0..=1; none where the images have no labels.
    pub accuracy: Option<f64>,
    /// Who voted on whom.
    pub protocol: Protocol,
    /// Neighbours that vote.
    pub k: usize,
    /// Images that vote.
    pub voters: usize,
    /// Images classified.
    pub queries: usize,
    /// How far the training images' features are apart.
    pub spread: Spread,
}
