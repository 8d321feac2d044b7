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
        let name = match &stmt.kind {
            StmtKind::Param { name, .. }
            | StmtKind::Let { name, .. }
            | StmtKind::Track { name, .. } => name.name.clone(),
            StmtKind::Assign { path, .. } => {
                let names: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
                names.join(".")
            }
            StmtKind::Minimize { .. } => "minimize".to_owned(),
            StmtKind::Entry { label, value, .. } => {
                let callee = match &value.kind {
                    ssl_syntax::ast::ExprKind::Call { callee, .. } => callee.segments.last(),
                    _ => None,
                };
                match label.as_ref().or(callee) {
                    Some(name) => name.name.clone(),
                    None => return,
                }
            }
            StmtKind::Section(section) => section
                .name
                .as_ref()
                .map_or(section.kind.keyword().to_owned(), |n| n.name.clone()),
            StmtKind::Drop { .. } | StmtKind::Vary { .. } | StmtKind::Allow { .. } => return,
        };
        let path = match within {
            "" => name,
            within => format!("{within}.{name}"),
        };
        let head = path.split('.').next().unwrap_or(&path);
        if !self.order.contains(head) {
            self.order.insert(head.to_owned());
        }
        let lines: Vec<String> = stmt.docs.lines.iter().map(|l| l.node.clone()).collect();
        if !lines.is_empty() {
            self.lines.insert(path.clone(), lines);
        }
        if let StmtKind::Section(section) = &stmt.kind
            && let SectionBody::Block(block) = &section.body
        {
            for inner in &block.stmts {
                self.statement(inner, &path);
            }
        }
    }
}
