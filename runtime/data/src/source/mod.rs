//! Where images come from.

pub(crate) mod digits;
mod folder;
pub(crate) mod images;
mod recorded;

pub(crate) use folder::{Folder, class_index};
pub(crate) use images::{Images, Loaded};
pub(crate) use recorded::Recorded;
