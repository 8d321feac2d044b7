//! With source lines, by miette.
//!
//! miette knows one source per diagnostic. [`Sources`] is that source: it lays
//! the files that a diagnostic's labels lie in behind one another, the file of
//! the first label first, and answers for whichever a label falls into.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};

use super::{ordered, sanitised};
use crate::{Diagnostic, Fix, Severity, SourceFile, SourceMap, Span};

/// A label over more lines than this is shown on its first line only.
const TALL: usize = 6;
/// Of a line that is longer than this (in bytes), only the surroundings of the
/// label are shown.
const LONG: usize = 400;

/// How a report looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// ANSI colours.
    pub colour: bool,
    /// Lines and arrows from beyond ASCII.
    pub unicode: bool,
    /// Columns at which text wraps.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Look {
            colour: false,
            unicode: true,
            width: 100,
        }
    }
}

/// Renders with source lines.
pub fn render_human(map: &SourceMap, diagnostics: &[Diagnostic], colour: bool) -> String {
    let look = Look {
        colour,
        ..Look::default()
    };
    render_human_as(map, diagnostics, look)
}

/// Renders with source lines, with the look given.
pub fn render_human_as(map: &SourceMap, diagnostics: &[Diagnostic], look: Look) -> String {
    let theme = GraphicalTheme {
        characters: match look.unicode {
            true => ThemeCharacters::unicode(),
            false => ThemeCharacters::ascii(),
        },
        styles: match look.colour {
            true => ThemeStyles::ansi(),
            false => ThemeStyles::none(),
        },
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(look.width.max(40))
        .with_context_lines(1)
        .tab_width(4);
    let mut texts = HashMap::new();
    let mut out = String::new();
    for diagnostic in ordered(diagnostics) {
        for label in &diagnostic.labels {
            if let Some(file) = map.file_of(label.span) {
                texts.entry(file.base).or_insert_with(|| prepared(file));
            }
        }
        let report = Report::new(map, &texts, diagnostic);
        if handler.render_report(&mut out, &report).is_err() {
            // A place that miette cannot draw is still named.
            out.push_str(&super::render_short(map, std::slice::from_ref(diagnostic)));
        }
        if let Some(fix) = diagnostic.fixes.first() {
            mended(&mut out, map, fix, look.colour);
        }
        out.push('\n');
    }
    out
}

/// The lines that a fix changes, as they are and as they will be. A fix that
/// `--fix` applies is called `fix`, another `maybe`.
fn mended(out: &mut String, map: &SourceMap, fix: &Fix, colour: bool) {
    let (Some(changes), Some(file)) = (
        fix.lines(map),
        fix.edits.first().and_then(|e| map.file_of(e.span)),
    ) else {
        return;
    };
    let mut lines: Vec<(usize, char, String)> = Vec::new();
    for change in changes {
        let numbered = |(i, text): (usize, String), sign| (change.first + i, sign, text);
        let before = change.before(&file.text).into_iter().map(str::to_owned);
        lines.extend(before.enumerate().map(|l| numbered(l, '-')));
        let after = change.after(&file.text).into_iter();
        lines.extend(after.enumerate().map(|l| numbered(l, '+')));
    }
    let long = lines.iter().any(|(_, _, text)| text.len() > LONG);
    if lines.len() > 2 * TALL || long {
        return;
    }
    let width = lines
        .iter()
        .map(|l| l.0.to_string().len())
        .max()
        .unwrap_or(1);
    let head = if fix.certain {
        "    fix: "
    } else {
        "  maybe: "
    };
    for (i, (number, sign, text)) in lines.iter().enumerate() {
        let head = if i == 0 { head } else { "         " };
        let (on, off) = match (colour, sign) {
            (false, _) => ("", ""),
            (true, '-') => ("\u{1b}[31m", "\u{1b}[0m"),
            (true, _) => ("\u{1b}[32m", "\u{1b}[0m"),
        };
        let line = clean(&format!("{number:width$} {sign} {text}"));
        out.push_str(&format!("{head}{on}{}{off}\n", line.trim_end()));
    }
}

/// A file's text, safe to print, its last line ended; every byte of the file
/// keeps its offset.
fn prepared(file: &SourceFile) -> Cow<'_, str> {
    let safe = file.text.chars().all(|c| sanitised(c) == c);
    if safe && file.text.ends_with('\n') {
        return Cow::Borrowed(&file.text);
    }
    let mut text: String = file.text.chars().map(sanitised).collect();
    text.push('\n');
    Cow::Owned(text)
}

/// A file, where it lies for this diagnostic.
struct Slot<'a> {
    start: usize,
    file: &'a SourceFile,
    text: &'a str,
}

struct Sources<'a>(Vec<Slot<'a>>);

impl<'a> Sources<'a> {
    fn new(
        map: &'a SourceMap,
        texts: &'a HashMap<u32, Cow<'a, str>>,
        diagnostic: &Diagnostic,
    ) -> Self {
        let mut slots: Vec<Slot> = Vec::new();
        for label in &diagnostic.labels {
            let Some(file) = map.file_of(label.span) else {
                continue;
            };
            let Some(text) = texts.get(&file.base) else {
                continue;
            };
            if slots.iter().all(|s| s.file.base != file.base) {
                let start = slots.last().map_or(0, |s| s.start + s.text.len() + 1);
                slots.push(Slot { start, file, text });
            }
        }
        Sources(slots)
    }

