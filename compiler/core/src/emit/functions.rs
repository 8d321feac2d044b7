//! The functions that a step calls and that the standard library does not
//! give without an import: written along, under names that clash with nothing.

use std::fmt::Write;

use ssl_diagnostics::{SourceMap, Span};
use ssl_syntax::ast::{Expr, Function, Path, Stmt, StmtKind};

use crate::Compilation;
use crate::merge::Effective;
use crate::print::Printer;
use crate::program::Program;
use crate::walk;

/// The functions to write, in the order of their first call.
pub(super) struct Functions<'a> {
    program: &'a Program,
    list: Vec<(&'a Function, String)>,
}

impl<'a> Functions<'a> {
    /// Every function that the step needs, those that functions call included.
    pub(super) fn used(compilation: &'a Compilation, effective: &Effective) -> Self {
        let program = &compilation.program;
        let mut out = Functions {
            program,
            list: Vec::new(),
        };
        let Some(step) = &effective.step else {
            return out;
        };
        let settings = step.bindings.values().chain(step.tracks.values());
        let mut todo: Vec<Path> = Vec::new();
        for setting in settings.chain(&step.minimize) {
            calls_in(&crate::print::whole(setting), &mut todo);
        }
        todo.retain(|path| !names_net(effective, path));
        todo.reverse();
        let mut taken: Vec<String> = effective.nets.keys().cloned().collect();
        taken.extend(step.bindings.keys().cloned());
        taken.extend(program.prelude_names());
        while let Some(path) = todo.pop() {
            let Some(function) = program.function(&path) else {
                continue;
            };
            let known = out.list.iter().any(|(f, _)| f.span == function.span);
            if known || program.in_prelude(function.span) {
                continue;
            }
            let name = free(&function.name.name, &taken);
            taken.push(name.clone());
            out.list.push((function, name));
            for stmt in &function.body.stmts {
                if let Some(value) = value_of(stmt) {
                    calls_in(value, &mut todo);
                }
            }
        }
        out
    }

    /// The name of a called function where it has another one than is written.
    pub(super) fn name_in_step(&self, effective: &Effective, path: &Path) -> Option<String> {
        (!names_net(effective, path)).then(|| self.name(path))?
    }

    fn name(&self, path: &Path) -> Option<String> {
        let function = self.program.function(path)?;
        if self.program.in_prelude(function.span) {
            return Some(function.name.name.clone());
        }
        let of = |span: Span| self.list.iter().find(|(f, _)| f.span == span);
        of(function.span).map(|(_, name)| name.clone())
    }

    /// Writes the definitions.
    pub(super) fn write(&self, map: &SourceMap, out: &mut String) {
        for (function, name) in &self.list {
            let own = |path: &Path| {
                let param = |p: &ssl_syntax::ast::FnParam| match path.segments.as_slice() {
                    [one] => one.name == p.name.name,
                    _ => false,
                };
                (!function.params.iter().any(param)).then(|| self.name(path))?
            };
            let printer = Printer::renaming(map, &own);
            let _ = writeln!(out);
            for line in &function.docs.lines {
                let _ = writeln!(out, "{}", format!("/// {}", line.node).trim_end());
            }
            let params: Vec<String> = function
                .params
                .iter()
                .map(|p| {
                    let ty = p.ty.as_ref();
                    let ty = ty.map_or(String::new(), |t| format!(": {}", map.text(t.span)));
                    let default = p.default.as_ref();
                    let default =
                        default.map_or(String::new(), |d| format!(" = {}", printer.expr(d)));
                    format!("{}{ty}{default}", p.name.name)
                })
                .collect();
            let result = function.result.as_ref();
            let result = result.map_or(String::new(), |t| format!(" -> {}", map.text(t.span)));
            let _ = writeln!(out, "fn {name}({}){result} {{", params.join(", "));
            for stmt in &function.body.stmts {
                let Some(value) = value_of(stmt) else {
                    continue;
                };
                let text = printer.expr(value);
                let _ = match &stmt.kind {
                    StmtKind::Let { name, .. } => writeln!(out, "let {} = {text}", name.name),
                    StmtKind::Assign { path, .. } => {
                        writeln!(out, "{} = {text}", crate::print::dotted(path))
                    }
                    _ => writeln!(out, "{text}"),
                };
            }
            let _ = writeln!(out, "}}");
        }
    }
}

/// Whether a call in the step is the forward pass of a net.
fn names_net(effective: &Effective, path: &Path) -> bool {
    match path.segments.as_slice() {
        [one] => effective.nets.contains_key(&one.name),
        _ => false,
    }
}

fn value_of(stmt: &Stmt) -> Option<&Expr> {
    match &stmt.kind {
        StmtKind::Let { value, .. }
        | StmtKind::Assign { value, .. }
        | StmtKind::Entry { value, .. } => Some(value),
        _ => None,
    }
}

/// `name`, or `name_2` where it is taken.
fn free(name: &str, taken: &[String]) -> String {
    let is_free = |n: &String| !taken.contains(n);
    std::iter::once(name.to_owned())
        .chain((2..).map(|i: u64| format!("{name}_{i}")))
        .find(is_free)
        .unwrap_or_default()
}

/// The callees in an expression.
fn calls_in(expr: &Expr, out: &mut Vec<Path>) {
    walk::expr(expr, &mut |path, called| {
        if called {
            out.push(path.clone());
        }
    });
}
