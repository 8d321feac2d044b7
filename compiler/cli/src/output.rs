//! What is printed, and that a closed pipe is no reason to complain.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use ssl_core::Compilation;
use ssl_diagnostics::Severity;

/// How diagnostics are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// With source lines
    Human,
    /// One line each
    Short,
    /// One JSON object a line
    Json,
}

/// Whether to colour what goes to standard error.
pub fn colour() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Prints to standard output; quiet where nobody reads any more.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints to standard error; quiet where nobody reads any more.
pub fn eprint(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints the diagnostics of a compilation and a line that counts them.
pub fn diagnostics(compilation: &Compilation, format: MessageFormat) {
    let (map, list) = (&compilation.map, &compilation.diagnostics);
    match format {
        MessageFormat::Human => eprint(&ssl_diagnostics::render_human(map, list, colour())),
        MessageFormat::Short => eprint(&ssl_diagnostics::render_short(map, list)),
        MessageFormat::Json => print(&ssl_diagnostics::render_json(map, list)),
    }
    if format == MessageFormat::Human && !list.is_empty() {
        eprint(&format!("{}\n", count(compilation)));
    }
}

/// "2 errors, 1 warning"
pub fn count(compilation: &Compilation) -> String {
    let of = |severity, name: &str| {
        let n = compilation
            .diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count();
        match n {
            0 => None,
            1 => Some(format!("1 {name}")),
            n => Some(format!("{n} {name}s")),
        }
    };
    let parts: Vec<String> = [
        of(Severity::Error, "error"),
        of(Severity::Warning, "warning"),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join(", ")
}
