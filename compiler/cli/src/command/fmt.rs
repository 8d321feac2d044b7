//! `sslc fmt`

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use similar::TextDiff;
use ssl_core::World;
use ssl_diagnostics::{Severity, SourceMap};
use ssl_syntax::{Formatted, format};

use crate::world::{Disk, reason};
use crate::{complete, files, output};

/// Options of `sslc fmt`.
#[derive(Args)]
pub struct Options {
    /// Files, folders whose `.ssl` files are meant, or `-` for standard input
    #[arg(value_name = "FILE", required = true, add = complete::files())]
    files: Vec<PathBuf>,
    /// Write nothing; name the files that are not formatted, and end with 1 if there are any
    #[arg(long)]
    check: bool,
    /// Write nothing; show what would change
    #[arg(long)]
    diff: bool,
}

/// How it went; the worst of all files is the command's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Fine,
    /// A file is not as it should be, or cannot be read.
    Wrong,
    Unwritten,
}

/// Brings files into the one style, in place.
///
/// A file with syntax errors is formatted around them, and the errors are
/// shown.
pub fn run(options: &Options) -> ExitCode {
    let mut worst = Outcome::Fine;
    for path in &options.files {
        if path == Path::new("-") {
            worst = worst.max(standard_input(options));
            continue;
        }
        match files::sources(path) {
            Ok(found) => {
                for file in found {
                    worst = worst.max(one(options, &file));
                }
            }
            Err(e) => {
                complain(&format!("`{}` cannot be read: {e}", path.display()), None);
                worst = worst.max(Outcome::Wrong);
            }
        }
    }
    ExitCode::from(match worst {
        Outcome::Fine => 0,
        Outcome::Wrong => 1,
        Outcome::Unwritten => 74,
    })
}

fn one(options: &Options, path: &Path) -> Outcome {
    let name = path.display().to_string();
    let text = match Disk.read(path) {
        Ok(text) => text,
        Err(e) => {
            complain(
                &format!("`{name}` cannot be read: {}", e.message),
                e.help.as_deref(),
            );
            return Outcome::Wrong;
        }
    };
    let Some((formatted, outcome)) = formatted(&name, &text) else {
        return Outcome::Wrong;
    };
    if options.check || options.diff {
        return outcome.max(show(options, &name, &text, &formatted));
    }
    if !formatted.changed {
        return outcome;
    }
    match files::replace(path, &formatted.text) {
        Ok(()) => {
            output::print(&format!("formatted {name}\n"));
            outcome
        }
        Err(e) => {
            complain(&format!("`{name}` cannot be written: {}", reason(&e)), None);
            Outcome::Unwritten
        }
    }
}

fn standard_input(options: &Options) -> Outcome {
    let name = "<stdin>";
    let mut text = String::new();
    if let Err(e) = std::io::stdin().lock().read_to_string(&mut text) {
        complain(&format!("standard input cannot be read: {e}"), None);
        return Outcome::Wrong;
    }
    let Some((formatted, outcome)) = formatted(name, &text) else {
        return Outcome::Wrong;
    };
    if options.check || options.diff {
        return outcome.max(show(options, name, &text, &formatted));
    }
    output::print(&formatted.text);
    outcome
}

/// Formats a text and prints what is wrong with it.
fn formatted(name: &str, text: &str) -> Option<(Formatted, Outcome)> {
    let mut map = SourceMap::new();
    let Some(file) = map.add(name, text) else {
        complain(&format!("`{name}` is larger than 4 GiB"), None);
        return None;
    };
    let formatted = format(&map, file);
    let list = &formatted.diagnostics;
    output::report(&map, list);
    let mut outcome = Outcome::Fine;
    if list.iter().any(|d| d.severity == Severity::Error) {
        outcome = Outcome::Wrong;
    }
    if formatted.declined {
        let message = format!("`{name}` stays as it is: formatted, it would read differently");
        complain(&message, Some("mend its errors first"));
        outcome = Outcome::Wrong;
    }
    Some((formatted, outcome))
}

/// What `--check` and `--diff` print.
fn show(options: &Options, name: &str, before: &str, after: &Formatted) -> Outcome {
    if !after.changed {
        return Outcome::Fine;
    }
    if options.diff {
        let diff = TextDiff::from_lines(before, after.text.as_str());
        output::print(&diff.unified_diff().header(name, name).to_string());
    }
    if !options.check {
        return Outcome::Fine;
    }
    if !options.diff {
        output::print(&format!("would format {name}\n"));
    }
    Outcome::Wrong
}

fn complain(message: &str, help: Option<&str>) {
    let help = help.map_or(String::new(), |h| format!("  help: {h}\n"));
    output::eprint(&format!("error: {message}\n{help}"));
}
