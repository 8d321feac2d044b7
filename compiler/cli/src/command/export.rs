//! `sslc export`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ssl_engine::export::{self, ExportError, Exported, Format, Run};

use crate::{complete, output};

/// Options of `sslc export`.
#[derive(Args)]
pub struct Options {
    /// The run directory; of an interrupted run, the newest checkpoint
    #[arg(value_name = "RUN", value_hint = clap::ValueHint::DirPath)]
    run: PathBuf,
    /// What is exported: `encoder.backbone`, `momentum.backbone` [default: the backbone that is
    /// trained]
    #[arg(long, value_name = "NET.STAGE")]
    net: Option<String>,
    /// Whose names and layout: timm, torchvision, hf, moco-v3; or the network itself: onnx
    #[arg(long, value_name = "FORMAT", add = complete::formats())]
    format: Format,
    /// The file, ending in .safetensors, .pt, .pth or .pth.tar; with `--format onnx` in .onnx; with
    /// `--format hf` a folder [default: in RUN/export]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    out: Option<PathBuf>,
}

/// Writes the weights of a run for another library.
pub fn run(options: &Options) -> ExitCode {
    let done = Run::open(&options.run).and_then(|run| {
        let chosen = run.choose(options.net.as_deref())?;
        let exported = export::export(&run, &chosen, options.format, options.out.as_deref())?;
        Ok(describe(&run, &chosen.name, options.format, &exported))
    });
    match done {
        Ok(text) => {
            output::print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::eprint(&format!("error: {error}\n"));
            ExitCode::from(match error {
                ExportError::Write { .. } => 74,
                _ => 2,
            })
        }
    }
}

/// What was written, and how it is used.
fn describe(run: &Run, name: &str, format: Format, exported: &Exported) -> String {
    let mut text = String::new();
    for file in &exported.files {
        text += &format!("wrote {}\n", file.display());
    }
    let steps = run.plan.recipe.train.steps;
    text += &format!(
        "`{name}` after step {} of {steps}: {} tensors, {format}: {}\n\n",
        run.step, exported.tensors, exported.architecture
    );
    for line in &exported.usage {
        text += &format!("  {line}\n");
    }
    text
}
