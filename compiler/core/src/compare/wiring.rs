//! In what two steps differ: computations are compared, not their names nor
//! their order.

use ssl_plan::{Graph, NodeId, Op, Recipe};

use super::Change;
use crate::table::HashMap;
use crate::wiring::{Tie, operation, tie};

/// Operations that a text shows before it is cut.
const BUDGET: usize = 40;
/// Most values of a list that are all shown.
const LISTED: usize = 3;
/// Longest text around a place that differs.
const CONTEXT: usize = 100;

/// Two steps; a class is one computation, on whichever side.
pub(super) struct Wiring<'a> {
    left: Side<'a>,
    right: Side<'a>,
}

struct Side<'a> {
    recipe: &'a Recipe,
    /// Class of each node.
    classes: Vec<usize>,
    /// The same where numbers do not count.
    shapes: Vec<usize>,
}

impl<'a> Wiring<'a> {
    pub(super) fn new(left: &'a Recipe, right: &'a Recipe) -> Self {
        let mut exact = HashMap::default();
        let mut loose = HashMap::default();
        let mut side = |recipe: &'a Recipe| Side {
            recipe,
            classes: classify(&recipe.step, &mut exact, |l| l),
            shapes: classify(&recipe.step, &mut loose, |l| numberless(&l)),
        };
        let left = side(left);
        Wiring {
            left,
            right: side(right),
        }
    }

    /// The class of a node of a side.
    pub(super) fn class(&self, node: NodeId, left: bool) -> usize {
        let side = if left { &self.left } else { &self.right };
        side.class(node)
    }

    /// Whether both steps compute the same.
    pub(super) fn is_equal(&self) -> bool {
        let (l, r) = (&self.left, &self.right);
        let tracks = |s: &Side<'_>| {
            let list = s.graph().tracks.iter();
            let mut all: Vec<_> = list.map(|t| (t.name.clone(), s.class(t.node))).collect();
            all.sort();
            all
        };
        l.class(l.graph().loss) == r.class(r.graph().loss) && tracks(l) == tracks(r)
    }

    /// The names, the loss and the tracks that differ.
    pub(super) fn changes(&self, out: &mut Vec<Change>) {
        let (l, r) = (&self.left, &self.right);
        let mut gone: Vec<(&str, String)> = Vec::new();
        for (name, node) in l.named() {
            match r.named().find(|(n, _)| *n == name) {
                Some((_, other)) => self.pair(name, node, other, out),
                None if r.classes.contains(&l.class(node)) => {}
                None => gone.push((name, l.text(node))),
            }
        }
        let gone = families(gone).into_iter();
        out.extend(gone.map(|(name, text)| Change::new(path(&name), Some(text), None)));
        let mut fresh: Vec<(&str, String)> = Vec::new();
        for (name, node) in r.named() {
            let known = l.named().any(|(n, _)| n == name);
            if !known && !l.classes.contains(&r.class(node)) {
                fresh.push((name, r.text(node)));
            }
        }
        let fresh = families(fresh).into_iter();
        out.extend(fresh.map(|(name, text)| Change::new(path(&name), None, Some(text))));
        self.pair("minimize", l.graph().loss, r.graph().loss, out);
        for track in &l.graph().tracks {
            let other = r.graph().tracks.iter().find(|t| t.name == track.name);
            match other {
                Some(other) => self.pair(&track.name, track.node, other.node, out),
                None => {
                    let text = Some(format!("track {}", l.text(track.node)));
                    out.push(Change::new(path(&track.name), text, None));
                }
            }
        }
        for track in &r.graph().tracks {
            if !l.graph().tracks.iter().any(|t| t.name == track.name) {
                let text = Some(format!("track {}", r.text(track.node)));
                out.push(Change::new(path(&track.name), None, text));
            }
        }
    }

    /// Two values of one name.
    fn pair(&self, name: &str, a: NodeId, b: NodeId, out: &mut Vec<Change>) {
        let (l, r) = (&self.left, &self.right);
        if l.class(a) == r.class(b) {
            return;
        }
        if l.shape(a) == r.shape(b) {
            let mut numbers = Vec::new();
            self.numbers((a, a), (b, b), &mut numbers, &mut Vec::new());
            for (left, right) in numbers {
                let change =
                    Change::new(format!("{}, a number", path(name)), Some(left), Some(right));
                if !out.contains(&change) {
                    out.push(change);
                }
            }
            return;
        }
        // Down to the one place that differs, but not into what has a name.
        let mut trail = Vec::new();
        let (mut a, mut b) = (a, b);
        while let (Some(x), Some(y)) = (l.op(a), r.op(b)) {
            if label(x) != label(y) {
                break;
            }
            let pairs: Vec<(NodeId, NodeId)> = x.inputs().into_iter().zip(y.inputs()).collect();
            let mut differ = pairs.iter().filter(|(a, b)| l.class(*a) != r.class(*b));
            match (differ.next(), differ.next()) {
                // A name is told for itself.
                (Some((i, j)), None) if l.name(*i).is_some() && l.name(*i) == r.name(*j) => return,
                (Some((i, j)), None) if l.name(*i).is_none() && r.name(*j).is_none() => {
                    trail.push((a, b));
                    (a, b) = (*i, *j);
                }
                _ => break,
            }
        }
        let (mut left, mut right) = (l.text(a), r.text(b));
        // And up again as long as the text can be taken in.
        while let Some((a, b)) = trail.pop() {
            let (wider, other) = (l.text(a), r.text(b));
            if wider.len().max(other.len()) > CONTEXT {
                break;
            }
            (left, right) = (wider, other);
        }
        if left != right {
            out.push(Change::new(path(name), Some(left), Some(right)));
        }
    }

    /// Operations of one shape with other numbers.
    fn numbers(
        &self,
        (top_a, a): (NodeId, NodeId),
        (top_b, b): (NodeId, NodeId),
        out: &mut Vec<(String, String)>,
        seen: &mut Vec<(NodeId, NodeId)>,
    ) {
        let (l, r) = (&self.left, &self.right);
        if l.class(a) == r.class(b) || seen.contains(&(a, b)) {
            return;
        }
        seen.push((a, b));
        // A name is told for itself.
        if a != top_a && b != top_b && l.name(a).is_some() && l.name(a) == r.name(b) {
            return;
        }
        let (Some(x), Some(y)) = (l.op(a), r.op(b)) else {
            return;
        };
        if label(x) != label(y) {
            let pair = (l.alone(x), r.alone(y));
            if !out.contains(&pair) {
                out.push(pair);
            }
        }
        for (i, j) in x.inputs().into_iter().zip(y.inputs()) {
            self.numbers((top_a, i), (top_b, j), out, seen);
        }
    }
}

