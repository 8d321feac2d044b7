//! The passes of a step, forward and backward: in one piece, or in
//! micro-batches that give what one piece would.

use std::collections::HashMap;

use burn::tensor::{Gradients, Tensor};
use ssl_plan::NodeId;

use super::blocks::Sum;
use super::border::{join, surrogate};
use super::phases::Phase;
use super::value::{Array, Value};
use super::{Given, Step, close};
use crate::error::EngineError;
use crate::model::Model;
use crate::nets::Rows;

/// What the passes of a step came to.
pub struct Computed {
    /// The loss, `[1]`.
    pub loss: Tensor<1>,
    /// Its gradient.
    pub gradients: Gradients,
    /// The tracked scalars in the plan's order; empty where not asked for.
    pub tracks: Vec<Tensor<1>>,
    /// The features asked for, `[B, D]`, without gradients.
    pub features: Vec<Tensor<2>>,
}

/// How a step is computed.
#[derive(Debug, Clone, Copy)]
pub struct Passes {
    /// What schedules are asked for.
    pub step: usize,
    /// Equal parts of the batch that are computed one after the other.
    pub parts: usize,
    /// What the loss is multiplied by before the backward pass, and gradients
    /// are with it.
    pub scale: f64,
    /// Whether the tracked scalars are asked for.
    pub read_tracks: bool,
}

type Views = HashMap<String, Tensor<4>>;

impl Step {
    /// Computes the step on the views of a batch, `[B, 3, H, W]` each. Queues
    /// and running means take in what it computed.
    ///
    /// Of several `parts`, what looks at images on its own
    /// ([`ssl_plan::Graph::by_image`]) is computed one part of the batch after
    /// the other. All parts are forwarded without a graph; from what they give
    /// together follow the loss of the whole batch and its gradient; then
    /// every part is forwarded again, and takes the gradient that came back to
    /// what it gave. The graph of one part is gone before the next is
    /// computed. Loss and gradient are those of one piece, except that a
    /// BatchNorm among what is computed in parts sees one part at a time.
    ///
    /// # Errors
    ///
    /// [`EngineError::Plan`] where the graph is ill-typed or the loss reaches
    /// no parameter.
    pub fn run(
        &mut self,
        model: &mut Model,
        views: &Views,
        passes: Passes,
    ) -> Result<Computed, EngineError> {
        let Passes {
            step,
            parts,
            scale,
            read_tracks,
        } = passes;
        let needed = self.needed(read_tracks);
        let mut values = vec![None; self.graph.nodes.len()];
        let border = match parts {
            ..=1 => Vec::new(),
            parts => self.forward_parts(model, views, step, parts, &needed)?,
        };
        let needed = match parts {
            ..=1 => needed,
            _ => self.behind(&needed),
        };
        for (id, array) in &border {
            values[*id] = Some(Value::Array(array.clone()));
        }
        let whole = Given {
            views,
            step,
            rows: Rows::all(batch(views)),
        };
        let mut kept = Vec::new();
        self.compute(&mut values, &needed, model, whole, Some(&mut kept))?;
        let outputs = self.outputs(&values, step, read_tracks)?;
        drop(values);
        let loss = outputs.loss.clone().inner();
        self.phases.end(Phase::Forward);
        let mut gradients = match scale {
            1.0 => outputs.loss.backward(),
            scale => outputs.loss.mul_scalar(scale).backward(),
        };
        Step::backward_blocks(model, kept, &mut gradients)?;
        if parts > 1 {
            self.backward_parts(model, views, step, parts, &border, &mut gradients)?;
        }
        self.phases.end(Phase::Backward);
        Ok(Computed {
            loss,
            gradients,
            tracks: outputs.tracks,
            features: outputs.features,
        })
    }

