//! What a run tells while it goes: the engine itself prints nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use ssl_data::CorruptReport;

use crate::judge::{Evaluation, Reading, When};

/// Hears of a run. Every method does nothing unless it is implemented.
pub trait Observer {
    /// Everything is built; the first step is next.
    fn started(&mut self, _start: &Start) {}
    /// Something that a reader should know and that stops nothing.
    fn note(&mut self, _text: &str) {}
    /// A step is done.
    fn step(&mut self, _step: &StepDone) {}
    /// An instrument read something after a step.
    fn monitor(&mut self, _step: usize, _reading: &Reading) {}
    /// Frozen features are about to be judged.
    fn evaluating(&mut self, _when: When) {}
    /// Frozen features were judged.
    fn evaluation(&mut self, _when: When, _evaluation: &Evaluation) {}
    /// A checkpoint is on the disk, `step` steps done.
    fn checkpoint(&mut self, _step: usize, _path: &Path) {}
    /// More images than before could not be read.
    fn skipped(&mut self, _report: &CorruptReport) {}
    /// The run is complete.
    fn finished(&mut self, _summary: &Summary) {}
}

/// An observer that hears nothing.
impl Observer for () {}

/// A run that is about to train.
#[derive(Debug, Clone)]
pub struct Start {
    /// Name of the pipeline.
    pub pipeline: String,
    /// What computes.
    pub device: String,
    /// The first step to be done, from 0; more than 0 in a resumed run.
    pub next_step: usize,
    /// Steps in the whole run.
    pub steps: usize,
    /// Images per step.
    pub batch: usize,
    /// The checkpoint that the run goes on from.
    pub resumed: Option<PathBuf>,
    /// The run directory.
    pub out: PathBuf,
}

/// A step that was done.
#[derive(Debug, Clone, Copy)]
pub struct StepDone {
    /// The step, from 0.
    pub step: usize,
    /// Steps in the whole run.
    pub steps: usize,
    /// The epoch at its start, a fraction.
    pub epoch: f64,
    /// The loss, at steps that are logged.
    pub loss: Option<f32>,
    /// Learning rate.
    pub lr: f64,
    /// Throughput since this process began to train.
    pub images_per_second: f64,
    /// Time left at that throughput.
    pub left: Duration,
}

/// What came out of a run; `report.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Hash of the recipe.
    pub recipe: String,
    /// Version of the engine.
    pub engine: String,
    /// What computed.
    pub device: String,
    /// Steps of the run.
    pub steps: usize,
    /// The same in epochs.
    pub epochs: f64,
    /// Seconds of training, over all resumptions, evaluations left out.
    pub seconds: f64,
    /// The loss of the last step.
    pub loss: Option<f32>,
    /// Frozen features before training, one for each evaluation of the plan.
    pub before: Vec<Evaluation>,
    /// The same after training.
    pub after: Vec<Evaluation>,
    /// What the losses said about the run: that it collapsed, or that a loss
    /// was lower than possible.
    pub notes: Vec<String>,
    /// Images that could not be read.
    pub skipped: usize,
    /// The trained weights, relative to the run directory.
    pub weights: Vec<String>,
}
