//! The graph, node by node, on stand-ins.

use ssl_plan::{NodeId, Op, UnaryOp};

use super::algebra;
use super::products::{self, Nudge};
use super::stand::{Axis, Cell, Grid, Stand, row_sum, times, vector_sum};
use super::{Scene, Wiring};

/// One evaluation of a graph.
pub struct Eval<'a> {
    wiring: Wiring<'a>,
    pub(super) scene: Scene,
    step: f64,
    /// A change of one table of inner products.
    pub(super) nudge: Option<Nudge>,
}

impl<'a> Eval<'a> {
    /// An evaluation at a step.
    pub fn new(wiring: Wiring<'a>, scene: Scene, step: f64) -> Self {
        Eval {
            wiring,
            scene,
            step,
            nudge: None,
        }
    }

    /// What the loss is.
    pub fn loss(&self) -> Option<Stand> {
        let loss = self.wiring.graph.loss;
        self.all().into_iter().nth(loss)?
    }

    /// What every node is, where it can be said.
    pub fn all(&self) -> Vec<Option<Stand>> {
        let mut stands: Vec<Option<Stand>> = Vec::new();
        for (id, node) in self.wiring.graph.nodes.iter().enumerate() {
            let stand = self.stand(id, &node.op, &node.dims, &stands);
            stands.push(stand);
        }
        stands
    }

