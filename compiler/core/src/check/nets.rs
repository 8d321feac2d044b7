//! Nets before their inputs are known: modules with their sizes.

use ssl_diagnostics::{Code, Diagnostic, Span};
use ssl_plan::{Activation, BlockNorm, Init, PatchStem, Pool, Position, Schedule};

use super::Checker;
use super::args::Args;
use super::eval::Scope;
use crate::merge::{NetBody, NetDef, Setting};
use crate::names;
use crate::schema::{Group, function};
use crate::shapes::{
    ConvnextSpec, DecoderSpec, LinearSpec, MlpSpec, ModuleSpec, RESNET_DEPTHS, ResnetSpec, VitSpec,
};
use crate::table::IndexMap;
use crate::value::{Clock, ScheduleSpec, Time, Value};

/// A stage of a net.
pub struct StageSpec {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// What it is.
    pub module: ModuleSpec,
    /// Time from the start in which it is not updated.
    pub frozen: Option<Time>,
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
    pub(super) fn nets(&mut self, clock: &Clock) -> IndexMap<String, NetSpec> {
        let mut out = IndexMap::default();
        for (name, def) in &self.source.effective.nets {
            let spec = self.net(name, def, clock).unwrap_or(NetSpec::Broken);
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

    fn net(&mut self, name: &str, def: &NetDef, clock: &Clock) -> Option<NetSpec> {
        match &def.body {
            NetBody::Value(setting) => {
                let is_average = setting
                    .callee()
                    .is_some_and(|c| function(Group::Average, &c.name).is_some());
                if is_average {
                    return self.average(name, setting);
                }
                let stage = self.module(name, setting, clock)?;
                Some(NetSpec::Stages(vec![stage]))
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
                    match self.module(&format!("{name}.{stage}"), setting, clock) {
                        Some(spec) => out.push(StageSpec {
                            name: Some(stage.clone()),
                            ..spec
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

    fn module(&mut self, path: &str, setting: &Setting, clock: &Clock) -> Option<StageSpec> {
        let args = self.bind(Group::Module, setting, Some(path), Scope::Top)?;
        let module = match args.function {
            "vit" => self.vit(path, &args, clock).map(ModuleSpec::Vit),
            "convnext" => {
                let (depths, dims) = match args.symbol("size") {
                    "small" => ([3, 3, 27, 3], [96, 192, 384, 768]),
                    "base" => ([3, 3, 27, 3], [128, 256, 512, 1024]),
                    "large" => ([3, 3, 27, 3], [192, 384, 768, 1536]),
                    _ => ([3, 3, 9, 3], [96, 192, 384, 768]),
                };
                Some(ModuleSpec::Convnext(ConvnextSpec {
                    patch: args.int("patch")?,
                    depths,
                    dims,
                    norm_eps: args.float("norm_eps"),
                    layer_scale: args.get("layer_scale").and_then(Value::number),
                    drop_path: self.drop_path(&args, clock),
                }))
            }
            "resnet" => self.resnet(&args).map(ModuleSpec::Resnet),
            "vit_decoder" => {
                let dim = args.int("dim")?;
                let hidden = args.int("hidden").unwrap_or(4 * dim);
                self.record(&[path, "hidden"], &hidden, |_| derived(path, "dim"));
                Some(ModuleSpec::VitDecoder(DecoderSpec {
                    dim,
                    depth: args.int("depth")?,
                    heads: args.int("heads")?,
                    hidden,
                    norm_eps: args.float("norm_eps"),
                }))
            }
            "linear" => Some(ModuleSpec::Linear(LinearSpec {
                width: args.int("width")?,
                bias: args.flag("bias"),
                weight_norm: args.flag("weight_norm"),
            })),
            "prototypes" => Some(ModuleSpec::Prototypes(args.int("count")?)),
            "l2_normalize" => Some(ModuleSpec::L2Normalize(args.float("eps"))),
            _ => Some(ModuleSpec::Mlp(MlpSpec {
                widths: args.numbers("widths").iter().map(|w| *w as usize).collect(),
                norm: args.norm("norm"),
                last_norm: args.norm("last_norm"),
                bias: args.flag("bias"),
                last_bias: match args.get("last_bias") {
                    Some(_) => args.flag("last_bias"),
                    None => args.flag("bias"),
                },
                activation: activation(args.symbol("activation")).unwrap_or(Activation::Relu),
                last_activation: activation(args.symbol("last_activation")),
                init: match args.symbol("init") {
                    "dino" => Init::Dino,
                    _ => Init::Pytorch,
                },
            })),
        }?;
        Some(StageSpec {
            name: None,
            module,
            frozen: args.time("frozen"),
            span: setting.expr.span,
        })
    }

    /// The rate at which blocks are left out, where any is.
    fn drop_path(&mut self, args: &Args, clock: &Clock) -> Option<Schedule> {
        args.get("drop_path")?;
        let whole = self.length_span();
        let rate = self.place(clock, &args.schedule("drop_path"), whole);
        Some(rate).filter(|rate| rate.as_constant() != Some(0.0))
    }

    fn vit(&mut self, path: &str, args: &Args, clock: &Clock) -> Option<VitSpec> {
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
        for (key, value) in [("dim", dim), ("depth", depth), ("heads", heads)] {
            self.record(&[path, key], &value, |_| derived(path, "size"));
        }
        let hidden = args.int("hidden").unwrap_or(4 * dim);
        self.record(&[path, "hidden"], &hidden, |_| derived(path, "dim"));
        let class_token = args.get("class_token").map(|_| args.flag("class_token"));
        let pooled = args.symbol("pool");
        if class_token == Some(false) && pooled != "mean" {
            self.report(
                Diagnostic::error(Code::SHAPE, format!("`pool: {pooled}` needs a class token"))
                    .at(args.span("class_token"), "there is none")
                    .at(args.span("pool"), "this reads it")
                    .help("write `pool: mean`"),
            );
            return None;
        }
        if args.flag("pool_norm") && pooled == "tokens" {
            self.report(
                Diagnostic::error(Code::SHAPE, "`pool: tokens` pools nothing")
                    .at(
                        args.span("pool_norm"),
                        "there is no pooled feature to normalise",
                    )
                    .help("write `pool: cls` or `pool: mean`, or leave `pool_norm` out"),
            );
            return None;
        }
        Some(VitSpec {
            patch: args.int("patch")?,
            dim,
            depth,
            heads,
            hidden,
            pool: match args.symbol("pool") {
                "mean" if class_token == Some(true) => Pool::MeanPatches,
                "mean" => Pool::Mean,
                "tokens" => Pool::Tokens,
                _ => Pool::Cls,
            },
            position: match args.symbol("position") {
                "learned" => Position::Learned,
                "none" => Position::None,
                _ => Position::Sincos2d,
            },
            frozen: args.symbol("patch_projection") == "frozen",
            mlp_norm: match args.symbol("mlp_norm") {
                "batch" => BlockNorm::Batch,
                _ => BlockNorm::Layer,
            },
            final_norm: args.flag("final_norm"),
            norm_eps: args.float("norm_eps"),
            stem: match args.symbol("stem") {
                "conv" => PatchStem::Conv,
                _ => PatchStem::Linear,
            },
            pool_norm: args.flag("pool_norm"),
            register_tokens: args.int("register_tokens")?,
            qk_norm: args.flag("qk_norm"),
            layer_scale: args.get("layer_scale").and_then(Value::number),
            drop_path: self.drop_path(args, clock),
            init: match args.symbol("init") {
                "timm" => Init::Timm,
                "dino" => Init::Dino,
                "mae" => Init::Mae,
                _ => Init::MocoV3,
            },
        })
    }

    fn resnet(&mut self, args: &Args) -> Option<ResnetSpec> {
        let depth = args.int("depth")?;
        if !RESNET_DEPTHS.contains(&depth.to_string().as_str()) {
            self.report(
                Diagnostic::error(Code::UNKNOWN_VARIANT, format!("there is no ResNet-{depth}"))
                    .at(args.span("depth"), "not a known depth")
                    .maybe_help(names::list(RESNET_DEPTHS).map(|l| format!("choose from {l}"))),
            );
            return None;
        }
        Some(ResnetSpec {
            depth,
            width: args.int("width")?,
            selective_kernel: args.flag("selective_kernel"),
            small_stem: args.symbol("stem") == "small",
            zero_init_residual: args.flag("zero_init_residual"),
        })
    }
}

fn activation(name: &str) -> Option<Activation> {
    match name {
        "relu" => Some(Activation::Relu),
        "gelu" => Some(Activation::Gelu),
        _ => None,
    }
}

/// The origin of a value that another argument of its call gave.
fn derived(path: &str, from: &str) -> ssl_plan::Origin {
    ssl_plan::Origin::Derived {
        path: format!("{path}.{from}"),
    }
}
