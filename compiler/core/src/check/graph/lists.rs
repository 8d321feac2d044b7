//! Lists: comprehensions are unrolled, sums and means of lists folded.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{NodeId, Op};
use ssl_syntax::ast::{BinOp, Expr, ExprKind, Ident};

use super::{Builder, Item, Locals};

/// Terms that one comprehension may make.
const MOST_TERMS: usize = 4096;

/// What a condition compares.
#[derive(PartialEq)]
enum Fact {
    Number(f64),
    View(NodeId),
}

impl Builder<'_, '_> {
    /// A list; a list within it is spliced.
    pub(super) fn list(&mut self, items: &[Expr], locals: &Locals) -> Option<Item> {
        let mut out = Vec::new();
        let mut fine = true;
        for item in items {
            match self.eval(item, locals) {
                Some(Item::List(inner)) => out.extend(inner),
                Some(item) => out.push(item),
                None => fine = false,
            }
        }
        fine.then_some(Item::List(out))
    }

    /// `for x in xs, y in ys where ... { body }`, as a list.
    pub(super) fn comprehension(
        &mut self,
        binds: &[(Ident, Expr)],
        filter: Option<&Expr>,
        body: &Expr,
        span: Span,
        locals: &Locals,
    ) -> Option<Item> {
        let mut rows = vec![locals.clone()];
        for (name, list) in binds {
            let mut next = Vec::new();
            for row in &rows {
                let Item::List(items) = self.eval(list, row)? else {
                    self.checker.report(
                        Diagnostic::error(Code::TYPE, "`for` runs over a list")
                            .at(list.span, "not a list")
                            .help("write `[a, b]`, or several views as `view local[6]`"),
                    );
                    return None;
                };
                next.extend(items.into_iter().map(|item| {
                    let mut row = row.clone();
                    row.values.insert(name.name.clone(), item);
                    row
                }));
                if next.len() > MOST_TERMS {
                    self.checker.report(
                        Diagnostic::error(
                            Code::RANGE,
                            format!("the list has more than {MOST_TERMS} terms"),
                        )
                        .at(span, "too long to be written out"),
                    );
                    return None;
                }
            }
            rows = next;
        }
        let mut out = Vec::new();
        for row in &rows {
            if let Some(condition) = filter
                && !self.holds(condition, row)?
            {
                continue;
            }
            out.push(self.eval(body, row)?);
        }
        if out.is_empty() {
            self.checker.report(
                Diagnostic::error(Code::RANGE, "the list is empty")
                    .at(filter.map_or(span, |f| f.span), "nothing is left")
                    .help("drop the condition, or make more views"),
            );
            return None;
        }
        Some(Item::List(out))
    }

    /// Whether a condition holds; it is known before the run.
    fn holds(&mut self, condition: &Expr, locals: &Locals) -> Option<bool> {
        if let ExprKind::Binary { op, left, right } = &condition.kind {
            let a = self.fact(left, locals)?;
            let b = self.fact(right, locals)?;
            let known = match (op, &a, &b) {
                (BinOp::Eq, ..) => Some(a == b),
                (BinOp::Ne, ..) => Some(a != b),
                (BinOp::Lt, Fact::View(a), Fact::View(b)) => Some(self.order(*a) < self.order(*b)),
                (BinOp::Lt, Fact::Number(a), Fact::Number(b)) => Some(a < b),
                (BinOp::Le, Fact::Number(a), Fact::Number(b)) => Some(a <= b),
                (BinOp::Gt, Fact::Number(a), Fact::Number(b)) => Some(a > b),
                (BinOp::Ge, Fact::Number(a), Fact::Number(b)) => Some(a >= b),
                _ => None,
            };
            if known.is_some() {
                return known;
            }
        }
        self.checker.report(
            Diagnostic::error(Code::TYPE, "this is no condition")
                .at(condition.span, "neither true nor false")
                .help("compare numbers, or the views of two values: `where u.view != v.view`"),
        );
        None
    }

    /// The place of a view in the step's order.
    fn order(&self, view: NodeId) -> usize {
        let Some(Op::View { view }) = self.nodes.get(view).map(|n| &n.op) else {
            return 0;
        };
        self.views.get_index_of(view).unwrap_or(0)
    }

    fn fact(&mut self, expr: &Expr, locals: &Locals) -> Option<Fact> {
        if let ExprKind::Path(path) = &expr.kind
            && let [name, view] = path.segments.as_slice()
            && view.name == "view"
        {
            let of = Expr {
                kind: ExprKind::Path(ssl_syntax::ast::Path {
                    segments: vec![name.clone()],
                    span: name.span,
                }),
                span: name.span,
            };
            let item = self.eval(&of, locals)?;
            let id = self.id_of(&item, name.span)?;
            let views = self.sources.get(id).cloned().unwrap_or_default();
            if let [one] = views.as_slice() {
                return Some(Fact::View(*one));
            }
            let what = match views.len() {
                0 => "no view".to_owned(),
                n => format!("{n} views"),
            };
            self.checker.report(
                Diagnostic::error(
                    Code::TYPE,
                    format!("`{}` is computed from {what}", name.name),
                )
                .at(expr.span, "`.view` needs a value of one view"),
            );
            return None;
        }
        match self.eval(expr, locals)? {
            Item::Number(x) => Some(Fact::Number(x)),
            Item::Node(id)
                if matches!(self.nodes.get(id).map(|n| &n.op), Some(Op::View { .. })) =>
            {
                Some(Fact::View(id))
            }
            _ => {
                self.checker.report(
                    Diagnostic::error(Code::TYPE, "a condition cannot look at this")
                        .at(expr.span, "only known while the network runs")
                        .help("compare numbers, or views: `u.view != v.view`"),
                );
                None
            }
        }
    }

    /// The sum or the mean of a list's items.
    pub(super) fn folded_list(&mut self, items: Vec<Item>, mean: bool, at: Span) -> Option<Item> {
        let count = items.len() as f64;
        let mut items = items.into_iter();
        let Some(mut total) = items.next() else {
            self.checker.report(
                Diagnostic::error(Code::ARGUMENTS, "the list is empty").at(at, "nothing to add"),
            );
            return None;
        };
        for item in items {
            total = self.binary(BinOp::Add, total, item, at, [at, at])?;
        }
        if mean {
            total = self.binary(BinOp::Div, total, Item::Number(count), at, [at, at])?;
        }
        Some(total)
    }
}
