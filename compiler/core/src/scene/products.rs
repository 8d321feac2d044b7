//! Matrix products of stand-ins, the inner products of features among them.

use ssl_plan::NodeId;

use super::Scene;
use super::stand::{Axis, Cell, Grid, Stand};

/// A change of the inner products that one block of a node holds, to ask in
/// which direction the loss falls.
#[derive(Debug, Clone, Copy)]
pub struct Nudge {
    /// The node.
    pub node: NodeId,
    /// The block.
    pub block: (usize, usize),
    /// Towards these inner products.
    pub to: Cell,
    /// How far: 0 not at all, 1 to the end.
    pub share: f64,
}

impl Nudge {
    /// The inner products after it.
    pub fn apply(&self, cell: Cell) -> Cell {
        cell.zip(self.to, |from, to| from + (to - from) * self.share)
    }
}

/// Matrix product. `same` says that the right one is the left one's transpose.
pub fn matmul(
    scene: Scene,
    a: &Stand,
    b: &Stand,
    same: bool,
    nudge: Option<&Nudge>,
) -> Option<Stand> {
    match (a, b) {
        (
            Stand::Feature {
                rows,
                unit: true,
                turned: false,
                ..
            },
            Stand::Feature {
                rows: columns,
                unit: true,
                turned: true,
                ..
            },
        ) => {
            let cell = |r: usize, row: Axis, c: usize, column: Axis| {
                let cell = match (row, column) {
                    (Axis::Images(n), Axis::Images(m)) if n == m => Cell {
                        own: 1.0,
                        other: -(n.saturating_sub(1).max(1) as f64).recip(),
                    },
                    (Axis::Queue(n), Axis::Queue(m)) if n == m && same => Cell {
                        own: 1.0,
                        other: -(n.saturating_sub(1).max(1) as f64).recip(),
                    },
                    // Nothing keeps them from being opposite.
                    _ => Cell::all(-1.0),
                };
                match nudge {
                    Some(n) if n.block == (r, c) => n.apply(cell),
                    _ => cell,
                }
            };
            let cells = rows.iter().enumerate().map(|(r, row)| {
                let cells = columns.iter().enumerate();
                cells.map(|(c, column)| cell(r, *row, c, *column)).collect()
            });
            Some(Stand::Matrix(Grid {
                cells: cells.collect(),
                rows: rows.clone(),
                columns: columns.clone(),
            }))
        }
        (Stand::Matrix(a), Stand::Matrix(b)) => product(scene, a, b).map(Stand::Matrix),
        _ => None,
    }
}

fn product(scene: Scene, a: &Grid, b: &Grid) -> Option<Grid> {
    (a.columns == b.rows).then_some(())?;
    let cell = |r: usize, row: Axis, c: usize, column: Axis| {
        let mut sum = Cell::all(0.0);
        for (k, inner) in a.columns.iter().enumerate() {
            let part = inner_product(scene, row, *inner, column, a.cell(r, k)?, b.cell(k, c)?)?;
            sum = sum.zip(part, |x, y| x + y);
        }
        Some(sum)
    };
    let cells = a.rows.iter().enumerate().map(|(r, row)| {
        let cells = b.columns.iter().enumerate();
        cells
            .map(|(c, column)| cell(r, *row, c, *column))
            .collect::<Option<Vec<_>>>()
    });
    Some(Grid {
        cells: cells.collect::<Option<_>>()?,
        rows: a.rows.clone(),
        columns: b.columns.clone(),
    })
}

/// Two blocks multiplied: what row and column have in common, and what they
/// have where they do not belong together.
fn inner_product(
    scene: Scene,
    row: Axis,
    inner: Axis,
    column: Axis,
    a: Cell,
    b: Cell,
) -> Option<Cell> {
    let n = inner.len() as f64;
    let apart = matches!(scene, Scene::Apart { .. });
    if row.images() && column.images() && matches!(inner, Axis::Features(_)) {
        let own = a.own * b.own + (n - 1.0) * a.other * b.other;
        let other = a.own * b.other + a.other * b.own + (n - 2.0) * a.other * b.other;
        return Some(Cell {
            own,
            other: if apart { other } else { own },
        });
    }
    if let (Axis::Features(d), Axis::Features(e)) = (row, column)
        && inner.images()
    {
        if apart && d == e {
            let share = n / d as f64;
            return Some(Cell {
                own: share * a.own * b.own + (n - share) * a.other * b.other,
                other: share * (a.own * b.other + a.other * b.own)
                    + (n - 2.0 * share) * a.other * b.other,
            });
        }
    }
    (a.flat() && b.flat()).then(|| Cell::all(n * a.own * b.own))
}
