//! The rules against PyTorch, and the walk against what a recipe says.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::{
    Init, Mlp, MlpLayer, Module, Net, NetKind, Norm, Optimizer as Recipe, ParamClass, Precision,
    Rule, Schedule, Shape, Stage,
};

use super::{Hyper, Optimizer, Slot};
use crate::model::Model;
use crate::nets::{Kind, Mode, Visit};
use crate::pointwise::{self, apply};

fn matrix(values: Vec<f32>, rows: usize) -> Tensor<2> {
    let columns = values.len() / rows;
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}

fn values(x: Tensor<2>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

/// Ten steps of a 3 by 4 matrix and a vector, rate and decay moving, as
/// `tests/numeric/reference/optimizers.py` does them in float64.
#[test]
fn ten_steps_end_where_pytorchs_end() {
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/numeric/fixtures/optimizers.json"
    );
    let fixture = std::fs::read_to_string(fixture).unwrap();
    let fixture: BTreeMap<String, BTreeMap<String, Vec<f64>>> =
        serde_json::from_str(&fixture).unwrap();
    let sgd = |nesterov| Rule::Sgd {
        momentum: 0.9,
        nesterov,
    };
    let rules = [
        (
            "adamw",
            Rule::Adamw {
                betas: [0.9, 0.95],
                eps: 1e-6,
            },
        ),
        ("sgd", sgd(false)),
        ("nesterov", sgd(true)),
        (
            "lars",
            Rule::Lars {
                momentum: 0.9,
                trust: 0.001,
                lr_in_momentum: false,
            },
        ),
    ];
    for (name, rule) in rules {
        for (parameter, rows, count) in [("w", 3, 12), ("b", 1, 4)] {
            let excluded = name == "lars" && parameter == "b";
            let start = (1..=count).map(|i| (0.5 * i as f32).cos()).collect();
            let mut p = matrix(start, rows);
            let mut slot = Slot::default();
            for step in 0..10 {
                let gradient = |i| (0.3 * i as f64 + 0.7 * f64::from(step)).sin() as f32;
                let g = matrix((1..=count).map(gradient).collect(), rows);
                let decay = 0.02 * f64::from(step + 1);
                let hyper = Hyper {
                    lr: 0.05 * f64::from(step + 1),
                    weight_decay: if excluded { 0.0 } else { decay },
                    scaled: !excluded,
                };
                p = slot.update(&rule, p, g, hyper);
            }
            for (found, expected) in values(p).into_iter().zip(&fixture[name][parameter]) {
                let error = (f64::from(found) - expected).abs();
                assert!(
                    error < 3e-6,
                    "{name} {parameter}: {found} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn lars_has_its_known_values() {
    let rule = Rule::Lars {
        momentum: 0.9,
        trust: 0.001,
        lr_in_momentum: false,
    };
    let p = matrix(vec![1.0, 2.0, 3.0, 4.0], 2);
    let g = matrix(vec![0.1, -0.2, 0.3, 0.4], 2);
    let hyper = Hyper {
        lr: 0.6,
        weight_decay: 1e-6,
        scaled: true,
    };
    let p = Slot::default().update(&rule, p, g, hyper);
    let expected = [0.9994, 2.0012, 2.9982, 3.9976];
    for (found, expected) in values(p).into_iter().zip(expected) {
        assert!((found - expected).abs() < 5e-5, "{found} is not {expected}");
    }

    let mut slot = Slot::default();
    let mut p = matrix(vec![0.5, -0.5], 1);
    for expected in [[0.44, -0.62], [0.326, -0.848]] {
        let g = matrix(vec![0.1, 0.2], 1);
        let hyper = Hyper {
            lr: 0.6,
            weight_decay: 0.0,
            scaled: false,
        };
        p = slot.update(&rule, p, g, hyper);
        for (found, expected) in values(p.clone()).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}

/// A weight that is zero, as a zero-initialised residual's, has no norm to
/// scale to: it takes the plain gradient.
#[test]
fn lars_leaves_zero_norms_unscaled() {
    let rule = Rule::Lars {
        momentum: 0.9,
        trust: 0.001,
        lr_in_momentum: false,
    };
    let hyper = Hyper {
        lr: 0.5,
        weight_decay: 1e-6,
        scaled: true,
    };
    let p = Slot::default().update(
        &rule,
        matrix(vec![0.0; 4], 2),
        matrix(vec![1.0; 4], 2),
        hyper,
    );
    assert_eq!(values(p), [-0.5; 4]);
    let hyper = Hyper {
        lr: 0.5,
        weight_decay: 0.0,
        scaled: true,
    };
    let p = Slot::default().update(
        &rule,
        matrix(vec![1.0; 4], 2),
        matrix(vec![0.0; 4], 2),
        hyper,
    );
    assert_eq!(values(p), [1.0; 4]);
}

/// One pass over memory computes what tensor operations compute, on a tensor
/// of several tasks with a ragged end, and leaves tensors that share storage
/// with its inputs alone.
#[test]
fn one_pass_equals_tensor_operations() {
    let (rows, columns) = (151, 333);
    let fill = |seed: f64| {
        let entry = |i: usize| (seed + i as f64 * 0.618).sin() as f32;
        matrix((0..rows * columns).map(entry).collect(), rows)
    };
    let rule = super::Adamw {
        lr: 1e-2,
        weight_decay: 0.1,
        betas: [0.9, 0.999],
        eps: 1e-8,
        updates: 3,
    };
    // A gradient as matrix products leave it: not in row order.
    let turned = fill(2.0).reshape([columns, rows]).transpose();
    let (p, first, second) = (fill(1.0), fill(3.0), fill(4.0).square());
    let shared = p.clone();
    let (fast, fast_state) = apply(
        &rule,
        p.clone(),
        turned.clone(),
        [first.clone(), second.clone()],
    );
    let (slow, slow_state) = pointwise::Rule::update(&rule, p, turned, [first, second]);
    let pairs = [(fast, slow)]
        .into_iter()
        .chain(fast_state.into_iter().zip(slow_state));
    for (fast, slow) in pairs {
        for (a, b) in values(fast).into_iter().zip(values(slow)) {
            assert!((a - b).abs() <= 1e-6 * b.abs().max(1e-3), "{a} is not {b}");
        }
    }
    assert_eq!(values(shared), values(fill(1.0)));
}

fn layer(bias: bool) -> MlpLayer {
    MlpLayer {
        input: 4,
        output: 4,
        bias,
        norm: Some(Norm::Batch {
            affine: true,
            eps: 1e-5,
            momentum: 0.1,
        }),
        activation: None,
    }
}

#[derive(Default)]
struct Tensors(BTreeMap<String, Vec<f32>>);

impl Visit for Tensors {
    fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
        if matches!(kind, Kind::Trained(_)) {
            let data = tensor.clone().inner().into_data();
            self.0.insert(key.to_owned(), data.try_into_vec().unwrap());
        }
    }
}

/// Under a gradient of zero AdamW only decays: the weight by `1 - lr wd`, what
/// is excluded not at all.
#[test]
fn excluded_classes_do_not_decay() {
    let embedding = Shape::Embedding { dim: 4 };
    let stages = vec![Stage {
        name: None,
        module: Module::Mlp(Mlp {
            layers: vec![layer(true)],
            init: Init::Pytorch,
        }),
        input: embedding,
        output: embedding,
        frozen_steps: 0,
    }];
    let nets = [Net {
        name: "head".into(),
        kind: NetKind::Stages { stages },
    }];
    for (exclude, decaying) in [
        (
            vec![ParamClass::Bias, ParamClass::Norm],
            vec!["head.0.weight"],
        ),
        (
            vec![],
            vec!["head.0.bias", "head.0.weight", "head.1.weight"],
        ),
    ] {
        let mut model = Model::new(&nets, Precision::Float32, 0, &Device::flex()).unwrap();
        let mut before = Tensors::default();
        model.visit_trained(&mut before);
        let mut optimizer = Optimizer::new(Recipe {
            rule: Rule::Adamw {
                betas: [0.9, 0.999],
                eps: 1e-8,
            },
            lr: Schedule::constant(0.5),
            weight_decay: Schedule::constant(0.1),
            exclude,
            clip: None,
            constant_lr: Vec::new(),
            peak_lr: 0.5,
        });
        let x = matrix((0..32).map(|i| (i as f32).sin()).collect(), 8);
        let head = model.member("head").unwrap();
        let out = head.network.forward_embedding(x, Mode::Train).remove(0);
        let mut gradients = out.sum().mul_scalar(0.0).backward();
        optimizer.step(&mut model, &mut gradients, 0);
        let mut after = Tensors::default();
        model.visit_trained(&mut after);
        let moved: Vec<&str> = (before.0.iter())
            .filter(|(key, old)| after.0[*key] != **old)
            .map(|(key, _)| key.as_str())
            .collect();
        assert_eq!(moved, decaying);
        for key in moved {
            for (old, new) in before.0[key].iter().zip(&after.0[key]) {
                assert!((old * 0.95 - new).abs() < 1e-6, "{key}: {old} became {new}");
            }
        }
    }
}
