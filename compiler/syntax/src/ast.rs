//! The tree, close to the text: every node has its span, nothing is resolved.

use ssl_diagnostics::Span;

/// A node with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The node.
    pub node: T,
    /// Where it stands.
    pub span: Span,
}

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ident {
    /// Its text.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// `a.b.c`; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    /// The names between the dots.
    pub segments: Vec<Ident>,
    /// Where it stands.
    pub span: Span,
}

/// Documentation lines (`///`) before an item or statement, without the
/// slashes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Docs {
    /// One entry a line.
    pub lines: Vec<Spanned<String>>,
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct File {
    /// Imports, in order.
    pub uses: Vec<Use>,
    /// Pipelines, sweeps and functions, in order.
    pub items: Vec<Item>,
}

/// `use std.mocov3` or `use "file.ssl" as name`
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// What is imported.
    pub target: UseTarget,
    /// The name that it gets.
    pub alias: Option<Ident>,
    /// Where it stands.
    pub span: Span,
}

/// What `use` names.
#[derive(Debug, Clone, PartialEq)]
pub enum UseTarget {
    /// A module of the standard library, `std.NAME`.
    Module(Path),
    /// A file, relative to the one that names it.
    File(Spanned<String>),
}

/// A top-level definition.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `pipeline name extends base { ... }`
    Pipeline(Pipeline),
    /// `sweep name of pipeline { ... }`
    Sweep(Sweep),
    /// `fn name(...) -> Type { ... }`
    Function(Function),
}

/// `pipeline name extends base { ... }`
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// What it is a difference of.
    pub extends: Option<Path>,
    /// Its statements.
    pub body: Block,
    /// From the keyword to the closing brace.
    pub span: Span,
}

/// `sweep name of pipeline { ... }`
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// Documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// The pipeline that is varied.
    pub of: Path,
    /// Its statements: `vary` and assignments.
    pub body: Block,
    /// From the keyword to the closing brace.
    pub span: Span,
}

/// `fn name(a: T, b: U = 1) -> V { ... }`; the body's last statement is an
/// expression, its value the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Documentation.
    pub docs: Docs,
    /// Its name.
    pub name: Ident,
    /// Parameters in order.
    pub params: Vec<FnParam>,
    /// Type of the result.
    pub result: Option<Ty>,
    /// Its statements.
    pub body: Block,
    /// From the keyword to the closing brace.
    pub span: Span,
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FnParam {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: Option<Ty>,
    /// Its value where the caller gives none.
    pub default: Option<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// `{ ... }`
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Statements in order.
    pub stmts: Vec<Stmt>,
    /// From brace to brace.
    pub span: Span,
}

/// A statement with its documentation and place.
#[derive(Debug, Clone, PartialEq)]
pub struct Stmt {
    /// Documentation.
    pub docs: Docs,
    /// What it says.
    pub kind: StmtKind,
    /// Where it stands.
    pub span: Span,
}

/// What a statement says.
#[derive(Debug, Clone, PartialEq)]
pub enum StmtKind {
    /// `param name: Type = value in range`
    Param {
        /// Its name.
        name: Ident,
        /// Its type.
        ty: Ty,
        /// Its value unless overridden.
        value: Expr,
        /// What values are allowed.
        within: Option<Expr>,
    },
    /// `let name: Type = value`
    Let {
        /// Its name.
        name: Ident,
        /// Its type.
        ty: Option<Ty>,
        /// Its value.
        value: Expr,
    },
    /// `drop a, b.c`
    Drop {
        /// What is removed; at least one.
        paths: Vec<Path>,
    },
    /// `minimize loss`
    Minimize {
        /// The loss.
        value: Expr,
    },
    /// `track name = value`
    Track {
        /// Metric name.
        name: Ident,
        /// Its value.
        value: Expr,
    },
    /// `vary path in [..]`
    Vary {
        /// What is varied.
        path: Path,
        /// The values.
        values: Expr,
    },
    /// `allow(collapse)`
    Allow {
        /// The lints.
        lints: Vec<Ident>,
    },
    /// `view a { ... }`, `net m = ema(encoder)`, `step(a, b) { ... }`,
    /// `train { ... }`
    Section(Section),
    /// `label: name(args) after other`: a transform of a view, an entry of
    /// `monitor` or `eval`, or the result of a function.
    Entry {
        /// A name for an entry whose function stands twice.
        label: Option<Ident>,
        /// A call, or any expression in a function's body.
        value: Expr,
        /// Where in the list it goes.
        place: Option<Place>,
    },
    /// `path = value`
    Assign {
        /// What is set.
        path: Path,
        /// Its type.
        ty: Option<Ty>,
        /// Its value.
        value: Expr,
    },
}

