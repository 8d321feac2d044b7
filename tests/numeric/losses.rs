//! The standard library's losses as they are written, against plain PyTorch in
//! float64 (`tests/numeric/reference/losses.py`): the value, and its gradient
//! through a linear map.
//!
//! Each is compiled in a step of two views, and the net of the plan replaced by
//! a linear map of their pixels.

#[path = "../support/bench.rs"]
mod bench;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bench::Bench;
use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use ssl_core::{Demand, Request};
use ssl_engine::model::Model;
use ssl_engine::nets::{Kind, Visit};
use ssl_engine::step::Step;
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
    let request = Request {
        path: "p.ssl".into(),
        demand: Demand::Run,
        ..Request::default()
    };
    let world = Bench(|_: &Path| Some(text.clone()));
    let out = ssl_core::compile(&request, &world);
    out.plan
        .unwrap_or_else(|| panic!("{loss}: {:?}", out.diagnostics))
}

/// `formula.array` of the reference scripts.
fn array(stream: u32, count: usize) -> Vec<f32> {
    (1..=count as u32)
        .map(|i| {
            let mut h = i.wrapping_add(stream.wrapping_mul(0x9E37_79B9));
            h ^= h >> 16;
            h = h.wrapping_mul(0x85EB_CA6B);
            h ^= h >> 13;
            h = h.wrapping_mul(0xC2B2_AE35);
            h ^= h >> 16;
            (f64::from(h) / 2_f64.powi(31) - 1.0) as f32
        })
        .collect()
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

fn squares(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum()
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
        let outputs = step.run(&mut model, &views, 0, 1, false).expect("a loss");
        let value = outputs.loss.try_into_scalar::<f32>();
        let value = f64::from(value.expect("a number"));
        let wanted = expected["value"].as_f64().expect("a number");
        assert!(
            (value - wanted).abs() <= 1e-5 * wanted.abs(),
            "{loss}: {value} is not {wanted}"
        );
        let mut walk = Gradients(&outputs.gradients, BTreeMap::new());
        model.visit_trained(&mut walk);
        // Where a loss does not see the mean, the bias has no gradient but for
        // rounding: both are held to the size of the weight's.
        let size = squares(numbers(&expected["weight"]).into_iter());
        for part in ["weight", "bias"] {
            let found = &walk.1[&format!("encoder.{part}")];
            let wanted = numbers(&expected[part]);
            assert_eq!(found.len(), wanted.len());
            let pairs = found.iter().zip(wanted);
            let error = squares(pairs.map(|(f, e)| f64::from(*f) - e)) / size;
            assert!(
                error <= 1e-10,
                "{loss}: {part} is off by {:.1e}",
                error.sqrt()
            );
        }
    }
}
