//! One line each, for editors and for `grep`.

use std::fmt::Write;

use super::{ordered, sanitised};
use crate::{Diagnostic, SourceMap};

/// Renders one line each, `file:line:column: error[ssl::E0102]: message`, and
/// the way out on an indented line of its own. A warning that can be allowed
/// ends with its name, `[unused_view]`.
pub fn render_short(map: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in ordered(diagnostics) {
        if let Some((file, line, column)) = diagnostic.span().and_then(|s| map.place(s)) {
            let _ = write!(out, "{}:{line}:{column}: ", one_line(&file));
        }
        let (word, code) = (diagnostic.severity.word(), diagnostic.code);
        let message = one_line(&diagnostic.message);
        let lint = diagnostic.lint.map_or(String::new(), |l| format!(" [{l}]"));
        let _ = writeln!(out, "{word}[{code}]: {message}{lint}");
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "    help: {}", one_line(help));
        }
    }
    out
}

pub(super) fn one_line(text: &str) -> String {
    let space = |c| if c == '\n' || c == '\t' { ' ' } else { c };
    text.chars().map(sanitised).map(space).collect()
}
