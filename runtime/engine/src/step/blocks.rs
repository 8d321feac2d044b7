//! Activation checkpointing (Chen et al. 2016, "Training Deep Nets with
//! Sublinear Memory Cost") block by block.
//!
//! A stage that is checkpointed is forwarded without a graph, and of all that
//! it computes the inputs of its segments stay. The rest of the step sees its
//! output as a leaf. When the gradient of that leaf is there, the segments are
//! computed again from the last to the first, each with a graph that its
//! gradient is taken through at once: the graph of one segment is all there is
//! at any time. What a segment draws depends on seed, step and place, so that
//! it draws the same again.

use burn::tensor::{Gradients, Tensor};

use super::Step;
use super::value::{Array, Value};
use crate::error::EngineError;
use crate::model::Model;
use crate::nets::{Kind, Mask, Mode, Moment, Network, Signal, Visit};

/// What stays of a forward pass through a checkpointed stage.
pub(super) struct Kept {
    net: String,
    stage: usize,
    mask: Option<Box<Mask>>,
    moment: Moment,
    /// What the stage took, where a gradient goes on to it.
    input: Option<Array>,
    /// The first segment that has anything to train, or that a gradient goes
    /// through to the input.
    first: usize,
    /// The inputs of its segments from that one on, without gradients.
    inputs: Vec<Signal>,
    /// What it gave, a leaf.
    output: Array,
}

/// Where a forward pass stands in its step.
pub(super) struct Place<'a> {
    pub net: &'a str,
    pub stage: usize,
    pub moment: Moment,
}

/// Forwards a stage without a graph. Running statistics take in the batch.
/// `None` where it does not take what it is given.
pub(super) fn forward(
    network: &mut Network,
    place: Place,
    input: Value,
    mask: Option<Box<Mask>>,
) -> Option<Kept> {
    let Place { net, stage, moment } = place;
    let mut plain = network.untracked();
    let segments = plain.segments(stage);
    let live = match &input {
        Value::Array(array) if array.tensor.is_tracked() => Some(array.clone()),
        _ => None,
    };
    let first = match live {
        Some(_) => 0,
        None => (0..segments)
            .find(|&segment| trains(&mut plain, [stage, segment]))
            .unwrap_or(segments),
    };
    let mut inputs = Vec::with_capacity(segments - first);
    let mut signal = input.signal()?.detach();
    for segment in 0..segments {
        if segment >= first {
            inputs.push(signal.clone().detach());
        }
        let at = [stage, segment];
        signal = plain.forward_segment(at, signal, mask.as_deref(), Mode::Train, Some(moment))?;
    }
    network.take_statistics(&plain);
    let mut output = Value::from(signal).array()?;
    output.tensor = output.tensor.inner();
    if first < segments {
        output.tensor = output.tensor.autodiff().require_grad();
    }
    Some(Kept {
        net: net.to_owned(),
        stage,
        mask,
        moment,
        input: live,
        first,
        inputs,
        output,
    })
}

impl Kept {
    /// What the stage gave, a leaf.
    pub(super) fn output(&self) -> Array {
        self.output.clone()
    }

    /// Adds what the gradient of the output comes to in the stage's parameters
    /// and in its input. `None` where a segment does not take what it took.
    fn backward(self, network: &mut Network, gradients: &mut Gradients) -> Option<()> {
        let Some(gradient) = self.output.tensor.grad_remove(gradients) else {
            return Some(());
        };
        let Kept {
            stage,
            mask,
            moment,
            input,
            first,
            inputs,
            ..
        } = self;
        let mut gradient = Some(gradient);
        for (i, signal) in inputs.into_iter().enumerate().rev() {
            let at = [stage, first + i];
            let Some(of_output) = gradient.take() else {
                break;
            };
            let signal = match i == 0 && input.is_none() {
                true => signal,
                false => leaf(signal),
            };
            // Running statistics took in this batch before.
            let mut again = network.clone();
            let output = again.forward_segment(
                at,
                signal.clone(),
                mask.as_deref(),
                Mode::Train,
                Some(moment),
            )?;
            let sum = (rows(output) * of_output).sum();
            drop(again);
            if !sum.is_tracked() {
                break;
            }
            let mut found = sum.backward();
            let mut sum = Sum {
                into: gradients,
                from: &found,
            };
            network.visit_segment(at, &mut sum);
            gradient = gradient_of(&signal, &mut found);
        }
        if let (Some(input), Some(gradient)) = (input, gradient) {
            let sum = match input.tensor.grad(gradients) {
                Some(old) => old + gradient,
                None => gradient,
            };
            input.tensor.grad_replace(gradients, sum);
        }
        Some(())
    }
}

impl Step {
    /// Takes the gradients of all leaves that checkpointed stages gave on to
    /// their parameters, from the last stage to the first.
    pub(super) fn backward_blocks(
        model: &mut Model,
        mut kept: Vec<Kept>,
        gradients: &mut Gradients,
    ) -> Result<(), EngineError> {
        while let Some(last) = kept.pop() {
            let name = last.net.clone();
            let member = model.member(&name);
            member
                .and_then(|member| last.backward(&mut member.network, gradients))
                .ok_or_else(|| {
                    EngineError::plan(format!("a stage of `{name}` cannot be computed again"))
                })?;
        }
        Ok(())
    }

    /// Has stages keep only the inputs of their blocks, and compute the rest
    /// again in the backward pass: `nodes` says which, by node.
    pub fn checkpoint_blocks(&mut self, nodes: &[bool]) {
        for (id, own) in self.checkpointed.iter_mut().enumerate() {
            *own = nodes.get(id).copied().unwrap_or(false);
        }
    }
}

/// Whether a segment has a parameter that takes a gradient.
fn trains(network: &mut Network, at: [usize; 2]) -> bool {
    struct Any(bool);
    impl Visit for Any {
        fn tensor<const D: usize>(&mut self, _: &str, kind: Kind, _: &mut Tensor<D>) {
            self.0 |= matches!(kind, Kind::Trained(_));
        }
    }
    let mut any = Any(false);
    network.visit_segment(at, &mut any);
    any.0
}

/// The same values as a leaf that keeps its gradient.
fn leaf(signal: Signal) -> Signal {
    match signal {
        Signal::Image(x) => Signal::Image(x.autodiff().require_grad()),
        Signal::Embedding(x) => Signal::Embedding(x.autodiff().require_grad()),
        Signal::Tokens(x) => Signal::Tokens(x.autodiff().require_grad()),
    }
}

/// The gradient of a leaf, as [`rows`] has its values.
fn gradient_of(leaf: &Signal, gradients: &mut Gradients) -> Option<Tensor<2>> {
    Some(rows(match leaf {
        Signal::Image(x) => Signal::Image(x.grad_remove(gradients)?),
        Signal::Embedding(x) => Signal::Embedding(x.grad_remove(gradients)?),
        Signal::Tokens(x) => Signal::Tokens(x.grad_remove(gradients)?),
    }))
}

/// All entries as a matrix, the last axis across.
fn rows(signal: Signal) -> Tensor<2> {
    match signal {
        Signal::Image(x) => {
            let [b, c, h, w] = x.dims();
            x.reshape([b * c * h, w])
        }
        Signal::Embedding(x) => x,
        Signal::Tokens(x) => {
            let [b, n, d] = x.dims();
            x.reshape([b * n, d])
        }
    }
}

/// Adds the gradients of every trained tensor.
pub(super) struct Sum<'a> {
    pub into: &'a mut Gradients,
    pub from: &'a Gradients,
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
