//! Would a constant output minimise the loss, and does anything stand against
//! it? Judged on the graph: no name of a method or of a loss is looked at.
//!
//! The loss is computed twice on stand-ins for features: once where every image
//! has the same one, once where the views of an image agree and different
//! images are as far apart as they can be (a simplex). A loss that is no higher
//! for the first only attracts. Then the wiring must prevent the way there: by
//! a predictor before a detached target (Grill et al. 2020, Chen & He 2021), or
//! by a slow average.

use std::collections::BTreeSet;

use ssl_diagnostics::{Diagnostic, Lint};
use ssl_plan::{BinaryOp, Graph, NodeId, Op, ReduceOp, UnaryOp};

use super::Checker;
use super::nets::NetSpec;
use indexmap::IndexMap;

/// A set of features for the loss to be computed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// Every image has the same feature.
    Collapsed,
    /// Views agree, images are apart.
    Spread,
}

/// A stand-in for a tensor.
#[derive(Debug, Clone, PartialEq)]
enum Stand {
    /// One number.
    Number(f64),
    /// `[N]`, all equal.
    Vector(f64),
    /// `[N, D]` features, one a row; whether of length 1, whether transposed.
    Feature { unit: bool, turned: bool },
    /// Elementwise product of two sets of unit features.
    Product,
    /// `[N, M]`: square blocks side by side, each with equal entries on its
    /// diagonal and equal ones off it.
    Blocks { rows: usize, blocks: Vec<Block> },
}

/// A square block of a matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Block {
    diagonal: f64,
    off: f64,
}

/// The loss of a scene, where the stand-ins can say.
fn loss(graph: &Graph, scene: Scene) -> Option<f64> {
    let mut stands: Vec<Option<Stand>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let stand = stand_of(&node.op, &node.dims, scene, graph, &stands);
        stands.push(stand);
    }
    match stands.get(graph.loss)? {
        Some(Stand::Number(x)) if x.is_finite() => Some(*x),
        _ => None,
    }
}

fn stand_of(
    op: &Op,
    dims: &[usize],
    scene: Scene,
    graph: &Graph,
    stands: &[Option<Stand>],
) -> Option<Stand> {
    let at = |id: NodeId| stands.get(id).and_then(Clone::clone);
    match op {
        Op::View { .. }
        | Op::LogSumExp { .. }
        | Op::Column { .. }
        | Op::Slice { .. }
        | Op::Standardize { .. }
        | Op::Queue { .. }
        | Op::RunningMean { .. }
        | Op::Sinkhorn { .. }
        | Op::Nearest { .. }
        | Op::RandomMask { .. }
        | Op::Patchify { .. } => None,
        Op::Stage { .. } => Some(Stand::Feature {
            unit: false,
            turned: false,
        }),
        Op::Detach { x } => at(*x),
        Op::Scalar { value } => Some(Stand::Number(value.at(0.0))),
        Op::L2Normalize { x, .. } => match at(*x)? {
            Stand::Feature { turned: false, .. } => Some(Stand::Feature {
                unit: true,
                turned: false,
            }),
            _ => None,
        },
        Op::Transpose { x } => match at(*x)? {
            Stand::Feature { unit, turned } => Some(Stand::Feature {
                unit,
                turned: !turned,
            }),
            Stand::Blocks { rows, blocks } if blocks.len() == 1 => {
                Some(Stand::Blocks { rows, blocks })
            }
            _ => None,
        },
        Op::Matmul { left, right } => match (at(*left)?, at(*right)?) {
            (
                Stand::Feature {
                    unit: true,
                    turned: false,
                },
                Stand::Feature {
                    unit: true,
                    turned: true,
                },
            ) => {
                let [rows, columns] = dims else { return None };
                let far = match scene {
                    Scene::Collapsed => 1.0,
                    Scene::Spread => -1.0 / (rows.saturating_sub(1).max(1) as f64),
                };
                (rows == columns).then(|| Stand::Blocks {
                    rows: *rows,
                    blocks: vec![Block {
                        diagonal: 1.0,
                        off: far,
                    }],
                })
            }
            _ => None,
        },
        Op::Concat { xs, axis: 1 } => {
            let mut all = Vec::new();
            let mut height = None;
            for x in xs {
                let Stand::Blocks { rows, blocks } = at(*x)? else {
                    return None;
                };
                height = Some(rows);
                all.extend(blocks);
            }
            Some(Stand::Blocks {
                rows: height?,
                blocks: all,
            })
        }
        Op::Concat { .. } => None,
        Op::LogSoftmax { x } => softmax(&at(*x)?, true),
        Op::Softmax { x } => softmax(&at(*x)?, false),
        Op::Diagonal { x } => match at(*x)? {
            Stand::Blocks { blocks, .. } => Some(Stand::Vector(blocks.first()?.diagonal)),
            _ => None,
        },
        Op::MaskDiagonal { x } => match at(*x)? {
            Stand::Blocks { rows, mut blocks } => {
                blocks.first_mut()?.diagonal = f64::NEG_INFINITY;
                Some(Stand::Blocks { rows, blocks })
            }
            _ => None,
        },
        Op::Unary { f, x } => each(&at(*x)?, |v| match f {
            UnaryOp::Neg => -v,
            UnaryOp::Exp => v.exp(),
            UnaryOp::Log => v.ln(),
            UnaryOp::Sqrt => v.sqrt(),
            UnaryOp::Relu => v.max(0.0),
        }),
        Op::Binary { f, left, right } => binary(*f, &at(*left)?, &at(*right)?),
        Op::Reduce { f, x, axis } => {
            let shape = graph
                .nodes
                .get(*x)
                .map(|n| n.dims.as_slice())
                .unwrap_or_default();
            reduce(*f, &at(*x)?, *axis, shape, scene)
        }
    }
}

