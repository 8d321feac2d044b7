//! The hottest loops in AVX2 and FMA, chosen at run time.
//!
//! Each function answers whether it did the work: where the processor lacks
//! the instructions it does nothing, and the caller runs its portable loop,
//! whose bytes it gives. The tests beside each compare the two.
#![allow(unsafe_code)]

mod blur;
mod color;
mod hsv;
mod mirror;
mod resample;
#[cfg(test)]
mod tests;
mod values;

pub(super) use blur::{BoxWork, boxes, reaches};
pub(super) use color::{blend, grayscale, hue, luminance_sum, saturation, solarize};
pub(super) use mirror::flip;
pub(super) use resample::{Pair, across, down, pairs, turn};
pub(super) use values::{Affine, values};

use std::arch::x86_64::*;

/// Whether this processor has the instructions.
fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Define a function in AVX2 and FMA that answers whether it did its work.
macro_rules! kernel {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        $vis fn $name($($arg: $type),*) -> bool {
            #[target_feature(enable = "avx2,fma")]
            fn wide($($arg: $type),*) $body

            if !$crate::transform::avx2::available() {
                return false;
            }
            // SAFETY: this processor has AVX2 and FMA.
            unsafe { wide($($arg),*) };
            true
        }
    };
}
use kernel;

/// Bytes in a register.
const BYTES: usize = 32;

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(from: &[u8; BYTES]) -> __m256i {
    // SAFETY: 32 bytes are read, which is what is borrowed.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store(to: &mut [u8; BYTES], value: __m256i) {
    // SAFETY: 32 bytes are written, which is what is borrowed.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), value) }
}

/// 32 bytes as 4 x 8 words, in the order that [`narrow`] undoes: within each
/// half of the register.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn widen(bytes: __m256i) -> [__m256i; 4] {
    let zero = _mm256_setzero_si256();
    let low = _mm256_unpacklo_epi8(bytes, zero);
    let high = _mm256_unpackhi_epi8(bytes, zero);
    [
        _mm256_unpacklo_epi16(low, zero),
        _mm256_unpackhi_epi16(low, zero),
        _mm256_unpacklo_epi16(high, zero),
        _mm256_unpackhi_epi16(high, zero),
    ]
}

/// 4 x 8 words within -32768..=32767 as 32 bytes, clipped to 0..=255.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn narrow([a, b, c, d]: [__m256i; 4]) -> __m256i {
    _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d))
}

/// 4 x 8 words as single floats.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn floats([a, b, c, d]: [__m256i; 4]) -> [__m256; 4] {
    [
        _mm256_cvtepi32_ps(a),
        _mm256_cvtepi32_ps(b),
        _mm256_cvtepi32_ps(c),
        _mm256_cvtepi32_ps(d),
    ]
}
