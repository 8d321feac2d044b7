//! What stands beside the tree: comments and blank lines, for the formatter.

use ssl_diagnostics::Span;

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
