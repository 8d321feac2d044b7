//! A module as its layers: parameters, work, and what stays in memory.
//!
//! What an operation keeps for its backward pass is what Burn's autodiff keeps
//! (0.22): a product its two factors, a linear map its input, an exponential
//! its input, a BatchNorm its input, a ReLU its input; a sum keeps nothing.
//! LayerNorm and softmax are not single operations there. The runtime's fused
//! operations keep less: a LayerNorm its input, an attention its queries, keys
//! and values, a BatchNorm with a ReLU its input and its output.

use ssl_plan::{
    Activation, BlockNorm, Linear, Mlp, MlpLayer, Module, Norm, PatchStem, Pool, Position, Vit,
    VitDecoder,
};

use super::{convnext, resnet};

/// Bytes of a float32.
pub const F32: f64 = 4.0;

/// A layer under one forward pass of a whole batch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Layer {
    /// Numbers that are trained.
    pub trained: u64,
    /// Numbers that are not.
    pub frozen: u64,
    /// Bytes kept from the forward pass to the backward pass.
    pub kept: f64,
    /// Bytes more that the backward pass takes at its worst.
    pub working: f64,
    /// Additions and multiplications of the forward pass.
    pub flops: f64,
    /// Where a segment begins whose activations can be computed again in the
    /// backward pass: bytes of what goes in, images apart.
    pub segment: Option<f64>,
}

/// What goes through a module.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Images.
    pub batch: f64,
    /// Height and width of the images, where images go in.
    pub image: [usize; 2],
    /// Patches that are not hidden, where some are.
    pub visible: Option<usize>,
    /// What computes.
    pub kernels: Kernels,
}

/// What a network is computed by.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    /// Bytes of a number in matrix products: 4, or 2 in bfloat16.
    pub narrow: f64,
    /// Whether the runtime's fused operations serve: in float32 on the CPU.
    pub fused: bool,
}

/// The layers of a module in order.
pub fn layers(module: &Module, flow: Flow) -> Vec<Layer> {
    match module {
        Module::Vit(v) => vit(v, flow),
        Module::Resnet(r) => resnet::layers(r, flow),
        Module::Convnext(c) => convnext::layers(c, flow),
        Module::Mlp(m) => m.layers.iter().map(|l| mlp_layer(l, flow)).collect(),
        Module::Linear(l) => vec![linear(l, flow)],
        Module::Prototypes { input, count } => vec![Layer {
            trained: (input * count) as u64,
            ..product(flow.batch, *input, *count, flow)
        }],
        Module::L2Normalize { .. } => vec![Layer::default()],
        Module::VitDecoder(d) => decoder(d, flow),
    }
}

/// `[rows, input]` times `[input, output]`, the input kept.
pub(super) fn product(rows: f64, input: usize, output: usize, flow: Flow) -> Layer {
    Layer {
        kept: rows * input as f64 * flow.kernels.narrow,
        working: rows * (input + output) as f64 * F32,
        flops: 2.0 * rows * input as f64 * output as f64,
        ..Layer::default()
    }
}

fn linear(l: &Linear, flow: Flow) -> Layer {
    let weight = (l.input * l.output) as u64;
    let plain = product(flow.batch, l.input, l.output, flow);
    Layer {
        trained: weight + if l.bias { l.output as u64 } else { 0 },
        // The scaled weight, and what its scaling keeps.
        kept: plain.kept
            + if l.weight_norm {
                weight as f64 * F32
            } else {
                0.0
            },
        ..plain
    }
}

fn mlp_layer(l: &MlpLayer, flow: Flow) -> Layer {
    let out = flow.batch * l.output as f64;
    let plain = product(flow.batch, l.input, l.output, flow);
    let (vectors, norm) = match l.norm {
        None => (0, 0.0),
        Some(Norm::Batch { affine, shift, .. }) => {
            let vectors = usize::from(affine) + usize::from(affine && shift);
            (vectors, norm(out, BlockNorm::Batch, flow))
        }
        Some(Norm::Layer { .. }) => (2, norm(out, BlockNorm::Layer, flow)),
    };
    let activation = match l.activation {
        None => 0.0,
        // It is the next layer's input.
        Some(Activation::Relu) if flow.kernels.fused && norm > 0.0 => 0.0,
        Some(Activation::Relu) => out * F32,
        Some(Activation::Gelu) => gelu(out, flow),
    };
    let bias = if l.bias { l.output } else { 0 };
    Layer {
        trained: (l.input * l.output + bias + vectors * l.output) as u64,
        kept: plain.kept + norm + activation,
        ..plain
    }
}

/// What GELU keeps: its input; written out, its three factors.
pub(super) fn gelu(values: f64, flow: Flow) -> f64 {
    let factors = if flow.kernels.fused { 1.0 } else { 3.0 };
    factors * values * flow.kernels.narrow
}

