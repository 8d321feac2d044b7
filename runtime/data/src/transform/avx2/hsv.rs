//! To hue, saturation and value, and back.

use std::arch::x86_64::*;

use super::{BYTES, floats, load, narrow, widen};

/// Hue, saturation and value of 8 bits, as Pillow's `rgb2hsv_row`.
///
/// Of its three quotients one is 0 (the channel that is greatest), one is 1
/// (the least) and only the third is worked out: the hue is a whole number
/// plus or minus it. In single floats all rounds as there, which the test of
/// all 2^24 colours shows. A gray pixel divides 0 by 0, and what is not a
/// number becomes saturation 0, with which no hue matters.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn to_hsv([r, g, b]: [__m256i; 3]) -> [__m256i; 3] {
    let max = _mm256_max_epu8(_mm256_max_epu8(r, g), b);
    let min = _mm256_min_epu8(_mm256_min_epu8(r, g), b);
    let mid = _mm256_max_epu8(
        _mm256_min_epu8(r, g),
        _mm256_min_epu8(_mm256_max_epu8(r, g), b),
    );

    // Bits of a case: red is greatest, green is, blue is least, red is.
    let bit = |a, b, bit| _mm256_and_si256(_mm256_cmpeq_epi8(a, b), _mm256_set1_epi8(bit));
    let case = _mm256_or_si256(
        _mm256_or_si256(bit(r, max, 1), bit(g, max, 2)),
        _mm256_or_si256(bit(b, min, 4), bit(r, min, 8)),
    );
    let by_case = |table: &[u8; BYTES]| _mm256_shuffle_epi8(load(table), case);
    let zero = _mm256_setzero_si256();
    let [upper, lower, signs] = &CASES;
    let (upper, lower, signs) = (by_case(upper), by_case(lower), by_case(signs));
    // Two bytes in the upper half of each word.
    let high = |lower, upper| {
        let low = _mm256_unpacklo_epi8(lower, upper);
        let high = _mm256_unpackhi_epi8(lower, upper);
        [
            _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, low)),
            _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, low)),
            _mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, high)),
            _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, high)),
        ]
    };
    let (wholes, signs) = (high(lower, upper), high(zero, signs));
    let range = floats(widen(_mm256_sub_epi8(max, min)));
    let below = floats(widen(_mm256_sub_epi8(max, mid)));
    let top = floats(widen(max));

    let full = _mm256_set1_ps(255.0);
    let hue = |i: usize| {
        let quotient = _mm256_xor_ps(_mm256_div_ps(below[i], range[i]), signs[i]);
        let turns = sixth(_mm256_add_ps(wholes[i], quotient));
        let negative = _mm256_cmp_ps::<_CMP_LT_OQ>(turns, _mm256_setzero_ps());
        let one = _mm256_and_ps(negative, _mm256_set1_ps(1.0));
        _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_add_ps(turns, one), full))
    };
    let saturation = |i: usize| {
        let share = _mm256_div_ps(range[i], top[i]);
        _mm256_cvttps_epi32(_mm256_mul_ps(share, full))
    };
    [
        narrow([hue(0), hue(1), hue(2), hue(3)]),
        narrow([saturation(0), saturation(1), saturation(2), saturation(3)]),
        max,
    ]
}

/// The whole number of each case and the sign of its quotient: the first byte
/// of the float, which says all with its second, that one, and the sign's.
/// Twice, for both halves of a register.
const CASES: [[u8; BYTES]; 3] = {
    let mut cases = [[0; BYTES]; 3];
    let mut i = 0;
    while i < BYTES {
        let (red, green, blue_least, red_least) = (i & 1 != 0, i & 2 != 0, i & 4 != 0, i & 8 != 0);
        let (whole, minus) = if red {
            if blue_least {
                (1.0f32, true)
            } else {
                (-1.0, false)
            }
        } else if green {
            if red_least { (3.0, true) } else { (1.0, false) }
        } else if red_least {
            (3.0, false)
        } else {
            (5.0, true)
        };
        let [upper, lower, ..] = whole.to_be_bytes();
        cases[0][i] = upper;
        cases[1][i] = lower;
        cases[2][i] = if minus { 0x80 } else { 0 };
        i += 1;
    }
    cases
};

/// A sixth, rounded once as a division rounds it (Markstein, "Computation of
/// elementary functions on the IBM RISC System/6000 processor", 1990).
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sixth(x: __m256) -> __m256 {
    let (six, share) = (_mm256_set1_ps(6.0), _mm256_set1_ps(1.0 / 6.0));
    let near = _mm256_mul_ps(x, share);
    _mm256_fmadd_ps(_mm256_fnmadd_ps(near, six, x), share, near)
}

