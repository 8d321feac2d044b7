//! How a product is split between threads, and into blocks that stay in the
//! caches of the core that computes with them.

use std::cell::RefCell;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::kernel::Sweep;
use super::panels::Lay;
use super::{Matrix, Threads};
use crate::fused::lanes::add;

/// Rows that a task takes.
const ROWS: usize = 96;
/// Terms that are summed in registers before the result is touched.
const DEPTH: usize = 384;
/// Panels of columns that one core goes through before it takes more rows.
const PANELS: usize = 16;
/// Tasks that a product should be split into, columns too where the rows are
/// few; not into less than so many panels each.
const TASKS: usize = 16;
const LEAST_PANELS: usize = 4;
/// Products of less than this are not worth several threads.
const SMALL: usize = 1 << 19;
/// A result of at most so many numbers that is summed of many more terms is
/// summed in shares, of so many terms at least.
const FEW: usize = 1 << 18;
const SHARES: usize = 16;
const SHARE: usize = 512;

/// Numbers to read: element `(r, c)` at `r * down + c * across`.
#[derive(Clone, Copy)]
pub(super) struct Source {
    values: *const f32,
    pub(super) strides: [usize; 2],
}

/// Numbers to write.
#[derive(Clone, Copy)]
pub(super) struct Place {
    values: *mut f32,
    pub(super) strides: [usize; 2],
}

// SAFETY: they are read and written only where whoever made the problem has
// them to himself, and each number of the result by one thread at a time.
unsafe impl Send for Source {}
unsafe impl Sync for Source {}
unsafe impl Send for Place {}
unsafe impl Sync for Place {}

impl Source {
    pub(super) fn at(&self, row: usize, column: usize) -> *const f32 {
        let [down, across] = self.strides;
        self.values.wrapping_add(row * down + column * across)
    }

    fn t(self) -> Self {
        let [down, across] = self.strides;
        Source {
            strides: [across, down],
            ..self
        }
    }
}

impl Place {
    pub(super) fn at(&self, row: usize, column: usize) -> *mut f32 {
        let [down, across] = self.strides;
        self.values.wrapping_add(row * down + column * across)
    }
}

/// `into = factor a b`, or added to it.
#[derive(Clone, Copy)]
pub(super) struct Problem {
    pub(super) into: Place,
    pub(super) a: Source,
    pub(super) b: Source,
    /// Rows, terms, and columns.
    pub(super) size: [usize; 3],
    pub(super) added: bool,
    pub(super) factor: f32,
}

thread_local! {
    /// Rows of the left matrix and panels of the right one.
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Space for so many numbers, which are not defined.
pub(super) fn room(buffer: &mut Vec<f32>, numbers: usize) -> *mut f32 {
    if buffer.capacity() < numbers {
        *buffer = Vec::with_capacity(numbers);
    }
    buffer.as_mut_ptr()
}

/// Numbers of a panel's row: two vectors.
struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * S::F32_LANES
    }
}

impl Problem {
    pub(super) fn new(
        into: *mut f32,
        down: usize,
        a: Matrix,
        b: Matrix,
        (added, factor): (bool, f32),
    ) -> Self {
        assert_eq!(a.shape[1], b.shape[0], "a product of unlike shapes");
        let source = |of: Matrix| Source {
            values: of.values.as_ptr(),
            strides: of.strides,
        };
        Problem {
            into: Place {
                values: into,
                strides: [down, 1],
            },
            a: source(a),
            b: source(b),
            size: [a.shape[0], a.shape[1], b.shape[1]],
            added,
            factor,
        }
    }

    /// # Safety
    ///
    /// The elements of `into` must be valid for writes, for reads too where
    /// the product is added, and nobody else may hold them; those of `a` and
    /// `b` must be valid for reads.
    pub(super) unsafe fn solve(self, arch: Arch, threads: Threads) {
        let [m, k, n] = self.size;
        if m == 0 || n == 0 {
            return;
        }
        // SAFETY: the caller's word is handed on.
        unsafe {
            if k == 0 {
                self.of_nothing();
            } else if threads == Threads::One || m * k * n <= SMALL {
                self.alone(arch);
            } else if m * n <= FEW && k >= 4 * SHARE && !self.added {
                self.in_shares(arch);
            } else {
                self.by_all(arch);
            }
        }
    }

    /// A sum of no terms.
    unsafe fn of_nothing(self) {
        for row in 0..self.size[0] {
            for column in 0..self.size[2] {
                if !self.added {
                    // SAFETY: an element of the result.
                    unsafe { *self.into.at(row, column) = 0.0 };
                }
            }
        }
    }

    /// Transposed: `(a b)^T = b^T a^T`.
    fn turned(self) -> Self {
        let ([m, k, n], [down, across]) = (self.size, self.into.strides);
        Problem {
            into: Place {
                strides: [across, down],
                ..self.into
            },
            a: self.b.t(),
            b: self.a.t(),
            size: [n, k, m],
            ..self
        }
    }

