//! To come: the parser.

use crate::{Trivia, ast};
use ssl_diagnostics::{Diagnostic, FileId, SourceMap};

/// What a text gives: always a tree, and what was wrong with it.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The tree; islands of bad syntax are left out of it.
    pub file: ast::File,
    /// Comments and blank lines.
    pub trivia: Trivia,
    /// What was wrong, in order of place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses a file of the map.
pub fn parse_file(map: &SourceMap, file: FileId) -> Parsed {
    let _ = (map, file);
    Parsed {
        file: ast::File::default(),
        trivia: Trivia::default(),
        diagnostics: Vec::new(),
    }
}

/// Parses one assignment (`path = value`), as `--set` takes it. `None` where
/// it is none; the diagnostics say why.
pub fn parse_assignment(map: &SourceMap, file: FileId) -> (Option<ast::Stmt>, Vec<Diagnostic>) {
    let _ = (map, file);
    (None, Vec::new())
}
