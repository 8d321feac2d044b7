//! Rotation and affine maps as Pillow 12.2.0 computes them (`Geometry.c`),
//! bit for bit.

use ssl_plan::Sampling;

use crate::image::Planes;

/// `Image.rotate` about the centre, to the same size.
pub(crate) fn rotate(
    image: &Planes,
    degrees: f64,
    sampling: Sampling,
    fill: [u8; 3],
    target: &mut Planes,
) {
    let degrees = degrees.rem_euclid(360.0);
    let (height, width) = (image.height, image.width);
    if degrees == 0.0 {
        return moved(image, target, |y, x| (y, x));
    }
    if degrees == 180.0 {
        return moved(image, target, |y, x| (height - 1 - y, width - 1 - x));
    }
    if width == height && degrees == 90.0 {
        return moved(image, target, |y, x| (x, width - 1 - y));
    }
    if width == height && degrees == 270.0 {
        return moved(image, target, |y, x| (height - 1 - x, y));
    }
    let angle = -degrees.to_radians();
    let (sin, cos) = (rounded(angle.sin()), rounded(angle.cos()));
    let minus_sin = rounded(-angle.sin());
    let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
    let matrix = [
        cos,
        sin,
        cos * -x + sin * -y + x,
        minus_sin,
        cos,
        minus_sin * -x + cos * -y + y,
    ];
    affine(image, &matrix, sampling, fill, target);
}

/// Python's `round(x, 15)`.
fn rounded(x: f64) -> f64 {
    format!("{x:.15}").parse().unwrap_or(x)
}

/// The pixel of a place of the target comes from that place of the source.
fn moved(image: &Planes, target: &mut Planes, from: impl Fn(usize, usize) -> (usize, usize)) {
    let width = image.width;
    target.resize([image.height, width]);
    for (source, target) in image.channels().into_iter().zip(target.channels_mut()) {
        for (y, row) in target.chunks_exact_mut(width.max(1)).enumerate() {
            for (x, value) in row.iter_mut().enumerate() {
                let (y, x) = from(y, x);
                *value = source[y * width + x];
            }
        }
    }
}

/// `Image.transform` with an affine map from target to source, to the same
/// size: `x = a x' + b y' + c`, `y = d x' + e y' + f`.
pub(crate) fn affine(
    image: &Planes,
    matrix: &[f64; 6],
    sampling: Sampling,
    fill: [u8; 3],
    target: &mut Planes,
) {
    target.resize([image.height, image.width]);
    for (channel, fill) in target.channels_mut().into_iter().zip(fill) {
        channel.fill(fill);
    }
    match sampling {
        Sampling::Nearest => nearest(image, matrix, target),
        Sampling::Bilinear => between(image, matrix, target, bilinear),
        Sampling::Bicubic => between(image, matrix, target, bicubic),
    }
}

/// In 16-bit fixed point, stepping from pixel to pixel.
fn nearest(image: &Planes, [a, b, c, d, e, f]: &[f64; 6], target: &mut Planes) {
    let fixed = |v: f64| (v * 65536.0 + 0.5).floor() as i64;
    let (right, down) = ([fixed(*a), fixed(*d)], [fixed(*b), fixed(*e)]);
    let mut start = [fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5)];
    let (height, width) = (image.height, image.width);
    let inside = |at: i64, size: usize| usize::try_from(at >> 16).ok().filter(|at| *at < size);
    let sources = image.channels();
    let [red, green, blue] = target.channels_mut();
    for y in 0..height {
        let mut place = start;
        for x in 0..width {
            if let (Some(from_x), Some(from_y)) =
                (inside(place[0], width), inside(place[1], height))
            {
                let (to, from) = (y * width + x, from_y * width + from_x);
                red[to] = sources[0][from];
                green[to] = sources[1][from];
                blue[to] = sources[2][from];
            }
            place = [place[0] + right[0], place[1] + right[1]];
        }
        start = [start[0] + down[0], start[1] + down[1]];
    }
}

/// Where a place lies between pixels.
struct Place {
    /// The pixel to the left of and above it; may lie outside.
    x: i64,
    y: i64,
    /// How far beyond that pixel's centre.
    dx: f64,
    dy: f64,
}

fn between(
    image: &Planes,
    [a, b, c, d, e, f]: &[f64; 6],
    target: &mut Planes,
    read: fn(&[u8], [usize; 2], &Place) -> u8,
) {
    let (height, width) = (image.height, image.width);
    let sources = image.channels();
    let mut targets = target.channels_mut();
    for y in 0..height {
        for x in 0..width {
            let (at_x, at_y) = (x as f64 + 0.5, y as f64 + 0.5);
            let from_x = a * at_x + b * at_y + c;
            let from_y = d * at_x + e * at_y + f;
            let inside =
                (0.0..width as f64).contains(&from_x) && (0.0..height as f64).contains(&from_y);
            if !inside {
                continue;
            }
            let (from_x, from_y) = (from_x - 0.5, from_y - 0.5);
            let place = Place {
                x: from_x.floor() as i64,
                y: from_y.floor() as i64,
                dx: from_x - from_x.floor(),
                dy: from_y - from_y.floor(),
            };
            for (source, target) in sources.iter().zip(&mut targets) {
                target[y * width + x] = read(source, [height, width], &place);
            }
        }
    }
}

/// The value of a row at a column, the edge repeated.
fn value(row: &[u8], x: i64) -> f64 {
    let x = x.clamp(0, row.len() as i64 - 1) as usize;
    f64::from(row[x])
}

/// A row, where the image has it.
fn row(source: &[u8], [height, width]: [usize; 2], y: i64) -> Option<&[u8]> {
    let y = usize::try_from(y).ok().filter(|y| *y < height)?;
    Some(&source[y * width..(y + 1) * width])
}

fn bilinear(source: &[u8], size: [usize; 2], place: &Place) -> u8 {
    let along = |row: &[u8]| {
        let (a, b) = (value(row, place.x), value(row, place.x + 1));
        a + (b - a) * place.dx
    };
    let first = row(source, size, place.y.clamp(0, size[0] as i64 - 1));
    let above = first.map_or(0.0, along);
    let below = row(source, size, place.y + 1).map_or(above, along);
    (above + (below - above) * place.dy) as u8
}

fn bicubic(source: &[u8], size: [usize; 2], place: &Place) -> u8 {
    let x = place.x - 1;
    let along = |row: &[u8]| {
        let values = [x, x + 1, x + 2, x + 3].map(|x| value(row, x));
        cubic(values, place.dx)
    };
    let y = place.y - 1;
    let first = row(source, size, y.clamp(0, size[0] as i64 - 1));
    let first = first.map_or(0.0, along);
    let second = row(source, size, y + 1).map_or(first, along);
    let third = row(source, size, y + 2).map_or(second, along);
    let fourth = row(source, size, y + 3).map_or(third, along);
    // `as` saturates, which is the reference's clipping.
    cubic([first, second, third, fourth], place.dy) as u8
}

fn cubic([a, b, c, d]: [f64; 4], at: f64) -> f64 {
    let p2 = -a + c;
    let p3 = 2.0 * (a - b) + c - d;
    let p4 = -a + b - c + d;
    b + at * (p2 + at * (p3 + at * p4))
}
