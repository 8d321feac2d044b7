//! First values, by the Plan, the seed and the name.

use std::collections::HashMap;

use burn::tensor::Device;
use ssl_engine::nets::Network;
use ssl_engine::weights::collect;
use ssl_plan::{Block, Init, Module, Resnet, Stage, Stem, Vit};

use super::support::{head, large_vit, resnet, stage, tensors, tiny_vit};
use super::{encoder, one};

fn moments(values: &[f32]) -> (f64, f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let square = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / count;
    let largest = values
        .iter()
        .fold(0.0_f64, |a, v| a.max(f64::from(v.abs())));
    (mean, square.sqrt(), largest)
}

/// Uniform within the bound: the mean, the deviation and the extremes.
fn assert_uniform(what: &str, values: &[f32], bound: f64) {
    let (mean, deviation, largest) = moments(values);
    let error = 5.0 * bound / (values.len() as f64).sqrt();
    assert!(mean.abs() < error, "{what}: mean {mean}");
    assert!(
        (deviation - bound / 3_f64.sqrt()).abs() < error,
        "{what}: deviation {deviation}"
    );
    assert!(
        largest <= bound * 1.000_001 && largest > 0.99 * bound,
        "{what}: largest {largest}"
    );
}

#[test]
fn a_vit_starts_as_moco_v3_starts_it() {
    let vit = Vit {
        depth: 1,
        ..large_vit(384)
    };
    let net = one(Module::Vit(vit));
    let all: HashMap<_, _> = collect(&net).into_iter().map(|t| (t.key, t.data)).collect();
    let tensor = |key: &str| &all[&format!("net.{key}")];
    for part in tensor("blocks.0.attn.qkv.weight").chunks(384 * 384) {
        assert_uniform("qkv", part, (6.0 / 768.0_f64).sqrt());
    }
    assert_uniform(
        "proj",
        tensor("blocks.0.attn.proj.weight"),
        (6.0 / 768.0_f64).sqrt(),
    );
    assert_uniform(
        "fc1",
        tensor("blocks.0.mlp.fc1.weight"),
        (6.0 / 1920.0_f64).sqrt(),
    );
    assert_uniform(
        "fc2",
        tensor("blocks.0.mlp.fc2.weight"),
        (6.0 / 1920.0_f64).sqrt(),
    );
    let bound = (6.0 / (3.0 * 256.0 + 384.0_f64)).sqrt();
    assert_uniform("patches", tensor("patch_embed.proj.weight"), bound);
    for (key, values) in &all {
        if key.ends_with("bias") {
            assert!(values.iter().all(|v| *v == 0.0), "{key}");
        }
        if key.contains("norm") && key.ends_with("weight") {
            assert!(values.iter().all(|v| *v == 1.0), "{key}");
        }
    }
    let (mean, deviation, _) = moments(tensor("cls_token"));
    assert!(
        mean.abs() < 3e-7 && (deviation - 1e-6).abs() < 2e-7,
        "{mean} {deviation}"
    );
    let position = tensor("pos_embed");
    assert!(
        position[..384].iter().all(|v| *v == 0.0),
        "the class token has no place"
    );
    let sum: f64 = position.iter().map(|v| f64::from(*v)).sum();
    assert!((sum - 34_713.823_7).abs() < 1e-3, "{sum}");
}

#[test]
fn heads_and_resnets_start_as_in_pytorch() {
    let net = one(Module::Mlp(head(&[512, 256, 64])));
    let all = tensors(&net);
    assert_uniform("0.weight", &all[0].2, (1.0 / 512.0_f64).sqrt());
    assert_uniform("3.weight", &all[5].2, (1.0 / 256.0_f64).sqrt());

    let plan = Resnet {
        zero_init_residual: true,
        ..resnet(Block::Bottleneck, [1, 1, 1, 1], Stem::Imagenet)
    };
    let all = collect(&one(Module::Resnet(plan)));
    let conv = all
        .iter()
        .find(|t| t.key == "net.layer3.0.conv2.weight")
        .expect("a key");
    let (mean, deviation, _) = moments(&conv.data);
    let expected = (2.0 / (256.0 * 9.0_f64)).sqrt();
    assert!(
        (deviation / expected - 1.0).abs() < 0.01,
        "{deviation} {expected}"
    );
    assert!(mean.abs() < 0.01 * expected, "{mean}");
    for tensor in all
        .iter()
        .filter(|t| t.key.contains(".bn") && t.key.ends_with("weight"))
    {
        let value = if tensor.key.ends_with("bn3.weight") {
            0.0
        } else {
            1.0
        };
        assert!(tensor.data.iter().all(|v| *v == value), "{}", tensor.key);
    }
}

