//! Time and throughput of a run.

use std::time::{Duration, Instant};

/// Time and throughput.
pub struct Clock {
    batch: usize,
    before: f64,
    begun: Instant,
    steps: usize,
    lap: (Instant, usize),
}

impl Clock {
    /// A clock that begins now; `before` are the seconds of training before
    /// a resumption.
    pub fn new(batch: usize, before: f64) -> Self {
        let now = Instant::now();
        Clock {
            batch,
            before,
            begun: now,
            steps: 0,
            lap: (now, 0),
        }
    }

    /// Counts a step.
    pub fn tick(&mut self) {
        self.steps += 1;
    }

    /// Seconds of training over all resumptions.
    pub fn seconds(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    /// Images per second since the clock was made.
    pub fn overall(&self) -> f64 {
        self.rate(self.begun, self.steps)
    }

    /// Images per second since the last lap; begins another.
    pub fn lap(&mut self) -> f64 {
        let (begun, steps) = self.lap;
        let rate = self.rate(begun, self.steps - steps);
        self.lap = (Instant::now(), self.steps);
        rate
    }

    fn rate(&self, begun: Instant, steps: usize) -> f64 {
        (self.batch * steps) as f64 / begun.elapsed().as_secs_f64().max(1e-9)
    }

    /// Time that so many steps take at the speed so far.
    pub fn left(&self, steps: usize) -> Duration {
        let each = self.begun.elapsed().as_secs_f64() / self.steps.max(1) as f64;
        Duration::from_secs_f64(each * steps as f64)
    }
}
