//! What the tests share.
#![allow(dead_code)]

use ssl_plan::{Data, Interpolation, OnCorrupt, Source, Transform, View};

/// The digits as a plan describes them.
pub fn digits(batch: usize) -> Data {
    Data {
        source: Source::Digits,
        samples: 1200,
        classes: Some((0..10).map(|d| d.to_string()).collect()),
        held_out: Some(597),
        batch,
        steps_per_epoch: 1200 / batch,
        on_corrupt: OnCorrupt::Skip,
        max_corrupt: 0.01,
        exif_orientation: false,
        decode: ssl_plan::Decode::Full,
        cache: 256 << 20,
        stall_limit: 120.0,
        packs: Vec::new(),
    }
}

/// The two views of MoCo v3.
pub fn moco_views(side: usize) -> Vec<View> {
    let view = |name: &str, blur: f64, solarize: f64| View {
        name: name.into(),
        size: [side, side],
        transforms: vec![
            Transform::RandomResizedCrop {
                size: [side, side],
                scale: [0.08, 1.0],
                ratio: [3.0 / 4.0, 4.0 / 3.0],
                interpolation: Interpolation::Bilinear,
            },
            Transform::ColorJitter {
                brightness: [0.6, 1.4],
                contrast: [0.6, 1.4],
                saturation: [0.8, 1.2],
                hue: [-0.1, 0.1],
                p: 0.8,
            },
            Transform::Grayscale { p: 0.2 },
            Transform::GaussianBlur {
                sigma: [0.1, 2.0],
                p: blur,
            },
            Transform::Solarize {
                threshold: 128,
                p: solarize,
            },
            Transform::HorizontalFlip { p: 0.5 },
            Transform::Normalize {
                mean: [0.485, 0.456, 0.406],
                std: [0.229, 0.224, 0.225],
            },
        ],
    };
    vec![view("a", 1.0, 0.0), view("b", 0.1, 0.2)]
}
