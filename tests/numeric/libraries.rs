//! Weights from and for timm and torchvision, without Python: files with their
//! names and shapes give their features here, and come back as they were.
//!
//! The fixture comes from `tests/numeric/reference/libraries.py`, which names
//! its versions.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;
use ssl_engine::nets::{Mode, Network};
use ssl_engine::weights::initial::{Initial, Place, adapt};
use ssl_engine::weights::{self, NamedTensor, Unexpected};
use ssl_plan::{NetKind, Plan};

use super::support::{self, formula, run};

/// A library's network.
#[derive(Deserialize)]
struct Known {
    /// Names and shapes, in the order of the state dict.
    tensors: Vec<(String, Vec<usize>)>,
    /// Of the image of stream 1000.
    feature: Vec<f32>,
}

/// The networks in the language, and the side of their image.
pub const NETWORKS: [(&str, &str, usize); 3] = [
    (
        "vit",
        "vit(dim: 32, depth: 2, heads: 4, patch: 4, position: learned)",
        16,
    ),
    ("resnet", "resnet(18, stem: small)", 16),
    ("convnext", "convnext(size: tiny)", 64),
];

/// A finished run's folder with given weights of `encoder`, as far as an export
/// reads it.
pub fn folder(dir: &Path, backbone: &str, side: usize) -> Plan {
    let text = format!(
        "pipeline p {{
  data {{
    source = digits()
    batch  = 8
  }}
  view a {{
    random_resized_crop({side})
    normalize(half)
  }}
  net encoder {{ backbone = {backbone} }}
  step(a) {{ minimize vicreg(encoder(a), encoder(a)) }}
  train {{
    epochs    = 1
    optimizer = sgd(lr: 0.1)
  }}
}}
"
    );
    std::fs::write(dir.join("p.ssl"), text).expect("a file");
    let done = support::sslc(dir)
        .args(["plan", "p.ssl", "--json"])
        .output();
    let json = done.expect("the binary runs").stdout;
    let out = dir.join("run");
    std::fs::create_dir_all(out.join("weights")).expect("a folder");
    std::fs::write(out.join("plan.json"), &json).expect("a file");
    std::fs::write(out.join("report.json"), "{}").expect("a file");
    serde_json::from_slice(&json).expect("a plan")
}

/// The net of a plan, on a CPU.
pub fn network(plan: &Plan) -> Network {
    let NetKind::Stages { stages } = &plan.recipe.nets[0].kind else {
        panic!("the encoder is no average");
    };
    Network::new("encoder", stages, 0, &Device::flex())
}

/// Loads a library's tensors as `--init encoder.backbone=FILE` does.
fn load(network: &mut Network, tensors: Vec<NamedTensor>) -> Vec<String> {
    let initial = Initial {
        path: "file".into(),
        stage: Some("encoder.backbone".into()),
        partial: false,
    };
    let place = Place {
        net: "encoder".into(),
        path: "encoder.backbone".into(),
        backbone: true,
        average_of: None,
        tensors: weights::collect(network),
    };
    let adapted = adapt(&initial, tensors, &[place]).expect("there is such a stage");
    let loaded = weights::load(
        &mut [network],
        &mut [],
        &adapted.tensors,
        Unexpected::Refuse,
    );
    loaded.unwrap_or_else(|misfit| panic!("{misfit}"));
    adapted.notes
}

fn feature(network: &mut Network, side: usize) -> Vec<f32> {
    let values: Vec<f32> = (formula::uniform(1000, 3 * side * side))
        .map(|v| v as f32)
        .collect();
    let image = TensorData::new(values, [1, 3, side, side]);
    let image = Tensor::from_data(image, &Device::flex());
    let output = network.forward_image(image, Mode::Eval).pop();
    output
        .expect("a feature")
        .into_data()
        .iter::<f32>()
        .collect()
}

