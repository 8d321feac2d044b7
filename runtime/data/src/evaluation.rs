//! All images of a split in order, without chance.

use std::sync::Arc;

use ssl_plan::{OnCorrupt, Transform, View};

use crate::DataError;
use crate::dataset::{Inner, Split};
use crate::philox::Philox;
use crate::pipeline::{Filled, Finished, Job, Pipeline, Slot, Tools};
use crate::render::render;
use crate::report::CorruptReport;
use crate::transform::Recipe;

/// Some images of a split.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EvalBatch {
    /// `[N, 3, H, W]`, row-major.
    pub pixels: Vec<f32>,
    /// Label of each image, where the source has labels.
    pub labels: Option<Vec<u32>>,
    /// Index of each image in the split.
    pub samples: Vec<u32>,
}

/// Yields the images of a split; see [`crate::Dataset::evaluation`]. After an
/// error it ends. Dropping it stops its threads.
pub struct Evaluation {
    way: Way,
    report: CorruptReport,
}

enum Way {
    Failed(Option<DataError>),
    Images(Pipeline<Prepare>),
}

impl Evaluation {
    pub(crate) fn new(
        dataset: Arc<Inner>,
        split: Split,
        transforms: &[Transform],
        size: [usize; 2],
        batch: usize,
    ) -> Self {
        let way = Way::new(dataset, split, transforms, size, batch);
        Evaluation {
            way: way.unwrap_or_else(|error| Way::Failed(Some(error))),
            report: CorruptReport::default(),
        }
    }

    /// The unreadable images that were left out so far.
    pub fn report(&self) -> &CorruptReport {
        &self.report
    }

    fn batch(&mut self, finished: Finished) -> Result<EvalBatch, DataError> {
        let Way::Images(pipeline) = &self.way else {
            return Ok(EvalBatch::default());
        };
        let job = pipeline.job();
        let images = job.dataset.images(job.split)?;
        let mut pixels = finished.views.into_iter().next().unwrap_or_default();
        let mut samples = Vec::with_capacity(finished.positions.len());
        let length = job.recipe[0].len();
        for (position, filled) in finished.positions.into_iter().enumerate() {
            self.report.add(filled.corrupt);
            if let Some(sample) = filled.sample {
                // Close the gaps that unreadable images leave.
                let start = position * length;
                pixels.copy_within(start..start + length, samples.len() * length);
                samples.push(sample);
            }
        }
        self.report.check(images.len(), job.dataset.max_corrupt)?;
        pixels.truncate(samples.len() * length);
        let labels = images.labels();
        Ok(EvalBatch {
            pixels,
            labels: labels.map(|labels| samples.iter().map(|s| labels[*s as usize]).collect()),
            samples,
        })
    }
}

impl Way {
    fn new(
        dataset: Arc<Inner>,
        split: Split,
        transforms: &[Transform],
        size: [usize; 2],
        batch: usize,
    ) -> Result<Self, DataError> {
        let samples = dataset.images(split)?.len();
        let recipe = Recipe::new(&View {
            name: "evaluation".into(),
            size,
            transforms: transforms.to_vec(),
        })?;
        if recipe.is_random() {
            return Err(DataError::View {
                view: "evaluation".into(),
                problem: "it draws random numbers, so two readings would differ; use `resize` \
                          and `center_crop`"
                    .into(),
            });
        }
        let patience = dataset.stall_limit;
        let job = Prepare {
            dataset,
            split,
            recipe: [recipe],
            samples,
            batch: batch.clamp(1, samples.max(1)),
        };
        let steps = 0..samples.div_ceil(job.batch);
        Ok(Way::Images(Pipeline::start(job, steps, 0, patience)?))
    }
}

impl Iterator for Evaluation {
    type Item = Result<EvalBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = loop {
            let pipeline = match &mut self.way {
                Way::Failed(error) => return error.take().map(Err),
                Way::Images(pipeline) => pipeline,
            };
            match pipeline.next()?.and_then(|finished| self.batch(finished)) {
                // None of its images could be read.
                Ok(batch) if batch.samples.is_empty() => {}
                batch => break batch,
            }
        };
        if batch.is_err() {
            self.way = Way::Failed(None);
        }
        Some(batch)
    }
}

/// Images of a split as they lie there.
struct Prepare {
    dataset: Arc<Inner>,
    split: Split,
    recipe: [Recipe; 1],
    samples: usize,
    batch: usize,
}

impl Job for Prepare {
    fn samples(&self, step: usize) -> Vec<Slot> {
        let start = step * self.batch;
        let end = (start + self.batch).min(self.samples);
        let slot = |image| Slot {
            slot: image,
            image,
            among: [0, self.samples as u32],
        };
        (start as u32..end as u32).map(slot).collect()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn lengths(&self) -> Vec<usize> {
        vec![self.recipe[0].len()]
    }

    fn fill(
        &self,
        _step: usize,
        Slot { image: sample, .. }: Slot,
        targets: &mut [&mut [f32]],
        tools: &mut Tools,
    ) -> Result<Filled, DataError> {
        let images = self.dataset.images(self.split)?;
        // Nothing that is drawn here matters.
        let streams = |view| Philox::new(0).stream(0, sample, view);
        match render(images, sample, false, &self.recipe, streams, targets, tools)? {
            Ok(()) => Ok(Filled {
                sample: Some(sample),
                corrupt: Vec::new(),
            }),
            Err(file) if self.dataset.on_corrupt == OnCorrupt::Error => Err(DataError::Corrupt {
                path: file.path,
                reason: file.reason,
            }),
            Err(file) => Ok(Filled {
                sample: None,
                corrupt: vec![file],
            }),
        }
    }

    fn name(&self, sample: u32) -> String {
        match self.dataset.images(self.split) {
            Ok(images) => images.whereabouts(sample),
            Err(_) => format!("image {sample}"),
        }
    }
}
