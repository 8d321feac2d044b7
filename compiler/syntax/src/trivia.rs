//! What stands beside the tree: comments and blank lines, for the formatter.

use ssl_diagnostics::{SourceFile, Span};

use crate::parse::Scan;

/// A `//` comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its text with the slashes.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// Whether code stands before it on its line.
    pub trailing: bool,
}

/// Comments and blank lines of a file, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trivia {
    /// Comments.
    pub comments: Vec<Comment>,
    /// Offsets of line ends that are followed by at least one blank line.
    pub blank_lines: Vec<u32>,
}

impl Trivia {
    /// What a scan found, and the documentation lines that precede nothing.
    pub(crate) fn new(source: &SourceFile, scan: &Scan, dangling: &[Span]) -> Trivia {
        let global = |at: usize| source.base + u32::try_from(at).unwrap_or(u32::MAX);
        let comment = |span: Span, trailing| {
            let range = (span.start - source.base) as usize..(span.end - source.base) as usize;
            let text = source.text.get(range).unwrap_or("").to_owned();
            Comment {
                text,
                span,
                trailing,
            }
        };
        let plain = scan.comments.iter().map(|(range, trailing)| {
            let span = Span::new(global(range.start), global(range.end));
            comment(span, *trailing)
        });
        let mut comments: Vec<Comment> = plain
            .chain(dangling.iter().map(|span| comment(*span, false)))
            .collect();
        comments.sort_by_key(|c| c.span);
        Trivia {
            comments,
            blank_lines: scan.blank_lines.iter().map(|at| global(*at)).collect(),
        }
    }
}
