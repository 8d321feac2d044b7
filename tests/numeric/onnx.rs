//! `sslc export --format onnx`: onnxruntime has the features of the engine, of
//! every kind of backbone and of each of its options.

use std::process::Command;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_engine::nets::Mode;
use ssl_engine::weights::{self, Unexpected};

use super::libraries;
use super::support::{self, formula, root, run};

/// The networks in the language, the side of their image, and the height and
/// width of those that go in.
const NETWORKS: [(&str, &str, usize, [usize; 2]); 9] = [
    ("vit", "patch: 4", 16, [16, 16]),
    (
        "vit-mean",
        "patch: 4, pool: mean, pool_norm: true, final_norm: false, position: learned, norm_eps: 1e-3",
        16,
        [16, 16],
    ),
    (
        "vit-registers",
        "patch: 8, pool: mean, class_token: true, register_tokens: 3, position: learned, \
         qk_norm: true, layer_scale: 0.1",
        16,
        [16, 16],
    ),
    (
        "vit-registers-mean",
        "patch: 8, pool: mean, class_token: false, register_tokens: 2",
        16,
        [16, 16],
    ),
    (
        "vit-conv",
        "patch: 4, stem: conv, mlp_norm: batch, position: none, hidden: 48",
        16,
        [16, 16],
    ),
    ("resnet-wide", "resnet(18, width: 2)", 32, [64, 48]),
    ("resnet-small", "resnet(50, stem: small)", 16, [16, 16]),
    (
        "resnet-selective",
        "resnet(50, selective_kernel: true)",
        50,
        [50, 82],
    ),
    (
        "convnext",
        "convnext(size: tiny, patch: 2, layer_scale: 0.1)",
        32,
        [32, 48],
    ),
];

#[test]
fn onnxruntime_has_the_same_features() {
    let Some(python) = support::python(&["onnx", "onnxruntime"]) else {
        return;
    };
    let exported = tempfile::tempdir().expect("a folder");
    for (name, backbone, side, [height, width]) in NETWORKS {
        let dir = tempfile::tempdir().expect("a folder");
        let backbone = match name.starts_with("vit") {
            true => format!("vit(dim: 32, depth: 2, heads: 4, {backbone})"),
            false => backbone.to_owned(),
        };
        let plan = libraries::folder(dir.path(), &backbone, side);
        let mut network = libraries::network(&plan);
        let mut tensors = weights::collect(&network);
        for (stream, tensor) in tensors.iter_mut().enumerate() {
            tensor.data = formula::weight(stream as u32, &tensor.key, &tensor.shape);
        }
        weights::load(&mut [&mut network], &mut [], &tensors, Unexpected::Refuse)
            .unwrap_or_else(|misfit| panic!("{name}: {misfit}"));
        let file = dir.path().join("run/weights/nets.safetensors");
        weights::write(&file, &tensors).expect("written");
        let out = exported.path().join(format!("{name}.onnx"));
        let args = ["export", "run", "--format", "onnx", "--out"];
        let args = [&args[..], &[out.to_str().expect("a path")]].concat();
        run(dir.path(), &args)
            .ends(0)
            .says(&["[batch, 3, ", "to features [batch, "]);

        let shape = [3, 3, height, width];
        let values: Vec<f32> = formula::uniform(1000, shape.iter().product())
            .map(|v| v as f32)
            .collect();
        let images = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
        let features = network.feature(0, images, Mode::Eval).expect("a feature");
        let features: Vec<f32> = features.into_data().iter::<f32>().collect();
        let known = serde_json::json!({ "shape": shape, "features": features });
        std::fs::write(out.with_extension("json"), known.to_string()).expect("written");
    }
    let script = root().join("tests/numeric/reference/onnx_check.py");
    let done = Command::new(&python)
        .arg(script.canonicalize().expect("the script"))
        .arg(exported.path())
        .output();
    let done = support::Done::from(done.expect("python runs"));
    println!("{}", done.text);
    done.ends(0).says(&[&format!("{} agree", NETWORKS.len())]);
}
