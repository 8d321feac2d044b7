//! From 8 bits to the floats of a batch.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::kernel;

/// Values that are worked on at once.
const LANES: usize = 8;

/// `(value / 255 - mean) / std`, with the reciprocals that its divisions by
/// constants are made of.
#[derive(Debug, Clone, Copy)]
pub(in crate::transform) struct Affine {
    mean: f32,
    std: f32,
    share: f32,
}

impl Affine {
    /// For a channel whose 8-bit values become those of a table; `None` where
    /// that is not to the last bit what this computes.
    pub(in crate::transform) fn new(mean: f32, std: f32, table: &[f32; 256]) -> Option<Self> {
        let affine = Affine {
            mean,
            std,
            share: 1.0 / std,
        };
        let all: [u8; 256] = std::array::from_fn(|n| n as u8);
        let mut found = [0.0; 256];
        let done = values(&all, &mut found, affine);
        let bits = |table: &[f32; 256]| table.map(f32::to_bits);
        (done && bits(&found) == bits(table)).then_some(affine)
    }
}

kernel! {
    /// Write the floats of 8-bit values, past the caches: a batch is larger
    /// than they are, and what they hold is needed for the next image.
    pub(in crate::transform) fn values(source: &[u8], target: &mut [f32], affine: Affine) {
        // Up to where whole registers may be written so.
        let head = target.as_ptr().align_offset(size_of::<__m256>()).min(target.len());
        let (before, target) = target.split_at_mut(head);
        let (first, source) = source.split_at(head.min(source.len()));
        some(first, before, affine);
        let (sources, rest) = source.as_chunks::<LANES>();
        let (targets, after) = target.as_chunks_mut::<LANES>();
        for (source, target) in sources.iter().zip(targets) {
            // SAFETY: the 8 floats that are borrowed are written, at an
            // address that is a multiple of 32 as the first one is.
            unsafe { _mm256_stream_ps(target.as_mut_ptr(), eight(source, affine)) }
        }
        some(rest, after, affine);
        // What went past the caches is not ordered with what tells other
        // threads that it is there.
        _mm_sfence();
    }
}

/// The floats of fewer than 8 values.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn some(source: &[u8], target: &mut [f32], affine: Affine) {
    let mut padded = [0; LANES];
    padded[..source.len()].copy_from_slice(source);
    let mut found = [0.0; LANES];
    // SAFETY: 8 floats of the array are written.
    unsafe { _mm256_storeu_ps(found.as_mut_ptr(), eight(&padded, affine)) }
    target.copy_from_slice(&found[..target.len()]);
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn eight(source: &[u8; LANES], affine: Affine) -> __m256 {
    let bytes = _mm_set1_epi64x(i64::from_le_bytes(*source));
    let value = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
    let unit = divide(value, 255.0, 1.0 / 255.0);
    let centred = _mm256_sub_ps(unit, _mm256_set1_ps(affine.mean));
    divide(centred, affine.std, affine.share)
}

/// A quotient by a constant, rounded once as a division rounds it for nearly
/// every constant (Markstein, "Computation of elementary functions on the IBM
/// RISC System/6000 processor", 1990); [`Affine::new`] looks whether for this.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn divide(x: __m256, by: f32, share: f32) -> __m256 {
    let share = _mm256_set1_ps(share);
    let near = _mm256_mul_ps(x, share);
    let left = _mm256_fnmadd_ps(near, _mm256_set1_ps(by), x);
    _mm256_fmadd_ps(left, share, near)
}
