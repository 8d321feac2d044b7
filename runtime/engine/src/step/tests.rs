//! The losses of the methods, as graphs, against values computed elsewhere in
//! float64: `X_s[i, j] = sin(0.7 (i + 1) (j + 1) + 0.3 s)`, 6 by 5, and
//! `q1, q2, k1, k2 = X_1, X_2, X_3, X_4`.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::{
    BinaryOp, Curve, Graph, Node, NodeId, Op, Precision, ReduceOp, Schedule, Segment, UnaryOp,
};

use super::{Array, Step, Value, close};
use crate::model::Model;

const ROWS: usize = 6;
const COLUMNS: usize = 5;

fn x(s: f64) -> Vec<f32> {
    let entry = |i: usize, j: usize| (0.7 * ((i + 1) * (j + 1)) as f64 + 0.3 * s).sin() as f32;
    (0..ROWS)
        .flat_map(|i| (0..COLUMNS).map(move |j| entry(i, j)))
        .collect()
}

/// A graph under construction. Its first nodes are given values.
struct Wiring(Vec<Node>);

impl Wiring {
    fn given(count: usize) -> Self {
        let mut wiring = Wiring(Vec::new());
        for i in 0..count {
            wiring.add(Op::View {
                view: i.to_string(),
            });
        }
        wiring
    }

    fn add(&mut self, op: Op) -> NodeId {
        self.0.push(Node {
            op,
            dims: Vec::new(),
            reaches: Vec::new(),
            name: None,
        });
        self.0.len() - 1
    }

    fn number(&mut self, value: f64) -> NodeId {
        self.add(Op::Scalar {
            value: Schedule::constant(value),
        })
    }

    fn binary(&mut self, f: BinaryOp, left: NodeId, right: NodeId) -> NodeId {
        self.add(Op::Binary { f, left, right })
    }

    fn unit(&mut self, x: NodeId) -> NodeId {
        self.add(Op::L2Normalize { x, eps: 1e-12 })
    }

    /// `a b^T`.
    fn against(&mut self, left: NodeId, b: NodeId) -> NodeId {
        let right = self.add(Op::Transpose { x: b });
        self.add(Op::Matmul { left, right })
    }

    fn mean(&mut self, x: NodeId) -> NodeId {
        self.add(Op::Reduce {
            f: ReduceOp::Mean,
            x,
            axis: None,
        })
    }

    /// `-mean(diagonal(log_softmax(logits / t)))`
    fn diagonal_cross_entropy(&mut self, logits: NodeId, t: NodeId) -> NodeId {
        let scaled = self.binary(BinaryOp::Div, logits, t);
        let x = self.add(Op::LogSoftmax { x: scaled });
        let x = self.add(Op::Diagonal { x });
        let x = self.mean(x);
        self.add(Op::Unary { f: UnaryOp::Neg, x })
    }

