//! What is printed, how, and that a closed pipe is no reason to complain.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use clap::{ColorChoice, ValueEnum};
use ssl_core::Compilation;
use ssl_diagnostics::{Diagnostic, Severity, SourceMap};

/// How diagnostics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MessageFormat {
    // No documentation on these: clap would print every one of them in a
    // paragraph of its own, in the help of every command.
    #[default]
    Human,
    Short,
    Json,
    Sarif,
    Github,
}

impl From<MessageFormat> for ssl_diagnostics::MessageFormat {
    fn from(format: MessageFormat) -> Self {
        match format {
            MessageFormat::Human => Self::Human,
            MessageFormat::Short => Self::Short,
            MessageFormat::Json => Self::Json,
            MessageFormat::Sarif => Self::Sarif,
            MessageFormat::Github => Self::Github,
        }
    }
}

/// What the command line says of output.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// How diagnostics are printed.
    pub format: MessageFormat,
    /// Whether they are coloured.
    pub colour: ColorChoice,
    /// Whether the command prints a result of its own, so that diagnostics for
    /// programs go to standard error instead of standard output.
    pub has_result: bool,
}

static STYLE: OnceLock<Style> = OnceLock::new();
/// What a SARIF log, which is one document, is made of in the end.
static PENDING: Mutex<Vec<(SourceMap, Vec<Diagnostic>)>> = Mutex::new(Vec::new());
static UNWRITTEN: AtomicBool = AtomicBool::new(false);

/// Sets the style, once, before anything is printed.
pub fn configure(style: Style) {
    let _ = STYLE.set(style);
}

fn style() -> Style {
    STYLE.get().copied().unwrap_or_default()
}

/// Whether diagnostics are for people, with source lines.
pub fn human() -> bool {
    style().format == MessageFormat::Human
}

/// Whether to colour what goes to standard error.
pub fn colour() -> bool {
    coloured(std::io::stderr().is_terminal())
}

/// Whether to colour what goes to standard output.
pub fn colour_result() -> bool {
    coloured(std::io::stdout().is_terminal())
}

/// `--color`, then `NO_COLOR`, then `CLICOLOR_FORCE`, then whether a terminal
/// shows it.
fn coloured(terminal: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
    match style().colour {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        // `NO_COLOR=0` asks for none as well: its value says nothing.
        ColorChoice::Auto if std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) => false,
        ColorChoice::Auto if set("CLICOLOR_FORCE") => true,
        ColorChoice::Auto => {
            terminal
                && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
                && std::env::var_os("CLICOLOR").is_none_or(|v| v != "0")
        }
    }
}

/// Prints to standard output; quiet where nobody reads any more.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(e) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && e.kind() != ErrorKind::BrokenPipe
        && !UNWRITTEN.swap(true, Ordering::Relaxed)
    {
        eprint(&format!("error: standard output cannot be written: {e}\n"));
    }
}

/// Whether standard output took everything, as far as somebody read it.
pub fn written() -> bool {
    !UNWRITTEN.load(Ordering::Relaxed)
}

/// Prints to standard error; quiet where nobody reads any more.
pub fn eprint(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints the diagnostics of a compilation and a line that counts them.
pub fn diagnostics(compilation: &Compilation) {
    counted(&compilation.map, &compilation.diagnostics);
}

/// Prints diagnostics and a line that counts them.
pub fn counted(map: &SourceMap, list: &[Diagnostic]) {
    report(map, list);
    if human() && !list.is_empty() {
        eprint(&format!("{}\n", count(list)));
    }
}

/// Prints diagnostics in the format that was asked for.
pub fn report(map: &SourceMap, list: &[Diagnostic]) {
    let style = style();
    match style.format {
        MessageFormat::Human | MessageFormat::Short => {
            let format = ssl_diagnostics::MessageFormat::from(style.format);
            eprint(&format.render(map, list, colour()));
        }
        MessageFormat::Json | MessageFormat::Github => {
            let format = ssl_diagnostics::MessageFormat::from(style.format);
            machine(&format.render(map, list, false));
        }
        MessageFormat::Sarif => {
            if let Ok(mut pending) = PENDING.lock() {
                pending.push((map.clone(), list.to_vec()));
            }
        }
    }
}

/// Prints what waits for all diagnostics to be known, once. To be called at a
/// command's end, or before it does something that takes long.
pub fn finish() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if style().format != MessageFormat::Sarif || DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    if let Ok(pending) = PENDING.lock() {
        let parts: Vec<_> = pending.iter().map(|(m, l)| (m, l.as_slice())).collect();
        machine(&ssl_diagnostics::render_sarif(&parts));
    }
}

/// Prints diagnostics for a program.
fn machine(text: &str) {
    if style().has_result {
        eprint(text);
    } else {
        print(text);
    }
}

/// "2 errors, 1 warning"
pub fn count(list: &[Diagnostic]) -> String {
    let of = |severity, name: &str| {
        let n = list.iter().filter(|d| d.severity == severity).count();
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

/// A number of epochs in words: `1 epoch`, `2.5 epochs`.
pub fn epochs(number: f64) -> String {
    let unit = if number == 1.0 { "epoch" } else { "epochs" };
    format!("{number} {unit}")
}
