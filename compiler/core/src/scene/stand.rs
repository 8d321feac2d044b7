//! Tensors whose entries repeat themselves.
//!
//! An axis is a batch of images, the rows of a queue, or the dimensions of a
//! feature. Every image has one dimension that is its own: in a collapsed
//! network all have the same one, else images share them out evenly. So an
//! entry of `[images, features]` is one of two numbers, and so is an entry of
//! `[images, images]`: the image itself, or another.

use super::Scene;

/// What an axis runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// The images of the batch, in order.
    Images(usize),
    /// Images of earlier batches.
    Queue(usize),
    /// Dimensions of a feature, or prototypes.
    Features(usize),
    /// Entries that are all alike.
    Plain(usize),
}

impl Axis {
    /// Its length.
    pub fn len(self) -> usize {
        match self {
            Axis::Images(n) | Axis::Queue(n) | Axis::Features(n) | Axis::Plain(n) => n,
        }
    }

    /// Whether it runs over images.
    pub fn images(self) -> bool {
        matches!(self, Axis::Images(_) | Axis::Queue(_))
    }
}

/// The two numbers that a block of a matrix holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Where row and column belong together.
    pub own: f64,
    /// Everywhere else.
    pub other: f64,
}

impl Cell {
    /// The same number everywhere.
    pub fn all(x: f64) -> Cell {
        Cell { own: x, other: x }
    }

    /// Both numbers changed.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Cell {
        Cell {
            own: f(self.own),
            other: f(self.other),
        }
    }

    /// Two cells joined.
    pub fn zip(self, with: Cell, f: impl Fn(f64, f64) -> f64) -> Cell {
        Cell {
            own: f(self.own, with.own),
            other: f(self.other, with.other),
        }
    }

    /// Whether it is one number.
    pub fn flat(self) -> bool {
        self.own == self.other
    }
}

/// A stand-in for a tensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Stand {
    /// One number.
    Number(f64),
    /// `[N]`, part by part. A part over images holds one number.
    Vector(Vec<(Axis, Cell)>),
    /// `[N, M]`, block by block.
    Matrix(Grid),
    /// Features of the simplex, of which only inner products are known; how
    /// many dimensions they have.
    Feature {
        /// Images.
        rows: Vec<Axis>,
        /// Dimensions.
        width: usize,
        /// Whether of length 1.
        unit: bool,
        /// Whether transposed.
        turned: bool,
    },
    /// Elementwise product of two sets of unit features; the cosine of each
    /// pair.
    Product {
        /// Images.
        rows: Vec<Axis>,
        /// Dimensions.
        width: usize,
        /// Cosine.
        cosine: f64,
    },
    /// Images or tokens: only their batch is known.
    Opaque(Vec<Axis>),
}

/// A matrix in blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Parts from above.
    pub rows: Vec<Axis>,
    /// Parts from the left.
    pub columns: Vec<Axis>,
    /// A row of cells for each part of the rows.
    pub cells: Vec<Vec<Cell>>,
}

impl Grid {
    /// A cell with its axes.
    pub fn row(&self, r: usize) -> impl Iterator<Item = (Axis, Cell)> + '_ {
        let cells = self.cells.get(r).map(Vec::as_slice).unwrap_or_default();
        self.columns.iter().copied().zip(cells.iter().copied())
    }

    /// Every cell changed.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Grid {
        self.each(|_, _, c| Some(c.map(&f)))
            .unwrap_or_else(|| self.clone())
    }

    /// Every cell changed, with its place.
    pub fn each(&self, f: impl Fn(usize, usize, Cell) -> Option<Cell>) -> Option<Grid> {
        let cells = self.cells.iter().enumerate().map(|(r, row)| {
            let row = row.iter().enumerate().map(|(c, cell)| f(r, c, *cell));
            row.collect::<Option<Vec<Cell>>>()
        });
        Some(Grid {
            rows: self.rows.clone(),
            columns: self.columns.clone(),
            cells: cells.collect::<Option<_>>()?,
        })
    }

    /// The cell of a block.
    pub fn cell(&self, r: usize, c: usize) -> Option<Cell> {
        self.cells.get(r)?.get(c).copied()
    }

    /// Rows and columns swapped.
    pub fn transposed(&self) -> Option<Grid> {
        let cells = (0..self.columns.len()).map(|c| {
            let column = (0..self.rows.len()).map(|r| self.cell(r, c));
            column.collect::<Option<Vec<Cell>>>()
        });
        Some(Grid {
            rows: self.columns.clone(),
            columns: self.rows.clone(),
            cells: cells.collect::<Option<_>>()?,
        })
    }
}

/// How often a row of a block holds its own number, and how often the other.
/// None where rows differ in that.
pub fn counts(scene: Scene, row: Axis, column: Axis, cell: Cell) -> Option<(f64, f64)> {
    let n = column.len() as f64;
    Some(match (row, column) {
        (Axis::Images(a), Axis::Images(b)) if a == b => (1.0, n - 1.0),
        (Axis::Queue(a), Axis::Queue(b)) | (Axis::Features(a), Axis::Features(b)) if a == b => {
            (1.0, n - 1.0)
        }
        (Axis::Images(_) | Axis::Queue(_), Axis::Features(_)) => (1.0, n - 1.0),
        (Axis::Features(d), Axis::Images(_) | Axis::Queue(_)) => match scene {
            Scene::Apart { .. } => (n / d as f64, n - n / d as f64),
            // One dimension has all images, the others none.
            _ if cell.flat() => (0.0, n),
            _ => return None,
        },
        _ => (0.0, n),
    })
}

/// The sum of `f` over a row of a matrix.
pub fn row_sum(scene: Scene, grid: &Grid, r: usize, f: impl Fn(f64) -> f64) -> Option<f64> {
    let row = *grid.rows.get(r)?;
    let mut sum = 0.0;
    for (column, cell) in grid.row(r) {
        let (own, other) = counts(scene, row, column, cell)?;
        sum += times(own, f(cell.own)) + times(other, f(cell.other));
    }
    Some(sum)
}

/// The sum of `f` over a vector.
pub fn vector_sum(parts: &[(Axis, Cell)], f: impl Fn(f64) -> f64) -> f64 {
    let part = |(axis, cell): &(Axis, Cell)| match axis {
        Axis::Features(d) => f(cell.own) + times(*d as f64 - 1.0, f(cell.other)),
        axis => times(axis.len() as f64, f(cell.own)),
    };
    parts.iter().map(part).sum()
}

/// So many of a number; none of an infinity is nothing.
pub fn times(count: f64, x: f64) -> f64 {
    if count == 0.0 { 0.0 } else { count * x }
}
