//! A run from its Plan to trained, judged, saved weights.

mod bench;
mod clock;
mod corrupt;
mod observer;
mod scale;
mod state;
mod train;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use ssl_data::{Dataset, Split};
use ssl_plan::{Checkpointing, Monitor, Plan, Precision};

use crate::device::{self, DeviceChoice};
use crate::error::EngineError;
use crate::judge::{self, Bank, Evaluation, Expectation, Judged, When};
use crate::model::Model;
use crate::optim::Optimizer;
use crate::run::checkpoint;
use crate::run::files::{Disk, Files};
use crate::run::metrics::{self, Line, Metrics};
use crate::run::{RunDirectory, curve, recipe};
pub use crate::step::Phase;
use crate::step::Step;
use crate::weights::initial::{self, Initial};
pub use bench::{BenchOptions, Measured, StepTime, bench};
pub use observer::{Observer, Start, StepDone, Summary};
use state::{Progress, State};

/// How a plan is run; nothing of it changes what is computed, the initial
/// weights apart.
pub struct Options {
    /// The run directory.
    pub out: PathBuf,
    /// The source's text, kept beside the results.
    pub source: String,
    /// What computes.
    pub device: DeviceChoice,
    /// Threads that prepare images.
    pub workers: usize,
    /// Go on with the run that is in `out`, if there is one.
    pub resume: bool,
    /// Weights to start from.
    pub init: Option<Initial>,
    /// Set from outside to end the run after its current step.
    pub stop: Arc<AtomicBool>,
    /// How files are written; tests put a failing disk here.
    pub files: Box<dyn Files>,
}

impl Options {
    /// Options for a run in `out` on the device that [`DeviceChoice::Auto`]
    /// finds.
    pub fn new(out: impl Into<PathBuf>, source: impl Into<String>) -> Self {
        Options {
            out: out.into(),
            source: source.into(),
            device: DeviceChoice::Auto,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            resume: false,
            init: None,
            stop: Arc::default(),
            files: Box::new(Disk),
        }
    }
}

/// How a run ended without an error.
#[derive(Debug)]
pub enum Outcome {
    /// All steps are done.
    Finished(Summary),
    /// It was asked to stop, and saved.
    Interrupted {
        /// Steps done.
        step: usize,
        /// What it can be resumed from.
        checkpoint: PathBuf,
    },
}