    fn stand(
        &self,
        id: NodeId,
        op: &Op,
        dims: &[usize],
        stands: &[Option<Stand>],
    ) -> Option<Stand> {
        let at = |id: &NodeId| stands.get(*id).and_then(Option::as_ref);
        let scene = self.scene;
        match op {
            Op::View { .. } => Some(Stand::Opaque(vec![Axis::Images(*dims.first()?)])),
            Op::Stage {
                net, stage, input, ..
            } => {
                let input = at(input)?;
                if self.wiring.unit.contains(&(net.clone(), *stage)) {
                    return self.unit(input, 1e-12);
                }
                self.features(images(input)?, dims)
            }
            Op::Detach { x } => at(x).cloned(),
            Op::Scalar { value } => Some(Stand::Number(value.at(self.step))),
            Op::L2Normalize { x, eps } => self.unit(at(x)?, *eps),
            Op::Standardize { x, eps } => self.standardized(at(x)?, *eps),
            Op::Transpose { x } => match at(x)? {
                Stand::Matrix(grid) => Some(Stand::Matrix(grid.transposed()?)),
                Stand::Feature {
                    rows,
                    width,
                    unit,
                    turned,
                } => Some(Stand::Feature {
                    rows: rows.clone(),
                    width: *width,
                    unit: *unit,
                    turned: !turned,
                }),
                _ => None,
            },
            Op::Matmul { left, right } => {
                let same = self.wiring.is_gram(*left, *right);
                products::matmul(scene, at(left)?, at(right)?, same, self.nudged(id))
            }
            Op::Concat { xs, axis } => {
                let xs = xs
                    .iter()
                    .map(|x| at(x).cloned())
                    .collect::<Option<Vec<_>>>()?;
                algebra::concat(&xs, *axis)
            }
            Op::Slice {
                x,
                axis,
                start,
                end,
            } => algebra::slice(at(x)?, *axis, *start, *end),
            Op::Softmax { x } => self.softmax(at(x)?, f64::exp),
            Op::LogSoftmax { x } => self.softmax(at(x)?, |v| v),
            Op::LogSumExp { x } => match at(x)? {
                Stand::Matrix(grid) => {
                    let row = |r: usize| {
                        let axis = *grid.rows.get(r)?;
                        Some((axis, Cell::all(self.log_sum_exp(grid, r)?)))
                    };
                    let rows = (0..grid.rows.len()).map(row);
                    Some(Stand::Vector(rows.collect::<Option<_>>()?))
                }
                Stand::Vector(parts) => Some(Stand::Number(vector_log_sum_exp(parts))),
                _ => None,
            },
            Op::Column { x } => match at(x)? {
                Stand::Vector(parts) => Some(Stand::Matrix(Grid {
                    rows: parts.iter().map(|(axis, _)| *axis).collect(),
                    columns: vec![Axis::Plain(1)],
                    cells: parts
                        .iter()
                        .map(|(_, cell)| cell.flat().then(|| vec![*cell]))
                        .collect::<Option<_>>()?,
                })),
                _ => None,
            },
            Op::Diagonal { x } => match at(x)? {
                Stand::Matrix(grid) => {
                    let part = |r: usize| {
                        let axis = *grid.rows.get(r)?;
                        (grid.columns.get(r) == Some(&axis)).then_some(())?;
                        Some((axis, Cell::all(grid.cell(r, r)?.own)))
                    };
                    let parts = (0..grid.rows.len()).map(part);
                    Some(Stand::Vector(parts.collect::<Option<_>>()?))
                }
                _ => None,
            },
            Op::MaskDiagonal { x } => match at(x)? {
                Stand::Matrix(grid) => {
                    let masked = grid.each(|r, c, cell| {
                        let fits = grid.rows.get(r) == grid.columns.get(c);
                        (r != c || fits).then_some(if r == c {
                            Cell {
                                own: f64::NEG_INFINITY,
                                ..cell
                            }
                        } else {
                            cell
                        })
                    });
                    Some(Stand::Matrix(masked?))
                }
                _ => None,
            },
            Op::Queue { x, length } => {
                let rows = vec![Axis::Queue(*length)];
                match at(x)? {
                    Stand::Matrix(grid) => match (grid.rows.as_slice(), grid.cells.as_slice()) {
                        ([Axis::Images(_)], [_]) => Some(Stand::Matrix(Grid {
                            rows,
                            ..grid.clone()
                        })),
                        _ => None,
                    },
                    Stand::Feature {
                        width,
                        unit,
                        turned: false,
                        ..
                    } => Some(Stand::Feature {
                        rows,
                        width: *width,
                        unit: *unit,
                        turned: false,
                    }),
                    _ => None,
                }
            }
            // Where the features stand still, it has come to their mean.
            Op::RunningMean { x, .. } => {
                algebra::reduce(scene, ssl_plan::ReduceOp::Mean, at(x)?, Some(0))
            }
            Op::Sinkhorn { x, epsilon, .. } => self.assignment(at(x)?, *epsilon),
            // An image that looks like this one, from another batch.
            Op::Nearest { x, .. } => at(x).cloned(),
            Op::RandomMask { x, .. } | Op::Patchify { x, .. } => {
                Some(Stand::Opaque(images(at(x)?)?))
            }
            Op::Unary { f, x } => {
                let f = |v: f64| match f {
                    UnaryOp::Neg => -v,
                    UnaryOp::Exp => v.exp(),
                    UnaryOp::Log => v.ln(),
                    UnaryOp::Sqrt => v.sqrt(),
                    UnaryOp::Relu => v.max(0.0),
                };
                algebra::each(at(x)?, f)
            }
            Op::Binary { f, left, right } => {
                algebra::binary(*f, at(left)?, at(right)?, self.nudged(id))
            }
            Op::Reduce { f, x, axis } => algebra::reduce(scene, *f, at(x)?, *axis),
        }
    }

    fn nudged(&self, id: NodeId) -> Option<&Nudge> {
        self.nudge.as_ref().filter(|n| n.node == id)
    }

    /// Fresh features.
    fn features(&self, rows: Vec<Axis>, dims: &[usize]) -> Option<Stand> {
        let [_, width] = dims else {
            return Some(Stand::Opaque(rows));
        };
        let cell = match self.scene {
            Scene::Same {
                peaked: false,
                scale,
            } => Cell::all(scale),
            Scene::Same { scale, .. } | Scene::Apart { scale } => Cell {
                own: scale,
                other: 0.0,
            },
            Scene::Simplex => {
                return Some(Stand::Feature {
                    rows,
                    width: *width,
                    unit: false,
                    turned: false,
                });
            }
        };
        Some(Stand::Matrix(Grid {
            cells: vec![vec![cell]; rows.len()],
            rows,
            columns: vec![Axis::Features(*width)],
        }))
    }

