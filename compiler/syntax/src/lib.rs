//! Text to tree. The parser cannot fail: what it does not understand becomes
//! a diagnostic, and the rest of the file is still there.

pub mod ast;
mod format;
mod level;
mod parse;
mod trivia;

pub use format::{Formatted, format};
pub use parse::{Parsed, parse_assignment, parse_file};
pub use trivia::{Comment, Trivia};
