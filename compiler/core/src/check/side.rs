//! On which side of the loss a net stands. A predictor that is called on
//! detached values alone learns to follow a target, and nothing before it
//! learns to be predicted: the wiring is turned round. Judged on the graph, so
//! any net may be the predictor.

use ssl_diagnostics::{Diagnostic, Lint};
use ssl_plan::{Graph, Op};

use super::Checker;
use super::nets::NetSpec;
use crate::table::IndexMap;

/// For every node whether a gradient of the loss comes to it.
fn reached(graph: &Graph) -> Vec<bool> {
    let mut out = vec![false; graph.nodes.len()];
    if let Some(loss) = out.get_mut(graph.loss) {
        *loss = true;
    }
    for (id, node) in graph.nodes.iter().enumerate().rev() {
        if out.get(id) != Some(&true) || node.reaches.is_empty() {
            continue;
        }
        for input in node.op.inputs() {
            if let Some(slot) = out.get_mut(input) {
                *slot = true;
            }
        }
    }
    out
}

/// For every node whether a net stands before it.
fn computed(graph: &Graph) -> Vec<bool> {
    let mut out: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let before = node
            .op
            .inputs()
            .into_iter()
            .any(|i| out.get(i) == Some(&true));
        out.push(before || matches!(node.op, Op::Stage { .. }));
    }
    out
}

impl Checker<'_> {
    /// Warns of trained nets that are called on detached values only.
    pub(super) fn predictor_side(&mut self, graph: &Graph, specs: &IndexMap<String, NetSpec>) {
        let (reached, computed) = (reached(graph), computed(graph));
        // Nets by whether all of their calls stand behind detached values.
        let mut turned: IndexMap<&str, bool> = IndexMap::default();
        for (id, node) in graph.nodes.iter().enumerate() {
            let Op::Stage { net, input, .. } = &node.op else {
                continue;
            };
            let Some(before) = graph.nodes.get(*input) else {
                continue;
            };
            let inner = matches!(&before.op, Op::Stage { net: n, .. } if n == net);
            let trained = matches!(specs.get(net), Some(NetSpec::Stages(_)));
            if inner || !trained || reached.get(id) != Some(&true) {
                continue;
            }
            let detached = before.reaches.is_empty() && computed.get(*input) == Some(&true);
            *turned.entry(net).or_insert(true) &= detached;
        }
        for (name, _) in turned.into_iter().filter(|(_, turned)| *turned) {
            let Some(def) = self.source.effective.nets.get(name) else {
                continue;
            };
            self.report(
                Diagnostic::lint(
                    Lint::PREDICTOR_SIDE,
                    format!("`{name}` is trained behind values that take no gradient"),
                )
                .at(
                    def.name.span,
                    "called on averages or detached values alone: nothing before it learns through it",
                )
                .help(format!(
                    "call `{name}` on the other side of the loss, which is trained"
                )),
            );
        }
    }
}
