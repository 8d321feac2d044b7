//! What the tests share.
#![allow(dead_code)]

use ssl_plan::{Data, Interpolation, Source, Transform, View};

/// The digits as a plan describes them.
pub fn digits(batch: usize) -> Data {
    Data {
        classes: Some((0..10).map(|d| d.to_string()).collect()),
        held_out: Some(597),
        ..Data::new(Source::Digits, 1200, batch)
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
