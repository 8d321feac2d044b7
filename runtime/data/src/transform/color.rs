//! Colour operations of Pillow 12.2.0 and torchvision 0.29.2 on 8-bit RGB,
//! bit for bit.

use super::portable;
use crate::image::Planes;

/// Pillow's `Image.blend` of one value: single float, truncated, clipped
/// where the factor extrapolates.
#[inline(always)]
pub(super) fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let step = factor * (f32::from(to) - f32::from(from));
    // `as` saturates, which is the clipping; within 0..=1 it never acts.
    (f32::from(from) + step) as u8
}

pub(super) fn map(image: &mut Planes, f: impl Fn(u8) -> u8) {
    let mut table = [0; 256];
    for (value, entry) in (0..=255).zip(&mut table) {
        *entry = f(value);
    }
    for value in &mut image.data {
        *value = table[usize::from(*value)];
    }
}

/// `ImageEnhance.Brightness`.
pub(crate) fn brightness(image: &mut Planes, factor: f64) {
    blend_all(image, 0, factor as f32);
}

/// [`blend`] of every value with one value.
fn blend_all(image: &mut Planes, from: u8, factor: f32) {
    #[cfg(target_arch = "x86_64")]
    if super::avx2::blend(&mut image.data, from, factor) {
        return;
    }
    map(image, |v| blend(from, v, factor));
}

/// `ImageEnhance.Contrast`: away from the rounded mean luminance.
pub(crate) fn contrast(image: &mut Planes, factor: f64) {
    let pixels = image.width * image.height;
    if pixels == 0 {
        return;
    }
    let mean = (luminance_sum(image) as f64 / pixels as f64 + 0.5) as u8;
    blend_all(image, mean, factor as f32);
}

fn luminance_sum(image: &Planes) -> u64 {
    let mut sum = 0;
    #[cfg(target_arch = "x86_64")]
    if super::avx2::luminance_sum(image, &mut sum) {
        return sum;
    }
    portable::luminance_sum(image, &mut sum);
    sum
}

/// `ImageEnhance.Color`: away from the pixel's own luminance.
pub(crate) fn saturation(image: &mut Planes, factor: f64) {
    let factor = factor as f32;
    #[cfg(target_arch = "x86_64")]
    if super::avx2::saturation(image, factor) {
        return;
    }
    portable::saturation(image, factor);
}

/// torchvision's `adjust_hue` on a Pillow image: through 8-bit HSV, the hue
/// shifted by `turns * 255`, truncated, wrapping.
pub(crate) fn hue(image: &mut Planes, turns: f64) {
    let shift = (turns * 255.0) as i32 as u8;
    #[cfg(target_arch = "x86_64")]
    if super::avx2::hue(image, shift) {
        return;
    }
    portable::hue(image, shift);
}

/// Luminance in all three channels.
pub(crate) fn grayscale(image: &mut Planes) {
    #[cfg(target_arch = "x86_64")]
    if super::avx2::grayscale(image) {
        return;
    }
    portable::grayscale(image);
}

/// `ImageOps.solarize`: values at or above the threshold are inverted.
pub(crate) fn solarize(image: &mut Planes, threshold: u16) {
    #[cfg(target_arch = "x86_64")]
    if let Ok(threshold) = u8::try_from(threshold)
        && super::avx2::solarize(&mut image.data, threshold)
    {
        return;
    }
    map(
        image,
        |v| if u16::from(v) < threshold { v } else { 255 - v },
    );
}
