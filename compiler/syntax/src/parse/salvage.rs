//! What a broken statement was about to define, with its value missing: who
//! uses the name is not told that there is none.

use pest::Parser;
use pest::iterators::Pair;
use ssl_diagnostics::Span;
use ssl_grammar::{Rule, SslParser};

use super::build::{Builder, Context, missing, section_kind};
use super::explain::is_foreign;
use super::patched::Patched;
use crate::ast::{Block, Docs, Ident, Item, Path, Pipeline, Section, SectionBody, Stmt, StmtKind};

impl Builder<'_> {
    pub(super) fn salvage(&self, island: &Patched, docs: Docs) -> Option<Stmt> {
        let mut pairs = SslParser::parse(Rule::salvage, island.text()).ok()?;
        let found = pairs.next()?.into_inner().next()?;
        let behind = island.text().get(found.as_span().end()..)?;
        if behind.starts_with(is_foreign) {
            return None;
        }
        let span = island.span(found.as_span().start(), island.text().len());
        let ident = |pair: &Pair<Rule>| Ident {
            name: pair.as_str().to_owned(),
            span: island.span(pair.as_span().start(), pair.as_span().end()),
        };
        let value = missing(Span::new(span.end, span.end));
        let mut inner = found.clone().into_inner();
        let kind = match found.as_rule() {
            Rule::salvaged_let => {
                let keyword = inner.next()?;
                let name = ident(&inner.next()?);
                match keyword.as_rule() {
                    Rule::KW_TRACK => StmtKind::Track { name, value },
                    _ => StmtKind::Let {
                        name,
                        ty: None,
                        value,
                    },
                }
            }
            Rule::salvaged_section => {
                let keyword = inner.next()?;
                let name = ident(&inner.next()?);
                StmtKind::Section(Section {
                    kind: section_kind(keyword.as_str())?,
                    keyword: ident(&keyword).span,
                    name: Some(name),
                    count: None,
                    params: None,
                    extends: None,
                    body: SectionBody::Value(value),
                })
            }
            Rule::salvaged_minimize => StmtKind::Minimize { value },
            _ => {
                let path = inner.next()?;
                let segments: Vec<Ident> = path
                    .clone()
                    .into_inner()
                    .filter(|p| p.as_rule() == Rule::ident)
                    .map(|p| ident(&p))
                    .collect();
                let first = segments.first()?.span;
                let span = segments.iter().fold(first, |s, i| s.to(i.span));
                let path = Path { segments, span };
                StmtKind::Assign {
                    path,
                    ty: None,
                    value,
                }
            }
        };
        Some(Stmt { docs, kind, span })
    }

    /// A pipeline whose head is broken behind its name.
    pub(super) fn salvage_item(
        &self,
        head: &Patched,
        context: Context,
        body: Block,
        span: Span,
    ) -> Option<Item> {
        let mut pairs = SslParser::parse(Rule::salvaged_head, head.text()).ok()?;
        let name = pairs.next()?.into_inner().nth(1)?;
        (context == Context::Pipeline).then(|| {
            Item::Pipeline(Pipeline {
                docs: Docs::default(),
                name: Ident {
                    name: name.as_str().to_owned(),
                    span: head.span(name.as_span().start(), name.as_span().end()),
                },
                extends: None,
                body,
                span,
            })
        })
    }
}
