//! `sslc check`

use std::process::ExitCode;

use clap::Args;
use ssl_core::Demand;

use super::{Choice, Subject};
use crate::output::{self, MessageFormat};

/// Options of `sslc check`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    subject: Subject,
    /// How to print what is wrong
    #[arg(long, value_enum, default_value = "human")]
    message_format: MessageFormat,
}

/// Checks every pipeline of the file, or the one that is named.
pub fn run(options: &Options) -> ExitCode {
    let mut choice = options.subject.choice.clone();
    let first = choice.compile(&options.subject.file, Demand::Check);
    let sweeps = if choice.pipeline.is_none() {
        first.sweeps.clone()
    } else {
        Vec::new()
    };
    let several = choice.pipeline.is_none() && first.pipelines.len() > 1;
    let mut failed = false;
    let compilations = if several {
        let names = first.pipelines.clone();
        names
            .into_iter()
            .map(|name| {
                choice.pipeline = Some(name);
                choice.compile(&options.subject.file, Demand::Check)
            })
            .collect()
    } else {
        vec![first]
    };
    let mut lines = String::new();
    let mut shown = Vec::new();
    for mut compilation in compilations {
        failed |= compilation.failed();
        // What a base has wrong, all that extend it have wrong.
        compilation.diagnostics.retain(|d| !shown.contains(d));
        shown.extend(compilation.diagnostics.iter().cloned());
        output::diagnostics(&compilation, options.message_format);
        if let Some(plan) = &compilation.plan {
            let (trained, frozen) = ssl_core::total_parameters(&plan.recipe);
            lines += &format!(
                "{}: fine, {} steps, {} parameters\n",
                plan.pipeline,
                plan.recipe.train.steps,
                trained + frozen
            );
        } else if !compilation.failed() {
            lines += "nothing wrong in the text; without the data the run cannot be planned\n";
        }
    }
    for sweep in &sweeps {
        for variant in &sweep.variants {
            let choice = Choice {
                pipeline: Some(sweep.of.clone()),
                set: variant.set.clone(),
                memory: options.subject.choice.memory,
            };
            let mut compilation = choice.compile(&options.subject.file, Demand::Check);
            failed |= compilation.failed();
            compilation.diagnostics.retain(|d| !shown.contains(d));
            shown.extend(compilation.diagnostics.iter().cloned());
            output::diagnostics(&compilation, options.message_format);
        }
        lines += &format!(
            "{}: {} runs of {}\n",
            sweep.name,
            sweep.variants.len(),
            sweep.of
        );
    }
    if options.message_format == MessageFormat::Human {
        output::print(&lines);
    }
    ExitCode::from(u8::from(failed))
}
