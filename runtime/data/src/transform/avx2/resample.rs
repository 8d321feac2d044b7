//! The two passes of the resampling.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::resample::{HALF, PRECISION, Weights};
use super::{BYTES, kernel, load, narrow, store};
use crate::image::{Part, Planes};

/// Rows that are worked on at once: a weight serves all of them.
const ROWS: usize = 16;

/// One byte of each of those rows.
type Column = [u8; ROWS];

/// Buffers that outlive one image.
#[derive(Debug, Default)]
pub(in crate::transform) struct ColumnWork {
    /// The rows, turned.
    columns: Vec<Column>,
    /// What is made of them, for each channel.
    made: [Vec<Column>; 3],
}

kernel! {
    /// Resample the rows of an image.
    pub(in crate::transform) fn horizontal(
        source: Part<'_>,
        weights: &Weights,
        work: &mut ColumnWork,
        target: &mut Planes,
    ) {
        let width = weights.len();
        target.resize([source.height, width]);
        let ColumnWork { columns, made } = work;
        columns.resize((source.width * 3).next_multiple_of(BYTES), [0; ROWS]);
        for made in &mut *made {
            made.resize(width.next_multiple_of(BYTES), [0; ROWS]);
        }
        for top in (0..source.height).step_by(ROWS) {
            // Where there are fewer, the last one again.
            let rows = std::array::from_fn(|r| source.row((top + r).min(source.height - 1)));
            let next = (top + ROWS).min(source.height - 1);
            fetch(&source, next..source.height.min(next + ROWS));
            turn_rows(rows, columns);
            weigh(columns, weights, made);
            let last = source.height.min(top + ROWS);
            for (channel, made) in target.channels_mut().into_iter().zip(&*made) {
                turn_columns(made, width, &mut channel[top * width..last * width]);
            }
        }
    }
}

/// Bits of the lower part of a weight; the upper one has 16 with its sign.
const LOWER: u32 = 11;

/// The upper and the lower parts of two weights: two taps are summed at once.
pub(in crate::transform) type Pair = [i32; 2];

kernel! {
    /// Resample the columns of a channel whose rows have `width` values, 32 or
    /// more.
    pub(in crate::transform) fn vertical(
        source: &[u8],
        weights: &Weights,
        width: usize,
        pairs: &mut Vec<Pair>,
        target: &mut [u8],
    ) {
        for (row, (first, weights)) in target.chunks_exact_mut(width).zip(weights.iter()) {
            let (two, one) = weights.as_chunks();
            pairs.clear();
            for [a, b] in two {
                pairs.push(pair(*a, *b));
            }
            for a in one {
                pairs.push(pair(*a, 0));
            }
            let taps = &source[first * width..(first + weights.len()) * width];
            for left in (0..width).step_by(BYTES) {
                // The last run overlaps the one before.
                let left = left.min(width - BYTES);
                let found = weigh_down(&taps[left..], width, pairs);
                if let Some(run) = row[left..].first_chunk_mut() {
                    store(run, found);
                }
            }
        }
    }
}

fn pair(a: i32, b: i32) -> Pair {
    let both = |a: i32, b: i32| (a & 0xFFFF) | b << 16;
    const MASK: i32 = (1 << LOWER) - 1;
    [both(a >> LOWER, b >> LOWER), both(a & MASK, b & MASK)]
}

/// 32 columns, each summed over its rows.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn weigh_down(taps: &[u8], width: usize, pairs: &[Pair]) -> __m256i {
    let zero = _mm256_setzero_si256();
    let mut upper = [zero; 4];
    let mut lower = [_mm256_set1_epi32(HALF); 4];
    for (k, [high, low]) in pairs.iter().enumerate() {
        let at = 2 * k * width;
        let Some(above) = taps[at..].first_chunk() else {
            break;
        };
        // The last of an odd number has no other: its weight is 0.
        let below = taps.get(at + width..).and_then(|rest| rest.first_chunk());
        let (above, below) = (load(above), load(below.unwrap_or(above)));
        let (high, low) = (_mm256_set1_epi32(*high), _mm256_set1_epi32(*low));
        let first = _mm256_unpacklo_epi8(above, below);
        let second = _mm256_unpackhi_epi8(above, below);
        let taken = [
            _mm256_unpacklo_epi8(first, zero),
            _mm256_unpackhi_epi8(first, zero),
            _mm256_unpacklo_epi8(second, zero),
            _mm256_unpackhi_epi8(second, zero),
        ];
        for i in 0..4 {
            upper[i] = _mm256_add_epi32(upper[i], _mm256_madd_epi16(taken[i], high));
            lower[i] = _mm256_add_epi32(lower[i], _mm256_madd_epi16(taken[i], low));
        }
    }
    const SHIFT: i32 = PRECISION as i32;
    let mut sums = lower;
    for i in 0..4 {
        let upper = _mm256_slli_epi32::<{ LOWER as i32 }>(upper[i]);
        sums[i] = _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(upper, lower[i]));
    }
    narrow(sums)
}

