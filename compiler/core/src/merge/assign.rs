//! Assignments and drops by path.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_syntax::ast::{Expr, ExprKind, Ident, Path};

use super::apply::Merger;
use super::entries::{change_entries, remove_entry};
use super::{Change, Layer, NetBody, Setting, Settings};
use crate::names::Meant;

impl Merger<'_> {
    pub(super) fn nothing_to_drop(&mut self, segments: &[Ident], span: Span, there: &Settings) {
        let name = dotted(segments);
        self.diagnostics.push(
            Diagnostic::error(
                Code::OVERRIDE_NOTHING,
                format!("there is no `{name}` to drop"),
            )
            .at(span, "nothing of this name is inherited")
            .meant(&name, there.keys().map(String::as_str)),
        );
    }

    pub(super) fn drop_path(&mut self, path: &Path) {
        self.drop_segments(&path.segments, path.span);
    }

    pub(super) fn drop_segments(&mut self, segments: &[Ident], span: Span) {
        let out = &mut self.out;
        let gone = match segments {
            [one] => {
                let n = one.name.as_str();
                out.nets.shift_remove(n).is_some()
                    || out.views.shift_remove(n).is_some()
                    || out.constants.shift_remove(n).is_some()
                    || match n {
                        "monitor" => !std::mem::take(&mut out.monitor).is_empty(),
                        "eval" => !std::mem::take(&mut out.eval).is_empty(),
                        _ => false,
                    }
            }
            [head, rest @ ..] => match (head.name.as_str(), rest) {
                ("data", rest) => remove(&mut out.data, rest),
                ("train", rest) => remove(&mut out.train, rest),
                ("monitor", [n]) => remove_entry(&mut out.monitor, n),
                ("eval", [n]) => remove_entry(&mut out.eval, n),
                ("step", [n]) => out.step.as_mut().is_some_and(|s| {
                    s.bindings.shift_remove(&n.name).is_some()
                        || s.tracks.shift_remove(&n.name).is_some()
                }),
                (net, rest) if out.nets.contains_key(net) => {
                    match out.nets.get_mut(net).map(|n| &mut n.body) {
                        Some(NetBody::Stages(stages)) => remove(stages, rest),
                        _ => false,
                    }
                }
                (view, [n]) => match out.views.get_mut(view) {
                    Some(v) => {
                        v.changes.push(Change::Drop { name: n.clone() });
                        true
                    }
                    None => false,
                },
                _ => false,
            },
            [] => false,
        };
        if !gone {
            let name = dotted(segments);
            let known: Vec<String> = self.members();
            self.diagnostics.push(
                Diagnostic::error(
                    Code::OVERRIDE_NOTHING,
                    format!("there is no `{name}` to drop"),
                )
                .at(span, "nothing of this name is inherited")
                .meant(&name, known.iter().map(String::as_str)),
            );
        }
    }

    /// Names at the top of the merged pipeline.
    pub fn members(&self) -> Vec<String> {
        let out = &self.out;
        out.nets
            .keys()
            .chain(out.views.keys())
            .chain(out.constants.keys())
            .cloned()
            .chain(["data", "train", "monitor", "eval", "step"].map(String::from))
            .collect()
    }

    /// `a.b.c = value` at the top of a pipeline or from `--set`.
    pub fn assign(&mut self, segments: &[Ident], setting: Setting) {
        let span = setting.target;
        let [head, rest @ ..] = segments else { return };
        let out = &mut *self;
        match (head.name.as_str(), rest) {
            ("data", [_, ..]) => set_field(&mut out.out.data, rest, setting, out.diagnostics),
            ("train", [_, ..]) => set_field(&mut out.out.train, rest, setting, out.diagnostics),
            ("monitor" | "eval", [_, _, ..]) => {
                let list = match head.name.as_str() {
                    "monitor" => &mut out.out.monitor,
                    _ => &mut out.out.eval,
                };
                let change = Change::Override {
                    path: rest.to_vec(),
                    value: setting,
                };
                change_entries(list, change, &head.name, out.diagnostics);
            }
            ("step", [name]) if out.out.step.is_some() => {
                if let Some(step) = &mut out.out.step {
                    step.bindings.insert(name.name.clone(), setting);
                }
            }
            (name, []) if out.out.constants.contains_key(name) => {
                let Some(constant) = out.out.constants.get_mut(name) else {
                    return;
                };
                if constant.open {
                    constant.value = setting;
                } else {
                    let at = constant.name.span;
                    out.diagnostics.push(
                        Diagnostic::error(
                            Code::OVERRIDE_NOTHING,
                            format!("`{name}` is a `let` and cannot be overridden"),
                        )
                        .at(span, "set here")
                        .at(at, "defined here")
                        .help(format!("define it as `param {name}: TYPE = ...`")),
                    );
                }
            }
            (name, _) if out.out.nets.contains_key(name) => out.assign_net(name, rest, setting),
            (name, [_, _, ..]) if out.out.views.contains_key(name) => {
                if let Some(view) = out.out.views.get_mut(name) {
                    view.changes.push(Change::Override {
                        path: rest.to_vec(),
                        value: setting,
                    });
                }
            }
            _ => {
                let known = out.members();
                out.diagnostics.push(
                    Diagnostic::error(
                        Code::OVERRIDE_NOTHING,
                        format!("there is no `{}` to set", dotted(segments)),
                    )
                    .at(span, "nothing of this name is there")
                    .meant(&head.name, known.iter().map(String::as_str)),
                );
            }
        }
    }

    pub(super) fn assign_net(&mut self, name: &str, rest: &[Ident], setting: Setting) {
        let Some(net) = self.out.nets.get_mut(name) else {
            return;
        };
        match (&mut net.body, rest) {
            (NetBody::Value(old), []) => {
                *old = setting;
            }
            (NetBody::Value(old), rest) => set_argument(old, rest, setting, self.diagnostics),
            (NetBody::Stages(stages), [stage, ..]) if stages.contains_key(&stage.name) => {
                set_field(stages, rest, setting, self.diagnostics);
            }
            (NetBody::Stages(stages), _) => {
                let wanted = rest.first().map_or("", |s| s.name.as_str());
                self.diagnostics.push(
                    Diagnostic::error(
                        Code::OVERRIDE_NOTHING,
                        format!("the net `{name}` has no stage `{wanted}`"),
                    )
                    .at(setting.target, "set here")
                    .meant(wanted, stages.keys().map(String::as_str)),
                );
            }
        }
    }
}

