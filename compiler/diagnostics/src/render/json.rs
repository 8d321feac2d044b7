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
    lint: Option<&'static str>,
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
    certain: bool,
    edits: Vec<EditRecord<'a>>,
}

#[derive(Serialize)]
struct EditRecord<'a> {
    #[serde(flatten)]
    place: Place,
    replacement: &'a str,
}

/// Renders one JSON object a line: `code`, `severity`, `lint` (the name that
/// `allow(...)` takes), `message`, `help`, `labels` (the place that is named
/// first) and `fixes` (each a list of `edits` that belong together; `certain`
/// where a machine may make them unasked).
pub fn render_json(map: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in ordered(diagnostics) {
        let labels = diagnostic.labels.iter().filter_map(|l| {
            Some(LabelRecord {
                place: Place::of(map, l.span)?,
                text: &l.text,
            })
        });
        let fixes = diagnostic.fixes.iter().map(|f| {
            let edits = f.edits.iter().filter_map(|e| {
                Some(EditRecord {
                    place: Place::of(map, e.span)?,
                    replacement: &e.replacement,
                })
            });
            FixRecord {
                title: &f.title,
                certain: f.certain,
                edits: edits.collect(),
            }
        });
        let record = Record {
            code: diagnostic.code.to_string(),
            severity: diagnostic.severity.word(),
            lint: diagnostic.lint,
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
