//! One style for `.ssl` files.
//!
//! Two blanks a level; the `=` of neighbouring assignments in one column; a
//! call or list that is longer than a line broken one argument a line, with a
//! comma behind the last; a sum that is longer broken before its operators; at
//! most one blank line, where the author left some. Comments stay where they
//! are, two blanks behind what stands before them. Words, numbers and texts
//! are as written. What does not parse is copied line by line.
//!
//! The layout depends on the tokens and the comments alone, with two
//! exceptions, which are the author's: blank lines, and whether a block of one
//! statement stands on one line.

mod expression;
mod layout;
mod lines;
mod statement;
mod tree;

use ssl_diagnostics::{Diagnostic, FileId, SourceMap};

use crate::parse_file;
use layout::WIDTH;
use statement::Writer;
use tree::Tree;

/// A text in the one style.
#[derive(Debug, Clone)]
pub struct Formatted {
    /// The text: `\n` ends its lines, also the last one.
    pub text: String,
    /// Whether it differs from what the file holds.
    pub changed: bool,
    /// Whether the formatter left everything but line ends as it was, because
    /// what it would have written does not read as the same.
    pub declined: bool,
    /// What the parser says of the file as it was.
    pub diagnostics: Vec<Diagnostic>,
}

/// Formats a file of the map.
///
/// The result parses to the same tree with the same comments, and is its own
/// formatting. Both are verified at every call.
pub fn format(map: &SourceMap, file: FileId) -> Formatted {
    let before = map.file(file).map_or("", |f| &f.text);
    let plain = plain(before);
    let styled = styled(&plain);
    let declined = styled.is_none();
    let text = styled.unwrap_or(plain);
    Formatted {
        changed: text != before,
        text,
        declined,
        diagnostics: parse_file(map, file).diagnostics,
    }
}

fn styled(plain: &str) -> Option<String> {
    let tree = Tree::read(plain)?;
    let text = written(&tree);
    if text == plain {
        return Some(text);
    }
    let again = Tree::read(&text)?;
    let holds = tree.says_as(&again) && written(&again) == text;
    holds.then_some(text)
}

fn written(tree: &Tree) -> String {
    Writer::new(tree).file().render(WIDTH)
}

/// Without a byte order mark, with `\n` behind every line.
fn plain(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}');
    let mut out = String::with_capacity(text.len() + 1);
    for line in text.split_terminator('\n') {
        out.push_str(line.trim_end_matches('\r'));
        out.push('\n');
    }
    out
}
