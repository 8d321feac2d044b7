//! The step's graph, computed.
//!
//! Nodes are walked once in their order; a node is one value, however often
//! it is used. What only a metric needs is computed only where the metric is
//! read, except that every stage of a net, every queue and every running mean
//! is computed in every step: these change what they hold, and how often a run
//! logs must not change what it computes.

mod blocks;
mod border;
mod memory;
mod passes;
mod phases;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, HashMap};

use burn::tensor::Tensor;
use ssl_plan::{Graph, NodeId, Op, Track};

use crate::error::EngineError;
use crate::model::Model;
use crate::nets::{Mask, Mode, Moment, Rows};
use blocks::Kept;
use border::Border;
pub use memory::Held;
use memory::Memory;
pub use passes::{Computed, Passes};
pub use phases::Phase;
pub(crate) use phases::Phases;
use value::{Array, Value};

/// A graph that is ready to run.
pub struct Step {
    graph: Graph,
    /// Whether every step needs the node.
    always: Vec<bool>,
    /// Nodes that are handed out as features.
    features: Vec<NodeId>,
    border: Border,
    /// Stages that keep the inputs of their blocks alone, by node.
    checkpointed: Vec<bool>,
    memory: Memory,
    seed: u64,
    /// Measures where time goes; off until somebody puts another here.
    pub(crate) phases: Phases,
}

/// What a forward pass is of.
#[derive(Clone, Copy)]
struct Given<'a> {
    views: &'a HashMap<String, Tensor<4>>,
    step: usize,
    /// Which images of the batch the views are.
    rows: Rows,
}

/// What a step's forward pass came to.
struct Outputs {
    /// The loss, `[1]`, with its graph.
    loss: Tensor<1>,
    /// The tracked scalars in the plan's order; empty where not asked for.
    tracks: Vec<Tensor<1>>,
    /// The features asked for, `[B, D]`, without gradients.
    features: Vec<Tensor<2>>,
}

impl Step {
    /// Prepares a graph. `features` are nodes that [`Step::run`] hands out, for
    /// monitors. The seed keys masks and what queues start from.
    ///
    /// # Errors
    ///
    /// [`EngineError::Plan`] where a node uses a later one, or a feature is
    /// none of the step's.
    pub fn new(graph: &Graph, features: &[NodeId], seed: u64) -> Result<Self, EngineError> {
        let graph = graph.clone();
        let count = graph.nodes.len();
        for (id, node) in graph.nodes.iter().enumerate() {
            if node.op.inputs().iter().any(|&input| input >= id) {
                return Err(EngineError::plan(format!(
                    "node {id} of the step uses a later one"
                )));
            }
        }
        let read = graph.tracks.iter().map(|track| track.node);
        let mut read = read.chain(features.iter().copied()).chain([graph.loss]);
        if read.any(|id| id >= count) {
            return Err(EngineError::plan(
                "the step's loss, a track or a feature is no node",
            ));
        }
        let mut always: Vec<bool> = (graph.nodes.iter())
            .map(|node| {
                matches!(
                    node.op,
                    Op::Stage { .. } | Op::Queue { .. } | Op::RunningMean { .. }
                )
            })
            .collect();
        always[graph.loss] = true;
        for &feature in features {
            always[feature] = true;
        }
        close(&graph, &mut always);
        let tracked = graph.tracks.iter().map(|track| track.node);
        let read: Vec<NodeId> = tracked.chain(features.iter().copied()).collect();

        Ok(Step {
            border: Border::new(&graph, &read),
            checkpointed: vec![false; count],
            graph,
            always,
            features: features.to_vec(),
            memory: Memory::new(seed),
            seed,
            phases: Phases::off(),
        })
    }

    /// What queues and running means hold after the steps so far, by node.
    pub fn held(&self) -> &BTreeMap<NodeId, Held> {
        self.memory.held()
    }

    /// Puts what was held in its place. False, and nothing changes, where it
    /// is not of this step.
    pub fn restore(&mut self, held: BTreeMap<NodeId, Held>) -> bool {
        self.memory.restore(held, &self.graph)
    }

    /// The tracked scalars.
    pub fn tracks(&self) -> &[Track] {
        &self.graph.tracks
    }

