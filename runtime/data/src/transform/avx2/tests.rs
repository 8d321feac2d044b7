//! Each loop against the portable one that it stands for, on noise of sizes
//! that fill registers and that do not.

use ssl_plan::Interpolation;

use super::{Affine, BYTES, BoxWork, available};
use crate::Philox;
use crate::image::Planes;
use crate::transform::band::{self, ROWS};
use crate::transform::weights::Weights;
use crate::transform::{blur, color, portable, resample};

/// Bytes without a pattern.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let philox = Philox::new(seed);
    let blocks = (0..length.div_ceil(16) as u32).map(|n| philox.block([n, 0, 0, 0]));
    let bytes = blocks.flat_map(|words| words.into_iter().flat_map(u32::to_le_bytes));
    bytes.take(length).collect()
}

fn image(width: usize, height: usize) -> Planes {
    let data = noise((width * 1000 + height) as u64, width * height * 3);
    Planes {
        width,
        height,
        data,
    }
}

const SIZES: [(usize, usize); 9] = [
    (1, 1),
    (2, 1),
    (1, 5),
    (3, 2),
    (31, 3),
    (32, 4),
    (33, 17),
    (64, 32),
    (224, 70),
];

/// Compare two ways of changing an image of every size.
fn compare(what: &str, ours: impl Fn(&mut Planes), theirs: impl Fn(&mut Planes)) {
    for (width, height) in SIZES {
        let (mut found, mut expected) = (image(width, height), image(width, height));
        ours(&mut found);
        theirs(&mut expected);
        assert!(found.data == expected.data, "{what} of {width}x{height}");
    }
}

#[test]
fn colors() {
    if !available() {
        return;
    }
    for shift in (0..=255).step_by(5) {
        let ours = |image: &mut Planes| assert!(super::hue(image, shift));
        compare("hue", ours, |image| portable::hue(image, shift));
    }
    let some = (0..100).map(|n| 0.6 + n as f32 / 123.0);
    for factor in some.chain([0.0, 0.3, 0.5, 1.0, 1.5, 2.5]) {
        let ours = |image: &mut Planes| assert!(super::saturation(image, factor));
        compare("saturation", ours, |image| {
            portable::saturation(image, factor)
        });
        for from in [0, 1, 117, 255] {
            let ours = |image: &mut Planes| assert!(super::blend(&mut image.data, from, factor));
            compare("blend", ours, |image| {
                color::map(image, |v| color::blend(from, v, factor));
            });
        }
    }
    for threshold in [0, 1, 128, 255] {
        let ours = |image: &mut Planes| assert!(super::solarize(&mut image.data, threshold));
        compare("solarize", ours, |image| {
            color::map(image, |v| if v < threshold { v } else { 255 - v });
        });
    }
    let ours = |image: &mut Planes| assert!(super::grayscale(image));
    compare("grayscale", ours, portable::grayscale);
    for (width, height) in SIZES {
        let image = image(width, height);
        let (mut found, mut expected) = (0, 0);
        assert!(super::luminance_sum(&image, &mut found));
        portable::luminance_sum(&image, &mut expected);
        assert_eq!(found, expected);
    }
}

#[test]
fn mirrors() {
    if !available() {
        return;
    }
    for width in 1..200 {
        let mut found = noise(width as u64, width * 3);
        let mut expected = found.clone();
        assert!(super::flip(&mut found, width));
        for row in expected.chunks_mut(width) {
            row.reverse();
        }
        assert_eq!(found, expected);
    }
}

#[test]
fn blurs() {
    if !available() {
        return;
    }
    let some = (1..150).map(|n| n as f32 / 75.3);
    for radius in some.chain([0.001, 0.5, 0.9999, 1.0, 1.9999]) {
        for (width, height) in SIZES {
            let source = noise((width * height) as u64, width * height);
            let (mut found, mut expected) = (source.clone(), source);
            let weights = blur::weights(radius);
            assert!(super::reaches(weights.reach));
            let mut work = BoxWork::default();
            assert!(super::boxes(&mut found, width, weights, &mut work));
            blur::boxes(&mut expected, width, radius, &mut blur::BlurWork::default());
            assert!(found == expected, "{radius} on {width}x{height}");
        }
    }
}

