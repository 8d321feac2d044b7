//! Nets before their inputs are known: modules with their sizes.

use indexmap::IndexMap;
use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{Pool, Position};

use super::Checker;
use super::args::Args;
use super::eval::Scope;
use crate::merge::{NetBody, NetDef, Setting};
use crate::names;
use crate::schema::{Group, function};
use crate::shapes::{MlpSpec, ModuleSpec, ResnetSpec, VitSpec};
use crate::value::ScheduleSpec;

/// A stage of a net.
pub struct StageSpec {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// What it is.
    pub module: ModuleSpec,
    /// Where its call stands.
    pub span: Span,
}

/// What a net is.
pub enum NetSpec {
    /// Stages in order.
    Stages(Vec<StageSpec>),
    /// The average of another.
    Ema {
        /// Which.
        of: String,
        /// Share of the old value that is kept.
        decay: ScheduleSpec,
    },
    /// Something that has been reported.
    Broken,
}

impl Checker<'_> {
    /// Every net by name, broken ones included.
    pub(super) fn nets(&mut self) -> IndexMap<String, NetSpec> {
        let mut out = IndexMap::new();
        for (name, def) in &self.source.effective.nets {
            let spec = self.net(name, def).unwrap_or(NetSpec::Broken);
            out.insert(name.clone(), spec);
        }
        for (name, spec) in &out {
            let NetSpec::Ema { of, .. } = spec else {
                continue;
            };
            if let Some(NetSpec::Ema { of: inner, .. }) = out.get(of) {
                let span = self
                    .source
                    .effective
                    .nets
                    .get(name)
                    .map_or(Span::default(), |n| n.name.span);
                self.report(
                    Diagnostic::error(
                        Code::EMA_OF_EMA,
                        format!("`{name}` averages `{of}`, which is an average itself"),
                    )
                    .at(span, "average of an average")
                    .help(format!("average what is trained: `ema({inner}, ...)`")),
                );
            }
        }
        out
    }

    fn net(&mut self, name: &str, def: &NetDef) -> Option<NetSpec> {
        match &def.body {
            NetBody::Value(setting) => {
                let is_average = setting
                    .callee()
                    .is_some_and(|c| function(Group::Average, &c.name).is_some());
                if is_average {
                    return self.average(name, setting);
                }
                let module = self.module(name, setting)?;
                Some(NetSpec::Stages(vec![StageSpec {
                    name: None,
                    module,
                    span: setting.expr.span,
                }]))
            }
            NetBody::Stages(stages) if stages.is_empty() => {
                self.report(
                    Diagnostic::error(Code::MISSING, format!("the net `{name}` has no stages"))
                        .at(def.name.span, "empty")
                        .help("write `backbone = vit(...)` into it"),
                );
                None
            }
            NetBody::Stages(stages) => {
                let mut out = Vec::new();
                let mut fine = true;
                for (stage, setting) in stages {
                    match self.module(&format!("{name}.{stage}"), setting) {
                        Some(module) => out.push(StageSpec {
                            name: Some(stage.clone()),
                            module,
                            span: setting.expr.span,
                        }),
                        None => fine = false,
                    }
                }
                fine.then_some(NetSpec::Stages(out))
            }
        }
    }

    fn average(&mut self, name: &str, setting: &Setting) -> Option<NetSpec> {
        let args = self.bind(Group::Average, setting, Some(name), Scope::Top)?;
        let (of, _) = args.feature("of")?;
        Some(NetSpec::Ema {
            of: of.to_owned(),
            decay: args.schedule("decay"),
        })
    }

    fn module(&mut self, path: &str, setting: &Setting) -> Option<ModuleSpec> {
        let args = self.bind(Group::Module, setting, Some(path), Scope::Top)?;
        match args.function {
            "vit" => self.vit(path, &args).map(ModuleSpec::Vit),
            "resnet" => self.resnet(&args).map(ModuleSpec::Resnet),
            _ => Some(ModuleSpec::Mlp(MlpSpec {
                widths: args.numbers("widths").iter().map(|w| *w as usize).collect(),
                norm: args.norm("norm"),
                last_norm: args.norm("last_norm"),
                bias: args.flag("bias"),
                last_bias: match args.get("last_bias") {
                    Some(_) => args.flag("last_bias"),
                    None => args.flag("bias"),
                },
            })),
        }
    }

    fn vit(&mut self, path: &str, args: &Args) -> Option<VitSpec> {
        let named = match args.symbol("size") {
            "tiny" => Some((192, 12, 12)),
            "small" => Some((384, 12, 12)),
            "base" => Some((768, 12, 12)),
            "large" => Some((1024, 24, 16)),
            "huge" => Some((1280, 32, 16)),
            _ => None,
        };
        let (dim, depth, heads) = (args.int("dim"), args.int("depth"), args.int("heads"));
        let (Some(dim), Some(depth), Some(heads)) = (
            dim.or(named.map(|n| n.0)),
            depth.or(named.map(|n| n.1)),
            heads.or(named.map(|n| n.2)),
        ) else {
            self.report(
                Diagnostic::error(Code::MISSING, "this `vit` has no size")
                    .at(args.span, "how wide, how deep, how many heads?")
                    .help("write `size: small`, or `dim:`, `depth:` and `heads:`"),
            );
            return None;
        };
        let from = |key: &str| ssl_plan::Origin::Derived {
            path: format!("{path}.{key}"),
        };
        for (key, value) in [("dim", dim), ("depth", depth), ("heads", heads)] {
            self.record(format!("{path}.{key}"), &value, from("size"));
        }
        let hidden = args.int("hidden").unwrap_or(4 * dim);
        self.record(format!("{path}.hidden"), &hidden, from("dim"));
        Some(VitSpec {
            patch: args.int("patch")?,
            dim,
            depth,
            heads,
            hidden,
            pool: if args.symbol("pool") == "mean" {
                Pool::Mean
            } else {
                Pool::Cls
            },
            position: match args.symbol("position") {
                "learned" => Position::Learned,
                "none" => Position::None,
                _ => Position::Sincos2d,
            },
            frozen: args.symbol("patch_projection") == "frozen",
            norm_eps: args.float("norm_eps"),
        })
    }

    fn resnet(&mut self, args: &Args) -> Option<ResnetSpec> {
        const DEPTHS: [&str; 5] = ["18", "34", "50", "101", "152"];
        let depth = args.int("depth")?;
        if !DEPTHS.contains(&depth.to_string().as_str()) {
            self.report(
                Diagnostic::error(Code::UNKNOWN_VARIANT, format!("there is no ResNet-{depth}"))
                    .at(args.span("depth"), "not a known depth")
                    .maybe_help(names::list(DEPTHS).map(|l| format!("choose from {l}"))),
            );
            return None;
        }
        Some(ResnetSpec {
            depth,
            small_stem: args.symbol("stem") == "small",
            zero_init_residual: args.flag("zero_init_residual"),
        })
    }
}
