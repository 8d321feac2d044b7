//! Values that change over a run, as pure functions of the step.

use serde::{Deserialize, Serialize};

/// A value for every step: segments one after the other. The last value holds
/// after the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// At least one.
    pub segments: Vec<Segment>,
}

/// A piece of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its length in steps, not necessarily whole.
    pub steps: f64,
    /// What it does over that length.
    pub curve: Curve,
}

/// How a value moves over a segment; `t` runs from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "curve", rename_all = "snake_case")]
pub enum Curve {
    /// One value.
    Constant {
        /// The value.
        value: f64,
    },
    /// `from + (to - from) t`
    Linear {
        /// Value at 0.
        from: f64,
        /// Value at 1.
        to: f64,
    },
    /// `to + (from - to) (1 + cos(pi t)) / 2`
    Cosine {
        /// Value at 0.
        from: f64,
        /// Value at 1.
        to: f64,
    },
    /// `to + (from - to) (1 - t)^power`
    Poly {
        /// Value at 0.
        from: f64,
        /// Value at 1.
        to: f64,
        /// Exponent.
        power: f64,
    },
    /// `from * gamma^n`, `n` the number of milestones at or before the step.
    StepDecay {
        /// Value before the first milestone.
        from: f64,
        /// Steps from the segment's start, rising.
        milestones: Vec<f64>,
        /// Factor at each.
        gamma: f64,
    },
}

/// A number that may move. One that does not is written as a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Hyper {
    /// The same at every step.
    Constant(f64),
    /// A value for every step.
    Moving(Schedule),
}

impl Hyper {
    /// The value at a step, counted from 0.
    pub fn at(&self, step: f64) -> f64 {
        match self {
            Hyper::Constant(value) => *value,
            Hyper::Moving(schedule) => schedule.at(step),
        }
    }
}

impl From<f64> for Hyper {
    fn from(value: f64) -> Self {
        Hyper::Constant(value)
    }
}

impl From<Schedule> for Hyper {
    fn from(schedule: Schedule) -> Self {
        match schedule.as_constant() {
            Some(value) => Hyper::Constant(value),
            None => Hyper::Moving(schedule),
        }
    }
}

impl Schedule {
    /// The same value at every step.
    pub fn constant(value: f64) -> Self {
        Schedule {
            segments: vec![Segment {
                steps: 0.0,
                curve: Curve::Constant { value },
            }],
        }
    }

    /// The value at a step, counted from 0; fractions are fine.
    pub fn at(&self, step: f64) -> f64 {
        let mut start = 0.0;
        let last = self.segments.len().saturating_sub(1);
        for (i, segment) in self.segments.iter().enumerate() {
            if step < start + segment.steps || i == last {
                return segment.curve.at(step - start, segment.steps);
            }
            start += segment.steps;
        }
        f64::NAN
    }

    /// The value, where it is the same at every step.
    pub fn as_constant(&self) -> Option<f64> {
        match self.segments.as_slice() {
            [
                Segment {
                    curve: Curve::Constant { value },
                    ..
                },
            ] => Some(*value),
            _ => None,
        }
    }
}

impl Curve {
    /// The value `steps` after the start of a segment of length `length`.
    pub fn at(&self, steps: f64, length: f64) -> f64 {
        let t = if length > 0.0 {
            (steps / length).clamp(0.0, 1.0)
        } else {
            1.0
        };
        match self {
            Curve::Constant { value } => *value,
            Curve::Linear { from, to } => from + (to - from) * t,
            Curve::Cosine { from, to } => {
                to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
            Curve::Poly { from, to, power } => to + (from - to) * (1.0 - t).powf(*power),
            Curve::StepDecay {
                from,
                milestones,
                gamma,
            } => {
                let passed = milestones.iter().filter(|m| **m <= steps).count();
                from * gamma.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Curve, Schedule, Segment};

    /// Steps of a 300-epoch run at batch 4096 on ImageNet.
    const EPOCH: f64 = 1_281_167.0 / 4096.0;

    fn schedule<const N: usize>(segments: [(f64, Curve); N]) -> Schedule {
        let segment = |(epochs, curve)| Segment {
            steps: epochs * EPOCH,
            curve,
        };
        let segments = segments.map(segment).to_vec();
        Schedule { segments }
    }

    #[track_caller]
    fn close_to(found: f64, expected: f64, tolerance: f64) {
        assert!(
            (found - expected).abs() < tolerance,
            "{found} is not {expected}"
        );
    }

    /// Warm-up of 40 epochs from 0 to 2.4e-3, then half a cosine to 0.
    #[test]
    fn mocov3_rate_has_its_known_values() {
        let (low, peak) = (0.0, 2.4e-3);
        let rate = schedule([
            (
                40.0,
                Curve::Linear {
                    from: low,
                    to: peak,
                },
            ),
            (
                260.0,
                Curve::Cosine {
                    from: peak,
                    to: low,
                },
            ),
        ]);
        assert_eq!(rate.at(0.0), 0.0);
        for (epoch, expected) in [
            (20.0, 0.0012),
            (40.0, 2.4e-3),
            (100.0, 2.098213e-3),
            (170.0, 0.0012),
            (300.0, 0.0),
            (400.0, 0.0),
        ] {
            close_to(rate.at(epoch * EPOCH), expected, 5e-10);
        }
    }

    #[test]
    fn mocov3_momentum_has_its_known_values() {
        let decay = schedule([(
            300.0,
            Curve::Cosine {
                from: 0.99,
                to: 1.0,
            },
        )]);
        for (epoch, expected) in [(0.0, 0.99), (75.0, 0.991464), (150.0, 0.995), (300.0, 1.0)] {
            close_to(decay.at(epoch * EPOCH), expected, 5e-7);
        }
    }

    /// A milestone counts from its own step on, within its segment.
    #[test]
    fn milestones_and_powers_begin_where_they_say() {
        let milestones = vec![10.0, 20.0];
        let stairs = Schedule {
            segments: vec![
                Segment {
                    steps: 5.0,
                    curve: Curve::Constant { value: 7.0 },
                },
                Segment {
                    steps: 30.0,
                    curve: Curve::StepDecay {
                        from: 1.0,
                        milestones,
                        gamma: 0.1,
                    },
                },
            ],
        };
        for (step, expected) in [
            (4.9, 7.0),
            (5.0, 1.0),
            (14.9, 1.0),
            (15.0, 0.1),
            (25.0, 0.01),
        ] {
            close_to(stairs.at(step), expected, 1e-12);
        }
        let poly = Curve::Poly {
            from: 1.0,
            to: 0.2,
            power: 2.0,
        };
        close_to(poly.at(30.0, 40.0), 0.2 + 0.8 / 16.0, 1e-12);
    }
}