pub(super) fn dotted(segments: &[Ident]) -> String {
    segments
        .iter()
        .map(|s| s.name.as_str())
        .collect::<Vec<_>>()
        .join(".")
}

/// `field = value`, or `field.argument = value` where the field is a call.
pub(super) fn set_field(
    fields: &mut Settings,
    segments: &[Ident],
    setting: Setting,
    diagnostics: &mut Vec<Diagnostic>,
) {
    match segments {
        [name] => {
            // The length of a run is stated in one unit; a later layer's wins.
            let rival = match name.name.as_str() {
                "steps" => "epochs",
                "epochs" => "steps",
                _ => "",
            };
            if fields.get(rival).is_some_and(|r| r.layer != setting.layer) {
                fields.shift_remove(rival);
            }
            fields.insert(name.name.clone(), setting);
        }
        [name, rest @ ..] => match fields.get_mut(&name.name) {
            Some(field) => set_argument(field, rest, setting, diagnostics),
            None => diagnostics.push(
                Diagnostic::error(
                    Code::OVERRIDE_NOTHING,
                    format!("there is no `{}` whose argument could be set", name.name),
                )
                .at(setting.target, "set here")
                .meant(&name.name, fields.keys().map(String::as_str)),
            ),
        },
        [] => {}
    }
}

/// Sets an argument of a call by its path.
pub(super) fn set_argument(
    of: &mut Setting,
    segments: &[Ident],
    setting: Setting,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let [name, rest @ ..] = segments else { return };
    if of.callee().is_none() {
        diagnostics.push(
            Diagnostic::error(
                Code::OVERRIDE_NOTHING,
                format!("there is no argument `{}` to set", name.name),
            )
            .at(setting.target, "set here")
            .at(of.expr.span, "this value is not a call"),
        );
        return;
    }
    if rest.is_empty() {
        of.overrides.insert(name.name.clone(), setting);
        return;
    }
    if !of.overrides.contains_key(&name.name) {
        match named_argument(of, &name.name) {
            Some(inner) => {
                of.overrides.insert(name.name.clone(), inner);
            }
            None => {
                diagnostics.push(
                    Diagnostic::error(
                        Code::OVERRIDE_NOTHING,
                        format!(
                            "there is no argument `{}` whose argument could be set",
                            name.name
                        ),
                    )
                    .at(setting.target, "set here")
                    .at(of.expr.span, "this call does not name it"),
                );
                return;
            }
        }
    }
    if let Some(inner) = of.overrides.get_mut(&name.name) {
        set_argument(inner, rest, setting, diagnostics);
    }
}

pub(super) fn named_argument(of: &Setting, name: &str) -> Option<Setting> {
    let ExprKind::Call { args, .. } = &of.expr.kind else {
        return None;
    };
    let arg = args
        .iter()
        .find(|a| a.name.as_ref().is_some_and(|n| n.name == name))?;
    let target = arg.name.as_ref().map_or(arg.value.span, |n| n.span);
    Some(Setting::new(arg.value.clone(), target, of.layer.clone()))
}

pub(super) fn remove(settings: &mut Settings, segments: &[Ident]) -> bool {
    match segments {
        [one] => settings.shift_remove(&one.name).is_some(),
        _ => false,
    }
}

pub(super) fn put(settings: &mut Settings, name: &str, value: &Expr, target: Span, layer: &Layer) {
    let setting = Setting::new(value.clone(), target, layer.clone());
    settings.insert(name.to_owned(), setting);
}
