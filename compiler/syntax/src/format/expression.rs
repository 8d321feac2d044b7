//! Expressions, types and what stands in brackets.

use ssl_grammar::Rule;

use super::statement::Writer;
use super::tree::Node;
use crate::level::Level;

impl<'t, 'a> Writer<'t, 'a> {
    /// `expr` or `plain`.
    pub fn expression(&mut self, node: &'t Node) {
        match node.inner.as_slice() {
            [only] if only.rule == Rule::for_ => self.comprehension(&only.inner),
            parts => self.operation(parts, false),
        }
    }

    /// Operands with operators between them; without blanks where `tight`.
    fn operation(&mut self, parts: &'t [Node], tight: bool) {
        let levels = parts.iter().filter_map(|p| p.level);
        match levels.min() {
            None => parts.iter().for_each(|part| self.node(part)),
            Some(Level::Range) => self.range(parts),
            Some(level @ (Level::Sum | Level::Product)) if tight => {
                for (operator, operand) in split(parts, level) {
                    if let Some(operator) = operator {
                        let spaced = is_ambiguous(parts, operator, operand);
                        self.spaced(operator, spaced);
                    }
                    self.operation(operand, tight);
                }
            }
            Some(level) => self.chain(parts, level, tight),
        }
    }

    /// Operations of one level, broken before their operators.
    fn chain(&mut self, parts: &'t [Node], level: Level, tight: bool) {
        self.out.open();
        for (i, (operator, operand)) in split(parts, level).into_iter().enumerate() {
            if i == 1 {
                self.out.indent();
            }
            if let Some(operator) = operator {
                let behind = operand.first().map_or(operator.start, |o| o.start);
                // A line that starts with `-` does not continue the one before.
                if self.tree.of(operator) == "-" && self.brackets == 0 {
                    self.out.space();
                    self.token(operator);
                    self.comments_before(behind);
                    self.out.line();
                } else {
                    self.comments_before(behind);
                    self.out.line();
                    self.token(operator);
                    self.out.space();
                }
            }
            self.operation(operand, tight);
        }
        self.out.dedent();
        self.out.close();
    }

    fn range(&mut self, parts: &'t [Node]) {
        for (operator, operand) in split(parts, Level::Range) {
            if let Some(operator) = operator {
                let point = operand
                    .first()
                    .is_some_and(|o| self.tree.of(o).starts_with('.'));
                self.spaced(operator, point);
            }
            self.operation(operand, true);
        }
    }

    fn spaced(&mut self, operator: &'t Node, spaced: bool) {
        if spaced {
            self.out.space();
        }
        self.token(operator);
        if spaced {
            self.out.space();
        }
    }

    /// Elements between brackets: on one line, or one a line.
    pub fn bracketed(&mut self, parts: &'t [Node]) {
        let [open, elements @ .., close] = parts else {
            return;
        };
        self.token(open);
        self.brackets += 1;
        self.out.open();
        self.out.indent();
        for (i, element) in elements.iter().enumerate() {
            if i == 0 {
                self.out.soft();
            } else {
                self.out.text(",");
            }
            self.comments_before(element.start);
            if i > 0 {
                self.out.line();
            }
            self.node(element);
        }
        if !elements.is_empty() {
            self.out.last_comma();
        }
        self.comments_before(close.start);
        self.out.dedent();
        if !elements.is_empty() {
            self.out.soft();
        }
        self.token(close);
        self.out.close();
        self.brackets -= 1;
    }

    /// A type or a count, never broken.
    pub fn unbroken(&mut self, parts: &'t [Node]) {
        for (i, part) in parts.iter().enumerate() {
            let before = i.checked_sub(1).and_then(|i| parts.get(i));
            if part.rule == Rule::ty_arg && before.is_some_and(|b| b.rule == Rule::ty_arg) {
                self.out.text(",");
                self.out.space();
            }
            self.node(part);
        }
    }

    /// `( ... )`
    pub fn group(&mut self, parts: &'t [Node]) {
        let [open, inner @ .., close] = parts else {
            return;
        };
        self.token(open);
        self.brackets += 1;
        self.out.open();
        self.out.indent();
        self.out.soft();
        inner.iter().for_each(|part| self.node(part));
        self.comments_before(close.start);
        self.out.dedent();
        self.out.soft();
        self.token(close);
        self.out.close();
        self.brackets -= 1;
    }

    /// `for x in xs, y in ys where x < y { ... }`
    pub fn comprehension(&mut self, parts: &'t [Node]) {
        let [keyword, binds @ .., open, body, close] = parts else {
            return;
        };
        self.token(keyword);
        self.out.open();
        self.out.indent();
        for (i, part) in binds.iter().enumerate() {
            if i > 0 && part.rule == Rule::bind {
                self.out.text(",");
            }
            self.out.space();
            self.node(part);
        }
        self.out.space();
        self.token(open);
        self.brackets += 1;
        self.out.line();
        self.node(body);
        self.comments_before(close.start);
        self.out.dedent();
        self.out.line();
        self.token(close);
        self.out.close();
        self.brackets -= 1;
    }

    /// `40 epochs`, `24GiB`, `10%`
    pub fn quantity(&mut self, node: &'t Node) {
        let [number, unit] = node.inner.as_slice() else {
            return self.token(node);
        };
        self.token(number);
        if unit.start > number.end && self.tree.of(unit) != "%" {
            self.out.space();
        }
        self.token(unit);
    }
}

/// The operands of a level, each behind its operator.
fn split(parts: &[Node], level: Level) -> Vec<(Option<&Node>, &[Node])> {
    let mut found = Vec::new();
    let mut operator = None;
    let mut rest = parts;
    while let Some(i) = rest.iter().position(|p| p.level == Some(level)) {
        let (operand, behind) = rest.split_at(i);
        found.push((operator, operand));
        let Some((next, behind)) = behind.split_first() else {
            break;
        };
        operator = Some(next);
        rest = behind;
    }
    found.push((operator, rest));
    found
}

/// Whether an operator without blanks would read as something else: `1e - 2`
/// subtracts from a quantity, `a - -b` from a negative.
fn is_ambiguous(parts: &[Node], operator: &Node, operand: &[Node]) -> bool {
    let behind = parts.partition_point(|p| p.start < operator.start);
    let before = behind.checked_sub(1).and_then(|i| parts.get(i));
    before.is_some_and(|p| p.rule == Rule::quantity)
        || operand.first().is_some_and(|p| p.rule == Rule::neg)
}
