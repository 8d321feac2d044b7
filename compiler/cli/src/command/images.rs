//! What `preview`, `data` and `pack` share: the images that a file or a folder
//! means, and what is said while they are read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use ssl_core::Demand;
use ssl_data::{DataError, Dataset};
use ssl_plan::{Data, Plan, Source};

use super::Choice;
use crate::output;

/// The images that are meant: of a file's pipeline, or of a folder.
pub struct Subject {
    /// What is read.
    pub data: Data,
    /// The pipeline's plan, where a file was named.
    pub plan: Option<Box<Plan>>,
}

/// What a path means: the data of a pipeline, or a folder of images.
pub fn subject(path: &Path, choice: &Choice) -> Result<Subject, ExitCode> {
    if path.is_dir() {
        return folder(path).map_err(|e| fail(&e));
    }
    let compilation = choice.compile(path, Demand::Check);
    output::diagnostics(&compilation);
    match compilation.plan {
        Some(plan) => Ok(Subject {
            data: plan.recipe.data.clone(),
            plan: Some(plan.into()),
        }),
        // What stands in the way of the data has been said as a warning, as a
        // file can be fine without its data.
        None if !compilation.failed() => {
            output::eprint("error: there are no images to read, for the reason above\n");
            Err(ExitCode::from(65))
        }
        None => Err(super::no_plan(&compilation)),
    }
}

fn folder(path: &Path) -> Result<Subject, DataError> {
    let absolute: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let source = Source::ImageFolder {
        path: absolute.display().to_string(),
        test: None,
    };
    let probe = ssl_data::probe(&source)?;
    Ok(Subject {
        data: probe.data(source, 1),
        plan: None,
    })
}

/// Opens the images; recorded views are none.
pub fn open(data: &Data) -> Result<Dataset, ExitCode> {
    if matches!(data.source, Source::Recorded { .. }) {
        output::eprint(
            "error: the source is `recorded`: it holds finished views and no images\n  \
             help: name a file whose source is a folder of images\n",
        );
        return Err(ExitCode::from(65));
    }
    Dataset::open(data).map_err(|e| fail(&e))
}

/// Says what went wrong with the images, as its exit code.
pub fn fail(error: &DataError) -> ExitCode {
    output::eprint(&format!("error: {error}\n"));
    ExitCode::from(match error {
        DataError::Write { .. } => 74,
        _ => 65,
    })
}

/// A line on standard error that counts images, on a terminal.
pub fn bar(images: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("  {human_pos} of {human_len} images  {per_sec}  {eta}");
    let bar = ProgressBar::new(images as u64);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
