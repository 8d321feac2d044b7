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
pub use decode::{Unreadable, decode, decode_upright};
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
