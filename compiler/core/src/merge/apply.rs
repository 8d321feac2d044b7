//! Applies the statements of one pipeline to what it extends.

use std::collections::HashMap;

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_syntax::ast::{
    Block, Expr, ExprKind, Ident, Path, Pipeline, Section, SectionBody, SectionKind, Stmt, StmtKind,
};

use super::{
    Change, Constant, Effective, Entry, Layer, NetBody, NetDef, Setting, Settings, Step, View,
};
use crate::names;

/// Merges pipelines into one, the base first.
pub struct Merger<'a> {
    /// What has been merged so far.
    pub out: Effective,
    /// What was wrong.
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

/// Names set in one block, to find a second setting of the same.
#[derive(Default)]
struct Seen(HashMap<String, Span>);

impl Seen {
    /// Whether the name is new in its block; reports it where it is not.
    fn first(&mut self, name: &str, span: Span, diagnostics: &mut Vec<Diagnostic>) -> bool {
        if let Some(first) = self.0.insert(name.to_owned(), span) {
            diagnostics.push(
                Diagnostic::error(
                    Code::DUPLICATE,
                    format!("`{name}` is set twice in this block"),
                )
                .at(span, "set again here")
                .at(first, "first set here")
                .help("keep one of them"),
            );
            return false;
        }
        true
    }
}

fn dotted(segments: &[Ident]) -> String {
    segments
        .iter()
        .map(|s| s.name.as_str())
        .collect::<Vec<_>>()
        .join(".")
}

