//! What is seen of a text before the grammar reads it: comments and blank
//! lines, brackets, line ends that end nothing, and characters that the
//! language has no use for but whose meaning is plain (`#`, `;`, single quotes,
//! a `×` from a word processor). Those last are reported here and edited away,
//! so that they cost no statement.

use std::ops::Range;

use ssl_diagnostics::{Code, Diagnostic, Fix, Span};

use super::patched::{Edit, Patched};
use super::reports::{Mark, Reports};

/// A kind of bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Round,
    Square,
    Curly,
}

impl Shape {
    pub fn opener(self) -> &'static str {
        match self {
            Shape::Round => "(",
            Shape::Square => "[",
            Shape::Curly => "{",
        }
    }

    pub fn closer(self) -> &'static str {
        match self {
            Shape::Round => ")",
            Shape::Square => "]",
            Shape::Curly => "}",
        }
    }
}

/// A bracket in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bracket {
    pub at: usize,
    pub shape: Shape,
    pub open: bool,
    /// Index of its line among [`Scan::lines`].
    pub line: usize,
}

/// A line that holds code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its first byte of code.
    pub first: usize,
    /// One past its last byte of code.
    pub end: usize,
    /// Columns before its code.
    pub indent: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Ranges of plain comments, and whether code stands before them.
    pub comments: Vec<(Range<usize>, bool)>,
    /// Line ends that a blank line follows.
    pub blank_lines: Vec<usize>,
    pub brackets: Vec<Bracket>,
    /// Bytes that are but blanks: line ends inside brackets, tabs, marks.
    pub blanks: Vec<usize>,
    pub lines: Vec<Line>,
    /// In order.
    pub edits: Vec<Edit>,
    /// Where the edit is a guess that may not mend the statement.
    pub guesses: Vec<Span>,
}

/// Longest text in foreign quotes that is taken for one.
const QUOTED: usize = 1_000;

/// Characters that look like, or are meant as, one of the language's.
const LOOKALIKES: &[(char, &str)] = &[
    ('\u{a0}', " "),
    ('\u{2007}', " "),
    ('\u{202f}', " "),
    ('\u{3000}', " "),
    ('\u{2212}', "-"),
    ('\u{2013}', "-"),
    ('\u{d7}', "*"),
    ('\u{2192}', "->"),
    ('\u{2026}', ".."),
    ('\u{2264}', "<="),
    ('\u{2265}', ">="),
    ('\u{2260}', "!="),
    ('\u{ff0c}', ","),
    ('\u{ff1a}', ":"),
    ('\u{ff1d}', "="),
    ('\u{ff08}', "("),
    ('\u{ff09}', ")"),
];

pub(super) fn scan(text: &Patched, out: &mut Reports) -> Scan {
    let mut scanner = Scanner {
        source: text,
        text: text.text(),
        out,
        found: Scan::default(),
        at: 0,
        line: None,
        line_start: 0,
        line_end: None,
        no_comment_end: false,
        previous_end: None,
        blank: false,
        hash: None,
        control: false,
        inline: Vec::new(),
        comprehension: false,
        joined: false,
        documented: false,
    };
    scanner.run();
    scanner.found
}

