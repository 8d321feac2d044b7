//! Colour operations in plain loops: they run where wide registers are absent,
//! and say what those must give.

use super::color::blend;
use crate::image::Planes;

/// Luminance as Pillow rounds it (ITU-R 601-2 in 16-bit fixed point).
#[inline(always)]
fn luminance([r, g, b]: [u8; 3]) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    (r.wrapping_mul(19595)
        .wrapping_add(g.wrapping_mul(38470))
        .wrapping_add(b.wrapping_mul(7471))
        .wrapping_add(0x8000)
        >> 16) as u8
}

/// The sum of the luminance of all pixels.
pub(super) fn luminance_sum(image: &Planes, sum: &mut u64) {
    let [red, green, blue] = image.channels();
    let runs = red
        .chunks(SUMMED)
        .zip(green.chunks(SUMMED))
        .zip(blue.chunks(SUMMED));
    for ((red, green), blue) in runs {
        let mut part = 0u32;
        for ((red, green), blue) in red.iter().zip(green).zip(blue) {
            part = part.wrapping_add(u32::from(luminance([*red, *green, *blue])));
        }
        *sum += u64::from(part);
    }
}

/// Pixels whose luminance is summed in 32 bits.
const SUMMED: usize = 4096;

/// `ImageEnhance.Color`: away from the pixel's own luminance.
pub(super) fn saturation(image: &mut Planes, factor: f32) {
    by_run(image, &Saturate(factor));
}

/// torchvision's `adjust_hue` on a Pillow image: through 8-bit HSV, the
/// hue shifted by `turns * 255`, truncated, wrapping.
pub(super) fn hue(image: &mut Planes, shift: u8) {
    by_run(image, &Turn(shift));
}

/// Luminance in all three channels.
pub(super) fn grayscale(image: &mut Planes) {
    by_run(image, &Gray);
}

/// Pixels that are worked on at once: loops of a fixed length over arrays of
/// one type are what becomes vector code.
const RUN: usize = 32;

type Run = [u8; RUN];

/// A step on a run of pixels. A trait, because only its methods can be told to
/// be inlined into the loop that is compiled for wide registers.
trait Step {
    fn run(&self, red: &mut Run, green: &mut Run, blue: &mut Run);
}

#[inline(always)]
fn by_run(image: &mut Planes, step: &impl Step) {
    let [red, green, blue] = image.channels_mut();
    let runs = red
        .chunks_mut(RUN)
        .zip(green.chunks_mut(RUN))
        .zip(blue.chunks_mut(RUN));
    for ((red, green), blue) in runs {
        let n = red.len();
        let [mut r, mut g, mut b] = [[0; RUN]; 3];
        r[..n].copy_from_slice(red);
        g[..n].copy_from_slice(green);
        b[..n].copy_from_slice(blue);
        step.run(&mut r, &mut g, &mut b);
        red.copy_from_slice(&r[..n]);
        green.copy_from_slice(&g[..n]);
        blue.copy_from_slice(&b[..n]);
    }
}

/// Away from the luminance by a factor.
struct Saturate(f32);

impl Step for Saturate {
    #[inline(always)]
    fn run(&self, red: &mut Run, green: &mut Run, blue: &mut Run) {
        for i in 0..RUN {
            let gray = luminance([red[i], green[i], blue[i]]);
            red[i] = blend(gray, red[i], self.0);
            green[i] = blend(gray, green[i], self.0);
            blue[i] = blend(gray, blue[i], self.0);
        }
    }
}

/// The luminance in all channels.
struct Gray;

impl Step for Gray {
    #[inline(always)]
    fn run(&self, red: &mut Run, green: &mut Run, blue: &mut Run) {
        for i in 0..RUN {
            let gray = luminance([red[i], green[i], blue[i]]);
            (red[i], green[i], blue[i]) = (gray, gray, gray);
        }
    }
}

/// Turn the hue by 255ths.
struct Turn(u8);

impl Step for Turn {
    #[inline(always)]
    fn run(&self, red: &mut Run, green: &mut Run, blue: &mut Run) {
        let (mut h, s, v) = to_hsv(red, green, blue);
        for h in &mut h {
            *h = h.wrapping_add(self.0);
        }
        from_hsv([&h, &s, &v], [red, green, blue]);
    }
}

