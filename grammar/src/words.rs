//! The language's words, and the grammar's rules in the user's words.

use crate::Rule;

/// Open a definition at the top of a file.
pub const ITEM_KEYWORDS: &[&str] = &["pipeline", "sweep", "fn", "use"];

/// Open a statement.
pub const STATEMENT_KEYWORDS: &[&str] =
    &["param", "let", "drop", "minimize", "track", "vary", "allow"];

/// Open a section of a pipeline. They are free as names elsewhere.
pub const SECTION_KEYWORDS: &[&str] = &["data", "view", "net", "step", "train", "monitor", "eval"];

/// Words that name nothing, because they mean something everywhere.
pub const KEYWORDS: &[&str] = &[
    "pipeline", "sweep", "fn", "use", "extends", "param", "let", "drop", "minimize", "track",
    "vary", "allow", "then", "in", "for", "where", "after", "before", "true", "false",
];

/// Whether a word is one of [`KEYWORDS`].
pub fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "pipeline"
            | "sweep"
            | "fn"
            | "use"
            | "extends"
            | "param"
            | "let"
            | "drop"
            | "minimize"
            | "track"
            | "vary"
            | "allow"
            | "then"
            | "in"
            | "for"
            | "where"
            | "after"
            | "before"
            | "true"
            | "false"
    )
}

/// What could have stood at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// A thing of its own: "a value", "a name".
    Thing(&'static str),
    /// Exactly this: "`,`".
    Token(&'static str),
    /// One of the binary operators.
    Operator,
    /// What ends a statement.
    LineEnd,
}

/// A rule in the user's words; `None` where a rule is no help to a user.
pub fn describe(rule: Rule) -> Option<Word> {
    use Word::{LineEnd, Operator, Thing, Token};
    Some(match rule {
        Rule::expr | Rule::plain | Rule::for_ | Rule::arg => Thing("a value"),
        Rule::quantity | Rule::number | Rule::text | Rule::boolean | Rule::list => Thing("a value"),
        Rule::group | Rule::reference | Rule::neg | Rule::KW_FOR => Thing("a value"),
        Rule::missing | Rule::missing_arg => Thing("a value"),
        Rule::ident | Rule::path | Rule::dotted | Rule::arg_name | Rule::word => Thing("a name"),
        Rule::bind | Rule::fn_param => Thing("a name"),
        Rule::unit => Thing("a unit"),
        Rule::ty | Rule::ty_arg => Thing("a type"),
        Rule::dimension => Thing("a size"),
        Rule::import | Rule::pipeline | Rule::sweep | Rule::function => Thing("a definition"),
        Rule::only_items => Thing("a definition"),
        Rule::only_statements => Thing("a statement"),
        Rule::only_assign => Thing("a name"),
        Rule::KW_PIPELINE | Rule::KW_SWEEP | Rule::KW_FN | Rule::KW_USE => Thing("a definition"),
        Rule::param | Rule::let_ | Rule::drop | Rule::minimize => Thing("a statement"),
        Rule::track | Rule::vary | Rule::allow | Rule::section => Thing("a statement"),
        Rule::assign | Rule::entry | Rule::SECTION => Thing("a statement"),
        Rule::KW_PARAM | Rule::KW_LET | Rule::KW_DROP => Thing("a statement"),
        Rule::KW_MINIMIZE | Rule::KW_TRACK | Rule::KW_VARY => Thing("a statement"),
        Rule::KW_ALLOW => Thing("a statement"),
        Rule::line_end | Rule::EOI => LineEnd,
        Rule::operator | Rule::continuation => Operator,
        Rule::block | Rule::lbrace => Token("{"),
        Rule::rbrace => Token("}"),
        Rule::fn_params | Rule::params | Rule::args | Rule::lparen => Token("("),
        Rule::rparen => Token(")"),
        Rule::count | Rule::lbracket => Token("["),
        Rule::rbracket => Token("]"),
        Rule::comma => Token(","),
        Rule::colon => Token(":"),
        Rule::dot => Token("."),
        Rule::equals => Token("="),
        Rule::arrow => Token("->"),
        Rule::extends | Rule::KW_EXTENDS => Token("extends"),
        Rule::KW_AS => Token("as"),
        Rule::KW_OF => Token("of"),
        Rule::KW_IN => Token("in"),
        Rule::filter | Rule::KW_WHERE => Token("where"),
        Rule::after | Rule::KW_AFTER => Token("after"),
        Rule::before | Rule::KW_BEFORE => Token("before"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use pest::Parser;

    use super::*;
    use crate::SslParser;

    /// Whether a rule takes the whole of a text.
    fn takes(rule: Rule, text: &str) -> bool {
        SslParser::parse(rule, text).is_ok_and(|p| p.as_str() == text)
    }

    #[test]
    fn keywords_are_the_words_that_name_nothing() {
        for word in KEYWORDS {
            assert!(!takes(Rule::ident, word), "{word}");
            assert!(is_keyword(word), "{word}");
            assert!(takes(Rule::ident, &format!("{word}s")), "{word}s");
        }
        for word in SECTION_KEYWORDS
            .iter()
            .chain(&["as", "of", "mode", "epochs"])
        {
            assert!(takes(Rule::ident, word), "{word}");
            assert!(!is_keyword(word), "{word}");
        }
        for word in ITEM_KEYWORDS.iter().chain(STATEMENT_KEYWORDS) {
            assert!(KEYWORDS.contains(word), "{word}");
        }
        for word in SECTION_KEYWORDS {
            assert!(takes(Rule::SECTION, word), "{word}");
        }
    }

    #[test]
    fn numbers_units_and_texts_are_one_token_each() {
        for number in ["0", "1_000", "1.5e-4", ".5", "2E10", "1.5_5"] {
            assert!(takes(Rule::number, number), "{number}");
        }
        for not in ["1.", "1e", "_1", "1..2", "-1", "0x10", "1.e5"] {
            assert!(!takes(Rule::number, not), "{not}");
        }
        for quantity in ["10%", "40 epochs", "24GiB", "1e3 s", "3  px"] {
            assert!(takes(Rule::quantity, quantity), "{quantity}");
        }
        for not in ["1 then", "1\nepochs", "1 in", "2 f(", "2 name: "] {
            assert!(!takes(Rule::quantity, not), "{not}");
        }
        for text in [r#""""#, r#""\"""#, r#""a\\""#, "\"🎉\""] {
            assert!(takes(Rule::text, text), "{text}");
        }
        for not in [r#"""#, r#""\""#, "\"a\nb\""] {
            assert!(!takes(Rule::text, not), "{not}");
        }
    }
}
