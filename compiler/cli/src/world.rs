//! The outside as the compiler sees it: the disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ssl_core::{DatasetInfo, RecordedInfo, World, WorldError};
use ssl_plan::Source;

/// Files, environment and data sets of this machine.
pub struct Disk;

impl World for Disk {
    fn read(&self, path: &Path) -> Result<String, WorldError> {
        let bytes = std::fs::read(path).map_err(|e| WorldError {
            help: match e.kind() {
                std::io::ErrorKind::NotFound => Some("check the path and where you are".into()),
                std::io::ErrorKind::IsADirectory => Some("name a file in it".into()),
                _ => None,
            },
            message: reason(&e),
        })?;
        String::from_utf8(bytes).map_err(|e| WorldError {
            message: format!(
                "it is no UTF-8 text (byte {})",
                e.utf8_error().valid_up_to()
            ),
            help: Some("save it as UTF-8".into()),
        })
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn dataset(&self, source: &Source, stall_limit: Duration) -> Result<DatasetInfo, WorldError> {
        let probe = ssl_data::probe_within(source, stall_limit).map_err(|e| {
            let text = e.to_string();
            match text.split_once("; ") {
                Some((message, help)) => WorldError {
                    message: message.to_owned(),
                    help: Some(help.to_owned()),
                },
                None => WorldError {
                    message: text,
                    help: None,
                },
            }
        })?;
        Ok(DatasetInfo {
            samples: probe.samples,
            classes: probe.classes,
            held_out: probe.held_out,
            recorded: probe.recorded.map(|r| RecordedInfo {
                steps: r.steps,
                batch: r.batch,
                views: r.views.into_iter().collect(),
            }),
            packs: probe.packs,
        })
    }
}

/// An operating system's error in our style.
pub fn reason(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => e.to_string(),
    }
}
