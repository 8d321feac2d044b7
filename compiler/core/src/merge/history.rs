//! What was said on the way to a merged pipeline: every statement, by the full
//! path that it touches, in the order in which it was applied. The merged
//! settings keep only what won; this keeps what it won over.

use ssl_diagnostics::Span;
use ssl_syntax::ast::{Block, Expr, ExprKind, Ident, Path, Section, SectionBody, Stmt, StmtKind};

use super::{Effective, Layer, NetBody};
use ssl_syntax::ast::SectionKind;

/// One thing that was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The full path: `data`, `batch`; `encoder`, `backbone`, `patch`.
    pub path: Vec<String>,
    /// What is said of it.
    pub action: Action,
    /// Who says it.
    pub layer: Layer,
    /// The name or path as it is written.
    pub target: Span,
}

/// What is said of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It has this value, or is this call; what was said of its parts is gone.
    Set(Expr),
    /// It begins anew: a view from another one, whose name is given, a net
    /// without stages.
    Begin(Option<Ident>),
    /// It is removed.
    Drop,
    /// Another path, which is named, takes its place.
    Yield(String),
}

/// Everything that was said, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History(Vec<Event>);

impl History {
    /// All of it, the base first.
    pub fn events(&self) -> &[Event] {
        &self.0
    }
}

/// Writes down what a statement of a pipeline says; called before it is
/// applied, since what is there decides what it does.
pub(super) fn record(out: &mut Effective, stmt: &Stmt, layer: &Layer, over: bool) {
    let mut scribe = Scribe { out, layer };
    match &stmt.kind {
        StmtKind::Param { name, value, .. } | StmtKind::Let { name, value, .. } => {
            scribe.set(&[&name.name], value, name.span);
        }
        StmtKind::Drop { paths } => scribe.drops(&[], paths),
        StmtKind::Assign { path, value, .. } => scribe.assigned(&path.segments, value, path.span),
        StmtKind::Section(section) => scribe.section(section, over),
        _ => {}
    }
}

/// Writes down an assignment by its full path.
pub(super) fn assigned(
    out: &mut Effective,
    segments: &[Ident],
    value: &Expr,
    target: Span,
    layer: &Layer,
) {
    Scribe { out, layer }.assigned(segments, value, target);
}

/// Writes for one layer.
struct Scribe<'a> {
    out: &'a mut Effective,
    layer: &'a Layer,
}

impl Scribe<'_> {
    fn say(&mut self, path: &[&str], action: Action, target: Span) {
        self.out.history.0.push(Event {
            path: path.iter().map(|s| (*s).to_owned()).collect(),
            action,
            layer: self.layer.clone(),
            target,
        });
    }

    fn set(&mut self, path: &[&str], value: &Expr, target: Span) {
        // The length of a run is stated in one unit; a later layer's wins.
        let rival = match path {
            ["train", "steps"] => "epochs",
            ["train", "epochs"] => "steps",
            _ => "",
        };
        let stated = self.out.train.get(rival);
        if stated.is_some_and(|r| r.layer != *self.layer) {
            let taken = Action::Yield(path.join("."));
            self.say(&["train", rival], taken, target);
        }
        self.say(path, Action::Set(value.clone()), target);
    }

    fn assigned(&mut self, segments: &[Ident], value: &Expr, target: Span) {
        let path: Vec<&str> = segments.iter().map(|s| s.name.as_str()).collect();
        self.set(&path, value, target);
    }

    /// `drop` in the section that the path names.
    fn drops(&mut self, within: &[&str], paths: &[Path]) {
        for path in paths {
            let names = path.segments.iter().map(|s| s.name.as_str());
            let full: Vec<&str> = within.iter().copied().chain(names).collect();
            self.say(&full, Action::Drop, path.span);
        }
    }

    fn section(&mut self, section: &Section, over: bool) {
        let keyword = section.kind.keyword();
        let (head, target) = match &section.name {
            Some(name) => (name.name.as_str(), name.span),
            None => (keyword, section.keyword),
        };
        match (section.kind, &section.body) {
            (SectionKind::View, body) => {
                let base = match (&section.extends, body) {
                    (Some(path), _) => path.segments.last(),
                    (None, SectionBody::Value(value)) => match &value.kind {
                        ExprKind::Path(path) => path.segments.last(),
                        _ => None,
                    },
                    (None, SectionBody::Block(_)) => None,
                };
                if base.is_some() || !over || !self.out.views.contains_key(head) {
                    self.say(&[head], Action::Begin(base.cloned()), target);
                }
                if let Some(count) = &section.count {
                    self.set(&[head, "count"], count, count.span);
                }
            }
            (SectionKind::Net, SectionBody::Value(value)) => self.set(&[head], value, target),
            (SectionKind::Net, SectionBody::Block(_)) => {
                let stages = self.out.nets.get(head).map(|n| &n.body);
                if !matches!(stages, Some(NetBody::Stages(_))) {
                    self.say(&[head], Action::Begin(None), target);
                }
            }
            (SectionKind::Step, _) => {
                if let Some(params) = &section.params {
                    self.set(&["step", "views"], &names(params, target), target);
                }
            }
            _ => {}
        }
        if let SectionBody::Block(block) = &section.body {
            self.block(head, block);
        }
    }

    fn block(&mut self, head: &str, block: &Block) {
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Assign { path, value, .. } => {
                    let names = path.segments.iter().map(|s| s.name.as_str());
                    let full: Vec<&str> = std::iter::once(head).chain(names).collect();
                    self.set(&full, value, path.span);
                }
                StmtKind::Let { name, value, .. } | StmtKind::Track { name, value } => {
                    self.set(&[head, &name.name], value, name.span);
                }
                StmtKind::Minimize { value } => {
                    self.set(&[head, "minimize"], value, stmt.span);
                }
                StmtKind::Entry { label, value, .. } => {
                    let callee = match &value.kind {
                        ExprKind::Call { callee, .. } => callee.segments.last(),
                        ExprKind::Path(path) => path.segments.last(),
                        _ => None,
                    };
                    if let Some(name) = label.as_ref().or(callee) {
                        self.set(&[head, &name.name], value, value.span);
                    }
                }
                StmtKind::Drop { paths } => self.drops(&[head], paths),
                _ => {}
            }
        }
    }
}

/// Names as a list, for what has no expression of its own.
fn names(idents: &[Ident], or: Span) -> Expr {
    let item = |i: &Ident| Expr {
        kind: ExprKind::Path(Path {
            segments: vec![i.clone()],
            span: i.span,
        }),
        span: i.span,
    };
    let span = match idents {
        [first, .., last] => first.span.to(last.span),
        [one] => one.span,
        [] => or,
    };
    Expr {
        kind: ExprKind::List(idents.iter().map(item).collect()),
        span,
    }
}
