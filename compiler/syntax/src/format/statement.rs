//! Files, blocks and statements.

use ssl_grammar::Rule;

use super::layout::Layout;
use super::tree::{Block, Node, Remark, Tree, trimmed};

/// Writes a tree down, in order, with the comments between its tokens.
pub(super) struct Writer<'t, 'a> {
    pub tree: &'t Tree<'a>,
    pub out: Layout<'a>,
    /// How many brackets are open; in them a line break is but a blank.
    pub brackets: usize,
    /// The comments that are still to come.
    comments: &'t [Remark],
}

/// What is written before one of a statement's parts, so that it stands below
/// that of the neighbour.
#[derive(Debug, Clone, Copy)]
struct Column {
    part: usize,
    blanks: usize,
}

impl<'t, 'a> Writer<'t, 'a> {
    pub fn new(tree: &'t Tree<'a>) -> Self {
        Writer {
            tree,
            out: Layout::default(),
            brackets: 0,
            comments: &tree.comments,
        }
    }

    pub fn file(mut self) -> Layout<'a> {
        self.items(&self.tree.nodes, self.tree.text.len());
        self.out
    }

    /// A token, behind the comments that stand before it.
    pub fn token(&mut self, node: &Node) {
        self.comments_before(node.start);
        self.out.text(self.tree.of(node));
    }

    pub fn comments_before(&mut self, at: usize) {
        while let Some(comment) = self.comment_before(at) {
            let text = trimmed(self.tree.slice(comment.range.clone()));
            match comment.trailing {
                true => self.out.trailing(text),
                false => self.out.comment(text),
            }
        }
    }

    fn comment_before(&mut self, at: usize) -> Option<&'t Remark> {
        let (first, rest) = self.comments.split_first()?;
        if first.range.start >= at {
            return None;
        }
        self.comments = rest;
        Some(first)
    }

    /// Whether a comment that is still to come stands before a place.
    fn has_comment_before(&self, at: usize) -> bool {
        self.comments.first().is_some_and(|c| c.range.start < at)
    }

    /// What stands in a block, one a line, up to `end`.
    fn items(&mut self, items: &'t [Node], end: usize) {
        let columns = self.columns(items);
        // Where what was written last ends.
        let mut last = None;
        let mut at = 0;
        while let Some(item) = items.get(at) {
            let run = items.iter().skip(at).take_while(|i| i.frozen).count();
            if run > 0 {
                let lines = items.iter().skip(at).take(run);
                let extents = lines.map(|i| self.tree.lines.of(i));
                let Some(extent) = extents.reduce(|a, b| a.to(b)) else {
                    break;
                };
                let range = self.tree.lines.range(extent);
                self.remarks(range.start, &mut last);
                self.gap(last, range.start);
                self.out.verbatim(self.tree.slice(range.clone()));
                while self.comment_before(range.end).is_some() {}
                last = Some(range.end);
                at += run;
                continue;
            }
            self.remarks(item.start, &mut last);
            self.gap(last, item.start);
            self.out.line_break();
            let column = columns.get(at).copied().flatten();
            self.statement(item, column);
            last = Some(item.end);
            at += 1;
        }
        self.remarks(end, &mut last);
    }

    /// Comments between statements.
    fn remarks(&mut self, at: usize, last: &mut Option<usize>) {
        while let Some(comment) = self.comment_before(at) {
            let text = trimmed(self.tree.slice(comment.range.clone()));
            if comment.trailing {
                self.out.trailing(text);
                *last = last.map(|_| comment.range.end);
            } else {
                self.gap(*last, comment.range.start);
                self.out.comment(text);
                *last = Some(comment.range.end);
            }
        }
    }

    /// An empty line, where the author left some.
    fn gap(&mut self, last: Option<usize>, next: usize) {
        if last.is_some_and(|last| self.breaks(last, next) > 1) {
            self.out.blank_line();
        }
    }

    fn breaks(&self, from: usize, to: usize) -> usize {
        self.tree.slice(from..to).matches('\n').count()
    }

    fn statement(&mut self, node: &'t Node, column: Option<Column>) {
        match node.rule {
            Rule::drop => self.drop(&node.inner),
            Rule::allow => {
                if let Some((keyword, lints)) = node.inner.split_first() {
                    self.token(keyword);
                    self.bracketed(lints);
                }
            }
            Rule::doc => self.token(node),
            _ => self.parts(&node.inner, column),
        }
    }

    fn drop(&mut self, parts: &'t [Node]) {
        let Some((keyword, paths)) = parts.split_first() else {
            return;
        };
        self.token(keyword);
        self.out.open();
        self.out.indent();
        for (i, path) in paths.iter().enumerate() {
            if i == 0 {
                self.out.space();
            } else {
                self.out.text(",");
                self.comments_before(path.start);
                self.out.line();
            }
            self.token(path);
        }
        self.out.dedent();
        self.out.close();
    }

    /// Parts with a space between those that take one.
    fn parts(&mut self, parts: &'t [Node], column: Option<Column>) {
        for (i, part) in parts.iter().enumerate() {
            if let Some(column) = column.filter(|c| c.part == i) {
                self.out.pad(column.blanks);
            }
            if i > 0 && !is_attached(part.rule) {
                self.out.space();
            }
            self.node(part);
        }
    }

    pub fn node(&mut self, node: &'t Node) {
        match node.rule {
            Rule::block => self.block(node),
            Rule::expr | Rule::plain => self.expression(node),
            Rule::args | Rule::params | Rule::fn_params | Rule::list => {
                self.bracketed(&node.inner);
            }
            Rule::count | Rule::ty => self.unbroken(&node.inner),
            Rule::group => self.group(&node.inner),
            Rule::for_ => self.comprehension(&node.inner),
            Rule::quantity => self.quantity(node),
            _ if node.inner.is_empty() => self.token(node),
            _ => self.parts(&node.inner, None),
        }
    }

    fn block(&mut self, node: &'t Node) {
        let Some(block) = Block::of(node) else {
            return;
        };
        let Block { open, items, close } = block;
        let inline = self.inline(block);
        self.out.open();
        // What stands before the brace comes behind it.
        self.out.text(self.tree.of(open));
        self.out.indent();
        match inline {
            Some(item) => {
                self.out.line();
                self.statement(item, None);
                self.out.dedent();
                self.out.line();
            }
            None => {
                let empty = items.is_empty() && !self.has_comment_before(close.start);
                self.items(items, close.start);
                self.out.dedent();
                if !empty {
                    self.out.line_break();
                }
            }
        }
        self.token(close);
        self.out.close();
    }

    /// The one statement of a block that the author wrote on one line.
    fn inline(&self, block: Block<'t>) -> Option<&'t Node> {
        let [item] = block.items else {
            return None;
        };
        let plain = !item.frozen && item.rule != Rule::doc && item.block().is_none();
        let one_line = self.breaks(block.open.start, block.close.start) == 0
            && !self.has_comment_before(block.close.start);
        (plain && one_line).then_some(item)
    }

    /// For each statement the column of its `=`, in runs that nothing
    /// interrupts.
    fn columns(&self, items: &[Node]) -> Vec<Option<Column>> {
        let mut columns: Vec<Option<Column>> = Vec::with_capacity(items.len());
        let mut before: Option<(&Node, Key)> = None;
        let mut run: Vec<usize> = Vec::new();
        for item in items {
            let key = self.key(item);
            let goes_on = before.is_some_and(|(node, known)| {
                key.is_some_and(|key| key.same(known)) && self.breaks(node.end, item.start) < 2
            });
            if !goes_on {
                align(&mut columns, &run);
                run.clear();
            }
            before = key.map(|key| (item, key));
            columns.push(key.map(|key| {
                run.push(columns.len());
                Column {
                    part: key.part,
                    blanks: self.width(item.inner.get(..key.part).unwrap_or_default()),
                }
            }));
        }
        align(&mut columns, &run);
        columns
    }

    /// What a statement is aligned by; `None` where it is not.
    fn key(&self, item: &Node) -> Option<Key<'a>> {
        let sign = match item.rule {
            Rule::assign | Rule::let_ | Rule::param | Rule::track | Rule::section => Rule::equals,
            Rule::vary => Rule::KW_IN,
            _ => return None,
        };
        let part = item.inner.iter().position(|n| n.rule == sign)?;
        let end = item.inner.get(part)?.start;
        let i = self
            .comments
            .partition_point(|c| c.range.start < item.start);
        let interrupted = self.comments.get(i).is_some_and(|c| c.range.start < end);
        let keyword = match item.rule {
            Rule::section => self.tree.of(item.inner.first()?),
            _ => "",
        };
        (!item.frozen && !interrupted).then_some(Key {
            rule: item.rule,
            keyword,
            part,
        })
    }

    /// Columns of parts on one line.
    fn width(&self, parts: &[Node]) -> usize {
        let mut writer = Writer {
            tree: self.tree,
            out: Layout::default(),
            brackets: 0,
            comments: &[],
        };
        writer.parts(parts, None);
        trimmed(writer.out.render(usize::MAX).trim_end())
            .chars()
            .count()
    }
}

/// What neighbours have in common whose `=` are aligned.
#[derive(Debug, Clone, Copy)]
struct Key<'a> {
    rule: Rule,
    keyword: &'a str,
    part: usize,
}

impl Key<'_> {
    fn same(self, other: Key) -> bool {
        self.rule == other.rule && self.keyword == other.keyword
    }
}

/// Turns the widths of a run into blanks.
fn align(columns: &mut [Option<Column>], run: &[usize]) {
    let width = |i: &usize| columns.get(*i).copied().flatten().map(|c| c.blanks);
    let widest = run.iter().filter_map(width).max().unwrap_or(0);
    for i in run {
        if let Some(Some(column)) = columns.get_mut(*i) {
            column.blanks = widest.saturating_sub(column.blanks);
        }
    }
}

/// Whether no blank stands before it.
fn is_attached(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::colon | Rule::count | Rule::params | Rule::fn_params | Rule::args
    )
}
