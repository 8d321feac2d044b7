//! Where gradients of the loss run.

use std::collections::HashSet;

use ssl_plan::{Graph, NodeId, Op};

/// The gradient's way back through a graph.
pub struct Flow {
    /// Nodes that a gradient of the loss comes to.
    nodes: Vec<bool>,
}

impl Flow {
    /// Follows the loss back.
    pub fn new(graph: &Graph) -> Self {
        let mut nodes = vec![false; graph.nodes.len()];
        let learns = |id: NodeId| graph.nodes.get(id).is_some_and(|n| !n.reaches.is_empty());
        if let Some(loss) = nodes.get_mut(graph.loss) {
            *loss = learns(graph.loss);
        }
        for (id, node) in graph.nodes.iter().enumerate().rev() {
            if nodes.get(id) != Some(&true) {
                continue;
            }
            for input in node.op.inputs() {
                if let Some(reached) = nodes.get_mut(input).filter(|_| learns(input)) {
                    *reached = true;
                }
            }
        }
        Flow { nodes }
    }

    /// Whether a gradient comes to a value.
    pub fn at(&self, id: NodeId) -> bool {
        self.nodes.get(id) == Some(&true)
    }

    /// Whether a gradient runs from a node back into an input of it.
    pub fn between(&self, id: NodeId, input: NodeId) -> bool {
        self.at(id) && self.at(input)
    }
}

/// Whether no gradient comes through an operation.
fn ends(op: &Op) -> bool {
    matches!(
        op,
        Op::Detach { .. }
            | Op::Queue { .. }
            | Op::RunningMean { .. }
            | Op::Sinkhorn { .. }
            | Op::Nearest { .. }
    )
}

/// What lies between a function's results and its arguments.
pub struct Interior {
    /// Arguments that a gradient runs back into.
    pub fed: HashSet<NodeId>,
    /// Arguments that every way to leads through a `stopgrad` of the function.
    pub stopped: HashSet<NodeId>,
    /// Whether neither nets nor views stand in it, which a picture must show.
    pub plain: bool,
}

impl Interior {
    /// Walks from results to arguments.
    pub fn new(graph: &Graph, flow: &Flow, results: &[NodeId], arguments: &[NodeId]) -> Self {
        let mut out = Interior {
            fed: HashSet::new(),
            stopped: HashSet::new(),
            plain: true,
        };
        let mut open = HashSet::new();
        let mut seen = HashSet::new();
        let mut stack: Vec<(NodeId, bool)> = results.iter().map(|id| (*id, false)).collect();
        while let Some((id, stopped)) = stack.pop() {
            if !seen.insert((id, stopped)) {
                continue;
            }
            let Some(node) = graph.nodes.get(id) else {
                continue;
            };
            match node.op {
                Op::View { .. } | Op::Stage { .. } => out.plain = false,
                _ => {}
            }
            for input in node.op.inputs() {
                let stopped = stopped || ends(&node.op);
                if !arguments.contains(&input) {
                    stack.push((input, stopped));
                    continue;
                }
                if flow.between(id, input) {
                    out.fed.insert(input);
                }
                if stopped {
                    out.stopped.insert(input);
                } else {
                    open.insert(input);
                }
            }
        }
        out.stopped.retain(|id| !open.contains(id));
        out
    }
}
