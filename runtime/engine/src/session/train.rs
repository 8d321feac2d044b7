//! The steps of a run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use burn::tensor::{Gradients, Tensor};
use ssl_data::Batch;
use ssl_plan::Monitor;

use super::bench::upload;
use super::clock::Clock;
use super::{Observer, Session, StepDone};
use crate::error::EngineError;
use crate::judge::{self, Reading};
use crate::run::metrics::Line;
use crate::step::Passes;

impl Session {
    /// All steps that are left; false where the run was asked to stop.
    pub(super) fn train(&mut self, observer: &mut dyn Observer) -> Result<bool, EngineError> {
        let train = self.plan.recipe.train.clone();
        let first = self.progress.step;
        let mut loader = self.data.loader(
            &self.plan.recipe.views,
            train.seed,
            first,
            train.steps,
            self.workers,
        );
        let mut clock = Clock::new(self.plan.recipe.data.batch, self.progress.seconds);
        let skipped_before = self.progress.skipped;
        for step in first..train.steps {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let Some(batch) = loader.next() else {
                return Err(EngineError::plan("the data ended before the last step"));
            };
            if batch.is_err() {
                super::corrupt::list(&self.directory, loader.report())?;
            }
            let batch = batch?;
            let done = step + 1;
            let saves = done.is_multiple_of(train.checkpoint_every) || done == train.steps;
            let logs = step == 0 || done.is_multiple_of(train.log_every) || done == train.steps;
            let loss = self.train_step(step, batch, logs, saves, &mut clock, observer)?;
            self.progress.step = done;
            self.progress.seconds = clock.seconds();
            observer.step(&StepDone {
                step,
                steps: train.steps,
                epoch: self.epoch(step),
                loss,
                lr: self.optimizer.lr(step),
                images_per_second: clock.overall(),
                left: clock.left(train.steps - done),
            });
            let skipped = skipped_before + loader.report().files().len();
            if skipped > self.progress.skipped {
                self.progress.skipped = skipped;
                super::corrupt::list(&self.directory, loader.report())?;
                observer.skipped(loader.report());
            }
            if saves {
                self.save(observer)?;
            }
        }
        Ok(true)
    }

    /// One step. The loss where it was read.
    fn train_step(
        &mut self,
        step: usize,
        batch: Batch,
        logs: bool,
        saves: bool,
        clock: &mut Clock,
        observer: &mut dyn Observer,
    ) -> Result<Option<f32>, EngineError> {
        let (samples, labels) = (batch.samples.clone(), batch.labels.clone());
        let views = upload(batch, &self.device);

        self.model.update_averages(step as f64);
        let parts = self.plan.recipe.train.micro_batches;
        let scale = self.progress.scale.map_or(1.0, |scale| scale.factor());
        let how = Passes {
            step,
            parts,
            scale,
            read_tracks: logs,
        };
        let computed = self.step.run(&mut self.model, &views, how)?;
        drop(views);
        let loss = if logs || saves {
            Some(self.read_loss(computed.loss, step)?)
        } else {
            None
        };
        let mut gradients = computed.gradients;
        let fine = match &mut self.progress.scale {
            Some(scale) => scale.unscale(&mut self.model, &mut gradients)?,
            None => true,
        };
        self.read_instruments(
            step,
            fine.then_some(&gradients),
            computed.features,
            labels.as_deref(),
            &samples,
            observer,
        )?;
        if fine {
            self.optimizer.step(&mut self.model, &mut gradients, step);
        }
        clock.tick();

        if let (true, Some(loss)) = (logs, loss) {
            let names = self.step.tracks().iter().map(|track| track.name.clone());
            let values = computed.tracks.into_iter().map(read_scalar);
            let tracks = names
                .zip(values)
                .map(|(name, value)| Ok((name, value?)))
                .collect::<Result<BTreeMap<_, _>, EngineError>>()?;
            let recipe = &self.plan.recipe;
            self.metrics.write(&Line::Step {
                step,
                epoch: self.epoch(step),
                loss,
                lr: self.optimizer.lr(step),
                weight_decay: recipe.train.optimizer.weight_decay.at(step as f64),
                decay: self.model.decays(step as f64).collect(),
                tracks,
                images_per_second: clock.lap(),
            })?;
            for text in self.expectation.read(step, loss) {
                observer.note(&text);
                self.metrics.write(&Line::Note { step, text })?;
            }
        }
        Ok(loss)
    }

    fn read_loss(&mut self, loss: Tensor<1>, step: usize) -> Result<f32, EngineError> {
        let value = read_scalar(loss)?;
        if !value.is_finite() {
            return Err(EngineError::NonFinite {
                step,
                loss: value,
                last_good: self.last_good.clone(),
            });
        }
        self.progress.loss = Some(value);
        Ok(value)
    }

    /// The monitors that are due after a step. Banks are read before the
    /// step's features are put into them. Without gradients, where they have
    /// overflowed, nothing is said of them.
    fn read_instruments(
        &mut self,
        step: usize,
        gradients: Option<&Gradients>,
        features: Vec<Tensor<2>>,
        labels: Option<&[u32]>,
        samples: &[u32],
        observer: &mut dyn Observer,
    ) -> Result<(), EngineError> {
        let mut readings = Vec::new();
        let mut banks = self.banks.iter_mut().zip(features);
        for monitor in &self.plan.recipe.monitors {
            match monitor {
                Monitor::Knn {
                    feature,
                    view,
                    k,
                    temperature,
                    every,
                    ..
                } => {
                    let (Some((bank, features)), Some(labels)) = (banks.next(), labels) else {
                        continue;
                    };
                    if (step + 1).is_multiple_of(*every)
                        && let Some(accuracy) =
                            bank.read(&features, labels, samples, *k, *temperature)
                    {
                        readings.push(Reading::Knn {
                            feature: self.model.feature_name(feature),
                            view: view.clone(),
                            accuracy,
                            bank: bank.len(),
                        });
                    }
                    bank.push(features, labels, samples);
                }
                Monitor::GradientNorm { per, every } => {
                    if let Some(gradients) = gradients
                        && (step + 1).is_multiple_of(*every)
                    {
                        let norms = judge::gradient_norms(&mut self.model, gradients, *per)?;
                        readings.push(Reading::GradientNorm { norms });
                    }
                }
            }
        }
        for reading in readings {
            observer.monitor(step, &reading);
            self.metrics.write(&Line::Monitor { step, reading })?;
        }
        Ok(())
    }
}

fn read_scalar(scalar: Tensor<1>) -> Result<f32, EngineError> {
    let value = scalar.try_into_scalar::<f32>();
    value.map_err(|error| EngineError::Compute(error.to_string()))
}
