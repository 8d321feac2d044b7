//! First values, names, counts, averages, and weights on disk.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use serde_json::Value;
use ssl_engine::nets::{Kind, Mode, Network, StageCount};
use ssl_engine::weights::{
    self, Average, Fault, FileError, NamedTensor, Unexpected, collect, collect_stage,
};
use ssl_plan::{Block, Init, Module, Position, Resnet, Stage, Stem, Vit};
use support::{array, fixtures, gradients, head, large_vit, resnet, stage, tensors, tiny_vit};

fn encoder(seed: u64, device: &Device) -> Network {
    let stages = [
        stage(Some("backbone"), Module::Vit(tiny_vit())),
        stage(Some("projector"), Module::Mlp(head(&[16, 32, 8]))),
    ];
    Network::new("encoder", &stages, seed, device)
}

fn one(module: Module) -> Network {
    Network::new("net", &[stage(None, module)], 0, &Device::flex())
}

fn trained_and_frozen(network: &Network) -> (u64, u64) {
    let counts = network.parameters();
    let sum = |f: fn(&StageCount) -> u64| counts.iter().map(f).sum();
    (sum(|c| c.trained), sum(|c| c.frozen))
}

#[test]
fn parameters_are_as_many_as_in_the_papers() {
    for (dim, trunk, projector) in [(384, 21_590_016, 19_415_040), (768, 85_647_360, 20_987_904)] {
        // The trunk with its class token and without position: 384 fewer than
        // 21,590,016 would be the sum without either.
        let vit = Vit {
            position: Position::None,
            ..large_vit(dim)
        };
        let patches = (3 * 256 + 1) * dim as u64;
        let counts = trained_and_frozen(&one(Module::Vit(vit)));
        assert_eq!(counts, (trunk - patches, patches));
        let counts = trained_and_frozen(&one(Module::Mlp(head(&[dim, 4096, 4096, 256]))));
        assert_eq!(counts, (projector, 0));
    }
    let predictor = one(Module::Mlp(head(&[256, 4096, 256])));
    assert_eq!(trained_and_frozen(&predictor), (2_105_344, 0));
}

#[test]
fn keys_name_the_net_and_its_stages() {
    let keys: Vec<String> = collect(&encoder(0, &Device::flex()))
        .into_iter()
        .map(|t| t.key)
        .collect();
    for key in [
        "encoder.backbone.blocks.0.attn.qkv.weight",
        "encoder.backbone.norm.weight",
        "encoder.projector.0.weight",
        "encoder.projector.4.running_var",
    ] {
        assert!(keys.iter().any(|k| k == key), "{key}");
    }
    let predictor = stage(None, Module::Mlp(head(&[8, 32, 8])));
    let predictor = Network::new("predictor", &[predictor], 0, &Device::flex());
    let keys: Vec<String> = collect(&predictor).into_iter().map(|t| t.key).collect();
    assert_eq!(keys[0], "predictor.0.weight");
    assert_eq!(keys[3], "predictor.1.running_mean");
    assert_eq!(collect_stage(&predictor, 0)[3].key, "1.running_mean");
}

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

#[test]
fn a_frozen_patch_projection_and_a_fixed_position_take_no_gradient() {
    let device = Device::flex().autodiff();
    let vit = Vit {
        position: Position::Sincos2d,
        frozen_patch_projection: true,
        ..tiny_vit()
    };
    let mut net = Network::new("net", &[stage(None, Module::Vit(vit))], 0, &device);
    let image = Tensor::from_data(array(1, [4, 3, 8, 8]), &device);
    let output = net.forward_image(image, Mode::Train).remove(0);
    let grads = output.powi_scalar(2).sum().backward();
    let frozen = [
        "net.pos_embed",
        "net.patch_embed.proj.weight",
        "net.patch_embed.proj.bias",
    ];
    for (key, grad) in gradients(&net, &grads) {
        assert_eq!(grad.is_none(), frozen.contains(&key.as_str()), "{key}");
    }
    for (key, kind, _) in tensors(&net) {
        assert_eq!(
            kind == Kind::Frozen,
            frozen.contains(&key.as_str()),
            "{key}"
        );
    }
}

#[test]
fn networks_share_no_running_statistics() {
    let device = Device::flex();
    let image = || Tensor::from_data(array(1, [4, 3, 8, 8]), &device);
    let mut first = encoder(0, &device);
    let mut second = first.clone();
    let before = tensors(&second);
    first.forward_image(image(), Mode::Train);
    assert_ne!(before, tensors(&first));
    assert_eq!(before, tensors(&second));
    second.average(&first, 0.5);
    assert_eq!(
        before,
        tensors(&second),
        "an average leaves statistics alone"
    );
    second.copy_from(&first);
    assert_eq!(tensors(&first), tensors(&second));
}