fn each(x: &Stand, f: impl Fn(f64) -> f64) -> Option<Stand> {
    Some(match x {
        Stand::Number(v) => Stand::Number(f(*v)),
        Stand::Vector(v) => Stand::Vector(f(*v)),
        Stand::Blocks { rows, blocks } => Stand::Blocks {
            rows: *rows,
            blocks: blocks
                .iter()
                .map(|b| Block {
                    diagonal: f(b.diagonal),
                    off: f(b.off),
                })
                .collect(),
        },
        _ => return None,
    })
}

fn binary(f: BinaryOp, a: &Stand, b: &Stand) -> Option<Stand> {
    let apply = |x: f64, y: f64| match f {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
    };
    match (a, b) {
        (Stand::Number(x), _) => each(b, |y| apply(*x, y)),
        (_, Stand::Number(y)) => each(a, |x| apply(x, *y)),
        (Stand::Vector(x), Stand::Vector(y)) => Some(Stand::Vector(apply(*x, *y))),
        (Stand::Blocks { rows, blocks: p }, Stand::Blocks { blocks: q, .. })
            if p.len() == q.len() =>
        {
            let join = |(p, q): (&Block, &Block)| Block {
                diagonal: apply(p.diagonal, q.diagonal),
                off: apply(p.off, q.off),
            };
            Some(Stand::Blocks {
                rows: *rows,
                blocks: p.iter().zip(q).map(join).collect(),
            })
        }
        (
            Stand::Feature {
                unit: true,
                turned: false,
            },
            Stand::Feature {
                unit: true,
                turned: false,
            },
        ) if f == BinaryOp::Mul => Some(Stand::Product),
        _ => None,
    }
}

/// Along rows: every row has the same entries.
fn softmax(x: &Stand, log: bool) -> Option<Stand> {
    let Stand::Blocks { rows, blocks } = x else {
        return None;
    };
    let others = (*rows as f64) - 1.0;
    let top = blocks
        .iter()
        .flat_map(|b| [b.diagonal, b.off])
        .fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = blocks
        .iter()
        .map(|b| (b.diagonal - top).exp() + others * (b.off - top).exp())
        .sum();
    let total = top + sum.ln();
    each(x, |v| if log { v - total } else { (v - total).exp() })
}

fn reduce(
    f: ReduceOp,
    x: &Stand,
    axis: Option<usize>,
    dims: &[usize],
    scene: Scene,
) -> Option<Stand> {
    let count: f64 = dims.iter().map(|d| *d as f64).product();
    match (x, axis) {
        (Stand::Number(v), _) => Some(Stand::Number(if f == ReduceOp::Std { 0.0 } else { *v })),
        (Stand::Vector(v), _) => Some(Stand::Number(match f {
            ReduceOp::Sum => v * count,
            ReduceOp::Mean => *v,
            ReduceOp::Std => 0.0,
        })),
        // The views of an image agree in both scenes.
        (Stand::Product, Some(1)) if f == ReduceOp::Sum => Some(Stand::Vector(1.0)),
        (Stand::Product, None) if f != ReduceOp::Std => {
            let rows = *dims.first()? as f64;
            Some(Stand::Number(if f == ReduceOp::Sum {
                rows
            } else {
                rows / count
            }))
        }
        (
            Stand::Feature {
                unit: true,
                turned: false,
            },
            Some(0),
        ) if f == ReduceOp::Std => {
            let width = *dims.get(1)? as f64;
            Some(Stand::Vector(if scene == Scene::Collapsed {
                0.0
            } else {
                width.sqrt().recip()
            }))
        }
        (Stand::Blocks { rows, blocks }, None) if f != ReduceOp::Std => {
            let others = (*rows as f64) - 1.0;
            let row: f64 = blocks.iter().map(|b| b.diagonal + others * b.off).sum();
            let sum = row * *rows as f64;
            Some(Stand::Number(if f == ReduceOp::Sum {
                sum
            } else {
                sum / count
            }))
        }
        _ => None,
    }
}

