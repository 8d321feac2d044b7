//! Evaluates expressions to constants. What a bare name means depends on what
//! the place wants.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_syntax::ast::{BinOp, Expr, ExprKind, Ident, Path};

use super::Checker;
use crate::merge::{Constant, Setting};
use crate::names::{self, Meant};
use crate::schema::{Fallback, Group, INF, Want, fields_of, function};
use crate::value::{UNITS, Value};
use ssl_syntax::ast::SectionKind;

/// Where an expression stands: names of its section need no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Nowhere in particular.
    Top,
    /// In a section with fields.
    Section(SectionKind),
}

impl Checker<'_> {
    /// The value of an expression as the place wants it. `None` where it is
    /// wrong, which has been reported then.
    pub(super) fn eval(&mut self, expr: &Expr, want: &Want, scope: Scope) -> Option<Value> {
        match (&expr.kind, want) {
            (ExprKind::Missing, _) => None,
            (ExprKind::Path(path), Want::Choice(choices)) => self.choice(path, choices, scope),
            (ExprKind::Path(path), Want::Feature | Want::Net) => self.feature(path, want),
            (ExprKind::Path(path), Want::View) => self.view_name(path),
            (ExprKind::Path(path), Want::Statistics) => {
                self.choice(path, &["imagenet", "half"], scope)
            }
            (ExprKind::Path(_) | ExprKind::Call { .. }, Want::Norm) => self.norm(expr, scope),
            (ExprKind::List(items), Want::Classes) => self.classes(items),
            (ExprKind::List(items), Want::Nets) => self.net_names(items),
            (ExprKind::List(items), Want::Times) => self.each(items, &Want::Time, scope),
            (ExprKind::List(items), Want::Widths) if !items.is_empty() => {
                self.each(items, &Want::Int(1, 1 << 20), scope)
            }
            (ExprKind::List(items), Want::Size) if items.len() == 2 => {
                self.each(items, &Want::Int(1, 1 << 14), scope)
            }
            (ExprKind::List(items), Want::Channels) if items.len() == 3 => {
                self.each(items, &Want::Float(-INF, INF), scope)
            }
            (_, Want::Schedule(low, high)) => {
                let spec = self.schedule(expr, scope)?;
                self.bounded_schedule(&spec, *low, *high, expr.span)?;
                Some(Value::Schedule(spec))
            }
            _ => {
                let value = self.constant(expr, scope)?;
                self.coerce(value, want, expr.span)
            }
        }
    }

    /// A list whose elements are wanted alike; every wrong one is reported.
    fn each(&mut self, items: &[Expr], want: &Want, scope: Scope) -> Option<Value> {
        let values: Vec<Option<Value>> = items.iter().map(|i| self.eval(i, want, scope)).collect();
        values
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map(Value::List)
    }

    /// The value of an expression that stands on its own.
    pub(super) fn constant(&mut self, expr: &Expr, scope: Scope) -> Option<Value> {
        match &expr.kind {
            ExprKind::Number { value, integer } => Some(number(*value, *integer)),
            ExprKind::Quantity { value, unit, .. } => self.quantity(*value, unit),
            ExprKind::Text(t) => Some(Value::Text(t.clone())),
            ExprKind::Bool(b) => Some(Value::Bool(*b)),
            ExprKind::List(items) => items
                .iter()
                .map(|i| self.constant(i, scope))
                .collect::<Option<Vec<_>>>()
                .map(Value::List),
            ExprKind::Path(path) => self.lookup(path, scope),
            ExprKind::Neg(x) => match self.constant(x, scope)? {
                Value::Int(i) => Some(Value::Int(-i)),
                Value::Float(f) => Some(Value::Float(-f)),
                Value::Quantity(f, u) => Some(Value::Quantity(-f, u)),
                other => {
                    self.error(
                        Code::TYPE,
                        format!("{} cannot be negated", other.describe()),
                        x.span,
                        "not a number",
                    );
                    None
                }
            },
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, scope, expr.span),
            ExprKind::Range { low, high, .. } => {
                let a = self.constant(low, scope);
                let b = self.constant(high, scope);
                let (a, b) = (
                    self.plain_number(a?, low.span)?,
                    self.plain_number(b?, high.span)?,
                );
                if a > b {
                    self.report(
                        Diagnostic::error(Code::RANGE, "the range runs backwards")
                            .at(expr.span, format!("{a} is above {b}"))
                            .help("write the lower end first"),
                    );
                    return None;
                }
                Some(Value::Range(a, b))
            }
            ExprKind::Ramp { .. } | ExprKind::Then { .. } => {
                Some(Value::Schedule(self.schedule(expr, scope)?))
            }
            ExprKind::Call { callee, args, .. } => {
                let name = callee.segments.last()?;
                if function(Group::Schedule, &name.name).is_some() {
                    return Some(Value::Schedule(self.schedule(expr, scope)?));
                }
                let math = ["sqrt", "min", "max", "floor", "ceil", "round"];
                if !math.contains(&name.name.as_str()) {
                    self.unknown_function(name, math.into_iter(), "here");
                    return None;
                }
                let mut numbers = Vec::new();
                for arg in args {
                    let v = self.constant(&arg.value, scope)?;
                    numbers.push(self.plain_number(v, arg.value.span)?);
                }
                self.math(name, &numbers, expr.span)
            }
            ExprKind::For { .. } => {
                self.report(
                    Diagnostic::error(Code::TYPE, "a comprehension stands in a step")
                        .at(expr.span, "no place for it")
                        .help("write the values out: `[1, 2, 3]`"),
                );
                None
            }
            ExprKind::Missing => None,
        }
    }

    fn math(&mut self, name: &Ident, x: &[f64], span: Span) -> Option<Value> {
        let result = match (name.name.as_str(), x) {
            ("sqrt", [x]) => x.sqrt(),
            ("floor", [x]) => x.floor(),
            ("ceil", [x]) => x.ceil(),
            ("round", [x]) => x.round(),
            ("min", [_, ..]) => x.iter().copied().fold(INF, f64::min),
            ("max", [_, ..]) => x.iter().copied().fold(-INF, f64::max),
            _ => {
                self.error(
                    Code::ARGUMENTS,
                    format!("`{}` does not take {} arguments", name.name, x.len()),
                    span,
                    "",
                );
                return None;
            }
        };
        self.finite(result, span).map(Value::Float)
    }

    fn finite(&mut self, x: f64, span: Span) -> Option<f64> {
        if x.is_finite() {
            return Some(x);
        }
        self.error(Code::ARITHMETIC, "this has no finite value", span, "");
        None
    }

    fn quantity(&mut self, value: f64, unit: &Ident) -> Option<Value> {
        let Some((_, known)) = UNITS.iter().find(|(n, _)| *n == unit.name) else {
            let all = UNITS.iter().map(|(n, _)| *n);
            self.report(
                Diagnostic::error(
                    Code::UNKNOWN_UNIT,
                    format!("there is no unit `{}`", unit.name),
                )
                .at(unit.span, "not a unit")
                .meant(&unit.name, all),
            );
            return None;
        };
        Some(Value::Quantity(value, *known))
    }

    pub(super) fn plain_number(&mut self, value: Value, span: Span) -> Option<f64> {
        if let Some(x) = value.number() {
            return Some(x);
        }
        self.error(
            Code::TYPE,
            format!("{} stands where a number is needed", value.describe()),
            span,
            "not a plain number",
        );
        None
    }

    fn binary(
        &mut self,
        op: BinOp,
        left: &Expr,
        right: &Expr,
        scope: Scope,
        span: Span,
    ) -> Option<Value> {
        let a = self.constant(left, scope);
        let b = self.constant(right, scope);
        let (a, b) = (a?, b?);
        let result = match (op, &a, &b) {
            (BinOp::Add | BinOp::Sub, Value::Quantity(x, u), Value::Quantity(y, w)) => {
                if u != w {
                    self.report(
                        Diagnostic::error(
                            Code::UNIT,
                            format!("{} and {} cannot be added", a.describe(), b.describe()),
                        )
                        .at(left.span, a.describe())
                        .at(right.span, b.describe())
                        .help(match self.conversion(*x, *u) {
                            Some(said) => format!("write both in one unit: {said}"),
                            None => "write both in one unit: an epoch has `samples / batch` steps"
                                .to_owned(),
                        }),
                    );
                    return None;
                }
                Some(Value::Quantity(
                    if op == BinOp::Add { x + y } else { x - y },
                    *u,
                ))
            }
            (BinOp::Mul, Value::Quantity(x, u), n) | (BinOp::Mul, n, Value::Quantity(x, u))
                if n.number().is_some() =>
            {
                n.number().map(|n| Value::Quantity(x * n, *u))
            }
            (BinOp::Div, Value::Quantity(x, u), n) if n.number().is_some_and(|n| n != 0.0) => {
                n.number().map(|n| Value::Quantity(x / n, *u))
            }
            (BinOp::Mul, Value::Schedule(s), n) | (BinOp::Mul, n, Value::Schedule(s))
                if n.number().is_some() =>
            {
                n.number().map(|n| Value::Schedule(s.scaled(n)))
            }
            (BinOp::Div, Value::Schedule(s), n) if n.number().is_some_and(|n| n != 0.0) => {
                n.number().map(|n| Value::Schedule(s.scaled(1.0 / n)))
            }
            (BinOp::Add | BinOp::Sub | BinOp::Mul, Value::Int(x), Value::Int(y)) => {
                let r = match op {
                    BinOp::Add => x.checked_add(*y),
                    BinOp::Sub => x.checked_sub(*y),
                    _ => x.checked_mul(*y),
                };
                if r.is_none() {
                    self.error(Code::ARITHMETIC, "this number is too large", span, "");
                }
                return r.map(Value::Int);
            }
            (BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::Div, x, y) => {
                match (x.number(), y.number()) {
                    (Some(x), Some(y)) => {
                        if op == BinOp::Div && y == 0.0 {
                            self.error(
                                Code::ARITHMETIC,
                                "division by zero",
                                right.span,
                                "this is 0",
                            );
                            return None;
                        }
                        let r = match op {
                            BinOp::Add => x + y,
                            BinOp::Sub => x - y,
                            BinOp::Mul => x * y,
                            _ => x / y,
                        };
                        return self.finite(r, span).map(Value::Float);
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        if result.is_none() {
            self.report(
                Diagnostic::error(
                    Code::TYPE,
                    format!(
                        "`{}` cannot join {} and {}",
                        op.symbol(),
                        a.describe(),
                        b.describe()
                    ),
                )
                .at(left.span, a.describe())
                .at(right.span, b.describe()),
            );
        }
        result
    }

    /// What a dotted name stands for: a constant, or a field of a section.
    pub(super) fn lookup(&mut self, path: &Path, scope: Scope) -> Option<Value> {
        let effective = self.source.effective;
        if let [name] = path.segments.as_slice()
            && let Some(constant) = effective.constants.get(&name.name)
        {
            self.read.insert(name.name.clone());
            return self.constant_value(constant);
        }
        let names: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
        let (section, rest) = match (names.as_slice(), scope) {
            (["data", rest @ ..], _) if !rest.is_empty() => (SectionKind::Data, rest.to_vec()),
            (["train", rest @ ..], _) if !rest.is_empty() => (SectionKind::Train, rest.to_vec()),
            (rest, Scope::Section(kind))
                if rest
                    .first()
                    .is_some_and(|f| fields_of(kind).iter().any(|g| g.name == *f)) =>
            {
                (kind, rest.to_vec())
            }
            _ => {
                self.unknown_name(path, scope);
                return None;
            }
        };
        self.field(section, &rest, path.span)
    }

    /// The value of a `param` or `let`.
    pub(super) fn constant_value(&mut self, constant: &Constant) -> Option<Value> {
        let key = constant.name.name.as_str();
        let setting = &constant.value;
        self.remember(key, setting, |c| {
            let want = match &constant.ty {
                Some(ty) => Some(c.type_of(ty)?),
                None => None,
            };
            let value = match &want {
                Some(want) => c.eval(&setting.expr, want, Scope::Top)?,
                None => c.constant(&setting.expr, Scope::Top)?,
            };
            if let Some(within) = &constant.within {
                c.within(&value, within, setting, &constant.name)?;
            }
            c.record(&[key], &value, |c| c.origin(setting));
            Some(value)
        })
    }

    fn type_of(&mut self, ty: &ssl_syntax::ast::Ty) -> Option<Want> {
        const TYPES: &[(&str, Want)] = &[
            ("Int", Want::Int(i64::MIN, i64::MAX)),
            ("Float", Want::Float(-INF, INF)),
            ("Bool", Want::Bool),
            ("Text", Want::Text),
            ("Time", Want::Time),
            ("Range", Want::Interval(-INF, INF)),
            ("Schedule", Want::Schedule(-INF, INF)),
        ];
        let found = TYPES.iter().find(|(n, _)| *n == ty.name.name);
        if found.is_none() {
            let known = TYPES.iter().map(|(n, _)| *n);
            self.report(
                Diagnostic::error(
                    Code::UNKNOWN_NAME,
                    format!("there is no type `{}` for a constant", ty.name.name),
                )
                .at(ty.span, "not a type of constants")
                .meant(&ty.name.name, known),
            );
        }
        found.map(|(_, w)| *w)
    }

    fn within(
        &mut self,
        value: &Value,
        within: &Expr,
        setting: &Setting,
        name: &Ident,
    ) -> Option<()> {
        let allowed = self.constant(within, Scope::Top)?;
        let fits = match (&allowed, value) {
            (Value::Range(a, b), v) => v.number().is_none_or(|x| *a <= x && x <= *b),
            (Value::List(items), v) => items
                .iter()
                .any(|i| i == v || (i.number().is_some() && i.number() == v.number())),
            _ => true,
        };
        if fits {
            return Some(());
        }
        self.report(
            Diagnostic::error(Code::RANGE, format!("`{}` cannot be {value}", name.name))
                .at(setting.expr.span, "out of range")
                .at(within.span, "the range is stated here"),
        );
        None
    }

    /// The value of `section.field` or `section.field.argument`.
    pub(super) fn field(&mut self, kind: SectionKind, names: &[&str], span: Span) -> Option<Value> {
        let effective = self.source.effective;
        let settings = match kind {
            SectionKind::Data => &effective.data,
            _ => &effective.train,
        };
        let section = kind.keyword();
        let [name, rest @ ..] = names else {
            return None;
        };
        let Some(schema) = fields_of(kind).iter().find(|f| f.name == *name) else {
            let known = fields_of(kind).iter().map(|f| f.name);
            self.report(
                Diagnostic::error(
                    Code::UNKNOWN_FIELD,
                    format!("`{section}` has no field `{name}`"),
                )
                .at(span, "not a field")
                .meant(name, known),
            );
            return None;
        };
        let key = format!("{section}.{}", names.join("."));
        let Some(setting) = settings.get(*name) else {
            return match super::args::fallback(&schema.fallback) {
                Some(value) if rest.is_empty() => Some(value),
                // Reported for the section itself.
                _ if schema.fallback == Fallback::Required => None,
                _ => {
                    self.report(
                        Diagnostic::error(Code::MISSING, format!("`{key}` is not set"))
                            .at(span, "used here")
                            .help(format!("set it in `{section} {{ ... }}`")),
                    );
                    None
                }
            };
        };
        match rest {
            [] => self.remember(&key, setting, |c| {
                c.eval(&setting.expr, &schema.want, Scope::Section(kind))
            }),
            [argument] => {
                let Want::Call(group) = schema.want else {
                    self.error(
                        Code::UNKNOWN_NAME,
                        format!("`{section}.{name}` has no parts"),
                        span,
                        "not a call",
                    );
                    return None;
                };
                self.remember(&key, setting, |c| {
                    c.argument(group, setting, argument, Scope::Section(kind), span)
                })
            }
            _ => None,
        }
    }

    /// Evaluates once, and finds circles.
    fn remember(
        &mut self,
        key: &str,
        setting: &Setting,
        evaluate: impl FnOnce(&mut Self) -> Option<Value>,
    ) -> Option<Value> {
        if self.open.contains(key) {
            let open = self.open.iter().map(String::as_str);
            let circle = open.skip_while(|k| *k != key).chain([key]);
            let message = format!(
                "values depend on each other in a circle: {}",
                names::circle(circle)
            );
            self.report(
                Diagnostic::error(Code::VALUE_CYCLE, message)
                    .at(setting.expr.span, "part of the circle")
                    .help("state one of them without the others"),
            );
            return None;
        }
        if let Some(value) = self.known.get(key) {
            return value.clone();
        }
        self.open.insert(key.to_owned());
        let value = names::deeper(|| evaluate(self));
        self.open.pop();
        self.known.insert(key.to_owned(), value.clone());
        value
    }
}

fn number(value: f64, integer: bool) -> Value {
    // Above 2^53 a float no longer holds every whole number.
    if integer && value.abs() <= 9_007_199_254_740_992.0 {
        Value::Int(value as i64)
    } else {
        Value::Float(value)
    }
}