/// The sizes of a transformer's block.
#[derive(Clone, Copy)]
struct Sizes {
    dim: usize,
    hidden: usize,
    heads: usize,
    norm: BlockNorm,
    /// Norms of queries and keys.
    qk_norm: bool,
    /// Factors on the branches.
    scaled: bool,
}

/// Parameters of a block: two norms, q, k, v, the heads' projection, the MLP.
fn block_parameters(s: Sizes) -> u64 {
    let [d, h] = [s.dim as u64, s.hidden as u64];
    let width = (s.dim / s.heads.max(1)) as u64;
    let qk = if s.qk_norm { 4 * width } else { 0 };
    let factors = if s.scaled { 2 * d } else { 0 };
    4 * d + (3 * d * d + 3 * d) + (d * d + d) + (d * h + h) + (h * d + d) + qk + factors
}

/// What a norm over `values` numbers keeps besides its output: its input, or,
/// of a LayerNorm in several operations, the centred and the scaled input.
pub(super) fn norm(values: f64, kind: BlockNorm, flow: Flow) -> f64 {
    match kind {
        BlockNorm::Layer if !flow.kernels.fused => 2.0 * values * F32,
        BlockNorm::Layer | BlockNorm::Batch => values * F32,
    }
}

/// A block over `tokens` tokens of each image, of which `asking` ask.
fn block(s: Sizes, tokens: f64, asking: f64, flow: Flow) -> Layer {
    let (d, h) = (s.dim as f64, s.hidden as f64);
    let (all, some) = (flow.batch * tokens, flow.batch * asking);
    let scores = flow.batch * s.heads as f64 * asking * tokens;
    // The norm and its output; keys and values; queries and the answer.
    let attention = norm(all * d, BlockNorm::Layer, flow)
        + all * d * flow.kernels.narrow
        + 2.0 * all * d * flow.kernels.narrow
        + 2.0 * some * d * flow.kernels.narrow;
    // Softmax: the input and the output of the exponential, and the shares.
    let softmax = match flow.kernels.fused {
        true => 0.0,
        false => scores * (2.0 * F32 + flow.kernels.narrow),
    };
    let mlp = norm(some * d, s.norm, flow)
        + some * d * flow.kernels.narrow
        + gelu(some * h, flow)
        + some * h * flow.kernels.narrow;
    // A norm of queries and of keys; a factor's branch.
    let qk = match s.qk_norm {
        true => norm((all + some) * d, BlockNorm::Layer, flow),
        false => 0.0,
    };
    let factors = if s.scaled { 2.0 * some * d * F32 } else { 0.0 };
    Layer {
        trained: block_parameters(s),
        frozen: 0,
        kept: attention + softmax + mlp + qk + factors,
        working: match flow.kernels.fused {
            // Of a linear map the gradients of both sides; of an attention
            // those of its heads, and the same in rows.
            true => F32 * (some * (h + d)).max(6.0 * all * d + some * d),
            false => F32 * (some * (2.0 * h + 2.0 * d)).max(4.0 * scores + 2.0 * all * d),
        },
        flops: 2.0 * d * d * (2.0 * all + 2.0 * some)
            + 4.0 * flow.batch * asking * tokens * d
            + 4.0 * some * d * h,
        segment: Some(all * d * F32),
    }
}

fn vit(v: &Vit, flow: Flow) -> Vec<Layer> {
    let [h, w] = flow.image;
    let side = v.patch.max(1);
    let patches = flow.visible.unwrap_or((h / side) * (w / side));
    let class = usize::from(v.pool != Pool::Mean);
    let extra = class + v.register_tokens;
    let tokens = (patches + extra) as f64;
    // Beside registers the class token has no position.
    let placed = if v.register_tokens > 0 { 0 } else { class };
    // The position table is that of its own size, whatever goes in.
    let [own_h, own_w] = v.image;
    let table = ((own_h / side) * (own_w / side) + placed) * v.dim;
    let (learned, fixed) = match v.position {
        Position::Learned => (table, 0),
        Position::Sincos2d => (0, table),
        Position::None => (0, 0),
    };
    let pixels = v.channels * side * side;
    let weight = pixels * v.dim + v.dim;
    let projected = product(flow.batch * patches as f64, pixels, v.dim, flow);
    let (trained, frozen, kept) = if v.frozen_patch_projection {
        (0, weight, 0.0)
    } else {
        (weight, 0, projected.kept)
    };
    let mut out = match v.stem {
        PatchStem::Linear => Vec::new(),
        PatchStem::Conv => conv_stem(v, flow),
    };
    let (trained, frozen, projected) = match v.stem {
        PatchStem::Linear => (trained, frozen, projected),
        PatchStem::Conv => (0, 0, Layer::default()),
    };
    let kept = if out.is_empty() { kept } else { 0.0 };
    out.push(Layer {
        trained: (trained + learned + extra * v.dim) as u64,
        frozen: (frozen + fixed) as u64,
        kept,
        working: 0.0,
        flops: projected.flops,
        segment: None,
    });
    if let Some(first) = out.first_mut() {
        first.segment = Some(0.0);
    }
    let sizes = Sizes {
        dim: v.dim,
        hidden: v.hidden,
        heads: v.heads,
        norm: v.mlp_norm,
        qk_norm: v.qk_norm,
        scaled: v.layer_scale.is_some(),
    };
    // The last block answers the class token alone, where nobody else asks.
    let first_alone = v.pool == Pool::Cls && v.mlp_norm == BlockNorm::Layer;
    for i in 0..v.depth {
        let asking = if first_alone && i + 1 == v.depth {
            1.0
        } else {
            tokens
        };
        out.push(block(sizes, tokens, asking, flow));
    }
    if v.final_norm {
        let rows = if v.pool == Pool::Cls { 1.0 } else { tokens };
        out.push(Layer {
            trained: 2 * v.dim as u64,
            kept: norm(flow.batch * rows * v.dim as f64, BlockNorm::Layer, flow),
            segment: Some(flow.batch * rows * v.dim as f64 * F32),
            ..Layer::default()
        });
    }
    if v.pool_norm {
        out.push(Layer {
            trained: 2 * v.dim as u64,
            kept: norm(flow.batch * v.dim as f64, BlockNorm::Layer, flow),
            ..Layer::default()
        });
    }
    out
}