/// Ask for rows that are read soon: there are too many at once for the
/// processor to see that they go on.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn fetch(source: &Part<'_>, rows: Range<usize>) {
    const LINE: usize = 64;
    for row in rows {
        for line in source.row(row).chunks(LINE) {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
}

/// The bytes of 16 rows, next to each other.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn turn_rows(rows: [&[u8]; ROWS], columns: &mut [Column]) {
    let (blocks, _) = columns.as_chunks_mut::<BYTES>();
    for (b, block) in blocks.iter_mut().enumerate() {
        // Loops and no `map`: what the standard library calls is compiled
        // without the instructions and cannot be inlined.
        let mut taken = [_mm256_setzero_si256(); ROWS];
        for (taken, row) in taken.iter_mut().zip(rows) {
            let rest = &row[b * BYTES..];
            *taken = match rest.first_chunk() {
                Some(run) => load(run),
                None => {
                    let mut run = [0; BYTES];
                    run[..rest.len()].copy_from_slice(rest);
                    load(&run)
                }
            };
        }
        let turned = transpose(taken);
        let (first, second) = block.split_at_mut(ROWS);
        for ((turned, first), second) in turned.into_iter().zip(first).zip(second) {
            store_half(first, _mm256_castsi256_si128(turned));
            store_half(second, _mm256_extracti128_si256::<1>(turned));
        }
    }
}

/// Each channel of the new columns.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn weigh(columns: &[Column], weights: &Weights, made: &mut [Vec<Column>; 3]) {
    let (pixels, _) = columns.as_chunks::<3>();
    let [red, green, blue] = made;
    let made = red.iter_mut().zip(green).zip(blue);
    for ((first, weights), ((red, green), blue)) in weights.iter().zip(made) {
        let mut sums = [_mm256_set1_epi32(HALF); 6];
        for (pixel, weight) in pixels[first..].iter().zip(weights) {
            let weight = _mm256_set1_epi32(*weight);
            for (c, column) in pixel.iter().enumerate() {
                let (above, below) = eights(column);
                sums[2 * c] = _mm256_add_epi32(sums[2 * c], _mm256_mullo_epi32(above, weight));
                sums[2 * c + 1] =
                    _mm256_add_epi32(sums[2 * c + 1], _mm256_mullo_epi32(below, weight));
            }
        }
        store_half(red, bytes(sums[0], sums[1]));
        store_half(green, bytes(sums[2], sums[3]));
        store_half(blue, bytes(sums[4], sums[5]));
    }
}

/// Columns as the rows of a channel.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn turn_columns(made: &[Column], width: usize, rows: &mut [u8]) {
    let (blocks, _) = made.as_chunks::<BYTES>();
    for (b, block) in blocks.iter().enumerate() {
        let (first, second) = block.split_at(ROWS);
        let mut taken = [_mm256_setzero_si256(); ROWS];
        for ((taken, first), second) in taken.iter_mut().zip(first).zip(second) {
            *taken = _mm256_set_m128i(load_half(second), load_half(first));
        }
        let turned = transpose(taken);
        for (row, turned) in rows.chunks_exact_mut(width).zip(turned) {
            let rest = &mut row[b * BYTES..];
            match rest.first_chunk_mut() {
                Some(run) => store(run, turned),
                None => {
                    let mut run = [0; BYTES];
                    store(&mut run, turned);
                    rest.copy_from_slice(&run[..rest.len()]);
                }
            }
        }
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
