//! What the standard library offers to begin with: its modules that have
//! pipelines, with what they say of themselves.

use ssl_diagnostics::SourceMap;
use ssl_syntax::ast::Item;

use crate::program::STD;

/// A module of the standard library with pipelines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// `mocov3`, as in `use std.mocov3`.
    pub name: &'static str,
    /// What it is, in a sentence, without its period.
    pub doc: String,
    /// Its pipelines in order: name, and what it is.
    pub pipelines: Vec<(String, String)>,
}

/// Every method, in the order of the library.
pub fn methods() -> Vec<Method> {
    STD.iter()
        .filter_map(|(name, text)| method(name, text))
        .collect()
}

fn method(name: &'static str, text: &str) -> Option<Method> {
    let mut map = SourceMap::new();
    let file = map.add(name, text)?;
    let parsed = ssl_syntax::parse_file(&map, file);
    let pipelines: Vec<(String, String)> = parsed
        .file
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Pipeline(p) => {
                let lines = p.docs.lines.iter().map(|l| l.node.as_str());
                Some((p.name.name.clone(), sentence(lines)))
            }
            _ => None,
        })
        .collect();
    let head = text.lines().map_while(|l| l.strip_prefix("//!"));
    (!pipelines.is_empty()).then(|| Method {
        name,
        doc: sentence(head),
        pipelines,
    })
}

/// The first sentence of some lines, without its period.
pub fn sentence<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let text = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let end = text.find(". ").unwrap_or(text.len());
    let first = text.get(..end).unwrap_or(&text);
    first.trim().trim_end_matches('.').to_owned()
}
