//! Which images could not be read.

use std::collections::BTreeMap;

use crate::DataError;

/// An image that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorruptFile {
    /// Its index among the training images.
    pub sample: u32,
    /// Where it is.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The unreadable images met in the batches yielded so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorruptReport {
    files: BTreeMap<u32, CorruptFile>,
    replaced: usize,
}

impl CorruptReport {
    /// The files, ordered by their index; each stands here once.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &CorruptFile> {
        self.files.values()
    }

    /// How often another image was taken in place of one of them, or, in an
    /// evaluation, none.
    pub fn replaced(&self) -> usize {
        self.replaced
    }

    /// Note the images that could not be read before one that could.
    pub(crate) fn add(&mut self, files: Vec<CorruptFile>) {
        self.replaced += usize::from(!files.is_empty());
        for file in files {
            self.files.entry(file.sample).or_insert(file);
        }
    }

    /// An error where more than a fraction of a set's images is unreadable.
    pub(crate) fn check(&self, samples: usize, fraction: f64) -> Result<(), DataError> {
        let allowed = (fraction.clamp(0.0, 1.0) * samples as f64) as usize;
        let unreadable = self.files.len();
        match self.files.values().next() {
            Some(first) if unreadable > allowed => Err(DataError::TooManyCorrupt {
                unreadable,
                samples,
                allowed: fraction,
                path: first.path.clone(),
                reason: first.reason.clone(),
            }),
            _ => Ok(()),
        }
    }
}
