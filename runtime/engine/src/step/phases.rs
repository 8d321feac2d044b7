//! Where the time of a step goes.

use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;

/// A part of a step, by what it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waiting for the batch, and bringing it to the device.
    Data,
    /// Networks and loss.
    Forward,
    /// Gradients of the loss.
    Backward,
    /// The optimizer's update.
    Optimizer,
    /// The moving averages of networks.
    Average,
}

impl Phase {
    /// Every phase, in the order in which they are listed.
    pub const ALL: [Phase; 5] = [
        Phase::Data,
        Phase::Forward,
        Phase::Backward,
        Phase::Optimizer,
        Phase::Average,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Data => "data",
            Phase::Forward => "forward",
            Phase::Backward => "backward",
            Phase::Optimizer => "optimizer",
            Phase::Average => "average",
        }
    }
}

/// The seconds of a step by phase. Off, it costs nothing; on, the device is
/// waited for at the end of every phase, so that work that it has put off
/// counts where it was asked for.
pub struct Phases {
    device: Option<Device>,
    mark: Instant,
    seconds: [f64; Phase::ALL.len()],
}

impl Phases {
    /// Measures nothing.
    pub fn off() -> Self {
        Phases {
            device: None,
            mark: Instant::now(),
            seconds: [0.0; Phase::ALL.len()],
        }
    }

    /// Measures from now on.
    pub fn on(device: &Device) -> Self {
        Phases {
            device: Some(device.clone()),
            ..Phases::off()
        }
    }

    /// What was computed since the last call belongs to a phase.
    pub fn end(&mut self, phase: Phase) {
        let Some(device) = &self.device else { return };
        // What went wrong is told where its result is read.
        let _ = device.sync();
        let now = Instant::now();
        self.seconds[phase as usize] += (now - self.mark).as_secs_f64();
        self.mark = now;
    }

    /// The seconds so far, in the order of [`Phase::ALL`]; counts from 0 again.
    pub fn take(&mut self) -> [f64; Phase::ALL.len()] {
        std::mem::take(&mut self.seconds)
    }
}
