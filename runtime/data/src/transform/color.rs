//! Colour operations of Pillow 12.2.0 and torchvision 0.29.2 on 8-bit RGB,
//! bit for bit.

use crate::image::Rgb;
use crate::wide::wide;

/// Luminance as Pillow rounds it (ITU-R 601-2 in 16-bit fixed point).
#[inline(always)]
fn luminance(pixel: &[u8]) -> u8 {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
}

/// Pillow's `Image.blend` of one value: single float, truncated, clipped
/// where the factor extrapolates.
#[inline(always)]
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

wide! {
    /// `ImageEnhance.Color`: away from the pixel's own luminance.
    pub(crate) fn saturation(image: &mut Rgb, factor: f64) {
        let factor = factor as f32;
        by_channels(image, |red, green, blue| {
            for i in 0..LANES {
                let gray = luminance(&[red[i], green[i], blue[i]]);
                red[i] = blend(gray, red[i], factor);
                green[i] = blend(gray, green[i], factor);
                blue[i] = blend(gray, blue[i], factor);
            }
        });
    }
}

wide! {
    /// torchvision's `adjust_hue` on a Pillow image: through 8-bit HSV, the
    /// hue shifted by `turns * 255`, truncated, wrapping.
    pub(crate) fn hue(image: &mut Rgb, turns: f64) {
        let shift = (turns * 255.0) as i32 as u8;
        by_channels(image, |red, green, blue| {
            for i in 0..LANES {
                let [h, s, v] = to_hsv([red[i], green[i], blue[i]]);
                [red[i], green[i], blue[i]] = from_hsv([h.wrapping_add(shift), s, v]);
            }
        });
    }
}

/// Pixels that are worked on at once.
const LANES: usize = 32;

/// Work on runs of pixels with their channels apart, so that the loops over
/// them become vector code.
#[inline(always)]
fn by_channels(
    image: &mut Rgb,
    mut f: impl FnMut(&mut [u8; LANES], &mut [u8; LANES], &mut [u8; LANES]),
) {
    let (pixels, _) = image.data.as_chunks_mut::<3>();
    for run in pixels.chunks_mut(LANES) {
        let mut channels = [[0; LANES]; 3];
        let [red, green, blue] = &mut channels;
        for (i, pixel) in run.iter().enumerate() {
            [red[i], green[i], blue[i]] = *pixel;
        }
        f(red, green, blue);
        for (i, pixel) in run.iter_mut().enumerate() {
            *pixel = [red[i], green[i], blue[i]];
        }
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

/// `Convert.c`'s `rgb2hsv_row`, with its mixture of single and double floats,
/// and without branches.
#[inline(always)]
fn to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let max = r.max(g).max(b);
    let range = f32::from(max - r.min(g).min(b));
    let gray = range == 0.0;
    // What a gray pixel divides by does not matter.
    let divisor = if gray { 1.0 } else { range };
    let s = range / if gray { 1.0 } else { f32::from(max) };
    let rc = f32::from(max - r) / divisor;
    let gc = f32::from(max - g) / divisor;
    let bc = f32::from(max - b) / divisor;
    let from_red = f64::from(bc - gc);
    let from_green = f64::from((2.0 + f64::from(rc) - f64::from(bc)) as f32);
    let from_blue = f64::from((4.0 + f64::from(gc) - f64::from(rc)) as f32);
    let other = if g == max { from_green } else { from_blue };
    let h = if r == max { from_red } else { other };
    // 5/6..2: `fmod(x, 1)` takes 1 where there is one.
    let turned = h / 6.0 + 1.0;
    let h = (if turned >= 1.0 { turned - 1.0 } else { turned }) as f32;
    let h = truncate(f64::from(h) * 255.0);
    [
        if gray { 0 } else { h },
        truncate(f64::from(s) * 255.0),
        max,
    ]
}

/// `Convert.c`'s `hsv2rgb`, without branches.
#[inline(always)]
fn from_hsv([h, s, v]: [u8; 3]) -> [u8; 3] {
    let sixths = f64::from(h) * 6.0 / 255.0;
    let sector = truncate(sixths);
    let f = (sixths - f64::from(sector)) as f32;
    let fs = (f64::from(s) / 255.0) as f32;
    let value = f64::from(v);
    // `round` of what is not negative.
    let p = truncate(value * (1.0 - f64::from(fs)) + 0.5);
    let q = truncate(value * (1.0 - f64::from(fs * f)) + 0.5);
    let t = truncate(value * (1.0 - f64::from(fs) * (1.0 - f64::from(f))) + 0.5);
    // Sector 6 is hue 255, which is 0 again. A gray pixel has p = q = t = v.
    let sector = if sector == 6 { 0 } else { sector };
    let pick = |[a, b, c, d, e, f]: [u8; 6]| match sector {
        0 => a,
        1 => b,
        2 => c,
        3 => d,
        4 => e,
        _ => f,
    };
    [
        pick([v, q, p, p, t, v]),
        pick([t, v, v, q, p, p]),
        pick([p, p, t, v, v, q]),
    ]
}

/// Towards zero, of `0.0..256.0`.
#[inline(always)]
fn truncate(x: f64) -> u8 {
    x as i32 as u8
}
