//! Size and cost of a run: parameters exactly, memory by formula.

use ssl_plan::{
    Block, Estimate, Mlp, Module, NetKind, Norm, Op, ParameterCount, Pool, Position, Recipe,
    Resnet, Rule, Stage, Stem, Vit, VitDecoder,
};

/// Bytes of a float32.
const F32: u64 = 4;

/// Trained and frozen parameters of a module.
pub fn parameters_of(module: &Module) -> (u64, u64) {
    match module {
        Module::Vit(v) => vit_parameters(v),
        Module::Resnet(r) => (
            resnet_convolutions(r)
                .iter()
                .map(|c| c.weights + 2 * c.out)
                .sum(),
            0,
        ),
        Module::Mlp(m) => (mlp_parameters(m), 0),
        Module::Linear(l) => {
            let bias = if l.bias { l.output } else { 0 };
            ((l.input * l.output + bias) as u64, 0)
        }
        Module::Prototypes { input, count } => ((input * count) as u64, 0),
        Module::L2Normalize { .. } => (0, 0),
        Module::VitDecoder(d) => decoder_parameters(d),
    }
}

/// Trained and frozen parameters of a whole recipe, averages left out.
pub fn total_parameters(recipe: &Recipe) -> (u64, u64) {
    let mut total = (0, 0);
    for net in &recipe.nets {
        if let NetKind::Stages { stages } = &net.kind {
            for stage in stages {
                let (t, f) = parameters_of(&stage.module);
                total = (total.0 + t, total.1 + f);
            }
        }
    }
    total
}

fn vit_parameters(v: &Vit) -> (u64, u64) {
    let [d, h] = [v.dim as u64, v.hidden as u64];
    let tokens = vit_tokens(v);
    let projection = (v.channels * v.patch * v.patch) as u64 * d + d;
    let cls = if v.pool == Pool::Mean { 0 } else { d };
    let norm = if v.final_norm { 2 * d } else { 0 };
    let (learned, fixed) = match v.position {
        Position::Learned => (tokens * d, 0),
        Position::Sincos2d => (0, tokens * d),
        Position::None => (0, 0),
    };
    let rest = v.depth as u64 * block_parameters(d, h) + norm + cls + learned;
    if v.frozen_patch_projection {
        (rest, projection + fixed)
    } else {
        (rest + projection, fixed)
    }
}

/// One block: two norms, qkv, the heads' projection, the MLP.
fn block_parameters(d: u64, h: u64) -> u64 {
    4 * d + (3 * d * d + 3 * d) + (d * d + d) + (d * h + h) + (h * d + d)
}

fn decoder_parameters(v: &VitDecoder) -> (u64, u64) {
    let [d, h] = [v.dim as u64, v.hidden as u64];
    let embed = v.input as u64 * d + d;
    let pixels = (v.patch * v.patch * v.channels) as u64;
    let pred = d * pixels + pixels;
    let positions = (v.grid.iter().product::<usize>() as u64 + 1) * d;
    let trained = embed + d + v.depth as u64 * block_parameters(d, h) + 2 * d + pred;
    (trained, positions)
}

/// Tokens, the class token included.
fn vit_tokens(v: &Vit) -> u64 {
    let [h, w] = v.image;
    let patches = (h / v.patch.max(1)) * (w / v.patch.max(1));
    (patches + usize::from(v.pool != Pool::Mean)) as u64
}

fn mlp_parameters(m: &Mlp) -> u64 {
    m.layers
        .iter()
        .map(|l| {
            let (i, o) = (l.input as u64, l.output as u64);
            let affine = matches!(l.norm, Some(Norm::Batch { affine: true, .. }));
            i * o + if l.bias { o } else { 0 } + if affine { 2 * o } else { 0 }
        })
        .sum()
}

/// A convolution with the BatchNorm behind it.
struct Convolution {
    weights: u64,
    out: u64,
    /// Values of its output for one image.
    output: u64,
}