impl Side<'_> {
    fn graph(&self) -> &Graph {
        &self.recipe.step
    }

    fn class(&self, node: NodeId) -> usize {
        self.classes.get(node).copied().unwrap_or(usize::MAX)
    }

    fn shape(&self, node: NodeId) -> usize {
        self.shapes.get(node).copied().unwrap_or(usize::MAX)
    }

    fn op(&self, node: NodeId) -> Option<&Op> {
        self.graph().nodes.get(node).map(|n| &n.op)
    }

    fn name(&self, node: NodeId) -> Option<&str> {
        self.graph().nodes.get(node)?.name.as_deref()
    }

    /// Nodes that the source names, in order.
    fn named(&self) -> impl Iterator<Item = (&str, NodeId)> {
        let nodes = self.graph().nodes.iter().enumerate();
        nodes.filter_map(|(id, n)| Some((n.name.as_deref()?, id)))
    }

    /// How a node is computed, from what has a name.
    fn text(&self, node: NodeId) -> String {
        self.write(node, true, Tie::Sum, &mut BUDGET.clone())
    }

    fn write(&self, node: NodeId, top: bool, place: Tie, budget: &mut usize) -> String {
        if let (Some(name), false) = (self.name(node), top) {
            return name.to_owned();
        }
        let Some(op) = self.op(node).filter(|_| *budget > 0) else {
            return "...".into();
        };
        *budget -= 1;
        if let Some((x, index, _)) = part(self.graph(), node) {
            return format!("{}[{index}]", self.write(x, false, Tie::Whole, budget));
        }
        if let Op::Concat { xs, axis: 0 } = op {
            if let Some(x) = self.parted(xs) {
                return self.write(x, false, place, budget);
            }
            let inner = xs.iter().map(|x| self.write(*x, false, Tie::Sum, budget));
            return format!("[{}]", inner.collect::<Vec<_>>().join(", "));
        }
        let mut inner = |id, tie| self.write(id, false, tie, budget);
        // A net is its stages in a row; it is called by its name.
        let (op, called) = match self.whole_net(node) {
            Some((net, input)) => (op, Some(format!("{net}({})", inner(input, Tie::Sum)))),
            None => (op, None),
        };
        let text = called.unwrap_or_else(|| operation(op, &self.recipe.nets, &mut inner));
        if tie(op) < place {
            format!("({text})")
        } else {
            text
        }
    }

    /// What a list of parts is, where it is all of something in order.
    fn parted(&self, xs: &[NodeId]) -> Option<NodeId> {
        let (whole, _, count) = part(self.graph(), *xs.first()?)?;
        let in_order = |(i, x): (usize, &NodeId)| part(self.graph(), *x) == Some((whole, i, count));
        (count == xs.len() && xs.iter().enumerate().all(in_order)).then_some(whole)
    }

    /// The net whose last stage a node is, and what goes into its first, where
    /// all of it is called in a row.
    fn whole_net(&self, node: NodeId) -> Option<(&str, NodeId)> {
        let Op::Stage { net, stage, .. } = self.op(node)? else {
            return None;
        };
        let kind = |name: &str| {
            let found = self.recipe.nets.iter().find(|n| n.name == name);
            found.map(|n| &n.kind)
        };
        let stages = match kind(net)? {
            ssl_plan::NetKind::Ema { of, .. } => kind(of)?,
            own => own,
        };
        let ssl_plan::NetKind::Stages { stages } = stages else {
            return None;
        };
        if stage + 1 != stages.len() {
            return None;
        }
        let mut at = node;
        for expected in (0..stages.len()).rev() {
            match self.op(at)? {
                Op::Stage {
                    net: n,
                    stage: s,
                    input,
                    mask: None,
                } if n == net && *s == expected => at = *input,
                _ => return None,
            }
        }
        Some((net, at))
    }

    /// An operation without what it reads.
    fn alone(&self, op: &Op) -> String {
        operation(op, &self.recipe.nets, &mut |_, _| "...".into())
    }
}

