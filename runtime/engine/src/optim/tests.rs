//! The rules against PyTorch, and the walk against what a recipe says.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::{
    Clip, Init, Mlp, MlpLayer, Module, Net, NetKind, Norm, Optimizer as Recipe, ParamClass,
    Precision, Rule, Schedule, Shape, Stage,
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
        momentum: 0.9.into(),
        nesterov,
    };
    let lars = |lr_in_momentum| Rule::Lars {
        momentum: 0.9.into(),
        trust: 0.001,
        lr_in_momentum,
    };
    let rules = [
        (
            "adamw",
            Rule::Adamw {
                betas: [0.9.into(), 0.95.into()],
                eps: 1e-6,
            },
        ),
        ("sgd", sgd(false)),
        ("nesterov", sgd(true)),
        ("lars", lars(false)),
        ("lars_inside", lars(true)),
        (
            "lamb",
            Rule::Lamb {
                betas: [0.9.into(), 0.95.into()],
                eps: 1e-6,
            },
        ),
    ];
    for (name, rule) in rules {
        for (parameter, rows, count) in [("w", 3, 12), ("b", 1, 4)] {
            let excluded = name.starts_with("la") && parameter == "b";
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
                    step: 0.0,
                };
                p = slot.update(&rule, p, g, hyper);
            }
            let expected = &fixture[name][parameter];
            let pairs = values(p).into_iter().zip(expected);
            let error: f64 = pairs.map(|(f, e)| (f64::from(f) - e).powi(2)).sum();
            let size: f64 = expected.iter().map(|e| e * e).sum();
            let error = (error / size).sqrt();
            assert!(error < 1e-6, "{name} {parameter}: off by {error:.1e}");
        }
    }
}

