//! `metrics.jsonl`: one JSON object for each thing that was measured.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{Files, write_whole};
use crate::error::EngineError;
use crate::judge::{Evaluation, Reading, When};

/// One line. `step` counts from 0 and is the step that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// A training step.
    Step {
        /// The step.
        step: usize,
        /// The epoch at its start, a fraction.
        epoch: f64,
        /// The loss, with every digit of its float32.
        loss: f32,
        /// Learning rate.
        lr: f64,
        /// Weight decay.
        weight_decay: f64,
        /// Decay of every average, by net.
        decay: BTreeMap<String, f64>,
        /// What the source tracks.
        tracks: BTreeMap<String, f32>,
        /// Throughput since the line before.
        images_per_second: f64,
    },
    /// What an instrument read after a step.
    Monitor {
        /// The step.
        step: usize,
        /// The reading.
        #[serde(flatten)]
        reading: Reading,
    },
    /// What the loss of a step says about the run.
    Note {
        /// The step.
        step: usize,
        /// For a reader.
        text: String,
    },
    /// A judgement of frozen features.
    Eval {
        /// Steps done.
        step: usize,
        /// Before or after training.
        when: When,
        /// What was found.
        #[serde(flatten)]
        evaluation: Evaluation,
    },
}

impl Line {
    fn survives(&self, next_step: usize) -> bool {
        match self {
            Line::Step { step, .. } | Line::Monitor { step, .. } | Line::Note { step, .. } => {
                *step < next_step
            }
            Line::Eval { when, .. } => *when == When::Before,
        }
    }
}

/// The open file.
pub struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// Opens the file for a run that goes on at `next_step`, or for a new one.
    /// Lines of steps that are to be done again, and a line that a crash cut,
    /// are removed; so are evaluations after training.
    ///
    /// # Errors
    ///
    /// [`EngineError::Files`].
    pub fn open(
        files: &dyn Files,
        path: &Path,
        next_step: Option<usize>,
    ) -> Result<Self, EngineError> {
        let kept = match next_step {
            None => Vec::new(),
            Some(next) => read(files, path)?
                .into_iter()
                .filter(|line| line.survives(next))
                .collect(),
        };
        write_whole(files, path, &mut |out| {
            kept.iter()
                .try_for_each(|line| out.write_all(&encode(line)))
        })
        .map_err(EngineError::files("write", path))?;
        let file = OpenOptions::new().append(true).open(path);
        Ok(Metrics {
            path: path.to_path_buf(),
            file: file.map_err(EngineError::files("write", path))?,
        })
    }

    /// Appends a line.
    ///
    /// # Errors
    ///
    /// [`EngineError::Files`].
    pub fn write(&mut self, line: &Line) -> Result<(), EngineError> {
        (self.file.write_all(&encode(line))).map_err(EngineError::files("write", &self.path))
    }

    /// Waits until all lines are on the disk.
    ///
    /// # Errors
    ///
    /// [`EngineError::Files`].
    pub fn sync(&self) -> Result<(), EngineError> {
        (self.file.sync_data()).map_err(EngineError::files("write", &self.path))
    }
}

/// All lines of a file that are whole; none where there is no file.
///
/// # Errors
///
/// [`EngineError::Files`].
pub fn read(files: &dyn Files, path: &Path) -> Result<Vec<Line>, EngineError> {
    match files.read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(EngineError::files("read", path)(error)),
        Ok(bytes) => Ok(bytes
            .split(|&byte| byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()),
    }
}

fn encode(line: &Line) -> Vec<u8> {
    // A line holds numbers, strings and maps with string keys only.
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text
}
