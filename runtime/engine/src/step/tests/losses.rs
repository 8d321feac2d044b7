//! The losses of the methods, written as graphs.

use ssl_plan::{BinaryOp, NodeId, Op, ReduceOp, UnaryOp};

use super::{COLUMNS, ROWS, Wiring, close_to, four, matrix, x};

impl Wiring {
    /// `-mean(diagonal(log_softmax(logits / t)))`
    fn diagonal_cross_entropy(&mut self, logits: NodeId, t: NodeId) -> NodeId {
        let scaled = self.binary(BinaryOp::Div, logits, t);
        let x = self.add(Op::LogSoftmax { x: scaled });
        let x = self.add(Op::Diagonal { x });
        let x = self.mean(x);
        self.add(Op::Unary { f: UnaryOp::Neg, x })
    }

    /// `2 T cross_entropy(l2n(q) l2n(k)^T / T, diagonal)`
    pub(super) fn info_nce(&mut self, q: NodeId, k: NodeId, temperature: f64) -> NodeId {
        let k = self.add(Op::Detach { x: k });
        let (q, k) = (self.unit(q), self.unit(k));
        let logits = self.against(q, k);
        let t = self.number(temperature);
        let loss = self.diagonal_cross_entropy(logits, t);
        let two = self.number(2.0);
        let twice = self.binary(BinaryOp::Mul, two, t);
        self.binary(BinaryOp::Mul, twice, loss)
    }

    /// One direction: positives on the diagonal, then the own side masked.
    fn nt_xent_half(&mut self, a: NodeId, b: NodeId, t: NodeId) -> NodeId {
        let cross = self.against(a, b);
        let own = self.against(a, a);
        let own = self.add(Op::MaskDiagonal { x: own });
        let logits = self.add(Op::Concat {
            xs: vec![cross, own],
            axis: 1,
        });
        self.diagonal_cross_entropy(logits, t)
    }

    pub(super) fn nt_xent(&mut self, a: NodeId, b: NodeId, temperature: f64) -> NodeId {
        let (a, b) = (self.unit(a), self.unit(b));
        let t = self.number(temperature);
        let (first, second) = (self.nt_xent_half(a, b, t), self.nt_xent_half(b, a, t));
        let sum = self.binary(BinaryOp::Add, first, second);
        let two = self.number(2.0);
        self.binary(BinaryOp::Div, sum, two)
    }

    /// `mean(2 - 2 cos(p, z))`
    pub(super) fn byol(&mut self, p: NodeId, z: NodeId) -> NodeId {
        let z = self.add(Op::Detach { x: z });
        let (p, z) = (self.unit(p), self.unit(z));
        let products = self.binary(BinaryOp::Mul, p, z);
        let cosines = self.add(Op::Reduce {
            f: ReduceOp::Sum,
            x: products,
            axis: Some(1),
        });
        let two = self.number(2.0);
        let twice = self.binary(BinaryOp::Mul, two, cosines);
        let distance = self.binary(BinaryOp::Sub, two, twice);
        self.mean(distance)
    }
}

#[test]
fn moco_v3_loss_has_its_known_values() {
    for (temperature, expected) in [(0.2, 0.315032856), (1.0, 4.540217021)] {
        let mut wiring = Wiring::given(4);
        let first = wiring.info_nce(0, 3, temperature);
        let second = wiring.info_nce(1, 2, temperature);
        wiring.binary(BinaryOp::Add, first, second);
        close_to(wiring.scalar(&four()), expected);
    }
}

#[test]
fn nt_xent_has_its_known_values() {
    for (temperature, expected) in [(0.5, 0.846012759), (0.1, 0.045733931)] {
        let mut wiring = Wiring::given(4);
        wiring.nt_xent(0, 1, temperature);
        close_to(wiring.scalar(&four()), expected);
    }
}

#[test]
fn byol_loss_has_its_known_value() {
    let mut wiring = Wiring::given(4);
    let (first, second) = (wiring.byol(0, 3), wiring.byol(1, 2));
    wiring.binary(BinaryOp::Add, first, second);
    close_to(wiring.scalar(&four()), 0.871556613);
}

#[test]
fn equal_logits_give_the_collapse_signature() {
    let same = vec![matrix(vec![0.5; 256 * 4], 256); 4];
    let mut wiring = Wiring::given(4);
    let (first, second) = (wiring.info_nce(0, 3, 0.2), wiring.info_nce(1, 2, 0.2));
    wiring.binary(BinaryOp::Add, first, second);
    close_to(wiring.scalar(&same), 4.0 * 0.2 * 256f64.ln());

    let mut wiring = Wiring::given(2);
    wiring.nt_xent(0, 1, 0.5);
    close_to(wiring.scalar(&same), (2.0 * 256.0 - 1.0f64).ln());
}

/// SwAV's loss: each side predicts the other's assignment to prototypes.
#[test]
fn swav_loss_has_its_known_value() {
    let prototypes = matrix(x(9.0)[..4 * COLUMNS].to_vec(), 4);
    let mut w = Wiring::given(3);
    let c = w.unit(2);
    let t = w.number(0.1);
    let scores = [0, 1].map(|z| {
        let z = w.unit(z);
        w.against(z, c)
    });
    let mut half = |from: NodeId, to: NodeId| {
        let q = w.add(Op::Sinkhorn {
            x: from,
            epsilon: 0.05,
            iterations: 3,
        });
        let p = w.binary(BinaryOp::Div, to, t);
        let p = w.add(Op::LogSoftmax { x: p });
        let product = w.binary(BinaryOp::Mul, q, p);
        let sum = w.add(Op::Reduce {
            f: ReduceOp::Sum,
            x: product,
            axis: Some(1),
        });
        let mean = w.mean(sum);
        w.add(Op::Unary {
            f: UnaryOp::Neg,
            x: mean,
        })
    };
    let (first, second) = (half(scores[0], scores[1]), half(scores[1], scores[0]));
    let sum = w.binary(BinaryOp::Add, first, second);
    let two = w.number(2.0);
    w.binary(BinaryOp::Div, sum, two);
    let [q1, q2] = [x(1.0), x(2.0)].map(|x| matrix(x, ROWS));
    close_to(w.scalar(&[q1, q2, prototypes]), 1.393456389);
}
