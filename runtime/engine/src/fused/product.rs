//! Matrix products over the `gemm` crate, which picks its kernels by what the
//! machine can do.

#![allow(unsafe_code)]

use gemm::Parallelism;

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
        reaches(values.len(), shape, [down, 1]);
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

/// Stops where a matrix would reach out of its slice.
fn reaches(length: usize, [rows, columns]: [usize; 2], [down, across]: [usize; 2]) {
    if rows > 0 && columns > 0 {
        assert!((rows - 1) * down + (columns - 1) * across < length);
    }
}

/// Who computes a product.
#[derive(Clone, Copy)]
pub(super) enum Threads {
    /// The caller alone, being one of many.
    One,
    /// All of them. Each element is still summed by one, in one order.
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
    reaches(into.len(), [m, n], [down, 1]);
    assert!(m < 2 || down >= n, "rows that overlap");
    // SAFETY: every element that is written lies in `into`, as was asserted;
    // no two of them share a place, and the borrow checker keeps it apart from
    // a and b.
    unsafe { multiply(into.as_mut_ptr(), down, a, b, (added, factor), threads) }
}

/// `a b` in a vector of its own, rows one behind the other, by all threads.
/// Nothing is written to it before, which one thread would do alone.
pub(super) fn product_of(a: Matrix, b: Matrix) -> Vec<f32> {
    let (m, n) = (a.shape[0], b.shape[1]);
    if a.shape[1] == 0 {
        return vec![0.0; m * n];
    }
    let mut into = Vec::with_capacity(m * n);
    // SAFETY: there is space for `m n` numbers, and a product that is not
    // added to what was there reads none and writes each of them.
    unsafe {
        multiply(into.as_mut_ptr(), n, a, b, (false, 1.0), Threads::All);
        into.set_len(m * n);
    }
    into
}

/// # Safety
///
/// `into` must be valid for writes at `row * down + column`, for reads too
/// where the product is `added`, and nobody else may hold these places.
unsafe fn multiply(
    into: *mut f32,
    down: usize,
    a: Matrix,
    b: Matrix,
    (added, factor): (bool, f32),
    threads: Threads,
) {
    let ([m, k], [inner, n]) = (a.shape, b.shape);
    assert_eq!(k, inner, "a product of unlike shapes");
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    // SAFETY: what is read lies in the slices of a and b, as was asserted when
    // they were made; what is written is the caller's word.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            into,
            1,
            down as isize,
            added,
            a.values.as_ptr(),
            a.strides[1] as isize,
            a.strides[0] as isize,
            b.values.as_ptr(),
            b.strides[1] as isize,
            b.strides[0] as isize,
            1.0,
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}
