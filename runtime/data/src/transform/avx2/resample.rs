//! The two passes of the resampling.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::band::{Column, ROWS};
use super::super::weights::{HALF, PRECISION, Weights};
use super::{BYTES, available, kernel, load, narrow, store};

kernel! {
    /// The bytes of 16 rows, which are `stride` bytes apart, next to each
    /// other.
    pub(in crate::transform) fn turn(rows: &[u8], stride: usize, columns: &mut [Column]) {
        let (blocks, _) = columns.as_chunks_mut::<BYTES>();
        for (b, block) in blocks.iter_mut().enumerate() {
            // Loops of a fixed length, which are unrolled, and no `map`: what
            // the standard library calls is compiled without the instructions
            // and cannot be inlined.
            let mut taken = [_mm256_setzero_si256(); ROWS];
            for r in 0..ROWS {
                let Some(run) = rows[r * stride + b * BYTES..].first_chunk() else {
                    return;
                };
                taken[r] = load(run);
            }
            let turned = transpose(taken);
            for i in 0..ROWS {
                store_half(&mut block[i], _mm256_castsi256_si128(turned[i]));
                store_half(&mut block[ROWS + i], _mm256_extracti128_si256::<1>(turned[i]));
            }
        }
    }
}

kernel! {
    /// Resample rows, one of the band's for each of the targets' from `lane`
    /// on. The targets' rows have whole registers.
    pub(in crate::transform) fn across(
        columns: &[Column],
        weights: &Weights,
        lane: usize,
        stride: usize,
        targets: [&mut [u8]; 3],
    ) {
        match weights.most() {
            2 => across_by::<2>(columns, weights, lane, stride, targets),
            3 => across_by::<3>(columns, weights, lane, stride, targets),
            4 => across_by::<4>(columns, weights, lane, stride, targets),
            5 => across_by::<5>(columns, weights, lane, stride, targets),
            6 => across_by::<6>(columns, weights, lane, stride, targets),
            _ => across_by::<0>(columns, weights, lane, stride, targets),
        }
    }
}

/// With as many weights for each pixel, or any number where that is 0.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn across_by<const TAPS: usize>(
    columns: &[Column],
    weights: &Weights,
    lane: usize,
    stride: usize,
    targets: [&mut [u8]; 3],
) {
    let (pixels, _) = columns.as_chunks::<3>();
    let mut weights = weights.iter();
    let mut made = [[[0; ROWS]; BYTES]; 3];
    for left in (0..stride).step_by(BYTES) {
        let [red, green, blue] = &mut made;
        let made_pixels = red.iter_mut().zip(green).zip(blue);
        for (((red, green), blue), (first, weights)) in made_pixels.zip(&mut weights) {
            let pixels = &pixels[first..];
            let [r, g, b] = match (pixels.first_chunk::<TAPS>(), weights.first_chunk()) {
                (Some(pixels), Some(weights)) if TAPS > 0 => weigh(pixels, weights),
                _ => weigh_any(pixels, weights),
            };
            store_half(red, r);
            store_half(green, g);
            store_half(blue, b);
        }
        for (c, made) in made.iter().enumerate() {
            let turned = turn_back(made);
            let target = &mut *targets[c];
            let mut at = left;
            for turned in &turned[lane..] {
                let Some(run) = target.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else {
                    break;
                };
                store(run, *turned);
                at += stride;
            }
        }
    }
}

/// One pixel of every row.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn weigh<const TAPS: usize>(pixels: &[[Column; 3]; TAPS], weights: &[i32; TAPS]) -> [__m128i; 3] {
    let mut sums = [_mm256_set1_epi32(HALF); 6];
    for i in 0..TAPS {
        add(&mut sums, &pixels[i], weights[i]);
    }
    narrow_three(sums)
}

