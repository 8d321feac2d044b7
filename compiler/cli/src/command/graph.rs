//! `sslc graph`: the wiring of the step as a picture.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use ssl_core::Demand;

use super::Subject;
use crate::graph::{dot, scene, svg};
use crate::world::reason;
use crate::{files, output};

/// Options of `sslc graph`.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    subject: Subject,
    /// What is written [default: by the name of `--out`, else svg]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How a picture is written.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    // One file for a browser, a README or a slide.
    Svg,
    // Text for Graphviz.
    Dot,
}

/// Draws the step of a pipeline.
pub fn run(options: &Options) -> ExitCode {
    let subject = &options.subject;
    let compilation = subject.choice.compile(&subject.file, Demand::Check);
    output::diagnostics(&compilation);
    let Some(plan) = &compilation.plan else {
        return super::no_plan(&compilation);
    };
    let by_name = || {
        let extension = options.out.as_ref()?.extension()?.to_str()?;
        ["dot", "gv"].contains(&extension).then_some(Format::Dot)
    };
    let format = options.format.or_else(by_name).unwrap_or(Format::Svg);
    let scene = scene::scene(plan);
    let text = match format {
        Format::Svg => svg::render(&scene),
        Format::Dot => dot::render(&scene),
    };
    let Some(out) = &options.out else {
        output::print(&text);
        return ExitCode::SUCCESS;
    };
    match files::write(out, &text) {
        Ok(()) => {
            output::eprint(&format!("wrote `{}`\n", out.display()));
            ExitCode::SUCCESS
        }
        Err(e) => {
            output::eprint(&format!(
                "error: `{}` cannot be written: {}\n",
                out.display(),
                reason(&e)
            ));
            ExitCode::from(74)
        }
    }
}
