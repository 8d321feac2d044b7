//! Augmented views of the training images, step by step.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use ssl_plan::{OnCorrupt, View};

use crate::DataError;
use crate::dataset::{Content, Inner, Share, Split};
use crate::order::Order;
use crate::philox::{Philox, below, stream};
use crate::pipeline::{Filled, Finished, Job, Pipeline, Slot, Tools};
use crate::render::render;
use crate::report::{CorruptFile, CorruptReport};
use crate::transform::Recipe;

/// The views of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The step, counted from 0 over the whole run.
    pub step: usize,
    /// The views in the order of the plan.
    pub views: Vec<ViewBatch>,
    /// Index of each image among the training images.
    pub samples: Vec<u32>,
    /// Label of each image, where the source has labels.
    pub labels: Option<Vec<u32>>,
}

/// One view of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewBatch {
    /// The view's name.
    pub name: String,
    /// Height and width.
    pub size: [usize; 2],
    /// `[B, 3, H, W]`, row-major.
    pub pixels: Vec<f32>,
}

/// Yields the batches of a range of steps in order; see [`crate::Dataset::loader`].
/// After an error it ends. Dropping it stops its threads.
pub struct Loader {
    views: Vec<(String, [usize; 2])>,
    dataset: Arc<Inner>,
    way: Way,
    report: CorruptReport,
}

enum Way {
    /// Nothing can be yielded but this.
    Failed(Option<DataError>),
    Images(Pipeline<Augment>),
    Recorded {
        steps: Range<usize>,
        spare: Vec<Vec<f32>>,
    },
}

impl Loader {
    pub(crate) fn new(
        dataset: Arc<Inner>,
        share: Share,
        views: &[View],
        seed: u64,
        steps: Range<usize>,
        workers: usize,
    ) -> Self {
        let way = Way::new(&dataset, share, views, seed, steps, workers);
        Loader {
            views: views.iter().map(|v| (v.name.clone(), v.size)).collect(),
            dataset,
            way: way.unwrap_or_else(|error| Way::Failed(Some(error))),
            report: CorruptReport::default(),
        }
    }

    /// The unreadable images met in the steps yielded so far.
    pub fn report(&self) -> &CorruptReport {
        &self.report
    }

    /// Give a batch back, so that its memory is used for a later one.
    pub fn recycle(&mut self, batch: Batch) {
        let buffers = batch.views.into_iter().map(|view| view.pixels).collect();
        match &mut self.way {
            Way::Images(pipeline) => pipeline.recycle(buffers),
            Way::Recorded { spare, .. } => *spare = buffers,
            Way::Failed(_) => {}
        }
    }

    fn batch(&self, step: usize, pixels: Vec<Vec<f32>>, samples: Vec<u32>) -> Batch {
        let labels = match self.dataset.images(Split::Train) {
            Ok(images) => images.labels(),
            Err(_) => None,
        };
        Batch {
            step,
            views: self
                .views
                .iter()
                .zip(pixels)
                .map(|((name, size), pixels)| ViewBatch {
                    name: name.clone(),
                    size: *size,
                    pixels,
                })
                .collect(),
            labels: labels.map(|labels| samples.iter().map(|s| labels[*s as usize]).collect()),
            samples,
        }
    }

    /// Take note of what could not be read; an error where it is too much.
    fn take_note(&mut self, positions: &mut [Filled]) -> Result<(), DataError> {
        for filled in positions {
            self.report.add(std::mem::take(&mut filled.corrupt));
        }
        let samples = self.dataset.images(Split::Train)?.len();
        self.report.check(samples, self.dataset.max_corrupt)
    }

    fn recorded(&self, step: usize, spare: Vec<Vec<f32>>) -> Result<Batch, DataError> {
        let Content::Recorded(recorded) = &self.dataset.content else {
            return Err(DataError::Absent {
                what: "recorded views",
                way_out: "use `recorded(\"file.safetensors\")`",
            });
        };
        let mut buffers = spare;
        buffers.resize_with(self.views.len(), Vec::new);
        for ((name, size), buffer) in self.views.iter().zip(&mut buffers) {
            recorded.read(recorded.view(name, *size)?, step, buffer)?;
        }
        let first = (step % recorded.steps * recorded.batch) as u32;
        let samples = (first..).take(recorded.batch).collect();
        Ok(self.batch(step, buffers, samples))
    }
}

