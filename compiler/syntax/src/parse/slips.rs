//! Slips whose meaning is plain: each is reported with its edit, and the text
//! is read on as it was meant.

use ssl_diagnostics::{Code, Diagnostic, Fix};
use ssl_grammar::{ITEM_KEYWORDS, KEYWORDS, SECTION_KEYWORDS, STATEMENT_KEYWORDS, Word};

use super::explain::{Stop, previous_token, token};
use super::patched::{Edit, Patched};

/// Words of other languages.
const FOREIGN: &[(&str, &str)] = &[
    ("import", "use"),
    ("include", "use"),
    ("def", "fn"),
    ("func", "fn"),
    ("function", "fn"),
    ("var", "let"),
    ("const", "let"),
    ("network", "net"),
    ("model", "net"),
    ("training", "train"),
    ("inherits", "extends"),
];

/// The slip at a stop, where it is one of those that are known.
pub(super) fn slip(text: &Patched, stop: &Stop, items: bool) -> Option<(Diagnostic, Edit)> {
    keyword(text, stop, items)
        .or_else(|| punctuation(text, stop))
        .or_else(|| colon_before_value(text, stop))
        .or_else(|| missing_in(text, stop))
        .or_else(|| comma(text, stop))
}

/// A report with its edit; `certain` where a machine may make it unasked.
fn mend(
    text: &Patched,
    message: impl Into<String>,
    label: &str,
    help: impl Into<String>,
    edit: Edit,
    certain: bool,
) -> (Diagnostic, Edit) {
    let help = help.into();
    let end = edit.at + edit.remove;
    let span = text.span(edit.at, end);
    let replaced = text.text().get(edit.at..end).unwrap_or("");
    let blank = replaced.len() - replaced.trim_start().len();
    let named = if blank < replaced.len() { blank } else { 0 };
    let diagnostic = Diagnostic::error(Code::SYNTAX, message)
        .at(text.span(edit.at + named, end), label)
        .help(help.clone())
        .fix(Fix {
            certain,
            ..Fix::maybe(
                help,
                span,
                match edit.insert {
                    "\n" => "\n",
                    insert => insert.trim_end_matches('\n'),
                },
            )
        });
    (diagnostic, edit)
}

/// `lr == 0.1`, `lr: = 0.1`.
fn one_equals(text: &Patched, edit: Edit) -> (Diagnostic, Edit) {
    let message = "a value is given with one `=`";
    mend(text, message, "not an assignment", "write `=`", edit, true)
}

/// `lr: 0.1`, with its colon.
fn equals_for_colon(text: &Patched, colon: usize) -> (Diagnostic, Edit) {
    let name = previous_token(text.text(), colon);
    mend(
        text,
        format!("expected `=` after `{name}`, found `:`"),
        "write `=` here",
        "give a value with `=`; `:` names the arguments of a call",
        Edit::replace(colon, 1, "="),
        true,
    )
}

fn punctuation(text: &Patched, stop: &Stop) -> Option<(Diagnostic, Edit)> {
    let at = stop.at;
    let rest = text.text().get(at..)?;
    let found = token(text.text(), at);
    let argument = stop.takes(":") && (stop.takes(",") || stop.takes(")"));
    if rest.starts_with("=>") || (rest.starts_with('>') && previous_token(text.text(), at) == "=") {
        let start = if found == "=>" {
            at
        } else {
            at.checked_sub(1)?
        };
        let target = text.text().get(..start)?.trim();
        let field = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let (message, meant, help) = match target.chars().all(field) {
            true => ("a value is given with `=`", "=", "write `=`"),
            false => ("a ramp is written `->`", "->", "write `->`"),
        };
        let edit = Edit::replace(start, 2, meant);
        return Some(mend(text, message, "not an arrow", help, edit, true));
    }
    if found == "=" && argument {
        let name = previous_token(text.text(), at);
        return Some(mend(
            text,
            format!("expected `:` after `{name}`, found `=`"),
            "write `:` here",
            "name an argument with `:`; `=` gives a value to a field",
            {
                // Without the blanks that stand before `=`.
                let start = text.text().get(..at)?.trim_end().len();
                Edit::replace(start, at + 1 - start, ":")
            },
            true,
        ));
    }
    if (found == "==" || found == ":=") && stop.takes("=") {
        return Some(one_equals(text, Edit::replace(at, 2, "=")));
    }
    if found == ":" && stop.takes("=") {
        return Some(equals_for_colon(text, at));
    }
    if rest.starts_with("...") {
        let edit = Edit::replace(at, 3, "..");
        let (message, help) = ("a range is written `..`", "write `..`");
        return Some(mend(text, message, "one point too many", help, edit, true));
    }
    if found == ":" && stop.takes("extends") {
        let edit = Edit::replace(at, 1, "extends");
        let (message, help) = ("a base is named with `extends`", "write `extends`");
        return Some(mend(text, message, "not `:`", help, edit, true));
    }
    if found == "," && stop.takes_end() {
        let last = rest.get(1..)?.trim().is_empty();
        let edit = Edit::replace(at, 1, if last { "" } else { "\n" });
        let message = "a statement ends with its line";
        let help = if last {
            "remove the `,`"
        } else {
            "start a new line"
        };
        return Some(mend(
            text,
            message,
            "no `,` between statements",
            help,
            edit,
            last,
        ));
    }
    let digit = previous_token(text.text(), at).ends_with(|c: char| c.is_ascii_digit());
    if digit && rest.starts_with('.') && !rest.starts_with("..") {
        let edit = Edit::insert(at + 1, "0");
        let message = "expected a digit after the point";
        return Some(mend(
            text,
            message,
            "a digit is missing here",
            "add `0`",
            edit,
            true,
        ));
    }
    None
}

