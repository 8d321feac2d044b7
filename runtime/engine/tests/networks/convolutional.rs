//! ResNets and ConvNeXts.

use ssl_plan::{Block, Convnext, Module, Resnet, Stem};

use super::support::resnet;
use super::{Input, TOLERANCE, check};

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

pub fn convnext(patch: usize, depths: [usize; 4], dims: [usize; 4], scale: f64) -> Module {
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
