//! A residual network convolution by convolution.

use ssl_plan::{Block, Resnet, Stem};

use super::layers::{F32, Flow, Layer};

/// What stands behind a convolution's norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// A ReLU, whose output the next convolution takes.
    Relu,
    /// The sum with the shortcut, then a ReLU.
    Sum,
    /// The sum, as its other side.
    Nothing,
    /// A ReLU and a mixture of two halves: a selective kernel.
    Mixture,
}

/// A convolution with the BatchNorm behind it.
#[derive(Debug, Clone, Copy)]
struct Unit {
    kernel: usize,
    input: usize,
    output: usize,
    /// Pixels that go in.
    before: usize,
    /// Pixels that come out.
    after: usize,
    behind: Behind,
    /// Whether the image goes in, which takes no gradient.
    first: bool,
    /// Whether an average pool of its own stands before it.
    pooled: bool,
}

/// Least width of what decides on the shares of a selective kernel, and its
/// share of the output.
const LEAST: usize = 32;
const RATIO: usize = 16;

/// Numbers of the part of a selective kernel that decides: parameters, and
/// running statistics.
fn decision(channels: usize) -> (u64, u64) {
    let narrow = (channels / RATIO).max(LEAST);
    let weights = channels * narrow + 2 * narrow + narrow * 2 * channels;
    (weights as u64, 2 * narrow as u64)
}

fn units(r: &Resnet, image: [usize; 2]) -> Vec<Unit> {
    let mut all = Vec::new();
    let [mut h, mut w] = image;
    let base = 64 * r.width;
    let mut push =
        |kernel: usize, [input, output]: [usize; 2], before, after, behind, pooled: bool| {
            all.push(Unit {
                kernel,
                input,
                output,
                before,
                after,
                behind,
                first: false,
                pooled,
            });
        };
    let halve = |x: usize| x.div_ceil(2);
    match (r.stem, r.selective_kernel) {
        (Stem::Small, _) => push(3, [r.channels, base], h * w, h * w, Behind::Relu, false),
        (Stem::Imagenet, deep) => {
            let before = h * w;
            (h, w) = (halve(h), halve(w));
            if deep {
                push(
                    3,
                    [r.channels, base / 2],
                    before,
                    h * w,
                    Behind::Relu,
                    false,
                );
                push(3, [base / 2, base / 2], h * w, h * w, Behind::Relu, false);
                push(3, [base / 2, base], h * w, h * w, Behind::Relu, false);
            } else {
                push(7, [r.channels, base], before, h * w, Behind::Relu, false);
            }
            (h, w) = (halve(h), halve(w));
        }
    }
    let mut input = base;
    for (stage, blocks) in r.layers.iter().enumerate() {
        let width = base << stage;
        for block in 0..*blocks {
            let stride = block == 0 && stage > 0;
            let before = h * w;
            if stride {
                (h, w) = (halve(h), halve(w));
            }
            let after = h * w;
            let inner = if r.selective_kernel {
                Behind::Mixture
            } else {
                Behind::Relu
            };
            let doubled = if r.selective_kernel { 2 * width } else { width };
            let out = match r.block {
                Block::Basic => {
                    push(3, [input, doubled], before, after, inner, false);
                    push(3, [width, width], after, after, Behind::Sum, false);
                    width
                }
                Block::Bottleneck => {
                    push(1, [input, width], before, before, Behind::Relu, false);
                    push(3, [width, doubled], before, after, inner, false);
                    push(1, [width, 4 * width], after, after, Behind::Sum, false);
                    4 * width
                }
            };
            if stride || input != out {
                let pooled = r.selective_kernel;
                let from = if pooled { after } else { before };
                push(1, [input, out], from, after, Behind::Nothing, pooled);
            }
            input = out;
        }
    }
    if let Some(first) = all.first_mut() {
        first.first = true;
    }
    all
}

