//! Expressions and types.

use std::iter::Peekable;

use pest::iterators::{Pair, Pairs};
use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_grammar::Rule;

use super::{Builder, MAX_DEPTH};
use crate::ast::{Arg, BinOp, Expr, ExprKind, Spanned, Ty, TyArg};
use crate::level::Level;

/// An expression under construction.
pub(super) struct Built {
    expr: Expr,
    depth: usize,
    /// Its operator's level, where no parentheses stand around it.
    level: Option<Level>,
}

impl Built {
    /// The depth of what has been cut off, and reported, as too deep.
    const CUT: usize = usize::MAX;
}

/// What to say where an operator of a level stands twice in a row.
fn no_chain(level: Level) -> Option<&'static str> {
    match level {
        Level::Ramp => Some("a ramp has one start and one end; join ramps by `then`"),
        Level::Comparison => Some("comparisons do not chain; compare two values at a time"),
        Level::Range => Some("a range has one lower and one upper end"),
        _ => None,
    }
}

impl Builder<'_> {
    /// `after` is the end of what announced the value, for the place of one
    /// that is missing.
    pub(super) fn value(&mut self, pair: &Pair<Rule>, after: &Pair<Rule>) -> Expr {
        match pair.as_rule() {
            Rule::missing | Rule::missing_arg => {
                let end = after.as_span().end();
                let span = self.text.span(end, end);
                let token = after.as_str();
                self.out.push(
                    Diagnostic::error(Code::SYNTAX, format!("expected a value after `{token}`"))
                        .at(span, "a value is missing here"),
                );
                missing(span)
            }
            _ => self.expr(pair),
        }
    }

    /// `expr` or `plain`.
    pub(super) fn expr(&mut self, pair: &Pair<Rule>) -> Expr {
        self.built(pair).expr
    }

    fn built(&mut self, pair: &Pair<Rule>) -> Built {
        let mut inner = pair.clone().into_inner().peekable();
        match inner.peek().map(|p| (p.as_rule(), p.clone())) {
            Some((Rule::for_, p)) => self.comprehension(&p),
            _ => self.operation(&mut inner, None),
        }
    }

    /// An operation of operators that bind more strongly than one.
    fn operation(&mut self, pairs: &mut Peekable<Pairs<Rule>>, outer: Option<Level>) -> Built {
        let mut left = self.operand(pairs);
        while let Some(pair) = pairs.peek().cloned() {
            let Some(level) = Level::of(pair.as_str()).filter(|l| Some(*l) > outer) else {
                break;
            };
            pairs.next();
            let right = self.operation(pairs, Some(level));
            left = self.join(&pair, level, left, right);
        }
        left
    }

    fn join(&mut self, op: &Pair<Rule>, level: Level, left: Built, right: Built) -> Built {
        let span = left.expr.span.to(right.expr.span);
        if left.level == Some(level)
            && let Some(help) = no_chain(level)
        {
            let token = op.as_str();
            self.out.push(
                Diagnostic::error(Code::SYNTAX, format!("`{token}` cannot be chained"))
                    .at(self.span(op), "this one is too many")
                    .at(left.expr.span, "this is complete")
                    .help(help),
            );
            return Built {
                expr: missing(span),
                depth: 0,
                level: None,
            };
        }
        let depth = left.depth.max(right.depth).saturating_add(1);
        let (left, right) = (Box::new(left.expr), Box::new(right.expr));
        let binary = |op, left, right| ExprKind::Binary { op, left, right };
        let kind = match op.as_str() {
            "then" => ExprKind::Then {
                first: left,
                next: right,
            },
            "->" => ExprKind::Ramp {
                from: left,
                to: right,
            },
            dots @ (".." | "..=") => ExprKind::Range {
                low: left,
                high: right,
                inclusive: dots == "..=",
            },
            ">>" => binary(BinOp::Pipe, left, right),
            "==" => binary(BinOp::Eq, left, right),
            "!=" => binary(BinOp::Ne, left, right),
            "<=" => binary(BinOp::Le, left, right),
            ">=" => binary(BinOp::Ge, left, right),
            "<" => binary(BinOp::Lt, left, right),
            ">" => binary(BinOp::Gt, left, right),
            "+" => binary(BinOp::Add, left, right),
            "-" => binary(BinOp::Sub, left, right),
            "*" => binary(BinOp::Mul, left, right),
            _ => binary(BinOp::Div, left, right),
        };
        let mut built = self.bounded(kind, span, depth);
        built.level = Some(level);
        built
    }

    /// An expression, unless the tree would become too deep.
    fn bounded(&mut self, kind: ExprKind, span: Span, depth: usize) -> Built {
        if depth <= MAX_DEPTH {
            return Built {
                expr: Expr { kind, span },
                depth,
                level: None,
            };
        }
        if depth != Built::CUT {
            self.out.push(
                Diagnostic::error(Code::NESTING, "this expression is too deep")
                    .at(
                        span,
                        format!("more than {MAX_DEPTH} operations inside one another"),
                    )
                    .help("give parts of it a name with `let`"),
            );
        }
        Built {
            expr: missing(span),
            depth: Built::CUT,
            level: None,
        }
    }

    fn operand(&mut self, pairs: &mut Peekable<Pairs<Rule>>) -> Built {
        let Some(pair) = pairs.next() else {
            let end = self.text.text().len();
            let span = self.text.span(end, end);
            return self.bounded(ExprKind::Missing, span, 0);
        };
        if pair.as_rule() != Rule::neg {
            return self.primary(&pair);
        }
        let inner = self.operand(pairs);
        let span = self.span(&pair).to(inner.expr.span);
        self.bounded(
            ExprKind::Neg(Box::new(inner.expr)),
            span,
            inner.depth.saturating_add(1),
        )
    }

    fn primary(&mut self, pair: &Pair<Rule>) -> Built {
        let span = self.span(pair);
        let mut inner = pair.clone().into_inner();
        let mut depth = 0;
        let kind = match pair.as_rule() {
            Rule::quantity => {
                let (value, integer) = match inner.next() {
                    Some(number) => self.number(&number),
                    None => (0.0, true),
                };
                match inner.next() {
                    Some(unit) => ExprKind::Quantity {
                        value,
                        integer,
                        unit: self.ident(&unit),
                    },
                    None => ExprKind::Number { value, integer },
                }
            }
            Rule::text => ExprKind::Text(self.text_value(pair)),
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::group => {
                let Some(built) = inner
                    .find(|p| p.as_rule() == Rule::expr)
                    .map(|p| self.built(&p))
                else {
                    return self.bounded(ExprKind::Missing, span, 0);
                };
                return Built {
                    expr: Expr { span, ..built.expr },
                    depth: built.depth,
                    level: None,
                };
            }
            Rule::list => {
                let mut items = Vec::new();
                for p in inner.filter(|p| p.as_rule() == Rule::expr) {
                    let item = self.built(&p);
                    depth = depth.max(item.depth);
                    items.push(item.expr);
                }
                ExprKind::List(items)
            }
            _ => match (inner.next(), inner.find(|p| p.as_rule() == Rule::args)) {
                (Some(path), Some(args)) => {
                    let args_span = self.span(&args);
                    let (args, deepest) = self.args(&args);
                    depth = deepest;
                    ExprKind::Call {
                        callee: self.path(&path),
                        args,
                        args_span,
                    }
                }
                (Some(path), None) => match path.as_str() {
                    // `dotted` takes these, too.
                    value @ ("true" | "false") => ExprKind::Bool(value == "true"),
                    _ => ExprKind::Path(self.path(&path)),
                },
                _ => ExprKind::Missing,
            },
        };
        self.bounded(kind, span, depth.saturating_add(1))
    }

    fn args(&mut self, pair: &Pair<Rule>) -> (Vec<Arg>, usize) {
        let mut args = Vec::new();
        let mut depth = 0;
        for arg in pair.clone().into_inner() {
            if arg.as_rule() != Rule::arg {
                continue;
            }
            let mut name = None;
            let mut colon = None;
            for p in arg.into_inner() {
                match p.as_rule() {
                    Rule::arg_name => name = Some(self.ident(&p)),
                    Rule::colon => colon = Some(p),
                    Rule::expr => {
                        let built = self.built(&p);
                        depth = depth.max(built.depth);
                        args.push(Arg {
                            name: name.take(),
                            value: built.expr,
                        });
                    }
                    _ => {
                        let value = self.value(&p, colon.as_ref().unwrap_or(&p));
                        args.push(Arg {
                            name: name.take(),
                            value,
                        });
                    }
                }
            }
        }
        (args, depth)
    }

    fn comprehension(&mut self, pair: &Pair<Rule>) -> Built {
        let mut binds = Vec::new();
        let mut filter = None;
        let mut body = None;
        let mut depth = 0;
        for p in pair.clone().into_inner() {
            match p.as_rule() {
                Rule::bind => {
                    let mut inner = p.into_inner();
                    let name = inner.next();
                    let source = inner.find(|p| p.as_rule() == Rule::plain);
                    if let (Some(name), Some(source)) = (name, source) {
                        let source = self.built(&source);
                        depth = depth.max(source.depth);
                        binds.push((self.ident(&name), source.expr));
                    }
                }
                Rule::filter => {
                    if let Some(p) = p.into_inner().find(|p| p.as_rule() == Rule::plain) {
                        let built = self.built(&p);
                        depth = depth.max(built.depth);
                        filter = Some(Box::new(built.expr));
                    }
                }
                Rule::expr => {
                    let built = self.built(&p);
                    depth = depth.max(built.depth);
                    body = Some(Box::new(built.expr));
                }
                _ => {}
            }
        }
        let span = self.span(pair);
        let body = body.unwrap_or_else(|| Box::new(missing(span)));
        self.bounded(
            ExprKind::For {
                binds,
                filter,
                body,
            },
            span,
            depth.saturating_add(1),
        )
    }

    fn number(&mut self, pair: &Pair<Rule>) -> (f64, bool) {
        let digits: String = pair.as_str().chars().filter(|c| *c != '_').collect();
        let value = digits.parse().unwrap_or(f64::NAN);
        if !value.is_finite() {
            self.out.push(
                Diagnostic::error(Code::SYNTAX, "this number is too large")
                    .at(self.span(pair), "more than 1.8e308"),
            );
            return (0.0, false);
        }
        let integer = !digits.contains(['.', 'e', 'E']);
        (value, integer)
    }

    /// The text between the quotes, escapes resolved.
    pub(super) fn text_value(&mut self, pair: &Pair<Rule>) -> String {
        let quoted = pair.as_str();
        let inner = quoted
            .strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .unwrap_or(quoted);
        let mut value = String::with_capacity(inner.len());
        let mut chars = inner.char_indices();
        while let Some((i, c)) = chars.next() {
            if c != '\\' {
                value.push(c);
                continue;
            }
            match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(c @ ('"' | '\\' | '$')) => value.push(c),
                other => {
                    let other: String = other.into_iter().collect();
                    let start = pair.as_span().start() + 1 + i;
                    let span = self.text.span(start, start + 1 + other.len());
                    self.out.push(
                        Diagnostic::error(Code::SYNTAX, format!("unknown escape `\\{other}`"))
                            .at(span, "not an escape")
                            .help("write `\\\\` for a backslash; the escapes are `\\n`, `\\t`, `\\r`, `\\\"`, `\\$` and `\\\\`"),
                    );
                    value.push('\\');
                    value.push_str(&other);
                }
            }
        }
        value
    }

    pub(super) fn ty(&mut self, pair: &Pair<Rule>) -> Ty {
        let span = self.span(pair);
        let mut name = None;
        let mut args = Vec::new();
        for p in pair.clone().into_inner() {
            match p.as_rule() {
                Rule::ident => name = Some(self.ident(&p)),
                Rule::ty_arg => args.extend(self.ty_arg(p)),
                _ => {}
            }
        }
        Ty {
            name: name.unwrap_or_else(|| self.ident(pair)),
            args,
            span,
        }
    }

    fn ty_arg(&mut self, pair: Pair<Rule>) -> Option<TyArg> {
        let mut types = pair.into_inner().filter(|p| p.as_rule() != Rule::arrow);
        let first = types.next()?;
        if first.as_rule() == Rule::dimension {
            let span = self.span(&first);
            let node = first.as_str().parse().unwrap_or_else(|_| {
                self.out.push(
                    Diagnostic::error(Code::SYNTAX, "this size is too large").at(span, "too large"),
                );
                0
            });
            return Some(TyArg::Number(Spanned { node, span }));
        }
        let from = self.ty(&first);
        Some(match types.next() {
            Some(to) => TyArg::Arrow(Box::new(from), Box::new(self.ty(&to))),
            None => TyArg::Type(from),
        })
    }
}

pub(in crate::parse) fn missing(span: Span) -> Expr {
    Expr {
        kind: ExprKind::Missing,
        span,
    }
}
