//! Islands of bad syntax.

use pest::iterators::Pair;
use ssl_diagnostics::{Code, Diagnostic};
use ssl_grammar::Rule;

use super::build::{Builder, Context};
use crate::ast::{Docs, File, Stmt};

impl Builder<'_> {
    pub(super) fn bad_lines(
        &mut self,
        lines: &[Pair<Rule>],
        _docs: Docs,
        _context: Context,
        _stmts: &mut Vec<Stmt>,
    ) {
        for line in lines {
            self.complain(line, "this is no statement");
        }
    }

    pub(super) fn bad_block(
        &mut self,
        pair: &Pair<Rule>,
        _docs: Docs,
        _context: Context,
        _stmts: &mut Vec<Stmt>,
    ) {
        self.complain(pair, "this is no section");
    }

    pub(super) fn bad_item_lines(&mut self, lines: &[Pair<Rule>], _docs: Docs, _file: &mut File) {
        for line in lines {
            self.complain(line, "this is no definition");
        }
    }

    pub(super) fn bad_item_block(&mut self, pair: &Pair<Rule>, _docs: Docs, _file: &mut File) {
        self.complain(pair, "this is no definition");
    }

    fn complain(&mut self, pair: &Pair<Rule>, message: &str) {
        let at = pair.as_span();
        let span = self.text.span(at.start(), at.end());
        self.out
            .push(Diagnostic::error(Code::SYNTAX, message).at(span, ""));
    }
}
