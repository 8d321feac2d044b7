//! What stands in the boxes.

use serde_json::Value;
use ssl_plan::{BinaryOp, Graph, Module, NodeId, Op, Schedule, Transform, UnaryOp, View};

/// A number without needless zeros.
pub fn number(x: f64) -> String {
    let size = x.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{x:e}");
    }
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A schedule by its ends.
pub fn schedule(s: &Schedule) -> String {
    if let Some(value) = s.as_constant() {
        return number(value);
    }
    let length: f64 = s.segments.iter().map(|segment| segment.steps).sum();
    format!("{} → {}", number(s.at(0.0)), number(s.at(length)))
}

/// A number that the step does not compute from tensors, as one would write
/// it; `None` for everything else.
pub fn scalar(graph: &Graph, id: NodeId) -> Option<String> {
    match &graph.nodes.get(id)?.op {
        Op::Scalar { value } => Some(schedule(value)),
        Op::Unary { f: UnaryOp::Neg, x } => Some(format!("-{}", scalar(graph, *x)?)),
        Op::Binary { f, left, right } => {
            let (a, b) = (scalar(graph, *left)?, scalar(graph, *right)?);
            Some(format!("({a} {} {b})", sign(*f)))
        }
        _ => None,
    }
}

/// `+`, `−`, `×`, `÷`.
pub fn sign(f: BinaryOp) -> &'static str {
    match f {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "−",
        BinaryOp::Mul => "×",
        BinaryOp::Div => "÷",
    }
}

/// `[240, 64]`; nothing for one number.
pub fn dims(dims: &[usize]) -> String {
    if dims.is_empty() {
        return String::new();
    }
    let parts: Vec<String> = dims.iter().map(ToString::to_string).collect();
    format!("[{}]", parts.join(", "))
}

/// The tag that a value has in the Plan's JSON: the name in the language.
fn tag(value: &impl serde::Serialize, field: &str) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    Some(value.get(field)?.as_str()?.to_owned())
}

/// An operation's name in the language.
pub fn operation(op: &Op) -> String {
    match op {
        Op::Detach { .. } => "stopgrad".into(),
        Op::Binary { f, .. } => sign(*f).into(),
        Op::Unary { f, .. } => word(f),
        Op::Reduce { f, .. } => word(f),
        _ => tag(op, "op").unwrap_or_else(|| "operation".into()),
    }
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// What else an operation says of itself: fields that are no inputs.
pub fn particulars(op: &Op) -> Vec<String> {
    let inputs = [
        "op", "f", "x", "xs", "left", "right", "input", "mask", "among", "eps",
    ];
    let Ok(Value::Object(fields)) = serde_json::to_value(op) else {
        return Vec::new();
    };
    if let Op::Reduce { axis: None, .. } = op {
        return Vec::new();
    }
    let shown = fields
        .iter()
        .filter(|(name, _)| !inputs.contains(&name.as_str()));
    shown
        .filter_map(|(name, value)| match value {
            Value::Number(n) => Some(format!("{name} {}", number(n.as_f64()?))),
            Value::Object(_) => {
                let value: Schedule = serde_json::from_value(value.clone()).ok()?;
                Some(format!("{name} {}", schedule(&value)))
            }
            _ => None,
        })
        .collect()
}

/// What a stage of a net is.
pub fn module(module: &Module) -> String {
    match module {
        Module::Vit(v) => format!(
            "vit {}×{}, patch {}, {}×{}",
            v.depth, v.dim, v.patch, v.image[0], v.image[1]
        ),
        Module::Resnet(r) => {
            let blocks: Vec<String> = r.layers.iter().map(ToString::to_string).collect();
            format!("resnet {} {}", word(&r.block), blocks.join("·"))
        }
        Module::Convnext(c) => {
            let widths: Vec<String> = c.dims.iter().map(ToString::to_string).collect();
            format!("convnext {}", widths.join("·"))
        }
        Module::Mlp(m) => {
            let widths: Vec<String> = m.layers.iter().map(|l| l.output.to_string()).collect();
            format!("mlp {}", widths.join("·"))
        }
        Module::Linear(l) => format!("linear {}", l.output),
        Module::Prototypes { count, .. } => format!("prototypes {count}"),
        Module::L2Normalize { .. } => "l2_normalize".into(),
        Module::VitDecoder(d) => format!("vit_decoder {}×{}", d.depth, d.dim),
    }
}

/// A view's transforms, one a line, with their probability where it is below
/// one.
pub fn transforms(view: &View) -> Vec<String> {
    view.transforms.iter().map(transform).collect()
}

fn transform(transform: &Transform) -> String {
    let name = tag(transform, "op").unwrap_or_default();
    let p = serde_json::to_value(transform)
        .ok()
        .and_then(|v| v.get("p")?.as_f64())
        .filter(|p| *p < 1.0);
    match p {
        Some(p) => format!("{name}, p {}", number(p)),
        None => name,
    }
}
