//! Colour operations.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::hsv::{from_hsv, to_hsv};
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
