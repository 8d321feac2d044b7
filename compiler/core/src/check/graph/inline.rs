//! Calls: nets, operations, schedules, and functions, which are inlined.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{Argument, Call, NodeId, Op};
use ssl_syntax::ast::{Arg, Expr, ExprKind, FnParam, Function, Path, StmtKind, Ty, TyArg};

use super::build::show_dims;
use super::nets::Callee;
use super::ops::OPS;
use super::{Builder, Item, Locals};
use crate::names::{self, Meant};
use crate::schema::{Group, function};
use crate::table::HashMap;

/// Calls deeper than this are taken for a recursion.
const DEPTH: usize = 32;

/// The nodes of a value, in order.
fn nodes_of(item: &Item, out: &mut Vec<NodeId>) {
    match item {
        Item::Node(id) => out.push(*id),
        Item::List(items) => items.iter().for_each(|i| nodes_of(i, out)),
        Item::Number(_) | Item::Net(_) => {}
    }
}

impl Builder<'_, '_> {
    pub(super) fn call(
        &mut self,
        callee: &Path,
        args: &[Arg],
        args_span: Span,
        span: Span,
        locals: &Locals,
    ) -> Option<Item> {
        let program = self.checker.source.program;
        let name = match callee.segments.as_slice() {
            [name] => name,
            [_, _] if program.function(callee).is_some() => {
                let f = program.function(callee)?;
                return self.inline(f, args, args_span, span, locals);
            }
            [net, stage] => {
                let net = match locals.values.get(&net.name) {
                    Some(Item::Net(net)) => Some(net.clone()),
                    _ if locals.closed => None,
                    _ => self.specs.contains_key(&net.name).then(|| net.name.clone()),
                };
                let Some(net) = net else {
                    self.unknown_call(callee);
                    return None;
                };
                let callee = Callee {
                    net,
                    stage: Some(stage.clone()),
                };
                return self.call_net(&callee, args, args_span, span, locals);
            }
            _ => {
                self.unknown_call(callee);
                return None;
            }
        };
        if let Some(Item::Net(net)) = locals.values.get(&name.name) {
            let callee = Callee {
                net: net.clone(),
                stage: None,
            };
            return self.call_net(&callee, args, args_span, span, locals);
        }
        if !locals.closed && self.specs.contains_key(&name.name) {
            let callee = Callee {
                net: name.name.clone(),
                stage: None,
            };
            return self.call_net(&callee, args, args_span, span, locals);
        }
        if let Some(f) = program.function(callee) {
            return self.inline(f, args, args_span, span, locals);
        }
        if let Some((op, params)) = OPS.iter().find(|(n, _)| *n == name.name) {
            return self.operation(op, params, args, span, locals);
        }
        if function(Group::Schedule, &name.name).is_some() {
            let expr = Expr {
                kind: ExprKind::Call {
                    callee: callee.clone(),
                    args: args.to_vec(),
                    args_span,
                },
                span,
            };
            return self.scheduled(&expr);
        }
        self.unknown_call(callee);
        None
    }

    fn unknown_call(&mut self, callee: &Path) {
        let text = self.checker.source.map.text(callee.span).to_owned();
        let functions = self.checker.source.program.function_names(callee.span);
        let known: Vec<&str> = functions
            .iter()
            .chain(self.specs.keys())
            .map(String::as_str)
            .chain(OPS.iter().map(|(n, _)| *n))
            .collect();
        let losses = functions.iter().map(String::as_str);
        let help = names::list(losses).map(|l| format!("the library has {l}"));
        self.checker.report(
            Diagnostic::error(
                Code::UNKNOWN_FUNCTION,
                format!("there is no net and no function `{text}`"),
            )
            .at(callee.span, "not known")
            .maybe_help(help)
            .near(&text, known.iter().copied()),
        );
    }

    /// Evaluates a function's body with its parameters bound.
    fn inline(
        &mut self,
        f: &Function,
        args: &[Arg],
        args_span: Span,
        span: Span,
        locals: &Locals,
    ) -> Option<Item> {
        if self.checker.source.program.is_recursive(f) {
            return None;
        }
        if self.depth >= DEPTH {
            self.checker.report(
                Diagnostic::error(
                    Code::VALUE_CYCLE,
                    format!("calls are nested more than {DEPTH} deep"),
                )
                .at(span, "one too many")
                .help("functions are inlined: join some of them"),
            );
            return None;
        }
        if !self.checker.source.details {
            let bound = self.arguments(f, args, args_span, locals)?;
            return self.deeper(f, bound, span);
        }
        let docs = f.docs.lines.iter().map(|l| l.node.clone()).collect();
        self.checker.called.insert(f.name.name.clone(), docs);
        let bound = self.arguments(f, args, args_span, locals)?;
        let arguments = f.params.iter().filter_map(|p| {
            let item = bound.values.get(&p.name.name)?;
            let mut nodes = Vec::new();
            nodes_of(item, &mut nodes);
            Some(Argument {
                name: p.name.name.clone(),
                nodes,
                text: match item {
                    Item::Number(n) => Some(n.to_string()),
                    Item::Net(net) => Some(net.clone()),
                    Item::Node(_) | Item::List(_) => None,
                },
            })
        });
        let arguments = arguments.collect();
        let result = self.deeper(f, bound, span);
        let mut results = Vec::new();
        nodes_of(result.as_ref()?, &mut results);
        let call = Call {
            function: f.name.name.clone(),
            arguments,
            results,
            depth: self.depth,
        };
        // Equal calls are one.
        self.function_calls.insert(call);
        result
    }

