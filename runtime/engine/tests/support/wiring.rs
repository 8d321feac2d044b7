//! Graphs written by hand.

#![allow(dead_code)]

use ssl_plan::{BinaryOp, Node, NodeId, Op, ReduceOp, Schedule, Track};

/// A graph under construction: one node for each distinct expression.
#[derive(Default)]
pub struct Wiring {
    pub nodes: Vec<Node>,
    pub tracks: Vec<Track>,
}

impl Wiring {
    pub fn add(&mut self, op: Op) -> NodeId {
        if let Some(id) = self.nodes.iter().position(|node| node.op == op) {
            return id;
        }
        self.nodes.push(Node {
            op,
            dims: Vec::new(),
            reaches: Vec::new(),
            name: None,
        });
        self.nodes.len() - 1
    }

    pub fn view(&mut self, view: &str) -> NodeId {
        self.add(Op::View { view: view.into() })
    }

    pub fn number(&mut self, value: f64) -> NodeId {
        self.add(Op::Scalar {
            value: Schedule::constant(value),
        })
    }

    pub fn binary(&mut self, f: BinaryOp, left: NodeId, right: NodeId) -> NodeId {
        self.add(Op::Binary { f, left, right })
    }

    pub fn unit(&mut self, x: NodeId) -> NodeId {
        self.add(Op::L2Normalize { x, eps: 1e-12 })
    }

    /// `a b^T`.
    pub fn against(&mut self, left: NodeId, b: NodeId) -> NodeId {
        let right = self.add(Op::Transpose { x: b });
        self.add(Op::Matmul { left, right })
    }

    pub fn mean(&mut self, x: NodeId) -> NodeId {
        self.add(Op::Reduce {
            f: ReduceOp::Mean,
            x,
            axis: None,
        })
    }
}
