//! One JSON object a line, for programs. Written with serde from the
//! diagnostic, so that every text gives valid JSON.

use serde::Serialize;

use super::ordered;
use super::place::Place;
use crate::{Diagnostic, SourceMap};

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
