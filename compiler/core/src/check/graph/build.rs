//! Names, numbers, operators and net calls.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;
use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{BinaryOp, Node, NodeId, Op, Schedule, UnaryOp};
use ssl_syntax::ast::{BinOp, Expr, ExprKind, Ident, Path};

use super::{Builder, Item, Locals, members};
use crate::check::eval::Scope;
use crate::names::{self, Meant};
use crate::value::Value;

/// A hash of what an operation computes; few have the same.
fn key(op: &Op) -> u64 {
    let mut hasher = FxHasher::default();
    std::mem::discriminant(op).hash(&mut hasher);
    let inputs = op.inputs();
    inputs.hash(&mut hasher);
    match op {
        Op::Scalar { value } => value.at(0.0).to_bits().hash(&mut hasher),
        Op::Slice { start, .. } => start.hash(&mut hasher),
        Op::View { view } => view.hash(&mut hasher),
        Op::Stage { net, stage, .. } => (net, stage).hash(&mut hasher),
        _ => {}
    }
    hasher.finish()
}

impl Builder<'_, '_> {
    /// Adds a node, or finds the one that computes the same.
    pub(super) fn node(&mut self, op: Op, dims: Vec<usize>, reaches: Vec<String>) -> Item {
        let key = key(&op);
        let same = |id: &&NodeId| self.nodes.get(**id).is_some_and(|n| n.op == op);
        if let Some(id) = self.ids.get(&key).into_iter().flatten().find(same) {
            return Item::Node(*id);
        }
        let id = self.nodes.len();
        let sources = match &op {
            Op::View { .. } => vec![id],
            op => self.sources_of(&op.inputs()),
        };
        self.sources.push(sources);
        self.nodes.push(Node {
            op,
            dims,
            reaches,
            name: None,
        });
        self.ids.entry(key).or_default().push(id);
        Item::Node(id)
    }

    /// The same, as an index.
    pub(super) fn id(&mut self, op: Op, dims: Vec<usize>, reaches: Vec<String>) -> NodeId {
        match self.node(op, dims, reaches) {
            Item::Node(id) => id,
            _ => 0,
        }
    }

    /// The views that values are computed from.
    fn sources_of(&self, inputs: &[NodeId]) -> Vec<NodeId> {
        let mut out: Vec<NodeId> = Vec::new();
        for input in inputs {
            for view in self.sources.get(*input).into_iter().flatten() {
                if !out.contains(view) {
                    out.push(*view);
                }
            }
        }
        out
    }

