//! `sslc preview`: images beside the views that a step makes of them.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ssl_data::Preview;

use super::{Subject, images};
use crate::sheet::{self, Row};
use crate::world::reason;
use crate::{output, picture};

/// Options of `sslc preview`.
#[derive(Args)]
#[command(after_help = "\
The views are those of the run: the same seed, the same draws.

Examples:
  sslc preview mine.ssl
  sslc preview mine.ssl --sample 4 --epoch 10 --out views.png

A terminal that shows pictures (kitty, WezTerm, iTerm2, Ghostty, Konsole, foot,
mlterm, Windows Terminal) gets them where no `--out` is given; elsewhere
`preview.png` is written. `--show` is for a terminal that is not known, or
behind a multiplexer.")]
pub struct Options {
    #[command(flatten)]
    subject: Subject,
    /// How many images, spread evenly over the data
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=64))]
    sample: u32,
    /// The epoch whose random numbers are drawn
    #[arg(long, value_name = "N", default_value = "0")]
    epoch: u32,
    /// The PNG file to write
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Print the picture in this form
    #[arg(long, value_name = "FORM", conflicts_with = "out")]
    show: Option<picture::Protocol>,
}

/// Draws a contact sheet.
pub fn run(options: &Options) -> ExitCode {
    match draw(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn draw(options: &Options) -> Result<(), ExitCode> {
    let found = images::subject(&options.subject.file, &options.subject.choice)?;
    let Some(plan) = &found.plan else {
        output::eprint(
            "error: a folder has images, but no views\n  \
             help: name a `.ssl` file; `sslc new` writes a first one\n",
        );
        return Err(ExitCode::from(2));
    };
    let dataset = images::open(&found.data)?;
    let total = found.data.samples as u64;
    let count = u64::from(options.sample).min(total);
    let views = &plan.recipe.views;
    let mut rows = Vec::new();
    for n in 0..count {
        let sample = (n * total / count.max(1)) as u32;
        let seed = plan.recipe.train.seed;
        let preview = dataset.preview(views, seed, options.epoch, sample);
        let Preview { name, image, views } = preview.map_err(|e| images::fail(&e))?;
        match image {
            Ok(image) => rows.push(Row { name, image, views }),
            Err(why) => output::eprint(&format!("warning: `{name}` is left out: {why}\n")),
        }
    }
    if rows.is_empty() {
        output::eprint("error: none of the images can be read\n");
        return Err(ExitCode::from(65));
    }
    let names: Vec<&str> = views.iter().map(|v| v.name.as_str()).collect();
    let png = sheet::png(&names, &rows).map_err(|message| {
        output::eprint(&format!("error: {message}\n"));
        ExitCode::from(65)
    })?;
    let form = options.show.or_else(|| {
        let terminal = options.out.is_none() && std::io::stdout().is_terminal();
        terminal.then(picture::protocol).flatten()
    });
    if let Some(text) = form.and_then(|form| picture::inline(form, &png)) {
        output::print(&text);
    } else {
        let out = options.out.clone().unwrap_or_else(|| "preview.png".into());
        std::fs::write(&out, &png).map_err(|e| {
            let reason = reason(&e);
            // Half a picture is none.
            if out.is_file() {
                let _ = std::fs::remove_file(&out);
            }
            output::eprint(&format!(
                "error: `{}` cannot be written: {reason}\n",
                out.display()
            ));
            ExitCode::from(74)
        })?;
        output::eprint(&format!(
            "wrote `{}`: {} images, each with {}\n",
            out.display(),
            rows.len(),
            names.join(", ")
        ));
    }
    Ok(())
}
