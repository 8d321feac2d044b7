//! Residual networks, as `nets::resnet` and `nets::selective` compute them.

use ssl_plan::{Block, Resnet, Stem};

use super::graph::{Builder, INPUT, Value};
use super::layers::Conv;
use super::proto::AttributeProto;

/// From the image to the mean over the last map, whose width is returned.
pub(super) fn build(g: &mut Builder, plan: &Resnet) -> usize {
    let mut x = stem(g, plan);
    let expansion = match plan.block {
        Block::Basic => 1,
        Block::Bottleneck => 4,
    };
    let base = 64 * plan.width;
    let mut width = base;
    for (stage, count) in plan.layers.into_iter().enumerate() {
        let planes = base << stage;
        for block in 0..count {
            let place = format!("layer{}.{block}", stage + 1);
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let other = stride != 1 || width != planes * expansion;
            x = residual(g, plan, &place, &x, planes, stride, other);
            width = planes * expansion;
        }
    }
    g.pool("avgpool", &x);
    width
}

fn stem(g: &mut Builder, plan: &Resnet) -> Value {
    let eps = plan.norm_eps;
    let (last, x, shape) = match (plan.stem, plan.selective_kernel) {
        (Stem::Small, _) => ("conv1", INPUT.to_owned(), Conv::same(3, 1)),
        (Stem::Imagenet, false) => ("conv1", INPUT.to_owned(), Conv::same(7, 2)),
        (Stem::Imagenet, true) => {
            let x = conv_norm(g, "conv1.0", "conv1.1", INPUT, Conv::same(3, 2), eps);
            let x = g.relu("conv1.2", &x);
            let x = conv_norm(g, "conv1.3", "conv1.4", &x, Conv::same(3, 1), eps);
            ("conv1.6", g.relu("conv1.5", &x), Conv::same(3, 1))
        }
    };
    let x = conv_norm(g, last, "bn1", &x, shape, eps);
    let x = g.relu("bn1", &x);
    match plan.stem {
        Stem::Small => x,
        Stem::Imagenet => {
            let window = vec![
                AttributeProto::ints("kernel_shape", &[3, 3]),
                AttributeProto::ints("strides", &[2, 2]),
                AttributeProto::ints("pads", &[1; 4]),
            ];
            g.node("MaxPool", "maxpool", &[&x], window)
        }
    }
}

/// A block; `other` says that its shortcut changes the shape.
fn residual(
    g: &mut Builder,
    plan: &Resnet,
    place: &str,
    input: &str,
    planes: usize,
    stride: i64,
    other: bool,
) -> Value {
    let eps = plan.norm_eps;
    let shapes = match plan.block {
        Block::Basic => vec![(3, stride), (3, 1)],
        Block::Bottleneck => vec![(1, 1), (3, stride), (1, 1)],
    };
    let selective = match plan.block {
        Block::Basic => 0,
        Block::Bottleneck => 1,
    };
    let mut x = input.to_owned();
    let last = shapes.len() - 1;
    for (i, (kernel, stride)) in shapes.into_iter().enumerate() {
        let conv = format!("{place}.conv{}", i + 1);
        if plan.selective_kernel && i == selective {
            x = selective_kernel(g, &conv, &x, planes, stride, eps);
            continue;
        }
        let norm = format!("{place}.bn{}", i + 1);
        x = conv_norm(g, &conv, &norm, &x, Conv::same(kernel, stride), eps);
        if i < last {
            x = g.relu(&norm, &x);
        }
    }
    let shortcut = match (other, plan.selective_kernel) {
        (false, _) => input.to_owned(),
        (true, false) => {
            let [conv, norm] = [0, 1].map(|i| format!("{place}.downsample.{i}"));
            conv_norm(g, &conv, &norm, input, Conv::same(1, stride), eps)
        }
        (true, true) => {
            let [pool, conv, norm] = [0, 1, 2].map(|i| format!("{place}.downsample.{i}"));
            let x = average_pool(g, &pool, input, stride);
            conv_norm(g, &conv, &norm, &x, Conv::same(1, 1), eps)
        }
    };
    let x = g.add(place, &x, &shortcut);
    g.relu(place, &x)
}

fn conv_norm(g: &mut Builder, conv: &str, norm: &str, x: &str, shape: Conv, eps: f64) -> Value {
    let x = g.conv(conv, x, shape);
    g.batch_norm(norm, &x, eps)
}

/// Two convolutions side by side in one weight, mixed by shares that depend on
/// the input, after the ReLU.
fn selective_kernel(
    g: &mut Builder,
    place: &str,
    x: &str,
    channels: usize,
    stride: i64,
    eps: f64,
) -> Value {
    let [conv, norm] = ["conv", "bn"].map(|name| format!("{place}.{name}"));
    let x = conv_norm(g, &conv, &norm, x, Conv::same(3, stride), eps);
    let x = g.relu(&norm, &x);
    let [left, right] = g.split(place, &x, 1);
    let sum = g.add(place, &left, &right);

    let attn = format!("{place}.attn");
    let mean = g.node("GlobalAveragePool", &attn, &[&sum], Vec::new());
    let [reduce, norm, select] =
        ["fc_reduce", "bn", "fc_select"].map(|name| format!("{attn}.{name}"));
    let squeezed = conv_norm(g, &reduce, &norm, &mean, Conv::same(1, 1), eps);
    let squeezed = g.relu(&norm, &squeezed);
    let logits = g.conv(&select, &squeezed, Conv::same(1, 1));
    let channels = channels as i64;
    let logits = g.reshape(&attn, &logits, &[0, 2, channels, 1]);
    let shares = g.softmax(&attn, &logits, 1);
    let shares = g.reshape(&attn, &shares, &[0, 2 * channels, 1, 1]);

    let [first, second] = g.split(&attn, &shares, 1);
    let left = g.mul(place, &left, &first);
    let right = g.mul(place, &right, &second);
    g.add(place, &left, &right)
}

/// The mean of 2 by 2 pixels, padded below and to the right: at stride 1
/// without counting what lies outside, else by a zero where a side is odd.
fn average_pool(g: &mut Builder, place: &str, x: &str, stride: i64) -> Value {
    let window = vec![
        AttributeProto::ints("kernel_shape", &[2, 2]),
        AttributeProto::ints("strides", &[stride; 2]),
        AttributeProto::ints("pads", &[0, 0, 1, 1]),
        AttributeProto::int("count_include_pad", i64::from(stride != 1)),
    ];
    g.node("AveragePool", place, &[x], window)
}