/// The same of any number of weights.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn weigh_any(pixels: &[[Column; 3]], weights: &[i32]) -> [__m128i; 3] {
    let mut sums = [_mm256_set1_epi32(HALF); 6];
    for (pixel, weight) in pixels.iter().zip(weights) {
        add(&mut sums, pixel, *weight);
    }
    narrow_three(sums)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add(sums: &mut [__m256i; 6], pixel: &[Column; 3], weight: i32) {
    let weight = _mm256_set1_epi32(weight);
    for c in 0..3 {
        let (above, below) = eights(&pixel[c]);
        sums[2 * c] = _mm256_add_epi32(sums[2 * c], _mm256_mullo_epi32(above, weight));
        sums[2 * c + 1] = _mm256_add_epi32(sums[2 * c + 1], _mm256_mullo_epi32(below, weight));
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn narrow_three(sums: [__m256i; 6]) -> [__m128i; 3] {
    [
        bytes(sums[0], sums[1]),
        bytes(sums[2], sums[3]),
        bytes(sums[4], sums[5]),
    ]
}

/// 32 columns as 16 rows.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn turn_back(made: &[Column; BYTES]) -> [__m256i; ROWS] {
    let mut taken = [_mm256_setzero_si256(); ROWS];
    for (i, taken) in taken.iter_mut().enumerate() {
        *taken = _mm256_set_m128i(load_half(&made[ROWS + i]), load_half(&made[i]));
    }
    transpose(taken)
}

/// Bits of the lower part of a weight; the upper one has 16 with its sign.
const LOWER: u32 = 11;

/// Two rows and what they are weighed by: two taps are summed at once.
#[derive(Debug)]
pub(in crate::transform) struct Pair {
    /// Where they begin.
    rows: [usize; 2],
    /// The upper parts of both weights and the lower ones.
    parts: [i32; 2],
}

/// The taps of a row of the vertical pass in pairs, where that is done here.
pub(in crate::transform) fn pairs(weights: &[i32], stride: usize, pairs: &mut Vec<Pair>) -> bool {
    const MASK: i32 = (1 << LOWER) - 1;
    let both = |a: i32, b: i32| (a & 0xFFFF) | b << 16;
    pairs.clear();
    for (k, taps) in weights.chunks(2).enumerate() {
        // The last of an odd number has no other: its weight is 0.
        let (a, b) = (taps[0], taps.get(1).copied().unwrap_or(0));
        let first = 2 * k * stride;
        pairs.push(Pair {
            rows: [first, first + (taps.len() - 1) * stride],
            parts: [both(a >> LOWER, b >> LOWER), both(a & MASK, b & MASK)],
        });
    }
    available()
}

kernel! {
    /// One row of the vertical pass, of rows that have whole registers.
    pub(in crate::transform) fn down(source: &[u8], pairs: &[Pair], target: &mut [u8]) {
        match pairs.len() {
            1 => down_by::<1>(source, pairs, target),
            2 => down_by::<2>(source, pairs, target),
            3 => down_by::<3>(source, pairs, target),
            _ => down_by::<0>(source, pairs, target),
        }
    }
}

/// By so many pairs, or by any number where that is 0.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn down_by<const PAIRS: usize>(source: &[u8], pairs: &[Pair], target: &mut [u8]) {
    let few = pairs.first_chunk::<PAIRS>();
    let mut left = 0;
    for run in target.chunks_mut(BYTES) {
        let mut sums = Sums::new();
        match few {
            Some(pairs) if PAIRS > 0 => {
                for pair in pairs {
                    sums.add(source, left, pair);
                }
            }
            _ => {
                for pair in pairs {
                    sums.add(source, left, pair);
                }
            }
        }
        let found = sums.bytes();
        match run.first_chunk_mut() {
            Some(run) => store(run, found),
            None => {
                let mut all = [0; BYTES];
                store(&mut all, found);
                run.copy_from_slice(&all[..run.len()]);
            }
        }
        left += BYTES;
    }
}

/// 32 columns, each summed over its rows.
struct Sums {
    upper: [__m256i; 4],
    lower: [__m256i; 4],
}

impl Sums {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new() -> Self {
        Sums {
            upper: [_mm256_setzero_si256(); 4],
            lower: [_mm256_set1_epi32(HALF); 4],
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add(&mut self, source: &[u8], left: usize, pair: &Pair) {
        let [above, below] = pair.rows;
        let (Some(above), Some(below)) = (
            source[above + left..].first_chunk(),
            source[below + left..].first_chunk(),
        ) else {
            return;
        };
        let (above, below) = (load(above), load(below));
        let zero = _mm256_setzero_si256();
        let [high, low] = pair.parts;
        let (high, low) = (_mm256_set1_epi32(high), _mm256_set1_epi32(low));
        let first = _mm256_unpacklo_epi8(above, below);
        let second = _mm256_unpackhi_epi8(above, below);
        let taken = [
            _mm256_unpacklo_epi8(first, zero),
            _mm256_unpackhi_epi8(first, zero),
            _mm256_unpacklo_epi8(second, zero),
            _mm256_unpackhi_epi8(second, zero),
        ];
        for ((upper, lower), taken) in self.upper.iter_mut().zip(&mut self.lower).zip(&taken) {
            *upper = _mm256_add_epi32(*upper, _mm256_madd_epi16(*taken, high));
            *lower = _mm256_add_epi32(*lower, _mm256_madd_epi16(*taken, low));
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn bytes(self) -> __m256i {
        const SHIFT: i32 = PRECISION as i32;
        let mut sums = self.lower;
        for (sum, upper) in sums.iter_mut().zip(self.upper) {
            let upper = _mm256_slli_epi32::<{ LOWER as i32 }>(upper);
            *sum = _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(upper, *sum));
        }
        narrow(sums)
    }
}

/// Turn 16 x 16 bytes over their diagonal, in both halves of the registers.
/// Each round moves one bit of a byte's row to its column.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn transpose(mut rows: [__m256i; ROWS]) -> [__m256i; ROWS] {
    for _ in 0..4 {
        let (above, below) = rows.split_at(ROWS / 2);
        let mut next = rows;
        for i in 0..ROWS / 2 {
            next[2 * i] = _mm256_unpacklo_epi8(above[i], below[i]);
            next[2 * i + 1] = _mm256_unpackhi_epi8(above[i], below[i]);
        }
        rows = next;
    }
    rows
}

/// 16 bytes as twice 8 words.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn eights(column: &Column) -> (__m256i, __m256i) {
    let (eights, _) = column.as_chunks::<8>();
    let part = |i: usize| _mm_set1_epi64x(i64::from_le_bytes(eights[i]));
    (_mm256_cvtepu8_epi32(part(0)), _mm256_cvtepu8_epi32(part(1)))
}

/// Twice 8 sums as 16 bytes, clipped.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn bytes(above: __m256i, below: __m256i) -> __m128i {
    const SHIFT: i32 = PRECISION as i32;
    let above = _mm256_srai_epi32::<SHIFT>(above);
    let below = _mm256_srai_epi32::<SHIFT>(below);
    let words = _mm256_packs_epi32(above, below);
    let bytes = _mm_packus_epi16(
        _mm256_castsi256_si128(words),
        _mm256_extracti128_si256::<1>(words),
    );
    _mm_shuffle_epi32::<0b11_01_10_00>(bytes)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load_half(from: &Column) -> __m128i {
    // SAFETY: 16 bytes are read, which is what is borrowed.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store_half(to: &mut Column, value: __m128i) {
    // SAFETY: 16 bytes are written, which is what is borrowed.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), value) }
}
