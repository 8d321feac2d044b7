//! Where images come from: the sources, and a look at what is there.

use std::time::Duration;

use ssl_diagnostics::{Code, Diagnostic, Severity, Span};
use ssl_plan::Source;
use ssl_syntax::ast::SectionKind;

use super::Checker;
use super::args::Args;
use super::eval::Scope;
use crate::merge::Setting;
use crate::schema::Group;
use crate::value::Value;
use crate::{DatasetInfo, Demand};

const SCOPE: Scope = Scope::Section(SectionKind::Data);

impl Checker<'_> {
    /// The source that a setting calls, and what a look at it told. The values
    /// of the call are written down under `data.source`.
    pub(super) fn data_source(
        &mut self,
        setting: &Setting,
        stall_limit: Duration,
    ) -> (Option<Source>, Option<DatasetInfo>) {
        let Some(args) = self.bind(Group::Source, setting, Some("data.source"), SCOPE) else {
            return (None, None);
        };
        let Some(source) = self.source_of(&args, setting) else {
            return (None, None);
        };
        // A path with a variable that is not set here cannot be looked at.
        if is_unknown(&source) {
            return (Some(source), None);
        }
        let at = ["path", "shards"]
            .into_iter()
            .find(|name| args.get(name).is_some())
            .map_or(setting.expr.span, |name| args.span(name));
        match self.world.dataset(&source, stall_limit) {
            Ok(info) => {
                self.changed_packs(&info, at);
                (Some(source), Some(info))
            }
            Err(e) => {
                self.absent(
                    Diagnostic::error(Code::DATA, e.message)
                        .at(at, "this data")
                        .maybe_help(e.help),
                );
                (Some(source), None)
            }
        }
    }

    /// Warns of packed shards that are not as they were packed.
    fn changed_packs(&mut self, info: &DatasetInfo, at: Span) {
        for pack in &info.packs {
            let Some(first) = pack.changed.first() else {
                continue;
            };
            let more = match pack.changed.len() {
                1 => String::new(),
                n => format!(" and {} more", n - 1),
            };
            self.report(
                Diagnostic::warning(
                    Code::DATA,
                    format!(
                        "`{first}`{more} in `{}` is not as it was packed",
                        pack.folder
                    ),
                )
                .at(at, "its bytes are not those of `pack.json`")
                .help(
                    "copy the shards again, or pack them anew; a cut shard loses its last images",
                ),
            );
        }
    }

    fn source_of(&mut self, args: &Args, setting: &Setting) -> Option<Source> {
        // The outer option is whether it could be read, the inner whether it
        // is there.
        let mut path = |name: &str| match args.text(name) {
            Some(text) => self.data_path(text, args.span(name)).map(Some),
            None => Some(None),
        };
        let text = |name: &str| args.text(name).map(str::to_owned);
        Some(match args.function {
            "digits" => Source::Digits,
            "image_folder" => Source::ImageFolder {
                path: path("path")??,
                test: path("test")?,
            },
            "list" => Source::List {
                path: path("path")??,
                root: path("root")?,
                image: text("image"),
                label: text("label"),
                test: path("test")?,
            },
            "webdataset" => Source::Webdataset {
                shards: path("shards")??,
                image: text("image"),
                label: text("label").unwrap_or_default(),
                test: path("test")?,
            },
            "parquet" => Source::Parquet {
                shards: path("shards")??,
                image: text("image"),
                label: text("label"),
                test: path("test")?,
            },
            "hdf5" => Source::Hdf5 {
                path: path("path")??,
                image: text("image"),
                label: text("label"),
                test: path("test")?,
            },
            "cifar10" => Source::Cifar10 {
                path: path("path")??,
            },
            "cifar100" => Source::Cifar100 {
                path: path("path")??,
                coarse: args.symbol("labels") == "coarse",
            },
            "mnist" => Source::Mnist {
                path: path("path")??,
            },
            "fashion_mnist" => Source::FashionMnist {
                path: path("path")??,
            },
            "stl10" => Source::Stl10 {
                path: path("path")??,
                labelled: args.symbol("split") == "train",
            },
            "recorded" => Source::Recorded {
                path: path("path")??,
            },
            "concat" => Source::Concat {
                sources: self.parts(args, setting)?,
            },
            "mix" => {
                let sources = self.parts(args, setting);
                let weights = args.numbers("weights");
                let given = args.sources("sources").len();
                let at = args.span("weights");
                if weights.len() != given {
                    let plural = if weights.len() == 1 { "" } else { "s" };
                    self.report(
                        Diagnostic::error(
                            Code::ARGUMENTS,
                            format!("{given} sources, but {} weight{plural}", weights.len()),
                        )
                        .at(at, "one is needed for each source"),
                    );
                    return None;
                }
                if weights.iter().sum::<f64>() <= 0.0 {
                    self.error(
                        Code::RANGE,
                        "all weights are 0",
                        at,
                        "nothing would be read",
                    );
                    return None;
                }
                Source::Mix {
                    sources: sources?,
                    weights,
                    samples: args.get("samples").and_then(count),
                }
            }
            _ => return None,
        })
    }

    /// The sources within a `concat` or a `mix`.
    fn parts(&mut self, args: &Args, setting: &Setting) -> Option<Vec<Source>> {
        let mut parts = Vec::new();
        let mut fine = true;
        for (expr, _) in args.sources("sources") {
            let inner = Setting::new(expr.clone(), expr.span, setting.layer.clone());
            let bound = self.bind(Group::Source, &inner, None, SCOPE);
            let source = match &bound {
                Some(inner_args) => self.source_of(inner_args, &inner),
                None => None,
            };
            let misplaced = match (&source, args.function) {
                (Some(Source::Recorded { .. }), _) => Some("stored views stand on their own"),
                (Some(Source::Mix { .. }), _) => Some("a mix stands outermost"),
                (Some(Source::Concat { .. }), "concat") => Some("write its sources here"),
                _ => None,
            };
            if let (Some(why), Some(bound)) = (misplaced, &bound) {
                self.error(
                    Code::TYPE,
                    format!("`{}` cannot stand in `{}`", bound.function, args.function),
                    expr.span,
                    why,
                );
                fine = false;
                continue;
            }
            match source {
                Some(source) => parts.push(source),
                None => fine = false,
            }
        }
        fine.then_some(parts)
    }

    /// Reports missing data: an error for a run, a warning for a check.
    fn absent(&mut self, mut diagnostic: Diagnostic) {
        if self.source.demand == Demand::Check {
            diagnostic.severity = Severity::Warning;
        }
        self.report(diagnostic);
    }

    /// Puts environment variables in, and makes the path absolute: from the
    /// file that says it, or from where the command runs for `--set`.
    fn data_path(&mut self, text: &str, span: Span) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = rest.split_at(at);
            out.push_str(before);
            let after = after.get(1..).unwrap_or("");
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            match self.world.variable(name) {
                Some(value) => out.push_str(&value),
                None => {
                    self.absent(
                        Diagnostic::error(
                            Code::UNKNOWN_VARIABLE,
                            format!("the environment variable `{name}` is not set"),
                        )
                        .at(span, "the data cannot be found without it")
                        .help(format!("set it: `export {name}=/path/to/data`")),
                    );
                    let judged = self.source.demand == Demand::Check;
                    return judged.then(|| text.to_owned());
                }
            }
            rest = tail;
        }
        out.push_str(rest);
        let base = self.source.program.folder_of(span).unwrap_or_default();
        Some(self.world.absolute(&base.join(out)).display().to_string())
    }
}

