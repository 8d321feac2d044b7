//! Plan to training: networks, losses, optimisers, evaluation and checkpoints
//! on Burn.

pub mod cuda;
pub mod device;
pub mod error;
pub mod export;
mod fused;
pub mod judge;
pub mod model;
pub mod nets;
pub mod optim;
pub mod plot;
mod pointwise;
pub mod run;
pub mod session;
pub mod step;
pub mod weights;

pub use device::{DeviceChoice, DeviceError};
pub use error::EngineError;
pub use session::{Observer, Options, Outcome, Session};
