//! bfloat16 and float16 forward passes over float32 parameters.

use ssl_engine::session::StepDone;
use ssl_engine::{DeviceChoice, Observer, Options, Session};
use ssl_plan::Precision;

use crate::plans::digits;

#[derive(Default)]
struct Losses(Vec<f32>);

impl Observer for Losses {
    fn step(&mut self, step: &StepDone) {
        self.0.extend(step.loss);
    }
}

fn losses(precision: Precision) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = digits(1, 0);
    plan.recipe.train.precision = precision;
    plan.recipe.evals.clear();
    let mut options = Options::new(folder.path(), "by hand");
    options.device = DeviceChoice::Cpu;
    let mut losses = Losses::default();
    let session = Session::new(plan, options).unwrap();
    session.run(&mut losses).unwrap();
    losses.0
}

/// The recipe's precision reaches the networks, and costs no more than its
/// three digits.
#[test]
fn halves_follow_float32_within_their_digits() {
    let full = losses(Precision::Float32);
    // float16 has three more bits, and its loss is scaled.
    for (precision, within) in [(Precision::Bf16, 0.02), (Precision::F16, 0.004)] {
        let half = losses(precision);
        assert_eq!((full.len(), half.len()), (5, 5));
        assert_ne!(full, half);
        for (step, (a, b)) in full.iter().zip(&half).enumerate() {
            assert!(
                (a - b).abs() < within * a,
                "{precision:?} step {step}: {a} and {b}"
            );
        }
    }
}