impl Merger<'_> {
    /// Applies a pipeline. `over` says that it extends another: then what it
    /// overrides must be there.
    pub fn pipeline(&mut self, pipeline: &Pipeline, over: bool) {
        self.out.name = pipeline.name.clone();
        let layer = Layer::Pipeline(pipeline.name.name.clone());
        let mut seen = Seen::default();
        for stmt in &pipeline.body.stmts {
            self.statement(stmt, &layer, over, &mut seen);
        }
    }

    fn statement(&mut self, stmt: &Stmt, layer: &Layer, over: bool, seen: &mut Seen) {
        match &stmt.kind {
            StmtKind::Param {
                name,
                ty,
                value,
                within,
            } => {
                if seen.first(&name.name, name.span, self.diagnostics) {
                    let docs = stmt.docs.lines.iter().map(|l| l.node.clone()).collect();
                    self.constant(
                        name,
                        Some(ty.clone()),
                        value,
                        within.clone(),
                        docs,
                        true,
                        layer,
                    );
                }
            }
            StmtKind::Let { name, ty, value } => {
                if seen.first(&name.name, name.span, self.diagnostics) {
                    self.constant(name, ty.clone(), value, None, Vec::new(), false, layer);
                }
            }
            StmtKind::Drop { paths } => {
                for path in paths {
                    self.drop_path(path);
                }
            }
            StmtKind::Allow { lints } => self.out.allow.extend(lints.iter().cloned()),
            StmtKind::Section(section) => self.section(section, layer, over, seen),
            StmtKind::Assign { path, value, .. } => {
                if seen.first(&dotted(&path.segments), path.span, self.diagnostics) {
                    let setting = Setting::new(value.clone(), path.span, layer.clone());
                    self.assign(&path.segments, setting);
                }
            }
            StmtKind::Minimize { value } => {
                self.misplaced(stmt.span, value.span, "minimize", "step")
            }
            StmtKind::Track { value, .. } => self.misplaced(stmt.span, value.span, "track", "step"),
            StmtKind::Vary { path, .. } => self.misplaced(stmt.span, path.span, "vary", "a sweep"),
            StmtKind::Entry { value, .. } => self.diagnostics.push(
                Diagnostic::error(Code::SYNTAX, "a call stands on its own in a pipeline")
                    .at(value.span, "belongs into `view`, `monitor` or `eval`")
                    .help("put it into the section that it belongs to"),
            ),
        }
    }

    fn misplaced(&mut self, stmt: Span, _value: Span, what: &str, home: &str) {
        self.diagnostics.push(
            Diagnostic::error(Code::SYNTAX, format!("`{what}` belongs into {home}"))
                .at(stmt, "not allowed here")
                .help(format!("move it into {home}")),
        );
    }

    #[allow(clippy::too_many_arguments)]
    fn constant(
        &mut self,
        name: &Ident,
        ty: Option<ssl_syntax::ast::Ty>,
        value: &Expr,
        within: Option<Expr>,
        docs: Vec<String>,
        open: bool,
        layer: &Layer,
    ) {
        let old = self.out.constants.get(&name.name).map(|c| c.value.clone());
        let value = Setting::new(value.clone(), name.span, layer.clone()).replacing(old);
        self.out.constants.insert(
            name.name.clone(),
            Constant {
                name: name.clone(),
                open,
                ty,
                value,
                within,
                docs,
            },
        );
    }

    fn section(&mut self, section: &Section, layer: &Layer, over: bool, seen: &mut Seen) {
        let keyword = section.kind.keyword();
        let key = section
            .name
            .as_ref()
            .map_or(keyword.to_owned(), |n| n.name.clone());
        let place = section.name.as_ref().map_or(section.keyword, |n| n.span);
        if !seen.first(&key, place, self.diagnostics) {
            return;
        }
        let named = matches!(section.kind, SectionKind::View | SectionKind::Net);
        if named != section.name.is_some() {
            let message = if named {
                format!("this `{keyword}` has no name")
            } else {
                format!("`{keyword}` takes no name")
            };
            let help = if named {
                "write `{k} NAME`"
            } else {
                "write `{k} { ... }`"
            };
            self.diagnostics.push(
                Diagnostic::error(Code::SYNTAX, message)
                    .at(place, "")
                    .help(help.replace("{k}", keyword)),
            );
            return;
        }
        match section.kind {
            SectionKind::Data | SectionKind::Train => self.fields(section, layer),
            SectionKind::View => self.view(section, layer, over),
            SectionKind::Net => self.net(section, layer),
            SectionKind::Step => self.step(section, layer),
            SectionKind::Monitor | SectionKind::Eval => self.entries(section, layer),
        }
    }

    /// The block of a section that must have one.
    fn block<'s>(&mut self, section: &'s Section) -> Option<&'s Block> {
        match &section.body {
            SectionBody::Block(block) => Some(block),
            SectionBody::Value(value) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        Code::SYNTAX,
                        format!("`{}` takes a block", section.kind.keyword()),
                    )
                    .at(value.span, "not a block")
                    .help(format!("write `{} {{ ... }}`", section.kind.keyword())),
                );
                None
            }
        }
    }

    fn stray(&mut self, stmt: &Stmt, section: &str, takes: &str) {
        self.diagnostics.push(
            Diagnostic::error(
                Code::SYNTAX,
                format!("this does not belong into `{section}`"),
            )
            .at(stmt.span, format!("`{section}` takes {takes}")),
        );
    }

    fn fields(&mut self, section: &Section, layer: &Layer) {
        let Some(block) = self.block(section) else {
            return;
        };
        let mut seen = Seen::default();
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Assign { path, value, .. } => {
                    if seen.first(&dotted(&path.segments), path.span, self.diagnostics) {
                        let setting = Setting::new(value.clone(), path.span, layer.clone());
                        let fields = match section.kind {
                            SectionKind::Data => &mut self.out.data,
                            _ => &mut self.out.train,
                        };
                        set_field(fields, &path.segments, setting, self.diagnostics);
                    }
                }
                StmtKind::Drop { paths } => {
                    for path in paths {
                        let head = [keyword_ident(section)];
                        let whole: Vec<Ident> = head
                            .into_iter()
                            .chain(path.segments.iter().cloned())
                            .collect();
                        self.drop_segments(&whole, path.span);
                    }
                }
                _ => self.stray(stmt, section.kind.keyword(), "`name = value`"),
            }
        }
    }

    fn view(&mut self, section: &Section, layer: &Layer, over: bool) {
        let Some(name) = section.name.clone() else {
            return;
        };
        if let Some(count) = &section.count {
            self.diagnostics.push(
                Diagnostic::error(Code::NOT_YET, "several views in one are not supported yet")
                    .at(count.span, "")
                    .help("write the views out one by one"),
            );
        }
        let existing = self.out.views.get(&name.name).cloned().filter(|_| over);
        let mut view = match (&section.extends, &section.body) {
            (Some(base), _) => View {
                name: name.clone(),
                extends: base.segments.last().cloned(),
                changes: Vec::new(),
                entries: Vec::new(),
                broken: false,
            },
            (None, SectionBody::Value(value)) => View {
                name: name.clone(),
                extends: single_name(value),
                changes: Vec::new(),
                entries: Vec::new(),
                broken: false,
            },
            (None, SectionBody::Block(_)) => existing.unwrap_or(View {
                name: name.clone(),
                extends: None,
                changes: Vec::new(),
                entries: Vec::new(),
                broken: false,
            }),
        };
        match &section.body {
            SectionBody::Block(block) => {
                let changes = self.changes(block, layer, "view");
                view.changes.extend(changes);
            }
            SectionBody::Value(value) if view.extends.is_none() => self.diagnostics.push(
                Diagnostic::error(
                    Code::TYPE,
                    "a view is another view or a block of transforms",
                )
                .at(value.span, "neither")
                .help("write `view b = a` or `view b { ... }`"),
            ),
            SectionBody::Value(_) => {}
        }
        self.out.views.insert(name.name.clone(), view);
    }

    /// The changes that a block of entries states.
    fn changes(&mut self, block: &Block, layer: &Layer, section: &str) -> Vec<Change> {
        let mut seen = Seen::default();
        let mut changes = Vec::new();
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Entry {
                    label,
                    value,
                    place,
                } => {
                    let call = Setting::new(value.clone(), value.span, layer.clone());
                    let Some(name) = label.clone().or_else(|| call.callee().cloned()) else {
                        self.stray(stmt, section, "calls such as `knn(...)`");
                        continue;
                    };
                    if seen.first(&name.name, name.span, self.diagnostics) {
                        changes.push(Change::Put {
                            entry: Entry { name, call },
                            place: place.clone(),
                        });
                    } else if let Some(last) = self.diagnostics.last_mut() {
                        last.help = Some(format!(
                            "give one of them a label: `again: {}(...)`",
                            name.name
                        ));
                    }
                }
                StmtKind::Assign { path, value, .. } => {
                    if seen.first(&dotted(&path.segments), path.span, self.diagnostics) {
                        changes.push(Change::Override {
                            path: path.segments.clone(),
                            value: Setting::new(value.clone(), path.span, layer.clone()),
                        });
                    }
                }
                StmtKind::Drop { paths } => {
                    for name in paths.iter().filter_map(|p| p.segments.first()) {
                        changes.push(Change::Drop { name: name.clone() });
                    }
                }
                _ => self.stray(stmt, section, "calls, and `name.argument = value`"),
            }
        }
        changes
    }

    fn entries(&mut self, section: &Section, layer: &Layer) {
        let Some(block) = self.block(section) else {
            return;
        };
        let keyword = section.kind.keyword();
        for change in self.changes(block, layer, keyword) {
            let list = match section.kind {
                SectionKind::Monitor => &mut self.out.monitor,
                _ => &mut self.out.eval,
            };
            change_entries(list, change, keyword, self.diagnostics);
        }
    }

    fn net(&mut self, section: &Section, layer: &Layer) {
        let Some(name) = section.name.clone() else {
            return;
        };
        let body = match &section.body {
            SectionBody::Value(value) => {
                let old = match self.out.nets.get(&name.name).map(|n| &n.body) {
                    Some(NetBody::Value(old)) => Some(old.clone()),
                    _ => None,
                };
                NetBody::Value(Setting::new(value.clone(), name.span, layer.clone()).replacing(old))
            }
            SectionBody::Block(block) => {
                let mut stages = match self.out.nets.get(&name.name).map(|n| &n.body) {
                    Some(NetBody::Stages(stages)) => stages.clone(),
                    _ => Settings::new(),
                };
                let mut seen = Seen::default();
                for stmt in &block.stmts {
                    match &stmt.kind {
                        StmtKind::Assign { path, value, .. } => {
                            if seen.first(&dotted(&path.segments), path.span, self.diagnostics) {
                                let s = Setting::new(value.clone(), path.span, layer.clone());
                                set_field(&mut stages, &path.segments, s, self.diagnostics);
                            }
                        }
                        StmtKind::Drop { paths } => {
                            for path in paths {
                                if !remove(&mut stages, &path.segments) {
                                    self.nothing_to_drop(&path.segments, path.span, &stages);
                                }
                            }
                        }
                        _ => self.stray(stmt, "net", "`stage = module`"),
                    }
                }
                NetBody::Stages(stages)
            }
        };
        self.out
            .nets
            .insert(name.name.clone(), NetDef { name, body });
    }

    fn step(&mut self, section: &Section, layer: &Layer) {
        let Some(block) = self.block(section) else {
            return;
        };
        let mut step = self.out.step.take().unwrap_or_default();
        step.span = section.keyword;
        if let Some(params) = &section.params {
            step.params.clone_from(params);
        }
        let mut seen = Seen::default();
        let mut losses = Seen::default();
        for stmt in &block.stmts {
            self.step_statement(stmt, layer, &mut step, &mut seen, &mut losses);
        }
        self.out.step = Some(step);
    }

    fn step_statement(
        &mut self,
        stmt: &Stmt,
        layer: &Layer,
        step: &mut Step,
        seen: &mut Seen,
        losses: &mut Seen,
    ) {
        match &stmt.kind {
            StmtKind::Let { name, value, .. } => {
                if seen.first(&name.name, name.span, self.diagnostics) {
                    put(&mut step.bindings, &name.name, value, name.span, layer);
                }
            }
            StmtKind::Assign { path, value, .. } => match path.segments.as_slice() {
                [name] => {
                    if seen.first(&name.name, name.span, self.diagnostics) {
                        put(&mut step.bindings, &name.name, value, name.span, layer);
                    }
                }
                _ => self.stray(stmt, "step", "plain names on the left of `=`"),
            },
            StmtKind::Track { name, value } => {
                if seen.first(&name.name, name.span, self.diagnostics) {
                    put(&mut step.tracks, &name.name, value, name.span, layer);
                }
            }
            StmtKind::Minimize { value } => {
                if losses.first("minimize", stmt.span, self.diagnostics) {
                    step.minimize = Some(
                        Setting::new(value.clone(), stmt.span, layer.clone())
                            .replacing(step.minimize.take()),
                    );
                } else if let Some(last) = self.diagnostics.last_mut() {
                    last.help = Some("add the losses up in one `minimize`".into());
                }
            }
            StmtKind::Drop { paths } => {
                for path in paths {
                    let gone = path.segments.first().is_some_and(|n| {
                        step.bindings.shift_remove(&n.name).is_some()
                            || step.tracks.shift_remove(&n.name).is_some()
                    });
                    if !gone {
                        self.nothing_to_drop(&path.segments, path.span, &step.bindings);
                    }
                }
            }
            _ => self.stray(stmt, "step", "`name = value`, `minimize` and `track`"),
        }
    }

    fn nothing_to_drop(&mut self, segments: &[Ident], span: Span, there: &Settings) {
        let name = dotted(segments);
        self.diagnostics.push(
            Diagnostic::error(
                Code::OVERRIDE_NOTHING,
                format!("there is no `{name}` to drop"),
            )
            .at(span, "nothing of this name is inherited")
            .maybe_help(names::suggestion(&name, there.keys().map(String::as_str))),
        );
    }

    fn drop_path(&mut self, path: &Path) {
        self.drop_segments(&path.segments, path.span);
    }

    fn drop_segments(&mut self, segments: &[Ident], span: Span) {
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
                .maybe_help(names::suggestion(&name, known.iter().map(String::as_str))),
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
                    let old = step.bindings.get(&name.name).cloned();
                    step.bindings
                        .insert(name.name.clone(), setting.replacing(old));
                }
            }
            (name, []) if out.out.constants.contains_key(name) => {
                let Some(constant) = out.out.constants.get_mut(name) else {
                    return;
                };
                if constant.open {
                    let old = constant.value.clone();
                    constant.value = setting.replacing(Some(old));
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
                    .maybe_help(names::suggestion(
                        &head.name,
                        known.iter().map(String::as_str),
                    )),
                );
            }
        }
    }

    fn assign_net(&mut self, name: &str, rest: &[Ident], setting: Setting) {
        let Some(net) = self.out.nets.get_mut(name) else {
            return;
        };
        match (&mut net.body, rest) {
            (NetBody::Value(old), []) => {
                let previous = old.clone();
                *old = setting.replacing(Some(previous));
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
                    .maybe_help(names::suggestion(wanted, stages.keys().map(String::as_str))),
                );
            }
        }
    }
}

