//! What one operation gives.

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::{BinaryOp, Curve, Op, ReduceOp, Schedule, Segment};

use super::{
    COLUMNS, ROWS, Value, Wiring, all_close, close_to, floats, four, matrix, reference, x,
};

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