    /// `2 T cross_entropy(l2n(q) l2n(k)^T / T, diagonal)`
    fn info_nce(&mut self, q: NodeId, k: NodeId, temperature: f64) -> NodeId {
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

    fn nt_xent(&mut self, a: NodeId, b: NodeId, temperature: f64) -> NodeId {
        let (a, b) = (self.unit(a), self.unit(b));
        let t = self.number(temperature);
        let (first, second) = (self.nt_xent_half(a, b, t), self.nt_xent_half(b, a, t));
        let sum = self.binary(BinaryOp::Add, first, second);
        let two = self.number(2.0);
        self.binary(BinaryOp::Div, sum, two)
    }

    /// `mean(2 - 2 cos(p, z))`
    fn byol(&mut self, p: NodeId, z: NodeId) -> NodeId {
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

    /// The last node's value on given matrices.
    fn value(self, given: &[Tensor<2>], step: usize) -> Tensor<2> {
        let loss = self.0.len() - 1;
        let graph = Graph {
            nodes: self.0,
            loss,
            tracks: Vec::new(),
        };
        let mut step_graph = Step::new(&graph, &[], 0).unwrap();
        let mut model = Model::new(&[], Precision::Float32, 0, &Device::flex()).unwrap();
        let mut values: Vec<Option<Value>> = vec![None; graph.nodes.len()];
        for (slot, tensor) in values.iter_mut().zip(given) {
            *slot = Some(Value::Array(Array::matrix(tensor.clone())));
        }
        let mut needed = vec![false; graph.nodes.len()];
        needed[loss] = true;
        close(&graph, &mut needed);
        let views = HashMap::new();
        step_graph
            .compute(&mut values, &needed, &mut model, &views, step)
            .unwrap();
        match values.pop().unwrap() {
            Some(Value::Array(array)) => array.tensor,
            _ => panic!("no array"),
        }
    }

    fn scalar(self, given: &[Tensor<2>]) -> f64 {
        f64::from(self.value(given, 0).into_scalar::<f32>())
    }
}

fn matrix(values: Vec<f32>, rows: usize) -> Tensor<2> {
    let columns = values.len() / rows;
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}

/// `q1, q2, k1, k2`.
fn four() -> Vec<Tensor<2>> {
    [1.0, 2.0, 3.0, 4.0].map(|s| matrix(x(s), ROWS)).to_vec()
}

#[track_caller]
fn close_to(found: f64, expected: f64) {
    let error = (found - expected).abs() / expected.abs().max(1e-12);
    assert!(
        error < 2e-6,
        "{found} is not {expected}: off by {error:.1e}"
    );
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

/// Every reduction, on both axes and on all, and NumPy's broadcasting of what
/// is left, against a loop.
#[test]
fn reductions_and_broadcasting_follow_numpy() {
    let data = x(1.0);
    let at = |i: usize, j: usize| f64::from(data[i * COLUMNS + j]);
    let std = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    };
    let column = |j: usize| (0..ROWS).map(|i| at(i, j)).collect::<Vec<_>>();

    // (x - mean_rows(x)) / std_rows(x): each column standardised.
    let mut wiring = Wiring::given(1);
    let mean = wiring.add(Op::Reduce {
        f: ReduceOp::Mean,
        x: 0,
        axis: Some(0),
    });
    let deviation = wiring.add(Op::Reduce {
        f: ReduceOp::Std,
        x: 0,
        axis: Some(0),
    });
    let centred = wiring.binary(BinaryOp::Sub, 0, mean);
    wiring.binary(BinaryOp::Div, centred, deviation);
    let found = wiring
        .value(&four()[..1], 0)
        .into_data()
        .try_into_vec::<f32>()
        .unwrap();
    for i in 0..ROWS {
        for j in 0..COLUMNS {
            let mean = column(j).iter().sum::<f64>() / ROWS as f64;
            let expected = (at(i, j) - mean) / std(&column(j));
            let found = f64::from(found[i * COLUMNS + j]);
            assert!(
                (found - expected).abs() < 1e-5,
                "{i} {j}: {found} {expected}"
            );
        }
    }

    // A vector of row sums, then the deviation of all of it.
    let mut wiring = Wiring::given(1);
    let sums = wiring.add(Op::Reduce {
        f: ReduceOp::Sum,
        x: 0,
        axis: Some(1),
    });
    wiring.add(Op::Reduce {
        f: ReduceOp::Std,
        x: sums,
        axis: None,
    });
    let sums: Vec<f64> = (0..ROWS)
        .map(|i| (0..COLUMNS).map(|j| at(i, j)).sum())
        .collect();
    close_to(wiring.scalar(&four()[..1]), std(&sums));
}

/// A number from a schedule moves with the step: 3 x at step 3 of a ramp.
#[test]
fn scalars_are_asked_at_the_step() {
    let mut wiring = Wiring::given(1);
    let curve = Curve::Linear {
        from: 0.0,
        to: 10.0,
    };
    let value = Schedule {
        segments: vec![Segment { steps: 10.0, curve }],
    };
    let ramp = wiring.add(Op::Scalar { value });
    let scaled = wiring.binary(BinaryOp::Mul, 0, ramp);
    wiring.mean(scaled);
    let expected = 3.0 * x(1.0).iter().map(|v| f64::from(*v)).sum::<f64>() / 30.0;
    let found = wiring.value(&four()[..1], 3).into_scalar::<f32>();
    close_to(f64::from(found), expected);
}

/// The gradient of a loss that uses every differentiable operation, against
/// central differences.
#[test]
fn gradients_match_finite_differences() {
    let build = || {
        let mut w = Wiring::given(2);
        let nce = w.info_nce(0, 1, 0.3);
        let xent = w.nt_xent(0, 1, 0.5);
        let byol = w.byol(0, 1);
        let deviation = w.add(Op::Reduce {
            f: ReduceOp::Std,
            x: 0,
            axis: Some(0),
        });
        let floor = w.number(0.8);
        let hinge = w.binary(BinaryOp::Sub, floor, deviation);
        let hinge = w.add(Op::Unary {
            f: UnaryOp::Relu,
            x: hinge,
        });
        let hinge = w.mean(hinge);
        let soft = w.add(Op::Softmax { x: 0 });
        let log = w.add(Op::Unary {
            f: UnaryOp::Log,
            x: soft,
        });
        let entropy = w.binary(BinaryOp::Mul, soft, log);
        let entropy = w.mean(entropy);
        let square = w.binary(BinaryOp::Mul, 0, 0);
        let exp = w.add(Op::Unary {
            f: UnaryOp::Exp,
            x: square,
        });
        let root = w.add(Op::Unary {
            f: UnaryOp::Sqrt,
            x: exp,
        });
        let one = w.number(1.0);
        let inverse = w.binary(BinaryOp::Div, one, root);
        let inverse = w.mean(inverse);
        [xent, byol, hinge, entropy, inverse]
            .into_iter()
            .fold(nce, |sum, term| w.binary(BinaryOp::Add, sum, term));
        w
    };
    let other = matrix(x(2.0), ROWS);
    let start = x(1.0);
    let leaf = matrix(start.clone(), ROWS).autodiff().require_grad();
    let loss = build().value(&[leaf.clone(), other.clone()], 0);
    let gradient = leaf.grad(&loss.backward()).unwrap();
    let gradient = gradient.into_data().try_into_vec::<f32>().unwrap();

    let step = 1e-2;
    let at = |values: Vec<f32>| build().scalar(&[matrix(values, ROWS), other.clone()]);
    for (i, analytic) in gradient.iter().enumerate() {
        let moved = |by: f32| {
            let mut values = start.clone();
            values[i] += by;
            at(values)
        };
        // Fourth order, so that float32 rounding, not the step, is the error.
        let near = moved(step) - moved(-step);
        let far = moved(2.0 * step) - moved(-2.0 * step);
        let numeric = (8.0 * near - far) / (12.0 * f64::from(step));
        let error = (numeric - f64::from(*analytic)).abs();
        assert!(error < 2e-4, "entry {i}: {analytic} against {numeric}");
    }
}

/// Features that are all the same point, as after a collapse, or all zero, do
/// not make a gradient that is no number.
#[test]
fn degenerate_features_have_finite_gradients() {
    for fill in [0.0, 1.0] {
        let mut w = Wiring::given(2);
        let byol = w.byol(0, 1);
        let xent = w.nt_xent(0, 1, 0.1);
        let deviation = w.add(Op::Reduce {
            f: ReduceOp::Std,
            x: 0,
            axis: Some(0),
        });
        let deviation = w.mean(deviation);
        let sum = w.binary(BinaryOp::Add, byol, xent);
        w.binary(BinaryOp::Add, sum, deviation);
        let leaf = matrix(vec![fill; 30], ROWS).autodiff().require_grad();
        let loss = w.value(&[leaf.clone(), leaf.clone()], 0);
        let gradient = leaf.grad(&loss.backward()).unwrap();
        let gradient = gradient.into_data().try_into_vec::<f32>().unwrap();
        assert!(
            gradient.iter().all(|g| g.is_finite()),
            "{fill}: {gradient:?}"
        );
    }
}
