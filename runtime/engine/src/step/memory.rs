//! What steps hand on: queues and running means.
//!
//! A node that remembers gives what it held before the step; what the step
//! itself computed goes in once the step is through. A checkpoint holds all of
//! it.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::{Graph, NodeId, Op};

use super::value::{Array, Value};
use crate::nets::normal_values;

/// What nodes remember, by node.
pub struct Memory {
    held: BTreeMap<NodeId, Held>,
    seed: u64,
}

/// What one node remembers.
#[derive(Clone)]
pub struct Held {
    /// A queue's rows, `[length, D]`, or a mean, `[1, D]`.
    pub content: Tensor<2>,
    /// The row of a queue that is replaced next, its oldest.
    pub cursor: usize,
}

impl Memory {
    /// A memory of nothing yet. Queues start from the seed.
    pub fn new(seed: u64) -> Self {
        Memory {
            held: BTreeMap::new(),
            seed,
        }
    }

    /// Everything that is remembered.
    pub fn held(&self) -> &BTreeMap<NodeId, Held> {
        &self.held
    }

    /// Puts saved content in the place of all. False, and nothing changes,
    /// where it is not of that graph.
    pub fn restore(&mut self, held: BTreeMap<NodeId, Held>, graph: &Graph) -> bool {
        let fits = held.iter().all(|(id, held)| {
            let [rows, _] = held.content.dims();
            match graph.nodes.get(*id).map(|node| &node.op) {
                Some(Op::Queue { length, .. }) => rows == *length && held.cursor < rows,
                Some(Op::RunningMean { .. }) => rows == 1 && held.cursor == 0,
                _ => false,
            }
        });
        if fits {
            self.held = held;
        }
        fits
    }

    /// A queue as it is before the step, `[length, D]`: at first, random unit
    /// vectors that depend on the seed and the node only.
    pub fn queue(&mut self, id: NodeId, length: usize, x: &Array) -> Option<Array> {
        let [_, width] = x.shape[..] else { return None };
        let seed = self.seed;
        let held = self.held.entry(id).or_insert_with(|| Held {
            content: unit_vectors(seed, id, [length, width], &x.tensor.device()),
            cursor: 0,
        });
        Some(Array::matrix(held.content.clone()))
    }

    /// A running mean as it is before the step, `[D]`: at first, zero.
    pub fn mean(&mut self, id: NodeId, x: &Array) -> Option<Array> {
        let [_, width] = x.shape[..] else { return None };
        let held = self.held.entry(id).or_insert_with(|| Held {
            content: Tensor::zeros([1, width], &x.tensor.device().without_autodiff()),
            cursor: 0,
        });
        Some(Array {
            tensor: held.content.clone(),
            shape: vec![width],
        })
    }

    /// Takes in what a step computed.
    pub fn update(&mut self, graph: &Graph, values: &[Option<Value>], step: usize) {
        for (id, held) in &mut self.held {
            let op = graph.nodes.get(*id).map(|node| &node.op);
            let Some(Op::Queue { x, .. } | Op::RunningMean { x, .. }) = op else {
                continue;
            };
            let computed = values.get(*x).cloned().flatten().and_then(Value::array);
            let Some(rows) = computed.map(|x| x.tensor.inner()) else {
                continue;
            };
            match op {
                Some(Op::Queue { .. }) => held.push(rows),
                Some(Op::RunningMean { decay, .. }) => held.blend(rows, decay.at(step as f64)),
                _ => {}
            }
        }
    }
}

impl Held {
    /// Puts rows in the place of the oldest; of more rows than places, the
    /// last stay.
    fn push(&mut self, rows: Tensor<2>) {
        let [length, width] = self.content.dims();
        let [count, _] = rows.dims();
        let mut from = count.saturating_sub(length);
        while from < count {
            let size = (count - from).min(length - self.cursor);
            let places = self.cursor..self.cursor + size;
            let piece = rows.clone().narrow(0, from, size);
            let content = self.content.clone();
            self.content = content.slice_assign([places, 0..width], piece);
            self.cursor = (self.cursor + size) % length;
            from += size;
        }
    }

    /// `decay c + (1 - decay) mean(x)`
    fn blend(&mut self, x: Tensor<2>, decay: f64) {
        let [count, _] = x.dims();
        let mean = x.sum_dim(0).div_scalar(count as f64);
        self.content = self.content.clone().mul_scalar(decay) + mean.mul_scalar(1.0 - decay);
    }
}

fn unit_vectors(seed: u64, id: NodeId, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let [length, width] = shape;
    let mut values = normal_values(seed, &format!("queue.{id}"), length * width);
    for row in values.chunks_mut(width.max(1)) {
        let square: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
        let scale = 1.0 / square.sqrt();
        for x in row {
            *x = (f64::from(*x) * scale) as f32;
        }
    }
    let device = device.clone().without_autodiff();
    Tensor::from_data(TensorData::new(values, shape), &device)
}
