//! The commands, and what they share: naming a pipeline and compiling it.

pub mod bench;
pub mod check;
pub mod completions;
pub mod data;
pub mod diff;
pub mod emit;
pub mod explain;
pub mod export;
pub mod fmt;
pub mod graph;
pub mod images;
pub mod man;
pub mod new;
pub mod pack;
pub mod plan;
pub mod preview;
pub mod run;
pub mod sweep;
pub mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ssl_core::{Compilation, Demand, Request};

use crate::world::Disk;
use crate::{complete, output};

/// Which pipeline, with which changes.
#[derive(Args, Clone)]
pub struct Subject {
    /// The `.ssl` file
    #[arg(value_name = "FILE", add = complete::files())]
    pub file: PathBuf,
    #[command(flatten)]
    pub choice: Choice,
}

/// Which pipeline of a file, with which changes.
#[derive(Args, Clone)]
pub struct Choice {
    /// Which pipeline, where the file has several
    #[arg(long, value_name = "NAME", add = complete::pipelines())]
    pub pipeline: Option<String>,
    /// Set a value: `--set train.epochs=10`, `--set data.source='image_folder("photos")'`
    #[arg(long, value_name = "PATH=VALUE", add = complete::assignments())]
    pub set: Vec<String>,
    /// Memory of the device that trains: what takes more is an error, with
    /// what would fit
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub memory: Option<u64>,
}

/// `24GiB`, `512 MiB`, `80GB`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text.get(digits.len()..).unwrap_or_default().trim() {
        "TiB" => 1u64 << 40,
        "GiB" | "G" => 1 << 30,
        "MiB" | "M" => 1 << 20,
        "TB" => 1_000_000_000_000,
        "GB" => 1_000_000_000,
        "MB" => 1_000_000,
        _ => return Err("write a size such as `24GiB`, `512MiB` or `80GB`".into()),
    };
    match digits.parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => Ok((x * unit as f64) as u64),
        _ => Err("write a size above 0, such as `24GiB`".into()),
    }
}

impl Choice {
    /// Compiles the chosen pipeline of a file.
    pub fn compile(&self, file: &std::path::Path, demand: Demand) -> Compilation {
        let request = Request {
            path: file.to_path_buf(),
            pipeline: self.pipeline.clone(),
            set: self.set.clone(),
            demand,
            memory: self.memory,
        };
        ssl_core::compile(&request, &Disk)
    }
}

/// Why there is no plan where no diagnostic says it.
pub const NO_PLAN: &str = "there is no plan without the number of training images: make the data \
     available, or state it with `--set data.samples=NUMBER`\n";

/// Says why there is no plan, where no diagnostic does.
pub fn no_plan(compilation: &Compilation) -> ExitCode {
    if !compilation.failed() {
        output::eprint(NO_PLAN);
    }
    ExitCode::from(1)
}

/// A table with aligned columns: the first to the left, numbers to the right.
pub fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut all: Vec<Vec<String>> = vec![head.iter().map(|h| (*h).to_owned()).collect()];
    all.extend(rows);
    let width = |column: usize| {
        all.iter()
            .filter_map(|r| r.get(column))
            .map(|c| c.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for row in &all {
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            out += &if i == 0 {
                format!("{cell}{pad}")
            } else {
                format!("  {pad}{cell}")
            };
        }
        out.push('\n');
    }
    out
}