    fn deeper(&mut self, f: &Function, bound: Locals, span: Span) -> Option<Item> {
        self.depth += 1;
        let result = self.body(f, bound, span);
        self.depth -= 1;
        result
    }

    /// Arguments bound to parameters, types checked, dimensions named.
    fn arguments(
        &mut self,
        f: &Function,
        args: &[Arg],
        args_span: Span,
        locals: &Locals,
    ) -> Option<Locals> {
        let name = &f.name.name;
        let mut given: HashMap<&str, (Item, Span)> = HashMap::default();
        let mut position = 0;
        let mut fine = true;
        for arg in args {
            let param = match &arg.name {
                Some(n) => {
                    let found = f.params.iter().find(|p| p.name.name == n.name);
                    if found.is_none() {
                        let known = f.params.iter().map(|p| p.name.name.as_str());
                        self.checker.report(
                            Diagnostic::error(
                                Code::UNKNOWN_ARGUMENT,
                                format!("`{name}` has no argument `{}`", n.name),
                            )
                            .at(n.span, "not known")
                            .meant(&n.name, known),
                        );
                    }
                    found
                }
                None => {
                    position += 1;
                    let found = f.params.get(position - 1);
                    if found.is_none() {
                        self.checker.report(
                            Diagnostic::error(
                                Code::ARGUMENTS,
                                format!("`{name}` takes {} arguments", f.params.len()),
                            )
                            .at(arg.value.span, "one too many"),
                        );
                    }
                    found
                }
            };
            let value = self.eval(&arg.value, locals);
            match (param, value) {
                (Some(p), Some(v)) => {
                    if let Some((_, first)) = given.insert(&p.name.name, (v, arg.value.span)) {
                        fine = false;
                        self.checker.report(
                            Diagnostic::error(
                                Code::DUPLICATE,
                                format!("the argument `{}` is given twice", p.name.name),
                            )
                            .at(arg.value.span, "given again")
                            .at(first, "first given here"),
                        );
                    }
                }
                _ => fine = false,
            }
        }
        if !fine {
            return None;
        }
        let mut bound = Locals {
            values: HashMap::default(),
            closed: true,
        };
        for param in &f.params {
            let (item, at) = match given.remove(param.name.name.as_str()) {
                Some(g) => g,
                None => match &param.default {
                    Some(default) => (self.eval(default, &bound)?, default.span),
                    None => {
                        self.checker.report(
                            Diagnostic::error(
                                Code::ARGUMENTS,
                                format!("`{name}` needs `{}`", param.name.name),
                            )
                            .at(args_span, "not given")
                            .help(format!("write `{}(..., {}: ...)`", name, param.name.name)),
                        );
                        return None;
                    }
                },
            };
            self.typed(name, param, &item, at, &mut bound)?;
            self.usual(param, &item, at);
            bound.values.insert(param.name.name.clone(), item);
        }
        Some(bound)
    }

