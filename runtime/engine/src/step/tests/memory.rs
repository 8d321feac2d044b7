//! Queues and running means: what a graph remembers from step to step.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor};
use ssl_plan::{Graph, Op, Precision, ReduceOp, Schedule, Track};

use super::super::Passes;
use super::{Step, Wiring, close_to, floats};
use crate::model::Model;

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
        nodes: w.nodes,
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
    let passes = |step, parts, read_tracks| Passes {
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
