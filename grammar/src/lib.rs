//! The grammar of the `.ssl` language and the parser that pest derives from
//! it; the words of the language, for those who speak of it.
//!
//! `ssl.pest` is the definition. What it yields are pest's pairs; the tree is
//! built elsewhere.

mod words;

pub use generated::{Rule, SslParser};
pub use words::{
    ITEM_KEYWORDS, KEYWORDS, SECTION_KEYWORDS, STATEMENT_KEYWORDS, Word, describe, is_keyword,
};

extern crate alloc;

mod generated {
    #![allow(missing_docs)]

    /// The parser; `SslParser::parse(Rule::file, text)`.
    #[derive(pest_derive::Parser)]
    #[grammar = "ssl.pest"]
    pub struct SslParser;
}