/// A run that is ready to train.
pub struct Session {
    plan: Plan,
    directory: RunDirectory,
    data: Dataset,
    device: Device,
    device_name: String,
    model: Model,
    step: Step,
    optimizer: Optimizer,
    banks: Vec<Bank>,
    metrics: Metrics,
    expectation: Expectation,
    progress: Progress,
    /// The newest checkpoint that is known to be good.
    last_good: Option<PathBuf>,
    resumed: Option<PathBuf>,
    notes: Vec<String>,
    workers: usize,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// Opens the data and the run directory, builds the networks, and takes up
    /// a checkpoint or initial weights.
    ///
    /// # Errors
    ///
    /// Everything that can be known to be wrong before the first step.
    pub fn new(plan: Plan, options: Options) -> Result<Self, EngineError> {
        let recipe = &plan.recipe;
        let found = device::resolve(options.device)?;
        let short = device::shortage(&plan.estimate, found.memory, found.is_host);
        let (device, device_name) = (found.device, found.name);
        let data = Dataset::open(&recipe.data)?;
        let train = &recipe.train;
        let freeze = &train.optimizer.freeze;
        let mut model =
            Model::with_frozen(&recipe.nets, train.precision, train.seed, &device, freeze)?;
        let mut step = Step::new(&recipe.step, &knn_features(&plan), recipe.train.seed)?;
        if train.activation_checkpointing == Checkpointing::Blocks {
            step.checkpoint_blocks(&recipe.step.by_block(&recipe.nets));
        }
        let mut optimizer = Optimizer::new(recipe.train.optimizer.clone());
        let mut banks: Vec<Bank> = (recipe.monitors.iter())
            .filter_map(|monitor| match monitor {
                Monitor::Knn { bank, .. } => Some(Bank::new(*bank)),
                Monitor::GradientNorm { .. } => None,
            })
            .collect();

        // Before anything is written: a file that does not fit leaves no run.
        let told = match &options.init {
            Some(initial) if !options.resume => start_from(&mut model, initial)?,
            _ => Vec::new(),
        };
        let (directory, found) = RunDirectory::open(
            &options.out,
            &plan,
            &options.source,
            options.resume,
            options.files,
        )?;
        let mut notes: Vec<String> = (found.damaged.iter())
            .map(|set| {
                let path = set.path.display();
                format!(
                    "a checkpoint is damaged and was set aside as `{path}`: {}",
                    set.reason
                )
            })
            .collect();
        notes.extend(short);
        notes.extend(told);
        let mut progress = Progress {
            recipe: recipe::hash(&plan.recipe)?,
            engine: env!("CARGO_PKG_VERSION").to_string(),
            scale: (recipe.train.precision == Precision::F16).then(Default::default),
            ..Progress::default()
        };
        let metrics_path = directory.path("metrics.jsonl");
        let next_step = match &found.set {
            Some(set) => {
                State {
                    model: &mut model,
                    step: &mut step,
                    optimizer: &mut optimizer,
                    banks: &mut banks,
                    progress: &mut progress,
                }
                .restore(set, &plan, &device)?;
                Some(progress.step)
            }
            None => None,
        };
        let metrics = Metrics::open(directory.files(), &metrics_path, next_step)?;
        // What was said before is not said again.
        let mut expectation = Expectation::new(&plan.expected, &plan.recipe);
        for line in metrics::read(directory.files(), &metrics_path)? {
            if let Line::Step { step, loss, .. } = line {
                expectation.read(step, loss);
            }
        }
        let judged = !banks.is_empty() || !plan.recipe.evals.is_empty();
        if judged && data.is_empty(Split::Train) {
            notes.push("there are no images but recorded views: kNN is not read".to_string());
        } else if judged && data.labels(Split::Train).is_none() {
            let note = "the images have no labels: kNN is not read, the spread of the features is";
            notes.push(note.to_string());
        }
        let resumed = found.set.map(|set| set.path);
        Ok(Session {
            plan,
            directory,
            data,
            device,
            device_name,
            model,
            step,
            optimizer,
            banks,
            metrics,
            expectation,
            progress,
            last_good: resumed.clone(),
            resumed,
            notes,
            workers: options.workers,
            stop: options.stop,
        })
    }

