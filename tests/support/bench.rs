//! The world in which the tests compile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ssl_core::{DatasetInfo, Demand, Request, World, WorldError};
use ssl_plan::{Plan, Source};

/// The plan of a text with one pipeline, in which nothing is wrong.
#[allow(dead_code)]
#[track_caller]
pub fn planned(text: &str, set: &[&str]) -> Plan {
    let request = Request {
        path: "mine.ssl".into(),
        set: set.iter().map(|s| (*s).to_owned()).collect(),
        demand: Demand::Run,
        ..Request::default()
    };
    let out = ssl_core::compile(&request, &Bench(|_: &Path| Some(text.to_owned())));
    let said = ssl_diagnostics::render_short(&out.map, &out.diagnostics);
    out.plan.unwrap_or_else(|| panic!("{said}\n{text}"))
}

/// A world in which there are digits, a folder of images without labels and
/// ImageNet, and the source files that the function knows.
pub struct Bench<F>(pub F);

impl<F: Fn(&Path) -> Option<String>> World for Bench<F> {
    fn read(&self, path: &Path) -> Result<String, WorldError> {
        (self.0)(path).ok_or_else(|| WorldError {
            message: "there is no such file".into(),
            help: None,
        })
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        path.to_path_buf()
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "PHOTOS" => Some("/photos".to_owned()),
            "IMAGENET" => Some("/imagenet".to_owned()),
            _ => None,
        }
    }

    fn dataset(&self, source: &Source, stall_limit: Duration) -> Result<DatasetInfo, WorldError> {
        let classes = |n: usize| Some((0..n).map(|i| i.to_string()).collect());
        match source {
            Source::Digits => Ok(DatasetInfo {
                samples: 1200,
                classes: classes(10),
                held_out: Some(597),
                ..DatasetInfo::default()
            }),
            Source::ImageFolder { path, .. } if path.ends_with("photos") => Ok(DatasetInfo {
                samples: 5000,
                ..DatasetInfo::default()
            }),
            Source::ImageFolder { path, .. } if path.starts_with("/imagenet") => Ok(DatasetInfo {
                samples: 1_281_167,
                classes: classes(1000),
                held_out: Some(50_000),
                ..DatasetInfo::default()
            }),
            Source::ImageFolder { path, .. } if path.starts_with("/mnt/stalled") => {
                Err(WorldError {
                    message: format!("`{path}` has not been read for {stall_limit:?}"),
                    help: None,
                })
            }
            Source::ImageFolder { path, .. } => Err(WorldError {
                message: format!("the folder `{path}` is not there"),
                help: Some("check the path".into()),
            }),
            Source::Cifar10 { .. } => Ok(DatasetInfo {
                samples: 50_000,
                classes: classes(10),
                held_out: Some(10_000),
                ..DatasetInfo::default()
            }),
            Source::Concat { sources } | Source::Mix { sources, .. } => {
                let samples = sources
                    .iter()
                    .map(|source| self.dataset(source, stall_limit).map(|info| info.samples))
                    .sum::<Result<_, _>>()?;
                Ok(DatasetInfo {
                    samples,
                    ..DatasetInfo::default()
                })
            }
            Source::Recorded { .. } => Err(WorldError {
                message: "no stored views here".into(),
                help: None,
            }),
            _ => Err(WorldError {
                message: "no such data here".into(),
                help: None,
            }),
        }
    }
}
