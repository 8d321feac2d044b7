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
    ("standardize", &["x", "eps"]),
    ("matmul", &["left", "right"]),
    ("transpose", &["x"]),
    ("column", &["x"]),
    ("concat", &["xs", "axis"]),
    ("split", &["x", "parts", "axis"]),
    ("slice", &["x", "from", "to", "axis"]),
    ("softmax", &["x"]),
    ("log_softmax", &["x"]),
    ("log_sum_exp", &["x"]),
    ("diagonal", &["x"]),
    ("mask_diagonal", &["x"]),
    ("sum", &["x", "axis"]),
    ("mean", &["x", "axis"]),
    ("std", &["x", "axis"]),
    ("exp", &["x"]),
    ("log", &["x"]),
    ("sqrt", &["x"]),
    ("relu", &["x"]),
    ("queue", &["x", "length"]),
    ("running_mean", &["x", "decay"]),
    ("sinkhorn", &["x", "epsilon", "iterations"]),
    ("nearest", &["x", "among"]),
    ("patchify", &["x", "patch"]),
    ("random_mask", &["x", "patch", "ratio"]),
];

/// Arguments of an operation as they are given.
pub(super) struct Given {
    /// The operation.
    pub name: &'static str,
    params: &'static [&'static str],
    slots: Vec<Option<(Item, Span)>>,
    /// Where the call stands.
    pub span: Span,
}

impl Given {
    /// An argument by its name.
    pub fn take(&mut self, name: &str) -> Option<(Item, Span)> {
        let index = self.params.iter().position(|p| *p == name)?;
        self.slots.get_mut(index)?.take()
    }
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
        let mut given = self.given(name, params, args, span, locals)?;
        let first = params.first().copied().unwrap_or("x");
        let (item, at) = self.required(&mut given, first)?;
        if let Item::Number(x) = item
            && let Some(r) = folded(name, x)
        {
            return Some(Item::Number(r));
        }
        if name == "concat" {
            let axis = given.take("axis");
            return self.concat(item, axis, span, at);
        }
        let axis_given = given.take("axis");
        if let (Item::List(items), "sum" | "mean", None) = (&item, name, &axis_given) {
            return self.folded_list(items.clone(), name == "mean", at);
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
            "sum" | "mean" | "std" => self.reduce(name, x, dims, axis_given, same),
            "l2_normalize" => {
                self.rank(&dims, &[1, 2, 3], name, at)?;
                let eps = self.number(&mut given, "eps", Some(1e-12))?;
                Some(self.node(Op::L2Normalize { x, eps }, dims, same))
            }
            "standardize" => {
                self.rank(&dims, &[1, 2, 3], name, at)?;
                let eps = self.number(&mut given, "eps", Some(1e-6))?;
                Some(self.node(Op::Standardize { x, eps }, dims, same))
            }
            "softmax" => {
                self.rank(&dims, &[1, 2], name, at)?;
                Some(self.node(Op::Softmax { x }, dims, same))
            }
            "log_softmax" => {
                self.rank(&dims, &[1, 2], name, at)?;
                Some(self.node(Op::LogSoftmax { x }, dims, same))
            }
            "log_sum_exp" => {
                self.rank(&dims, &[1, 2], name, at)?;
                let mut dims = dims;
                dims.pop();
                Some(self.node(Op::LogSumExp { x }, dims, same))
            }
            "transpose" => {
                self.rank(&dims, &[2], name, at)?;
                let turned = dims.into_iter().rev().collect();
                Some(self.node(Op::Transpose { x }, turned, same))
            }
            "column" => {
                self.rank(&dims, &[1], name, at)?;
                let mut dims = dims;
                dims.push(1);
                Some(self.node(Op::Column { x }, dims, same))
            }
            "mask_diagonal" => {
                self.rank(&dims, &[2], name, at)?;
                Some(self.node(Op::MaskDiagonal { x }, dims, same))
            }
            "diagonal" => self.diagonal(x, &dims, at, same),
            "split" => self.split(x, dims, axis_given, &mut given, at),
            "slice" => self.slice(x, dims, axis_given, &mut given, at),
            "queue" => self.queue(x, &dims, &mut given, at),
            "running_mean" => self.running_mean(x, &dims, &mut given, at),
            "sinkhorn" => self.sinkhorn(x, dims, &mut given, at),
            "nearest" => self.nearest(x, dims, &mut given, at),
            "patchify" => self.patchify(x, &dims, &mut given, at),
            "random_mask" => self.random_mask(x, &dims, &mut given, at),
            _ => {
                let right = given.take("right");
                self.matmul(x, dims, right, at)
            }
        }
    }

    fn given(
        &mut self,
        name: &'static str,
        params: &'static [&'static str],
        args: &[Arg],
        span: Span,
        locals: &Locals,
    ) -> Option<Given> {
        let mut slots: Vec<Option<(Item, Span)>> = params.iter().map(|_| None).collect();
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
        fine.then_some(Given {
            name,
            params,
            slots,
            span,
        })
    }

    /// An argument that must be there.
    pub(super) fn required(&mut self, given: &mut Given, name: &str) -> Option<(Item, Span)> {
        let found = given.take(name);
        if found.is_none() {
            self.checker.report(
                Diagnostic::error(Code::ARGUMENTS, format!("`{}` needs `{name}`", given.name))
                    .at(given.span, "not given"),
            );
        }
        found
    }

    /// A plain number.
    pub(super) fn number(
        &mut self,
        given: &mut Given,
        name: &str,
        fallback: Option<f64>,
    ) -> Option<f64> {
        let (item, at) = match (given.take(name), fallback) {
            (Some(found), _) => found,
            (None, Some(value)) => return Some(value),
            (None, None) => {
                given.slots.clear();
                return self.required(given, name).and(None);
            }
        };
        if let Item::Number(x) = item {
            return Some(x);
        }
        self.checker.report(
            Diagnostic::error(
                Code::TYPE,
                format!("`{name}` of `{}` is a number", given.name),
            )
            .at(at, "not known before the run, or no number"),
        );
        None
    }

    /// A whole number from one; from zero where it is a place.
    pub(super) fn count(
        &mut self,
        given: &mut Given,
        name: &str,
        fallback: Option<f64>,
    ) -> Option<usize> {
        let at = given
            .params
            .iter()
            .position(|p| *p == name)
            .and_then(|i| given.slots.get(i)?.as_ref().map(|(_, at)| *at))
            .unwrap_or(given.span);
        let x = self.number(given, name, fallback)?;
        let low = if name == "from" { 0.0 } else { 1.0 };
        if x >= low && x.fract() == 0.0 && x < 1e9 {
            return Some(x as usize);
        }
        self.checker.report(
            Diagnostic::error(
                Code::RANGE,
                format!("`{name}` of `{}` is a whole number from {low}", given.name),
            )
            .at(at, format!("this is {}", crate::value::show_number(x))),
        );
        None
    }

    pub(super) fn rank(
        &mut self,
        dims: &[usize],
        allowed: &[usize],
        name: &str,
        at: Span,
    ) -> Option<()> {
        if allowed.contains(&dims.len()) {
            return Some(());
        }
        let wanted = match allowed {
            [1] => "a vector",
            [2] => "a matrix",
            [4] => "a view",
            _ => "a vector or a matrix",
        };
        self.checker.report(
            Diagnostic::error(Code::SHAPE, format!("`{name}` takes {wanted}"))
                .at(at, format!("this is {}", show_dims(dims))),
        );
        None
    }

    pub(super) fn axis(
        &mut self,
        given: Option<(Item, Span)>,
        rank: usize,
    ) -> Option<Option<usize>> {
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
