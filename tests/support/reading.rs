//! What must hold whatever a text is, when it is parsed and when it is
//! formatted. The tests of mutants and the fuzz targets share it.

#![allow(dead_code)]

#[path = "places.rs"]
mod places;
#[path = "trees.rs"]
pub mod trees;

use std::fmt::{self, Write};

use ssl_diagnostics::{FileId, SourceFile, SourceMap, Span};
use ssl_syntax::{Formatted, Parsed};

/// A map that holds the text behind another file, so that local and global
/// offsets differ.
pub fn source(text: &str) -> (SourceMap, FileId) {
    let mut map = SourceMap::new();
    map.add("other.ssl", "// other\n").expect("a short text");
    let file = map.add("test.ssl", text).expect("less than 4 GiB");
    (map, file)
}

/// The text, formatted.
pub fn formatted(text: &str) -> Formatted {
    let (map, file) = source(text);
    ssl_syntax::format(&map, file)
}

/// The text, parsed.
pub fn parsed(text: &str) -> Parsed {
    let (map, file) = source(text);
    ssl_syntax::parse_file(&map, file)
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

/// What a text says.
pub fn reading(text: &str) -> Reading {
    let parsed = parsed(text);
    let comments = parsed.trivia.comments.iter();
    let mut messages: Vec<String> = parsed.diagnostics.into_iter().map(|d| d.message).collect();
    messages.sort();
    Reading {
        tree: trees::file(&parsed.file) + &trees::docs(&parsed.file),
        comments: comments.map(|c| c.text.trim_end().to_owned()).collect(),
        messages,
    }
}

/// Parses a text: every place of the tree, of what stands beside it, of the
/// diagnostics and of their fixes lies in the text, between characters.
pub fn parse(text: &str) -> Parsed {
    let (map, id) = source(text);
    let parsed = ssl_syntax::parse_file(&map, id);
    let file = map.file(id).expect("it was added");
    let mut spans = Spans::new(file);
    let _ = write!(spans, "{:?}{:?}", parsed.file, parsed.trivia);
    assert!(spans.seen > 0 || parsed.file.items.is_empty());
    for diagnostic in &parsed.diagnostics {
        assert!(!diagnostic.labels.is_empty(), "nowhere: {diagnostic:?}");
        for span in places::of(diagnostic) {
            places::assert_inside(file, span);
        }
    }
    parsed
}

/// Formats a text: the result is its own formatting and says the same; what has
/// no mistakes is formatted. Says whether the text had none, and whether it
/// could be formatted.
pub fn format(text: &str) -> (bool, bool) {
    let (out, before) = (formatted(text), reading(text));
    let shown = || format!("\n{text}\n--- becomes\n{}", out.text);
    let again = formatted(&out.text);
    assert_eq!(again.text, out.text, "not stable: {}", shown());
    let after = reading(&out.text);
    assert_eq!(after, before, "another meaning: {}", shown());
    let clean = before.messages.is_empty();
    assert!(!(clean && out.declined), "declined: {}", shown());
    assert_eq!(out.changed, out.text != text, "{}", shown());
    (clean, !out.declined)
}

/// Reads the spans out of what a tree prints of itself.
struct Spans<'a> {
    file: &'a SourceFile,
    seen: usize,
    /// The numbers of the span that is being read.
    numbers: Vec<u32>,
    inside: bool,
}

impl<'a> Spans<'a> {
    fn new(file: &'a SourceFile) -> Self {
        Spans {
            file,
            seen: 0,
            numbers: Vec::new(),
            inside: false,
        }
    }
}

impl Write for Spans<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if piece == "Span" {
            self.inside = true;
        } else if self.inside {
            self.numbers.extend(piece.parse::<u32>());
            if let [start, end] = self.numbers.as_slice() {
                places::assert_inside(self.file, Span::new(*start, *end));
                self.numbers.clear();
                self.inside = false;
                self.seen += 1;
            }
        }
        Ok(())
    }
}
