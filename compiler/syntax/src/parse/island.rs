//! Islands of bad syntax: lines and block heads that the grammar could not
//! take. Each is read again strictly; slips that are known are mended and
//! reported one by one, anything else is explained, and what the statement was
//! about to define stays in the tree with its value missing.

use pest::Parser;
use pest::iterators::{Pair, Pairs};
use ssl_diagnostics::{Code, Diagnostic};
use ssl_grammar::{ITEM_KEYWORDS, KEYWORDS, Rule, SslParser};

use super::build::{Builder, Context, section_kind};
use super::explain::{Stop, token};
use super::patched::{Edit, Patched};
use super::slips::{nearest, slip};
use crate::ast::{Block, Docs, File, Item, SectionBody, Stmt, StmtKind};

/// How many slips are mended in one island.
const MAX_MENDS: usize = 16;

impl Builder<'_> {
    /// Adjacent lines in a block.
    pub(super) fn bad_lines(
        &mut self,
        lines: &[Pair<Rule>],
        mut docs: Docs,
        context: Context,
        stmts: &mut Vec<Stmt>,
    ) {
        let mut quiet = false;
        for line in lines {
            let island = self.cut(line.as_span().start(), line.as_span().end());
            let docs = std::mem::take(&mut docs);
            let mark = self.out.mark();
            match self.read_statements(&island, &docs, context) {
                Some(read) => {
                    stmts.extend(read);
                    quiet = false;
                }
                None => {
                    let salvaged = self.salvage(&island, docs);
                    if quiet && salvaged.is_none() && is_prose(island.text()) {
                        self.out.take_back(mark);
                    }
                    quiet = true;
                    stmts.extend(salvaged);
                }
            }
        }
    }

    /// A block whose head is no head.
    pub(super) fn bad_block(
        &mut self,
        pair: &Pair<Rule>,
        docs: Docs,
        context: Context,
        stmts: &mut Vec<Stmt>,
    ) {
        let start = pair.as_span().start();
        let inner = pair.clone().into_inner();
        let head = inner.clone().find(|p| p.as_rule() == Rule::bad_head);
        let Some(block) = inner.clone().find(|p| p.as_rule() == Rule::block) else {
            return;
        };
        let text = head.as_ref().map_or("", |h| h.as_str());
        if is_value(text) {
            // A comprehension, most likely: not a head at all.
            let island = self.cut(start, pair.as_span().end());
            match self.read_statements(&island, &docs, context) {
                Some(read) => stmts.extend(read),
                None => stmts.extend(self.salvage(&island, docs)),
            }
            return;
        }
        let Some(head) = head else {
            self.nameless(&block, "a section or statement before `{`");
            self.block(&block, Context::Function);
            return;
        };
        let island = self.head(&head);
        let whole = self.span(pair);
        if let Some(diagnostic) = self.no_section(&island) {
            self.out.push(diagnostic);
            self.block(&block, Context::Function);
            return;
        }
        let docs = &docs;
        match self.read_statements(&island, docs, context) {
            Some(mut read) => {
                if let Some(stmt) = read.last_mut()
                    && let StmtKind::Section(section) = &mut stmt.kind
                    && let SectionBody::Block(body) = &mut section.body
                {
                    *body = self.block(&block, Context::Section(section.kind));
                    stmt.span = whole;
                }
                stmts.extend(read);
            }
            None => {
                let word = token(text, 0);
                let near = nearest(word, ssl_grammar::SECTION_KEYWORDS);
                let kind = near.and_then(section_kind);
                let context = kind.map_or(Context::Function, Context::Section);
                let body = self.block(&block, context);
                let named = self.salvage(&island, docs.clone());
                stmts.extend(named.map(|mut stmt| {
                    if let StmtKind::Section(section) = &mut stmt.kind {
                        section.body = SectionBody::Block(body);
                    }
                    stmt.span = whole;
                    stmt
                }));
            }
        }
    }

    /// Adjacent lines outside of any definition.
    pub(super) fn bad_item_lines(&mut self, lines: &[Pair<Rule>], docs: Docs, file: &mut File) {
        let mut docs = docs;
        let mut quiet = false;
        for line in lines {
            let island = self.cut(line.as_span().start(), line.as_span().end());
            let docs = std::mem::take(&mut docs);
            let mark = self.out.mark();
            let broken = self.read_items(&island, docs, file).is_none();
            if broken && quiet && is_prose(island.text()) {
                self.out.take_back(mark);
            }
            quiet = broken;
        }
    }

    /// A block at the top of the file that no definition opens.
    pub(super) fn bad_item_block(&mut self, pair: &Pair<Rule>, docs: Docs, file: &mut File) {
        let inner = pair.clone().into_inner();
        let head = inner.clone().find(|p| p.as_rule() == Rule::bad_head);
        let Some(block) = inner.clone().find(|p| p.as_rule() == Rule::block) else {
            return;
        };
        let Some(head) = head else {
            self.nameless(&block, "`pipeline NAME` before `{`");
            self.block(&block, Context::Function);
            return;
        };
        let island = self.head(&head);
        let whole = self.span(pair);
        let mut read = File::default();
        match self.read_items(&island, docs, &mut read) {
            Some(()) => {
                let graft = |b: &mut Self, body: &mut Block, context| {
                    *body = b.block(&block, context);
                };
                match read.items.last_mut() {
                    Some(Item::Pipeline(p)) => {
                        graft(self, &mut p.body, Context::Pipeline);
                        p.span = whole;
                    }
                    Some(Item::Sweep(s)) => {
                        graft(self, &mut s.body, Context::Sweep);
                        s.span = whole;
                    }
                    Some(Item::Function(f)) => {
                        graft(self, &mut f.body, Context::Function);
                        f.span = whole;
                    }
                    None => {}
                }
                file.uses.append(&mut read.uses);
                file.items.append(&mut read.items);
            }
            None => {
                let word = token(head.as_str(), 0);
                let context = match nearest(word, ITEM_KEYWORDS) {
                    Some("pipeline") => Context::Pipeline,
                    Some("sweep") => Context::Sweep,
                    _ => section_kind(word).map_or(Context::Function, Context::Section),
                };
                let body = self.block(&block, context);
                file.items
                    .extend(self.salvage_item(&island, context, body, whole));
            }
        }
    }

    /// The text as one assignment.
    pub(super) fn assignment(&mut self, text: &Patched) -> Option<Stmt> {
        self.read(text, Rule::only_assign, |builder, mut pairs| {
            let pair = pairs.next()?;
            builder.statement(&pair, Docs::default(), Context::Pipeline)
        })?
    }

    pub(super) fn cut(&self, start: usize, end: usize) -> Patched {
        let text = self.text.text().get(start..end).unwrap_or("");
        self.text.slice(start, start + text.trim_end().len())
    }

    /// A block's head with an empty block.
    fn head(&self, head: &Pair<Rule>) -> Patched {
        let start = head.as_span().start();
        let island = self.cut(start, head.as_span().end());
        island.apply(&[Edit::insert(island.text().len(), " {}")])
    }

    /// A head whose first word is far from any section.
    fn no_section(&self, head: &Patched) -> Option<Diagnostic> {
        let word = token(head.text(), 0);
        let sections = ssl_grammar::SECTION_KEYWORDS;
        let near = nearest(word, sections).is_some() || nearest(word, KEYWORDS).is_some();
        let named = word.starts_with(|c: char| c.is_ascii_alphabetic());
        if near || !named || self.is_guessed(head.span(0, head.text().len())) {
            return None;
        }
        let list: Vec<String> = sections.iter().map(|s| format!("`{s}`")).collect();
        Some(
            Diagnostic::error(Code::SYNTAX, format!("`{word}` is no section"))
                .at(head.span(0, word.len()), "not a section")
                .help(format!("the sections are {}", list.join(", "))),
        )
    }

    fn nameless(&mut self, block: &Pair<Rule>, expected: &str) {
        let brace = block
            .clone()
            .into_inner()
            .find(|p| p.as_rule() == Rule::lbrace);
        let span = self.span(brace.as_ref().unwrap_or(block));
        let what = format!("expected {expected}");
        self.out
            .push(Diagnostic::error(Code::SYNTAX, what).at(span, "a block of nothing"));
    }

    pub(super) fn read_statements(
        &mut self,
        island: &Patched,
        docs: &Docs,
        context: Context,
    ) -> Option<Vec<Stmt>> {
        self.read(island, Rule::only_statements, |builder, pairs| {
            let mut docs = docs.clone();
            let mut stmts = Vec::new();
            for pair in pairs {
                if !matches!(pair.as_rule(), Rule::doc | Rule::EOI) {
                    let docs = std::mem::take(&mut docs);
                    stmts.extend(builder.statement(&pair, docs, context));
                }
            }
            stmts
        })
    }

    fn read_items(&mut self, island: &Patched, docs: Docs, file: &mut File) -> Option<()> {
        self.read(island, Rule::only_items, |builder, pairs| {
            builder.file(docs, pairs, file);
        })
    }

    /// Reads an island strictly, mending slips on the way. `None` once it has
    /// been explained.
    fn read<T>(
        &mut self,
        island: &Patched,
        rule: Rule,
        build: impl FnOnce(&mut Builder, Pairs<Rule>) -> T,
    ) -> Option<T> {
        let items = rule == Rule::only_items;
        if self.is_guessed(island.span(0, island.text().len()))
            && SslParser::parse(rule, island.text()).is_err()
        {
            return None;
        }
        if self.out.is_full()
            && let Err(error) = SslParser::parse(rule, island.text())
        {
            self.out.push(Stop::new(&error).diagnostic(island));
            return None;
        }
        let mut text = island.clone();
        let mut last_stop = None;
        for _ in 0..MAX_MENDS {
            let stop = match SslParser::parse(rule, text.text()) {
                Ok(mut pairs) => {
                    let inner = pairs.next().map(Pair::into_inner);
                    let inner = inner.unwrap_or(pairs);
                    let mut builder = Builder {
                        text: &text,
                        out: self.out,
                        dangling: self.dangling,
                        known: self.known,
                        keyword: None,
                    };
                    return Some(build(&mut builder, inner));
                }
                Err(error) => Stop::new(&error),
            };
            match slip(&text, &stop, items) {
                Some((diagnostic, edit)) => {
                    self.out.push(diagnostic);
                    text = text.apply(&[edit]);
                    last_stop = None;
                }
                None => {
                    last_stop = Some(stop);
                    break;
                }
            }
        }
        if items && let Some(diagnostic) = self.misplaced(&text) {
            self.out.push(diagnostic);
        } else if let Some(stop) = last_stop {
            self.out.push(stop.diagnostic(&text));
        }
        None
    }

    /// A statement outside of any pipeline.
    fn misplaced(&self, text: &Patched) -> Option<Diagnostic> {
        let parsed = SslParser::parse(Rule::only_statements, text.text()).ok()?;
        let first = parsed.into_iter().next()?.into_inner().next()?;
        let word = token(text.text(), first.as_span().start());
        if !matches!(
            first.as_rule(),
            Rule::section | Rule::assign | Rule::param | Rule::let_
        ) {
            return None;
        }
        let at = first.as_span().start();
        Some(
            Diagnostic::error(Code::SYNTAX, format!("`{word}` stands outside a pipeline"))
                .at(text.span(at, at + word.len()), "expected a definition")
                .help("move it into `pipeline NAME { ... }`"),
        )
    }
}

/// Whether the text before a block gives a value rather than a head.
fn is_value(head: &str) -> bool {
    head.contains('=') || ["minimize", "for"].contains(&token(head, 0))
}

/// Whether a line looks like the rest of something else rather than a
/// statement of its own: behind a broken line, it is not reported.
fn is_prose(line: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let first = token(line, 0);
    let next = line.get(first.len()..).unwrap_or("").trim_start();
    !KEYWORDS.contains(&first)
        && (!first.starts_with(word) || next.starts_with(char::is_alphabetic))
}
