//! The file of every kind of network and of every option, read again: what a
//! runtime would refuse before it looks at a number.

#[path = "../../../tests/support/modules.rs"]
mod modules;

use std::collections::HashSet;
use std::path::Path;

use prost::Message;
use ssl_plan::{Block, BlockNorm, Convnext, Module, PatchStem, Pool, Position, Resnet, Stem, Vit};

use modules::{resnet, stage, tiny_vit};

use super::proto::{EXTERNAL, ModelProto};
use super::{Input, Network, of_module};
use crate::nets;
use crate::weights::NamedTensor;

fn vit() -> Vit {
    Vit {
        image: [8, 16],
        patch: 4,
        hidden: 24,
        ..tiny_vit()
    }
}

fn residual() -> Resnet {
    resnet(Block::Bottleneck, [1, 2, 1, 1], Stem::Imagenet)
}

fn convnext() -> Convnext {
    Convnext {
        image: [64, 64],
        channels: 3,
        patch: 4,
        depths: [1, 1, 2, 1],
        dims: [4, 8, 8, 12],
        norm_eps: 1e-6,
        layer_scale: Some(1e-6),
        drop_path: None,
    }
}

/// A network of each kind with each of its options.
fn every() -> Vec<Module> {
    let mut all = Vec::new();
    for pool in [Pool::Cls, Pool::Mean, Pool::MeanPatches, Pool::Tokens] {
        for position in [Position::Learned, Position::Sincos2d, Position::None] {
            for register_tokens in [0, 3] {
                all.push(Vit {
                    pool,
                    position,
                    register_tokens,
                    ..vit()
                });
            }
        }
    }
    let (pool, mlp_norm) = (Pool::MeanPatches, BlockNorm::Batch);
    all.push(Vit {
        pool,
        pool_norm: true,
        final_norm: false,
        ..vit()
    });
    all.push(Vit {
        mlp_norm,
        qk_norm: true,
        layer_scale: Some(0.1),
        stem: PatchStem::Conv,
        ..vit()
    });
    let mut modules: Vec<Module> = all.into_iter().map(Module::Vit).collect();
    for block in [Block::Basic, Block::Bottleneck] {
        for (stem, selective_kernel) in [
            (Stem::Imagenet, false),
            (Stem::Small, false),
            (Stem::Imagenet, true),
            (Stem::Small, true),
        ] {
            modules.push(Module::Resnet(Resnet {
                block,
                stem,
                selective_kernel,
                ..residual()
            }));
        }
    }
    modules.push(Module::Resnet(Resnet {
        width: 2,
        ..residual()
    }));
    for layer_scale in [None, Some(1e-6)] {
        modules.push(Module::Convnext(Convnext {
            layer_scale,
            ..convnext()
        }));
    }
    modules
}

/// The tensors that the engine has for a module, each of one value.
fn tensors(module: &Module) -> Vec<NamedTensor> {
    let stage = stage(None, module.clone());
    let outline = nets::Network::outline("net", &[stage]).into_iter();
    outline
        .map(|(key, _, shape)| NamedTensor {
            key: key.strip_prefix("net.").expect("its place").to_owned(),
            data: vec![0.25; shape.iter().product()],
            shape,
        })
        .collect()
}

fn network(module: &Module, tensors: Vec<NamedTensor>) -> Result<Network, String> {
    let input = Input {
        channels: 3,
        image: [8, 16],
        any_size: !matches!(module, Module::Vit(_)),
        normalized: Some([[0.5; 3], [0.25; 3]]),
    };
    of_module(module, tensors, input)
}

fn read(path: &Path) -> ModelProto {
    let bytes = std::fs::read(path).expect("the file");
    ModelProto::decode(bytes.as_slice()).expect("a model")
}

