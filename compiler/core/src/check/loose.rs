//! What is of no use: constants that nothing reads, views that the step takes
//! and does not look at.

use ssl_diagnostics::{Diagnostic, Fix, Lint, Severity, Span, whole_lines};
use ssl_plan::{Graph, Op, View};

use super::Checker;
use super::graph::members;
use crate::merge::Layer;
use crate::table::{HashSet, IndexMap};

impl Checker<'_> {
    /// Constants of the pipeline itself, or set from outside, that nothing
    /// reads. What is inherited may serve others that extend its base.
    pub(super) fn unread_constants(&mut self) {
        // What is wrong may have hidden a reader.
        if self
            .diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
        {
            return;
        }
        let effective = self.source.effective;
        for (name, constant) in &effective.constants {
            if self.read.contains(name) {
                continue;
            }
            let own = effective.name.name.as_str();
            let set = constant.value.target;
            let found = match &constant.value.layer {
                Layer::Set(_) => Diagnostic::lint(
                    Lint::UNUSED_PARAM,
                    format!("nothing reads the parameter `{name}`"),
                )
                .at(set, "set without effect")
                .at(constant.name.span, "declared here")
                .help("use it in the pipeline, or do not set it"),
                Layer::Pipeline(layer) if **layer == *own && set != constant.name.span => {
                    Diagnostic::lint(
                        Lint::UNUSED_PARAM,
                        format!("nothing reads the parameter `{name}`"),
                    )
                    .at(set, "overridden without effect")
                    .at(constant.name.span, "declared here")
                    .help(format!("remove this line, or `drop {name}`"))
                }
                Layer::Pipeline(layer) if **layer == *own => {
                    let what = if constant.open {
                        "parameter"
                    } else {
                        "constant"
                    };
                    let end = constant
                        .within
                        .as_ref()
                        .unwrap_or(&constant.value.expr)
                        .span;
                    Diagnostic::lint(
                        Lint::UNUSED_PARAM,
                        format!("nothing reads the {what} `{name}`"),
                    )
                    .at(set, "without effect")
                    .help("use it, or remove it")
                    .maybe_fix(self.removal(set, end))
                }
                Layer::Pipeline(_) => continue,
            };
            self.report(found);
        }
    }

    /// Views that the step takes and neither the loss nor a track looks at.
    pub(super) fn unread_views(&mut self, graph: &Graph, views: &IndexMap<String, View>) {
        let Some(step) = &self.source.effective.step else {
            return;
        };
        let read: HashSet<&str> = graph
            .nodes
            .iter()
            .filter_map(|n| match &n.op {
                Op::View { view } => Some(view.as_str()),
                _ => None,
            })
            .collect();
        for (i, param) in step.params.iter().enumerate() {
            let mut names = members(views, &param.name).into_iter();
            if names.any(|n| read.contains(n.as_str())) {
                continue;
            }
            let name = &param.name;
            // With the comma before it, or behind the first.
            let neighbour = match i.checked_sub(1) {
                Some(before) => step
                    .params
                    .get(before)
                    .map(|p| Span::new(p.span.end, param.span.end)),
                None => step
                    .params
                    .get(1)
                    .map(|p| Span::new(param.span.start, p.span.start)),
            };
            let fix = neighbour.map(|at| Fix::maybe(format!("do not take `{name}`"), at, ""));
            self.report(
                Diagnostic::lint(
                    Lint::UNUSED_VIEW,
                    format!("the step takes the view `{name}` and never reads it"),
                )
                .at(param.span, "every image is augmented for nothing")
                .help("use it in the loss, or do not take it")
                .maybe_fix(fix),
            );
        }
    }

    /// The removal of the statement that names `target` and ends with `end`,
    /// where it stands on lines of its own.
    pub(super) fn removal(&self, target: Span, end: Span) -> Option<Fix> {
        let statement = self.statement(target, end)?;
        Some(Fix::maybe("remove it", statement, ""))
    }

    /// The lines of a statement, from its keyword on.
    pub(super) fn statement(&self, target: Span, end: Span) -> Option<Span> {
        let file = self.source.map.file_of(target)?;
        let at = target.start.checked_sub(file.base)? as usize;
        let before = file.text.get(..at)?;
        let line = before.rfind('\n').map_or(0, |i| i + 1);
        let head = before.get(line..)?;
        let keyword = head.trim();
        if !["", "param", "let", "net", "view", "track"].contains(&keyword) {
            return None;
        }
        let blank = head.len() - head.trim_start().len();
        let start = file.base + u32::try_from(line + blank).ok()?;
        whole_lines(self.source.map, Span::new(start, end.end.max(target.end)))
    }
}