    /// Checks an argument against its parameter's type and names dimensions.
    fn typed(
        &mut self,
        function: &str,
        param: &FnParam,
        item: &Item,
        at: Span,
        bound: &mut Locals,
    ) -> Option<()> {
        let Some(ty) = &param.ty else { return Some(()) };
        if let (Item::List(items), "List", [TyArg::Type(inner)]) =
            (item, ty.name.name.as_str(), ty.args.as_slice())
        {
            let each = FnParam {
                ty: Some(inner.clone()),
                ..param.clone()
            };
            for item in items {
                self.typed(function, &each, item, at, bound)?;
            }
            return Some(());
        }
        let dims = self.dims(item);
        let tensor = matches!(item, Item::Node(_)) && !dims.is_empty();
        let fits = match ty.name.name.as_str() {
            "Embedding" | "Prob" | "Tokens" | "Image" | "Tensor" => tensor,
            "Loss" => !tensor && matches!(item, Item::Node(_) | Item::Number(_)),
            "Float" | "Int" | "Schedule" => match item {
                Item::Number(_) => true,
                Item::Node(id) => dims.is_empty() && self.is_host_scalar(*id),
                _ => false,
            },
            "Net" => matches!(item, Item::Net(_)),
            "List" => false,
            other => {
                let known = crate::functions::TYPES.iter().copied();
                self.checker.report(
                    Diagnostic::error(Code::UNKNOWN_NAME, format!("there is no type `{other}`"))
                        .at(ty.name.span, "not a type")
                        .meant(other, known),
                );
                return None;
            }
        };
        let shown = self.checker.source.map.text(ty.span).to_owned();
        if !fits || (tensor && !ty.args.is_empty() && ty.args.len() != dims.len()) {
            let what = match item {
                Item::Net(_) => "a net".to_owned(),
                Item::List(_) => "a list".to_owned(),
                _ => show_dims(&dims),
            };
            self.checker.report(
                Diagnostic::error(
                    Code::TYPE,
                    format!(
                        "`{}` of `{function}` is {shown}, and gets {what}",
                        param.name.name
                    ),
                )
                .at(at, format!("this is {what}"))
                .at(ty.span, "declared here"),
            );
            return None;
        }
        if !tensor {
            return Some(());
        }
        for (arg, size) in ty.args.iter().zip(&dims) {
            self.dimension(function, param, arg, *size, at, bound)?;
        }
        Some(())
    }

    fn dimension(
        &mut self,
        function: &str,
        param: &FnParam,
        arg: &TyArg,
        size: usize,
        at: Span,
        bound: &mut Locals,
    ) -> Option<()> {
        let expected = match arg {
            TyArg::Number(n) => Some(n.node as f64),
            TyArg::Type(Ty { name, .. }) => match bound.values.get(&name.name) {
                Some(Item::Number(n)) => Some(*n),
                _ => {
                    bound
                        .values
                        .insert(name.name.clone(), Item::Number(size as f64));
                    None
                }
            },
            TyArg::Arrow(..) => None,
        };
        if expected.is_none_or(|e| e == size as f64) {
            return Some(());
        }
        let label = match arg {
            TyArg::Type(t) => t.name.name.clone(),
            _ => "the size".into(),
        };
        self.checker.report(
            Diagnostic::error(
                Code::SHAPE,
                format!(
                    "`{}` of `{function}` has size {size} where {label} is {}",
                    param.name.name,
                    expected.unwrap_or_default()
                ),
            )
            .at(at, "does not fit the other arguments")
            .at(param.span, "declared here"),
        );
        None
    }

    /// Whether a node is a number that the step does not compute.
    fn is_host_scalar(&self, id: usize) -> bool {
        match self.nodes.get(id).map(|n| &n.op) {
            Some(Op::Scalar { .. }) => true,
            Some(Op::Binary { left, right, .. }) => {
                self.is_host_scalar(*left) && self.is_host_scalar(*right)
            }
            Some(Op::Unary { x, .. }) => self.is_host_scalar(*x),
            _ => false,
        }
    }

    /// Statements in order; the last one's value is the result.
    fn body(&mut self, f: &Function, mut locals: Locals, span: Span) -> Option<Item> {
        let (last, rest) = f.body.stmts.split_last()?;
        for stmt in rest {
            let (name, value) = match &stmt.kind {
                StmtKind::Let { name, value, .. } => (name, value),
                StmtKind::Assign { path, value, .. } if path.segments.len() == 1 => {
                    (path.segments.first()?, value)
                }
                _ => {
                    self.checker.report(
                        Diagnostic::error(
                            Code::SYNTAX,
                            "a function holds `name = value` lines and a result",
                        )
                        .at(stmt.span, "neither")
                        .help("put the result on the last line"),
                    );
                    return None;
                }
            };
            let item = self.eval(value, &locals)?;
            locals.values.insert(name.name.clone(), item);
        }
        let StmtKind::Entry { value, .. } = &last.kind else {
            self.checker.report(
                Diagnostic::error(
                    Code::SYNTAX,
                    format!("the function `{}` has no result", f.name.name),
                )
                .at(last.span, "not an expression")
                .at(span, "called here")
                .help("write the result as the last line, without a name"),
            );
            return None;
        };
        let result = self.eval(value, &locals)?;
        let scalar = f
            .result
            .as_ref()
            .is_some_and(|t| matches!(t.name.name.as_str(), "Loss" | "Float" | "Int"));
        if scalar {
            let what = format!("the result of `{}`", f.name.name);
            return self.scalar(result, value.span, &what).map(Item::Node);
        }
        Some(result)
    }
}