/// `scores[0]`, `scores[1]`, ... as one list `scores`.
fn families(named: Vec<(&str, String)>) -> Vec<(String, String)> {
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    for (name, text) in named {
        let family = name.split_once('[').map_or(name, |(base, _)| base);
        match out.last_mut() {
            Some((last, texts)) if last == family && family != name => texts.push(text),
            _ => out.push((family.to_owned(), vec![text])),
        }
    }
    let joined = |(name, texts): (String, Vec<String>)| {
        let text = match texts.as_slice() {
            [one] => one.clone(),
            [first, .., last] if texts.len() > LISTED => {
                format!("[{first}, ..., {last}], {} values", texts.len())
            }
            all => format!("[{}]", all.join(", ")),
        };
        (name, text)
    };
    out.into_iter().map(joined).collect()
}

fn path(name: &str) -> String {
    format!("step.{name}")
}

/// Numbers the computations of a graph: equal ones get one number.
fn classify(
    graph: &Graph,
    known: &mut HashMap<(String, Vec<usize>), usize>,
    form: impl Fn(String) -> String,
) -> Vec<usize> {
    let mut classes: Vec<usize> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.nodes.iter().enumerate() {
        // Views that run as one batch are cut apart, whatever its size.
        let said = match part(graph, id) {
            Some((_, index, count)) => format!("Part {index} of {count}"),
            None => label(&node.op),
        };
        let inputs = node.op.inputs().into_iter();
        let inputs = inputs.map(|i| classes.get(i).copied().unwrap_or(usize::MAX));
        let next = known.len();
        let class = known.entry((form(said), inputs.collect())).or_insert(next);
        classes.push(*class);
    }
    classes
}

/// What a node cuts out of a batch, where that is one of several equal parts:
/// the batch, which part, of how many.
fn part(graph: &Graph, node: NodeId) -> Option<(NodeId, usize, usize)> {
    let Op::Slice {
        x,
        axis: 0,
        start,
        end,
    } = graph.nodes.get(node)?.op
    else {
        return None;
    };
    let rows = end.checked_sub(start).filter(|r| *r > 0)?;
    let all = *graph.nodes.get(x)?.dims.first()?;
    let even = all.is_multiple_of(rows) && start.is_multiple_of(rows);
    even.then_some((x, start / rows, all / rows))
}

/// An operation without what it reads.
fn label(op: &Op) -> String {
    let mut op = op.clone();
    for input in op.inputs_mut() {
        *input = 0;
    }
    format!("{op:?}")
}

/// The same with every number but those of stages taken out.
fn numberless(label: &str) -> String {
    if label.starts_with("Stage") {
        return label.to_owned();
    }
    if label.starts_with("Scalar") {
        return "Scalar".to_owned();
    }
    label
        .chars()
        .filter(|c| !c.is_ascii_digit() && !".-".contains(*c))
        .collect()
}