#[test]
fn an_average_mixes_trained_copies_frozen_and_keeps_buffers() {
    let device = Device::flex().autodiff();
    let vit = || Vit {
        frozen_patch_projection: true,
        ..tiny_vit()
    };
    let make = |seed, device| {
        let stages = [
            stage(Some("backbone"), Module::Vit(vit())),
            stage(Some("projector"), Module::Mlp(head(&[16, 32, 8]))),
        ];
        Network::new("net", &stages, seed, device)
    };
    let online = make(1, &device);
    let mut average = make(2, &Device::flex());
    let before = tensors(&average);
    average.average(&online, 0.75);
    let online = tensors(&online);
    for (((key, kind, after), (_, _, before)), (_, _, online)) in
        tensors(&average).into_iter().zip(before).zip(online)
    {
        match kind {
            Kind::Trained(_) => {
                let mixed = before.iter().zip(&online).map(|(b, o)| 0.75 * b + 0.25 * o);
                let close = mixed.zip(&after).all(|(m, a)| (m - a).abs() < 1e-7);
                assert!(close, "{key}");
            }
            Kind::Frozen => assert_eq!(after, online, "{key}"),
            Kind::Buffer => assert_eq!(after, before, "{key}"),
        }
    }
}

#[test]
fn a_file_holds_a_network_to_the_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    let device = Device::flex().autodiff();
    let mut first = encoder(1, &device);
    first.forward_image(
        Tensor::from_data(array(1, [4, 3, 8, 8]), &device),
        Mode::Train,
    );
    fs::write(&path, b"an older file").expect("written");
    weights::write(&path, &collect(&first)).expect("written");
    assert_eq!(
        fs::read_dir(folder.path()).expect("read").count(),
        1,
        "no temporary stays"
    );

    let read = weights::read(&path).expect("read");
    assert_eq!(read, collect(&first));
    let mut second = encoder(2, &device);
    weights::load(&mut [&mut second], &mut [], &read, Unexpected::Refuse).expect("fits");
    assert_eq!(tensors(&first), tensors(&second));
    // What was loaded still trains.
    let image = Tensor::from_data(array(1, [4, 3, 8, 8]), &device);
    let output = second.forward_image(image, Mode::Train).remove(1);
    let grads = output.powi_scalar(2).sum().backward();
    let trained = gradients(&second, &grads)
        .iter()
        .filter(|g| g.1.is_some())
        .count();
    assert_eq!(
        trained,
        tensors(&second)
            .iter()
            .filter(|t| t.1 != Kind::Buffer)
            .count()
    );
}

/// PyTorch's own file of initial weights, with an average that is not in it.
#[test]
fn weights_from_pytorch_fit_and_an_average_starts_as_a_copy() {
    let given = weights::read(&fixtures("mocov3_replay/init.safetensors")).expect("read");
    let vit = Vit {
        dim: 32,
        heads: 4,
        hidden: 128,
        position: Position::Sincos2d,
        frozen_patch_projection: true,
        ..tiny_vit()
    };
    let stages = [
        stage(Some("backbone"), Module::Vit(vit)),
        stage(Some("projector"), Module::Mlp(head(&[32, 64, 64, 16]))),
    ];
    let device = Device::flex();
    let mut encoder = Network::new("encoder", &stages, 0, &device);
    let position = |net: &Network| collect(net).swap_remove(1).data;
    let ours = position(&encoder);
    let mut momentum = Network::new("momentum", &stages, 9, &device);
    let predictor = [stage(None, Module::Mlp(head(&[16, 64, 16])))];
    let mut predictor = Network::new("predictor", &predictor, 0, &device);
    let average = Average {
        network: &mut momentum,
        of: 0,
    };
    let nets = &mut [&mut encoder, &mut predictor];
    weights::load(nets, &mut [average], &given, Unexpected::Refuse).expect("fits");
    let values = |net: &Network| tensors(net).into_iter().map(|t| t.2).collect::<Vec<_>>();
    assert_eq!(values(&encoder), values(&momentum));
    support::assert_close("sincos2d", &ours, &position(&encoder), 1e-6);
    let qkv = "encoder.backbone.blocks.1.attn.qkv.weight";
    let given = given.iter().find(|t| t.key == qkv).expect("a key");
    assert!(collect(&encoder).contains(given));
}

#[test]
fn every_misfit_is_named_and_changes_nothing() {
    let device = Device::flex();
    let mut net = encoder(0, &device);
    let before = tensors(&net);
    let mut given = collect(&encoder(1, &device));
    given[2].key = "encoder.backbone.patch_embed.proj.wieght".to_owned();
    given[4].shape = vec![4, 4];
    given.push(NamedTensor {
        key: "encoder.projector.1.num_batches_tracked".to_owned(),
        shape: Vec::new(),
        data: vec![3.0],
    });
    let error = weights::load(&mut [&mut net], &mut [], &given, Unexpected::Refuse)
        .expect_err("nothing fits");
    let weight = "encoder.backbone.patch_embed.proj.weight".to_owned();
    let expected = [
        Fault::Missing {
            key: weight.clone(),
            shape: vec![16, 3, 2, 2],
        },
        Fault::Shape {
            key: "encoder.backbone.blocks.0.norm1.weight".to_owned(),
            expected: vec![16],
            found: vec![4, 4],
        },
        Fault::Unexpected {
            key: given[2].key.clone(),
            shape: vec![16, 3, 2, 2],
            nearest: Some((weight, vec![16, 3, 2, 2])),
        },
    ];
    assert_eq!(error.faults, expected);
    assert!(
        error
            .to_string()
            .contains("the nearest is `encoder.backbone.patch_embed.proj.weight`")
    );
    assert_eq!(before, tensors(&net));

    // An average that is given in part is not silently completed.
    let mut given = collect(&net);
    let mut average = encoder(0, &device);
    given.truncate(given.len() - 1);
    let averages = &mut [Average {
        network: &mut average,
        of: 0,
    }];
    let error = weights::load(&mut [], averages, &given, Unexpected::Refuse).expect_err("a part");
    assert_eq!(error.faults.len(), 1);
}

