//! The images that could not be read, listed in the run directory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ssl_data::CorruptReport;

use crate::error::EngineError;
use crate::run::RunDirectory;

/// What the list is called.
const NAME: &str = "corrupt.json";

/// An image that could not be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    /// Its index among the training images.
    sample: u32,
    /// Where it is.
    path: String,
    /// What is wrong with it.
    reason: String,
}

/// Adds what a loader could not read to the list, which outlives a resumption.
/// A list that cannot be read itself is begun anew.
pub(super) fn list(directory: &RunDirectory, report: &CorruptReport) -> Result<(), EngineError> {
    if report.files().len() == 0 {
        return Ok(());
    }
    let listed = directory.files().read(&directory.path(NAME)).ok();
    let listed: Vec<Entry> = listed
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut entries: BTreeMap<u32, Entry> = listed.into_iter().map(|e| (e.sample, e)).collect();
    entries.extend(report.files().map(|file| {
        let entry = Entry {
            sample: file.sample,
            path: file.path.clone(),
            reason: file.reason.clone(),
        };
        (file.sample, entry)
    }));
    directory.write_json(NAME, &entries.into_values().collect::<Vec<_>>())
}
