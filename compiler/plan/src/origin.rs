//! What the reader of a plan wants to know beside the recipe.

use serde::{Deserialize, Serialize};

use crate::Schedule;

/// A resolved value and the place that set it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// Dotted path in the pipeline.
    pub path: String,
    /// The value as it would be written.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
}

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// A place in a file.
    File {
        /// The file as it was named.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The pipeline that the line stands in, where it is not the one that
        /// runs.
        pipeline: Option<String>,
    },
    /// `--set` on the command line.
    Set {
        /// Its text.
        text: String,
    },
    /// The language's default.
    Default,
}

/// Size and cost of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Exact parameter counts.
    pub parameters: Vec<ParameterCount>,
    /// Bytes of all weights, averages included.
    pub weight_bytes: u64,
    /// Bytes of gradients.
    pub gradient_bytes: u64,
    /// Bytes of the optimiser's state.
    pub optimizer_bytes: u64,
    /// Bytes that the forward pass keeps for the backward pass, estimated.
    pub activation_bytes: u64,
}

/// Parameters of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterCount {
    /// Net.
    pub net: String,
    /// Stage, where it has a name.
    pub stage: Option<String>,
    /// Parameters that take a gradient.
    pub trained: u64,
    /// Parameters that do not.
    pub frozen: u64,
}

/// What the loss can come to, derived from its graph alone. The runtime holds
/// the losses that it reads against it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// The loss of a network whose output is the same for all images (every
    /// logit is equal). None where it depends on more.
    pub collapsed: Option<Schedule>,
    /// What the loss cannot go below.
    pub least: Option<Bound>,
}

/// A bound that may move with the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Its value.
    pub value: Schedule,
    /// Whether some features reach it.
    pub exact: bool,
}
