//! How fast a plan trains, without a run directory: the steps are those of a
//! run, and nothing of them is kept.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use ssl_data::{Batch, Dataset};
use ssl_plan::{Plan, Precision};

use super::scale::Scale;
use crate::device::{self, DeviceChoice};
use crate::error::EngineError;
use crate::model::Model;
use crate::optim::Optimizer;
use crate::step::{Passes, Phase, Phases, Step};

/// How a plan is measured.
#[derive(Debug, Clone, Copy)]
pub struct BenchOptions {
    /// What computes.
    pub device: DeviceChoice,
    /// Threads that prepare images.
    pub workers: usize,
    /// Steps that are measured.
    pub steps: usize,
    /// Steps before them.
    pub warm_up: usize,
    /// Whether every step trains on the first batch again: the data is then
    /// out of the measurement, and so are the threads that prepare it.
    pub same_batch: bool,
}

/// The time of one step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StepTime {
    /// Seconds from the step before.
    pub seconds: f64,
    /// The same by phase, in the order of [`Phase::ALL`].
    pub phases: [f64; Phase::ALL.len()],
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Name of the pipeline.
    pub pipeline: String,
    /// What computed.
    pub device: String,
    /// Images per step.
    pub batch: usize,
    /// Every measured step.
    pub steps: Vec<StepTime>,
    /// Seconds of the first step that was made, which warms caches up.
    pub first_step: f64,
    /// Processor seconds of all threads that a step took, on average, where
    /// the system tells.
    pub processor_seconds: Option<f64>,
    /// The most memory that the process held, in bytes, where the system
    /// tells.
    pub peak_memory: Option<u64>,
    /// The loss of the last step.
    pub loss: f32,
}

impl Measured {
    /// The median of the seconds of a step.
    pub fn median(&self) -> f64 {
        let mut seconds: Vec<f64> = self.steps.iter().map(|step| step.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let half = seconds.len() / 2;
        match seconds.len() {
            0 => f64::NAN,
            n if n.is_multiple_of(2) => f64::midpoint(seconds[half - 1], seconds[half]),
            _ => seconds[half],
        }
    }

    /// The share of each phase of the time of all steps.
    pub fn shares(&self) -> [(Phase, f64); Phase::ALL.len()] {
        let total: f64 = self.steps.iter().map(|step| step.seconds).sum();
        Phase::ALL.map(|phase| {
            let own = self.steps.iter().map(|step| step.phases[phase as usize]);
            (phase, own.sum::<f64>() / total.max(f64::MIN_POSITIVE))
        })
    }
}

/// Trains for some steps and measures them.
///
/// # Errors
///
/// Data that cannot be read, a device that cannot be had, a loss that is no
/// number.
pub fn bench(plan: &Plan, options: BenchOptions) -> Result<Measured, EngineError> {
    let recipe = &plan.recipe;
    let train = &recipe.train;
    let found = device::resolve(options.device)?;
    let device = found.device;
    let data = Dataset::open(&recipe.data)?;
    let mut model = Model::new(&recipe.nets, train.precision, train.seed, &device)?;
    let mut graph = Step::new(&recipe.step, &[], train.seed)?;
    let mut optimizer = Optimizer::new(train.optimizer.clone());
    let mut scale = (train.precision == Precision::F16).then(Scale::default);
    let total = options.warm_up + options.steps;
    let loaded = if options.same_batch { 1 } else { total };
    let mut loader = data.loader(&recipe.views, train.seed, 0, loaded, options.workers);

    graph.phases = Phases::on(&device);
    let mut steps = Vec::with_capacity(total);
    let mut views = HashMap::new();
    let mut loss = f32::NAN;
    let mut begun = None;
    for step in 0..total {
        if step == 0 || !options.same_batch {
            let Some(batch) = loader.next() else {
                return Err(EngineError::plan("the data ended before the last step"));
            };
            views = upload(batch?, &device);
        }
        if options.same_batch && step == 0 {
            // Its making is no part of a step.
            graph.phases = Phases::on(&device);
        }
        if step == options.warm_up {
            begun = processor_seconds();
        }
        graph.phases.end(Phase::Data);
        model.update_averages(step as f64);
        graph.phases.end(Phase::Average);
        let passes = Passes {
            step,
            parts: train.micro_batches,
            scale: scale.as_ref().map_or(1.0, Scale::factor),
            read_tracks: false,
        };
        let computed = graph.run(&mut model, &views, passes)?;
        let mut gradients = computed.gradients;
        let fine = match &mut scale {
            Some(scale) => scale.unscale(&mut model, &mut gradients)?,
            None => true,
        };
        if fine {
            optimizer.step(&mut model, &mut gradients, step);
        }
        graph.phases.end(Phase::Optimizer);
        let own = graph.phases.take();
        steps.push(StepTime {
            seconds: own.iter().sum(),
            phases: own,
        });
        if step + 1 == total {
            let value = computed.loss.try_into_scalar::<f32>();
            loss = value.map_err(|error| EngineError::Compute(error.to_string()))?;
        }
    }
    if !loss.is_finite() {
        return Err(EngineError::NonFinite {
            step: total.saturating_sub(1),
            loss,
            last_good: None,
        });
    }
    let spent = processor_seconds().zip(begun);
    Ok(Measured {
        pipeline: plan.pipeline.clone(),
        device: found.name,
        batch: recipe.data.batch,
        first_step: steps.first().map_or(f64::NAN, |step| step.seconds),
        steps: steps.split_off(options.warm_up),
        processor_seconds: spent.map(|(now, begun)| (now - begun) / options.steps as f64),
        peak_memory: peak_memory(),
        loss,
    })
}

/// The views of a batch on the device, `[B, 3, H, W]` each.
pub(super) fn upload(batch: Batch, device: &Device) -> HashMap<String, Tensor<4>> {
    let count = batch.samples.len();
    (batch.views.into_iter())
        .map(|view| {
            let shape = [count, 3, view.size[0], view.size[1]];
            let pixels = TensorData::new(view.pixels, shape);
            (view.name, Tensor::from_data(pixels, device))
        })
        .collect()
}

/// The most memory that this process ever held, from Linux.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The processor time of all threads of this process so far, from Linux, which
/// counts it in hundredths of a second.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may hold anything, the 12th and 13th are its own
    // and the system's time for it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || times.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / 100.0)
}
