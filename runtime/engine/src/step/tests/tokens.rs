//! Operations on values of rank 3.

use burn::tensor::{Device, Tensor, TensorData};
use ssl_plan::{BinaryOp, NodeId, Op, ReduceOp};

use super::{Array, Value, Wiring, all_close, floats};

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