#[test]
fn every_network_is_a_graph_that_can_be_run() {
    let dir = tempfile::tempdir().expect("a folder");
    for (i, module) in every().iter().enumerate() {
        let path = dir.path().join(format!("{i}.onnx"));
        let given = tensors(module);
        let network = network(module, given.clone()).unwrap_or_else(|e| panic!("{module:?}: {e}"));
        let size = network.model.size();
        network.write(&path).expect("written");
        let model = read(&path);
        assert_eq!(size as u64, path.metadata().expect("there").len());
        assert_eq!(model.opset_import[0].version, 17);
        assert!(model.metadata_props.iter().any(|fact| fact.key == "mean"));

        let graph = model.graph.expect("a graph");
        let shapes: Vec<(String, Vec<i64>)> = graph
            .initializer
            .iter()
            .map(|t| (t.name.clone(), t.dims.clone()))
            .collect();
        for tensor in &given {
            let shape = tensor.shape.iter().map(|n| *n as i64).collect();
            let expected = (tensor.key.clone(), shape);
            assert!(shapes.contains(&expected), "{module:?}: {expected:?}");
        }
        for tensor in &graph.initializer {
            let width = if tensor.data_type == 7 { 8 } else { 4 };
            let count: i64 = tensor.dims.iter().product();
            let found = tensor.raw_data.as_ref().expect("values").len();
            assert_eq!(count * width, found as i64, "{}", tensor.name);
        }

        let mut known: HashSet<&str> = HashSet::from([graph.input[0].name.as_str()]);
        for (name, _) in &shapes {
            assert!(known.insert(name), "`{name}` twice");
        }
        let mut named = HashSet::new();
        let mut read = HashSet::new();
        for node in &graph.node {
            assert!(named.insert(node.name.as_str()), "`{}` twice", node.name);
            for input in &node.input {
                assert!(
                    known.contains(input.as_str()),
                    "`{input}` of no node before"
                );
                read.insert(input.as_str());
            }
            for output in &node.output {
                assert!(known.insert(output), "`{output}` twice");
            }
        }
        known.remove("features");
        let unread: Vec<_> = known.difference(&read).collect();
        assert!(unread.is_empty(), "{module:?}: nobody reads {unread:?}");
        assert_eq!(graph.output[0].name, "features");
    }
}

#[test]
fn tensors_that_no_node_reads_or_that_are_missing_are_told() {
    let module = Module::Vit(vit());
    let mut more = tensors(&module);
    more.push(NamedTensor {
        key: "blocks.0.gate".to_owned(),
        shape: vec![1],
        data: vec![0.0],
    });
    let told = network(&module, more).err().expect("it is refused");
    assert_eq!(told, "no node reads `blocks.0.gate`");
    let mut fewer = tensors(&module);
    fewer.retain(|t| t.key != "cls_token");
    let told = network(&module, fewer).err().expect("it is refused");
    assert_eq!(told, "`cls_token` is not in the run");
}

/// Beyond what one message holds, here next to nothing.
#[test]
fn weights_that_are_too_many_lie_in_a_file_beside() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("net.onnx");
    let module = Module::Convnext(convnext());
    let given = tensors(&module);
    let make = || network(&module, given.clone()).expect("it fits");
    let written = make().write_within(1000, &path).expect("written");
    assert_eq!(
        written.files,
        [path.clone(), dir.path().join("net.onnx.data")]
    );
    let data = std::fs::read(dir.path().join("net.onnx.data")).expect("the data");
    let graph = read(&path).graph.expect("a graph");
    let outside = graph
        .initializer
        .iter()
        .filter(|t| t.data_location == Some(EXTERNAL));
    let mut found = 0;
    for tensor in outside {
        let fact = |key: &str| {
            let mut facts = tensor.external_data.iter();
            let fact = facts.find(|fact| fact.key == key).expect("a fact");
            fact.value.clone()
        };
        assert_eq!(fact("location"), "net.onnx.data");
        let [offset, length]: [usize; 2] =
            ["offset", "length"].map(|key| fact(key).parse().expect("a number"));
        let of = given
            .iter()
            .find(|t| t.key == tensor.name)
            .expect("it was given");
        let bytes: Vec<u8> = of.data.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(data[offset..offset + length], bytes);
        found += 1;
    }
    assert_eq!(found, given.len());

    // One file alone leaves nothing of the two before.
    let written = make().write(&path).expect("written");
    assert_eq!(written.files, [path]);
    assert_eq!(std::fs::read_dir(dir.path()).expect("read").count(), 1);
}
