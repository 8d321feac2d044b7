//! A text formatted, and what must not change in it.

use ssl_diagnostics::SourceMap;
use ssl_syntax::{Formatted, Parsed};

pub fn formatted(text: &str) -> Formatted {
    let (map, file) = source(text);
    ssl_syntax::format(&map, file)
}

pub fn parsed(text: &str) -> Parsed {
    let (map, file) = source(text);
    ssl_syntax::parse_file(&map, file)
}

fn source(text: &str) -> (SourceMap, ssl_diagnostics::FileId) {
    let mut map = SourceMap::new();
    // Another file first, so that local and global offsets differ.
    map.add("other.ssl", "// other\n").expect("a short text");
    let file = map.add("test.ssl", text).expect("a short text");
    (map, file)
}

/// What a text says, without places.
#[derive(Debug, PartialEq)]
pub struct Reading {
    /// The whole tree.
    pub tree: String,
    /// Comments, without blanks at the end.
    pub comments: Vec<String>,
    /// What is wrong with it.
    pub messages: Vec<String>,
}

pub fn reading(text: &str) -> Reading {
    let parsed = parsed(text);
    let comments = parsed.trivia.comments.iter();
    let mut messages: Vec<String> = parsed.diagnostics.into_iter().map(|d| d.message).collect();
    messages.sort();
    Reading {
        tree: without_spans(&format!("{:?}", parsed.file)),
        comments: comments.map(|c| c.text.trim_end().to_owned()).collect(),
        messages,
    }
}

fn without_spans(shown: &str) -> String {
    let mut out = String::with_capacity(shown.len());
    let mut rest = shown;
    while let Some((before, behind)) = rest.split_once("Span {") {
        out += before;
        rest = behind.split_once('}').expect("a span ends").1;
    }
    out + rest
}
