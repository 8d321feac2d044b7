//! Size and cost of a run: parameters exactly, memory and work by formula.
//!
//! The formulas follow what the runtime does ([`layers`], [`wiring`]); a test
//! holds them against the measured peak of real steps on the CPU.

mod convnext;
mod layers;
mod resnet;
mod wiring;

use ssl_plan::{
    Checkpointing, Estimate, Flops, Hyper, Module, Monitor, Net, NetKind, Op, ParameterCount,
    Precision, Recipe, Rule, Shape, Stage,
};

use crate::shapes::{self, is_under, path_of};
use layers::{F32, Flow, Kernels};
pub use wiring::stages;

/// Bytes of a float32.
const WORD: u64 = 4;

/// Trained and frozen parameters of a module.
pub fn parameters_of(module: &Module) -> (u64, u64) {
    let flow = Flow {
        batch: 1.0,
        image: [1, 1],
        visible: None,
        kernels: Kernels {
            narrow: F32,
            fused: true,
        },
    };
    let all = layers::layers(module, flow);
    all.iter()
        .fold((0, 0), |(t, f), l| (t + l.trained, f + l.frozen))
}

/// Whether a module keeps running statistics: it has a BatchNorm.
pub fn has_statistics(module: &Module) -> bool {
    layers::buffers(module) > 0
}

/// [`parameters_of`] a stage, where the optimizer leaves some out.
pub fn parameters_in(net: &str, stage: &Stage, freeze: &[String]) -> (u64, u64) {
    let (trained, frozen) = parameters_of(&stage.module);
    if freeze.is_empty() {
        return (trained, frozen);
    }
    let start = path_of(net, stage);
    let is_frozen = |name: &str| {
        let key = format!("{start}.{name}");
        freeze.iter().any(|path| is_under(&key, path))
    };
    let all = shapes::parameters(&stage.module).into_iter();
    let moved: u64 = all
        .filter(|p| p.trained && is_frozen(&p.name))
        .map(|p| p.count)
        .sum();
    (trained.saturating_sub(moved), frozen + moved)
}

/// Trained and frozen parameters of a whole recipe, averages left out.
pub fn total_parameters(recipe: &Recipe) -> (u64, u64) {
    let mut total = (0, 0);
    for net in &recipe.nets {
        if let NetKind::Stages { stages } = &net.kind {
            for stage in stages {
                let freeze = &recipe.train.optimizer.freeze;
                let (t, f) = parameters_in(&net.name, stage, freeze);
                total = (total.0 + t, total.1 + f);
            }
        }
    }
    total
}

fn width(shape: &Shape) -> u64 {
    match shape {
        Shape::Embedding { dim } | Shape::Tokens { dim, .. } => *dim as u64,
        Shape::Image { .. } => 0,
    }
}

/// Numbers that are remembered from step to step beside the nets: queues,
/// running means, banks of monitors.
fn remembered(recipe: &Recipe) -> u64 {
    let of_step = recipe.step.nodes.iter().map(|n| match n.op {
        Op::Queue { .. } | Op::RunningMean { .. } => n.dims.iter().product::<usize>() as u64,
        _ => 0,
    });
    let of_monitors = recipe.monitors.iter().map(|m| match m {
        Monitor::Knn { feature, bank, .. } => {
            let stage = wiring::stages(&recipe.nets, &feature.net)
                .and_then(|(stages, _)| stages.get(feature.stage));
            *bank as u64 * stage.map_or(0, |s| width(&s.output))
        }
        Monitor::GradientNorm { .. } => 0,
    });
    of_step.chain(of_monitors).sum()
}

/// Most batches that are prepared ahead, and the bytes that more than one may
/// take.
const AHEAD: u64 = 3;
const AHEAD_BYTES: u64 = 1 << 30;

/// Bytes of the batches that are prepared or in use.
fn batches(recipe: &Recipe) -> (u64, u64) {
    let pixels: usize = recipe.views.iter().map(|v| 3 * v.size[0] * v.size[1]).sum();
    let one = (recipe.data.batch * pixels) as u64 * WORD;
    let ahead = (AHEAD_BYTES / one.max(1)).clamp(1, AHEAD);
    (one, ahead * one)
}

