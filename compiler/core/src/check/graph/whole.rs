//! The graph of a step once it is built: what is asked of it, and the part of
//! it that a run needs.

use std::collections::BTreeSet;

use ssl_plan::{Call, Graph, Node, NodeId, Op, Stage, Track};

use crate::table::HashMap;

/// What the step came to.
#[derive(Default)]
pub struct StepGraph {
    /// Every node, also those that nothing needs.
    pub(super) nodes: Vec<Node>,
    pub(super) loss: Option<NodeId>,
    pub(super) tracks: Option<Vec<Track>>,
    /// The views that it takes, as it names them.
    pub params: Vec<String>,
    /// The single views behind these names, in order.
    pub views: Vec<String>,
    /// Stages by net; `None` for one that is never called.
    pub(super) nets: HashMap<String, Vec<Option<Stage>>>,
    /// Every net that is called.
    pub(super) called: Vec<String>,
    /// Net and stage of what the loss reaches.
    pub(super) reached: BTreeSet<(String, usize)>,
    /// The functions that the nodes come from.
    pub(super) function_calls: Vec<Call>,
}

impl StepGraph {
    /// The graph, where it is whole: what the loss, the tracks and the given
    /// nodes need. The given nodes are renamed to their places in it.
    /// The functions that its nodes come from stand beside it.
    pub fn graph(&self, keep: Vec<&mut NodeId>) -> Option<(Graph, Vec<Call>)> {
        let (tracks, calls) = (self.tracks.clone()?, self.function_calls.clone());
        Some(pruned(&self.nodes, self.loss?, tracks, calls, keep))
    }

    /// The node of a stage's output under a view. Where several views ran as
    /// one batch, the view's rows are cut out.
    pub fn feature(&mut self, net: &str, stage: usize, view: &str) -> Option<NodeId> {
        let (id, part) = (0..self.nodes.len()).find_map(|id| {
            let (n, s, start) = self.start(id)?;
            (n == net && s == stage).then_some(())?;
            let part = self.place_in(start, view)?;
            Some((id, part))
        })?;
        let Some((index, count)) = part else {
            return Some(id);
        };
        let mut dims = self.nodes.get(id)?.dims.clone();
        let rows = *dims.first()? / count;
        *dims.first_mut()? = rows;
        let op = Op::Slice {
            x: id,
            axis: 0,
            start: index * rows,
            end: (index + 1) * rows,
        };
        if let Some(there) = self.nodes.iter().position(|n| n.op == op) {
            return Some(there);
        }
        self.nodes.push(Node {
            op,
            dims,
            reaches: Vec::new(),
            name: None,
        });
        self.nodes.len().checked_sub(1)
    }

    /// Net and stage of a node, and the node that went into its first stage.
    fn start(&self, id: NodeId) -> Option<(&str, usize, NodeId)> {
        let Op::Stage {
            net, stage, input, ..
        } = &self.nodes.get(id)?.op
        else {
            return None;
        };
        let mut at = *input;
        while let Some(Op::Stage {
            net: before, input, ..
        }) = self.nodes.get(at).map(|n| &n.op)
            && before == net
        {
            at = *input;
        }
        Some((net, *stage, at))
    }

    /// Whether a node is a view, or a batch of several: then which of how many.
    fn place_in(&self, id: NodeId, view: &str) -> Option<Option<(usize, usize)>> {
        let is = |id: NodeId| matches!(self.nodes.get(id).map(|n| &n.op), Some(Op::View { view: v }) if v == view);
        match &self.nodes.get(id)?.op {
            Op::View { .. } => is(id).then_some(None),
            Op::Concat { xs, axis: 0 } => {
                let index = xs.iter().position(|x| is(*x))?;
                Some(Some((index, xs.len())))
            }
            _ => None,
        }
    }

    /// The first view that a net is called on.
    pub fn first_view_of(&self, net: &str) -> Option<String> {
        let mut starts: Vec<NodeId> = Vec::new();
        for id in 0..self.nodes.len() {
            if let Some((n, _, start)) = self.start(id)
                && n == net
            {
                starts.push(start);
            }
        }
        let on = |v: &&String| starts.iter().any(|s| self.place_in(*s, v).is_some());
        self.views.iter().find(on).cloned()
    }

    /// Whether the loss could be understood.
    pub fn is_whole(&self) -> bool {
        self.loss.is_some()
    }

    /// Whether a net is called at all.
    pub fn calls(&self, net: &str) -> bool {
        self.called.iter().any(|n| n == net)
    }

    /// Whether the loss reaches a stage, or any of a net's.
    pub(super) fn reaches(&self, net: &str, stage: Option<usize>) -> bool {
        self.reached
            .iter()
            .any(|(n, s)| n == net && stage.is_none_or(|stage| stage == *s))
    }

    /// The stages of a net with their shapes, where all of them are called.
    pub fn stages(&self, net: &str) -> Option<Vec<Stage>> {
        self.nets.get(net)?.iter().cloned().collect()
    }

    /// The stage of a net, where it is called.
    pub fn stage(&self, net: &str, stage: usize) -> Option<&Stage> {
        self.nets.get(net)?.get(stage)?.as_ref()
    }
}

/// The graph and its calls without nodes that nothing needs.
fn pruned(
    nodes: &[Node],
    loss: NodeId,
    mut tracks: Vec<Track>,
    mut calls: Vec<Call>,
    keep: Vec<&mut NodeId>,
) -> (Graph, Vec<Call>) {
    let mut live = vec![false; nodes.len()];
    let kept_too = keep.iter().map(|id| **id).collect::<Vec<_>>();
    let roots = tracks.iter().map(|t| t.node).chain(kept_too);
    for root in std::iter::once(loss).chain(roots) {
        if let Some(l) = live.get_mut(root) {
            *l = true;
        }
    }
    for (id, node) in nodes.iter().enumerate().rev() {
        if live.get(id) == Some(&true) {
            for input in node.op.inputs() {
                if let Some(l) = live.get_mut(input) {
                    *l = true;
                }
            }
        }
    }
    let mut renamed = vec![0; nodes.len()];
    let mut kept = Vec::new();
    for (id, node) in nodes.iter().enumerate() {
        if live.get(id) == Some(&true) {
            if let Some(slot) = renamed.get_mut(id) {
                *slot = kept.len();
            }
            let mut node = node.clone();
            for input in node.op.inputs_mut() {
                *input = renamed.get(*input).copied().unwrap_or_default();
            }
            kept.push(node);
        }
    }
    let at = |id: NodeId| renamed.get(id).copied().unwrap_or_default();
    for track in &mut tracks {
        track.node = at(track.node);
    }
    for id in keep {
        *id = at(*id);
    }
    let rename = |ids: &mut Vec<NodeId>| {
        ids.retain(|id| live.get(*id) == Some(&true));
        for id in ids {
            *id = at(*id);
        }
    };
    for call in &mut calls {
        rename(&mut call.results);
        for argument in &mut call.arguments {
            rename(&mut argument.nodes);
        }
    }
    calls.retain(|c| !c.results.is_empty());
    let graph = Graph {
        nodes: kept,
        loss: at(loss),
        tracks,
    };
    (graph, calls)
}
