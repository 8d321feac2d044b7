//! What the tests of networks share: Plan modules, walks that collect,
//! and the formula that fills large networks in every language.

#![allow(dead_code, unused_imports)]

#[path = "../../../../tests/support/formula.rs"]
mod formula;
mod modules;

use std::collections::HashMap;
use std::path::PathBuf;

use burn::tensor::{Gradients, Tensor, TensorData};
use ssl_engine::nets::{Kind, Network, Visit};
use ssl_engine::weights::{self, NamedTensor, Unexpected};

pub use formula::uniform;
pub use modules::{batch_norm, head, large_vit, resnet, stage, tiny_vit};

pub fn fixtures(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/numeric/fixtures")
        .join(name)
}

/// A safetensors fixture by key.
pub fn fixture(name: &str) -> HashMap<String, NamedTensor> {
    let tensors = weights::read(&fixtures(name)).expect("the fixture is there");
    tensors.into_iter().map(|t| (t.key.clone(), t)).collect()
}

/// Key, kind and values of every tensor, in order.
pub fn tensors(network: &Network) -> Vec<(String, Kind, Vec<f32>)> {
    struct All(Vec<(String, Kind, Vec<f32>)>);
    impl Visit for All {
        fn tensor<const D: usize>(&mut self, key: &str, kind: Kind, tensor: &mut Tensor<D>) {
            self.0.push((key.to_owned(), kind, values(tensor.clone())));
        }
    }
    let mut all = All(Vec::new());
    network.clone().visit(&mut all);
    all.0
}

/// Key and gradient of every tensor that a walk calls trained, in order.
pub fn gradients(network: &Network, gradients: &Gradients) -> Vec<(String, Option<Vec<f32>>)> {
    struct Grads<'a>(&'a Gradients, Vec<(String, Option<Vec<f32>>)>);
    impl Visit for Grads<'_> {
        fn tensor<const D: usize>(&mut self, key: &str, _: Kind, tensor: &mut Tensor<D>) {
            let grad = tensor.grad(self.0).map(values);
            self.1.push((key.to_owned(), grad));
        }
    }
    let mut walk = Grads(gradients, Vec::new());
    network.clone().visit(&mut walk);
    walk.1
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

pub fn norm(values: &[f32]) -> f64 {
    let sum: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
    sum.sqrt()
}

/// Asserts `|a - b| <= tolerance |b|` in the L2 norm.
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    assert_near(what, found, expected, tolerance, 1e-12);
}

/// Asserts `|a - b| <= tolerance max(|b|, floor)`, for values that may be
/// zero but for rounding.
pub fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f64, floor: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let difference: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let error = norm(&difference) / norm(expected).max(floor);
    assert!(error <= tolerance, "{what}: relative error {error:.2e}");
}

/// `formula.array` of the reference scripts.
pub fn array<const D: usize>(stream: u32, shape: [usize; D]) -> TensorData {
    let count = shape.iter().product();
    let values: Vec<f32> = uniform(stream, count).map(|v| v as f32).collect();
    TensorData::new(values, shape)
}

/// Fills a network as the reference scripts do: stream by order, range by name
/// and rank.
pub fn fill(network: &mut Network) {
    let mut tensors = weights::collect(network);
    for (stream, tensor) in tensors.iter_mut().enumerate() {
        tensor.data = formula::weight(stream as u32, &tensor.key, &tensor.shape);
    }
    weights::load(&mut [network], &mut [], &tensors, Unexpected::Refuse).expect("its own tensors");
}
