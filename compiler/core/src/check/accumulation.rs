//! What micro-batches cost: a loss that compares the images of a batch sees
//! only those of a part.

use ssl_diagnostics::{Diagnostic, Lint};
use ssl_plan::{Graph, NodeId, Op};

use super::Checker;
use crate::value::Clock;

impl Checker<'_> {
    /// Warns where micro-batches leave a loss fewer images to compare.
    pub(super) fn accumulation(&mut self, graph: &Graph, clock: &Clock) {
        let train = &self.source.effective.train;
        let (Some(setting), true) = (train.get("micro_batches"), clock.micro_batches > 1) else {
            return;
        };
        if !compares_images(graph, clock.rows()) {
            return;
        }
        let (rows, batch) = (clock.rows(), clock.batch);
        let at = setting.expr.span;
        self.report(
            Diagnostic::lint(
                Lint::FEWER_NEGATIVES,
                format!(
                    "the loss compares the {rows} images of a part, not the {batch} of the batch"
                ),
            )
            .at(at, format!("{} parts", clock.micro_batches))
            .help("take fewer parts; say `allow(fewer_negatives)` where that is meant"),
        );
    }
}

/// Whether the loss multiplies features of images with those of others.
fn compares_images(graph: &Graph, rows: usize) -> bool {
    let mut needed = vec![false; graph.nodes.len()];
    if let Some(n) = needed.get_mut(graph.loss) {
        *n = true;
    }
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        if needed.get(id) != Some(&true) {
            continue;
        }
        if let Op::Matmul { left, right } = &node.op
            && [left, right].iter().all(|x| holds_images(graph, **x))
            && node.dims.iter().any(|d| d.is_multiple_of(rows))
        {
            return true;
        }
        for input in node.op.inputs() {
            if let Some(n) = needed.get_mut(input) {
                *n = true;
            }
        }
    }
    false
}

/// Whether a value is computed from the images of this step, and not from a
/// queue of earlier ones.
fn holds_images(graph: &Graph, id: NodeId) -> bool {
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        let Some(node) = graph.nodes.get(id) else {
            continue;
        };
        match &node.op {
            Op::View { .. } | Op::Stage { .. } => return true,
            Op::Queue { .. } | Op::RunningMean { .. } => {}
            op => open.extend(op.inputs()),
        }
    }
    false
}
