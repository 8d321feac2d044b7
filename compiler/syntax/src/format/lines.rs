//! Which line a byte is on.

use std::ops::Range;

use super::tree::Node;

/// Neighbouring lines, counted from 0; none where `last` precedes `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub first: usize,
    pub last: usize,
}

impl Extent {
    /// The smallest that holds both.
    pub fn to(self, other: Extent) -> Extent {
        Extent {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }

    pub fn holds(self, other: Extent) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// Where the lines of a text start.
#[derive(Debug)]
pub(super) struct Lines {
    starts: Vec<usize>,
    end: usize,
}

impl Lines {
    pub fn new(text: &str) -> Lines {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Lines {
            starts: std::iter::once(0)
                .chain(breaks.map(|(i, _)| i + 1))
                .collect(),
            end: text.len(),
        }
    }

    /// The lines that a range lies on.
    pub fn extent(&self, start: usize, end: usize) -> Extent {
        Extent {
            first: self.line(start),
            last: self.line(end.saturating_sub(1).max(start)),
        }
    }

    pub fn of(&self, node: &Node) -> Extent {
        self.extent(node.start, node.end)
    }

    /// The bytes of whole lines, without the last line break.
    pub fn range(&self, extent: Extent) -> Range<usize> {
        let start = self.starts.get(extent.first).copied().unwrap_or(self.end);
        let next = self.starts.get(extent.last + 1);
        start..next.map_or(self.end, |n| n - 1)
    }

    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|s| *s <= at).saturating_sub(1)
    }
}
