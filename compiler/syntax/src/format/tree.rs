//! The text as the formatter sees it: the grammar's tokens in their nesting,
//! the comments, and which lines stay as they are because the grammar did not
//! take them, or took them only after they had been mended.

use std::ops::Range;

use pest::Parser;
use pest::iterators::Pair;
use ssl_grammar::{Rule, SslParser, is_keyword};

use super::lines::{Extent, Lines};
use crate::level::Level;
use crate::parse::{Patched, mended};

/// A token, or tokens that belong together. Commas are left out: where they
/// stand is the formatter's affair.
#[derive(Debug)]
pub(super) struct Node {
    pub rule: Rule,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    pub inner: Vec<Node>,
    /// How strongly it binds, where it is an operator.
    pub level: Option<Level>,
    /// Whether its lines are copied as they are.
    pub frozen: bool,
}

/// A plain comment.
#[derive(Debug)]
pub(super) struct Remark {
    pub range: Range<usize>,
    /// Whether code stands before it on its line.
    pub trailing: bool,
}

/// A text, read.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub text: &'a str,
    pub lines: Lines,
    /// What stands at the top of the file.
    pub nodes: Vec<Node>,
    pub comments: Vec<Remark>,
}

impl<'a> Tree<'a> {
    /// Reads a text; `None` where the grammar does not take it even mended.
    pub fn read(text: &'a str) -> Option<Tree<'a>> {
        let (patched, plain, scan) = mended(text);
        let mut pairs = SslParser::parse(Rule::file, plain.text()).ok()?;
        let mut nodes = inner(&patched, pairs.next()?);
        let lines = Lines::new(text);
        let touched: Vec<Spot> = patched
            .touched(text, 0)
            .into_iter()
            .map(|t| Spot {
                extent: lines.extent(t.range.start, t.range.end),
                braces: t.braces,
            })
            .collect();
        let marker = Marker {
            text,
            lines: &lines,
        };
        for node in nodes.iter_mut() {
            let extent = lines.of(node);
            let mut spots = within(&touched, extent).iter();
            node.frozen |= node.rule != Rule::doc && spots.any(|s| s.braces);
        }
        marker.mark(&mut nodes, &touched);
        let comments = scan
            .comments
            .into_iter()
            .map(|(range, trailing)| Remark { range, trailing })
            .collect();
        Some(Tree {
            text,
            lines,
            nodes,
            comments,
        })
    }

    /// Whether both say the same, commas, blanks and line breaks aside.
    pub fn says_as(&self, other: &Tree) -> bool {
        let comment = |tree: &Tree, c: &Remark| trimmed(tree.slice(c.range.clone())).to_owned();
        same(self, &self.nodes, other, &other.nodes)
            && self.comments.len() == other.comments.len()
            && self
                .comments
                .iter()
                .zip(&other.comments)
                .all(|(a, b)| comment(self, a) == comment(other, b))
    }

    pub fn of(&self, node: &Node) -> &'a str {
        trimmed(self.slice(node.start..node.end))
    }

    pub fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or("")
    }
}

impl Node {
    pub fn find(&self, rule: Rule) -> Option<&Node> {
        self.inner.iter().find(|n| n.rule == rule)
    }

    /// The block that ends it.
    pub fn block(&self) -> Option<Block<'_>> {
        let last = self.inner.last().filter(|n| n.rule == Rule::block)?;
        Block::of(last)
    }
}

/// What a block consists of.
#[derive(Clone, Copy)]
pub(super) struct Block<'t> {
    pub open: &'t Node,
    pub items: &'t [Node],
    pub close: &'t Node,
}

impl<'t> Block<'t> {
    pub fn of(block: &'t Node) -> Option<Self> {
        match block.inner.as_slice() {
            [open, items @ .., close] => Some(Block { open, items, close }),
            _ => None,
        }
    }
}

/// Without blanks at the end.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_end_matches([' ', '\t', '\r'])
}

fn same(a: &Tree, left: &[Node], b: &Tree, right: &[Node]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(l, r)| {
            let whole = l.frozen || l.inner.is_empty();
            l.rule == r.rule
                && l.frozen == r.frozen
                && if whole {
                    a.of(l) == b.of(r)
                } else {
                    same(a, &l.inner, b, &r.inner)
                }
        })
}

fn inner(text: &Patched, pair: Pair<Rule>) -> Vec<Node> {
    pair.into_inner()
        .filter(|p| {
            !matches!(
                p.as_rule(),
                Rule::line_end | Rule::comma | Rule::missing | Rule::missing_arg | Rule::EOI
            )
        })
        .map(|p| node(text, p))
        .collect()
}

fn node(text: &Patched, pair: Pair<Rule>) -> Node {
    let span = pair.as_span();
    let start = text.origin(span.start()) as usize;
    let rule = match pair.as_rule() {
        Rule::continuation => Rule::operator,
        rule => rule,
    };
    let level = match rule {
        Rule::operator => Level::of(pair.as_str()),
        _ => None,
    };
    let mut inner = match rule {
        Rule::path => Vec::new(),
        _ => inner(text, pair),
    };
    // A quantity without a unit is a number.
    if rule == Rule::quantity
        && inner.len() == 1
        && let Some(number) = inner.pop()
    {
        return number;
    }
    // pest counts the blanks behind the last token in.
    let end = inner
        .last()
        .map_or(text.origin(span.end()) as usize, |n| n.end);
    Node {
        rule,
        start,
        end: end.max(start),
        frozen: is_refused(rule, span.as_str(), &inner),
        inner,
        level,
    }
}

