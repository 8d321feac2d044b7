//! Binary operators: how strongly they bind. The grammar takes them in a row;
//! the tree builder and the formatter give them their order.

/// Binding strength, from the loosest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// `then`
    Then,
    /// `->`
    Ramp,
    /// `==`, `!=`, `<=`, `>=`, `<`, `>`
    Comparison,
    /// `..`, `..=`
    Range,
    /// `>>`
    Pipe,
    /// `+`, `-`
    Sum,
    /// `*`, `/`
    Product,
}

impl Level {
    /// The level of an operator, as it is written.
    pub fn of(operator: &str) -> Option<Level> {
        Some(match operator {
            "then" => Level::Then,
            "->" => Level::Ramp,
            "==" | "!=" | "<=" | ">=" | "<" | ">" => Level::Comparison,
            ".." | "..=" => Level::Range,
            ">>" => Level::Pipe,
            "+" | "-" => Level::Sum,
            "*" | "/" => Level::Product,
            _ => return None,
        })
    }
}