fn keyword_ident(section: &Section) -> Ident {
    Ident {
        name: section.kind.keyword().into(),
        span: section.keyword,
    }
}

/// The name in `view b = a`.
fn single_name(value: &Expr) -> Option<Ident> {
    match &value.kind {
        ExprKind::Path(p) if p.segments.len() == 1 => p.segments.first().cloned(),
        _ => None,
    }
}

fn put(settings: &mut Settings, name: &str, value: &Expr, target: Span, layer: &Layer) {
    let old = settings.get(name).cloned();
    let setting = Setting::new(value.clone(), target, layer.clone()).replacing(old);
    settings.insert(name.to_owned(), setting);
}

fn remove(settings: &mut Settings, segments: &[Ident]) -> bool {
    match segments {
        [one] => settings.shift_remove(&one.name).is_some(),
        _ => false,
    }
}

fn remove_entry(list: &mut Vec<Entry>, name: &Ident) -> bool {
    let before = list.len();
    list.retain(|e| e.name.name != name.name);
    list.len() < before
}

/// `field = value`, or `field.argument = value` where the field is a call.
fn set_field(
    fields: &mut Settings,
    segments: &[Ident],
    setting: Setting,
    diagnostics: &mut Vec<Diagnostic>,
) {
    match segments {
        [name] => {
            let old = fields.get(&name.name).cloned();
            fields.insert(name.name.clone(), setting.replacing(old));
        }
        [name, rest @ ..] => match fields.get_mut(&name.name) {
            Some(field) => set_argument(field, rest, setting, diagnostics),
            None => diagnostics.push(
                Diagnostic::error(
                    Code::OVERRIDE_NOTHING,
                    format!("there is no `{}` whose argument could be set", name.name),
                )
                .at(setting.target, "set here")
                .maybe_help(names::suggestion(
                    &name.name,
                    fields.keys().map(String::as_str),
                )),
            ),
        },
        [] => {}
    }
}