/// Back to red, green and blue, as Pillow's `hsv2rgb`: what it rounds is a
/// whole number divided by 255 or 255^2, an odd one, so it never lies half way
/// and needs no more than single floats.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn from_hsv([h, s, v]: [__m256i; 3]) -> [__m256i; 3] {
    let zero = _mm256_setzero_si256();
    let ones = _mm256_set1_epi8(-1);
    let halves = |bytes| {
        [
            _mm256_unpacklo_epi8(bytes, zero),
            _mm256_unpackhi_epi8(bytes, zero),
        ]
    };
    let (hues, values, colored) = (halves(h), halves(v), halves(s));
    let pale = halves(_mm256_xor_si256(s, ones));

    // Six hues, in 255ths: the sector and what is left of it.
    let six = |i: usize| _mm256_mullo_epi16(hues[i], _mm256_set1_epi16(6));
    let sixes = [six(0), six(1)];
    let sector = |i: usize| {
        let next = _mm256_add_epi16(sixes[i], _mm256_set1_epi16(1));
        _mm256_mulhi_epu16(next, _mm256_set1_epi16(257))
    };
    let sectors = [sector(0), sector(1)];
    let rest = |i: usize| {
        let whole = _mm256_slli_epi16::<8>(sectors[i]);
        _mm256_sub_epi16(_mm256_add_epi16(sixes[i], sectors[i]), whole)
    };
    let p = |i: usize| {
        let product = _mm256_mullo_epi16(values[i], pale[i]);
        let sum = _mm256_add_epi16(product, _mm256_set1_epi16(128));
        _mm256_srli_epi16(_mm256_add_epi16(sum, _mm256_srli_epi16(sum, 8)), 8)
    };
    let p = _mm256_packus_epi16(p(0), p(1));

    let full = _mm256_set1_ps(255.0);
    let share = _mm256_set1_ps(1.0 / 65025.0);
    let half = _mm256_set1_ps(0.5);
    // The falling and the rising channel of 8 pixels.
    let slopes = |value, product, rest| {
        let value = _mm256_add_ps(_mm256_cvtepi32_ps(value), half);
        let product = _mm256_cvtepi32_ps(product);
        // All whole and below 2^24.
        let down = _mm256_mul_ps(product, _mm256_cvtepi32_ps(rest));
        let up = _mm256_fmsub_ps(product, full, down);
        [
            _mm256_cvttps_epi32(_mm256_fnmadd_ps(down, share, value)),
            _mm256_cvttps_epi32(_mm256_fnmadd_ps(up, share, value)),
        ]
    };
    let of = |i: usize| {
        let product = _mm256_mullo_epi16(values[i], colored[i]);
        let rest = rest(i);
        let [q0, t0] = slopes(
            _mm256_unpacklo_epi16(values[i], zero),
            _mm256_unpacklo_epi16(product, zero),
            _mm256_unpacklo_epi16(rest, zero),
        );
        let [q1, t1] = slopes(
            _mm256_unpackhi_epi16(values[i], zero),
            _mm256_unpackhi_epi16(product, zero),
            _mm256_unpackhi_epi16(rest, zero),
        );
        [_mm256_packs_epi32(q0, q1), _mm256_packs_epi32(t0, t1)]
    };
    let ([q0, t0], [q1, t1]) = (of(0), of(1));
    let (q, t) = (_mm256_packus_epi16(q0, q1), _mm256_packus_epi16(t0, t1));

    let sector = _mm256_packus_epi16(sectors[0], sectors[1]);
    let is = |k| _mm256_cmpeq_epi8(sector, _mm256_set1_epi8(k));
    let (one, two, three, four, five) = (is(1), is(2), is(3), is(4), is(5));
    // Sector 6 is hue 255, which is 0 again.
    let first = _mm256_or_si256(is(0), is(6));
    let pick = |a, b, mask| _mm256_blendv_epi8(a, b, mask);
    [
        pick(
            pick(pick(v, q, one), p, _mm256_or_si256(two, three)),
            t,
            four,
        ),
        pick(
            pick(pick(p, t, first), v, _mm256_or_si256(one, two)),
            q,
            three,
        ),
        pick(
            pick(pick(p, t, two), v, _mm256_or_si256(three, four)),
            q,
            five,
        ),
    ]
}
