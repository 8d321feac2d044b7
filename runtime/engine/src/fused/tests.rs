//! The kernels against plain tensor operations: values and gradients, odd
//! sizes too.

use burn::tensor::{Device, Tensor, TensorData};

use super::*;

/// A leaf of numbers around zero that look like chance.
fn leaf<const D: usize>(seed: usize, shape: [usize; D]) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let number = |i: usize| (((i + 1) * (2 * seed + 3)) as f32 * 0.618_034).fract() * 2.0 - 1.0;
    let data = TensorData::new((0..count).map(number).collect::<Vec<f32>>(), shape);
    Tensor::from_data(data, &Device::flex().autodiff()).require_grad()
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().expect("float32")
}

/// Two tensors whose difference is small beside the largest number in them.
fn assert_close<const D: usize>(what: &str, a: Tensor<D>, b: Tensor<D>) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    let (a, b) = (values(a), values(b));
    let most = b.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!(
            (a - b).abs() <= 2e-5 * most,
            "{what} at {i}: {a}, not {b}, of up to {most}"
        );
    }
}

/// The value and the gradient of each leaf by the kernel and by plain
/// operations, for a loss that weighs every number differently.
macro_rules! agree {
    ($what:expr, [$($leaf:ident),+], $fused:expr, $plain:expr) => {{
        let (fused, plain) = ($fused, $plain);
        let weights = leaf(99, fused.dims()).inner();
        let weights = Tensor::from_inner(weights);
        let by_kernel = (fused.clone() * weights.clone()).sum().backward();
        let by_plain = (plain.clone() * weights).sum().backward();
        assert_close(&format!("{}", $what), fused.inner(), plain.inner());
        $(
            let of = |gradients| $leaf.grad(gradients).expect("a leaf");
            let what = format!("{}: gradient of {}", $what, stringify!($leaf));
            assert_close(&what, of(&by_kernel), of(&by_plain));
        )+
    }};
}

#[test]
fn linear_maps_agree() {
    for [rows, input, output] in [[1, 1, 1], [5, 3, 7], [300, 64, 129]] {
        let (x, w, b) = (
            leaf(1, [rows, input]),
            leaf(2, [output, input]),
            leaf(3, [output]),
        );
        for after in [Activation::None, Activation::Gelu] {
            agree!(
                format!("{rows} {input} {output} {after:?}"),
                [x, w, b],
                linear(x.clone(), w.clone(), Some(b.clone()), after),
                linear::plain(x.clone(), w.clone(), Some(b.clone()), after)
            );
            agree!(
                format!("{rows} {input} {output} {after:?} without bias"),
                [x, w],
                linear(x.clone(), w.clone(), None, after),
                linear::plain(x.clone(), w.clone(), None, after)
            );
            let untraced = linear(
                x.clone().inner(),
                w.clone().inner(),
                Some(b.clone().inner()),
                after,
            );
            let traced = linear(x.clone(), w.clone(), Some(b.clone()), after).inner();
            assert_eq!(values(untraced), values(traced));
        }
    }
}

#[test]
fn layer_norms_agree() {
    for [rows, width] in [[1, 5], [7, 33], [200, 384]] {
        let (x, w, b) = (leaf(1, [rows, width]), leaf(2, [width]), leaf(3, [width]));
        agree!(
            format!("{rows} {width}"),
            [x, w, b],
            layer_norm(x.clone(), w.clone(), b.clone(), 1e-6),
            layer_norm::plain(x.clone(), w.clone(), b.clone(), 1e-6)
        );
    }
}

#[test]
fn attentions_agree() {
    for [batch, tokens, heads, width] in [[1, 1, 1, 1], [3, 5, 2, 7], [2, 65, 3, 64]] {
        let dim = heads * width;
        let qkv = leaf(1, [batch * tokens, 3 * dim]);
        let part = |i: usize| qkv.clone().narrow(1, i * dim, dim);
        agree!(
            format!("{batch} {tokens} {heads} {width}"),
            [qkv],
            attention(qkv.clone(), batch, heads),
            attention::plain([part(0), part(1), part(2)], batch, heads)
        );
        let (q, k, v) = (
            leaf(2, [batch * 2, dim]),
            leaf(3, [batch * tokens, dim]),
            leaf(4, [batch * tokens, dim]),
        );
        agree!(
            format!("{batch} {tokens} {heads} {width}, two ask"),
            [q, k, v],
            attention_apart([q.clone(), k.clone(), v.clone()], batch, heads),
            attention::plain([q.clone(), k.clone(), v.clone()], batch, heads)
        );
    }
}