#[test]
fn first_values_depend_on_seed_and_key_alone() {
    let (cpu, graph) = (Device::flex(), Device::flex().autodiff());
    let first = tensors(&encoder(5, &cpu));
    assert_eq!(
        first,
        tensors(&encoder(5, &graph)),
        "gradients change nothing"
    );
    assert_ne!(first, tensors(&encoder(6, &cpu)));
    // The projector alone, in a net of the same name.
    let alone = [stage(Some("projector"), Module::Mlp(head(&[16, 32, 8])))];
    let alone = tensors(&Network::new("encoder", &alone, 5, &cpu));
    assert_eq!(alone, first[first.len() - alone.len()..]);
    // Two layers of one shape differ.
    let weights: Vec<_> = first
        .iter()
        .filter(|t| t.0.ends_with("attn.qkv.weight"))
        .collect();
    assert_ne!(weights[0].2, weights[1].2);
}

/// timm's `init_weights_vit_timm`, DINO's `trunc_normal_` of .02, MAE's
/// `initialize_weights`, PyTorch's own: deviation and largest value of tensors
/// of a ViT of width 64.
#[test]
fn the_plan_decides_every_start() {
    let xavier = |a: usize, b: usize| (6.0 / (a + b) as f64).sqrt();
    // Class token, fc1's and qkv's weight, bias of fc1 and patch projection.
    for (init, class, [fc1, qkv], [bias, patch_bias]) in [
        (
            Init::MocoV3,
            1e-6,
            [xavier(64, 256), xavier(64, 64)],
            [0.0; 2],
        ),
        (Init::Timm, 1e-6, [0.02; 2], [0.0, 1.0]),
        (Init::Dino, 0.02, [0.02; 2], [0.0, 1.0]),
        (
            Init::Mae,
            0.02,
            [xavier(64, 256), xavier(64, 192)],
            [0.0, 1.0],
        ),
        (Init::Pytorch, 1e-6, [0.125; 2], [1.0, 1.0]),
    ] {
        let (dim, hidden) = (64, 256);
        let vit = Vit {
            init,
            dim,
            hidden,
            ..tiny_vit()
        };
        let stages: [Stage; 1] = [stage(None, Module::Vit(vit))];
        let all = collect(&Network::new("net", &stages, 0, &Device::flex()));
        let values = |key: &str| {
            let found = all.iter().find(|t| t.key == format!("net.{key}"));
            moments(&found.expect("a key").data)
        };
        let deviation = values("cls_token").1;
        assert!(
            (deviation / class - 1.0).abs() < 0.4,
            "{init:?}: {deviation}"
        );
        for (key, expected) in [("fc1", fc1), ("qkv", qkv)] {
            let path = if key == "fc1" { "mlp" } else { "attn" };
            let (_, deviation, largest) = values(&format!("blocks.0.{path}.{key}.weight"));
            // A normal's deviation is known, or a uniform's bound.
            let found = match expected {
                0.02 => deviation,
                _ => largest,
            };
            assert!(
                (found / expected - 1.0).abs() < 0.02,
                "{init:?}, {key}: {found}"
            );
        }
        assert_eq!(
            values("blocks.0.mlp.fc1.bias").2 > 0.0,
            bias > 0.0,
            "{init:?}"
        );
        let largest = values("patch_embed.proj.bias").2;
        assert_eq!(largest > 0.0, patch_bias > 0.0, "{init:?}: {largest}");
    }
}
