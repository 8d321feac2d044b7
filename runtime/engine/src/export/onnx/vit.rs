//! Vision transformers, as `nets::vit` computes them. Tokens are `[B, N, dim]`.

use ssl_plan::{BlockNorm, PatchStem, Pool, Position, Vit};

use super::graph::{Builder, INPUT, Value};
use super::layers::Conv;
use super::proto::AttributeProto;

/// PyTorch's default for a BatchNorm.
const BATCH_NORM_EPS: f64 = 1e-5;

/// From the image to the feature, the class token or the mean of the patches,
/// whose width is returned.
pub(super) fn build(g: &mut Builder, plan: &Vit) -> usize {
    let patches: usize = plan.image.iter().map(|side| side / plan.patch).product();
    let class = usize::from(plan.pool != Pool::Mean);
    let before = class + plan.register_tokens;
    let shape = Shape {
        count: (before + patches) as i64,
        dim: plan.dim as i64,
        heads: plan.heads as i64,
    };
    let x = stem(g, plan);
    let mut x = tokens(g, plan, &x, shape.dim);
    for i in 0..plan.depth {
        let place = format!("blocks.{i}");
        let y = attention(g, plan, &place, &x, &shape);
        x = g.add(&place, &x, &y);
        let y = mlp(g, plan, &place, &x, &shape);
        x = g.add(&place, &x, &y);
    }
    // A norm looks at one token at a time: of those that are read, it is enough.
    let (from, to) = match plan.pool {
        Pool::Cls | Pool::Tokens => (0, 1),
        Pool::Mean | Pool::MeanPatches => (before as i64, shape.count),
    };
    x = g.slice("pool", &x, 1, from, to);
    if plan.final_norm {
        x = g.layer_norm("norm", &x, plan.norm_eps);
    }
    x = g.mean("pool", &x, 1);
    if plan.pool_norm {
        g.layer_norm("fc_norm", &x, plan.norm_eps);
    }
    plan.dim
}

/// Lengths that are no batch's.
struct Shape {
    /// Tokens.
    count: i64,
    dim: i64,
    heads: i64,
}

/// The patches, `[B, N, dim]`.
fn stem(g: &mut Builder, plan: &Vit) -> Value {
    let place = "patch_embed.proj";
    let x = match plan.stem {
        PatchStem::Linear => g.conv(place, INPUT, Conv::patches(plan.patch)),
        PatchStem::Conv => {
            let halvings = plan.patch.max(1).ilog2();
            let mut x = INPUT.to_owned();
            for i in 0..halvings {
                let [conv, norm, relu] = [0, 1, 2].map(|part| format!("{place}.{}", 3 * i + part));
                x = g.conv(&conv, &x, Conv::same(3, 2));
                x = g.batch_norm(&norm, &x, BATCH_NORM_EPS);
                x = g.relu(&relu, &x);
            }
            g.conv(&format!("{place}.{}", 3 * halvings), &x, Conv::patches(1))
        }
    };
    let x = g.reshape("patch_embed", &x, &[0, plan.dim as i64, -1]);
    g.transpose("patch_embed", &x, &[0, 2, 1])
}

/// The patches with their positions, behind the class token and the registers.
/// Beside registers the class token has no position.
fn tokens(g: &mut Builder, plan: &Vit, patches: &str, dim: i64) -> Value {
    let positions = (plan.position != Position::None).then(|| g.weight("pos_embed"));
    let mut x = patches.to_owned();
    if let (Some(table), true) = (
        &positions,
        plan.register_tokens > 0 || plan.pool == Pool::Mean,
    ) {
        x = g.add("pos_embed", &x, table);
    }
    let mut first = Vec::new();
    if plan.pool != Pool::Mean {
        first.push(("cls_token", 1));
    }
    if plan.register_tokens > 0 {
        first.push(("reg_token", plan.register_tokens as i64));
    }
    if first.is_empty() {
        return x;
    }
    let batch = vec![
        AttributeProto::int("start", 0),
        AttributeProto::int("end", 1),
    ];
    let batch = g.node("Shape", "tokens", &[INPUT], batch);
    let mut parts = Vec::new();
    for (name, count) in first {
        let token = g.weight(name);
        let rest = g.ints(&[count, dim]);
        let shape = g.concat(name, &[&batch, &rest], 0);
        parts.push(g.node("Expand", name, &[&token, &shape], Vec::new()));
    }
    parts.push(x);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let x = g.concat("tokens", &parts, 1);
    match positions {
        Some(table) if plan.register_tokens == 0 => g.add("pos_embed", &x, &table),
        _ => x,
    }
}

/// The branch of a block's attention, with its factors.
fn attention(g: &mut Builder, plan: &Vit, block: &str, x: &str, shape: &Shape) -> Value {
    let place = &format!("{block}.attn");
    let x = g.layer_norm(&format!("{block}.norm1"), x, plan.norm_eps);
    let x = g.linear(&format!("{place}.qkv"), &x);
    let width = shape.dim / shape.heads.max(1);
    let [mut q, mut k, v] = g
        .split(place, &x, 2)
        .map(|part| g.reshape(place, &part, &[0, 0, shape.heads, width]));
    if plan.qk_norm {
        q = g.layer_norm(&format!("{place}.q_norm"), &q, plan.norm_eps);
        k = g.layer_norm(&format!("{place}.k_norm"), &k, plan.norm_eps);
    }
    let q = g.transpose(place, &q, &[0, 2, 1, 3]);
    let k = g.transpose(place, &k, &[0, 2, 3, 1]);
    let v = g.transpose(place, &v, &[0, 2, 1, 3]);
    let scores = g.node("MatMul", place, &[&q, &k], Vec::new());
    let scale = g.float(1.0 / (width as f64).sqrt());
    let scores = g.mul(place, &scores, &scale);
    let shares = g.softmax(place, &scores, -1);
    let context = g.node("MatMul", place, &[&shares, &v], Vec::new());
    let context = g.transpose(place, &context, &[0, 2, 1, 3]);
    let context = g.reshape(place, &context, &[0, 0, shape.dim]);
    let y = g.linear(&format!("{place}.proj"), &context);
    factors(g, plan, &format!("{block}.ls1"), y)
}

/// The branch of a block's MLP, with its factors.
fn mlp(g: &mut Builder, plan: &Vit, block: &str, x: &str, shape: &Shape) -> Value {
    let norm = &format!("{block}.norm2");
    let x = match plan.mlp_norm {
        BlockNorm::Layer => g.layer_norm(norm, x, plan.norm_eps),
        BlockNorm::Batch => {
            let x = g.reshape(norm, x, &[-1, shape.dim]);
            let x = g.batch_norm(norm, &x, BATCH_NORM_EPS);
            g.reshape(norm, &x, &[-1, shape.count, shape.dim])
        }
    };
    let x = g.linear(&format!("{block}.mlp.fc1"), &x);
    let x = g.gelu(&format!("{block}.mlp"), &x);
    let y = g.linear(&format!("{block}.mlp.fc2"), &x);
    factors(g, plan, &format!("{block}.ls2"), y)
}

fn factors(g: &mut Builder, plan: &Vit, place: &str, x: Value) -> Value {
    match plan.layer_scale {
        Some(_) => {
            let gamma = g.weight(&format!("{place}.gamma"));
            g.mul(place, &x, &gamma)
        }
        None => x,
    }
}
