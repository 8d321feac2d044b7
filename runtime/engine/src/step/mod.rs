//! The step's graph, computed.
//!
//! Nodes are walked once in their order; a node is one value, however often
//! it is used. What only a metric needs is computed only where the metric is
//! read, except that every net is forwarded in every step: a forward in
//! training mode moves running statistics, and how often a run logs must not
//! change what it computes.

#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;

use burn::tensor::Tensor;
use ssl_plan::{FeatureOf, Graph, NodeId, Op, Track};

use crate::error::EngineError;
use crate::model::Model;
use crate::nets::Mode;
use value::{Array, Value};

/// A graph that is ready to run.
pub struct Step {
    graph: Graph,
    /// Whether every step needs the node.
    always: Vec<bool>,
    /// Net nodes whose stage outputs are kept, as (node, stage), one for each
    /// feature asked for.
    features: Vec<(NodeId, usize)>,
}

/// What one step computed.
pub struct Outputs {
    /// The loss, `[1]`, with its graph.
    pub loss: Tensor<1>,
    /// The tracked scalars in the plan's order; empty where not asked for.
    pub tracks: Vec<Tensor<1>>,
    /// The features asked for, `[B, D]`, without gradients.
    pub features: Vec<Tensor<2>>,
}

impl Step {
    /// Prepares a graph. `features` are stage outputs under a view that
    /// [`Step::run`] keeps; the step must compute them.
    ///
    /// # Errors
    ///
    /// [`EngineError::Plan`] where a node uses a later one, or a feature is
    /// none of the step's.
    pub fn new(graph: &Graph, features: &[(&FeatureOf, &str)]) -> Result<Self, EngineError> {
        let graph = graph.clone();
        let count = graph.nodes.len();
        for (id, node) in graph.nodes.iter().enumerate() {
            if node.op.inputs().iter().any(|&input| input >= id) {
                return Err(EngineError::plan(format!(
                    "node {id} of the step uses a later one"
                )));
            }
        }
        if graph.loss >= count || graph.tracks.iter().any(|track| track.node >= count) {
            return Err(EngineError::plan("the step's loss or a track is no node"));
        }
        let mut always: Vec<bool> = (graph.nodes.iter())
            .map(|node| matches!(node.op, Op::Net { .. }))
            .collect();
        always[graph.loss] = true;
        close(&graph, &mut always);

        let features = features
            .iter()
            .map(|(feature, view)| {
                let node = graph.nodes.iter().position(|node| {
                    matches!(&node.op, Op::Net { net, input } if *net == feature.net
                        && matches!(&graph.nodes[*input].op, Op::View { view: v } if v == view))
                });
                let net = &feature.net;
                node.map(|node| (node, feature.stage)).ok_or_else(|| {
                    EngineError::plan(format!("the step never runs `{net}` on view `{view}`"))
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Step {
            graph,
            always,
            features,
        })
    }

    /// The tracked scalars.
    pub fn tracks(&self) -> &[Track] {
        &self.graph.tracks
    }

    /// Computes the step on the views of a batch, `[B, 3, H, W]` each.
    /// `step` is what schedules are asked for.
    ///
    /// # Errors
    ///
    /// [`EngineError::Plan`] where the graph is ill-typed or the loss reaches
    /// no parameter.
    pub fn run(
        &self,
        model: &mut Model,
        views: &HashMap<String, Tensor<4>>,
        step: usize,
        read_tracks: bool,
    ) -> Result<Outputs, EngineError> {
        let mut needed = self.always.clone();
        if read_tracks {
            for track in &self.graph.tracks {
                needed[track.node] = true;
            }
            close(&self.graph, &mut needed);
        }
        let mut values = vec![None; self.graph.nodes.len()];
        let features = self.compute(&mut values, &needed, model, views, step)?;
        let scalar = |id: NodeId| match &values[id] {
            Some(Value::Array(array)) => Some(array.tensor.clone().reshape([1])),
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
        Ok(Outputs {
            loss,
            tracks,
            features,
        })
    }

    /// Computes the needed nodes that have no value yet; the features asked
    /// for.
    fn compute(
        &self,
        values: &mut [Option<Value>],
        needed: &[bool],
        model: &mut Model,
        views: &HashMap<String, Tensor<4>>,
        step: usize,
    ) -> Result<Vec<Tensor<2>>, EngineError> {
        let mut features = vec![None; self.features.len()];
        for (id, node) in self.graph.nodes.iter().enumerate() {
            if !needed[id] || values[id].is_some() {
                continue;
            }
            let value = if let Op::Net { net, input } = &node.op {
                let stages = forward(model, net, values[*input].as_ref())?;
                for (slot, (node, stage)) in features.iter_mut().zip(&self.features) {
                    if *node == id {
                        *slot = stages.get(*stage).map(|x| x.clone().inner());
                    }
                }
                let last = stages.into_iter().last();
                last.map(|x| Value::Array(Array::matrix(x)))
            } else {
                evaluate(&node.op, values, views, step)
            };
            values[id] = Some(value.ok_or_else(|| {
                EngineError::plan(format!("node {id} of the step cannot be computed"))
            })?);
        }
        let features = features.into_iter().collect::<Option<_>>();
        features.ok_or_else(|| EngineError::plan("a monitored net has no such stage"))
    }
}

/// The outputs of all stages of a net in training mode.
fn forward(
    model: &mut Model,
    net: &str,
    input: Option<&Value>,
) -> Result<Vec<Tensor<2>>, EngineError> {
    let member = model
        .member(net)
        .ok_or_else(|| EngineError::plan(format!("the step calls `{net}`, which is no net")))?;
    let detached = member.is_average();
    let network = &mut member.network;
    match input.cloned() {
        Some(Value::Image(image)) => Ok(network.forward_image(image, Mode::Train)),
        Some(Value::Array(array)) => {
            let array = if detached { array.detach() } else { array };
            Ok(network.forward_embedding(array.tensor, Mode::Train))
        }
        _ => Err(EngineError::plan(format!(
            "the step gives `{net}` no image and no embedding"
        ))),
    }
}

/// Any node but a net's. `None` where it is ill-typed.
fn evaluate(
    op: &Op,
    values: &[Option<Value>],
    views: &HashMap<String, Tensor<4>>,
    step: usize,
) -> Option<Value> {
    let get = |id: &NodeId| values.get(*id)?.clone();
    let array = |id: &NodeId| match get(id)? {
        Value::Array(array) => Some(array),
        _ => None,
    };
    Some(Value::Array(match op {
        Op::Net { .. } => return None,
        Op::View { view } => return views.get(view).cloned().map(Value::Image),
        Op::Scalar { value } => return Some(Value::Number(value.at(step as f64))),
        Op::Binary { f, left, right } => return value::binary(*f, get(left)?, get(right)?),
        Op::Unary { f, x } => match get(x)? {
            Value::Number(x) => return Some(Value::Number(value::unary_number(*f, x))),
            Value::Array(x) => x.unary(*f),
            Value::Image(_) => return None,
        },
        Op::Detach { x } => match get(x)? {
            Value::Array(x) => x.detach(),
            other => return Some(other),
        },
        Op::L2Normalize { x, eps } => array(x)?.l2_normalize(*eps),
        Op::Matmul { left, right } => array(left)?.matmul(array(right)?),
        Op::Transpose { x } => array(x)?.transpose(),
        Op::Concat { xs, axis } => {
            let xs = xs.iter().map(array).collect::<Option<_>>()?;
            Array::concat(xs, *axis)?
        }
        Op::Softmax { x } => array(x)?.softmax(),
        Op::LogSoftmax { x } => array(x)?.log_softmax(),
        Op::Diagonal { x } => array(x)?.diagonal(),
        Op::MaskDiagonal { x } => array(x)?.mask_diagonal(),
        Op::Reduce { f, x, axis } => match get(x)? {
            Value::Image(image) if axis.is_none() => {
                Array::matrix(image.flatten(1, 3)).reduce(*f, None)?
            }
            Value::Array(x) => x.reduce(*f, *axis)?,
            _ => return None,
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
