//! One JSON object a line, for programs. Written with serde from the
//! diagnostic, so that every text gives valid JSON.

use serde::Serialize;

use super::ordered;
use crate::{Diagnostic, SourceMap, Span};

#[derive(Serialize)]
struct Record<'a> {
    code: String,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    labels: Vec<LabelRecord<'a>>,
    fixes: Vec<FixRecord<'a>>,
}

#[derive(Serialize)]
struct LabelRecord<'a> {
    #[serde(flatten)]
    place: Place,
    text: &'a str,
}

#[derive(Serialize)]
struct FixRecord<'a> {
    title: &'a str,
    #[serde(flatten)]
    place: Place,
    replacement: &'a str,
    certain: bool,
}

/// Lines and columns from 1, columns in characters; `start` and `end` in bytes
/// of the file.
#[derive(Serialize)]
struct Place {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    start: u32,
    end: u32,
}

impl Place {
    fn of(map: &SourceMap, span: Span) -> Option<Place> {
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
}

/// Renders one JSON object a line: `code`, `severity`, `message`, `help`,
/// `labels` (the place that is named first) and `fixes`.
pub fn render_json(map: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in ordered(diagnostics) {
        let labels = diagnostic.labels.iter().filter_map(|l| {
            Some(LabelRecord {
                place: Place::of(map, l.span)?,
                text: &l.text,
            })
        });
        let fixes = diagnostic.fixes.iter().filter_map(|f| {
            Some(FixRecord {
                title: &f.title,
                place: Place::of(map, f.span)?,
                replacement: &f.replacement,
                certain: f.certain,
            })
        });
        let record = Record {
            code: diagnostic.code.to_string(),
            severity: diagnostic.severity.word(),
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
            labels: labels.collect(),
            fixes: fixes.collect(),
        };
        // Strings, numbers and lists always serialise.
        if let Ok(line) = serde_json::to_string(&record) {
            out.push_str(&line);
            out.push('\n');
        }
    }
    out
}