/// Sets an argument of a call by its path.
fn set_argument(
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
        let old = of
            .overrides
            .get(&name.name)
            .cloned()
            .or_else(|| named_argument(of, &name.name));
        of.overrides
            .insert(name.name.clone(), setting.replacing(old));
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

fn named_argument(of: &Setting, name: &str) -> Option<Setting> {
    let ExprKind::Call { args, .. } = &of.expr.kind else {
        return None;
    };
    let arg = args
        .iter()
        .find(|a| a.name.as_ref().is_some_and(|n| n.name == name))?;
    let target = arg.name.as_ref().map_or(arg.value.span, |n| n.span);
    Some(Setting::new(arg.value.clone(), target, of.layer.clone()))
}

/// Applies one change to a list of entries.
pub fn change_entries(
    entries: &mut Vec<Entry>,
    change: Change,
    section: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let position = |entries: &[Entry], name: &str| entries.iter().position(|e| e.name.name == name);
    let unknown = |entries: &[Entry], name: &Ident, why: &str| {
        Diagnostic::error(
            Code::OVERRIDE_NOTHING,
            format!("this `{section}` has no `{}` {why}", name.name),
        )
        .at(name.span, "not there")
        .maybe_help(names::suggestion(
            &name.name,
            entries.iter().map(|e| e.name.name.as_str()),
        ))
    };
    match change {
        Change::Put { mut entry, place } => {
            if let Some(at) = position(entries, &entry.name.name) {
                let old = entries.remove(at);
                entry.call = entry.call.replacing(Some(old.call));
                if place.is_none() {
                    entries.insert(at, entry);
                    return;
                }
            }
            let at = match &place {
                None => entries.len(),
                Some(p) => match position(entries, &p.anchor.name) {
                    Some(i) => i + usize::from(p.after),
                    None => {
                        diagnostics.push(unknown(entries, &p.anchor, "to stand next to"));
                        entries.len()
                    }
                },
            };
            entries.insert(at, entry);
        }
        Change::Override { path, value } => {
            let [name, rest @ ..] = path.as_slice() else {
                return;
            };
            match entries.iter_mut().find(|e| e.name.name == name.name) {
                Some(entry) if !rest.is_empty() => {
                    set_argument(&mut entry.call, rest, value, diagnostics);
                }
                Some(_) => diagnostics.push(
                    Diagnostic::error(
                        Code::SYNTAX,
                        format!("`{}` cannot be assigned as a whole here", name.name),
                    )
                    .at(name.span, "")
                    .help(format!(
                        "write `{}(...)`, or `{0}.ARGUMENT = ...`",
                        name.name
                    )),
                ),
                None => diagnostics.push(unknown(entries, name, "to set")),
            }
        }
        Change::Drop { name } => {
            if !remove_entry(entries, &name) {
                diagnostics.push(unknown(entries, &name, "to drop"));
            }
        }
    }
}