#[test]
fn lars_has_its_known_values() {
    let rule = Rule::Lars {
        momentum: 0.9.into(),
        trust: 0.001,
        lr_in_momentum: false,
    };
    let p = matrix(vec![1.0, 2.0, 3.0, 4.0], 2);
    let g = matrix(vec![0.1, -0.2, 0.3, 0.4], 2);
    let hyper = Hyper {
        lr: 0.6,
        weight_decay: 1e-6,
        scaled: true,
        step: 0.0,
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
            step: 0.0,
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
        momentum: 0.9.into(),
        trust: 0.001,
        lr_in_momentum: false,
    };
    let hyper = Hyper {
        lr: 0.5,
        weight_decay: 1e-6,
        scaled: true,
        step: 0.0,
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
        step: 0.0,
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
            shift: true,
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
                betas: [0.9.into(), 0.999.into()],
                eps: 1e-8,
            },
            lr: Schedule::constant(0.5),
            weight_decay: Schedule::constant(0.1),
            exclude,
            clip: None,
            exclude_lr_scale: None,
            constant_lr: Vec::new(),
            peak_lr: 0.5,
            layer_decay: None,
            freeze: Vec::new(),
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

/// A linear map `[4, 3]` with a bias as its own net, and its gradients of
/// given values: the norm of each, and of both, is known.
fn linear_net(name: &str, frozen_steps: usize) -> Net {
    let stages = vec![Stage {
        name: None,
        module: Module::Linear(ssl_plan::Linear {
            input: 3,
            output: 4,
            bias: true,
            weight_norm: false,
        }),
        input: Shape::Embedding { dim: 3 },
        output: Shape::Embedding { dim: 4 },
        frozen_steps,
    }];
    let kind = NetKind::Stages { stages };
    let name = name.into();
    Net { name, kind }
}

fn recipe(clip: Option<Clip>) -> Recipe {
    Recipe {
        rule: Rule::Sgd {
            momentum: 0.0.into(),
            nesterov: false,
        },
        lr: Schedule::constant(1.0),
        weight_decay: Schedule::constant(0.0),
        exclude: Vec::new(),
        clip,
        exclude_lr_scale: None,
        constant_lr: vec!["constant".into()],
        peak_lr: 0.5,
        layer_decay: None,
        freeze: Vec::new(),
    }
}

/// How far every parameter moves in a step whose gradients are 2 for the
/// weights and 8 for the biases of each net.
fn moves(nets: &[Net], recipe: Recipe, step: usize) -> BTreeMap<String, f32> {
    let mut model = Model::new(nets, Precision::Float32, 0, &Device::flex()).unwrap();
    let mut before = Tensors::default();
    model.visit_trained(&mut before);
    let mut loss = Tensor::<1>::zeros([1], &Device::flex().autodiff());
    for net in nets {
        let member = model.member(&net.name).unwrap();
        let x = matrix(vec![0.25; 24], 8);
        let out = member.network.forward_embedding(x, Mode::Train).remove(0);
        loss = loss + out.sum();
    }
    let mut gradients = loss.backward();
    let mut optimizer = Optimizer::new(recipe);
    optimizer.step(&mut model, &mut gradients, step);
    let mut after = Tensors::default();
    model.visit_trained(&mut after);
    let moved = |(key, old): (&String, &Vec<f32>)| {
        let far = old.iter().zip(&after.0[key]).map(|(a, b)| a - b);
        let far: Vec<f32> = far.collect();
        assert!(far.iter().all(|x| (x - far[0]).abs() < 1e-5), "{key}");
        (key.clone(), far[0])
    };
    before.0.iter().map(moved).collect()
}

#[track_caller]
fn assert_moves(found: &BTreeMap<String, f32>, expected: &[(&str, f64)]) {
    assert_eq!(found.len(), expected.len());
    for (key, expected) in expected {
        let found = f64::from(found[*key]);
        assert!(
            (found - expected).abs() < 1e-5,
            "{key}: {found}, {expected}"
        );
    }
}

/// As `clip_grad_norm_`: by the norm of all gradients together, or of each. The
/// weight's is 2 sqrt(12), the bias's 8 sqrt(4) = 16, that of both sqrt(304).
#[test]
fn gradients_are_clipped_together_or_each() {
    let nets = [linear_net("net", 0)];
    let global = moves(&nets, recipe(Some(Clip::Global { norm: 1.0.into() })), 0);
    let factor = 1.0 / (304f64.sqrt() + 1e-6);
    let expected = [("net.weight", 2.0 * factor), ("net.bias", 8.0 * factor)];
    assert_moves(&global, &expected);

    let each = moves(
        &nets,
        recipe(Some(Clip::Parameter { norm: 10.0.into() })),
        0,
    );
    assert_moves(
        &each,
        &[("net.weight", 2.0), ("net.bias", 8.0 * 10.0 / 16.0)],
    );

    // Two nets, each to a norm of its own.
    let two = [linear_net("net", 0), linear_net("other", 0)];
    let of_nets = moves(&two, recipe(Some(Clip::Net { norm: 1.0.into() })), 0);
    let both = ["net", "other"]
        .map(|net| [("weight", 2.0), ("bias", 8.0)].map(|(p, g)| (format!("{net}.{p}"), g)));
    let both: Vec<(&str, f64)> = (both.iter().flatten())
        .map(|(key, gradient)| (key.as_str(), gradient * factor))
        .collect();
    assert_moves(&of_nets, &both);

    let wide = moves(&nets, recipe(Some(Clip::Global { norm: 100.0.into() })), 0);
    assert_moves(&wide, &[("net.weight", 2.0), ("net.bias", 8.0)]);
}

/// A net at a constant rate does not follow the schedule; a frozen stage does
/// not move, and its gradient does not count in the norm of all.
#[test]
fn constant_and_frozen_nets_keep_to_themselves() {
    let nets = [linear_net("constant", 0), linear_net("frozen", 3)];
    let clip = Some(Clip::Global { norm: 1.0.into() });
    let factor = 1.0 / 304f64.sqrt();
    let early = moves(&nets, recipe(clip.clone()), 2);
    let expected = [
        ("constant.weight", 0.5 * 2.0 * factor),
        ("constant.bias", 0.5 * 8.0 * factor),
        ("frozen.weight", 0.0),
        ("frozen.bias", 0.0),
    ];
    assert_moves(&early, &expected);
    let factor = 1.0 / 608f64.sqrt();
    let expected = [
        ("constant.weight", 0.5 * 2.0 * factor),
        ("constant.bias", 0.5 * 8.0 * factor),
        ("frozen.weight", 2.0 * factor),
        ("frozen.bias", 8.0 * factor),
    ];
    assert_moves(&moves(&nets, recipe(clip), 3), &expected);
}

/// A frozen stage keeps its moments, too: its first update, whenever it comes,
/// is AdamW's first.
#[test]
fn a_frozen_stage_gathers_no_moments_and_does_not_decay() {
    let nets = [linear_net("frozen", 5)];
    let mut model = Model::new(&nets, Precision::Float32, 0, &Device::flex()).unwrap();
    let mut optimizer = Optimizer::new(Recipe {
        rule: Rule::Adamw {
            betas: [0.9.into(), 0.999.into()],
            eps: 1e-8,
        },
        weight_decay: Schedule::constant(0.1),
        ..recipe(None)
    });
    for step in 0..6 {
        let x = matrix(vec![0.25; 24], 8);
        let member = model.member("frozen").unwrap();
        let out = member.network.forward_embedding(x, Mode::Train).remove(0);
        optimizer.step(&mut model, &mut out.sum().backward(), step);
        let updates: Vec<u32> = optimizer
            .slots()
            .values()
            .map(|slot| slot.updates)
            .collect();
        assert_eq!(updates, if step < 5 { vec![] } else { vec![1, 1] });
    }
}

/// Prototypes have length 1 at the start and after an update, and none of them
/// moves while they are frozen.
#[test]
fn prototypes_stay_on_the_sphere() {
    let stages = vec![Stage {
        name: None,
        module: Module::Prototypes { input: 6, count: 9 },
        input: Shape::Embedding { dim: 6 },
        output: Shape::Embedding { dim: 9 },
        frozen_steps: 1,
    }];
    let kind = NetKind::Stages { stages };
    let name = "prototypes".to_string();
    let nets = [Net { name, kind }];
    let mut model = Model::new(&nets, Precision::Float32, 0, &Device::flex()).unwrap();
    let mut optimizer = Optimizer::new(recipe(None));
    let mut rows = Vec::new();
    for step in 0..3 {
        let mut now = Tensors::default();
        model.visit_trained(&mut now);
        let weight = now.0.remove("prototypes.weight").unwrap();
        for row in weight.chunks(6) {
            let square: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
            assert!((square - 1.0).abs() < 1e-6, "step {step}: {square}");
        }
        rows.push(weight);
        let x = matrix((0..48).map(|i| (i as f32).sin()).collect(), 8);
        let member = model.member("prototypes").unwrap();
        let out = member.network.forward_embedding(x, Mode::Train).remove(0);
        let loss = out.powi_scalar(2).sum();
        optimizer.step(&mut model, &mut loss.backward(), step);
    }
    assert_eq!(rows[0], rows[1], "frozen");
    assert_ne!(rows[1], rows[2]);
}
