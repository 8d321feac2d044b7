//! `sslc check`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use similar::TextDiff;
use ssl_core::{Demand, Request, Whole, check_file, mend_file, sentence, thousands};

use super::Subject;
use super::run::quoted;
use crate::world::{Disk, reason};
use crate::{files, output};

/// Options of `sslc check`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    subject: Subject,
    /// Mend what has one certain mend, in place; what the file imports stays as it is
    #[arg(long)]
    fix: bool,
    /// With --fix: write nothing, show what would change
    #[arg(long, requires = "fix")]
    diff: bool,
}

/// Checks every pipeline of the file with every variant of its sweeps, or the
/// one pipeline that is named.
pub fn run(options: &Options) -> ExitCode {
    let choice = &options.subject.choice;
    let request = Request {
        path: options.subject.file.clone(),
        pipeline: choice.pipeline.clone(),
        set: choice.set.clone(),
        demand: Demand::Check,
        memory: choice.memory,
    };
    if !options.fix {
        return show(&check_file(&request, &Disk), &request.path);
    }
    let mended = mend_file(&request, &Disk);
    let name = request.path.display().to_string();
    let changed = mended.before.as_ref().filter(|b| **b != mended.text);
    if let Some(before) = changed {
        if options.diff {
            let diff = TextDiff::from_lines(before.as_str(), mended.text.as_str());
            output::print(&diff.unified_diff().header(&name, &name).to_string());
        } else if let Err(e) = files::replace(&request.path, &mended.text) {
            output::eprint(&format!(
                "error: `{name}` cannot be written: {}\n",
                reason(&e)
            ));
            return ExitCode::from(74);
        } else if output::human() {
            let mends = match mended.done.len() {
                1 => "1 mend".to_owned(),
                n => format!("{n} mends"),
            };
            output::print(&format!("{name}: {mends}\n"));
            for done in &mended.done {
                output::print(&format!("  {done}\n"));
            }
        }
    }
    show(&mended.whole, &request.path)
}

/// Prints what is wrong, and what every pipeline and sweep comes to.
fn show(whole: &Whole, path: &Path) -> ExitCode {
    output::counted(&whole.map, &whole.diagnostics);
    let mut lines = String::new();
    for (name, plan) in &whole.pipelines {
        if let Some(plan) = plan {
            let (trained, frozen) = ssl_core::total_parameters(&plan.recipe);
            lines += &format!(
                "{name}: fine, {} steps, {} parameters\n",
                thousands(plan.recipe.train.steps as u64),
                thousands(trained + frozen)
            );
        } else if !whole.failed() {
            lines += &format!(
                "{name}: nothing wrong in the text; without the data the run cannot be planned\n"
            );
        }
    }
    for sweep in &whole.sweeps {
        let about = match sweep.docs.is_empty() {
            true => String::new(),
            false => format!(": {}", sentence(sweep.docs.iter().map(String::as_str))),
        };
        lines += &format!(
            "{}: {} runs of {}{about}\n",
            sweep.name,
            sweep.variants.len(),
            sweep.of
        );
    }
    if output::human() {
        let fixable = |d: &&ssl_diagnostics::Diagnostic| d.fixes.iter().any(|f| f.certain);
        match whole.diagnostics.iter().filter(fixable).count() {
            0 => {}
            n => output::eprint(&format!(
                "`sslc check --fix {}` mends {n} of them\n",
                quoted(path)
            )),
        }
        output::print(&lines);
    }
    ExitCode::from(u8::from(whole.failed()))
}