    /// Forwards all parts without a graph: the values that the rest of the
    /// step reads, those that a gradient comes back to as leaves.
    fn forward_parts(
        &mut self,
        model: &mut Model,
        views: &Views,
        step: usize,
        parts: usize,
        needed: &[bool],
    ) -> Result<Vec<(NodeId, Array)>, EngineError> {
        let needed: Vec<bool> = (needed.iter().zip(&self.border.by_image))
            .map(|(needed, by_image)| *needed && *by_image)
            .collect();
        let crossing: Vec<NodeId> = (self.border.nodes.iter().copied())
            .filter(|&id| needed[id])
            .collect();
        let mut given: Vec<Vec<Array>> = crossing.iter().map(|_| Vec::new()).collect();
        let mut plain = model.untracked();
        for rows in split(views, parts) {
            let mut values = vec![None; self.graph.nodes.len()];
            let of_part = narrow(views, rows);
            let part = Given {
                views: &of_part,
                step,
                rows,
            };
            self.compute(&mut values, &needed, &mut plain, part, None)?;
            for (given, &id) in given.iter_mut().zip(&crossing) {
                given.extend(values[id].take().and_then(Value::array));
            }
        }
        model.take_statistics(&plain);
        let rows = Rows::part(batch(views), 0, parts).count;
        (crossing.iter().zip(&given))
            .map(|(&id, given)| {
                let mut array = join(given, rows).ok_or_else(|| {
                    EngineError::plan(format!("node {id} of the step is of no parts"))
                })?;
                array.tensor = array.tensor.inner();
                if self.border.live.contains(&id) {
                    array.tensor = array.tensor.autodiff().require_grad();
                }
                Ok((id, array))
            })
            .collect()
    }

    /// Forwards all parts again and adds what the gradient of what they gave
    /// comes to in the parameters.
    fn backward_parts(
        &mut self,
        model: &mut Model,
        views: &Views,
        step: usize,
        parts: usize,
        border: &[(NodeId, Array)],
        gradients: &mut Gradients,
    ) -> Result<(), EngineError> {
        let leaves: Vec<(NodeId, Array)> = (border.iter())
            .filter(|(id, _)| self.border.live.contains(id))
            .cloned()
            .collect();
        let mut needed = vec![false; self.graph.nodes.len()];
        for (id, _) in &leaves {
            needed[*id] = true;
        }
        close(&self.graph, &mut needed);
        for rows in split(views, parts) {
            let mut values = vec![None; self.graph.nodes.len()];
            let of_part = narrow(views, rows);
            // Running statistics took in this part before.
            let mut again = model.clone();
            let part = Given {
                views: &of_part,
                step,
                rows,
            };
            let mut kept = Vec::new();
            self.compute(&mut values, &needed, &mut again, part, Some(&mut kept))?;
            let Some(sum) = surrogate(&values, &leaves, gradients, rows) else {
                continue;
            };
            drop((values, again));
            let mut of_part = sum.backward();
            Step::backward_blocks(model, kept, &mut of_part)?;
            model.visit_trained(&mut Sum {
                into: gradients,
                from: &of_part,
            });
        }
        Ok(())
    }

    /// What is left to compute of the needed nodes where those that cross the
    /// border are there.
    fn behind(&self, needed: &[bool]) -> Vec<bool> {
        let mut behind: Vec<bool> = (needed.iter().zip(&self.border.by_image))
            .map(|(needed, by_image)| *needed && !by_image)
            .collect();
        for (id, node) in self.graph.nodes.iter().enumerate().rev() {
            if behind[id] && !self.border.nodes.contains(&id) {
                for input in node.op.inputs() {
                    behind[input] = true;
                }
            }
        }
        behind
    }
}

fn batch(views: &Views) -> usize {
    views.values().next().map_or(0, |view| view.dims()[0])
}

fn split(views: &Views, parts: usize) -> impl Iterator<Item = Rows> + use<> {
    let batch = batch(views);
    (0..parts).map(move |part| Rows::part(batch, part, parts))
}

fn narrow(views: &Views, rows: Rows) -> Views {
    let cut = |view: &Tensor<4>| view.clone().narrow(0, rows.first, rows.count);
    (views.iter())
        .map(|(name, view)| (name.clone(), cut(view)))
        .collect()
}