struct Scanner<'a> {
    source: &'a Patched,
    text: &'a str,
    out: &'a mut Reports,
    found: Scan,
    at: usize,
    /// The current line, once it has code.
    line: Option<Line>,
    line_start: usize,
    /// Where the line that was looked at last ends.
    line_end: Option<usize>,
    /// Whether no `*/` follows.
    no_comment_end: bool,
    /// End of the last line that was not blank.
    previous_end: Option<usize>,
    /// Whether the current line is blank so far.
    blank: bool,
    /// Where the line of the last `#` comment ends, and its diagnostic.
    hash: Option<(usize, Mark)>,
    /// Whether control characters have been reported.
    control: bool,
    /// For every open bracket, whether line ends in it are blanks.
    inline: Vec<bool>,
    /// Whether the next brace is a comprehension's.
    comprehension: bool,
    /// Whether the last of the code so far is a comma.
    joined: bool,
    /// Whether the line holds documentation, which runs to its end.
    documented: bool,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) {
        self.blank = true;
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b' ' => {
                    self.at += 1;
                    continue;
                }
                b'\t' | b'\r' => {
                    self.blank_out(1);
                    continue;
                }
                b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'0'..=b'9' => {
                    self.word();
                    continue;
                }
                _ => {}
            }
            let Some(c) = self.rest().chars().next() else {
                break;
            };
            match c {
                '\n' => self.end_line(),
                '\u{feff}' => self.mark(c.len_utf8()),
                '"' => self.string(),
                '\'' | '\u{2018}' | '\u{201c}' | '\u{201e}' => self.foreign_string(c),
                '/' if self.rest().starts_with("//") => self.comment(),
                '/' if self.rest().starts_with("/*") => self.block_comment(),
                '#' => self.hash(),
                ';' => self.semicolon(),
                '(' => self.bracket(Shape::Round, true),
                ')' => self.bracket(Shape::Round, false),
                '[' => self.bracket(Shape::Square, true),
                ']' => self.bracket(Shape::Square, false),
                '{' => self.bracket(Shape::Curly, true),
                '}' => self.bracket(Shape::Curly, false),
                ',' => {
                    self.code(1);
                    self.joined = true;
                }
                c if c.is_control() => self.control(),
                c if c.is_ascii() => self.code(1),
                c => self.beyond_ascii(c),
            }
        }
        self.close_line();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The rest of the line without its end.
    fn rest_of_line(&mut self) -> &'a str {
        if self.line_end.is_none_or(|end| end < self.at) {
            let len = self.rest().find('\n').unwrap_or(self.rest().len());
            self.line_end = Some(self.at + len);
        }
        let line = self.text.get(self.at..self.line_end.unwrap_or(self.at));
        line.unwrap_or("").trim_end_matches('\r')
    }

    fn blank_out(&mut self, len: usize) {
        self.found.blanks.extend(self.at..self.at + len);
        self.at += len;
    }

    /// A byte order mark; in the middle of a text it is one blank, so that no
    /// place cuts it.
    fn mark(&mut self, len: usize) {
        if self.at == 0 {
            return self.blank_out(len);
        }
        self.found.edits.push(Edit::replace(self.at, len, " "));
        self.at += len;
    }

    /// Letters and digits.
    fn word(&mut self) {
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|b| !word(b)).unwrap_or(rest.len());
        if rest.get(..len) == Some(b"for") {
            self.comprehension = true;
        }
        self.code(len);
    }

    fn end_line(&mut self) {
        if self.inline.last() == Some(&true) && !self.documented {
            self.found.blanks.push(self.at);
        } else if !self.joined {
            self.comprehension = false;
        }
        self.documented = false;
        if self.blank {
            let known = self.found.blank_lines.last().copied();
            self.found
                .blank_lines
                .extend(self.previous_end.filter(|e| Some(*e) != known));
        } else {
            self.previous_end = Some(self.at);
        }
        self.close_line();
        self.at += 1;
        self.line_start = self.at;
        self.blank = true;
    }

    fn close_line(&mut self) {
        self.found.lines.extend(self.line.take());
    }

    /// Takes `len` bytes in as code.
    fn code(&mut self, len: usize) {
        let at = self.at;
        self.blank = false;
        self.joined = false;
        let text = self.text;
        let line_start = self.line_start;
        let line = self.line.get_or_insert_with(|| Line {
            first: at,
            end: at,
            indent: indent(text.get(line_start..at).unwrap_or("")),
        });
        self.at += len;
        line.end = self.at;
    }

    fn bracket(&mut self, shape: Shape, open: bool) {
        if open {
            let outer = self.inline.last() == Some(&true);
            let inline = outer || shape != Shape::Curly || self.comprehension;
            self.inline.push(inline);
        } else {
            self.inline.pop();
        }
        self.comprehension &= shape != Shape::Curly;
        self.found.brackets.push(Bracket {
            at: self.at,
            shape,
            open,
            line: self.found.lines.len(),
        });
        self.code(1);
    }

    fn string(&mut self) {
        let line = self.rest_of_line();
        let mut escaped = true; // the opening quote
        for (i, c) in line.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return self.code(i + 1),
                _ => {}
            }
        }
        // Never closed. What closes the statement probably stood behind it.
        let mut end = self.at + line.trim_end_matches([')', ']', '}', ',', ' ', '\t']).len();
        let dangling = escaped && line.len() > 1;
        end = end.max(self.at + 1);
        let span = self.source.span(self.at, end);
        self.out.push(
            Diagnostic::error(Code::SYNTAX, "this text is never closed")
                .at(span, "no `\"` for this one on its line")
                .help("close it with `\"`"),
        );
        self.found.guesses.push(span);
        let edit = match dangling {
            true => Edit::replace(end - 1, 1, "\""),
            false => Edit::insert(end, "\""),
        };
        self.found.edits.push(edit);
        self.code(end - self.at);
    }

    /// `'text'` and the quotes of word processors.
    fn foreign_string(&mut self, open: char) {
        let width = open.len_utf8();
        let line = self.rest_of_line();
        let inner = line.get(width..).unwrap_or("");
        let inner = inner.get(..inner.floor_char_boundary(QUOTED)).unwrap_or("");
        let close = inner.char_indices().find(|(_, c)| match open {
            '\'' => *c == '\'',
            '\u{2018}' => *c == '\u{2019}',
            _ => matches!(c, '\u{201c}' | '\u{201d}' | '\u{201f}'),
        });
        let Some((i, close)) = close.filter(|(i, _)| {
            let inner = inner.get(..*i).unwrap_or("");
            !inner.contains(['"', '\\'])
        }) else {
            return self.code(width);
        };
        let (start, last) = (self.at, self.at + width + i);
        let end = last + close.len_utf8();
        let replacement = format!("\"{}\"", inner.get(..i).unwrap_or(""));
        let span = self.source.span(start, end);
        self.out.push(
            Diagnostic::error(Code::SYNTAX, "text stands in double quotes")
                .at(span, "these quotes are others")
                .help(format!("write `{replacement}`"))
                .fix(Fix::certain("use double quotes", span, replacement)),
        );
        self.found.edits.push(Edit::replace(start, width, "\""));
        self.found
            .edits
            .push(Edit::replace(last, close.len_utf8(), "\""));
        self.code(end - start);
    }

    fn comment(&mut self) {
        let len = self.rest_of_line().len();
        let documents = self.rest().starts_with("///") && !self.rest().starts_with("////");
        let trailing = self.line.is_some();
        if documents && trailing {
            let span = self.source.span(self.at, self.at + 3);
            self.out.push(
                Diagnostic::error(
                    Code::SYNTAX,
                    "documentation stands before what it documents",
                )
                .at(span, "on a line of its own, not behind code")
                .help("move it up, or write `//` for a plain comment"),
            );
            self.found.edits.push(Edit::replace(self.at, 3, "//"));
        }
        self.documented = documents;
        if !documents || trailing {
            self.found.comments.push((self.at..self.at + len, trailing));
        }
        self.blank = false;
        self.at += len;
    }

    fn block_comment(&mut self) {
        let (start, rest) = (self.at, self.rest());
        let closed = (!self.no_comment_end).then(|| rest.find("*/")).flatten();
        self.no_comment_end = closed.is_none();
        let len = closed.map_or_else(|| self.rest_of_line().len(), |i| i + 2);
        let newline = rest.get(..len).is_some_and(|c| c.contains('\n'));
        let span = self.source.span(start, start + 2);
        self.out.push(
            Diagnostic::error(Code::SYNTAX, "a comment starts with `//`")
                .at(span, "there are no `/* ... */` comments")
                .help("start each of its lines with `//`"),
        );
        let blank = if newline { "\n" } else { " " };
        self.found.edits.push(Edit::replace(start, len, blank));
        if newline {
            self.close_line();
            self.line_start = start + len;
        }
        self.blank = false;
        self.at += len;
    }

    fn hash(&mut self) {
        let before = self.text.get(..self.at).unwrap_or("");
        if !before.is_empty() && !before.ends_with([' ', '\t', '\n', '\r']) {
            return self.code(1);
        }
        let len = self.rest_of_line().len();
        let span = self.source.span(self.at, self.at + 1);
        let fix = Fix::certain("write `//`", span, "//");
        // Neighbouring lines of such comments are one slip.
        let neighbour = self.hash.filter(|(end, _)| {
            let between = self.text.get(*end..self.at).unwrap_or("");
            between.trim().is_empty() && between.matches('\n').count() == 1
        });
        let known = neighbour.and_then(|(_, mark)| self.out.since(mark));
        let mark = match (known, neighbour) {
            (Some(diagnostic), Some((_, mark))) => {
                match diagnostic.fixes.first_mut() {
                    Some(first) => first.edits.extend(fix.edits),
                    None => diagnostic.fixes.push(fix),
                }
                mark
            }
            _ => {
                let mark = self.out.mark();
                self.out.push(
                    Diagnostic::error(Code::SYNTAX, "a comment starts with `//`")
                        .at(span, "`#` starts none")
                        .help("write `//`")
                        .fix(fix),
                );
                mark
            }
        };
        let trailing = self.line.is_some();
        self.found.comments.push((self.at..self.at + len, trailing));
        self.found.edits.push(Edit::replace(self.at, len, " "));
        self.blank = false;
        self.at += len;
        self.hash = Some((self.at, mark));
    }

    fn semicolon(&mut self) {
        let rest = self.rest_of_line().get(1..).unwrap_or("").trim_start();
        let last = rest.is_empty() || rest.starts_with("//") || rest.starts_with(['#', '}']);
        let span = self.source.span(self.at, self.at + 1);
        let (title, replacement) = match last {
            true => ("remove it", ""),
            false => ("start a new line", "\n"),
        };
        self.out.push(
            Diagnostic::error(Code::SYNTAX, "a statement ends with its line")
                .at(span, "no `;` is needed")
                .help(title)
                .fix(Fix {
                    certain: last,
                    ..Fix::maybe(title, span, replacement)
                }),
        );
        let edit = Edit::replace(self.at, 1, if last { " " } else { "\n" });
        self.found.edits.push(edit);
        self.blank = false;
        self.at += 1;
    }

    fn control(&mut self) {
        let rest = self.rest();
        let len = rest
            .find(|c: char| !c.is_control() || matches!(c, '\n' | '\t'))
            .unwrap_or(rest.len());
        if !self.control {
            self.control = true;
            let code = rest.chars().next().map_or(0, u32::from);
            let span = self.source.span(self.at, self.at + len);
            self.found.guesses.push(span);
            self.out.push(
                Diagnostic::error(
                    Code::SYNTAX,
                    format!("the text holds a control character (U+{code:04X})"),
                )
                .at(span, "here for the first time")
                .help("is this a text file, in UTF-8?"),
            );
        }
        self.found.edits.push(Edit::replace(self.at, len, " "));
        self.at += len;
    }

    fn beyond_ascii(&mut self, c: char) {
        let len = c.len_utf8();
        let Some((_, meant)) = LOOKALIKES.iter().find(|(l, _)| *l == c) else {
            return self.code(len);
        };
        let span = self.source.span(self.at, self.at + len);
        let message = match *meant {
            " " => format!("this space is not a plain one (U+{:04X})", u32::from(c)),
            _ => format!("`{c}` is not `{meant}`"),
        };
        self.out.push(
            Diagnostic::error(Code::SYNTAX, message)
                .at(span, "a character that only looks right")
                .fix(Fix::certain(format!("write `{meant}`"), span, *meant))
                .maybe_help((*meant != " ").then(|| format!("write `{meant}`"))),
        );
        self.found.edits.push(Edit::replace(self.at, len, meant));
        match c {
            '\u{ff08}' | '\u{ff09}' => {
                self.bracket(Shape::Round, c == '\u{ff08}');
                self.code(len - 1);
            }
            _ if *meant == " " => self.at += len,
            _ => self.code(len),
        }
    }
}

/// Columns of the blanks before a line's code, a tab as four.
fn indent(blanks: &str) -> usize {
    let width = |c| if c == '\t' { 4 } else { 1 };
    blanks.chars().filter(|c| *c != '\u{feff}').map(width).sum()
}
