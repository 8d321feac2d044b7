//! `decode = fast`: near the exact views where images are shrunk, equal to
//! them where they are not, and the same on any number of workers.

mod common;

use std::path::Path;

use common::moco_views;
use ssl_data::{Dataset, Split};
use ssl_plan::{Data, Decode, Interpolation, OnCorrupt, Source, Transform, View};

const IMAGES: usize = 4;

/// Photograph-like: waves of every length, weaker as they shorten, with edges.
fn pixels(width: usize, height: usize, seed: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for c in 0..3 {
                let mut value = 128.0;
                for octave in 0..7usize {
                    let length = 400.0 / (1 << octave) as f64;
                    let angle = (octave * 7 + seed * 3 + c) as f64;
                    let along = x as f64 * angle.cos() + y as f64 * angle.sin();
                    value += 300.0 / (octave + 4) as f64 / (1 + octave) as f64
                        * (along / length * std::f64::consts::TAU).sin();
                }
                if (x / 173 + y / 131 + seed).is_multiple_of(3) {
                    value = 255.0 - value;
                }
                data.push(value.clamp(0.0, 255.0) as u8);
            }
        }
    }
    data
}

fn jpeg(width: usize, height: usize, seed: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 92);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    if seed.is_multiple_of(2) {
        // EXIF: turned by a quarter.
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
        exif.extend([0, 6, 0, 0, 0, 0, 0, 0]);
        encoder.add_app_segment(1, exif).unwrap();
    }
    let color = jpeg_encoder::ColorType::Rgb;
    encoder
        .encode(
            &pixels(width, height, seed),
            width as u16,
            height as u16,
            color,
        )
        .unwrap();
    bytes
}

fn data(root: &Path) -> Data {
    Data {
        on_corrupt: OnCorrupt::Error,
        max_corrupt: 0.0,
        exif_orientation: true,
        ..Data::new(
            Source::ImageFolder {
                path: root.display().to_string(),
                test: None,
            },
            IMAGES,
            2,
        )
    }
}

fn open(root: &Path, decode: Decode) -> Dataset {
    let data = Data {
        decode,
        ..data(root)
    };
    Dataset::open(&data).unwrap()
}

fn crops(side: usize) -> Vec<View> {
    let mut views = moco_views(side);
    let geometric = |t: &Transform| {
        matches!(
            t,
            Transform::RandomResizedCrop { .. }
                | Transform::HorizontalFlip { .. }
                | Transform::Normalize { .. }
        )
    };
    for view in &mut views {
        view.transforms.retain(geometric);
    }
    views
}

fn views(dataset: &Dataset, views: &[View], workers: usize) -> Vec<Vec<f32>> {
    dataset
        .loader(views, 3, 0, 6, workers)
        .flat_map(|batch| batch.unwrap().views.into_iter().map(|view| view.pixels))
        .collect()
}

/// Peak signal to noise of normalised values, in dB.
fn psnr(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = a
        .iter()
        .zip(b)
        .map(|(a, b)| f64::from((a - b) * 0.225).powi(2));
    -10.0 * (square.sum::<f64>() / a.len() as f64).log10()
}

#[test]
fn fast_views_are_near_the_exact_ones_and_evaluation_is_exact() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..IMAGES {
        // Sides that no block divides.
        let file = root.path().join(format!("{n}.jpg"));
        std::fs::write(file, jpeg(901, 677 + n, n)).unwrap();
    }
    let (exact, fast) = (
        open(root.path(), Decode::Full),
        open(root.path(), Decode::Fast),
    );

    // Shrunk to less than an eighth up to a half.
    for side in [24, 64, 160] {
        let expected = views(&exact, &crops(side), 2);
        let found = views(&fast, &crops(side), 1);
        assert_eq!(found, views(&fast, &crops(side), 4));
        let near: Vec<f64> = expected
            .iter()
            .zip(&found)
            .map(|(a, b)| psnr(a, b))
            .collect();
        let worst = near.iter().copied().fold(f64::INFINITY, f64::min);
        let some = near.iter().any(|db| db.is_finite());
        assert!(some && worst > 36.0, "{side} pixels: {near:?}");
    }
    // Nothing shrinks by half: the same bytes.
    assert_eq!(views(&exact, &crops(512), 2), views(&fast, &crops(512), 3));

    // Evaluation is exact, and leaves nothing behind that views are made of.
    let transforms = [
        Transform::Resize {
            size: 80,
            interpolation: Interpolation::Bicubic,
        },
        Transform::CenterCrop { size: [64, 64] },
    ];
    let judged = |dataset: &Dataset| -> Vec<Vec<f32>> {
        let batches = dataset.evaluation(Split::Train, &transforms, [64, 64], 2);
        batches.map(|batch| batch.unwrap().pixels).collect()
    };
    let before = views(&fast, &crops(24), 2);
    assert_eq!(judged(&exact), judged(&fast));
    assert_eq!(before, views(&fast, &crops(24), 2));
}

/// A cache of any size, or none, changes no view.
#[test]
fn the_cache_shows_nowhere() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..IMAGES {
        let file = root.path().join(format!("{n}.jpg"));
        std::fs::write(file, jpeg(120, 90, n)).unwrap();
    }
    let with = |cache| {
        let data = Data {
            cache,
            ..data(root.path())
        };
        views(&Dataset::open(&data).unwrap(), &moco_views(32), 2)
    };
    let whole = with(1 << 30);
    assert_eq!(whole, with(0));
    assert_eq!(whole, with(40_000));
}