    /// The shape of a value; a number is a scalar.
    pub(super) fn dims(&self, item: &Item) -> Vec<usize> {
        match item {
            Item::Node(id) => self
                .nodes
                .get(*id)
                .map(|n| n.dims.clone())
                .unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The nets that a gradient of the values can reach.
    pub(super) fn reaches(&self, items: &[NodeId]) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for id in items {
            for net in self
                .nodes
                .get(*id)
                .map(|n| n.reaches.as_slice())
                .unwrap_or_default()
            {
                if !out.contains(net) {
                    out.push(net.clone());
                }
            }
        }
        out
    }

    /// A number as a node.
    pub(super) fn id_of(&mut self, item: &Item, span: Span) -> Option<NodeId> {
        match item {
            Item::Node(id) => Some(*id),
            Item::Number(x) => {
                let value = Schedule::constant(*x);
                match self.node(Op::Scalar { value }, Vec::new(), Vec::new()) {
                    Item::Node(id) => Some(id),
                    _ => None,
                }
            }
            Item::List(_) | Item::Net(_) => {
                let what = if matches!(item, Item::Net(_)) {
                    "a net"
                } else {
                    "a list"
                };
                self.checker.report(
                    Diagnostic::error(Code::TYPE, format!("{what} stands where a value is needed"))
                        .at(span, format!("this is {what}"))
                        .maybe_help(match item {
                            Item::Net(n) => Some(format!("call it on a view: `{n}(a)`")),
                            _ => None,
                        }),
                );
                None
            }
        }
    }

    /// A scalar node, or an error that says what it is.
    pub(super) fn scalar(&mut self, item: Item, span: Span, what: &str) -> Option<NodeId> {
        let id = self.id_of(&item, span)?;
        let dims = self.dims(&item);
        if dims.is_empty() {
            return Some(id);
        }
        self.checker.report(
            Diagnostic::error(Code::SHAPE, format!("{what} must be one number"))
                .at(span, format!("this is {}", show_dims(&dims)))
                .help("reduce it: `mean(...)`"),
        );
        None
    }

    /// The value of an expression.
    pub(super) fn eval(&mut self, expr: &Expr, locals: &Locals) -> Option<Item> {
        match &expr.kind {
            ExprKind::Path(path) => self.path(path, locals),
            ExprKind::Number { value, .. } => Some(Item::Number(*value)),
            ExprKind::Quantity { value, unit, .. } if unit.name == "%" => {
                Some(Item::Number(value / 100.0))
            }
            ExprKind::Quantity { .. } | ExprKind::Ramp { .. } | ExprKind::Then { .. } => {
                self.scheduled(expr)
            }
            ExprKind::List(items) => self.list(items, locals),
            ExprKind::Neg(x) => match self.eval(x, locals)? {
                Item::Number(n) => Some(Item::Number(-n)),
                item => {
                    let x = self.id_of(&item, x.span)?;
                    let (dims, reaches) = (self.dims(&item), self.reaches(&[x]));
                    Some(self.node(Op::Unary { f: UnaryOp::Neg, x }, dims, reaches))
                }
            },
            ExprKind::Binary { op, left, right } => {
                let a = self.eval(left, locals);
                let b = self.eval(right, locals);
                self.binary(*op, a?, b?, expr.span, [left.span, right.span])
            }
            ExprKind::Call {
                callee,
                args,
                args_span,
            } => self.call(callee, args, *args_span, expr.span, locals),
            ExprKind::For {
                binds,
                filter,
                body,
            } => self.comprehension(binds, filter.as_deref(), body, expr.span, locals),
            ExprKind::Missing => None,
            ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Range { .. } => {
                self.checker.report(
                    Diagnostic::error(Code::TYPE, "this has no place in a step")
                        .at(expr.span, "neither a tensor nor a number"),
                );
                None
            }
        }
    }

    /// A schedule as a scalar that moves.
    pub(super) fn scheduled(&mut self, expr: &Expr) -> Option<Item> {
        let spec = self.checker.schedule(expr, Scope::Top)?;
        let whole = self.checker.length_span();
        let value = self.checker.place(self.clock, &spec, whole);
        Some(self.node(Op::Scalar { value }, Vec::new(), Vec::new()))
    }

    fn path(&mut self, path: &Path, locals: &Locals) -> Option<Item> {
        if let [name] = path.segments.as_slice() {
            if let Some(item) = locals.values.get(&name.name) {
                return Some(item.clone());
            }
            if !locals.closed {
                if self.step.bindings.contains_key(&name.name) {
                    return self.name(&name.name, name.span);
                }
                if self.step.params.iter().any(|p| p.name == name.name) {
                    return self.view(name);
                }
                if self.specs.contains_key(&name.name) {
                    return Some(Item::Net(name.name.clone()));
                }
            }
        }
        if locals.closed {
            let text = self.checker.source.map.text(path.span).to_owned();
            let known = locals.values.keys().map(String::as_str);
            self.checker.report(
                Diagnostic::error(
                    Code::UNKNOWN_NAME,
                    format!("`{text}` stands for nothing here"),
                )
                .at(path.span, "not a parameter, not a name of this function")
                .meant(&text, known),
            );
            return None;
        }
        self.outer(path)
    }

    /// A name from outside the step: a constant or a field.
    fn outer(&mut self, path: &Path) -> Option<Item> {
        let effective = self.checker.source.effective;
        if let [name] = path.segments.as_slice() {
            if effective.views.contains_key(&name.name) {
                let mut all: Vec<&str> = self.step.params.iter().map(|p| p.name.as_str()).collect();
                all.push(&name.name);
                let help = format!("write `step({})`", all.join(", "));
                self.checker.report(
                    Diagnostic::error(
                        Code::UNKNOWN_NAME,
                        format!("the step does not take the view `{}`", name.name),
                    )
                    .at(name.span, "not a parameter of the step")
                    .help(help),
                );
                return None;
            }
            if !effective.constants.contains_key(&name.name) {
                let known: Vec<&str> = self
                    .step
                    .bindings
                    .keys()
                    .chain(effective.constants.keys())
                    .chain(self.specs.keys())
                    .map(String::as_str)
                    .chain(self.step.params.iter().map(|p| p.name.as_str()))
                    .collect();
                self.checker.report(
                    Diagnostic::error(
                        Code::UNKNOWN_NAME,
                        format!("`{}` stands for nothing here", name.name),
                    )
                    .at(name.span, "not a name of the step")
                    .meant(&name.name, known),
                );
                return None;
            }
        }
        let expr = Expr {
            kind: ExprKind::Path(path.clone()),
            span: path.span,
        };
        match self.checker.constant(&expr, Scope::Top)? {
            Value::Schedule(spec) => {
                let whole = self.checker.length_span();
                let value = self.checker.place(self.clock, &spec, whole);
                Some(self.node(Op::Scalar { value }, Vec::new(), Vec::new()))
            }
            value => self
                .checker
                .plain_number(value, path.span)
                .map(Item::Number),
        }
    }

    /// A name of the step, evaluated once.
    pub(super) fn name(&mut self, name: &str, span: Span) -> Option<Item> {
        if !self.used.contains(name) {
            self.used.insert(name.to_owned());
        }
        if let Some(item) = self.done.get(name) {
            return item.clone();
        }
        if self.open.contains(name) {
            let open = self.open.iter().map(String::as_str);
            let circle = open.skip_while(|o| *o != name).chain([name]);
            let message = format!(
                "values depend on each other in a circle: {}",
                names::circle(circle)
            );
            self.checker.report(
                Diagnostic::error(Code::VALUE_CYCLE, message)
                    .at(span, "closes the circle")
                    .help("compute one of them without the others"),
            );
            return None;
        }
        let setting = self.step.bindings.get(name)?;
        self.open.insert(name.to_owned());
        let item = names::deeper(|| self.eval(&setting.expr, &Locals::default()));
        self.open.pop();
        match &item {
            Some(Item::Node(id)) => self.label(*id, name.to_owned()),
            Some(Item::List(items)) => {
                for (i, item) in items.iter().enumerate() {
                    if let Item::Node(id) = item {
                        self.label(*id, format!("{name}[{i}]"));
                    }
                }
            }
            _ => {}
        }
        self.done.insert(name.to_owned(), item.clone());
        item
    }

    fn label(&mut self, id: NodeId, name: String) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.name.get_or_insert(name);
        }
    }

    /// A view, or a list of them where several stand under one name.
    fn view(&mut self, name: &Ident) -> Option<Item> {
        let effective = self.checker.source.effective;
        let several = effective.views.get(&name.name)?.count.is_some();
        let views = members(self.views, &name.name);
        let mut items: Vec<Item> = Vec::new();
        for view in views {
            let [h, w] = self.views.get(&view)?.size;
            let dims = vec![self.clock.batch, 3, h, w];
            items.push(self.node(Op::View { view }, dims, Vec::new()));
        }
        match several {
            true if items.is_empty() => None,
            true => Some(Item::List(items)),
            false => items.pop(),
        }
    }

    pub(super) fn binary(
        &mut self,
        op: BinOp,
        a: Item,
        b: Item,
        span: Span,
        sides: [Span; 2],
    ) -> Option<Item> {
        let f = match op {
            BinOp::Add => BinaryOp::Add,
            BinOp::Sub => BinaryOp::Sub,
            BinOp::Mul => BinaryOp::Mul,
            BinOp::Div => BinaryOp::Div,
            _ => {
                self.checker.report(
                    Diagnostic::error(
                        Code::TYPE,
                        format!("`{}` has no meaning in a step", op.symbol()),
                    )
                    .at(span, ""),
                );
                return None;
            }
        };
        if let (Item::Number(x), Item::Number(y)) = (&a, &b) {
            let r = match f {
                BinaryOp::Add => x + y,
                BinaryOp::Sub => x - y,
                BinaryOp::Mul => x * y,
                BinaryOp::Div => x / y,
            };
            if !r.is_finite() {
                self.checker.report(
                    Diagnostic::error(Code::ARITHMETIC, "this has no finite value").at(span, ""),
                );
                return None;
            }
            return Some(Item::Number(r));
        }
        let [left_span, right_span] = sides;
        let left = self.id_of(&a, left_span)?;
        let right = self.id_of(&b, right_span)?;
        let (da, db) = (self.dims(&Item::Node(left)), self.dims(&Item::Node(right)));
        let Some(dims) = broadcast(&da, &db) else {
            self.checker.report(
                Diagnostic::error(
                    Code::SHAPE,
                    format!(
                        "`{}` cannot join {} and {}",
                        op.symbol(),
                        show_dims(&da),
                        show_dims(&db)
                    ),
                )
                .at(left_span, show_dims(&da))
                .at(right_span, show_dims(&db)),
            );
            return None;
        };
        let reaches = self.reaches(&[left, right]);
        Some(self.node(Op::Binary { f, left, right }, dims, reaches))
    }
}

/// `[256, 64]`, or "one number".
pub(super) fn show_dims(dims: &[usize]) -> String {
    if dims.is_empty() {
        return "one number".into();
    }
    let parts: Vec<String> = dims.iter().map(ToString::to_string).collect();
    format!("[{}]", parts.join(", "))
}

/// NumPy's rule.
fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |d: &[usize], i: usize| {
        (i + d.len())
            .checked_sub(rank)
            .and_then(|j| d.get(j))
            .copied()
            .unwrap_or(1)
    };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}
