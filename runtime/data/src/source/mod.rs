//! Where images come from.

mod bench;
pub(crate) mod digits;
pub(crate) mod files;
mod folder;
mod hdf5;
mod heap;
pub(crate) mod images;
mod list;
mod looks;
mod open;
mod parquet;
mod pickle;
mod recorded;
mod set;
mod shards;
pub(crate) mod watch;

pub(crate) use files::expand;
pub(crate) use folder::Folder;
pub(crate) use images::{Coming, Images, Loaded, Reading};
pub(crate) use open::{Portion, open};
pub(crate) use recorded::{Recorded, RecordedView};
pub(crate) use set::Labels;
