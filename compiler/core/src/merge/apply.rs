//! Applies the statements of one pipeline to what it extends.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_syntax::ast::{
    Block, Expr, Ident, Pipeline, Section, SectionBody, SectionKind, Stmt, StmtKind,
};

use super::assign::dotted;
use super::{Constant, Effective, Layer, Setting, history};
use crate::table::HashMap;

/// Merges pipelines into one, the base first.
pub struct Merger<'a> {
    /// What has been merged so far.
    pub out: Effective,
    /// What was wrong.
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

/// Names set in one block, to find a second setting of the same.
#[derive(Default)]
pub(super) struct Seen(HashMap<String, Span>);

impl Seen {
    /// Whether the name is new in its block; reports it where it is not.
    pub(super) fn first(
        &mut self,
        name: &str,
        span: Span,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> bool {
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

impl Merger<'_> {
    /// Applies a pipeline. `over` says that it extends another: then what it
    /// overrides must be there.
    pub fn pipeline(&mut self, pipeline: &Pipeline, over: bool) {
        self.out.name = pipeline.name.clone();
        self.out.own_allow.clear();
        self.out.docs.record(pipeline);
        let layer = Layer::Pipeline(pipeline.name.name.as_str().into());
        let mut seen = Seen::default();
        for stmt in &pipeline.body.stmts {
            history::record(&mut self.out, stmt, &layer, over);
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
            StmtKind::Allow { lints } => {
                self.out.allow.extend(lints.iter().cloned());
                self.out.own_allow.extend(lints.iter().cloned());
            }
            StmtKind::Section(section) => self.section(section, layer, over, seen),
            StmtKind::Assign { path, value, .. } => {
                if seen.first(&dotted(&path.segments), path.span, self.diagnostics) {
                    let setting = Setting::new(value.clone(), path.span, layer.clone());
                    self.assign(&path.segments, setting);
                }
            }
            StmtKind::Minimize { .. } => self.misplaced(stmt.span, "minimize", "step"),
            StmtKind::Track { .. } => self.misplaced(stmt.span, "track", "step"),
            StmtKind::Vary { .. } => self.misplaced(stmt.span, "vary", "a sweep"),
            StmtKind::Entry { value, .. } => self.diagnostics.push(
                Diagnostic::error(Code::SYNTAX, "a call stands on its own in a pipeline")
                    .at(value.span, "belongs into `view`, `monitor` or `eval`")
                    .help("put it into the section that it belongs to"),
            ),
        }
    }

    fn misplaced(&mut self, stmt: Span, what: &str, home: &str) {
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
        let value = Setting::new(value.clone(), name.span, layer.clone());
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
    pub(super) fn block<'s>(&mut self, section: &'s Section) -> Option<&'s Block> {
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

    pub(super) fn stray(&mut self, stmt: &Stmt, section: &str, takes: &str) {
        self.diagnostics.push(
            Diagnostic::error(
                Code::SYNTAX,
                format!("this does not belong into `{section}`"),
            )
            .at(stmt.span, format!("`{section}` takes {takes}")),
        );
    }
}