    fn unit(&self, x: &Stand, eps: f64) -> Option<Stand> {
        match x {
            Stand::Feature {
                rows,
                width,
                turned: false,
                ..
            } => Some(Stand::Feature {
                rows: rows.clone(),
                width: *width,
                unit: true,
                turned: false,
            }),
            Stand::Matrix(grid) => {
                let norms = self.rows(grid, |v| v * v)?;
                let scaled = grid.each(|r, _, cell| {
                    let norm = norms.get(r)?.sqrt().max(eps);
                    Some(cell.map(|v| v / norm))
                });
                Some(Stand::Matrix(scaled?))
            }
            _ => None,
        }
    }

    fn standardized(&self, x: &Stand, eps: f64) -> Option<Stand> {
        let Stand::Matrix(grid) = x else {
            return matches!(x, Stand::Opaque(_)).then(|| x.clone());
        };
        let n: f64 = grid.columns.iter().map(|c| c.len() as f64).sum();
        let sums = self.rows(grid, |v| v)?;
        let squares = self.rows(grid, |v| v * v)?;
        let scaled = grid.each(|r, _, cell| {
            let mean = sums.get(r)? / n;
            let spread = (squares.get(r)? - n * mean * mean).max(0.0) / (n - 1.0).max(1.0);
            Some(cell.map(|v| (v - mean) / (spread + eps).sqrt()))
        });
        Some(Stand::Matrix(scaled?))
    }

    /// A sum for each part of the rows.
    fn rows(&self, grid: &Grid, f: impl Fn(f64) -> f64) -> Option<Vec<f64>> {
        (0..grid.rows.len())
            .map(|r| row_sum(self.scene, grid, r, &f))
            .collect()
    }

    fn log_sum_exp(&self, grid: &Grid, r: usize) -> Option<f64> {
        let top = grid
            .row(r)
            .flat_map(|(_, cell)| [cell.own, cell.other])
            .fold(f64::NEG_INFINITY, f64::max);
        let sum = row_sum(self.scene, grid, r, |v| (v - top).exp())?;
        Some(top + sum.ln())
    }

    /// Log-softmax along the rows, then `f` of each entry.
    fn softmax(&self, x: &Stand, f: impl Fn(f64) -> f64) -> Option<Stand> {
        match x {
            Stand::Matrix(grid) => {
                let totals = (0..grid.rows.len())
                    .map(|r| self.log_sum_exp(grid, r))
                    .collect::<Option<Vec<f64>>>()?;
                let scaled = grid.each(|r, _, cell| {
                    let total = *totals.get(r)?;
                    Some(cell.map(|v| f(v - total)))
                });
                Some(Stand::Matrix(scaled?))
            }
            Stand::Vector(parts) => {
                let total = vector_log_sum_exp(parts);
                let part = |(axis, cell): &(Axis, Cell)| (*axis, cell.map(|v| f(v - total)));
                Some(Stand::Vector(parts.iter().map(part).collect()))
            }
            _ => None,
        }
    }

    /// Columns of equal sums, rows of sum 1.
    fn assignment(&self, x: &Stand, epsilon: f64) -> Option<Stand> {
        let Stand::Matrix(grid) = x else { return None };
        match self.scene {
            // Every image has the same scores, and every column the same share.
            Scene::Same { .. } => {
                let n: f64 = grid.columns.iter().map(|c| c.len() as f64).sum();
                Some(Stand::Matrix(grid.map(|_| n.recip())))
            }
            Scene::Apart { .. } => {
                self.softmax(&Stand::Matrix(grid.map(|v| v / epsilon)), f64::exp)
            }
            Scene::Simplex => None,
        }
    }
}

fn vector_log_sum_exp(parts: &[(Axis, Cell)]) -> f64 {
    let top = parts
        .iter()
        .flat_map(|(_, c)| [c.own, c.other])
        .fold(f64::NEG_INFINITY, f64::max);
    top + vector_sum(parts, |v| times(1.0, (v - top).exp())).ln()
}

/// The images that the rows of a value belong to.
fn images(x: &Stand) -> Option<Vec<Axis>> {
    Some(match x {
        Stand::Opaque(rows)
        | Stand::Product { rows, .. }
        | Stand::Feature {
            rows,
            turned: false,
            ..
        } => rows.clone(),
        Stand::Matrix(grid) => grid.rows.clone(),
        _ => return None,
    })
}
