//! The kernel, and the sweep that leads it over rows and panels.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::split::{Problem, room};

/// Adds some terms of the product to some rows of some panels' columns.
pub(super) struct Sweep<'a> {
    pub(super) problem: &'a Problem,
    pub(super) rows: Range<usize>,
    pub(super) terms: Range<usize>,
    pub(super) panels: Range<usize>,
    /// The panels, one behind the other.
    pub(super) right: *const f32,
    /// For the rows, where they must be laid out.
    pub(super) left: &'a mut Vec<f32>,
}

impl WithSimd for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As many rows as leave registers for what they are multiplied by.
        // SAFETY: all that is read and written is the problem's.
        unsafe {
            match S::REGISTER_COUNT {
                32.. => self.go::<S, 12>(simd),
                _ => self.go::<S, 6>(simd),
            }
        }
    }
}

/// Some rows of the left matrix: row `i`, term `p` at `i * down + p * across`.
#[derive(Clone, Copy)]
struct Rows {
    at: *const f32,
    down: usize,
    across: usize,
}

/// Where the results of a kernel go.
#[derive(Clone, Copy)]
struct Target {
    at: *mut f32,
    strides: [usize; 2],
    columns: usize,
    added: bool,
    factor: f32,
}

impl Sweep<'_> {
    #[inline(always)]
    unsafe fn go<S: Simd, const MOST: usize>(mut self, simd: S) {
        let Problem { into, a, size, .. } = *self.problem;
        let (width, terms) = (2 * S::F32_LANES, self.terms.len());
        let laid = a.strides[1] != 1;
        // Rows whose terms lie side by side are read where they are.
        let left = match laid {
            // SAFETY: rows and terms of the problem.
            true => unsafe { lay::<MOST>(&mut self) },
            false => a.at(self.rows.start, self.terms.start),
        };
        let mut right = self.right;
        for panel in self.panels.clone() {
            for row in self.rows.clone().step_by(MOST) {
                let count = (self.rows.end - row).min(MOST);
                let from = row - self.rows.start;
                let target = Target {
                    at: into.at(row, panel * width),
                    strides: into.strides,
                    columns: (size[2] - panel * width).min(width),
                    added: self.problem.added || self.terms.start > 0,
                    factor: self.problem.factor,
                };
                // SAFETY: rows and columns of the problem, and whole panels.
                unsafe {
                    match laid {
                        true => {
                            let rows = Rows {
                                at: left.add(from * terms),
                                down: 1,
                                across: MOST,
                            };
                            of_rows::<S, MOST>(simd, count, terms, rows, right, target);
                        }
                        false => {
                            let rows = Rows {
                                at: left.add(from * a.strides[0]),
                                down: a.strides[0],
                                across: 1,
                            };
                            of_rows::<S, MOST>(simd, count, terms, rows, right, target);
                        }
                    }
                }
            }
            right = right.wrapping_add(width * terms);
        }
    }
}

/// Lays out rows whose terms lie apart: `MOST` at a time, term by term.
#[inline(always)]
unsafe fn lay<const MOST: usize>(sweep: &mut Sweep) -> *const f32 {
    let (count, terms) = (sweep.rows.len(), sweep.terms.len());
    let across = sweep.problem.a.strides[1];
    let to = room(sweep.left, count.next_multiple_of(MOST) * terms);
    for start in (0..count).step_by(MOST) {
        let from = sweep
            .problem
            .a
            .at(sweep.rows.start + start, sweep.terms.start);
        let to = to.wrapping_add(start * terms);
        let inside = (count - start).min(MOST);
        // SAFETY: `inside` rows from `start` on may be read, and there is room
        // for whole groups of them.
        unsafe {
            for term in 0..terms {
                let from = from.add(term.wrapping_mul(across));
                let to = to.add(term.wrapping_mul(MOST));
                match inside == MOST {
                    true => to
                        .cast::<[f32; MOST]>()
                        .write(from.cast::<[f32; MOST]>().read()),
                    false => to.copy_from_nonoverlapping(from, inside),
                }
            }
        }
    }
    to
}

