//! A step's graph for readers: every operation as it would be written.

use ssl_plan::{BinaryOp, Curve, Net, NetKind, NodeId, Op, ReduceOp, Schedule, UnaryOp};

use crate::value::show_number;

/// How strongly the text of an operation holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// `a + b`
    Sum,
    /// `a * b`
    Product,
    /// A name, a call, a number.
    Whole,
}

/// An operation as it would be written; `name` gives the text of an input
/// that stands in a place of the given tie.
pub fn operation(op: &Op, nets: &[Net], name: &mut dyn FnMut(NodeId, Tie) -> String) -> String {
    let mut one = |id: &NodeId| name(*id, Tie::Sum);
    match op {
        Op::View { view } => view.clone(),
        Op::Stage {
            net,
            stage,
            input,
            mask,
        } => {
            let mask = mask.as_ref().map(|m| format!(", mask: {}", one(m)));
            let called = stage_name(nets, net, *stage);
            format!("{called}({}{})", one(input), mask.unwrap_or_default())
        }
        Op::Detach { x } => format!("stopgrad({})", one(x)),
        Op::Scalar { value } => schedule(value),
        Op::Binary { f, left, right } => {
            let (symbol, low, high) = match f {
                BinaryOp::Add => ("+", Tie::Sum, Tie::Sum),
                BinaryOp::Sub => ("-", Tie::Sum, Tie::Product),
                BinaryOp::Mul => ("*", Tie::Product, Tie::Product),
                BinaryOp::Div => ("/", Tie::Product, Tie::Whole),
            };
            let left = name(*left, low);
            format!("{left} {symbol} {}", name(*right, high))
        }
        Op::Unary { f: UnaryOp::Neg, x } => format!("-{}", name(*x, Tie::Whole)),
        Op::Unary { f, x } => format!("{}({})", unary(*f), one(x)),
        Op::L2Normalize { x, .. } => format!("l2_normalize({})", one(x)),
        Op::Matmul { left, right } => format!("matmul({}, {})", one(left), one(right)),
        Op::Transpose { x } => format!("transpose({})", one(x)),
        Op::Concat { xs, axis } => {
            let xs: Vec<String> = xs.iter().map(one).collect();
            format!("concat([{}], axis: {axis})", xs.join(", "))
        }
        Op::Softmax { x } => format!("softmax({})", one(x)),
        Op::LogSoftmax { x } => format!("log_softmax({})", one(x)),
        Op::Diagonal { x } => format!("diagonal({})", one(x)),
        Op::MaskDiagonal { x } => format!("mask_diagonal({})", one(x)),
        Op::LogSumExp { x } => format!("log_sum_exp({})", one(x)),
        Op::Column { x } => format!("column({})", one(x)),
        Op::Slice {
            x,
            axis,
            start,
            end,
        } => format!("slice({}, axis: {axis}, from: {start}, to: {end})", one(x)),
        Op::Standardize { x, eps } => {
            format!("standardize({}, eps: {})", one(x), show_number(*eps))
        }
        Op::Queue { x, length } => format!("queue({}, length: {length})", one(x)),
        Op::RunningMean { x, decay } => {
            format!("running_mean({}, decay: {})", one(x), schedule(decay))
        }
        Op::Sinkhorn {
            x,
            epsilon,
            iterations,
        } => {
            let (x, epsilon) = (one(x), show_number(*epsilon));
            format!("sinkhorn({x}, epsilon: {epsilon}, iterations: {iterations})")
        }
        Op::Nearest { x, among } => format!("nearest({}, {})", one(x), one(among)),
        Op::RandomMask { x, count, hidden } => {
            format!("random_mask({}, count: {count}, hidden: {hidden})", one(x))
        }
        Op::Patchify { x, patch } => format!("patchify({}, patch: {patch})", one(x)),
        Op::Reduce { f, x, axis } => {
            let axis = axis.map_or(String::new(), |a| format!(", axis: {a}"));
            format!("{}({}{axis})", reduce(*f), one(x))
        }
    }
}

/// How strongly the text of an operation holds together.
pub fn tie(op: &Op) -> Tie {
    match op {
        Op::Binary { f, .. } => match f {
            BinaryOp::Add | BinaryOp::Sub => Tie::Sum,
            BinaryOp::Mul | BinaryOp::Div => Tie::Product,
        },
        Op::Unary {
            f: UnaryOp::Neg, ..
        } => Tie::Product,
        _ => Tie::Whole,
    }
}

/// `encoder.backbone`; the net alone where its one stage has no name.
pub fn stage_name(nets: &[Net], net: &str, stage: usize) -> String {
    let stages = |n: &str| match nets.iter().find(|m| m.name == n).map(|m| &m.kind) {
        Some(NetKind::Stages { stages }) => stages.get(stage).and_then(|s| s.name.clone()),
        _ => None,
    };
    let own = stages(net).or_else(
        || match nets.iter().find(|m| m.name == net).map(|m| &m.kind) {
            Some(NetKind::Ema { of, .. }) => stages(of),
            _ => None,
        },
    );
    own.map_or(net.to_owned(), |s| format!("{net}.{s}"))
}

fn unary(f: UnaryOp) -> &'static str {
    match f {
        UnaryOp::Neg => "-",
        UnaryOp::Exp => "exp",
        UnaryOp::Log => "log",
        UnaryOp::Sqrt => "sqrt",
        UnaryOp::Relu => "relu",
    }
}

fn reduce(f: ReduceOp) -> &'static str {
    match f {
        ReduceOp::Sum => "sum",
        ReduceOp::Mean => "mean",
        ReduceOp::Std => "std",
    }
}

/// A placed schedule on one line, lengths in steps.
pub fn schedule(schedule: &Schedule) -> String {
    if let Some(value) = schedule.as_constant() {
        return show_number(value);
    }
    let n = show_number;
    let parts: Vec<String> = schedule
        .segments
        .iter()
        .map(|s| {
            let over = format!("over: {} steps", n(s.steps));
            match &s.curve {
                Curve::Constant { value } => format!("constant({}, {over})", n(*value)),
                Curve::Linear { from, to } => format!("linear({} -> {}, {over})", n(*from), n(*to)),
                Curve::Cosine { from, to } => format!("cosine({} -> {}, {over})", n(*from), n(*to)),
                Curve::Poly { from, to, power } => {
                    let power = n(*power);
                    format!("poly({} -> {}, power: {power}, {over})", n(*from), n(*to))
                }
                Curve::StepDecay {
                    from,
                    milestones,
                    gamma,
                } => {
                    let at: Vec<String> = milestones.iter().map(|m| n(*m)).collect();
                    let (at, gamma) = (at.join(", "), n(*gamma));
                    format!(
                        "step_decay({}, at: [{at}] steps, gamma: {gamma}, {over})",
                        n(*from)
                    )
                }
            }
        })
        .collect();
    parts.join(" then ")
}