    /// The nodes that a step computes.
    fn needed(&self, read_tracks: bool) -> Vec<bool> {
        let mut needed = self.always.clone();
        if read_tracks {
            for track in &self.graph.tracks {
                needed[track.node] = true;
            }
            close(&self.graph, &mut needed);
        }
        needed
    }

    /// What a step hands out, from the values of its nodes. Queues and running
    /// means take in what it computed.
    fn outputs(
        &mut self,
        values: &[Option<Value>],
        step: usize,
        read_tracks: bool,
    ) -> Result<Outputs, EngineError> {
        let features = (self.features.iter())
            .map(|&id| Some(values[id].clone()?.signal()?.feature()?.inner()))
            .collect::<Option<_>>()
            .ok_or_else(|| EngineError::plan("a monitored stage gives no feature"))?;
        let scalar = |id: NodeId| match &values[id] {
            Some(Value::Array(array)) if array.tensor.dims() == [1, 1] => {
                Some(array.tensor.clone().reshape([1]))
            }
            _ => None,
        };
        let loss = scalar(self.graph.loss)
            .filter(Tensor::is_tracked)
            .ok_or_else(|| EngineError::plan("the loss reaches no parameter"))?;
        let read = if read_tracks { self.tracks() } else { &[] };
        let tracks = read
            .iter()
            .map(|track| match &values[track.node] {
                Some(Value::Number(x)) => Some(Tensor::from_floats([*x as f32], &loss.device())),
                _ => scalar(track.node),
            })
            .map(|track| track.map(Tensor::inner))
            .collect::<Option<_>>()
            .ok_or_else(|| EngineError::plan("a track is no scalar"))?;
        self.memory.update(&self.graph, values, step);
        Ok(Outputs {
            loss,
            tracks,
            features,
        })
    }

    /// Computes the needed nodes that have no value yet. What checkpointed
    /// stages keep goes to `kept`; without it there is nothing to keep.
    fn compute(
        &mut self,
        values: &mut [Option<Value>],
        needed: &[bool],
        model: &mut Model,
        batch: Given,
        mut kept: Option<&mut Vec<Kept>>,
    ) -> Result<(), EngineError> {
        let Given { views, step, rows } = batch;
        let Step {
            graph,
            checkpointed,
            memory,
            seed,
            ..
        } = self;
        for (id, node) in graph.nodes.iter().enumerate() {
            if !needed[id] || values[id].is_some() {
                continue;
            }
            let array = |x: &NodeId| values.get(*x)?.clone()?.array();
            let moment = Moment {
                seed: *seed,
                step,
                place: id,
                rows,
            };
            let value = match &node.op {
                Op::Stage {
                    net,
                    stage,
                    input,
                    mask,
                } => {
                    let input = values[*input].clone();
                    let mask = mask.map(|id| values[id].clone());
                    let kept = kept.as_deref_mut().filter(|_| checkpointed[id]);
                    Some(forward(model, (net, *stage), input, mask, moment, kept)?)
                }
                Op::Queue { x, length } => {
                    array(x).and_then(|x| memory.queue(id, *length, &x).map(Value::Array))
                }
                Op::RunningMean { x, .. } => {
                    array(x).and_then(|x| memory.mean(id, &x).map(Value::Array))
                }
                Op::RandomMask { x, count, hidden } => match &values[*x] {
                    Some(Value::Image(image)) if hidden <= count => {
                        let device = image.device().without_autodiff();
                        let sizes = [image.dims()[0], *count, *hidden];
                        let mask = Mask::draw(moment, sizes, &device);
                        mask.map(|mask| Value::Mask(Box::new(mask)))
                    }
                    _ => None,
                },
                op => evaluate(op, values, views, step),
            };
            values[id] = Some(value.ok_or_else(|| {
                EngineError::plan(format!("node {id} of the step cannot be computed"))
            })?);
        }
        Ok(())
    }
}

