//! Bare names whose meaning depends on the place: variants, views, nets,
//! parameter classes, norms; and what is said of a name that means nothing.

use ssl_diagnostics::{Code, Diagnostic, Fix};
use ssl_syntax::ast::{Expr, ExprKind, Ident, Path, SectionKind};

use super::Checker;
use super::eval::Scope;
use crate::merge::{NetBody, Setting};
use crate::names::{self, Meant};
use crate::schema::{Want, fields_of, function, functions};
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn choice(
        &mut self,
        path: &Path,
        choices: &[&'static str],
        scope: Scope,
    ) -> Option<Value> {
        if let [name] = path.segments.as_slice() {
            if choices.contains(&name.name.as_str()) {
                return Some(Value::Symbol(name.name.clone()));
            }
            if self.source.effective.constants.contains_key(&name.name) {
                let value = self.lookup(path, scope)?;
                return self.coerce(value, &Want::Text, path.span);
            }
        }
        let text = self.source.map.text(path.span).to_owned();
        self.report(
            Diagnostic::error(
                Code::UNKNOWN_VARIANT,
                format!("`{text}` is not one of the choices"),
            )
            .at(path.span, "not a choice here")
            .meant(&text, choices.iter().copied()),
        );
        None
    }

    pub(super) fn view_name(&mut self, path: &Path) -> Option<Value> {
        let views = &self.source.effective.views;
        match path.segments.as_slice() {
            [name] if views.contains_key(&name.name) => Some(Value::Symbol(name.name.clone())),
            _ => {
                let text = self.source.map.text(path.span).to_owned();
                self.report(
                    Diagnostic::error(Code::UNKNOWN_NAME, format!("there is no view `{text}`"))
                        .at(path.span, "not a view")
                        .meant(&text, views.keys().map(String::as_str)),
                );
                None
            }
        }
    }

    /// The names of a net's stages; an average has those of what it averages.
    pub(super) fn stage_names(&self, net: &str) -> Vec<&str> {
        let nets = &self.source.effective.nets;
        let stages = |net: &str| match nets.get(net).map(|n| &n.body) {
            Some(NetBody::Stages(s)) => s.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let Some(NetBody::Value(setting)) = nets.get(net).map(|n| &n.body) else {
            return stages(net);
        };
        let ExprKind::Call { args, .. } = &setting.expr.kind else {
            return Vec::new();
        };
        let of = args.iter().find(|a| match &a.name {
            Some(name) => name.name == "of",
            None => true,
        });
        match of.map(|a| &a.value.kind) {
            Some(ExprKind::Path(path)) => match path.segments.as_slice() {
                [of] => stages(&of.name),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    pub(super) fn feature(&mut self, path: &Path, want: &Want) -> Option<Value> {
        let nets = &self.source.effective.nets;
        let (head, rest) = path.segments.split_first()?;
        if !nets.contains_key(&head.name) {
            self.report(
                Diagnostic::error(
                    Code::UNKNOWN_NAME,
                    format!("there is no net `{}`", head.name),
                )
                .at(head.span, "not a net")
                .meant(&head.name, nets.keys().map(String::as_str)),
            );
            return None;
        }
        let stages = self.stage_names(&head.name);
        match rest {
            [] => Some(Value::Feature(head.name.clone(), None)),
            [stage] if *want == Want::Feature && stages.contains(&stage.name.as_str()) => {
                Some(Value::Feature(head.name.clone(), Some(stage.name.clone())))
            }
            [extra, ..] => {
                self.report(
                    Diagnostic::error(
                        Code::UNKNOWN_NAME,
                        format!("the net `{}` has no stage `{}`", head.name, extra.name),
                    )
                    .at(extra.span, "not a stage")
                    .meant(&extra.name, stages),
                );
                None
            }
        }
    }

    pub(super) fn classes(&mut self, items: &[Expr]) -> Option<Value> {
        const CLASSES: [&str; 4] = ["bias", "norm", "position", "token"];
        let mut out = Vec::new();
        for item in items {
            let ExprKind::Path(path) = &item.kind else {
                self.error(
                    Code::TYPE,
                    "this is not a class of parameters",
                    item.span,
                    "",
                );
                return None;
            };
            out.push(self.choice(path, &CLASSES, Scope::Top)?);
        }
        Some(Value::List(out))
    }

    /// Nets, stages or parameters, as texts. Whether parameters are known is
    /// asked once the nets are ([`Checker::freeze`]).
    pub(super) fn paths(&mut self, expr: &Expr) -> Option<Value> {
        let items = match &expr.kind {
            ExprKind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(expr),
        };
        let mut out = Vec::new();
        for item in items {
            let path = match &item.kind {
                ExprKind::Path(path) => {
                    let names: Vec<&str> = path.segments.iter().map(|s| &*s.name).collect();
                    names.join(".")
                }
                ExprKind::Text(text) => text.clone(),
                _ => {
                    self.error(Code::TYPE, "this is no path", item.span, "not a name");
                    return None;
                }
            };
            self.paths.insert(path.clone(), item.span);
            out.push(Value::Text(path));
        }
        Some(Value::List(out))
    }

    /// A list of nets, as bare names.
    pub(super) fn net_names(&mut self, items: &[Expr]) -> Option<Value> {
        let mut out = Vec::new();
        for item in items {
            let ExprKind::Path(path) = &item.kind else {
                self.error(Code::TYPE, "this is not a net", item.span, "");
                return None;
            };
            match self.feature(path, &Want::Net)? {
                Value::Feature(net, _) => out.push(Value::Symbol(net)),
                _ => return None,
            }
        }
        Some(Value::List(out))
    }

    pub(super) fn norm(&mut self, expr: &Expr, scope: Scope) -> Option<Value> {
        if let ExprKind::Path(path) = &expr.kind {
            match path.segments.as_slice() {
                [n] if n.name == "none" => return Some(Value::Norm(None)),
                [n] if n.name == "batch" || n.name == "layer" => {}
                _ => return self.choice(path, &["none", "batch", "layer"], scope),
            }
        }
        let layer = crate::merge::Layer::Pipeline(self.source.effective.name.name.as_str().into());
        let setting = Setting::new(expr.clone(), expr.span, layer);
        self.norm_of(&setting, scope)
    }

    /// Reports a function that a place does not know.
    pub(super) fn unknown_function<'n>(
        &mut self,
        name: &Ident,
        fitting: impl Iterator<Item = &'n str> + Clone,
        place: &str,
    ) {
        let elsewhere = functions().iter().find(|f| f.name == name.name);
        let message = match elsewhere {
            Some(f) => format!(
                "`{}` is {}, which does not fit {place}",
                name.name,
                f.group.describe()
            ),
            None => format!("there is no function `{}`", name.name),
        };
        let near = names::nearest(&name.name, fitting.clone())
            .and_then(|n| functions().iter().find(|f| f.name == n));
        let described = near.map(|f| format!("did you mean `{}`: {}?", f.name, f.doc));
        self.report(
            Diagnostic::error(Code::UNKNOWN_FUNCTION, message)
                .at(
                    name.span,
                    if elsewhere.is_some() {
                        "does not fit"
                    } else {
                        "not known"
                    },
                )
                .meant(&name.name, fitting)
                .maybe_help(described),
        );
    }

    pub(super) fn unknown_name(&mut self, path: &Path, scope: Scope) {
        let text: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
        let text = text.join(".");
        let mut known: Vec<String> = self.source.effective.constants.keys().cloned().collect();
        for kind in [SectionKind::Data, SectionKind::Train] {
            for f in fields_of(kind) {
                known.push(format!("{}.{}", kind.keyword(), f.name));
                if scope == Scope::Section(kind) {
                    known.push(f.name.to_owned());
                }
            }
        }
        let unknown = Diagnostic::error(
            Code::UNKNOWN_NAME,
            format!("`{text}` stands for nothing here"),
        )
        .at(path.span, "not a constant, not a field");
        self.report(match self.argument_named(&text, scope) {
            Some(full) => unknown
                .help(format!("did you mean `{full}`?"))
                .maybe_fix(Some(Fix::maybe(format!("write `{full}`"), path.span, full))),
            None => unknown
                .maybe_help(
                    Some(format!("define it: `param {text}: Float = ...`"))
                        .filter(|_| !text.contains('.')),
                )
                .near(&text, known.iter().map(String::as_str)),
        });
    }

    /// The path of an argument that a setting has been given by this name, as
    /// it is written in a scope: `lr` is `optimizer.lr`.
    fn argument_named(&self, name: &str, scope: Scope) -> Option<String> {
        let effective = self.source.effective;
        let sections = [
            (SectionKind::Data, &effective.data),
            (SectionKind::Train, &effective.train),
        ];
        for (kind, settings) in sections {
            for field in fields_of(kind) {
                let (Want::Call(group), Some(setting)) = (field.want, settings.get(field.name))
                else {
                    continue;
                };
                let called = match &setting.expr.kind {
                    ExprKind::Call { callee, .. } => callee.segments.last(),
                    _ => continue,
                };
                let called = called.and_then(|called| function(group, &called.name));
                if called.is_some_and(|called| called.params.iter().any(|p| p.name == name)) {
                    return Some(match scope == Scope::Section(kind) {
                        true => format!("{}.{name}", field.name),
                        false => format!("{}.{}.{name}", kind.keyword(), field.name),
                    });
                }
            }
        }
        None
    }
}
