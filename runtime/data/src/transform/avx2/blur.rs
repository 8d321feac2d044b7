//! Box passes of small radius, three along each axis.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::blur::Weights;
use super::{BYTES, kernel, load, narrow, store};

/// Values beside a row or column that repeat its ends.
const BESIDE: usize = 2;

/// A row or a strip of columns, in registers.
type Strip = Vec<[u8; BYTES]>;

/// Buffers that outlive one image.
#[derive(Debug, Default)]
pub(in crate::transform) struct BoxWork {
    /// A row with its ends repeated, and the same after one pass.
    rows: [Vec<u8>; 2],
    /// The image in strips of columns.
    strips: Strip,
    other: Strip,
}

/// Whether a box of this reach is done here.
pub(in crate::transform) fn reaches(reach: usize) -> bool {
    reach < BESIDE && super::available()
}

kernel! {
    /// Three passes along the rows and three along the columns of a channel,
    /// for boxes that [`reaches`] tells of.
    pub(in crate::transform) fn boxes(
        channel: &mut [u8],
        width: usize,
        weights: Weights,
        work: &mut BoxWork,
    ) {
        if weights.reach == 0 {
            passes::<0>(channel, width, weights, work);
        } else {
            passes::<1>(channel, width, weights, work);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn passes<const REACH: usize>(
    channel: &mut [u8],
    width: usize,
    weights: Weights,
    work: &mut BoxWork,
) {
    let factors = Factors::new(weights);
    let height = channel.len() / width;
    let (count, tall) = (width.div_ceil(BYTES), height + 2 * BESIDE);
    let BoxWork {
        rows: [row, next],
        strips,
        other,
    } = work;
    for row in [&mut *row, &mut *next] {
        row.resize((count + 1) * BYTES + 2 * BESIDE, 0);
    }
    strips.resize(count * tall, [0; BYTES]);
    other.resize(tall, [0; BYTES]);

    for (y, line) in channel.chunks_exact(width).enumerate() {
        row[BESIDE..BESIDE + width].copy_from_slice(line);
        along::<REACH>(row, next, width, factors);
        along::<REACH>(next, row, width, factors);
        along::<REACH>(row, next, width, factors);
        let (runs, _) = next[BESIDE..].as_chunks::<BYTES>();
        for (strip, run) in strips.chunks_exact_mut(tall).zip(runs) {
            strip[BESIDE + y] = *run;
        }
    }
    for (s, strip) in strips.chunks_exact_mut(tall).enumerate() {
        down::<REACH>(strip, other, factors);
        down::<REACH>(other, strip, factors);
        down::<REACH>(strip, other, factors);
        let left = s * BYTES;
        let wide = BYTES.min(width - left);
        for (line, run) in channel.chunks_exact_mut(width).zip(&other[BESIDE..]) {
            line[left..left + wide].copy_from_slice(&run[..wide]);
        }
    }
}

/// One pass along a row.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn along<const REACH: usize>(source: &mut [u8], target: &mut [u8], width: usize, factors: Factors) {
    let (first, last) = (source[BESIDE], source[BESIDE + width - 1]);
    source[..BESIDE].fill(first);
    source[BESIDE + width..][..BESIDE].fill(last);
    let (targets, _) = target[BESIDE..].as_chunks_mut::<BYTES>();
    let runs = width.div_ceil(BYTES);
    for (i, target) in targets[..runs].iter_mut().enumerate() {
        const SEEN: usize = BYTES + 2 * BESIDE;
        let Some(seen) = source[i * BYTES..].first_chunk::<SEEN>() else {
            return;
        };
        let at = |x: usize| match seen[x..].first_chunk() {
            Some(run) => load(run),
            None => _mm256_setzero_si256(),
        };
        let values = [at(0), at(1), at(2), at(3), at(4)];
        store(target, sum::<REACH>(values, factors));
    }
}

/// One pass down a strip.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn down<const REACH: usize>(
    source: &mut [[u8; BYTES]],
    target: &mut [[u8; BYTES]],
    factors: Factors,
) {
    let height = source.len() - 2 * BESIDE;
    let (first, last) = (source[BESIDE], source[BESIDE + height - 1]);
    source[..BESIDE].fill(first);
    source[BESIDE + height..].fill(last);
    let targets = target[BESIDE..].iter_mut();
    for ([a, b, c, d, e], target) in source.array_windows().zip(targets) {
        let values = [load(a), load(b), load(c), load(d), load(e)];
        store(target, sum::<REACH>(values, factors));
    }
}

/// The weights in two parts of 12 bits, for pairs of values.
#[derive(Clone, Copy)]
struct Factors {
    high: __m256i,
    low: __m256i,
}

impl Factors {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(Weights { full, edge, .. }: Weights) -> Self {
        let pair = |full: u32, edge: u32| _mm256_set1_epi32((full | edge << 16) as i32);
        Factors {
            high: pair(full >> 12, edge >> 12),
            low: pair(full & 0xFFF, edge & 0xFFF),
        }
    }
}

/// The box around the middle one of five values.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum<const REACH: usize>([a, b, c, d, e]: [__m256i; 5], factors: Factors) -> __m256i {
    let zero = _mm256_setzero_si256();
    let ones = _mm256_set1_epi8(1);
    // Sums of two values each, in the order of `unpack`.
    let both = |a, b| {
        [
            _mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), ones),
            _mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), ones),
        ]
    };
    let centre = [_mm256_unpacklo_epi8(c, zero), _mm256_unpackhi_epi8(c, zero)];
    let beside = both(b, d);
    let (full, edge) = if REACH == 0 {
        (centre, beside)
    } else {
        let full = [
            _mm256_add_epi16(centre[0], beside[0]),
            _mm256_add_epi16(centre[1], beside[1]),
        ];
        (full, both(a, e))
    };
    let half = _mm256_set1_epi32(1 << 23);
    let weigh = |pair| {
        let high = _mm256_slli_epi32(_mm256_madd_epi16(pair, factors.high), 12);
        let low = _mm256_add_epi32(_mm256_madd_epi16(pair, factors.low), half);
        _mm256_srli_epi32(_mm256_add_epi32(high, low), 24)
    };
    narrow([
        weigh(_mm256_unpacklo_epi16(full[0], edge[0])),
        weigh(_mm256_unpackhi_epi16(full[0], edge[0])),
        weigh(_mm256_unpacklo_epi16(full[1], edge[1])),
        weigh(_mm256_unpackhi_epi16(full[1], edge[1])),
    ])
}
