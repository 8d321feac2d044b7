//! Trees on one line each, so that tests can state them.
#![allow(dead_code)]

use ssl_diagnostics::SourceMap;
use ssl_syntax::ast::*;
use ssl_syntax::{Parsed, parse_file};

pub fn parse(text: &str) -> (SourceMap, Parsed) {
    let mut map = SourceMap::new();
    // Another file first, so that local and global offsets differ.
    map.add("other.ssl", "// other\n").unwrap();
    let id = map.add("test.ssl", text).unwrap();
    let parsed = parse_file(&map, id);
    (map, parsed)
}

pub fn file(file: &File) -> String {
    let mut out = String::new();
    for u in &file.uses {
        let target = match &u.target {
            UseTarget::Module(p) => path(p),
            UseTarget::File(f) => format!("{:?}", f.node),
        };
        let alias = u
            .alias
            .as_ref()
            .map_or(String::new(), |a| format!(" as {}", a.name));
        out += &format!("use {target}{alias}\n");
    }
    for item in &file.items {
        out += &match item {
            Item::Pipeline(p) => {
                let extends = extends(&p.extends);
                format!("pipeline {}{extends} {}\n", p.name.name, block(&p.body))
            }
            Item::Sweep(s) => {
                format!(
                    "sweep {} of {} {}\n",
                    s.name.name,
                    path(&s.of),
                    block(&s.body)
                )
            }
            Item::Function(f) => {
                let params: Vec<String> = f.params.iter().map(param).collect();
                let result = f
                    .result
                    .as_ref()
                    .map_or(String::new(), |t| format!(" -> {}", ty(t)));
                format!(
                    "fn {}({}){result} {}\n",
                    f.name.name,
                    params.join(", "),
                    block(&f.body)
                )
            }
        };
    }
    out
}

/// The documentation of everything, a line each.
pub fn docs(file: &File) -> String {
    fn block(out: &mut String, b: &Block) {
        for s in &b.stmts {
            lines(out, &s.docs);
            if let StmtKind::Section(Section {
                body: SectionBody::Block(b),
                ..
            }) = &s.kind
            {
                block(out, b);
            }
        }
    }
    fn lines(out: &mut String, docs: &Docs) {
        for line in &docs.lines {
            *out += &format!("/// {}\n", line.node);
        }
        out.push('\n');
    }
    let mut out = String::new();
    for item in &file.items {
        let (docs, body) = match item {
            Item::Pipeline(p) => (&p.docs, &p.body),
            Item::Sweep(s) => (&s.docs, &s.body),
            Item::Function(f) => (&f.docs, &f.body),
        };
        lines(&mut out, docs);
        block(&mut out, body);
    }
    out
}

fn extends(base: &Option<Path>) -> String {
    base.as_ref()
        .map_or(String::new(), |p| format!(" extends {}", path(p)))
}

fn param(p: &FnParam) -> String {
    let default = p
        .default
        .as_ref()
        .map_or(String::new(), |d| format!(" = {}", expr(d)));
    format!("{}{}{default}", p.name.name, annotation(&p.ty))
}

fn annotation(t: &Option<Ty>) -> String {
    t.as_ref().map_or(String::new(), |t| format!(": {}", ty(t)))
}

pub fn ty(t: &Ty) -> String {
    let arg = |a: &TyArg| match a {
        TyArg::Number(n) => n.node.to_string(),
        TyArg::Type(t) => ty(t),
        TyArg::Arrow(a, b) => format!("{} -> {}", ty(a), ty(b)),
    };
    let args: Vec<String> = t.args.iter().map(arg).collect();
    match args.is_empty() {
        true => t.name.name.clone(),
        false => format!("{}[{}]", t.name.name, args.join(", ")),
    }
}

fn block(b: &Block) -> String {
    let stmts: Vec<String> = b.stmts.iter().map(stmt).collect();
    format!("{{ {} }}", stmts.join("; "))
}

