//! Functions before they are called, and what of a file nothing calls: types
//! that are not there, names that stand for nothing, circles, parameters and
//! imports without use. What a call decides, its sizes, is judged at the call.

use std::collections::VecDeque;

use ssl_diagnostics::{Code, Diagnostic, Fix, Lint, Severity, SourceMap, Span, whole_lines};
use ssl_syntax::ast::{Block, Expr, ExprKind, Function, Ident, StmtKind, Ty, TyArg};

use crate::check::operations;
use crate::names::Meant;
use crate::program::{Program, Unit};
use crate::schema::{Group, in_group};
use crate::table::{HashMap, HashSet, IndexMap, IndexSet};
use crate::walk;

/// Types of parameters and results.
pub const TYPES: &[&str] = &[
    "Embedding",
    "Prob",
    "Tokens",
    "Image",
    "Tensor",
    "Loss",
    "Float",
    "Int",
    "Schedule",
    "Net",
    "List",
];

/// Judges the functions of all files, and in the named file what has no use.
/// Returns the names' places of functions that call themselves.
pub fn judge(program: &Program, map: &SourceMap, out: &mut Vec<Diagnostic>) -> HashSet<Span> {
    let all: Vec<&Function> = program.units().iter().flat_map(Unit::functions).collect();
    for f in &all {
        let mut body = Body {
            program,
            out,
            function: f,
            known: IndexSet::default(),
            used: HashSet::default(),
        };
        body.judge();
    }
    let recursive = circles(program, &all, out);
    // What could not be read may name what seems unused.
    let broken = out.iter().any(|d| d.severity == Severity::Error);
    if let Some(root) = program.root().filter(|_| !broken) {
        unused(root, map, out);
    }
    recursive
}

/// Reports functions that come back to themselves, and returns their names'
/// places.
fn circles(program: &Program, all: &[&Function], out: &mut Vec<Diagnostic>) -> HashSet<Span> {
    let mut calls: IndexMap<Span, IndexSet<Span>> = IndexMap::default();
    for f in all {
        let to = calls.entry(f.name.span).or_default();
        walk::block(&f.body, &mut |path, called| {
            if called && let Some(next) = program.function(path) {
                to.insert(next.name.span);
            }
        });
    }
    // Who calls nobody that is left is in no circle.
    let mut callers: HashMap<Span, Vec<Span>> = HashMap::default();
    for (from, to) in &calls {
        to.iter()
            .for_each(|t| callers.entry(*t).or_default().push(*from));
    }
    let mut open: HashMap<Span, usize> = calls.iter().map(|(f, to)| (*f, to.len())).collect();
    let mut done: Vec<Span> = open
        .iter()
        .filter(|(_, n)| **n == 0)
        .map(|(f, _)| *f)
        .collect();
    while let Some(f) = done.pop() {
        for caller in callers.get(&f).into_iter().flatten() {
            if let Some(n) = open.get_mut(caller) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    done.push(*caller);
                }
            }
        }
    }
    let left: HashSet<Span> = open
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(f, _)| f)
        .collect();
    let names: HashMap<Span, &str> = all
        .iter()
        .map(|f| (f.name.span, f.name.name.as_str()))
        .collect();
    let mut found = HashSet::default();
    for f in all.iter().filter(|f| left.contains(&f.name.span)) {
        let Some(way) = way_back(f.name.span, &calls, &left) else {
            continue;
        };
        found.insert(f.name.span);
        let way: Vec<&str> = way.iter().filter_map(|s| names.get(s).copied()).collect();
        out.push(
            Diagnostic::error(
                Code::VALUE_CYCLE,
                match way.as_slice() {
                    [_, _] => format!("the function `{}` calls itself", f.name.name),
                    _ => format!(
                        "functions call each other in a circle: {}",
                        way.join(" -> ")
                    ),
                },
            )
            .at(f.name.span, "never ends")
            .help("functions are inlined: write it without recursion"),
        );
    }
    found
}

/// The shortest way from a function back to itself.
fn way_back(
    start: Span,
    calls: &IndexMap<Span, IndexSet<Span>>,
    left: &HashSet<Span>,
) -> Option<Vec<Span>> {
    let mut before: HashMap<Span, Span> = HashMap::default();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in calls.get(&at)?.iter().filter(|n| left.contains(n)) {
            if *next == start {
                let mut way = vec![start, at];
                let mut step = at;
                while step != start {
                    step = *before.get(&step)?;
                    way.push(step);
                }
                // From the start to itself, once.
                if at == start {
                    way.truncate(2);
                }
                way.reverse();
                return Some(way);
            }
            if !before.contains_key(next) {
                before.insert(*next, at);
                queue.push_back(*next);
            }
        }
    }
    None
}

