//! Plan to training: networks, losses, optimisers, evaluation and checkpoints
//! on Burn.

pub mod cuda;
pub mod nets;