/// `Convert.c`'s `rgb2hsv_row`, with its mixture of single and double floats,
/// and without branches.
#[inline(always)]
fn to_hsv(red: &Run, green: &Run, blue: &Run) -> (Run, Run, Run) {
    let mut max = [0; RUN];
    let (mut r, mut g, mut b) = ([0.0f32; RUN], [0.0f32; RUN], [0.0f32; RUN]);
    let (mut high, mut range) = ([0.0f32; RUN], [0.0f32; RUN]);
    for i in 0..RUN {
        max[i] = red[i].max(green[i]).max(blue[i]);
        let min = red[i].min(green[i]).min(blue[i]);
        (r[i], g[i], b[i]) = (red[i].into(), green[i].into(), blue[i].into());
        high[i] = max[i].into();
        range[i] = f32::from(max[i] - min);
    }
    let (mut s, mut h) = ([0.0f32; RUN], [0.0f64; RUN]);
    for i in 0..RUN {
        // What a gray pixel divides by does not matter: its sums are 0.
        s[i] = range[i] / high[i].max(1.0);
        let range = range[i].max(1.0);
        let rc = (high[i] - r[i]) / range;
        let gc = (high[i] - g[i]) / range;
        let bc = (high[i] - b[i]) / range;
        let from_red = bc - gc;
        let from_green = (2.0 + f64::from(rc) - f64::from(bc)) as f32;
        let from_blue = (4.0 + f64::from(gc) - f64::from(rc)) as f32;
        let other = if gc == 0.0 { from_green } else { from_blue };
        h[i] = f64::from(if rc == 0.0 { from_red } else { other });
    }
    let (mut hue, mut saturation) = ([0; RUN], [0; RUN]);
    for i in 0..RUN {
        // 5/6..2: `fmod(x, 1)` takes 1 where there is one.
        let turned = h[i] / 6.0 + 1.0;
        let turned = if turned >= 1.0 { turned - 1.0 } else { turned };
        hue[i] = truncate(f64::from(turned as f32) * 255.0);
        saturation[i] = truncate(f64::from(s[i]) * 255.0);
    }
    (hue, saturation, max)
}

/// `Convert.c`'s `hsv2rgb`, without branches.
#[inline(always)]
fn from_hsv([h, s, v]: [&Run; 3], [red, green, blue]: [&mut Run; 3]) {
    let [mut p, mut q, mut t, mut sector] = [[0; RUN]; 4];
    for i in 0..RUN {
        let sixths = f64::from(h[i]) * 6.0 / 255.0;
        sector[i] = truncate(sixths);
        let f = (sixths - f64::from(sector[i])) as f32;
        let fs = (f64::from(s[i]) / 255.0) as f32;
        let value = f64::from(v[i]);
        // `round` of what is not negative.
        p[i] = truncate(value * (1.0 - f64::from(fs)) + 0.5);
        q[i] = truncate(value * (1.0 - f64::from(fs * f)) + 0.5);
        t[i] = truncate(value * (1.0 - f64::from(fs) * (1.0 - f64::from(f))) + 0.5);
    }
    for i in 0..RUN {
        // Sector 6 is hue 255, which is 0 again. A gray pixel has p = q = t = v.
        let k = if sector[i] == 6 { 0 } else { sector[i] };
        let (p, q, t, v) = (p[i], q[i], t[i], v[i]);
        let pick = |on: [u8; 2], a: u8, off: [u8; 2], b: u8, c: u8| {
            if on.contains(&k) {
                a
            } else if off.contains(&k) {
                b
            } else {
                c
            }
        };
        red[i] = pick([2, 3], p, [1, 4], if k == 1 { q } else { t }, v);
        green[i] = pick([4, 5], p, [1, 2], v, if k == 3 { q } else { t });
        blue[i] = pick([0, 1], p, [3, 4], v, if k == 2 { t } else { q });
    }
}

/// Towards zero, of `0.0..256.0`: the addend moves the whole part to the lowest
/// bits, a way that vector code has and that a cast with its saturation lacks.
#[inline(always)]
fn truncate(x: f64) -> u8 {
    const LOWEST: f64 = (1u64 << 52) as f64;
    (x.floor() + LOWEST).to_bits() as u8
}
