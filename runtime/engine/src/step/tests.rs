//! The losses of the methods, as graphs, against values computed elsewhere in
//! float64: `X_s[i, j] = sin(0.7 (i + 1) (j + 1) + 0.3 s)`, 6 by 5, and
//! `q1, q2, k1, k2 = X_1, X_2, X_3, X_4`.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::{
    BinaryOp, Curve, Graph, Node, NodeId, Op, Precision, ReduceOp, Schedule, Segment, Track,
    UnaryOp,
};

use super::{Array, Given, Step, Value, close};
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
        let given: Vec<Value> = (given.iter())
            .map(|tensor| Value::Array(Array::matrix(tensor.clone())))
            .collect();
        self.array(&given, step).tensor
    }

    /// The last node's value on given values.
    fn array(self, given: &[Value], step: usize) -> Array {
        let loss = self.0.len() - 1;
        let graph = Graph {
            nodes: self.0,
            loss,
            tracks: Vec::new(),
        };
        let mut step_graph = Step::new(&graph, &[], 0).unwrap();
        let mut model = Model::new(&[], Precision::Float32, 0, &Device::flex()).unwrap();
        let mut values: Vec<Option<Value>> = vec![None; graph.nodes.len()];
        for (slot, given) in values.iter_mut().zip(given) {
            *slot = Some(given.clone());
        }
        let mut needed = vec![false; graph.nodes.len()];
        needed[loss] = true;
        close(&graph, &mut needed);
        let views = HashMap::new();
        let batch = Given {
            views: &views,
            step,
            rows: crate::nets::Rows::all(ROWS),
        };
        step_graph
            .compute(&mut values, &needed, &mut model, batch, None)
            .unwrap();
        let last = values.pop().unwrap().unwrap();
        last.array().expect("an array")
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

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

/// `tests/numeric/reference/operations.py`.
fn reference(name: &str) -> Vec<f64> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/numeric/fixtures/operations.json"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let values = all[name].as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

#[track_caller]
fn all_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(
            error < tolerance,
            "{what} {i}: {found} is not {expected}: off by {error:.1e}"
        );
    }
}

/// Values and gradients that PyTorch gives.
#[test]
fn standardize_and_log_sum_exp_are_pytorchs() {
    let probe = |s: f64, columns: usize| {
        let x = matrix(x(s), ROWS);
        x.narrow(1, 0, columns)
    };
    let cases = [
        (
            "standardize",
            Op::Standardize { x: 0, eps: 1e-6 },
            probe(2.0, 5),
        ),
        (
            "log_sum_exp",
            Op::LogSumExp { x: 0 },
            probe(3.0, 1).transpose(),
        ),
    ];
    for (name, op, probe) in cases {
        let leaf = matrix(x(1.0), ROWS).autodiff().require_grad();
        let mut wiring = Wiring::given(1);
        wiring.add(op);
        let value = wiring.value(std::slice::from_ref(&leaf), 0);
        assert_eq!(value.dims(), probe.dims());
        all_close(name, &floats(value.clone().inner()), &reference(name), 2e-6);
        let gradients = (value * probe).sum().backward();
        let gradient = floats(leaf.grad(&gradients).unwrap());
        let name = format!("{name}_gradient");
        all_close(&name, &gradient, &reference(&name), 5e-6);
    }
}