/// A file of a header and as many bytes of values.
fn file(folder: &Path, header: &str, values: usize) -> Result<Vec<NamedTensor>, FileError> {
    let path = folder.join("hostile.safetensors");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + values, 0);
    fs::write(&path, bytes).expect("written");
    weights::read(&path)
}

#[test]
fn other_number_formats_become_float32() {
    let folder = tempfile::tempdir().expect("a folder");
    let header = r#"{"half":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"brain":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]},"double":{"dtype":"F64","shape":[1],"data_offsets":[4,12]},"bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[12,20]}}"#;
    let path = folder.path().join("formats.safetensors");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(0x3E00_u16.to_le_bytes());
    bytes.extend(0xC020_u16.to_le_bytes());
    bytes.extend(0.1_f64.to_le_bytes());
    bytes.extend(7_i64.to_le_bytes());
    fs::write(&path, bytes).expect("written");
    let values: Vec<f32> = weights::read(&path)
        .expect("read")
        .iter()
        .map(|t| t.data[0])
        .collect();
    assert_eq!(values, [1.5, -2.5, 0.1]);
}

#[test]
fn hostile_files_are_refused_before_they_cost_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let path = folder.join("short.safetensors");
    fs::write(&path, b"abc").expect("written");
    assert!(matches!(weights::read(&path), Err(FileError::Header(_))));
    fs::write(&path, u64::MAX.to_le_bytes()).expect("written");
    assert!(matches!(
        weights::read(&path),
        Err(FileError::HeaderSize { .. })
    ));
    assert!(matches!(weights::read(folder), Err(FileError::Io(_))));

    let one = |dtype: &str, shape: &str, end: usize| {
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    assert_eq!(
        file(folder, &one("F32", "[2]", 8), 8).expect("fine").len(),
        1
    );
    let cut = file(folder, &one("F32", "[2]", 8), 5);
    assert!(matches!(
        cut,
        Err(FileError::Length {
            found: 5,
            expected: 8
        })
    ));
    let long = file(folder, &one("F32", "[2]", 8), 9);
    assert!(matches!(long, Err(FileError::Length { .. })));
    let integers = file(folder, &one("I64", "[1]", 8), 8);
    assert!(matches!(integers, Err(FileError::Dtype { .. })));
    for header in [
        one("F32", "[3]", 8),
        one("F32", "[18446744073709551615, 2]", 8),
        one("F32", "[1000000000000]", 4_000_000_000_000).replace("F32", "F99"),
        "{\"w\":".repeat(100_000),
        "[]".to_owned(),
    ] {
        let error = file(folder, &header, 8).expect_err("refused");
        assert!(matches!(error, FileError::Header(_)), "{error}");
    }
    let sparse = file(folder, &one("F32", "[1000000000000]", 4_000_000_000_000), 8);
    assert!(matches!(sparse, Err(FileError::Length { .. })));

    let entry = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let many: Vec<String> = (0..100_001).map(|i| format!(r#""{i}":{entry}"#)).collect();
    let many = file(folder, &format!("{{{}}}", many.join(",")), 0);
    assert!(matches!(
        many,
        Err(FileError::TooManyKeys { keys: 100_001 })
    ));
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_older_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("none").join("weights.safetensors");
    assert!(matches!(weights::write(&path, &[]), Err(FileError::Io(_))));
    let path = folder.path().join("weights.safetensors");
    let tensor = |shape: Vec<usize>| NamedTensor {
        key: "w".to_owned(),
        shape,
        data: vec![1.0, 2.0],
    };
    weights::write(&path, &[tensor(vec![2])]).expect("written");
    assert!(
        weights::write(&path, &[tensor(vec![3])]).is_err(),
        "a lying shape"
    );
    assert_eq!(weights::read(&path).expect("read"), [tensor(vec![2])]);
    assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 1);
}

/// The metadata entry that PyTorch's loaders ask for.
#[test]
fn files_say_that_they_are_for_pytorch() {
    let mut bytes = Vec::new();
    weights::encode(&mut bytes, &[]).expect("encoded");
    assert_eq!(bytes.len() % 8, 0);
    let header: Value = serde_json::from_slice(&bytes[8..]).expect("JSON");
    assert_eq!(header["__metadata__"]["format"], "pt");
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
