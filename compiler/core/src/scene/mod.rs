//! The step computed on made-up features, without a network.
//!
//! What a loss does to a collapsed network, and the least that it can come to,
//! are facts of its graph. Here the graph is computed on features of which
//! every entry is known: all images the same, or all apart. The entries of
//! such tensors repeat themselves, so a `[4096, 65536]` matrix is a few
//! numbers ([`stand`]), and the value is that of the full size.
//!
//! No name of a method or of a loss is looked at.

mod algebra;
mod eval;
mod least;
mod products;
mod stand;

use std::collections::BTreeSet;

use ssl_plan::{Bound, Expected, Graph, Module, Net, NetKind, Op, Schedule, Segment};

use eval::Eval;
use stand::Stand;

/// A set of features for the loss to be computed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scene {
    /// Every image has the same feature: all its entries are equal, or one is
    /// above the others. The scale is that of features that are not
    /// normalised.
    Same {
        /// Whether one entry is above the others.
        peaked: bool,
        /// The largest entry.
        scale: f64,
    },
    /// Views agree; every image has its own entry, all entries are used
    /// alike.
    Apart {
        /// The largest entry.
        scale: f64,
    },
    /// Views agree; images are as far apart on the sphere as they can be:
    /// inner products of `-1 / (N - 1)`. Only functions of inner products of
    /// normalised features have a value.
    Simplex,
}

/// Scales that features without a norm are tried at.
const SCALES: [f64; 5] = [1.0, 3.0, 10.0, 30.0, 100.0];

/// A graph, and which stages of its nets give features of length 1.
#[derive(Clone, Copy)]
pub struct Wiring<'a> {
    /// The step.
    pub graph: &'a Graph,
    /// Net and stage of every normalisation.
    pub unit: &'a BTreeSet<(String, usize)>,
}

impl Wiring<'_> {
    /// The loss of a scene at a step, where the stand-ins can say.
    pub fn loss(&self, scene: Scene, step: f64) -> Option<f64> {
        match Eval::new(*self, scene, step).loss()? {
            Stand::Number(x) if x.is_finite() => Some(x),
            _ => None,
        }
    }

    /// The lowest loss that a constant output has, and the lowest of features
    /// that tell all images apart.
    pub fn constant_and_apart(&self) -> Option<(f64, f64)> {
        let lowest = |scenes: &mut dyn Iterator<Item = Scene>| {
            scenes
                .filter_map(|s| self.loss(s, 0.0))
                .min_by(f64::total_cmp)
        };
        let same = lowest(
            &mut SCALES
                .into_iter()
                .flat_map(|scale| [false, true].map(|peaked| Scene::Same { peaked, scale })),
        )?;
        let apart = lowest(&mut SCALES.into_iter().map(|scale| Scene::Apart { scale }))?;
        Some((same, apart))
    }

    /// The loss of a network whose features are all equal, where it does not
    /// depend on how large they are.
    fn uniform(&self, step: f64) -> Option<f64> {
        let at = |scale| {
            self.loss(
                Scene::Same {
                    peaked: false,
                    scale,
                },
                step,
            )
        };
        let (one, other) = (at(1.0)?, at(7.0)?);
        ((one - other).abs() <= 1e-9 * one.abs().max(1.0)).then_some(one)
    }

    /// Whether a number of the step moves with a schedule.
    fn moves(&self) -> bool {
        self.graph
            .nodes
            .iter()
            .any(|n| matches!(&n.op, Op::Scalar { value } if value.as_constant().is_none()))
    }

    /// What the loss comes to, for a run of so many steps.
    pub fn expected(&self, steps: usize) -> Expected {
        let last = if self.moves() {
            steps.saturating_sub(1) as f64
        } else {
            0.0
        };
        let exact = self.least(0.0).map(|l| l.exact).unwrap_or_default();
        Expected {
            collapsed: over(last, |step| self.uniform(step)),
            least: over(last, |step| Some(self.least(step)?.value))
                .map(|value| Bound { value, exact }),
        }
    }
}

/// The stages of a recipe's nets that give features of length 1.
pub fn unit_stages(nets: &[Net]) -> BTreeSet<(String, usize)> {
    let stages = |name: &str| {
        nets.iter().find_map(|n| match &n.kind {
            NetKind::Stages { stages } if n.name == name => Some(stages.as_slice()),
            _ => None,
        })
    };
    let mut out = BTreeSet::new();
    for net in nets {
        let of = match &net.kind {
            NetKind::Stages { stages } => stages.as_slice(),
            NetKind::Ema { of, .. } => stages(of).unwrap_or_default(),
        };
        for (i, stage) in of.iter().enumerate() {
            if matches!(stage.module, Module::L2Normalize { .. }) {
                out.insert((net.name.clone(), i));
            }
        }
    }
    out
}

/// Pieces that a value which moves with a schedule is cut into.
const PIECES: usize = 32;

/// A function of the step as a schedule: one number where it does not move,
/// else straight between points.
fn over(last: f64, f: impl Fn(f64) -> Option<f64>) -> Option<Schedule> {
    // What float64 rounds away is no loss.
    let whole = |x: f64| if x.abs() < 1e-12 { 0.0 } else { x };
    if last == 0.0 {
        return f(0.0).map(|x| Schedule::constant(whole(x)));
    }
    let points = (0..=PIECES)
        .map(|i| f(last * i as f64 / PIECES as f64).map(whole))
        .collect::<Option<Vec<f64>>>()?;
    let first = points.first().copied()?;
    if points
        .iter()
        .all(|p| (p - first).abs() <= 1e-12 * first.abs().max(1.0))
    {
        return Some(Schedule::constant(first));
    }
    let segments = points
        .windows(2)
        .filter_map(|pair| match pair {
            [from, to] => Some(Segment {
                steps: last / PIECES as f64,
                curve: ssl_plan::Curve::Linear {
                    from: *from,
                    to: *to,
                },
            }),
            _ => None,
        })
        .collect();
    Some(Schedule { segments })
}
