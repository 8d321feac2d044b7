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

/// The whole tree without its places.
pub fn tree(text: &str) -> String {
    let shown = format!("{:#?}", parsed(text).file);
    let mut out = String::new();
    let mut rest = shown.as_str();
    while let Some((before, behind)) = rest.split_once("Span {") {
        out += before;
        rest = behind.split_once('}').expect("a span ends").1;
    }
    out + rest
}

pub fn comments(text: &str) -> Vec<String> {
    let comments = parsed(text).trivia.comments;
    let text = |c: &ssl_syntax::Comment| c.text.trim_end().to_owned();
    comments.iter().map(text).collect()
}

/// What is wrong with a text, without places.
pub fn messages(text: &str) -> Vec<String> {
    let diagnostics = parsed(text).diagnostics;
    let mut all: Vec<String> = diagnostics.into_iter().map(|d| d.message).collect();
    all.sort();
    all
}