fn resnet_convolutions(r: &Resnet) -> Vec<Convolution> {
    let mut all = Vec::new();
    let [mut h, mut w] = r.image;
    let mut push = |kernel: usize, input: usize, out: usize, h: usize, w: usize| {
        all.push(Convolution {
            weights: (kernel * kernel * input * out) as u64,
            out: out as u64,
            output: (out * h * w) as u64,
        });
    };
    let halve = |x: usize| x.div_ceil(2);
    match r.stem {
        Stem::Imagenet => {
            (h, w) = (halve(h), halve(w));
            push(7, r.channels, 64, h, w);
            (h, w) = (halve(h), halve(w));
        }
        Stem::Small => push(3, r.channels, 64, h, w),
    }
    let mut input = 64;
    for (stage, blocks) in r.layers.iter().enumerate() {
        let width = 64 << stage;
        for block in 0..*blocks {
            let stride = block == 0 && stage > 0;
            let (h0, w0) = (h, w);
            if stride {
                (h, w) = (halve(h), halve(w));
            }
            let out = match r.block {
                Block::Basic => {
                    push(3, input, width, h, w);
                    push(3, width, width, h, w);
                    width
                }
                Block::Bottleneck => {
                    push(1, input, width, h0, w0);
                    push(3, width, width, h, w);
                    push(1, width, 4 * width, h, w);
                    4 * width
                }
            };
            if stride || input != out {
                push(1, input, out, h, w);
            }
            input = out;
        }
    }
    all
}

/// Values that one image's forward pass keeps for the backward pass.
fn kept_values(module: &Module) -> f64 {
    match module {
        Module::Vit(v) => {
            let (t, d, h) = (vit_tokens(v) as f64, v.dim as f64, v.hidden as f64);
            // Two norms' inputs and outputs, qkv, scores and softmax, the
            // heads' output, both residuals, the MLP before and after GELU.
            let block = t * (11.0 * d + 2.0 * h) + 2.0 * v.heads as f64 * t * t;
            v.depth as f64 * block + 3.0 * t * d
        }
        // Output of the convolution, of the norm, of the activation.
        Module::Resnet(r) => resnet_convolutions(r)
            .iter()
            .map(|c| 3.0 * c.output as f64)
            .sum(),
        Module::Linear(l) => l.output as f64,
        Module::Prototypes { count, .. } => *count as f64,
        Module::L2Normalize { .. } => 0.0,
        Module::VitDecoder(d) => {
            let t = (d.grid.iter().product::<usize>() + 1) as f64;
            let block =
                t * (11.0 * d.dim as f64 + 2.0 * d.hidden as f64) + 2.0 * d.heads as f64 * t * t;
            d.depth as f64 * block
        }
        Module::Mlp(m) => m
            .layers
            .iter()
            .map(|l| {
                let copies = 1 + u32::from(l.norm.is_some()) + u32::from(l.activation.is_some());
                l.output as f64 * f64::from(copies)
            })
            .sum(),
    }
}

/// The estimate of a recipe.
pub fn estimate(recipe: &Recipe) -> Estimate {
    let mut parameters = Vec::new();
    let (mut weights, mut trained_total) = (0, 0);
    let stages_of = |name: &str| -> &[Stage] {
        recipe
            .nets
            .iter()
            .find(|n| n.name == name)
            .and_then(|n| match &n.kind {
                NetKind::Stages { stages } => Some(stages.as_slice()),
                NetKind::Ema { .. } => None,
            })
            .unwrap_or_default()
    };
    for net in &recipe.nets {
        let (stages, average) = match &net.kind {
            NetKind::Stages { stages } => (stages.as_slice(), false),
            NetKind::Ema { of, .. } => (stages_of(of), true),
        };
        for stage in stages {
            let (trained, frozen) = parameters_of(&stage.module);
            weights += trained + frozen;
            let (trained, frozen) = if average {
                (0, trained + frozen)
            } else {
                (trained, frozen)
            };
            trained_total += trained;
            parameters.push(ParameterCount {
                net: net.name.clone(),
                stage: stage.name.clone(),
                trained,
                frozen,
            });
        }
    }
    let batch = (recipe.data.batch / recipe.train.micro_batches.max(1)) as f64;
    let mut values: f64 = recipe
        .views
        .iter()
        .map(|v| batch * 3.0 * (v.size[0] * v.size[1]) as f64)
        .sum();
    for node in &recipe.step.nodes {
        if let Op::Stage { net, stage, .. } = &node.op
            && node.reaches.contains(net)
            && let Some(stage) = stages_of(net).get(*stage)
        {
            values += batch * kept_values(&stage.module);
        }
    }
    let moments = match recipe.train.optimizer.rule {
        Rule::Adamw { .. } | Rule::Lamb { .. } => 2,
        Rule::Sgd { momentum, .. } | Rule::Lars { momentum, .. } => u64::from(momentum > 0.0),
    };
    Estimate {
        parameters,
        weight_bytes: weights * F32,
        gradient_bytes: trained_total * F32,
        optimizer_bytes: moments * trained_total * F32,
        activation_bytes: (values * F32 as f64) as u64,
    }
}
