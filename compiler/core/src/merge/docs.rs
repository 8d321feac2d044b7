//! Documentation, by the path of what it describes, and the order in which a
//! file speaks of its parts.

use ssl_syntax::ast::{Pipeline, SectionBody, Stmt, StmtKind};

use crate::table::{IndexMap, IndexSet};

/// Documentation and order of a merged pipeline.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Documents {
    /// Lines by dotted path; the pipeline's own under the empty one. What an
    /// heir says of a path replaces what its base said.
    pub lines: IndexMap<String, Vec<String>>,
    /// Heads of paths (`data`, `encoder`, `decay`) as they first appear.
    pub order: IndexSet<String>,
}

impl Documents {
    /// Takes in a pipeline, the base first.
    pub(super) fn record(&mut self, pipeline: &Pipeline) {
        let own = pipeline.docs.lines.iter().map(|l| l.node.clone());
        // An heir is another pipeline: its base's words are not about it.
        self.lines.insert(String::new(), own.collect());
        for stmt in &pipeline.body.stmts {
            self.statement(stmt, "");
        }
    }

    fn statement(&mut self, stmt: &Stmt, within: &str) {
        let mut names = Vec::new();
        match &stmt.kind {
            StmtKind::Param { name, .. }
            | StmtKind::Let { name, .. }
            | StmtKind::Track { name, .. } => names.push(name.name.as_str()),
            StmtKind::Assign { path, .. } => {
                names.extend(path.segments.iter().map(|s| s.name.as_str()));
            }
            StmtKind::Minimize { .. } => names.push("minimize"),
            StmtKind::Entry { label, value, .. } => {
                let callee = match &value.kind {
                    ssl_syntax::ast::ExprKind::Call { callee, .. } => callee.segments.last(),
                    _ => None,
                };
                match label.as_ref().or(callee) {
                    Some(name) => names.push(name.name.as_str()),
                    None => return,
                }
            }
            StmtKind::Section(section) => {
                let name = section.name.as_ref().map(|n| n.name.as_str());
                names.push(name.unwrap_or(section.kind.keyword()));
            }
            StmtKind::Drop { .. } | StmtKind::Vary { .. } | StmtKind::Allow { .. } => return,
        }
        let Some(name) = names.first() else { return };
        if within.is_empty() && !self.order.contains(*name) {
            self.order.insert((*name).to_owned());
        }
        if !stmt.docs.lines.is_empty() {
            let head = Some(within).filter(|w| !w.is_empty());
            let path: Vec<&str> = head.into_iter().chain(names.iter().copied()).collect();
            let lines = stmt.docs.lines.iter().map(|l| l.node.clone());
            self.lines.insert(path.join("."), lines.collect());
        }
        if let StmtKind::Section(section) = &stmt.kind
            && let SectionBody::Block(block) = &section.body
        {
            // A section stands in a pipeline, not in another one.
            for inner in &block.stmts {
                self.statement(inner, name);
            }
        }
    }
}
