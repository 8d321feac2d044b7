//! Reads top to bottom: section after section, then the Plan.

use ssl_diagnostics::{Code, Diagnostic};
use ssl_plan::{FORMAT, Monitor, Net, NetKind, Plan, Recipe, View};

use super::nets::NetSpec;
use super::{Checked, Checker, Source};
use crate::World;
use crate::estimate;
use crate::scene::{self, Wiring};

/// Checks a pipeline. `broken` says that its text was: then what is missing
/// may stand in what could not be read, and is not reported.
pub fn check(source: Source<'_>, world: &dyn World, broken: bool) -> Checked {
    let mut checker = Checker::new(source, world);
    let mut plan = checker.plan();
    checker.describe_values();
    if let Some(plan) = &mut plan {
        plan.values = checker.values.values().cloned().collect();
    }
    let mut diagnostics: Vec<Diagnostic> = checker.diagnostics.into_iter().collect();
    if broken {
        let follows = [
            Code::MISSING,
            Code::UNUSED,
            Code::UNTRAINED,
            Code::UNKNOWN_NAME,
        ];
        diagnostics.retain(|d| !follows.contains(&d.code));
    }
    Checked {
        plan,
        values: checker.values.into_values().collect(),
        diagnostics,
    }
}

impl Checker<'_> {
    fn plan(&mut self) -> Option<Plan> {
        let data = self.data();
        let batch = data.batch.filter(|b| *b > 0);
        self.pace = data
            .samples
            .zip(batch)
            .map(|(s, b)| s / b)
            .filter(|s| *s > 0);
        for constant in self.source.effective.constants.values() {
            self.constant_value(constant);
        }
        let clock = self.clock(&data);
        let views = self.views(&data);
        let specs = self.nets(&clock);
        let mut step = self.step(&clock, &views, &specs);
        let train = self.train(&clock);
        let mut monitors = self.monitors(&clock, &data, &mut step);
        let evals = self.evals(&data, &views, &step);
        self.usual_averages(&specs);
        self.loose_ends(&specs, &step);
        self.redundant_overrides();
        if step.is_whole() {
            self.unread_constants();
        }
        // One image has no other to be told from.
        let nodes = monitors.iter_mut().filter_map(|m| match m {
            Monitor::Knn { node, .. } => Some(node),
            Monitor::GradientNorm { .. } => None,
        });
        let (graph, calls) = step.graph(nodes.collect()).unzip();
        if let Some(graph) = graph.as_ref().filter(|_| clock.batch > 1) {
            self.collapse(graph, &specs);
        }
        if let Some(graph) = &graph {
            self.unread_views(graph, &views);
            self.predictor_side(graph, &specs);
        }
        let mut nets = Vec::new();
        for (name, spec) in &specs {
            let kind = match spec {
                NetSpec::Broken => return None,
                NetSpec::Ema { of, decay } => {
                    if !step.calls(name) {
                        continue;
                    }
                    let whole = self.length_span();
                    NetKind::Ema {
                        of: of.clone(),
                        decay: self.place(&clock, decay, whole),
                    }
                }
                NetSpec::Stages(_) => NetKind::Stages {
                    stages: step.stages(name)?,
                },
            };
            nets.push(Net {
                name: name.clone(),
                kind,
            });
        }
        let mut train = train;
        if let Some(train) = &mut train {
            self.freeze(&mut train.optimizer.freeze, &nets);
        }
        // The views of the step first, in its order: it keys the draws.
        let taken: Vec<View> = step
            .views
            .iter()
            .filter_map(|v| views.get(v).cloned())
            .collect();
        let recipe = Recipe {
            data: data.plan()?,
            views: taken,
            nets,
            step: graph?,
            train: train?,
            monitors,
            evals,
        };
        if !clock.known {
            return None;
        }
        self.accumulation(&recipe.step, &recipe.nets, &clock);
        self.recomputation(&recipe);
        let unit = scene::unit_stages(&recipe.nets);
        let wiring = Wiring {
            graph: &recipe.step,
            unit: &unit,
        };
        let (estimate, expected) = match self.source.details {
            true => (
                estimate::estimate(&recipe),
                wiring.expected(recipe.train.steps),
            ),
            false => Default::default(),
        };
        Some(Plan {
            format: FORMAT,
            compiler: env!("CARGO_PKG_VERSION").to_owned(),
            pipeline: self.source.effective.name.name.clone(),
            recipe,
            calls: calls.unwrap_or_default(),
            values: Vec::new(),
            docs: match self.source.details {
                true => self.documented(),
                false => Vec::new(),
            },
            estimate,
            expected,
        })
    }
}
