//! Gradients through whole graphs, and that they are numbers.

use ssl_plan::{BinaryOp, Op, ReduceOp, UnaryOp};

use super::{COLUMNS, ROWS, Wiring, all_close, close_to, floats, matrix, x};

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
