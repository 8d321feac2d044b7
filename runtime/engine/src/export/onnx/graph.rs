//! A graph in the making: nodes in the order in which they run, the weights
//! that they read under their own names, and small constants.
//!
//! A value is known by its name. A node gives `PLACE/OP`, with a number from
//! the second such on, so that names tell where in the network they belong.

use std::collections::HashMap;

use super::proto::{AttributeProto, FLOAT, GraphProto, INT64, NodeProto, TensorProto};
use crate::weights::NamedTensor;

/// What the network takes.
pub(super) const INPUT: &str = "image";
/// What it gives.
pub(super) const OUTPUT: &str = "features";

/// The name of what a node gives, or of a weight.
pub(super) type Value = String;

/// Makes a graph of a network whose tensors are given.
pub(super) struct Builder {
    given: HashMap<String, NamedTensor>,
    missing: Vec<String>,
    weights: Vec<TensorProto>,
    graph: GraphProto,
    named: HashMap<String, usize>,
}

impl Builder {
    pub(super) fn new(tensors: Vec<NamedTensor>) -> Self {
        let given = tensors.into_iter().map(|t| (t.key.clone(), t));
        Builder {
            given: given.collect(),
            missing: Vec::new(),
            weights: Vec::new(),
            graph: GraphProto::default(),
            named: HashMap::new(),
        }
    }

    /// A weight by its key, which one node alone reads.
    pub(super) fn weight(&mut self, key: &str) -> Value {
        match self.given.remove(key) {
            Some(tensor) => self.weights.push(TensorProto {
                dims: tensor.shape.iter().map(|side| *side as i64).collect(),
                data_type: FLOAT,
                name: tensor.key,
                raw_data: Some(tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect()),
                ..TensorProto::default()
            }),
            None => self.missing.push(format!("`{key}` is not in the run")),
        }
        key.to_owned()
    }

    /// A list of whole numbers: a shape, or where to cut.
    pub(super) fn ints(&mut self, values: &[i64]) -> Value {
        let text: Vec<String> = values.iter().map(i64::to_string).collect();
        self.constant(TensorProto {
            dims: vec![values.len() as i64],
            data_type: INT64,
            name: format!("int64[{}]", text.join(",")),
            raw_data: Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            ..TensorProto::default()
        })
    }

    /// A number.
    pub(super) fn float(&mut self, value: f64) -> Value {
        let value = value as f32;
        self.constant(TensorProto {
            data_type: FLOAT,
            name: format!("float32[{value:?}]"),
            raw_data: Some(value.to_le_bytes().to_vec()),
            ..TensorProto::default()
        })
    }

    fn constant(&mut self, tensor: TensorProto) -> Value {
        let name = tensor.name.clone();
        if self.graph.initializer.iter().all(|t| t.name != name) {
            self.graph.initializer.push(tensor);
        }
        name
    }

    /// A node with one output.
    pub(super) fn node(
        &mut self,
        op: &str,
        place: &str,
        input: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> Value {
        let [value] = self.nodes(op, place, input, attribute);
        value
    }

    /// A node with so many outputs.
    pub(super) fn nodes<const N: usize>(
        &mut self,
        op: &str,
        place: &str,
        input: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> [Value; N] {
        let name = match place {
            "" => op.to_owned(),
            _ => format!("{place}/{op}"),
        };
        let times = self.named.entry(name.clone()).or_default();
        *times += 1;
        let name = match *times {
            1 => name,
            more => format!("{name}_{more}"),
        };
        let output: [Value; N] = std::array::from_fn(|i| match N {
            1 => name.clone(),
            _ => format!("{name}.{i}"),
        });
        self.graph.node.push(NodeProto {
            input: input.iter().map(|&value| value.to_owned()).collect(),
            output: output.to_vec(),
            name,
            op_type: op.to_owned(),
            attribute,
        });
        output
    }

    /// The graph, whose last node gives the features, and its weights in the
    /// order in which they are read. An error where the network has a tensor
    /// that no node reads, or has not one that a node reads.
    pub(super) fn finish(mut self) -> Result<(GraphProto, Vec<TensorProto>), String> {
        let unread = self
            .given
            .keys()
            .map(|key| format!("no node reads `{key}`"));
        self.missing.extend(unread);
        if let Some(fault) = self.missing.into_iter().min() {
            return Err(fault);
        }
        let last = self.graph.node.last_mut();
        if let Some(output) = last.and_then(|node| node.output.first_mut()) {
            *output = OUTPUT.to_owned();
        }
        Ok((self.graph, self.weights))
    }
}
