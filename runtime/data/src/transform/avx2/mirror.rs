//! Mirrors.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{BYTES, kernel, load, store};

kernel! {
    /// Turn every row of `width` bytes around.
    pub(in crate::transform) fn flip(data: &mut [u8], width: usize) {
        for row in data.chunks_exact_mut(width) {
            let mut rest = row;
            // Both ends at once; where less than two registers is left they
            // overlap, and both are read before either is written.
            while rest.len() >= BYTES {
                let (Some(first), Some(last)) = (rest.first_chunk(), rest.last_chunk()) else {
                    return;
                };
                let (first, last) = (around(load(first)), around(load(last)));
                if let Some(run) = rest.last_chunk_mut() {
                    store(run, first);
                }
                if let Some(run) = rest.first_chunk_mut() {
                    store(run, last);
                }
                let inner = BYTES.min(rest.len() / 2);
                let end = rest.len() - inner;
                rest = &mut rest[inner..end];
                if inner < BYTES {
                    rest = &mut [];
                }
            }
            rest.reverse();
        }
    }
}

/// 32 bytes in the other order.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn around(bytes: __m256i) -> __m256i {
    const BACK: [u8; BYTES] = {
        let mut back = [0; BYTES];
        let mut i = 0;
        while i < BYTES {
            back[i] = 15 - (i % 16) as u8;
            i += 1;
        }
        back
    };
    let within = _mm256_shuffle_epi8(bytes, load(&BACK));
    _mm256_permute2x128_si256::<1>(within, within)
}