/// A way from the loss down to a view: the nets on it, and whether a gradient
/// comes along it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    nets: Vec<String>,
    live: bool,
}

/// Every way from a node to a view.
fn ways(graph: &Graph, specs: &IndexMap<String, NetSpec>) -> BTreeSet<Way> {
    let mut all: Vec<BTreeSet<Way>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let of = |id: NodeId| all.get(id).cloned().unwrap_or_default();
        let mut here = BTreeSet::new();
        match &node.op {
            Op::View { .. } => {
                here.insert(Way {
                    nets: Vec::new(),
                    live: true,
                });
            }
            Op::Stage { net, input, .. } => {
                let trained = matches!(specs.get(net), Some(NetSpec::Stages(_)));
                for mut way in of(*input) {
                    if way.nets.last() != Some(net) {
                        way.nets.push(net.clone());
                    }
                    way.live &= trained;
                    here.insert(way);
                }
            }
            Op::Detach { x } => {
                here.extend(of(*x).into_iter().map(|w| Way { live: false, ..w }));
            }
            op => {
                for input in op.inputs() {
                    here.extend(of(input));
                }
            }
        }
        all.push(here);
    }
    all.get(graph.loss).cloned().unwrap_or_default()
}

impl Checker<'_> {
    /// Warns of a loss that a constant output minimises, which
    /// `allow(collapse)` takes back.
    pub(super) fn collapse(&mut self, graph: &Graph, specs: &IndexMap<String, NetSpec>) {
        let effective = self.source.effective;
        let (Some(same), Some(apart)) = (loss(graph, Scene::Collapsed), loss(graph, Scene::Spread))
        else {
            return;
        };
        if same > apart + 1e-9 * apart.abs().max(1.0) {
            return;
        }
        let ways = ways(graph, specs);
        let Some(why) = unprotected(&ways, specs) else {
            return;
        };
        let Some(setting) = effective.step.as_ref().and_then(|s| s.minimize.as_ref()) else {
            return;
        };
        self.report(
            Diagnostic::lint(Lint::COLLAPSE, "a constant output minimises this loss")
                .at(
                    setting.expr.span,
                    format!(
                        "it is {} where every image has the same feature, and no lower anywhere",
                        crate::value::show_number(same)
                    ),
                )
                .help(format!(
                    "{why}; or say `allow(collapse)` where that is what you study"
                )),
        );
    }
}

/// What is missing, where nothing stands against the collapse.
fn unprotected(ways: &BTreeSet<Way>, specs: &IndexMap<String, NetSpec>) -> Option<&'static str> {
    let (live, targets): (Vec<&Way>, Vec<&Way>) = ways.iter().partition(|w| w.live);
    if targets.is_empty() {
        return Some(
            "both sides take the gradient: detach one with `stopgrad`, and put a predictor before the other",
        );
    }
    let slow = |w: &&Way| {
        w.nets.iter().any(|n| match specs.get(n) {
            Some(NetSpec::Ema { decay, .. }) => decay.as_constant() != Some(0.0),
            _ => false,
        })
    };
    // The target's nets under the names of what they average.
    let origin = |w: &Way| -> Vec<String> {
        w.nets
            .iter()
            .map(|n| match specs.get(n) {
                Some(NetSpec::Ema { of, .. }) => of.clone(),
                _ => n.clone(),
            })
            .collect()
    };
    let target_nets: Vec<Vec<String>> = targets.iter().map(|w| origin(w)).collect();
    let predicted = live.iter().all(|w| {
        w.nets
            .iter()
            .any(|n| target_nets.iter().all(|t| !t.contains(n)))
    });
    if predicted || targets.iter().all(slow) {
        return None;
    }
    Some(
        "the target is the network itself: put a predictor before the other side, or average the target with `ema`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N = 8 at temperature 0.2: 2T ln N where all are equal (recipes of MoCo
    /// v3), and less on a simplex.
    #[test]
    fn softmax_of_equal_logits_is_uniform() {
        let equal = Stand::Blocks {
            rows: 8,
            blocks: vec![Block {
                diagonal: 5.0,
                off: 5.0,
            }],
        };
        let Some(Stand::Blocks { blocks, .. }) = softmax(&equal, true) else {
            panic!("blocks")
        };
        assert!((blocks[0].diagonal + 8f64.ln()).abs() < 1e-12);
        let masked = Stand::Blocks {
            rows: 8,
            blocks: vec![
                Block {
                    diagonal: 5.0,
                    off: 5.0,
                },
                Block {
                    diagonal: f64::NEG_INFINITY,
                    off: 5.0,
                },
            ],
        };
        let Some(Stand::Blocks { blocks, .. }) = softmax(&masked, true) else {
            panic!("blocks")
        };
        assert!((blocks[0].diagonal + 15f64.ln()).abs() < 1e-12);
    }
}