    /// Judges, trains, judges again and exports.
    ///
    /// # Errors
    ///
    /// [`EngineError`]; what was saved before stays.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Outcome, EngineError> {
        observer.started(&self.start());
        for note in std::mem::take(&mut self.notes) {
            observer.note(&note);
        }
        if self.progress.before.is_none() {
            self.progress.before = self.evaluate(When::Before, observer)?;
            if self.progress.before.is_none() {
                return self.interrupted(observer);
            }
        }
        if !self.train(observer)? {
            return self.interrupted(observer);
        }
        let Some(after) = self.evaluate(When::After, observer)? else {
            return self.interrupted(observer);
        };
        let summary = self.finish(after)?;
        observer.finished(&summary);
        Ok(Outcome::Finished(summary))
    }

    fn start(&self) -> Start {
        Start {
            pipeline: self.plan.pipeline.clone(),
            device: self.device_name.clone(),
            next_step: self.progress.step,
            steps: self.plan.recipe.train.steps,
            batch: self.plan.recipe.data.batch,
            resumed: self.resumed.clone(),
            out: self.directory.path(""),
        }
    }

    /// Every evaluation of the plan; `None` where the run was asked to stop.
    fn evaluate(
        &mut self,
        when: When,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<Evaluation>>, EngineError> {
        let mut made = Vec::new();
        if self.data.is_empty(Split::Train) {
            return Ok(Some(made));
        }
        for eval in &self.plan.recipe.evals {
            observer.evaluating(when);
            let judged =
                judge::evaluate(eval, &mut self.model, &self.data, &self.device, &self.stop)?;
            let Judged::Done(evaluation) = judged else {
                return Ok(None);
            };
            observer.evaluation(when, &evaluation);
            made.push(evaluation);
        }
        for evaluation in &made {
            self.metrics.write(&Line::Eval {
                step: self.progress.step,
                when,
                evaluation: evaluation.clone(),
            })?;
        }
        Ok(Some(made))
    }

    /// Saves, unless this very step is saved already.
    fn save(&mut self, observer: &mut dyn Observer) -> Result<PathBuf, EngineError> {
        let target = checkpoint::folder(&self.directory.sets(), self.progress.step);
        if self.last_good.as_ref() == Some(&target) {
            return Ok(target);
        }
        let state = State {
            model: &mut self.model,
            step: &mut self.step,
            optimizer: &mut self.optimizer,
            banks: &mut self.banks,
            progress: &mut self.progress,
        };
        let saved = (self.metrics.sync()).and_then(|()| state.save(&self.directory, &self.plan));
        let step = self.progress.step;
        let path = saved.map_err(|error| EngineError::Checkpoint {
            step,
            source: Box::new(error),
            last_good: self.last_good.clone(),
        })?;
        self.last_good = Some(path.clone());
        observer.checkpoint(step, &path);
        Ok(path)
    }

    fn interrupted(mut self, observer: &mut dyn Observer) -> Result<Outcome, EngineError> {
        let checkpoint = self.save(observer)?;
        self.draw()?;
        Ok(Outcome::Interrupted {
            step: self.progress.step,
            checkpoint,
        })
    }

    /// Writes the weights, the curve and the report.
    fn finish(self, after: Vec<Evaluation>) -> Result<Summary, EngineError> {
        self.metrics.sync()?;
        let path = self.directory.path("metrics.jsonl");
        let notes = metrics::read(self.directory.files(), &path)?
            .into_iter()
            .filter_map(|line| match line {
                Line::Note { text, .. } => Some(text),
                _ => None,
            })
            .collect();
        let weights = state::export(&self.model, &self.directory)?;
        self.draw()?;
        let train = &self.plan.recipe.train;
        let summary = Summary {
            pipeline: self.plan.pipeline.clone(),
            recipe: self.progress.recipe.clone(),
            engine: self.progress.engine.clone(),
            device: self.device_name.clone(),
            steps: train.steps,
            epochs: train.epochs,
            seconds: self.progress.seconds,
            loss: self.progress.loss,
            before: self.progress.before.clone().unwrap_or_default(),
            after,
            notes,
            skipped: self.progress.skipped,
            weights,
        };
        self.directory.write_json("report.json", &summary)?;
        Ok(summary)
    }

    fn draw(&self) -> Result<(), EngineError> {
        let lines = metrics::read(
            self.directory.files(),
            &self.directory.path("metrics.jsonl"),
        )?;
        let steps = self.plan.recipe.train.steps;
        let picture = curve::render(&self.plan.pipeline, steps, &lines);
        self.directory.write("curve.svg", picture.as_bytes())
    }

    fn epoch(&self, step: usize) -> f64 {
        step as f64 / self.plan.recipe.data.steps_per_epoch.max(1) as f64
    }
}

/// Loads weights from elsewhere; what there is to tell about them.
fn start_from(model: &mut Model, initial: &Initial) -> Result<Vec<String>, EngineError> {
    let unfit = |reason: String| EngineError::Weights {
        path: initial.path.clone(),
        reason,
    };
    let file = initial::read_any(&initial.path).map_err(|error| unfit(error.to_string()))?;
    let mut adapted = initial::adapt(initial, file, &model.places()).map_err(unfit)?;
    let resized = model.fit_positions(&mut adapted.tensors);
    adapted.notes.extend(resized);
    model.load(&adapted.tensors).map_err(|misfit| {
        let mut reason = misfit.to_string();
        for note in &adapted.notes {
            reason += &format!("\n  note: {note}");
        }
        if !initial.partial && misfit.is_partial() {
            reason += "\nload what fits by `--init-partial`, or one part by \
                       `--init NET.STAGE=FILE`";
        }
        unfit(reason)
    })?;
    model.project();
    Ok(adapted.notes)
}

/// The features that the kNN monitors of a plan read, in their order.
fn knn_features(plan: &Plan) -> Vec<ssl_plan::NodeId> {
    let monitors = plan.recipe.monitors.iter();
    monitors
        .filter_map(|monitor| match monitor {
            Monitor::Knn { node, .. } => Some(*node),
            Monitor::GradientNorm { .. } => None,
        })
        .collect()
}
