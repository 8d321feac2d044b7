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

/// Size and cost of a run. Bytes are those of the CPU backend where nothing
/// else is said; of a GPU's memory, the backend's own pools take more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Exact parameter counts.
    pub parameters: Vec<ParameterCount>,
    /// Bytes of all weights and running statistics, averages included.
    pub weight_bytes: u64,
    /// Of these, the bytes of averages.
    #[serde(default)]
    pub average_bytes: u64,
    /// Bytes of gradients.
    pub gradient_bytes: u64,
    /// Bytes of the optimiser's state.
    pub optimizer_bytes: u64,
    /// Bytes of queues, running means and the banks of monitors.
    #[serde(default)]
    pub state_bytes: u64,
    /// Bytes of all values that are held when the forward passes are through.
    pub activation_bytes: u64,
    /// Bytes of the batch that is in use.
    #[serde(default)]
    pub batch_bytes: u64,
    /// Bytes of batches that are prepared meanwhile, in the host's memory.
    #[serde(default)]
    pub ahead_bytes: u64,
    /// Bytes at the worst moment of a step: what stands, the batch, and
    /// activations and gradients as they come and go.
    #[serde(default)]
    pub step_bytes: u64,
    /// As `step_bytes` on a GPU, where operations of several are not computed
    /// in one and keep more.
    #[serde(default)]
    pub gpu_step_bytes: u64,
    /// Bytes at the worst moment of saving a checkpoint, in the host's memory
    /// where that is the device's.
    #[serde(default)]
    pub save_bytes: u64,
    /// Work of one step.
    #[serde(default)]
    pub flops: Flops,
}

/// Floating-point operations of one step; a multiplication and an addition
/// are two. Matrix products and convolutions in full, one for each number of
/// the loss's other operations; norms, activations and softmax within a net
/// are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Flops {
    /// Forward passes of the trained nets, and the loss.
    pub forward: f64,
    /// Forward passes of averages.
    pub averages: f64,
    /// Backward passes.
    pub backward: f64,
    /// The optimiser, and the update of averages.
    pub update: f64,
}

impl Flops {
    /// All of a step.
    pub fn total(&self) -> f64 {
        self.forward + self.averages + self.backward + self.update
    }
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
