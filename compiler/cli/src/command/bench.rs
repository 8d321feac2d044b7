//! `sslc bench`

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use ssl_core::{Demand, size};
use ssl_engine::session::{BenchOptions, Measured, bench};

use super::Choice;
use super::run::{Machine, exit_code};
use crate::{complete, memory, output};

/// Options of `sslc bench`.
#[derive(Args)]
pub struct Options {
    /// The `.ssl` file
    #[arg(value_name = "FILE", add = complete::files())]
    file: PathBuf,
    #[command(flatten)]
    choice: Choice,
    /// Steps that are measured
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Steps before them, which warm caches up
    #[arg(long, value_name = "N", default_value = "2")]
    warm_up: u32,
    /// Train on the first batch again and again: what is left out is reading
    /// and augmenting images
    #[arg(long)]
    same_batch: bool,
    /// Print every step's seconds by phase, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    machine: Machine,
}

/// Trains for some steps, keeps nothing, and says how fast it went.
pub fn run(options: &Options) -> ExitCode {
    let compilation = options.choice.compile(&options.file, Demand::Run);
    if compilation.failed() || !options.machine.quiet {
        output::diagnostics(&compilation);
    }
    let Some(plan) = &compilation.plan else {
        return super::no_plan(&compilation);
    };
    memory::keep();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let measured = bench(
        plan,
        BenchOptions {
            device: options.machine.device,
            workers: options.machine.workers.map_or_else(cores, usize::from),
            steps: options.steps as usize,
            warm_up: options.warm_up as usize,
            same_batch: options.same_batch,
        },
    );
    match measured {
        Err(e) => {
            output::eprint(&format!("error: {e}\n"));
            ExitCode::from(exit_code(&e))
        }
        Ok(measured) if options.json => match serde_json::to_string(&Report::of(&measured)) {
            Ok(text) => {
                output::print(&(text + "\n"));
                ExitCode::SUCCESS
            }
            Err(e) => {
                output::eprint(&format!("error: the figures cannot be written: {e}\n"));
                ExitCode::from(2)
            }
        },
        Ok(measured) => {
            output::print(&render(&measured));
            ExitCode::SUCCESS
        }
    }
}

/// The figures for a program.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    measured: &'a Measured,
    median_seconds: f64,
    steps_per_second: f64,
    images_per_second: f64,
    shares: Vec<(&'static str, f64)>,
}

impl<'a> Report<'a> {
    fn of(measured: &'a Measured) -> Self {
        let median = measured.median();
        Report {
            measured,
            median_seconds: median,
            steps_per_second: 1.0 / median,
            images_per_second: measured.batch as f64 / median,
            shares: measured.shares().map(|(p, share)| (p.name(), share)).into(),
        }
    }
}

/// The figures for a reader.
fn render(measured: &Measured) -> String {
    let report = Report::of(measured);
    let mut out = String::new();
    let w = &mut out;
    let _ = writeln!(
        w,
        "{} on {}: {} steps of {} images",
        measured.pipeline,
        measured.device,
        measured.steps.len(),
        measured.batch
    );
    let _ = writeln!(
        w,
        "  seconds a step  {:>9.4}  median",
        report.median_seconds
    );
    let _ = writeln!(w, "  first step      {:>9.4}", measured.first_step);
    let _ = writeln!(w, "  steps / s       {:>9.3}", report.steps_per_second);
    let _ = writeln!(w, "  images / s      {:>9.1}", report.images_per_second);
    if let Some(bytes) = measured.peak_memory {
        let _ = writeln!(w, "  peak memory     {:>9}", size(bytes));
    }
    let _ = writeln!(w, "share of the time");
    for (name, share) in report.shares {
        let _ = writeln!(w, "  {name:14}  {:>8.1}%", 100.0 * share);
    }
    out
}
