//! Statements and sections.

use pest::iterators::Pair;
use ssl_diagnostics::{Code, Diagnostic, Fix, Span};
use ssl_grammar::{Rule, SECTION_KEYWORDS};

use super::expr::missing;
use super::{Builder, Context};
use crate::ast::{
    BinOp, Docs, Expr, ExprKind, Ident, Path, Place, Section, SectionBody, SectionKind, Stmt,
    StmtKind,
};

/// The parts of a statement, by what they are.
#[derive(Default)]
struct Parts {
    idents: Vec<Ident>,
    paths: Vec<Path>,
    ty: Option<crate::ast::Ty>,
    exprs: Vec<Expr>,
    place: Option<Place>,
    colon: Option<Span>,
}

impl Builder<'_> {
    /// A statement, where the language has it in this context.
    pub(in crate::parse) fn statement(
        &mut self,
        pair: &Pair<Rule>,
        docs: Docs,
        context: Context,
    ) -> Option<Stmt> {
        let span = self.span(pair);
        let mark = self.out.mark();
        let kind = if pair.as_rule() == Rule::section {
            self.section(pair).map(StmtKind::Section)
        } else {
            let parts = self.parts(pair);
            let kind = self.simple(pair.as_rule(), parts, context);
            if self.is_guessed(span) {
                // Reported; what is odd about it now may be the guess.
                self.out.take_back(mark);
            }
            kind
        };
        if self.keyword.take().is_some() {
            self.out.take_back(mark);
            let island = self.cut(pair.as_span().start(), pair.as_span().end());
            return match self.read_statements(&island, &docs, context) {
                Some(mut read) => read.pop(),
                None => self.salvage(&island, docs),
            };
        }
        kind.map(|kind| Stmt { docs, kind, span })
    }

    fn parts(&mut self, pair: &Pair<Rule>) -> Parts {
        let mut parts = Parts::default();
        let mut before: Option<Pair<Rule>> = None;
        for p in pair.clone().into_inner() {
            match p.as_rule() {
                Rule::ident => parts.idents.push(self.ident(&p)),
                Rule::arg_name => {
                    let label = self.ident(&p);
                    self.refuse_keyword(&label.name, label.span);
                    parts.idents.push(label);
                }
                Rule::path | Rule::dotted => parts.paths.push(self.path(&p)),
                Rule::ty => parts.ty = Some(self.ty(&p)),
                Rule::colon => parts.colon = Some(self.span(&p)),
                Rule::expr => parts.exprs.push(self.expr(&p)),
                Rule::missing => {
                    let value = self.value(&p, before.as_ref().unwrap_or(&p));
                    parts.exprs.push(value);
                }
                Rule::after | Rule::before => {
                    let after = p.as_rule() == Rule::after;
                    let anchor = p.clone().into_inner().find(|p| p.as_rule() == Rule::ident);
                    parts.place = anchor.map(|anchor| Place {
                        after,
                        anchor: self.ident(&anchor),
                    });
                }
                _ => {}
            }
            before = Some(p);
        }
        parts
    }

    fn simple(&mut self, rule: Rule, parts: Parts, context: Context) -> Option<StmtKind> {
        let mut names = parts.idents.into_iter();
        let mut paths = parts.paths.into_iter();
        let mut exprs = parts.exprs.into_iter();
        Some(match rule {
            Rule::param => StmtKind::Param {
                name: names.next()?,
                ty: parts.ty?,
                value: exprs.next()?,
                within: exprs.next(),
            },
            Rule::let_ => StmtKind::Let {
                name: names.next()?,
                ty: parts.ty,
                value: exprs.next()?,
            },
            Rule::drop => StmtKind::Drop {
                paths: paths.collect(),
            },
            Rule::minimize => StmtKind::Minimize {
                value: exprs.next()?,
            },
            Rule::track => StmtKind::Track {
                name: names.next()?,
                value: exprs.next()?,
            },
            Rule::vary => StmtKind::Vary {
                path: paths.next()?,
                values: exprs.next()?,
            },
            Rule::allow => StmtKind::Allow {
                lints: names.collect(),
            },
            Rule::assign => StmtKind::Assign {
                path: paths.next()?,
                ty: parts.ty,
                value: exprs.next()?,
            },
            Rule::entry => {
                let label = names.next().zip(parts.colon);
                return self.entry(label, exprs.next()?, parts.place, context);
            }
            _ => return None,
        })
    }

    /// An entry where the context has such, or what was probably meant.
    fn entry(
        &mut self,
        label: Option<(Ident, Span)>,
        value: Expr,
        place: Option<Place>,
        context: Context,
    ) -> Option<StmtKind> {
        let listed = matches!(
            context,
            Context::Section(SectionKind::View | SectionKind::Monitor | SectionKind::Eval)
        );
        let call = matches!(value.kind, ExprKind::Call { .. });
        match label {
            Some((name, colon)) if !listed || !call => {
                self.out.push(
                    Diagnostic::error(
                        Code::SYNTAX,
                        format!("expected `=` after `{}`, found `:`", name.name),
                    )
                    .at(colon, "write `=` here")
                    .help("give a value with `=`; `:` names the arguments of a call")
                    .fix(Fix::certain("replace `:` by `=`", colon, " =")),
                );
                Some(assign(name, value))
            }
            label => {
                let label = label.map(|(name, _)| name);
                if context == Context::Function {
                    return Some(StmtKind::Entry {
                        label,
                        value,
                        place,
                    });
                }
                let value = self.called(value, listed, context)?;
                match value {
                    Called::Entry(value) => Some(StmtKind::Entry {
                        label,
                        value,
                        place,
                    }),
                    Called::Assign(kind) => Some(kind),
                }
            }
        }
    }

    fn called(&mut self, value: Expr, listed: bool, context: Context) -> Option<Called> {
        let span = value.span;
        let (message, text, help) = match value.kind {
            ExprKind::Call { ref callee, .. } => {
                let section = section_name(callee).filter(|_| context == Context::Pipeline);
                let Some(keyword) = section else {
                    return Some(Called::Entry(value));
                };
                let message = format!("section `{keyword}` has no body");
                let help = format!("write `{keyword}(...) {{ ... }}`");
                (message, "expected `{` after this", help)
            }
            ExprKind::Binary {
                op: BinOp::Eq,
                left,
                right,
            } if matches!(left.kind, ExprKind::Path(_)) => {
                self.out.push(
                    Diagnostic::error(Code::SYNTAX, "a value is given with one `=`")
                        .at(span, "`==` compares")
                        .help("write `=`"),
                );
                let ExprKind::Path(path) = left.kind else {
                    return None;
                };
                return Some(Called::Assign(StmtKind::Assign {
                    path,
                    ty: None,
                    value: *right,
                }));
            }
            ExprKind::Path(path) if listed => {
                let name = dotted(&path);
                self.out.push(
                    Diagnostic::error(Code::SYNTAX, format!("`{name}` is not called"))
                        .at(span, "expected `(` after this")
                        .help(format!("write `{name}()`"))
                        .fix(Fix::certain("call it", Span::new(span.end, span.end), "()")),
                );
                return Some(Called::Entry(Expr {
                    kind: ExprKind::Call {
                        callee: path,
                        args: Vec::new(),
                        args_span: Span::new(span.end, span.end),
                    },
                    span,
                }));
            }
            ExprKind::Path(path) => match section_name(&path) {
                Some(keyword) if context == Context::Pipeline => (
                    format!("section `{keyword}` has no body"),
                    "expected `{` after this",
                    format!("write `{keyword} {{ ... }}`"),
                ),
                _ => {
                    let name = dotted(&path);
                    (
                        format!("expected `=` and a value after `{name}`"),
                        "a name alone says nothing",
                        format!("write `{name} = ...`"),
                    )
                }
            },
            ExprKind::Missing => return None,
            _ => (
                "this value is used by nothing".to_owned(),
                "expected a statement",
                "give it a name: `name = ...`".to_owned(),
            ),
        };
        let diagnostic = Diagnostic::error(Code::SYNTAX, message);
        self.out.push(diagnostic.at(span, text).help(help));
        None
    }

    fn section(&mut self, pair: &Pair<Rule>) -> Option<Section> {
        let mut inner = pair.clone().into_inner();
        let keyword = inner.next()?;
        let kind = section_kind(keyword.as_str())?;
        let keyword = self.span(&keyword);
        let mut section = Section {
            kind,
            keyword,
            name: None,
            count: None,
            params: None,
            extends: None,
            body: SectionBody::Value(missing(keyword)),
        };
        let mut before: Option<Pair<Rule>> = None;
        for p in inner {
            match p.as_rule() {
                Rule::ident => section.name = Some(self.ident(&p)),
                Rule::count => {
                    let count = p.clone().into_inner().find(|p| p.as_rule() == Rule::expr);
                    section.count = count.map(|count| self.expr(&count));
                    self.report_keyword();
                }
                Rule::params => {
                    let names = p.clone().into_inner();
                    let names = names.filter(|p| p.as_rule() == Rule::ident);
                    section.params = Some(names.map(|p| self.ident(&p)).collect());
                }
                Rule::extends => section.extends = self.extends(p.clone()),
                Rule::block => {
                    section.body = SectionBody::Block(self.block(&p, Context::Section(kind)));
                }
                Rule::expr | Rule::missing => {
                    let value = self.value(&p, before.as_ref().unwrap_or(&p));
                    section.body = SectionBody::Value(value);
                }
                _ => {}
            }
            before = Some(p);
        }
        Some(section)
    }
}

/// What a value that stands alone becomes.
enum Called {
    Entry(Expr),
    Assign(StmtKind),
}

pub(super) fn assign(name: Ident, value: Expr) -> StmtKind {
    let span = name.span;
    StmtKind::Assign {
        path: Path {
            segments: vec![name],
            span,
        },
        ty: None,
        value,
    }
}

pub(in crate::parse) fn section_kind(keyword: &str) -> Option<SectionKind> {
    Some(match keyword {
        "data" => SectionKind::Data,
        "view" => SectionKind::View,
        "net" => SectionKind::Net,
        "step" => SectionKind::Step,
        "train" => SectionKind::Train,
        "monitor" => SectionKind::Monitor,
        "eval" => SectionKind::Eval,
        _ => return None,
    })
}

fn section_name(path: &Path) -> Option<&'static str> {
    let [segment] = path.segments.as_slice() else {
        return None;
    };
    SECTION_KEYWORDS
        .iter()
        .copied()
        .find(|k| *k == segment.name)
}

fn dotted(path: &Path) -> String {
    let names: Vec<&str> = path.segments.iter().map(|s| s.name.as_str()).collect();
    names.join(".")
}
