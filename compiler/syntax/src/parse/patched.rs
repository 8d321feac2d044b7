//! A text with edits that still knows where each byte came from, so that the
//! grammar can read a mended text while every span points into the user's.

use std::ops::Range;

use ssl_diagnostics::Span;

use super::scan::Scan;

/// Replaces `at..at + remove` by `insert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub at: usize,
    pub remove: usize,
    pub insert: &'static str,
}

impl Edit {
    pub fn insert(at: usize, insert: &'static str) -> Self {
        Edit {
            at,
            remove: 0,
            insert,
        }
    }

    pub fn replace(at: usize, remove: usize, insert: &'static str) -> Self {
        Edit { at, remove, insert }
    }
}

/// Bytes from `start` on come from `origin` on, one to one, up to `len`; what
/// lies between that and the next piece was inserted.
#[derive(Debug, Clone, Copy)]
struct Piece {
    start: usize,
    origin: usize,
    len: usize,
}

/// A place of the user's text that was edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Global offsets of what was replaced; empty where text was inserted.
    pub range: Range<usize>,
    /// Whether braces were put in or taken out.
    pub braces: bool,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Patched {
    text: String,
    pieces: Vec<Piece>,
}

impl Patched {
    /// A text as it is, whose first byte has the global offset `base`.
    pub fn new(text: &str, base: u32) -> Self {
        Patched {
            text: text.to_owned(),
            pieces: vec![Piece {
                start: 0,
                origin: base as usize,
                len: text.len(),
            }],
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as the grammar reads it: plain comments are blanks, and so are
    /// tabs and line ends inside brackets. `scan` is the text's own; every byte keeps
    /// its place.
    pub fn plain(self, scan: &Scan) -> Patched {
        let mut bytes = self.text.into_bytes();
        for (comment, _) in &scan.comments {
            if let Some(comment) = bytes.get_mut(comment.clone()) {
                comment.fill(b' ');
            }
        }
        for at in &scan.blanks {
            if let Some(byte) = bytes.get_mut(*at) {
                *byte = b' ';
            }
        }
        // Only whole characters were replaced, so this is UTF-8.
        let text = String::from_utf8(bytes).unwrap_or_default();
        Patched { text, ..self }
    }

    /// The global offset of a byte; of an inserted byte, the place of insertion.
    pub fn origin(&self, at: usize) -> u32 {
        let i = self.pieces.partition_point(|p| p.start <= at);
        let piece = self.pieces.get(i.saturating_sub(1));
        let origin = piece.map_or(0, |p| p.origin + at.saturating_sub(p.start).min(p.len));
        u32::try_from(origin).unwrap_or(u32::MAX)
    }

    pub fn span(&self, start: usize, end: usize) -> Span {
        let first = self.origin(start);
        Span::new(first, self.origin(end).max(first))
    }

    /// Where the text differs from the one it was made of, in order.
    pub fn touched(&self, original: &str, base: usize) -> Vec<Touched> {
        let (old, new) = (original.as_bytes(), self.text.as_bytes());
        let mut found = Vec::new();
        let mut compare = |range: Range<usize>, by: Range<usize>| {
            let old = old.get(range.clone()).unwrap_or_default();
            let new = new.get(by).unwrap_or_default();
            if old != new {
                found.push(Touched {
                    range: range.start + base..range.end + base,
                    braces: old.iter().chain(new).any(|b| matches!(b, b'{' | b'}')),
                });
            }
        };
        // How far both texts have been compared.
        let (mut from, mut by) = (0, 0);
        let ends = self.pieces.iter().skip(1).map(|p| p.start);
        for (piece, end) in self.pieces.iter().zip(ends.chain([new.len()])) {
            let origin = piece.origin.saturating_sub(base);
            compare(from..origin.max(from), by..piece.start);
            let len = piece.len.min(end.saturating_sub(piece.start));
            compare(origin..origin + len, piece.start..piece.start + len);
            (from, by) = (origin + len, piece.start + len);
        }
        compare(from..old.len().max(from), by..new.len());
        found
    }

    /// The part between two char boundaries.
    pub fn slice(&self, start: usize, end: usize) -> Patched {
        let text = self.text.get(start..end).unwrap_or("").to_owned();
        let from = self.pieces.partition_point(|p| p.start <= start).max(1) - 1;
        let pieces = self
            .pieces
            .iter()
            .skip(from)
            .take_while(|p| p.start <= end)
            .map(|p| {
                let skip = start.saturating_sub(p.start);
                Piece {
                    start: p.start.saturating_sub(start),
                    origin: p.origin + skip.min(p.len),
                    len: p.len.saturating_sub(skip),
                }
            })
            .collect();
        Patched { text, pieces }
    }

    /// The text after edits, which are in order and lie on char boundaries; one
    /// that begins inside another is left out.
    pub fn apply(&self, edits: &[Edit]) -> Patched {
        let mut text = String::with_capacity(self.text.len() + edits.len());
        let mut pieces = Vec::new();
        let mut at = 0;
        for edit in edits {
            if edit.at < at {
                continue;
            }
            self.copy(at, edit.at, &mut text, &mut pieces);
            pieces.push(Piece {
                start: text.len(),
                origin: self.origin(edit.at) as usize,
                len: edit.insert.len().min(edit.remove),
            });
            text.push_str(edit.insert);
            at = edit.at + edit.remove;
        }
        self.copy(at, self.text.len(), &mut text, &mut pieces);
        Patched { text, pieces }
    }

    fn copy(&self, from: usize, to: usize, text: &mut String, pieces: &mut Vec<Piece>) {
        let part = self.slice(from, to.max(from));
        pieces.extend(part.pieces.iter().map(|p| Piece {
            start: p.start + text.len(),
            ..*p
        }));
        text.push_str(&part.text);
    }
}