    /// A global span among the slots, cut to what can be drawn.
    fn place(&self, map: &SourceMap, span: Span) -> Option<SourceSpan> {
        let base = map.file_of(span)?.base;
        let slot = self.0.iter().find(|s| s.file.base == base)?;
        let last = slot.file.text.len();
        let mut start = (span.start.saturating_sub(base) as usize).min(last);
        if start == last && slot.file.text.ends_with('\n') {
            // The end of the file is shown behind its last line.
            start = slot.file.text.trim_end().len();
        }
        let mut end = (span.end.saturating_sub(base) as usize).clamp(start, last);
        let (first, _) = slot.file.line_column(u32::try_from(start).ok()?);
        let (final_line, _) = slot.file.line_column(u32::try_from(end).ok()?);
        if final_line > first + TALL {
            let line = slot.file.line_range(first)?;
            let shown = slot.text.get(start..line.end)?.trim_end();
            end = start + shown.len();
        }
        if end - start > LONG {
            end = slot.text.floor_char_boundary(start + LONG);
        }
        Some((slot.start + start, end - start).into())
    }
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources")
    }
}

impl SourceCode for Sources<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        self.read(span, before, after)
            .map(|c| Box::new(c) as Box<dyn SpanContents<'a>>)
            .ok_or(MietteError::OutOfBounds)
    }
}

impl Sources<'_> {
    fn read(
        &self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Option<MietteSpanContents<'_>> {
        let i = self.0.partition_point(|s| s.start <= span.offset());
        let slot = self.0.get(i.checked_sub(1)?)?;
        let start = span.offset() - slot.start;
        let end = start + span.len();
        // Labels that lie far apart on one line are shown one by one.
        if end > slot.text.len() || span.len() > LONG * (TALL + 2) {
            return None;
        }
        let line_of = |at: usize| Some(slot.file.line_column(u32::try_from(at).ok()?));
        let (first, column) = line_of(start)?;
        let (last, _) = line_of(end)?;
        let full = slot.file.line_range(first)?;
        let from = slot.file.line_range(first.saturating_sub(before).max(1))?;
        let to = slot
            .file
            .line_range((last + after).min(slot.file.lines()))?;
        let mut range = from.start..to.end;
        if to.end == slot.file.text.len() {
            range.end = slot.text.len();
        }
        let mut line = first.saturating_sub(before).max(1);
        if before == 0 {
            range = start..end;
            line = first;
        } else if full.len() > LONG || range.len() > LONG * (TALL + 2) {
            range = window(slot.text, full.start, start, end);
            line = first;
        }
        let at = slot.start + range.start;
        let data = slot.text.get(range)?;
        Some(MietteSpanContents::new_named(
            slot.file.name.chars().map(sanitised).collect(),
            data.as_bytes(),
            (at, data.len()).into(),
            line - 1,
            if before == 0 { column - 1 } else { 0 },
            data.lines().count(),
        ))
    }
}

/// The part of a long line around a label.
fn window(text: &str, line: usize, start: usize, end: usize) -> std::ops::Range<usize> {
    let from = text.floor_char_boundary(start.saturating_sub(LONG / 8).max(line));
    let least = text.ceil_char_boundary(end.max(start + 1));
    let to = text.get(least..).map_or(text.len(), |rest| {
        let rest = rest.get(..rest.floor_char_boundary(LONG / 8)).unwrap_or("");
        least + rest.find('\n').map_or(rest.len(), |i| i + 1)
    });
    from..to
}

/// A diagnostic in miette's terms.
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    message: String,
    sources: Sources<'a>,
    labels: Vec<LabeledSpan>,
}

impl<'a> Report<'a> {
    fn new(
        map: &'a SourceMap,
        texts: &'a HashMap<u32, Cow<'a, str>>,
        diagnostic: &'a Diagnostic,
    ) -> Self {
        let sources = Sources::new(map, texts, diagnostic);
        let labels = diagnostic
            .labels
            .iter()
            .enumerate()
            .filter_map(|(i, label)| {
                let span = sources.place(map, label.span)?;
                let text = Some(clean(&label.text)).filter(|t| !t.is_empty());
                Some(match i {
                    0 => LabeledSpan::new_primary_with_span(text, span),
                    _ => LabeledSpan::new_with_span(text, span),
                })
            })
            .collect();
        Report {
            diagnostic,
            message: clean(&diagnostic.message),
            sources,
            labels,
        }
    }
}

fn clean(text: &str) -> String {
    text.chars().map(sanitised).collect()
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let word = self.diagnostic.severity.word();
        let lint = self
            .diagnostic
            .lint
            .map_or(String::new(), |l| format!(" {l}"));
        Some(Box::new(format!("{word}[{}]{lint}", self.diagnostic.code)))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diagnostic.help.as_deref()?;
        Some(Box::new(clean(help)))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let drawn = !self.labels.is_empty();
        drawn.then_some(&self.sources as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}
