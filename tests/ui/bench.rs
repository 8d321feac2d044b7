//! The world in which the tests compile.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ssl_core::{DatasetInfo, World, WorldError};
use ssl_plan::Source;

/// A world in which there are digits and a folder of images without labels.
#[derive(Default)]
pub struct Bench {
    /// Texts by file name; the files of the disk where this is absent.
    pub files: Option<HashMap<String, String>>,
}

impl World for Bench {
    fn read(&self, path: &Path) -> Result<String, WorldError> {
        let text = match &self.files {
            Some(files) => files
                .get(&path.display().to_string())
                .cloned()
                .ok_or_else(|| "there is no such file".to_owned()),
            None => std::fs::read_to_string(path).map_err(|e| e.to_string()),
        };
        text.map_err(|message| WorldError {
            message,
            help: None,
        })
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        path.to_path_buf()
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "PHOTOS").then(|| "/photos".to_owned())
    }

    fn dataset(&self, source: &Source) -> Result<DatasetInfo, WorldError> {
        let classes = |n: usize| Some((0..n).map(|i| i.to_string()).collect());
        match source {
            Source::Digits => Ok(DatasetInfo {
                samples: 1200,
                classes: classes(10),
                held_out: Some(597),
                recorded: None,
            }),
            Source::ImageFolder { path, .. } if path.ends_with("photos") => Ok(DatasetInfo {
                samples: 5000,
                ..DatasetInfo::default()
            }),
            Source::ImageFolder { path, .. } => Err(WorldError {
                message: format!("the folder `{path}` is not there"),
                help: Some("check the path".into()),
            }),
            Source::Recorded { .. } => Err(WorldError {
                message: "no stored views here".into(),
                help: None,
            }),
        }
    }
}
