//! Every bracket gets its partner before the grammar reads the text: the
//! grammar then cannot fail, and a lost brace costs no section.
//!
//! A definition's keyword at the start of a line ends whatever is open, so
//! nothing spills into the next definition. Where the braces of a definition
//! do not match up, indentation tells which of them is at fault.

use ssl_diagnostics::{Code, Diagnostic, Fix};

use super::patched::{Edit, Patched};
use super::reports::Reports;
use super::scan::{Bracket, Scan, Shape, scan};

/// The deepest nesting of brackets that the grammar is shown: it recurses.
pub(super) const MAX_NESTING: usize = 64;
/// How many open brackets a closing one looks at.
const REACH: usize = 1_000;
/// How many lines a call with a lost parenthesis may have.
const MAX_CALL_LINES: usize = 200;

/// A text whose brackets are balanced and nested no deeper than
/// [`MAX_NESTING`], and its scan where the text differs from the one given.
/// `own` is the scan of the text given; its edits are made too.
pub(super) fn balanced(text: Patched, own: &Scan, out: &mut Reports) -> (Patched, Option<Scan>) {
    let mut edits = own.edits.clone();
    Balancer {
        text: &text,
        scan: own,
        next_brace: next_braces(&own.brackets),
        edits: &mut edits,
        out,
        reported: None,
    }
    .run();
    let rescanned = |text: Patched| {
        let found = scan(&text, &mut Reports::default());
        (text, Some(found))
    };
    let (text, found) = match edits.is_empty() {
        true => (text, None),
        false => rescanned(stripped(apply(text, edits))),
    };
    let cuts = too_deep(&text, found.as_ref().unwrap_or(own), out);
    match cuts.is_empty() {
        true => (text, found),
        false => rescanned(apply(text, cuts)),
    }
}

fn apply(text: Patched, mut edits: Vec<Edit>) -> Patched {
    if edits.is_empty() {
        return text;
    }
    edits.sort_by_key(|e| (e.at, e.remove));
    text.apply(&edits)
}

/// An open bracket.
#[derive(Clone, Copy)]
struct Open {
    bracket: Bracket,
    indent: usize,
}

struct Balancer<'a> {
    text: &'a Patched,
    scan: &'a Scan,
    /// For every bracket, where the next brace from it on stands.
    next_brace: Vec<Option<usize>>,
    edits: &'a mut Vec<Edit>,
    out: &'a mut Reports,
    /// The line that was reported last: one report a line is enough.
    reported: Option<usize>,
}

