//! Loops over numbers, compiled for what the machine's vectors hold, and sums
//! whose order is fixed.

/// Numbers that are summed side by side.
pub(super) const LANES: usize = 16;

/// Computes an expression in code for the widest vectors that this machine has.
/// What it calls must be inlined to gain from it: loops, not iterators that
/// take closures.
macro_rules! wide {
    ($body:expr) => {{
        let once = $crate::fused::lanes::Once;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                // Taken, so that the closure can be called but once: one that
                // could be called again is called through a function that is
                // not compiled for those vectors.
                let _once = once;
                $body
            },
        )
    }};
}
pub(super) use wide;

/// What is not copied.
pub(super) struct Once;

/// The sum of a function of the numbers of two slices of one length, in
/// [`LANES`] sums side by side.
#[inline(always)]
pub(super) fn sum_of(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for lane in 0..LANES {
            sums[lane] += f(a[lane], b[lane]);
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += f(*a, *b);
    }
    fold(sums)
}

/// The sum of lanes, halving.
#[inline(always)]
pub(super) fn fold(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// The largest number of a slice; minus infinity of none.
#[inline(always)]
pub(super) fn largest(x: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for lane in 0..LANES {
            most[lane] = if x[lane] > most[lane] {
                x[lane]
            } else {
                most[lane]
            };
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        most[lane] = if *x > most[lane] { *x } else { most[lane] };
    }
    most.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// Adds numbers to numbers.
#[inline(always)]
pub(super) fn add(to: &mut [f32], x: &[f32]) {
    for (to, x) in to.iter_mut().zip(x) {
        *to += x;
    }
}

/// Rows that a task takes of a matrix so wide: about 64 kB of numbers, whatever
/// the number of threads.
pub(super) fn rows_at_once(width: usize) -> usize {
    ((1 << 14) / width.max(1)).max(1)
}
