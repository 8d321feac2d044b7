//! Workflow commands of GitHub Actions: the runner reads them from the log and
//! shows them beside the lines that they name.
//!
//! Syntax and escapes as in GitHub's "Workflow commands" and its toolkit
//! (`packages/core/src/command.ts`).

use std::fmt::Write;

use super::place::Place;
use super::{ordered, sanitised};
use crate::{Diagnostic, Severity, SourceMap, code_info};

/// Renders one command a line,
/// `::error file=a.ssl,line=3,col=5,endLine=3,endColumn=9,title=...::message`,
/// the way out behind the message.
pub fn render_github(map: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in ordered(diagnostics) {
        let command = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let _ = write!(out, "::{command} ");
        let place = diagnostic.span().and_then(|s| Place::of(map, s));
        let mut message = clean(&diagnostic.message);
        match place {
            Some(place) if place.is_file() => out.push_str(&position(&place)),
            Some(place) => message = format!("{}: {message}", clean(&place.file)),
            None => {}
        }
        if let Some(help) = &diagnostic.help {
            let _ = write!(message, "\nhelp: {}", clean(help));
        }
        let title = match code_info(diagnostic.code.short()) {
            Some(info) => format!("{}: {}", diagnostic.code, info.title),
            None => diagnostic.code.to_string(),
        };
        let _ = writeln!(out, "title={}::{}", property(&title), data(&message));
    }
    out
}

/// Columns are refused where the lines differ.
fn position(place: &Place) -> String {
    // Before it is escaped: a path on Windows is written with `/`.
    let file = property(&clean(&place.file).replace('\\', "/"));
    let mut out = format!("file={file},line={},", place.line);
    if place.line == place.end_line {
        let last = place.end_column.max(place.column);
        let _ = write!(
            out,
            "col={},endLine={},endColumn={last},",
            place.column, place.end_line
        );
    } else {
        let _ = write!(out, "endLine={},", place.end_line);
    }
    out
}

fn clean(text: &str) -> String {
    text.chars().map(sanitised).collect()
}

/// The message behind the last `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A value between commas.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
