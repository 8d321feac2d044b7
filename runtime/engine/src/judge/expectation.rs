//! Holds the loss against what the plan says that it can come to.
//!
//! A loss below the least possible one is a fault of the run, whatever its
//! curve looks like: negatives are missing, say. A loss that stays where a
//! constant output has it says that the network has collapsed, or never left
//! that state.

use ssl_plan::{Expected, Precision, Recipe};

/// Share of the run in which features are as they start, and nothing is said
/// of them.
const START: f64 = 0.2;
/// Share of the run that the loss has to stay.
const STAY: f64 = 0.1;
/// How near is there, as a share of the way between the two.
const NEAR: f64 = 0.01;
/// Least readings that are a stay.
const READINGS: usize = 3;

/// Reads the losses of a run in order.
#[derive(Debug, Clone)]
pub struct Expectation {
    expected: Expected,
    steps: f64,
    /// What rounding may take from a loss, as a share of it.
    rounding: f64,
    /// The first loss.
    first: Option<f64>,
    /// Since when the loss is where a constant output has it, and how often it
    /// was read there.
    since: Option<(usize, usize)>,
    said_below: bool,
    said_collapsed: bool,
}

impl Expectation {
    /// An expectation before the first step.
    pub fn new(expected: &Expected, recipe: &Recipe) -> Self {
        Expectation {
            expected: expected.clone(),
            steps: recipe.train.steps as f64,
            rounding: match recipe.train.precision {
                Precision::Float32 => 1e-3,
                Precision::Bf16 | Precision::F16 => 1e-2,
            },
            first: None,
            since: None,
            said_below: false,
            said_collapsed: false,
        }
    }

    /// Takes in a loss. What is to be said of it, each thing once in a run.
    pub fn read(&mut self, step: usize, loss: f32) -> Vec<String> {
        let loss = f64::from(loss);
        let first = *self.first.get_or_insert(loss);
        self.below(step, loss)
            .into_iter()
            .chain(self.collapsed(step, loss, first))
            .collect()
    }

    fn below(&mut self, step: usize, loss: f64) -> Option<String> {
        let least = self.expected.least.as_ref()?.value.at(step as f64);
        if self.said_below || loss >= least - self.rounding * least.abs().max(1.0) {
            return None;
        }
        self.said_below = true;
        Some(format!(
            "the loss of step {step} is {loss:.4}, where {least:.4} is the least; lower than possible: \
             negatives are missing"
        ))
    }

    fn collapsed(&mut self, step: usize, loss: f64, first: f64) -> Option<String> {
        let at = step as f64;
        let collapsed = self.expected.collapsed.as_ref()?.at(at);
        let least = self.expected.least.as_ref().map(|l| l.value.at(at));
        // The way from there to the best, or, where that is the best, from
        // where the run began.
        let way = match least {
            Some(least) if least < collapsed => collapsed - least,
            Some(_) => (first - collapsed).abs(),
            None => collapsed.abs(),
        };
        if self.said_collapsed
            || at < START * self.steps
            || (loss - collapsed).abs() > NEAR * way.max(1e-6)
        {
            self.since = None;
            return None;
        }
        let (since, readings) = self.since.get_or_insert((step, 0));
        *readings += 1;
        let stayed = step - *since;
        if *readings < READINGS || (stayed as f64) < STAY * self.steps {
            return None;
        }
        self.said_collapsed = true;
        Some(format!(
            "this loss is that of a collapsed network: since step {since} it is where the same \
             output for all images has it ({collapsed:.4})"
        ))
    }
}

#[cfg(test)]
mod tests {
    use ssl_plan::{Bound, Schedule};

    use super::*;

    fn expectation(collapsed: f64, least: f64, steps: f64) -> Expectation {
        let constant = Schedule::constant;
        Expectation {
            expected: Expected {
                collapsed: Some(constant(collapsed)),
                least: Some(Bound {
                    value: constant(least),
                    exact: true,
                }),
            },
            steps,
            rounding: 1e-3,
            first: None,
            since: None,
            said_below: false,
            said_collapsed: false,
        }
    }

    fn said(mut of: Expectation, losses: impl Iterator<Item = (usize, f32)>) -> Vec<String> {
        losses
            .flat_map(|(step, loss)| of.read(step, loss))
            .collect()
    }

    /// MoCo v3 at T .2 and N 256: 4.4361 where every logit is equal.
    #[test]
    fn a_loss_that_never_leaves_the_start_is_told_once() {
        let steps = || (0..1000).step_by(10);
        let stuck = said(
            expectation(4.4361, 0.76, 1000.0),
            steps().map(|s| (s, 4.43)),
        );
        assert_eq!(stuck.len(), 1);
        assert!(
            stuck[0].contains("collapsed network: since step 200"),
            "{stuck:?}"
        );
        // A slow start is none: it leaves within the stay.
        let slow = steps().map(|s| (s, if s < 280 { 4.43 } else { 3.0 }));
        assert_eq!(said(expectation(4.4361, 0.76, 1000.0), slow), [""; 0]);
    }

    /// Where a constant output is the best, only falling all the way counts.
    #[test]
    fn a_loss_that_only_attracts_is_told_where_it_vanishes() {
        let run = |end: f32| {
            let losses = (0..1000)
                .step_by(10)
                .map(move |s| (s, if s < 300 { 2.3 } else { end }));
            said(expectation(0.0, 0.0, 1000.0), losses)
        };
        assert_eq!(run(0.005).len(), 1);
        assert_eq!(run(0.2), [""; 0]);
    }

    #[test]
    fn lower_than_possible_is_told_at_once_and_once() {
        let told = said(
            expectation(33.27, 29.27, 100.0),
            [(0, 33.0), (1, 29.26), (2, 25.0), (3, 25.0)].into_iter(),
        );
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains("step 2 is 25.0000, where 29.2700 is the least"),
            "{told:?}"
        );
    }
}
