//! Where images come from.

mod bench;
pub(crate) mod digits;
mod files;
mod folder;
mod hdf5;
pub(crate) mod images;
mod list;
mod looks;
mod open;
mod parquet;
mod recorded;
mod set;
mod shards;

pub(crate) use files::expand;
pub(crate) use folder::Folder;
pub(crate) use images::{Coming, Images, Loaded, Reading};
pub(crate) use open::{Portion, open, paths};
pub(crate) use recorded::Recorded;
pub(crate) use set::Labels;
