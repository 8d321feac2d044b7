//! Colour operations.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{BYTES, floats, kernel, load, narrow, store, widen};
use crate::image::Planes;

kernel! {
    /// Pillow's `Image.blend` of every value with one value.
    pub(in crate::transform) fn blend(data: &mut [u8], from: u8, factor: f32) {
        let start = [_mm256_set1_ps(from.into()); 4];
        let (first, scale) = (_mm256_set1_epi8(from as i8), _mm256_set1_ps(factor));
        match whole_factor(from, factor) {
            Some(whole) => by_bytes(data, |bytes| mix_whole(first, bytes, whole)),
            None => by_bytes(data, |bytes| mix(start, bytes, scale)),
        }
    }
}

kernel! {
    /// `ImageOps.solarize` from a value on.
    pub(in crate::transform) fn solarize(data: &mut [u8], threshold: u8) {
        let threshold = _mm256_set1_epi8(threshold as i8);
        by_bytes(data, |bytes| {
            let above = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, threshold), bytes);
            _mm256_xor_si256(bytes, above)
        });
    }
}

kernel! {
    /// The sum of the luminance of all pixels.
    pub(in crate::transform) fn luminance_sum(image: &Planes, sum: &mut u64) {
        let channels = image.channels();
        let [(red, r), (green, g), (blue, b)] = channels.map(|c| c.as_chunks::<BYTES>());
        let mut sums = _mm256_setzero_si256();
        for ((red, green), blue) in red.iter().zip(green).zip(blue) {
            let gray = luminance([load(red), load(green), load(blue)]);
            sums = _mm256_add_epi64(sums, _mm256_sad_epu8(gray, _mm256_setzero_si256()));
        }
        // Black, which fills the last run up, has no luminance.
        let mut runs = [[0; BYTES]; 3];
        for (run, rest) in runs.iter_mut().zip([r, g, b]) {
            run[..rest.len()].copy_from_slice(rest);
        }
        let [r, g, b] = &runs;
        let gray = luminance([load(r), load(g), load(b)]);
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(gray, _mm256_setzero_si256()));
        *sum = (_mm256_extract_epi64(sums, 0)
            + _mm256_extract_epi64(sums, 1)
            + _mm256_extract_epi64(sums, 2)
            + _mm256_extract_epi64(sums, 3)) as u64;
    }
}

kernel! {
    /// Luminance in all three channels.
    pub(in crate::transform) fn grayscale(image: &mut Planes) {
        by_run(image, |pixels| [luminance(pixels); 3]);
    }
}

kernel! {
    /// `ImageEnhance.Color`.
    pub(in crate::transform) fn saturation(image: &mut Planes, factor: f32) {
        if let Some(excess) = whole_factor_from_all(factor) {
            let excess = _mm256_set1_epi16(excess);
            by_run(image, |[r, g, b]| {
                let gray = luminance([r, g, b]);
                let of = |to| mix_whole(gray, to, excess);
                [of(r), of(g), of(b)]
            });
            return;
        }
        let factor = _mm256_set1_ps(factor);
        by_run(image, |[r, g, b]| {
            let gray = floats(widen(luminance([r, g, b])));
            [mix(gray, r, factor), mix(gray, g, factor), mix(gray, b, factor)]
        });
    }
}

kernel! {
    /// `adjust_hue` by 255ths of a turn.
    pub(in crate::transform) fn hue(image: &mut Planes, shift: u8) {
        let shift = _mm256_set1_epi8(shift as i8);
        by_run(image, |pixels| {
            let [h, s, v] = to_hsv(pixels);
            from_hsv([_mm256_add_epi8(h, shift), s, v])
        });
    }
}

/// Do a step on 32 bytes at once, the last ones filled up with zeros.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn by_bytes(data: &mut [u8], step: impl Fn(__m256i) -> __m256i) {
    let (runs, rest) = data.as_chunks_mut::<BYTES>();
    for run in runs {
        store(run, step(load(run)));
    }
    let mut run = [0; BYTES];
    run[..rest.len()].copy_from_slice(rest);
    let last = step(load(&run));
    store(&mut run, last);
    rest.copy_from_slice(&run[..rest.len()]);
}

/// The excess of a factor over 1 in 65536ths, and its neighbours; none where
/// it does not fit.
fn excesses(factor: f32) -> impl Iterator<Item = i16> {
    let nearest = ((f64::from(factor) - 1.0) * 65536.0).round();
    let fits = nearest.abs() < f64::from(i16::MAX);
    let beside = fits.then_some([0, -1, 1]).into_iter().flatten();
    beside.map(move |beside| nearest as i16 + beside)
}

/// The one of [`excesses`] that gives the bytes of single floats from every
/// gray. A step that is whole, or further from that than a sum with a gray is
/// rounded by, has the same whole part in all sums.
fn whole_factor_from_all(factor: f32) -> Option<i16> {
    const ROUNDING: f32 = 1.0 / 65536.0;
    let mut wholes = [0; 511];
    for (whole, steps) in wholes.iter_mut().zip(-255i16..) {
        let step = factor * f32::from(steps);
        let below = step.floor();
        let rest = step - below;
        if rest != 0.0 && !(rest > ROUNDING && rest < 1.0 - ROUNDING) {
            return None;
        }
        *whole = below as i32 - i32::from(steps);
    }
    let gives = |excess: i16| {
        let mut all = wholes.iter().zip(-255i32..);
        all.all(|(whole, steps)| *whole == (steps * i32::from(excess)) >> 16)
    };
    excesses(factor).find(|excess| gives(*excess))
}

