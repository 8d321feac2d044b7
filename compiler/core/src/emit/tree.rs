//! The tree of a file, one node a line, indented by depth.

use std::fmt::Write;

use ssl_diagnostics::{SourceMap, Span};
use ssl_syntax::ast::{
    Arg, Block, Docs, Expr, ExprKind, Item, Section, SectionBody, Stmt, StmtKind, UseTarget,
};

use crate::Compilation;
use crate::print::dotted;

/// The tree of the file that was named.
pub(super) fn text(compilation: &Compilation) -> Option<String> {
    let parsed = ssl_syntax::parse_file(&compilation.map, compilation.file?);
    let mut dump = Dump {
        map: &compilation.map,
        out: String::new(),
    };
    for import in &parsed.file.uses {
        let target = match &import.target {
            UseTarget::Module(path) => dotted(path),
            UseTarget::File(name) => format!("{:?}", name.node),
        };
        let alias = import.alias.as_ref();
        let alias = alias.map_or(String::new(), |a| format!(" as {}", a.name));
        dump.line(0, &format!("use {target}{alias}"), import.span);
    }
    for item in &parsed.file.items {
        dump.item(item);
    }
    Some(dump.out)
}

struct Dump<'a> {
    map: &'a SourceMap,
    out: String,
}

impl Dump<'_> {
    fn line(&mut self, depth: usize, text: &str, span: Span) {
        let place = self.map.place(span);
        let place = place.map_or(String::new(), |(_, l, c)| format!("  @{l}:{c}"));
        let _ = writeln!(self.out, "{}{text}{place}", "  ".repeat(depth));
    }

    fn docs(&mut self, depth: usize, docs: &Docs) {
        for line in &docs.lines {
            self.line(depth, &format!("doc {:?}", line.node.trim()), line.span);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Pipeline(p) => {
                let base = p.extends.as_ref().map(dotted);
                let base = base.map_or(String::new(), |b| format!(" extends {b}"));
                self.line(0, &format!("pipeline {}{base}", p.name.name), p.span);
                self.docs(1, &p.docs);
                self.block(1, &p.body);
            }
            Item::Sweep(s) => {
                let head = format!("sweep {} of {}", s.name.name, dotted(&s.of));
                self.line(0, &head, s.span);
                self.docs(1, &s.docs);
                self.block(1, &s.body);
            }
            Item::Function(f) => {
                let result = f.result.as_ref().map(|t| self.map.text(t.span));
                let result = result.map_or(String::new(), |t| format!(" -> {t}"));
                self.line(0, &format!("fn {}{result}", f.name.name), f.span);
                self.docs(1, &f.docs);
                for param in &f.params {
                    let text = format!("param {}", self.map.text(param.span));
                    self.line(1, &text, param.span);
                }
                self.block(1, &f.body);
            }
        }
    }

    fn block(&mut self, depth: usize, block: &Block) {
        for stmt in &block.stmts {
            self.stmt(depth, stmt);
        }
    }

    fn stmt(&mut self, depth: usize, stmt: &Stmt) {
        let head = match &stmt.kind {
            StmtKind::Param { name, ty, .. } => {
                format!("param {}: {}", name.name, self.map.text(ty.span))
            }
            StmtKind::Let { name, .. } => format!("let {}", name.name),
            StmtKind::Drop { paths } => {
                let paths: Vec<String> = paths.iter().map(dotted).collect();
                format!("drop {}", paths.join(", "))
            }
            StmtKind::Minimize { .. } => "minimize".to_owned(),
            StmtKind::Track { name, .. } => format!("track {}", name.name),
            StmtKind::Vary { path, .. } => format!("vary {}", dotted(path)),
            StmtKind::Allow { lints } => {
                let lints: Vec<&str> = lints.iter().map(|l| l.name.as_str()).collect();
                format!("allow {}", lints.join(", "))
            }
            StmtKind::Section(section) => section_head(section),
            StmtKind::Entry { label, place, .. } => {
                let label = label.as_ref();
                let label = label.map_or(String::new(), |l| format!(" {}:", l.name));
                let place = place.as_ref().map_or(String::new(), |p| {
                    let word = if p.after { "after" } else { "before" };
                    format!(" {word} {}", p.anchor.name)
                });
                format!("entry{label}{place}")
            }
            StmtKind::Assign { path, .. } => format!("assign {}", dotted(path)),
        };
        self.line(depth, &head, stmt.span);
        self.docs(depth + 1, &stmt.docs);
        match &stmt.kind {
            StmtKind::Param { value, within, .. } => {
                self.expr(depth + 1, "", value);
                if let Some(within) = within {
                    self.expr(depth + 1, "in ", within);
                }
            }
            StmtKind::Let { value, .. }
            | StmtKind::Minimize { value }
            | StmtKind::Track { value, .. }
            | StmtKind::Vary { values: value, .. }
            | StmtKind::Entry { value, .. }
            | StmtKind::Assign { value, .. } => self.expr(depth + 1, "", value),
            StmtKind::Section(section) => match &section.body {
                SectionBody::Block(block) => self.block(depth + 1, block),
                SectionBody::Value(value) => self.expr(depth + 1, "", value),
            },
            StmtKind::Drop { .. } | StmtKind::Allow { .. } => {}
        }
    }

    fn expr(&mut self, depth: usize, lead: &str, expr: &Expr) {
        let mut parts: Vec<(String, &Expr)> = Vec::new();
        let head = match &expr.kind {
            ExprKind::Number { value, integer } => {
                format!("{} {value}", if *integer { "integer" } else { "number" })
            }
            ExprKind::Quantity { value, unit, .. } => format!("quantity {value} {}", unit.name),
            ExprKind::Text(text) => format!("text {text:?}"),
            ExprKind::Bool(value) => format!("bool {value}"),
            ExprKind::Path(path) => format!("path {}", dotted(path)),
            ExprKind::Missing => "missing".to_owned(),
            ExprKind::List(items) => {
                parts.extend(items.iter().map(|i| (String::new(), i)));
                "list".to_owned()
            }
            ExprKind::Call { callee, args, .. } => {
                parts.extend(args.iter().map(argument));
                format!("call {}", dotted(callee))
            }
            ExprKind::Neg(x) => {
                parts.push((String::new(), x));
                "negate".to_owned()
            }
            ExprKind::Binary { op, left, right } => {
                parts.extend([(String::new(), &**left), (String::new(), &**right)]);
                format!("binary {}", op.symbol())
            }
            ExprKind::Range {
                low,
                high,
                inclusive,
            } => {
                parts.extend([(String::new(), &**low), (String::new(), &**high)]);
                format!("range {}", if *inclusive { "..=" } else { ".." })
            }
            ExprKind::Ramp { from, to } => {
                parts.extend([(String::new(), &**from), (String::new(), &**to)]);
                "ramp ->".to_owned()
            }
            ExprKind::Then { first, next } => {
                parts.extend([(String::new(), &**first), (String::new(), &**next)]);
                "then".to_owned()
            }
            ExprKind::For {
                binds,
                filter,
                body,
            } => {
                parts.extend(binds.iter().map(|(n, x)| (format!("{} in ", n.name), x)));
                parts.extend(filter.iter().map(|x| ("where ".to_owned(), &**x)));
                parts.push(("body ".to_owned(), body));
                "for".to_owned()
            }
        };
        self.line(depth, &format!("{lead}{head}"), expr.span);
        for (lead, inner) in parts {
            self.expr(depth + 1, &lead, inner);
        }
    }
}

fn argument(arg: &Arg) -> (String, &Expr) {
    let name = arg.name.as_ref();
    (
        name.map_or(String::new(), |n| format!("{}: ", n.name)),
        &arg.value,
    )
}

fn section_head(section: &Section) -> String {
    let mut head = section.kind.keyword().to_owned();
    if let Some(name) = &section.name {
        let _ = write!(head, " {}", name.name);
    }
    if section.count.is_some() {
        head += "[...]";
    }
    if let Some(params) = &section.params {
        let params: Vec<&str> = params.iter().map(|p| p.name.as_str()).collect();
        let _ = write!(head, "({})", params.join(", "));
    }
    if let Some(base) = &section.extends {
        let _ = write!(head, " extends {}", dotted(base));
    }
    head
}
