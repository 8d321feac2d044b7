//! Binds the arguments of a built-in function to its parameters.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{Norm, Origin};
use ssl_syntax::ast::{Arg, Expr, ExprKind, Ident};

use super::Checker;
use super::eval::Scope;
use super::schedule::time_of;
use crate::merge::{Layer, Setting};
use crate::names::{self, Meant};
use crate::schema::{Fallback, Field, Function, Group, Want, function, in_group};
use crate::table::IndexMap;
use crate::value::{CurveSpec, Part, ScheduleSpec, Time, Unit, Value};

/// Arguments by parameter name; absent ones are not in it.
pub struct Args {
    /// The function's name.
    pub function: &'static str,
    params: &'static [Field],
    /// Where the call stands.
    pub span: Span,
    /// In the order of the function's parameters.
    values: Vec<Option<(Value, Span)>>,
}

impl Args {
    fn found(&self, name: &str) -> Option<&(Value, Span)> {
        let place = self.params.iter().position(|p| p.name == name)?;
        self.values.get(place)?.as_ref()
    }

    /// A value, where it was given or has a default.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.found(name).map(|(v, _)| v)
    }

    /// Where an argument stands; the call where it was not written.
    pub fn span(&self, name: &str) -> Span {
        self.found(name).map_or(self.span, |(_, s)| *s)
    }

    /// A whole number above or at zero.
    pub fn int(&self, name: &str) -> Option<usize> {
        match self.get(name) {
            Some(Value::Int(i)) => usize::try_from(*i).ok(),
            _ => None,
        }
    }

    /// A number; zero where it is absent.
    pub fn float(&self, name: &str) -> f64 {
        self.get(name).and_then(Value::number).unwrap_or(0.0)
    }

    /// A truth value; false where it is absent.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    /// A bare name.
    pub fn symbol(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Value::Symbol(s) | Value::Text(s)) => s,
            _ => "",
        }
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(s)) => Some(s),
            _ => None,
        }
    }

    /// Both ends of an interval; a number is both.
    pub fn interval(&self, name: &str) -> [f64; 2] {
        match self.get(name) {
            Some(Value::Range(a, b)) => [*a, *b],
            Some(v) => [v.number().unwrap_or(0.0); 2],
            None => [0.0; 2],
        }
    }

    /// Height and width.
    pub fn size(&self, name: &str) -> [usize; 2] {
        let one = |v: &Value| v.number().unwrap_or(0.0) as usize;
        match self.get(name) {
            Some(Value::List(l)) => match l.as_slice() {
                [h, w] => [one(h), one(w)],
                _ => [0, 0],
            },
            Some(v) => [one(v), one(v)],
            None => [0, 0],
        }
    }

    /// A list of numbers.
    pub fn numbers(&self, name: &str) -> Vec<f64> {
        match self.get(name) {
            Some(Value::List(l)) => l.iter().filter_map(Value::number).collect(),
            _ => Vec::new(),
        }
    }

    /// The calls of a list of sources.
    pub fn sources(&self, name: &str) -> &[(Expr, String)] {
        match self.get(name) {
            Some(Value::Sources(sources)) => sources,
            _ => &[],
        }
    }

    /// A list of bare names.
    pub fn symbols(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(Value::List(l)) => l
                .iter()
                .filter_map(|v| match v {
                    Value::Symbol(s) => Some(s.as_str()),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::List(l)) => l
                .iter()
                .filter_map(|v| match v {
                    Value::Text(s) => Some(s.clone()),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// A time.
    pub fn time(&self, name: &str) -> Option<Time> {
        self.get(name).and_then(time_of)
    }

    /// A list of times.
    pub fn times(&self, name: &str) -> Vec<Time> {
        match self.get(name) {
            Some(Value::List(l)) => l.iter().filter_map(time_of).collect(),
            _ => Vec::new(),
        }
    }

    /// A schedule; constant zero where it is absent.
    pub fn schedule(&self, name: &str) -> ScheduleSpec {
        match self.get(name) {
            Some(Value::Schedule(s)) => s.clone(),
            Some(v) => ScheduleSpec::constant(v.number().unwrap_or(0.0), self.span(name)),
            None => ScheduleSpec::constant(0.0, self.span),
        }
    }

    /// Both ends of a ramp.
    pub fn ramp(&self, name: &str) -> Option<(f64, f64)> {
        match self.get(name) {
            Some(Value::Schedule(s)) => match s.parts.as_slice() {
                [
                    Part {
                        curve: CurveSpec::Linear(a, b),
                        ..
                    },
                ] => Some((*a, *b)),
                _ => None,
            },
            _ => None,
        }
    }

    /// A norm.
    pub fn norm(&self, name: &str) -> Option<Norm> {
        match self.get(name) {
            Some(Value::Norm(n)) => n.clone(),
            _ => None,
        }
    }

    /// A net and, where one is named, its stage.
    pub fn feature(&self, name: &str) -> Option<(&str, Option<&str>)> {
        match self.get(name) {
            Some(Value::Feature(net, stage)) => Some((net, stage.as_deref())),
            _ => None,
        }
    }
}

/// The value of a parameter where nothing is written.
pub(crate) fn fallback(fallback: &Fallback) -> Option<Value> {
    Some(match fallback {
        Fallback::Required | Fallback::Absent => return None,
        Fallback::Int(i) => Value::Int(*i),
        Fallback::Float(f) => Value::Float(*f),
        Fallback::Bool(b) => Value::Bool(*b),
        Fallback::Symbol(s) => Value::Symbol((*s).to_owned()),
        Fallback::Text(s) => Value::Text((*s).to_owned()),
        Fallback::Range(a, b) => Value::Range(*a, *b),
        Fallback::Symbols(s) => {
            Value::List(s.iter().map(|s| Value::Symbol((*s).to_owned())).collect())
        }
        Fallback::Epochs(n) => Value::Quantity(*n, Unit::Epochs),
        Fallback::Steps(n) => Value::Quantity(*n, Unit::Steps),
        Fallback::Seconds(n) => Value::Quantity(*n, Unit::Seconds(1)),
        Fallback::Mebibytes(n) => Value::Quantity(*n, Unit::Bytes(1 << 20)),
    })
}

/// An argument as it was written, with who wrote it.
struct Written<'e> {
    expr: &'e Expr,
    layer: &'e Layer,
    setting: Option<&'e Setting>,
}

impl Checker<'_> {
    /// Binds a call of a function of the group. With a `path`, the values are
    /// written down under it. `None` where something is wrong.
    pub(super) fn bind(
        &mut self,
        group: Group,
        setting: &Setting,
        path: Option<&str>,
        scope: Scope,
    ) -> Option<Args> {
        let function = self.called(group, setting)?;
        let (written, mut fine) = self.written(function, setting);
        let mut args = Args {
            function: function.name,
            span: setting.expr.span,
            params: function.params,
            values: Vec::with_capacity(function.params.len()),
        };
        if let Some(path) = path {
            self.record(&[path], &function.name, |c| c.origin(setting));
        }
        for field in function.params {
            let written = written.get(field.name);
            let value = match written {
                Some(w) => {
                    let value = match w.setting {
                        Some(s) if field.want == Want::Norm => self.norm_setting(s, scope),
                        _ => self.parameter(field, w.expr, scope),
                    };
                    fine &= value.is_some();
                    value
                }
                None => {
                    let value = fallback(&field.fallback).map(|v| adapt(v, &field.want));
                    if field.fallback == Fallback::Required {
                        fine = false;
                        self.missing_argument(function, field, setting);
                    }
                    value
                }
            };
            if let (Some(path), Some(value)) = (path, &value) {
                self.record(&[path, field.name], value, |c| match written {
                    Some(w) => c.origin_at(w.expr.span, w.layer),
                    None => Origin::Default,
                });
            }
            let span = written.map_or(setting.expr.span, |w| w.expr.span);
            args.values.push(value.map(|v| (v, span)));
        }
        fine.then_some(args)
    }

    /// The function that a setting calls.
    fn called(&mut self, group: Group, setting: &Setting) -> Option<&'static Function> {
        let Some(name) = setting.callee().cloned() else {
            if setting.expr.kind != ExprKind::Missing {
                let known = in_group(group).map(|f| f.name);
                self.report(
                    Diagnostic::error(Code::TYPE, format!("{} is needed here", group.describe()))
                        .at(setting.expr.span, "something else")
                        .maybe_help(names::list(known).map(|l| format!("call one of {l}"))),
                );
            }
            return None;
        };
        let found = function(group, &name.name);
        if found.is_none() {
            let known = in_group(group).map(|f| f.name);
            let place = format!("where {} is needed", group.describe());
            self.unknown_function(&name, known, &place);
        }
        found
    }

    /// Arguments by parameter, overrides winning; whether all were known.
    fn written<'s>(
        &mut self,
        function: &'static Function,
        setting: &'s Setting,
    ) -> (IndexMap<&'static str, Written<'s>>, bool) {
        let mut out: IndexMap<&'static str, Written<'s>> = IndexMap::default();
        let mut fine = true;
        let args: &[Arg] = match &setting.expr.kind {
            ExprKind::Call { args, .. } => args,
            _ => &[],
        };
        let mut position = 0;
        for arg in args {
            let field = match &arg.name {
                Some(name) => self.parameter_named(function, name),
                None => {
                    let field = function.params.get(position);
                    position += 1;
                    if field.is_none() {
                        let takes = match function.params.len() {
                            0 => "takes no arguments".to_owned(),
                            n => format!("takes at most {n} arguments"),
                        };
                        self.error(
                            Code::ARGUMENTS,
                            format!("`{}` {takes}", function.name),
                            arg.value.span,
                            "one too many",
                        );
                    }
                    field
                }
            };
            let Some(field) = field else {
                fine = false;
                continue;
            };
            let value = Written {
                expr: &arg.value,
                layer: &setting.layer,
                setting: None,
            };
            if let Some(first) = out.insert(field.name, value) {
                let first = first.expr.span;
                fine = false;
                self.report(
                    Diagnostic::error(
                        Code::DUPLICATE,
                        format!("the argument `{}` is given twice", field.name),
                    )
                    .at(arg.value.span, "given again")
                    .at(first, "first given here"),
                );
            }
        }
        for (name, value) in &setting.overrides {
            let ident = Ident {
                name: name.clone(),
                span: value.target,
            };
            match self.parameter_named(function, &ident) {
                Some(field) => {
                    let value = Written {
                        expr: &value.expr,
                        layer: &value.layer,
                        setting: Some(value),
                    };
                    out.insert(field.name, value);
                }
                None => fine = false,
            }
        }
        (out, fine)
    }

    fn parameter_named(
        &mut self,
        function: &'static Function,
        name: &Ident,
    ) -> Option<&'static Field> {
        let found = function.params.iter().find(|p| p.name == name.name);
        if found.is_none() {
            let known = function.params.iter().map(|p| p.name);
            self.report(
                Diagnostic::error(
                    Code::UNKNOWN_ARGUMENT,
                    format!("`{}` has no argument `{}`", function.name, name.name),
                )
                .at(name.span, "not known")
                .meant(&name.name, known),
            );
        }
        found
    }

    fn parameter(&mut self, field: &Field, expr: &Expr, scope: Scope) -> Option<Value> {
        if field.want == Want::Ramp {
            let (a, b) = self.ramp(expr, scope)?;
            return Some(Value::Schedule(ScheduleSpec {
                parts: vec![Part {
                    curve: CurveSpec::Linear(a, b),
                    length: None,
                    span: expr.span,
                }],
            }));
        }
        self.eval(expr, &field.want, scope)
    }

    fn missing_argument(&mut self, function: &Function, field: &Field, setting: &Setting) {
        self.report(
            Diagnostic::error(
                Code::MISSING,
                format!("`{}` needs `{}`: {}", function.name, field.name, field.doc),
            )
            .at(setting.expr.span, format!("`{}` is not given", field.name))
            .help(format!(
                "write `{}: ...`, {}",
                field.name,
                field.want.describe()
            )),
        );
    }

    /// One argument of a call, such as `optimizer.lr`.
    pub(super) fn argument(
        &mut self,
        group: Group,
        setting: &Setting,
        name: &str,
        scope: Scope,
        span: Span,
    ) -> Option<Value> {
        let function = self.called(group, setting)?;
        let ident = Ident {
            name: name.to_owned(),
            span,
        };
        let field = self.parameter_named(function, &ident)?;
        let (written, _) = self.written(function, setting);
        match written.get(name) {
            Some(w) => self.parameter(field, w.expr, scope),
            None => {
                let value = fallback(&field.fallback).map(|v| adapt(v, &field.want));
                if value.is_none() {
                    self.missing_argument(function, field, setting);
                }
                value
            }
        }
    }

    /// A norm from a call of its function.
    pub(super) fn norm_of(&mut self, setting: &Setting, scope: Scope) -> Option<Value> {
        let args = self.bind(Group::Norm, setting, None, scope)?;
        let eps = args.float("eps");
        let shift = args.get("shift").map(|_| args.flag("shift"));
        if shift == Some(true) && !args.flag("affine") {
            self.report(
                Diagnostic::error(Code::SHAPE, "a norm without a scale has no shift either")
                    .at(args.span("shift"), "asks for a shift")
                    .at(args.span("affine"), "takes scale and shift away")
                    .help("leave `affine` or `shift` out"),
            );
            return None;
        }
        Some(Value::Norm(Some(match args.function {
            "layer" => Norm::Layer { eps },
            _ => Norm::Batch {
                affine: args.flag("affine"),
                shift: shift.unwrap_or(true),
                eps,
                momentum: args.float("momentum"),
            },
        })))
    }

    /// A norm whose arguments may have been overridden by path.
    fn norm_setting(&mut self, setting: &Setting, scope: Scope) -> Option<Value> {
        match setting.callee() {
            Some(name) if function(Group::Norm, &name.name).is_some() => {
                self.norm_of(setting, scope)
            }
            _ => self.eval(&setting.expr, &Want::Norm, scope),
        }
    }
}

/// A default in the form that the place wants.
fn adapt(value: Value, want: &Want) -> Value {
    match (want, &value) {
        (Want::Schedule(..), v) if v.number().is_some() => Value::Schedule(ScheduleSpec::constant(
            v.number().unwrap_or(0.0),
            Span::default(),
        )),
        (Want::Norm, Value::Symbol(_)) => Value::Norm(None),
        _ => value,
    }
}
