//! Files, imports, definitions and blocks.

use pest::iterators::{Pair, Pairs};
use ssl_grammar::Rule;

use super::{Builder, Context};
use crate::ast::{
    Block, Docs, File, FnParam, Function, Item, Pipeline, Spanned, Sweep, Use, UseTarget,
};

impl Builder<'_> {
    /// The inner pairs of `file`, or of `only_items`; `docs` precede them.
    pub(in crate::parse) fn file(&mut self, mut docs: Docs, pairs: Pairs<Rule>, file: &mut File) {
        let mut pairs = pairs.peekable();
        while let Some(pair) = pairs.next() {
            match pair.as_rule() {
                Rule::doc => docs.lines.push(self.doc(&pair)),
                Rule::EOI => {}
                Rule::import => {
                    self.dangle(std::mem::take(&mut docs));
                    file.uses.extend(self.import(&pair));
                }
                Rule::bad_line => {
                    let mut lines = vec![pair];
                    while let Some(next) = pairs.next_if(|p| p.as_rule() == Rule::bad_line) {
                        lines.push(next);
                    }
                    self.bad_item_lines(&lines, std::mem::take(&mut docs), file);
                }
                Rule::bad_block => self.bad_item_block(&pair, std::mem::take(&mut docs), file),
                _ => {
                    let item = self.item(&pair, std::mem::take(&mut docs));
                    file.items.extend(item);
                }
            }
        }
        self.dangle(docs);
    }

    fn import(&mut self, pair: &Pair<Rule>) -> Option<Use> {
        let mut target = None;
        let mut alias = None;
        for p in pair.clone().into_inner() {
            match p.as_rule() {
                Rule::text => {
                    target = Some(UseTarget::File(Spanned {
                        span: self.span(&p),
                        node: self.text_value(&p),
                    }));
                }
                Rule::path => target = Some(UseTarget::Module(self.path(&p))),
                Rule::ident => alias = Some(self.ident(&p)),
                _ => {}
            }
        }
        Some(Use {
            target: target?,
            alias,
            span: self.span(pair),
        })
    }

    fn item(&mut self, pair: &Pair<Rule>, docs: Docs) -> Option<Item> {
        let span = self.span(pair);
        let mut inner = pair.clone().into_inner();
        let name = inner.by_ref().find(|p| p.as_rule() == Rule::ident)?;
        let name = self.ident(&name);
        match pair.as_rule() {
            Rule::pipeline => {
                let mut extends = None;
                let mut body = None;
                for p in inner {
                    match p.as_rule() {
                        Rule::extends => extends = self.extends(p),
                        Rule::block => body = Some(self.block(&p, Context::Pipeline)),
                        _ => {}
                    }
                }
                Some(Item::Pipeline(Pipeline {
                    docs,
                    name,
                    extends,
                    body: body?,
                    span,
                }))
            }
            Rule::sweep => {
                let of = inner.by_ref().find(|p| p.as_rule() == Rule::path)?;
                let of = self.path(&of);
                let body = inner.find(|p| p.as_rule() == Rule::block)?;
                Some(Item::Sweep(Sweep {
                    docs,
                    name,
                    of,
                    body: self.block(&body, Context::Sweep),
                    span,
                }))
            }
            Rule::function => {
                let mut params = Vec::new();
                let mut result = None;
                let mut body = None;
                for p in inner {
                    match p.as_rule() {
                        Rule::fn_params => {
                            params = self.fn_params(&p);
                            self.report_keyword();
                        }
                        Rule::ty => result = Some(self.ty(&p)),
                        Rule::block => body = Some(self.block(&p, Context::Function)),
                        _ => {}
                    }
                }
                Some(Item::Function(Function {
                    docs,
                    name,
                    params,
                    result,
                    body: body?,
                    span,
                }))
            }
            _ => None,
        }
    }

    pub(super) fn extends(&mut self, pair: Pair<Rule>) -> Option<crate::ast::Path> {
        let path = pair.into_inner().find(|p| p.as_rule() == Rule::path)?;
        Some(self.path(&path))
    }

    fn fn_params(&mut self, pair: &Pair<Rule>) -> Vec<FnParam> {
        let mut params = Vec::new();
        for p in pair.clone().into_inner() {
            if p.as_rule() != Rule::fn_param {
                continue;
            }
            let span = self.span(&p);
            let mut name = None;
            let mut ty = None;
            let mut default = None;
            for p in p.into_inner() {
                match p.as_rule() {
                    Rule::ident => name = Some(self.ident(&p)),
                    Rule::ty => ty = Some(self.ty(&p)),
                    Rule::expr => default = Some(self.expr(&p)),
                    _ => {}
                }
            }
            params.extend(name.map(|name| FnParam {
                name,
                ty,
                default,
                span,
            }));
        }
        params
    }

    pub(in crate::parse) fn block(&mut self, pair: &Pair<Rule>, context: Context) -> Block {
        let mut docs = Docs::default();
        let mut stmts = Vec::new();
        let mut start = pair.as_span().start();
        let mut pairs = pair.clone().into_inner().peekable();
        while let Some(pair) = pairs.next() {
            match pair.as_rule() {
                Rule::lbrace => start = pair.as_span().start(),
                Rule::rbrace => {}
                Rule::doc => docs.lines.push(self.doc(&pair)),
                Rule::bad_line => {
                    let mut lines = vec![pair];
                    while let Some(next) = pairs.next_if(|p| p.as_rule() == Rule::bad_line) {
                        lines.push(next);
                    }
                    self.bad_lines(&lines, std::mem::take(&mut docs), context, &mut stmts);
                }
                Rule::bad_block => {
                    self.bad_block(&pair, std::mem::take(&mut docs), context, &mut stmts);
                }
                _ => stmts.extend(self.statement(&pair, std::mem::take(&mut docs), context)),
            }
        }
        self.dangle(docs);
        Block {
            stmts,
            span: self.text.span(start, super::exact_end(pair)),
        }
    }
}
