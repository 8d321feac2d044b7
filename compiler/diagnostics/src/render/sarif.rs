//! SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), for code
//! scanning services and editors. Section numbers are those of the standard.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::place::Place;
use super::{ordered, sanitised};
use crate::explain::{plain, summary};
use crate::{Code, Diagnostic, Fix, Label, Severity, SourceMap, code_info};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Value,
    locations: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Value>,
}

/// Renders one log with one run, over everything that was compiled: each
/// source map with its diagnostics. Only fixes that are certain are written,
/// since a reader may apply them unasked.
pub fn render_sarif(parts: &[(&SourceMap, &[Diagnostic])]) -> String {
    let mut codes: Vec<Code> = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    let mut seen = HashSet::new();
    for (map, diagnostics) in parts {
        for diagnostic in ordered(diagnostics) {
            let rule_index = match codes.iter().position(|c| *c == diagnostic.code) {
                Some(i) => i,
                None => {
                    codes.push(diagnostic.code);
                    codes.len() - 1
                }
            };
            let result = json!(entry(map, diagnostic, rule_index));
            // A base's fault is found again in all that extend it.
            if seen.insert(result.to_string()) {
                results.push(result);
            }
        }
    }
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "sslc",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|c| rule(*c)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": true }],
            "results": results,
        }],
    });
    // Strings, numbers and lists always serialise.
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

fn rule(code: Code) -> Value {
    let mut rule = Map::new();
    rule.insert("id".into(), code.to_string().into());
    if let Some(info) = code_info(code.short()) {
        rule.insert("shortDescription".into(), json!({ "text": info.title }));
        rule.insert(
            "fullDescription".into(),
            json!({ "text": summary(info.page).unwrap_or_else(|| info.title.to_owned()) }),
        );
        rule.insert(
            "help".into(),
            json!({ "text": plain(info.page), "markdown": info.page }),
        );
    }
    rule.into()
}

fn entry(map: &SourceMap, diagnostic: &Diagnostic, rule_index: usize) -> Entry {
    let mut labels = diagnostic.labels.iter();
    let first = labels.next().and_then(|l| location(map, l, None));
    let mut text = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        text = format!("{text}\nhelp: {help}");
    }
    let related = labels
        .enumerate()
        .filter_map(|(i, l)| location(map, l, Some(i + 1)));
    let certain = diagnostic.fixes.iter().filter(|f| f.certain);
    Entry {
        rule_id: diagnostic.code.to_string(),
        rule_index,
        level: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        message: json!({ "text": message(&text) }),
        locations: first.into_iter().collect(),
        related_locations: related.collect(),
        fixes: certain.filter_map(|f| fix(map, f)).collect(),
    }
}

/// A location (3.28); one that is no file is named in words.
fn location(map: &SourceMap, label: &Label, id: Option<usize>) -> Option<Value> {
    let place = Place::of(map, label.span)?;
    let mut out = Map::new();
    if let Some(id) = id {
        out.insert("id".into(), id.into());
    }
    if place.is_file() {
        let physical = json!({
            "artifactLocation": { "uri": uri(&place.file) },
            "region": region(&place),
        });
        out.insert("physicalLocation".into(), physical);
    } else {
        let name = clean(&place.file);
        let logical = json!([{ "name": name, "fullyQualifiedName": format!("{name} {}", clean(
            map.file_of(label.span).map_or("", |f| f.text.as_ref()))) }]);
        out.insert("logicalLocations".into(), logical);
    }
    if !label.text.is_empty() {
        out.insert("message".into(), json!({ "text": message(&label.text) }));
    }
    Some(out.into())
}

/// A region (3.30): columns from 1, the end one past the last character.
fn region(place: &Place) -> Value {
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    })
}

fn fix(map: &SourceMap, fix: &Fix) -> Option<Value> {
    let mut file = None;
    let mut replacements = Vec::new();
    for edit in &fix.edits {
        let place = Place::of(map, edit.span)?;
        // The edits of a fix lie in one file.
        if !place.is_file() || file.as_ref().is_some_and(|f| *f != place.file) {
            return None;
        }
        replacements.push(json!({
            "deletedRegion": region(&place),
            "insertedContent": { "text": edit.replacement },
        }));
        file = Some(place.file);
    }
    Some(json!({
        "description": { "text": message(&fix.title) },
        "artifactChanges": [{
            "artifactLocation": { "uri": uri(&file?) },
            "replacements": replacements,
        }],
    }))
}

fn clean(text: &str) -> String {
    text.chars().map(sanitised).collect()
}

/// Text that no reader takes for a placeholder (3.11.5) or a link (3.11.6).
fn message(text: &str) -> String {
    let mut text = clean(text);
    if placeholder(&text) {
        text = text.replace('{', "{{").replace('}', "}}");
    }
    if text.contains("](") {
        text = text
            .replace('\\', "\\\\")
            .replace('[', "\\[")
            .replace(']', "\\]");
    }
    text
}

/// Whether a `{` and digits and a `}` stand together.
fn placeholder(text: &str) -> bool {
    text.split('{').skip(1).any(|rest| {
        let number = rest.split('}').next().unwrap_or("");
        !number.is_empty()
            && number.len() < rest.len()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

/// A path as a URI reference (RFC 3986): absolute ones with their scheme.
fn uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes().get(2) == Some(&b'/');
    let mut out = String::new();
    if drive {
        out.push_str("file:///");
    } else if path.starts_with('/') {
        out.push_str("file://");
    }
    for (i, byte) in path.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) || (drive && i == 1);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
