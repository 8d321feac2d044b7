//! Sums, differences, products and quotients: terms meet in one box, and
//! numbers stand at the terms that they weigh.

use ssl_plan::{BinaryOp, NodeId, Op, UnaryOp};

use super::Builder;
use crate::graph::{Kind, words};

/// A term of a sum.
struct Term {
    label: String,
    node: NodeId,
}

impl Builder<'_> {
    /// Whether a node is only a step within an expression.
    fn within(&self, id: NodeId) -> bool {
        let unnamed = self.graph.nodes.get(id).is_some_and(|n| n.name.is_none());
        unnamed && self.uses.get(id) == Some(&1) && self.call_of(id).is_none()
    }

    /// Sums, differences, products and quotients.
    pub(super) fn arithmetic(&mut self, id: NodeId) -> Option<usize> {
        let (factor, inner) = self.factor(id, true);
        let mut terms = Vec::new();
        let mut lines = Vec::new();
        let (title, inside) = match self.op(inner)? {
            Op::Binary {
                f: BinaryOp::Add | BinaryOp::Sub,
                ..
            } if inner == id || self.within(inner) => {
                self.terms(inner, false, true, &mut terms, &mut lines);
                lines.extend(Some(factor).filter(|f| !f.is_empty()));
                let mixed = terms.iter().any(|t| t.label.starts_with('−'));
                for term in terms.iter_mut().filter(|t| mixed && t.label.is_empty()) {
                    term.label = "+".into();
                }
                let title = match (mixed, terms.len()) {
                    (true, 2) => "difference",
                    _ => "+",
                };
                (title.to_owned(), true)
            }
            Op::Binary { f, left, right } if inner == id => {
                for (node, name) in [(*left, "left"), (*right, "right")] {
                    let label = match f {
                        BinaryOp::Div => name.to_owned(),
                        _ => String::new(),
                    };
                    terms.push(Term { label, node });
                }
                (words::sign(*f).to_owned(), true)
            }
            _ => {
                terms.push(Term {
                    label: String::new(),
                    node: inner,
                });
                (factor, false)
            }
        };
        let mut links = Vec::new();
        for term in &terms {
            let gradient = self.flow.at(id) && self.flow.at(term.node);
            let from = self.sources(term.node);
            links.push((from, term.label.as_str(), gradient));
        }
        lines.extend(self.value(id));
        let title = if title.is_empty() && !inside {
            "=".into()
        } else {
            title
        };
        let unit = self.push(Kind::Operation, title, lines, id);
        for (from, label, gradient) in links {
            self.connect(&from, unit, label, gradient);
        }
        Some(unit)
    }

    /// Splits numbers off a product: `× 0.5`, and what is multiplied.
    fn factor(&self, id: NodeId, first: bool) -> (String, NodeId) {
        if !first && !self.within(id) {
            return (String::new(), id);
        }
        let number = |id| words::scalar(self.graph, id);
        let (text, inner) = match self.op(id) {
            Some(Op::Unary { f: UnaryOp::Neg, x }) => ("× −1".to_owned(), *x),
            Some(Op::Binary { f, left, right }) => match (f, number(*left), number(*right)) {
                (BinaryOp::Mul, Some(n), None) => (format!("× {n}"), *right),
                (BinaryOp::Mul, None, Some(n)) => (format!("× {n}"), *left),
                (BinaryOp::Div, None, Some(n)) => (format!("÷ {n}"), *left),
                _ => return (String::new(), id),
            },
            _ => return (String::new(), id),
        };
        let (more, inner) = self.factor(inner, false);
        let texts: Vec<String> = [more, text].into_iter().filter(|t| !t.is_empty()).collect();
        (texts.join(" "), inner)
    }

    /// The terms of a sum in order; numbers among them become lines.
    fn terms(
        &self,
        id: NodeId,
        minus: bool,
        first: bool,
        terms: &mut Vec<Term>,
        lines: &mut Vec<String>,
    ) {
        let sign = if minus { "− " } else { "" };
        if let Some(text) = words::scalar(self.graph, id) {
            lines.push(format!("{} {text}", if minus { "−" } else { "+" }));
            return;
        }
        if let Some(Op::Binary {
            f: f @ (BinaryOp::Add | BinaryOp::Sub),
            left,
            right,
        }) = self.op(id)
            && (first || self.within(id))
        {
            self.terms(*left, minus, false, terms, lines);
            let turned = minus != (*f == BinaryOp::Sub);
            self.terms(*right, turned, false, terms, lines);
            return;
        }
        let (factor, node) = self.factor(id, false);
        terms.push(Term {
            label: format!("{sign}{factor}").trim().to_owned(),
            node,
        });
    }
}