/// One stage of a net in training mode; checkpointed where there is somewhere
/// to keep what that keeps.
fn forward(
    model: &mut Model,
    (net, stage): (&str, usize),
    input: Option<Value>,
    mask: Option<Option<Value>>,
    moment: Moment,
    kept: Option<&mut Vec<Kept>>,
) -> Result<Value, EngineError> {
    let member = model
        .member(net)
        .ok_or_else(|| EngineError::plan(format!("the step calls `{net}`, which is no net")))?;
    let detached = member.is_average();
    let unfit = || {
        EngineError::plan(format!(
            "stage {stage} of `{net}` does not take what the step gives it"
        ))
    };
    let mask = match mask {
        None => None,
        Some(Some(Value::Mask(mask))) => Some(mask),
        Some(_) => return Err(unfit()),
    };
    let network = &mut member.network;
    if let Some(all) = kept {
        let place = blocks::Place { net, stage, moment };
        let kept = input.and_then(|input| blocks::forward(network, place, input, mask));
        let kept = kept.ok_or_else(unfit)?;
        let output = Value::Array(kept.output());
        all.push(kept);
        return Ok(output);
    }
    let input = input.and_then(Value::signal).ok_or_else(unfit)?;
    let input = if detached { input.detach() } else { input };
    let mask = mask.as_deref();
    let output = network.forward_at(stage, input, mask, Mode::Train, Some(moment));
    output.map(Value::from).ok_or_else(unfit)
}

/// Any node but one that has something beside its inputs to read. `None`
/// where it is ill-typed.
fn evaluate(
    op: &Op,
    values: &[Option<Value>],
    views: &HashMap<String, Tensor<4>>,
    step: usize,
) -> Option<Value> {
    let get = |id: &NodeId| values.get(*id)?.clone();
    let array = |id: &NodeId| get(id)?.array();
    Some(Value::Array(match op {
        Op::Stage { .. } | Op::Queue { .. } | Op::RunningMean { .. } | Op::RandomMask { .. } => {
            return None;
        }
        Op::View { view } => return views.get(view).cloned().map(Value::Image),
        Op::Scalar { value } => return Some(Value::Number(value.at(step as f64))),
        Op::Binary { f, left, right } => return value::binary(*f, get(left)?, get(right)?),
        Op::Unary { f, x } => match get(x)? {
            Value::Number(x) => return Some(Value::Number(value::unary_number(*f, x))),
            other => other.array()?.unary(*f),
        },
        Op::Detach { x } => return Some(get(x)?.detach()),
        Op::L2Normalize { x, eps } => array(x)?.l2_normalize(*eps),
        Op::Standardize { x, eps } => array(x)?.standardize(*eps),
        Op::Matmul { left, right } => array(left)?.matmul(array(right)?)?,
        Op::Transpose { x } => array(x)?.transpose()?,
        Op::Concat { xs, axis } => {
            let xs = xs.iter().map(get).collect::<Option<_>>()?;
            return Value::concat(xs, *axis);
        }
        Op::Slice {
            x,
            axis,
            start,
            end,
        } => return get(x)?.slice(*axis, *start..*end),
        Op::Softmax { x } => array(x)?.softmax(),
        Op::LogSoftmax { x } => array(x)?.log_softmax(),
        Op::LogSumExp { x } => array(x)?.log_sum_exp()?,
        Op::Column { x } => array(x)?.column()?,
        Op::Diagonal { x } => array(x)?.diagonal()?,
        Op::MaskDiagonal { x } => array(x)?.mask_diagonal(),
        Op::Sinkhorn {
            x,
            epsilon,
            iterations,
        } => array(x)?.sinkhorn(*epsilon, *iterations)?,
        Op::Nearest { x, among } => array(x)?.nearest(array(among)?)?,
        Op::Patchify { x, patch } => match get(x)? {
            Value::Image(image) => Array::patches(image, *patch)?,
            _ => return None,
        },
        Op::Reduce { f, x, axis } => match get(x)? {
            Value::Image(image) if axis.is_none() => {
                Array::matrix(image.flatten(1, 3)).reduce(*f, None)?
            }
            other => other.array()?.reduce(*f, *axis)?,
        },
    }))
}

/// Marks everything that the marked nodes read.
fn close(graph: &Graph, marked: &mut [bool]) {
    for id in (0..graph.nodes.len()).rev() {
        if marked[id] {
            for input in graph.nodes[id].op.inputs() {
                marked[input] = true;
            }
        }
    }
}
