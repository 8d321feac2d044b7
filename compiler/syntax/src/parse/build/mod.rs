//! Pairs to tree. What the grammar accepts and the language does not (a label
//! where an assignment belongs, a chain of ranges) is reported here.

mod expr;
mod item;
mod statement;

pub(super) use expr::missing;
pub(super) use statement::section_kind;

use pest::iterators::Pair;
use ssl_diagnostics::{Code, Diagnostic, Lint, Span};
use ssl_grammar::Rule;

use super::patched::Patched;
use super::reports::Reports;
use crate::ast::{Docs, Ident, Path, SectionKind, Spanned};

/// The deepest tree that is built. Whoever walks it may recurse.
pub(super) const MAX_DEPTH: usize = 256;

/// What a block is the body of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Pipeline,
    Sweep,
    Function,
    Section(SectionKind),
}

/// Builds the tree of one text, and reports.
pub(super) struct Builder<'a> {
    pub text: &'a Patched,
    pub out: &'a mut Reports,
    /// Documentation that precedes nothing.
    pub dangling: &'a mut Vec<Span>,
    /// Where the text was guessed at before the grammar read it, in order; what
    /// does not parse there has been reported.
    pub known: &'a [Span],
    /// The first keyword of a statement that the grammar took for a name.
    pub keyword: Option<(Span, String)>,
}

impl Builder<'_> {
    /// From a pair's first byte to its last token's last.
    pub(super) fn span(&self, pair: &Pair<Rule>) -> Span {
        self.text.span(pair.as_span().start(), exact_end(pair))
    }

    fn ident(&self, pair: &Pair<Rule>) -> Ident {
        Ident {
            name: pair.as_str().to_owned(),
            span: self.span(pair),
        }
    }

    fn path(&mut self, pair: &Pair<Rule>) -> Path {
        let span = self.span(pair);
        let mut segments = Vec::new();
        if pair.as_rule() == Rule::dotted {
            let mut start = pair.as_span().start();
            for name in pair.as_str().split('.') {
                let span = self.text.span(start, start + name.len());
                self.refuse_keyword(name, span);
                segments.push(Ident {
                    name: name.to_owned(),
                    span,
                });
                start += name.len() + 1;
            }
        } else {
            let names = pair.clone().into_inner();
            let names = names.filter(|p| p.as_rule() == Rule::ident);
            segments.extend(names.map(|p| self.ident(&p)));
        }
        Path { segments, span }
    }

    /// Remembers a keyword that the grammar took for a name.
    fn refuse_keyword(&mut self, name: &str, span: Span) {
        if ssl_grammar::is_keyword(name) {
            self.keyword.get_or_insert((span, name.to_owned()));
        }
    }

    /// Reports what [`Builder::refuse_keyword`] remembers, where the text will
    /// not be read again.
    fn report_keyword(&mut self) {
        if let Some((span, name)) = self.keyword.take() {
            self.out.push(
                Diagnostic::error(Code::SYNTAX, format!("expected a value, found `{name}`"))
                    .at(span, "expected a value")
                    .help(format!(
                        "`{name}` is a keyword and names nothing; choose another name"
                    )),
            );
        }
    }

    fn doc(&self, pair: &Pair<Rule>) -> Spanned<String> {
        let line = pair.as_str().trim_end();
        let text = line.trim_start_matches('/');
        let start = pair.as_span().start();
        Spanned {
            node: text.strip_prefix(' ').unwrap_or(text).to_owned(),
            span: self.text.span(start, start + line.len()),
        }
    }

    /// Whether a guess from before the grammar lies in a span.
    pub(super) fn is_guessed(&self, span: Span) -> bool {
        let i = self.known.partition_point(|k| k.start < span.start);
        self.known.get(i).is_some_and(|k| k.start <= span.end)
    }

    fn dangle(&mut self, docs: Docs) {
        let Some(first) = docs.lines.first() else {
            return;
        };
        let last = docs.lines.last().map_or(first.span, |l| l.span);
        self.out.push(
            Diagnostic::lint(Lint::DANGLING_DOC, "this documentation precedes nothing")
                .at(
                    first.span.to(last),
                    "no statement or definition follows it in its block",
                )
                .help("write `//` for a plain comment"),
        );
        self.dangling.extend(docs.lines.iter().map(|l| l.span));
    }
}

/// Where a pair's last token ends: pest counts the blanks behind it in, and a
/// statement the end of its line.
fn exact_end(pair: &Pair<Rule>) -> usize {
    let text = pair.as_str();
    pair.as_span().start() + text.trim_end_matches([' ', '\n']).len()
}