/// `let x: 3`, `lr: 0.1`, where the value has been taken for a type.
fn colon_before_value(text: &Patched, stop: &Stop) -> Option<(Diagnostic, Edit)> {
    let full = text.text();
    let mut skipped = full.len() - full.trim_start().len();
    if let Some(rest) = full.get(skipped..)?.strip_prefix("let ") {
        skipped = full.len() - rest.trim_start().len();
    }
    let rest = full.get(skipped..)?;
    let path = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))?;
    let blanks = rest.get(path..)?;
    let colon = skipped + path + (blanks.len() - blanks.trim_start_matches([' ', '\t']).len());
    let between = full.get(colon..stop.at)?.strip_prefix(':')?.trim();
    if between.is_empty() && token(full, stop.at) == "=" {
        let edit = Edit::replace(colon, stop.at + 1 - colon, "=");
        return Some(one_equals(text, edit));
    }
    let at_end = stop.takes("=") && token(full, stop.at).trim().is_empty();
    if path == 0 || !(between.is_empty() || at_end || typed_value(stop)) {
        return None;
    }
    Some(equals_for_colon(text, colon))
}

/// Whether a stop lies behind `path: name`: `=` would make it typed.
fn typed_value(stop: &Stop) -> bool {
    stop.takes("=") && stop.takes("[") && !stop.takes("{")
}

/// `param x: Float = 1 0..=2`, `vary x [1, 2]`.
fn missing_in(text: &Patched, stop: &Stop) -> Option<(Diagnostic, Edit)> {
    let full = text.text();
    let found = token(full, stop.at);
    let head = full.trim_start();
    let takes = head.starts_with("param ") || head.starts_with("vary ");
    let value = found.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '[' | '-' | '.'));
    if !takes || !value || !stop.takes("in") {
        return None;
    }
    let previous = previous_token(full, stop.at);
    Some(mend(
        text,
        format!("expected `in` after `{previous}`, found `{found}`"),
        "`in` is missing here",
        "add `in`",
        Edit::insert(stop.at, "in "),
        true,
    ))
}

fn comma(text: &Patched, stop: &Stop) -> Option<(Diagnostic, Edit)> {
    let full = text.text();
    let found = token(full, stop.at);
    let first = found.chars().next()?;
    let value = first.is_ascii_alphanumeric() || matches!(first, '_' | '"' | '[' | '(');
    if !stop.takes(",") || stop.takes("{") || !value {
        return None;
    }
    let previous = previous_token(full, stop.at);
    let at = full.get(..stop.at)?.trim_end().len();
    let message = format!("expected `,` after `{previous}`, found `{found}`");
    let edit = Edit::insert(at, ",");
    Some(mend(
        text,
        message,
        "a `,` is missing here",
        "add `,`",
        edit,
        false,
    ))
}

/// A keyword in the wrong case, with a slip of the finger, or of another
/// language, where a keyword could stand.
fn keyword(text: &Patched, stop: &Stop, items: bool) -> Option<(Diagnostic, Edit)> {
    let full = text.text();
    let start = full.len() - full.trim_start().len();
    let head = token(full, start);
    let behind = full.get(start + head.len()..)?;
    let next = behind.trim_start_matches([' ', '\t']);
    let spaced = behind.len() != next.len();
    let opens = next.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '"'));
    let call = next.starts_with('(') && full.contains('{');
    if !head.is_empty() && ((spaced && opens) || next.starts_with('{') || call) {
        let sets: [&[&'static str]; 2] = match items {
            true => [ITEM_KEYWORDS, &[]],
            false => [STATEMENT_KEYWORDS, SECTION_KEYWORDS],
        };
        let known = KEYWORDS.contains(&head) || SECTION_KEYWORDS.contains(&head);
        if !known && let Some(meant) = nearest(head, sets.concat().as_slice()) {
            return Some(misspelt(text, start, head, meant));
        }
    }
    let found = token(full, stop.at);
    let words: Vec<&'static str> = stop
        .expected
        .iter()
        .filter_map(|w| match w {
            Word::Token(t) if t.starts_with(|c: char| c.is_ascii_alphabetic()) => Some(*t),
            _ => None,
        })
        .collect();
    let meant = nearest(found, &words)?;
    (found != meant).then(|| misspelt(text, stop.at, found, meant))
}

fn misspelt(text: &Patched, at: usize, found: &str, meant: &'static str) -> (Diagnostic, Edit) {
    let message = match found.eq_ignore_ascii_case(meant) {
        true => format!("keywords are lower case: `{found}`"),
        false => format!("unknown keyword `{found}`"),
    };
    let edit = Edit::replace(at, found.len(), meant);
    let help = format!("write `{meant}`");
    mend(text, message, "not a keyword", help, edit, false)
}

/// The nearest of some keywords, where one is near.
pub(super) fn nearest(word: &str, keywords: &[&'static str]) -> Option<&'static str> {
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let foreign = FOREIGN.iter().find(|(f, _)| *f == lower).map(|(_, k)| *k);
    if let Some(meant) = foreign.filter(|k| keywords.contains(k)) {
        return Some(meant);
    }
    let allowed = if lower.len() <= 3 { 1 } else { 2 };
    keywords
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, k), *k))
        .filter(|(d, k)| *d <= allowed && *d < k.len().min(lower.len()))
        .min()
        .map(|(_, k)| k)
}
