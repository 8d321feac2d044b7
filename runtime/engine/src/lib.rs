//! Plan to training: networks, losses, optimisers, evaluation and checkpoints
//! on Burn.

pub mod nets;
pub mod weights;
