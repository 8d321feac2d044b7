//! The operations of a step's graph and the losses of the methods, as graphs,
//! against values computed elsewhere in float64, loops and differences:
//! `X_s[i, j] = sin(0.7 (i + 1) (j + 1) + 0.3 s)`, 6 by 5, and
//! `q1, q2, k1, k2 = X_1, X_2, X_3, X_4`.

mod gradients;
mod losses;
mod memory;
mod operations;
mod tokens;
#[path = "../../../tests/support/wiring.rs"]
mod wiring;

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::{Graph, Precision};

use super::{Array, Given, Step, Value, close};
use crate::model::Model;
use wiring::Wiring;

const ROWS: usize = 6;
const COLUMNS: usize = 5;

fn x(s: f64) -> Vec<f32> {
    let entry = |i: usize, j: usize| (0.7 * ((i + 1) * (j + 1)) as f64 + 0.3 * s).sin() as f32;
    (0..ROWS)
        .flat_map(|i| (0..COLUMNS).map(move |j| entry(i, j)))
        .collect()
}

impl Wiring {
    /// One whose first nodes are given values.
    fn given(count: usize) -> Self {
        let mut wiring = Wiring::default();
        for i in 0..count {
            wiring.view(&i.to_string());
        }
        wiring
    }

    /// The last node's value on given matrices.
    fn value(self, given: &[Tensor<2>], step: usize) -> Tensor<2> {
        let given: Vec<Value> = (given.iter())
            .map(|tensor| Value::Array(Array::matrix(tensor.clone())))
            .collect();
        self.array(&given, step).tensor
    }

    /// The last node's value on given values.
    fn array(self, given: &[Value], step: usize) -> Array {
        let loss = self.nodes.len() - 1;
        let graph = Graph {
            nodes: self.nodes,
            loss,
            tracks: Vec::new(),
        };
        let mut step_graph = Step::new(&graph, &[], 0).unwrap();
        let mut model = Model::new(&[], Precision::Float32, 0, &Device::flex()).unwrap();
        let mut values: Vec<Option<Value>> = vec![None; graph.nodes.len()];
        for (slot, given) in values.iter_mut().zip(given) {
            *slot = Some(given.clone());
        }
        let mut needed = vec![false; graph.nodes.len()];
        needed[loss] = true;
        close(&graph, &mut needed);
        let views = HashMap::new();
        let batch = Given {
            views: &views,
            step,
            rows: crate::nets::Rows::all(ROWS),
        };
        step_graph
            .compute(&mut values, &needed, &mut model, batch, None)
            .unwrap();
        let last = values.pop().unwrap().unwrap();
        last.array().expect("an array")
    }

    fn scalar(self, given: &[Tensor<2>]) -> f64 {
        f64::from(self.value(given, 0).into_scalar::<f32>())
    }
}

fn matrix(values: Vec<f32>, rows: usize) -> Tensor<2> {
    let columns = values.len() / rows;
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}

/// `q1, q2, k1, k2`.
fn four() -> Vec<Tensor<2>> {
    [1.0, 2.0, 3.0, 4.0].map(|s| matrix(x(s), ROWS)).to_vec()
}

#[track_caller]
fn close_to(found: f64, expected: f64) {
    let error = (found - expected).abs() / expected.abs().max(1e-12);
    assert!(
        error < 2e-6,
        "{found} is not {expected}: off by {error:.1e}"
    );
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

/// `tests/numeric/reference/operations.py`.
fn reference(name: &str) -> Vec<f64> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/numeric/fixtures/operations.json"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let values = all[name].as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

#[track_caller]
fn all_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error < tolerance,
            "{what} {i}: {found} is not {expected}: off by {error:.1e}"
        );
    }
}
