//! The layers that networks share, as the engine computes them in evaluation.
//! A layer with weights finds them under its place, in PyTorch's layout.

use super::graph::{Builder, Value};
use super::proto::AttributeProto;

impl Builder {
    pub(super) fn add(&mut self, place: &str, a: &str, b: &str) -> Value {
        self.node("Add", place, &[a, b], Vec::new())
    }

    pub(super) fn mul(&mut self, place: &str, a: &str, b: &str) -> Value {
        self.node("Mul", place, &[a, b], Vec::new())
    }

    pub(super) fn relu(&mut self, place: &str, x: &str) -> Value {
        self.node("Relu", place, &[x], Vec::new())
    }

    /// `x Phi(x)`, exact, in the form that runtimes recognise; `Gelu` itself
    /// came with opset 20.
    pub(super) fn gelu(&mut self, place: &str, x: &str) -> Value {
        let [root, one, half] = [2_f64.sqrt(), 1.0, 0.5].map(|value| self.float(value));
        let scaled = self.node("Div", place, &[x, &root], Vec::new());
        let erf = self.node("Erf", place, &[&scaled], Vec::new());
        let twice = self.add(place, &erf, &one);
        let product = self.mul(place, x, &twice);
        self.mul(place, &product, &half)
    }

    pub(super) fn transpose(&mut self, place: &str, x: &str, axes: &[i64]) -> Value {
        let perm = AttributeProto::ints("perm", axes);
        self.node("Transpose", place, &[x], vec![perm])
    }

    /// 0 keeps a length, -1 is what is left.
    pub(super) fn reshape(&mut self, place: &str, x: &str, shape: &[i64]) -> Value {
        let shape = self.ints(shape);
        self.node("Reshape", place, &[x, &shape], Vec::new())
    }

    pub(super) fn concat(&mut self, place: &str, parts: &[&str], axis: i64) -> Value {
        let axis = AttributeProto::int("axis", axis);
        self.node("Concat", place, parts, vec![axis])
    }

    /// `from..to` of an axis.
    pub(super) fn slice(&mut self, place: &str, x: &str, axis: i64, from: i64, to: i64) -> Value {
        let [from, to, axis] = [from, to, axis].map(|value| self.ints(&[value]));
        self.node("Slice", place, &[x, &from, &to, &axis], Vec::new())
    }

    /// Parts of the same size.
    pub(super) fn split<const N: usize>(&mut self, place: &str, x: &str, axis: i64) -> [Value; N] {
        let axis = AttributeProto::int("axis", axis);
        self.nodes("Split", place, &[x], vec![axis])
    }

    pub(super) fn softmax(&mut self, place: &str, x: &str, axis: i64) -> Value {
        let axis = AttributeProto::int("axis", axis);
        self.node("Softmax", place, &[x], vec![axis])
    }

    /// The mean over an axis, which is gone then.
    pub(super) fn mean(&mut self, place: &str, x: &str, axis: i64) -> Value {
        let axes = AttributeProto::ints("axes", &[axis]);
        let keepdims = AttributeProto::int("keepdims", 0);
        self.node("ReduceMean", place, &[x], vec![axes, keepdims])
    }

    /// The mean of a map: `[B, C, H, W]` to `[B, C]`.
    pub(super) fn pool(&mut self, place: &str, x: &str) -> Value {
        let x = self.node("GlobalAveragePool", place, &[x], Vec::new());
        let axis = AttributeProto::int("axis", 1);
        self.node("Flatten", place, &[&x], vec![axis])
    }

    /// `x W^T + b` over the last axis.
    pub(super) fn linear(&mut self, place: &str, x: &str) -> Value {
        let weight = self.weight(&format!("{place}.weight"));
        let bias = self.weight(&format!("{place}.bias"));
        let weight = self.transpose(place, &weight, &[1, 0]);
        let x = self.node("MatMul", place, &[x, &weight], Vec::new());
        self.add(place, &x, &bias)
    }

    /// Over the last axis.
    pub(super) fn layer_norm(&mut self, place: &str, x: &str, eps: f64) -> Value {
        let weight = self.weight(&format!("{place}.weight"));
        let bias = self.weight(&format!("{place}.bias"));
        let axis = AttributeProto::int("axis", -1);
        let epsilon = AttributeProto::float("epsilon", eps);
        let input = [x, &weight, &bias];
        self.node("LayerNormalization", place, &input, vec![axis, epsilon])
    }

    /// By the running statistics; channels are the second axis.
    pub(super) fn batch_norm(&mut self, place: &str, x: &str, eps: f64) -> Value {
        let names = ["weight", "bias", "running_mean", "running_var"];
        let [weight, bias, mean, var] = names.map(|name| self.weight(&format!("{place}.{name}")));
        let epsilon = AttributeProto::float("epsilon", eps);
        let input = [x, &weight, &bias, &mean, &var];
        self.node("BatchNormalization", place, &input, vec![epsilon])
    }

    pub(super) fn conv(&mut self, place: &str, x: &str, shape: Conv) -> Value {
        let weight = self.weight(&format!("{place}.weight"));
        let bias = shape.bias.then(|| self.weight(&format!("{place}.bias")));
        let mut input = vec![x, &weight];
        input.extend(bias.as_deref());
        let attributes = vec![
            AttributeProto::ints("kernel_shape", &[shape.kernel; 2]),
            AttributeProto::ints("strides", &[shape.stride; 2]),
            AttributeProto::ints("pads", &[shape.pad; 4]),
            AttributeProto::int("group", shape.groups),
        ];
        self.node("Conv", place, &input, attributes)
    }

    /// `[B, C, H, W]` with its channels last, and the way back.
    pub(super) fn channels_last(&mut self, place: &str, x: &str) -> Value {
        self.transpose(place, x, &[0, 2, 3, 1])
    }

    pub(super) fn channels_first(&mut self, place: &str, x: &str) -> Value {
        self.transpose(place, x, &[0, 3, 1, 2])
    }
}

/// What a convolution is beside its weight.
pub(super) struct Conv {
    kernel: i64,
    stride: i64,
    pad: i64,
    groups: i64,
    bias: bool,
}

impl Conv {
    /// Padded to keep the size at stride 1, without a bias.
    pub(super) fn same(kernel: i64, stride: i64) -> Self {
        Conv {
            kernel,
            stride,
            pad: kernel / 2,
            groups: 1,
            bias: false,
        }
    }

    /// Of patches beside one another, with a bias.
    pub(super) fn patches(side: usize) -> Self {
        Conv {
            kernel: side as i64,
            stride: side as i64,
            pad: 0,
            groups: 1,
            bias: true,
        }
    }

    /// Each channel by itself, padded to keep the size, with a bias.
    pub(super) fn depthwise(kernel: i64, channels: usize) -> Self {
        Conv {
            groups: channels as i64,
            bias: true,
            ..Conv::same(kernel, 1)
        }
    }
}
