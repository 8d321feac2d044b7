//! Text to tree. The parser cannot fail: what it does not understand becomes
//! a diagnostic, and the rest of the text is still there.

mod balance;
mod build;
mod explain;
mod island;
mod patched;
mod reports;
mod salvage;
mod scan;
mod slips;

use pest::Parser;
use ssl_diagnostics::{Diagnostic, FileId, SourceFile, SourceMap, Span};
use ssl_grammar::{Rule, SslParser};

use crate::{Trivia, ast};
use balance::balanced;
use build::Builder;
use explain::Stop;
use reports::Reports;
use scan::scan;

pub(crate) use patched::Patched;
pub(crate) use scan::Scan;

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
///
/// Every span of what comes back is in global offsets and lies in the file.
/// The tree is at most 256 operations and 64 brackets deep.
pub fn parse_file(map: &SourceMap, file: FileId) -> Parsed {
    let mut parsed = Parsed {
        file: ast::File::default(),
        trivia: Trivia::default(),
        diagnostics: Vec::new(),
    };
    let Some(source) = map.file(file) else {
        return parsed;
    };
    let mut out = Reports::default();
    let (text, scan, known) = read(source, &mut out);
    let mut dangling = Vec::new();
    let mut builder = Builder {
        text: &text,
        out: &mut out,
        dangling: &mut dangling,
        known: &known,
        keyword: None,
    };
    match SslParser::parse(Rule::file, text.text()) {
        Ok(mut pairs) => {
            if let Some(pair) = pairs.next() {
                builder.file(ast::Docs::default(), pair.into_inner(), &mut parsed.file);
            }
        }
        // Brackets are balanced, so the grammar takes everything; were it not
        // so, the user would still be told where.
        Err(error) => out.push(Stop::new(&error).diagnostic(&text)),
    }
    parsed.trivia = Trivia::new(source, &scan, &dangling);
    parsed.diagnostics = out.finish();
    parsed
}

/// Parses one assignment (`path = value`), as `--set` takes it. `None` where
/// it is none; the diagnostics say why.
pub fn parse_assignment(map: &SourceMap, file: FileId) -> (Option<ast::Stmt>, Vec<Diagnostic>) {
    let mut out = Reports::default();
    let Some(source) = map.file(file) else {
        return (None, Vec::new());
    };
    let (text, _, known) = read(source, &mut out);
    let mut builder = Builder {
        text: &text,
        out: &mut out,
        dangling: &mut Vec::new(),
        known: &known,
        keyword: None,
    };
    let stmt = builder.assignment(&text);
    (stmt, out.finish())
}

/// A text with its brackets balanced, the same as the grammar reads it, and
/// what was seen of it before.
pub(crate) fn mended(text: &str) -> (Patched, Patched, Scan) {
    let text = Patched::new(text, 0);
    let scan = scan(&text, &mut Reports::default());
    let (text, rescan) = balanced(text, &scan, &mut Reports::default());
    let plain = text.clone().plain(rescan.as_ref().unwrap_or(&scan));
    (text, plain, scan)
}

/// A text as the grammar reads it, what was seen of it, and where it had to be
/// guessed at, in order: what the scan guessed, and what balancing reported.
fn read(source: &SourceFile, out: &mut Reports) -> (Patched, Scan, Vec<Span>) {
    let text = Patched::new(&source.text, source.base);
    let scan = scan(&text, out);
    let mark = out.mark();
    let (text, rescan) = balanced(text, &scan, out);
    let text = text.plain(rescan.as_ref().unwrap_or(&scan));
    let guesses = scan.guesses.iter().copied();
    let mut places: Vec<Span> = guesses.chain(out.places(mark)).collect();
    places.sort();
    (text, scan, places)
}
