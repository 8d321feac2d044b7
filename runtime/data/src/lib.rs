//! The input path: images in, view tensors out.
//!
//! A [`Dataset`] is an opened [`ssl_plan::Source`]. Its [`Loader`] yields the
//! augmented views of every training step, its [`Evaluation`] all images of a
//! split in order. Both work ahead on threads and yield the same bytes on any
//! number of them, from any step: every random number is a pure function of
//! (seed, epoch, sample, view, draw).
//!
//! Augmentation gives the bytes of Pillow 12.2.0 and torchvision 0.29.2 on
//! Pillow images for equal parameters. The crate knows nothing of the tensors
//! that the networks are made of.
//!
//! Two views of the digits that are embedded here, mixed and with soft labels as
//! for fine-tuning; a folder is `Source::ImageFolder`:
//!
//! ```
//! use ssl_data::{Dataset, Mixing, probe, soft_labels};
//! use ssl_plan::{Interpolation, Source, Transform, View};
//!
//! let size = [16, 16];
//! let crop = Transform::RandomResizedCrop {
//!     size,
//!     scale: [0.4, 1.0],
//!     ratio: [3.0 / 4.0, 4.0 / 3.0],
//!     interpolation: Interpolation::Bicubic,
//! };
//! let views = ["a", "b"].map(|name| View {
//!     name: name.into(),
//!     size,
//!     transforms: vec![crop.clone(), Transform::HorizontalFlip { p: 0.5 }],
//! });
//!
//! let source = Source::Digits;
//! let dataset = Dataset::open(&probe(&source)?.data(source, 32))?;
//! let (seed, steps, workers) = (0, 0..10, 2);
//! let mut loader = dataset.loader(&views, seed, steps.start, steps.end, workers);
//! let mixing = Mixing { mixup: 0.8, cutmix: 1.0 };
//! while let Some(batch) = loader.next() {
//!     let mut batch = batch?;
//!     assert_eq!(batch.views[0].pixels.len(), 32 * 3 * 16 * 16);
//!     if let Some(mix) = mixing.draw(seed, batch.step as u32, size) {
//!         mix.apply(&mut batch.views[0].pixels, size);
//!         let labels = batch.labels.as_deref().unwrap_or_default();
//!         assert_eq!(soft_labels(labels, 10, 0.1, Some(mix)).len(), 32 * 10);
//!     }
//!     loader.recycle(batch);
//! }
//! # Ok::<(), ssl_data::DataError>(())
//! ```

mod crew;
mod dataset;
mod decode;
mod error;
mod evaluation;
mod image;
mod loader;
mod mix;
mod order;
mod pack;
mod philox;
mod pipeline;
mod preview;
mod render;
mod report;
mod slab;
mod source;
mod survey;
mod transform;
mod wide;

pub use dataset::{Dataset, Probe, RecordedProbe, Split, probe, probe_within, sizes, verify};
pub use decode::{Unreadable, decode, decode_upright, jpeg_simd};
pub use error::DataError;
pub use evaluation::{EvalBatch, Evaluation};
pub use image::{Region, Rgb};
pub use loader::{Batch, Loader, ViewBatch};
pub use mix::{Mix, Mixing, soft_labels};
pub use pack::{Form, Pack, Packed, Packing, Shard};
pub use philox::Philox;
pub use preview::Preview;
pub use report::{CorruptFile, CorruptReport};
pub use survey::Survey;
pub use transform::{
    Eraser, Operation, RandAugmentDraw, apply, draw, rand_augment, rand_augment_choices,
};
