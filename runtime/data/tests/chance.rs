//! Random parameters follow the distributions that torchvision documents.
//!
//! 20,000 draws; a mean is allowed five standard errors.

mod common;

use common::moco_views;
use ssl_data::{Operation, draw};
use ssl_plan::{Erased, Interpolation, Policy, Sampling, Transform, View};

const DRAWS: u32 = 20_000;

fn drawn(view: &View, size: [usize; 2]) -> Vec<Vec<Operation>> {
    (0..DRAWS)
        .map(|n| draw(view, 0, 5, n / 1000, n, size))
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean and variance of a uniform distribution.
fn assert_uniform(what: &str, values: &[f64], [low, high]: [f64; 2]) {
    let n = values.len() as f64;
    assert!(n > 1000.0, "{what}: {n} values");
    assert!(values.iter().all(|v| (low..=high).contains(v)), "{what}");
    let variance = (high - low).powi(2) / 12.0;
    let centre = mean(values);
    assert!(
        (centre - (low + high) / 2.0).abs() < 5.0 * (variance / n).sqrt(),
        "{what}: mean {centre}"
    );
    let spread = mean(
        &values
            .iter()
            .map(|v| (v - centre).powi(2))
            .collect::<Vec<_>>(),
    );
    assert!(
        (spread / variance - 1.0).abs() < 0.05,
        "{what}: variance {spread}"
    );
}

fn assert_probability(what: &str, count: usize, p: f64) {
    let n = f64::from(DRAWS);
    let share = count as f64 / n;
    let error = (p * (1.0 - p) / n).sqrt();
    assert!(
        (share - p).abs() <= 5.0 * error,
        "{what}: {share} instead of {p}"
    );
}

#[test]
fn every_probability_and_range_is_met() {
    let views = moco_views(224);
    let b = drawn(&views[1], [375, 500]);
    let count = |f: fn(&Operation) -> bool| b.iter().filter(|ops| ops.iter().any(f)).count();
    assert_probability("jitter", count(|o| matches!(o, Operation::Hue { .. })), 0.8);
    assert_probability("gray", count(|o| matches!(o, Operation::Grayscale)), 0.2);
    assert_probability(
        "blur",
        count(|o| matches!(o, Operation::GaussianBlur { .. })),
        0.1,
    );
    assert_probability(
        "solarize",
        count(|o| matches!(o, Operation::Solarize { .. })),
        0.2,
    );
    assert_probability(
        "flip",
        count(|o| matches!(o, Operation::HorizontalFlip)),
        0.5,
    );

    let values =
        |f: fn(&Operation) -> Option<f64>| b.iter().flatten().filter_map(f).collect::<Vec<f64>>();
    let brightness = values(|o| match o {
        Operation::Brightness { factor } => Some(*factor),
        _ => None,
    });
    assert_uniform("brightness", &brightness, [0.6, 1.4]);
    let contrast = values(|o| match o {
        Operation::Contrast { factor } => Some(*factor),
        _ => None,
    });
    assert_uniform("contrast", &contrast, [0.6, 1.4]);
    let saturation = values(|o| match o {
        Operation::Saturation { factor } => Some(*factor),
        _ => None,
    });
    assert_uniform("saturation", &saturation, [0.8, 1.2]);
    let hue = values(|o| match o {
        Operation::Hue { turns } => Some(*turns),
        _ => None,
    });
    assert_uniform("hue", &hue, [-0.1, 0.1]);
    let sigma = values(|o| match o {
        Operation::GaussianBlur { sigma } => Some(*sigma),
        _ => None,
    });
    assert_uniform("sigma", &sigma, [0.1, 2.0]);

    // Jitter's steps come in each of the 24 orders equally often.
    let mut orders = std::collections::HashMap::new();
    for operations in &b {
        let order: Vec<u8> = operations
            .iter()
            .filter_map(|o| match o {
                Operation::Brightness { .. } => Some(0),
                Operation::Contrast { .. } => Some(1),
                Operation::Saturation { .. } => Some(2),
                Operation::Hue { .. } => Some(3),
                _ => None,
            })
            .collect();
        if !order.is_empty() {
            *orders.entry(order).or_insert(0) += 1;
        }
    }
    assert_eq!(orders.len(), 24);
    for (order, count) in orders {
        assert_probability(&format!("order {order:?}"), count, 0.8 / 24.0);
    }
}

#[test]
fn crops_follow_scale_and_ratio() {
    let view = |scale: [f64; 2]| View {
        name: "a".into(),
        size: [32, 32],
        transforms: vec![Transform::RandomResizedCrop {
            size: [32, 32],
            scale,
            ratio: [0.75, 4.0 / 3.0],
            interpolation: Interpolation::Bilinear,
        }],
    };
    let regions = |scale, size| {
        drawn(&view(scale), size)
            .iter()
            .map(|operations| match operations[..] {
                [Operation::ResizedCrop { region, .. }] => region,
                _ => panic!("{operations:?}"),
            })
            .collect::<Vec<_>>()
    };
    // Up to half of the area every first try fits: no tail is cut off.
    let crops = regions([0.1, 0.5], [1000, 1000]);
    let area: Vec<f64> = crops
        .iter()
        .map(|r| (r.height * r.width) as f64 / 1e6)
        .collect();
    assert_uniform("area", &area, [0.099, 0.501]);
    let ratio: Vec<f64> = crops
        .iter()
        .map(|r| (r.width as f64 / r.height as f64).ln())
        .collect();
    assert_uniform("log ratio", &ratio, [-0.291, 0.291]);
    let place: Vec<f64> = crops
        .iter()
        .map(|r| r.top as f64 / (1000 - r.height) as f64)
        .collect();
    assert_uniform("top", &place, [0.0, 1.0]);
    let place: Vec<f64> = crops
        .iter()
        .map(|r| r.left as f64 / (1000 - r.width) as f64)
        .collect();
    assert_uniform("left", &place, [0.0, 1.0]);

    // Where nothing fits, the largest centred cut of an allowed ratio.
    for region in regions([0.9, 1.0], [100, 1000]) {
        assert_eq!((region.top, region.left), (0, 433));
        assert_eq!((region.height, region.width), (100, 133));
    }
    for size in [[8, 8], [1, 1], [1, 700], [3, 2]] {
        for region in regions([0.08, 1.0], size) {
            assert!(region.height >= 1 && region.top + region.height <= size[0]);
            assert!(region.width >= 1 && region.left + region.width <= size[1]);
        }
    }
}

/// RandAugment draws every operation as often, in both directions; timm's
/// leaves half of them out and draws strengths of a bell.
#[test]
fn rand_augment_draws_what_its_references_draw() {
    let view = |policy, magnitude_std| View {
        name: "a".into(),
        size: [32, 32],
        transforms: vec![Transform::RandAugment {
            policy,
            ops: 2,
            magnitude: 9.0,
            magnitude_std,
            fill: [0; 3],
            p: 1.0,
        }],
    };
    let kinds = |operations: &[Vec<Operation>]| {
        let mut counts = std::collections::HashMap::new();
        for operation in operations.iter().flatten() {
            *counts.entry(std::mem::discriminant(operation)).or_insert(0) += 1;
        }
        counts
    };
    let own = drawn(&view(Policy::Torchvision, 0.0), [32, 32]);
    let counts = kinds(&own);
    // Four of the fourteen are affine maps, one is no operation at all.
    assert_eq!(counts.len(), 10);
    let flips = std::mem::discriminant(&Operation::Equalize);
    assert_probability("equalize", counts[&flips] / 2, 1.0 / 14.0);
    let turned = |sign: f64| {
        let all = own.iter().flatten();
        all.filter(|o| matches!(o, Operation::Rotate { degrees, .. } if degrees * sign > 0.0))
            .count()
    };
    assert_probability("one way", turned(1.0) / 2, 0.5 / 14.0);
    assert_probability("the other way", turned(-1.0) / 2, 0.5 / 14.0);

    let timm = drawn(&view(Policy::Timm, 0.5), [32, 32]);
    let all = timm.iter().flatten().count();
    assert_probability("one in two", all / 2, 0.5);
    let degrees: Vec<f64> = timm
        .iter()
        .flatten()
        .filter_map(|o| match o {
            Operation::Rotate { degrees, .. } => Some(degrees.abs() / 3.0),
            _ => None,
        })
        .collect();
    // Mean 9, deviation 0.5, cut at 10: two deviations off.
    let centre = mean(&degrees);
    let spread = mean(
        &degrees
            .iter()
            .map(|d| (d - centre).powi(2))
            .collect::<Vec<_>>(),
    );
    assert!((centre - 9.0).abs() < 0.08, "{centre}");
    assert!((spread.sqrt() - 0.5).abs() < 0.05, "{spread}");
}

#[test]
fn three_augment_erasing_and_rotation_follow_their_ranges() {
    let view = View {
        name: "a".into(),
        size: [100, 100],
        transforms: vec![
            Transform::ThreeAugment {
                sigma: [0.1, 2.0],
                threshold: 128,
                p: 1.0,
            },
            Transform::Rotation {
                degrees: [-30.0, 30.0],
                sampling: Sampling::Nearest,
                fill: [0; 3],
                p: 1.0,
            },
            Transform::RandomErasing {
                scale: [0.02, 0.33],
                ratio: [0.3, 3.3],
                value: Erased::Noise,
                p: 0.25,
            },
        ],
    };
    let all = drawn(&view, [1000, 1000]);
    let count = |f: fn(&Operation) -> bool| all.iter().flatten().filter(|o| f(o)).count();
    for (what, n) in [
        ("gray", count(|o| matches!(o, Operation::Grayscale))),
        (
            "solarize",
            count(|o| matches!(o, Operation::Solarize { .. })),
        ),
        (
            "blur",
            count(|o| matches!(o, Operation::GaussianBlur { .. })),
        ),
    ] {
        assert_probability(what, n, 1.0 / 3.0);
    }
    assert_probability(
        "erased",
        count(|o| matches!(o, Operation::Erase { .. })),
        0.25,
    );
    let degrees: Vec<f64> = all
        .iter()
        .flatten()
        .filter_map(|o| match o {
            Operation::Rotate { degrees, .. } => Some(*degrees),
            _ => None,
        })
        .collect();
    assert_uniform("degrees", &degrees, [-30.0, 30.0]);
    let areas: Vec<f64> = all
        .iter()
        .flatten()
        .filter_map(|o| match o {
            Operation::Erase { region, .. } => Some((region.height * region.width) as f64 / 1e6),
            _ => None,
        })
        .collect();
    assert_uniform("area", &areas, [0.0198, 0.3305]);
}

/// A transform that is added or switched off shifts no other's draws.
#[test]
fn draws_of_one_transform_stand_alone() {
    let full = &moco_views(64)[0];
    let mut without = full.clone();
    without.transforms.retain(|t| {
        !matches!(
            t,
            Transform::ColorJitter { .. } | Transform::Grayscale { .. }
        )
    });
    for sample in 0..200 {
        let keep = |operations: Vec<Operation>| -> Vec<Operation> {
            let kept = |o: &Operation| {
                matches!(
                    o,
                    Operation::ResizedCrop { .. }
                        | Operation::GaussianBlur { .. }
                        | Operation::HorizontalFlip
                )
            };
            operations.into_iter().filter(kept).collect()
        };
        let all = draw(full, 1, 9, 2, sample, [90, 120]);
        let few = draw(&without, 1, 9, 2, sample, [90, 120]);
        assert_eq!(keep(all), few);
    }
}

/// A transform of probability `p`, what it becomes, and the number of it that
/// is drawn evenly from a range, where there is one.
struct Case {
    name: &'static str,
    with: fn(f64) -> Transform,
    /// Share of the applied ones that become this operation.
    share: f64,
    of: fn(&Operation) -> Option<f64>,
    range: Option<[f64; 2]>,
}

/// The rest of the transforms, each as documented: `p`, and what is uniform.
const CASES: &[Case] = &[
    Case {
        name: "posterize",
        with: |p| Transform::Posterize { bits: 4, p },
        share: 1.0,
        of: |o| matches!(o, Operation::Posterize { bits: 4 }).then_some(0.0),
        range: None,
    },
    Case {
        name: "equalize",
        with: |p| Transform::Equalize { p },
        share: 1.0,
        of: |o| matches!(o, Operation::Equalize).then_some(0.0),
        range: None,
    },
    Case {
        name: "autocontrast",
        with: |p| Transform::Autocontrast { p },
        share: 1.0,
        of: |o| matches!(o, Operation::Autocontrast).then_some(0.0),
        range: None,
    },
    Case {
        name: "invert",
        with: |p| Transform::Invert { p },
        share: 1.0,
        of: |o| matches!(o, Operation::Invert).then_some(0.0),
        range: None,
    },
    Case {
        name: "vertical_flip",
        with: |p| Transform::VerticalFlip { p },
        share: 1.0,
        of: |o| matches!(o, Operation::VerticalFlip).then_some(0.0),
        range: None,
    },
    Case {
        name: "sharpness",
        with: |p| Transform::Sharpness {
            factor: [0.1, 1.9],
            p,
        },
        share: 1.0,
        of: |o| match o {
            Operation::Sharpness { factor } => Some(*factor),
            _ => None,
        },
        range: Some([0.1, 1.9]),
    },
    Case {
        name: "rotation",
        with: |p| Transform::Rotation {
            degrees: [-15.0, 45.0],
            sampling: Sampling::Bilinear,
            fill: [1, 2, 3],
            p,
        },
        share: 1.0,
        of: |o| match o {
            Operation::Rotate {
                degrees,
                sampling: Sampling::Bilinear,
                fill: [1, 2, 3],
            } => Some(*degrees),
            _ => None,
        },
        range: Some([-15.0, 45.0]),
    },
    Case {
        name: "three_augment, gray",
        with: three,
        share: 1.0 / 3.0,
        of: |o| matches!(o, Operation::Grayscale).then_some(0.0),
        range: None,
    },
    Case {
        name: "three_augment, solarize",
        with: three,
        share: 1.0 / 3.0,
        of: |o| matches!(o, Operation::Solarize { threshold: 100 }).then_some(0.0),
        range: None,
    },
    Case {
        name: "three_augment, blur",
        with: three,
        share: 1.0 / 3.0,
        of: |o| match o {
            Operation::GaussianBlur { sigma } => Some(*sigma),
            _ => None,
        },
        range: Some([0.2, 1.7]),
    },
    // Up to a fifth of the area every first try fits, so that the logarithm of
    // the aspect and the place are even, too.
    Case {
        name: "random_erasing, area",
        with: erasing,
        share: 1.0,
        of: |o| erased(o).map(|[height, width, _]| height * width),
        range: Some([0.049, 0.201]),
    },
    Case {
        name: "random_erasing, aspect",
        with: erasing,
        share: 1.0,
        of: |o| erased(o).map(|[height, width, _]| (height / width).ln()),
        range: Some([-0.698, 0.698]),
    },
    Case {
        name: "random_erasing, place",
        with: erasing,
        share: 1.0,
        of: |o| erased(o).map(|[height, _, top]| top / (1.0 - height)),
        range: Some([-0.001, 1.001]),
    },
    // One of fourteen, in either direction.
    Case {
        name: "rand_augment, equalize",
        with: augment,
        share: 1.0 / 14.0,
        of: |o| matches!(o, Operation::Equalize).then_some(0.0),
        range: None,
    },
    Case {
        name: "rand_augment, turned one way",
        with: augment,
        share: 0.5 / 14.0,
        of: |o| match o {
            Operation::Rotate { degrees, .. } => (*degrees > 0.0).then_some(0.0),
            _ => None,
        },
        range: None,
    },
    // All but the one that is no operation.
    Case {
        name: "rand_augment, any",
        with: augment,
        share: 13.0 / 14.0,
        of: |_| Some(0.0),
        range: None,
    },
];

fn three(p: f64) -> Transform {
    Transform::ThreeAugment {
        sigma: [0.2, 1.7],
        threshold: 100,
        p,
    }
}

fn erasing(p: f64) -> Transform {
    Transform::RandomErasing {
        scale: [0.05, 0.2],
        ratio: [0.5, 2.0],
        value: Erased::Zero,
        p,
    }
}

fn augment(p: f64) -> Transform {
    Transform::RandAugment {
        policy: Policy::Torchvision,
        ops: 1,
        magnitude: 9.0,
        magnitude_std: 0.0,
        fill: [0; 3],
        p,
    }
}

/// Height, width and top of what is erased, of a side of 1.
fn erased(operation: &Operation) -> Option<[f64; 3]> {
    match operation {
        Operation::Erase { region, .. } => {
            Some([region.height, region.width, region.top].map(|n| n as f64 / 1000.0))
        }
        _ => None,
    }
}

#[test]
fn every_transform_is_drawn_as_documented() {
    for case in CASES {
        let drawn = |transforms: Vec<Transform>| {
            let view = View {
                name: "a".into(),
                size: [1000, 1000],
                transforms,
            };
            drawn(&view, [1000, 1000])
        };
        let values = |all: &[Vec<Operation>]| -> Vec<f64> {
            all.iter().flatten().filter_map(case.of).collect()
        };
        for p in [0.0, 0.3, 1.0] {
            let found = values(&drawn(vec![(case.with)(p)]));
            assert_probability(case.name, found.len(), p * case.share);
            if let (Some(range), true) = (case.range, p > 0.0) {
                assert_uniform(case.name, &found, range);
            }
        }
        // Another of its kind draws for itself.
        let twice = drawn(vec![(case.with)(0.3), (case.with)(0.3)]);
        let both = twice
            .iter()
            .filter(|ops| ops.iter().filter_map(case.of).count() == 2);
        let p = 0.3 * case.share;
        assert_probability(case.name, both.count(), p * p);
    }
}