/// Input and output channels of the 3x3 convolutions of a conv stem.
fn stem_widths(v: &Vit) -> Vec<[usize; 2]> {
    let count = v.patch.max(1).ilog2() as usize;
    let mut input = v.channels;
    (0..count)
        .map(|i| {
            let output = v.dim >> (count - 1 - i);
            [std::mem::replace(&mut input, output), output]
        })
        .collect()
}

/// Convolutions of stride 2 with BatchNorm and ReLU, then one of 1x1.
fn conv_stem(v: &Vit, flow: Flow) -> Vec<Layer> {
    let [mut h, mut w] = flow.image;
    let mut out = Vec::new();
    for [input, output] in stem_widths(v) {
        let x = flow.batch * (input * h * w) as f64;
        (h, w) = (h / 2, w / 2);
        let y = flow.batch * (output * h * w) as f64;
        out.push(Layer {
            trained: (9 * input * output + 2 * output) as u64,
            frozen: 0,
            kept: 2.0 * y * F32 + x * flow.kernels.narrow,
            working: F32 * (2.0 * x + 2.0 * y),
            flops: 18.0 * input as f64 * y,
            segment: None,
        });
    }
    let rows = flow.batch * (h * w) as f64;
    out.push(Layer {
        trained: (v.dim * v.dim + v.dim) as u64,
        ..product(rows, v.dim, v.dim, flow)
    });
    out
}

fn decoder(v: &VitDecoder, flow: Flow) -> Vec<Layer> {
    let patches = v.grid.iter().product::<usize>();
    let tokens = patches as f64 + 1.0;
    let seen = flow.visible.map_or(tokens, |n| n as f64 + 1.0);
    let pixels = v.patch * v.patch * v.channels;
    let sizes = Sizes {
        dim: v.dim,
        hidden: v.hidden,
        heads: v.heads,
        norm: BlockNorm::Layer,
        qk_norm: false,
        scaled: false,
    };
    let embed = product(flow.batch * seen, v.input, v.dim, flow);
    let mut out = vec![Layer {
        trained: (v.input * v.dim + v.dim + v.dim) as u64,
        frozen: ((patches + 1) * v.dim) as u64,
        segment: Some(flow.batch * seen * v.input as f64 * F32),
        ..embed
    }];
    out.extend((0..v.depth).map(|_| block(sizes, tokens, tokens, flow)));
    let rows = flow.batch * patches as f64;
    let last = product(rows, v.dim, pixels, flow);
    out.push(Layer {
        trained: (2 * v.dim + v.dim * pixels + pixels) as u64,
        kept: last.kept + norm(rows * v.dim as f64, BlockNorm::Layer, flow),
        segment: Some(flow.batch * tokens * v.dim as f64 * F32),
        ..last
    });
    out
}

/// Whether a module keeps running statistics, and how many numbers.
pub fn buffers(module: &Module) -> u64 {
    let of_mlp = |m: &Mlp| {
        m.layers
            .iter()
            .filter(|l| matches!(l.norm, Some(Norm::Batch { .. })))
            .map(|l| 2 * l.output as u64)
            .sum()
    };
    match module {
        Module::Mlp(m) => of_mlp(m),
        Module::Resnet(r) => resnet::buffers(r),
        Module::Vit(v) => {
            let stem: usize = match v.stem {
                PatchStem::Linear => 0,
                PatchStem::Conv => stem_widths(v).iter().map(|[_, output]| 2 * output).sum(),
            };
            let blocks = match v.mlp_norm {
                BlockNorm::Batch => 2 * v.dim * v.depth,
                BlockNorm::Layer => 0,
            };
            (stem + blocks) as u64
        }
        _ => 0,
    }
}