/// The kernel for so many rows, and for one vector where the columns need no
/// more.
#[inline(always)]
unsafe fn of_rows<S: Simd, const MOST: usize>(
    simd: S,
    count: usize,
    terms: usize,
    rows: Rows,
    right: *const f32,
    target: Target,
) {
    let narrow = target.columns <= S::F32_LANES;
    macro_rules! of {
        ($($rows:literal)*) => {
            match count {
                // SAFETY: the caller's word.
                $($rows if $rows <= MOST => unsafe {
                    match narrow {
                        true => kernel::<S, $rows, 1>(simd, terms, rows, right, target),
                        false => kernel::<S, $rows, 2>(simd, terms, rows, right, target),
                    }
                },)*
                _ => {}
            }
        };
    }
    of!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// The sums of `ROWS` rows and a panel's first `VECTORS` vectors.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
unsafe fn kernel<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    terms: usize,
    rows: Rows,
    right: *const f32,
    target: Target,
) {
    let lanes = S::F32_LANES;
    let [down, across] = target.strides;
    let whole = across == 1 && target.columns == VECTORS * lanes;
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    let (mut left, mut right) = (rows.at, right);
    // SAFETY: the caller's word: so many terms of so many rows and of a panel
    // may be read, and the target's rows and columns written.
    unsafe {
        if whole {
            for row in 0..ROWS {
                prefetch(target.at.add(row * down));
                prefetch(target.at.add(row * down + VECTORS * lanes - 1));
            }
        }
        // Plain loops, which are unrolled, and products that are not checked
        // for overflow: else the sums go through memory.
        macro_rules! term {
            () => {{
                let mut vectors = [simd.splat_f32s(0.0); VECTORS];
                for i in 0..VECTORS {
                    vectors[i] = load::<S>(right.add(i * lanes));
                }
                for row in 0..ROWS {
                    let x = simd.splat_f32s(*left.add(row.wrapping_mul(rows.down)));
                    for i in 0..VECTORS {
                        sums[row][i] = simd.mul_add_f32s(x, vectors[i], sums[row][i]);
                    }
                }
                left = left.add(rows.across);
                right = right.add(2 * lanes);
            }};
        }
        for _ in 0..terms / 4 {
            prefetch(left.wrapping_add(64));
            term!();
            term!();
            term!();
            term!();
        }
        for _ in 0..terms % 4 {
            term!();
        }
        let factor = simd.splat_f32s(target.factor);
        if whole {
            for row in 0..ROWS {
                for i in 0..VECTORS {
                    let at = target.at.add(row * down + i * lanes);
                    let sum = simd.mul_f32s(sums[row][i], factor);
                    store(
                        at,
                        if target.added {
                            simd.add_f32s(load::<S>(at), sum)
                        } else {
                            sum
                        },
                    );
                }
            }
        } else {
            let mut scaled = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
            for row in 0..ROWS {
                for i in 0..VECTORS {
                    scaled[row][i] = simd.mul_f32s(sums[row][i], factor);
                }
            }
            let scaled = scaled.as_ptr().cast::<f32>();
            for column in 0..target.columns {
                for row in 0..ROWS {
                    let at = target.at.add(row * down + column * across);
                    let sum = *scaled.add(row * VECTORS * lanes + column);
                    *at = if target.added { *at + sum } else { sum };
                }
            }
        }
    }
}

/// # Safety
///
/// A vector's numbers may be read there, aligned or not.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(at: *const f32) -> S::f32s {
    // SAFETY: the caller's word; any bits are numbers.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
///
/// A vector's numbers may be written there, aligned or not.
#[inline(always)]
pub(super) unsafe fn store<V>(at: *mut f32, vector: V) {
    // SAFETY: the caller's word.
    unsafe { at.cast::<V>().write_unaligned(vector) }
}

/// Asks for what will be read soon; where it lies need not exist.
#[inline(always)]
fn prefetch(_at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which faults nowhere.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(_at.cast());
    }
}
