//! Colour operations of Pillow 12.2.0 and torchvision 0.29.2 on 8-bit RGB,
//! bit for bit.

use crate::image::Rgb;

/// Luminance as Pillow rounds it (ITU-R 601-2 in 16-bit fixed point).
fn luminance(pixel: &[u8]) -> u8 {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

/// Pillow's `Image.blend` of one value: single float, truncated, clipped
/// where the factor extrapolates.
fn blend(from: u8, to: u8, factor: f32) -> u8 {
    let step = factor * (f32::from(to) - f32::from(from));
    // `as` saturates, which is the clipping; within 0..=1 it never acts.
    (f32::from(from) + step) as u8
}

fn map(image: &mut Rgb, f: impl Fn(u8) -> u8) {
    let mut table = [0; 256];
    for (value, entry) in (0..=255).zip(&mut table) {
        *entry = f(value);
    }
    for value in &mut image.data {
        *value = table[usize::from(*value)];
    }
}

/// `ImageEnhance.Brightness`.
pub(crate) fn brightness(image: &mut Rgb, factor: f64) {
    map(image, |v| blend(0, v, factor as f32));
}

/// `ImageEnhance.Contrast`: away from the rounded mean luminance.
pub(crate) fn contrast(image: &mut Rgb, factor: f64) {
    let pixels = image.width * image.height;
    if pixels == 0 {
        return;
    }
    let sum: u64 = image
        .data
        .chunks_exact(3)
        .map(|p| u64::from(luminance(p)))
        .sum();
    let mean = (sum as f64 / pixels as f64 + 0.5) as u8;
    map(image, |v| blend(mean, v, factor as f32));
}

/// `ImageEnhance.Color`: away from the pixel's own luminance.
pub(crate) fn saturation(image: &mut Rgb, factor: f64) {
    let factor = factor as f32;
    for pixel in image.data.chunks_exact_mut(3) {
        let gray = luminance(pixel);
        for value in pixel {
            *value = blend(gray, *value, factor);
        }
    }
}

/// torchvision's `adjust_hue` on a Pillow image: through 8-bit HSV, the hue
/// shifted by `turns * 255`, truncated, wrapping.
pub(crate) fn hue(image: &mut Rgb, turns: f64) {
    let shift = (turns * 255.0) as i32 as u8;
    for pixel in image.data.chunks_exact_mut(3) {
        let [h, s, v] = to_hsv([pixel[0], pixel[1], pixel[2]]);
        pixel.copy_from_slice(&from_hsv([h.wrapping_add(shift), s, v]));
    }
}

/// Luminance in all three channels.
pub(crate) fn grayscale(image: &mut Rgb) {
    for pixel in image.data.chunks_exact_mut(3) {
        let gray = luminance(pixel);
        pixel.fill(gray);
    }
}

/// `ImageOps.solarize`: values at or above the threshold are inverted.
pub(crate) fn solarize(image: &mut Rgb, threshold: u16) {
    map(
        image,
        |v| if u16::from(v) < threshold { v } else { 255 - v },
    );
}

/// `Convert.c`'s `rgb2hsv_row`, with its mixture of single and double floats.
fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let max = r.max(g).max(b);
    let min = r.min(g).min(b);
    if max == min {
        return [0, 0, max];
    }
    let range = f32::from(max - min);
    let s = range / f32::from(max);
    let [rc, gc, bc] = [r, g, b].map(|c| f32::from(max - c) / range);
    let h = if r == max {
        bc - gc
    } else if g == max {
        (2.0 + f64::from(rc) - f64::from(bc)) as f32
    } else {
        (4.0 + f64::from(gc) - f64::from(rc)) as f32
    };
    let turned = f64::from(h) / 6.0 + 1.0;
    let h = (turned - turned.floor()) as f32;
    [
        (f64::from(h) * 255.0) as u8,
        (f64::from(s) * 255.0) as u8,
        max,
    ]
}

/// `Convert.c`'s `hsv2rgb`.
fn from_hsv([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let sixths = f64::from(h) * 6.0 / 255.0;
    let sector = sixths.floor();
    let f = (sixths - f64::from(sector as f32)) as f32;
    let fs = (f64::from(s) / 255.0) as f32;
    let value = f64::from(v);
    let p = (value * (1.0 - f64::from(fs))).round() as u8;
    let q = (value * (1.0 - f64::from(fs * f))).round() as u8;
    let t = (value * (1.0 - f64::from(fs) * (1.0 - f64::from(f)))).round() as u8;
    match sector as u32 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
