//! Spans and the files that they point into.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A byte range over all files of a [`SourceMap`]: eight bytes, so that every
/// node of the tree can carry one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range from `start` to `end`, global offsets.
    pub fn new(start: u32, end: u32) -> Self {
        Span { start, end }
    }

    /// The smallest range that holds both.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it covers nothing.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// Names a file of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(u32);

/// A text with a name: a file, a `--set` argument, a module of the standard
/// library.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// As the user named it.
    pub name: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// Global offset of its first byte.
    pub base: u32,
    line_starts: Arc<[u32]>,
}

/// All texts that a compilation has read. Files lie behind one another with a
/// gap of one byte, so that a span belongs to exactly one.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    next: u32,
}

impl SourceMap {
    /// A map without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a text.
    ///
    /// # Errors
    ///
    /// All texts together may have 4 GiB less one; `None` past that.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Option<FileId> {
        let text = text.into();
        let length = u32::try_from(text.len()).ok()?;
        let next = self.next.checked_add(length)?.checked_add(1)?;
        let id = FileId(u32::try_from(self.files.len()).ok()?);
        let line_starts = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|(_, b)| *b == b'\n')
                    .map(|(i, _)| i as u32 + 1),
            )
            .collect();
        self.files.push(SourceFile {
            name: name.into(),
            text,
            base: self.next,
            line_starts,
        });
        self.next = next;
        Some(id)
    }

    /// A file by its id; ids come from [`SourceMap::add`] of the same map.
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// All files, in the order they were added.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The file that holds a span's first byte.
    pub fn file_of(&self, span: Span) -> Option<&SourceFile> {
        let i = self.files.partition_point(|f| f.base <= span.start);
        self.files.get(i.checked_sub(1)?)
    }

    /// The text under a span; empty where the span is in no file.
    pub fn text(&self, span: Span) -> &str {
        self.file_of(span)
            .and_then(|f| {
                let start = (span.start - f.base) as usize;
                let end = (span.end.saturating_sub(f.base) as usize).min(f.text.len());
                f.text.get(start..end)
            })
            .unwrap_or("")
    }

    /// File name, line and column (from 1, in characters) of a span's start.
    pub fn place(&self, span: Span) -> Option<(Arc<str>, usize, usize)> {
        let file = self.file_of(span)?;
        let (line, column) = file.line_column(span.start - file.base);
        Some((file.name.clone(), line, column))
    }
}

impl SourceFile {
    /// How many lines it has; an empty text has one.
    pub fn lines(&self) -> usize {
        self.line_starts.len()
    }

    /// Local byte range of a line (from 1), with its line end.
    pub fn line_range(&self, line: usize) -> Option<Range<usize>> {
        let start = *self.line_starts.get(line.checked_sub(1)?)? as usize;
        let end = self.line_starts.get(line).map(|e| *e as usize);
        Some(start..end.unwrap_or(self.text.len()))
    }

    /// Line and column (from 1, in characters) of a local byte offset.
    pub fn line_column(&self, offset: u32) -> (usize, usize) {
        let line = self.line_starts.partition_point(|s| *s <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let column = self
            .text
            .get(start as usize..(offset as usize).min(self.text.len()))
            .map_or(0, |t| t.chars().count());
        (line, column + 1)
    }
}
