//! From the tree to one pipeline with everything merged: `extends`, `drop`,
//! overrides and `--set`. Every setting keeps where it was set; what was said
//! before it stands in the [`History`].

mod apply;
mod assign;
mod base;
mod docs;
mod entries;
mod history;
mod section;
mod set;

pub use base::effective;
pub use docs::Documents;
pub use history::{Action, Event, History};
pub use set::Set;
pub(crate) use set::addresses;

use std::sync::Arc;

use ssl_diagnostics::Span;
use ssl_syntax::ast::{Expr, ExprKind, Ident, Ty};

use crate::table::IndexMap;

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// A statement of this pipeline.
    Pipeline(Arc<str>),
    /// A `--set` argument, with its text.
    Set(String),
}

/// An expression, where it was set, and by whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The expression.
    pub expr: Expr,
    /// The name or path that was set.
    pub target: Span,
    /// Who set it.
    pub layer: Layer,
    /// Arguments of the expression's call that were set by path afterwards.
    pub overrides: IndexMap<String, Setting>,
}

impl Setting {
    /// A first setting.
    pub fn new(expr: Expr, target: Span, layer: Layer) -> Self {
        Setting {
            expr,
            target,
            layer,
            overrides: IndexMap::default(),
        }
    }

    /// Whether the call's argument `view` is this name.
    pub fn names_view(&self, name: &str) -> bool {
        let is = |e: &Expr| match &e.kind {
            ExprKind::Path(p) => p.segments.last().is_some_and(|s| s.name == name),
            _ => false,
        };
        let args = match &self.expr.kind {
            ExprKind::Call { args, .. } => args.as_slice(),
            _ => &[],
        };
        let by_name = |a: &ssl_syntax::ast::Arg| a.name.as_ref().is_none_or(|n| n.name == "view");
        args.iter().any(|a| by_name(a) && is(&a.value))
            || self.overrides.get("view").is_some_and(|s| is(&s.expr))
    }

    /// Name of the called function, where the expression is a call or a bare
    /// name.
    pub fn callee(&self) -> Option<&Ident> {
        match &self.expr.kind {
            ExprKind::Call { callee, .. } => callee.segments.last(),
            ExprKind::Path(p) if p.segments.len() == 1 => p.segments.first(),
            _ => None,
        }
    }
}

/// Settings by name, in order.
pub type Settings = IndexMap<String, Setting>;

/// A `param` or `let`.
#[derive(Debug, Clone)]
pub struct Constant {
    /// Its name.
    pub name: Ident,
    /// Whether it may be overridden from outside: a `param`.
    pub open: bool,
    /// Its type, always there for a `param`.
    pub ty: Option<Ty>,
    /// Its value.
    pub value: Setting,
    /// What values are allowed.
    pub within: Option<Expr>,
    /// Its documentation.
    pub docs: Vec<String>,
}

/// A call in a list: a transform, a monitor, an evaluation.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its label, or the name of its function.
    pub name: Ident,
    /// The call.
    pub call: Setting,
}

/// A view: the entries of another, changed.
#[derive(Debug, Clone)]
pub struct View {
    /// Its name.
    pub name: Ident,
    /// How many views it stands for: `view local[6]`.
    pub count: Option<Expr>,
    /// The view that it starts from.
    pub extends: Option<Ident>,
    /// What is done to the entries, in order.
    pub changes: Vec<Change>,
    /// The entries, once resolved.
    pub entries: Vec<Entry>,
    /// Whether what it extends could not be found, which has been reported.
    pub broken: bool,
}

/// A change to a list of entries.
#[derive(Debug, Clone)]
pub enum Change {
    /// Put an entry: over one of the same name, else at the anchor or the end.
    Put {
        /// The entry.
        entry: Entry,
        /// Behind or before which one.
        place: Option<ssl_syntax::ast::Place>,
    },
    /// Set an argument of an entry.
    Override {
        /// Entry, then argument names.
        path: Vec<Ident>,
        /// The value.
        value: Setting,
    },
    /// Remove an entry.
    Drop {
        /// Its name.
        name: Ident,
    },
}

/// A net.
#[derive(Debug, Clone)]
pub struct NetDef {
    /// Its name.
    pub name: Ident,
    /// What it is.
    pub body: NetBody,
}

/// What a net is.
#[derive(Debug, Clone)]
pub enum NetBody {
    /// Named stages.
    Stages(Settings),
    /// One module, or an average.
    Value(Setting),
}

/// The step.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The views that it takes.
    pub params: Vec<Ident>,
    /// Named values.
    pub bindings: Settings,
    /// The loss.
    pub minimize: Option<Setting>,
    /// Metrics.
    pub tracks: Settings,
    /// The keyword of the last `step` section.
    pub span: Span,
}

/// One pipeline, merged.
#[derive(Debug, Clone)]
pub struct Effective {
    /// Its name.
    pub name: Ident,
    /// `param` and `let`.
    pub constants: IndexMap<String, Constant>,
    /// `data`
    pub data: Settings,
    /// `view`
    pub views: IndexMap<String, View>,
    /// `net`
    pub nets: IndexMap<String, NetDef>,
    /// `step`
    pub step: Option<Step>,
    /// `train`
    pub train: Settings,
    /// `monitor`
    pub monitor: Vec<Entry>,
    /// `eval`
    pub eval: Vec<Entry>,
    /// `allow(...)`, inherited ones included
    pub allow: Vec<Ident>,
    /// `allow(...)` of the pipeline itself.
    pub own_allow: Vec<Ident>,
    /// Everything that was said on the way, in order.
    pub history: History,
    /// What is said about its parts.
    pub docs: Documents,
    /// Whether what it extends could not be found, which has been reported.
    pub orphan: bool,
}

impl Effective {
    /// A pipeline with nothing in it.
    pub fn empty(name: Ident) -> Self {
        Effective {
            name,
            constants: IndexMap::default(),
            data: Settings::default(),
            views: IndexMap::default(),
            nets: IndexMap::default(),
            step: None,
            train: Settings::default(),
            monitor: Vec::new(),
            eval: Vec::new(),
            allow: Vec::new(),
            own_allow: Vec::new(),
            history: History::default(),
            docs: Documents::default(),
            orphan: false,
        }
    }
}
