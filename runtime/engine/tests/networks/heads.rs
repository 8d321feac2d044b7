//! What stands behind a backbone.

use ssl_plan::{Activation, Init, Linear, Mlp, MlpLayer, Module, Norm};

use super::support::{batch_norm, stage};
use super::{Input, TOLERANCE, check, check_stages};

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