#[test]
fn batch_norms_agree() {
    for [batch, channels, height, width] in [[3, 2, 1, 1], [5, 7, 3, 5], [8, 64, 9, 9]] {
        let shape = [batch, channels, height, width];
        let (x, r) = (leaf(1, shape), leaf(4, shape));
        let (w, b) = (leaf(2, [channels]), leaf(3, [channels]));
        for follows in 0..3 {
            let after = || match follows {
                0 => After::Nothing,
                1 => After::Relu,
                _ => After::ResidualRelu(r.clone()),
            };
            let what = format!("{shape:?} {follows}");
            let norm = |after| batch_norm(x.clone(), w.clone(), b.clone(), 1e-5, after);
            let plain = |after| batch_norm::plain(x.clone(), w.clone(), b.clone(), 1e-5, after);
            let ((fused, ours), (plain, theirs)) = (norm(after()), plain(after()));
            assert_close(&what, ours.mean, theirs.mean);
            assert_close(&what, ours.variance, theirs.variance);
            match follows {
                2 => agree!(what, [x, w, b, r], fused, plain),
                _ => agree!(what, [x, w, b], fused, plain),
            }
        }
    }
    let (x, w, b) = (leaf(1, [33, 130]), leaf(2, [130]), leaf(3, [130]));
    let fused = batch_norm(x.clone(), w.clone(), b.clone(), 1e-5, After::Relu).0;
    let plain = batch_norm::plain(x.clone(), w.clone(), b.clone(), 1e-5, After::Relu).0;
    agree!("rows", [x, w, b], fused, plain);
}

#[test]
fn convolutions_agree() {
    for (batch, [input, output], [height, width], kernel, stride) in [
        (1, [1, 1], [1, 1], 3, 1),
        (2, [3, 5], [7, 6], 3, 1),
        (2, [3, 5], [7, 6], 3, 2),
        (3, [2, 3], [9, 11], 7, 2),
        (2, [4, 6], [5, 5], 1, 1),
        (2, [4, 6], [5, 6], 1, 2),
        (9, [6, 4], [4, 4], 3, 1),
        (9, [6, 4], [4, 4], 3, 2),
        (9, [6, 4], [4, 4], 1, 1),
        (5, [16, 18], [33, 31], 3, 1),
        (2, [24, 40], [6, 5], 3, 1),
        (3, [40, 24], [5, 6], 3, 2),
        (3, [40, 24], [6, 5], 1, 1),
        (9, [17, 16], [4, 3], 3, 1),
        (1, [16, 16], [1, 1], 3, 1),
        (2, [16, 33], [2, 56], 3, 1),
        (1, [3, 4], [2, 40], 5, 1),
        (4, [3, 8], [64, 64], 7, 2),
        (2, [3, 5], [40, 63], 3, 2),
    ] {
        let x = leaf(1, [batch, input, height, width]);
        let w = leaf(2, [output, input, kernel, kernel]);
        agree!(
            format!("{batch} {input} {output} {height} {width} {kernel} {stride}"),
            [x, w],
            conv2d(x.clone(), w.clone(), stride),
            conv::plain(x.clone(), w.clone(), stride)
        );
    }
}

#[test]
fn no_bit_depends_on_the_number_of_threads() {
    let compute = || {
        let x = leaf(1, [9, 8, 17, 17]);
        let w = leaf(2, [16, 8, 3, 3]);
        let (scale, shift) = (leaf(3, [16]), leaf(4, [16]));
        let y = conv2d(x.clone(), w.clone(), 1);
        let y = batch_norm(y, scale.clone(), shift.clone(), 1e-5, After::Relu).0;
        let y = y.reshape([9 * 16, 17 * 17]);
        let (weight, bias) = (leaf(5, [192, 289]), leaf(6, [192]));
        let y = linear(y, weight.clone(), Some(bias.clone()), Activation::Gelu);
        let y = layer_norm(y, leaf(7, [192]), leaf(8, [192]), 1e-6);
        let y = attention(y, 9, 4);
        let loss = y.powf_scalar(2.0).sum();
        let gradients = loss.backward();
        let mut all = values(loss.inner());
        all.extend(values(x.grad(&gradients).expect("a leaf")));
        all.extend(values(w.grad(&gradients).expect("a leaf")));
        all.extend(values(scale.grad(&gradients).expect("a leaf")));
        all.extend(values(weight.grad(&gradients).expect("a leaf")));
        all.extend(values(bias.grad(&gradients).expect("a leaf")));
        all.into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let by = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(compute)
    };
    let alone = by(1);
    assert_eq!(alone, by(3));
    assert_eq!(alone, by(4));
}
