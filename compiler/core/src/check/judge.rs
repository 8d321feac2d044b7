//! Monitors and evaluations.

use ssl_diagnostics::{Code, Diagnostic, Lint, Span};
use ssl_plan::{Eval, FeatureOf, Interpolation, Monitor, NormPer, Transform, View};

use super::Checker;
use super::args::Args;
use super::data::DataSection;
use super::eval::Scope;
use super::graph::StepGraph;
use super::train::whole_steps;
use super::views::size_after;
use crate::schema::Group;
use crate::table::IndexMap;
use crate::value::{Clock, Time, Unit, Value};

impl Checker<'_> {
    pub(super) fn monitors(
        &mut self,
        clock: &Clock,
        data: &DataSection,
        step: &mut StepGraph,
    ) -> Vec<Monitor> {
        let mut out = Vec::new();
        for entry in &self.source.effective.monitor {
            let path = format!("monitor.{}", entry.name.name);
            let Some(args) = self.bind(Group::Monitor, &entry.call, Some(&path), Scope::Top) else {
                continue;
            };
            let every = self.every(&args, clock);
            let monitor = match args.function {
                "gradient_norm" => Some(Monitor::GradientNorm {
                    per: if args.symbol("per") == "layer" {
                        NormPer::Layer
                    } else {
                        NormPer::Net
                    },
                    every,
                }),
                _ => self.knn_monitor(&path, &args, every, clock, data, step),
            };
            out.extend(monitor);
        }
        out
    }

    /// An interval in steps; one longer than the run never fires.
    fn every(&mut self, args: &Args, clock: &Clock) -> usize {
        let every = whole_steps(clock, args.time("every").unwrap_or(Time::Steps(1.0)));
        if clock.known && every > clock.steps {
            self.report(
                Diagnostic::lint(Lint::NEVER_FIRES, "this monitor never reads anything")
                    .at(args.span("every"), format!("{every} steps"))
                    .at(
                        self.length_span(),
                        format!("the run has {} steps", clock.steps),
                    )
                    .help("choose a shorter interval"),
            );
        }
        every
    }

    #[allow(clippy::too_many_arguments)]
    fn knn_monitor(
        &mut self,
        path: &str,
        args: &Args,
        every: usize,
        clock: &Clock,
        data: &DataSection,
        step: &mut StepGraph,
    ) -> Option<Monitor> {
        let feature = self.feature_of(args, step)?;
        let view = match args.symbol("view") {
            "" => step.first_view_of(&feature.net)?,
            name => name.to_owned(),
        };
        let Some(node) = step.feature(&feature.net, feature.stage, &view) else {
            self.report(
                Diagnostic::error(
                    Code::UNKNOWN_NAME,
                    format!("the step does not compute `{}({view})`", feature.net),
                )
                .at(args.span("view"), "nothing to read")
                .help("a monitor reads what the step computes: choose another view"),
            );
            return None;
        };
        let samples = data.samples.unwrap_or(clock.steps_per_epoch * clock.batch);
        let bank = match args.get("bank") {
            Some(Value::Quantity(x, Unit::Percent)) => {
                (samples as f64 * x / 100.0).round() as usize
            }
            Some(v) => v.number().unwrap_or(0.0) as usize,
            None => samples / 10,
        };
        let k = args.int("k")?;
        let bank = bank.max(1);
        self.record(&[path, "bank.images"], &bank, |_| {
            ssl_plan::Origin::Derived {
                path: format!("{path}.bank"),
            }
        });
        let k = self.enough(k, bank, args);
        self.needs_labels(data, args.span);
        Some(Monitor::Knn {
            feature,
            node,
            view,
            k,
            temperature: args.float("temperature"),
            bank,
            every,
        })
    }

    /// As many neighbours as there are, with a warning where more are asked.
    fn enough(&mut self, k: usize, there: usize, args: &Args) -> usize {
        if k > there {
            self.report(
                Diagnostic::lint(
                    Lint::TOO_MANY_NEIGHBOURS,
                    format!("{k} neighbours are asked, and there are {there}"),
                )
                .at(args.span("k"), format!("will be {there}"))
                .help("ask for fewer neighbours"),
            );
        }
        k.min(there)
    }

    fn needs_labels(&mut self, data: &DataSection, span: Span) {
        if data.labelled() == Some(false) {
            self.report(
                Diagnostic::lint(
                    Lint::NO_LABELS,
                    "nearest neighbours need labels, and the data has none",
                )
                .at(span, "no accuracy; the spread of the features at most")
                .help("put the images into class folders, or drop this line"),
            );
        }
    }

    fn feature_of(&mut self, args: &Args, step: &StepGraph) -> Option<FeatureOf> {
        let (net, stage) = args.feature("feature")?;
        if !step.is_whole() {
            return None;
        }
        if !step.calls(net) {
            self.report(
                Diagnostic::error(Code::UNUSED, format!("the step never calls `{net}`"))
                    .at(args.span("feature"), "has no features"),
            );
            return None;
        }
        let names = self.stage_names(net);
        let stage = match stage {
            Some(s) => names.iter().position(|n| *n == s)?,
            None => names.len().saturating_sub(1),
        };
        Some(FeatureOf {
            net: net.to_owned(),
            stage,
        })
    }

    pub(super) fn evals(
        &mut self,
        data: &DataSection,
        views: &IndexMap<String, View>,
        step: &StepGraph,
    ) -> Vec<Eval> {
        let mut out = Vec::new();
        for entry in &self.source.effective.eval {
            let path = format!("eval.{}", entry.name.name);
            let Some(args) = self.bind(Group::Eval, &entry.call, Some(&path), Scope::Top) else {
                continue;
            };
            if args.function != "knn" {
                self.feature_of(&args, step);
                self.report(
                    Diagnostic::warning(
                        Code::NOT_YET,
                        format!("`{}` is checked, and not carried out yet", args.function),
                    )
                    .at(entry.call.expr.span, "left out of the run")
                    .help("judge by `knn(...)` for now"),
                );
                continue;
            }
            out.extend(self.knn_eval(&args, data, views, step));
        }
        out
    }

    fn knn_eval(
        &mut self,
        args: &Args,
        data: &DataSection,
        views: &IndexMap<String, View>,
        step: &StepGraph,
    ) -> Option<Eval> {
        let feature = self.feature_of(args, step)?;
        let trained_on = step.first_view_of(&feature.net).and_then(|v| views.get(&v));
        if matches!(data.source, Some(ssl_plan::Source::Recorded { .. })) {
            self.report(
                Diagnostic::lint(Lint::NO_LABELS, "stored views have no labels to judge by")
                    .at(args.span, "will be left out"),
            );
            return None;
        }
        let (transforms, size) = match args.symbol("view") {
            "" => {
                let view = trained_on?;
                let transforms = prepared(view, data);
                (transforms, view.size)
            }
            name => {
                let view = views.get(name)?;
                let transforms = view.transforms.clone();
                let start = match data.source {
                    Some(ssl_plan::Source::Digits) => Some([8, 8]),
                    _ => None,
                };
                let size = size_after(start, &transforms).unwrap_or(view.size);
                (transforms, size)
            }
        };
        if let Some(expected) = trained_on.map(|v| v.size)
            && size != expected
        {
            let show = |[h, w]: [usize; 2]| format!("{h}x{w}");
            self.report(
                Diagnostic::error(
                    Code::SHAPE,
                    format!(
                        "the evaluation has images of {}, the net takes {}",
                        show(size),
                        show(expected)
                    ),
                )
                .at(args.span("view"), "another size than in training"),
            );
            return None;
        }
        self.needs_labels(data, args.span);
        let k = args.int("k")?;
        let voters = data.samples.unwrap_or(usize::MAX);
        Some(Eval::Knn {
            feature,
            k: self.enough(k, voters.saturating_sub(1).max(1), args),
            temperature: args.float("temperature"),
            transforms,
            size,
        })
    }
}

/// The usual preparation of an image: resize to 8/7 of the size, cut the
/// centre, normalise as in training. Images that have the size are kept.
fn prepared(view: &View, data: &DataSection) -> Vec<Transform> {
    let [h, w] = view.size;
    let whole = matches!(data.source, Some(ssl_plan::Source::Digits)) && view.size == [8, 8];
    let mut out = Vec::new();
    if !whole {
        out.push(Transform::Resize {
            size: (h.min(w) as f64 * 8.0 / 7.0).round() as usize,
            interpolation: Interpolation::Bilinear,
        });
        out.push(Transform::CenterCrop { size: view.size });
    }
    let normalize = view
        .transforms
        .iter()
        .find(|t| matches!(t, Transform::Normalize { .. }));
    out.extend(normalize.cloned());
    out
}
