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