/// Imports and functions of the named file that nothing in it names.
fn unused(root: &Unit, map: &SourceMap, out: &mut Vec<Diagnostic>) {
    let mut heads: HashSet<String> = HashSet::default();
    let mut called: Vec<(String, Span)> = Vec::new();
    let mut see = |path: &ssl_syntax::ast::Path, _: bool| {
        if let Some(first) = path.segments.first() {
            match path.segments.len() {
                1 => called.push((first.name.clone(), first.span)),
                _ => drop(heads.insert(first.name.clone())),
            }
        }
    };
    for pipeline in root.pipelines.values() {
        pipeline.extends.iter().for_each(|p| see(p, false));
        walk::block(&pipeline.body, &mut see);
    }
    for sweep in root.sweeps.values() {
        see(&sweep.of, false);
        walk::block(&sweep.body, &mut see);
    }
    for f in root.functions() {
        f.params
            .iter()
            .flat_map(|p| &p.default)
            .for_each(|d| walk::expr(d, &mut see));
        walk::block(&f.body, &mut see);
    }
    for (name, at) in root.imports() {
        if !heads.contains(name) {
            let fix = whole_lines(map, at).map(|lines| Fix::certain("remove it", lines, ""));
            out.push(
                Diagnostic::lint(Lint::UNUSED_IMPORT, format!("nothing of `{name}` is used"))
                    .at(at, "without effect")
                    .help(format!(
                        "name something of it, such as `extends {name}.PIPELINE`, or remove it"
                    ))
                    .maybe_fix(fix),
            );
        }
    }
    if root.pipelines.is_empty() {
        return;
    }
    let mut places: HashMap<String, Vec<Span>> = HashMap::default();
    for (name, at) in called {
        places.entry(name).or_default().push(at);
    }
    for f in root.functions() {
        let outside = |at: &Span| at.start < f.span.start || f.span.end < at.end;
        let used = places
            .get(&f.name.name)
            .is_some_and(|p| p.iter().any(outside));
        if !used {
            out.push(
                Diagnostic::lint(
                    Lint::UNUSED_FUNCTION,
                    format!("the function `{}` is never called", f.name.name),
                )
                .at(f.name.span, "without effect")
                .help("call it, remove it, or put it into a file of functions that others import"),
            );
        }
    }
}

/// Reads one function.
struct Body<'a> {
    program: &'a Program,
    out: &'a mut Vec<Diagnostic>,
    function: &'a Function,
    /// Names that have a meaning so far.
    known: IndexSet<String>,
    used: HashSet<String>,
}