/// Height and width of the images, where all have the same and it is known.
pub(super) fn side(source: &Source) -> Option<[usize; 2]> {
    match source {
        Source::Digits => Some([8, 8]),
        Source::Cifar10 { .. } | Source::Cifar100 { .. } => Some([32, 32]),
        Source::Stl10 { .. } => Some([96, 96]),
        Source::Concat { sources } | Source::Mix { sources, .. } => {
            let first = side(sources.first()?)?;
            sources
                .iter()
                .all(|s| side(s) == Some(first))
                .then_some(first)
        }
        _ => None,
    }
}

/// A number of images.
fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Quantity(n, _) => Some(*n as usize),
        value => value.number().map(|n| n as usize),
    }
}

/// Whether a path in it holds a variable that is not set here.
fn is_unknown(source: &Source) -> bool {
    let open = |path: &String| path.contains('$');
    match source {
        Source::Digits => false,
        Source::ImageFolder { path, test } | Source::Hdf5 { path, test, .. } => {
            open(path) || test.as_ref().is_some_and(open)
        }
        Source::List {
            path, root, test, ..
        } => open(path) || [root, test].into_iter().flatten().any(open),
        Source::Webdataset { shards, test, .. } | Source::Parquet { shards, test, .. } => {
            open(shards) || test.as_ref().is_some_and(open)
        }
        Source::Cifar10 { path }
        | Source::Cifar100 { path, .. }
        | Source::Mnist { path }
        | Source::FashionMnist { path }
        | Source::Stl10 { path, .. }
        | Source::Recorded { path } => open(path),
        Source::Concat { sources } | Source::Mix { sources, .. } => sources.iter().any(is_unknown),
    }
}
