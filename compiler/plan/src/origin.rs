//! What the reader of a plan wants to know beside the recipe.

use serde::{Deserialize, Serialize};

/// A resolved value and the place that set it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// Dotted path in the pipeline.
    pub path: String,
    /// The value as it would be written.
    pub value: String,
    /// Who set it.
    pub origin: Origin,
    /// Its documentation, a line each.
    #[serde(default)]
    pub docs: Vec<String>,
    /// For a parameter what it may be: `param Float in 0..=1`.
    #[serde(default)]
    pub declared: Option<String>,
}

/// Documentation of something that is no value: the pipeline itself (the empty
/// path), a section, a function (`fn info_nce`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Documented {
    /// What it is about.
    pub path: String,
    /// A line each.
    pub lines: Vec<String>,
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
    /// It follows from another value.
    Derived {
        /// Path of the other value.
        path: String,
    },
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
