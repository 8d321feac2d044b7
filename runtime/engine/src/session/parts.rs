//! The forward and backward pass of a step, in one piece or in micro-batches.

use std::collections::HashMap;

use burn::tensor::{Gradients, Tensor};

use super::phases::{Phase, Phases};
use crate::error::EngineError;
use crate::model::Model;
use crate::nets::{Kind, Visit};
use crate::step::Step;

/// What the passes of a step came to.
pub struct Computed {
    /// The loss, `[1]`: the mean over the parts.
    pub loss: Tensor<1>,
    /// Its gradient.
    pub gradients: Gradients,
    /// The tracked scalars, means over the parts.
    pub tracks: Vec<Tensor<1>>,
    /// The features asked for, `[B, D]`, of the whole batch.
    pub features: Vec<Tensor<2>>,
}

/// Computes a step on the views of a batch, cut into `parts` equal parts along
/// the images. One part's graph is gone before the next is computed.
///
/// # Errors
///
/// As [`Step::run`].
pub fn compute(
    graph: &mut Step,
    model: &mut Model,
    views: HashMap<String, Tensor<4>>,
    [step, parts]: [usize; 2],
    read_tracks: bool,
    phases: &mut Phases,
) -> Result<Computed, EngineError> {
    let mut total: Option<Computed> = None;
    for part in 0..parts {
        let cut = |view: &Tensor<4>| match parts {
            1 => view.clone(),
            _ => {
                let rows = view.dims()[0] / parts;
                view.clone().narrow(0, part * rows, rows)
            }
        };
        let views = (views.iter())
            .map(|(name, view)| (name.clone(), cut(view)))
            .collect();
        let outputs = graph.run(model, &views, [step, part], read_tracks)?;
        drop(views);
        let share = outputs.loss.div_scalar(parts as f64);
        phases.end(Phase::Forward);
        let computed = Computed {
            loss: share.clone().inner(),
            gradients: share.backward(),
            tracks: (outputs.tracks.into_iter())
                .map(|track| track.div_scalar(parts as f64))
                .collect(),
            features: outputs.features,
        };
        total = Some(match total {
            None => computed,
            Some(total) => total.join(computed, model),
        });
        phases.end(Phase::Backward);
    }
    graph.finish(step);
    total.ok_or_else(|| EngineError::plan("a step has no parts"))
}

impl Computed {
    fn join(mut self, next: Computed, model: &mut Model) -> Computed {
        model.visit_trained(&mut Sum {
            into: &mut self.gradients,
            from: &next.gradients,
        });
        let add = |(a, b): (Tensor<1>, Tensor<1>)| a + b;
        let behind = |(a, b): (Tensor<2>, Tensor<2>)| Tensor::cat(vec![a, b], 0);
        Computed {
            loss: self.loss + next.loss,
            gradients: self.gradients,
            tracks: self.tracks.into_iter().zip(next.tracks).map(add).collect(),
            features: (self.features.into_iter().zip(next.features))
                .map(behind)
                .collect(),
        }
    }
}

/// Adds the gradients of every trained tensor.
struct Sum<'a> {
    into: &'a mut Gradients,
    from: &'a Gradients,
}

impl Visit for Sum<'_> {
    fn tensor<const D: usize>(&mut self, _: &str, kind: Kind, tensor: &mut Tensor<D>) {
        if !matches!(kind, Kind::Trained(_)) {
            return;
        }
        let Some(new) = tensor.grad(self.from) else {
            return;
        };
        let sum = match tensor.grad(self.into) {
            Some(old) => old + new,
            None => new,
        };
        tensor.grad_replace(self.into, sum);
    }
}
