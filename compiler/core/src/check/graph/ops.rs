//! The primitive operations: their arguments, shapes and gradients.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{NodeId, Op, ReduceOp, UnaryOp};
use ssl_syntax::ast::Arg;

use super::build::show_dims;
use super::{Builder, Item, Locals};
use crate::names::Meant;

/// Names of the operations with their arguments.
pub(super) const OPS: &[(&str, &[&str])] = &[
    ("stopgrad", &["x"]),
    ("l2_normalize", &["x", "eps"]),
    ("matmul", &["left", "right"]),
    ("transpose", &["x"]),
    ("concat", &["xs", "axis"]),
    ("softmax", &["x"]),
    ("log_softmax", &["x"]),
    ("diagonal", &["x"]),
    ("mask_diagonal", &["x"]),
    ("sum", &["x", "axis"]),
    ("mean", &["x", "axis"]),
    ("std", &["x", "axis"]),
    ("exp", &["x"]),
    ("log", &["x"]),
    ("sqrt", &["x"]),
    ("relu", &["x"]),
];

/// Arguments of an operation: the first, the second, and where they stand.
struct Given {
    first: (Item, Span),
    second: Option<(Item, Span)>,
}

impl Builder<'_, '_> {
    /// Applies an operation to arguments as written.
    pub(super) fn operation(
        &mut self,
        name: &'static str,
        params: &'static [&'static str],
        args: &[Arg],
        span: Span,
        locals: &Locals,
    ) -> Option<Item> {
        let given = self.given(name, params, args, span, locals)?;
        let (item, at) = given.first;
        if let Item::Number(x) = item
            && let Some(r) = folded(name, x)
        {
            return Some(Item::Number(r));
        }
        if name == "concat" {
            return self.concat(item, given.second, span, at);
        }
        let x = self.id_of(&item, at)?;
        let dims = self.dims(&Item::Node(x));
        let same = self.reaches(&[x]);
        let unary = |f| Op::Unary { f, x };
        match name {
            "stopgrad" => Some(self.node(Op::Detach { x }, dims, Vec::new())),
            "exp" => Some(self.node(unary(UnaryOp::Exp), dims, same)),
            "log" => Some(self.node(unary(UnaryOp::Log), dims, same)),
            "sqrt" => Some(self.node(unary(UnaryOp::Sqrt), dims, same)),
            "relu" => Some(self.node(unary(UnaryOp::Relu), dims, same)),
            "sum" | "mean" | "std" => self.reduce(name, x, dims, given.second, same),
            "l2_normalize" => {
                self.rank(&dims, &[1, 2], name, at)?;
                let eps = match given.second {
                    Some((Item::Number(e), _)) => e,
                    _ => 1e-12,
                };
                Some(self.node(Op::L2Normalize { x, eps }, dims, same))
            }
            "softmax" => {
                self.rank(&dims, &[1, 2], name, at)?;
                Some(self.node(Op::Softmax { x }, dims, same))
            }
            "log_softmax" => {
                self.rank(&dims, &[1, 2], name, at)?;
                Some(self.node(Op::LogSoftmax { x }, dims, same))
            }
            "transpose" => {
                self.rank(&dims, &[2], name, at)?;
                let turned = dims.into_iter().rev().collect();
                Some(self.node(Op::Transpose { x }, turned, same))
            }
            "mask_diagonal" => {
                self.rank(&dims, &[2], name, at)?;
                Some(self.node(Op::MaskDiagonal { x }, dims, same))
            }
            "diagonal" => self.diagonal(x, &dims, at, same),
            _ => self.matmul(x, dims, given.second, at),
        }
    }

    fn given(
        &mut self,
        name: &str,
        params: &'static [&'static str],
        args: &[Arg],
        span: Span,
        locals: &Locals,
    ) -> Option<Given> {
        let mut slots: [Option<(Item, Span)>; 2] = [None, None];
        let mut position = 0;
        let mut fine = true;
        for arg in args {
            let index = match &arg.name {
                Some(n) => params.iter().position(|p| *p == n.name),
                None => {
                    position += 1;
                    (position <= params.len()).then_some(position - 1)
                }
            };
            let value = self.eval(&arg.value, locals);
            match (index, &arg.name) {
                (None, Some(n)) => {
                    fine = false;
                    self.checker.report(
                        Diagnostic::error(
                            Code::UNKNOWN_ARGUMENT,
                            format!("`{name}` has no argument `{}`", n.name),
                        )
                        .at(n.span, "not known")
                        .meant(&n.name, params.iter().copied()),
                    );
                }
                (None, None) => {
                    fine = false;
                    self.checker.report(
                        Diagnostic::error(
                            Code::ARGUMENTS,
                            format!("`{name}` takes at most {} arguments", params.len()),
                        )
                        .at(arg.value.span, "one too many"),
                    );
                }
                (Some(i), _) => match (value, slots.get_mut(i)) {
                    (Some(v), Some(slot)) => *slot = Some((v, arg.value.span)),
                    _ => fine = false,
                },
            }
        }
        let [first, second] = slots;
        if !fine {
            return None;
        }
        let Some(first) = first else {
            self.checker.report(
                Diagnostic::error(
                    Code::ARGUMENTS,
                    format!(
                        "`{name}` needs `{}`",
                        params.first().copied().unwrap_or("x")
                    ),
                )
                .at(span, "nothing is given"),
            );
            return None;
        };
        Some(Given { first, second })
    }

    fn rank(&mut self, dims: &[usize], allowed: &[usize], name: &str, at: Span) -> Option<()> {
        if allowed.contains(&dims.len()) {
            return Some(());
        }
        let wanted = if allowed.contains(&1) {
            "a vector or a matrix"
        } else {
            "a matrix"
        };
        self.checker.report(
            Diagnostic::error(Code::SHAPE, format!("`{name}` takes {wanted}"))
                .at(at, format!("this is {}", show_dims(dims))),
        );
        None
    }

    fn axis(&mut self, given: Option<(Item, Span)>, rank: usize) -> Option<Option<usize>> {
        match given {
            None => Some(None),
            Some((Item::Number(a), _)) if a >= 0.0 && a.fract() == 0.0 && (a as usize) < rank => {
                Some(Some(a as usize))
            }
            Some((_, at)) => {
                self.checker.report(
                    Diagnostic::error(Code::SHAPE, "there is no such axis")
                        .at(at, format!("the value has {rank} axes, counted from 0")),
                );
                None
            }
        }
    }

    fn reduce(
        &mut self,
        name: &str,
        x: NodeId,
        mut dims: Vec<usize>,
        axis: Option<(Item, Span)>,
        reaches: Vec<String>,
    ) -> Option<Item> {
        let axis = self.axis(axis, dims.len())?;
        match axis {
            Some(a) => {
                dims.remove(a);
            }
            None => dims.clear(),
        }
        let f = match name {
            "sum" => ReduceOp::Sum,
            "mean" => ReduceOp::Mean,
            _ => ReduceOp::Std,
        };
        Some(self.node(Op::Reduce { f, x, axis }, dims, reaches))
    }

    fn diagonal(
        &mut self,
        x: NodeId,
        dims: &[usize],
        at: Span,
        reaches: Vec<String>,
    ) -> Option<Item> {
        match dims {
            [n, m] if n <= m => Some(self.node(Op::Diagonal { x }, vec![*n], reaches)),
            _ => {
                self.checker.report(
                    Diagnostic::error(
                        Code::SHAPE,
                        "`diagonal` takes a matrix with at least as many columns as rows",
                    )
                    .at(at, format!("this is {}", show_dims(dims))),
                );
                None
            }
        }
    }

    fn matmul(
        &mut self,
        left: NodeId,
        a: Vec<usize>,
        right: Option<(Item, Span)>,
        at: Span,
    ) -> Option<Item> {
        let Some((right, right_at)) = right else {
            self.checker.report(
                Diagnostic::error(Code::ARGUMENTS, "`matmul` needs two matrices")
                    .at(at, "only one"),
            );
            return None;
        };
        let right = self.id_of(&right, right_at)?;
        let b = self.dims(&Item::Node(right));
        match (a.as_slice(), b.as_slice()) {
            ([n, k], [l, m]) if k == l => {
                let reaches = self.reaches(&[left, right]);
                Some(self.node(Op::Matmul { left, right }, vec![*n, *m], reaches))
            }
            _ => {
                self.checker.report(
                    Diagnostic::error(
                        Code::SHAPE,
                        format!("`matmul` cannot join {} and {}", show_dims(&a), show_dims(&b)),
                    )
                    .at(at, show_dims(&a))
                    .at(right_at, show_dims(&b))
                    .help("the columns of the first must be the rows of the second: `transpose(...)`?"),
                );
                None
            }
        }
    }

    fn concat(
        &mut self,
        list: Item,
        axis: Option<(Item, Span)>,
        span: Span,
        at: Span,
    ) -> Option<Item> {
        let Item::List(items) = list else {
            self.checker.report(
                Diagnostic::error(Code::TYPE, "`concat` takes a list")
                    .at(at, "not a list")
                    .help("write `concat([u, v], axis: 0)`"),
            );
            return None;
        };
        let xs = items
            .iter()
            .map(|i| self.id_of(i, at))
            .collect::<Option<Vec<_>>>()?;
        let shapes: Vec<Vec<usize>> = items.iter().map(|i| self.dims(i)).collect();
        let first = shapes.first()?.clone();
        let axis = self.axis(axis, first.len())?.unwrap_or(0);
        let fits = |s: &Vec<usize>| {
            s.len() == first.len()
                && s.iter()
                    .zip(&first)
                    .enumerate()
                    .all(|(i, (x, y))| i == axis || x == y)
        };
        if first.is_empty() || !shapes.iter().all(fits) {
            let all: Vec<String> = shapes.iter().map(|s| show_dims(s)).collect();
            self.checker.report(
                Diagnostic::error(
                    Code::SHAPE,
                    format!("`concat` cannot join {}", all.join(" and ")),
                )
                .at(span, format!("sizes differ outside axis {axis}")),
            );
            return None;
        }
        let mut dims = first;
        if let Some(d) = dims.get_mut(axis) {
            *d = shapes.iter().filter_map(|s| s.get(axis)).sum();
        }
        let reaches = self.reaches(&xs);
        Some(self.node(Op::Concat { xs, axis }, dims, reaches))
    }
}

/// Operations on plain numbers.
fn folded(name: &str, x: f64) -> Option<f64> {
    Some(match name {
        "stopgrad" | "sum" | "mean" => x,
        "exp" => x.exp(),
        "log" if x > 0.0 => x.ln(),
        "sqrt" if x >= 0.0 => x.sqrt(),
        "relu" => x.max(0.0),
        _ => return None,
    })
}
