//! Arithmetic on stand-ins.

use ssl_plan::{BinaryOp, ReduceOp};

use super::Scene;
use super::products::Nudge;
use super::stand::{Axis, Cell, Grid, Stand, counts, row_sum, times, vector_sum};

/// A function of every entry.
pub fn each(x: &Stand, f: impl Fn(f64) -> f64) -> Option<Stand> {
    Some(match x {
        Stand::Number(v) => Stand::Number(f(*v)),
        Stand::Vector(parts) => Stand::Vector(
            parts
                .iter()
                .map(|(axis, cell)| (*axis, cell.map(&f)))
                .collect(),
        ),
        Stand::Matrix(grid) => Stand::Matrix(grid.map(f)),
        _ => return None,
    })
}

/// Elementwise with broadcasting.
pub fn binary(f: BinaryOp, a: &Stand, b: &Stand, nudge: Option<&Nudge>) -> Option<Stand> {
    let apply = |x: f64, y: f64| match f {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
    };
    match (a, b) {
        (Stand::Number(x), _) => each(b, |y| apply(*x, y)),
        (_, Stand::Number(y)) => each(a, |x| apply(x, *y)),
        (Stand::Vector(p), Stand::Vector(q)) => {
            let parts = p
                .iter()
                .zip(q)
                .map(|((axis, x), (other, y))| (axis == other).then(|| (*axis, x.zip(*y, apply))));
            (p.len() == q.len()).then_some(())?;
            Some(Stand::Vector(parts.collect::<Option<_>>()?))
        }
        (Stand::Matrix(p), Stand::Matrix(q)) if p.rows == q.rows && p.columns == q.columns => {
            let joined = p.each(|r, c, x| Some(x.zip(q.cell(r, c)?, apply)));
            Some(Stand::Matrix(joined?))
        }
        (Stand::Matrix(p), Stand::Matrix(q)) if p.rows == q.rows && is_column(q) => {
            let joined = p.each(|r, _, x| Some(x.zip(q.cell(r, 0)?, apply)));
            Some(Stand::Matrix(joined?))
        }
        (Stand::Matrix(p), Stand::Matrix(q)) if p.rows == q.rows && is_column(p) => {
            let joined = q.each(|r, _, y| Some(p.cell(r, 0)?.zip(y, apply)));
            Some(Stand::Matrix(joined?))
        }
        (Stand::Matrix(p), Stand::Vector(q)) => {
            let joined = p.each(|_, c, x| Some(x.zip(along(p, q, c)?, apply)));
            Some(Stand::Matrix(joined?))
        }
        (Stand::Vector(p), Stand::Matrix(q)) => {
            let joined = q.each(|_, c, y| Some(along(q, p, c)?.zip(y, apply)));
            Some(Stand::Matrix(joined?))
        }
        (
            Stand::Feature {
                rows,
                width,
                unit: true,
                turned: false,
            },
            Stand::Feature {
                rows: other,
                unit: true,
                turned: false,
                ..
            },
        ) if f == BinaryOp::Mul && rows == other => {
            let one = Cell::all(1.0);
            let cosine = nudge.map_or(one, |n| n.apply(one)).own;
            Some(Stand::Product {
                rows: rows.clone(),
                width: *width,
                cosine,
            })
        }
        _ => None,
    }
}

/// A column that every column of a matrix is joined with.
fn is_column(grid: &Grid) -> bool {
    grid.columns == [Axis::Plain(1)]
}

/// The part of a vector that stands over the columns of a block.
fn along(grid: &Grid, vector: &[(Axis, Cell)], c: usize) -> Option<Cell> {
    let (axis, cell) = vector.get(c)?;
    (grid.columns.get(c) == Some(axis)).then_some(*cell)
}

/// Values one after the other.
pub fn concat(xs: &[Stand], axis: usize) -> Option<Stand> {
    let mut xs = xs.iter().cloned();
    let mut all = xs.next()?;
    for x in xs {
        match (&mut all, x) {
            (Stand::Opaque(rows), Stand::Opaque(more)) if axis == 0 => rows.extend(more),
            (Stand::Vector(parts), Stand::Vector(more)) => parts.extend(more),
            (Stand::Matrix(a), Stand::Matrix(b)) if axis == 0 && a.columns == b.columns => {
                a.rows.extend(b.rows);
                a.cells.extend(b.cells);
            }
            (Stand::Matrix(a), Stand::Matrix(b)) if axis == 1 && a.rows == b.rows => {
                a.columns.extend(b.columns);
                for (row, more) in a.cells.iter_mut().zip(b.cells) {
                    row.extend(more);
                }
            }
            (
                Stand::Feature {
                    rows,
                    width,
                    unit,
                    turned: false,
                },
                Stand::Feature {
                    rows: more,
                    width: other,
                    unit: also,
                    turned: false,
                },
            ) if axis == 0 && *width == other => {
                rows.extend(more);
                *unit &= also;
            }
            _ => return None,
        }
    }
    Some(all)
}

