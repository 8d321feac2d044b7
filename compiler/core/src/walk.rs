//! Every name of a tree, whatever it stands for.

use ssl_syntax::ast::{Block, Expr, ExprKind, Path, SectionBody, StmtKind};

/// Calls `see` with every path of a block's expressions and headings; the flag
/// says whether it is called as a function.
pub fn block(block: &Block, see: &mut dyn FnMut(&Path, bool)) {
    for stmt in &block.stmts {
        match &stmt.kind {
            StmtKind::Param { value, within, .. } => {
                expr(value, see);
                within.iter().for_each(|w| expr(w, see));
            }
            StmtKind::Let { value, .. }
            | StmtKind::Minimize { value }
            | StmtKind::Track { value, .. }
            | StmtKind::Entry { value, .. }
            | StmtKind::Assign { value, .. } => expr(value, see),
            StmtKind::Vary { values, .. } => expr(values, see),
            StmtKind::Section(section) => {
                section.count.iter().for_each(|c| expr(c, see));
                section.extends.iter().for_each(|p| see(p, false));
                match &section.body {
                    SectionBody::Block(inner) => self::block(inner, see),
                    SectionBody::Value(value) => expr(value, see),
                }
            }
            StmtKind::Drop { .. } | StmtKind::Allow { .. } => {}
        }
    }
}

/// Calls `see` with every path of an expression.
pub fn expr(e: &Expr, see: &mut dyn FnMut(&Path, bool)) {
    match &e.kind {
        ExprKind::Path(path) => see(path, false),
        ExprKind::Call { callee, .. } => see(callee, true),
        _ => {}
    }
    parts(e, &mut |part| expr(part, see));
}

/// Calls `see` with every expression that stands directly in another, as it is
/// written: of a comprehension the lists, the filter and the body.
pub fn parts<'e>(e: &'e Expr, see: &mut dyn FnMut(&'e Expr)) {
    match &e.kind {
        ExprKind::List(items) => items.iter().for_each(see),
        ExprKind::Call { args, .. } => args.iter().for_each(|a| see(&a.value)),
        ExprKind::Neg(x) => see(x),
        ExprKind::Binary {
            left: a, right: b, ..
        }
        | ExprKind::Range {
            low: a, high: b, ..
        }
        | ExprKind::Ramp { from: a, to: b }
        | ExprKind::Then { first: a, next: b } => {
            see(a);
            see(b);
        }
        ExprKind::For {
            binds,
            filter,
            body,
        } => {
            binds.iter().for_each(|(_, list)| see(list));
            filter.iter().for_each(|f| see(f));
            see(body);
        }
        ExprKind::Number { .. }
        | ExprKind::Quantity { .. }
        | ExprKind::Text(_)
        | ExprKind::Bool(_)
        | ExprKind::Path(_)
        | ExprKind::Missing => {}
    }
}
