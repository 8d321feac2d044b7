//! Why a text does not parse, in the user's words.

use std::collections::BTreeSet;

use pest::error::{Error, ErrorVariant, InputLocation};
use ssl_diagnostics::{Code, Diagnostic};
use ssl_grammar::{KEYWORDS, Rule, Word, describe};

use super::patched::Patched;

/// Where a strict parse stopped, and what it would have taken.
pub(super) struct Stop {
    pub at: usize,
    pub expected: BTreeSet<Word>,
}

impl Stop {
    pub fn new(error: &Error<Rule>) -> Stop {
        let at = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        let expected = match &error.variant {
            ErrorVariant::ParsingError { positives, .. } => {
                positives.iter().copied().filter_map(describe).collect()
            }
            ErrorVariant::CustomError { .. } => BTreeSet::new(),
        };
        Stop { at, expected }
    }

    pub fn takes(&self, token: &'static str) -> bool {
        self.expected.contains(&Word::Token(token))
    }

    pub fn takes_thing(&self, thing: &'static str) -> bool {
        self.expected.contains(&Word::Thing(thing))
    }

    pub fn takes_end(&self) -> bool {
        self.expected.contains(&Word::LineEnd)
    }

    /// What was expected, most useful first: "a value", "`,` or `)`".
    fn words(&self) -> String {
        let mut words = self.expected.clone();
        let ends = words.contains(&Word::LineEnd)
            || [",", ")", "]", "}", "=", "{"].iter().any(|t| self.takes(t));
        let optional = [
            ".", "(", "[", ":", "as", "extends", "after", "before", "in", "where", "->",
        ];
        if self.takes("=") || self.takes_thing("a value") {
            words.remove(&Word::LineEnd);
        }
        if ends {
            words.remove(&Word::Operator);
            words.remove(&Word::Thing("a unit"));
            for token in optional {
                words.remove(&Word::Token(token));
            }
        }
        for (general, special) in [
            ("a definition", ["a name", "a value", "a statement"]),
            ("a statement", ["a name", "a value", "a definition"]),
            ("a value", ["a name", "a unit", "a type"]),
        ] {
            if words.contains(&Word::Thing(general)) {
                for thing in special {
                    words.remove(&Word::Thing(thing));
                }
                words.remove(&Word::Token("("));
                words.remove(&Word::Token("["));
                words.remove(&Word::Token("{"));
            }
        }
        let words: Vec<String> = words.iter().map(word).collect();
        match words.as_slice() {
            [] => "something else".to_owned(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        }
    }

    /// The general explanation.
    pub fn diagnostic(&self, text: &Patched) -> Diagnostic {
        let found = token(text.text(), self.at);
        let span = text.span(self.at, self.at + found.len());
        let mut expected = self.words();
        let previous = previous_token(text.text(), self.at);
        if previous == ":" && expected == "a name" {
            expected = "a type".to_owned();
        }
        if previous == "use" {
            expected = "a module or a file".to_owned();
        }
        if let Some(letter) = found.chars().next().filter(|c| is_foreign(*c)) {
            return Diagnostic::error(Code::SYNTAX, format!("a name cannot hold `{letter}`"))
                .at(text.span(self.at, self.at + letter.len_utf8()), "not here")
                .help("write names with the letters a to z, digits and `_`");
        }
        let shown = match found {
            "" | "\n" => "the end of the line".to_owned(),
            found => format!("`{found}`"),
        };
        let after = match previous {
            "" => String::new(),
            previous => format!(" after `{previous}`"),
        };
        let help = self.help(text.text(), found);
        Diagnostic::error(
            Code::SYNTAX,
            format!("expected {expected}{after}, found {shown}"),
        )
        .at(span, format!("expected {expected}"))
        .maybe_help(help)
    }

    fn help(&self, text: &str, found: &str) -> Option<String> {
        if found == "=" && self.takes(":") && text.trim_start().starts_with("param") {
            let name = previous_token(text, self.at);
            return Some(format!(
                "a parameter has a type: `param {name}: Float = ...`"
            ));
        }
        if self.takes_thing("a definition") {
            let words = "`pipeline`, `sweep`, `fn` or `use`";
            return Some(format!("a definition starts with {words}"));
        }
        if self.takes_thing("a name") && KEYWORDS.contains(&found) && found != "for" {
            return Some(format!(
                "`{found}` is a keyword and names nothing; choose another name"
            ));
        }
        let previous = previous_token(text, self.at);
        if found == "=" && ["+", "-", "*", "/"].contains(&previous) {
            return Some(format!(
                "there is no `{previous}=`; a field is set with `=`"
            ));
        }
        if found == "=" && text.trim_start().starts_with("minimize") {
            return Some("the loss needs no name: `minimize LOSS`".to_owned());
        }
        None
    }
}

fn word(word: &Word) -> String {
    match word {
        Word::Thing(thing) => (*thing).to_owned(),
        Word::Token(token) => format!("`{token}`"),
        Word::Operator => "an operator".to_owned(),
        Word::LineEnd => "the end of the line".to_owned(),
    }
}

/// A letter that the language's names do not have.
pub(super) fn is_foreign(c: char) -> bool {
    c.is_alphabetic() && !c.is_ascii()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The token that starts at a place; empty at the end of the text.
pub(super) fn token(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or("");
    let Some(first) = rest.chars().next() else {
        return "";
    };
    let len = if is_word(first) {
        rest.find(|c| !is_word(c)).unwrap_or(rest.len())
    } else if first == '"' {
        let line = rest.split('\n').next().unwrap_or(rest);
        let close = line.get(1..).and_then(|l| l.find('"'));
        close.map_or(line.len(), |i| i + 2)
    } else {
        let two = ["->", "..", "==", "!=", "<=", ">=", ">>", ":=", "=>", "**"];
        let double = two.iter().find(|t| rest.starts_with(**t));
        double.map_or(first.len_utf8(), |t| t.len())
    };
    // Nobody reads a token of a thousand characters.
    let len = rest.floor_char_boundary(len.min(60));
    rest.get(..len).unwrap_or("")
}

/// Where the number starts that a text ends with, sign of the exponent and all.
fn number_start(text: &str) -> Option<usize> {
    let part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_' | 'e' | 'E' | '+' | '-');
    let start = text.rfind(|c| !part(c)).map_or(0, |i| i + 1);
    let tail = text.get(start..)?;
    let number = tail.parse::<f64>().is_ok() && tail.starts_with(|c: char| c.is_ascii_digit());
    let separate = !text.get(..start)?.ends_with(is_word);
    (number && separate).then_some(start)
}

/// The token that ends before a place, on the same line or above.
pub(super) fn previous_token(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or("").trim_end();
    let Some(last) = before.chars().next_back() else {
        return "";
    };
    let start = if is_word(last) {
        let word = before.rfind(|c| !is_word(c)).map_or(0, |i| {
            i + before
                .get(i..)
                .and_then(|b| b.chars().next())
                .map_or(1, char::len_utf8)
        });
        number_start(before).unwrap_or(word)
    } else if last == '"' {
        let inner = before.get(..before.len() - 1).unwrap_or("");
        inner.rfind('"').unwrap_or(before.len() - 1)
    } else {
        let two = ["->", "..", "==", "!=", "<=", ">=", ">>"];
        let double = two.iter().find(|t| before.ends_with(**t));
        before.len() - double.map_or(last.len_utf8(), |t| t.len())
    };
    let found = before.get(start..).unwrap_or("");
    if found.len() > 60 { "" } else { found }
}
