//! The right matrix as panels: the columns of two vectors, term by term.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::kernel::{load, store};
use super::split::Problem;

/// Terms and columns that are turned at once.
const TILE: usize = 8;

/// Lays out some terms of some panels one behind the other, zeros where the
/// columns end.
pub(super) struct Lay<'a> {
    pub(super) problem: &'a Problem,
    pub(super) terms: Range<usize>,
    pub(super) panels: Range<usize>,
    pub(super) to: *mut f32,
}

impl WithSimd for Lay<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // SAFETY: the source's elements may be read, and there is room for all
        // these panels, as whoever made this knows.
        unsafe {
            match self.problem.b.strides[1] {
                1 => self.of_rows::<S>(),
                _ => self.of_columns(2 * S::F32_LANES),
            }
        }
    }
}

impl Lay<'_> {
    /// Where the columns lie side by side.
    #[inline(always)]
    unsafe fn of_rows<S: Simd>(self) {
        let (lanes, count) = (S::F32_LANES, self.terms.len());
        let width = 2 * lanes;
        let columns = self.problem.size[2];
        for (term, k) in self.terms.enumerate() {
            let row = self.problem.b.at(k, 0);
            let mut to = self.to.wrapping_add(term * width);
            for panel in self.panels.clone() {
                let from = row.wrapping_add(panel * width);
                let left = columns - panel * width;
                // SAFETY: `left` numbers of the row may be read.
                unsafe {
                    if left >= width {
                        store(to, load::<S>(from));
                        store(to.add(lanes), load::<S>(from.add(lanes)));
                    } else {
                        for lane in 0..width {
                            *to.add(lane) = if lane < left { *from.add(lane) } else { 0.0 };
                        }
                    }
                }
                to = to.wrapping_add(width * count);
            }
        }
    }

    /// Where the terms lie side by side: turned in tiles.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    unsafe fn of_columns(self, width: usize) {
        let (b, count) = (&self.problem.b, self.terms.len());
        let down = b.strides[1];
        for (panel, to) in self.panels.clone().zip(0..) {
            let to = self.to.wrapping_add(to * width * count);
            let columns = (self.problem.size[2] - panel * width).min(width);
            for start in (0..width).step_by(TILE.min(width)) {
                let from = b.at(self.terms.start, panel * width + start);
                let inside = columns.saturating_sub(start).min(TILE);
                let whole = match inside {
                    TILE => count / TILE * TILE,
                    _ => 0,
                };
                // SAFETY: `inside` columns from `start` on may be read.
                unsafe {
                    for term in (0..whole).step_by(TILE) {
                        let mut tile = [[0.0f32; TILE]; TILE];
                        for (column, tile) in tile.iter_mut().enumerate() {
                            let at = column.wrapping_mul(down).wrapping_add(term);
                            *tile = from.add(at).cast::<[f32; TILE]>().read();
                        }
                        for at in 0..TILE {
                            let row: [f32; TILE] = std::array::from_fn(|column| tile[column][at]);
                            to.add((term + at).wrapping_mul(width).wrapping_add(start))
                                .cast::<[f32; TILE]>()
                                .write(row);
                        }
                    }
                    for term in whole..count {
                        for column in 0..TILE.min(width) {
                            *to.add(term * width + start + column) = match column < inside {
                                true => *from.add(column * down + term),
                                false => 0.0,
                            };
                        }
                    }
                }
            }
        }
    }
}