#[test]
fn files_of_other_libraries_give_their_features_and_come_back_as_they_were() {
    let text = std::fs::read_to_string(super::fixture("libraries.json")).expect("the fixture");
    let all: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    for (name, backbone, side) in NETWORKS {
        let dir = tempfile::tempdir().expect("a folder");
        let plan = folder(dir.path(), backbone, side);
        for library in ["timm", "torchvision"] {
            let what = format!("{name} of {library}");
            let known = all[name][library].clone();
            let known: Known = serde_json::from_value(known).expect("a network");
            let filled = known
                .tensors
                .iter()
                .enumerate()
                .map(|(stream, (key, shape))| {
                    let data = match key.ends_with("num_batches_tracked") {
                        true => vec![0.0],
                        false => formula::weight(stream as u32, key, shape),
                    };
                    let (key, shape) = (key.clone(), shape.clone());
                    NamedTensor { key, shape, data }
                });
            let filled: Vec<NamedTensor> = filled.collect();

            let mut network = network(&plan);
            load(&mut network, filled.clone());
            let found = feature(&mut network, side);
            let difference = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
            let error: f64 = found.iter().zip(&known.feature).map(difference).sum();
            let length: f64 = known.feature.iter().map(|v| f64::from(*v).powi(2)).sum();
            assert_eq!(found.len(), known.feature.len(), "{what}");
            let error = (error / length).sqrt();
            assert!(error < 1e-4, "{what}: features {error:.1e} apart");

            let weights = dir.path().join("run/weights/nets.safetensors");
            weights::write(&weights, &weights::collect(&network)).expect("written");
            let args = [
                "export",
                "run",
                "--format",
                library,
                "--out",
                "x.safetensors",
            ];
            run(dir.path(), &args).ends(0).says(&["strict=True"]);
            let back = weights::read(&dir.path().join("x.safetensors")).expect("it is there");
            // Counters of batches are left out when a file is read.
            let by_key = |tensors: Vec<NamedTensor>| {
                let counted = |t: &NamedTensor| t.key.ends_with("num_batches_tracked");
                let tensors = tensors.into_iter().filter(|t| !counted(t));
                let pairs = tensors.map(|t| (t.key, (t.shape, t.data)));
                pairs.collect::<BTreeMap<_, _>>()
            };
            let (back, filled) = (by_key(back), by_key(filled));
            assert!(back.keys().eq(filled.keys()), "{what}: other names");
            for (key, tensor) in &back {
                assert!(
                    filled.get(key) == Some(tensor),
                    "{what}: `{key}` is another"
                );
            }
        }
    }
}

/// transformers' names, which no fixture knows: what is exported comes back.
#[test]
fn what_is_written_for_transformers_is_read_again() {
    for (name, backbone, side) in [NETWORKS[0], ("resnet", "resnet(18)", 32)] {
        let dir = tempfile::tempdir().expect("a folder");
        let plan = folder(dir.path(), backbone, side);
        let first = network(&plan);
        let weights = dir.path().join("run/weights/nets.safetensors");
        weights::write(&weights, &weights::collect(&first)).expect("written");
        run(
            dir.path(),
            &["export", "run", "--format", "hf", "--out", "x"],
        )
        .ends(0);
        let file = weights::read(&dir.path().join("x/model.safetensors")).expect("it is there");
        // As `ViTForImageClassification` has it, behind a word of its own.
        let file = file.into_iter().map(|mut tensor| {
            tensor.key = format!("{name}.{}", tensor.key);
            tensor
        });
        let mut second = network(&plan);
        let mut blank = weights::collect(&second);
        blank.iter_mut().for_each(|t| t.data.fill(0.5));
        weights::load(&mut [&mut second], &mut [], &blank, Unexpected::Refuse).expect("fits");
        let notes = load(&mut second, file.collect()).join("\n");
        assert!(notes.contains("names of transformers'"), "{notes}");
        assert_eq!(
            weights::collect(&first),
            weights::collect(&second),
            "{name}"
        );
    }
}

/// The MoCo v3 repository's `ConvStem` (its `vits.py`): the same names, and the
/// checkpoint comes back.
#[test]
fn a_stem_of_convolutions_goes_to_moco_v3_and_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let backbone = "vit(dim: 64, depth: 1, heads: 4, patch: 16, stem: conv)";
    let plan = folder(dir.path(), backbone, 32);
    let mut network = network(&plan);
    let start = weights::collect(&network);
    let file = dir.path().join("run/weights/nets.safetensors");
    weights::write(&file, &start).expect("written");
    let args = ["export", "run", "--format", "moco-v3", "--out", "x.pth.tar"];
    run(dir.path(), &args)
        .ends(0)
        .says(&["embed_layer=ConvStem"]);
    let back = weights::pytorch::read(&dir.path().join("x.pth.tar")).expect("it is there");
    let last = "state_dict.module.base_encoder.patch_embed.proj.12.weight";
    let found = back
        .iter()
        .find(|t| t.key == last)
        .expect("the last of the stem");
    assert_eq!(found.shape, [64, 64, 1, 1]);
    load(&mut network, back);
    assert_eq!(weights::collect(&network), start);
}