impl Balancer<'_> {
    fn run(&mut self) {
        let brackets = &self.scan.brackets;
        let mut start = 0;
        while start < brackets.len() {
            let first_line = brackets.get(start).map_or(0, |b| b.line);
            let next_item = (first_line + 1..self.scan.lines.len())
                .find(|l| self.opens_item(*l))
                .unwrap_or(self.scan.lines.len());
            let rest = brackets.get(start..).unwrap_or(&[]);
            let len = rest.partition_point(|b| b.line < next_item);
            let region = rest.get(..len).unwrap_or(&[]);
            if !matched(region) {
                self.region(region, next_item);
            }
            start += len.max(1);
        }
    }

    fn line_text(&self, line: usize) -> &str {
        let line = self.scan.lines.get(line);
        line.and_then(|l| self.text.text().get(l.first..l.end))
            .unwrap_or("")
    }

    /// `pipeline NAME`, `sweep NAME`, `fn NAME`, `use ...`.
    fn opens_item(&self, line: usize) -> bool {
        let (word, rest) = first_word(self.line_text(line));
        let named = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '"');
        named && ssl_grammar::ITEM_KEYWORDS.contains(&word)
    }

    /// `view NAME ...`, `train ...`, but not `train = ...`.
    fn opens_section(&self, line: usize) -> bool {
        let (word, rest) = first_word(self.line_text(line));
        ssl_grammar::SECTION_KEYWORDS.contains(&word) && !rest.starts_with(['=', '.'])
    }

    /// Whether a line starts a statement, judged by its first characters.
    fn opens_statement(&self, line: usize) -> bool {
        let text = self.line_text(line);
        let (word, rest) = first_word(text);
        let path_end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        let behind = path_end.and_then(|i| text.get(i..)).unwrap_or("");
        let behind = behind.trim_start();
        text.starts_with('}')
            || ssl_grammar::STATEMENT_KEYWORDS.contains(&word) && !rest.starts_with([':', ',', ')'])
            || ssl_grammar::SECTION_KEYWORDS.contains(&word)
                && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '{')
            || path_end != Some(0) && behind.starts_with('=') && !behind.starts_with("==")
    }

    fn region(&mut self, brackets: &[Bracket], end_line: usize) {
        let mut stack: Vec<Open> = Vec::new();
        for bracket in brackets {
            let line = self.scan.lines.get(bracket.line);
            let indent = line.map_or(0, |l| l.indent);
            if bracket.open {
                stack.push(Open {
                    bracket: *bracket,
                    indent,
                });
            } else if bracket.shape == Shape::Curly {
                let leads = line.is_some_and(|l| l.first == bracket.at);
                self.close_block(&mut stack, bracket, indent, leads);
            } else {
                self.close_inline(&mut stack, bracket);
            }
        }
        let limit = end_line
            .checked_sub(1)
            .and_then(|l| self.scan.lines.get(l))
            .map_or(self.text.text().len(), |l| l.end);
        while let Some(open) = stack.pop() {
            self.unclosed(open, limit, end_line);
        }
    }

    fn close_inline(&mut self, stack: &mut Vec<Open>, closer: &Bracket) {
        // A brace of the same line belongs to a comprehension, not to a block.
        let blocks = |o: &Open| o.bracket.shape == Shape::Curly && o.bracket.line != closer.line;
        let partner = stack
            .iter()
            .enumerate()
            .rev()
            .take(REACH)
            .find(|(_, o)| o.bracket.shape == closer.shape || blocks(o))
            .filter(|(_, o)| o.bracket.shape == closer.shape)
            .map(|(i, _)| i);
        let top = stack.last().copied();
        match (partner, top) {
            (Some(partner), _) => {
                while stack.len() > partner + 1
                    && let Some(open) = stack.pop()
                {
                    self.unclosed(open, closer.at, closer.line);
                }
                stack.pop();
            }
            (None, Some(open)) if open.bracket.shape != Shape::Curly => {
                stack.pop();
                let expected = open.bracket.shape.closer();
                let found = closer.shape.closer();
                if self.first_of_line(closer.line) {
                    self.out.push(
                        Diagnostic::error(
                            Code::SYNTAX,
                            format!("expected `{expected}`, found `{found}`"),
                        )
                        .at(
                            self.text.span(closer.at, closer.at + 1),
                            format!("write `{expected}`"),
                        )
                        .at(
                            self.text.span(open.bracket.at, open.bracket.at + 1),
                            "to close this",
                        ),
                    );
                }
                self.edits.push(Edit::replace(closer.at, 1, expected));
            }
            _ => self.stray(closer),
        }
    }

    fn close_block(&mut self, stack: &mut Vec<Open>, closer: &Bracket, indent: usize, leads: bool) {
        let blocks = |stack: &Vec<Open>| {
            let near = stack.iter().rev().take(REACH);
            near.into_iter()
                .any(|o| o.bracket.shape == Shape::Curly && o.indent <= indent)
        };
        let known = blocks(stack);
        while let Some(open) = stack.last().copied() {
            let inline = open.bracket.shape != Shape::Curly;
            let deeper = leads && known && open.indent > indent;
            let mut near = stack.iter().rev().take(REACH);
            if inline && !near.any(|o| o.bracket.shape == Shape::Curly) {
                return self.stray(closer);
            }
            if !inline && !deeper {
                let outside = open.bracket.line != closer.line;
                if outside && ((leads && open.indent < indent) || self.opens_section(closer.line)) {
                    return self.stray(closer);
                }
                stack.pop();
                return;
            }
            stack.pop();
            self.unclosed(open, closer.at, closer.line);
        }
        self.stray(closer);
    }

    fn first_of_line(&mut self, line: usize) -> bool {
        let first = self.reported != Some(line);
        self.reported = Some(line);
        first
    }

    /// The line of a head that lost its `{`: the first above the closer that
    /// is not indented more.
    fn bare_head(&self, closer: &Bracket) -> Option<usize> {
        let own = self.scan.lines.get(closer.line)?;
        if closer.shape != Shape::Curly || own.first != closer.at {
            return None;
        }
        let (i, line) = self
            .scan
            .lines
            .iter()
            .enumerate()
            .take(closer.line)
            .rfind(|(_, l)| l.indent <= own.indent)?;
        let item = self.opens_item(i);
        let text = self.line_text(i);
        let bare = !text.contains(['{', '}']) && (item || !text.contains('='));
        let head = item || self.opens_section(i);
        (head && bare && line.indent == own.indent).then_some(i)
    }

    fn stray(&mut self, closer: &Bracket) {
        if let Some(line) = self.bare_head(closer) {
            let at = self.scan.lines.get(line).map_or(closer.at, |l| l.end);
            let place = self.text.span(at, at);
            self.out.push(
                Diagnostic::error(Code::SYNTAX, "this block is never opened")
                    .at(place, "expected `{` here")
                    .at(self.text.span(closer.at, closer.at + 1), "closed here")
                    .help("add `{`")
                    .fix(Fix::maybe("add `{`", place, " {")),
            );
            self.edits.push(Edit::insert(at, " {"));
            return;
        }
        let (open, close) = (closer.shape.opener(), closer.shape.closer());
        if self.first_of_line(closer.line) {
            let span = self.text.span(closer.at, closer.at + 1);
            self.out.push(
                Diagnostic::error(Code::SYNTAX, format!("this `{close}` closes nothing"))
                    .at(span, format!("no `{open}` for this one"))
                    .help(format!("remove it, or add the `{open}` that belongs to it")),
            );
        }
        self.edits.push(Edit::replace(closer.at, 1, " "));
    }

    /// `limit` and `last` are the place and line by which it must be closed.
    fn unclosed(&mut self, open: Open, limit: usize, last: usize) {
        let at = match open.bracket.shape {
            Shape::Curly if open.bracket.line == last => limit,
            Shape::Curly => self.block_end(open, limit, last),
            _ => self.call_end(open, limit, last),
        };
        let (opener, closer) = (open.bracket.shape.opener(), open.bracket.shape.closer());
        if self.first_of_line(open.bracket.line) {
            let place = self.text.span(at, at);
            let start = open.bracket.at;
            self.out.push(
                Diagnostic::error(Code::SYNTAX, format!("this `{opener}` is never closed"))
                    .at(
                        self.text.span(start, start + 1),
                        format!("no `{closer}` for this one"),
                    )
                    .at(place, format!("expected `{closer}` here, or before"))
                    .help(format!("add `{closer}`"))
                    .fix(Fix::maybe(format!("add `{closer}`"), place, closer)),
            );
        }
        self.edits.push(Edit::insert(at, closer));
    }

    /// Behind the last line that is indented more than the block's own.
    fn block_end(&self, open: Open, limit: usize, last: usize) -> usize {
        let inside = (open.bracket.line + 1..last)
            .take_while(|l| {
                self.scan
                    .lines
                    .get(*l)
                    .is_some_and(|l| l.indent > open.indent)
            })
            .last()
            .unwrap_or(open.bracket.line);
        let end = self.scan.lines.get(inside).map_or(limit, |l| l.end);
        end.min(limit)
    }

    /// Behind the call's line, or the lines that it plainly goes on over.
    fn call_end(&self, open: Open, limit: usize, last: usize) -> usize {
        let mut line = open.bracket.line;
        for _ in 0..MAX_CALL_LINES {
            let goes_on = self
                .line_text(line)
                .ends_with([',', '(', '[', '+', '*', '/']);
            if !goes_on || line + 1 >= last || self.opens_statement(line + 1) {
                break;
            }
            line += 1;
        }
        let mut end = self.scan.lines.get(line).map_or(limit, |l| l.end);
        let from = self
            .scan
            .brackets
            .partition_point(|b| b.at <= open.bracket.at);
        if let Some(Some(brace)) = self.next_brace.get(from) {
            end = end.min(*brace);
        }
        end = end.min(limit);
        let before = self.text.text().get(..end).unwrap_or("");
        let trimmed = before.trim_end_matches([' ', '\t']).len();
        if trimmed > open.bracket.at {
            trimmed
        } else {
            end
        }
    }
}

