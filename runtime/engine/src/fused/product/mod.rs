//! Matrix products in float32, after Goto & van de Geijn (2008): the right
//! matrix is laid out in panels of columns, two vectors wide, and a kernel
//! keeps some rows of such a panel's result in registers.
//!
//! The `gemm` crate does the same, and did it here before. It splits a product
//! into one part for each thread, so that one thread that the machine holds up
//! holds up all of them; here the tasks are many and small, and a product of
//! great depth is summed in shares. `tests/bench/README.md` has what that
//! gained. Vectors are those of `pulp`: the same code computes with AVX2,
//! AVX-512, NEON, or none.

#![allow(unsafe_code)]

mod kernel;
mod panels;
mod split;
#[cfg(test)]
mod tests;

use pulp::Arch;

use split::Problem;

/// A matrix that lies in a slice: element `(r, c)` at `r * down + c * across`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows that begin `down` apart.
    pub(super) fn new(values: &'a [f32], shape: [usize; 2], down: usize) -> Self {
        reaches(values.len(), shape, down);
        Matrix {
            values,
            shape,
            strides: [down, 1],
        }
    }

    /// Rows one behind the other.
    pub(super) fn rows(values: &'a [f32], shape: [usize; 2]) -> Self {
        Matrix::new(values, shape, shape[1])
    }

    /// Transposed.
    pub(super) fn t(self) -> Self {
        let ([a, b], [c, d]) = (self.shape, self.strides);
        Matrix {
            shape: [b, a],
            strides: [d, c],
            ..self
        }
    }
}

/// Stops where rows would reach out of their slice.
fn reaches(length: usize, [rows, columns]: [usize; 2], down: usize) {
    if rows > 0 && columns > 0 {
        assert!((rows - 1) * down + columns <= length);
    }
}

/// Who computes a product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// The caller alone, being one of many.
    One,
    /// All of them. How a product is split does not depend on their number.
    All,
}

/// `into = factor a b`, or `into + factor a b` where it is `added`; the rows
/// of `into` begin `down` apart.
pub(super) fn product(
    into: &mut [f32],
    down: usize,
    a: Matrix,
    b: Matrix,
    (added, factor): (bool, f32),
    threads: Threads,
) {
    let (m, n) = (a.shape[0], b.shape[1]);
    reaches(into.len(), [m, n], down);
    assert!(m < 2 || down >= n, "rows that overlap");
    // SAFETY: every element that is written lies in `into`, as was asserted;
    // no two of them share a place, and the borrow checker keeps it apart from
    // a and b.
    unsafe {
        Problem::new(into.as_mut_ptr(), down, a, b, (added, factor)).solve(Arch::new(), threads)
    }
}

/// `a b` in a vector of its own, rows one behind the other, by all threads.
/// Nothing is written to it before, which one thread would do alone.
pub(super) fn product_of(a: Matrix, b: Matrix) -> Vec<f32> {
    let (m, n) = (a.shape[0], b.shape[1]);
    let mut into = Vec::with_capacity(m * n);
    // SAFETY: there is space for `m n` numbers, and a product that is not
    // added to what was there reads none and writes each of them.
    unsafe {
        Problem::new(into.as_mut_ptr(), n, a, b, (false, 1.0)).solve(Arch::new(), Threads::All);
        into.set_len(m * n);
    }
    into
}
