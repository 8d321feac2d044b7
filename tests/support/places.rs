//! The places that a diagnostic names, and whether they are places.

use ssl_diagnostics::{Diagnostic, SourceFile, Span};

/// Every place that a diagnostic names.
pub fn of(diagnostic: &Diagnostic) -> impl Iterator<Item = Span> {
    let shown = format!("{diagnostic:?}");
    let mut found = Vec::new();
    for part in shown.split("Span { start: ").skip(1) {
        found.extend(span(part));
    }
    found.into_iter()
}

/// Fails where a span is outside of a file, or cuts a character.
pub fn assert_inside(file: &SourceFile, span: Span) {
    let base = file.base as usize;
    let (start, end) = (span.start as usize, span.end as usize);
    let inside = start
        .checked_sub(base)
        .zip(end.checked_sub(base))
        .is_some_and(|(start, end)| file.text.get(start..end).is_some());
    assert!(inside, "{start}..{end} is outside, or cuts a character");
}

/// `1, end: 2 } ...`
fn span(text: &str) -> Option<Span> {
    let (start, rest) = text.split_once(", end: ")?;
    let end = rest.get(..rest.find(' ')?)?;
    Some(Span::new(start.parse().ok()?, end.parse().ok()?))
}
