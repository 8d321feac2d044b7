//! `sslc emit`: every stage of the compiler as text.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use ssl_core::emit::{STAGES, Stage, emit};
use ssl_core::{Compilation, Demand};

use super::Choice;
use crate::{complete, output};

/// Options of `sslc emit`.
#[derive(Args)]
#[command(after_help = "\
Without a STAGE, the stages are listed.

Exit codes: 0 printed, 1 the file is broken or has no plan without its data, 2 usage.")]
pub struct Options {
    /// Which stage
    #[arg(value_name = "STAGE", requires = "file", value_parser = PossibleValuesParser::new(stages()))]
    stage: Option<String>,
    /// The `.ssl` file
    #[arg(value_name = "FILE", add = complete::files())]
    file: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
}

fn stages() -> Vec<PossibleValue> {
    let value = |(name, _, help): &(&'static str, Stage, &'static str)| {
        PossibleValue::new(*name).help(*help)
    };
    STAGES.iter().map(value).collect()
}

/// Prints a stage, as far as the compilation came; errors come first.
pub fn run(options: &Options) -> ExitCode {
    let (Some(name), Some(file)) = (&options.stage, &options.file) else {
        let width = STAGES.iter().map(|(n, ..)| n.len()).max().unwrap_or(0);
        let lines = STAGES
            .iter()
            .map(|(n, _, help)| format!("{n:width$}  {help}\n"));
        output::print(&lines.collect::<String>());
        return ExitCode::SUCCESS;
    };
    let Some((_, stage, _)) = STAGES.iter().find(|(n, ..)| n == name) else {
        return ExitCode::from(2);
    };
    let compilation = options.choice.compile(file, Demand::Check);
    output::diagnostics(&compilation);
    match text(&compilation, *stage) {
        Some(text) => {
            output::print(&text);
            ExitCode::from(u8::from(compilation.failed()))
        }
        None => {
            if !compilation.failed() {
                output::eprint(super::NO_PLAN);
            }
            ExitCode::from(1)
        }
    }
}

fn text(compilation: &Compilation, stage: Stage) -> Option<String> {
    match stage {
        Stage::Plan => {
            let plan = compilation.plan.as_ref()?;
            serde_json::to_string_pretty(plan).ok().map(|t| t + "\n")
        }
        stage => emit(compilation, stage),
    }
}
