//! Overrides that say what is inherited already.

use std::collections::BTreeMap;

use ssl_diagnostics::{Diagnostic, Fix, Lint, Span};
use ssl_syntax::ast::{Expr, ExprKind};

use super::Checker;
use crate::merge::{Action, Layer};
use crate::table::HashMap;

/// What a path stands for while the history is read again.
#[derive(Default)]
struct Said<'h> {
    values: BTreeMap<String, (&'h Expr, Span)>,
    /// Views by the view that they begin as.
    bases: HashMap<String, String>,
}

impl<'h> Said<'h> {
    /// The expression at a path and where it was said: set there, or a named
    /// argument of the call that its parent is.
    fn at(&self, path: &[String], depth: usize) -> Option<(&'h Expr, Span)> {
        if let Some(found) = self.values.get(&path.join(".")) {
            return Some(*found);
        }
        let (last, parent) = path.split_last()?;
        if let Some((call, at)) = (!parent.is_empty())
            .then(|| self.at(parent, depth))
            .flatten()
        {
            let ExprKind::Call { args, .. } = &call.kind else {
                return None;
            };
            let named = |n: &ssl_syntax::ast::Ident| n.name == *last;
            let arg = args.iter().find(|a| a.name.as_ref().is_some_and(named))?;
            return Some((&arg.value, at));
        }
        let (head, rest) = path.split_first()?;
        let base = self
            .bases
            .get(head)
            .filter(|_| depth < 64 && !rest.is_empty())?;
        let full: Vec<String> = std::iter::once(base.clone())
            .chain(rest.iter().cloned())
            .collect();
        self.at(&full, depth + 1)
    }

    fn forget(&mut self, path: &str) {
        self.values.remove(path);
        let below = format!("{path}.");
        let inner = self.values.range(below.clone()..);
        let gone: Vec<String> = inner
            .map(|(p, _)| p)
            .take_while(|p| p.starts_with(&below))
            .cloned()
            .collect();
        for path in gone {
            self.values.remove(&path);
        }
    }
}

impl Checker<'_> {
    /// Reports what the pipeline itself sets to the value that it has without.
    pub(super) fn redundant_overrides(&mut self) {
        let effective = self.source.effective;
        let mut said = Said::default();
        let mut found = Vec::new();
        for event in effective.history.events() {
            let path = event.path.join(".");
            match &event.action {
                Action::Drop | Action::Yield(_) => said.forget(&path),
                Action::Begin(base) => {
                    said.forget(&path);
                    said.bases.remove(&path);
                    if let Some(base) = base {
                        said.bases.insert(path, base.name.clone());
                    }
                }
                Action::Set(value) => {
                    let own =
                        matches!(&event.layer, Layer::Pipeline(n) if **n == *effective.name.name);
                    let before = said.at(&event.path, 0);
                    if let Some((old, at)) = before
                        && own
                        && path != "step.views"
                        && same(old, value)
                        && !self.declares(event.target, value.span)
                    {
                        found.push((path.clone(), event.target, value.span, at));
                    }
                    said.forget(&path);
                    said.values.insert(path, (value, event.target));
                }
            }
        }
        for (path, target, value, at) in found {
            let text = self.source.map.text(value);
            let short = text.len() <= 40 && !text.contains('\n');
            let message = match short {
                true => format!("`{path}` is `{text}` already"),
                false => format!("`{path}` is this already"),
            };
            let fix = self
                .statement(target, value)
                .map(|lines| Fix::certain("remove it", lines, ""));
            self.report(
                Diagnostic::lint(Lint::REDUNDANT_OVERRIDE, message)
                    .at(target, "overridden with the same value")
                    .at(at, "set here")
                    .help("remove it, or give it another value")
                    .maybe_fix(fix),
            );
        }
    }

    /// Whether a statement does more than to set: it declares a `param` with
    /// its type and bounds, or says where in a list an entry goes.
    fn declares(&self, target: Span, value: Span) -> bool {
        let Some(file) = self.source.map.file_of(target) else {
            return true;
        };
        let local = |at: u32| at.saturating_sub(file.base) as usize;
        let before = file.text.get(..local(target.start)).unwrap_or("");
        let head = before.rsplit('\n').next().unwrap_or("").trim();
        let after = file.text.get(local(value.end)..).unwrap_or("");
        let tail = after.lines().next().unwrap_or("").trim();
        head == "param"
            || head == "let"
            || tail.starts_with("after ")
            || tail.starts_with("before ")
    }
}

/// Whether two expressions say the same, wherever they stand.
fn same(a: &Expr, b: &Expr) -> bool {
    let all =
        |a: &[Expr], b: &[Expr]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    match (&a.kind, &b.kind) {
        (ExprKind::Number { value: a, .. }, ExprKind::Number { value: b, .. }) => a == b,
        (
            ExprKind::Quantity {
                value: a, unit: u, ..
            },
            ExprKind::Quantity {
                value: b, unit: w, ..
            },
        ) => a == b && u.name == w.name,
        (ExprKind::Text(a), ExprKind::Text(b)) => a == b,
        (ExprKind::Bool(a), ExprKind::Bool(b)) => a == b,
        (ExprKind::Path(a), ExprKind::Path(b)) => same_path(a, b),
        (ExprKind::List(a), ExprKind::List(b)) => all(a, b),
        (
            ExprKind::Call {
                callee: f, args: a, ..
            },
            ExprKind::Call {
                callee: g, args: b, ..
            },
        ) => {
            let name = |a: &ssl_syntax::ast::Arg| a.name.as_ref().map(|n| n.name.clone());
            same_path(f, g)
                && a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| name(a) == name(b) && same(&a.value, &b.value))
        }
        (ExprKind::Neg(a), ExprKind::Neg(b)) => same(a, b),
        (
            ExprKind::Binary {
                op: f,
                left: a,
                right: b,
            },
            ExprKind::Binary {
                op: g,
                left: c,
                right: d,
            },
        ) => f == g && same(a, c) && same(b, d),
        (
            ExprKind::Range {
                low: a,
                high: b,
                inclusive: i,
            },
            ExprKind::Range {
                low: c,
                high: d,
                inclusive: j,
            },
        ) => i == j && same(a, c) && same(b, d),
        (ExprKind::Ramp { from: a, to: b }, ExprKind::Ramp { from: c, to: d })
        | (ExprKind::Then { first: a, next: b }, ExprKind::Then { first: c, next: d }) => {
            same(a, c) && same(b, d)
        }
        _ => false,
    }
}

fn same_path(a: &ssl_syntax::ast::Path, b: &ssl_syntax::ast::Path) -> bool {
    let names = |p: &ssl_syntax::ast::Path| {
        p.segments
            .iter()
            .map(|s| s.name.clone())
            .collect::<Vec<_>>()
    };
    names(a) == names(b)
}