impl Way {
    fn new(
        dataset: &Arc<Inner>,
        share: Share,
        views: &[View],
        seed: u64,
        steps: Range<usize>,
        workers: usize,
    ) -> Result<Self, DataError> {
        let (train, mix) = match &dataset.content {
            Content::Recorded(recorded) => {
                for view in views {
                    recorded.view(&view.name, view.size)?;
                }
                return Ok(Way::Recorded {
                    steps,
                    spare: Vec::new(),
                });
            }
            Content::Images { train, mix, .. } => (train, mix.clone()),
        };
        let philox = Philox::new(seed);
        let order = Order::new(philox, train.len() as u32, mix);
        let job = Augment {
            recipes: views.iter().map(Recipe::new).collect::<Result<_, _>>()?,
            steps_per_epoch: order.slots() / dataset.batch,
            dataset: dataset.clone(),
            share,
            philox,
            order: Mutex::new(order),
        };
        Ok(Way::Images(Pipeline::start(
            job,
            steps,
            workers,
            dataset.stall_limit,
        )?))
    }
}

impl Iterator for Loader {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let finished = match &mut self.way {
            Way::Failed(error) => return error.take().map(Err),
            Way::Recorded { steps, spare } => {
                let step = steps.next()?;
                let spare = std::mem::take(spare);
                let batch = self.recorded(step, spare);
                if batch.is_err() {
                    self.way = Way::Failed(None);
                }
                return Some(batch);
            }
            Way::Images(pipeline) => pipeline.next()?,
        };
        let batch = finished.and_then(|finished| {
            let Finished {
                step,
                views,
                mut positions,
            } = finished;
            self.take_note(&mut positions)?;
            let samples = positions.iter().filter_map(|filled| filled.sample);
            Ok(self.batch(step, views, samples.collect()))
        });
        if batch.is_err() {
            self.way = Way::Failed(None);
        }
        Some(batch)
    }
}

/// Augmented views in the shuffled order of the epochs.
struct Augment {
    dataset: Arc<Inner>,
    recipes: Vec<Recipe>,
    share: Share,
    philox: Philox,
    steps_per_epoch: usize,
    order: Mutex<Order>,
}

/// Images tried in place of one that cannot be read.
const REPLACEMENTS: u32 = 100;

impl Augment {
    fn epoch(&self, step: usize) -> u32 {
        (step / self.steps_per_epoch) as u32
    }
}

impl Job for Augment {
    fn samples(&self, step: usize) -> Vec<Slot> {
        let start = step % self.steps_per_epoch * self.dataset.batch;
        let mut order = self.order.lock().unwrap_or_else(|lock| lock.into_inner());
        let batch = order.read(self.epoch(step), start..start + self.dataset.batch);
        let Share { rank, world } = self.share;
        batch.into_iter().skip(rank).step_by(world).collect()
    }

    fn batch(&self) -> usize {
        self.dataset.batch / self.share.world
    }

    fn lengths(&self) -> Vec<usize> {
        self.recipes.iter().map(Recipe::len).collect()
    }

    fn fill(
        &self,
        step: usize,
        Slot { slot, image, among }: Slot,
        targets: &mut [&mut [f32]],
        tools: &mut Tools,
    ) -> Result<Filled, DataError> {
        let images = self.dataset.images(Split::Train)?;
        let epoch = self.epoch(step);
        // A stand-in takes the random numbers of the slot, so that it does not
        // repeat its own views of the same epoch.
        let streams = |view| self.philox.stream(epoch, slot, view);
        let replacements = streams(stream::REPLACEMENT);
        let mut corrupt: Vec<CorruptFile> = Vec::new();
        let mut sample = image;
        for attempt in 1..=REPLACEMENTS {
            let fast = self.dataset.fast;
            match render(images, sample, fast, &self.recipes, streams, targets, tools)? {
                Ok(()) => {
                    return Ok(Filled {
                        sample: Some(sample),
                        corrupt,
                    });
                }
                Err(file) if self.dataset.on_corrupt == OnCorrupt::Error => {
                    return Err(DataError::Corrupt {
                        path: file.path,
                        reason: file.reason,
                    });
                }
                Err(file) if self.dataset.on_corrupt == OnCorrupt::Pad => {
                    for target in targets {
                        target.fill(0.0);
                    }
                    return Ok(Filled {
                        sample: Some(sample),
                        corrupt: vec![file],
                    });
                }
                Err(file) => corrupt.push(file),
            }
            let [word, ..] = replacements.draw(attempt);
            sample = among[0] + below(word, among[1] - among[0]);
        }
        let first = corrupt.swap_remove(0);
        Err(DataError::AllCorrupt {
            path: first.path,
            reason: first.reason,
            tries: corrupt.len(),
        })
    }

    fn name(&self, sample: u32) -> String {
        match self.dataset.images(Split::Train) {
            Ok(images) => images.whereabouts(sample),
            Err(_) => format!("image {sample}"),
        }
    }
}
