//! What can go wrong in a run.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::device::DeviceError;

/// A run that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device asked for is not usable.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The images cannot be read.
    #[error(transparent)]
    Data(#[from] ssl_data::DataError),
    /// The plan contradicts itself; the compiler should have refused it.
    #[error("the plan is malformed: {0}")]
    Plan(String),
    /// A file could not be read or written.
    #[error("cannot {action} `{}`: {source}{hint}", path.display(), hint = hint(source))]
    Files {
        /// What was tried: `write`, `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A checkpoint could not be written; everything saved before is intact.
    #[error("cannot save step {step}; {}: {source}", good(last_good))]
    Checkpoint {
        /// Steps done.
        step: usize,
        /// What failed.
        source: Box<EngineError>,
        /// The newest checkpoint that is valid.
        last_good: Option<PathBuf>,
    },
    /// Another process works in the run directory.
    #[error(
        "`{}` is in use by another run; wait for it to end, or choose another `--out`",
        .0.display()
    )]
    Locked(PathBuf),
    /// The run directory holds a run that was not asked to go on.
    #[error(
        "`{}` already holds a run; go on with it by `--resume`, or choose another `--out`",
        .0.display()
    )]
    Occupied(PathBuf),
    /// The checkpoints belong to another recipe.
    #[error(
        "`{}` was saved by another recipe: {difference}; \
         resume it with the file and settings that it was started with, \
         or start anew in another `--out`",
        path.display()
    )]
    OtherRecipe {
        /// The checkpoint.
        path: PathBuf,
        /// The first field that differs, with both values.
        difference: Difference,
    },
    /// There are checkpoints, and all of them are damaged.
    #[error(
        "no checkpoint in `{}` can be read: {reason}; start anew in another `--out`",
        path.display()
    )]
    AllDamaged {
        /// The folder of checkpoints.
        path: PathBuf,
        /// What is wrong with the newest.
        reason: String,
    },
    /// The loss is no number any more.
    #[error(
        "the loss is {loss} at step {step}; {}. A lower learning rate, a longer warm-up \
         or a higher temperature usually helps",
        good(last_good)
    )]
    NonFinite {
        /// The step, counted from 0.
        step: usize,
        /// `NaN` or an infinity.
        loss: f32,
        /// The newest checkpoint before it.
        last_good: Option<PathBuf>,
    },
    /// Weights that do not fit the networks.
    #[error("`{}` cannot be used: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is missing, has another shape, or cannot be read.
        reason: String,
    },
    /// The device failed while it computed.
    #[error("the device failed: {0}")]
    Compute(String),
}

/// The first field in which two recipes differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its path in the recipe, `train.optimizer.lr.segments[0].steps`.
    pub field: String,
    /// Its value in the checkpoint, as JSON.
    pub saved: String,
    /// Its value in the plan that is to run, as JSON.
    pub asked: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            field,
            saved,
            asked,
        } = self;
        write!(f, "`{field}` is {saved} there and {asked} here")
    }
}

impl EngineError {
    pub(crate) fn plan(what: impl Into<String>) -> Self {
        EngineError::Plan(what.into())
    }

    pub(crate) fn files(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| EngineError::Files {
            action,
            path,
            source,
        }
    }

    /// Whether a full disk or quota is behind it.
    pub fn is_disk_full(&self) -> bool {
        match self {
            EngineError::Files { source, .. } => disk_full(source),
            EngineError::Checkpoint { source, .. } => source.is_disk_full(),
            _ => false,
        }
    }
}

fn disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn hint(error: &io::Error) -> &'static str {
    if disk_full(error) {
        "; make room, then go on with `--resume`"
    } else {
        ""
    }
}

fn good(last: &Option<PathBuf>) -> String {
    match last {
        Some(path) => format!("the last good checkpoint is `{}`", path.display()),
        None => "there is no earlier checkpoint".to_string(),
    }
}
