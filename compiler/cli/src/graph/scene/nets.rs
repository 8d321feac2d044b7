//! What is said of the nets.

use ssl_core::thousands;
use ssl_plan::{NetKind, Plan, Stage};

use crate::graph::{Kind, NetRow, words};

/// What a net is, and the stages that it runs.
pub fn net_kind<'p>(plan: &'p Plan, name: &str) -> (Kind, &'p [Stage]) {
    let find = |name: &str| plan.recipe.nets.iter().find(|n| n.name == name);
    match find(name).map(|n| &n.kind) {
        Some(NetKind::Ema { of, .. }) => match find(of).map(|n| &n.kind) {
            Some(NetKind::Stages { stages }) => (Kind::Average, stages),
            _ => (Kind::Average, &[]),
        },
        Some(NetKind::Stages { stages }) => {
            let kind = match trained(plan, name).0 {
                0 => Kind::Frozen,
                _ => Kind::Trained,
            };
            (kind, stages)
        }
        None => (Kind::Frozen, &[]),
    }
}

/// A stage on one line.
pub fn stage(stage: &Stage) -> String {
    let module = words::module(&stage.module);
    match &stage.name {
        Some(name) => format!("{name}: {module}"),
        None => module,
    }
}

/// Parameters of a net that are trained, and that are not.
fn trained(plan: &Plan, net: &str) -> (u64, u64) {
    let counts = plan.estimate.parameters.iter().filter(|p| p.net == net);
    counts.fold((0, 0), |(t, f), p| (t + p.trained, f + p.frozen))
}

/// A net's line below the picture.
pub fn net_row(plan: &Plan, net: &ssl_plan::Net) -> NetRow {
    let (kind, _) = net_kind(plan, &net.name);
    let (learns, stays) = trained(plan, &net.name);
    let text = match &net.kind {
        NetKind::Ema { of, decay } => {
            format!("average of {of}, decay {}", words::schedule(decay))
        }
        NetKind::Stages { .. } if learns == 0 => {
            format!("frozen, {} parameters", thousands(stays))
        }
        NetKind::Stages { .. } if stays > 0 => format!(
            "trained, {} parameters, and {} frozen",
            thousands(learns),
            thousands(stays)
        ),
        NetKind::Stages { .. } => format!("trained, {} parameters", thousands(learns)),
    };
    NetRow {
        kind,
        name: net.name.clone(),
        text,
    }
}
