//! Where a span lies, for programs.

use serde::Serialize;

use crate::{SourceMap, Span};

/// Lines and columns from 1, columns in characters (Unicode scalar values);
/// the end is one past the last character. `start` and `end` in bytes of the
/// file.
#[derive(Serialize)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
    pub start: u32,
    pub end: u32,
}

impl Place {
    /// `None` where the span is in no file.
    pub fn of(map: &SourceMap, span: Span) -> Option<Place> {
        let file = map.file_of(span)?;
        let last = u32::try_from(file.text.len()).unwrap_or(u32::MAX);
        let start = span.start.saturating_sub(file.base).min(last);
        let end = span.end.saturating_sub(file.base).clamp(start, last);
        let (line, column) = file.line_column(start);
        let (end_line, end_column) = file.line_column(end);
        Some(Place {
            file: file.name.to_string(),
            line,
            column,
            end_line,
            end_column,
            start,
            end,
        })
    }

    /// Whether it lies in something that can be opened: not in an argument of
    /// the command line, not in standard input.
    pub fn is_file(&self) -> bool {
        self.file != "--set" && !self.file.starts_with('<')
    }
}
