//! Box passes of small radius, three along each axis.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::blur::Weights;
use super::{BYTES, kernel, load, narrow, store};

/// Values beside a row or column that repeat its ends.
const BESIDE: usize = 2;

/// Rows that each pass along them goes over at once.
const ROWS: usize = 8;

/// A strip of columns, in registers.
type Strip = Vec<[u8; BYTES]>;

/// Buffers that outlive one image.
#[derive(Debug, Default)]
pub(in crate::transform) struct BoxWork {
    /// A few rows with their ends repeated, and the same after one pass.
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
        if weights.reach == 1 {
            passes::<SECOND>(channel, width, weights, work);
        } else if by_difference(weights) {
            passes::<DIFFERENCE>(channel, width, weights, work);
        } else {
            passes::<FIRST>(channel, width, weights, work);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn passes<const WAY: u8>(channel: &mut [u8], width: usize, weights: Weights, work: &mut BoxWork) {
    let factors = Factors::new(weights);
    let height = channel.len() / width;
    let (count, tall) = (width.div_ceil(BYTES), height + 2 * BESIDE);
    let BoxWork {
        rows: [row, next],
        strips,
        other,
    } = work;
    let line = (count + 1) * BYTES + 2 * BESIDE;
    for row in [&mut *row, &mut *next] {
        row.resize(ROWS * line, 0);
    }
    strips.resize(count * tall, [0; BYTES]);
    other.resize(tall, [0; BYTES]);

    // A pass over a few rows before the next pass over them: what has just
    // been written can only be read so soon in the pieces it was written in.
    for (group, lines) in channel.chunks(ROWS * width).enumerate() {
        let used = lines.len() / width * line;
        let (row, next) = (&mut row[..used], &mut next[..used]);
        for (row, line) in row.chunks_exact_mut(line).zip(lines.chunks_exact(width)) {
            row[BESIDE..BESIDE + width].copy_from_slice(line);
        }
        along::<WAY>(row, next, line, width, factors);
        along::<WAY>(next, row, line, width, factors);
        along::<WAY>(row, next, line, width, factors);
        for (r, next) in next.chunks_exact(line).enumerate() {
            let (runs, _) = next[BESIDE..].as_chunks::<BYTES>();
            for (strip, run) in strips.chunks_exact_mut(tall).zip(runs) {
                strip[BESIDE + group * ROWS + r] = *run;
            }
        }
    }
    for (s, strip) in strips.chunks_exact_mut(tall).enumerate() {
        down::<WAY>(strip, other, factors);
        down::<WAY>(other, strip, factors);
        down::<WAY>(strip, other, factors);
        let left = s * BYTES;
        let wide = BYTES.min(width - left);
        for (line, run) in channel.chunks_exact_mut(width).zip(&other[BESIDE..]) {
            match line[left..].first_chunk_mut() {
                Some(target) => *target = *run,
                None => line[left..].copy_from_slice(&run[..wide]),
            }
        }
    }
}

/// One pass along rows of `width` values that are `line` apart.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn along<const WAY: u8>(
    source: &mut [u8],
    target: &mut [u8],
    line: usize,
    width: usize,
    factors: Factors,
) {
    let lines = source.chunks_exact_mut(line);
    for (source, target) in lines.zip(target.chunks_exact_mut(line)) {
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
            store(target, sum::<WAY>(values, factors));
        }
    }
}

/// One pass down a strip.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn down<const WAY: u8>(source: &mut [[u8; BYTES]], target: &mut [[u8; BYTES]], factors: Factors) {
    let height = source.len() - 2 * BESIDE;
    let (first, last) = (source[BESIDE], source[BESIDE + height - 1]);
    source[..BESIDE].fill(first);
    source[BESIDE + height..].fill(last);
    let targets = target[BESIDE..].iter_mut();
    for ([a, b, c, d, e], target) in source.array_windows().zip(targets) {
        let values = [load(a), load(b), load(c), load(d), load(e)];
        store(target, sum::<WAY>(values, factors));
    }
}

/// A box of one value and the edges of its neighbours, as a sum of products.
const FIRST: u8 = 0;
/// A box of three values and the edges of those beyond them.
const SECOND: u8 = 1;
/// The first, as the value and a part of its neighbours' difference to it.
const DIFFERENCE: u8 = 2;

/// Whether [`DIFFERENCE`] gives the same bytes. The weights add up to one, or
/// to one unit less, which the difference leaves out: that must not matter at
/// any difference for any value.
fn by_difference(Weights { reach, full, edge }: Weights) -> bool {
    const ONE: u32 = 1 << 24;
    match ONE.checked_sub(full + 2 * edge) {
        Some(0) => reach == 0,
        Some(1) => {
            let part = |n: u32| edge.wrapping_mul(n.wrapping_sub(510)).wrapping_add(ONE / 2);
            reach == 0 && (0..=1020).all(|n| part(n) % ONE >= 255)
        }
        _ => false,
    }
}

/// The weights in two parts: of 12 bits for pairs of values, and the edge's of
/// 16 and of 8 bits with signs.
#[derive(Clone, Copy)]
struct Factors {
    high: __m256i,
    low: __m256i,
    near: __m256i,
    fine: __m256i,
}

impl Factors {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(Weights { full, edge, .. }: Weights) -> Self {
        let near = (edge + 128) >> 8;
        let fine = (edge as i32 - (near << 8) as i32) << 8;
        let pair = |full: u32, edge: u32| _mm256_set1_epi32((full | edge << 16) as i32);
        Factors {
            high: pair(full >> 12, edge >> 12),
            low: pair(full & 0xFFF, edge & 0xFFF),
            near: _mm256_set1_epi16(near as i16),
            fine: _mm256_set1_epi16(fine as i16),
        }
    }
}

/// The box around the middle one of five values.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum<const WAY: u8>([a, b, c, d, e]: [__m256i; 5], factors: Factors) -> __m256i {
    if WAY == DIFFERENCE {
        return moved([b, c, d], factors);
    }
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
    let (full, edge) = if WAY == FIRST {
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

/// The middle one of three values, moved by a part of the others' difference
/// to it. The product has more bits than a register's half: its rounded upper
/// half is the move, and the lower one and what the fine part of the weight
/// adds say whether that is one more.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn moved([b, c, d]: [__m256i; 3], factors: Factors) -> __m256i {
    let less = _mm256_set1_epi16(u16::from_le_bytes([1, u8::MAX]) as i16);
    let part = |before, after, centre| {
        let before = _mm256_maddubs_epi16(before, less);
        let difference = _mm256_add_epi16(before, _mm256_maddubs_epi16(after, less));
        let upper = _mm256_mulhi_epi16(difference, factors.near);
        let lower = _mm256_mullo_epi16(difference, factors.near);
        let fine = _mm256_mulhi_epi16(difference, factors.fine);
        let rest = _mm256_xor_si256(lower, _mm256_set1_epi16(i16::MIN));
        let rest = _mm256_adds_epi16(rest, fine);
        let more = _mm256_cmpgt_epi16(rest, _mm256_set1_epi16(-1));
        _mm256_sub_epi16(_mm256_add_epi16(centre, upper), more)
    };
    let zero = _mm256_setzero_si256();
    _mm256_packus_epi16(
        part(
            _mm256_unpacklo_epi8(b, c),
            _mm256_unpacklo_epi8(d, c),
            _mm256_unpacklo_epi8(c, zero),
        ),
        part(
            _mm256_unpackhi_epi8(b, c),
            _mm256_unpackhi_epi8(d, c),
            _mm256_unpackhi_epi8(c, zero),
        ),
    )
}
