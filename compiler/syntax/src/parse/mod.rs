//! Text to tree. The parser cannot fail: what it does not understand becomes
//! a diagnostic, and the rest of the text is still there.

mod build;
mod island;
mod patched;

use ssl_diagnostics::{Code, Diagnostic, FileId, SourceMap};
use ssl_grammar::pest::Parser;
use ssl_grammar::{Rule, SslParser};

use crate::{Trivia, ast};
use build::{Builder, Context};
use patched::Patched;

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
    let mut parsed = Parsed {
        file: ast::File::default(),
        trivia: Trivia::default(),
        diagnostics: Vec::new(),
    };
    let Some(source) = map.file(file) else {
        return parsed;
    };
    let text = Patched::new(&source.text, source.base);
    let mut dangling = Vec::new();
    let mut builder = Builder {
        text: &text,
        out: &mut parsed.diagnostics,
        dangling: &mut dangling,
    };
    match SslParser::parse(Rule::file, text.text()) {
        Ok(mut pairs) => {
            let inner = pairs.next().map(|p| p.into_inner());
            if let Some(inner) = inner {
                builder.file(inner, &mut parsed.file);
            }
        }
        Err(error) => builder.out.push(
            Diagnostic::error(Code::SYNTAX, error.variant.message().to_string())
                .at(text.span(0, 0), ""),
        ),
    }
    parsed.diagnostics.sort_by_key(Diagnostic::span);
    parsed
}

/// Parses one assignment (`path = value`), as `--set` takes it. `None` where
/// it is none; the diagnostics say why.
pub fn parse_assignment(map: &SourceMap, file: FileId) -> (Option<ast::Stmt>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let Some(source) = map.file(file) else {
        return (None, out);
    };
    let text = Patched::new(&source.text, source.base);
    let mut builder = Builder {
        text: &text,
        out: &mut out,
        dangling: &mut Vec::new(),
    };
    let stmt = match SslParser::parse(Rule::only_assign, text.text()) {
        Ok(mut pairs) => pairs
            .next()
            .and_then(|p| p.into_inner().next())
            .and_then(|p| builder.statement(&p, ast::Docs::default(), Context::Pipeline)),
        Err(_) => {
            let all = text.span(0, text.text().len());
            out.push(
                Diagnostic::error(Code::SYNTAX, "this is no assignment")
                    .at(all, "expected `path = value`"),
            );
            None
        }
    };
    (stmt, out)
}
