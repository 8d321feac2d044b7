//! Expressions as text: what is written, with what was set by path put in.
//! Literals keep the form that they have in their source.

use ssl_diagnostics::SourceMap;
use ssl_syntax::ast::{Arg, BinOp, Expr, ExprKind, Ident, Path};

use crate::merge::Setting;
use crate::schema::functions;
use crate::value::show_number;

/// Binding strength, from the loosest; the grammar's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Any,
    Then,
    Ramp,
    Comparison,
    Range,
    Pipe,
    Sum,
    Product,
    Operand,
}

/// Gives a called function another name, where it needs one.
pub type Rename<'a> = dyn Fn(&Path) -> Option<String> + 'a;

/// Prints expressions of one compilation.
pub struct Printer<'a> {
    map: &'a SourceMap,
    /// Another name for a called function, where it needs one.
    rename: Option<&'a Rename<'a>>,
}

impl<'a> Printer<'a> {
    /// A printer that keeps all names.
    pub fn new(map: &'a SourceMap) -> Self {
        Printer { map, rename: None }
    }

    /// A printer that renames called functions.
    pub fn renaming(map: &'a SourceMap, rename: &'a Rename<'a>) -> Self {
        Printer {
            map,
            rename: Some(rename),
        }
    }

    /// A setting with its overrides put into its call.
    pub fn setting(&self, setting: &Setting) -> String {
        self.expr(&whole(setting))
    }

    /// An expression on one line.
    pub fn expr(&self, expr: &Expr) -> String {
        let mut out = String::new();
        self.write(expr, Level::Any, &mut out);
        out
    }

    fn write(&self, expr: &Expr, min: Level, out: &mut String) {
        let level = level_of(&expr.kind);
        if level < min {
            out.push('(');
            self.bare(expr, out);
            out.push(')');
        } else {
            self.bare(expr, out);
        }
    }

    fn bare(&self, expr: &Expr, out: &mut String) {
        match &expr.kind {
            ExprKind::Number { value, .. } => self.literal(expr, &show_number(*value), out),
            ExprKind::Quantity { value, unit, .. } => {
                let space = if unit.name == "%" { "" } else { " " };
                let shown = format!("{}{space}{}", show_number(*value), unit.name);
                self.literal(expr, &shown, out);
            }
            ExprKind::Text(text) => out.push_str(&quoted(text)),
            ExprKind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            ExprKind::Path(path) => out.push_str(&dotted(path)),
            ExprKind::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    self.write(item, Level::Any, out);
                }
                out.push(']');
            }
            ExprKind::Call { callee, args, .. } => {
                let renamed = self.rename.and_then(|rename| rename(callee));
                out.push_str(&renamed.unwrap_or_else(|| dotted(callee)));
                out.push('(');
                for (i, arg) in args.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    if let Some(name) = &arg.name {
                        out.push_str(&name.name);
                        out.push_str(": ");
                    }
                    self.write(&arg.value, Level::Any, out);
                }
                out.push(')');
            }
            ExprKind::Neg(x) => {
                out.push('-');
                let twice = matches!(x.kind, ExprKind::Neg(_));
                out.push_str(if twice { "(" } else { "" });
                self.write(x, Level::Operand, out);
                out.push_str(if twice { ")" } else { "" });
            }
            ExprKind::Binary { op, left, right } => {
                let level = level_of(&expr.kind);
                // Comparisons do not chain.
                let first = match level {
                    Level::Comparison => Level::Range,
                    level => level,
                };
                self.write(left, first, out);
                out.push_str(&format!(" {} ", op.symbol()));
                self.write(right, tighter(level), out);
            }
            ExprKind::Range {
                low,
                high,
                inclusive,
            } => {
                self.write(low, Level::Pipe, out);
                out.push_str(if *inclusive { "..=" } else { ".." });
                self.write(high, Level::Pipe, out);
            }
            ExprKind::Ramp { from, to } => {
                self.write(from, Level::Comparison, out);
                out.push_str(" -> ");
                self.write(to, Level::Comparison, out);
            }
            ExprKind::Then { first, next } => {
                self.write(first, Level::Then, out);
                out.push_str(" then ");
                self.write(next, Level::Ramp, out);
            }
            ExprKind::For {
                binds,
                filter,
                body,
            } => {
                out.push_str("for ");
                for (i, (name, list)) in binds.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    out.push_str(&name.name);
                    out.push_str(" in ");
                    self.write(list, Level::Then, out);
                }
                if let Some(filter) = filter {
                    out.push_str(" where ");
                    self.write(filter, Level::Then, out);
                }
                out.push_str(" { ");
                self.write(body, Level::Any, out);
                out.push_str(" }");
            }
            ExprKind::Missing => {}
        }
    }

    /// A literal as its source has it.
    fn literal(&self, expr: &Expr, or: &str, out: &mut String) {
        let written = self.map.text(expr.span);
        let number = written.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        out.push_str(if number { written } else { or });
    }
}

/// A dotted path as it is written.
pub fn dotted(path: &Path) -> String {
    let names: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
    names.join(".")
}

/// A text in quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The expression of a setting, with what was set by path in its call.
pub fn whole(setting: &Setting) -> Expr {
    let mut expr = setting.expr.clone();
    for (name, over) in &setting.overrides {
        let value = whole(over);
        if let ExprKind::Path(path) = &expr.kind {
            expr.kind = ExprKind::Call {
                callee: path.clone(),
                args: Vec::new(),
                args_span: expr.span,
            };
        }
        let ExprKind::Call { callee, args, .. } = &mut expr.kind else {
            continue;
        };
        let slot = argument_index(callee, args, name).and_then(|at| args.get_mut(at));
        match slot {
            Some(arg) => arg.value = value,
            None => args.push(Arg {
                name: Some(Ident {
                    name: name.clone(),
                    span: over.target,
                }),
                value,
            }),
        }
    }
    expr
}

/// Which argument of a call of a built-in function fills a parameter, by name
/// or by position.
pub fn argument_index(callee: &Path, args: &[Arg], name: &str) -> Option<usize> {
    let named = |a: &Arg| a.name.as_ref().is_some_and(|n| n.name == name);
    if let Some(at) = args.iter().position(named) {
        return Some(at);
    }
    let called = callee.segments.last()?;
    let place = functions()
        .iter()
        .filter(|f| f.name == called.name)
        .find_map(|f| f.params.iter().position(|p| p.name == name))?;
    let mut unnamed = args.iter().enumerate().filter(|(_, a)| a.name.is_none());
    unnamed.nth(place).map(|(at, _)| at)
}

fn level_of(kind: &ExprKind) -> Level {
    match kind {
        ExprKind::For { .. } => Level::Any,
        ExprKind::Then { .. } => Level::Then,
        ExprKind::Ramp { .. } => Level::Ramp,
        ExprKind::Range { .. } => Level::Range,
        ExprKind::Binary { op, .. } => match op {
            BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => {
                Level::Comparison
            }
            BinOp::Pipe => Level::Pipe,
            BinOp::Add | BinOp::Sub => Level::Sum,
            BinOp::Mul | BinOp::Div => Level::Product,
        },
        _ => Level::Operand,
    }
}

fn tighter(level: Level) -> Level {
    match level {
        Level::Any => Level::Then,
        Level::Then => Level::Ramp,
        Level::Ramp => Level::Comparison,
        Level::Comparison => Level::Range,
        Level::Range => Level::Pipe,
        Level::Pipe => Level::Sum,
        Level::Sum => Level::Product,
        Level::Product | Level::Operand => Level::Operand,
    }
}