/// `after name` or `before name`
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Whether it goes behind.
    pub after: bool,
    /// The entry that is named.
    pub anchor: Ident,
}

/// A named or unnamed section.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Which.
    pub kind: SectionKind,
    /// The keyword's place.
    pub keyword: Span,
    /// Its name (`view a`, `net encoder`).
    pub name: Option<Ident>,
    /// `view local[8]`
    pub count: Option<Expr>,
    /// `step(a, b)`
    pub params: Option<Vec<Ident>>,
    /// `view b extends a`
    pub extends: Option<Path>,
    /// What is in it.
    pub body: SectionBody,
}

/// Sections of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SectionKind {
    /// `data`
    Data,
    /// `view`
    View,
    /// `net`
    Net,
    /// `step`
    Step,
    /// `train`
    Train,
    /// `monitor`
    Monitor,
    /// `eval`
    Eval,
}

impl SectionKind {
    /// Its keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            SectionKind::Data => "data",
            SectionKind::View => "view",
            SectionKind::Net => "net",
            SectionKind::Step => "step",
            SectionKind::Train => "train",
            SectionKind::Monitor => "monitor",
            SectionKind::Eval => "eval",
        }
    }
}

/// What a section holds.
#[derive(Debug, Clone, PartialEq)]
pub enum SectionBody {
    /// `{ ... }`
    Block(Block),
    /// `= expression`
    Value(Expr),
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it says.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression says.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `1.5e-4`, `224`, `1_000`. `integer` where it has neither point nor
    /// exponent.
    Number {
        /// Its value.
        value: f64,
        /// Whether it is written as an integer.
        integer: bool,
    },
    /// `40 epochs`, `10%`. The unit is not checked here.
    Quantity {
        /// Its number.
        value: f64,
        /// Whether the number is written as an integer.
        integer: bool,
        /// Its unit.
        unit: Ident,
    },
    /// `"text"`, escapes resolved.
    Text(String),
    /// `true`, `false`
    Bool(bool),
    /// A name or a dotted path.
    Path(Path),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `f(a, name: b)`
    Call {
        /// What is called.
        callee: Path,
        /// The arguments in order.
        args: Vec<Arg>,
        /// From parenthesis to parenthesis.
        args_span: Span,
    },
    /// `-a`
    Neg(Box<Expr>),
    /// `a + b`
    Binary {
        /// Which.
        op: BinOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `a..b`, `a..=b`
    Range {
        /// Lower end.
        low: Box<Expr>,
        /// Upper end.
        high: Box<Expr>,
        /// Whether it is written `..=`.
        inclusive: bool,
    },
    /// `a -> b`
    Ramp {
        /// Start.
        from: Box<Expr>,
        /// End.
        to: Box<Expr>,
    },
    /// `a then b`
    Then {
        /// First.
        first: Box<Expr>,
        /// Next.
        next: Box<Expr>,
    },
    /// `for x in xs, y in ys where cond { body }`
    For {
        /// Bindings in order; at least one.
        binds: Vec<(Ident, Expr)>,
        /// Filter.
        filter: Option<Box<Expr>>,
        /// What is collected.
        body: Box<Expr>,
    },
    /// Left out while typing (`lr =`); the parser has reported it.
    Missing,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `>>`
    Pipe,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl BinOp {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinOp::Add => "+",
            BinOp::Sub => "-",
            BinOp::Mul => "*",
            BinOp::Div => "/",
            BinOp::Pipe => ">>",
            BinOp::Eq => "==",
            BinOp::Ne => "!=",
            BinOp::Lt => "<",
            BinOp::Le => "<=",
            BinOp::Gt => ">",
            BinOp::Ge => ">=",
        }
    }
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// `name:`, where it is given.
    pub name: Option<Ident>,
    /// Its value.
    pub value: Expr,
}

/// `Image[B, 3, H, W]`
#[derive(Debug, Clone, PartialEq)]
pub struct Ty {
    /// Its name.
    pub name: Ident,
    /// What stands in its brackets.
    pub args: Vec<TyArg>,
    /// Where it stands.
    pub span: Span,
}

/// Something in a type's brackets.
#[derive(Debug, Clone, PartialEq)]
pub enum TyArg {
    /// A number.
    Number(Spanned<u64>),
    /// A dimension variable or a type.
    Type(Ty),
    /// `In -> Out`
    Arrow(Box<Ty>, Box<Ty>),
}