    /// By the caller alone.
    unsafe fn alone(self, arch: Arch) {
        // Panels of the side whose terms lie side by side are laid out number
        // by number: let it be the smaller one.
        let [m, _, n] = self.size;
        let awkward = self.a.strides[1] == 1 && self.b.strides[0] == 1;
        let whole = if n > m && awkward {
            self.turned()
        } else {
            self
        };
        let [m, k, n] = whole.size;
        let width = arch.dispatch(Width);
        let (depth, panels) = (even(k, DEPTH), n.div_ceil(width));
        SCRATCH.with_borrow_mut(|[left, right]| {
            let to = room(right, panels.min(PANELS) * width * depth);
            for first in (0..panels).step_by(PANELS) {
                let columns = first..panels.min(first + PANELS);
                for start in (0..k).step_by(depth) {
                    let terms = start..k.min(start + depth);
                    arch.dispatch(Lay {
                        problem: &whole,
                        terms: terms.clone(),
                        panels: columns.clone(),
                        to,
                    });
                    for row in (0..m).step_by(ROWS) {
                        arch.dispatch(Sweep {
                            problem: &whole,
                            rows: row..m.min(row + ROWS),
                            terms: terms.clone(),
                            panels: columns.clone(),
                            right: to,
                            left,
                        });
                    }
                }
            }
        });
    }

    /// By all threads, which share the panels.
    unsafe fn by_all(self, arch: Arch) {
        let whole = match self.size {
            [m, _, n] if n > m => self.turned(),
            _ => self,
        };
        let [m, k, n] = whole.size;
        let width = arch.dispatch(Width);
        let (depth, panels) = (even(k, DEPTH), n.div_ceil(width));
        let mut laid: Vec<f32> = Vec::with_capacity(panels * width * k);
        let laid = Place {
            values: laid.as_mut_ptr(),
            strides: [panels * width, width * depth],
        };
        let groups = panels.div_ceil(LEAST_PANELS);
        let blocks = k.div_ceil(depth);
        let terms = |block: usize| block * depth..k.min((block + 1) * depth);
        (0..groups * blocks).into_par_iter().for_each(|task| {
            let (block, first) = (task / groups, task % groups * LEAST_PANELS);
            let terms = terms(block);
            arch.dispatch(Lay {
                problem: &whole,
                to: laid
                    .at(terms.start, 0)
                    .wrapping_add(first * width * terms.len()),
                panels: first..panels.min(first + LEAST_PANELS),
                terms,
            });
        });
        let down = m.div_ceil(ROWS);
        let across = TASKS.div_ceil(down).min(panels / LEAST_PANELS).max(1);
        let share = panels.div_ceil(across);
        let tasks = (0..down * across).into_par_iter().with_max_len(1);
        tasks.for_each(|task| {
            let (row, first) = (task / across * ROWS, task % across * share);
            SCRATCH.with_borrow_mut(|[left, _]| {
                for block in 0..blocks {
                    let terms = terms(block);
                    arch.dispatch(Sweep {
                        problem: &whole,
                        rows: row..m.min(row + ROWS),
                        right: laid
                            .at(terms.start, 0)
                            .wrapping_add(first * width * terms.len()),
                        panels: first..panels.min(first + share),
                        terms,
                        left,
                    });
                }
            });
        });
    }

    /// By all threads, each of which sums some of the terms: the gradient of a
    /// weight is small, and a sum over all rows of a batch.
    unsafe fn in_shares(self, arch: Arch) {
        let [m, k, n] = self.size;
        let count = (k / SHARE).min(SHARES);
        let terms = k.div_ceil(count);
        let mut parts: Vec<f32> = Vec::with_capacity(m * n * count);
        let parts_at = Place {
            values: parts.as_mut_ptr(),
            strides: [m * n, 1],
        };
        let shares = (0..count).into_par_iter().with_max_len(1);
        shares.for_each(|share| {
            let first = share * terms;
            let part = Problem {
                into: Place {
                    values: parts_at.at(share, 0),
                    strides: [n, 1],
                },
                a: Source {
                    values: self.a.at(0, first),
                    ..self.a
                },
                b: Source {
                    values: self.b.at(first, 0),
                    ..self.b
                },
                size: [m, k.min(first + terms) - first, n],
                added: false,
                ..self
            };
            // SAFETY: a share of what the caller vouches for, into a part of
            // its own.
            unsafe { part.alone(arch) }
        });
        // SAFETY: each share has written every number of its part.
        unsafe { parts.set_len(m * n * count) };
        let parts = &parts;
        (0..m).into_par_iter().with_min_len(16).for_each(|row| {
            // SAFETY: a row of the result, which no other task writes.
            let into = unsafe { std::slice::from_raw_parts_mut(self.into.at(row, 0), n) };
            into.copy_from_slice(&parts[row * n..][..n]);
            for part in parts.chunks_exact(m * n).skip(1) {
                add(into, &part[row * n..][..n]);
            }
        });
    }
}

/// The size of equal blocks of at most so many.
fn even(total: usize, most: usize) -> usize {
    total.div_ceil(total.div_ceil(most))
}