impl Body<'_> {
    fn judge(&mut self) {
        let f = self.function;
        let before = self.out.len();
        for param in &f.params {
            if let Some(ty) = &param.ty {
                self.ty(ty, true);
            }
        }
        if let Some(ty) = &f.result {
            self.ty(ty, true);
        }
        for param in &f.params {
            if let Some(default) = &param.default {
                self.expr(default);
            }
            if !self.known.insert(param.name.name.clone()) {
                let first = f.params.iter().find(|p| p.name.name == param.name.name);
                let at = first.map_or(param.name.span, |p| p.name.span);
                // A dimension may have the name of nothing else.
                let other = if at == param.name.span {
                    "a size of this name"
                } else {
                    "first one"
                };
                self.out.push(
                    Diagnostic::error(
                        Code::DUPLICATE,
                        format!("the name `{}` is given twice", param.name.name),
                    )
                    .at(param.name.span, "second one")
                    .at(at, other)
                    .help("give one of them another name"),
                );
            }
        }
        let mut names: Vec<&Ident> = Vec::new();
        self.statements(&f.body, &mut names);
        if self.out.len() > before {
            return;
        }
        let params = f.params.iter().map(|p| (&p.name, "parameter"));
        let unused: Vec<(&Ident, &str)> = params
            .chain(names.into_iter().map(|n| (n, "name")))
            .filter(|(n, _)| !self.used.contains(&n.name))
            .collect();
        for (name, what) in unused {
            self.out.push(
                Diagnostic::lint(
                    Lint::UNUSED_NAME,
                    format!("`{}` never uses its {what} `{}`", f.name.name, name.name),
                )
                .at(name.span, "without effect")
                .help("use it, or remove it"),
            );
        }
    }

    /// A type that is known, and the sizes that it names.
    fn ty(&mut self, ty: &Ty, outer: bool) {
        let name = ty.name.name.as_str();
        if outer && !TYPES.contains(&name) {
            self.out.push(
                Diagnostic::error(Code::UNKNOWN_NAME, format!("there is no type `{name}`"))
                    .at(ty.name.span, "not a type")
                    .meant(name, TYPES.iter().copied()),
            );
        }
        let values = matches!(name, "Schedule" | "Net");
        for arg in &ty.args {
            match arg {
                TyArg::Type(inner) if !values && inner.args.is_empty() => {
                    self.known.insert(inner.name.name.clone());
                    self.used.insert(inner.name.name.clone());
                }
                TyArg::Type(inner) => self.ty(inner, false),
                TyArg::Number(_) | TyArg::Arrow(..) => {}
            }
        }
    }

    fn statements<'f>(&mut self, body: &'f Block, names: &mut Vec<&'f Ident>) {
        let f = self.function;
        let Some((last, rest)) = body.stmts.split_last() else {
            self.no_result(f.name.span, "has an empty body");
            return;
        };
        for stmt in rest {
            let (name, value) = match &stmt.kind {
                StmtKind::Let { name, value, .. } => (Some(name), value),
                StmtKind::Assign { path, value, .. } if path.segments.len() == 1 => {
                    (path.segments.first(), value)
                }
                _ => {
                    self.out.push(
                        Diagnostic::error(
                            Code::SYNTAX,
                            "a function holds `name = value` lines and a result",
                        )
                        .at(stmt.span, "neither")
                        .help("put the result on the last line"),
                    );
                    continue;
                }
            };
            self.expr(value);
            if let Some(name) = name {
                self.known.insert(name.name.clone());
                names.push(name);
            }
        }
        match &last.kind {
            StmtKind::Entry { value, .. } => self.expr(value),
            StmtKind::Assign { value, .. } | StmtKind::Let { value, .. } => {
                self.expr(value);
                self.no_result(last.span, "not an expression");
            }
            _ => self.no_result(last.span, "not an expression"),
        }
    }

    fn no_result(&mut self, at: Span, label: &str) {
        self.out.push(
            Diagnostic::error(
                Code::SYNTAX,
                format!("the function `{}` has no result", self.function.name.name),
            )
            .at(at, label)
            .help("write the result as the last line, without a name"),
        );
    }

    fn expr(&mut self, e: &Expr) {
        if let ExprKind::For {
            binds,
            filter,
            body,
        } = &e.kind
        {
            let before = self.known.clone();
            for (name, list) in binds {
                self.expr(list);
                self.known.insert(name.name.clone());
            }
            filter.iter().for_each(|f| self.expr(f));
            self.expr(body);
            self.known = before;
            return;
        }
        // A comprehension within has names of its own.
        let mut inner = Vec::new();
        let mut seen = Vec::new();
        collect(e, &mut inner, &mut seen);
        for (path, called) in seen {
            self.name(&path, called);
        }
        for list in inner {
            self.expr(&list);
        }
    }

    fn name(&mut self, path: &ssl_syntax::ast::Path, called: bool) {
        let Some(head) = path.segments.first() else {
            return;
        };
        if self.known.contains(&head.name) {
            self.used.insert(head.name.clone());
            return;
        }
        let text: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
        let text = text.join(".");
        if !called {
            self.out.push(
                Diagnostic::error(
                    Code::UNKNOWN_NAME,
                    format!("`{text}` stands for nothing here"),
                )
                .at(path.span, "not a parameter, not a name of this function")
                .meant(&text, self.known.iter().map(String::as_str)),
            );
            return;
        }
        let curve = in_group(Group::Schedule).any(|f| f.name == text);
        if self.program.function(path).is_some() || operations().any(|o| o == text) || curve {
            return;
        }
        let functions = self.program.function_names(path.span);
        let mut known: Vec<&str> = functions.iter().map(String::as_str).collect();
        for operation in operations() {
            known.push(operation);
        }
        self.out.push(
            Diagnostic::error(
                Code::UNKNOWN_FUNCTION,
                format!("there is no net and no function `{text}`"),
            )
            .at(path.span, "not known")
            .near(&text, known.iter().copied()),
        );
    }
}

/// The names of an expression outside of comprehensions, and those.
fn collect(e: &Expr, inner: &mut Vec<Expr>, seen: &mut Vec<(ssl_syntax::ast::Path, bool)>) {
    match &e.kind {
        ExprKind::For { .. } => return inner.push(e.clone()),
        ExprKind::Path(path) => seen.push((path.clone(), false)),
        ExprKind::Call { callee, .. } => seen.push((callee.clone(), true)),
        _ => {}
    }
    walk::parts(e, &mut |part| collect(part, inner, seen));
}