/// Whether the grammar took a keyword for a name, which the tree builder does
/// not.
fn is_refused(rule: Rule, text: &str, inner: &[Node]) -> bool {
    match rule {
        Rule::dotted => text.split('.').any(is_keyword),
        Rule::entry if inner.first().is_some_and(|n| n.rule == Rule::arg_name) => {
            is_keyword(text.split([' ', '\t', ':']).next().unwrap_or("")) || any_frozen(inner)
        }
        Rule::reference if inner.len() == 1 && ["true", "false"].contains(&trimmed(text)) => false,
        Rule::block => false,
        _ => any_frozen(inner),
    }
}

fn any_frozen(nodes: &[Node]) -> bool {
    nodes.iter().any(|n| n.frozen)
}

/// Lines that were edited before the grammar read them.
#[derive(Debug, Clone, Copy)]
struct Spot {
    extent: Extent,
    braces: bool,
}

/// Those that share a line with an extent.
fn within(spots: &[Spot], extent: Extent) -> &[Spot] {
    let from = spots.partition_point(|s| s.extent.last < extent.first);
    let rest = spots.get(from..).unwrap_or_default();
    let len = rest.partition_point(|s| s.extent.first <= extent.last);
    rest.get(..len).unwrap_or_default()
}

/// Finds out which nodes are frozen.
struct Marker<'a> {
    text: &'a str,
    lines: &'a Lines,
}

impl Marker<'_> {
    /// Marks neighbours, and adds a node for what was edited between them. The
    /// spots lie in the neighbours' lines or between them.
    fn mark(&self, nodes: &mut Vec<Node>, spots: &[Spot]) {
        let mut open = Vec::new();
        for node in nodes.iter_mut() {
            node.frozen = node.frozen || self.is_frozen(node, spots);
            if !node.frozen
                && let Some(inside) = self.inside(node)
            {
                open.push(inside);
            }
        }
        for spot in spots {
            let i = open.partition_point(|o| o.last < spot.extent.first);
            if open.get(i).is_some_and(|o| o.holds(spot.extent)) {
                continue;
            }
            let range = self.lines.range(spot.extent);
            nodes.push(Node {
                rule: Rule::bad_line,
                start: range.start,
                end: range.end,
                inner: Vec::new(),
                level: None,
                frozen: true,
            });
        }
        nodes.sort_by_key(|n| (n.start, n.end));
        self.spread(nodes);
    }

    fn is_frozen(&self, node: &mut Node, spots: &[Spot]) -> bool {
        let spots = within(spots, self.lines.of(node));
        if node.rule == Rule::bad_line || node.rule == Rule::bad_block && !self.has_name(node) {
            return true;
        }
        let Some(inside) = self.inside(node) else {
            return !spots.is_empty();
        };
        if !spots.iter().all(|s| inside.holds(s.extent)) {
            return true;
        }
        let Some(block) = node.inner.last_mut() else {
            return true;
        };
        let close = block.inner.pop();
        let mut items = block.inner.split_off(1);
        self.mark(&mut items, spots);
        let escapes = |n: &Node| n.frozen && !inside.holds(self.lines.of(n));
        let escapes = items.iter().any(escapes);
        block.inner.extend(items);
        block.inner.extend(close);
        escapes
    }

    /// The lines between the braces of the block that a node ends in.
    fn inside(&self, node: &Node) -> Option<Extent> {
        let block = node.block()?;
        Some(Extent {
            first: self.lines.of(block.open).last + 1,
            last: self.lines.of(block.close).first.saturating_sub(1),
        })
    }

    /// Whether a block's bad head is words on one line, as `nett encoder` is.
    fn has_name(&self, node: &Node) -> bool {
        let Some(head) = node.find(Rule::bad_head) else {
            return false;
        };
        let head = self.text.get(head.start..head.end).unwrap_or("");
        let word = |w: &str| head.split_whitespace().next() == Some(w);
        !head.contains(['=', '\n', '{', '}'])
            && !head.contains("//")
            && !word("minimize")
            && !word("for")
    }

    /// Lines are copied whole: who shares one with a frozen node is frozen.
    fn spread(&self, nodes: &mut [Node]) {
        let mut reach = None;
        for node in nodes.iter_mut() {
            let extent = self.lines.of(node);
            node.frozen |= reach.is_some_and(|r| extent.first <= r);
            if node.frozen {
                reach = reach.max(Some(extent.last));
            }
        }
        let mut reach = usize::MAX;
        for node in nodes.iter_mut().rev() {
            let extent = self.lines.of(node);
            node.frozen |= extent.last >= reach;
            if node.frozen {
                reach = reach.min(extent.first);
            }
        }
    }
}
