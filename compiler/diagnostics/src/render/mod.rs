//! How diagnostics are shown. Every renderer shows them by file and place,
//! and equal ones once.

mod github;
mod human;
mod json;
mod place;
mod plain;
mod sarif;

use std::collections::HashSet;

use crate::{Diagnostic, SourceMap};

pub use github::render_github;
pub use human::{Look, render_human, render_human_as};
pub use json::render_json;
pub use plain::render_short;
pub use sarif::render_sarif;

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageFormat {
    /// With source lines and colours, by miette.
    #[default]
    Human,
    /// One line each: `file:line:column: error[ssl::E0102]: message`.
    Short,
    /// One JSON object a line.
    Json,
    /// A SARIF 2.1.0 log.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
}

impl MessageFormat {
    /// Renders in this format; colour is for [`MessageFormat::Human`] alone.
    pub fn render(self, map: &SourceMap, diagnostics: &[Diagnostic], colour: bool) -> String {
        match self {
            MessageFormat::Human => render_human(map, diagnostics, colour),
            MessageFormat::Short => render_short(map, diagnostics),
            MessageFormat::Json => render_json(map, diagnostics),
            MessageFormat::Sarif => render_sarif(&[(map, diagnostics)]),
            MessageFormat::Github => render_github(map, diagnostics),
        }
    }
}

/// By place, those without one first; equal ones once.
fn ordered(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut seen = HashSet::new();
    let mut ordered: Vec<_> = diagnostics.iter().filter(|d| seen.insert(*d)).collect();
    ordered.sort_by_key(|d| d.span());
    ordered
}

/// Without what a terminal would obey: control characters and marks that turn
/// the direction of writing. Every character keeps its length in bytes.
fn sanitised(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\r' => ' ',
        '\0'..='\u{1f}' | '\u{7f}' => '?',
        '\u{80}'..='\u{9f}' => '¿',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => c,
    }
}
