//! A text with choices: what may stand on one line, and where it breaks if it
//! does not fit. After Oppen (1980), over a flat list of operations.

/// Columns that a line should not exceed.
pub(super) const WIDTH: usize = 100;
const INDENT: usize = 2;

/// One step of the writing. Blanks at the end of a line are never written, and
/// a line break at the start of a line is none.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Op<'a> {
    Text(&'a str),
    /// So many blanks, also at the end of a head.
    Pad(usize),
    Space,
    /// A space, or a line break where the group is broken.
    Line,
    /// Nothing, or a line break where the group is broken.
    Soft,
    /// A comma where the group is broken.
    Comma,
    /// A line break.
    Break,
    /// An empty line.
    Blank,
    Indent,
    Dedent,
    /// Breaks if it does not fit, or if it holds a [`Op::Break`] or a comment.
    Open {
        forced: bool,
    },
    Close,
    /// A comment that stays on its line, and ends it.
    Trailing(&'a str),
    /// Whole lines as they are.
    Verbatim(&'a str),
}

/// Collects the operations.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    ops: Vec<Op<'a>>,
    /// The groups that are open.
    open: Vec<usize>,
}

impl<'a> Layout<'a> {
    pub fn text(&mut self, text: &'a str) {
        self.ops.push(Op::Text(text));
    }

    pub fn pad(&mut self, columns: usize) {
        self.ops.push(Op::Pad(columns));
    }

    pub fn space(&mut self) {
        self.ops.push(Op::Space);
    }

    pub fn line(&mut self) {
        self.ops.push(Op::Line);
    }

    /// The comma behind the last, where the list is broken.
    pub fn last_comma(&mut self) {
        self.ops.push(Op::Comma);
    }

    pub fn soft(&mut self) {
        self.ops.push(Op::Soft);
    }

    pub fn indent(&mut self) {
        self.ops.push(Op::Indent);
    }

    pub fn dedent(&mut self) {
        self.ops.push(Op::Dedent);
    }

    pub fn line_break(&mut self) {
        self.force();
        self.ops.push(Op::Break);
    }

    pub fn blank_line(&mut self) {
        self.force();
        self.ops.push(Op::Blank);
    }

    /// Starts what breaks as a whole, or not at all.
    pub fn open(&mut self) {
        self.open.push(self.ops.len());
        self.ops.push(Op::Open { forced: false });
    }

    pub fn close(&mut self) {
        self.open.pop();
        self.ops.push(Op::Close);
    }

    /// A comment on a line of its own.
    pub fn comment(&mut self, text: &'a str) {
        self.line_break();
        self.text(text);
        self.ops.push(Op::Break);
    }

    /// A comment behind code; on a line of its own where there is none.
    pub fn trailing(&mut self, text: &'a str) {
        self.force();
        self.ops.push(Op::Trailing(text));
    }

    pub fn verbatim(&mut self, lines: &'a str) {
        self.force();
        self.ops.push(Op::Verbatim(lines));
    }

    fn force(&mut self) {
        // Once a group is forced, so are those around it.
        for at in self.open.iter().rev() {
            match self.ops.get_mut(*at) {
                Some(Op::Open { forced }) if !*forced => *forced = true,
                _ => break,
            }
        }
    }

    /// The text within `width` columns, where that is possible.
    pub fn render(&self, width: usize) -> String {
        let mut page = Page {
            out: String::new(),
            column: 0,
            space: false,
            level: 0,
        };
        // Whether the groups around are broken; the text itself is.
        let mut broken = vec![true];
        for (i, op) in self.ops.iter().enumerate() {
            let is_broken = broken.last().copied().unwrap_or(true);
            match op {
                Op::Text(text) => page.text(text),
                Op::Pad(columns) => page.pad(*columns),
                Op::Space => page.space = true,
                Op::Line if is_broken => page.line_break(),
                Op::Line => page.space = true,
                Op::Soft if is_broken => page.line_break(),
                Op::Comma if is_broken => page.text(","),
                Op::Soft | Op::Comma => {}
                Op::Break => page.line_break(),
                Op::Blank => page.blank_line(),
                Op::Indent => page.level += 1,
                Op::Dedent => page.level = page.level.saturating_sub(1),
                Op::Open { forced } => {
                    let column = match page.column {
                        0 => page.level * INDENT,
                        column => column + usize::from(page.space),
                    };
                    let fits = || self.fits(i, width.saturating_sub(column));
                    broken.push(is_broken && (*forced || !fits()));
                }
                Op::Close => drop(broken.pop()),
                Op::Trailing(text) => page.trailing(text),
                Op::Verbatim(lines) => page.verbatim(lines),
            }
        }
        page.line_break();
        page.out
    }

    /// Whether the group that opens at `at`, unbroken, and what must follow it
    /// on its line need no more than `room` columns.
    fn fits(&self, at: usize, room: usize) -> bool {
        let mut room = room;
        let mut depth = 0usize;
        let mut behind = false;
        for op in self.ops.iter().skip(at) {
            let columns = match op {
                Op::Open { .. } => {
                    depth += 1;
                    0
                }
                Op::Close => {
                    depth = depth.saturating_sub(1);
                    behind |= depth == 0;
                    0
                }
                Op::Line | Op::Soft if behind => return true,
                Op::Break | Op::Blank | Op::Trailing(_) | Op::Verbatim(_) => return true,
                Op::Text(text) => text.chars().count(),
                Op::Pad(columns) => *columns,
                Op::Space | Op::Line => 1,
                Op::Soft | Op::Comma | Op::Indent | Op::Dedent => 0,
            };
            match room.checked_sub(columns) {
                Some(rest) => room = rest,
                None => return false,
            }
        }
        true
    }
}

/// What has been written.
struct Page {
    out: String,
    /// 0 at the start of a line, before its indentation.
    column: usize,
    space: bool,
    level: usize,
}

impl Page {
    fn text(&mut self, text: &str) {
        if self.column == 0 {
            self.pad(self.level * INDENT);
        } else if self.space {
            self.pad(1);
        }
        self.space = false;
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn pad(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
        self.column += columns;
    }

    fn line_break(&mut self) {
        self.space = false;
        if self.column > 0 {
            self.out.push('\n');
            self.column = 0;
        }
    }

    fn blank_line(&mut self) {
        self.line_break();
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn trailing(&mut self, text: &str) {
        if self.column > 0 {
            self.space = false;
            self.pad(2);
        }
        self.text(text);
        self.line_break();
    }

    fn verbatim(&mut self, lines: &str) {
        self.line_break();
        self.out.push_str(lines);
        self.out.push('\n');
    }
}
