//! Where a step is cut for micro-batches: what looks at images and tokens is
//! computed part by part, and what these parts give is put together for the
//! rest of the step, which compares all images of the batch (Gao et al. 2021,
//! "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").

use burn::tensor::{Gradients, Tensor};
use ssl_plan::{Graph, NodeId};

use super::value::{Array, Value};

/// The rows of a batch that are computed together.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// Images of the whole batch.
    pub batch: usize,
    /// The first that is computed.
    pub first: usize,
    /// How many are.
    pub count: usize,
}

impl Rows {
    /// All of a batch.
    pub fn all(batch: usize) -> Self {
        Rows {
            batch,
            first: 0,
            count: batch,
        }
    }

    /// One of several equal parts of a batch.
    pub fn part(batch: usize, part: usize, parts: usize) -> Self {
        let count = batch / parts;
        Rows {
            batch,
            first: part * count,
            count,
        }
    }

    /// The place in the batch, and behind it in further views of the same
    /// images, of a row that is computed.
    pub fn place(self, row: usize) -> usize {
        let count = self.count.max(1);
        row / count * self.batch + self.first + row % count
    }
}

/// The nodes that cross from the parts to the batch.
#[derive(Debug)]
pub struct Border {
    /// Nodes that are computed part by part.
    pub by_image: Vec<bool>,
    /// Those of them that the rest of the step reads, views apart.
    pub nodes: Vec<NodeId>,
    /// Those of these that a gradient comes back to.
    pub live: Vec<NodeId>,
}

impl Border {
    /// Finds the border of a graph. `read` are nodes that are handed out.
    pub fn new(graph: &Graph, read: &[NodeId]) -> Self {
        let by_image = graph.by_image();
        let mut crosses = vec![false; graph.nodes.len()];
        for (id, node) in graph.nodes.iter().enumerate() {
            if !by_image[id] {
                for input in node.op.inputs() {
                    crosses[input] = true;
                }
            }
        }
        for &id in read {
            crosses[id] = true;
        }
        let stage = |id: &NodeId| matches!(graph.nodes[*id].op, ssl_plan::Op::Stage { .. });
        let nodes: Vec<NodeId> = (0..graph.nodes.len())
            .filter(|&id| crosses[id] && by_image[id] && stage(&id))
            .collect();
        let live = (nodes.iter().copied())
            .filter(|&id| !graph.nodes[id].reaches.is_empty())
            .collect();
        Border {
            by_image,
            nodes,
            live,
        }
    }
}

/// What all parts gave for one node as the whole batch would have given it:
/// of several views that went through a net together, first all images of the
/// first. `None` where the parts are of different shapes, or there are none.
pub fn join(parts: &[Array], rows: usize) -> Option<Array> {
    let first = parts.first()?;
    let mut shape = first.shape.clone();
    let views = shape.first()? / rows.max(1);
    let mut pieces = Vec::with_capacity(views * parts.len());
    for view in 0..views {
        for part in parts {
            if part.shape != first.shape {
                return None;
            }
            let length = part.tensor.dims()[0] / views;
            pieces.push(part.tensor.clone().narrow(0, view * length, length));
        }
    }
    shape[0] *= parts.len();
    Some(Array {
        tensor: Tensor::cat(pieces, 0),
        shape,
    })
}

/// The rows of the whole batch, as [`join`] puts them, that belong to one
/// part.
fn cut(whole: &Tensor<2>, views: usize, rows: Rows) -> Tensor<2> {
    let of_view = whole.dims()[0] / views.max(1);
    // Tokens are several rows of an image.
    let each = of_view / rows.batch.max(1);
    let pieces = (0..views)
        .map(|view| {
            let first = view * of_view + rows.first * each;
            whole.clone().narrow(0, first, rows.count * each)
        })
        .collect();
    Tensor::cat(pieces, 0)
}

/// A scalar whose gradient is that of the loss with regard to what a part
/// computed: `sum value * d loss / d value`. `None` where no gradient came
/// back to any of it.
pub fn surrogate(
    values: &[Option<Value>],
    leaves: &[(NodeId, Array)],
    gradients: &Gradients,
    rows: Rows,
) -> Option<Tensor<1>> {
    let mut sum: Option<Tensor<1>> = None;
    for (id, leaf) in leaves {
        let Some(gradient) = leaf.tensor.grad(gradients) else {
            continue;
        };
        let value = values.get(*id)?.clone()?.array()?;
        let views = leaf.shape.first()? / rows.batch.max(1);
        let term = (value.tensor * cut(&gradient, views, rows)).sum();
        sum = Some(match sum {
            Some(sum) => sum + term,
            None => term,
        });
    }
    sum
}
