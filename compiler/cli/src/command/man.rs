//! `sslc man`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::world::reason;
use crate::{files, output};

/// Options of `sslc man`.
#[derive(Args)]
#[command(after_help = "\
Read it:     sslc man | man -l -
Install it:  sslc man --out ~/.local/share/man/man1")]
pub struct Options {
    /// Print a command's page instead of the one of `sslc`
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Option<String>,
    /// Write all pages into a folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What the exit codes mean, here and in the README.
const CODES: [(&str, &str); 8] = [
    ("0", "fine"),
    ("1", "diagnostics"),
    ("2", "usage, or an internal error"),
    ("3", "training failed"),
    ("65", "bad data"),
    (
        "74",
        "a file or standard output could not be read or written",
    ),
    (
        "85",
        "told to stop by a scheduler (SIGTERM, SIGUSR1), with a checkpoint",
    ),
    ("130", "interrupted, with a checkpoint"),
];

const ENVIRONMENT: [(&str, &str); 2] = [
    ("NO_COLOR", "no colours, where it is not empty"),
    (
        "CLICOLOR_FORCE",
        "colours also where standard error is no terminal, where it is neither empty nor 0",
    ),
];

/// Prints a page, or writes all of them.
pub fn run(options: &Options, mut root: Command) -> ExitCode {
    root.build();
    if let Some(dir) = &options.out {
        return write(dir, &root);
    }
    let command = match &options.command {
        None => &root,
        Some(name) => match root.find_subcommand(name) {
            Some(command) => command,
            None => {
                output::eprint(&format!("error: there is no command `{name}`\n"));
                return ExitCode::from(2);
            }
        },
    };
    match page(command) {
        Ok(text) => {
            output::print(&text);
            ExitCode::SUCCESS
        }
        Err(e) => {
            output::eprint(&format!("error: the page cannot be made: {e}\n"));
            ExitCode::from(2)
        }
    }
}

fn write(dir: &Path, root: &Command) -> ExitCode {
    let written = std::fs::create_dir_all(dir).and_then(|()| {
        let commands = root.get_subcommands().filter(|c| c.get_name() != "help");
        for command in std::iter::once(root).chain(commands) {
            let name = Man::new(command.clone()).get_filename();
            files::write(&dir.join(name), &page(command)?)?;
        }
        Ok(())
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let (dir, why) = (dir.display(), reason(&e));
            output::eprint(&format!("error: `{dir}` cannot be written: {why}\n"));
            ExitCode::from(74)
        }
    }
}

/// A page in roff.
fn page(command: &Command) -> std::io::Result<String> {
    let man = Man::new(command.clone()).manual("sslc");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    if command.get_after_help().is_some() {
        man.render_extra_section(&mut out)?;
    }
    for (title, rows) in [
        ("EXIT STATUS", &CODES[..]),
        ("ENVIRONMENT", &ENVIRONMENT[..]),
    ] {
        let mut roff = Roff::new();
        roff.control("SH", [title]);
        for (name, text) in rows {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(*text)]);
        }
        roff.to_writer(&mut out)?;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}
