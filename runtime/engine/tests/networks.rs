//! Forward and backward passes against timm, torchvision and PyTorch.
//!
//! The fixtures come from `tests/numeric/reference/networks.py`, which runs the
//! reference in float64; `versions.json` beside them says of which versions.

mod support;

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_engine::nets::{Kind, Mode, Moment, Network, Rows, Signal};
use ssl_engine::weights::NamedTensor;
use ssl_plan::{
    Activation, Block, BlockNorm, Convnext, Init, Linear, Mlp, MlpLayer, Module, Norm, PatchStem,
    Pool, Position, Resnet, Schedule, Stage, Stem, Vit,
};
use support::{
    array, assert_close, assert_near, batch_norm, fill, fixture, gradients, large_vit, norm,
    resnet, stage, tensors, tiny_vit, uniform, values,
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
        TOLERANCE,
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
        TOLERANCE,
    );
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

/// SimCLR's norms, which have a scale and no shift, before a ReLU and alone.
#[test]
fn mlp_with_norms_without_shift() {
    let layer = |input, output, activation| MlpLayer {
        input,
        output,
        bias: false,
        norm: Some(Norm::Batch {
            affine: true,
            shift: false,
            eps: 1e-5,
            momentum: 0.1,
        }),
        activation,
    };
    let mlp = Mlp {
        layers: vec![layer(12, 24, Some(Activation::Relu)), layer(24, 8, None)],
        init: Init::Pytorch,
    };
    let input = Input::Embedding([9, 12]);
    check("mlp_unshifted", Module::Mlp(mlp), input, TOLERANCE);
}

#[test]
fn resnet18_with_the_imagenet_stem() {
    let resnet = resnet(Block::Basic, [2, 2, 2, 2], Stem::Imagenet);
    check(
        "resnet18",
        Module::Resnet(resnet),
        Input::Image([4, 3, 64, 64]),
        TOLERANCE,
    );
}

#[test]
fn resnet50_with_the_imagenet_stem() {
    let resnet = resnet(Block::Bottleneck, [3, 4, 6, 3], Stem::Imagenet);
    check(
        "resnet50",
        Module::Resnet(resnet),
        Input::Image([4, 3, 64, 64]),
        TOLERANCE,
    );
}

#[test]
fn resnet18_with_the_small_stem() {
    let resnet = resnet(Block::Basic, [2, 2, 2, 2], Stem::Small);
    check(
        "resnet18_small",
        Module::Resnet(resnet),
        Input::Image([2, 3, 16, 16]),
        TOLERANCE,
    );
}

#[test]
fn vits_of_timms_sizes() {
    for (case, dim, heads) in [("vit_tiny_224", 192, 3), ("vit_small_224", 384, 6)] {
        let vit = Vit {
            heads,
            position: Position::Learned,
            frozen_patch_projection: false,
            ..large_vit(dim)
        };
        let input = Input::Image([2, 3, 224, 224]);
        check(case, Module::Vit(vit), input, TOLERANCE);
    }
}

/// Registers, factors on the branches, norms of queries and keys, the mean of
/// the patches beside a class token, a norm behind it.
#[test]
fn vit_with_everything_at_once() {
    let vit = Vit {
        pool: Pool::MeanPatches,
        final_norm: false,
        pool_norm: true,
        register_tokens: 3,
        qk_norm: true,
        layer_scale: Some(0.1),
        ..tiny_vit()
    };
    let input = Input::Image([3, 3, 8, 8]);
    check("vit_everything", Module::Vit(vit), input, TOLERANCE);
}

#[test]
fn vit_with_a_conv_stem() {
    let vit = Vit {
        image: [16, 16],
        patch: 4,
        stem: PatchStem::Conv,
        ..tiny_vit()
    };
    let input = Input::Image([3, 3, 16, 16]);
    check("vit_conv", Module::Vit(vit), input, TOLERANCE);
}

fn convnext(patch: usize, depths: [usize; 4], dims: [usize; 4], scale: f64) -> Module {
    Module::Convnext(Convnext {
        image: [64, 64],
        channels: 3,
        patch,
        depths,
        dims,
        norm_eps: 1e-6,
        layer_scale: Some(scale),
        drop_path: None,
    })
}

#[test]
fn convnexts() {
    let small = convnext(4, [1, 2, 1, 1], [8, 12, 16, 20], 0.1);
    let input = Input::Image([3, 3, 32, 64]);
    check("convnext_small", small, input, TOLERANCE);
    let tiny = convnext(4, [3, 3, 9, 3], [96, 192, 384, 768], 1e-6);
    let input = Input::Image([2, 3, 64, 64]);
    check("convnext_tiny", tiny, input, TOLERANCE);
}

#[test]
fn mlp_with_layer_norm() {
    let layer = |input, output, norm, activation| MlpLayer {
        input,
        output,
        bias: true,
        norm,
        activation,
    };
    let norm = Some(Norm::Layer { eps: 1e-5 });
    let mlp = Mlp {
        layers: vec![
            layer(12, 24, norm, Some(Activation::Gelu)),
            layer(24, 8, None, None),
        ],
        init: Init::Pytorch,
    };
    let input = Input::Embedding([9, 12]);
    check("mlp_layer_norm", Module::Mlp(mlp), input, TOLERANCE);
}

/// Blocks are left out in training alone, differently in every pass, and the
/// same again in the same one.
#[test]
fn blocks_are_left_out_in_training() {
    let rate = Schedule::constant(0.9);
    let vit = Vit {
        drop_path: Some(rate.clone()),
        ..tiny_vit()
    };
    let Module::Convnext(convnext) = convnext(2, [1, 2, 1, 1], [8, 12, 16, 20], 0.1) else {
        panic!("a convnext")
    };
    let convnext = Convnext {
        drop_path: Some(rate),
        ..convnext
    };
    for (module, side) in [(Module::Vit(vit), 8), (Module::Convnext(convnext), 32)] {
        let device = Device::flex().autodiff();
        let mut network = Network::new("net", &[stage(None, module)], 5, &device);
        fill(&mut network);
        let mut run = |mode, place| {
            let image = Tensor::from_data(array(1000, [6, 3, side, side]), &device);
            let moment = Moment {
                seed: 1,
                step: 4,
                place,
                rows: Rows::all(6),
            };
            let output = network.forward_at(0, Signal::Image(image), None, mode, Some(moment));
            values(output.and_then(Signal::feature).expect("a feature"))
        };
        let whole = run(Mode::Eval, 0);
        let first = run(Mode::Train, 0);
        assert_ne!(first, whole);
        assert_ne!(first, run(Mode::Train, 1));
        assert_eq!(first, run(Mode::Train, 0));
        assert_eq!(whole, run(Mode::Eval, 1));
    }
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