/// The one of [`excesses`] with which blending in whole numbers gives the
/// bytes of single floats for every value; there nearly always is one.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn whole_factor(from: u8, factor: f32) -> Option<__m256i> {
    let start = [_mm256_set1_ps(from.into()); 4];
    let (first, scale) = (_mm256_set1_epi8(from as i8), _mm256_set1_ps(factor));
    for excess in excesses(factor) {
        let whole = _mm256_set1_epi16(excess);
        let mut equal = _mm256_set1_epi8(-1);
        for run in EVERY.as_chunks().0 {
            let bytes = load(run);
            let (found, expected) = (mix_whole(first, bytes, whole), mix(start, bytes, scale));
            equal = _mm256_and_si256(equal, _mm256_cmpeq_epi8(found, expected));
        }
        if _mm256_movemask_epi8(equal) == -1 {
            return Some(whole);
        }
    }
    None
}

/// Every value.
const EVERY: [u8; 256] = {
    let mut all = [0; 256];
    let mut n = 0;
    while n < 256 {
        all[n] = n as u8;
        n += 1;
    }
    all
};

/// From values to others by a factor in whole numbers.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn mix_whole(from: __m256i, to: __m256i, excess: __m256i) -> __m256i {
    let zero = _mm256_setzero_si256();
    let difference = _mm256_set1_epi16(u16::from_le_bytes([1, u8::MAX]) as i16);
    let part = |pairs, from| {
        let steps = _mm256_maddubs_epi16(pairs, difference);
        let more = _mm256_mulhi_epi16(steps, excess);
        _mm256_add_epi16(_mm256_add_epi16(from, steps), more)
    };
    _mm256_packus_epi16(
        part(
            _mm256_unpacklo_epi8(to, from),
            _mm256_unpacklo_epi8(from, zero),
        ),
        part(
            _mm256_unpackhi_epi8(to, from),
            _mm256_unpackhi_epi8(from, zero),
        ),
    )
}

/// Do a step on 32 pixels at once, the last ones filled up with black.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn by_run(image: &mut Planes, step: impl Fn([__m256i; 3]) -> [__m256i; 3]) {
    let channels = image.channels_mut();
    let [(red, r), (green, g), (blue, b)] = channels.map(|c| c.as_chunks_mut::<BYTES>());
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let [r, g, b] = step([load(red), load(green), load(blue)]);
        store(red, r);
        store(green, g);
        store(blue, b);
    }
    let rest = [r, g, b];
    let mut runs = [[0; BYTES]; 3];
    for (run, rest) in runs.iter_mut().zip(&rest) {
        run[..rest.len()].copy_from_slice(rest);
    }
    let [r, g, b] = &runs;
    let found = step([load(r), load(g), load(b)]);
    for ((run, found), rest) in runs.iter_mut().zip(found).zip(rest) {
        store(run, found);
        rest.copy_from_slice(&run[..rest.len()]);
    }
}

/// From one value to another by a factor, as Pillow rounds it.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn mix(from: [__m256; 4], to: __m256i, factor: __m256) -> __m256i {
    let to = floats(widen(to));
    let part = |i: usize| {
        let step = _mm256_mul_ps(factor, _mm256_sub_ps(to[i], from[i]));
        _mm256_cvttps_epi32(_mm256_add_ps(from[i], step))
    };
    narrow([part(0), part(1), part(2), part(3)])
}

/// Luminance as Pillow rounds it: green's weight is halved and taken twice,
/// because a signed factor has 15 bits.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn luminance([r, g, b]: [__m256i; 3]) -> __m256i {
    let zero = _mm256_setzero_si256();
    let red_green = _mm256_set1_epi32(19595 | 19235 << 16);
    let green_blue = _mm256_set1_epi32(19235 | 7471 << 16);
    let half = _mm256_set1_epi32(0x8000);
    let sum = |rg, gb| {
        let sum = _mm256_add_epi32(
            _mm256_madd_epi16(rg, red_green),
            _mm256_madd_epi16(gb, green_blue),
        );
        _mm256_srli_epi32(_mm256_add_epi32(sum, half), 16)
    };
    let (rg, gb) = (_mm256_unpacklo_epi8(r, g), _mm256_unpacklo_epi8(g, b));
    let first = sum(
        _mm256_unpacklo_epi8(rg, zero),
        _mm256_unpacklo_epi8(gb, zero),
    );
    let second = sum(
        _mm256_unpackhi_epi8(rg, zero),
        _mm256_unpackhi_epi8(gb, zero),
    );
    let (rg, gb) = (_mm256_unpackhi_epi8(r, g), _mm256_unpackhi_epi8(g, b));
    let third = sum(
        _mm256_unpacklo_epi8(rg, zero),
        _mm256_unpacklo_epi8(gb, zero),
    );
    let fourth = sum(
        _mm256_unpackhi_epi8(rg, zero),
        _mm256_unpackhi_epi8(gb, zero),
    );
    narrow([first, second, third, fourth])
}

/// Hue, saturation and value of 8 bits, as Pillow's `rgb2hsv_row`.
///
/// Of its three quotients one is 0 (the channel that is greatest), one is 1
/// (the least) and only the third is worked out: the hue is a whole number
/// plus or minus it. In single floats all rounds as there, which the test of
/// all 2^24 colours shows. A gray pixel divides 0 by 0, and what is not a
/// number becomes saturation 0, with which no hue matters.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn to_hsv([r, g, b]: [__m256i; 3]) -> [__m256i; 3] {
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
fn from_hsv([h, s, v]: [__m256i; 3]) -> [__m256i; 3] {
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
