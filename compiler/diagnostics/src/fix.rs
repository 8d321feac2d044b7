//! Edits that mend the cause of a diagnostic, and how they are applied.

use std::ops::Range;

use crate::{Diagnostic, SourceFile, SourceMap, Span};

/// Text in place of other text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

/// Edits of one file that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fix {
    /// What it does, in the imperative.
    pub title: String,
    /// At least one, in no order, none over another.
    pub edits: Vec<Edit>,
    /// Whether a machine may apply it unasked: the meaning is certain.
    pub certain: bool,
}

impl Fix {
    /// One edit that may be what was meant.
    pub fn maybe(title: impl Into<String>, span: Span, replacement: impl Into<String>) -> Self {
        Fix {
            title: title.into(),
            edits: vec![Edit {
                span,
                replacement: replacement.into(),
            }],
            certain: false,
        }
    }

    /// One edit that a machine may make unasked.
    pub fn certain(title: impl Into<String>, span: Span, replacement: impl Into<String>) -> Self {
        Fix {
            certain: true,
            ..Fix::maybe(title, span, replacement)
        }
    }

    /// Adds an edit.
    #[must_use]
    pub fn and(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.edits.push(Edit {
            span,
            replacement: replacement.into(),
        });
        self
    }

    /// Whether every edit lies in a file.
    fn lies_in(&self, map: &SourceMap, file: &SourceFile) -> bool {
        self.edits
            .iter()
            .all(|e| map.file_of(e.span).is_some_and(|f| f.base == file.base))
    }

    /// The edits as local byte ranges, in order.
    fn ranges(&self, file: &SourceFile) -> Vec<(Range<usize>, &str)> {
        let mut out: Vec<(Range<usize>, &str)> = self
            .edits
            .iter()
            .map(|e| (local(file, e.span), e.replacement.as_str()))
            .collect();
        out.sort_by_key(|(r, _)| (r.start, r.end));
        out
    }

    /// The lines that it changes, before and after, without their line ends:
    /// number of the first, old lines, new lines. `None` where the edits lie
    /// in several files.
    pub(crate) fn lines(&self, map: &SourceMap) -> Option<Vec<Change>> {
        let file = map.file_of(self.edits.first()?.span)?;
        if !self.lies_in(map, file) {
            return None;
        }
        let mut out: Vec<Change> = Vec::new();
        for (range, text) in self.ranges(file) {
            let line = |at: usize| Some(file.line_column(u32::try_from(at).ok()?).0);
            let first = line(range.start)?;
            // A whole line's end belongs to it, not to the next.
            let last = match range.len() {
                0 => first,
                _ => line(range.end - 1)?,
            };
            let whole = file.line_range(first)?.start..file.line_range(last)?.end;
            match out.last_mut() {
                Some(before) if before.range.end > whole.start => {
                    before.edits.push((range, text.to_owned()))
                }
                _ => out.push(Change {
                    first,
                    range: whole,
                    edits: vec![(range, text.to_owned())],
                }),
            }
        }
        Some(out)
    }
}

/// Neighbouring lines that a fix changes.
pub(crate) struct Change {
    /// Number of the first, from 1.
    pub first: usize,
    /// Their local bytes.
    range: Range<usize>,
    edits: Vec<(Range<usize>, String)>,
}

impl Change {
    /// The lines as they are.
    pub fn before<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let insertion = self
            .edits
            .iter()
            .all(|(r, new)| r.is_empty() && r.start == self.range.start && new.ends_with('\n'));
        match insertion {
            true => Vec::new(),
            false => text.get(self.range.clone()).unwrap_or("").lines().collect(),
        }
    }

    /// The lines as they will be.
    pub fn after(&self, text: &str) -> Vec<String> {
        let mut out = String::new();
        let mut at = self.range.start;
        for (range, new) in &self.edits {
            out.push_str(text.get(at..range.start).unwrap_or(""));
            out.push_str(new);
            at = range.end;
        }
        let shown = match self.before(text).is_empty() {
            true => at,
            false => self.range.end,
        };
        out.push_str(text.get(at..shown).unwrap_or(""));
        out.lines().map(str::to_owned).collect()
    }
}

fn local(file: &SourceFile, span: Span) -> Range<usize> {
    let length = file.text.len();
    let at = |x: u32| (x.saturating_sub(file.base) as usize).min(length);
    at(span.start)..at(span.end).max(at(span.start))
}

/// The whole lines that a span lies on, with their line ends, where nothing
/// but it and plain comments stand on them: what is removed with a statement.
pub fn whole_lines(map: &SourceMap, span: Span) -> Option<Span> {
    let file = map.file_of(span)?;
    let range = local(file, span);
    let start = file
        .text
        .get(..range.start)?
        .rfind('\n')
        .map_or(0, |i| i + 1);
    let rest = file.text.get(range.end..)?;
    let end = range.end + rest.find('\n').map_or(rest.len(), |i| i + 1);
    let before = file.text.get(start..range.start)?;
    let after = file.text.get(range.end..end)?.trim();
    let alone = before.trim().is_empty() && (after.is_empty() || after.starts_with("//"));
    let global = |at: usize| file.base + u32::try_from(at).unwrap_or(u32::MAX);
    alone.then(|| Span::new(global(start), global(end)))
}

/// A file's text with every certain fix of the diagnostics that lies in it, and
/// the titles of those. Where two fixes touch the same text, the first is
/// taken. `None` where there is nothing to do.
pub fn apply_fixes(
    map: &SourceMap,
    file: &SourceFile,
    diagnostics: &[Diagnostic],
) -> Option<(String, Vec<String>)> {
    let mut taken: Vec<(Range<usize>, &str)> = Vec::new();
    let mut titles = Vec::new();
    for diagnostic in diagnostics {
        let Some(fix) = diagnostic.fixes.iter().find(|f| f.certain) else {
            continue;
        };
        if !fix.lies_in(map, file) {
            continue;
        }
        let ranges = fix.ranges(file);
        let apart = |a: &Range<usize>, b: &Range<usize>| {
            let side_by_side = !a.is_empty() && !b.is_empty();
            a.end < b.start || (a.end == b.start && side_by_side)
        };
        let free = ranges
            .iter()
            .all(|(r, _)| taken.iter().all(|(t, _)| apart(r, t) || apart(t, r)));
        if free && !ranges.is_empty() {
            taken.extend(ranges);
            titles.push(fix.title.clone());
        }
    }
    if titles.is_empty() {
        return None;
    }
    taken.sort_by_key(|(r, _)| (r.start, r.end));
    let mut out = String::with_capacity(file.text.len());
    let mut at = 0;
    for (range, text) in taken {
        out.push_str(file.text.get(at..range.start)?);
        out.push_str(text);
        at = range.end;
    }
    out.push_str(file.text.get(at..)?);
    Some((out, titles))
}
