//! Forward and backward passes against timm, torchvision and PyTorch.
//!
//! The fixtures come from `tests/numeric/reference/networks.py`, which runs the
//! reference in float64; `versions.json` beside them says of which versions.

mod support;

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_engine::nets::{Kind, Mode, Network};
use ssl_engine::weights::NamedTensor;
use ssl_plan::{
    Activation, Block, BlockNorm, Init, Linear, Mlp, MlpLayer, Module, Pool, Position, Resnet,
    Stage, Stem, Vit,
};
use support::{
    array, assert_close, assert_near, batch_norm, fill, fixture, gradients, norm, resnet, stage,
    tensors, tiny_vit, values,
};

/// Relative error that float32 is allowed against float64.
const TOLERANCE: f64 = 1e-4;

/// The same for gradients of ResNets: where one of their millions of ReLU
/// inputs lies within rounding of zero, float32 falls to its other side on
/// some machines. PyTorch's own float32 is then 2e-3 off; without, 1e-5.
const LOOSE: f64 = 5e-3;

enum Input {
    Image([usize; 4]),
    Embedding([usize; 2]),
}

fn forward(network: &mut Network, input: &Input, mode: Mode, device: &Device) -> Tensor<2> {
    let mut outputs = match input {
        Input::Image(shape) => {
            network.forward_image(Tensor::from_data(array(1000, *shape), device), mode)
        }
        Input::Embedding(shape) => {
            network.forward_embedding(Tensor::from_data(array(1000, *shape), device), mode)
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

    let output = forward(&mut network, &input, Mode::Train, &device);
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
    for (key, grad) in gradients(&network, &grads) {
        let Some(grad) = grad else { continue };
        norms.push(norm(&grad) as f32);
        let key = key.strip_prefix("net.").expect("keys start with the net");
        if let Some(tensor) = expected.get(&format!("grad.{key}")) {
            assert_near(key, &grad, &tensor.data, gradients_within, floor);
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
    let output = forward(&mut network, &input, Mode::Eval, &device);
    assert_close("eval", &values(output), &expected["eval"].data, TOLERANCE);
    assert_eq!(before, tensors(&network), "evaluation changes nothing");

    // The same network outside of any gradient takes other paths.
    let mut plain = network.without_gradients();
    let output = forward(&mut plain, &input, Mode::Eval, &Device::flex());
    assert!(!output.is_autodiff());
    assert_close(
        "plain eval",
        &values(output),
        &expected["eval"].data,
        TOLERANCE,
    );
    let output = forward(&mut plain, &input, Mode::Train, &Device::flex());
    assert_close(
        "plain train",
        &values(output),
        &expected["train"].data,
        TOLERANCE,
    );
}

#[test]
fn vit_with_a_class_token() {
    check(
        "vit_cls",
        Module::Vit(tiny_vit()),
        Input::Image([3, 3, 8, 8]),
        TOLERANCE,
    );
}

#[test]
fn vit_with_the_mean_of_its_tokens() {
    let pool = Pool::Mean;
    let vit = Vit { pool, ..tiny_vit() };
    check(
        "vit_mean",
        Module::Vit(vit),
        Input::Image([3, 3, 8, 8]),
        TOLERANCE,
    );
}

#[test]
fn vit_without_position_on_an_oblong_image() {
    let vit = Vit {
        image: [8, 12],
        heads: 4,
        position: Position::None,
        ..tiny_vit()
    };
    check(
        "vit_plain",
        Module::Vit(vit),
        Input::Image([2, 3, 8, 12]),
        TOLERANCE,
    );
}

#[test]
fn vit_with_batch_norm_before_its_mlps_and_no_norm_at_the_end() {
    let vit = Vit {
        mlp_norm: BlockNorm::Batch,
        final_norm: false,
        ..tiny_vit()
    };
    check(
        "vit_batch",
        Module::Vit(vit),
        Input::Image([3, 3, 8, 8]),
        TOLERANCE,
    );
}

/// Views of another size than the network's: the learned positions are
/// interpolated, and the gradient goes through that.
#[test]
fn vit_under_images_of_another_size() {
    check(
        "vit_resized",
        Module::Vit(tiny_vit()),
        Input::Image([3, 3, 12, 10]),
        TOLERANCE,
    );
}

/// The class token is the first of the tokens, and the feature.
#[test]
fn vit_with_all_tokens_has_the_class_token_as_its_feature() {
    let pool = Pool::Tokens;
    let vit = Vit { pool, ..tiny_vit() };
    check(
        "vit_cls",
        Module::Vit(vit),
        Input::Image([3, 3, 8, 8]),
        TOLERANCE,
    );
}

#[test]
fn mlp_with_gelu() {
    let layer = |input, output, activation| MlpLayer {
        input,
        output,
        bias: true,
        norm: None,
        activation,
    };
    let mlp = Mlp {
        layers: vec![layer(12, 24, Some(Activation::Gelu)), layer(24, 8, None)],
        init: Init::Pytorch,
    };
    let input = Input::Embedding([9, 12]);
    check("mlp_gelu", Module::Mlp(mlp), input, TOLERANCE);
}

#[test]
fn a_weight_normalised_linear_map() {
    let linear = Linear {
        input: 12,
        output: 20,
        bias: false,
        weight_norm: true,
    };
    let input = Input::Embedding([9, 12]);
    check("weight_norm", Module::Linear(linear), input, TOLERANCE);
}

/// A plain linear map, then rows of length 1.
#[test]
fn unit_embeddings() {
    let linear = Linear {
        input: 12,
        output: 20,
        bias: true,
        weight_norm: false,
    };
    check_stages(
        "unit_rows",
        &[
            stage(Some("0"), Module::Linear(linear)),
            stage(Some("1"), Module::L2Normalize { eps: 1e-12 }),
        ],
        Input::Embedding([9, 12]),
        TOLERANCE,
    );
}

#[test]
fn selective_kernels_on_maps_of_odd_size() {
    let resnet = Resnet {
        selective_kernel: true,
        ..resnet(Block::Bottleneck, [1; 4], Stem::Imagenet)
    };
    check(
        "selective_small",
        Module::Resnet(resnet),
        Input::Image([4, 3, 40, 40]),
        LOOSE,
    );
}

#[test]
fn a_resnet_of_twice_the_width() {
    let resnet = Resnet {
        width: 2,
        ..resnet(Block::Bottleneck, [1; 4], Stem::Imagenet)
    };
    check(
        "wide_small",
        Module::Resnet(resnet),
        Input::Image([2, 3, 40, 40]),
        LOOSE,
    );
}

/// As many parameters as `simclr2.py` counts, which are those of SimCLR v2's
/// table in millions (24, 35, 94, 140), and torchvision-like ResNet-200.
#[test]
fn resnets_have_their_known_sizes() {
    for (layers, width, selective_kernel, expected) in [
        ([3, 4, 6, 3], 1, false, 23_508_032),
        ([3, 4, 6, 3], 1, true, 35_215_584),
        ([3, 4, 6, 3], 2, false, 93_907_072),
        ([3, 4, 6, 3], 2, true, 140_306_048),
        ([3, 24, 36, 3], 1, false, 62_624_832),
    ] {
        let resnet = Resnet {
            width,
            selective_kernel,
            ..resnet(Block::Bottleneck, layers, Stem::Imagenet)
        };
        let stages = [stage(None, Module::Resnet(resnet))];
        let network = Network::new("net", &stages, 0, &Device::flex());
        assert_eq!(network.parameters()[0].trained, expected);
    }
}

#[test]
fn mlp_with_every_kind_of_layer() {
    let relu = Some(Activation::Relu);
    let layer = |input, output, bias, affine, activation| MlpLayer {
        input,
        output,
        bias,
        norm: batch_norm(affine),
        activation,
    };
    let mlp = Mlp {
        layers: vec![
            layer(12, 24, false, true, relu),
            layer(24, 20, true, true, relu),
            layer(20, 8, false, false, None),
        ],
        init: Init::Pytorch,
    };
    check(
        "mlp",
        Module::Mlp(mlp),
        Input::Embedding([9, 12]),
        TOLERANCE,
    );
}

#[test]
fn resnet18_with_the_imagenet_stem() {
    let resnet = resnet(Block::Basic, [2, 2, 2, 2], Stem::Imagenet);
    check(
        "resnet18",
        Module::Resnet(resnet),
        Input::Image([4, 3, 64, 64]),
        LOOSE,
    );
}

#[test]
fn resnet50_with_the_small_stem() {
    let resnet = resnet(Block::Bottleneck, [3, 4, 6, 3], Stem::Small);
    check(
        "resnet50",
        Module::Resnet(resnet),
        Input::Image([4, 3, 32, 32]),
        LOOSE,
    );
}

/// A step that trains through bfloat16 stays near float32 and leaves
/// float32 gradients.
#[test]
fn bfloat16_is_a_cast_of_the_pass() {
    let device = Device::flex().autodiff();
    let modules = [
        stage(Some("backbone"), Module::Vit(tiny_vit())),
        stage(Some("projector"), Module::Mlp(support::head(&[16, 32, 8]))),
    ];
    let mut network = Network::new("net", &modules, 3, &device);
    let image = || Tensor::from_data(array(1000, [6, 3, 8, 8]), &device);
    let exact = network.forward_image(image(), Mode::Train);
    let mut network = network.with_precision(ssl_plan::Precision::Bf16);
    let rounded = network.forward_image(image(), Mode::Train);
    for (exact, rounded) in exact.into_iter().zip(rounded.clone()) {
        assert_close(
            "bf16",
            &values(rounded.clone()),
            &values(exact.clone()),
            0.05,
        );
        assert_ne!(values(rounded), values(exact), "nothing was rounded");
    }
    let grads = rounded[1].clone().powi_scalar(2).sum().backward();
    for (key, grad) in gradients(&network, &grads) {
        let trained = !key.contains("running");
        assert_eq!(grad.is_some(), trained, "{key}");
    }
}

#[test]
fn equal_images_give_equal_features_in_any_batch() {
    let device = Device::flex();
    let mut network = Network::new("net", &[stage(None, Module::Vit(tiny_vit()))], 1, &device);
    let data: Vec<f32> = array(7, [5, 3, 8, 8]).iter::<f32>().collect();
    let mut features = |count: usize| {
        let values = data[..count * 192].to_vec();
        let image = Tensor::from_data(TensorData::new(values, [count, 3, 8, 8]), &device);
        network.forward_image(image, Mode::Eval).remove(0)
    };
    let (one, five) = (values(features(1)), values(features(5)));
    assert_close("first of five", &five[..16], &one, 1e-6);
}
