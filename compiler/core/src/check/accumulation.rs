//! What settings that save memory change, or do not: of micro-batches, a
//! BatchNorm among what is computed part by part sees one part at a time;
//! activation checkpointing needs blocks.

use ssl_diagnostics::{Diagnostic, Lint};
use ssl_plan::{Checkpointing, Graph, Net, Op, Recipe};

use super::Checker;
use crate::estimate;
use crate::value::Clock;

impl Checker<'_> {
    /// Warns where micro-batches leave a BatchNorm fewer images.
    pub(super) fn accumulation(&mut self, graph: &Graph, nets: &[Net], clock: &Clock) {
        let train = &self.source.effective.train;
        let (Some(setting), true) = (train.get("micro_batches"), clock.micro_batches > 1) else {
            return;
        };
        let Some(stage) = normed_in_parts(graph, nets) else {
            return;
        };
        let (rows, batch) = (clock.batch / clock.micro_batches, clock.batch);
        let at = setting.expr.span;
        self.report(
            Diagnostic::lint(
                Lint::BATCH_NORM_IN_PARTS,
                format!("BatchNorm in `{stage}` sees the {rows} images of a part, not the {batch} of the batch"),
            )
            .at(at, format!("{} parts", clock.micro_batches))
            .help("take fewer parts; say `allow(batch_norm_in_parts)` where that is meant"),
        );
    }

    /// Warns where activation checkpointing finds no blocks.
    pub(super) fn recomputation(&mut self, recipe: &Recipe) {
        let train = &self.source.effective.train;
        let Some(setting) = train.get("activation_checkpointing") else {
            return;
        };
        let asked = recipe.train.activation_checkpointing == Checkpointing::Blocks;
        let by_block = recipe.step.by_block(&recipe.nets);
        let mut own = recipe.step.nodes.iter().zip(by_block);
        let any = own.any(|(node, by_block)| by_block && trains(&node.op, recipe));
        if !asked || any {
            return;
        }
        let at = setting.expr.span;
        self.report(
            Diagnostic::lint(
                Lint::NO_EFFECT,
                "no blocks are trained, so that there is nothing to compute again",
            )
            .at(at, "changes nothing")
            .help(
                "leave it out: it is for `vit`, `resnet`, `convnext` and `vit_decoder` where they are trained",
            ),
        );
    }
}

/// Whether a stage has a parameter that the optimizer does not leave out.
fn trains(op: &Op, recipe: &Recipe) -> bool {
    let Op::Stage { net, stage, .. } = op else {
        return false;
    };
    let stages = estimate::stages(&recipe.nets, net);
    stages
        .and_then(|(stages, _)| stages.get(*stage))
        .is_some_and(|stage| {
            estimate::parameters_in(net, stage, &recipe.train.optimizer.freeze).0 > 0
        })
}

/// A stage with BatchNorm that is computed part by part.
fn normed_in_parts(graph: &Graph, nets: &[Net]) -> Option<String> {
    let by_image = graph.by_image();
    let own = graph.nodes.iter().zip(by_image).filter(|(_, own)| *own);
    own.into_iter().find_map(|(node, _)| {
        let Op::Stage { net, stage, .. } = &node.op else {
            return None;
        };
        let (stages, _) = estimate::stages(nets, net)?;
        let stage = stages.get(*stage)?;
        (estimate::has_statistics(&stage.module)).then(|| match &stage.name {
            Some(name) => format!("{net}.{name}"),
            None => net.clone(),
        })
    })
}
