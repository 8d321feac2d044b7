//! What the compiler may ask of the outside, behind one trait.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssl_plan::{PackedShards, Source};

/// Whether the data must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// A run follows: missing data is an error.
    #[default]
    Run,
    /// Only the text is judged: missing data is a warning.
    Check,
}

/// Why something could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldError {
    /// The reason, lower case, without a final period.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// What a look at a data set tells, without decoding an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatasetInfo {
    /// Training images.
    pub samples: usize,
    /// Class names, where images have labels.
    pub classes: Option<Vec<String>>,
    /// Held-out labelled images.
    pub held_out: Option<usize>,
    /// For stored views.
    pub recorded: Option<RecordedInfo>,
    /// Packed shards among the sources.
    pub packs: Vec<PackedShards>,
}

/// What a file of stored views holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedInfo {
    /// Stored steps.
    pub steps: usize,
    /// Images in each.
    pub batch: usize,
    /// Height and width of each view.
    pub views: BTreeMap<String, [usize; 2]>,
}

/// The outside.
pub trait World {
    /// The text of a source file.
    ///
    /// # Errors
    ///
    /// The file is not there, cannot be read, or is no UTF-8.
    fn read(&self, path: &Path) -> Result<String, WorldError>;

    /// A path from the root, where the world knows where it stands.
    fn absolute(&self, path: &Path) -> PathBuf;

    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// A look at a data set, given up where its disk does not answer for so
    /// long.
    ///
    /// # Errors
    ///
    /// It is not there, or not of its kind.
    fn dataset(&self, source: &Source, stall_limit: Duration) -> Result<DatasetInfo, WorldError>;
}