#[test]
fn resampling() {
    if !available() {
        return;
    }
    const SIZES: [usize; 10] = [1, 2, 5, 11, 31, 32, 33, 47, 100, 224];
    let mut weights = Weights::default();
    for input in SIZES {
        let stride = (input * 3).next_multiple_of(BYTES);
        let rows = noise(input as u64, stride * ROWS);
        let mut columns = vec![[0; ROWS]; stride];
        assert!(super::turn(&rows, stride, &mut columns));
        let mut expected = columns.clone();
        band::turn(&rows, stride, &mut expected);
        assert!(columns == expected, "{input} columns");
        for (n, output) in SIZES.into_iter().enumerate() {
            for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
                weights.set(input, [0.0, input as f64], output, interpolation);
                let stride = output.next_multiple_of(BYTES);
                let (lane, height) = [(0, 16), (0, 1), (5, 4), (15, 1)][n % 4];
                let mut made = [
                    [0, 1, 2].map(|_| vec![0; stride * height]),
                    Default::default(),
                ];
                made[1] = made[0].clone();
                let [found, expected] = &mut made;
                let targets = found.each_mut().map(Vec::as_mut_slice);
                assert!(super::across(&columns, &weights, lane, stride, targets));
                let targets = expected.each_mut().map(Vec::as_mut_slice);
                resample::across_plain(&columns, &weights, lane, stride, targets);
                let rows = found.iter().flat_map(|c| c.chunks(stride));
                let others = expected.iter().flat_map(|c| c.chunks(stride));
                for (row, other) in rows.zip(others) {
                    assert!(row[..output] == other[..output], "{input} to {output}");
                }

                let (width, mut pairs) = (3 + n * 7, Vec::new());
                let stride = width.next_multiple_of(BYTES);
                let source = noise(n as u64, stride * input);
                for (first, weights) in (0..output).filter_map(|row| weights.get(row)) {
                    let source = &source[first * stride..];
                    let (mut found, mut expected) = (vec![0; width], vec![0; width]);
                    assert!(super::pairs(weights, stride, &mut pairs));
                    assert!(super::down(source, &pairs, &mut found));
                    resample::down(source, stride, weights, &mut expected);
                    assert!(found == expected, "{input} rows to {output}");
                }
            }
        }
    }
}

/// Saturation in whole numbers, where it is used, for every gray and value.
#[test]
fn saturation_of_all() {
    if !available() {
        return;
    }
    let mut all = Planes::default();
    all.resize([256, 256]);
    let [red, green, blue] = all.channels_mut();
    for (n, ((r, g), b)) in red.iter_mut().zip(green).zip(blue).enumerate() {
        let [low, high, ..] = n.to_le_bytes();
        (*r, *g, *b) = (low, high, low ^ high);
    }
    for n in 0..100 {
        let factor = 0.5 + n as f32 / 99.7;
        let (mut found, mut expected) = (Planes::default(), Planes::default());
        for image in [&mut found, &mut expected] {
            image.resize([256, 256]);
            image.data.copy_from_slice(&all.data);
        }
        assert!(super::saturation(&mut found, factor));
        portable::saturation(&mut expected, factor);
        assert!(found.data == expected.data, "{factor}");
    }
}

/// The usual constants need no table, and tails are written.
#[test]
fn floats() {
    if !available() {
        return;
    }
    for (mean, std) in [
        (0.485, 0.229),
        (0.456, 0.224),
        (0.406, 0.225),
        (0.5, 0.5),
        (0.0, 1.0),
    ] {
        let value = |v: u8| (f32::from(v) / 255.0 - mean) / std;
        let table = std::array::from_fn(|v| value(v as u8));
        let affine = Affine::new(mean, std, &table).unwrap();
        for length in [0, 1, 7, 8, 9, 1000] {
            let source = noise(length as u64, length);
            let mut found = vec![0.0; length];
            assert!(super::values(&source, &mut found, affine));
            let expected: Vec<f32> = source.iter().map(|v| value(*v)).collect();
            assert_eq!(found, expected);
        }
        let mut other = table;
        other[200] += 1e-6;
        assert!(Affine::new(mean, std, &other).is_none());
    }
}