/// Numbers beside the gradient of a weight while it is summed: shares as large
/// as the kernel, or as Winograd's tiles where they serve; or, where that is
/// less, all that it is made of: the rule of `sums_at_once` in the engine's
/// `fused/conv.rs`.
fn shares(u: &Unit, batch: f64) -> f64 {
    const SHARES: f64 = 8.0;
    let [input, output] = [u.input as f64, u.output as f64];
    let tiled = u.kernel == 3 && u.before == u.after && u.input.min(u.output) >= 16;
    let (places, depth, columns) = match tiled {
        true => (16.0, input, batch * u.after as f64 / 4.0),
        false => {
            let area = (u.kernel * u.kernel) as f64;
            (1.0, area * input, batch * u.after as f64)
        }
    };
    let [weight, made_of] = [depth * output, columns * (depth + output)];
    places
        * match made_of <= SHARES * weight {
            true => made_of + weight,
            false => SHARES * weight,
        }
}

/// Its layers in order, the stem's pool with the stem.
pub fn layers(r: &Resnet, flow: Flow) -> Vec<Layer> {
    let all = units(r, flow.image);
    let stem = match (r.stem, r.selective_kernel) {
        (Stem::Small, _) => None,
        (Stem::Imagenet, false) => Some(0),
        (Stem::Imagenet, true) => Some(2),
    };
    let stems = stem.map_or(1, |last| last + 1);
    // The shortcut's convolution is listed behind its block's path.
    let begins = |i: usize, u: &Unit| {
        let before = i.checked_sub(1).and_then(|i| all.get(i));
        let ended = before.is_some_and(|u| matches!(u.behind, Behind::Sum | Behind::Nothing));
        i == stems || (ended && u.behind != Behind::Nothing)
    };
    let layer = |(i, u): (usize, &Unit)| {
        let [x, y] = [
            flow.batch * (u.input * u.before) as f64,
            flow.batch * (u.output * u.after) as f64,
        ];
        let kept = match u.behind {
            // The norm's input, and the next convolution's.
            Behind::Relu | Behind::Sum if flow.kernels.fused => 2.0 * y * F32,
            Behind::Relu | Behind::Sum => 2.0 * y * F32 + y * flow.kernels.narrow,
            Behind::Nothing => y * F32,
            Behind::Mixture => 3.0 * y * F32 + y / 2.0 * flow.kernels.narrow,
        };
        let own_input = if u.first || u.pooled {
            x * flow.kernels.narrow
        } else {
            0.0
        };
        // The pool keeps its input in float32, and the places of its maxima.
        let pool = if stem == Some(i) { y / 4.0 * 12.0 } else { 0.0 };
        let (decides, _) = match u.behind {
            Behind::Mixture => decision(u.output / 2),
            _ => (0, 0),
        };
        Layer {
            trained: (u.kernel * u.kernel * u.input * u.output + 2 * u.output) as u64 + decides,
            frozen: 0,
            kept: kept + own_input + pool,
            working: F32
                * match flow.kernels.fused {
                    // The gradients of both sides, and the shares of the
                    // weight's.
                    true => x + y + shares(u, flow.batch),
                    // The gradients of both sides, and both sides in another
                    // order.
                    false if u.first => x + 3.0 * y,
                    false => 2.0 * x + 2.0 * y,
                },
            flops: 2.0 * (u.kernel * u.kernel * u.input) as f64 * y,
            segment: match i {
                0 => Some(0.0),
                _ => begins(i, u).then_some(x * F32),
            },
        }
    };
    all.iter().enumerate().map(layer).collect()
}

/// Numbers of running statistics.
pub fn buffers(r: &Resnet) -> u64 {
    units(r, r.image)
        .iter()
        .map(|u| {
            let own = 2 * u.output as u64;
            own + match u.behind {
                Behind::Mixture => decision(u.output / 2).1,
                _ => 0,
            }
        })
        .sum()
}