/// Whole parts of an axis.
pub fn slice(x: &Stand, axis: usize, start: usize, end: usize) -> Option<Stand> {
    let parts = |axes: &[Axis]| {
        let mut at = 0;
        let mut first = None;
        for (i, a) in axes.iter().enumerate() {
            if at == start && first.is_none() {
                first = Some(i);
            }
            at += a.len();
            if at == end {
                return first.map(|f| f..i + 1);
            }
        }
        None
    };
    Some(match (x, axis) {
        (Stand::Opaque(rows), 0) => Stand::Opaque(rows.get(parts(rows)?)?.to_vec()),
        (Stand::Vector(vector), 0) => {
            let axes: Vec<Axis> = vector.iter().map(|(a, _)| *a).collect();
            Stand::Vector(vector.get(parts(&axes)?)?.to_vec())
        }
        (Stand::Matrix(grid), 0) => {
            let part = parts(&grid.rows)?;
            Stand::Matrix(Grid {
                rows: grid.rows.get(part.clone())?.to_vec(),
                columns: grid.columns.clone(),
                cells: grid.cells.get(part)?.to_vec(),
            })
        }
        (Stand::Matrix(grid), 1) => {
            let part = parts(&grid.columns)?;
            let cells = grid
                .cells
                .iter()
                .map(|row| Some(row.get(part.clone())?.to_vec()));
            Stand::Matrix(Grid {
                rows: grid.rows.clone(),
                columns: grid.columns.get(part.clone())?.to_vec(),
                cells: cells.collect::<Option<_>>()?,
            })
        }
        (
            Stand::Feature {
                rows,
                width,
                unit,
                turned: false,
            },
            0,
        ) => Stand::Feature {
            rows: rows.get(parts(rows)?)?.to_vec(),
            width: *width,
            unit: *unit,
            turned: false,
        },
        _ => return None,
    })
}

/// Sum, mean or standard deviation over one axis or all.
pub fn reduce(scene: Scene, f: ReduceOp, x: &Stand, axis: Option<usize>) -> Option<Stand> {
    let of = |sum: f64, squares: f64, n: f64| match f {
        ReduceOp::Sum => sum,
        ReduceOp::Mean => sum / n,
        ReduceOp::Std => (squares / n - (sum / n).powi(2)).max(0.0).sqrt(),
    };
    let length = |axes: &[Axis]| axes.iter().map(|a| a.len() as f64).sum::<f64>();
    match (x, axis) {
        (Stand::Number(v), _) => Some(Stand::Number(of(*v, v * v, 1.0))),
        (Stand::Vector(parts), _) => {
            let n = parts.iter().map(|(a, _)| a.len() as f64).sum();
            let sum = vector_sum(parts, |v| v);
            let squares = vector_sum(parts, |v| v * v);
            Some(Stand::Number(of(sum, squares, n)))
        }
        (Stand::Matrix(grid), Some(1)) => {
            let n = length(&grid.columns);
            let part = |r: usize| {
                let sum = row_sum(scene, grid, r, |v| v)?;
                let squares = row_sum(scene, grid, r, |v| v * v)?;
                Some((*grid.rows.get(r)?, Cell::all(of(sum, squares, n))))
            };
            let parts = (0..grid.rows.len()).map(part);
            Some(Stand::Vector(parts.collect::<Option<_>>()?))
        }
        (Stand::Matrix(grid), Some(_)) => over_rows(scene, grid, of),
        (Stand::Matrix(grid), None) => {
            let n = length(&grid.rows) * length(&grid.columns);
            let all = |f: &dyn Fn(f64) -> f64| {
                let part = |r: usize| {
                    Some(times(
                        grid.rows.get(r)?.len() as f64,
                        row_sum(scene, grid, r, f)?,
                    ))
                };
                (0..grid.rows.len()).map(part).sum::<Option<f64>>()
            };
            Some(Stand::Number(of(all(&|v| v)?, all(&|v| v * v)?, n)))
        }
        (
            Stand::Product {
                rows,
                width,
                cosine,
            },
            axis,
        ) if f != ReduceOp::Std => {
            let mean = f == ReduceOp::Mean;
            let row = cosine / if mean { *width as f64 } else { 1.0 };
            match axis {
                Some(1) => Some(Stand::Vector(
                    rows.iter().map(|a| (*a, Cell::all(row))).collect(),
                )),
                None => Some(Stand::Number(row * if mean { 1.0 } else { length(rows) })),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Over the images, say: one number for each column.
fn over_rows(scene: Scene, grid: &Grid, of: impl Fn(f64, f64, f64) -> f64) -> Option<Stand> {
    let turned = grid.transposed()?;
    let n: f64 = grid.rows.iter().map(|a| a.len() as f64).sum();
    let column = |c: usize| {
        let axis = *turned.rows.get(c)?;
        // The dimension that all images share, and the others.
        if matches!(axis, Axis::Features(_)) && matches!(scene, Scene::Same { .. }) {
            let of_all = |pick: fn(Cell) -> f64| {
                let all = |f: &dyn Fn(f64) -> f64| {
                    turned
                        .row(c)
                        .map(|(a, cell)| times(a.len() as f64, f(pick(cell))))
                        .sum::<f64>()
                };
                of(all(&|v| v), all(&|v| v * v), n)
            };
            let over_images = turned.row(c).all(|(a, cell)| a.images() || cell.flat());
            return over_images.then(|| {
                (
                    axis,
                    Cell {
                        own: of_all(|c| c.own),
                        other: of_all(|c| c.other),
                    },
                )
            });
        }
        for (inner, cell) in turned.row(c) {
            counts(scene, axis, inner, cell)?;
        }
        let sum = row_sum(scene, &turned, c, |v| v)?;
        let squares = row_sum(scene, &turned, c, |v| v * v)?;
        Some((axis, Cell::all(of(sum, squares, n))))
    };
    let parts = (0..turned.rows.len()).map(column);
    Some(Stand::Vector(parts.collect::<Option<_>>()?))
}