pub fn stmt(s: &Stmt) -> String {
    let docs = if s.docs.lines.is_empty() { "" } else { "/// " };
    let text = match &s.kind {
        StmtKind::Param {
            name,
            ty: t,
            value,
            within,
        } => {
            let within = within
                .as_ref()
                .map_or(String::new(), |w| format!(" in {}", expr(w)));
            format!("param {}: {} = {}{within}", name.name, ty(t), expr(value))
        }
        StmtKind::Let { name, ty, value } => {
            format!("let {}{} = {}", name.name, annotation(ty), expr(value))
        }
        StmtKind::Drop { paths } => {
            let paths: Vec<String> = paths.iter().map(path).collect();
            format!("drop {}", paths.join(", "))
        }
        StmtKind::Minimize { value } => format!("minimize {}", expr(value)),
        StmtKind::Track { name, value } => format!("track {} = {}", name.name, expr(value)),
        StmtKind::Vary { path: p, values } => format!("vary {} in {}", path(p), expr(values)),
        StmtKind::Allow { lints } => {
            let lints: Vec<&str> = lints.iter().map(|l| l.name.as_str()).collect();
            format!("allow({})", lints.join(", "))
        }
        StmtKind::Section(s) => {
            let name = s
                .name
                .as_ref()
                .map_or(String::new(), |n| format!(" {}", n.name));
            let count = s
                .count
                .as_ref()
                .map_or(String::new(), |c| format!("[{}]", expr(c)));
            let params = s.params.as_ref().map_or(String::new(), |p| {
                let names: Vec<&str> = p.iter().map(|i| i.name.as_str()).collect();
                format!("({})", names.join(", "))
            });
            let body = match &s.body {
                SectionBody::Block(b) => block(b),
                SectionBody::Value(e) => format!("= {}", expr(e)),
            };
            format!(
                "{}{name}{count}{params}{} {body}",
                s.kind.keyword(),
                extends(&s.extends)
            )
        }
        StmtKind::Entry {
            label,
            value,
            place,
        } => {
            let label = label
                .as_ref()
                .map_or(String::new(), |l| format!("{}: ", l.name));
            let place = place.as_ref().map_or(String::new(), |p| {
                format!(
                    " {} {}",
                    if p.after { "after" } else { "before" },
                    p.anchor.name
                )
            });
            format!("{label}{}{place}", expr(value))
        }
        StmtKind::Assign { path: p, ty, value } => {
            format!("{}{} = {}", path(p), annotation(ty), expr(value))
        }
    };
    format!("{docs}{text}")
}

pub fn path(p: &Path) -> String {
    let names: Vec<&str> = p.segments.iter().map(|s| s.name.as_str()).collect();
    names.join(".")
}

/// With all parentheses; `?` for what is missing.
pub fn expr(e: &Expr) -> String {
    match &e.kind {
        ExprKind::Number { value, integer } => number(*value, *integer),
        ExprKind::Quantity {
            value,
            integer,
            unit,
        } => {
            format!("{} {}", number(*value, *integer), unit.name)
        }
        ExprKind::Text(t) => format!("{t:?}"),
        ExprKind::Bool(b) => b.to_string(),
        ExprKind::Path(p) => path(p),
        ExprKind::List(items) => {
            let items: Vec<String> = items.iter().map(expr).collect();
            format!("[{}]", items.join(", "))
        }
        ExprKind::Call { callee, args, .. } => {
            let arg = |a: &Arg| {
                let name = a
                    .name
                    .as_ref()
                    .map_or(String::new(), |n| format!("{}: ", n.name));
                format!("{name}{}", expr(&a.value))
            };
            let args: Vec<String> = args.iter().map(arg).collect();
            format!("{}({})", path(callee), args.join(", "))
        }
        ExprKind::Neg(e) => format!("-{}", expr(e)),
        ExprKind::Binary { op, left, right } => {
            format!("({} {} {})", expr(left), op.symbol(), expr(right))
        }
        ExprKind::Range {
            low,
            high,
            inclusive,
        } => {
            let dots = if *inclusive { "..=" } else { ".." };
            format!("({}{dots}{})", expr(low), expr(high))
        }
        ExprKind::Ramp { from, to } => format!("({} -> {})", expr(from), expr(to)),
        ExprKind::Then { first, next } => format!("({} then {})", expr(first), expr(next)),
        ExprKind::For {
            binds,
            filter,
            body,
        } => {
            let bind = |(n, e): &(Ident, Expr)| format!("{} in {}", n.name, expr(e));
            let binds: Vec<String> = binds.iter().map(bind).collect();
            let filter = filter
                .as_ref()
                .map_or(String::new(), |f| format!(" where {}", expr(f)));
            format!("for {}{filter} {{ {} }}", binds.join(", "), expr(body))
        }
        ExprKind::Missing => "?".to_owned(),
    }
}

fn number(value: f64, integer: bool) -> String {
    match integer {
        true => format!("{value}"),
        false => format!("{value:?}"),
    }
}