fn next_braces(brackets: &[Bracket]) -> Vec<Option<usize>> {
    let mut next = None;
    let mut found: Vec<_> = brackets
        .iter()
        .rev()
        .map(|b| {
            if b.shape == Shape::Curly {
                next = Some(b.at);
            }
            next
        })
        .collect();
    found.reverse();
    found
}

fn first_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let (word, rest) = text
        .split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// Whether every bracket has its partner.
fn matched(brackets: &[Bracket]) -> bool {
    let mut stack = Vec::new();
    for bracket in brackets {
        if bracket.open {
            stack.push(bracket.shape);
        } else if stack.pop() != Some(bracket.shape) {
            return false;
        }
    }
    stack.is_empty()
}

/// The last resort: brackets that still have no partner become blanks.
fn stripped(text: Patched) -> Patched {
    let found = scan(&text, &mut Reports::default());
    if matched(&found.brackets) {
        return text;
    }
    let mut stack: Vec<&Bracket> = Vec::new();
    let mut edits = Vec::new();
    for bracket in &found.brackets {
        if bracket.open {
            stack.push(bracket);
        } else if stack.last().is_some_and(|o| o.shape == bracket.shape) {
            stack.pop();
        } else {
            edits.push(Edit::replace(bracket.at, 1, " "));
        }
    }
    edits.extend(stack.iter().map(|o| Edit::replace(o.at, 1, " ")));
    apply(text, edits)
}

/// What is nested too deeply is reported; the edits cut it out.
fn too_deep(text: &Patched, found: &Scan, out: &mut Reports) -> Vec<Edit> {
    let mut stack: Vec<&Bracket> = Vec::new();
    let mut edits = Vec::new();
    for bracket in &found.brackets {
        if bracket.open {
            stack.push(bracket);
            continue;
        }
        let depth = stack.len();
        let Some(open) = stack.pop() else { continue };
        if depth != MAX_NESTING + 1 {
            continue;
        }
        out.push(
            Diagnostic::error(Code::NESTING, "brackets are nested too deeply")
                .at(
                    text.span(open.at, open.at + 1),
                    format!("more than {MAX_NESTING} inside one another"),
                )
                .help("give parts of it a name with `let`"),
        );
        let whole = bracket.at + 1 - open.at;
        let stub = match open.shape {
            Shape::Curly => "{}",
            Shape::Round => "()",
            Shape::Square => "[]",
        };
        edits.push(Edit::replace(open.at, whole, stub));
    }
    edits
}