/// What a step takes of the host for a byte that it uses at its peak: the
/// allocator keeps freed pages for the sizes that they had, as measured.
const ALLOCATOR: f64 = 1.2;

/// Parameters stage by stage.
fn parameters(nets: &[Net], freeze: &[String]) -> Vec<ParameterCount> {
    let mut out = Vec::new();
    for net in nets {
        let Some((stages, average)) = wiring::stages(nets, &net.name) else {
            continue;
        };
        for stage in stages {
            let (trained, frozen) = parameters_in(&net.name, stage, freeze);
            let (trained, frozen) = if average {
                (0, trained + frozen)
            } else {
                (trained, frozen)
            };
            out.push(ParameterCount {
                net: net.name.clone(),
                stage: stage.name.clone(),
                trained,
                frozen,
            });
        }
    }
    out
}

/// Bytes of the weights of one net, running statistics included.
fn weights(stages: &[Stage]) -> u64 {
    let of = |s: &Stage| {
        let (trained, frozen) = parameters_of(&s.module);
        trained + frozen + layers::buffers(&s.module)
    };
    WORD * stages.iter().map(of).sum::<u64>()
}

/// The estimate of a recipe.
pub fn estimate(recipe: &Recipe) -> Estimate {
    let parameters = parameters(&recipe.nets, &recipe.train.optimizer.freeze);
    let trained: u64 = parameters.iter().map(|p| p.trained).sum();
    let (mut weight_bytes, mut average_bytes, mut averaged) = (0, 0, 0);
    for net in &recipe.nets {
        let Some((stages, average)) = wiring::stages(&recipe.nets, &net.name) else {
            continue;
        };
        weight_bytes += weights(stages);
        if average {
            average_bytes += weights(stages);
            averaged += weights(stages) / WORD;
        }
    }
    let narrow = match recipe.train.precision {
        Precision::Float32 => F32,
        Precision::Bf16 | Precision::F16 => 2.0,
    };
    let parts = recipe.train.micro_batches.max(1);
    let by_block = recipe.train.activation_checkpointing == Checkpointing::Blocks;
    let by = |fused: bool| {
        let how = wiring::How {
            kernels: Kernels { narrow, fused },
            parts,
            by_block,
        };
        wiring::step(&recipe.step, &recipe.nets, how)
    };
    let plain = by(false);
    let step = match recipe.train.precision {
        Precision::Float32 => by(true),
        Precision::Bf16 | Precision::F16 => plain,
    };
    let moved = |momentum: &Hyper| u64::from(*momentum != Hyper::Constant(0.0));
    let (moments, work) = match &recipe.train.optimizer.rule {
        Rule::Adamw { .. } => (2, 12),
        Rule::Lamb { .. } => (2, 17),
        Rule::Sgd { momentum, .. } => (moved(momentum), 6),
        Rule::Lars { momentum, .. } => (moved(momentum), 11),
    };
    let optimizer_bytes = moments * trained * WORD;
    let state_bytes = remembered(recipe) * WORD;
    let (batch_bytes, ahead_bytes) = batches(recipe);
    let gradient_bytes = trained * WORD;
    // Of several parts each is cut out of the batch, and runs beside the
    // gradients of those before.
    let beside = match parts as u64 {
        1 => 0,
        n => batch_bytes / n + gradient_bytes,
    };
    let standing = weight_bytes + optimizer_bytes + state_bytes;
    Estimate {
        parameters,
        weight_bytes,
        average_bytes,
        gradient_bytes,
        optimizer_bytes,
        state_bytes,
        activation_bytes: step.forward as u64,
        batch_bytes,
        ahead_bytes,
        step_bytes: standing + batch_bytes + beside + (step.peak * ALLOCATOR) as u64,
        gpu_step_bytes: standing + batch_bytes + beside + plain.peak as u64,
        // A file's tensors are copied, then written out.
        save_bytes: standing + 2 * weight_bytes.max(optimizer_bytes),
        flops: Flops {
            forward: step.trained_flops,
            averages: step.average_flops,
            backward: step.backward_flops,
            update: (work * trained + 3 * averaged) as f64,
        },
    }
}
