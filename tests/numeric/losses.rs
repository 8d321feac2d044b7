//! The standard library's losses as they are written, against plain PyTorch in
//! float64 (`tests/numeric/reference/losses.py`): the value, and its gradient
//! through a linear map.
//!
//! Each is compiled in a step of two views, and the net of the plan replaced by
//! a linear map of their pixels.

#[path = "../support/bench.rs"]
mod bench;
#[path = "../support/formula.rs"]
mod formula;

use std::collections::{BTreeMap, HashMap};

use bench::planned;
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use ssl_engine::model::Model;
use ssl_engine::nets::{Kind, Visit};
use ssl_engine::step::{Passes, Step};
use ssl_engine::weights::NamedTensor;
use ssl_plan::{Linear, Module, Net, NetKind, Plan, Precision, Shape, Stage};

const WIDTH: usize = 12;
const ROWS: usize = 6;

fn plan(loss: &str) -> Plan {
    let text = format!(
        "use std.loss
pipeline p {{
  data {{
    source = digits()
    batch  = {ROWS}
  }}
  view a {{
    random_resized_crop(2)
    normalize(half)
  }}
  view b = a
  net encoder = vit(dim: {WIDTH}, depth: 1, heads: 2, patch: 1)
  step(a, b) {{
    u = encoder(a)
    v = encoder(b)
    minimize {loss}
  }}
  train {{
    epochs    = 1
    optimizer = adamw(lr: 1e-3)
  }}
}}
"
    );
    planned(&text, &[])
}

/// `formula.array` of the reference scripts.
fn array(stream: u32, count: usize) -> Vec<f32> {
    formula::uniform(stream, count).map(|x| x as f32).collect()
}

/// The linear map in the place of the encoder.
fn model() -> Model {
    let shape = Shape::Embedding { dim: WIDTH };
    let stage = Stage {
        name: None,
        module: Module::Linear(Linear {
            input: WIDTH,
            output: WIDTH,
            bias: true,
            weight_norm: false,
        }),
        input: shape,
        output: shape,
        frozen_steps: 0,
    };
    let kind = NetKind::Stages {
        stages: vec![stage],
    };
    let nets = [Net {
        name: "encoder".into(),
        kind,
    }];
    let mut model = Model::new(&nets, Precision::Float32, 0, &Device::flex()).expect("a net");
    let mut weight: Vec<f32> = array(1002, WIDTH * WIDTH).iter().map(|x| 0.1 * x).collect();
    for i in 0..WIDTH {
        weight[i * (WIDTH + 1)] += 1.0;
    }
    let bias = array(1003, WIDTH).iter().map(|x| 0.1 * x).collect();
    let tensor = |key: &str, shape: &[usize], data| NamedTensor {
        key: format!("encoder.{key}"),
        shape: shape.to_vec(),
        data,
    };
    let tensors = [
        tensor("weight", &[WIDTH, WIDTH], weight),
        tensor("bias", &[WIDTH], bias),
    ];
    model.load(&tensors).expect("they fit");
    model
}

struct Gradients<'a>(&'a burn::tensor::Gradients, BTreeMap<String, Vec<f32>>);

impl Visit for Gradients<'_> {
    fn tensor<const D: usize>(&mut self, key: &str, _: Kind, tensor: &mut Tensor<D>) {
        let gradient = tensor.grad(self.0).expect("it is trained").into_data();
        self.1.insert(key.into(), gradient.iter::<f32>().collect());
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().expect("a list").iter();
    list.map(|x| x.as_f64().expect("a number")).collect()
}

fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let pairs = found.iter().zip(expected);
    let error: f64 = pairs.map(|(f, e)| (f64::from(*f) - e).powi(2)).sum();
    let size: f64 = expected.iter().map(|e| e * e).sum();
    assert!(
        error <= 1e-10 * size,
        "{what}: {:.1e}",
        (error / size).sqrt()
    );
}

#[test]
fn every_loss_is_its_papers() {
    let fixture = include_str!("fixtures/losses.json");
    let fixture: serde_json::Map<String, Value> = serde_json::from_str(fixture).expect("JSON");
    let cases = fixture.iter().filter(|(name, _)| *name != "versions");
    assert_eq!(cases.clone().count(), 9);
    for (loss, expected) in cases {
        let plan = plan(loss);
        let mut model = model();
        let mut step = Step::new(&plan.recipe.step, &[], 0).expect("a step");
        let views: HashMap<String, Tensor<4>> = [("a", 1000), ("b", 1001)]
            .map(|(name, stream)| {
                let data = TensorData::new(array(stream, ROWS * WIDTH), [ROWS, 3, 2, 2]);
                (name.into(), Tensor::from_data(data, &Device::flex()))
            })
            .into();
        let passes = Passes {
            step: 0,
            parts: 1,
            scale: 1.0,
            read_tracks: false,
        };
        let computed = step.run(&mut model, &views, passes).expect("a loss");
        let value = computed.loss.try_into_scalar::<f32>();
        let value = f64::from(value.expect("a number"));
        let wanted = expected["value"].as_f64().expect("a number");
        assert!(
            (value - wanted).abs() <= 1e-5 * wanted.abs(),
            "{loss}: {value} is not {wanted}"
        );
        let mut walk = Gradients(&computed.gradients, BTreeMap::new());
        model.visit_trained(&mut walk);
        // As one vector: where a loss takes the mean off, no shift has a
        // gradient.
        let parts = ["weight", "bias"];
        let found = parts.map(|part| walk.1[&format!("encoder.{part}")].clone());
        let expected = parts.map(|part| numbers(&expected[part]));
        assert_close(loss, &found.concat(), &expected.concat());
    }
}
