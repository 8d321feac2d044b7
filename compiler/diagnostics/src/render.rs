//! How diagnostics are shown.

use crate::{Diagnostic, SourceMap};

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageFormat {
    /// With source lines and colours, by miette.
    #[default]
    Human,
    /// One line each: `file:line:column: error[ssl::E0102]: message`.
    Short,
}

/// Renders with source lines.
pub fn render_human(map: &SourceMap, diagnostics: &[Diagnostic], colour: bool) -> String {
    let _ = (map, diagnostics, colour);
    String::new()
}

/// Renders one line each.
pub fn render_short(map: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let _ = (map, diagnostics);
    String::new()
}
