//! Forward and backward passes against timm, torchvision and PyTorch.
//!
//! The fixtures come from `tests/numeric/reference/networks.py`, which runs the
//! reference in float64; `versions.json` beside them says of which versions.

mod convolutional;
mod heads;
mod passes;
#[path = "../support/mod.rs"]
mod support;
mod vit;

use std::collections::HashMap;

use burn::tensor::{Device, Tensor};
use ssl_engine::nets::{Kind, Mode, Network};
use ssl_engine::weights::NamedTensor;
use ssl_plan::{Module, Stage};
use support::{
    array, assert_close, assert_near, fill, fixture, gradients, norm, stage, tensors, uniform,
    values,
};

/// Relative error that float32 is allowed against float64.
const TOLERANCE: f64 = 1e-4;

enum Input {
    Image([usize; 4]),
    Embedding([usize; 2]),
}

/// A forward pass of the pseudo-random input of a stream.
fn forward(
    network: &mut Network,
    input: &Input,
    stream: u32,
    mode: Mode,
    device: &Device,
) -> Tensor<2> {
    let mut outputs = match input {
        Input::Image(shape) => {
            network.forward_image(Tensor::from_data(array(stream, *shape), device), mode)
        }
        Input::Embedding(shape) => {
            network.forward_embedding(Tensor::from_data(array(stream, *shape), device), mode)
        }
    };
    outputs.pop().expect("a network has a stage")
}

/// Training pass, gradients, running statistics and evaluation of one case.
fn check(case: &str, module: Module, input: Input, gradients_within: f64) {
    check_stages(case, &[stage(None, module)], input, gradients_within);
}

fn check_stages(case: &str, stages: &[Stage], input: Input, gradients_within: f64) {
    let expected: HashMap<String, NamedTensor> = fixture(&format!("networks/{case}.safetensors"));
    let device = Device::flex().autodiff();
    let mut network = Network::new("net", stages, 0, &device);
    fill(&mut network);

    let stream = expected.get("stream").map_or(1000, |s| s.data[0] as u32);
    let output = forward(&mut network, &input, stream, Mode::Train, &device);
    assert_close(
        "train",
        &values(output.clone()),
        &expected["train"].data,
        TOLERANCE,
    );
    let probe = Tensor::from_data(array(1001, output.dims()), &device);
    let grads = (output * probe).sum().backward();

    // The bias before a BatchNorm has a gradient of zero but for rounding.
    let floor = 1e-2
        * f64::from(
            expected["norms"]
                .data
                .iter()
                .fold(0.0_f32, |a, b| a.max(*b)),
        );
    let mut norms = Vec::new();
    let mut projections = expected.get("projections").map(|p| p.data.chunks(3));
    for (i, (key, grad)) in gradients(&network, &grads)
        .into_iter()
        .filter_map(|(key, grad)| Some((key, grad?)))
        .enumerate()
    {
        norms.push(norm(&grad) as f32);
        let key = key.strip_prefix("net.").expect("keys start with the net");
        if let Some(tensor) = expected.get(&format!("grad.{key}")) {
            assert_near(key, &grad, &tensor.data, gradients_within, floor);
        }
        // The error of a projection is that of the gradient in one direction,
        // whose numbers have a variance of a third.
        if let Some(expected) = projections.as_mut().and_then(Iterator::next) {
            let errors = expected.iter().enumerate().map(|(k, expected)| {
                let direction = uniform(2000 + 3 * i as u32 + k as u32, grad.len());
                let found: f64 = grad
                    .iter()
                    .zip(direction)
                    .map(|(g, d)| f64::from(*g) * d)
                    .sum();
                (found - f64::from(*expected)).powi(2)
            });
            let error = errors.sum::<f64>().sqrt() / norm(&grad).max(floor);
            assert!(
                error <= gradients_within,
                "{key}: a projection is off by {error:.2e}"
            );
        }
    }
    assert_close(
        "gradient norms",
        &norms,
        &expected["norms"].data,
        gradients_within,
    );

    let buffers: Vec<_> = tensors(&network)
        .into_iter()
        .filter(|(_, kind, _)| *kind == Kind::Buffer)
        .collect();
    for (key, _, found) in &buffers {
        let key = key.replacen("net.", "buffer.", 1);
        if let Some(tensor) = expected.get(&key) {
            assert_close(&key, found, &tensor.data, TOLERANCE);
        }
    }
    let norms: Vec<f32> = buffers.iter().map(|(_, _, v)| norm(v) as f32).collect();
    if !norms.is_empty() {
        assert_close(
            "buffer norms",
            &norms,
            &expected["buffer_norms"].data,
            TOLERANCE,
        );
    }

    let before = tensors(&network);
    let output = forward(&mut network, &input, stream, Mode::Eval, &device);
    assert_close("eval", &values(output), &expected["eval"].data, TOLERANCE);
    assert_eq!(before, tensors(&network), "evaluation changes nothing");

    // The same network outside of any gradient takes other paths.
    let mut plain = network.without_gradients();
    let output = forward(&mut plain, &input, stream, Mode::Eval, &Device::flex());
    assert!(!output.is_autodiff());
    assert_close(
        "plain eval",
        &values(output),
        &expected["eval"].data,
        TOLERANCE,
    );
    let output = forward(&mut plain, &input, stream, Mode::Train, &Device::flex());
    assert_close(
        "plain train",
        &values(output),
        &expected["train"].data,
        TOLERANCE,
    );
}
