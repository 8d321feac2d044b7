//! What the sections of a pipeline do to what it extends.

use ssl_diagnostics::{Code, Diagnostic};
use ssl_syntax::ast::{
    Block, Expr, ExprKind, Ident, Section, SectionBody, SectionKind, Stmt, StmtKind,
};

use super::apply::{Merger, Seen};
use super::assign::{dotted, put, remove, set_field};
use super::entries::change_entries;
use super::{Change, Entry, Layer, NetBody, NetDef, Setting, Settings, Step, View};

impl Merger<'_> {
    pub(super) fn fields(&mut self, section: &Section, layer: &Layer) {
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

    pub(super) fn view(&mut self, section: &Section, layer: &Layer, over: bool) {
        let Some(name) = section.name.clone() else {
            return;
        };
        let existing = self.out.views.get(&name.name).cloned().filter(|_| over);
        let mut view = match (&section.extends, &section.body) {
            (Some(base), _) => View {
                name: name.clone(),
                count: None,
                extends: base.segments.last().cloned(),
                changes: Vec::new(),
                entries: Vec::new(),
                broken: false,
            },
            (None, SectionBody::Value(value)) => View {
                name: name.clone(),
                count: None,
                extends: single_name(value),
                changes: Vec::new(),
                entries: Vec::new(),
                broken: false,
            },
            (None, SectionBody::Block(_)) => existing.unwrap_or(View {
                name: name.clone(),
                count: None,
                extends: None,
                changes: Vec::new(),
                entries: Vec::new(),
                broken: false,
            }),
        };
        if section.count.is_some() {
            view.count.clone_from(&section.count);
        }
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
    pub(super) fn changes(&mut self, block: &Block, layer: &Layer, section: &str) -> Vec<Change> {
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

    pub(super) fn entries(&mut self, section: &Section, layer: &Layer) {
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

    pub(super) fn net(&mut self, section: &Section, layer: &Layer) {
        let Some(name) = section.name.clone() else {
            return;
        };
        let body = match &section.body {
            SectionBody::Value(value) => {
                NetBody::Value(Setting::new(value.clone(), name.span, layer.clone()))
            }
            SectionBody::Block(block) => {
                let mut stages = match self.out.nets.get(&name.name).map(|n| &n.body) {
                    Some(NetBody::Stages(stages)) => stages.clone(),
                    _ => Settings::default(),
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

    pub(super) fn step(&mut self, section: &Section, layer: &Layer) {
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

    pub(super) fn step_statement(
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
                    step.minimize = Some(Setting::new(value.clone(), stmt.span, layer.clone()));
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
}

/// The name in `view b = a`.
fn single_name(value: &Expr) -> Option<Ident> {
    match &value.kind {
        ExprKind::Path(p) if p.segments.len() == 1 => p.segments.first().cloned(),
        _ => None,
    }
}

fn keyword_ident(section: &Section) -> Ident {
    Ident {
        name: section.kind.keyword().into(),
        span: section.keyword,
    }
}