#[test]
fn sinkhorn_is_swavs() {
    for (name, epsilon, iterations) in [("sinkhorn", 0.05, 3), ("sinkhorn_soft", 1.0, 1)] {
        let mut wiring = Wiring::given(1);
        wiring.add(Op::Sinkhorn {
            x: 0,
            epsilon,
            iterations,
        });
        let leaf = matrix(x(1.0), ROWS).autodiff().require_grad();
        let found = wiring.value(&[leaf], 0);
        assert!(!found.is_tracked(), "it takes no gradient");
        all_close(name, &floats(found), &reference(name), 5e-6);
    }
    // Far beyond what exponentials in float32 can hold.
    let mut wiring = Wiring::given(1);
    wiring.add(Op::Sinkhorn {
        x: 0,
        epsilon: 1e-3,
        iterations: 3,
    });
    for row in floats(wiring.value(&four()[..1], 0)).chunks(COLUMNS) {
        let sum: f32 = row.iter().sum();
        assert!((sum - 1.0).abs() < 1e-4, "{row:?}");
    }
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

#[test]
fn patches_lie_as_maes() {
    let images: Vec<f32> = (0..144).map(|i| i as f32).collect();
    let images = Tensor::from_data(TensorData::new(images, [2, 3, 4, 6]), &Device::flex());
    let mut wiring = Wiring::given(1);
    wiring.add(Op::Patchify { x: 0, patch: 2 });
    let patches = wiring.array(&[Value::Image(images)], 0);
    assert_eq!(patches.shape, [2, 6, 12]);
    all_close(
        "patches",
        &floats(patches.tensor),
        &reference("patches"),
        1e-9,
    );
}

/// The neighbour is that of the largest inner product, not of the smallest
/// distance, and takes no gradient.
#[test]
fn the_nearest_is_the_most_aligned() {
    let among = matrix(vec![1.0, 0.0, 0.0, 3.0, -5.0, 0.0], 3);
    let x = matrix(vec![1.0, 0.1, 0.1, 1.0, -1.0, 0.2, 1.0, 1.0], 4);
    let mut wiring = Wiring::given(2);
    wiring.add(Op::Nearest { x: 0, among: 1 });
    let leaf = x.autodiff().require_grad();
    let found = wiring.value(&[leaf, among], 0);
    assert!(!found.is_tracked());
    assert_eq!(floats(found), [1.0, 0.0, 0.0, 3.0, -5.0, 0.0, 0.0, 3.0]);
}

/// `b * n * d` numbers as tokens.
fn tokens([b, n, d]: [usize; 3], s: f64) -> (Vec<f64>, Value) {
    let values: Vec<f64> = (0..b * n * d)
        .map(|i| (s + i as f64 * 0.37).sin())
        .collect();
    let data: Vec<f32> = values.iter().map(|x| *x as f32).collect();
    let tensor = Tensor::<3>::from_data(TensorData::new(data, [b, n, d]), &Device::flex());
    let signal = crate::nets::Signal::Tokens(tensor);
    (values, Value::from(signal))
}

/// On rank 3, every operation does what a loop over the indices does.
#[test]
fn tokens_are_computed_with_as_numpy_does() {
    let (b, n, d) = (2, 3, 4);
    let (a, first) = tokens([b, n, d], 0.1);
    let (c, second) = tokens([b, n, d], 0.9);
    let (m, mask) = tokens([1, b, n], 2.0);
    let mask = mask.array().unwrap().slice(0, 0..1).unwrap();
    let mask = Value::Array(Array {
        tensor: mask.tensor,
        shape: vec![b, n],
    });
    let at = |i: usize, j: usize, k: usize| (i * n + j) * d + k;
    let indices =
        || (0..b).flat_map(move |i| (0..n).flat_map(move |j| (0..d).map(move |k| (i, j, k))));
    type Expected<'a> = Box<dyn Fn() -> (Vec<usize>, Vec<f64>) + 'a>;
    let sum = |x: NodeId, axis| Op::Reduce {
        f: ReduceOp::Sum,
        x,
        axis,
    };
    let slice = |axis, start, end| Op::Slice {
        x: 0,
        axis,
        start,
        end,
    };
    let cat = |axis| Op::Concat {
        xs: vec![0, 1],
        axis,
    };
    let cases: Vec<(&str, Vec<Op>, Expected)> = vec![
        (
            "product",
            vec![Op::Binary {
                f: BinaryOp::Mul,
                left: 0,
                right: 1,
            }],
            Box::new(|| {
                let all = indices().map(|(i, j, k)| a[at(i, j, k)] * c[at(i, j, k)]);
                (vec![b, n, d], all.collect())
            }),
        ),
        (
            "masked mean of squares",
            vec![
                Op::Binary {
                    f: BinaryOp::Mul,
                    left: 0,
                    right: 0,
                },
                sum(3, Some(2)),
                Op::Binary {
                    f: BinaryOp::Mul,
                    left: 4,
                    right: 2,
                },
            ],
            Box::new(|| {
                let token = |t: usize| a[t * d..(t + 1) * d].iter().map(|x| x * x).sum::<f64>();
                (vec![b, n], (0..b * n).map(|t| token(t) * m[t]).collect())
            }),
        ),
        (
            "sum over the batch",
            vec![sum(0, Some(0))],
            Box::new(|| {
                let all = (0..n * d).map(|t| (0..b).map(|i| a[i * n * d + t]).sum());
                (vec![n, d], all.collect())
            }),
        ),
        (
            "sum over the tokens",
            vec![sum(0, Some(1))],
            Box::new(|| {
                let all = (0..b * d).map(|t| (0..n).map(|j| a[at(t / d, j, t % d)]).sum());
                (vec![b, d], all.collect())
            }),
        ),
        (
            "less the mean of the batch's sums",
            vec![
                sum(0, Some(1)),
                sum(3, Some(0)),
                Op::Binary {
                    f: BinaryOp::Sub,
                    left: 0,
                    right: 4,
                },
            ],
            Box::new(|| {
                let total = |k: usize| (0..b * n).map(|t| a[t * d + k]).sum::<f64>();
                let all = indices().map(|(i, j, k)| a[at(i, j, k)] - total(k));
                (vec![b, n, d], all.collect())
            }),
        ),
        (
            "without the first token",
            vec![slice(1, 1, n)],
            Box::new(|| {
                let kept = indices().filter(|(_, j, _)| *j > 0);
                (
                    vec![b, n - 1, d],
                    kept.map(|(i, j, k)| a[at(i, j, k)]).collect(),
                )
            }),
        ),
        (
            "the second sample",
            vec![slice(0, 1, 2)],
            Box::new(|| (vec![1, n, d], a[n * d..].to_vec())),
        ),
        (
            "one column",
            vec![slice(2, 2, 3)],
            Box::new(|| (vec![b, n, 1], (0..b * n).map(|t| a[t * d + 2]).collect())),
        ),
        (
            "joined samples",
            vec![cat(0)],
            Box::new(|| (vec![2 * b, n, d], [a.clone(), c.clone()].concat())),
        ),
        (
            "joined tokens",
            vec![cat(1)],
            Box::new(|| {
                let sample = |x: &[f64], i: usize| x[i * n * d..(i + 1) * n * d].to_vec();
                let all = (0..b).flat_map(|i| [sample(&a, i), sample(&c, i)].concat());
                (vec![b, 2 * n, d], all.collect())
            }),
        ),
        (
            "joined columns",
            vec![cat(2)],
            Box::new(|| {
                let token = |x: &[f64], t: usize| x[t * d..(t + 1) * d].to_vec();
                let all = (0..b * n).flat_map(|t| [token(&a, t), token(&c, t)].concat());
                (vec![b, n, 2 * d], all.collect())
            }),
        ),
        (
            "sum of all",
            vec![sum(0, None)],
            Box::new(|| (vec![], vec![a.iter().sum()])),
        ),
    ];
    for (name, ops, expected) in &cases {
        let mut wiring = Wiring::given(3);
        for op in ops {
            wiring.add(op.clone());
        }
        let found = wiring.array(&[first.clone(), second.clone(), mask.clone()], 0);
        let (shape, values) = expected();
        assert_eq!(found.shape, shape, "{name}");
        all_close(name, &floats(found.tensor), &values, 5e-6);
    }
}

/// A column broadcasts against a matrix, and its gradient is summed back.
#[test]
fn columns_broadcast_over_rows() {
    let leaf = matrix(x(1.0), ROWS).autodiff().require_grad();
    let mut w = Wiring::given(1);
    let sums = w.add(Op::Reduce {
        f: ReduceOp::Sum,
        x: 0,
        axis: Some(1),
    });
    let column = w.add(Op::Column { x: sums });
    let product = w.binary(BinaryOp::Mul, 0, column);
    let joined = w.add(Op::Concat {
        xs: vec![column, product],
        axis: 1,
    });
    w.add(Op::Reduce {
        f: ReduceOp::Sum,
        x: joined,
        axis: None,
    });
    let loss = w.value(std::slice::from_ref(&leaf), 0);
    let data = x(1.0);
    let sum = |i: usize| {
        let row = &data[i * COLUMNS..(i + 1) * COLUMNS];
        row.iter().map(|x| f64::from(*x)).sum::<f64>()
    };
    let expected: f64 = (0..ROWS).map(|i| sum(i) + sum(i) * sum(i)).sum();
    close_to(f64::from(loss.clone().into_scalar::<f32>()), expected);
    let gradient = floats(leaf.grad(&loss.backward()).unwrap());
    let expected: Vec<f64> = (0..ROWS * COLUMNS)
        .map(|i| 1.0 + 2.0 * sum(i / COLUMNS))
        .collect();
    all_close("gradient", &gradient, &expected, 1e-5);
}

/// What has a graph joins what has none, on either side.
#[test]
fn constants_join_what_is_trained() {
    for xs in [vec![0, 1], vec![1, 0]] {
        let leaf = matrix(x(1.0), ROWS).autodiff().require_grad();
        let mut w = Wiring::given(2);
        let joined = w.add(Op::Concat { xs, axis: 0 });
        let square = w.binary(BinaryOp::Mul, joined, joined);
        w.mean(square);
        let loss = w.value(&[leaf.clone(), matrix(x(2.0), ROWS)], 0);
        let gradient = floats(leaf.grad(&loss.backward()).unwrap());
        let expected: Vec<f64> = x(1.0).iter().map(|x| f64::from(*x) / 30.0).collect();
        all_close("gradient", &gradient, &expected, 1e-6);
    }
}

/// A graph whose memory is fed by view 0's mean colour `[B, 3]`, and read.
fn remembering() -> Graph {
    let mut w = Wiring::given(1);
    let small = w.add(Op::Patchify { x: 0, patch: 2 });
    let rows = w.add(Op::Reduce {
        f: ReduceOp::Sum,
        x: small,
        axis: Some(1),
    });
    let queue = w.add(Op::Queue { x: rows, length: 4 });
    let decay = Schedule::constant(0.75);
    let mean = w.add(Op::RunningMean { x: rows, decay });
    let head = w.add(Op::Stage {
        net: "head".into(),
        stage: 0,
        input: rows,
        mask: None,
    });
    let loss = w.mean(head);
    let first = w.mean(queue);
    let second = w.mean(mean);
    let track = |name: &str, node| Track {
        name: name.into(),
        node,
    };
    Graph {
        nodes: w.0,
        loss,
        tracks: vec![track("queue", first), track("mean", second)],
    }
}

fn head() -> Model {
    let stage = ssl_plan::Stage {
        name: None,
        module: ssl_plan::Module::Linear(ssl_plan::Linear {
            input: 12,
            output: 2,
            bias: false,
            weight_norm: false,
        }),
        input: ssl_plan::Shape::Embedding { dim: 12 },
        output: ssl_plan::Shape::Embedding { dim: 2 },
        frozen_steps: 0,
    };
    let net = ssl_plan::Net {
        name: "head".into(),
        kind: ssl_plan::NetKind::Stages {
            stages: vec![stage],
        },
    };
    Model::new(&[net], Precision::Float32, 0, &Device::flex()).unwrap()
}

/// Memory is read before the step's own values go in, takes them in exactly
/// once whether it is read or not, drops the oldest first, and goes on where it
/// was restored.
#[test]
fn memory_holds_what_earlier_steps_put_in() {
    let graph = remembering();
    let mut step = Step::new(&graph, &[], 5).unwrap();
    let mut model = head();
    let passes = |step, parts, read_tracks| super::Passes {
        step,
        parts,
        scale: 1.0,
        read_tracks,
    };
    let value = |t: usize| 0.1 * (t + 1) as f32;
    // Two images of one value: every sum over the single patch is that value.
    let views = |t: usize| {
        let image = Tensor::<4>::full([2, 3, 2, 2], value(t), &Device::flex());
        HashMap::from([("0".to_string(), image)])
    };
    let read = |step: &mut Step, model: &mut Model, t: usize| {
        let outputs = step.run(model, &views(t), passes(t, 1, true)).unwrap();
        let tracks: Vec<f64> = (outputs.tracks.into_iter())
            .map(|track| f64::from(track.into_scalar::<f32>()))
            .collect();
        (tracks[0], tracks[1])
    };
    // Random unit vectors, the same for the same seed on any run.
    let mut other = Step::new(&graph, &[], 5).unwrap();
    let mut elsewhere = Step::new(&graph, &[], 6).unwrap();
    let first = read(&mut other, &mut model, 0);
    assert_ne!(first.0, read(&mut elsewhere, &mut model, 0).0);
    assert_eq!(first, read(&mut step, &mut model, 0));
    assert_eq!(first.1, 0.0);
    let start = floats(other.held()[&3].content.clone());
    for row in start.chunks(12).skip(2) {
        let square: f32 = row.iter().map(|x| x * x).sum();
        assert!((square - 1.0).abs() < 1e-5, "{square}");
    }

    // Step 1 is not read, and computed in two micro-batches.
    step.run(&mut model, &views(1), passes(1, 2, false))
        .unwrap();
    assert_eq!(step.held()[&3].cursor, 0);
    let (queue, mean) = read(&mut step, &mut model, 2);
    close_to(queue, f64::from(value(0) + value(1)) / 2.0);
    close_to(
        mean,
        0.25 * (0.75 * f64::from(value(0)) + f64::from(value(1))),
    );

    // A restored step goes on alike.
    let held = step.held().clone();
    assert_eq!(held[&3].cursor, 2);
    let mut resumed = Step::new(&graph, &[], 5).unwrap();
    assert!(resumed.restore(held.clone()));
    let (queue, mean) = read(&mut step, &mut model, 3);
    assert_eq!((queue, mean), read(&mut resumed, &mut model, 3));
    close_to(queue, f64::from(value(1) + value(2)) / 2.0);

    // What is of another graph is refused.
    let mut wrong = held;
    let queue = wrong.remove(&3).unwrap();
    wrong.insert(2, queue);
    assert!(!resumed.restore(wrong));
}
